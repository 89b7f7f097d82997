//! The stored form of every kind is frozen: golden files, one per version ever written.
#![allow(clippy::unwrap_used, reason = "tests")]

mod alarm;
mod people;
mod pets;
mod registry;
mod retention;
mod trace;

use std::collections::BTreeSet;
use std::path::PathBuf;

use ciborium::Value;
use serde_json::json;

use super::*;
use crate::event::envelope::Name;
use crate::event::reading::Reading;
use crate::event::sentence::sentence;
use crate::event::{Envelope, Extra, Flags};

/// A payload of each kind with every field set. What is added to a payload belongs here too, under
/// a raised version if older programs could not read it.
#[expect(clippy::too_many_lines, reason = "one short arm per kind of event")]
fn sample(kind: Kind) -> Event {
    match kind {
        Kind::SensorReported => sensor::SensorReported {
            key: "temperature".into(),
            value: Reading::Number(21.5),
            unit: Some("°C".into()),
            battery: Some(87.0),
            linkquality: Some(120.0),
            extra: extra(),
        }
        .into(),
        Kind::CameraMotionStarted => camera::MotionStarted {
            detection: Some(camera::Detection::Person),
            confidence: Some(0.93),
            bbox: Some(BOX),
            extra: extra(),
        }
        .into(),
        Kind::CameraMotionEnded => camera::MotionEnded {
            detection: Some(camera::Detection::Vehicle),
            confidence: Some(0.5),
            bbox: Some(BOX),
            extra: extra(),
        }
        .into(),
        Kind::CameraHeartbeatReceived => camera::HeartbeatReceived {
            fps: Some(14.98),
            extra: extra(),
        }
        .into(),
        Kind::CameraFailed => camera::Failed { extra: extra() }.into(),
        Kind::CameraSnapshotTaken => camera::SnapshotTaken {
            media_type: "image/jpeg".into(),
            sha256: "ab".repeat(32),
            picture: vec![0xff, 0xd8, 0x00, 0xff, 0xd9],
        }
        .into(),
        Kind::PetSighted | Kind::PetLocated | Kind::WildlifeSighted => animal_sample(kind),
        Kind::PackageDetected
        | Kind::PackageCollected
        | Kind::FaceSeen
        | Kind::PresenceReported
        | Kind::ArmRequested => house_sample(kind),
        Kind::UpsStatusReported
        | Kind::UpsPowerLost
        | Kind::UpsPowerRestored
        | Kind::UpsBatteryLow
        | Kind::UpsBatteryCritical => ups_sample(kind),
        Kind::RecordingFinished
        | Kind::RecordingFound
        | Kind::RecordingSealed
        | Kind::RecordingFailed => recording_sample(kind),
        Kind::RecordingThumbnailSealed
        | Kind::RecordingResealed
        | Kind::RecordingChecked
        | Kind::RecordingStarred
        | Kind::RecordingHeld
        | Kind::RecordingDeleted
        | Kind::VaultKeyRotated => vault_sample(kind),
        Kind::MessageUndecodable => message::Undecodable {
            payload: vec![0, 0xff, b'{'],
        }
        .into(),
        Kind::MessageUnmapped => message::Unmapped {
            payload: b"hello".to_vec(),
        }
        .into(),
        Kind::EventParked => message::Parked {
            projection: "sensors".into(),
        }
        .into(),
        Kind::IdConflicted => message::IdConflicted {
            id: "driveway-088433".into(),
            first_position: 41,
        }
        .into(),
        Kind::HealthReported
        | Kind::LogWritten
        | Kind::MetricsSampled
        | Kind::SessionStarted
        | Kind::SessionLost
        | Kind::SubscriptionRefused
        | Kind::SystemStarted
        | Kind::SystemStopped
        | Kind::SystemNoted
        | Kind::ReplayFinished => system_sample(kind),
        Kind::ArmStateChanged
        | Kind::ArmRefused
        | Kind::RuleFired
        | Kind::RecordingRequested
        | Kind::AlertRaised
        | Kind::AlertSuppressed
        | Kind::AlertAttempted
        | Kind::AlertAcknowledged
        | Kind::AlertJudged
        | Kind::AlertRequested
        | Kind::AlertSnoozed
        | Kind::AnomalyDetected => alarm::sample(kind),
        Kind::CameraRegistered
        | Kind::SensorRegistered
        | Kind::ClassificationConfigured
        | Kind::SensorWentSilent
        | Kind::SensorReturned
        | Kind::CameraWentSilent
        | Kind::CameraReturned
        | Kind::EventAcknowledged
        | Kind::TimelapseScheduled
        | Kind::TimelapseUnscheduled
        | Kind::TimelapseRequested => registry::sample(kind),
        Kind::PetRegistered
        | Kind::PetRemoved
        | Kind::SightingLabelled
        | Kind::SightingUnlabelled
        | Kind::PetImageStaged
        | Kind::PetImagesUsed
        | Kind::PetRuleSet
        | Kind::PetRuleRemoved
        | Kind::PetRuleFired => pets::sample(kind),
        Kind::RetentionApplied => retention::sample(kind),
        Kind::FaceMatched
        | Kind::FaceProfileEdited
        | Kind::FaceProfilesMerged
        | Kind::PersonForgotten
        | Kind::PackageReminded
        | Kind::PresenceChanged
        | Kind::HouseholdChanged => people::sample(kind),
        Kind::TraceRecorded
        | Kind::TraceSnapshotTaken
        | Kind::PatternDetected
        | Kind::IpListed
        | Kind::IpLocated => trace::sample(kind),
    }
}

