//! The SQLite engine: how the one main database is opened, and a [`Session`] over it.
//!
//! WAL with `synchronous=FULL`: a commit is on the disk before it returns. Positions, names and
//! folds all go through one writing connection; readers have connections of their own.

pub mod single_file;

use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use foldhash::HashMap;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, ToSql};

use super::{EachRow, Owned, Row, Session, StorageError, Value};

/// Bytes per page: 8 KiB halves the depth of wide tables' trees and suits 4 KiB flash blocks.
const PAGE_BYTES: i64 = 8_192;
/// How long to wait for another process' lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Memory map of readers. The writer has none: an I/O error on a mapped page is a SIGBUS.
const READER_MMAP_BYTES: i64 = 256 * 1024 * 1024;
/// Prepared statements kept per connection: more than the folds have together.
const STATEMENT_CACHE: usize = 256;
/// The WAL file is cut back to this size after a checkpoint that emptied it.
const WAL_KEEP_BYTES: i64 = 64 * 1024 * 1024;

/// How hard a commit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// fsync at every commit: what was acknowledged survives a power cut.
    #[default]
    Full,
    /// fsync at checkpoints only: survives kill -9, loses the last commits on a power cut.
    Normal,
    /// No fsync at all: only for scratch databases that are thrown away.
    Scratch,
}

