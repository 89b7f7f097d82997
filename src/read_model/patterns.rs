//! Patterns over many events, as they were detected and grew.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::trace::PatternDetected;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "patterns",
    version: 2,
    tables: &[table!("patterns" by "id", aging by "detected_at" for 365)],
    kinds: Some(&[Kind::PatternDetected]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        let Event::PatternDetected(found) = &event.event else {
            continue;
        };
        if let Some(grown_from) = found.grown_from {
            grow(session, event.position, grown_from, found)?;
            continue;
        }
        session.write(
            "INSERT INTO patterns (id, pattern_type, subject, name, services, ips, event_count, \
             severity, started_at, ended_at, root_cause, recommendations, detected_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            values![
                event.position,
                found.pattern.name(),
                &found.subject,
                &found.name,
                &json(&found.services),
                &json(&found.ips),
                found.event_count,
                found.severity.clamp(0, 100),
                found.started_at,
                found.ended_at,
                found.root_cause.as_deref(),
                &json(&found.recommendations),
                event.received_at
            ],
        )?;
    }
    Ok(())
}

/// Tells the pattern how large it is by now; one that has gone stays gone.
fn grow(
    session: &mut dyn Session,
    position: i64,
    pattern: i64,
    found: &PatternDetected,
) -> Result<(), StorageError> {
    session.write(
        "UPDATE patterns SET grown = ?2, services = ?3, ips = ?4, event_count = ?5, \
         severity = max(severity, ?6), started_at = min(started_at, ?7), \
         ended_at = max(ended_at, ?8) WHERE id = ?1",
        values![
            pattern,
            position,
            &json(&found.services),
            &json(&found.ips),
            found.event_count,
            found.severity.clamp(0, 100),
            found.started_at,
            found.ended_at
        ],
    )
}

fn json(list: &impl serde::Serialize) -> String {
    serde_json::to_string(list).expect("plain data is JSON")
}

pub(super) const VIEWS: &[View] = &[View {
    name: "patterns",
    about: "patterns over many events: brute force, sweeps, bursts of errors, restart loops",
    columns: columns![
        "detected_at" Time, "pattern_type" Text, "severity" Number, "name" Text,
        "description" Text, "event_count" Number, "started_at" Time, "ended_at" Time,
        "subject" Text, "affected_ips" Text, "affected_services" Text, "root_cause" Text,
        "recommendations" Text, "id" Number
    ],
    sql: "SELECT p.detected_at, p.pattern_type, p.severity, p.name, e.text, p.event_count, \
          p.started_at, p.ended_at, p.subject, p.ips, p.services, p.root_cause, p.recommendations, \
          p.id FROM patterns p JOIN event_log e ON e.position = coalesce(p.grown, p.id) \
          WHERE p.detected_at >= ?1 AND p.detected_at < ?2 \
          ORDER BY p.detected_at DESC, p.id DESC LIMIT ?3",
}];
