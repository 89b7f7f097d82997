//! The project: what the case is about, and on which box it was opened.

use ciborium::Value as Cbor;

use super::custody::{self, Action, NewEntry};
use super::{By, CaseError, UnixMillis, opt_text, schema, text, words};
use crate::storage::{Session, StorageError, first};
use crate::values;

/// Longest slug, bytes: a file name with its ending and a prefix for a half-made copy.
const MAX_SLUG_BYTES: usize = 100;

words! {
    /// Whether the case takes more.
    Status {
        /// It does.
        Open = "open",
        /// It does not, for good.
        Sealed = "sealed",
    }
}

/// A project to be opened.
#[derive(Clone, Copy, Debug)]
pub struct NewProject<'a> {
    /// For people.
    pub name: &'a str,
    /// Name of the file without its ending: lower-case letters, digits, `-`.
    pub slug: &'a str,
    /// The site.
    pub box_id: &'a str,
    /// Ed25519 key that exports of the box are checked with.
    pub box_pubkey: &'a [u8],
    /// Number that the police or the insurer gave.
    pub case_ref: Option<&'a str>,
    /// When the incident began and ended.
    pub incident_ms: Option<(UnixMillis, UnixMillis)>,
    /// Who opens it, when.
    pub by: By<'a>,
}

/// The project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// For people.
    pub name: String,
    /// Name of the file without its ending.
    pub slug: String,
    /// Last migration of the schema.
    pub schema_version: i64,
    /// What a person wrote about the case.
    pub notes: Option<String>,
    /// Number that the police or the insurer gave.
    pub case_ref: Option<String>,
    /// When the incident began.
    pub incident_from_ms: Option<UnixMillis>,
    /// When it ended.
    pub incident_to_ms: Option<UnixMillis>,
    /// Who opened the case.
    pub opened_by: Option<String>,
    /// Whether it takes more.
    pub status: Status,
    /// The site.
    pub box_id: String,
    /// Ed25519 key that exports are checked with.
    pub box_pubkey: Vec<u8>,
    /// When it was opened.
    pub created_at_ms: UnixMillis,
    /// When this row changed last.
    pub updated_at_ms: UnixMillis,
}

/// Makes the one row of a new file, and the first entry of its custody log.
pub fn insert(session: &mut dyn Session, new: &NewProject<'_>) -> Result<(), CaseError> {
    check_slug(new.slug)?;
    if new.incident_ms.is_some_and(|(from, to)| from > to) {
        return Err(CaseError::Refused(
            "the incident ends before it begins; swap the times".into(),
        ));
    }
    session.write(
        "INSERT INTO project (id, name, slug, schema_version, case_ref, incident_from_ms,
             incident_to_ms, opened_by, box_id, box_pubkey, created_at_ms, updated_at_ms)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
        values![
            new.name,
            new.slug,
            schema::newest_version(),
            new.case_ref,
            new.incident_ms.map(|(from, _)| from),
            new.incident_ms.map(|(_, to)| to),
            new.by.actor,
            new.box_id,
            new.box_pubkey,
            new.by.at_ms,
        ],
    )?;
    let opened = NewEntry {
        action: Action::Opened,
        object: Some(new.slug),
        object_sha256: None,
        detail: custody::detail([
            ("name", new.name.into()),
            ("box_id", new.box_id.into()),
            ("box_pubkey", Cbor::Bytes(new.box_pubkey.to_vec())),
            ("program", env!("CARGO_PKG_VERSION").into()),
        ]),
    };
    custody::append(session, new.by, &opened).map(|_| ())
}

/// The project.
pub fn get(session: &mut dyn Session) -> Result<Project, CaseError> {
    let found = first(
        session,
        "SELECT name, slug, schema_version, notes, case_ref, incident_from_ms, incident_to_ms,
                opened_by, status, box_id, box_pubkey, created_at_ms, updated_at_ms FROM project",
        &[],
        |row| {
            Ok(Project {
                name: text(row, 0)?,
                slug: text(row, 1)?,
                schema_version: row.int(2)?,
                notes: opt_text(row, 3)?,
                case_ref: opt_text(row, 4)?,
                incident_from_ms: row.opt_int(5)?,
                incident_to_ms: row.opt_int(6)?,
                opened_by: opt_text(row, 7)?,
                status: Status::of(row, 8)?,
                box_id: text(row, 9)?,
                box_pubkey: row.blob(10)?.to_vec(),
                created_at_ms: row.int(11)?,
                updated_at_ms: row.int(12)?,
            })
        },
    )?;
    found.ok_or_else(|| StorageError::Unreadable("the case file has no project".into()).into())
}

/// Sets the name, the notes and the number that others gave the case.
pub fn describe(
    session: &mut dyn Session,
    name: &str,
    notes: Option<&str>,
    case_ref: Option<&str>,
    by: By<'_>,
) -> Result<(), CaseError> {
    session.write(
        "UPDATE project SET name = ?1, notes = ?2, case_ref = ?3, updated_at_ms = ?4",
        values![name, notes, case_ref, by.at_ms],
    )?;
    let described = NewEntry {
        action: Action::Described,
        object: None,
        object_sha256: None,
        detail: custody::detail([
            ("name", name.into()),
            ("notes", custody::optional(notes)),
            ("case_ref", custody::optional(case_ref)),
        ]),
    };
    custody::append(session, by, &described).map(|_| ())
}

/// Tells the newest migration.
pub(super) fn set_schema_version(session: &mut dyn Session) -> Result<(), CaseError> {
    Ok(session.write(
        "UPDATE project SET schema_version = ?1",
        values![schema::newest_version()],
    )?)
}

fn check_slug(slug: &str) -> Result<(), CaseError> {
    let letters = slug
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let right = letters && !slug.starts_with('-') && !slug.is_empty();
    if right && slug.len() <= MAX_SLUG_BYTES {
        return Ok(());
    }
    Err(CaseError::Refused(format!(
        "{slug:?} cannot name a case; use up to {MAX_SLUG_BYTES} of a-z, 0-9 and -, such as \
         van-on-the-drive"
    )))
}
