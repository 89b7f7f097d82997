//! A writer on a thread of its own, for tests of sources.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::event::Envelope;
use crate::event_log::read::EventReader;
use crate::read_model;
use crate::storage::sqlite::{Database, Durability};
use crate::writer::{self, Handle, Reactions, WriterError, sabotage};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) clock: Clock,
    pub(super) shutdown: Shutdown,
    writer: Option<(Handle, JoinHandle<Result<(), WriterError>>)>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut bench = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::System,
            shutdown: Shutdown::new(),
            writer: None,
        };
        bench.start();
        bench
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("nightjar.db")
    }

    pub(super) fn handle(&self) -> Handle {
        self.writer.as_ref().unwrap().0.clone()
    }

    fn start(&mut self) {
        let started = self.stalled(self.database());
        let core = started.writer;
        let thread = std::thread::Builder::new().name("writer".into());
        let thread = thread.spawn(move || core.run()).unwrap();
        self.writer = Some((started.handle, thread));
    }

    /// A writer that does not run.
    pub(super) fn stalled(&self, path: PathBuf) -> writer::Started {
        let options = writer::Options {
            path,
            durability: Durability::Scratch,
            cache_kib: 4_096,
            clock: self.clock.clone(),
            projections: read_model::ALL,
            reactions: Reactions::none(),
            tick_every: None,
            sabotage: sabotage::Sabotage::NONE,
        };
        let started = writer::start(
            options,
            std::sync::Arc::default(),
            Shutdown::new(),
            &mut |_, _, _| {},
        );
        started.unwrap()
    }

    /// Ends the writer; whoever still holds a handle must have let it go.
    pub(super) fn stop(&mut self) {
        if let Some((handle, thread)) = self.writer.take() {
            drop(handle);
            thread.join().unwrap().unwrap();
        }
    }

    /// Ends the writer and starts another one on the same database.
    pub(super) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Everything that is durable.
    pub(super) fn events(&self) -> Vec<Envelope> {
        let mut database = Database::open_reader(&self.database()).unwrap();
        let mut session = database.snapshot().unwrap();
        EventReader::new()
            .after(&mut session, 0, 1_000_000)
            .unwrap()
    }

    /// The texts of the events of one stream.
    pub(super) fn texts(&self, stream: &str) -> Vec<String> {
        let events = self.events().into_iter();
        let events = events.filter(|event| *event.stream.text == *stream);
        events.map(|event| event.text.unwrap_or_default()).collect()
    }

    /// Waits until a look gives something.
    #[track_caller]
    pub(super) fn until<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
            Shutdown::new().wait(Duration::from_millis(5));
        }
    }
}
