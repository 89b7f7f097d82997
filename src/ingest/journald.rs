//! The journal of systemd, read through `journalctl -f -o json`.
//!
//! The place is the cursor of the last entry, stored in the transaction of the entries themselves;
//! the next child begins behind it. A child that ends is started again, after pauses that grow while
//! nothing comes.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::logfile::{FirstRead, read_line};
use super::pace::Pace;
use super::places;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::decode::MAX_PARSED_BYTES;
use crate::decode::line::Context;
use crate::event::{Extra, NewEvent};
use crate::storage::StorageError;
use crate::storage::sqlite::Database;
use crate::writer::{Handle, SourcePlace, Submission, WriterError};

/// The key of the place, and the source in the stream `log/<host>/journal`.
const SOURCE: &str = "journal";
const PROGRAM: &str = "journalctl";
/// Entries per submission.
const ENTRIES_MAX: usize = 500;
/// Bytes asked for at once.
const READ_BYTES: usize = 256 * 1024;
/// What is kept of what the child says on stderr.
const COMPLAINT_BYTES: usize = 1_024;
/// How often the shutdown is looked at while nothing comes.
const LOOK_UP: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
/// The first and the longest pause before a child is started again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How the journal is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The main database.
    pub database: PathBuf,
    /// The machine that the journal belongs to.
    pub host: String,
    /// Where a journal that was never read begins.
    pub first_read: FirstRead,
    /// Where programs are looked for; the process's own path when none.
    pub search_path: Option<OsString>,
    /// The first pause before a child is started again.
    pub pause: Duration,
}

impl Options {
    /// The usual ones.
    pub fn new(database: PathBuf, host: String, first_read: FirstRead) -> Self {
        Self {
            database,
            host,
            first_read,
            search_path: None,
            pause: PAUSES.0,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    cursor: String,
    /// When the entry was written, microseconds, for a journal that no longer knows the cursor.
    #[serde(default)]
    realtime_us: i64,
}

/// What of an entry is looked at here.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "__REALTIME_TIMESTAMP", default)]
    realtime: String,
    #[serde(rename = "PRIORITY", default)]
    priority: serde_json::Value,
    #[serde(rename = "_PID", default)]
    pid: serde_json::Value,
}

/// The thread that reads the journal.
#[derive(Debug)]
pub struct Journal {
    options: Options,
    pace: Pace,
    clock: Clock,
    shutdown: Shutdown,
    zone: TimeZone,
    place: Option<Place>,
    /// The journal does not know the cursor any more: entries are told by their times.
    by_time: bool,
    /// What was told last, so that it is told once.
    told: String,
    /// The same of what a child complained of while it ran.
    complained: String,
}

/// How a child came to its end.
#[derive(Debug, Default)]
struct Ended {
    entries: u64,
    complaint: Vec<u8>,
}

impl Journal {
    /// One that has not started a child yet.
    pub fn new(options: Options, writer: Handle, clock: Clock, shutdown: Shutdown) -> Self {
        Self {
            options,
            pace: Pace::new(writer),
            clock,
            shutdown,
            zone: TimeZone::system(),
            place: None,
            by_time: false,
            told: String::new(),
            complained: String::new(),
        }
    }