/// How a writing connection is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// See [`Durability`].
    pub durability: Durability,
    /// Page cache, KiB.
    pub cache_kib: i64,
    /// Pages in the WAL after which a commit checkpoints (8 KiB each). 32 MiB by default: the
    /// pages that every batch changes are then moved once for many batches, and only one commit in
    /// hundreds waits for it; an open after a crash reads as much.
    pub checkpoint_pages: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            cache_kib: 24 * 1024,
            checkpoint_pages: 4_096,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens (or makes) the database for writing.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of opening a database"
    )]
    pub fn open_writer(path: &Path, options: Options) -> Result<Self, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| StorageError::Open(path.to_owned(), error.to_string()))?;
        let database = Self {
            connection,
            path: path.to_owned(),
        };
        database.prepare_common()?;
        // FULL flushes the WAL at every commit; NORMAL lost 2,698 of 924,047 acknowledged rows
        // over 12 power cuts, FULL none of 60,512.
        let synchronous = match options.durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
            Durability::Scratch => "OFF",
        };
        database.pragma("page_size", &PAGE_BYTES)?;
        let mode: String = database
            .connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            .map_err(|error| map_error(&error))?;
        if !mode.eq_ignore_ascii_case("wal") && path.as_os_str() != ":memory:" {
            return Err(StorageError::Open(
                path.to_owned(),
                format!("the file system does not carry a WAL (journal mode {mode})"),
            ));
        }
        database.pragma("synchronous", &synchronous)?;
        database.pragma("cache_size", &-options.cache_kib)?;
        database.pragma("mmap_size", &0)?;
        database.pragma("wal_autocheckpoint", &options.checkpoint_pages)?;
        database.pragma("journal_size_limit", &WAL_KEEP_BYTES)?;
        database.pragma("temp_store", &"MEMORY")?;
        // What is deleted or shortened is zeroed: somebody may want to be forgotten later.
        database.pragma("secure_delete", &true)?;
        Ok(database)
    }

    /// Opens an existing database for reading; sees what is committed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of opening a database"
    )]
    pub fn open_reader(path: &Path) -> Result<Self, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| StorageError::Open(path.to_owned(), error.to_string()))?;
        let database = Self {
            connection,
            path: path.to_owned(),
        };
        database.prepare_common()?;
        database.pragma("query_only", &true)?;
        database.pragma("mmap_size", &READER_MMAP_BYTES)?;
        database.pragma("cache_size", &-8_192)?;
        Ok(database)
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins the transaction that may write.
    pub fn begin(&mut self) -> Result<SqliteSession<'_>, StorageError> {
        self.session("BEGIN IMMEDIATE")
    }

    /// Begins a transaction that reads one unchanging state.
    pub fn snapshot(&mut self) -> Result<SqliteSession<'_>, StorageError> {
        self.session("BEGIN DEFERRED")
    }

    fn session(&mut self, begin: &'static str) -> Result<SqliteSession<'_>, StorageError> {
        run_cached(&self.connection, begin)?;
        Ok(SqliteSession {
            connection: &self.connection,
            statements: HashMap::default(),
            open: true,
        })
    }

    /// Runs statements from a file of this repository (migrations).
    pub(super) fn run_script(&self, script: &'static str) -> Result<(), StorageError> {
        self.connection
            .execute_batch(script)
            .map_err(|error| map_error(&error))
    }

    /// One write inside a transaction that a script began.
    pub(super) fn record_migration(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare(sql)
            .map_err(|error| map_error(&error))?;
        bind(&mut statement, values)?;
        statement
            .raw_execute()
            .map(|_| ())
            .map_err(|error| map_error(&error))
    }

    /// Runs a query that a person wrote; the connection is read-only and the statement must be.
    /// `each` gets the column names once before the rows, and stops the query by an error.
    pub fn query_text(
        &self,
        sql: &str,
        columns: &mut dyn FnMut(&[String]) -> Result<(), StorageError>,
        each: EachRow<'_>,
    ) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare(sql)
            .map_err(|error| map_error(&error))?;
        if !statement.readonly() {
            return Err(StorageError::Sql(
                "only statements that read are allowed".into(),
            ));
        }
        let names: Vec<String> = statement.column_names().map(ToOwned::to_owned).collect();
        columns(&names)?;
        let mut rows = statement.query([]).map_err(|error| map_error(&error))?;
        while let Some(row) = rows.next().map_err(|error| map_error(&error))? {
            each(&SqliteRow(row))?;
        }
        Ok(())
    }

    /// SQLite's own check of the whole file; empty when all is well.
    pub fn integrity_problems(&self) -> Result<Vec<String>, StorageError> {
        let mut statement = self
            .connection
            .prepare("PRAGMA integrity_check")
            .map_err(|error| map_error(&error))?;
        let lines = statement
            .query_map([], |row| row.get::<_, String>(0))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| map_error(&error))?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Moves the WAL into the database as far as no reader is in the way, without blocking writers.
    pub fn checkpoint(&self) -> Result<(), StorageError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .map_err(|error| map_error(&error))
    }

    /// Moves the WAL into the database and empties it; for an orderly end.
    pub fn checkpoint_whole(&self) -> Result<(), StorageError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|error| map_error(&error))
    }

    /// The same; whether the WAL is empty now. It stays as it is while somebody reads an older state,
    /// who is waited for as long as for any lock.
    pub fn empty_wal(&self) -> Result<bool, StorageError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(|busy| busy == 0)
            .map_err(|error| map_error(&error))
    }

    /// Writes the whole file anew, without what was left over in it. Takes as long as copying it, and
    /// twice its space.
    pub fn vacuum(&self) -> Result<(), StorageError> {
        // The copy is as large as the file, and must not be made in memory.
        self.pragma("temp_store", &"FILE")?;
        let done = self.run_script("VACUUM");
        self.pragma("temp_store", &"MEMORY")?;
        done
    }

    /// Version of the SQLite inside this program.
    pub fn library_version() -> &'static str {
        rusqlite::version()
    }

    fn prepare_common(&self) -> Result<(), StorageError> {
        let config = |option, on| {
            self.connection
                .set_db_config(option, on)
                .map(|_| ())
                .map_err(|error| map_error(&error))
        };
        self.connection
            .busy_timeout(BUSY_TIMEOUT)
            .map_err(|error| map_error(&error))?;
        self.connection
            .set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Plans hang on the statement alone: else each value bound to a LIMIT plans it anew.
        config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // INSERT OR REPLACE deletes, and is to be refused as any deletion.
        self.pragma("recursive_triggers", &true)?;
        self.pragma("foreign_keys", &true)
    }

    fn pragma(&self, name: &str, value: &dyn ToSql) -> Result<(), StorageError> {
        self.connection
            .pragma_update(None, name, value)
            .map_err(|error| match map_error(&error) {
                damaged @ StorageError::Corrupt(_) => damaged,
                _ => StorageError::Open(self.path.clone(), format!("{name}: {error}")),
            })
    }
}

/// A transaction; dropped without commit it leaves no trace.
pub struct SqliteSession<'a> {
    connection: &'a Connection,
    /// What this transaction has prepared, by the address of its text: the connection's own cache
    /// takes a statement out and puts it back at every use, and compares whole texts.
    statements: HashMap<(usize, usize), CachedStatement<'a>>,
    open: bool,
}

