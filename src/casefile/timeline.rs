//! The frozen timeline: copies of events around the incident, as they stood in the main event log.

use sha2::{Digest as _, Sha256};

use super::custody::{self, Action, NewEntry};
use super::{By, CaseError, Sha256Hash, UnixMillis, first_int, hash, text};
use crate::storage::{Session, all, first};
use crate::values;

/// Most events that are frozen at once: an entry of the custody log stands for them together.
pub const MAX_ITEMS: usize = 100_000;

/// An event to be frozen.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// Its position in the main event log.
    pub event_seq: i64,
    /// When it happened.
    pub at_ms: UnixMillis,
    /// Its kind.
    pub kind: String,
    /// Who told it.
    pub source: String,
    /// What a person reads.
    pub summary: String,
    /// The whole event.
    pub event_cbor: Vec<u8>,
}

/// A frozen event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its position in the main event log.
    pub event_seq: i64,
    /// When it happened.
    pub at_ms: UnixMillis,
    /// Its kind.
    pub kind: String,
    /// Who told it.
    pub source: String,
    /// What a person reads.
    pub summary: String,
    /// The whole event.
    pub event_cbor: Vec<u8>,
    /// Of the whole event.
    pub event_sha256: Sha256Hash,
}

/// Freezes events; those that are frozen already stay, and have to be the same. How many were new.
pub fn freeze(
    session: &mut dyn Session,
    items: &[NewItem],
    by: By<'_>,
) -> Result<usize, CaseError> {
    if items.len() > MAX_ITEMS {
        let count = items.len();
        return Err(CaseError::Refused(format!(
            "{count} events are more than are frozen at once ({MAX_ITEMS}); choose a shorter time"
        )));
    }
    let mut new = 0;
    let mut all_of_them = Sha256::new();
    for item in items {
        let sha256: Sha256Hash = Sha256::digest(&item.event_cbor).into();
        let frozen = first(
            session,
            "SELECT event_sha256 FROM timeline_items WHERE event_seq = ?1",
            values![item.event_seq],
            |row| hash(row, 0),
        )?;
        match frozen {
            Some(frozen) if frozen == sha256 => continue,
            Some(_) => {
                return Err(CaseError::Refused(format!(
                    "event {} is frozen already and was another then; the main event log was \
                     changed since",
                    item.event_seq
                )));
            }
            None => {}
        }
        session.write(
            "INSERT INTO timeline_items (event_seq, at_ms, kind, source, summary, event_cbor,
                 event_sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            values![
                item.event_seq,
                item.at_ms,
                &item.kind,
                &item.source,
                &item.summary,
                &item.event_cbor,
                sha256.as_slice()
            ],
        )?;
        all_of_them.update(sha256);
        new += 1;
    }
    if new > 0 {
        let held = first_int(session, "SELECT COUNT(*) FROM timeline_items")?;
        let frozen = NewEntry {
            action: Action::TimelineFrozen,
            object: None,
            // Of the hashes of the new ones, one behind the other.
            object_sha256: Some(all_of_them.finalize().into()),
            detail: custody::detail([("new", (new as u64).into()), ("all", held.into())]),
        };
        custody::append(session, by, &frozen)?;
    }
    Ok(new)
}

/// The frozen events in the order of their times.
pub fn list(session: &mut dyn Session) -> Result<Vec<Item>, CaseError> {
    Ok(all(
        session,
        "SELECT event_seq, at_ms, kind, source, summary, event_cbor, event_sha256
           FROM timeline_items ORDER BY at_ms, event_seq",
        &[],
        |row| {
            Ok(Item {
                event_seq: row.int(0)?,
                at_ms: row.int(1)?,
                kind: text(row, 2)?,
                source: text(row, 3)?,
                summary: text(row, 4)?,
                event_cbor: row.blob(5)?.to_vec(),
                event_sha256: hash(row, 6)?,
            })
        },
    )?)
}