const BOX: camera::BoundingBox = [0.25, 0.5, 0.125, 0.1];

fn extra() -> Extra {
    Extra::from([
        ("big".into(), json!(u64::MAX)),
        ("list".into(), json!([null, true, -1, 1.5, "é"])),
        ("nested".into(), json!({"a": {"b": []}})),
    ])
}

fn animal_sample(kind: Kind) -> Event {
    match kind {
        Kind::PetSighted => animal::PetSighted {
            camera: "garden".into(),
            pet_id: Some("minka".into()),
            species: "cat".into(),
            confidence: 0.91,
            bbox: Some(BOX),
            crop_path: Some("crops/3.jpg".into()),
            location: Some(animal::Location::Transition),
            extra: extra(),
        }
        .into(),
        Kind::PetLocated => animal::PetLocated {
            camera: "garden".into(),
            location: "terrace".into(),
            extra: extra(),
        }
        .into(),
        _ => animal::WildlifeSighted {
            camera: "garden".into(),
            species: "fox".into(),
            confidence: 0.88,
            threat: animal::Threat::Nuisance,
            bbox: Some(BOX),
            crop_path: Some("crops/4.jpg".into()),
            temperature_c: Some(-3.5),
            conditions: Some("fog".into()),
            extra: extra(),
        }
        .into(),
    }
}

fn house_sample(kind: Kind) -> Event {
    match kind {
        Kind::PackageDetected => house::PackageDetected {
            camera: "porch".into(),
            confidence: Some(0.7),
            crop_path: Some("crops/1.jpg".into()),
            extra: extra(),
        }
        .into(),
        Kind::PackageCollected => house::PackageCollected {
            camera: "porch".into(),
            confidence: Some(0.8),
            crop_path: Some("crops/2.jpg".into()),
            extra: extra(),
        }
        .into(),
        Kind::FaceSeen => house::FaceSeen {
            camera: "porch".into(),
            profile_id: Some("ada".into()),
            confidence: 0.99,
            embedding: Some((0..=255).chain(0..=255).collect()),
            crop_path: None,
            privacy: None,
            extra: extra(),
        }
        .into(),
        Kind::PresenceReported => house::PresenceReported {
            state: "HOME".into(),
            role: Some("adult".into()),
            extra: extra(),
        }
        .into(),
        _ => house::ArmRequested {
            mode: house::ArmMode::ArmedNight,
            pin_given: true,
            pin: Some(house::PinVerdict::Correct),
            queued: true,
            triggered_by: "keypad".into(),
            extra: extra(),
        }
        .into(),
    }
}

fn ups_sample(kind: Kind) -> Event {
    macro_rules! ups {
        ($payload:ident) => {
            house::$payload {
                status: Some("OL CHRG".into()),
                charge_pct: Some(99.0),
                runtime_s: Some(1_830.0),
                input_voltage: Some(231.4),
                load_pct: Some(12.0),
                extra: extra(),
            }
            .into()
        };
    }
    match kind {
        Kind::UpsPowerLost => ups!(UpsPowerLost),
        Kind::UpsPowerRestored => ups!(UpsPowerRestored),
        Kind::UpsBatteryLow => ups!(UpsBatteryLow),
        Kind::UpsBatteryCritical => ups!(UpsBatteryCritical),
        _ => ups!(UpsStatusReported),
    }
}