impl<'a> SqliteSession<'a> {
    /// The statement of a text, with values bound.
    fn bound(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<&mut CachedStatement<'a>, StorageError> {
        let statement = match self.statements.entry((sql.as_ptr().addr(), sql.len())) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let prepared = self.connection.prepare_cached(sql);
                entry.insert(prepared.map_err(|error| map_error(&error))?)
            }
        };
        bind(statement, values)?;
        Ok(statement)
    }

    /// Makes everything written durable, as hard as the database was opened for.
    pub fn commit(mut self) -> Result<(), StorageError> {
        // A failed COMMIT may leave the transaction open; drop then rolls it back.
        run_cached(self.connection, "COMMIT")?;
        self.open = false;
        Ok(())
    }
}

impl std::fmt::Debug for SqliteSession<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteSession")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Drop for SqliteSession<'_> {
    fn drop(&mut self) {
        if self.open && !self.connection.is_autocommit() {
            // Nothing more can be done than to close the connection, which rolls back as well.
            let _ = run_cached(self.connection, "ROLLBACK");
        }
    }
}

impl Session for SqliteSession<'_> {
    fn write(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StorageError> {
        self.bound(sql, values)?
            .raw_execute()
            .map(|_| ())
            .map_err(|error| map_error(&error))
    }

    fn read(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        each: EachRow<'_>,
    ) -> Result<(), StorageError> {
        let mut rows = self.bound(sql, values)?.raw_query();
        while let Some(row) = rows.next().map_err(|error| map_error(&error))? {
            each(&SqliteRow(row))?;
        }
        Ok(())
    }

    fn savepoint(&mut self) -> Result<(), StorageError> {
        run_cached(self.connection, "SAVEPOINT nightjar_event")
    }

    fn release(&mut self) -> Result<(), StorageError> {
        run_cached(self.connection, "RELEASE nightjar_event")
    }

    fn roll_back(&mut self) -> Result<(), StorageError> {
        run_cached(self.connection, "ROLLBACK TO nightjar_event")?;
        run_cached(self.connection, "RELEASE nightjar_event")
    }
}

fn run_cached(connection: &Connection, sql: &'static str) -> Result<(), StorageError> {
    let mut statement = connection
        .prepare_cached(sql)
        .map_err(|error| map_error(&error))?;
    statement
        .raw_execute()
        .map(|_| ())
        .map_err(|error| map_error(&error))
}

fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value<'_>]) -> Result<(), StorageError> {
    if statement.parameter_count() != values.len() {
        return Err(StorageError::Sql(format!(
            "{} values for {} placeholders",
            values.len(),
            statement.parameter_count()
        )));
    }
    for (index, value) in values.iter().enumerate() {
        // SQLite stores NaN as NULL without a word; an infinity would fail in other engines.
        if let Value::Real(number) = value
            && !number.is_finite()
        {
            return Err(StorageError::Refused(format!(
                "the number {number} is not finite"
            )));
        }
        statement
            .raw_bind_parameter(index + 1, Bound(*value))
            .map_err(|error| map_error(&error))?;
    }
    Ok(())
}

struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(value),
            Value::Real(value) => ValueRef::Real(value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

struct SqliteRow<'a>(&'a rusqlite::Row<'a>);

impl SqliteRow<'_> {
    fn value(&self, column: usize) -> Result<ValueRef<'_>, StorageError> {
        self.0.get_ref(column).map_err(|error| map_error(&error))
    }
}

fn wrong_type(column: usize, found: ValueRef<'_>) -> StorageError {
    StorageError::Unreadable(format!("column {column} holds {}", found.data_type()))
}

