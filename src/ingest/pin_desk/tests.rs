//! What the desk makes of what was typed.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::decode::{Inbound, Rules, decode};
use crate::reactor::pin::Pin;

const NOW: UnixNanos = 1_795_132_800_000_000_000;

fn desk() -> PinDesk {
    let pin = Pin::new("0042".into()).unwrap();
    PinDesk {
        hash: Some(PinHash::make(&pin, &[7; 16]).unwrap()),
        gate: Mutex::default(),
        gate_at_box: Mutex::default(),
    }
}

fn verdict(desk: &PinDesk, payload: &str, now: UnixNanos) -> Option<PinVerdict> {
    let inbound = Inbound {
        topic: "vigilar/system/arm_request".into(),
        payload: payload.into(),
        qos: 1,
        retain: false,
        received_at: now,
    };
    let mut decoded = decode(
        &inbound,
        &Rules::new("vigilar".parse().unwrap(), Vec::new()),
    );
    desk.judge(&mut decoded, false, now);
    assert!(decoded.pin.is_none(), "it ends here");
    match &decoded.events[0].event {
        Event::ArmRequested(request) => request.pin,
        _ => None,
    }
}

#[test]
fn a_pin_is_right_wrong_missing_or_not_looked_at() {
    let desk = desk();
    let ask = |pin: &str, after_s: i64| {
        let payload = format!("{{\"mode\":\"DISARMED\"{pin}}}");
        verdict(&desk, &payload, NOW + after_s * 1_000_000_000).unwrap()
    };
    assert_eq!(ask("", 0), PinVerdict::Absent);
    assert_eq!(ask(",\"pin\":null", 0), PinVerdict::Absent);
    assert_eq!(ask(",\"pin\":\"42\"", 0), PinVerdict::Wrong);
    assert_eq!(ask(",\"pin\":\"0042\"", 0), PinVerdict::Locked);
    assert_eq!(
        ask(",\"pin\":\"0042\"", 1),
        PinVerdict::Correct,
        "leading zeros count"
    );
    assert_eq!(
        ask(",\"code\":\"0042\"", 3),
        PinVerdict::Correct,
        "other words for it"
    );
}

#[test]
fn without_a_hash_nothing_is_right() {
    let desk = PinDesk::default();
    let payload = r#"{"mode":"DISARMED","pin":"0042"}"#;
    assert_eq!(verdict(&desk, payload, NOW), Some(PinVerdict::Unconfigured));
}

#[test]
fn nothing_but_a_request_is_looked_at() {
    let desk = desk();
    assert_eq!(verdict(&desk, r#"{"mode":"OPEN","pin":"0042"}"#, NOW), None);
}
