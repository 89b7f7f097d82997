//! What `query` offers: named queries with typed columns, as data.

use crate::storage::{Owned, Session, StorageError};
use crate::values;

/// How a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Unix nanoseconds; shown as a date and time.
    Time,
    /// Text.
    Text,
    /// A number.
    Number,
    /// A size, bytes.
    Bytes,
    /// 0 or 1.
    Flag,
}

/// A column of a view.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, with the unit last where it has one.
    pub name: &'static str,
    /// How it is shown.
    pub shape: Shape,
}

/// One query. `?1` and `?2` are the time range (from inclusive, to exclusive), `?3` the limit.
/// Newest first.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Name on the command line: the table's.
    pub name: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// Columns in the order of the SELECT.
    pub columns: &'static [Column],
    /// The query.
    pub sql: &'static str,
}

/// Which rows of a view.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// From this time on, Unix nanoseconds.
    pub since: i64,
    /// To before this time.
    pub until: i64,
    /// At most this many rows.
    pub limit: i64,
}

impl View {
    /// Runs the query.
    pub fn rows(
        &self,
        session: &mut dyn Session,
        window: Window,
    ) -> Result<Vec<Vec<Owned>>, StorageError> {
        let width = self.columns.len();
        crate::storage::all(
            session,
            self.sql,
            values![window.since, window.until, window.limit],
            |row| (0..width).map(|column| row.owned(column)).collect(),
        )
    }
}

macro_rules! columns {
    ($($name:literal $shape:ident),* $(,)?) => {
        &[$($crate::read_model::view::Column {
            name: $name, shape: $crate::read_model::view::Shape::$shape
        }),*]
    };
}
pub(crate) use columns;