    /// Reads until the shutdown is signalled or the writer has ended.
    pub fn run(mut self) {
        let mut pause = self.options.pause;
        while let Err(error) = self.load_place() {
            tracing::warn!(%error, "cannot look up how far the journal was read");
            if self.shutdown.wait(PAUSES.1) {
                return;
            }
        }
        loop {
            let told = match self.follow() {
                Ok(Ok(ended)) => {
                    if ended.entries > 0 {
                        pause = self.options.pause;
                    }
                    Some(self.judge(&ended))
                }
                Ok(Err(_)) => return,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Some(
                    "there is no journalctl on this machine; `[logs] journald = false` stops \
                     looking for it"
                        .to_owned(),
                ),
                Err(error) => Some(format!("the journal cannot be read: {error}")),
            };
            if self.shutdown.is_stopped() || self.tell(told).is_err() || self.shutdown.wait(pause) {
                return;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn load_place(&mut self) -> Result<(), StorageError> {
        let mut database = Database::open_reader(&self.options.database)?;
        self.place = places::read(&mut database.snapshot()?, SOURCE)?;
        Ok(())
    }

    fn tell(&mut self, text: Option<String>) -> Result<(), WriterError> {
        let Some(text) = text.filter(|text| *text != self.told) else {
            return Ok(());
        };
        self.told.clone_from(&text);
        self.note(&text)
    }

    fn note(&mut self, text: &str) -> Result<(), WriterError> {
        self.pace.submit(Submission {
            events: vec![places::note(self.clock.now(), text)],
            ..Submission::default()
        })
    }

    /// The first line that a child says on stderr, while it may run on for years.
    fn tell_complaint(&mut self, complaint: &[u8]) -> Result<(), WriterError> {
        let Some(end) = complaint.iter().position(|&byte| byte == b'\n') else {
            return Ok(());
        };
        let line = String::from_utf8_lossy(&complaint[..end]).trim().to_owned();
        if line.is_empty() || line == self.complained {
            return Ok(());
        }
        let text = format!("journalctl says: {line}");
        self.complained = line;
        self.note(&text)
    }

    /// What is to be told of a child's end.
    fn judge(&mut self, ended: &Ended) -> String {
        let complaint = String::from_utf8_lossy(&ended.complaint);
        let complaint = complaint.trim();
        if ended.entries == 0 && !self.by_time && complaint.contains("cursor") {
            self.by_time = self.place.is_some();
            return format!(
                "the journal does not know any more how far it was read ({complaint}); it is read on \
                 by time"
            );
        }
        let why = if complaint.is_empty() {
            "without a word"
        } else {
            complaint
        };
        format!("journalctl has ended ({why}); it is started again")
    }

    /// Runs one child to its end. The outer error is the system's, the inner one the writer's.
    fn follow(&mut self) -> io::Result<Result<Ended, WriterError>> {
        let mut child = self.command().spawn()?;
        let outcome = self.read_all(&mut child);
        let _ = child.kill();
        child.wait()?;
        outcome
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["--follow", "--output=json", "--all", "--no-pager"]);
        match &self.place {
            Some(place) if self.by_time => {
                command.arg("--no-tail");
                command.arg(format!("--since=@{}", place.realtime_us / 1_000_000));
            }
            // Following alone would skip all but the last ten entries.
            Some(place) => {
                command.arg("--no-tail");
                command.arg(format!("--after-cursor={}", place.cursor));
            }
            None if self.options.first_read == FirstRead::All => {
                command.arg("--no-tail");
            }
            None => {
                command.arg("--lines=0");
            }
        }
        if let Some(path) = &self.options.search_path {
            command.env("PATH", path);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn read_all(&mut self, child: &mut Child) -> io::Result<Result<Ended, WriterError>> {
        let (mut stdout, mut stderr) = pipes(child)?;
        let mut ended = Ended::default();
        let mut waiting: Vec<u8> = Vec::new();
        let mut is_passing = false;
        while !self.shutdown.is_stopped() {
            let (entries, complaints) = ready(&stdout, stderr.as_ref())?;
            if complaints && !listen(&mut stderr, &mut ended.complaint) {
                stderr = None;
            }
            if complaints && let Err(error) = self.tell_complaint(&ended.complaint) {
                return Ok(Err(error));
            }
            if !entries {
                continue;
            }
            let before = waiting.len();
            waiting.resize(before + READ_BYTES, 0);
            let read = stdout.read(&mut waiting[before..])?;
            waiting.truncate(before + read);
            if read == 0 {
                while listen(&mut stderr, &mut ended.complaint) {}
                break;
            }
            let Some(end) = waiting.iter().rposition(|&byte| byte == b'\n') else {
                is_passing |= waiting.len() > MAX_PARSED_BYTES;
                if is_passing {
                    waiting.clear();
                }
                continue;
            };
            let whole: Vec<u8> = waiting.drain(..=end).collect();
            let mut lines: Vec<&[u8]> = whole[..end].split(|&byte| byte == b'\n').collect();
            if std::mem::take(&mut is_passing) {
                lines.remove(0);
                let text = format!(
                    "an entry of the journal with more than {MAX_PARSED_BYTES} bytes was passed over"
                );
                if let Err(error) = self.tell(Some(text)) {
                    return Ok(Err(error));
                }
            }
            ended.entries += lines.len() as u64;
            for lines in lines.chunks(ENTRIES_MAX) {
                if let Err(error) = self.store(lines) {
                    return Ok(Err(error));
                }
            }
        }
        Ok(Ok(ended))
    }

    /// Submits entries with the place behind the last of them.
    fn store(&mut self, lines: &[&[u8]]) -> Result<(), WriterError> {
        let now = self.clock.now();
        let mut events: Vec<NewEvent> = Vec::with_capacity(lines.len());
        let mut place = None;
        for &line in lines {
            let entry = serde_json::from_slice::<Entry>(line).ok();
            let realtime_us = entry
                .as_ref()
                .map_or(0, |entry| entry.realtime.parse().unwrap_or(0));
            if self.by_time && realtime_us <= self.place.as_ref().map_or(0, |p| p.realtime_us) {
                continue;
            }
            if !entry.as_ref().is_some_and(Entry::is_our_echo) {
                let context = Context {
                    host: &self.options.host,
                    source: SOURCE,
                    received_at: now,
                    zone: &self.zone,
                };
                events.push(read_line(line, Extra::new(), &context));
            }
            if let Some(entry) = entry {
                place = Some(Place {
                    cursor: entry.cursor,
                    realtime_us,
                });
            }
        }
        let stored = place.as_ref().map(|place| SourcePlace {
            source: SOURCE.into(),
            place: serde_json::to_string(place).unwrap_or_default(),
        });
        if place.is_some() {
            self.by_time = false;
            self.place = place;
        }
        self.submit(lines, events, stored)
    }

    fn submit(
        &mut self,
        lines: &[&[u8]],
        events: Vec<NewEvent>,
        place: Option<SourcePlace>,
    ) -> Result<(), WriterError> {
        self.pace.submit(Submission {
            events,
            place,
            size_bytes: lines.iter().map(|line| line.len()).sum(),
            ..Submission::default()
        })
    }
}

impl Entry {
    /// Whether this program said it for developers: to store it would make it say it again.
    fn is_our_echo(&self) -> bool {
        self.priority == "7" && self.pid.as_str() == Some(&std::process::id().to_string())
    }
}

fn pipes(child: &mut Child) -> io::Result<(ChildStdout, Option<ChildStderr>)> {
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((stdout, child.stderr.take()))
}

/// Whether there are entries, and whether there are complaints.
fn ready(stdout: &ChildStdout, stderr: Option<&ChildStderr>) -> io::Result<(bool, bool)> {
    let mut pipes = vec![PollFd::new(stdout, PollFlags::IN)];
    pipes.extend(stderr.map(|stderr| PollFd::new(stderr, PollFlags::IN)));
    match poll(&mut pipes, Some(&LOOK_UP)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let is_ready = |at: usize| pipes.get(at).is_some_and(|pipe| !pipe.revents().is_empty());
    Ok((is_ready(0), is_ready(1)))
}

/// Takes what is there of the complaints, of which the first are kept; false at their end.
fn listen(stderr: &mut Option<ChildStderr>, complaint: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 1_024];
    let read = stderr
        .as_mut()
        .map_or(0, |stderr| stderr.read(&mut buffer).unwrap_or(0));
    let room = COMPLAINT_BYTES - complaint.len().min(COMPLAINT_BYTES);
    complaint.extend(&buffer[..read.min(room)]);
    read > 0
}

#[cfg(test)]
mod tests;
