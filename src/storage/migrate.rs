//! The migration runner: numbered scripts, each run once, in one transaction each.
//!
//! A database from a newer program is refused by name; a script that changed after it was run is
//! refused by its digest.

use sha2::{Digest, Sha256};

use super::sqlite::Database;
use super::{EachRow, Session, StorageError, Value};
use crate::base::ids::hex;
use crate::values;

/// One script of the schema.
#[derive(Debug)]
pub struct Migration {
    /// 1, 2, 3 …
    pub version: i64,
    /// What it makes.
    pub name: &'static str,
    /// The SQL.
    pub script: &'static str,
}

macro_rules! migrations {
    ($folder:literal: $($version:literal $file:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            script: include_str!(concat!(
                "../../migrations/", $folder, "/", $file, "_", $name, ".sql"
            )),
        }),*]
    };
}

/// The schema of the main database on SQLite.
pub const SQLITE: &[Migration] = migrations!("sqlite":
    1 "0001" "event_log",
    2 "0002" "read_model",
    3 "0003" "vault",
    4 "0004" "alarm",
    5 "0005" "animals",
    6 "0006" "registry",
    7 "0007" "people",
    8 "0008" "retention",
    9 "0009" "box_health",
    10 "0010" "search",
    11 "0011" "box_health_more",
);

/// The same on PostgreSQL, after the functions that it lacks.
#[cfg(feature = "postgres")]
pub const POSTGRES: &[Migration] = migrations!("postgres":
    0 "0000" "dialect",
    1 "0001" "event_log",
    2 "0002" "read_model",
    3 "0003" "vault",
    4 "0004" "alarm",
    5 "0005" "animals",
    6 "0006" "registry",
    7 "0007" "people",
    8 "0008" "retention",
    9 "0009" "box_health",
    10 "0010" "search",
    11 "0011" "box_health_more",
);

/// What the runner needs of an engine.
pub trait Migrates {
    /// Makes the table of what was run, unless it is there.
    const LEDGER: &'static str;
    /// Begins a transaction that scripts may run in.
    const BEGIN: &'static str;

    /// Runs the statements of a script.
    fn run_script(&mut self, script: &'static str) -> Result<(), StorageError>;
    /// One write inside a transaction that a script began.
    fn record_migration(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StorageError>;
    /// Calls `each` for every row of a query.
    fn read_ledger(&mut self, sql: &'static str, each: EachRow<'_>) -> Result<(), StorageError>;
}

impl Migrates for Database {
    const LEDGER: &'static str = "CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL,
        applied_at INTEGER NOT NULL, app_version TEXT NOT NULL) STRICT";
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    fn run_script(&mut self, script: &'static str) -> Result<(), StorageError> {
        Self::run_script(self, script)
    }

    fn record_migration(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StorageError> {
        Self::record_migration(self, sql, values)
    }

    fn read_ledger(&mut self, sql: &'static str, each: EachRow<'_>) -> Result<(), StorageError> {
        self.snapshot()?.read(sql, &[], each)
    }
}

/// Brings the database up to `migrations`; `now` is kept as the time of each step.
pub fn migrate<D: Migrates>(
    database: &mut D,
    migrations: &[Migration],
    now: i64,
) -> Result<(), StorageError> {
    database.run_script(D::LEDGER)?;
    let done = applied(database)?;
    if let Some((version, name, _)) = done.iter().find(|(version, ..)| {
        !migrations
            .iter()
            .any(|migration| migration.version == *version)
    }) {
        return Err(StorageError::Schema(format!(
            "the database has migration {version} ({name}), which this program does not know: it \
             was written by a newer nightjar; update the program or restore an older copy"
        )));
    }
    for migration in migrations {
        let digest = hex(&Sha256::digest(migration.script.as_bytes()));
        match done
            .iter()
            .find(|(version, ..)| *version == migration.version)
        {
            Some((_, _, sha256)) if *sha256 == digest => {}
            Some((version, name, _)) => {
                return Err(StorageError::Schema(format!(
                    "migration {version} ({name}) of this program is not the one that made the \
                     database; use the program that made it"
                )));
            }
            None => apply(database, migration, &digest, now)?,
        }
    }
    Ok(())
}

fn applied(database: &mut impl Migrates) -> Result<Vec<(i64, String, String)>, StorageError> {
    let mut done = Vec::new();
    database.read_ledger(
        "SELECT version, name, sha256 FROM schema_migrations ORDER BY version",
        &mut |row| {
            done.push((
                row.int(0)?,
                row.text(1)?.to_owned(),
                row.text(2)?.to_owned(),
            ));
            Ok(())
        },
    )?;
    Ok(done)
}

fn apply<D: Migrates>(
    database: &mut D,
    migration: &Migration,
    digest: &str,
    now: i64,
) -> Result<(), StorageError> {
    database.run_script(D::BEGIN)?;
    let made = database.run_script(migration.script).and_then(|()| {
        database.record_migration(
            "INSERT INTO schema_migrations VALUES (?1, ?2, ?3, ?4, ?5)",
            values![
                migration.version,
                migration.name,
                digest,
                now,
                env!("CARGO_PKG_VERSION")
            ],
        )
    });
    match made {
        Ok(()) => database.run_script("COMMIT"),
        Err(error) => {
            database.run_script("ROLLBACK")?;
            Err(error)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::all;
    use super::super::sqlite::Options;
    use super::*;

    fn open() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open_writer(&folder.path().join("t.db"), Options::default()).unwrap();
        (folder, database)
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let (_folder, mut database) = open();
        migrate(&mut database, SQLITE, 5).unwrap();
        migrate(&mut database, SQLITE, 9).unwrap();
        let mut session = database.snapshot().unwrap();
        let times = all(
            &mut session,
            "SELECT applied_at FROM schema_migrations",
            &[],
            |row| row.int(0),
        );
        assert_eq!(times.unwrap(), vec![5; SQLITE.len()]);
    }

    #[test]
    fn a_newer_database_is_refused_by_name() {
        let (_folder, mut database) = open();
        let newer = [Migration {
            version: 1,
            name: "future_thing",
            script: "SELECT 1",
        }];
        migrate(&mut database, &newer, 0).unwrap();
        let error = migrate(&mut database, &[], 0).unwrap_err().to_string();
        assert!(error.contains("future_thing"), "{error}");
    }

    #[test]
    fn a_changed_script_is_refused_and_a_broken_one_leaves_nothing() {
        let (_folder, mut database) = open();
        let first = [Migration {
            version: 1,
            name: "a",
            script: "CREATE TABLE a (x)",
        }];
        migrate(&mut database, &first, 0).unwrap();
        let changed = [Migration {
            version: 1,
            name: "a",
            script: "CREATE TABLE a (y)",
        }];
        assert!(migrate(&mut database, &changed, 0).is_err());
        let broken = [
            Migration {
                version: 1,
                name: "a",
                script: "CREATE TABLE a (x)",
            },
            Migration {
                version: 2,
                name: "b",
                script: "CREATE TABLE b (x); NONSENSE",
            },
        ];
        assert!(migrate(&mut database, &broken, 0).is_err());
        let mut session = database.snapshot().unwrap();
        let tables = all(
            &mut session,
            "SELECT name FROM sqlite_schema WHERE name = 'b'",
            &[],
            |_| Ok(()),
        );
        assert!(tables.unwrap().is_empty());
    }
}
