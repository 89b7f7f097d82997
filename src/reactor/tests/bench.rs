//! A house on the bench for tests: the real writer with its reactors, a clock moved by hand, messages
//! through the real decoder.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::base::clock::{Clock, SECOND_NS, UnixNanos};
use crate::base::shutdown::Shutdown;
use crate::decode::{Inbound, Rules, decode};
use crate::ingest::pin_desk::PinDesk;
use crate::reactor::Settings;
use crate::reactor::pin::PinHash;
use crate::read_model;
use crate::storage::sqlite::{Database, Durability, Options as SqliteOptions};
use crate::storage::{Owned, all};
use crate::writer::{
    self, Handle, Reactions, Submission, WriterError, rebuild, sabotage::Sabotage,
};

/// When a bench's clock begins: Friday 2026-11-20, 12:00 UTC.
pub(crate) const NOON: UnixNanos = 1_795_132_800 * SECOND_NS + 12 * 3_600 * SECOND_NS;

/// The house.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Clock,
    settings: Settings,
    rules: Rules,
    pin: Option<PinHash>,
    desk: PinDesk,
    handle: Option<Handle>,
    thread: Option<JoinHandle<Result<(), WriterError>>>,
}

impl House {
    /// A house with these settings and no PIN.
    pub(crate) fn new(settings: Settings) -> Self {
        Self::with_pin(settings, None)
    }

    /// The same with a PIN.
    pub(crate) fn with_pin(settings: Settings, pin: Option<PinHash>) -> Self {
        let prefix = "vigilar".parse().unwrap();
        let mut house = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::fixed(NOON),
            settings,
            rules: Rules::new(prefix, Vec::new()),
            pin,
            desk: PinDesk::default(),
            handle: None,
            thread: None,
        };
        house.start();
        house
    }

    fn start(&mut self) {
        let options = writer::Options {
            path: self.path(),
            durability: Durability::Scratch,
            cache_kib: 4_096,
            clock: self.clock.clone(),
            projections: read_model::ALL,
            reactions: Reactions::all(self.settings.clone()),
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let started =
            writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
        let core = started.writer;
        let thread = std::thread::Builder::new().name("writer".into());
        self.thread = Some(thread.spawn(move || core.run()).unwrap());
        self.handle = Some(started.handle);
        let mut reader = Database::open_reader(&self.path()).unwrap();
        self.desk = PinDesk::new(self.pin.clone(), &mut reader.snapshot().unwrap()).unwrap();
    }

    /// The power fails and comes back, with other settings perhaps.
    pub(crate) fn restart(&mut self, settings: Option<Settings>) {
        self.stop();
        if let Some(settings) = settings {
            self.settings = settings;
        }
        self.start();
    }

    fn stop(&mut self) {
        self.handle = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("nightjar.db")
    }

    /// To the writer.
    pub(crate) fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    /// A message comes in, and everything that follows from it is stored.
    pub(crate) fn publish(&self, topic: &str, payload: &str) {
        self.deliver(topic, payload, false);
    }

    /// The same for a retained one.
    pub(crate) fn publish_retained(&self, topic: &str, payload: &str) {
        self.deliver(topic, payload, true);
    }

    fn deliver(&self, topic: &str, payload: &str, retain: bool) {
        let inbound = Inbound {
            topic: topic.into(),
            payload: payload.into(),
            qos: 1,
            retain,
            received_at: self.clock.now(),
        };
        let mut decoded = decode(&inbound, &self.rules);
        self.desk.judge(&mut decoded, false, inbound.received_at);
        self.handle()
            .submit(Submission {
                events: decoded.events,
                publisher_id: decoded.publisher_id,
                ..Submission::default()
            })
            .unwrap();
        self.handle().barrier().unwrap();
    }

    /// So many seconds pass, and the reactors are asked what is due, once, at their end.
    pub(crate) fn wait(&self, seconds: i64) {
        self.clock.set(self.clock.now() + seconds * SECOND_NS);
        self.handle().tick().unwrap();
    }

    /// Every row of a query, its columns joined by blanks.
    pub(crate) fn rows(&self, sql: &'static str) -> Vec<String> {
        let mut reader = Database::open_reader(&self.path()).unwrap();
        let columns = std::cell::Cell::new(0);
        reader
            .query_text(
                sql,
                &mut |names| {
                    columns.set(names.len());
                    Ok(())
                },
                &mut |_| Ok(()),
            )
            .unwrap();
        all(&mut reader.snapshot().unwrap(), sql, &[], |row| {
            let cells: Result<Vec<_>, _> = (0..columns.get())
                .map(|column| {
                    Ok(match row.owned(column)? {
                        Owned::Null => "-".to_owned(),
                        Owned::Integer(number) => number.to_string(),
                        Owned::Real(number) => number.to_string(),
                        Owned::Text(text) => text,
                        Owned::Blob(bytes) => format!("{} bytes", bytes.len()),
                    })
                })
                .collect();
            cells.map(|cells| cells.join(" "))
        })
        .unwrap()
    }

    /// The names of tables that a rebuild would make otherwise.
    pub(crate) fn unequal_after_rebuild(&self) -> Vec<&'static str> {
        let mut live = Database::open_reader(&self.path()).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let options = SqliteOptions {
            durability: Durability::Scratch,
            ..SqliteOptions::default()
        };
        let path = scratch.path().join("scratch.db");
        let mut scratch = Database::open_writer(&path, options).unwrap();
        let quiet = &mut |_: &str, _, _| {};
        let compared = rebuild::compare(&mut live, &mut scratch, read_model::ALL, quiet).unwrap();
        compared
            .into_iter()
            .filter(|table| !table.is_equal())
            .map(|table| table.live.table)
            .collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
    }
}
