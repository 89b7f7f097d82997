#![allow(clippy::unwrap_used)]
#![allow(clippy::too_many_lines, reason = "tables")]

mod logs;
mod night;
mod rules;
mod secrets;

use std::sync::Arc;

use super::*;
use crate::event::Kind;

/// 2026-11-20 03:00 UTC, when most test messages arrive.
const NOW: UnixNanos = 1_795_143_600_000_000_000;

fn native() -> Rules {
    let own = [
        "nightjar/heron/#",
        "vigilar/system/arm_state",
        "vigilar/events/published",
    ];
    Rules::new(
        "vigilar".parse().unwrap(),
        own.iter().map(|filter| filter.parse().unwrap()).collect(),
    )
    .with_face_cameras(["drive".to_owned()])
}

fn inbound(topic: &str, payload: impl Into<Vec<u8>>) -> Inbound {
    Inbound {
        topic: Arc::from(topic),
        payload: payload.into(),
        qos: 1,
        retain: false,
        received_at: NOW,
    }
}

/// The one event of a message below `vigilar/`.
fn one(below: &str, payload: impl Into<Vec<u8>>) -> NewEvent {
    let mut decoded = decode(&inbound(&format!("vigilar/{below}"), payload), &native());
    assert_eq!(decoded.events.len(), 1);
    decoded.events.remove(0)
}

/// The reason why a message below `vigilar/` cannot be decoded.
fn refused(below: &str, payload: impl Into<Vec<u8>>) -> String {
    let event = one(below, payload);
    assert_eq!(event.event.kind(), Kind::MessageUndecodable, "{event:?}");
    assert_eq!(event.stream, format!("message/vigilar/{below}"));
    event.text.unwrap()
}