impl Row for SqliteRow<'_> {
    fn owned(&self, column: usize) -> Result<Owned, StorageError> {
        Ok(match self.value(column)? {
            ValueRef::Null => Owned::Null,
            ValueRef::Integer(value) => Owned::Integer(value),
            ValueRef::Real(value) => Owned::Real(value),
            ValueRef::Text(value) => Owned::Text(String::from_utf8_lossy(value).into_owned()),
            ValueRef::Blob(value) => Owned::Blob(value.to_vec()),
        })
    }

    fn opt_int(&self, column: usize) -> Result<Option<i64>, StorageError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            other => Err(wrong_type(column, other)),
        }
    }

    fn opt_real(&self, column: usize) -> Result<Option<f64>, StorageError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value as f64)),
            ValueRef::Real(value) => Ok(Some(value)),
            other => Err(wrong_type(column, other)),
        }
    }

    fn opt_text(&self, column: usize) -> Result<Option<&str>, StorageError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(value) => std::str::from_utf8(value)
                .map(Some)
                .map_err(|error| StorageError::Unreadable(format!("column {column}: {error}"))),
            other => Err(wrong_type(column, other)),
        }
    }

    fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, StorageError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(value) => Ok(Some(value)),
            other => Err(wrong_type(column, other)),
        }
    }
}

fn map_error(error: &rusqlite::Error) -> StorageError {
    let text = error.to_string();
    let Some(code) = error.sqlite_error_code() else {
        return StorageError::Sql(text);
    };
    match code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => StorageError::Busy(text),
        // The WAL's index could not grow: the one full disk that SQLite reports as an I/O error.
        _ if error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) =>
        {
            StorageError::Full(text)
        }
        ErrorCode::DiskFull => StorageError::Full(text),
        ErrorCode::SystemIoFailure => StorageError::Io(text),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StorageError::Corrupt(text),
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => {
            StorageError::Refused(text)
        }
        _ => StorageError::Sql(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::values;

    fn database() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open_writer(&folder.path().join("t.db"), Options::default()).unwrap();
        database
            .run_script("CREATE TABLE t (a INTEGER PRIMARY KEY, b REAL) STRICT")
            .unwrap();
        (folder, database)
    }

    #[test]
    fn the_database_is_opened_as_durability_needs() {
        let (_folder, database) = database();
        let get = |pragma: &str| {
            database
                .connection
                .query_row(&format!("PRAGMA {pragma}"), [], |row| {
                    row.get::<_, rusqlite::types::Value>(0)
                })
                .unwrap()
        };
        assert_eq!(
            get("journal_mode"),
            rusqlite::types::Value::Text("wal".into())
        );
        for (pragma, value) in [
            ("synchronous", 2),
            ("page_size", 8_192),
            ("foreign_keys", 1),
            ("trusted_schema", 0),
            ("cache_size", -24_576),
        ] {
            assert_eq!(
                get(pragma),
                rusqlite::types::Value::Integer(value),
                "{pragma}"
            );
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_and_never_become_null() {
        let (_folder, mut database) = database();
        let mut session = database.begin().unwrap();
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = session
                .write("INSERT INTO t VALUES (?1, ?2)", values![1, number])
                .unwrap_err();
            assert_eq!(error.disposition(), super::super::Disposition::Park);
        }
    }

    #[test]
    fn a_session_dropped_without_commit_leaves_no_trace() {
        let (_folder, mut database) = database();
        let mut session = database.begin().unwrap();
        session
            .write("INSERT INTO t VALUES (?1, ?2)", values![1, 1.5])
            .unwrap();
        drop(session);
        let mut session = database.begin().unwrap();
        session
            .write("INSERT INTO t VALUES (?1, ?2)", values![2, 2.5])
            .unwrap();
        session.savepoint().unwrap();
        session
            .write("INSERT INTO t VALUES (?1, ?2)", values![3, 2.5])
            .unwrap();
        session.roll_back().unwrap();
        session.commit().unwrap();
        let mut session = database.snapshot().unwrap();
        let rows =
            super::super::all(&mut session, "SELECT a FROM t", &[], |row| row.int(0)).unwrap();
        assert_eq!(rows, [2]);
    }

    #[test]
    fn a_reader_cannot_write_even_by_a_persons_statement() {
        let (folder, _database) = database();
        let reader = Database::open_reader(&folder.path().join("t.db")).unwrap();
        for sql in [
            "DELETE FROM t",
            "PRAGMA user_version = 5",
            "ATTACH 'x.db' AS x",
            "SELEC 1",
        ] {
            let outcome = reader.query_text(sql, &mut |_| Ok(()), &mut |_| Ok(()));
            assert!(outcome.is_err(), "{sql} was let through");
        }
        assert!(!folder.path().join("x.db").exists());
    }
}
