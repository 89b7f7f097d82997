//! Moments as the reactors ask for them.

use crate::base::clock::UnixNanos;
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

/// A row of the table `events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its event.
    pub position: i64,
    /// When it was.
    pub timestamp_ns: UnixNanos,
    /// Such as `PERSON_DETECTED`.
    pub event_type: String,
    /// On the scale 0–6.
    pub severity_id: i64,
    /// Such as `camera`.
    pub source_type: String,
    /// Such as `yard`.
    pub source_id: String,
    /// For people.
    pub message: String,
}

fn moment(row: &dyn Row) -> Result<Moment, StorageError> {
    Ok(Moment {
        position: row.int(0)?,
        timestamp_ns: row.int(1)?,
        event_type: row.text(2)?.to_owned(),
        severity_id: row.int(3)?,
        source_type: row.text(4)?.to_owned(),
        source_id: row.text(5)?.to_owned(),
        message: row.text(6)?.to_owned(),
    })
}

/// What an event was to people; nothing when it was no moment.
pub fn moment_at(session: &mut dyn Session, position: i64) -> Result<Option<Moment>, StorageError> {
    first(
        session,
        "SELECT position, timestamp_ns, type, severity_id, source_type, source_id, message \
         FROM events WHERE position = ?1",
        values![position],
        moment,
    )
}

/// The moments of a time, from inclusive, to exclusive, the newest first.
pub fn moments_between(
    session: &mut dyn Session,
    since: UnixNanos,
    until: UnixNanos,
    limit: i64,
) -> Result<Vec<Moment>, StorageError> {
    all(
        session,
        "SELECT position, timestamp_ns, type, severity_id, source_type, source_id, message \
         FROM events WHERE timestamp_ns >= ?1 AND timestamp_ns < ?2 \
         ORDER BY timestamp_ns DESC, position DESC LIMIT ?3",
        values![since, until, limit],
        moment,
    )
}

/// The moments behind a position, as far as another one, in their order.
pub fn moments_after(
    session: &mut dyn Session,
    after: i64,
    until: i64,
) -> Result<Vec<Moment>, StorageError> {
    all(
        session,
        "SELECT position, timestamp_ns, type, severity_id, source_type, source_id, message \
         FROM events WHERE position > ?1 AND position <= ?2 ORDER BY position",
        values![after, until],
        moment,
    )
}

/// When such a moment arrived last, of those since a time and before a position.
pub fn last_before(
    session: &mut dyn Session,
    event_type: &str,
    source_id: &str,
    since: UnixNanos,
    position: i64,
) -> Result<Option<UnixNanos>, StorageError> {
    let last = first(
        session,
        "SELECT max(observed_ns) FROM events WHERE timestamp_ns >= ?1 AND type = ?2 \
         AND source_id = ?3 AND position < ?4",
        values![since, event_type, source_id, position],
        |row| row.opt_int(0),
    )?;
    Ok(last.flatten())
}
