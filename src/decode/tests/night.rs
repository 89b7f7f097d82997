//! The stream of one night: every line becomes what fixtures/streams/README.md says.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::base::clock::MILLISECOND_NS;
use crate::event::reading::Reading;

/// 2026-11-19 18:00 at Heron Lane.
const DUSK: UnixNanos = 1_795_107_600_000 * MILLISECOND_NS;

#[derive(serde::Deserialize)]
struct Line {
    after_ms: i64,
    topic: String,
    qos: u8,
    retain: bool,
    payload: Option<String>,
    payload_base64: Option<String>,
}

fn night() -> Vec<Inbound> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/streams/night.jsonl");
    let mut at = DUSK;
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| {
            let line: Line = serde_json::from_str(line).unwrap();
            at += line.after_ms * MILLISECOND_NS;
            let payload = match (line.payload, line.payload_base64) {
                (Some(text), None) => text.into_bytes(),
                (None, Some(coded)) => STANDARD.decode(coded).unwrap(),
                _ => panic!("exactly one payload"),
            };
            Inbound {
                topic: line.topic.into(),
                payload,
                qos: line.qos,
                retain: line.retain,
                received_at: at,
            }
        })
        .collect()
}

fn decoded() -> Vec<(Inbound, Decoded)> {
    // Log lines tell the time of Heron Lane, an hour east of UTC.
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
    let rules = native().with_time_zone(zone);
    night()
        .into_iter()
        .map(|inbound| {
            let decoded = decode(&inbound, &rules);
            assert_eq!(decoded.events.len(), 1);
            (inbound, decoded)
        })
        .collect()
}

fn lines(night: &[(Inbound, Decoded)], wanted: impl Fn(&NewEvent) -> bool) -> Vec<usize> {
    night
        .iter()
        .enumerate()
        .filter(|(_, (_, decoded))| wanted(&decoded.events[0]))
        .map(|(at, _)| at + 1)
        .collect()
}

#[test]
fn every_line_becomes_the_kind_that_the_readme_counts() {
    let night = decoded();
    assert_eq!(night.len(), 888);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, decoded) in &night {
        *kinds
            .entry(decoded.events[0].event.kind().name())
            .or_default() += 1;
    }
    let count = |names: &[&str]| -> usize {
        names
            .iter()
            .map(|name| kinds.get(name).copied().unwrap_or_default())
            .sum()
    };
    // The README's families, less the garbage on their topics. A bare `nan` and a whole number
    // beyond i64 are kept as text, so that two of its 17 lines are sensor readings here.
    assert_eq!(count(&["sensor.reported"]), 447 - 7 + 2);
    assert_eq!(
        count(&["camera.motion_started", "camera.motion_ended"]),
        69 - 5
    );
    assert_eq!(count(&["camera.heartbeat_received"]), 164);
    assert_eq!(count(&["camera.failed"]), 4 - 1);
    assert_eq!(count(&["camera.snapshot_taken"]), 1);
    assert_eq!(count(&["package.detected", "package.collected"]), 3);
    assert_eq!(count(&["face.seen"]), 3);
    assert_eq!(count(&["pet.sighted", "pet.located"]), 19);
    assert_eq!(count(&["wildlife.sighted"]), 6);
    assert_eq!(count(&["recording.finished"]), 2);
    assert_eq!(
        count(&[
            "ups.status_reported",
            "ups.power_lost",
            "ups.power_restored",
            "ups.battery_low",
            "ups.battery_critical"
        ]),
        16 - 1
    );
    assert_eq!(count(&["presence.reported"]), 24);
    assert_eq!(count(&["arm.requested"]), 5);
    assert_eq!(count(&["system.health_reported"]), 15 - 1);
    assert_eq!(count(&["log.written"]), 49 - 1);
    assert_eq!(count(&["metrics.sampled"]), 53 - 1);
    assert_eq!(count(&["message.unmapped"]), 8);
    assert_eq!(count(&["message.undecodable"]), 15);
}