fn recording_sample(kind: Kind) -> Event {
    match kind {
        Kind::RecordingFinished => recording::Finished {
            camera: "hallway".into(),
            file: "hallway/061530.mp4".into(),
            trigger: Some(recording::Trigger::Motion),
            started_at: Some(1_795_151_730_000_000_000),
            ended_at: Some(1_795_151_734_000_000_000),
            fps: Some(15.0),
            frame_count: Some(60),
            extra: extra(),
        }
        .into(),
        Kind::RecordingFound => recording::Found {
            path: b"hallway/\xff.mp4".to_vec(),
            size_bytes: 38_211,
            modified_at: 1_795_151_735_000_000_000,
            camera: Some("hallway".into()),
            started_at: Some(1_795_151_730_000_000_000),
            media: recording::Media {
                container: Some("mp4".into()),
                codec: Some("h264".into()),
                width: Some(640),
                height: Some(360),
                fps: Some(15.0),
                frame_count: Some(60),
                duration_s: Some(4.0),
            },
        }
        .into(),
        Kind::RecordingSealed => recording::Sealed {
            path: b"hallway/\xff.mp4".to_vec(),
            sealed_path: b"hallway/\xff.mp4.vge".to_vec(),
            size_bytes: 38_211,
            plain_sha256: vec![0x11; 32],
            key_id: vec![0x22; 8],
            iv: vec![0x33; 16],
            header_tag: Some(vec![0x44; 32]),
            adopted: true,
        }
        .into(),
        _ => recording::Failed {
            path: b"hallway/\xff.mp4".to_vec(),
        }
        .into(),
    }
}

fn vault_sample(kind: Kind) -> Event {
    let recording = 4_711;
    match kind {
        Kind::RecordingThumbnailSealed => recording::ThumbnailSealed {
            recording,
            path: b"hallway/\xff.jpg".to_vec(),
            sealed_path: b"hallway/\xff.jpg.vge".to_vec(),
            size_bytes: 2_117,
            plain_sha256: vec![0x11; 32],
            key_id: vec![0x22; 8],
            header_tag: Some(vec![0x44; 32]),
        }
        .into(),
        Kind::RecordingResealed => recording::Resealed {
            recording,
            part: recording::Part::Thumbnail,
            sealed_path: b"hallway/\xff.jpg.vge".to_vec(),
            plain_sha256: vec![0x11; 32],
            key_id: vec![0x22; 8],
            iv: vec![0x33; 16],
            header_tag: vec![0x44; 32],
        }
        .into(),
        Kind::RecordingChecked => recording::Checked {
            recording,
            integrity: recording::Integrity::Tampered,
            bad_chunks: vec![0, 77],
        }
        .into(),
        Kind::RecordingStarred => recording::Starred {
            recording,
            starred: true,
        }
        .into(),
        Kind::RecordingHeld => recording::Held {
            recording,
            held: true,
        }
        .into(),
        Kind::RecordingDeleted => recording::Deleted {
            recording,
            sealed_path: b"hallway/\xff.mp4.vge".to_vec(),
            inode: 1_234_567,
            changed_at: 1_795_144_327_000_000_001,
            freed_bytes: 40_960,
            rule: "age".into(),
        }
        .into(),
        _ => vault::KeyRotated {
            from: vec![0x22; 8],
            to: vec![0x55; 8],
            reencrypt: true,
        }
        .into(),
    }
}

fn system_sample(kind: Kind) -> Event {
    match kind {
        Kind::HealthReported => system::HealthReported { values: extra() }.into(),
        Kind::LogWritten => system::LogWritten {
            host: "box".into(),
            source: "sshd".into(),
            level: system::Level::Warning,
            fields: extra().into(),
        }
        .into(),
        Kind::MetricsSampled => system::MetricsSampled {
            host: "box".into(),
            group: "network".into(),
            values: extra(),
        }
        .into(),
        Kind::SessionStarted => system::SessionStarted {
            family: "camera".into(),
        }
        .into(),
        Kind::SessionLost => system::SessionLost {
            family: "camera".into(),
            last_stored_at: Some(1_795_151_735_000_000_000),
        }
        .into(),
        Kind::SubscriptionRefused => system::SubscriptionRefused {
            family: "camera".into(),
            filter: "vigilar/camera/+/motion/#".into(),
        }
        .into(),
        Kind::SystemStarted => system::Started {
            version: "0.1.0".into(),
            pid: 4_711,
        }
        .into(),
        Kind::SystemStopped => system::Stopped {}.into(),
        Kind::SystemNoted => system::Noted {
            component: "disk".into(),
            level: system::Weight::Critical,
        }
        .into(),
        _ => system::ReplayFinished {
            sha256: "cd".repeat(32),
            messages: 888,
        }
        .into(),
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire")
}

fn golden(kind: Kind, version: u16) -> PathBuf {
    folder().join(kind.name()).join(format!("v{version}.cbor"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a fixture needs no atomic write")]
fn the_stored_form_of_every_kind_is_the_golden_one() {
    for &kind in Kind::ALL {
        let event = sample(kind);
        assert_eq!(event.kind(), kind);
        let path = golden(kind, kind.version());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, event.encode()).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display())
        });
        assert_eq!(event.encode(), bytes, "{} is stored otherwise", kind.name());
        let read = Event::decode(kind, kind.version(), &bytes).unwrap();
        assert_eq!(read, event, "{}", kind.name());
    }
}

