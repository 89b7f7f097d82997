//! The custody log: who did what, when, to which object; a chain of hashes without gaps.
//!
//! `entry_hash` is SHA-256 over `nightjar custody 1\n`, `seq` and `at_ms` (i64, big-endian), the
//! fields `actor`, `action`, `object`, `object_sha256` and `detail_cbor`, and `prev_hash`. A field is
//! its length (u64, big-endian) and its bytes. The two that may be NULL are a field of one byte 0, or
//! a field of one byte 1 and the field itself.
//!
//! The chain shows that nothing was taken out or put in between; it cannot show that nobody wrote all
//! of it anew. Whoever holds box and key can. A head that a third party was given closes that.

use ciborium::Value as Cbor;
use sha2::{Digest as _, Sha256};

use super::{By, CaseError, Sha256Hash, UnixMillis, hash, opt_hash, opt_text, text, words};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// Stands before the fields, so that no other hash of this program can be passed off as one of these.
const DOMAIN: &[u8] = b"nightjar custody 1\n";
/// Largest detail of an entry, bytes: it tells what was done, and is no place for what it was done to.
pub const MAX_DETAIL_BYTES: usize = 64 * 1024;

words! {
    /// What was done.
    Action {
        /// The case file was made.
        Opened = "opened",
        /// Its name, notes or number were written.
        Described = "described",
        /// An original was taken in.
        OriginalAdded = "original_added",
        /// A scan was put out of sight.
        ScanDeleted = "scan_deleted",
        /// A scan was put back.
        ScanRestored = "scan_restored",
        /// A pipeline was frozen, or made the active one.
        PipelineFrozen = "pipeline_frozen",
        /// A calibration was frozen, or made the active one.
        CalibrationFrozen = "calibration_frozen",
        /// A region was drawn.
        RegionDrawn = "region_drawn",
        /// A region was taken back.
        RegionRemoved = "region_removed",
        /// What came after a node was thrown away, to be made anew.
        RunAgain = "run_again",
        /// A branch shows another of its nodes.
        Chosen = "chosen",
        /// A branch was put out of sight.
        Trashed = "trashed",
        /// A branch was put back.
        Restored = "restored",
        /// A reading was made of what engines read.
        Read = "read",
        /// A person put their name to a text.
        Confirmed = "confirmed",
        /// A person wrote something down.
        Noted = "noted",
        /// A clock was compared.
        ClockChecked = "clock_checked",
        /// A recording or file was named as a source.
        SourceAdded = "source_added",
        /// Events were copied into the timeline.
        TimelineFrozen = "timeline_frozen",
        /// A recording was held in the main database.
        Held = "held",
        /// A recording was let go.
        Released = "released",
        /// Something left the case.
        Exported = "exported",
        /// The case was verified.
        Verified = "verified",
        /// The case was closed for good.
        Sealed = "sealed",
    }
}

/// An entry on its way into the log.
#[derive(Clone, Debug)]
pub struct NewEntry<'a> {
    /// What was done.
    pub action: Action,
    /// To what: `scan 3`, `branch 3 A.1`, a recording.
    pub object: Option<&'a str>,
    /// The content that the object had.
    pub object_sha256: Option<Sha256Hash>,
    /// More about it: a map.
    pub detail: Cbor,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: i64,
    /// When.
    pub at_ms: UnixMillis,
    /// Who.
    pub actor: String,
    /// What, as the file says.
    pub action: String,
    /// To what.
    pub object: Option<String>,
    /// The content that it had.
    pub object_sha256: Option<Sha256Hash>,
    /// CBOR map.
    pub detail_cbor: Vec<u8>,
    /// Hash of the entry before; zeros at the first.
    pub prev_hash: Sha256Hash,
    /// Hash of this entry.
    pub entry_hash: Sha256Hash,
}

impl Entry {
    /// The hash that the entry should have.
    pub fn computed_hash(&self) -> Sha256Hash {
        let mut chain = Sha256::new();
        chain.update(DOMAIN);
        chain.update(self.seq.to_be_bytes());
        chain.update(self.at_ms.to_be_bytes());
        let mut field = |bytes: &[u8]| {
            chain.update((bytes.len() as u64).to_be_bytes());
            chain.update(bytes);
        };
        field(self.actor.as_bytes());
        field(self.action.as_bytes());
        for optional in [
            self.object.as_deref().map(str::as_bytes),
            self.object_sha256.as_ref().map(<[u8; 32]>::as_slice),
        ] {
            match optional {
                // A field of its own says whether there is one.
                None => field(&[0]),
                Some(bytes) => {
                    field(&[1]);
                    field(bytes);
                }
            }
        }
        field(&self.detail_cbor);
        chain.update(self.prev_hash);
        chain.finalize().into()
    }
}

/// The newest entry: whoever knows it can tell whether the log before it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 of an empty log.
    pub seq: i64,
    /// Its hash; zeros of an empty log.
    pub hash: Sha256Hash,
}

/// A CBOR map for a detail.
pub fn detail<const N: usize>(fields: [(&str, Cbor); N]) -> Cbor {
    Cbor::Map(
        fields
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect(),
    )
}

/// A value of a detail that may be missing.
pub fn optional(value: Option<impl Into<Cbor>>) -> Cbor {
    value.map_or(Cbor::Null, Into::into)
}

