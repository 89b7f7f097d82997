//! The follower: reads the event log behind the writer, tells what is odd, and saves the models.
//!
//! 1. At start it loads the models and the position that they have read up to, and notes which
//!    anomalies were told behind that, before a kill.
//! 2. It reads rows by a connection of its own, in pieces, so that no snapshot is held for long and
//!    the writer is never waited for by anybody because of it.
//! 3. What is odd is stored as `anomaly.detected` and durable before it reads on.
//! 4. Every so often, and when stopping, what the models have learned is saved with the position.
//!
//! What nobody would call news any more is not told: when the first row that was not read is older
//! than is learned from, it goes on as at a first start, but for what the models know already.
//!
//! A model whose state a person has removed begins anew, at the next time of saving.

mod health;
mod save;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use health::Health;
use save::Saved;

use super::rows::RowReader;
use super::watch::{Restored, Watch};
use super::{Finding, Sensitivity};
use crate::base::clock::{Clock, DAY_NS, UnixNanos};
use crate::base::shutdown::Shutdown;
use crate::event::NewEvent;
use crate::event::anomaly::AnomalyDetected;
use crate::event_log::append::head;
use crate::event_log::read::first_received_since;
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError, all, first};
use crate::store::model::{self, ModelStoreError};
use crate::values;
use crate::writer::{Handle, WriterError};

/// So much of an old event log is learned from, unless its lines are kept for less.
pub const LEARN_DAYS: i64 = 14;
/// Rows in one look, a quarter of a second of a flood: no snapshot is held for long.
pub const ROWS: usize = 5_000;
/// Least time between two looks at the log.
const LOOK_APART: Duration = Duration::from_millis(200);
/// Pause after the database could not be read or written.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// Anomalies in one submission.
const TOLD_AT_ONCE: usize = 256;

/// Where, when and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The main database.
    pub database: PathBuf,
    /// The time; learning itself knows none.
    pub clock: Clock,
    /// How easily something is told.
    pub sensitivity: Sensitivity,
    /// Time between two times of saving.
    pub save_every: Duration,
    /// Rows in one look, normally [`ROWS`].
    pub rows: usize,
    /// How long the tables keep lines: an older one would be read as an event without any. None for
    /// ever.
    pub lines_kept: Option<Duration>,
}

/// An anomaly that was told: its model and its event.
type Told = HashSet<(String, i64)>;

/// The thread that follows.
#[derive(Debug)]
pub struct Follower {
    options: Options,
    writer: Handle,
    shutdown: Shutdown,
    health: Arc<Mutex<Health>>,
}

/// What it works on, from one trouble to the next.
struct Work {
    reader: Database,
    rows: RowReader,
    watch: Watch,
    position: i64,
    /// Position of the last time of saving; none before the first.
    saved_at: Option<i64>,
    last_save: Instant,
    saved: Saved,
    /// Told before the start, of events that were not read yet up to the next field.
    told: Told,
    /// The head at the start.
    told_until: i64,
    /// Found and not yet durable.
    found: Vec<Finding>,
}

/// Why it does not go on for now.
#[derive(Debug)]
enum Halt {
    /// The writer is gone, and nothing can be stored any more.
    Stopped,
    Trouble(String),
}

impl From<StorageError> for Halt {
    fn from(error: StorageError) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl From<WriterError> for Halt {
    fn from(error: WriterError) -> Self {
        match error {
            WriterError::Stopped => Self::Stopped,
            WriterError::Storage(error) => error.into(),
        }
    }
}

impl From<ModelStoreError> for Halt {
    fn from(error: ModelStoreError) -> Self {
        match error {
            ModelStoreError::Writer(error) => error.into(),
            other => Self::Trouble(other.to_string()),
        }
    }
}

impl Follower {
    /// Makes it; [`run`](Self::run) is to be called on a thread of its own.
    pub fn new(options: Options, writer: Handle, shutdown: Shutdown) -> Self {
        Self {
            options,
            writer,
            shutdown,
            health: Arc::default(),
        }
    }

    /// How it goes, from now on.
    pub fn health(&self) -> Arc<Mutex<Health>> {
        Arc::clone(&self.health)
    }

    /// Runs until the shutdown is signalled or the writer is gone.
    pub fn run(self) {
        let _farewell = Farewell(self.health());
        let news = self.writer.follow();
        loop {
            let trouble = match self
                .load()
                .and_then(|mut work| self.go_on(&mut work, &news))
            {
                Ok(()) | Err(Halt::Stopped) => return,
                Err(Halt::Trouble(trouble)) => trouble,
            };
            tracing::warn!(trouble, "detection begins again from what was saved");
            self.tell_health(|health| health.trouble = Some(trouble));
            if self.shutdown.wait(TROUBLE_PAUSE) {
                return;
            }
        }
    }

    fn load(&self) -> Result<Work, Halt> {
        let mut reader = Database::open_reader(&self.options.database)?;
        let mut session = reader.snapshot()?;
        let head = head(&mut session)?;
        let mut stored = Vec::new();
        let mut saved = Saved::new();
        model::for_each(&mut session, |one| {
            saved.insert(one.key.clone(), save::hash(&one.data));
            stored.push(one);
        })?;
        // What is past the head is of another log.
        stored.retain(|one| one.position <= head);
        let Restored {
            mut watch,
            position,
            refused,
        } = Watch::restore(self.options.sensitivity, stored);
        for (key, why) in refused {
            tracing::warn!(key, %why, "a model begins anew");
        }
        let since = self.options.learn_since();
        let mut gone_on = position;
        if let Some(position) = position
            && is_older(&mut session, position + 1, since)?
        {
            gone_on = None;
        }
        let position = if let Some(position) = gone_on {
            position
        } else {
            watch.leave_out(head);
            let first = first_received_since(&mut session, since)?;
            position.unwrap_or(0).max(first - 1)
        };
        drop(session);
        let told = if gone_on.is_some() {
            self.told(&mut reader, position)?
        } else {
            Told::new()
        };
        let mut work = Work {
            reader,
            rows: RowReader::default(),
            watch,
            position,
            saved_at: None,
            last_save: Instant::now(),
            saved,
            told,
            told_until: head,
            found: Vec::new(),
        };
        if gone_on.is_none() {
            // From here on everything is told, whenever the next start is.
            self.save(&mut work)?;
        }
        Ok(work)
    }