#[test]
fn every_version_ever_written_has_its_file_and_can_be_read() {
    let mut files = BTreeSet::new();
    for kind in std::fs::read_dir(folder()).unwrap() {
        for file in std::fs::read_dir(kind.unwrap().path()).unwrap() {
            files.insert(file.unwrap().path());
        }
    }
    let mut versions = BTreeSet::new();
    for &kind in Kind::ALL {
        for version in 1..=kind.version() {
            let path = golden(kind, version);
            let bytes = std::fs::read(&path).unwrap();
            let read = Event::decode(kind, version, &bytes).unwrap();
            assert_eq!(read.kind(), kind);
            versions.insert(path);
        }
    }
    assert_eq!(files, versions);
}

#[test]
fn wire_names_are_unique_and_noun_dot_past_verb() {
    let mut names = BTreeSet::new();
    for kind in Kind::ALL {
        let name = kind.name();
        assert!(names.insert(name), "{name} twice");
        assert_eq!(Kind::from_name(name), Some(*kind));
        let (noun, verb) = name.split_once('.').unwrap();
        let small = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter == '_')
        };
        assert!(small(noun) && small(verb), "{name}");
        // A past verb, or what became of the noun in an adjective.
        let past = |word: &str| {
            word.ends_with("ed")
                || [
                    "lost",
                    "found",
                    "forgotten",
                    "held",
                    "seen",
                    "taken",
                    "written",
                    "low",
                    "critical",
                    "undecodable",
                    "silent",
                    "set",
                ]
                .contains(&word)
        };
        assert!(
            past(verb.rsplit('_').next().unwrap()),
            "{name} is no past verb"
        );
        assert!(kind.version() >= 1);
    }
    assert_eq!(Kind::from_name("sensor.invented"), None);
}

#[test]
fn every_kind_has_a_sentence() {
    let name = |text: &str| Name {
        id: 1,
        text: text.into(),
    };
    for &kind in Kind::ALL {
        let envelope = Envelope {
            position: 1,
            occurred_at: 0,
            received_at: 0,
            kind_id: 1,
            stream: name("sensor/front_door"),
            source: name("sensor/front_door"),
            topic: None,
            flags: Flags::default(),
            cause: None,
            text: Some("what it said".into()),
            event: sample(kind),
        };
        let words = sentence(&envelope);
        assert!(words.chars().count() > 5, "{}: {words:?}", kind.name());
        assert!(!words.ends_with('.'), "{}: {words:?}", kind.name());
    }
}

#[test]
fn json_shows_every_kind_as_an_object() {
    for &kind in Kind::ALL {
        assert!(sample(kind).to_json().is_object(), "{}", kind.name());
    }
}

