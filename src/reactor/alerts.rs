//! Alerts: which moments people are told of, who, and how often.
//!
//! Every moment in the table `events` is held against the profiles of the configuration; the first
//! that matches the household's state, the alarm's and the time decides. Without one, what is an
//! ALERT or CRITICAL is told to all. The same alert (type and source) is raised at most once per
//! window and recipient; what comes in between is counted on the alert.
//!
//! Delivery is not here and never in the writer's way: an alert only names its targets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::household::HouseholdState;
use super::time_window::TimeWindow;
use super::{Reaction, Reactor, Scene, never};
use crate::base::clock::MINUTE_NS;
use crate::event::alarm::{
    Action, AlertRaised, AlertSuppressed, ArmState, Channel, RecordingRequested, Target,
};
use crate::event::sentence::label;
use crate::event::{Envelope, Event, NewEvent, pet};
use crate::read_model::events::{self, Moment};
use crate::read_model::{alarm, alerts, presence};
use crate::storage::{Session, StorageError};

pub(super) const REACTOR: Reactor = Reactor {
    name: "alerts",
    kinds: events::KINDS,
    react,
    tick: never,
};

/// Least severity that is told to people when no profile says otherwise.
const PUSH_FROM: i64 = 4;
/// Window of an alert, unless configured.
const WINDOW_NS: i64 = 5 * MINUTE_NS;
/// The house itself, told of every alert, so that one without recipients has a window too.
const HOUSE: &str = "";

/// Who is told of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// At most one alert of a kind per recipient within so long.
    pub window_ns: i64,
    /// Who can be told.
    pub recipients: Vec<Recipient>,
    /// What they are told of, the first that matches.
    pub profiles: Vec<Profile>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_ns: WINDOW_NS,
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
    if let Event::RuleFired(fired) = &event.event {
        let tells = |action| fired.actions.contains(action);
        if !(tells(&Action::AlertAll) || tells(&Action::PushAndRecord)) {
            return Ok(Vec::new());
        }
        let because = match event.cause {
            Some(cause) => events::moment_at(scene.session, cause)?,
            None => None,
        };
        let occasion = Occasion {
            alert_type: "RULE".into(),
            rule_name: format!("rule/{}", fired.rule),
            severity_id: because
                .as_ref()
                .map_or(PUSH_FROM, |moment| moment.severity_id.max(PUSH_FROM)),
            dedup_key: format!("RULE:{}", fired.rule),
            about: event.cause.unwrap_or(event.position),
            message: because.map_or_else(|| event.text().to_owned(), |moment| copied(&moment)),
        };
        return raise(scene, event, Audience::All, occasion);
    }
    let Some(moment) = events::moment_at(scene.session, event.position)? else {
        return Ok(Vec::new());
    };
    let profile = profile(scene, &moment)?;
    let (name, audience, response) = match profile {
        Some(profile) => (
            profile.name.as_str(),
            profile.audience,
            profile.detections.get(&moment.event_type).copied(),
        ),
        None => ("default", Audience::All, None),
    };
    let response = response.unwrap_or_else(|| usual(event, &moment));
    let rule_name = format!("profile/{name}");
    match response {
        Response::Quiet => Ok(Vec::new()),
        Response::Record => {
            let wish = RecordingRequested {
                cameras: camera_of(event, &moment).into_iter().collect(),
                requested_by: rule_name,
            };
            let new = NewEvent::own(scene.now, "recording/request", wish);
            Ok(vec![following(new.with_text(copied(&moment)), event)])
        }
        Response::Push => {
            let occasion = Occasion {
                rule_name,
                severity_id: moment.severity_id,
                dedup_key: format!("{}:{}", moment.event_type, moment.source_id),
                about: event.position,
                message: copied(&moment),
                alert_type: moment.event_type,
            };
            raise(scene, event, audience, occasion)
        }
    }
}

/// The first profile that holds at the moment.
fn profile<'s>(
    scene: &mut Scene<'s>,
    moment: &Moment,
) -> Result<Option<&'s Profile>, StorageError> {
    let settings = scene.settings;
    let mut state = None;
    for profile in &settings.alerts.profiles {
        if !profile.window.contains(moment.timestamp_ns, &settings.zone) {
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
        // A reminder that nobody hears reminds of nothing.
        Event::PackageReminded(_) => Response::Push,
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

/// Something that people should hear of.
struct Occasion {
    alert_type: String,
    rule_name: String,
    severity_id: i64,
    dedup_key: String,
    about: i64,
    message: String,
}

fn raise(
    scene: &mut Scene<'_>,
    event: &Envelope,
    audience: Audience,
    occasion: Occasion,
) -> Reaction {
    let settings = &scene.settings.alerts;
    // By arrival: a sensor with a jumping clock would have a window of its own per message.
    let within = |at: i64| event.received_at.abs_diff(at) <= settings.window_ns as u64;
    let mut targets = Vec::new();
    let mut suppressed = Vec::new();
    let mut known = None;
    let recipients = settings
        .recipients
        .iter()
        .filter(|one| audience == Audience::All || one.is_adult)
        .filter(|one| !one.channels.is_empty());
    for recipient in recipients {
        match alerts::last_told(scene.session, &occasion.dedup_key, &recipient.name)? {
            Some((alert, at)) if within(at) => {
                known = Some(alert);
                suppressed.push(recipient.name.clone());
            }
            _ => targets.extend(addresses(scene.session, recipient)?),
        }
    }
    if targets.is_empty()
        && known.is_none()
        && let Some((alert, at)) = alerts::last_told(scene.session, &occasion.dedup_key, HOUSE)?
        && within(at)
    {
        known = Some(alert);
    }
    let new = match known {
        Some(alert) if targets.is_empty() => {
            let again = AlertSuppressed {
                alert,
                event: occasion.about,
                severity_id: occasion.severity_id,
                recipients: suppressed,
            };
            NewEvent::own(scene.now, "alert/house", again)
        }
        _ => {
            let raised = AlertRaised {
                alert_type: occasion.alert_type,
                rule_name: occasion.rule_name,
                severity_id: occasion.severity_id,
                dedup_key: occasion.dedup_key,
                event: occasion.about,
                targets,
                suppressed,
            };
            NewEvent::own(scene.now, "alert/house", raised).with_text(occasion.message)
        }
    };
    Ok(vec![following(new, event)])
}

/// Every address of a recipient.
fn addresses(
    session: &mut dyn Session,
    recipient: &Recipient,
) -> Result<Vec<Target>, StorageError> {
    let mut targets = Vec::new();
    for &channel in &recipient.channels {
        let addresses = match channel {
            Channel::WebPush => alerts::subscriptions(session, &recipient.name)?,
            Channel::Mqtt | Channel::Ntfy | Channel::Webhook => vec![0],
        };
        targets.extend(addresses.into_iter().map(|address| Target {
            recipient: recipient.name.clone(),
            channel,
            address,
        }));
    }
    Ok(targets)
}

#[cfg(test)]
mod tests;
