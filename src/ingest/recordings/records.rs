//! What the database knows of recordings, read through a connection of the watcher's own.

use std::path::{Path, PathBuf};

use crate::event::Event;
use crate::event::recording::{Found, Part};
use crate::event_log::read::EventReader;
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError, all, first};
use crate::values;
use crate::vault::folder::Fingerprint;
use crate::vault::hex;

/// The newest row of one name.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) state: State,
    pub(super) file_path: String,
    pub(super) failure: Option<String>,
    pub(super) key_id: Option<String>,
    /// SHA-256 of the plaintext, as hex.
    pub(super) plain_sha256: Option<String>,
    /// The `recording.found` behind it; none if its sealed file was adopted.
    pub(super) found: Option<FoundAt>,
}

/// The recording that a picture is of.
#[derive(Clone, Debug)]
pub(super) struct Pictured {
    pub(super) id: i64,
    /// Its printable original path.
    pub(super) name: String,
    pub(super) sealed: bool,
    /// The sealed thumbnail that it has.
    pub(super) thumbnail_path: Option<String>,
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

/// A sealed file that is to be encrypted anew.
#[derive(Clone, Debug)]
pub(super) struct Reencryptable {
    /// The recording.
    pub(super) id: i64,
    pub(super) part: Part,
    /// The recording's name, printable.
    pub(super) name: String,
    /// Where the file is, printable.
    pub(super) file_path: String,
    /// The key that opens it, hex.
    pub(super) key_id: String,
    /// Hash of its plaintext, hex.
    pub(super) plain_sha256: Option<String>,
    /// Tag of its sidecar, hex.
    pub(super) header_tag: Option<String>,
}

/// What a rotation did with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotated {
    /// It was made the current one.
    Current,
    /// Another one followed.
    Retired,
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

    /// The database's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
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
                "SELECT id, position, state, file_path, failure, key_id, plain_sha256 \
                 FROM recordings \
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
                        id: row.int(0)?,
                        state,
                        file_path: row.text(3)?.to_owned(),
                        failure: text(4)?,
                        key_id: text(5)?,
                        plain_sha256: text(6)?,
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

    /// Whether a sealed recording, or the thumbnail of one, lies at this printable path.
    pub(super) fn has_sealed(&mut self, file_path: &str) -> Result<bool, StorageError> {
        let found = self.ask(|session| {
            first(
                session,
                "SELECT id FROM recordings WHERE (file_path = ?1 OR thumbnail_path = ?1) \
                 AND state = 'sealed' LIMIT 1",
                values![file_path],
                |row| row.int(0),
            )
        })?;
        Ok(found.is_some())
    }

    /// Up to `max` files of sealed recordings with ids after `after` that are to get the key
    /// `current` (hex).
    pub(super) fn reencryptable(
        &mut self,
        part: Part,
        current: &str,
        after: i64,
        max: i64,
    ) -> Result<Vec<Reencryptable>, StorageError> {
        let sql = match part {
            Part::Video => {
                "SELECT id, original_name, file_path, key_id, plain_sha256, header_tag \
                 FROM recordings WHERE state = 'sealed' AND id > ?2 AND key_id <> ?1 \
                 AND integrity <> 'tampered' \
                 AND key_id IN (SELECT key_id FROM vault_keys WHERE reencrypt = 1) \
                 ORDER BY id LIMIT ?3"
            }
            Part::Thumbnail => {
                "SELECT id, original_name, thumbnail_path, thumbnail_key_id, NULL, thumbnail_tag \
                 FROM recordings WHERE state = 'sealed' AND id > ?2 AND thumbnail_key_id <> ?1 \
                 AND thumbnail_path IS NOT NULL \
                 AND thumbnail_key_id IN (SELECT key_id FROM vault_keys WHERE reencrypt = 1) \
                 ORDER BY id LIMIT ?3"
            }
        };
        self.ask(|session| {
            all(session, sql, values![current, after, max], |row| {
                let text = |column| Ok(row.opt_text(column)?.map(ToOwned::to_owned));
                Ok(Reencryptable {
                    id: row.int(0)?,
                    part,
                    name: row.text(1)?.to_owned(),
                    file_path: row.text(2)?.to_owned(),
                    key_id: row.text(3)?.to_owned(),
                    plain_sha256: text(4)?,
                    header_tag: text(5)?,
                })
            })
        })
    }