/// The sample's CBOR map, changed.
fn changed(kind: Kind, change: impl Fn(&mut Vec<(Value, Value)>)) -> Vec<u8> {
    let mut value: Value = ciborium::from_reader(&sample(kind).encode()[..]).unwrap();
    change(value.as_map_mut().unwrap());
    cbor(&value)
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn with_field(kind: Kind, field: &str, value: &Value) -> Result<Event, BodyError> {
    let body = changed(kind, |map| {
        map.retain(|(key, _)| key.as_text() != Some(field));
        map.push((Value::Text(field.into()), value.clone()));
    });
    Event::decode(kind, kind.version(), &body)
}

#[test]
fn trailing_bytes_and_cut_bodies_are_errors() {
    for &kind in Kind::ALL {
        let mut body = sample(kind).encode();
        body.push(0);
        let error = Event::decode(kind, kind.version(), &body).unwrap_err();
        assert!(error.to_string().contains("1 bytes follow"), "{error}");
        body.pop();
        for length in 0..body.len() {
            let cut = Event::decode(kind, kind.version(), &body[..length]);
            assert!(
                cut.is_err(),
                "{} cut to {length} bytes was read",
                kind.name()
            );
        }
    }
}

#[test]
fn wrong_types_are_errors() {
    for (kind, field, value) in [
        (Kind::SensorReported, "key", Value::Bool(true)),
        (Kind::SensorReported, "value", Value::Null),
        (Kind::SensorReported, "value", Value::Array(Vec::new())),
        (Kind::SensorReported, "battery", Value::Text("full".into())),
        (
            Kind::CameraMotionStarted,
            "bbox",
            Value::Array(vec![Value::Float(0.0); 3]),
        ),
        (
            Kind::CameraMotionStarted,
            "detection",
            Value::Text("ghost".into()),
        ),
        (Kind::ArmRequested, "mode", Value::Text("armed_home".into())),
        (Kind::MessageUnmapped, "payload", Value::Text("text".into())),
        (Kind::SystemStarted, "pid", Value::Float(1.5)),
        (Kind::RecordingSealed, "path", Value::Integer(7.into())),
    ] {
        let read = with_field(kind, field, &value);
        assert!(read.is_err(), "{} took {field} = {value:?}", kind.name());
    }
    for &kind in Kind::ALL {
        for value in [
            Value::Null,
            Value::Integer(1.into()),
            Value::Text("x".into()),
        ] {
            let read = Event::decode(kind, kind.version(), &cbor(&value));
            assert!(read.is_err(), "{} took {value:?}", kind.name());
        }
    }
}

#[test]
fn a_reading_is_finite_or_an_error() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(with_field(Kind::SensorReported, "value", &Value::Float(number)).is_err());
    }
    for number in [-0.0, f64::MAX, f64::MIN, 5e-324, 0.1, 1e15] {
        let read = with_field(Kind::SensorReported, "value", &Value::Float(number)).unwrap();
        let Event::SensorReported(reading) = read else {
            panic!("another kind");
        };
        assert_eq!(reading.value.number().unwrap().to_bits(), number.to_bits());
    }
}

#[test]
fn what_cannot_be_read_is_never_written() {
    let mut event = sample(Kind::SensorReported);
    let Event::SensorReported(reading) = &mut event else {
        panic!("another kind");
    };
    reading.value = Reading::Number(f64::NAN);
    let read = Event::decode(Kind::SensorReported, 1, &event.encode()).unwrap();
    let Event::SensorReported(reading) = read else {
        panic!("another kind");
    };
    assert_eq!(reading.value, Reading::Word("NaN".into()));
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let extra = |depth| Value::Map(vec![(Value::Text("deep".into()), nested(depth))]);
    // As deep as JSON may be that the decoder takes.
    assert!(with_field(Kind::SensorReported, "extra", &extra(127)).is_ok());
    let error = with_field(Kind::SensorReported, "extra", &extra(300)).unwrap_err();
    assert!(
        error.to_string().to_lowercase().contains("recursion"),
        "{error}"
    );
    let mut bomb = vec![0x81; 1_000_000];
    bomb.push(0xf6);
    for &kind in Kind::ALL {
        assert!(Event::decode(kind, kind.version(), &bomb).is_err());
    }
    // A byte string that claims more than there is.
    let claims = [
        0xa1, 0x67, b'p', b'a', b'y', b'l', b'o', b'a', b'd', 0x5b, 0xff, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert!(Event::decode(Kind::MessageUnmapped, 1, &claims).is_err());
}

#[test]
fn a_newer_version_is_refused_by_name_and_version_0_is_unknown() {
    for &kind in Kind::ALL {
        let body = sample(kind).encode();
        let newer = kind.version() + 1;
        let error = Event::decode(kind, newer, &body).unwrap_err();
        assert!(matches!(error, BodyError::Newer { .. }));
        let told = error.to_string();
        assert!(
            told.contains(kind.name()) && told.contains("update nightjar"),
            "{told}"
        );
        assert!(Event::decode(kind, 0, &body).is_err());
    }
}

#[test]
fn keys_that_this_program_does_not_know_are_passed_over() {
    let read = with_field(Kind::SystemStarted, "mood", &Value::Text("fine".into())).unwrap();
    assert_eq!(read, sample(Kind::SystemStarted));
}