    /// The anomalies that were told behind `position`.
    fn told(&self, reader: &mut Database, position: i64) -> Result<Told, Halt> {
        let mut told = Told::new();
        let mut after = position;
        loop {
            let piece = all(
                &mut reader.snapshot()?,
                "SELECT id, model, event_id FROM anomalies WHERE id > ?1 ORDER BY id LIMIT ?2",
                values![after, ROWS as i64],
                |row| Ok((row.int(0)?, (row.text(1)?.to_owned(), row.int(2)?))),
            )?;
            let is_full = piece.len() == ROWS;
            after = piece.last().map_or(after, |(id, _)| *id);
            told.extend(piece.into_iter().map(|(_, one)| one));
            if !is_full {
                return Ok(told);
            }
            if self.shutdown.is_stopped() {
                return Err(Halt::Stopped);
            }
        }
    }

    fn go_on(&self, work: &mut Work, news: &crossbeam_channel::Receiver<()>) -> Result<(), Halt> {
        loop {
            let is_full = self.step(work)?;
            let due = self
                .options
                .save_every
                .saturating_sub(work.last_save.elapsed());
            if due.is_zero() {
                self.save(work)?;
            }
            if is_full && !self.shutdown.is_stopped() {
                continue;
            }
            if self.shutdown.wait(LOOK_APART) {
                return self.save(work);
            }
            crossbeam_channel::select! {
                recv(self.shutdown.signal()) -> _ => return self.save(work),
                recv(news) -> _ => {}
                default(due.max(LOOK_APART)) => {}
            }
        }
    }

    /// Reads a piece of the log; whether there is more.
    fn step(&self, work: &mut Work) -> Result<bool, Halt> {
        let rows = {
            let mut session = work.reader.snapshot()?;
            work.rows
                .after(&mut session, work.position, self.options.rows)?
        };
        for row in &rows {
            work.watch.take(row, &mut work.found);
            work.position = row.position;
        }
        self.tell(work)?;
        if work.position >= work.told_until {
            work.told.clear();
        }
        self.tell_health(|health| {
            health.models = work.watch.models();
            health.position = Some(work.position);
            health.late_lines = work.watch.late();
            health.trouble = None;
            if health.evicted == 0 && work.watch.evicted() > 0 {
                tracing::warn!(
                    "more sources or hosts write than are watched; those unheard of for longest go"
                );
            }
            health.evicted = work.watch.evicted();
        });
        Ok(rows.len() == self.options.rows)
    }

    /// Stores what was found, unless it was told before.
    fn tell(&self, work: &mut Work) -> Result<(), Halt> {
        let found = std::mem::take(&mut work.found);
        let news: Vec<_> = found
            .into_iter()
            .filter(|one| !work.told.contains(&(one.model.clone(), one.event)))
            .collect();
        if news.is_empty() {
            return Ok(());
        }
        let now = self.options.clock.now();
        for piece in news.chunks(TOLD_AT_ONCE) {
            let events = piece.iter().map(|one| anomaly(one, now));
            self.writer.store(events.collect())?;
        }
        self.tell_health(|health| health.told += news.len() as u64);
        Ok(())
    }

    fn tell_health(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Options {
    /// What arrived before is not learned from.
    fn learn_since(&self) -> UnixNanos {
        let most = LEARN_DAYS * DAY_NS;
        let kept = self.lines_kept.map(|kept| i64::try_from(kept.as_nanos()));
        let kept = kept.and_then(Result::ok).unwrap_or(most);
        self.clock.now().saturating_sub(kept.min(most))
    }
}

/// Says so when the thread panics: one that is gone in silence would look healthy.
struct Farewell(Arc<Mutex<Health>>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            health.trouble = Some("it has ended by a fault of its own; restart".into());
        }
    }
}

fn anomaly(found: &Finding, now: UnixNanos) -> NewEvent {
    let verdict = &found.verdict;
    let sort = found.model.split(':').next().unwrap_or_default();
    let event = AnomalyDetected {
        model: found.model.clone(),
        subject: found.subject.clone(),
        score: verdict.score,
        threshold: verdict.threshold,
        observed: verdict.observed,
        expected: verdict.expected,
        event: found.event,
    };
    let mut event = NewEvent::own(now, format!("anomaly/{sort}"), event)
        .from_source(found.subject.clone())
        .with_text(verdict.text.clone())
        .caused_by(found.event);
    event.occurred_at = found.at;
    event
}

/// Whether the row at `position` arrived before `since`; not if there is none.
fn is_older(
    session: &mut dyn Session,
    position: i64,
    since: UnixNanos,
) -> Result<bool, StorageError> {
    let received = first(
        session,
        "SELECT received_at FROM event_log WHERE position = ?1",
        values![position],
        |row| row.int(0),
    )?;
    Ok(received.is_some_and(|received| received < since))
}

#[cfg(test)]
mod tests;
