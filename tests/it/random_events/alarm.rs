//! Random steps of the alarm, rules and alerts, sensible ones and others.

use nightjar::event::Event;
use nightjar::event::alarm::{
    Action, AlertAcknowledged, AlertAttempted, AlertJudged, AlertRaised, AlertRequested,
    AlertSnoozed, AlertSuppressed, ArmState, AttemptStatus, Channel, RecordingRequested, Refused,
    RuleFired, StateChanged, Target, Verdict,
};
use nightjar::event::anomaly::AnomalyDetected;
use nightjar::event::house::{ArmMode, ArmRequested, PinVerdict};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{OnStream, number, odd_text};
use crate::bench_box::NOW;

pub(super) fn alarm() -> BoxedStrategy<OnStream> {
    prop_oneof![2 => arm(), 1 => rule(), 3 => alert(), 2 => said(), 1 => found()].boxed()
}

fn mode() -> BoxedStrategy<ArmMode> {
    select(vec![ArmMode::Disarmed, ArmMode::ArmedAway]).boxed()
}

fn arm() -> BoxedStrategy<OnStream> {
    let pin = select(vec![PinVerdict::Correct, PinVerdict::Wrong]);
    let request = (mode(), option::of(pin), odd_text()).prop_map(|(mode, pin, triggered_by)| {
        Event::from(ArmRequested {
            mode,
            pin_given: pin.is_some(),
            pin,
            queued: false,
            triggered_by,
            extra: nightjar::event::Extra::new(),
        })
    });
    let state = || select(ArmState::ALL.to_vec());
    let changed = (state(), state(), option::of(mode()), option::of(Just(NOW))).prop_map(
        |(from, to, target, deadline)| {
            Event::from(StateChanged {
                from,
                to,
                target,
                deadline,
                triggered_by: "keypad".into(),
            })
        },
    );
    let refused = (mode(), 0_i64..7).prop_map(|(mode, wrong_pins)| {
        Event::from(Refused {
            mode,
            triggered_by: "keypad".into(),
            wrong_pins,
        })
    });
    prop_oneof![request, changed, refused]
        .prop_map(|event| ("arm/system".to_owned(), event))
        .boxed()
}

fn rule() -> BoxedStrategy<OnStream> {
    let fired = select(vec!["night", "flood"]).prop_map(|rule| {
        let fired = RuleFired {
            rule: rule.into(),
            actions: vec![Action::AlertAll],
        };
        (format!("rule/{rule}"), Event::from(fired))
    });
    let wish = Just((
        "camera/porch".to_owned(),
        Event::from(RecordingRequested {
            cameras: vec!["porch".into()],
            requested_by: "rule/night".into(),
        }),
    ));
    prop_oneof![fired, wish].boxed()
}

fn target() -> BoxedStrategy<Target> {
    (
        select(vec!["ada", "tom"]),
        select(Channel::ALL.to_vec()),
        0_i64..2,
    )
        .prop_map(|(recipient, channel, address)| Target {
            recipient: recipient.into(),
            channel,
            address,
        })
        .boxed()
}

/// Alerts are named by positions; small numbers sometimes meet one.
fn alert() -> BoxedStrategy<OnStream> {
    let raised = (vec(target(), 0..4), odd_text(), 0_i64..7).prop_map(
        |(targets, alert_type, severity_id)| {
            Event::from(AlertRaised {
                dedup_key: format!("{alert_type}:porch"),
                alert_type,
                rule_name: "profile/default".into(),
                severity_id,
                event: 1,
                targets,
                suppressed: vec!["tom".into(), "tom".into()],
                risk_score: f64::from(severity_id as u8) * 10.0,
                entity: Some(("camera".into(), "yard".into())),
            })
        },
    );
    let suppressed = (1_i64..40, vec(target(), 0..2)).prop_map(|(alert, targets)| {
        Event::from(AlertSuppressed {
            alert,
            event: 3,
            severity_id: 4,
            recipients: vec!["ada".into()],
            targets,
            risk_score: 55.0,
        })
    });
    let tried = (1_i64..40, target(), any::<bool>(), option::of(Just(NOW))).prop_map(
        |(alert, target, sent, retry_at)| {
            Event::from(AlertAttempted {
                alert,
                target,
                attempt: 1,
                status: if sent {
                    AttemptStatus::Sent
                } else {
                    AttemptStatus::Failed
                },
                latency_ms: 12,
                retry_at,
                answer: std::collections::BTreeMap::new(),
            })
        },
    );
    prop_oneof![2 => raised, 1 => suppressed, 2 => tried]
        .prop_map(|event| ("alert/house".to_owned(), event))
        .boxed()
}

/// What people say of alerts, and what somebody asks for.
fn said() -> BoxedStrategy<OnStream> {
    let seen = (1_i64..40, any::<bool>()).prop_map(|(alert, acknowledged)| {
        Event::from(AlertAcknowledged {
            alert,
            acknowledged,
            by: "ada".into(),
        })
    });
    let verdict = select(vec![Verdict::TruePositive, Verdict::FalsePositive]);
    let judged = (1_i64..40, verdict, odd_text())
        .prop_map(|(alert, verdict, by)| Event::from(AlertJudged { alert, verdict, by }));
    let snoozed = (odd_text(), -2_i64..3).prop_map(|(kind, hours)| {
        Event::from(AlertSnoozed {
            dedup_key: format!("{kind}:porch"),
            until: NOW + hours * 3_600_000_000_000,
            by: "tom".into(),
        })
    });
    let wish = (odd_text(), option::of(number()), any::<i64>()).prop_map(
        |(dedup_key, risk_score, window_ns)| {
            Event::from(AlertRequested {
                alert_type: "correlation".into(),
                rule_name: "sigma/test".into(),
                severity_id: 4,
                dedup_key,
                risk_score,
                entity: None,
                window_ns,
            })
        },
    );
    prop_oneof![seen, judged, snoozed, wish]
        .prop_map(|event| ("house/alerts".to_owned(), event))
        .boxed()
}

/// What a model finds; sometimes it tells the same twice.
fn found() -> BoxedStrategy<OnStream> {
    let model = select(vec!["hw:source:nginx", "cusum:global"]);
    (model, number(), number(), 1_i64..9)
        .prop_map(|(model, score, observed, event)| {
            let found = AnomalyDetected {
                model: model.into(),
                subject: "source/nginx".into(),
                score,
                threshold: 6.0,
                observed,
                expected: 1.5,
                event,
            };
            ("anomaly/hw".to_owned(), found.into())
        })
        .boxed()
}
