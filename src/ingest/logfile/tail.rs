//! One log, followed through its rotations.
//!
//! The file that has the log's name is read on. When the name is given to another file, or the file
//! is cut, the chain is looked at anew (see [`chain`]). While the new file is empty the
//! old one is still written to, and is still the last one; later it is kept open beside the new one
//! until the next rotation, for writers that are slow to change over.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use super::chain::{self, Chain, Link, Route, Stamp};
use super::place::{FilePlace, Place};
use super::reading::{Bounds, Line, Reading};

/// Lines of one submission: with more a commit would hold others up.
const BOUNDS: Bounds = Bounds {
    lines: 500,
    bytes: 256 * 1024,
};

/// Files that one look passes without finding a line, so that other logs get their turns.
const FILES_PER_LOOK: usize = 64;

/// Where a log that was never read begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstRead {
    /// With its oldest rotated file.
    #[default]
    All,
    /// With the next line that is written.
    End,
}

/// Lines of one file, and how far the log was read with them.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) lines: Vec<Line>,
    pub(super) place: Place,
    /// When the file was written last, for a rotated one: its lines are not later.
    pub(super) written_until: Option<i64>,
}

/// What a look at a log gave.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// New lines.
    pub(super) chunk: Option<Chunk>,
    /// What a person should know, each told once.
    pub(super) notes: Vec<String>,
    /// There may be more at once.
    pub(super) is_more: bool,
}

/// Where a log begins of which no place is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// With its oldest rotated file.
    Oldest,
    /// With the next line that is written.
    End,
    /// With the first line of the file that has its name: it was not there at first.
    Current,
}

/// How the file that is read stands to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is the log, or the log is still empty beside it.
    Same,
    /// The log goes on in another file.
    Moved,
    /// It was cut, or written anew.
    Cut,
    /// The chain has to tell.
    Unknown,
}

/// A log.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    begin: Begin,
    /// The file that is read, and before it the one that went before, if it may still grow.
    readings: VecDeque<Reading>,
    /// Rotated files wait behind the one that is read.
    is_behind: bool,
    /// Rotated files that were read to their ends, as they were then.
    passed: Vec<Stamp>,
    place: Option<Place>,
    /// What is wrong at present, so that it is told once.
    trouble: Option<String>,
    /// What was told.
    told: Vec<String>,
}

impl Tail {
    /// A log at `path` that was read as far as `place`.
    pub(super) fn new(path: &Path, first_read: FirstRead, place: Option<Place>) -> Self {
        Self {
            path: path.to_owned(),
            begin: match first_read {
                FirstRead::All => Begin::Oldest,
                FirstRead::End => Begin::End,
            },
            readings: VecDeque::new(),
            is_behind: false,
            passed: Vec::new(),
            place,
            trouble: None,
            told: Vec::new(),
        }
    }

    /// A log that was not there when the others were begun: what it holds is new.
    pub(super) fn is_late(&mut self) {
        if self.begin == Begin::End {
            self.begin = Begin::Current;
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether lines of its files were not read yet.
    pub(super) fn has_unread(&self) -> bool {
        self.is_behind || self.readings.iter().any(Reading::has_unread)
    }

    /// Looks for new lines. `now` is what the place will say as the time of this look.
    pub(super) fn look(&mut self, now: i64) -> Look {
        let mut look = Look::default();
        match self.step(now, &mut look) {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    let path = self.path.display();
                    look.notes.push(format!("{path} can be read again"));
                }
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound {
                    self.is_late();
                }
                self.tell_trouble(&error, &mut look);
            }
        }
        look
    }

    fn tell_trouble(&mut self, error: &io::Error, look: &mut Look) {
        let path = self.path.display();
        let trouble = match error.kind() {
            io::ErrorKind::NotFound => format!("{path} is not there; it is looked for again"),
            io::ErrorKind::PermissionDenied => format!(
                "{path} may not be read by this user; adding the user to the group of the file \
                 (often adm) helps"
            ),
            _ => format!("{path} cannot be read: {error}; it is tried again"),
        };
        if self.trouble.as_ref() != Some(&trouble) {
            look.notes.push(trouble.clone());
            self.trouble = Some(trouble);
        }
    }

