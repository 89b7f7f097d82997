//! Search indexes: the words of a table's texts.
//!
//! The engine keeps nothing in step by itself: who inserts a row inserts its words, and rows that go
//! take theirs along. The texts stand once, in the table or in the event log.

use crate::storage::{Session, StorageError};
use crate::values;

/// The index of one table, and its statements.
#[derive(Clone, Copy, Debug)]
pub struct SearchIndex {
    /// Its name.
    pub name: &'static str,
    /// Takes in the text ?2 of the row ?1.
    pub insert: &'static str,
    /// Takes out the row ?1, whose text still stands.
    pub remove: &'static str,
    /// Takes out the rows from before ?1, whose texts still stand.
    pub remove_before: &'static str,
    /// Empties it.
    pub clear: &'static str,
    /// Wipes out what was taken out, which otherwise lingers in it.
    pub optimize: &'static str,
    /// Fails if it does not fit its texts.
    pub check: &'static str,
    /// Reads every word, in how many texts it stands, and how often.
    pub dump: &'static str,
}

/// `search_index!("events_fts" words "events_words" of "events" by "timestamp_ns" in "events")`: of a
/// table or view with the columns position and message, and the table that has the rows' time.
macro_rules! search_index {
    ($name:literal words $words:literal of $texts:literal by $time:literal in $table:literal) => {
        $crate::read_model::search_index::SearchIndex {
            name: $name,
            insert: concat!("INSERT INTO ", $name, " (rowid, message) VALUES (?1, ?2)"),
            remove: concat!(
                "INSERT INTO ",
                $name,
                " (",
                $name,
                ", rowid, message) \
                 SELECT 'delete', position, message FROM ",
                $texts,
                " WHERE position = ?1"
            ),
            remove_before: concat!(
                "INSERT INTO ",
                $name,
                " (",
                $name,
                ", rowid, message) \
                 SELECT 'delete', position, message FROM ",
                $texts,
                " WHERE position IN \
                 (SELECT position FROM ",
                $table,
                " WHERE ",
                $time,
                " < ?1)"
            ),
            clear: concat!(
                "INSERT INTO ",
                $name,
                " (",
                $name,
                ") VALUES ('delete-all')"
            ),
            optimize: concat!("INSERT INTO ", $name, " (", $name, ") VALUES ('optimize')"),
            check: concat!(
                "INSERT INTO ",
                $name,
                " (",
                $name,
                ", rank) VALUES ('integrity-check', 1)"
            ),
            dump: concat!("SELECT term, doc, cnt FROM ", $words),
        }
    };
}
pub(crate) use search_index;

impl SearchIndex {
    /// Takes in a row.
    pub fn insert(
        &self,
        session: &mut dyn Session,
        position: i64,
        text: &str,
    ) -> Result<(), StorageError> {
        session.write(self.insert, values![position, text])
    }

    /// Takes out a row, before its text goes or changes.
    pub fn remove(&self, session: &mut dyn Session, position: i64) -> Result<(), StorageError> {
        session.write(self.remove, values![position])
    }
}

/// Every search index, with the table that it belongs to.
pub fn all() -> impl Iterator<Item = (&'static str, &'static SearchIndex)> {
    super::ALL
        .iter()
        .flat_map(|projection| projection.tables)
        .filter_map(|table| Some((table.name, table.index?)))
}
