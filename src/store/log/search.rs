//! A search by words or by text, the last arrived first: the order in which the index of words has
//! them, so that a phrase in a million lines costs what the first hundred cost.

use std::time::{Duration, Instant};

use super::sql::{self, Hunt};
use super::walk::{Course, Key, Walked, merge};
use super::{Found, LogStoreError, Mode, RESULTS_MAX, Search, StoredEvent, Table};
use crate::storage::{Session, StorageError, Value, first, search};
use crate::values;

/// Rows with the phrase that are looked at where only a range of time is wanted.
const WORDS_ROUNDS: [i64; 2] = [2_000, 500_000];
/// Rows that are looked through for a text: at first, and if that was quick.
const TEXT_ROUNDS: [i64; 2] = [2_000, 20_000];
const TEXT_ROUND_LAST: [i64; 1] = [200_000];
/// The last round is ten times as long as those before and stays below two seconds.
const QUICK: Duration = Duration::from_millis(200);
/// A range of time with so many rows of a table is looked up, to know between which positions it
/// lies.
const RANGE_ROWS: i64 = 200_000;

/// What surrounds a word that was found: no characters, after Unicode, that a text could have.
const MARKS: [char; 2] = ['\u{fdd0}', '\u{fdd1}'];

/// Reads it.
pub(super) fn read(session: &mut dyn Session, wanted: &Search) -> Result<Found, LogStoreError> {
    if wanted.limit == 0 {
        return Err(LogStoreError::NoResults);
    }
    if wanted.since > wanted.until {
        return Err(LogStoreError::Range);
    }
    let text = match wanted.mode {
        Mode::Words => search::phrase(&wanted.text),
        Mode::Exact => Some(wanted.text.clone()).filter(|text| !text.is_empty()),
    };
    let Some(text) = text else {
        return Ok(Found::default());
    };
    let lines = hunt(session, Table::Lines, &text, wanted)?;
    let moments = hunt(session, Table::Moments, &text, wanted)?;
    let limit = wanted.limit.min(RESULTS_MAX) as usize;
    let (events, next, stopped) = merge(lines, moments, limit, |event| (event.position, 0));
    Ok(Found {
        events,
        next: next.map(|(position, _)| position),
        stopped,
    })
}

fn hunt(
    session: &mut dyn Session,
    table: Table,
    text: &str,
    wanted: &Search,
) -> Result<Walked, StorageError> {
    let Hunt { page, end, .. } = match (wanted.mode, table) {
        (Mode::Words, Table::Lines) => &sql::LINES_BY_WORDS,
        (Mode::Words, Table::Moments) => &sql::MOMENTS_BY_WORDS,
        (Mode::Exact, Table::Lines) => &sql::LINES_BY_TEXT,
        (Mode::Exact, Table::Moments) => &sql::MOMENTS_BY_TEXT,
    };
    let Some((low, high)) = positions(session, table, wanted)? else {
        return Ok(Walked::default());
    };
    let course = Course {
        table,
        page,
        end,
        lowest: (low, 0),
        wanted: i64::from(wanted.limit.min(RESULTS_MAX)) + 1,
        bind: &|(low, _): Key, many| {
            vec![
                Value::Text(text),
                low.into(),
                high.into(),
                wanted.since.into(),
                wanted.until.into(),
                many.into(),
            ]
        },
    };
    match wanted.mode {
        Mode::Words if is_all_time(wanted) => course.walk(session, &[]),
        Mode::Words => course.walk(session, &WORDS_ROUNDS),
        Mode::Exact => {
            let began = Instant::now();
            let walked = course.walk(session, &TEXT_ROUNDS)?;
            if walked.stopped_at.is_none() || began.elapsed() > QUICK {
                return Ok(walked);
            }
            course.walk(session, &TEXT_ROUND_LAST)
        }
    }
}

const fn is_all_time(wanted: &Search) -> bool {
    wanted.since == i64::MIN && wanted.until == i64::MAX
}

/// From which position to before which one the range lies; none when nothing lies in it.
fn positions(
    session: &mut dyn Session,
    table: Table,
    wanted: &Search,
) -> Result<Option<(i64, i64)>, StorageError> {
    let before = wanted.before.unwrap_or(i64::MAX);
    if is_all_time(wanted) {
        return Ok(Some((0, before)));
    }
    let between = match table {
        Table::Lines => sql::LINES_BETWEEN,
        Table::Moments => sql::MOMENTS_BETWEEN,
    };
    let values = values![wanted.since, wanted.until, RANGE_ROWS];
    let range = first(session, between, values, |row| {
        Ok((row.int(0)?, row.opt_int(1)?, row.opt_int(2)?))
    })?;
    Ok(match range {
        Some((rows, ..)) if rows >= RANGE_ROWS => Some((0, before)),
        Some((_, Some(low), Some(high))) => Some((low, before.min(high + 1))),
        _ => None,
    })
}

/// See [`super::Logs::marked`].
pub(super) fn marked(
    session: &mut dyn Session,
    text: &str,
    found: &StoredEvent,
) -> Result<Vec<String>, StorageError> {
    let Some(phrase) = search::phrase(text) else {
        return Ok(vec![found.message.clone()]);
    };
    let statement = match found.event_type {
        None => sql::MARKED_LINE,
        Some(_) => sql::MARKED_MOMENT,
    };
    let [before, behind] = MARKS.map(String::from);
    let values = values![&phrase, found.position, &before, &behind];
    let marked = first(session, statement, values, |row| {
        Ok(row.text(0)?.to_owned())
    })?;
    let marked = marked.unwrap_or_else(|| found.message.clone());
    Ok(marked.split(MARKS).map(ToOwned::to_owned).collect())
}
