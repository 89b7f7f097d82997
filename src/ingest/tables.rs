//! Retention of the tables: rows go for their age or their number, in small steps.
//!
//! A thread of its own looks once an hour with a reader's connection, and submits
//! `retention.applied` events; the folds obey them (`read_model::aging`). Each step is one small
//! transaction, as large as what the last ones took allows, with pauses between them, so that no
//! message waits for a purge.
//!
//! Invariants: nothing goes for its age while the clock cannot be trusted; a run takes a tenth of a
//! table's rows at most, so that a slip in the configuration is noticed before all is gone; the
//! event log keeps everything.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::clock_guard::{self, Change, Guard, Words};
use crate::base::clock::{Clock, DAY_NS, HOUR_NS, UnixNanos};
use crate::base::shutdown::Shutdown;
use crate::event::NewEvent;
use crate::event::retention::Applied;
use crate::event::system::{Noted, Weight};
use crate::read_model::aging::{self, Aging};
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError};
use crate::writer::{Handle, WriterError};

/// Time between two runs.
const EVERY: Duration = Duration::from_hours(1);
/// The first run, so that a start has other things to do first.
const FIRST_RUN: Duration = Duration::from_mins(5);
/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A run takes at most this part of a table.
const PART: i64 = 10;
/// Rows of the first step.
const STEP_ROWS: i64 = 1_000;
/// The bounds of a step: below, the commit costs more than the rows; above, one step would fill a
/// page cache.
const STEP_ROWS_RANGE: (i64, i64) = (50, 10_000);
/// A step may take half of what a message may wait: the other half belongs to the message's own
/// commit.
const STEP_TIME: Duration = Duration::from_millis(10);
/// After each step the writer belongs to others for so many times as long as the step took.
const PAUSE_STEPS: u32 = 4;
/// What the clock guard says.
const WORDS: Words = Words {
    nothing_goes: "no row of a table goes for its age",
    verb: "nightjar retention run",
};

/// What a table may hold; without either, everything for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Rows older than this go, nanoseconds.
    pub max_age_ns: Option<i64>,
    /// The oldest rows beyond so many go.
    pub max_rows: Option<i64>,
}

/// The limits of each table, by its name.
pub type Policies = BTreeMap<String, Limits>;

/// What a table holds, and what of it is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The table.
    pub table: &'static str,
    /// Its limits.
    pub limits: Limits,
    /// Rows that may go one day; what is starred, held or open is not among them.
    pub rows: i64,
    /// The oldest time among them.
    pub oldest_at: Option<UnixNanos>,
    /// Those from before this time are to go; none when no limit is passed.
    pub before: Option<UnixNanos>,
    /// How many they are.
    pub due: i64,
    /// Which limit asks for it.
    pub reason: String,
}

impl Outlook {
    /// How many of them one run takes.
    pub fn due_now(&self) -> i64 {
        self.due.min(self.rows.saturating_add(PART - 1) / PART)
    }

    fn read(
        session: &mut dyn Session,
        (table, aging): (&'static str, &Aging),
        limits: Limits,
        now: UnixNanos,
    ) -> Result<Self, StorageError> {
        let (rows, oldest_at) = aging.size(session)?;
        let by_age = limits.max_age_ns.map(|age| now.saturating_sub(age));
        let by_rows = match limits.max_rows.filter(|most| rows > *most) {
            Some(most) => aging.cut_by_rows(session, most)?,
            None => None,
        };
        let before = by_age
            .max(by_rows)
            .filter(|cut| oldest_at.is_some_and(|oldest| oldest < *cut));
        let due = match before {
            Some(cut) => aging.rows_before(session, cut)?,
            None => 0,
        };
        let reason = match limits {
            Limits {
                max_rows: Some(rows),
                ..
            } if by_rows > by_age => format!("more than {rows} rows"),
            Limits {
                max_age_ns: Some(age),
                ..
            } => format!("older than {}", age_in_words(age)),
            _ => String::new(),
        };
        Ok(Self {
            table,
            limits,
            rows,
            oldest_at,
            before: before.filter(|_| due > 0),
            due,
            reason,
        })
    }
}

/// "90 days", "36 hours".
pub fn age_in_words(age_ns: i64) -> String {
    match age_ns {
        DAY_NS => "1 day".into(),
        _ if age_ns % DAY_NS == 0 => format!("{} days", age_ns / DAY_NS),
        _ => format!("{} hours", age_ns / HOUR_NS),
    }
}

/// What each table that ages holds, and what of it is to go.
pub fn outlook(
    session: &mut dyn Session,
    policies: &Policies,
    now: UnixNanos,
) -> Result<Vec<Outlook>, StorageError> {
    aging::tables()
        .map(|table| {
            let limits = policies.get(table.0).copied().unwrap_or_default();
            Outlook::read(session, table, limits, now)
        })
        .collect()
}

/// Why the clock may be wrong, if it may: then the daemon lets nothing go for its age.
pub fn clock_doubt(
    session: &mut dyn Session,
    now: UnixNanos,
) -> Result<Option<String>, StorageError> {
    let past = clock_guard::past(session, now)?;
    Ok(clock_guard::odd_start(now, past))
}

/// What went from a table in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// The table.
    pub table: &'static str,
    /// Rows.
    pub rows: i64,
    /// How many more are to go, in later runs.
    pub left: i64,
    /// Which limit asked for it.
    pub reason: String,
}