    /// Number of files that are to be encrypted anew.
    pub(super) fn pending_reencryption(&mut self) -> Result<u64, StorageError> {
        let found = self.ask(|session| {
            first(
                session,
                "SELECT (SELECT count(*) FROM recordings WHERE state = 'sealed' \
                 AND integrity <> 'tampered' \
                 AND key_id IN (SELECT key_id FROM vault_keys WHERE reencrypt = 1)) + \
                 (SELECT count(*) FROM recordings WHERE state = 'sealed' \
                 AND thumbnail_path IS NOT NULL \
                 AND thumbnail_key_id IN (SELECT key_id FROM vault_keys WHERE reencrypt = 1)) \
                 FROM (SELECT 1) WHERE EXISTS (SELECT 1 FROM vault_keys WHERE reencrypt = 1)",
                &[],
                |row| row.int(0),
            )
        })?;
        Ok(found.unwrap_or(0) as u64)
    }

    /// The tag that the sidecar of the sealed file at this printable path should have.
    pub(super) fn header_tag(&mut self, path: &str) -> Result<Option<[u8; 32]>, StorageError> {
        let found = self.ask(|session| {
            first(
                session,
                "SELECT CASE WHEN file_path = ?1 THEN header_tag ELSE thumbnail_tag END \
                 FROM recordings WHERE (file_path = ?1 OR thumbnail_path = ?1) \
                 AND state = 'sealed' ORDER BY id DESC LIMIT 1",
                values![path],
                |row| Ok(row.opt_text(0)?.and_then(hex::decode)),
            )
        })?;
        Ok(found.flatten())
    }

    /// The printable paths of the sealed files that are recorded directly in a folder.
    pub(super) fn sealed_in(&mut self, folder: &str) -> Result<Vec<String>, StorageError> {
        let start = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        self.ask(|session| {
            all(
                session,
                "SELECT path FROM (SELECT file_path AS path, state FROM recordings UNION ALL \
                 SELECT thumbnail_path, state FROM recordings WHERE thumbnail_path IS NOT NULL) \
                 WHERE state = 'sealed' AND substr(path, 1, length(?1)) = ?1 \
                 AND instr(substr(path, length(?1) + 1), '/') = 0",
                values![&start],
                |row| Ok(row.text(0)?.to_owned()),
            )
        })
    }

    /// What rotations did with the key (hex); none if there was none with it.
    pub(super) fn rotated(&mut self, key_id: &str) -> Result<Option<Rotated>, StorageError> {
        self.ask(|session| {
            first(
                session,
                "SELECT retired_at FROM vault_keys WHERE key_id = ?1",
                values![key_id],
                |row| {
                    Ok(match row.opt_int(0)? {
                        Some(_) => Rotated::Retired,
                        None => Rotated::Current,
                    })
                },
            )
        })
    }

    /// Whether a component of the box said exactly this before.
    pub(super) fn was_noted(
        &mut self,
        component: &str,
        message: &str,
    ) -> Result<bool, StorageError> {
        let found = self.ask(|session| {
            first(
                session,
                "SELECT id FROM system_events WHERE component = ?1 AND message = ?2 LIMIT 1",
                values![component, message],
                |row| row.int(0),
            )
        })?;
        Ok(found.is_some())
    }

    /// The recording with the first of these printable original paths that there is.
    pub(super) fn pictured(&mut self, names: &[String]) -> Result<Option<Pictured>, StorageError> {
        self.ask(|session| {
            for name in names {
                let found = first(
                    session,
                    "SELECT id, state = 'sealed', thumbnail_path FROM recordings \
                     WHERE original_name = ?1 AND state <> 'deleted' ORDER BY id DESC LIMIT 1",
                    values![name],
                    |row| {
                        Ok(Pictured {
                            id: row.int(0)?,
                            name: name.clone(),
                            sealed: row.int(1)? == 1,
                            thumbnail_path: row.opt_text(2)?.map(ToOwned::to_owned),
                        })
                    },
                )?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        })
    }

    /// The key that the newest sealed recording was sealed under, as hex.
    ///
    /// Adopted ones count only while there are no others, and then by the time of the recording:
    /// they are met in any order, those under earlier keys too.
    pub(super) fn last_key(&mut self) -> Result<Option<String>, StorageError> {
        self.ask(|session| {
            let sealed_here = first(
                session,
                "SELECT key_id FROM recordings WHERE state = 'sealed' AND key_id <> '' \
                 AND adopted = 0 ORDER BY id DESC LIMIT 1",
                &[],
                |row| Ok(row.text(0)?.to_owned()),
            )?;
            if sealed_here.is_some() {
                return Ok(sealed_here);
            }
            first(
                session,
                "SELECT key_id FROM recordings WHERE state = 'sealed' AND key_id <> '' \
                 ORDER BY started_at DESC NULLS LAST, id DESC LIMIT 1",
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
