//! What is seen on the machine itself: its metrics, what ran when something happened, its logs.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{DATABASE, thread};
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::ingest::host::snapshot::Photographer;
use crate::ingest::host::{self, PROC};
use crate::ingest::journald::{self, Journal};
use crate::ingest::locator::Locator;
use crate::ingest::logfile::{self, Follower, LogFile};
use crate::writer::Handle;

/// What is seen, and how.
#[derive(Debug, Default)]
pub struct Settings {
    /// What the machine is called.
    pub name: String,
    /// Time between two samples; without it the machine is not looked at.
    pub interval: Option<Duration>,
    /// The log files.
    pub files: Vec<LogFile>,
    /// The journal, unless it is not read.
    pub journal: Option<journald::Options>,
    /// Databases of places, for the addresses that logs name.
    pub places: Vec<PathBuf>,
}

/// What all parts are handed.
pub(super) struct Shared<'a> {
    pub(super) folder: &'a Path,
    pub(super) writer: &'a Handle,
    pub(super) clock: &'a Clock,
    pub(super) shutdown: &'a Shutdown,
    /// Traces up to this position get no snapshot.
    pub(super) after: i64,
}

/// Starts a thread for each part that is wanted.
pub(super) fn start(
    settings: Settings,
    shared: &Shared<'_>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let database = shared.folder.join(DATABASE);
    let parts = || {
        (
            shared.writer.clone(),
            shared.clock.clone(),
            shared.shutdown.clone(),
        )
    };
    let mut threads = Vec::new();
    if let Some(interval) = settings.interval {
        let options = host::Options {
            proc: PROC.into(),
            name: settings.name.clone(),
            disk: shared.folder.to_owned(),
        };
        let (writer, clock, shutdown) = parts();
        let photographer = Photographer::new(
            database.clone(),
            &options,
            shared.after,
            writer,
            clock,
            shutdown,
        );
        threads.push(thread("nightjar-snapshots", move || photographer.run())?);
        let (writer, clock, shutdown) = parts();
        threads.push(thread("nightjar-host", move || {
            host::sample_steadily(&options, interval, &writer, &clock, &shutdown);
        })?);
    }
    if !settings.places.is_empty() {
        let (writer, clock, shutdown) = parts();
        let locator = Locator::new(database.clone(), settings.places, writer, clock, shutdown);
        threads.push(thread("nightjar-places", move || locator.run())?);
    }
    if !settings.files.is_empty() {
        let options = logfile::Options {
            database,
            host: settings.name,
            files: settings.files,
        };
        let (writer, clock, shutdown) = parts();
        let follower = Follower::new(options, writer, clock, shutdown);
        threads.push(thread("nightjar-logs", move || follower.run())?);
    }
    if let Some(options) = settings.journal {
        let (writer, clock, shutdown) = parts();
        let journal = Journal::new(options, writer, clock, shutdown);
        threads.push(thread("nightjar-journal", move || journal.run())?);
    }
    Ok(threads)
}
