//! A box on the bench: a database in a folder of its own and the real writer on its thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nightjar::base::clock::Clock;
use nightjar::base::shutdown::Shutdown;
use nightjar::base::telemetry::Telemetry;
use nightjar::event::NewEvent;
use nightjar::read_model::digest::{TableDigest, table_digest};
use nightjar::read_model::search_index;
use nightjar::read_model::{self, Projection, Table};
use nightjar::storage::sqlite::{self, Database, Durability};
use nightjar::storage::{Owned, Session as _};
use nightjar::writer::sabotage::Sabotage;
use nightjar::writer::{
    self, Handle, Options, Reactions, Receipt, Submission, WriterError, rebuild,
};

/// When the box's clock stands: 2026-11-20 00:00 UTC.
pub(crate) const NOW: i64 = 1_795_132_800_000_000_000;

/// The event log and its names, for digests.
const LOG_TABLES: &[Table] = &[
    Table {
        name: "event_log",
        clear: "",
        dump: "SELECT * FROM event_log ORDER BY position",
        aging: None,
        index: None,
    },
    Table {
        name: "names",
        clear: "",
        dump: "SELECT * FROM names ORDER BY id",
        aging: None,
        index: None,
    },
];

/// The running box. Dropped, it drains and joins.
pub(crate) struct BenchBox {
    /// Counters of the writer.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Its stop signal.
    pub(crate) shutdown: Shutdown,
    /// Events that the last start left out of a projection.
    pub(crate) refused: Vec<rebuild::Refusal>,
    /// Projections that the last start brought up to date, with events folded.
    pub(crate) caught_up: Vec<(String, i64)>,
    projections: &'static [Projection],
    durability: Durability,
    /// What the house does by itself; nothing unless a test asks.
    reactions: Reactions,
    /// Its clock.
    pub(crate) clock: Clock,
    path: PathBuf,
    handle: Option<Handle>,
    thread: Option<JoinHandle<Result<(), WriterError>>>,
    /// Kept for its drop: the folder goes last.
    folder: Option<tempfile::TempDir>,
}

impl BenchBox {
    /// A box that never flushes: for tests that do not cut the power.
    pub(crate) fn new() -> Self {
        Self::with(read_model::ALL)
    }

    /// The same with other projections.
    pub(crate) fn with(projections: &'static [Projection]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nightjar.db");
        let mut bench = Self::stopped(path, projections, Durability::Scratch);
        bench.folder = Some(folder);
        bench.start().unwrap();
        bench
    }

