//! The moments that people read: classified events with a sentence each.
//!
//! Edges only: a state that is merely told again, and a retained snapshot, make no row. A late
//! message does, at its own time, and leaves the known present alone.

mod moments;

use std::collections::BTreeMap;

use super::view::columns;
use super::{Projection, View, table};
use crate::event::alarm::ArmState;
use crate::event::animal::{Location, Threat};
use crate::event::camera::Detection;
use crate::event::reading::Reading;
use crate::event::sentence::sentence;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub use moments::{Moment, last_before, moment_at, moments_after, moments_between};

/// The kinds that can be moments.
pub const KINDS: &[Kind] = &[
    Kind::SensorReported,
    Kind::CameraMotionStarted,
    Kind::CameraMotionEnded,
    Kind::CameraFailed,
    Kind::PetSighted,
    Kind::WildlifeSighted,
    Kind::PackageDetected,
    Kind::PackageCollected,
    Kind::FaceSeen,
    Kind::UpsStatusReported,
    Kind::UpsPowerLost,
    Kind::UpsPowerRestored,
    Kind::UpsBatteryLow,
    Kind::UpsBatteryCritical,
    Kind::PresenceReported,
    Kind::ArmRequested,
    Kind::ArmStateChanged,
    Kind::ArmRefused,
    Kind::RuleFired,
];

pub(super) const PROJECTION: Projection = Projection {
    name: "events",
    version: 1,
    tables: &[
        table!("events" by "position"),
        table!("event_edges" by "stream, state_key"),
    ],
    kinds: Some(KINDS),
    fold,
};

/// Severity on the scale 0–6, with vigilar's four words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Info = 1,
    Warning = 3,
    Alert = 4,
    Critical = 5,
}

/// What an event means to people.
struct Meaning<'a> {
    /// Its row, unless the change is silent.
    row: Option<(&'static str, Severity)>,
    /// The state that it is the edge of: key and new value. None: every one is a moment.
    edge: Option<(&'a str, &'a str)>,
}

/// Sensor states: key, value, type, severity. `detected` is a pulse without an end, so that each
/// one counts; on/off and open/closed are states with edges.
const SENSOR_RULES: &[(&str, &str, &str, Severity)] = &[
    ("contact", "open", "CONTACT_OPEN", Severity::Info),
    ("contact", "closed", "CONTACT_CLOSED", Severity::Info),
    ("motion", "on", "MOTION_START", Severity::Info),
    ("motion", "off", "MOTION_END", Severity::Info),
    ("motion", "detected", "MOTION_START", Severity::Info),
    ("leak", "on", "LEAK_DETECTED", Severity::Critical),
    ("leak", "off", "LEAK_CLEARED", Severity::Info),
    ("smoke", "on", "SMOKE_DETECTED", Severity::Critical),
    ("smoke", "off", "SMOKE_CLEARED", Severity::Info),
    ("tamper", "on", "TAMPER", Severity::Alert),
    ("tamper", "off", "TAMPER_CLEARED", Severity::Info),
    ("tamper", "detected", "TAMPER", Severity::Alert),
    ("vibration", "on", "VIBRATION", Severity::Warning),
    ("vibration", "off", "VIBRATION_END", Severity::Info),
    ("vibration", "detected", "VIBRATION", Severity::Warning),
];

/// So many wrong PINs in a row are no slip of the finger.
const WRONG_PINS_ALERT: i64 = 5;