/// Appends an entry in the caller's transaction; the new head.
pub fn append(
    session: &mut dyn Session,
    by: By<'_>,
    new: &NewEntry<'_>,
) -> Result<Head, CaseError> {
    let before = head(session)?;
    let mut detail_cbor = Vec::new();
    ciborium::into_writer(&new.detail, &mut detail_cbor)
        .map_err(|error| CaseError::Refused(format!("the detail is no CBOR: {error}")))?;
    if detail_cbor.len() > MAX_DETAIL_BYTES {
        let bytes = detail_cbor.len();
        return Err(CaseError::Refused(format!(
            "{bytes} bytes of detail are more than an entry of the custody log takes \
             ({MAX_DETAIL_BYTES}); add it as a file instead"
        )));
    }
    let mut entry = Entry {
        seq: before.seq + 1,
        at_ms: by.at_ms,
        actor: by.actor.to_owned(),
        action: new.action.word().to_owned(),
        object: new.object.map(ToOwned::to_owned),
        object_sha256: new.object_sha256,
        detail_cbor,
        prev_hash: before.hash,
        entry_hash: [0; 32],
    };
    entry.entry_hash = entry.computed_hash();
    session.write(
        "INSERT INTO custody_log (seq, at_ms, actor, action, object, object_sha256, detail_cbor,
             prev_hash, entry_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        values![
            entry.seq,
            entry.at_ms,
            &entry.actor,
            &entry.action,
            entry.object.as_deref(),
            entry.object_sha256.as_ref().map(<[u8; 32]>::as_slice),
            &entry.detail_cbor,
            entry.prev_hash.as_slice(),
            entry.entry_hash.as_slice(),
        ],
    )?;
    Ok(Head {
        seq: entry.seq,
        hash: entry.entry_hash,
    })
}

/// Appends that a person wrote `note` down; the new head.
pub fn note(session: &mut dyn Session, by: By<'_>, note: &str) -> Result<Head, CaseError> {
    append(
        session,
        by,
        &NewEntry {
            action: Action::Noted,
            object: None,
            object_sha256: None,
            detail: detail([("text", note.into())]),
        },
    )
}

/// The newest entry.
pub fn head(session: &mut dyn Session) -> Result<Head, CaseError> {
    let newest = first(
        session,
        "SELECT seq, entry_hash FROM custody_log ORDER BY seq DESC LIMIT 1",
        &[],
        |row| {
            Ok(Head {
                seq: row.int(0)?,
                hash: hash(row, 1)?,
            })
        },
    )?;
    Ok(newest.unwrap_or(Head {
        seq: 0,
        hash: [0; 32],
    }))
}

/// The entries from `from_seq` on, in order.
pub fn entries(session: &mut dyn Session, from_seq: i64) -> Result<Vec<Entry>, CaseError> {
    Ok(all(
        session,
        "SELECT seq, at_ms, actor, action, object, object_sha256, detail_cbor, prev_hash, entry_hash
           FROM custody_log WHERE seq >= ?1 ORDER BY seq",
        values![from_seq],
        |row| {
            Ok(Entry {
                seq: row.int(0)?,
                at_ms: row.int(1)?,
                actor: text(row, 2)?,
                action: text(row, 3)?,
                object: opt_text(row, 4)?,
                object_sha256: opt_hash(row, 5)?,
                detail_cbor: row.blob(6)?.to_vec(),
                prev_hash: hash(row, 7)?,
                entry_hash: hash(row, 8)?,
            })
        },
    )?)
}

/// What is wrong with the chain; nothing when every entry follows the one before.
pub fn problems(session: &mut dyn Session) -> Result<Vec<String>, CaseError> {
    let mut found = Vec::new();
    let mut before = Head {
        seq: 0,
        hash: [0; 32],
    };
    let entries = match entries(session, i64::MIN) {
        Err(CaseError::Storage(StorageError::Unreadable(why))) => {
            return Ok(vec![format!("the custody log cannot be read: {why}")]);
        }
        entries => entries?,
    };
    for entry in entries {
        let seq = entry.seq;
        if seq != before.seq + 1 {
            let wanted = before.seq + 1;
            found.push(format!("custody entry {wanted} is missing: {seq} follows"));
        }
        if entry.prev_hash != before.hash {
            found.push(format!(
                "custody entry {seq} does not follow the one before it"
            ));
        }
        if entry.entry_hash != entry.computed_hash() {
            found.push(format!(
                "custody entry {seq} was changed: its hash is another"
            ));
        }
        before = Head {
            seq,
            hash: entry.entry_hash,
        };
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::hex;

    #[test]
    fn the_hash_of_an_entry_is_the_written_formula() {
        let entry = Entry {
            seq: 2,
            at_ms: 3,
            actor: "mara".into(),
            action: "noted".into(),
            object: Some("scan 1".into()),
            object_sha256: None,
            detail_cbor: vec![0xa0],
            prev_hash: [7; 32],
            entry_hash: [0; 32],
        };
        let mut bytes = b"nightjar custody 1\n".to_vec();
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        bytes.extend(b"\0\0\0\0\0\0\0\x04mara\0\0\0\0\0\0\0\x05noted");
        bytes.extend(b"\0\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0\x06scan 1");
        bytes.extend(b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x01\xa0");
        bytes.extend([7; 32]);
        assert_eq!(hex(&entry.computed_hash()), hex(&Sha256::digest(bytes)));
    }
}