/// How large a step is: what a commit takes tells.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rows: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rows: STEP_ROWS }
    }
}

impl Pace {
    /// A step took so long; how long to leave the writer to others.
    fn took(&mut self, step: Duration) -> Duration {
        let (least, most) = STEP_ROWS_RANGE;
        if step > STEP_TIME {
            self.rows = (self.rows / 2).max(least);
        } else if step < STEP_TIME / 2 {
            self.rows = (self.rows + self.rows / 4).min(most);
        }
        step.saturating_mul(PAUSE_STEPS)
    }
}

/// One run: what is due goes, in steps. `store` returns when its event is durable; `pause` returns
/// true when the run shall end.
pub fn purge<E: From<StorageError>>(
    reader: &mut Database,
    due: Vec<Outlook>,
    clock: &Clock,
    pace: &mut Pace,
    store: &mut dyn FnMut(NewEvent) -> Result<(), E>,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<Vec<Purged>, E> {
    let mut gone = Vec::new();
    for (table, aging) in aging::tables() {
        let Some(plan) = due.iter().find(|plan| plan.table == table) else {
            continue;
        };
        let Some(before) = plan.before else { continue };
        let (most, mut rows, mut stopped) = (plan.due_now(), 0, false);
        while rows < most && !stopped {
            let size = pace.rows.min(most - rows);
            let step = aging.step(&mut reader.snapshot()?, before, size)?;
            let Some(step) = step else { break };
            let applied = Applied {
                table: table.to_owned(),
                before: step.before,
                rows: step.rows,
            };
            let event = NewEvent::own(clock.now(), format!("table/{table}"), applied)
                .with_text(&plan.reason);
            let began = Instant::now();
            store(event)?;
            rows += step.rows;
            stopped = pause(pace.took(began.elapsed()));
        }
        gone.push(Purged {
            table,
            rows,
            left: (plan.due - rows).max(0),
            reason: plan.reason.clone(),
        });
        if stopped {
            break;
        }
    }
    Ok(gone)
}

/// The thread that lets rows go.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    policies: Policies,
    writer: Handle,
    clock: Clock,
    shutdown: Shutdown,
    guard: Guard,
    pace: Pace,
}

impl Keeper {
    /// For the database at `path`.
    pub fn new(
        path: PathBuf,
        policies: Policies,
        writer: Handle,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            path,
            policies,
            writer,
            clock,
            shutdown,
            guard: Guard::new(WORDS),
            pace: Pace::default(),
        }
    }

    /// Runs until the shutdown. What fails is told, and tried again an hour later.
    pub fn run(mut self) {
        let mut next_run = Instant::now() + FIRST_RUN;
        while !self.shutdown.wait(LOOK_EVERY) {
            let due = Instant::now() >= next_run;
            match self.look(due) {
                Ok(()) if due => next_run = Instant::now() + EVERY,
                Ok(()) => {}
                Err(WriterError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot let rows of tables go");
                    next_run = Instant::now() + EVERY;
                }
            }
        }
    }

    /// Looks at the clock and, when it is time for a run and the clock can be trusted, runs.
    pub fn look(&mut self, run: bool) -> Result<(), WriterError> {
        let mut reader = Database::open_reader(&self.path)?;
        let (wall, now) = (self.clock.now(), Instant::now());
        let change = if self.guard.has_begun() {
            self.guard.look(wall, now)
        } else {
            let past = clock_guard::past(&mut reader.snapshot()?, wall)?;
            self.guard.begin(wall, now, past)
        };
        if let Some(change) = change {
            self.note(change)?;
        }
        if !run {
            return Ok(());
        }
        let policies = self.trusted();
        let due = outlook(&mut reader.snapshot()?, &policies, wall)?;
        let (writer, shutdown) = (&self.writer, &self.shutdown);
        let gone = purge(
            &mut reader,
            due,
            &self.clock,
            &mut self.pace,
            &mut |event| writer.store(vec![event]).map(drop),
            &mut |pause| shutdown.wait(pause),
        )?;
        for Purged {
            table,
            rows,
            reason,
            ..
        } in gone
        {
            tracing::info!(table, rows, reason, "rows deleted");
        }
        Ok(())
    }

    /// The limits that count now: those by number alone while the clock cannot be trusted.
    fn trusted(&self) -> Policies {
        let mut policies = self.policies.clone();
        if self.guard.paused().is_some() {
            for limits in policies.values_mut() {
                limits.max_age_ns = None;
            }
        }
        policies
    }

    fn note(&self, change: Change) -> Result<(), WriterError> {
        let (level, text) = match change {
            Change::Paused(text) => (Weight::Alert, text),
            Change::Over => (
                Weight::Info,
                "rows of tables may go for their age again".into(),
            ),
        };
        let noted = Noted {
            component: "retention".into(),
            level,
        };
        let note = NewEvent::own(self.clock.now(), "system/retention", noted).with_text(text);
        self.writer.store(vec![note]).map(drop)
    }
}
