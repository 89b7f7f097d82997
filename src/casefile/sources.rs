//! What originals were taken from, and how far the clocks were off that dated them.

use super::custody::{self, Action, NewEntry};
use super::{
    By, CaseError, ClockCheckId, Sha256Hash, SourceId, UnixMillis, inserted, opt_hash, opt_text,
    text, words,
};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

words! {
    /// What a source is.
    SourceKind {
        /// A sealed recording.
        Vge = "vge",
        /// A picture that came as an event.
        SnapshotEvent = "snapshot_event",
        /// A file from outside.
        File = "file",
    }
}

/// A source: a recording, an event, a file. Its bytes stay where they are, its hashes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMedia {
    /// What it is.
    pub kind: SourceKind,
    /// The camera.
    pub camera_id: Option<String>,
    /// Its recording in the main database.
    pub recording_id: Option<i64>,
    /// Its position in the main event log.
    pub event_seq: Option<i64>,
    /// Of the sealed file.
    pub cipher_sha256: Option<Sha256Hash>,
    /// Of what was sealed.
    pub plain_sha256: Option<Sha256Hash>,
    /// `mp4`, `mkv`, `jpg` …
    pub container: Option<String>,
    /// Its first moment.
    pub start_ms: Option<UnixMillis>,
    /// Its last moment.
    pub end_ms: Option<UnixMillis>,
    /// The check of the clock that dated it.
    pub clock_check_id: Option<ClockCheckId>,
    /// Whether its bytes are an image of this file.
    pub embedded: bool,
}

/// How far a clock was off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockCheck {
    /// When, by the reference.
    pub at_ms: UnixMillis,
    /// `box`, or a camera.
    pub clock: String,
    /// What it was compared with.
    pub reference: String,
    /// Clock − reference.
    pub offset_ms: i64,
    /// How far the offset may be off itself.
    pub error_ms: Option<i64>,
    /// How it was compared.
    pub method: String,
}

/// Names a source.
pub fn add(
    session: &mut dyn Session,
    new: &SourceMedia,
    by: By<'_>,
) -> Result<SourceId, CaseError> {
    session.write(
        "INSERT INTO source_media (kind, camera_id, recording_id, event_seq, cipher_sha256,
             plain_sha256, container, start_ms, end_ms, clock_check_id, embedded, added_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        values![
            new.kind.word(),
            new.camera_id.as_deref(),
            new.recording_id,
            new.event_seq,
            new.cipher_sha256.as_ref().map(<[u8; 32]>::as_slice),
            new.plain_sha256.as_ref().map(<[u8; 32]>::as_slice),
            new.container.as_deref(),
            new.start_ms,
            new.end_ms,
            new.clock_check_id,
            new.embedded,
            by.at_ms,
        ],
    )?;
    let id = SourceId(inserted(session)?);
    let added = NewEntry {
        action: Action::SourceAdded,
        object: Some(&format!("source {id}")),
        object_sha256: new.cipher_sha256.or(new.plain_sha256),
        detail: custody::detail([
            ("kind", new.kind.word().into()),
            ("recording", custody::optional(new.recording_id)),
            ("event", custody::optional(new.event_seq)),
        ]),
    };
    custody::append(session, by, &added)?;
    Ok(id)
}

/// The sources, in the order in which they were named.
pub fn list(session: &mut dyn Session) -> Result<Vec<(SourceId, SourceMedia)>, CaseError> {
    Ok(all(
        session,
        "SELECT id, kind, camera_id, recording_id, event_seq, cipher_sha256, plain_sha256,
                container, start_ms, end_ms, clock_check_id, embedded
           FROM source_media ORDER BY id",
        &[],
        source,
    )?)
}

/// The source that is this recording of the main database.
pub fn of_recording(
    session: &mut dyn Session,
    recording_id: i64,
) -> Result<Option<(SourceId, SourceMedia)>, CaseError> {
    Ok(first(
        session,
        "SELECT id, kind, camera_id, recording_id, event_seq, cipher_sha256, plain_sha256,
                container, start_ms, end_ms, clock_check_id, embedded
           FROM source_media WHERE recording_id = ?1 ORDER BY id",
        values![recording_id],
        source,
    )?)
}

/// Writes down how far a clock was off, and ties it to the sources that the clock dated and that no
/// check is tied to yet.
pub fn check_clock(
    session: &mut dyn Session,
    new: &ClockCheck,
    sources: &[SourceId],
    by: By<'_>,
) -> Result<ClockCheckId, CaseError> {
    session.write(
        "INSERT INTO clock_checks (at_ms, clock, reference, offset_ms, error_ms, method)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            new.at_ms,
            &new.clock,
            &new.reference,
            new.offset_ms,
            new.error_ms,
            &new.method
        ],
    )?;
    let id = ClockCheckId(inserted(session)?);
    for source in sources {
        session.write(
            "UPDATE source_media SET clock_check_id = ?2
              WHERE id = ?1 AND clock_check_id IS NULL",
            values![*source, id],
        )?;
    }
    let checked = NewEntry {
        action: Action::ClockChecked,
        object: Some(&new.clock),
        object_sha256: None,
        detail: custody::detail([
            ("reference", new.reference.as_str().into()),
            ("offset_ms", new.offset_ms.into()),
            ("error_ms", custody::optional(new.error_ms)),
            ("method", new.method.as_str().into()),
        ]),
    };
    custody::append(session, by, &checked)?;
    Ok(id)
}

/// The checks of clocks, in the order of their times.
pub fn clock_checks(
    session: &mut dyn Session,
) -> Result<Vec<(ClockCheckId, ClockCheck)>, CaseError> {
    Ok(all(
        session,
        "SELECT id, at_ms, clock, reference, offset_ms, error_ms, method FROM clock_checks
          ORDER BY at_ms, id",
        &[],
        |row| {
            let check = ClockCheck {
                at_ms: row.int(1)?,
                clock: text(row, 2)?,
                reference: text(row, 3)?,
                offset_ms: row.int(4)?,
                error_ms: row.opt_int(5)?,
                method: text(row, 6)?,
            };
            Ok((ClockCheckId(row.int(0)?), check))
        },
    )?)
}

fn source(row: &dyn Row) -> Result<(SourceId, SourceMedia), StorageError> {
    let media = SourceMedia {
        kind: SourceKind::of(row, 1)?,
        camera_id: opt_text(row, 2)?,
        recording_id: row.opt_int(3)?,
        event_seq: row.opt_int(4)?,
        cipher_sha256: opt_hash(row, 5)?,
        plain_sha256: opt_hash(row, 6)?,
        container: opt_text(row, 7)?,
        start_ms: row.opt_int(8)?,
        end_ms: row.opt_int(9)?,
        clock_check_id: row.opt_int(10)?.map(ClockCheckId),
        embedded: row.int(11)? == 1,
    };
    Ok((SourceId(row.int(0)?), media))
}