#[test]
fn each_garbage_line_has_its_reason_and_its_bytes() {
    let night = decoded();
    let expected = [
        (47, "empty payload"),
        (84, "not UTF-8: byte 30 of 35"),
        (112, "JSON breaks off at line 1 column"),
        (141, "payload is an array; expected an object"),
        (212, "nested deeper than 64"),
        (215, "number beyond a double"),
        (249, "not JSON: expected value"),
        (278, "key \"confidence\" comes twice"),
        (291, "half a surrogate pair"),
        (317, "whole number beyond 64 bits"),
        (
            333,
            "key \"confidence\" holds a text; expected a finite number",
        ),
        (
            337,
            "key \"detection\" holds \"submarine\"; expected one of person, vehicle",
        ),
        (403, "not UTF-8: byte 1"),
        (490, "bytes follow the JSON value"),
        (546, "log line of "),
    ];
    let undecodable = |event: &NewEvent| event.event.kind() == Kind::MessageUndecodable;
    assert_eq!(lines(&night, undecodable), expected.map(|(line, _)| line));
    for (line, reason) in expected {
        let (inbound, decoded) = &night[line - 1];
        let event = &decoded.events[0];
        let said = event.text.as_deref().unwrap();
        assert!(said.contains(reason), "line {line}: {said}");
        let Event::MessageUndecodable(message) = &event.event else {
            unreachable!()
        };
        assert_eq!(message.payload, inbound.payload, "line {line}");
        assert_eq!(event.occurred_at, inbound.received_at);
    }
    for (line, word) in [(253, "nan"), (309, "9223372036854775808")] {
        let Event::SensorReported(reading) = &night[line - 1].1.events[0].event else {
            panic!("line {line}");
        };
        assert_eq!(reading.value, Reading::Word(word.into()), "line {line}");
    }
    let unmapped = |event: &NewEvent| event.event.kind() == Kind::MessageUnmapped;
    assert_eq!(
        lines(&night, unmapped),
        [57, 71, 104, 298, 341, 478, 759, 844]
    );
}

#[test]
fn times_are_read_in_every_unit_and_doubted_where_they_must_be() {
    let night = decoded();
    let doubted = |event: &NewEvent| event.flags.has(Flags::CLOCK_SUSPECT);
    assert_eq!(lines(&night, doubted), [598, 600]);
    let retained = |event: &NewEvent| event.flags.has(Flags::RETAINED);
    assert_eq!(lines(&night, retained).len(), 20);
    for (line, claim) in [(598, 41_230_i64), (600, 7_239_628_800_000)] {
        let event = &night[line - 1].1.events[0];
        let Event::SensorReported(reading) = &event.event else {
            panic!("line {line}")
        };
        assert_eq!(event.occurred_at, event.received_at);
        assert_eq!(reading.extra["claimed_ts"], claim);
    }
    let late = |event: &NewEvent| event.received_at - event.occurred_at >= 300_000_000_000;
    let late: Vec<usize> = lines(&night, |event| late(event) && !retained(event));
    // The README counts first arrivals; a publisher's repeat of an old id is late as well.
    for line in [424, 425, 434, 435, 436, 437, 438, 439] {
        assert!(late.contains(&line), "line {line}");
    }
    for (line, (inbound, decoded)) in night.iter().enumerate() {
        let event = &decoded.events[0];
        let age = event.received_at - event.occurred_at;
        assert!(
            age >= -300_000_000_000,
            "line {}: {}",
            line + 1,
            inbound.topic
        );
    }
}

#[test]
fn ids_and_digests_tell_repeats_from_clashes() {
    let night = decoded();
    let mut seen: BTreeMap<(&str, &str), [u8; 16]> = BTreeMap::new();
    let (mut repeats, mut clashes) = (Vec::new(), Vec::new());
    for (at, (inbound, decoded)) in night.iter().enumerate() {
        let Some(id) = &decoded.publisher_id else {
            continue;
        };
        assert_eq!(id.hash, decoded.hash);
        match seen.insert((&inbound.topic, &id.id), id.hash) {
            Some(hash) if hash == id.hash => repeats.push(at + 1),
            Some(_) => clashes.push(at + 1),
            None => {}
        }
    }
    assert_eq!(
        repeats,
        [25, 60, 63, 126, 272, 331, 358, 367, 567, 639, 878, 886, 887]
    );
    assert_eq!(clashes, [391, 595]);
}

#[test]
fn the_pins_of_the_night_are_nowhere() {
    for (inbound, decoded) in decoded() {
        let event = &decoded.events[0];
        let body = event.event.encode();
        let text = event.text.clone().unwrap_or_default();
        for pin in ["4711", "4710", "0815"] {
            let inside = |bytes: &[u8]| bytes.windows(pin.len()).any(|part| part == pin.as_bytes());
            assert!(
                !inside(&body) && !inside(text.as_bytes()),
                "{}",
                inbound.topic
            );
        }
        if let Event::ArmRequested(request) = &event.event {
            assert!(request.pin_given);
            assert_ne!(decoded.hash, message_hash(&inbound.topic, &inbound.payload));
        }
    }
}
