//! Forgetting a person: the one path on which the words of stored events change.
//!
//! In one transaction the bodies of all events about the person are written over with what
//! [`redacted`] leaves of them, `person.forgotten` is appended and folded, and the tables that held
//! the person's bytes are written anew. The events stay at their positions: that something happened
//! there is not forgotten. After the commit the pictures are deleted and the WAL is emptied, so that
//! no file of the database holds the old bytes.
//!
//! - Killed before the commit: nothing has happened. Killed after it: `metadata` says
//!   `forgetting_unfinished`, and the next start deletes the pictures and empties the WAL.
//! - A reader that holds an old state keeps the WAL from being emptied. It is waited for some
//!   seconds; then the answer says so, and the next start finishes.
//! - Freed bytes are zeroed (`secure_delete`). A page that SQLite divided or joined may hold old
//!   copies between its cells; therefore the small tables of faces are emptied and filled again,
//!   which zeroes all of their pages, and redacted bodies are never longer than they were, so that
//!   pages of the log are not divided. Where the person stands in places of earlier versions (a
//!   name of a stream, a sentence), the whole file is written anew by VACUUM.
//! - What stays: 128-bit digests of messages (`mqtt_deliveries`, `message_ids`), which tell
//!   repeats; nobody gets a message back from one. Presence that a face told stays presence. Raw
//!   messages that a version before this one could not decode are nobody's. Copies elsewhere
//!   (backups, the broker's store, the file system's free blocks) are out of reach.

use std::path::{Component, Path, PathBuf};

use super::batch::{RETRY_PAUSE, fold};
use super::{Writer, WriterError};
use crate::event::house::FaceSeen;
use crate::event::people::{NOBODY, PersonForgotten, distance, redacted};
use crate::event::{Envelope, Event, NewEvent};
use crate::event_log::Ledger;
use crate::event_log::read::EventReader;
use crate::read_model::{self, Projection};
use crate::storage::sqlite::Database;
use crate::storage::{Disposition, Session, StorageError, all, first};
use crate::values;
use crate::vault::folder::Folder;
use crate::vault::removal;

/// Key in `metadata` while something is still to be done for a person who was forgotten.
const UNFINISHED: &str = "forgetting_unfinished";
macro_rules! rewriting {
    ($name:literal by $key:literal) => {
        (
            concat!("CREATE TEMP TABLE kept_rows AS SELECT * FROM ", $name),
            concat!("DELETE FROM ", $name),
            concat!(
                "INSERT INTO ",
                $name,
                " SELECT * FROM kept_rows ORDER BY ",
                $key
            ),
        )
    };
}
/// Tables that hold names and faces, small enough to be written anew.
const SMALL_TABLES: &[(&str, &str, &str)] = &[
    rewriting!("face_profiles" by "id"),
    rewriting!("face_aliases" by "alias"),
    rewriting!("face_embeddings" by "id"),
    rewriting!("face_pending" by "position"),
];

/// What became of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Forgotten {
    /// Events that were redacted.
    pub events: i64,
    /// Pictures that were deleted.
    pub crops_deleted: i64,
    /// Pictures that were not, and why.
    pub crops_left: Vec<(String, String)>,
    /// Why old bytes may still lie in the files of the database; the next start tries again.
    pub unfinished: Option<String>,
}

/// Why somebody cannot be forgotten.
pub(super) type Refusal = String;

/// What the transaction found and did.
struct Redaction {
    events: i64,
    /// The person stood in places that only a new file is free of.
    thorough: bool,
}

impl Writer {
    /// Forgets a person; the inner error is for the one who asked, and nothing has changed then.
    pub(super) fn forget(
        &mut self,
        profile: i64,
    ) -> Result<Result<Forgotten, Refusal>, WriterError> {
        let redacted = self.redact(profile);
        // Names may have changed, and after a failure the ledger is ahead of the log.
        while let Err(error) = self.reload() {
            if error.disposition() != Disposition::Retry || self.shutdown.wait(RETRY_PAUSE) {
                return Err(error.into());
            }
        }
        let redaction = match redacted {
            Ok(Some(redaction)) => redaction,
            Ok(None) => return Ok(Err(format!("there is no person {profile}"))),
            Err(error) if error.disposition() == Disposition::Halt => return Err(error.into()),
            Err(error) => return Ok(Err(format!("nobody was forgotten: {error}"))),
        };
        self.head.set(self.ledger.head());
        self.followers.ring();
        let mut forgotten = match self.finish_forgetting() {
            Ok(forgotten) => forgotten,
            Err(error) if error.disposition() == Disposition::Halt => return Err(error.into()),
            Err(error) => Forgotten {
                unfinished: Some(error.to_string()),
                ..Forgotten::default()
            },
        };
        forgotten.events = redaction.events;
        tracing::info!(
            profile,
            thorough = redaction.thorough,
            "a person was forgotten"
        );
        Ok(Ok(forgotten))
    }

