//! Alerts: which moments people are told of, who, and how often.
//!
//! Every alert there is comes from here: of moments, of rules, of patterns and anomalies, and those that
//! somebody asks for. Every moment in the table `events` is held against the profiles of the
//! configuration; the first that matches the household's state, the alarm's and the time decides.
//! Without one, what is an ALERT or CRITICAL is told to all. The same alert (type and source) is raised
//! at most once per window and recipient; what comes in between is counted on the alert.
//!
//! An anomaly, and what is asked for, is always raised and counted; whether people are told is another
//! question. What a model tells of one event twice, as it read on from a checkpoint, counts once.
//!
//! Delivery is not here and never in the writer's way: an alert only names its targets.

mod raising;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::household::HouseholdState;
use super::time_window::TimeWindow;
use super::{Reaction, Reactor, Scene, never, risk};
use crate::base::clock::{HOUR_NS, MINUTE_NS, UnixNanos};
use crate::event::alarm::{
    Action, AlertRequested, ArmState, Channel, RecordingRequested, RuleFired,
};
use crate::event::entity::{Entity, EntityType};
use crate::event::sentence::label;
use crate::event::{Envelope, Event, Kind, NewEvent, pet};
use crate::read_model::events::{self, Moment};
use crate::read_model::{alarm, anomalies, presence};
use crate::storage::StorageError;

use raising::{Occasion, Window, raise, risk_of};

pub(super) const REACTOR: Reactor = Reactor {
    name: "alerts",
    kinds: &KINDS,
    react,
    tick: never,
};

/// Every kind of moment, and the wish for an alert.
const KINDS: [Kind; events::KINDS.len() + 1] = {
    let mut kinds = [Kind::AlertRequested; events::KINDS.len() + 1];
    let mut index = 0;
    while index < events::KINDS.len() {
        kinds[index] = events::KINDS[index];
        index += 1;
    }
    kinds
};

/// Least severity that is told to people when no profile says otherwise.
const PUSH_FROM: i64 = 4;
/// Window of an alert, unless configured.
const WINDOW_NS: i64 = 5 * MINUTE_NS;
/// Window of what is found in lines and numbers, unless configured.
pub const DETECTION_WINDOW_NS: i64 = 15 * MINUTE_NS;
/// What goes on is no news for at least so long.
const GROWTH_WINDOW_NS: i64 = HOUR_NS;
/// From so many times its threshold on, people are told of an anomaly when no profile says otherwise:
/// what is just above a threshold is mostly nothing.
const FAR_OFF: f64 = 2.0;
/// An anomaly that was over so long before it was found is history: old logs were read.
const HISTORY_NS: i64 = HOUR_NS;
/// Type of what models find.
const ML: &str = "ml";

/// Who is told of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// At most one alert of a kind per recipient within so long.
    pub window_ns: i64,
    /// The same for what is found in lines and numbers: patterns and anomalies.
    pub detection_window_ns: i64,
    /// Who can be told.
    pub recipients: Vec<Recipient>,
    /// What they are told of, the first that matches.
    pub profiles: Vec<Profile>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_ns: WINDOW_NS,
            detection_window_ns: DETECTION_WINDOW_NS,
            recipients: Vec::new(),
            profiles: Vec::new(),
        }
    }
}

/// Somebody who can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Their name.
    pub name: String,
    /// Whether they are told what is for adults.
    pub is_adult: bool,
    /// By which ways.
    pub channels: Vec<Channel>,
}

/// What to do about a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Response {
    /// Tell people.
    Push,
    /// Ask the camera to record.
    Record,
    /// Nothing.
    Quiet,
}

/// Who of the recipients.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Audience {
    /// Everybody.
    #[default]
    All,
    /// Adults.
    Adults,
}

/// What is told when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// States of the alarm in which it holds; all when empty.
    pub arm_states: Vec<ArmState>,
    /// States of the household in which it holds; all when empty.
    pub households: Vec<HouseholdState>,
    /// When it holds.
    pub window: TimeWindow,
    /// What it says of a type of the table `events`.
    pub detections: BTreeMap<String, Response>,
    /// Who is told.
    pub audience: Audience,
}