    fn step(&mut self, now: i64, look: &mut Look) -> io::Result<()> {
        for _ in 0..FILES_PER_LOOK {
            match self.standing()? {
                Standing::Same => break,
                Standing::Moved => {
                    if self.read(now, true, look) {
                        look.is_more = true;
                        return Ok(());
                    }
                    self.pass();
                    self.find(now, false, look)?;
                }
                Standing::Cut => self.find(now, true, look)?,
                Standing::Unknown => self.find(now, false, look)?,
            }
            let is_current = |last: &Reading| *last.path() == self.path;
            if look.chunk.is_some() {
                return Ok(());
            }
            if !self.is_behind && self.readings.back().is_none_or(is_current) {
                break;
            }
        }
        self.read(now, false, look);
        look.is_more |= self.is_behind;
        Ok(())
    }

    fn standing(&self) -> io::Result<Standing> {
        // A file of which nothing was read cannot be known again when it is cut.
        let Some(last) = self.readings.back().filter(|last| last.place().offset > 0) else {
            let is_over = self
                .readings
                .back()
                .is_some_and(|last| *last.path() != self.path);
            return Ok(if is_over {
                Standing::Moved
            } else {
                Standing::Unknown
            });
        };
        // A file may be cut and then renamed.
        if last.is_cut()? {
            return Ok(Standing::Cut);
        }
        if self.is_behind {
            return Ok(Standing::Moved);
        }
        let current = match Link::of(&self.path, false) {
            Ok(link) => link,
            // In the middle of a rotation, or deleted: what is open is read on.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Same),
            Err(error) => return Err(error),
        };
        let place = last.place();
        Ok(
            if current.inode != place.inode || current.device != place.device {
                if current.bytes > 0 {
                    Standing::Moved
                } else {
                    Standing::Same
                }
            } else {
                Standing::Same
            },
        )
    }

    /// The file that is read has come to its end.
    fn pass(&mut self) {
        if let Some(stamp) = self.readings.back().and_then(|last| last.stamp().ok()) {
            self.remember(stamp);
        }
    }

    /// Once only: where the next file may not be read, each look comes here.
    fn remember(&mut self, stamp: Stamp) {
        if !self.passed.contains(&stamp) {
            self.passed.push(stamp);
        }
    }

    /// Looks at the chain for what is to be read now.
    fn find(&mut self, now: i64, is_cut: bool, look: &mut Look) -> io::Result<()> {
        let chain = Chain::look(&self.path)?;
        if chain.current.is_none() && chain.rotated.is_empty() {
            if self.readings.is_empty() {
                return Err(io::ErrorKind::NotFound.into());
            }
            return Ok(());
        }
        let is_start = self.readings.is_empty();
        let open = self.place_now(now);
        let place = if open.files.is_empty() {
            self.place.clone()
        } else {
            Some(open)
        };
        let route = match &place {
            Some(place) => chain::onwards(place, &chain),
            None if self.begin == Begin::End => {
                return self.begin_at_end(now, &chain, look);
            }
            None if self.begin == Begin::Current => {
                let begun = self.readings.back().map(|last| last.place().inode);
                chain::from_the_current(&chain, begun)
            }
            None => {
                self.tell_unread(&chain, look);
                chain::from_the_beginning(&chain)
            }
        };
        if let Some(lost) = route.lost.as_ref().filter(|_| is_start || is_cut) {
            self.tell_lost(lost, look);
        }
        self.follow(route, &chain, look)
    }

    fn begin_at_end(&mut self, now: i64, chain: &Chain, look: &mut Look) -> io::Result<()> {
        if chain.current.is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let reading = Reading::open_at_end(&self.path)?;
        // The end is a place too: what is written from now on is new, however soon a kill comes.
        let place = Place {
            files: vec![reading.place().clone()],
            read_at: now,
        };
        self.readings.push_back(reading);
        self.place = Some(place.clone());
        look.chunk = Some(Chunk {
            lines: Vec::new(),
            place,
            written_until: None,
        });
        look.is_more = true;
        Ok(())
    }