    /// The transaction.
    fn redact(&mut self, profile: i64) -> Result<Option<Redaction>, StorageError> {
        let now = self.options.clock.now();
        let mut session = self.database.begin()?;
        let near = self.options.reactions.settings.faces.match_distance;
        let Some(traces) = Traces::of(&mut session, profile, near)? else {
            return Ok(None);
        };
        let (events, mut thorough) = overwrite(&mut session, &traces)?;
        thorough |= traces.legacy_streams > 0;
        let crops = note_crops(&mut session, &traces.crops)?;
        let first_position = self.ledger.head() + 1;
        let gone = PersonForgotten {
            profile,
            events,
            crops,
        };
        let told = NewEvent::own(now, format!("person/{profile}"), gone);
        append(
            &mut session,
            &mut self.ledger,
            self.options.projections,
            &told,
        )?;
        self.ledger.close_batch(&mut session, first_position, now)?;
        session.write(
            "UPDATE projections SET checkpoint = ?1",
            values![self.ledger.head()],
        )?;
        for (keep, empty, fill) in SMALL_TABLES {
            for sql in [keep, empty, fill, "DROP TABLE temp.kept_rows"] {
                session.write(sql, &[])?;
            }
        }
        session.write(
            "INSERT INTO metadata (key, value, updated_at) VALUES (?1, ?2, ?3) \
             ON CONFLICT (key) DO UPDATE SET updated_at = excluded.updated_at, \
             value = CASE metadata.value WHEN 'vacuum' THEN 'vacuum' ELSE excluded.value END",
            values![UNFINISHED, if thorough { "vacuum" } else { "wal" }, now],
        )?;
        session.commit()?;
        Ok(Some(Redaction { events, thorough }))
    }

    /// What comes after the commit, now or at the next start.
    pub(super) fn finish_forgetting(&mut self) -> Result<Forgotten, StorageError> {
        let crops_dir = self.options.reactions.settings.faces.crops_dir.clone();
        finish(&mut self.database, crops_dir.as_deref())
    }
}

/// Does what a kill left undone; quick when there is nothing.
pub(super) fn finish(
    database: &mut Database,
    crops_dir: Option<&Path>,
) -> Result<Forgotten, StorageError> {
    let mut forgotten = Forgotten::default();
    let (todo, crops) = {
        let mut session = database.snapshot()?;
        let todo = first(
            &mut session,
            "SELECT value FROM metadata WHERE key = ?1",
            values![UNFINISHED],
            |row| Ok(row.text(0)?.to_owned()),
        )?;
        let crops = all(
            &mut session,
            "SELECT path FROM forgetting_crops ORDER BY path",
            &[],
            |row| Ok(row.text(0)?.to_owned()),
        )?;
        (todo, crops)
    };
    let Some(todo) = todo else {
        return Ok(forgotten);
    };
    delete_crops(database, crops_dir, crops, &mut forgotten)?;
    if todo == "vacuum"
        && let Err(error) = database.vacuum()
    {
        if error.disposition() == Disposition::Halt {
            return Err(error);
        }
        forgotten.unfinished = Some(format!("the file cannot be written anew: {error}"));
    }
    if !database.empty_wal()? {
        forgotten.unfinished = Some(
            "somebody reads an old state of the database, which keeps it in the WAL; end what \
             reads, and start the daemon again"
                .into(),
        );
    } else if forgotten.unfinished.is_none() {
        let mut session = database.begin()?;
        session.write("DELETE FROM metadata WHERE key = ?1", values![UNFINISHED])?;
        session.commit()?;
    }
    Ok(forgotten)
}

/// What is known of a person.
struct Traces {
    positions: Vec<i64>,
    aliases: Vec<String>,
    /// Streams that earlier versions named after the publisher's id.
    legacy_streams: usize,
    crops: Vec<String>,
    events: Vec<Envelope>,
}

