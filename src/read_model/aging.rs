//! Aging: which rows of a table may go, and how a fold lets them go.
//!
//! That rows go is an event, `retention.applied {table, before, rows}`, so that a rebuild does not
//! bring back what was deleted. A slice declares in one line that a table ages ([`table!`]); every
//! fold passes through [`fold`], which obeys those events at their place in the order of the log,
//! however it was cut into batches.
//!
//! Invariants: only rows that the table's own condition calls free go, so that what is starred, held
//! or open stays; tables of the present (what a sensor says, who the pets are) do not age, hence no
//! row loses its parent. A row that names a position of `events` keeps naming it: the event log
//! still knows that event when the table has forgotten it.

use super::{Projection, SearchIndex, Table};
use crate::event::{Envelope, Event};
use crate::storage::{Session, StorageError, first};
use crate::values;

/// How the rows of a table age. Rows of one time go together or not at all.
#[derive(Clone, Copy, Debug)]
pub struct Aging {
    /// For how many days rows are kept if nobody configures it; for ever when none.
    pub keep_days: Option<u16>,
    /// How many rows there are that may go one day: one row, one integer.
    pub count: &'static str,
    /// Their oldest time; NULL when there are none.
    pub oldest: &'static str,
    /// How many of them are older than `?1`.
    pub count_before: &'static str,
    /// The time of the one that has `?2` older ones beside it, among those older than `?1`.
    pub nth_oldest: &'static str,
    /// The time of the one that has `?1` newer ones beside it.
    pub nth_newest: &'static str,
    /// Deletes those older than `?1`.
    pub delete: &'static str,
}

/// The one number, or none.
pub(super) const fn keep_days(days: &[u16]) -> Option<u16> {
    match days {
        [days] => Some(*days),
        _ => None,
    }
}

/// A table of the read model: `table!("pets" by "id")`, and one that ages by a column, perhaps only
/// some of its rows, perhaps for a number of days unless configured otherwise:
/// `table!("recordings" by "id", aging by "deleted_at" if "state = 'deleted'" for 365)`.
macro_rules! table {
    ($name:literal by $key:literal) => {
        $crate::read_model::Table {
            name: $name,
            clear: concat!("DELETE FROM ", $name),
            dump: concat!("SELECT * FROM ", $name, " ORDER BY ", $key),
            aging: None,
            index: None,
        }
    };
    ($name:literal by $key:literal, aging by $time:literal $(if $free:literal)? $(for $days:literal)?) => {
        $crate::read_model::Table {
            aging: Some($crate::read_model::aging::Aging {
                keep_days: $crate::read_model::aging::keep_days(&[$($days)?]),
                count: concat!("SELECT count(*) FROM ", $name $(, " WHERE ", $free)?),
                oldest: concat!("SELECT min(", $time, ") FROM ", $name $(, " WHERE ", $free)?),
                count_before: concat!(
                    "SELECT count(*) FROM ", $name, " WHERE ", $time, " < ?1" $(, " AND ", $free)?
                ),
                nth_oldest: concat!(
                    "SELECT ", $time, " FROM ", $name, " WHERE ", $time, " < ?1" $(, " AND ", $free)?,
                    " ORDER BY ", $time, " LIMIT 1 OFFSET ?2"
                ),
                nth_newest: concat!(
                    "SELECT ", $time, " FROM ", $name $(, " WHERE ", $free)?,
                    " ORDER BY ", $time, " DESC LIMIT 1 OFFSET ?1"
                ),
                delete: concat!(
                    "DELETE FROM ", $name, " WHERE ", $time, " < ?1" $(, " AND ", $free)?
                ),
            }),
            ..$crate::read_model::aging::table!($name by $key)
        }
    };
}
pub(crate) use table;

/// Rows that are to go in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Those from before this time, Unix nanoseconds.
    pub before: i64,
    /// How many they are.
    pub rows: i64,
}

impl Aging {
    /// How many rows may go one day, and the oldest time among them.
    pub fn size(&self, session: &mut dyn Session) -> Result<(i64, Option<i64>), StorageError> {
        let count = first(session, self.count, &[], |row| row.int(0))?;
        let oldest = first(session, self.oldest, &[], |row| row.opt_int(0))?;
        Ok((count.unwrap_or(0), oldest.flatten()))
    }

    /// How many rows are older than `before`.
    pub fn rows_before(&self, session: &mut dyn Session, before: i64) -> Result<i64, StorageError> {
        let count = first(session, self.count_before, values![before], |row| {
            row.int(0)
        })?;
        Ok(count.unwrap_or(0))
    }

    /// The cut that leaves `rows` rows; with equal times at the cut a few more.
    pub fn cut_by_rows(
        &self,
        session: &mut dyn Session,
        rows: i64,
    ) -> Result<Option<i64>, StorageError> {
        let newer = rows.saturating_sub(1).max(0);
        first(session, self.nth_newest, values![newer], |row| row.int(0))
    }

    /// The oldest rows from before `before`, at most `rows` of them unless more are of one time;
    /// none when there are none.
    pub fn step(
        &self,
        session: &mut dyn Session,
        before: i64,
        rows: i64,
    ) -> Result<Option<Step>, StorageError> {
        let nth = |session: &mut dyn Session, older: i64| {
            let values = values![before, older];
            first(session, self.nth_oldest, values, |row| row.int(0))
        };
        let Some(oldest) = nth(session, 0)? else {
            return Ok(None);
        };
        let cut = match nth(session, rows.max(1))? {
            // Rows of one time go together; there is no cut between them.
            Some(next) => next.max(oldest.saturating_add(1)),
            None => before,
        };
        let rows = self.rows_before(session, cut)?;
        Ok(Some(Step { before: cut, rows }))
    }
}

/// Folds a batch, in order of position, into a projection's tables; where the log says that rows of
/// one of them go, they go between what came before and what came after.
pub fn fold(
    session: &mut dyn Session,
    projection: &Projection,
    batch: &[Envelope],
) -> Result<(), StorageError> {
    let mut from = 0;
    for (index, event) in batch.iter().enumerate() {
        if let Some((aging, words, before)) = cut_of(projection.tables, event) {
            // A fold that takes the event sees the rows before they go.
            fold_part(session, projection, &batch[from..=index])?;
            if let Some(words) = words {
                session.write(words.remove_before, values![before])?;
            }
            session.write(aging.delete, values![before])?;
            from = index + 1;
        }
    }
    fold_part(session, projection, &batch[from..])
}

fn fold_part(
    session: &mut dyn Session,
    projection: &Projection,
    part: &[Envelope],
) -> Result<(), StorageError> {
    if part.iter().any(|event| projection.takes(event.kind())) {
        (projection.fold)(session, part)?;
    }
    Ok(())
}

/// What the event says of these tables, if it says that rows go.
fn cut_of<'t>(
    tables: &'t [Table],
    event: &Envelope,
) -> Option<(&'t Aging, Option<&'static SearchIndex>, i64)> {
    let Event::RetentionApplied(applied) = &event.event else {
        return None;
    };
    // A table that ages no longer, or is no more, keeps what it has.
    let table = tables.iter().find(|table| table.name == applied.table)?;
    Some((table.aging.as_ref()?, table.index, applied.before))
}

/// Every table that ages, in the order of [`super::ALL`].
pub fn tables() -> impl Iterator<Item = (&'static str, &'static Aging)> {
    super::ALL
        .iter()
        .flat_map(|projection| projection.tables)
        .filter_map(|table| Some((table.name, table.aging.as_ref()?)))
}
