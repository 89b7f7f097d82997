//! Walks over one table's rows in their order, bounded in the rows that they look at.

use super::{StoredEvent, Table};
use crate::storage::{Session, StorageError, Value, all, first};

/// Where a row stands in the order: time and position, or position and 0.
pub(super) type Key = (i64, i64);

/// A way through a table.
pub(super) struct Course<'a> {
    /// The table.
    pub(super) table: Table,
    /// Rows of a page; see [`super::sql`].
    pub(super) page: &'static str,
    /// The row that so many are in front of.
    pub(super) end: &'static str,
    /// Where the table ends, as far as it is asked for.
    pub(super) lowest: Key,
    /// Rows that are enough.
    pub(super) wanted: i64,
    /// The values of both statements: down to this row, so many.
    pub(super) bind: &'a dyn Fn(Key, i64) -> Vec<Value<'a>>,
}

/// What a walk found, and the last row that it looked at if it stopped before there were enough.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) rows: Vec<StoredEvent>,
    pub(super) stopped_at: Option<Key>,
}

impl Course<'_> {
    /// Walks over so many rows as the first round has, and if that does not find enough, over those of
    /// the next; without rounds to the end.
    pub(super) fn walk(
        &self,
        session: &mut dyn Session,
        rounds: &[i64],
    ) -> Result<Walked, StorageError> {
        let mut walked = Walked::default();
        for round in rounds {
            let values = (self.bind)(self.lowest, round - 1);
            let end = first(session, self.end, &values, |row| {
                Ok((row.int(0)?, row.int(1)?))
            })?;
            walked.rows = self.rows(session, end.unwrap_or(self.lowest))?;
            let enough = walked.rows.len() as i64 >= self.wanted;
            walked.stopped_at = end.filter(|_| !enough);
            if walked.stopped_at.is_none() {
                return Ok(walked);
            }
        }
        if rounds.is_empty() {
            walked.rows = self.rows(session, self.lowest)?;
        }
        Ok(walked)
    }

    fn rows(&self, session: &mut dyn Session, low: Key) -> Result<Vec<StoredEvent>, StorageError> {
        let values = (self.bind)(low, self.wanted);
        all(session, self.page, &values, |row| self.table.event(row))
    }
}

/// Both tables as one, `limit` rows at most; the row to go on behind if there may be more, and
/// whether that is so for the rows that were looked at. Behind the row at which one walk stopped
/// nothing of the other may be told, as what lies between is unknown.
pub(super) fn merge(
    lines: Walked,
    moments: Walked,
    limit: usize,
    key: impl Fn(&StoredEvent) -> Key,
) -> (Vec<StoredEvent>, Option<Key>, bool) {
    let stopped_at = lines.stopped_at.max(moments.stopped_at);
    let mut events = lines.rows;
    events.extend(moments.rows);
    events.retain(|event| stopped_at.is_none_or(|stopped_at| key(event) >= stopped_at));
    events.sort_by_key(|event| std::cmp::Reverse(key(event)));
    if events.len() > limit {
        events.truncate(limit);
        let last = events.last().map(&key);
        return (events, last, false);
    }
    (events, stopped_at, stopped_at.is_some())
}
