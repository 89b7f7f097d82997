//! Interned names: texts that repeat, and their numbers.
//!
//! The table `names` is the truth; memory holds a bounded part of it.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::event::envelope::Name;
use crate::storage::{Session, StorageError, first};
use crate::values;

/// Names held in memory; past it the cache starts anew (100,000 topics must not fill the memory).
const CACHED_NAMES: usize = 32_768;

/// The writer's interner.
#[derive(Debug, Default)]
pub struct Names {
    ids: HashMap<Arc<str>, i64>,
    next_id: i64,
}

impl Names {
    /// Reads where the numbering stands.
    pub fn load(session: &mut dyn Session) -> Result<Self, StorageError> {
        let next_id = first(
            session,
            "SELECT coalesce(max(id), 0) + 1 FROM names",
            &[],
            |row| row.int(0),
        )?;
        Ok(Self {
            ids: HashMap::new(),
            next_id: next_id.unwrap_or(1),
        })
    }

    /// The number of `text`, made if it is new.
    pub fn intern(&mut self, session: &mut dyn Session, text: &str) -> Result<Name, StorageError> {
        if let Some((text, id)) = self.ids.get_key_value(text) {
            return Ok(Name {
                id: *id,
                text: Arc::clone(text),
            });
        }
        let known = first(
            session,
            "SELECT id FROM names WHERE name = ?1",
            values![text],
            |row| row.int(0),
        )?;
        let id = if let Some(id) = known {
            id
        } else {
            let id = self.next_id;
            session.write(
                "INSERT INTO names (id, name) VALUES (?1, ?2)",
                values![id, text],
            )?;
            self.next_id += 1;
            id
        };
        if self.ids.len() >= CACHED_NAMES {
            self.ids.clear();
        }
        let text: Arc<str> = Arc::from(text);
        self.ids.insert(Arc::clone(&text), id);
        Ok(Name { id, text })
    }
}

/// Looks up names by number, for readers.
#[derive(Debug, Default)]
pub struct NamesById {
    names: HashMap<i64, Arc<str>>,
}

impl NamesById {
    /// The name with this number.
    pub fn get(&mut self, session: &mut dyn Session, id: i64) -> Result<Name, StorageError> {
        if let Some(text) = self.names.get(&id) {
            return Ok(Name {
                id,
                text: Arc::clone(text),
            });
        }
        let text = first(
            session,
            "SELECT name FROM names WHERE id = ?1",
            values![id],
            |row| Ok(Arc::<str>::from(row.text(0)?)),
        )?
        .ok_or_else(|| StorageError::Unreadable(format!("name {id} is missing")))?;
        if self.names.len() >= CACHED_NAMES {
            self.names.clear();
        }
        self.names.insert(id, Arc::clone(&text));
        Ok(Name { id, text })
    }
}
