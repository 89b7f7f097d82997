//! The PostgreSQL engine: one schema per site on a server that many boxes may share, and a
//! [`Session`] over it.
//!
//! A site's tables stand in a schema of its own, which is the first in the search path; no table has
//! a column for the site. Whoever writes holds an advisory lock of that schema, so that there is one
//! writer: it is taken at every connection anew, and once it is held, no transaction of an earlier
//! connection goes on. A lost connection is opened again when the next transaction begins.

mod connection;
mod dialect;
mod error;
mod grouping;
mod session;
mod value;

use std::fmt;

use tokio_postgres::Config;

use super::migrate::Migrates;
use super::{EachRow, Session, StorageError, Value, first};
use crate::values;
use connection::Connection;
pub use session::PostgresSession;

/// The upper half of the numbers of our advisory locks: "NJ". The lower one is the schema's.
const LOCK_CLASS: i64 = 0x4e4a;
/// Longest name of a schema, bytes: the server cuts off what is longer.
const SCHEMA_BYTES: usize = 63;

/// Where a site's tables are, and who we are.
#[derive(Clone)]
pub struct Site {
    config: Config,
    schema: String,
}

impl Site {
    /// The site `schema` at the servers of `url` (`postgresql://user:password@host,host/database`).
    /// `holder` is what others are told of who holds the site's lock, such as host and process.
    pub fn new(url: &str, schema: &str, holder: &str) -> Result<Self, StorageError> {
        if !is_schema(schema) {
            return Err(StorageError::Connect(format!(
                "{schema:?} is no name of a schema: a to z, 0 to 9 and _, at most {SCHEMA_BYTES}, \
                 a letter first, and not pg_…"
            )));
        }
        // What is wrong is said without the URL, which holds a password.
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            StorageError::Connect(format!("the URL of the server is not one: {error}"))
        })?;
        config.application_name(format!("nightjar {schema} {holder}"));
        Ok(Self {
            config,
            schema: schema.to_owned(),
        })
    }

    /// The schema's name.
    pub fn schema(&self) -> &str {
        &self.schema
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

fn is_schema(name: &str) -> bool {
    let is_part = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
    name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.chars().all(is_part)
        && name.len() <= SCHEMA_BYTES
        && !name.starts_with("pg_")
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
}

/// One connection to a site's schema, opened again when it is lost.
pub struct Database {
    site: Site,
    role: Role,
    connection: Connection,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("site", &self.site)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens (or makes) the site's schema for writing. Refused with the name of the holder while
    /// somebody else writes.
    pub fn open_writer(site: &Site) -> Result<Self, StorageError> {
        Self::open(site, Role::Writer)
    }

    /// Opens the site's schema for reading; sees what is committed.
    pub fn open_reader(site: &Site) -> Result<Self, StorageError> {
        Self::open(site, Role::Reader)
    }

    fn open(site: &Site, role: Role) -> Result<Self, StorageError> {
        let connection = connect(site, role)?;
        Ok(Self {
            site: site.clone(),
            role,
            connection,
        })
    }

    /// The site.
    pub const fn site(&self) -> &Site {
        &self.site
    }

    /// Begins the transaction that may write.
    pub fn begin(&mut self) -> Result<PostgresSession<'_>, StorageError> {
        self.session("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    }

    /// Begins a transaction that reads one unchanging state.
    pub fn snapshot(&mut self) -> Result<PostgresSession<'_>, StorageError> {
        self.session("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn session(&mut self, begin: &'static str) -> Result<PostgresSession<'_>, StorageError> {
        if self.connection.is_closed() {
            self.connection = connect(&self.site, self.role)?;
        }
        Ok(PostgresSession::begin(&mut self.connection, begin))
    }

    /// Runs a query that a person wrote, in PostgreSQL's own dialect and in a transaction that can only
    /// read. `columns` gets the names once before the rows; `each` stops the query by an error.
    pub fn query_text(
        &mut self,
        sql: &str,
        columns: &mut dyn FnMut(&[String]) -> Result<(), StorageError>,
        each: EachRow<'_>,
    ) -> Result<(), StorageError> {
        self.snapshot()?.query_text(sql, columns, each)
    }

    /// Whether a statement of this program is one to the server: it is translated and prepared, and not
    /// run. For tests that look through the sources.
    pub fn check(&mut self, sql: &str) -> Result<(), StorageError> {
        let translation = dialect::translate(sql);
        let types = vec![None; translation.probed.len()];
        let prepared = self.connection.prepare_anew(&translation, &types);
        prepared.map(drop).map_err(|error| error::map(&error))
    }

    /// Asks the server to write all tables anew, without what was left over in them. Nobody can use
    /// them meanwhile; takes as long as copying them, and twice their space.
    pub fn vacuum(&mut self) -> Result<(), StorageError> {
        let mut commands = Vec::new();
        let mut session = self.snapshot()?;
        Session::read(
            &mut session,
            "SELECT format('VACUUM (FULL, ANALYZE) %I.%I', schemaname, tablename) \
             FROM pg_catalog.pg_tables WHERE schemaname = current_schema() ORDER BY tablename",
            &[],
            &mut |row| {
                commands.push(row.text(0)?.to_owned());
                Ok(())
            },
        )?;
        drop(session);
        commands
            .iter()
            .try_for_each(|command| self.connection.run(command))
    }

    /// Version of the server.
    pub fn server_version(&mut self) -> Result<String, StorageError> {
        let mut session = self.snapshot()?;
        let version = first(
            &mut session,
            "SELECT current_setting('server_version')",
            &[],
            |row| Ok(row.text(0)?.to_owned()),
        )?;
        Ok(version.unwrap_or_default())
    }
}

impl Migrates for Database {
    const LEDGER: &'static str = "CREATE TABLE IF NOT EXISTS schema_migrations (
        version BIGINT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL,
        applied_at BIGINT NOT NULL, app_version TEXT NOT NULL)";
    const BEGIN: &'static str = "BEGIN";

    fn run_script(&mut self, script: &'static str) -> Result<(), StorageError> {
        self.connection.run(script)
    }

    fn record_migration(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StorageError> {
        self.connection.write(sql, values)
    }

    fn read_ledger(&mut self, sql: &'static str, each: EachRow<'_>) -> Result<(), StorageError> {
        Session::read(&mut self.snapshot()?, sql, &[], each)
    }
}

/// A connection that is ready: its settings made, and for a writer the lock held.
fn connect(site: &Site, role: Role) -> Result<Connection, StorageError> {
    let mut connection = Connection::open(&site.config)?;
    if role == Role::Writer {
        // The name was checked; a schema cannot be given as a value.
        connection.run(&format!("CREATE SCHEMA IF NOT EXISTS {}", site.schema))?;
    }
    let mut session = PostgresSession::begin(&mut connection, "BEGIN");
    let path = format!("{}, pg_catalog, public", site.schema);
    for (name, setting) in SETTINGS
        .iter()
        .copied()
        .chain([("search_path", path.as_str())])
    {
        Session::write(
            &mut session,
            "SELECT set_config(?1, ?2, false)",
            values![name, setting],
        )?;
    }
    let there = first(
        &mut session,
        "SELECT n.oid::bigint FROM pg_catalog.pg_namespace n WHERE n.nspname = ?1",
        values![site.schema()],
        |row| row.int(0),
    )?;
    let Some(schema) = there else {
        return Err(StorageError::Connect(format!(
            "there is no site {} in this database; `nightjar run` makes it",
            site.schema
        )));
    };
    if role == Role::Writer {
        lock(&mut session, site, schema)?;
    }
    session.commit()?;
    Ok(connection)
}

/// What is set for every connection.
const SETTINGS: &[(&str, &str)] = &[
    // A commit returns when it is on the disk, whatever the server does by default.
    ("synchronous_commit", "on"),
    // As long as SQLite waits for a lock.
    ("lock_timeout", "5s"),
    // All statements are short; compiling them costs more than it saves.
    ("jit", "off"),
    ("timezone", "UTC"),
    // Phrases without a word are nothing to be told of.
    ("client_min_messages", "warning"),
];

/// Takes the lock of the schema for as long as the connection lives.
fn lock(session: &mut PostgresSession<'_>, site: &Site, schema: i64) -> Result<(), StorageError> {
    let key = LOCK_CLASS << 32 | schema;
    let taken = first(
        session,
        "SELECT pg_try_advisory_lock(?1)",
        values![key],
        |row| row.int(0),
    )?;
    if taken == Some(1) {
        return Ok(());
    }
    let holder = first(
        session,
        "SELECT a.application_name || ', process ' || a.pid || ' of the server, since ' \
         || to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS') || ' UTC' \
         FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.database = \
         (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()) \
         AND (l.classid::bigint << 32 | l.objid::bigint) = ?1 AND l.objsubid = 1",
        values![key],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    let holder = holder.as_deref().unwrap_or("somebody who has just gone");
    Err(StorageError::Busy(format!(
        "site {} is written by {holder}",
        site.schema
    )))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
