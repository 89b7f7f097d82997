//! Random steps of the alarm, rules and alerts, sensible ones and others.

use nightjar::event::Event;
use nightjar::event::alarm::{
    Action, AlertAttempted, AlertRaised, AlertSuppressed, ArmState, AttemptStatus, Channel,
    RecordingRequested, Refused, RuleFired, StateChanged, Target,
};
use nightjar::event::house::{ArmMode, ArmRequested, PinVerdict};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{OnStream, odd_text};
use crate::bench_box::NOW;

pub(super) fn alarm() -> BoxedStrategy<OnStream> {
    prop_oneof![2 => arm(), 1 => rule(), 3 => alert()].boxed()
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
            })
        },
    );
    let suppressed = (1_i64..40).prop_map(|alert| {
        Event::from(AlertSuppressed {
            alert,
            event: 3,
            severity_id: 4,
            recipients: vec!["ada".into()],
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
