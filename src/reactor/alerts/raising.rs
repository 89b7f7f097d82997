//! Raising an alert, or counting it on the incident that it belongs to, and whom to tell.
//!
//! An incident is all of one key within a window of its first; what comes later opens the next one.
//! Recipients have windows of their own: at most once per window, and once per incident. So who was
//! not told of an incident yet, as it was snoozed or meant for others, is told when it comes again.

use super::{Audience, Recipient};
use crate::base::clock::UnixNanos;
use crate::event::alarm::{AlertRaised, AlertSuppressed, Channel, Target};
use crate::event::{Envelope, Event, NewEvent};
use crate::reactor::{Reaction, Scene, risk};
use crate::read_model::alerts::{self, OpenIncident};
use crate::read_model::reputation;
use crate::storage::{Session, StorageError};

/// Something that people should hear of, or that is to be counted.
pub(super) struct Occasion {
    pub(super) alert_type: String,
    pub(super) rule_name: String,
    pub(super) severity_id: i64,
    pub(super) dedup_key: String,
    /// Position of what it is about.
    pub(super) about: i64,
    pub(super) message: String,
    /// Type and canonical value.
    pub(super) entity: Option<(String, String)>,
    pub(super) risk_score: f64,
    pub(super) window: Window,
    /// Who of the recipients is told; nobody when none.
    pub(super) audience: Option<Audience>,
}

/// What counts as the same incident.
#[derive(Clone, Copy)]
pub(super) enum Window {
    /// What arrives so soon after its first, nanoseconds: a sensor with a jumping clock would have an
    /// incident of its own per message.
    Arrival(i64),
    /// What happened so soon before or after its first, nanoseconds: what is found in lines and numbers
    /// goes by their own time, whenever they are read.
    Occurrence(i64),
}

impl Window {
    const fn holds(self, event: &Envelope, open: &OpenIncident) -> bool {
        match self {
            Self::Arrival(ns) => is_within(event.received_at, open.received_at, ns),
            Self::Occurrence(ns) => is_within(event.occurred_at, open.timestamp_ns, ns),
        }
    }

    const fn ns(self) -> i64 {
        match self {
            Self::Arrival(ns) | Self::Occurrence(ns) => ns,
        }
    }
}

/// Its edge is inside.
const fn is_within(one: UnixNanos, other: UnixNanos, window_ns: i64) -> bool {
    window_ns >= 0 && one.abs_diff(other) <= window_ns.unsigned_abs()
}

pub(super) fn raise(scene: &mut Scene<'_>, event: &Envelope, occasion: Occasion) -> Reaction {
    let open = alerts::open_incident(scene.session, &occasion.dedup_key)?
        .filter(|open| occasion.window.holds(event, open))
        .map(|open| open.alert);
    let Telling {
        targets,
        suppressed,
    } = whom_to_tell(scene, event, &occasion, open)?;
    let new = if let Some(alert) = open {
        let again = AlertSuppressed {
            alert,
            event: occasion.about,
            severity_id: occasion.severity_id,
            recipients: suppressed,
            targets,
            risk_score: occasion.risk_score,
        };
        NewEvent::own(scene.now, "alert/house", again)
    } else {
        let raised = AlertRaised {
            alert_type: occasion.alert_type,
            rule_name: occasion.rule_name,
            severity_id: occasion.severity_id,
            dedup_key: occasion.dedup_key,
            event: occasion.about,
            targets,
            suppressed,
            risk_score: occasion.risk_score,
            entity: occasion.entity,
        };
        NewEvent::own(scene.now, "alert/house", raised).with_text(occasion.message)
    };
    Ok(vec![super::following(new, event)])
}

struct Telling {
    targets: Vec<Target>,
    suppressed: Vec<String>,
}

fn whom_to_tell(
    scene: &mut Scene<'_>,
    event: &Envelope,
    occasion: &Occasion,
    open: Option<i64>,
) -> Result<Telling, StorageError> {
    let mut telling = Telling {
        targets: Vec::new(),
        suppressed: Vec::new(),
    };
    let Some(audience) = occasion.audience else {
        return Ok(telling);
    };
    let key = &*occasion.dedup_key;
    let is_snoozed = alerts::snoozed_until(scene.session, key)?.is_some_and(|end| scene.now < end);
    let recipients = scene
        .settings
        .alerts
        .recipients
        .iter()
        .filter(|one| audience == Audience::All || one.is_adult)
        .filter(|one| !one.channels.is_empty());
    for recipient in recipients {
        let is_told =
            alerts::last_told(scene.session, key, &recipient.name)?.is_some_and(|(alert, at)| {
                open == Some(alert) || is_within(event.received_at, at, occasion.window.ns())
            });
        if is_snoozed || is_told {
            telling.suppressed.push(recipient.name.clone());
        } else {
            telling.targets.extend(addresses(scene.session, recipient)?);
        }
    }
    Ok(telling)
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

/// What is known of an event beside its severity, as reasons for its risk.
pub(super) fn risk_of(
    scene: &mut Scene<'_>,
    event: &Envelope,
    severity_id: i64,
) -> Result<f64, StorageError> {
    let mut reasons = vec![risk::of_severity(severity_id)];
    match &event.event {
        Event::PatternDetected(pattern) => {
            reasons.push(pattern.severity as f64);
            let mut worst = 0;
            for &ip in &pattern.ips {
                worst = worst.max(reputation::threat_of(scene.session, ip)?);
            }
            reasons.push(worst as f64);
        }
        Event::AnomalyDetected(found) => {
            reasons.push(risk::of_anomaly(found.score, found.threshold));
        }
        _ => {}
    }
    Ok(risk::of(&reasons))
}
