//! What the database says of recordings that may go, or are to be gone.

use std::path::{Path, PathBuf};

use super::plan::{Candidate, Policies, since};
use crate::base::clock::{DAY_NS, UnixNanos};
use crate::event::recording::path_of;
use crate::storage::{Session, StorageError, all, first};
use crate::values;
use crate::vault::cipher::IV_BYTES;
use crate::vault::removal::Doomed;

/// Of a sidecar: the header at its longest, the last tag.
const SIDECAR_BYTES: i64 = 256;
/// Bytes of a recording that one tag of the sidecar covers, and of the tag.
const CHUNK_BYTES: i64 = 64 << 10;
const TAG_BYTES: i64 = 16;
/// How long an adopted recording is protected.
const ADOPTED_GRACE_NS: i64 = 7 * DAY_NS;

/// One recording, read anew before anything is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its id.
    pub(super) id: i64,
    /// Its name: the printable path of the original.
    pub(super) name: String,
    /// The printable path of its file.
    pub(super) file_path: String,
    /// Its camera.
    pub(super) camera: Option<String>,
    /// When it began.
    pub(super) started_at: Option<UnixNanos>,
    /// Bytes of the plaintext.
    pub(super) size_bytes: i64,
    /// `sealed`, `deleted` …
    pub(super) state: String,
    /// Whether it has a star.
    pub(super) is_starred: bool,
    /// Whether it is held.
    pub(super) is_held: bool,
    /// The IV of its file, hex.
    pub(super) iv: Option<String>,
    /// Whether a later sealed recording has the same path, whose file it then is.
    pub(super) is_followed: bool,
    thumbnail_path: Option<String>,
    inode: Option<i64>,
    changed_at: Option<i64>,
}

impl Row {
    /// The `.vge`, inside the recordings folder.
    pub(super) fn sealed_path(&self) -> PathBuf {
        path_of(&self.file_path)
    }

    /// The `.vge` of its thumbnail.
    pub(super) fn thumbnail(&self) -> Option<PathBuf> {
        self.thumbnail_path.as_deref().map(path_of)
    }

    /// The plaintext that it was, if it is still there.
    pub(super) fn original(&self) -> PathBuf {
        path_of(&self.name)
    }

    /// Bytes of the `.vge`.
    pub(super) fn sealed_bytes(&self) -> u64 {
        self.size_bytes as u64 + IV_BYTES as u64
    }

    /// What is to be removed, if it is decided.
    pub(super) fn doomed(&self) -> Option<Doomed> {
        if self.state != "deleted" {
            return None;
        }
        Some(Doomed {
            sealed: self.sealed_path(),
            inode: self.inode? as u64,
            changed_at: self.changed_at?,
            thumbnail: self.thumbnail(),
        })
    }
}

/// All sealed recordings whose file `is_there`.
///
/// What was adopted comes from a time of which this database knows nothing, nor of stars and holds:
/// it counts as recorded when it was adopted, and is protected for a while, so that a person can
/// look.
pub(super) fn candidates(
    session: &mut dyn Session,
    policies: &Policies,
    now: UnixNanos,
    is_there: &dyn Fn(&Path) -> bool,
) -> Result<Vec<Candidate>, StorageError> {
    let found = all(
        session,
        "SELECT id, CASE WHEN adopted = 1 THEN NULL ELSE started_at END, recorded_at, file_size, \
         header_tag IS NOT NULL, thumbnail_size, camera_id, trigger, \
         starred = 1 OR held = 1 OR (adopted = 1 AND recorded_at > ?1), file_path \
         FROM recordings WHERE state = 'sealed'",
        values![now.saturating_sub(ADOPTED_GRACE_NS)],
        |row| {
            if !is_there(&path_of(row.text(9)?)) {
                return Ok(None);
            }
            let sealed = sealed_bytes(row.int(3)?, row.int(4)? != 0);
            let thumbnail = row.opt_int(5)?.map_or(0, |size| sealed_bytes(size, true));
            Ok(Some(Candidate {
                id: row.int(0)?,
                since: since(row.opt_int(1)?, row.opt_int(2)?),
                bytes: sealed.saturating_add(thumbnail),
                policy: policies.index(row.opt_text(6)?, row.opt_text(7)?),
                is_protected: row.int(8)? != 0,
            }))
        },
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// What a sealed file and its sidecar take: reckoned, since asking the disk for each takes long.
fn sealed_bytes(plain_bytes: i64, has_sidecar: bool) -> i64 {
    let sidecar = if has_sidecar {
        SIDECAR_BYTES + plain_bytes / CHUNK_BYTES * TAG_BYTES
    } else {
        0
    };
    plain_bytes
        .saturating_add(IV_BYTES as i64)
        .saturating_add(sidecar)
}

/// The recording with this id.
pub(super) fn by_id(session: &mut dyn Session, id: i64) -> Result<Option<Row>, StorageError> {
    first(
        session,
        "SELECT id, original_name, file_path, camera_id, started_at, file_size, state, starred, \
         held, thumbnail_path, deleted_inode, deleted_changed_at, iv, EXISTS (SELECT 1 \
         FROM recordings n WHERE n.file_path = r.file_path AND n.state = 'sealed' AND n.id > r.id) \
         FROM recordings r WHERE id = ?1",
        values![id],
        row_of,
    )
}

/// The newest deleted recording that lay at this printable path, unless another one lies there now.
pub(super) fn deleted_at(
    session: &mut dyn Session,
    file_path: &str,
) -> Result<Option<Row>, StorageError> {
    first(
        session,
        "SELECT id, original_name, file_path, camera_id, started_at, file_size, state, starred, \
         held, thumbnail_path, deleted_inode, deleted_changed_at, iv, EXISTS (SELECT 1 \
         FROM recordings n WHERE n.file_path = r.file_path AND n.state = 'sealed' AND n.id > r.id) \
         FROM recordings r \
         WHERE file_path = ?1 AND state = 'deleted' AND NOT EXISTS (SELECT 1 FROM recordings o \
         WHERE o.file_path = ?1 AND o.state = 'sealed') ORDER BY id DESC LIMIT 1",
        values![file_path],
        row_of,
    )
}

fn row_of(row: &dyn crate::storage::Row) -> Result<Row, StorageError> {
    let text = |column| Ok::<_, StorageError>(row.opt_text(column)?.map(ToOwned::to_owned));
    Ok(Row {
        id: row.int(0)?,
        name: row.text(1)?.to_owned(),
        file_path: row.text(2)?.to_owned(),
        camera: text(3)?,
        started_at: row.opt_int(4)?,
        size_bytes: row.int(5)?,
        state: row.text(6)?.to_owned(),
        is_starred: row.int(7)? != 0,
        is_held: row.int(8)? != 0,
        thumbnail_path: text(9)?,
        inode: row.opt_int(10)?,
        changed_at: row.opt_int(11)?,
        iv: text(12)?,
        is_followed: row.int(13)? != 0,
    })
}
