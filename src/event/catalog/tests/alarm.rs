//! Samples of the alarm, its rules and its alerts.

use crate::event::alarm::{
    Action, AlertAcknowledged, AlertAttempted, AlertJudged, AlertRaised, AlertRequested,
    AlertSnoozed, AlertSuppressed, ArmState, AttemptStatus, Channel, RecordingRequested, Refused,
    RuleFired, StateChanged, Target, Verdict,
};
use crate::event::anomaly::AnomalyDetected;
use crate::event::house::ArmMode;
use crate::event::{Event, Kind};

pub(super) fn sample(kind: Kind) -> Event {
    let target = Target {
        recipient: "ada".into(),
        channel: Channel::WebPush,
        address: 3,
    };
    let late = Target {
        recipient: "tom".into(),
        channel: Channel::Ntfy,
        address: 0,
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
            risk_score: 62.5,
            entity: Some(("camera".into(), "yard".into())),
        }
        .into(),
        Kind::AlertSuppressed => AlertSuppressed {
            alert: 42,
            event: 57,
            severity_id: 3,
            recipients: vec!["ada".into()],
            targets: vec![late],
            risk_score: 71.0,
        }
        .into(),
        Kind::AlertRequested
        | Kind::AlertAcknowledged
        | Kind::AlertJudged
        | Kind::AlertSnoozed
        | Kind::AnomalyDetected => said(kind),
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

/// What is asked for and said of alerts, and what models find.
fn said(kind: Kind) -> Event {
    match kind {
        Kind::AlertRequested => AlertRequested {
            alert_type: "correlation".into(),
            rule_name: "sigma/ssh-then-sudo".into(),
            severity_id: 4,
            dedup_key: "ssh-then-sudo:web-01".into(),
            risk_score: Some(87.5),
            entity: Some(("host".into(), "web-01".into())),
            window_ns: 900_000_000_000,
        }
        .into(),
        Kind::AlertAcknowledged => AlertAcknowledged {
            alert: 42,
            acknowledged: true,
            by: "ada".into(),
        }
        .into(),
        Kind::AlertJudged => AlertJudged {
            alert: 42,
            verdict: Verdict::FalsePositive,
            by: "ada".into(),
        }
        .into(),
        Kind::AlertSnoozed => AlertSnoozed {
            dedup_key: "PERSON_DETECTED:yard".into(),
            until: 1_795_132_815_000_000_000,
            by: "ada".into(),
        }
        .into(),
        _ => AnomalyDetected {
            model: "hw:source:nginx".into(),
            subject: "source/nginx".into(),
            score: 7.5,
            threshold: 6.0,
            observed: 912.0,
            expected: 41.5,
            event: 4711,
        }
        .into(),
    }
}
