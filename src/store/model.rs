//! What models have learned: bytes under a key, and how far in the event log they had read. What the
//! bytes mean is the model's business alone.

use thiserror::Error;

use crate::base::clock::UnixNanos;
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError, first};
use crate::values;
use crate::writer::{Handle, ModelState, StateChange, WriterError};

/// Longest key, bytes.
pub const KEY_MAX_BYTES: usize = 256;

/// Why a state cannot be saved or loaded.
#[derive(Debug, Error)]
pub enum ModelStoreError {
    /// The key is none.
    #[error(
        "{0:?} is no key of a model: 1 to {KEY_MAX_BYTES} characters of ASCII without control \
         characters, such as hw:source:nginx"
    )]
    Key(String),
    /// Reading failed.
    #[error("a model's state cannot be read: {0}")]
    Storage(#[from] StorageError),
    /// Saving failed.
    #[error("a model's state cannot be saved: {0}")]
    Writer(#[from] WriterError),
}

/// Keeps the states of models.
pub trait ModelStore {
    /// Saves `data`, empty or not, in place of what stood under `key`; `position` is that of the last
    /// event that went into it. Durable when it returns.
    fn save_state(&mut self, key: &str, data: &[u8], position: i64) -> Result<(), ModelStoreError>;

    /// The bytes that were saved and their position; none when there is no such key.
    fn load_state(&mut self, key: &str) -> Result<Option<(Vec<u8>, i64)>, ModelStoreError>;
}

/// The states in the main database.
#[derive(Debug)]
pub struct Models<'a> {
    /// For reading.
    pub reader: &'a mut Database,
    /// For writing.
    pub writer: &'a Handle,
}

impl Models<'_> {
    /// Saves many states and removes those of the keys `gone`, in one transaction.
    pub fn save_all(
        &mut self,
        states: Vec<ModelState>,
        gone: Vec<String>,
        position: i64,
    ) -> Result<(), ModelStoreError> {
        let keys = states.iter().map(|state| &state.key).chain(&gone);
        keys.into_iter().try_for_each(|key| check_key(key))?;
        let change = StateChange::ModelsSaved {
            states,
            gone,
            position,
        };
        self.writer.change(change)?;
        Ok(())
    }
}

impl ModelStore for Models<'_> {
    fn save_state(&mut self, key: &str, data: &[u8], position: i64) -> Result<(), ModelStoreError> {
        let state = ModelState {
            key: key.to_owned(),
            data: data.to_owned(),
            is_known: false,
        };
        self.save_all(vec![state], Vec::new(), position)
    }

    fn load_state(&mut self, key: &str) -> Result<Option<(Vec<u8>, i64)>, ModelStoreError> {
        check_key(key)?;
        Ok(first(
            &mut self.reader.snapshot()?,
            "SELECT data, position FROM model_state WHERE key = ?1",
            values![key],
            |row| Ok((row.blob(0)?.to_vec(), row.int(1)?)),
        )?)
    }
}

/// A state as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredModel {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub data: Vec<u8>,
    /// When it was saved.
    pub updated_at: UnixNanos,
    /// Position of the last event that went into it.
    pub position: i64,
}

/// Hands every state to `each`, in the order of their keys.
pub fn for_each(
    session: &mut dyn Session,
    mut each: impl FnMut(StoredModel),
) -> Result<(), StorageError> {
    session.read(
        "SELECT key, data, updated_at, position FROM model_state ORDER BY key",
        &[],
        &mut |row| {
            each(StoredModel {
                key: row.text(0)?.to_owned(),
                data: row.blob(1)?.to_vec(),
                updated_at: row.int(2)?,
                position: row.int(3)?,
            });
            Ok(())
        },
    )
}

/// Every key.
pub fn keys(session: &mut dyn Session) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT key FROM model_state ORDER BY key";
    crate::storage::all(session, sql, &[], |row| Ok(row.text(0)?.to_owned()))
}

fn check_key(key: &str) -> Result<(), ModelStoreError> {
    let is_fine = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if (1..=KEY_MAX_BYTES).contains(&key.len()) && key.bytes().all(is_fine) {
        Ok(())
    } else {
        Err(ModelStoreError::Key(key.to_owned()))
    }
}

#[cfg(test)]
mod tests;
