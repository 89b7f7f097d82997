//! How large the database is, by table and index, and how it grows.

use super::formula::per_day;
use super::sql;
use crate::base::clock::{DAY_NS, UnixNanos};
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
    /// How long it was looked at, days.
    pub days: f64,
    /// Events that were stored per day.
    pub events_per_day: f64,
}

/// Growth is looked at over so many days.
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

/// Events that were stored per day, over the last [`GROWTH_DAYS`] days or since the first; none
/// within the first six hours.
///
/// An event counts when it was stored, whenever it happened: old logs that are read in today grow
/// the log today.
pub fn growth(session: &mut dyn Session, now: UnixNanos) -> Result<Option<Growth>, StorageError> {
    let earliest = now.saturating_sub(GROWTH_DAYS * DAY_NS);
    let stored = first(session, sql::STORED, values![earliest], |row| {
        Ok((row.opt_int(0)?, row.opt_int(1)?))
    })?;
    let Some((Some(first_at), events)) = stored else {
        return Ok(None);
    };
    let span_ns = now.saturating_sub(first_at.max(earliest));
    let events_per_day = per_day(events.unwrap_or_default(), span_ns);
    Ok(events_per_day.map(|events_per_day| Growth {
        days: span_ns as f64 / DAY_NS as f64,
        events_per_day,
    }))
}