    /// A box on an existing folder, as durable as the product is.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let path = folder.join("nightjar.db");
        let mut bench = Self::stopped(path, read_model::ALL, Durability::Full);
        bench.start().unwrap();
        bench
    }

    /// The same with a house that does things by itself.
    pub(crate) fn reacting_in(folder: &Path, settings: nightjar::reactor::Settings) -> Self {
        let path = folder.join("nightjar.db");
        let mut bench = Self::stopped(path, read_model::ALL, Durability::Full);
        bench.reactions = Reactions::all(settings);
        bench.start().unwrap();
        bench
    }

    fn stopped(path: PathBuf, projections: &'static [Projection], durability: Durability) -> Self {
        Self {
            telemetry: Arc::default(),
            shutdown: Shutdown::new(),
            refused: Vec::new(),
            caught_up: Vec::new(),
            projections,
            durability,
            reactions: Reactions::none(),
            clock: Clock::fixed(NOW),
            path,
            handle: None,
            thread: None,
            folder: None,
        }
    }

    /// Starts the writer.
    pub(crate) fn start(&mut self) -> Result<(), WriterError> {
        let options = Options {
            path: self.path.clone(),
            durability: self.durability,
            cache_kib: 8_192,
            clock: self.clock.clone(),
            projections: self.projections,
            reactions: self.reactions.clone(),
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let mut caught_up = Vec::new();
        let started = writer::start(
            options,
            Arc::clone(&self.telemetry),
            self.shutdown.clone(),
            &mut |name, done, _| caught_up.push((name.to_owned(), done)),
        )?;
        self.caught_up = caught_up;
        self.refused = started.refused;
        self.handle = Some(started.handle);
        let writer = started.writer;
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer.run())
            .unwrap();
        self.thread = Some(thread);
        Ok(())
    }

    /// Drops the handle and waits for the writer; what it ended with.
    pub(crate) fn stop(&mut self) -> Result<(), WriterError> {
        self.handle = None;
        self.thread
            .take()
            .map_or(Ok(()), |thread| thread.join().unwrap())
    }

    /// Stops and starts again.
    pub(crate) fn restart(&mut self) {
        self.stop().unwrap();
        self.start().unwrap();
    }

    /// Stops and starts again with other projections.
    pub(crate) fn restart_with(&mut self, projections: &'static [Projection]) {
        self.projections = projections;
        self.restart();
    }

    /// The writer's handle.
    pub(crate) fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    /// Stores events in one batch of their own, and waits; their positions.
    pub(crate) fn store(&self, events: Vec<NewEvent>) -> Vec<i64> {
        match self.handle().store(events).unwrap() {
            Receipt::Stored(positions) => positions,
            Receipt::Duplicate(_) => unreachable!("own events have no ids"),
        }
    }

    /// Submits and waits for the answer.
    pub(crate) fn ask(&self, submission: Submission) -> Receipt {
        self.submit(submission).recv_timeout(PATIENCE).unwrap()
    }

    /// Submits; the answer comes on the channel.
    pub(crate) fn submit(
        &self,
        mut submission: Submission,
    ) -> crossbeam_channel::Receiver<Receipt> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        submission.reply = writer::Reply::Once(reply);
        self.handle().submit(submission).unwrap();
        answer
    }

    /// Where the database lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A reading connection.
    pub(crate) fn reader(&self) -> Database {
        Database::open_reader(&self.path).unwrap()
    }

    /// The rows of a query.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<Owned>> {
        let mut rows = Vec::new();
        let width = std::cell::Cell::new(0);
        self.reader()
            .query_text(
                sql,
                &mut |names| {
                    width.set(names.len());
                    Ok(())
                },
                &mut |row| {
                    rows.push(
                        (0..width.get())
                            .map(|column| row.owned(column))
                            .collect::<Result<_, _>>()?,
                    );
                    Ok(())
                },
            )
            .unwrap();
        rows
    }

    /// The one integer that a query gives.
    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> i64 {
        match self.rows(sql).as_slice() {
            [row] => match row.as_slice() {
                [Owned::Integer(number)] => *number,
                other => panic!("{sql}: {other:?}"),
            },
            other => panic!("{sql}: {} rows", other.len()),
        }
    }

    /// Digests of every table of the read model.
    pub(crate) fn tables(&self) -> Vec<TableDigest> {
        let mut reader = self.reader();
        let mut session = reader.snapshot().unwrap();
        self.projections
            .iter()
            .flat_map(|projection| projection.tables)
            .map(|table| table_digest(&mut session, table.name, table.dump).unwrap())
            .collect()
    }

    /// Digests of the event log and its names.
    pub(crate) fn log(&self) -> Vec<TableDigest> {
        let mut reader = self.reader();
        let mut session = reader.snapshot().unwrap();
        LOG_TABLES
            .iter()
            .map(|table| table_digest(&mut session, table.name, table.dump).unwrap())
            .collect()
    }

    /// Fails if an index of words does not fit its texts, as the engine itself compares them.
    #[track_caller]
    pub(crate) fn assert_searchable(&self) {
        let options = sqlite::Options::default();
        let mut database = Database::open_writer(&self.path, options).unwrap();
        let mut session = database.begin().unwrap();
        for (table, index) in search_index::all() {
            let checked = session.write(index.check, &[]);
            assert!(checked.is_ok(), "{table}: {checked:?}");
        }
    }

    /// Folds the log into a scratch database and names the tables that come out otherwise.
    pub(crate) fn unequal_after_rebuild(&self) -> Vec<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let options = sqlite::Options {
            durability: Durability::Scratch,
            cache_kib: 8_192,
            ..sqlite::Options::default()
        };
        let mut scratch = Database::open_writer(&folder.path().join("s.db"), options).unwrap();
        let mut live = self.reader();
        let comparisons =
            rebuild::compare(&mut live, &mut scratch, self.projections, &mut |_, _, _| {}).unwrap();
        let tables = self
            .projections
            .iter()
            .flat_map(|projection| projection.tables)
            .map(|table| 1 + usize::from(table.index.is_some()));
        assert_eq!(comparisons.len(), tables.sum::<usize>());
        comparisons
            .iter()
            .filter(|comparison| !comparison.is_equal())
            .map(|comparison| comparison.live.table)
            .collect()
    }
}

impl Drop for BenchBox {
    fn drop(&mut self) {
        self.shutdown.stop();
        self.handle = None;
        if let Some(thread) = self.thread.take() {
            // A test that expects an error has taken it by `stop`.
            let _ = thread.join();
        }
    }
}

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let pause = Shutdown::new();
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        pause.wait(Duration::from_millis(5));
    }
}

/// Projections that live as long as the test run.
pub(crate) fn leaked(projections: Vec<Projection>) -> &'static [Projection] {
    Box::leak(projections.into_boxed_slice())
}
