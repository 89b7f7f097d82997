//! What models of normal behaviour found odd.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "anomalies",
    version: 1,
    tables: &[table!("anomalies" by "id", aging by "at" for 90)],
    kinds: Some(&[Kind::AnomalyDetected]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        let Event::AnomalyDetected(found) = &event.event else {
            continue;
        };
        // What a model tells twice of one event, it found once.
        session.write(
            "INSERT INTO anomalies (id, at, model, subject, score, threshold, observed, expected, \
             event_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (model, event_id, at) DO NOTHING",
            values![
                event.position,
                event.occurred_at,
                &found.model,
                &found.subject,
                found.score,
                found.threshold,
                found.observed,
                found.expected,
                found.event
            ],
        )?;
    }
    Ok(())
}

/// Whether an anomaly was told before by the same model of the same event and minute.
pub fn is_repeat(session: &mut dyn Session, position: i64) -> Result<bool, StorageError> {
    let stored = first(
        session,
        "SELECT 1 FROM anomalies WHERE id = ?1",
        values![position],
        |_| Ok(()),
    )?;
    Ok(stored.is_none())
}

pub(super) const VIEWS: &[View] = &[View {
    name: "anomalies",
    about: "what models of normal behaviour found odd",
    columns: columns![
        "at" Time, "subject" Text, "description" Text, "score" Number, "threshold" Number,
        "observed" Number, "expected" Number, "model" Text, "event_id" Number, "id" Number
    ],
    sql: "SELECT a.at, a.subject, e.text, a.score, a.threshold, a.observed, a.expected, a.model, \
          a.event_id, a.id FROM anomalies a JOIN event_log e ON e.position = a.id \
          WHERE a.at >= ?1 AND a.at < ?2 ORDER BY a.at DESC, a.id DESC LIMIT ?3",
}];
