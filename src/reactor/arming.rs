//! The alarm's reactor: requests, signals and deadlines go through [`alarm`](super::alarm), and what
//! it says becomes events.

use super::alarm::{Alarm, Input, Outcome, Signal, Stimulus};
use super::{Reaction, Reactor, Scene};
use crate::base::clock::{MINUTE_NS, SECOND_NS, UnixNanos};
use crate::event::alarm::{Refused, StateChanged};
use crate::event::house::{ArmRequested, PinVerdict};
use crate::event::{Envelope, Event, Kind, NewEvent};
use crate::read_model::{alarm as standing, events};
use crate::storage::StorageError;

pub(super) const REACTOR: Reactor = Reactor {
    name: "alarm",
    kinds: &[
        Kind::ArmRequested,
        Kind::SensorReported,
        Kind::CameraMotionStarted,
    ],
    react,
    tick,
};

/// Stream of everything about the alarm.
const STREAM: &str = "arm/system";
/// A request that was so long under way is not what anybody wants now: the broker keeps messages
/// while the box is down, and disarming an hour late would open the house.
const REQUEST_AGE_MAX: i64 = 2 * MINUTE_NS;
/// A clock that is steered steps back by less.
const CLOCK_SLACK: i64 = SECOND_NS;

fn react(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    match &event.event {
        Event::ArmRequested(request) => requested(scene, event, request),
        _ => signalled(scene, event),
    }
}

fn requested(scene: &mut Scene<'_>, event: &Envelope, request: &ArmRequested) -> Reaction {
    let refuse = |scene: &mut Scene<'_>, reason: String| -> Reaction {
        let before = standing::wrong_pins(scene.session, event.position)?.0;
        let wrong_pins = match request.pin {
            Some(PinVerdict::Wrong) => before + 1,
            _ => before,
        };
        let refused = Refused {
            mode: request.mode,
            triggered_by: request.triggered_by.clone(),
            wrong_pins,
        };
        Ok(vec![
            NewEvent::own(scene.now, STREAM, refused)
                .with_text(reason)
                .caused_by(event.position),
        ])
    };
    if event.is_snapshot() {
        let reason = "a retained message is no request; publish it without retain";
        return refuse(scene, reason.into());
    }
    if request.queued {
        let reason = "the broker may have held the request while the box was away; ask again";
        return refuse(scene, reason.into());
    }
    let age = event.received_at.saturating_sub(event.occurred_at);
    if age > REQUEST_AGE_MAX {
        let minutes = age / MINUTE_NS;
        return refuse(
            scene,
            format!("the request is {minutes} minutes old; ask again"),
        );
    }
    let input = Input::Request {
        mode: request.mode,
        pin: request.pin.unwrap_or(PinVerdict::Absent),
        by: request.triggered_by.clone(),
    };
    let (outcome, mut events) = step(scene, &input, Some(event.position))?;
    if let Some(refusal) = outcome.refusal {
        events.extend(refuse(scene, refusal.to_string())?);
    }
    Ok(events)
}

fn signalled(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    let Some(what) = Signal::of(&event.event) else {
        return Ok(Vec::new());
    };
    if event.is_snapshot() {
        return Ok(Vec::new());
    }
    // A door that is merely told to be open still, by a bridge that repeats whole states, is no one
    // coming in. What endangers people counts as long as it is told.
    if !what.is_hazard() && events::moment_at(scene.session, event.position)?.is_none() {
        return Ok(Vec::new());
    }
    let input = Input::Stimulus(Stimulus {
        source: event.stream.text.to_string(),
        what,
        occurred_at: event.occurred_at,
    });
    Ok(step(scene, &input, Some(event.position))?.1)
}

fn tick(scene: &mut Scene<'_>) -> Reaction {
    let (alarm, set_back) = alarm_now(scene)?;
    if set_back.is_none() && alarm.due_at().is_none_or(|due| due > scene.now) {
        return Ok(Vec::new());
    }
    Ok(step(scene, &Input::Tick, None)?.1)
}

/// The alarm as its last step left it. If the clock was set back since, that step lies in the future:
/// then its delay is counted from now on, which is told, so that it is not counted anew every second,
/// and nothing counts as late.
fn alarm_now(scene: &mut Scene<'_>) -> Result<(Alarm, Option<NewEvent>), StorageError> {
    let last = standing::standing(scene.session)?;
    let mut alarm = Alarm {
        state: last.state,
        target: last.target,
        since: last.since,
        deadline: last.deadline,
    };
    let ahead = last.since.saturating_sub(scene.now);
    if ahead <= CLOCK_SLACK {
        return Ok((alarm, None));
    }
    alarm.since = UnixNanos::MIN;
    alarm.deadline = last.deadline.map(|at| at.saturating_sub(ahead));
    let changed = StateChanged {
        from: last.state,
        to: last.state,
        target: last.target,
        deadline: alarm.deadline,
        triggered_by: "clock".into(),
    };
    let reason = "the clock was set back";
    let told = NewEvent::own(scene.now, STREAM, changed).with_text(reason);
    Ok((alarm, Some(told)))
}

fn step(
    scene: &mut Scene<'_>,
    input: &Input,
    cause: Option<i64>,
) -> Result<(Outcome, Vec<NewEvent>), StorageError> {
    let (alarm, set_back) = alarm_now(scene)?;
    let outcome = alarm.step(input, &scene.settings.alarm, scene.now);
    let transitions = outcome.transitions.iter().map(|transition| {
        let changed = StateChanged {
            from: transition.from,
            to: transition.to,
            target: transition.target,
            deadline: transition.deadline,
            triggered_by: transition.by.clone(),
        };
        let event = NewEvent::own(scene.now, STREAM, changed).with_text(&transition.reason);
        told(event, transition.at, cause)
    });
    let events = set_back.into_iter().chain(transitions).collect();
    Ok((outcome, events))
}

fn told(mut event: NewEvent, at: UnixNanos, cause: Option<i64>) -> NewEvent {
    event.occurred_at = at;
    event.cause = cause;
    event
}

#[cfg(test)]
mod tests;
