//! Databases that are one file and travel: no file stays beside them when they are closed.
//!
//! A rollback journal instead of a WAL: it exists while a transaction runs, and whoever opens the file
//! next rolls back what a killed program left in it. Writers take turns by asking again and again for
//! the lock. The application id in the header says what kind of file it is before anything in it is trusted.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::{Database, Durability, PAGE_BYTES, READER_MMAP_BYTES, StorageError, map_error};
use crate::base::fsutil::{self, FsError};

/// Page cache of each connection: 64 MiB holds the pictures of a few steps.
const CACHE_KIB: i64 = 64_000;
/// Permissions of a new file: it holds what nobody else in the house needs to see.
const FILE_MODE: u32 = 0o600;

/// How long a lock is asked for before the file counts as busy.
const BUSY_AFTER: Duration = Duration::from_secs(5);
/// How often it is asked for. SQLite's own timeout asks every 100 ms in the end, and then seldom in the
/// moment between two commits of another: one of four busy writers waited for more than 5 s.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// What kind of file.
#[derive(Clone, Copy, Debug)]
pub struct SingleFile {
    /// `application_id` of the header.
    pub application_id: i32,
    /// What such a file is called in errors.
    pub called: &'static str,
    /// How hard a commit is.
    pub durability: Durability,
}

impl Database {
    /// Makes a new, empty file; a name that is taken is refused.
    pub fn create_single_file(path: &Path, kind: SingleFile) -> Result<Self, StorageError> {
        // SQLite cannot refuse a name that is taken; an empty file is an empty database to it.
        fsutil::write_new(path, &[], FILE_MODE).map_err(|error| open_error(path, &error))?;
        let database = Self::connect(path)?;
        // Fixed by the first write, which is the next line's.
        database.pragma("page_size", &PAGE_BYTES)?;
        database.pragma("application_id", &kind.application_id)?;
        database.prepare_single_file(kind.durability)?;
        Ok(database)
    }

    /// Opens a file of this kind for writing; one that is not there or of another kind is refused.
    pub fn open_single_file(path: &Path, kind: SingleFile) -> Result<Self, StorageError> {
        let database = Self::connect(path)?;
        database.expect_kind(kind)?;
        database.prepare_single_file(kind.durability)?;
        Ok(database)
    }

    /// Opens a file of this kind for reading. What a killed writer left half done is rolled back if
    /// the file can be written to: else it cannot be read at all.
    pub fn open_single_file_reader(path: &Path, kind: SingleFile) -> Result<Self, StorageError> {
        let database = Self::connect(path)?;
        database.expect_kind(kind)?;
        database.prepare_single_file(kind.durability)?;
        database.pragma("query_only", &true)?;
        database.pragma("mmap_size", &READER_MMAP_BYTES)?;
        Ok(database)
    }

    /// Runs a script of this repository with `other` attached as `whole`, unguarded: no triggers, no
    /// foreign keys. For making one file out of another that keeps the rules.
    pub fn fill_from(&self, other: &Path, script: &'static str) -> Result<(), StorageError> {
        let Some(other) = other.to_str() else {
            return Err(StorageError::Open(
                other.to_owned(),
                "its name is not UTF-8".into(),
            ));
        };
        self.guards(false)?;
        self.connection
            .execute("ATTACH DATABASE ?1 AS whole", [other])
            .map_err(|error| map_error(&error))?;
        let filled = self.run_script(script);
        if filled.is_err() && !self.connection.is_autocommit() {
            self.run_script("ROLLBACK")?;
        }
        self.run_script("DETACH DATABASE whole")?;
        self.guards(true)?;
        filled
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of opening a database"
    )]
    fn connect(path: &Path) -> Result<Self, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| StorageError::Open(path.to_owned(), error.to_string()))?;
        let mut database = Self {
            connection,
            path: path.to_owned(),
        };
        database.prepare_common()?;
        database
            .connection
            .busy_handler(Some(ask_again))
            .map_err(|error| map_error(&error))?;
        Ok(database)
    }

    fn expect_kind(&self, kind: SingleFile) -> Result<(), StorageError> {
        let found = self
            .connection
            .query_row("PRAGMA application_id", [], |row| row.get::<_, i32>(0))
            .optional();
        match found.map_err(|error| map_error(&error)) {
            Ok(Some(id)) if id == kind.application_id => Ok(()),
            Ok(_) => Err(StorageError::Open(
                self.path.clone(),
                format!("it is not {}", kind.called),
            )),
            Err(StorageError::Corrupt(why)) => Err(StorageError::Open(
                self.path.clone(),
                format!("it is not {}, or it is damaged: {why}", kind.called),
            )),
            Err(other) => Err(other),
        }
    }

    fn prepare_single_file(&self, durability: Durability) -> Result<(), StorageError> {
        // The default of the library, written down: DELETE leaves nothing beside the file.
        self.connection
            .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(|error| map_error(&error))?;
        let synchronous = match durability {
            // NORMAL lost the last commit in 2 of 4 power cuts.
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
            Durability::Scratch => "OFF",
        };
        self.pragma("synchronous", &synchronous)?;
        self.pragma("temp_store", &"MEMORY")?;
        self.pragma("cache_size", &-CACHE_KIB)?;
        // The writer has no map: an I/O error on a mapped page is a SIGBUS.
        self.pragma("mmap_size", &0)
    }

    fn guards(&self, on: bool) -> Result<(), StorageError> {
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, on)
            .map_err(|error| map_error(&error))?;
        self.pragma("foreign_keys", &on)
    }
}

