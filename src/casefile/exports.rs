//! What left the case: when, as what, to whom, for what; each tied to its entry in the custody log.

use super::custody::{self, Action, Head, NewEntry};
use super::{By, CaseError, ExportId, Sha256Hash, UnixMillis, hash, inserted, opt_text, words};
use crate::storage::{Session, all};
use crate::values;

words! {
    /// What an export is.
    ExportKind {
        /// A `BagIt` bag.
        Bag = "bag",
        /// A slim case file.
        Slim = "slim",
        /// A report as PDF.
        Pdf = "pdf",
        /// A report as Markdown.
        Markdown = "md",
        /// A recording.
        Video = "video",
    }
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// What it is.
    pub kind: ExportKind,
    /// Who got it.
    pub recipient: Option<String>,
    /// What for.
    pub purpose: Option<String>,
    /// Whether parts of pictures were blacked out.
    pub redacted: bool,
    /// Of its manifest, or of the one file that it is.
    pub manifest_sha256: Sha256Hash,
    /// Ed25519 signature of the manifest.
    pub signature: Option<Vec<u8>>,
    /// Answer of a time stamp authority (RFC 3161).
    pub tsr: Option<Vec<u8>>,
    /// Its length, bytes.
    pub bytes: u64,
}

/// An export as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its row.
    pub id: ExportId,
    /// When.
    pub at_ms: UnixMillis,
    /// Its entry in the custody log.
    pub custody_seq: i64,
    /// What left.
    pub export: Export,
}

/// Writes down that something left the case, sealed or not.
pub fn record(
    session: &mut dyn Session,
    export: &Export,
    by: By<'_>,
) -> Result<(ExportId, Head), CaseError> {
    let left = NewEntry {
        action: Action::Exported,
        object: Some(export.kind.word()),
        object_sha256: Some(export.manifest_sha256),
        detail: custody::detail([
            ("recipient", custody::optional(export.recipient.as_deref())),
            ("purpose", custody::optional(export.purpose.as_deref())),
            ("redacted", export.redacted.into()),
            ("bytes", export.bytes.into()),
        ]),
    };
    let head = custody::append(session, by, &left)?;
    session.write(
        "INSERT INTO exports (at_ms, kind, recipient, purpose, redacted, manifest_sha256,
             custody_seq, signature, tsr, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values![
            by.at_ms,
            export.kind.word(),
            export.recipient.as_deref(),
            export.purpose.as_deref(),
            export.redacted,
            export.manifest_sha256.as_slice(),
            head.seq,
            export.signature.as_ref(),
            export.tsr.as_ref(),
            export.bytes as i64,
        ],
    )?;
    Ok((ExportId(inserted(session)?), head))
}

/// Keeps the time stamp that came later.
pub fn set_time_stamp(
    session: &mut dyn Session,
    id: ExportId,
    tsr: &[u8],
) -> Result<(), CaseError> {
    Ok(session.write(
        "UPDATE exports SET tsr = ?2 WHERE id = ?1",
        values![id, tsr],
    )?)
}

/// What left the case, in order.
pub fn list(session: &mut dyn Session) -> Result<Vec<Exported>, CaseError> {
    Ok(all(
        session,
        "SELECT id, at_ms, kind, recipient, purpose, redacted, manifest_sha256, custody_seq,
                signature, tsr, bytes FROM exports ORDER BY id",
        &[],
        |row| {
            Ok(Exported {
                id: ExportId(row.int(0)?),
                at_ms: row.int(1)?,
                custody_seq: row.int(7)?,
                export: Export {
                    kind: ExportKind::of(row, 2)?,
                    recipient: opt_text(row, 3)?,
                    purpose: opt_text(row, 4)?,
                    redacted: row.int(5)? == 1,
                    manifest_sha256: hash(row, 6)?,
                    signature: row.opt_blob(8)?.map(<[u8]>::to_vec),
                    tsr: row.opt_blob(9)?.map(<[u8]>::to_vec),
                    bytes: row.int(10)? as u64,
                },
            })
        },
    )?)
}
