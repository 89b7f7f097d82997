//! What the database knows of recordings, read through a connection of the watcher's own.

use std::path::{Path, PathBuf};

use crate::event::Event;
use crate::event::recording::Found;
use crate::event_log::read::EventReader;
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError, first};
use crate::values;
use crate::vault::folder::Fingerprint;

/// The newest row of one name.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) state: State,
    pub(super) file_path: String,
    pub(super) failure: Option<String>,
    pub(super) key_id: Option<String>,
    /// The `recording.found` behind it; none if its sealed file was adopted.
    pub(super) found: Option<FoundAt>,
}

/// How far a recording has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Found, empty or failed: the next `recording.found` goes into the same row.
    Open,
    /// The same, and the last try failed.
    Failed,
    /// Sealed: a plaintext of that name is a leftover, or a new recording.
    Sealed,
    /// Nothing that has to do with a file that is there now.
    Closed,
}

/// A file as `recording.found` described it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundAt {
    /// Position of the event.
    pub(super) position: i64,
    size_bytes: i64,
    modified_at: i64,
}

impl FoundAt {
    fn new(position: i64, found: &Found) -> Self {
        Self {
            position,
            size_bytes: found.size_bytes,
            modified_at: found.modified_at,
        }
    }

    /// Whether the file is still the one that was described.
    pub(super) fn is(&self, fingerprint: &Fingerprint) -> bool {
        let size_bytes = i64::try_from(fingerprint.size_bytes);
        size_bytes == Ok(self.size_bytes) && modified_at(fingerprint) == self.modified_at
    }
}

/// When the content was changed last, Unix nanoseconds.
pub(super) fn modified_at(fingerprint: &Fingerprint) -> i64 {
    let (seconds, nanos) = fingerprint.modified;
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(nanos))
}

/// A connection that is opened when it is needed, and again after it failed.
#[derive(Debug)]
pub(super) struct Records {
    path: PathBuf,
    database: Option<Database>,
}

impl Records {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            database: None,
        }
    }

    /// Asks on a fresh snapshot.
    pub(super) fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut dyn Session) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut database = match self.database.take() {
            Some(database) => database,
            None => Database::open_reader(&self.path)?,
        };
        let answer = question(&mut database.snapshot()?)?;
        self.database = Some(database);
        Ok(answer)
    }

    /// The newest row with this name (a printable path).
    pub(super) fn newest(&mut self, name: &str) -> Result<Option<Row>, StorageError> {
        self.ask(|session| {
            let found = first(
                session,
                "SELECT id, position, state, file_path, failure, key_id FROM recordings \
                 WHERE original_name = ?1 ORDER BY id DESC LIMIT 1",
                values![name],
                |row| {
                    let text = |column| Ok(row.opt_text(column)?.map(ToOwned::to_owned));
                    let state = match row.text(2)? {
                        "found" | "empty" => State::Open,
                        "failed" => State::Failed,
                        "sealed" => State::Sealed,
                        _ => State::Closed,
                    };
                    let row_of = Row {
                        state,
                        file_path: row.text(3)?.to_owned(),
                        failure: text(4)?,
                        key_id: text(5)?,
                        found: None,
                    };
                    Ok((row.int(0)?, row.int(1)?, row_of))
                },
            )?;
            let Some((id, last, row)) = found else {
                return Ok(None);
            };
            let found = found_behind(session, id, last)?;
            Ok(Some(Row { found, ..row }))
        })
    }

    /// Whether a sealed recording lies at this printable path.
    pub(super) fn has_sealed(&mut self, file_path: &str) -> Result<bool, StorageError> {
        let found = self.ask(|session| {
            first(
                session,
                "SELECT id FROM recordings WHERE file_path = ?1 AND state = 'sealed' LIMIT 1",
                values![file_path],
                |row| row.int(0),
            )
        })?;
        Ok(found.is_some())
    }

    /// The key that the newest sealed recording was sealed under, as hex.
    pub(super) fn last_key(&mut self) -> Result<Option<String>, StorageError> {
        self.ask(|session| {
            first(
                session,
                "SELECT key_id FROM recordings WHERE state = 'sealed' AND key_id <> '' \
                 ORDER BY id DESC LIMIT 1",
                &[],
                |row| Ok(row.text(0)?.to_owned()),
            )
        })
    }
}

/// The event that described the file: the last one about the row, its cause, or the row's first.
fn found_behind(
    session: &mut dyn Session,
    id: i64,
    last: i64,
) -> Result<Option<FoundAt>, StorageError> {
    let mut reader = EventReader::new();
    let mut next = Some(last);
    while let Some(position) = next.take() {
        let Some(event) = reader.at(session, position)? else {
            break;
        };
        if let Event::RecordingFound(found) = &event.event {
            return Ok(Some(FoundAt::new(position, found)));
        }
        // Causes lie before their effects, so this ends.
        next = event.cause.filter(|cause| *cause < position);
    }
    Ok(match reader.at(session, id)?.map(|event| event.event) {
        Some(Event::RecordingFound(found)) => Some(FoundAt::new(id, &found)),
        _ => None,
    })
}