/// Whether a lock that was asked for `asked` times is asked for again.
#[expect(
    clippy::disallowed_methods,
    reason = "SQLite's locks have no queue that one could wait in"
)]
fn ask_again(asked: i32) -> bool {
    let again = ASK_EVERY * asked.unsigned_abs() < BUSY_AFTER;
    if again {
        std::thread::sleep(ASK_EVERY);
    }
    again
}

fn open_error(path: &Path, error: &FsError) -> StorageError {
    StorageError::Open(path.to_owned(), error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const KIND: SingleFile = SingleFile {
        application_id: 0x1234_5678,
        called: "a test file",
        durability: Durability::Full,
    };

    #[test]
    fn the_file_is_opened_as_a_travelling_file_needs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.agl");
        let database = Database::create_single_file(&path, KIND).unwrap();
        database.run_script("CREATE TABLE t (a)").unwrap();
        drop(database);
        let writer = Database::open_single_file(&path, KIND).unwrap();
        let reader = Database::open_single_file_reader(&path, KIND).unwrap();
        let get = |database: &Database, name: &str| {
            database
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .unwrap()
        };
        for (name, value) in [
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("temp_store", 2),
            ("cache_size", -64_000),
            ("recursive_triggers", 1),
            ("application_id", 0x1234_5678),
        ] {
            for database in [&writer, &reader] {
                assert_eq!(get(database, name), value.into(), "{name}");
            }
        }
        let delete = rusqlite::types::Value::Text("delete".into());
        assert_eq!(get(&writer, "journal_mode"), delete);
        assert_eq!(get(&writer, "mmap_size"), 0.into());
        assert_eq!(get(&reader, "mmap_size"), 268_435_456.into());
        assert!(reader.run_script("CREATE TABLE u (a)").is_err());
    }

    #[test]
    fn a_lock_is_asked_for_until_it_is_free_and_for_five_seconds_at_most() {
        let asked = (0..i32::MAX).take_while(|asked| ASK_EVERY * asked.unsigned_abs() < BUSY_AFTER);
        assert_eq!(asked.count(), 5_000);
        assert!(!ask_again(5_000) && ask_again(0));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.agl");
        let mut holder = Database::create_single_file(&path, KIND).unwrap();
        holder.run_script("CREATE TABLE t (a)").unwrap();
        let held = holder.begin().unwrap();
        let (begun, waiting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = std::thread::Builder::new().spawn_scoped(scope, || {
                let mut waiter = Database::open_single_file(&path, KIND).unwrap();
                begun.send(()).unwrap();
                waiter.begin().unwrap().commit().unwrap();
            });
            waiting.recv().unwrap();
            held.commit().unwrap();
            waiter.unwrap().join().unwrap();
        });
    }

    #[test]
    fn a_file_of_another_kind_and_a_taken_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.agl");
        drop(Database::create_single_file(&path, KIND).unwrap());
        let other = SingleFile {
            application_id: 7,
            ..KIND
        };
        let said = |result: Result<Database, StorageError>| result.unwrap_err().to_string();
        assert!(said(Database::open_single_file(&path, other)).contains("it is not a test file"));
        assert!(said(Database::create_single_file(&path, KIND)).contains("t.agl"));
        assert!(Database::open_single_file(&folder.path().join("none"), KIND).is_err());
        let text = folder.path().join("letter.txt");
        fsutil::write_new(&text, &[b'x'; 5_000], 0o600).unwrap();
        assert!(said(Database::open_single_file(&text, KIND)).contains("not a test file"));
    }
}
