//! Rules of the configuration: when several conditions hold, something is done.
//!
//! A rule is looked at when a moment that one of its event conditions names appears in the table
//! `events`; a rule without such conditions when the alarm's state changes. With AND, its other event
//! conditions hold when such a moment was within [`Rule::within_ns`] before.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::alerts::{copied, following};
use super::time_window::TimeWindow;
use super::{Reaction, Reactor, Scene, never};
use crate::base::clock::UnixNanos;
use crate::event::alarm::{Action, ArmState, RecordingRequested, RuleFired};
use crate::event::{Envelope, Kind, NewEvent};
use crate::read_model::events::{self, Moment};
use crate::read_model::{alarm, rules};
use crate::storage::{Session, StorageError};

pub(super) const REACTOR: Reactor = Reactor {
    name: "rules",
    kinds: events::KINDS,
    react,
    tick: never,
};

/// Most moments that are looked at for an AND: some 70 a second within half a minute.
const RECENT_MAX: i64 = 2_000;
/// Types of the table `events` that are a camera's motion.
const MOTIONS: [&str; 3] = ["MOTION_START", "PERSON_DETECTED", "VEHICLE_DETECTED"];

/// How a rule's conditions go together.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(inline)]
pub enum Logic {
    /// All of them hold.
    #[default]
    And,
    /// One of them holds.
    Or,
}

/// Something that holds or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// The alarm is in this state.
    ArmState {
        /// The state.
        state: ArmState,
    },
    /// A sensor told something.
    SensorEvent {
        /// Its id; any when empty.
        #[serde(default)]
        sensor: String,
        /// The type in the table `events`, such as `CONTACT_OPEN`, in either case; any when empty.
        #[serde(default)]
        event: String,
    },
    /// A camera saw motion, a person or a vehicle.
    CameraMotion {
        /// Its id; any when empty.
        #[serde(default)]
        camera: String,
    },
    /// The wall clock shows a time within.
    TimeWindow {
        /// The window.
        window: TimeWindow,
    },
}

impl Condition {
    /// Whether it is about something that happens, rather than about how things are.
    pub const fn is_event(&self) -> bool {
        matches!(self, Self::SensorEvent { .. } | Self::CameraMotion { .. })
    }

    fn names(&self, moment: &Moment) -> bool {
        let any_or = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        match self {
            Self::SensorEvent { sensor, event } => {
                moment.source_type == "sensor"
                    && any_or(sensor, &moment.source_id)
                    && (event.is_empty() || event.eq_ignore_ascii_case(&moment.event_type))
            }
            Self::CameraMotion { camera } => {
                moment.source_type == "camera"
                    && any_or(camera, &moment.source_id)
                    && MOTIONS.contains(&moment.event_type.as_str())
            }
            Self::ArmState { .. } | Self::TimeWindow { .. } => false,
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// When it fires.
    pub conditions: Vec<Condition>,
    /// All of them, or one.
    pub logic: Logic,
    /// What it does.
    pub actions: Vec<Action>,
    /// How long it rests after it fired.
    pub cooldown_ns: i64,
    /// How far apart the events of an AND may be.
    pub within_ns: i64,
}

fn react(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    if scene.settings.rules.is_empty() || event.is_snapshot() || event.kind() == Kind::RuleFired {
        return Ok(Vec::new());
    }
    let Some(moment) = events::moment_at(scene.session, event.position)? else {
        return Ok(Vec::new());
    };
    let mut fired = Vec::new();
    for rule in &scene.settings.rules {
        if concerns(rule, &moment, event.kind())
            && holds(scene, rule, &moment)?
            && rested(scene.session, rule, event.received_at)?
        {
            fired.extend(fire(rule, &moment, event, scene.now));
        }
    }
    Ok(fired)
}

fn concerns(rule: &Rule, moment: &Moment, kind: Kind) -> bool {
    let mut events = rule
        .conditions
        .iter()
        .filter(|one| one.is_event())
        .peekable();
    if events.peek().is_none() {
        return kind == Kind::ArmStateChanged;
    }
    events.any(|condition| condition.names(moment))
}

fn holds(scene: &mut Scene<'_>, rule: &Rule, moment: &Moment) -> Result<bool, StorageError> {
    let mut judge = Judge {
        session: scene.session,
        zone: &scene.settings.zone,
        rule,
        moment,
        state: None,
        recent: None,
    };
    for condition in &rule.conditions {
        match (rule.logic, judge.finds(condition)?) {
            (Logic::And, false) => return Ok(false),
            (Logic::Or, true) => return Ok(true),
            _ => {}
        }
    }
    Ok(rule.logic == Logic::And && !rule.conditions.is_empty())
}

/// Judges the conditions of one rule at one moment.
struct Judge<'j> {
    session: &'j mut dyn Session,
    zone: &'j TimeZone,
    rule: &'j Rule,
    moment: &'j Moment,
    /// The alarm's state then, once it is known.
    state: Option<alarm::Standing>,
    /// What was shortly before, once it is known.
    recent: Option<Vec<Moment>>,
}

impl Judge<'_> {
    fn finds(&mut self, condition: &Condition) -> Result<bool, StorageError> {
        Ok(match condition {
            Condition::ArmState { state } => {
                let now = match self.state {
                    Some(now) => now,
                    None => *self.state.insert(alarm::standing(self.session)?),
                };
                now.is(*state)
            }
            Condition::TimeWindow { window } => {
                window.contains(self.moment.timestamp_ns, self.zone)
            }
            Condition::SensorEvent { .. } | Condition::CameraMotion { .. } => {
                condition.names(self.moment)
                    || (self.rule.logic == Logic::And
                        && happened(
                            self.session,
                            self.rule,
                            condition,
                            self.moment,
                            &mut self.recent,
                        )?)
            }
        })
    }
}