fn react(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    if event.is_snapshot() {
        return Ok(Vec::new());
    }
    match &event.event {
        Event::RuleFired(fired) => of_rule(scene, event, fired),
        Event::AlertRequested(wish) => on_request(scene, event, wish),
        Event::AnomalyDetected(_) if anomalies::is_repeat(scene.session, event.position)? => {
            Ok(Vec::new())
        }
        _ => of_moment(scene, event),
    }
}

fn of_rule(scene: &mut Scene<'_>, event: &Envelope, fired: &RuleFired) -> Reaction {
    let tells = |action| fired.actions.contains(action);
    if !(tells(&Action::AlertAll) || tells(&Action::PushAndRecord)) {
        return Ok(Vec::new());
    }
    let because = match event.cause {
        Some(cause) => events::moment_at(scene.session, cause)?,
        None => None,
    };
    let severity_id = because
        .as_ref()
        .map_or(PUSH_FROM, |moment| moment.severity_id.max(PUSH_FROM));
    let occasion = Occasion {
        alert_type: "RULE".into(),
        rule_name: format!("rule/{}", fired.rule),
        severity_id,
        dedup_key: format!("RULE:{}", fired.rule),
        about: event.cause.unwrap_or(event.position),
        entity: because.as_ref().and_then(entity_of),
        message: because.map_or_else(|| event.text().to_owned(), |moment| copied(&moment)),
        risk_score: risk_of(scene, event, severity_id)?,
        window: Window::Arrival(scene.settings.alerts.window_ns),
        audience: Some(Audience::All),
    };
    raise(scene, event, occasion)
}

/// What somebody asks for is always raised or counted. People are told as of a moment of that type.
fn on_request(scene: &mut Scene<'_>, event: &Envelope, wish: &AlertRequested) -> Reaction {
    let profile = profile(scene, event.occurred_at)?;
    let said = profile.and_then(|profile| profile.detections.get(&wish.alert_type).copied());
    let is_told = match said {
        Some(response) => response == Response::Push,
        None => wish.severity_id >= PUSH_FROM,
    };
    let severity_id = wish.severity_id.clamp(0, 6);
    let occasion = Occasion {
        alert_type: wish.alert_type.clone(),
        rule_name: wish.rule_name.clone(),
        severity_id,
        dedup_key: wish.dedup_key.clone(),
        about: event.position,
        message: event.text().to_owned(),
        // As of a moment: a person's number would outlive the person here.
        entity: wish
            .entity
            .clone()
            .filter(|(kind, _)| kind != EntityType::Person.name()),
        risk_score: match wish.risk_score {
            Some(risk) => risk::of(&[risk]),
            None => risk_of(scene, event, severity_id)?,
        },
        window: Window::Occurrence(wish.window_ns),
        audience: is_told.then(|| profile.map_or(Audience::All, |profile| profile.audience)),
    };
    raise(scene, event, occasion)
}

fn of_moment(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    let Some(moment) = events::moment_at(scene.session, event.position)? else {
        return Ok(Vec::new());
    };
    let profile = profile(scene, moment.timestamp_ns)?;
    let said = profile.and_then(|profile| profile.detections.get(&moment.event_type).copied());
    let audience = profile.map_or(Audience::All, |profile| profile.audience);
    let name = profile.map_or("default", |profile| profile.name.as_str());
    match said.unwrap_or_else(|| usual(event, &moment)) {
        Response::Quiet => Ok(Vec::new()),
        Response::Record => {
            let wish = RecordingRequested {
                cameras: camera_of(event, &moment).into_iter().collect(),
                requested_by: format!("profile/{name}"),
            };
            let new = NewEvent::own(scene.now, "recording/request", wish);
            Ok(vec![following(new.with_text(copied(&moment)), event)])
        }
        Response::Push => {
            let window_ns = scene.settings.alerts.window_ns;
            let detection_ns = scene.settings.alerts.detection_window_ns;
            let mut occasion = Occasion {
                rule_name: format!("profile/{name}"),
                severity_id: moment.severity_id,
                dedup_key: format!("{}:{}", moment.event_type, moment.source_id),
                about: event.position,
                message: copied(&moment),
                entity: entity_of(&moment),
                risk_score: risk_of(scene, event, moment.severity_id)?,
                window: Window::Arrival(window_ns),
                audience: Some(audience),
                alert_type: moment.event_type,
            };
            match &event.event {
                Event::PatternDetected(found) => {
                    let least_ns = match found.grown_from {
                        Some(_) => GROWTH_WINDOW_NS,
                        None => 0,
                    };
                    occasion.window = Window::Occurrence(detection_ns.max(least_ns));
                }
                Event::AnomalyDetected(found) => {
                    occasion.window = Window::Occurrence(detection_ns);
                    occasion.alert_type = ML.into();
                    occasion.rule_name = format!("model/{}", found.model);
                    occasion.dedup_key = format!("{ML}:{}", found.model);
                    let is_old = event.received_at.saturating_sub(event.occurred_at) > HISTORY_NS;
                    let is_far_off = found.score >= found.threshold * FAR_OFF;
                    if said.is_none() && (is_old || !is_far_off) {
                        occasion.audience = None;
                    }
                }
                _ => {}
            }
            raise(scene, event, occasion)
        }
    }
}

