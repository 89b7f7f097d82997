//! Retention of the tables: how far each was cut, and how much went. [`super::aging`] is how.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "retention",
    version: 1,
    tables: &[table!("retention_cuts" by "table_name")],
    kinds: Some(&[Kind::RetentionApplied]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        let Event::RetentionApplied(applied) = &event.event else {
            continue;
        };
        session.write(
            "INSERT INTO retention_cuts (table_name, before, rows_deleted, steps, applied_at, \
             reason, position) VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6) \
             ON CONFLICT (table_name) DO UPDATE SET \
             before = max(retention_cuts.before, excluded.before), \
             rows_deleted = retention_cuts.rows_deleted + excluded.rows_deleted, \
             steps = retention_cuts.steps + 1, applied_at = excluded.applied_at, \
             reason = excluded.reason, position = excluded.position",
            values![
                &applied.table,
                applied.before,
                // Bounded, so that no sum of what was told is too large to be stored.
                applied.rows.clamp(0, ROWS_MAX),
                event.received_at,
                event.text.as_deref(),
                event.position
            ],
        )?;
    }
    Ok(())
}

/// More rows than any table has; sums of a billion of such steps still fit.
const ROWS_MAX: i64 = 1 << 32;

pub(super) const VIEWS: &[View] = &[View {
    name: "retention_cuts",
    about: "what went from the tables for its age or number, per table",
    columns: columns![
        "applied_at" Time, "table_name" Text, "before" Time, "rows_deleted" Number,
        "steps" Number, "reason" Text, "position" Number
    ],
    sql: "SELECT applied_at, table_name, before, rows_deleted, steps, reason, position \
          FROM retention_cuts WHERE applied_at >= ?1 AND applied_at < ?2 \
          ORDER BY applied_at DESC, table_name LIMIT ?3",
}];
