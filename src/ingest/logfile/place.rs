//! How far a log file was read, so that the same file is known again under any name.
//!
//! A file is known by its inode and by its first bytes together: an inode is given to another file
//! when the old one is deleted, and a copy has the bytes but not the inode. The number of the device
//! may change when the machine starts and tells a file from another only while nothing was read.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// First bytes of a file that tell it from others: longer than the longest usual line.
pub(super) const HEAD_BYTES: usize = 256;
/// Fewer bytes than this tell nothing without the inode: an empty first line stands in many files.
const HEAD_ALONE_BYTES: usize = 16;

/// How far one file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePlace {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Bytes read, of what a packed file holds unpacked.
    pub(super) offset: u64,
    /// How many of the bytes read `head` is made of: all of them up to [`HEAD_BYTES`].
    pub(super) head_bytes: usize,
    /// Digest of the first bytes, hex.
    pub(super) head: String,
    /// Pieces of the present line that were stored already; 0 at the beginning of a line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) pieces: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl FilePlace {
    /// Whether the first bytes alone tell the file.
    pub(super) const fn is_telling(&self) -> bool {
        self.head_bytes >= HEAD_ALONE_BYTES
    }

    /// Whether a file that begins with `head` (as much as was asked for) is this one.
    pub(super) fn begins_with(&self, head: &[u8]) -> bool {
        head.len() == self.head_bytes && digest(head) == self.head
    }
}

/// How far the files of one name were read: the one that is read, and before it the one that it took
/// the name from, to which somebody may write for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Oldest first.
    pub(super) files: Vec<FilePlace>,
    /// When that was, Unix nanoseconds: what was written later was not read.
    pub(super) read_at: i64,
}

/// Digest of the first bytes of a file: half of SHA-256 is far from any accident.
pub(super) fn digest(head: &[u8]) -> String {
    use std::fmt::Write as _;
    let hash = Sha256::digest(head);
    hash.iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
