//! The recordings watcher: finished clips of one folder become sealed recordings.
//!
//! One thread does everything, one file after the other, in the order that keeps one complete copy
//! of each recording at every instant (see [`clip`]): event `recording.found`, sealing, event
//! `recording.sealed`, and only then the plaintext goes. The kernel's notifications are hints; the
//! truth is a scan at the start, every so often, and whenever a hint may have been missed.
//!
//! Invariants: memory does not grow with the number of files; nothing is sealed or deleted without
//! a key that may be used; nothing is deleted before the event that says why is durable; whatever is
//! wrong with a file, the key, the folder or the database, the thread goes on and says so in
//! [`Health`]. It ends only when it is told to, or when the writer has ended.

mod adoption;
mod batch;
mod clip;
mod hints;
mod keys;
mod media;
mod place;
mod queue;
mod records;
mod reencryption;
pub mod retention;
mod root;
mod thumbnail;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::place::Place;

use self::hints::{Inlet, Outlet};
pub use self::keys::is_known_content;
use self::queue::{Look, Queue};
use self::records::{Records, State};
use self::reencryption::Reencryption;
pub use self::reencryption::{ReencryptError, Tally as Reencrypted, reencrypt};
use self::retention::{Desk, Keeper};
use self::thumbnail::Wanted;
use crate::base::clock::{Clock, UnixNanos};
use crate::base::shutdown::Shutdown;
use crate::base::telemetry::Telemetry;
use crate::event::NewEvent;
use crate::event::recording::printable_path;
use crate::event::system::{Noted, Weight};
use crate::storage::StorageError;
use crate::vault::admission::AdmissionOptions;
use crate::vault::folder::Folder;
use crate::vault::key::{KeyEnvironment, KeyId, KeyOptions};
use crate::vault::recovery;
use crate::vault::scan::{Entry, IgnoreReason, Tally, scan};
use crate::vault::seal::SealOptions;
use crate::writer::{Handle, Receipt, WriterError};

/// How often an idle watcher looks whether it shall stop or has missed a hint.
const LOOK_UP: Duration = Duration::from_millis(200);
/// How often a missing key or folder, or an unreadable database, is looked for again.
const TROUBLE_EVERY: Duration = Duration::from_secs(5);
/// Temp files that one scan deletes; a crash leaves one.
const LEFTOVERS_MAX: usize = 1_024;

/// How the watcher works.
#[derive(Debug)]
pub struct Options {
    /// The recordings folder. It need not exist yet.
    pub folder: PathBuf,
    /// The main database, to look up what is known.
    pub database: PathBuf,
    /// Where the key lies. It is read anew for every file, so that a change is noticed.
    pub key: KeyOptions,
    /// The environment in which the key is looked for.
    pub key_environment: KeyEnvironment,
    /// Id (hex) of a key that may be used although the recordings so far were sealed under another.
    pub accepted_key: Option<String>,
    /// Which files may be sealed.
    pub admission: AdmissionOptions,
    /// How they are sealed.
    pub seal: SealOptions,
    /// Extensions of recordings, lower case; of those that the vault knows.
    pub extensions: Vec<String>,
    /// How a path tells camera and start.
    pub place: Place,
    /// Time between two scans.
    pub scan_every: Duration,
    /// How long a file must have been the same before it counts as finished.
    pub settle: Duration,
    /// Which recordings are deleted by themselves.
    pub retention: retention::Settings,
    /// Whether the kernel is asked for hints; without, only the scans find new files.
    pub use_inotify: bool,
}

impl Options {
    /// The usual ones for these two paths.
    pub fn new(folder: &Path, database: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            database: database.to_owned(),
            key: KeyOptions::default(),
            key_environment: KeyEnvironment::default(),
            accepted_key: None,
            admission: AdmissionOptions::default(),
            seal: SealOptions::default(),
            extensions: crate::vault::names::CLIP_EXTENSIONS.map(Into::into).into(),
            place: Place::default(),
            scan_every: Duration::from_mins(1),
            // Longer than the pauses of a recorder that writes with the keyframes.
            settle: Duration::from_secs(2),
            retention: retention::Settings::default(),
            use_inotify: true,
        }
    }
}