impl Traces {
    fn of(
        session: &mut dyn Session,
        profile: i64,
        near: f64,
    ) -> Result<Option<Self>, StorageError> {
        let mut positions = all(
            session,
            "SELECT position FROM face_traces WHERE profile_id = ?1",
            values![profile],
            |row| row.int(0),
        )?;
        let known = first(
            session,
            "SELECT 1 FROM face_profiles WHERE id = ?1",
            values![profile],
            |_| Ok(()),
        )?;
        if positions.is_empty() && known.is_none() {
            return Ok(None);
        }
        let aliases = all(
            session,
            "SELECT alias FROM face_aliases WHERE profile_id = ?1",
            values![profile],
            |row| Ok(row.text(0)?.to_owned()),
        )?;
        positions.extend(unmatched(session, profile, &aliases, near)?);
        let mut legacy_streams = 0;
        for alias in &aliases {
            let name = first(
                session,
                "SELECT id FROM names WHERE name = 'face/' || ?1",
                values![alias],
                |row| row.int(0),
            )?;
            let Some(name) = name else { continue };
            let on_stream = all(
                session,
                "SELECT position FROM event_log WHERE stream = ?1",
                values![name],
                |row| row.int(0),
            )?;
            // A camera may be called as the publisher calls a person; its stream is not theirs.
            let mut reader = EventReader::new();
            let mut named = 0;
            for position in on_stream {
                let event = reader.at(session, position)?;
                if event.is_some_and(|event| is_told_by(&event, alias)) {
                    named += 1;
                    positions.push(position);
                }
            }
            if named > 0 {
                legacy_streams += 1;
            }
        }
        positions.sort_unstable();
        positions.dedup();
        let mut reader = EventReader::new();
        let mut events = Vec::with_capacity(positions.len());
        for position in &positions {
            events.extend(reader.at(session, *position)?);
        }
        let mut crops: Vec<String> = events.iter().filter_map(crop_of).collect();
        crops.sort_unstable();
        crops.dedup();
        Ok(Some(Self {
            positions,
            aliases,
            legacy_streams,
            crops,
            events,
        }))
    }
}

/// Faces that were stored and never matched (retained messages, suspected repeats) and are this
/// person's all the same.
fn unmatched(
    session: &mut dyn Session,
    profile: i64,
    aliases: &[String],
    near: f64,
) -> Result<Vec<i64>, StorageError> {
    let kept = all(
        session,
        "SELECT embedding FROM face_embeddings WHERE profile_id = ?1",
        values![profile],
        |row| Ok(row.blob(0)?.to_vec()),
    )?;
    let waiting = all(
        session,
        "SELECT position FROM face_traces WHERE profile_id = ?1",
        values![NOBODY],
        |row| row.int(0),
    )?;
    let mut reader = EventReader::new();
    let mut found = Vec::new();
    for position in waiting {
        let Some(event) = reader.at(session, position)? else {
            continue;
        };
        let Event::FaceSeen(face) = &event.event else {
            continue;
        };
        let told = face.profile_id.as_ref();
        let is_like = |vector: &[u8]| {
            kept.iter()
                .any(|known| distance(known, vector).is_some_and(|at| at < near))
        };
        if told.is_some_and(|told| aliases.contains(told)) || face.vector().is_some_and(is_like) {
            found.push(position);
        }
    }
    Ok(found)
}

fn is_told_by(event: &Envelope, alias: &str) -> bool {
    matches!(&event.event, Event::FaceSeen(face)
        if face.privacy.is_none() && face.profile_id.as_deref() == Some(alias))
}

fn crop_of(event: &Envelope) -> Option<String> {
    let Event::FaceSeen(FaceSeen {
        crop_path, extra, ..
    }) = &event.event
    else {
        return None;
    };
    let extra = || extra.get("crop_path")?.as_str().map(ToOwned::to_owned);
    crop_path.clone().or_else(extra)
}