/// How a rule stands to an event of the past: what was seen then, for people who wonder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// Whether such an event makes the rule look at its conditions at all.
    pub concerned: bool,
    /// Whether each condition held, in their order.
    pub conditions: Vec<bool>,
    /// Whether all of them or one of them did, as the rule demands.
    pub holds: bool,
    /// Until when the rule rested then, if it did.
    pub resting_until: Option<UnixNanos>,
}

/// Holds a rule against an event of the past; nothing when the event was no moment, which no rule
/// looks at. The alarm's state is taken as of then.
pub fn examine(
    session: &mut dyn Session,
    zone: &TimeZone,
    rule: &Rule,
    event: &Envelope,
) -> Result<Option<Examination>, StorageError> {
    let Some(moment) = events::moment_at(session, event.position)? else {
        return Ok(None);
    };
    let state = alarm::standing_at(session, event.position)?;
    let earlier = event.occurred_at.min(event.received_at);
    let since = earlier.saturating_sub(rule.cooldown_ns);
    let fired = events::last_before(session, "RULE_FIRED", &rule.id, since, event.position)?;
    let mut judge = Judge {
        session,
        zone,
        rule,
        moment: &moment,
        state: Some(state),
        recent: None,
    };
    let found: Result<Vec<bool>, _> = rule
        .conditions
        .iter()
        .map(|condition| judge.finds(condition))
        .collect();
    let conditions = found?;
    let rests = |fired: UnixNanos| event.received_at.abs_diff(fired) < rule.cooldown_ns as u64;
    Ok(Some(Examination {
        concerned: !event.is_snapshot()
            && event.kind() != Kind::RuleFired
            && concerns(rule, &moment, event.kind()),
        holds: match rule.logic {
            Logic::And => !conditions.is_empty() && conditions.iter().all(|holds| *holds),
            Logic::Or => conditions.iter().any(|holds| *holds),
        },
        conditions,
        resting_until: fired
            .filter(|fired| rests(*fired))
            .map(|fired| fired.saturating_add(rule.cooldown_ns)),
    }))
}

/// Whether such a moment was shortly before.
fn happened(
    session: &mut dyn Session,
    rule: &Rule,
    condition: &Condition,
    moment: &Moment,
    recent: &mut Option<Vec<Moment>>,
) -> Result<bool, StorageError> {
    let moments = if let Some(moments) = recent {
        moments
    } else {
        let since = moment.timestamp_ns.saturating_sub(rule.within_ns);
        let until = moment.timestamp_ns.saturating_add(1);
        recent.insert(events::moments_between(session, since, until, RECENT_MAX)?)
    };
    Ok(moments.iter().any(|before| condition.names(before)))
}

fn rested(session: &mut dyn Session, rule: &Rule, now: UnixNanos) -> Result<bool, StorageError> {
    let last = rules::last_fired_at(session, &rule.id)?;
    // By arrival, and both ways: a clock that was set back must not wake every rule.
    Ok(last.is_none_or(|last| now.abs_diff(last) >= rule.cooldown_ns as u64))
}

fn fire(rule: &Rule, moment: &Moment, event: &Envelope, now: UnixNanos) -> Vec<NewEvent> {
    let own = |new: NewEvent| following(new.with_text(copied(moment)), event);
    let fired = RuleFired {
        rule: rule.id.clone(),
        actions: rule.actions.clone(),
    };
    let mut events = vec![own(NewEvent::own(now, format!("rule/{}", rule.id), fired))];
    let record = |cameras: Vec<String>| RecordingRequested {
        cameras,
        requested_by: format!("rule/{}", rule.id),
    };
    if rule.actions.contains(&Action::RecordAllCameras) {
        let wish = record(Vec::new());
        events.push(own(NewEvent::own(now, "recording/request", wish)));
    } else if rule.actions.contains(&Action::PushAndRecord) {
        let camera = (moment.source_type == "camera").then(|| moment.source_id.clone());
        let wish = record(camera.into_iter().collect());
        events.push(own(NewEvent::own(now, "recording/request", wish)));
    }
    events
}

#[cfg(test)]
mod tests;
