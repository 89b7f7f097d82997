//! The digest of a table: SHA-256 over every value of every row in the order of the primary key.

use sha2::{Digest, Sha256};

use crate::base::ids::hex;
use crate::storage::{Owned, Session, StorageError};

/// A table's digest and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDigest {
    /// Table.
    pub table: &'static str,
    /// Rows.
    pub rows: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Digest of one table, which `dump` reads whole and in an order of its own.
pub fn table_digest(
    session: &mut dyn Session,
    name: &'static str,
    dump: &'static str,
) -> Result<TableDigest, StorageError> {
    let mut hash = Sha256::new();
    let mut rows = 0;
    session.read(dump, &[], &mut |row| {
        rows += 1;
        let mut column = 0;
        while let Ok(value) = row.owned(column) {
            update(&mut hash, &value);
            column += 1;
        }
        hash.update(b"\n");
        Ok(())
    })?;
    Ok(TableDigest {
        table: name,
        rows,
        sha256: hex(&hash.finalize()),
    })
}

// Type tag, then length where the value has one: no two rows can run into the same bytes.
fn update(hash: &mut Sha256, value: &Owned) {
    match value {
        Owned::Null => hash.update(b"n"),
        Owned::Integer(value) => {
            hash.update(b"i");
            hash.update(value.to_be_bytes());
        }
        Owned::Real(value) => {
            hash.update(b"r");
            hash.update(value.to_bits().to_be_bytes());
        }
        Owned::Text(value) => {
            hash.update(b"t");
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(value.as_bytes());
        }
        Owned::Blob(value) => {
            hash.update(b"b");
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(value);
        }
    }
}
