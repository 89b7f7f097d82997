#![allow(clippy::unwrap_used)]

use super::*;
use crate::event::envelope::{Flags, Name};
use crate::event::reading::Reading;
use crate::event::{Extra, camera, house, message, sensor, system};

/// 2026-11-20 03:12:07.250 UTC.
const AT: UnixNanos = 1_795_144_327_250_000_000;

fn envelope(stream: &str, source: &str, event: impl Into<Event>) -> Envelope {
    let name = |id, text: &str| Name {
        id,
        text: text.into(),
    };
    Envelope {
        position: 42,
        occurred_at: AT,
        received_at: AT + MILLISECOND_NS,
        kind_id: 1,
        stream: name(2, stream),
        source: name(3, source),
        topic: None,
        flags: Flags::default(),
        cause: None,
        text: None,
        event: event.into(),
    }
}

fn text(announcement: &Announcement) -> &str {
    std::str::from_utf8(&announcement.payload).unwrap()
}

fn fields(announcement: &Announcement) -> Value {
    serde_json::from_slice(&announcement.payload).unwrap()
}

#[test]
fn a_reading_is_announced_under_its_kind() {
    let reading = sensor::SensorReported {
        key: "temperature".into(),
        value: Reading::Number(21.5),
        unit: Some("°C".into()),
        battery: None,
        linkquality: None,
        extra: Extra::new(),
    };
    let told = event(
        "nightjar/home",
        &envelope("sensor/porch", "sensor/porch", reading),
    );
    assert_eq!(told.topic, "nightjar/home/event/sensor.reported");
    assert!(!told.retain);
    assert_eq!(
        text(&told),
        concat!(
            r#"{"position":42,"kind":"sensor.reported","occurred_at":"2026-11-20T03:12:07.250Z","#,
            r#""received_at":"2026-11-20T03:12:07.251Z","stream":"sensor/porch","#,
            r#""source":"sensor/porch","data":{"key":"temperature","unit":"°C","value":21.5}}"#
        )
    );
}

#[test]
fn a_text_is_announced_beside_the_data() {
    let mut failed = envelope("camera/garden", "camera/garden", camera::Failed::default());
    failed.text = Some("lens \"fogged\"".into());
    assert_eq!(
        text(&event("nightjar/home", &failed)),
        concat!(
            r#"{"position":42,"kind":"camera.failed","occurred_at":"2026-11-20T03:12:07.250Z","#,
            r#""received_at":"2026-11-20T03:12:07.251Z","stream":"camera/garden","#,
            r#""source":"camera/garden","text":"lens \"fogged\"","data":{}}"#
        )
    );
}

#[test]
fn the_numbers_of_a_face_never_leave() {
    let mut extra = Extra::new();
    extra.insert("raw_embedding".into(), json!("AAAA"));
    extra.insert(
        "model".into(),
        json!({"name": "f1", "Embeddings": [[0.25]]}),
    );
    let seen = house::FaceSeen {
        camera: "door".into(),
        profile_id: Some("mara".into()),
        confidence: 0.9,
        embedding: Some(vec![7; 512]),
        crop_path: None,
        privacy: None,
        extra,
    };
    assert_eq!(
        text(&event(
            "home",
            &envelope("camera/door", "camera/door", seen)
        )),
        concat!(
            r#"{"position":42,"kind":"face.seen","occurred_at":"2026-11-20T03:12:07.250Z","#,
            r#""received_at":"2026-11-20T03:12:07.251Z","stream":"camera/door","#,
            r#""source":"camera/door","data":{"camera":"door","confidence":0.9,"#,
            r#""extra":{"model":{"name":"f1"}},"profile_id":"mara"}}"#
        )
    );
}

#[test]
fn pictures_and_unread_messages_stay_here() {
    let picture = camera::SnapshotTaken {
        media_type: "image/jpeg".into(),
        sha256: "ab".repeat(32),
        picture: vec![0xff; 100],
    };
    assert_eq!(
        text(&event(
            "home",
            &envelope("camera/door", "camera/door", picture)
        )),
        concat!(
            r#"{"position":42,"kind":"camera.snapshot_taken","#,
            r#""occurred_at":"2026-11-20T03:12:07.250Z","#,
            r#""received_at":"2026-11-20T03:12:07.251Z","stream":"camera/door","#,
            r#""source":"camera/door","truncated":true}"#
        )
    );
    let payload = b"hello".to_vec();
    for unread in [
        Event::from(message::Undecodable {
            payload: payload.clone(),
        }),
        message::Unmapped { payload }.into(),
    ] {
        let told = fields(&event(
            "nightjar/home",
            &envelope("message/x", "message/x", unread),
        ));
        assert_eq!(told.get("data"), None);
        assert_eq!(told["truncated"], true);
    }
}

#[test]
fn what_is_too_large_is_left_out_or_cut_and_said_to_be() {
    let mut line = envelope(
        "log/nas/cron",
        "log/nas/cron",
        system::LogWritten {
            host: "nas".into(),
            source: "cron".into(),
            level: system::Level::Info,
            fields: Extra::from([("blob".to_owned(), json!("x".repeat(DATA_BYTES)))]).into(),
        },
    );
    // A character of two bytes lies across the limit.
    line.text = Some(format!("a{}", "é".repeat(DATA_BYTES)));
    let told = fields(&event("nightjar/home", &line));
    assert_eq!(told.get("data"), None);
    assert_eq!(told["text"].as_str().unwrap().len(), DATA_BYTES - 1);
    assert_eq!(told["truncated"], true);

    line.event = camera::Failed::default().into();
    let told = fields(&event("nightjar/home", &line));
    assert_eq!(told["data"], json!({}));
    assert_eq!(told["truncated"], true, "the text is cut");
}

#[test]
fn vigilar_hears_of_an_event_in_its_own_words() {
    let row = EventRow {
        position: 42,
        timestamp_ns: AT,
        event_type: "PERSON_DETECTED",
        severity_id: 3,
        source_type: "camera",
        source_id: "door",
        message: "Person at Door",
    };
    let told = compat_event(&row);
    assert_eq!(told.topic, "vigilar/events/published");
    assert!(!told.retain);
    assert_eq!(
        text(&told),
        concat!(
            r#"{"id":42,"ts":1795144327250,"type":"PERSON_DETECTED","severity":"WARNING","#,
            r#""source_id":"door","payload":{"message":"Person at Door","source_type":"camera"}}"#
        )
    );
    let words = [0, 1, 2, 3, 4, 5, 6].map(|severity_id| {
        let told = compat_event(&EventRow { severity_id, ..row });
        fields(&told)["severity"].as_str().unwrap().to_owned()
    });
    assert_eq!(
        words,
        [
            "INFO", "INFO", "INFO", "WARNING", "ALERT", "CRITICAL", "CRITICAL"
        ]
    );
}

#[test]
fn vigilar_hears_of_the_arm_state_and_can_ask_for_it_later() {
    let told = compat_arm_state("ARMED_AWAY", AT, "keypad");
    assert_eq!(told.topic, "vigilar/system/arm_state");
    assert!(told.retain);
    assert_eq!(
        text(&told),
        r#"{"state":"ARMED_AWAY","ts":1795144327250,"triggered_by":"keypad"}"#
    );
}
