//! The moments that people read: classified events with a sentence each.
//!
//! Edges only: a state that is merely told again, and a retained snapshot, make no row. A late
//! message does, at its own time, and leaves the known present alone.

pub mod classification;
mod memory;
mod moments;

use std::borrow::Cow;

use super::search_index::search_index;
use super::view::columns;
use super::{Projection, SearchIndex, View, table};
use crate::event::house::FacePrivacy;
use crate::event::liveness::EventAcknowledged;
use crate::event::people::NOBODY;
use crate::event::sentence::{label, sentence};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;
use classification::{Circumstances, Severity};
use memory::{Change, Memory};

pub use memory::configured;
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
    Kind::SensorWentSilent,
    Kind::SensorReturned,
    Kind::CameraWentSilent,
    Kind::CameraReturned,
    Kind::PetRuleFired,
    Kind::FaceMatched,
    Kind::PackageReminded,
    Kind::PresenceChanged,
    Kind::HouseholdChanged,
    Kind::PatternDetected,
    Kind::AnomalyDetected,
];

/// Kinds that say something about moments.
const ABOUT: [Kind; 4] = [
    Kind::EventAcknowledged,
    Kind::ClassificationConfigured,
    Kind::CameraRegistered,
    Kind::SensorRegistered,
];

const TAKEN: [Kind; KINDS.len() + ABOUT.len()] = {
    let mut taken = [Kind::EventAcknowledged; KINDS.len() + ABOUT.len()];
    let mut index = 0;
    while index < taken.len() {
        taken[index] = if index < KINDS.len() {
            KINDS[index]
        } else {
            ABOUT[index - KINDS.len()]
        };
        index += 1;
    }
    taken
};

pub(super) const PROJECTION: Projection = Projection {
    name: "events",
    version: 3,
    tables: &[
        table!("events" by "position", aging by "timestamp_ns" for 365).searched_by(&WORDS),
        table!("event_edges" by "stream, state_key"),
        table!("event_subjects" by "stream"),
        table!("classification_rules" by "ordinal"),
    ],
    kinds: Some(&TAKEN),
    fold,
};

/// The words of moments.
pub const WORDS: SearchIndex = search_index!(
    "events_fts" words "events_words" of "events" by "timestamp_ns" in "events"
);

/// What an event is called, how grave it is, and what is said of it if not the usual sentence.
struct Meaning {
    name: Cow<'static, str>,
    severity: i64,
    message: Option<String>,
}

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut memory = Memory::default();
    // Only what is listed: else it would count whether it came in a batch with what is.
    for event in batch.iter().filter(|event| PROJECTION.takes(event.kind())) {
        memory.learn(session, event)?;
        if let Event::EventAcknowledged(seen) = &event.event {
            acknowledge(session, event, seen)?;
        }
        let built_in = built_in(session, &mut memory, event)?;
        let moment = match configured_moment(session, &mut memory, event)? {
            // What is left of a forgotten person's event is called by the built-in name, or not at all.
            Configured::Named(_) if is_redacted(event) => built_in,
            Configured::Named(own) => Some(own),
            Configured::Quiet => None,
            Configured::Unsaid => built_in,
        };
        if let Some(moment) = moment.filter(|_| !event.is_snapshot()) {
            let message = match &moment.message {
                Some(message) => message.clone(),
                None => memory.sentence(session, event)?,
            };
            insert(session, event, &moment, &message)?;
        }
    }
    memory.store(session)
}