/// How the watcher is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What a person has to look after; health is red while there is something.
    pub trouble: Option<String>,
    /// Files seen that wait for their turn, or for their writer to finish.
    pub waiting: u64,
    /// Files that wait for a key.
    pub keyless: u64,
    /// Files that could not be sealed and are tried again.
    pub unsealable: u64,
    /// Recordings sealed since the start.
    pub sealed: u64,
    /// Sealed files without a row that were taken over since the start.
    pub adopted: u64,
    /// Files of recordings that are still to be encrypted anew under the current key.
    #[serde(default)]
    pub to_reencrypt: u64,
    /// What the last scan passed over, by reason.
    pub ignored: BTreeMap<String, u64>,
    /// The folder's file system, when it was measured last.
    pub disk: Option<retention::plan::Disk>,
    /// In how many days recordings go for the disk, if more come as they do.
    pub days_until_critical: Option<u64>,
    /// What somebody should know of retention.
    pub warning: Option<String>,
    /// When the last whole scan ended, Unix nanoseconds.
    pub scanned_at: Option<UnixNanos>,
}

/// Why a piece of work could not be brought to its end.
#[derive(Debug, Error)]
pub enum Stop {
    /// Nothing can be stored any more: the end.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The database could not be read: later.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The watcher, to be run on a thread of its own.
pub struct Watcher {
    options: Options,
    writer: Handle,
    telemetry: Arc<Telemetry>,
    clock: Clock,
    shutdown: Shutdown,
    health: Arc<Mutex<Health>>,
    outlet: Outlet,
    inlet: Inlet,
    folder: Option<Arc<Folder>>,
    /// Device and inode of the folder, to notice another one mounted in its place.
    folder_id: Option<(u64, u64)>,
    watch: Option<notify::RecommendedWatcher>,
    folder_trouble: Option<String>,
    key_trouble: Option<String>,
    key_checked_at: Option<Instant>,
    /// The key that may seal although another one sealed the newest recording.
    key_accepted: Option<KeyId>,
    database_trouble: Option<String>,
    records: Records,
    queue: Queue,
    keeper: Keeper,
    next_scan: Instant,
    adoption_due: bool,
    reencryption: Reencryption,
    /// Whether the last piece of work was many small files, so that a large one gets its turn.
    batched: bool,
    /// Sealed files that the next scan should find; another number asks for an adoption.
    sealed_files: Option<u64>,
    ignored: BTreeMap<IgnoreReason, u64>,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Watcher {
    /// A watcher that has not looked at anything yet.
    pub fn new(
        mut options: Options,
        writer: Handle,
        telemetry: Arc<Telemetry>,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        // The kernel's hints name whole paths, and are compared with this one.
        if let Ok(whole) = std::path::absolute(&options.folder) {
            options.folder = whole;
        }
        let (outlet, inlet) = hints::channel();
        Self {
            records: Records::new(&options.database),
            queue: Queue::new(options.settle),
            keeper: Keeper::new(options.retention.clone(), shutdown.clone()),
            options,
            writer,
            telemetry,
            clock,
            shutdown,
            health: Arc::default(),
            outlet,
            inlet,
            folder: None,
            folder_id: None,
            watch: None,
            folder_trouble: None,
            key_trouble: None,
            key_checked_at: None,
            key_accepted: None,
            database_trouble: None,
            next_scan: Instant::now(),
            adoption_due: true,
            reencryption: Reencryption::default(),
            batched: false,
            sealed_files: None,
            ignored: BTreeMap::new(),
        }
    }

    /// How it is doing, shared.
    pub fn health(&self) -> Arc<Mutex<Health>> {
        Arc::clone(&self.health)
    }

    /// Where people's orders are taken.
    pub fn desk(&self) -> Desk {
        self.keeper.desk()
    }

    /// Watches and seals until the shutdown is signalled or the writer has ended.
    ///
    /// A file that is being sealed is sealed to its end first.
    pub fn run(mut self) {
        let _farewell = Farewell(self.health());
        while !self.shutdown.is_stopped() {
            let now = Instant::now();
            let pause = match self.step(now) {
                Ok(None) => continue,
                Ok(Some(until)) => until.saturating_duration_since(now).min(LOOK_UP),
                Err(error) => {
                    if !self.shutdown.is_stopped() {
                        tracing::error!(%error, "the recordings watcher has ended");
                        self.show(|health| {
                            health.trouble = Some(format!("the watcher has ended: {error}"));
                        });
                    }
                    return;
                }
            };
            match self.inlet.paths.recv_timeout(pause) {
                Ok(path) => self.take_hint(&path, Instant::now()),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// Does one piece of work; when there is none, says when the next is due.
    fn step(&mut self, now: Instant) -> Result<Option<Instant>, WriterError> {
        while let Ok(path) = self.inlet.paths.try_recv() {
            self.take_hint(&path, now);
        }
        if self.inlet.has_missed() {
            // Not at once: a flood of events must not become a flood of scans.
            self.next_scan = self.next_scan.min(now + self.options.settle);
        }
        if self.queue.wants_more() || self.is_key_back(now) {
            self.next_scan = now;
        }
        let outcome = if let Some(outcome) = self.keep(now) {
            outcome
        } else if now >= self.next_scan {
            self.next_scan = now + self.options.scan_every;
            self.scan(now)
        } else {
            match self.take_work(now) {
                Ok(files) => self.work_all(files, now),
                Err(_) if self.adoption_due && self.queue.is_idle() && self.can_seal() => {
                    self.adopt()
                }
                Err(_) if self.is_reencryption_due() && self.queue.is_idle() && self.can_seal() => {
                    self.reencrypt(now)
                }
                Err(due) => {
                    self.show_trouble();
                    return Ok(Some(due.unwrap_or(self.next_scan).min(self.next_scan)));
                }
            }
        };
        match outcome {
            Ok(()) => self.database_trouble = None,
            Err(Stop::Writer(error)) => return Err(error),
            Err(Stop::Storage(error)) => {
                tracing::warn!(%error, "the recordings watcher cannot look into the database");
                self.database_trouble = Some(error.to_string());
                self.next_scan = self.next_scan.min(now + TROUBLE_EVERY);
            }
        }
        self.show_trouble();
        Ok(None)
    }

    /// Whether there is a folder to work in and a key to work with.
    fn can_seal(&self) -> bool {
        self.folder.is_some() && self.key_trouble.is_none()
    }

    fn work(&mut self, path: PathBuf, look: Look, now: Instant) -> Result<(), Stop> {
        let began = Instant::now();
        let verdict = self.judge(&path, &look);
        // Sealing takes its time, and the settling time counts from the look that follows.
        let now = now + began.elapsed();
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(stop) => {
                let seen = look.fingerprint;
                self.queue.again(path, look, seen, now + TROUBLE_EVERY);
                return Err(stop);
            }
        };
        self.conclude(path, look, verdict, now);
        Ok(())
    }

    /// Puts a file where its verdict says.
    fn conclude(&mut self, path: PathBuf, mut look: Look, verdict: clip::Verdict, now: Instant) {
        use clip::Verdict;
        match verdict {
            Verdict::Done => {}
            Verdict::Again => {
                if let Some(found) = self.fingerprint(&path) {
                    self.queue.again(path, look, found, now);
                }
            }
            Verdict::Settled => self.queue.settle(
                path,
                Look {
                    reason: None,
                    ..look
                },
            ),
            Verdict::AwaitsKey => self.queue.await_key(
                path,
                Look {
                    reason: None,
                    ..look
                },
            ),
            Verdict::Failed { reason, passing } => {
                if passing {
                    look.failures = 0;
                }
                self.queue.retry_later(
                    path,
                    Look {
                        reason: Some(reason),
                        ..look
                    },
                    now,
                );
            }
        }
    }

    fn scan(&mut self, now: Instant) -> Result<(), Stop> {
        self.check_key(now)?;
        let Some(folder) = self.open_folder()? else {
            self.next_scan = self.next_scan.min(now + TROUBLE_EVERY);
            return Ok(());
        };
        let key_usable = self.key_trouble.is_none();
        let (mut leftovers, mut reseals, mut spare_pictures) = (Vec::new(), Vec::new(), 0);
        let mut failure = None;
        let began = Instant::now();
        self.queue.begin_scan();
        let scanned = scan(&folder, &mut |entry| match entry {
            Entry::Clip { path, fingerprint } if self.takes(&path) => {
                match self.is_known(&path, &fingerprint, key_usable) {
                    Ok(true) => {}
                    Ok(false) => {
                        let seen_at = now + began.elapsed();
                        self.queue.see(&path, fingerprint, seen_at, key_usable);
                    }
                    Err(error) => failure = Some(error),
                }
            }
            Entry::Picture { path, fingerprint } => match self.wants(&path) {
                Ok(Wanted::Now) => {
                    let seen_at = now + began.elapsed();
                    self.queue.see(&path, fingerprint, seen_at, key_usable);
                }
                Ok(Wanted::Later) => {}
                Ok(Wanted::Never) => spare_pictures += 1,
                Err(error) => failure = Some(error),
            },
            Entry::Leftover { path } if leftovers.len() < LEFTOVERS_MAX => leftovers.push(path),
            Entry::Reseal { path } if reseals.len() < LEFTOVERS_MAX => reseals.push(path),
            _ => {}
        });
        if let Some(error) = failure {
            return Err(error.into());
        }
        match scanned {
            Ok(mut tally) => {
                if spare_pictures > 0 {
                    let spare = IgnoreReason::SparePicture;
                    tally.ignored.insert(spare, spare_pictures);
                }
                self.end_scan(&tally);
            }
            Err(error) => return self.note_folder(Some(error.to_string())),
        }
        // Nothing is being sealed while this thread is here, so these are nobody's.
        for path in leftovers {
            if let Err(error) = recovery::remove_leftover(&folder, &path) {
                tracing::warn!(%error, "a leftover of a sealing stays");
            }
        }
        reencryption::settle(&folder, &mut self.records, &reseals)?;
        self.plan_reencryption(now)
    }

    fn end_scan(&mut self, tally: &Tally) {
        self.queue.end_scan();
        if self.sealed_files.replace(tally.sealed) != Some(tally.sealed) {
            self.adoption_due = true;
        }
        let mut shown = BTreeMap::new();
        for (reason, count) in tally
            .ignored
            .iter()
            .filter(|(r, _)| **r != IgnoreReason::Vanished)
        {
            // A counter only grows, and the same file is met by every scan.
            let before = self.ignored.get(reason).copied().unwrap_or(0);
            self.telemetry
                .recordings_ignored
                .add(count.saturating_sub(before));
            shown.insert(reason.code().to_owned(), *count);
        }
        self.ignored.clone_from(&tally.ignored);
        let now = self.clock.now();
        self.show(|health| {
            health.ignored = shown;
            health.scanned_at = Some(now);
        });
    }

    /// Whether looking at the file would bring nothing new, though the queue had no room to remember
    /// that.
    fn is_known(
        &mut self,
        path: &Path,
        fingerprint: &crate::vault::folder::Fingerprint,
        key_usable: bool,
    ) -> Result<bool, StorageError> {
        if !self.queue.aside_is_full() || self.queue.holds(path) {
            return Ok(false);
        }
        let row = self.records.newest(&printable(path))?;
        Ok(row.is_some_and(|row| {
            let same = row.found.is_some_and(|found| found.is(fingerprint));
            let idle = row.state == State::Failed
                || row.state == State::Open && (!key_usable || fingerprint.size_bytes == 0);
            same && idle
        }))
    }

    fn note(&self, component: &str, level: Weight, text: &str) -> Result<(), WriterError> {
        let noted = Noted {
            component: component.to_owned(),
            level,
        };
        let stream = format!("system/{component}");
        self.store(NewEvent::own(self.clock.now(), stream, noted).with_text(text))
            .map(|_| ())
    }

    /// Stores an event durably; returns its position.
    fn store(&self, event: NewEvent) -> Result<i64, WriterError> {
        match self.writer.store(vec![event])? {
            Receipt::Stored(positions) => Ok(positions.first().copied().unwrap_or_default()),
            Receipt::Duplicate(position) => Ok(position),
        }
    }

    /// Stores events durably, in one transaction; returns their positions.
    fn store_all(&self, events: Vec<NewEvent>) -> Result<Vec<i64>, WriterError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        match self.writer.store(events)? {
            Receipt::Stored(positions) => Ok(positions),
            Receipt::Duplicate(position) => Ok(vec![position]),
        }
    }

    fn show(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn show_trouble(&self) {
        let (failed, example) = self.queue.failed();
        let unsealable = example.map(|(path, reason)| {
            let path = printable(path);
            format!("{failed} recordings cannot be sealed; {path}: {reason}")
        });
        let trouble = [
            &self.folder_trouble,
            &self.database_trouble,
            &self.key_trouble,
        ]
        .into_iter()
        .find_map(Clone::clone)
        .or(unsealable)
        .or_else(|| self.keeper.trouble());
        self.show(|health| {
            health.trouble = trouble;
            health.warning = self.keeper.warning();
            health.waiting = self.queue.waiting() as u64;
            health.keyless = self.queue.keyless() as u64;
            health.unsealable = failed as u64;
        });
    }
}

/// Says so when the thread panics: a watcher that is gone in silence would look healthy.
struct Farewell(Arc<Mutex<Health>>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            health.trouble = Some("the watcher has ended by a fault of its own; restart".into());
        }
    }
}

/// Whether these first bytes of a file, [`HEAD_BYTES`](media::HEAD_BYTES) if there are so many, are
/// those of a video.
pub fn is_video(head: &[u8]) -> bool {
    media::container(&head[..head.len().min(media::HEAD_BYTES)]).is_some()
}

/// A path as it stands in streams and tables.
fn printable(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    printable_path(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests;