/// Writes over the events, and brings the tables in line; how many, and whether an earlier version
/// put the person elsewhere too.
fn overwrite(session: &mut dyn Session, traces: &Traces) -> Result<(i64, bool), StorageError> {
    let mut changed = Vec::with_capacity(traces.events.len());
    let mut legacy = false;
    for event in &traces.events {
        let Some(left) = redacted(&event.event) else {
            continue;
        };
        legacy |= matches!(&event.event, Event::FaceSeen(face) if face.privacy.is_none());
        session.write(
            "INSERT INTO redactions (position) VALUES (?1)",
            values![event.position],
        )?;
        session.write(
            "UPDATE event_log SET body = ?2, text = NULL WHERE position = ?1",
            values![event.position, &left.encode()],
        )?;
        changed.push(Envelope {
            text: None,
            event: left,
            ..event.clone()
        });
    }
    session.write("DELETE FROM redactions", &[])?;
    if traces.legacy_streams > 0 {
        for alias in &traces.aliases {
            // The number alone; a name that is taken by chance cannot be, for it has a blank.
            session.write(
                "UPDATE names SET name = 'face/forgotten ' || id WHERE name = 'face/' || ?1",
                values![alias],
            )?;
        }
        for event in &mut changed {
            let text = first(
                session,
                "SELECT name FROM names WHERE id = ?1",
                values![event.stream.id],
                |row| Ok(std::sync::Arc::<str>::from(row.text(0)?)),
            )?;
            event.stream.text = text.unwrap_or_else(|| event.stream.text.clone());
        }
    }
    read_model::redact(session, &changed)?;
    debug_assert!(changed.len() <= traces.positions.len());
    Ok((changed.len() as i64, legacy))
}

fn note_crops(session: &mut dyn Session, crops: &[String]) -> Result<i64, StorageError> {
    for path in crops {
        session.write(
            "INSERT INTO forgetting_crops (path) VALUES (?1) ON CONFLICT (path) DO NOTHING",
            values![path],
        )?;
    }
    Ok(crops.len() as i64)
}

fn append(
    session: &mut dyn Session,
    ledger: &mut Ledger,
    projections: &[Projection],
    new: &NewEvent,
) -> Result<(), StorageError> {
    let envelope = ledger.append(session, new)?;
    fold(session, projections, &[envelope])
}

/// Deletes the pictures, then the list of them. What is refused for ever leaves the list too; what
/// the system would not delete today stays on it.
fn delete_crops(
    database: &mut Database,
    crops_dir: Option<&Path>,
    crops: Vec<String>,
    forgotten: &mut Forgotten,
) -> Result<(), StorageError> {
    if crops.is_empty() {
        return Ok(());
    }
    let folder = crops_dir.map(|dir| Folder::open(dir).map_err(|error| error.to_string()));
    let mut done = Vec::new();
    for crop in crops {
        let outcome = match (&folder, crops_dir) {
            (Some(Ok(folder)), Some(dir)) => delete_crop(folder, dir, &crop),
            (Some(Err(error)), _) => Err(Left::ForNow(error.clone())),
            _ => Err(Left::ForGood(
                "`faces.crops_dir` is not configured; delete it by hand".into(),
            )),
        };
        match outcome {
            Ok(deleted) => {
                forgotten.crops_deleted += i64::from(deleted);
                done.push(crop);
            }
            Err(Left::ForGood(reason)) => {
                forgotten.crops_left.push((crop.clone(), reason));
                done.push(crop);
            }
            Err(Left::ForNow(reason)) => {
                forgotten.unfinished = Some("a picture could not be deleted".into());
                forgotten.crops_left.push((crop, reason));
            }
        }
    }
    let mut session = database.begin()?;
    for crop in &done {
        session.write(
            "DELETE FROM forgetting_crops WHERE path = ?1",
            values![crop],
        )?;
    }
    session.commit()
}

/// Why a picture stays.
enum Left {
    /// Trying again would change nothing.
    ForGood(Refusal),
    /// The system refused.
    ForNow(Refusal),
}

/// Deletes one picture inside the folder; whether there was one.
fn delete_crop(folder: &Folder, dir: &Path, crop: &str) -> Result<bool, Left> {
    let outside = || Left::ForGood(format!("it lies outside of {}", dir.display()));
    let path = Path::new(crop);
    let inside = if path.is_absolute() {
        path.strip_prefix(dir).map_err(|_| outside())?
    } else {
        path
    };
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !inside.components().all(plain) {
        return Err(outside());
    }
    let remove = |relative: &Path| {
        removal::remove_file(folder, relative).map_err(|error| Left::ForNow(error.to_string()))
    };
    if remove(inside)? {
        return Ok(true);
    }
    // `crops/3.jpg` for a folder `crops` is how publishers say it that know the folder above.
    let within: Option<PathBuf> = dir
        .file_name()
        .and_then(|name| inside.strip_prefix(name).ok())
        .map(Path::to_owned);
    within.map_or(Ok(false), |within| remove(&within))
}
