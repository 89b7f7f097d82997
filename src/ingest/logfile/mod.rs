//! Log files, followed line by line into the event log.
//!
//! One thread reads all of them in turns, a few hundred lines at a time. How far a file was read is
//! stored in the transaction of the lines themselves, so that each line is there once, however often
//! the program is killed. The kernel's notifications are hints; the truth is a look at every file
//! every so often.
//!
//! When the writer is behind, the thread waits: a log file can wait, no line is passed over, and
//! what else happens is not held back by a first import.

mod chain;
mod names;
mod place;
mod reading;
mod tail;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use jiff::tz::TimeZone;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use self::names::Matches;
use self::place::Place;
use self::reading::Line;
pub use self::tail::FirstRead;
use self::tail::{Chunk, Tail};
use super::pace::Pace;
use super::places;
use crate::base::clock::{Clock, UnixNanos};
use crate::base::shutdown::Shutdown;
use crate::decode::line::{self, Context};
use crate::event::message::Undecodable;
use crate::event::{Extra, NewEvent};
use crate::storage::sqlite::Database;
use crate::writer::{Handle, SourcePlace, Submission, WriterError};

/// How often every file is looked at without a hint.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Between two looks when hints come in a row: a few lines per commit instead of one.
const LOOK_APART: Duration = Duration::from_millis(50);
/// How often patterns are looked up.
const MATCH_EVERY: Duration = Duration::from_secs(10);

/// A log, or a pattern of logs.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// `/var/log/auth.log`, `/var/log/nginx/*.log`
    pub path: PathBuf,
    /// What it is called in the stream `log/<host>/<source>`.
    pub source: String,
    /// The zone of times without an offset.
    pub zone: TimeZone,
    /// Where it begins when it was never read.
    pub first_read: FirstRead,
}

/// What is followed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The main database.
    pub database: PathBuf,
    /// The machine that the files belong to.
    pub host: String,
    /// The files.
    pub files: Vec<LogFile>,
}

/// The thread that follows them.
#[derive(Debug)]
pub struct Follower {
    options: Options,
    pace: Pace,
    clock: Clock,
    shutdown: Shutdown,
    /// Each with the number of its entry in the options.
    tails: BTreeMap<PathBuf, (Tail, usize)>,
    matched_at: Option<Instant>,
    /// Entries of the options whose patterns match too many files, which was told.
    crowded: BTreeSet<usize>,
    hints: Hints,
}

impl Follower {
    /// One that has not looked at anything yet.
    pub fn new(options: Options, writer: Handle, clock: Clock, shutdown: Shutdown) -> Self {
        Self {
            options,
            pace: Pace::new(writer),
            clock,
            shutdown,
            tails: BTreeMap::new(),
            matched_at: None,
            crowded: BTreeSet::new(),
            hints: Hints::new(),
        }
    }

    /// Follows until the shutdown is signalled or the writer has ended.
    pub fn run(mut self) {
        while !self.shutdown.is_stopped() {
            match self.round() {
                Ok(true) => continue,
                Ok(false) => {}
                // The writer says itself why it has ended.
                Err(_) => return,
            }
            if self.shutdown.wait(LOOK_APART) {
                return;
            }
            select! {
                recv(self.shutdown.signal()) -> _ => return,
                recv(self.hints.bell) -> _ => {}
                default(LOOK_EVERY) => {}
            }
        }
    }

    /// Looks at every file once; whether there may be more at once.
    fn round(&mut self) -> Result<bool, WriterError> {
        if self.matched_at.is_none_or(|at| at.elapsed() >= MATCH_EVERY) {
            match self.find_files() {
                Ok(()) => {}
                Err(WriterError::Storage(error)) => {
                    tracing::warn!(%error, "cannot look up how far the log files were read");
                    return Ok(false);
                }
                Err(stopped) => return Err(stopped),
            }
            self.matched_at = Some(Instant::now());
        }
        let mut is_more = false;
        for (tail, file) in self.tails.values_mut() {
            let now = self.clock.now();
            let look = tail.look(now);
            is_more |= look.is_more;
            let mut events: Vec<_> = look
                .notes
                .iter()
                .map(|text| places::note(now, text))
                .collect();
            let mut size_bytes = 0;
            let mut place = None;
            if let Some(chunk) = look.chunk {
                size_bytes = chunk.lines.iter().map(|line| line.bytes.len()).sum();
                let (host, file) = (&self.options.host, &self.options.files[*file]);
                events.extend(
                    chunk
                        .lines
                        .iter()
                        .map(|line| event(line, &chunk, host, file, now)),
                );
                place = Some(source_place(tail.path(), &chunk.place));
            }
            if !events.is_empty() || place.is_some() {
                self.pace.submit(Submission {
                    events,
                    place,
                    size_bytes,
                    ..Submission::default()
                })?;
            }
        }
        Ok(is_more)
    }

