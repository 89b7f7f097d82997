//! Storage: the thin [`Session`] over which all SQL runs, and the engines behind it:
//! SQLite and PostgreSQL.
//!
//! Knows no event. SQL is always `&'static str`: nothing can build it from data. Placeholders are
//! `?1`, `?2` …; upserts and savepoints have the same text on SQLite and PostgreSQL.
//! A write may be queued and needs no answer, a read sees all writes before it, and errors come at
//! the latest at commit.

pub mod migrate;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod search;
pub mod sqlite;

use thiserror::Error;

/// A value on its way into a statement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// 64-bit integer.
    Integer(i64),
    /// Double; never NaN (SQLite would store NULL).
    Real(f64),
    /// UTF-8 text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}
impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Integer(i64::from(value))
    }
}
impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}
impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}
impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}
impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Blob(value)
    }
}
impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Blob(value)
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A value read out of a row, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    /// SQL NULL.
    Null,
    /// 64-bit integer.
    Integer(i64),
    /// Double.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// Values for a statement: `values![position, "text", 1.5]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::storage::Value::from($value)),*] };
}

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Try again later; nothing is wrong with the data.
    Retry,
    /// Set this piece of data aside and go on.
    Park,
    /// Stop: going on could lose or damage data.
    Halt,
}

/// Trouble with the database.
#[derive(Debug, Error)]
pub enum StorageError {
    /// Somebody else holds the lock.
    #[error("the database is locked by another process: {0}")]
    Busy(String),
    /// The connection to the server is lost, or the server stops, starts or is at its limits.
    #[error("the database server cannot be used now: {0}; Nightjar tries again by itself")]
    Unreachable(String),
    /// No space left.
    #[error("the disk is full: {0}; free some space, Nightjar goes on by itself")]
    Full(String),
    /// The disk failed.
    #[error("input/output error on the database: {0}; check the disk")]
    Io(String),
    /// The file is damaged.
    #[error("the database is damaged: {0}; restore a backup or rebuild from a copy")]
    Corrupt(String),
    /// A constraint or a type refused the data.
    #[error("the database refused the data: {0}")]
    Refused(String),
    /// Something stored cannot be read back.
    #[error("stored data cannot be read: {0}")]
    Unreadable(String),
    /// The schema is not one that this program can use.
    #[error("{0}")]
    Schema(String),
    /// The file cannot be opened.
    #[error("the database {0} cannot be opened: {1}")]
    Open(std::path::PathBuf, String),
    /// The server does not let us in, or its address is wrong.
    #[error("the database server cannot be used: {0}")]
    Connect(String),
    /// A statement is wrong.
    #[error("SQL: {0}")]
    Sql(String),
}

impl StorageError {
    /// What to do about it.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Busy(_) | Self::Unreachable(_) | Self::Full(_) => Disposition::Retry,
            Self::Refused(_) | Self::Unreadable(_) => Disposition::Park,
            Self::Io(_)
            | Self::Corrupt(_)
            | Self::Schema(_)
            | Self::Open(..)
            | Self::Connect(_)
            | Self::Sql(_) => Disposition::Halt,
        }
    }
}

/// A row of a result; columns count from 0.
pub trait Row {
    /// The value in a column, owned.
    fn owned(&self, column: usize) -> Result<Owned, StorageError>;
    /// An integer, or none for NULL.
    fn opt_int(&self, column: usize) -> Result<Option<i64>, StorageError>;
    /// A double (an integer is widened), or none for NULL.
    fn opt_real(&self, column: usize) -> Result<Option<f64>, StorageError>;
    /// A text, or none for NULL.
    fn opt_text(&self, column: usize) -> Result<Option<&str>, StorageError>;
    /// Bytes, or none for NULL.
    fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, StorageError>;

    /// An integer; NULL is an error.
    fn int(&self, column: usize) -> Result<i64, StorageError> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }
    /// A double; NULL is an error.
    fn real(&self, column: usize) -> Result<f64, StorageError> {
        self.opt_real(column)?.ok_or_else(|| null(column))
    }
    /// A text; NULL is an error.
    fn text(&self, column: usize) -> Result<&str, StorageError> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }
    /// Bytes; NULL is an error.
    fn blob(&self, column: usize) -> Result<&[u8], StorageError> {
        self.opt_blob(column)?.ok_or_else(|| null(column))
    }
}

fn null(column: usize) -> StorageError {
    StorageError::Unreadable(format!("column {column} is NULL"))
}

/// Called for each row of a result.
pub type EachRow<'f> = &'f mut dyn FnMut(&dyn Row) -> Result<(), StorageError>;

/// One transaction on one engine.
pub trait Session {
    /// Queues or runs a write.
    fn write(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StorageError>;

    /// Runs a query after all queued writes, and calls `each` for every row.
    fn read(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        each: EachRow<'_>,
    ) -> Result<(), StorageError>;

    /// Opens the savepoint (one at a time).
    fn savepoint(&mut self) -> Result<(), StorageError>;
    /// Keeps what was written since the savepoint.
    fn release(&mut self) -> Result<(), StorageError>;
    /// Undoes what was written since the savepoint.
    fn roll_back(&mut self) -> Result<(), StorageError>;
}

/// The first row of a query, made into a value.
pub fn first<T>(
    session: &mut dyn Session,
    sql: &'static str,
    values: &[Value<'_>],
    make: impl Fn(&dyn Row) -> Result<T, StorageError>,
) -> Result<Option<T>, StorageError> {
    let mut found = None;
    session.read(sql, values, &mut |row| {
        if found.is_none() {
            found = Some(make(row)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// All rows of a query, made into values.
pub fn all<T>(
    session: &mut dyn Session,
    sql: &'static str,
    values: &[Value<'_>],
    make: impl Fn(&dyn Row) -> Result<T, StorageError>,
) -> Result<Vec<T>, StorageError> {
    let mut rows = Vec::new();
    session.read(sql, values, &mut |row| {
        rows.push(make(row)?);
        Ok(())
    })?;
    Ok(rows)
}