/// What the built-in rules make of an event; the states are kept even where a rule of the household
/// goes before them.
fn built_in(
    session: &mut dyn Session,
    memory: &mut Memory,
    event: &Envelope,
) -> Result<Option<Meaning>, StorageError> {
    let circumstances = memory.circumstances(session, event)?;
    let mut gravest: Option<(&'static str, Severity)> = None;
    for rule in classification::fitting(event, circumstances) {
        let news = match rule.edge.key() {
            None => true,
            Some(key) => {
                let change = Change {
                    key: Cow::Borrowed(key),
                    value: rule.edge.value(event),
                    first: rule.edge.is_news_at_first(),
                    twice: rule.edge.is_told_twice(),
                };
                memory.is_news(session, event, change)?
            }
        };
        let severity = rule.severity(circumstances);
        if let Some(name) = rule.name
            && news
            && gravest.is_none_or(|(_, known)| severity >= known)
        {
            gravest = Some((name, severity));
        }
    }
    Ok(gravest.map(|(name, severity)| Meaning {
        name: Cow::Borrowed(name),
        severity: severity as i64,
        message: None,
    }))
}

/// What the household's own rules make of an event.
enum Configured {
    /// None of them holds.
    Unsaid,
    /// One holds that is quiet, or it is a mere repeat.
    Quiet,
    /// One says what it is.
    Named(Meaning),
}

/// The first of the household's own rules that holds, decides.
fn configured_moment(
    session: &mut dyn Session,
    memory: &mut Memory,
    event: &Envelope,
) -> Result<Configured, StorageError> {
    let mut verdict = Configured::Unsaid;
    for rule in memory.rules(session)?.iter() {
        if !rule.speaks_of(event.kind(), &event.stream.text) {
            continue;
        }
        let reading = match &event.event {
            Event::SensorReported(reading) => Some(reading),
            _ => None,
        };
        let Some(holds) = reading.map_or(Some(true), |reading| rule.holds_for(reading)) else {
            continue;
        };
        // A pulse has no end, so that each one counts.
        let is_pulse = rule.value.as_deref() == Some("detected");
        let news = if reading.is_some() && rule.has_condition() && !is_pulse {
            let change = Change {
                key: Cow::Owned(format!("rule/{}", rule.id)),
                value: if holds { "in" } else { "out" },
                first: true,
                twice: true,
            };
            memory.is_news(session, event, change)?
        } else {
            true
        };
        if holds && matches!(verdict, Configured::Unsaid) {
            let name = rule.r#type.clone().filter(|_| news);
            verdict = match name {
                None => Configured::Quiet,
                Some(name) => {
                    let subject = memory.name(session, &event.stream.text)?;
                    Configured::Named(Meaning {
                        name: Cow::Owned(name),
                        severity: rule.severity.clamp(0, 6),
                        message: rule
                            .message
                            .as_deref()
                            .map(|template| filled(template, subject, event)),
                    })
                }
            };
        }
    }
    Ok(verdict)
}

/// A message with its places filled, each once: what is put in is not looked at again.
fn filled(template: &str, subject: Option<String>, event: &Envelope) -> String {
    let (value, unit) = match &event.event {
        Event::SensorReported(reading) => (
            reading.value.to_string(),
            reading.unit.clone().unwrap_or_default(),
        ),
        _ => Default::default(),
    };
    let subject = subject.unwrap_or_else(|| label(event.subject()));
    let mut rest = template;
    let mut message = String::new();
    while let Some(at) = rest.find('{') {
        message.push_str(&rest[..at]);
        let place = [
            ("{subject}", &subject),
            ("{value}", &value),
            ("{unit}", &unit),
        ]
        .into_iter()
        .find(|(name, _)| rest[at..].starts_with(name));
        if let Some((name, text)) = place {
            message.push_str(text);
            rest = &rest[at + name.len()..];
        } else {
            message.push('{');
            rest = &rest[at + 1..];
        }
    }
    message.push_str(rest);
    message.trim_end().to_owned()
}

/// Whether it told of somebody who was forgotten since.
fn is_redacted(event: &Envelope) -> bool {
    match &event.event {
        Event::FaceSeen(face) => face.privacy == Some(FacePrivacy::Forgotten),
        Event::FaceMatched(matched) => matched.profile == NOBODY,
        _ => false,
    }
}

/// Makes the rows of redacted events what a rebuild from their new bodies gives; whoever has seen a
/// row has still seen it.
pub(super) fn redact(session: &mut dyn Session, events: &[Envelope]) -> Result<(), StorageError> {
    for event in events.iter().filter(|event| PROJECTION.takes(event.kind())) {
        let rules = classification::fitting(event, Circumstances::default());
        let row = rules
            .iter()
            .find_map(|rule| Some((rule.name?, rule.severity)));
        WORDS.remove(session, event.position)?;
        match row.filter(|_| !event.is_snapshot()) {
            Some((name, severity)) => {
                session.write(
                    "UPDATE events SET type = ?2, severity_id = ?3, message = ?4 \
                     WHERE position = ?1",
                    values![event.position, name, severity as i64, &sentence(event)],
                )?;
                session.write(
                    "INSERT INTO events_fts (rowid, message) \
                     SELECT position, message FROM events WHERE position = ?1",
                    values![event.position],
                )?;
            }
            None => session.write(
                "DELETE FROM events WHERE position = ?1",
                values![event.position],
            )?,
        }
    }
    session.write(WORDS.optimize, &[])
}

fn acknowledge(
    session: &mut dyn Session,
    event: &Envelope,
    seen: &EventAcknowledged,
) -> Result<(), StorageError> {
    let at = seen.acknowledged.then_some(event.occurred_at);
    let by = seen.acknowledged.then_some(&*seen.by);
    session.write(
        "UPDATE events SET acknowledged_at = ?2, acknowledged_by = ?3 WHERE position = ?1",
        values![seen.position, at, by],
    )
}

fn insert(
    session: &mut dyn Session,
    event: &Envelope,
    moment: &Meaning,
    message: &str,
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
            &*moment.name,
            moment.severity,
            source_type,
            source_id,
            message
        ],
    )?;
    WORDS.insert(session, event.position, message)
}

pub(super) const VIEWS: &[View] = &[View {
    name: "events",
    about: "moments at the house, classified",
    columns: columns![
        "timestamp" Time, "type" Text, "severity" Text, "source_type" Text, "source_id" Text,
        "message" Text, "position" Number, "acknowledged_at" Time, "acknowledged_by" Text
    ],
    sql: "SELECT timestamp_ns, type, CASE severity_id WHEN 1 THEN 'INFO' WHEN 3 THEN 'WARNING' \
          WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' ELSE CAST(severity_id AS TEXT) END, source_type, source_id, \
          message, position, acknowledged_at, acknowledged_by FROM events WHERE timestamp_ns >= ?1 AND timestamp_ns < ?2 \
          ORDER BY timestamp_ns DESC, position DESC LIMIT ?3",
}];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::alarm::ArmState;

    #[test]
    fn every_rule_is_about_a_kind_that_is_folded_and_has_a_name_unless_quiet() {
        for rule in classification::RULES {
            assert!(PROJECTION.takes(rule.kind), "{}", rule.kind.name());
            assert_ne!(rule.name, Some(""), "{rule:?}");
        }
    }

    #[test]
    fn the_house_is_armed_in_every_state_but_two() {
        let armed = ArmState::ALL
            .into_iter()
            .filter(|state| classification::is_armed(*state));
        let expected = ArmState::ALL
            .into_iter()
            .filter(|state| !matches!(state, ArmState::Disarmed | ArmState::ExitDelay));
        assert!(armed.eq(expected));
    }
}
