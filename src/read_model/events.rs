//! The moments that people read: classified events with a sentence each.
//!
//! Edges only: a state that is merely told again, and a retained snapshot, make no row. A late
//! message does, at its own time, and leaves the known present alone.

mod classification;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::view::columns;
use super::{Projection, View, table};
use crate::event::sentence::sentence;
use crate::event::{Envelope, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;
use classification::{Circumstances, Severity};

pub(super) const PROJECTION: Projection = Projection {
    name: "events",
    version: 2,
    tables: &[
        table!("events" by "position"),
        table!("event_edges" by "stream, state_key"),
    ],
    kinds: Some(&[
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
    ]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut memory = Memory::default();
    for event in batch {
        let circumstances = memory.circumstances(session, event)?;
        let mut row: Option<(&str, Severity)> = None;
        for rule in classification::fitting(event, &circumstances) {
            if !memory.is_news(session, event, &rule.edge)? {
                continue;
            }
            let severity = rule.severity(&circumstances);
            if let Some(name) = rule.name
                && row.is_none_or(|(_, known)| severity > known)
            {
                row = Some((name, severity));
            }
        }
        if let Some((name, severity)) = row.filter(|_| !event.is_snapshot()) {
            insert(session, event, name, severity)?;
        }
    }
    memory.store(session)
}

/// The stream and the key under which the arm state is remembered.
const ARM: (&str, &str) = ("house/arm", "state");

/// What earlier events said, as far as it bears on this batch.
#[derive(Default)]
struct Memory {
    edges: BTreeMap<(Arc<str>, Cow<'static, str>), Edge>,
}

/// A state as it is known: value and time.
struct Edge {
    known: Option<(String, i64)>,
    changed: bool,
}

impl Memory {
    /// What else counts for this event. Only asked for where a rule looks at it, since each answer
    /// costs a read per batch.
    fn circumstances(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
    ) -> Result<Circumstances, StorageError> {
        let armed = match event.kind() {
            Kind::CameraMotionStarted => {
                let state = self.edge(session, &Arc::from(ARM.0), Cow::Borrowed(ARM.1))?;
                let known = state.known.as_ref();
                known.is_some_and(|(state, _)| classification::is_armed(state))
            }
            _ => false,
        };
        Ok(Circumstances {
            armed,
            camera_location: None,
        })
    }

    fn edge(
        &mut self,
        session: &mut dyn Session,
        stream: &Arc<str>,
        key: Cow<'static, str>,
    ) -> Result<&mut Edge, StorageError> {
        match self.edges.entry((Arc::clone(stream), key)) {
            Entry::Occupied(edge) => Ok(edge.into_mut()),
            Entry::Vacant(empty) => {
                let (stream, key) = empty.key();
                let known = stored_edge(session, stream, key)?;
                Ok(empty.insert(known))
            }
        }
    }

    /// Whether an edge is more than a repeat; remembers the new value.
    fn is_news(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
        edge: &classification::Edge,
    ) -> Result<bool, StorageError> {
        let Some(key) = edge.key() else {
            return Ok(true);
        };
        let (value, at) = (edge.value(event), event.occurred_at);
        let (first, twice) = match edge {
            classification::Edge::To { first, twice, .. } => (*first, *twice),
            _ => (true, false),
        };
        let state = self.edge(session, &event.stream.text, Cow::Borrowed(key))?;
        let repeat = state.known.as_ref().map(|(known, _)| known == value);
        // A late message is a moment of its own time, and leaves the present alone.
        if state.known.as_ref().is_some_and(|(_, known)| at < *known) {
            return Ok(!(twice && repeat == Some(true)));
        }
        state.known = Some((value.to_owned(), at));
        state.changed = true;
        Ok(repeat.map_or(first, |repeat| !repeat))
    }

    fn store(&self, session: &mut dyn Session) -> Result<(), StorageError> {
        for ((stream, key), edge) in &self.edges {
            if let (true, Some((value, at))) = (edge.changed, &edge.known) {
                session.write(
                    "INSERT INTO event_edges (stream, state_key, value, at) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (stream, state_key) DO UPDATE SET value = excluded.value, at = excluded.at",
                    values![&**stream, &**key, value, *at],
                )?;
            }
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_about_a_kind_that_is_folded_and_has_a_name_unless_quiet() {
        for rule in classification::RULES {
            assert!(PROJECTION.takes(rule.kind), "{}", rule.kind.name());
            assert_ne!(rule.name, Some(""), "{rule:?}");
        }
    }

    #[test]
    fn the_house_is_armed_in_every_state_but_two() {
        for (state, armed) in [
            ("DISARMED", false),
            ("EXIT_DELAY", false),
            ("ARMED_HOME", true),
            ("ENTRY_DELAY", true),
            ("TRIGGERED", true),
        ] {
            assert_eq!(classification::is_armed(state), armed, "{state}");
        }
    }
}