    /// Opens the first file of the route that was not passed, and the one before it.
    fn follow(&mut self, route: Route, chain: &Chain, look: &mut Look) -> io::Result<()> {
        let links = chain.rotated.iter().chain(&chain.current);
        let stamps: Vec<Stamp> = links.map(Link::stamp).collect();
        self.passed.retain(|stamp| stamps.contains(stamp));
        let before = route.before.filter(|(link, _)| !link.packed);
        let mut before =
            before.and_then(|(link, from)| Reading::open(&link.path, false, from.as_ref()).ok());
        for (at, (link, from)) in route.starts.iter().enumerate() {
            let is_current = link.path == self.path;
            let is_passed = !is_current && self.passed.contains(&link.stamp());
            if is_passed && (link.packed || from.is_none()) {
                before = None;
                continue;
            }
            match Reading::open(&link.path, link.packed, from.as_ref()) {
                Ok(reading) if is_passed => before = Some(reading),
                Ok(reading) => {
                    self.readings = before.into_iter().chain([reading]).collect();
                    let behind = &route.starts[at + 1..];
                    self.is_behind = behind.iter().any(|(link, _)| link.path != self.path);
                    return Ok(());
                }
                Err(error) if is_current => return Err(error),
                Err(error) => {
                    self.remember(link.stamp());
                    self.tell_broken(&link.path, &error, look);
                }
            }
        }
        self.is_behind = false;
        Ok(())
    }

    /// Takes the next lines; whether there were any. `all_over`: nothing is written to any of the
    /// files any more.
    fn read(&mut self, now: i64, all_over: bool, look: &mut Look) -> bool {
        for at in 0..self.readings.len() {
            let is_last = at + 1 == self.readings.len();
            let mut lines = Vec::new();
            let reading = &mut self.readings[at];
            let outcome = reading.take(BOUNDS, all_over || !is_last, &mut lines);
            let is_rotated = all_over || !is_last;
            let written_until = is_rotated.then(|| reading.modified_at());
            let ended = match outcome {
                Ok(ended) => ended,
                Err(error) => {
                    let (path, offset) = (reading.path().to_owned(), reading.place().offset);
                    if reading.is_packed() {
                        lines.extend(reading.give_up());
                    }
                    let error = io::Error::other(format!("{error}, behind byte {offset}"));
                    self.tell_broken(&path, &error, look);
                    true
                }
            };
            if !lines.is_empty() {
                let place = self.place_now(now);
                self.place = Some(place.clone());
                look.chunk = Some(Chunk {
                    lines,
                    place,
                    written_until,
                });
                look.is_more |= !ended || !is_last;
                return true;
            }
        }
        false
    }

    /// How far the open files were read; those of which nothing was read are not among them.
    fn place_now(&self, now: i64) -> Place {
        let places = self.readings.iter().map(Reading::place);
        Place {
            files: places.filter(|place| place.offset > 0).cloned().collect(),
            read_at: now,
        }
    }

    fn tell(&mut self, text: String, look: &mut Look) {
        if !self.told.contains(&text) {
            look.notes.push(text.clone());
            self.told.push(text);
        }
    }

    fn tell_lost(&mut self, lost: &FilePlace, look: &mut Look) {
        let (path, offset) = (self.path.display(), lost.offset);
        let text = format!(
            "{path}: the file that was read as far as byte {offset} is neither there nor among the \
             rotated ones; what was written to it behind that is not stored"
        );
        self.tell(text, look);
    }

    fn tell_broken(&mut self, path: &Path, error: &io::Error, look: &mut Look) {
        let path = path.display();
        let text = format!("{path} cannot be read further: {error}; the rest of the log goes on");
        self.tell(text, look);
    }

    fn tell_unread(&mut self, chain: &Chain, look: &mut Look) {
        if let Some(first) = chain.unread.first() {
            let (path, count) = (self.path.display(), chain.unread.len());
            let text = format!(
                "{path}: {count} rotated files such as {first} are packed in a way that is not read; \
                 gzip is"
            );
            self.tell(text, look);
        }
    }
}

#[cfg(test)]
mod tests;
