//! Log lines by time, source and level; the line itself stays in the event log.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "logs",
    version: 2,
    tables: &[table!("log_lines" by "position", aging by "at" for 30)],
    kinds: Some(&[Kind::LogWritten]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        let Event::LogWritten(log) = &event.event else {
            continue;
        };
        session.write(
            "INSERT INTO log_lines (position, at, level, source) VALUES (?1, ?2, ?3, ?4)",
            values![
                event.position,
                event.occurred_at,
                log.level as i64,
                event.stream.id
            ],
        )?;
    }
    Ok(())
}

pub(super) const VIEWS: &[View] = &[View {
    name: "log_events",
    about: "log lines",
    columns: columns![
        "at" Time, "host" Text, "source" Text, "level" Text, "message" Text, "position" Number
    ],
    sql: "SELECT at, host, source, level, message, position FROM log_events \
          WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, position DESC LIMIT ?3",
}];
