//! Samples of the alarm, its rules and its alerts.

use crate::event::alarm::{
    Action, AlertAttempted, AlertRaised, AlertSuppressed, ArmState, AttemptStatus, Channel,
    RecordingRequested, Refused, RuleFired, StateChanged, Target,
};
use crate::event::house::ArmMode;
use crate::event::{Event, Kind};

pub(super) fn sample(kind: Kind) -> Event {
    let target = Target {
        recipient: "ada".into(),
        channel: Channel::WebPush,
        address: 3,
    };
    match kind {
        Kind::ArmStateChanged => StateChanged {
            from: ArmState::ExitDelay,
            to: ArmState::ArmedAway,
            target: Some(ArmMode::ArmedAway),
            deadline: Some(1_795_132_830_000_000_000),
            triggered_by: "keypad".into(),
        }
        .into(),
        Kind::ArmRefused => Refused {
            mode: ArmMode::Disarmed,
            triggered_by: "keypad".into(),
            wrong_pins: 2,
        }
        .into(),
        Kind::RuleFired => RuleFired {
            rule: "night-motion".into(),
            actions: vec![
                Action::AlertAll,
                Action::PushAndRecord,
                Action::RecordAllCameras,
                Action::Publish {
                    topic: "house/siren".into(),
                    payload: "ON".into(),
                    retain: true,
                },
            ],
        }
        .into(),
        Kind::RecordingRequested => RecordingRequested {
            cameras: vec!["yard".into()],
            requested_by: "rule/night-motion".into(),
        }
        .into(),
        Kind::AlertRaised => AlertRaised {
            alert_type: "PERSON_DETECTED".into(),
            rule_name: "profile/asleep".into(),
            severity_id: 3,
            dedup_key: "PERSON_DETECTED:yard".into(),
            event: 41,
            targets: vec![target],
            suppressed: vec!["tom".into()],
        }
        .into(),
        Kind::AlertSuppressed => AlertSuppressed {
            alert: 42,
            event: 57,
            severity_id: 3,
            recipients: vec!["ada".into()],
        }
        .into(),
        _ => AlertAttempted {
            alert: 42,
            target,
            attempt: 2,
            status: AttemptStatus::Failed,
            latency_ms: 312,
            retry_at: Some(1_795_132_815_000_000_000),
            answer: [("code".into(), "503".into())].into(),
        }
        .into(),
    }
}