/// Whom or what a moment is about, by who reported it. A person it never names: whoever is forgotten
/// must not stay in alerts.
fn entity_of(moment: &Moment) -> Option<(String, String)> {
    let (kind, name) = match (&*moment.source_type, &*moment.source_id) {
        // `log/heron/sshd` and `service/heron/sshd`, and a model's `source/sshd`.
        ("log" | "service", id) => (EntityType::Process, id.split_once('/')?.1),
        ("source", id) => (EntityType::Process, id),
        (kind, id) => (kind.parse().ok()?, id),
    };
    if kind == EntityType::Person {
        return None;
    }
    let entity = Entity::new(kind, name).ok()?;
    Some((kind.name().to_owned(), entity.value().to_owned()))
}

/// The first profile that holds at the moment.
fn profile<'s>(scene: &mut Scene<'s>, at: UnixNanos) -> Result<Option<&'s Profile>, StorageError> {
    let settings = scene.settings;
    let mut state = None;
    for profile in &settings.alerts.profiles {
        if !profile.window.contains(at, &settings.zone) {
            continue;
        }
        if !profile.arm_states.is_empty() {
            let now = match state {
                Some(now) => now,
                None => *state.insert(alarm::standing(scene.session)?),
            };
            if !profile.arm_states.iter().any(|state| now.is(*state)) {
                continue;
            }
        }
        if !profile.households.is_empty() {
            let now = presence::household(scene.session)?;
            let holds = |state: &HouseholdState| now.as_deref() == Some(state.name());
            if !profile.households.iter().any(holds) {
                continue;
            }
        }
        return Ok(Some(profile));
    }
    Ok(None)
}

/// What to do about a moment of which no profile speaks.
fn usual(event: &Envelope, moment: &Moment) -> Response {
    match &event.event {
        // Whoever made the rule said what it is to do.
        Event::PetRuleFired(fired) => match fired.action {
            pet::Action::Push => Response::Push,
            pet::Action::Record => Response::Record,
            pet::Action::Log => Response::Quiet,
        },
        // A reminder that nobody hears reminds of nothing. An anomaly is counted in any case; whether
        // people are told of it is decided there.
        Event::PackageReminded(_) | Event::AnomalyDetected(_) => Response::Push,
        _ if moment.severity_id >= PUSH_FROM => Response::Push,
        _ => Response::Quiet,
    }
}

/// The camera that should record; none when nobody knows one, and then all should.
fn camera_of(event: &Envelope, moment: &Moment) -> Option<String> {
    match &event.event {
        Event::PetRuleFired(fired) => fired.camera.clone(),
        _ => (moment.source_type == "camera").then(|| moment.source_id.clone()),
    }
}

/// The event as a consequence of `cause`, at its time.
pub(super) fn following(mut new: NewEvent, cause: &Envelope) -> NewEvent {
    new.occurred_at = cause.occurred_at;
    new.caused_by(cause.position)
}

/// What is said of a moment where it is copied to. Of a face it tells no number: whoever is
/// forgotten must not stay in alerts.
pub(super) fn copied(moment: &Moment) -> String {
    let place = || label(&moment.source_id);
    match moment.event_type.as_str() {
        "FACE_KNOWN" => format!("Somebody known at {}", place()),
        "FACE_UNKNOWN" => format!("A stranger at {}", place()),
        "FACE_SEEN" => format!("A face at {}", place()),
        _ => moment.message.clone(),
    }
}

#[cfg(test)]
mod tests;
