//! What fails: error lines by source, those that come again and again, spikes, and what the traces
//! found out about them.

use std::collections::BTreeMap;

use super::formula::{Spike, spikes};
use super::{Scope, likeness, sql};
use crate::base::clock::UnixNanos;
use crate::storage::{Owned, Session, StorageError, all};
use crate::values;

/// So many times the same error is a recurring one.
pub const RECURRING_MIN: i64 = 3;
/// So many bad lines are looked at, the newest: some hundred MiB of text at most.
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

/// What the bad lines tell.
#[derive(Clone, Debug, Default)]
pub struct Bad {
    /// By source, the most frequent first.
    pub by_source: Vec<BySource>,
    /// The same line again and again, the most frequent first.
    pub recurring: Vec<Recurring>,
    /// When there were far more than usual.
    pub spikes: Vec<Spike>,
    /// Whether only the newest [`LINES_MAX`] were looked at.
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

struct Line {
    at: UnixNanos,
    level: i64,
    host: String,
    source: String,
    program: Option<String>,
    text: String,
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

/// Looks at the lines of `level` (2 warning, 3 error, 4 critical) and above; spikes are counted in
/// buckets of `bucket_ns`.
pub fn bad(
    session: &mut dyn Session,
    scope: &Scope,
    level: i64,
    bucket_ns: i64,
) -> Result<Bad, StorageError> {
    let mut lines = all(
        session,
        sql::BAD_LINES,
        values![
            scope.since,
            scope.until,
            scope.host.as_deref(),
            scope.source.as_deref(),
            level,
            LINES_MAX + 1
        ],
        |row| {
            Ok(Line {
                at: row.int(0)?,
                level: row.int(1)?,
                host: row.text(2)?.to_owned(),
                source: row.text(3)?.to_owned(),
                program: row.opt_text(4)?.map(ToOwned::to_owned),
                text: row.opt_text(6)?.unwrap_or_default().to_owned(),
            })
        },
    )?;
    let cut = lines.len() as i64 > LINES_MAX;
    lines.truncate(LINES_MAX as usize);
    // Of a cut range only the part that was looked at has a mean.
    let since = if cut {
        lines.last().map_or(scope.since, |line| line.at)
    } else {
        scope.since
    };
    let times: Vec<_> = lines.iter().map(|line| line.at).collect();
    Ok(Bad {
        by_source: by_source(&lines),
        recurring: recurring(&lines),
        spikes: spikes(&times, since, scope.until, bucket_ns),
        cut,
    })
}

fn by_source(lines: &[Line]) -> Vec<BySource> {
    let mut sources = BTreeMap::<(&str, &str), BySource>::new();
    for line in lines {
        let known = sources
            .entry((&line.host, &line.source))
            .or_insert_with(|| BySource {
                host: line.host.clone(),
                source: line.source.clone(),
                lines: 0,
                errors: 0,
                last_at: line.at,
            });
        known.lines += 1;
        known.errors += i64::from(line.level >= 3);
    }
    let mut found: Vec<_> = sources.into_values().collect();
    found.sort_by_key(|one| -one.lines);
    found
}

/// The lines stand newest first.
fn recurring(lines: &[Line]) -> Vec<Recurring> {
    let mut alike = BTreeMap::<(&str, String), Recurring>::new();
    for line in lines {
        let program = line.program.as_deref().unwrap_or(&line.source);
        let known = alike
            .entry((program, likeness::of(&line.text)))
            .or_insert_with(|| Recurring {
                source: program.to_owned(),
                count: 0,
                first_at: line.at,
                last_at: line.at,
                every_s: 0.0,
                message: line.text.clone(),
            });
        known.count += 1;
        known.first_at = line.at;
    }
    let mut found: Vec<_> = alike
        .into_values()
        .filter(|one| one.count >= RECURRING_MIN)
        .collect();
    for one in &mut found {
        let span = (one.last_at - one.first_at) as f64 / 1e9;
        one.every_s = span / (one.count - 1) as f64;
    }
    found.sort_by_key(|one| (-one.count, -one.last_at));
    found
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