    /// Takes up the files that are there or were named, each from its place.
    fn find_files(&mut self) -> Result<(), WriterError> {
        let is_first = self.matched_at.is_none();
        let mut found: Vec<(PathBuf, usize)> = Vec::new();
        let mut crowded = Vec::new();
        for (number, file) in self.options.files.iter().enumerate() {
            let whole = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
            if names::is_pattern(&whole) {
                let matches = names::matches(&whole);
                if matches.left_out > 0 && self.crowded.insert(number) {
                    crowded.push(too_many(&whole, &matches));
                }
                found.extend(matches.paths.into_iter().map(|path| (path, number)));
            } else {
                found.push((whole, number));
            }
        }
        if !crowded.is_empty() {
            let now = self.clock.now();
            let notes = crowded.iter().map(|text| places::note(now, text));
            self.pace.submit(Submission {
                events: notes.collect(),
                ..Submission::default()
            })?;
        }
        let present: BTreeSet<_> = found.iter().map(|(path, _)| path.clone()).collect();
        // What a pattern no longer matches is read to its end first.
        self.tails
            .retain(|path, (tail, _)| present.contains(path) || tail.has_unread());
        found.retain(|(path, _)| !self.tails.contains_key(path));
        if found.is_empty() {
            return Ok(());
        }
        // A file that was away for a while goes on behind its last lines, which may be under way.
        self.pace.settle()?;
        let mut database = Database::open_reader(&self.options.database)?;
        let mut session = database.snapshot()?;
        for (path, number) in found {
            let file = &self.options.files[number];
            let place = places::read::<Place>(&mut session, &source_name(&path))?;
            self.hints.watch(path.parent().unwrap_or(Path::new("/")));
            let mut tail = Tail::new(&path, file.first_read, place);
            if !is_first {
                tail.is_late();
            }
            // Of two entries for one file the first counts.
            self.tails.entry(path).or_insert((tail, number));
        }
        Ok(())
    }
}

fn too_many(pattern: &Path, matches: &Matches) -> String {
    let (followed, left_out) = (matches.paths.len(), matches.left_out);
    format!(
        "{} matches {} files; the {followed} that were written last are followed, {left_out} are left \
         out until they are written to; several narrower patterns follow all of them",
        pattern.display(),
        followed + left_out
    )
}

fn source_name(path: &Path) -> String {
    format!("file:{}", path.display())
}

fn source_place(path: &Path, place: &Place) -> SourcePlace {
    SourcePlace {
        source: source_name(path),
        place: serde_json::to_string(place).unwrap_or_default(),
    }
}

/// A line as an event. A rotated file was written until it was rotated: that is when the years that
/// its lines leave out are reckoned from.
fn event(line: &Line, chunk: &Chunk, host: &str, file: &LogFile, now: UnixNanos) -> NewEvent {
    let mut more = Extra::new();
    if line.piece > 0 {
        more.insert("cut".into(), true.into());
        more.insert("piece".into(), line.piece.into());
    }
    if line.is_unended {
        more.insert("unended".into(), true.into());
    }
    let context = Context {
        host,
        source: &file.source,
        received_at: chunk.written_until.map_or(now, |at| at.min(now)),
        zone: &file.zone,
    };
    let mut event = read_line(&line.bytes, more, &context);
    event.received_at = now;
    event
}

/// A line that cannot be read is kept as it is, with the reason.
pub(super) fn read_line(bytes: &[u8], more: Extra, context: &Context<'_>) -> NewEvent {
    line::event(bytes, more, context).unwrap_or_else(|reason| {
        let payload = crate::decode::redacted(&String::from_utf8_lossy(bytes)).into_bytes();
        let stream = format!("log/{}/{}", context.host, context.source);
        NewEvent::own(context.received_at, stream, Undecodable { payload }).with_text(reason)
    })
}

/// Tells that something changed in a folder; what, a look tells.
#[derive(Debug)]
struct Hints {
    bell: Receiver<()>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Hints {
    fn new() -> Self {
        // One is enough: it says that there is news, not how much.
        let (sender, bell) = bounded(1);
        let watcher = notify::recommended_watcher(move |said| ring(&sender, said));
        if let Err(error) = &watcher {
            tracing::warn!(%error, "no hints of new lines; the files are looked at every 2 s");
        }
        Self {
            bell,
            watcher: watcher.ok(),
            watched: BTreeSet::new(),
        }
    }

    fn watch(&mut self, folder: &Path) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        if self.watched.contains(folder) {
            return;
        }
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(folder.to_owned());
            }
            Err(error) => tracing::debug!(folder = %folder.display(), %error, "not watched"),
        }
    }
}

fn ring(bell: &Sender<()>, said: notify::Result<notify::Event>) {
    // Our own reading is an access too.
    if !matches!(said, Ok(event) if matches!(event.kind, EventKind::Access(_))) {
        let _ = bell.try_send(());
    }
}

#[cfg(test)]
mod tests;