fn classify(event: &Envelope) -> Option<Meaning<'_>> {
    let moment = |kind, severity| {
        Some(Meaning {
            row: Some((kind, severity)),
            edge: None,
        })
    };
    let power = |row, value| {
        Some(Meaning {
            row,
            edge: Some(("power", value)),
        })
    };
    match &event.event {
        Event::SensorReported(reading) => {
            let value = match &reading.value {
                Reading::Flag(true) => "on",
                Reading::Flag(false) => "off",
                Reading::Word(word) => word.as_str(),
                Reading::Number(_) => return None,
            };
            let rule = SENSOR_RULES
                .iter()
                .find(|rule| rule.0 == reading.key && rule.1 == value)?;
            Some(Meaning {
                row: Some((rule.2, rule.3)),
                edge: (value != "detected").then_some((rule.0, rule.1)),
            })
        }
        Event::CameraMotionStarted(motion) => match motion.detection {
            Some(Detection::Person) => moment("PERSON_DETECTED", Severity::Info),
            Some(Detection::Vehicle) => moment("VEHICLE_DETECTED", Severity::Info),
            None => moment("MOTION_START", Severity::Info),
        },
        Event::CameraMotionEnded(_) => moment("MOTION_END", Severity::Info),
        Event::CameraFailed(_) => moment("CAMERA_ERROR", Severity::Warning),
        Event::PetSighted(sighting) => match (&sighting.pet_id, sighting.location) {
            (None, _) => moment("UNKNOWN_ANIMAL", Severity::Warning),
            (Some(_), Some(Location::Exterior | Location::Transition)) => {
                moment("PET_ESCAPE", Severity::Alert)
            }
            (Some(_), _) => moment("PET_DETECTED", Severity::Info),
        },
        Event::WildlifeSighted(sighting) => match sighting.threat {
            Threat::Predator => moment("WILDLIFE_PREDATOR", Severity::Alert),
            Threat::Nuisance => moment("WILDLIFE_NUISANCE", Severity::Warning),
            Threat::Passive => moment("WILDLIFE_PASSIVE", Severity::Info),
        },
        Event::PackageDetected(_) => moment("PACKAGE_DETECTED", Severity::Info),
        Event::PackageCollected(_) => moment("PACKAGE_COLLECTED", Severity::Info),
        Event::FaceSeen(face) if face.profile_id.is_some() => moment("FACE_KNOWN", Severity::Info),
        Event::FaceSeen(_) => moment("FACE_UNKNOWN", Severity::Warning),
        Event::UpsPowerLost(_) => power(Some(("UPS_POWER_LOST", Severity::Alert)), "lost"),
        Event::UpsPowerRestored(_) => power(Some(("UPS_POWER_RESTORED", Severity::Info)), "mains"),
        Event::UpsBatteryLow(_) => power(Some(("UPS_BATTERY_LOW", Severity::Alert)), "low"),
        Event::UpsBatteryCritical(_) => power(
            Some(("UPS_BATTERY_CRITICAL", Severity::Critical)),
            "critical",
        ),
        Event::PresenceReported(presence) => Some(Meaning {
            row: Some(("PRESENCE_CHANGED", Severity::Info)),
            edge: Some(("presence", &presence.state)),
        }),
        Event::ArmRequested(_) => moment("ARM_REQUESTED", Severity::Info),
        Event::ArmStateChanged(changed) if changed.to == ArmState::Triggered => {
            moment("ALARM_TRIGGERED", Severity::Critical)
        }
        Event::ArmStateChanged(_) => moment("ARM_STATE_CHANGED", Severity::Info),
        Event::ArmRefused(refused) if refused.wrong_pins >= WRONG_PINS_ALERT => {
            moment("WRONG_PIN", Severity::Alert)
        }
        Event::ArmRefused(_) => moment("ARM_REFUSED", Severity::Warning),
        Event::RuleFired(_) => moment("RULE_FIRED", Severity::Info),
        _ => None,
    }
}

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut edges: BTreeMap<(&str, &str), Edge> = BTreeMap::new();
    for event in batch {
        let Some(moment) = classify(event) else {
            continue;
        };
        if let Some((key, value)) = moment.edge {
            let at = event.occurred_at;
            let edge = match edges.entry((&event.stream.text, key)) {
                std::collections::btree_map::Entry::Occupied(edge) => edge.into_mut(),
                std::collections::btree_map::Entry::Vacant(empty) => {
                    let known = stored_edge(session, &event.stream.text, key)?;
                    empty.insert(known)
                }
            };
            let late = edge
                .known
                .as_ref()
                .is_some_and(|(_, known_at)| at < *known_at);
            if !late {
                let news = edge.known.as_ref().is_none_or(|(known, _)| known != value);
                edge.known = Some((value.to_owned(), at));
                edge.changed = true;
                if !news {
                    continue;
                }
            }
        }
        if let Some((kind, severity)) = moment.row.filter(|_| !event.is_snapshot()) {
            insert(session, event, kind, severity)?;
        }
    }
    for ((stream, key), edge) in &edges {
        if let (true, Some((value, at))) = (edge.changed, &edge.known) {
            session.write(
                "INSERT INTO event_edges (stream, state_key, value, at) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (stream, state_key) DO UPDATE SET value = excluded.value, at = excluded.at",
                values![*stream, *key, value, *at],
            )?;
        }
    }
    Ok(())
}

struct Edge {
    known: Option<(String, i64)>,
    changed: bool,
}

fn stored_edge(session: &mut dyn Session, stream: &str, key: &str) -> Result<Edge, StorageError> {
    let known = first(
        session,
        "SELECT value, at FROM event_edges WHERE stream = ?1 AND state_key = ?2",
        values![stream, key],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?)),
    )?;
    Ok(Edge {
        known,
        changed: false,
    })
}

fn insert(
    session: &mut dyn Session,
    event: &Envelope,
    kind: &str,
    severity: Severity,
) -> Result<(), StorageError> {
    let (source_type, source_id) = event
        .source
        .text
        .split_once('/')
        .unwrap_or((&event.source.text, ""));
    session.write(
        "INSERT INTO events (position, timestamp_ns, observed_ns, type, severity_id, source_type, \
         source_id, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        values![
            event.position,
            event.occurred_at,
            event.received_at,
            kind,
            severity as i64,
            source_type,
            source_id,
            &sentence(event)
        ],
    )
}

pub(super) const VIEWS: &[View] = &[View {
    name: "events",
    about: "moments at the house, classified",
    columns: columns![
        "timestamp" Time, "type" Text, "severity" Text, "source_type" Text, "source_id" Text,
        "message" Text, "position" Number
    ],
    sql: "SELECT timestamp_ns, type, CASE severity_id WHEN 1 THEN 'INFO' WHEN 3 THEN 'WARNING' \
          WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' ELSE severity_id END, source_type, source_id, \
          message, position FROM events WHERE timestamp_ns >= ?1 AND timestamp_ns < ?2 \
          ORDER BY timestamp_ns DESC, position DESC LIMIT ?3",
}];
