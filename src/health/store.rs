//! How large the database is, by table and index, and how it grows.

use super::sql;
use crate::base::clock::{DAY_NS, UnixNanos, bucket_start};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// A table or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Whether it is an index.
    pub is_index: bool,
    /// The table: its own name, or that of which it is an index.
    pub table: String,
    /// Rows, or entries of the index.
    pub rows: i64,
    /// Pages, bytes.
    pub bytes: i64,
    /// Of them not used, bytes.
    pub unused_bytes: i64,
}

/// How the log grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Full days of UTC that were looked at.
    pub days: i64,
    /// Events per day.
    pub events_per_day: f64,
}

/// Growth is looked at over so many full days.
pub const GROWTH_DAYS: i64 = 14;

/// Every table and index, the largest first. Reads the whole file once.
pub fn sizes(session: &mut dyn Session) -> Result<Vec<Object>, StorageError> {
    all(session, sql::SIZES, &[], |row| {
        Ok(Object {
            name: row.text(0)?.to_owned(),
            is_index: row.text(1)? == "index",
            table: row.text(2)?.to_owned(),
            bytes: row.int(4)?,
            unused_bytes: row.int(5)?,
            rows: row.int(6)?,
        })
    })
}

/// How large the file is and how much of it is free, bytes.
pub fn file(session: &mut dyn Session) -> Result<(i64, i64), StorageError> {
    let found = first(session, sql::FILE, &[], |row| {
        Ok((row.int(0)?, row.int(1)?))
    })?;
    Ok(found.unwrap_or_default())
}

/// Events per day over the last full days of UTC, from the first one that has any; none when there
/// is no such day.
pub fn growth(session: &mut dyn Session, now: UnixNanos) -> Result<Option<Growth>, StorageError> {
    let today = bucket_start(now, DAY_NS);
    let days = all(
        session,
        sql::EVENTS_PER_DAY,
        values![today - GROWTH_DAYS * DAY_NS, today],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )?;
    let Some((first, _)) = days.first() else {
        return Ok(None);
    };
    let events: i64 = days.iter().map(|(_, events)| events).sum();
    let days = (today - first) / DAY_NS;
    Ok(Some(Growth {
        days,
        events_per_day: events as f64 / days as f64,
    }))
}
