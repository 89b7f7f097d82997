//! Each native topic: what it becomes, and what it refuses.

use base64::Engine as _;
use serde_json::json;

use super::*;
use crate::event::Extra;
use crate::event::animal::{Location, Threat};
use crate::event::camera::Detection;
use crate::event::house::{ArmMode, FacePrivacy, FaceSeen};
use crate::event::reading::Reading;
use crate::event::recording::Trigger;

const TS: &str = "1795143590000";
const TS_NS: i64 = 1_795_143_590_000_000_000;

fn sensor(event: &str, payload: &str) -> (String, Reading, Option<String>) {
    let new = one(&format!("sensor/x/{event}"), payload);
    match new.event {
        Event::SensorReported(reported) => (reported.key, reported.value, reported.unit),
        other => panic!("{event} {payload}: {other:?} {:?}", new.text),
    }
}

#[test]
fn a_sensors_event_names_its_key_and_its_payload_the_value() {
    let word = |word: &str| Reading::Word(word.into());
    let on = || Reading::Flag(true);
    let off = || Reading::Flag(false);
    let number = Reading::Number;
    for (event, payload, key, value, unit) in [
        ("contact_open", "{}", "contact", word("open"), None),
        (
            "contact_open",
            r#"{"value":false}"#,
            "contact",
            word("open"),
            None,
        ),
        ("contact_closed", "true", "contact", word("closed"), None),
        (
            "contact",
            r#"{"value":false}"#,
            "contact",
            word("open"),
            None,
        ),
        (
            "contact",
            r#"{"value":true}"#,
            "contact",
            word("closed"),
            None,
        ),
        ("contact", "ON", "contact", word("open"), None),
        ("contact", "close", "contact", word("closed"), None),
        ("contact", "0", "contact", word("open"), None),
        ("contact", "ajar", "contact", word("ajar"), None),
        ("motion", "{}", "motion", word("detected"), None),
        ("tamper", "{}", "tamper", word("detected"), None),
        (
            "vibration",
            r#"{"strength":3}"#,
            "vibration",
            word("detected"),
            None,
        ),
        ("motion", "ON", "motion", on(), None),
        ("motion", "1", "motion", on(), None),
        ("motion", "0", "motion", off(), None),
        ("motion", "true", "motion", on(), None),
        ("vibration", r#"{"value":"off"}"#, "vibration", off(), None),
        ("leak", "{}", "leak", on(), None),
        ("smoke", "{}", "smoke", on(), None),
        ("leak", r#"{"value":null}"#, "leak", word("unknown"), None),
        ("smoke", r#"{"value":0}"#, "smoke", off(), None),
        (
            "temperature",
            "21.40",
            "temperature",
            number(21.4),
            Some("°C"),
        ),
        ("temperature", "-3", "temperature", number(-3.0), Some("°C")),
        (
            "temperature",
            r#"{"value":"21.4"}"#,
            "temperature",
            number(21.4),
            Some("°C"),
        ),
        (
            "temperature",
            r#"{"value":70,"unit":"°F"}"#,
            "temperature",
            number(70.0),
            Some("°F"),
        ),
        ("humidity", "1", "humidity", number(1.0), Some("%")),
        ("illuminance", "0", "illuminance", number(0.0), Some("lx")),
        ("battery", "91", "battery", number(91.0), Some("%")),
        ("temperature", "nan", "temperature", word("nan"), None),
        (
            "temperature",
            "unavailable",
            "temperature",
            word("unavailable"),
            None,
        ),
        ("temperature", "inf", "temperature", word("inf"), None),
        (
            "state",
            r#"{"value":"closed"}"#,
            "state",
            word("closed"),
            None,
        ),
        ("state", "\"dry\"", "state", word("dry"), None),
        ("state", "true", "state", on(), None),
        ("dial", "007", "dial", word("007"), None),
        ("dial", "12:30", "dial", word("12:30"), None),
        ("dial", "7", "dial", number(7.0), None),
        (
            "dial",
            "9007199254740993",
            "dial",
            word("9007199254740993"),
            None,
        ),
        (
            "dial",
            "-9007199254740993",
            "dial",
            word("-9007199254740993"),
            None,
        ),
        (
            "dial",
            "18446744073709551615",
            "dial",
            word("18446744073709551615"),
            None,
        ),
        ("doorbell", "{}", "doorbell", word("detected"), None),
        ("state", "a\0b", "state", word("a␀b"), None),
    ] {
        let unit = unit.map(ToOwned::to_owned);
        assert_eq!(
            sensor(event, payload),
            (key.into(), value, unit),
            "{event} {payload}"
        );
    }
}

#[test]
fn a_sensor_event_carries_its_fields() {
    let payload = format!(
        r#"{{"ts":{TS},"id":"g-1","value":9.9,"unit":"°C","battery":"88","linkquality":120,
            "boot":31,"seq":9,"deep":{{"big":18446744073709551615,"list":[1,2.5,null]}}}}"#
    );
    let message = Inbound {
        retain: true,
        ..inbound("vigilar/sensor/garage/temperature", payload)
    };
    let decoded = decode(&message, &native());
    let event = &decoded.events[0];
    assert_eq!(
        (&*event.stream, &*event.source),
        ("sensor/garage", "sensor/garage")
    );
    assert_eq!(
        event.topic.as_deref(),
        Some("vigilar/sensor/garage/temperature")
    );
    assert_eq!((event.occurred_at, event.received_at), (TS_NS, NOW));
    assert_eq!(event.flags, Flags::RETAINED);
    let Event::SensorReported(reported) = &event.event else {
        panic!("{event:?}")
    };
    assert_eq!(
        (reported.battery, reported.linkquality),
        (Some(88.0), Some(120.0))
    );
    assert_eq!(
        serde_json::to_value(&reported.extra).unwrap(),
        json!({"id": "g-1", "boot": 31, "seq": 9,
               "deep": {"big": "18446744073709551615", "list": [1, 2.5, null]}})
    );
    let id = decoded.publisher_id.unwrap();
    assert_eq!(id.id, "g-1");
    assert_eq!(id.hash, message_hash(&message.topic, &message.payload));
}

#[test]
fn what_a_sensor_may_not_say() {
    for (event, payload, reason) in [
        ("temperature", "", "empty payload"),
        ("temperature", " \n", "empty payload"),
        ("temperature", "{}", "key \"value\" is missing"),
        ("state", "{}", "key \"value\" is missing"),
        ("contact", "{}", "key \"value\" is missing"),
        ("temperature", "[1]", "key \"value\" holds an array"),
        (
            "temperature",
            r#"{"value":{"x":1}}"#,
            "key \"value\" holds an object; expected",
        ),
        ("temperature", "1e400", "number beyond a double"),
        (
            "temperature",
            r#"{"ts":true,"value":1}"#,
            "key \"ts\" holds a boolean that is no time",
        ),
        (
            "temperature",
            r#"{"ts":"soon","value":1}"#,
            "key \"ts\" holds a text that is no time",
        ),
        (
            "temperature",
            r#"{"value":1,"unit":5}"#,
            "key \"unit\" holds a number; expected a text",
        ),
        (
            "temperature",
            r#"{"value":1,"battery":"x"}"#,
            "key \"battery\" holds a text",
        ),
        ("state", r#"{"value":""}"#, "empty text"),
        (
            "state",
            &"x".repeat(257),
            "holds 257 characters; expected at most 256",
        ),
    ] {
        let said = refused(&format!("sensor/x/{event}"), payload);
        assert!(said.contains(reason), "{payload}: {said}");
    }
}

#[test]
fn a_doubtful_clock_gives_way_to_the_arrival() {
    for claim in ["41230", "7239628800000", "\"2026-11-20T03:00:00\"", "1e300"] {
        let event = one(
            "camera/hall/heartbeat",
            format!("{{\"ts\":{claim},\"fps\":15}}"),
        );
        assert_eq!(event.occurred_at, NOW);
        assert!(event.flags.has(Flags::CLOCK_SUSPECT), "{claim}");
        let Event::CameraHeartbeatReceived(heartbeat) = event.event else {
            panic!("{claim}")
        };
        let claim: serde_json::Value = serde_json::from_str(claim).unwrap();
        assert_eq!(heartbeat.extra["claimed_ts"], claim);
        assert_eq!(heartbeat.fps, Some(15.0));
    }
    let missing = one("camera/hall/heartbeat", r#"{"ts":null}"#);
    assert_eq!(
        (missing.occurred_at, missing.flags),
        (NOW, Flags::default())
    );
}

#[test]
fn cameras() {
    let started = one(
        "camera/drive/motion/start",
        format!(
            r#"{{"ts":{TS},"detection":"Person","confidence":1,"bbox":[0,0.5,1,0.25],"z":[]}}"#
        ),
    );
    assert_eq!(
        (&*started.stream, &*started.source),
        ("camera/drive", "camera/drive")
    );
    assert_eq!(started.occurred_at, TS_NS);
    let Event::CameraMotionStarted(motion) = started.event else {
        panic!()
    };
    assert_eq!(motion.detection, Some(Detection::Person));
    assert_eq!(
        (motion.confidence, motion.bbox),
        (Some(1.0), Some([0.0, 0.5, 1.0, 0.25]))
    );
    assert_eq!(motion.extra["z"], json!([]));
    assert_eq!(
        one("camera/drive/motion/end", "{}").event.kind(),
        Kind::CameraMotionEnded
    );

    let failed = one(
        "camera/drive/error",
        r#"{"message":"codec\u0000h264 \u001b[31mrestarted"}"#,
    );
    assert_eq!(failed.event.kind(), Kind::CameraFailed);
    assert_eq!(
        failed.text.as_deref(),
        Some("codec␀h264 \u{1b}[31mrestarted")
    );

    let picture = b"\x89PNG\r\n\x1a\nrest".to_vec();
    let Event::CameraSnapshotTaken(shot) = one("camera/drive/snapshot", picture.clone()).event
    else {
        panic!()
    };
    assert_eq!((&*shot.media_type, shot.picture), ("image/png", picture));
    assert_eq!(shot.sha256.len(), 64);

    for (below, payload, reason) in [
        ("camera/drive/snapshot", "", "0 bytes that are no picture"),
        (
            "camera/drive/snapshot",
            "<svg>",
            "5 bytes that are no picture",
        ),
        ("camera/drive/error", "{}", "key \"message\" is missing"),
        (
            "camera/drive/motion/start",
            r#"{"confidence":1.01}"#,
            "holds 1.01; expected 0 to 1",
        ),
        (
            "camera/drive/motion/start",
            r#"{"confidence":-0.1}"#,
            "expected 0 to 1",
        ),
        (
            "camera/drive/motion/start",
            r#"{"bbox":[0,0,1]}"#,
            "expected [x, y, width, height]",
        ),
        (
            "camera/drive/motion/start",
            r#"{"bbox":[0,0,1,2]}"#,
            "four numbers from 0 to 1",
        ),
        (
            "camera/drive/motion/start",
            r#"{"bbox":"left"}"#,
            "key \"bbox\" holds a text",
        ),
        (
            "camera/drive/motion/end",
            "5",
            "payload is a number; expected an object",
        ),
        ("camera/drive/motion/end", "", "empty payload"),
    ] {
        let said = refused(below, payload);
        assert!(said.contains(reason), "{payload}: {said}");
    }
}

#[test]
fn animals() {
    let known = one(
        "camera/hall/pet/detected",
        r#"{"pet_id":"Biscuit","species":" Dog","confidence":0.9,"location":"exterior"}"#,
    );
    assert_eq!(
        (&*known.stream, &*known.source),
        ("pet/Biscuit", "camera/hall")
    );
    let Event::PetSighted(sighted) = known.event else {
        panic!()
    };
    assert_eq!(
        (&*sighted.species, sighted.location),
        ("dog", Some(Location::Exterior))
    );
    assert_eq!(sighted.camera, "hall");
    let unknown = one(
        "camera/hall/pet/detected",
        r#"{"species":"cat","confidence":0.5}"#,
    );
    assert_eq!(unknown.stream, "pet/unknown");

    let place = one(
        "pets/Pepper/location",
        r#"{"camera":"hall","location":"Sofa"}"#,
    );
    assert_eq!(
        (&*place.stream, &*place.source),
        ("pet/Pepper", "camera/hall")
    );

    for (payload, species, threat) in [
        (
            r#"{"species":"Fox","confidence":0.5}"#,
            "fox",
            Threat::Nuisance,
        ),
        (
            r#"{"species":"wolf","confidence":0.5}"#,
            "wolf",
            Threat::Predator,
        ),
        (
            r#"{"species":"owl","confidence":0.5}"#,
            "owl",
            Threat::Passive,
        ),
        (
            r#"{"species":"owl","confidence":0.5,"threat":"predator"}"#,
            "owl",
            Threat::Predator,
        ),
    ] {
        let event = one("camera/drive/wildlife/detected", payload);
        assert_eq!(event.stream, format!("wildlife/{species}"));
        assert_eq!(event.source, "camera/drive");
        let Event::WildlifeSighted(sighted) = event.event else {
            panic!("{payload}")
        };
        assert_eq!((&*sighted.species, sighted.threat), (species, threat));
    }
    for (below, payload, reason) in [
        (
            "camera/hall/pet/detected",
            r#"{"confidence":0.5}"#,
            "key \"species\" is missing",
        ),
        (
            "camera/hall/pet/detected",
            r#"{"species":"cat"}"#,
            "key \"confidence\" is missing",
        ),
        (
            "camera/hall/wildlife/detected",
            r#"{"species":" ","confidence":1}"#,
            "expected a name",
        ),
        (
            "camera/hall/wildlife/detected",
            r#"{"species":"owl","confidence":1,"threat":"mild"}"#,
            "expected one of PREDATOR, NUISANCE, PASSIVE",
        ),
        (
            "pets/Pepper/location",
            r#"{"location":"x"}"#,
            "key \"camera\" is missing",
        ),
    ] {
        let said = refused(below, payload);
        assert!(said.contains(reason), "{payload}: {said}");
    }
    let long = format!(r#"{{"species":"{}","confidence":1}}"#, "x".repeat(129));
    let said = refused("camera/hall/wildlife/detected", long);
    assert!(said.contains("holds 129 characters"), "{said}");
}

#[test]
fn parcels_and_faces() {
    let parcel = one("camera/drive/package/detected", r#"{"confidence":0.8}"#);
    assert_eq!(
        (&*parcel.stream, &*parcel.source),
        ("package/drive", "camera/drive")
    );
    assert_eq!(parcel.event.kind(), Kind::PackageDetected);
    let collected = one("camera/drive/package/collected", "{}");
    assert_eq!(collected.event.kind(), Kind::PackageCollected);

    let coded = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let numbers: Vec<u8> = (0..128_u8)
        .flat_map(|i| f32::from(i).to_le_bytes())
        .collect();
    let payload = format!(r#"{{"confidence":0.9,"embedding":"{}"}}"#, coded(&numbers));
    let face = one("camera/drive/face/detected", payload);
    assert_eq!(
        (&*face.stream, &*face.source),
        ("face/drive", "camera/drive")
    );
    let Event::FaceSeen(seen) = face.event else {
        panic!()
    };
    assert_eq!(seen.embedding, Some(numbers.clone()));
    let known = one(
        "camera/drive/face/detected",
        r#"{"confidence":0.9,"profile_id":2}"#,
    );
    assert_eq!(known.stream, "face/drive");
    assert!(matches!(&known.event, Event::FaceSeen(seen)
        if seen.profile_id.as_deref() == Some("2") && seen.privacy == Some(FacePrivacy::OptedIn)));

    let mut broken = numbers.clone();
    broken[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    for (embedding, reason) in [
        ("%%%".to_owned(), "no base64"),
        (coded(&numbers[4..]), "holds 508 bytes; expected 512"),
        (coded(&broken), "not finite at place 3"),
    ] {
        let payload = format!(r#"{{"confidence":0.9,"embedding":"{embedding}"}}"#);
        let said = refused("camera/drive/face/detected", payload);
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn of_a_face_of_a_camera_that_is_not_opted_in_only_the_fact_is_kept() {
    let coded = base64::engine::general_purpose::STANDARD.encode([0x3f; 512]);
    let payload = format!(
        r#"{{"confidence":0.9,"profile_id":"tove-17","embedding":"{coded}",
            "crop_path":"crops/tove.jpg","who":"Tove"}}"#
    );
    let decoded = decode(
        &inbound("vigilar/camera/yard/face/detected", payload),
        &native(),
    );
    let face = &decoded.events[0];
    assert_eq!((&*face.stream, &*face.source), ("face/yard", "camera/yard"));
    let Event::FaceSeen(seen) = &face.event else {
        panic!()
    };
    let kept = FaceSeen {
        camera: "yard".into(),
        profile_id: None,
        confidence: 0.9,
        embedding: None,
        crop_path: None,
        privacy: Some(FacePrivacy::Withheld),
        extra: Extra::new(),
    };
    assert_eq!(*seen, kept);
    // One that cannot be read is kept by its length alone, opted in or not.
    for camera in ["yard", "drive"] {
        let broken = r#"{"confidence":"high","profile_id":"tove-17"}"#;
        let event = one(&format!("camera/{camera}/face/detected"), broken);
        let Event::MessageUndecodable(message) = &event.event else {
            panic!("{event:?}")
        };
        assert_eq!(message.payload, vec![b'*'; broken.len()]);
        assert!(!event.text.unwrap().contains("tove"));
    }
}

#[test]
fn power_presence_arming() {
    for (topic, kind) in [
        ("ups/status", Kind::UpsStatusReported),
        ("ups/power_loss", Kind::UpsPowerLost),
        ("ups/restored", Kind::UpsPowerRestored),
        ("ups/low_battery", Kind::UpsBatteryLow),
        ("ups/critical", Kind::UpsBatteryCritical),
    ] {
        let event = one(topic, r#"{"status":"OB","charge_pct":"47","x":1}"#);
        assert_eq!((event.event.kind(), &*event.stream), (kind, "ups/ups"));
        let body = event.event.to_json();
        assert_eq!(
            body,
            json!({"status": "OB", "charge_pct": 47.0, "extra": {"x": 1}})
        );
    }
    for (member, payload, stream, state) in [
        ("mara", "HOME", "presence/mara", "HOME"),
        ("mara", "not_home", "presence/mara", "AWAY"),
        (
            "ivo",
            r#"{"state":"away","role":"child"}"#,
            "presence/ivo",
            "AWAY",
        ),
        ("status", "\"EMPTY\"", "household/status", "EMPTY"),
        ("status", "HOME", "presence/status", "HOME"),
        ("household", "HOME", "presence/household", "HOME"),
        (
            "status",
            r#"{"state":"ADULTS_HOME"}"#,
            "household/status",
            "ADULTS_HOME",
        ),
    ] {
        let event = one(&format!("presence/{member}"), payload);
        let Event::PresenceReported(reported) = &event.event else {
            panic!("{payload}")
        };
        assert_eq!((&*event.stream, &*reported.state), (stream, state));
    }
    for payload in ["", "1", "true", "null", "[]", "{}", r#"{"state":null}"#] {
        refused("presence/mara", payload);
    }

    let armed = one(
        "system/arm_request",
        r#"{"mode":"armed_night","pin":"4711","triggered_by":"hall"}"#,
    );
    assert_eq!(
        (&*armed.stream, &*armed.source),
        ("arm/system", "arm/system")
    );
    let Event::ArmRequested(request) = armed.event else {
        panic!()
    };
    assert_eq!(request.mode, ArmMode::ArmedNight);
    assert_eq!((request.pin_given, &*request.triggered_by), (true, "hall"));
    assert_eq!(request.extra["pin"], "[redacted]");
    for (payload, given) in [
        (r#"{"mode":"DISARMED","code":815}"#, true),
        (r#"{"mode":"DISARMED","pin":""}"#, false),
        (r#"{"mode":"DISARMED","pin":null}"#, false),
        (r#"{"mode":"DISARMED"}"#, false),
    ] {
        let Event::ArmRequested(request) = one("system/arm_request", payload).event else {
            panic!("{payload}")
        };
        assert_eq!(
            (request.pin_given, &*request.triggered_by),
            (given, "unknown"),
            "{payload}"
        );
    }
}

#[test]
fn machines_and_recordings() {
    let health = one(
        "system/health",
        r#"{"ts":1795143590,"status":"ok","code":5}"#,
    );
    assert_eq!(health.stream, "system/health");
    let body = health.event.to_json();
    assert_eq!(
        body,
        json!({"values": {"status": "ok", "code": "[redacted]"}})
    );

    let sample = one(
        "metrics/heron/network",
        r#"{"bytes_sent":18446744073709551615,"cpu":null}"#,
    );
    assert_eq!(sample.stream, "metrics/heron");
    let values = json!({"bytes_sent": "18446744073709551615", "cpu": null});
    let expected = json!({"host": "heron", "group": "network", "values": values});
    assert_eq!(sample.event.to_json(), expected);

    let payload = format!(
        r#"{{"ts":{TS},"file":"a/50%.mp4","trigger":"MOTION","started_at":1795143580,
            "ended_at":"1970-01-01T00:00:09Z","fps":15,"frame_count":90,"event":"e-1"}}"#
    );
    let event = one("recording/drive/finished", payload);
    assert_eq!(
        (&*event.stream, &*event.source),
        ("recording/a/50%25.mp4", "camera/drive")
    );
    let Event::RecordingFinished(finished) = event.event else {
        panic!()
    };
    assert_eq!(finished.trigger, Some(Trigger::Motion));
    assert_eq!(finished.started_at, Some(1_795_143_580_000_000_000));
    assert_eq!((finished.ended_at, finished.frame_count), (None, Some(90)));
    let kept = json!({"event": "e-1", "claimed_ended_at": "1970-01-01T00:00:09Z"});
    assert_eq!(serde_json::to_value(finished.extra).unwrap(), kept);
    for (payload, reason) in [
        ("{}", "key \"file\" is missing"),
        (r#"{"file":""}"#, "holds 0 bytes"),
        (
            r#"{"file":"x","frame_count":-1}"#,
            "key \"frame_count\" holds a number; expected a whole",
        ),
        (
            r#"{"file":"x","started_at":"noon"}"#,
            "key \"started_at\" holds a text that is no time",
        ),
    ] {
        let said = refused("recording/drive/finished", payload);
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn topics_without_a_rule_and_our_own() {
    for topic in [
        "vigilar/garden/gnome/status",
        "vigilar",
        "vigilar/",
        "vigilarx/sensor/x/motion",
        "other/sensor/x/motion",
        "vigilar/sensor/x",
        "vigilar/sensor//motion",
        "vigilar/sensor/x/y/motion",
        "vigilar/sensor/x/y/z/a/b/c",
        "vigilar/camera/x/ptz/position",
        "vigilar/presence/mara/room",
        "vigilar/metrics/heron/gpu",
        "vigilar/log/heron",
        "vigilar/log//x",
        "",
    ] {
        let decoded = decode(&inbound(topic, "\x01raw"), &native());
        let event = &decoded.events[0];
        let Event::MessageUnmapped(message) = &event.event else {
            panic!("{topic}: {event:?}")
        };
        assert_eq!(message.payload, b"\x01raw");
        assert_eq!(event.stream, format!("message/{topic}"));
        assert_eq!(event.text, None);
    }
    for own in [
        "nightjar/heron/alarm",
        "vigilar/system/arm_state",
        "vigilar/events/published",
    ] {
        assert_eq!(decode(&inbound(own, "x"), &native()).events, []);
    }
}

#[test]
fn publishers_ids_are_texts_or_whole_numbers_of_some_length() {
    let id_of = |id: &str| {
        let message = inbound("vigilar/system/health", format!("{{\"id\":{id}}}"));
        decode(&message, &native()).publisher_id.map(|id| id.id)
    };
    assert_eq!(id_of("\"a-1\"").as_deref(), Some("a-1"));
    assert_eq!(id_of("7").as_deref(), Some("7"));
    assert_eq!(
        id_of("18446744073709551615").as_deref(),
        Some("18446744073709551615")
    );
    assert_eq!(
        id_of(&format!("\"{}\"", "é".repeat(128))),
        Some("é".repeat(128))
    );
    for none in [
        &format!("\"{}\"", "x".repeat(129)),
        "\"\"",
        "null",
        "1.5",
        "true",
        "{}",
        "[1]",
    ] {
        assert_eq!(id_of(none), None, "{none}");
    }
    // A message that no rule can read keeps its id.
    let odd = inbound("vigilar/camera/x/motion/start", r#"{"id":"m-1","bbox":5}"#);
    assert_eq!(decode(&odd, &native()).publisher_id.unwrap().id, "m-1");
}
