//! What fails: error lines by source, those that come again and again, spikes, and what the traces
//! found out about them.

use std::collections::BTreeMap;

use super::formula::{self, Spike};
use super::{Scope, likeness, sql};
use crate::base::clock::UnixNanos;
use crate::storage::{Owned, Session, StorageError, all};
use crate::values;

/// So many times the same error is a recurring one.
pub const RECURRING_MIN: i64 = 3;
/// So many bad lines are held against each other, the newest: their texts are read one by one.
pub const LINES_MAX: i64 = 200_000;

/// Bad lines by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Warnings.
    pub warnings: i64,
    /// Errors.
    pub errors: i64,
    /// Critical ones.
    pub critical: i64,
}

/// Errors that come again and again.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// The most frequent first.
    pub recurring: Vec<Recurring>,
    /// Whether only the newest [`LINES_MAX`] lines were looked at.
    pub cut: bool,
}

/// Bad lines of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BySource {
    /// The machine.
    pub host: String,
    /// The source.
    pub source: String,
    /// Lines of the levels asked for.
    pub lines: i64,
    /// Of them ERROR or CRITICAL.
    pub errors: i64,
    /// The last.
    pub last_at: UnixNanos,
}

/// An error that comes again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurring {
    /// Who wrote it.
    pub source: String,
    /// How often.
    pub count: i64,
    /// The first time.
    pub first_at: UnixNanos,
    /// The last time.
    pub last_at: UnixNanos,
    /// Mean time from one to the next, seconds.
    pub every_s: f64,
    /// The newest of them, as it was written.
    pub message: String,
}

/// Bad lines by level.
pub fn levels(session: &mut dyn Session, scope: &Scope) -> Result<Levels, StorageError> {
    let mut levels = Levels::default();
    session.read(
        sql::LEVELS,
        values![
            scope.since,
            scope.until,
            scope.host.as_deref(),
            scope.source.as_deref()
        ],
        &mut |row| {
            let count = row.int(1)?;
            match row.int(0)? {
                2 => levels.warnings = count,
                3 => levels.errors = count,
                _ => levels.critical = count,
            }
            Ok(())
        },
    )?;
    Ok(levels)
}

/// When there were far more lines of `level` (2 warning, 3 error, 4 critical) and above than usual,
/// in buckets of `bucket_ns`.
pub fn spikes(
    session: &mut dyn Session,
    scope: &Scope,
    level: i64,
    bucket_ns: i64,
) -> Result<Vec<Spike>, StorageError> {
    let (host, source) = (scope.host.as_deref(), scope.source.as_deref());
    let values = values![scope.since, scope.until, host, source, level, bucket_ns];
    let counts = all(session, sql::BAD_BUCKETS, values, |row| {
        Ok((row.int(0)?, row.int(1)?))
    })?;
    Ok(formula::spikes(
        &counts,
        scope.since,
        scope.until,
        bucket_ns,
    ))
}

/// Lines of `level` and above by source, the `most` frequent first.
pub fn by_source(
    session: &mut dyn Session,
    scope: &Scope,
    level: i64,
    most: i64,
) -> Result<Vec<BySource>, StorageError> {
    let (host, source) = (scope.host.as_deref(), scope.source.as_deref());
    let values = values![scope.since, scope.until, host, source, level, most];
    all(session, sql::BAD_SOURCES, values, |row| {
        Ok(BySource {
            host: row.text(0)?.to_owned(),
            source: row.text(1)?.to_owned(),
            lines: row.int(2)?,
            errors: row.int(3)?,
            last_at: row.int(4)?,
        })
    })
}

/// The same line of `level` and above again and again.
pub fn recurring(
    session: &mut dyn Session,
    scope: &Scope,
    level: i64,
) -> Result<Again, StorageError> {
    let mut alike = BTreeMap::<(String, String), Recurring>::new();
    let mut lines = 0;
    let (host, source) = (scope.host.as_deref(), scope.source.as_deref());
    session.read(
        sql::BAD_LINES,
        values![scope.since, scope.until, host, source, level, LINES_MAX + 1],
        &mut |row| {
            lines += 1;
            if lines > LINES_MAX {
                return Ok(());
            }
            let (at, program) = (row.int(0)?, row.text(1)?);
            let text = row.opt_text(2)?.unwrap_or_default();
            // The newest line comes first.
            let known = alike
                .entry((program.to_owned(), likeness::of(text)))
                .or_insert_with(|| Recurring {
                    source: program.to_owned(),
                    count: 0,
                    first_at: at,
                    last_at: at,
                    every_s: 0.0,
                    message: text.to_owned(),
                });
            known.count += 1;
            known.first_at = at;
            Ok(())
        },
    )?;
    let mut recurring: Vec<_> = alike
        .into_values()
        .filter(|one| one.count >= RECURRING_MIN)
        .collect();
    for one in &mut recurring {
        let span = one.last_at.saturating_sub(one.first_at) as f64 / 1e9;
        one.every_s = span / (one.count - 1) as f64;
    }
    recurring.sort_by_key(|one| (-one.count, -one.last_at));
    Ok(Again {
        recurring,
        cut: lines > LINES_MAX,
    })
}

/// Traces of errors by type: type, category, traces, machines, highest severity, first and last
/// time, newest trace. The most frequent first.
pub fn types(
    session: &mut dyn Session,
    scope: &Scope,
    limit: i64,
) -> Result<Vec<Vec<Owned>>, StorageError> {
    all(
        session,
        sql::ERROR_TYPES,
        values![
            scope.since,
            scope.until,
            scope.host.as_deref(),
            scope.source.as_deref(),
            limit
        ],
        |row| (0..8).map(|column| row.owned(column)).collect(),
    )
}
