//! The log store: lines and moments written, found by what is known of them, and by their words.
//!
//! Log lines and moments are two tables that are read as one stream. Every page is found by an index
//! and bounded in the rows that it looks at, so that a page may end before it is full; it then says
//! so, and its cursor goes on from there. A cursor names the last row that was looked at and not a
//! number of rows: whatever is stored meanwhile, no row comes twice and none is left out.

mod cursor;
mod page;
mod search;
pub mod sql;
#[cfg(test)]
mod tests;
mod walk;

use thiserror::Error;
use uuid::Uuid;

use crate::base::clock::UnixNanos;
use crate::base::ids::message_hash;
use crate::event::system::Level;
use crate::event::{NewEvent, PublisherId};
use crate::storage::sqlite::Database;
use crate::storage::{Row, StorageError};
use crate::writer::{Handle, Submission, WriterError};

pub use cursor::Cursor;

/// Most rows of a page of [`LogStore::query_events`].
pub const PAGE_MAX: u32 = 1_000;
/// Most results of [`LogStore::search_text`]; a higher limit is cut to it.
pub const RESULTS_MAX: u32 = 10_000;
/// The highest severity.
pub const SEVERITY_MAX: u8 = 6;

/// An event to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// The event.
    pub event: NewEvent,
    /// Its publisher's id, good within its topic: of several events with one id the first is kept.
    pub event_id: Option<String>,
}

/// Which lines and moments; all conditions hold at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// From this time on, Unix nanoseconds.
    pub since: UnixNanos,
    /// To this time, inclusive.
    pub until: UnixNanos,
    /// `log`, `camera`, `sensor`, …
    pub source_type: Option<String>,
    /// `heron/sshd` of a line, `driveway` of a moment.
    pub source_id: Option<String>,
    /// At least so grave, 0 to [`SEVERITY_MAX`]; 0 for all.
    pub min_severity: u8,
    /// Lines of this template.
    pub template: Option<i64>,
    /// What names this entity.
    pub entity: Option<Uuid>,
    /// What holds these words beside each other; see [`crate::storage::search::phrase`].
    pub text: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// Rows of a page, 1 to [`PAGE_MAX`].
    pub limit: u32,
}

impl Default for EventQuery {
    fn default() -> Self {
        Self {
            since: i64::MIN,
            until: i64::MAX,
            source_type: None,
            source_id: None,
            min_severity: 0,
            template: None,
            entity: None,
            text: None,
            cursor: None,
            limit: 100,
        }
    }
}

/// A log line or a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its event.
    pub position: i64,
    /// When it was, Unix nanoseconds.
    pub at: UnixNanos,
    /// How grave, 0 to [`SEVERITY_MAX`].
    pub severity: u8,
    /// What a moment is called, such as `PERSON_DETECTED`; none for a line.
    pub event_type: Option<String>,
    /// `log` of a line, `camera`, …
    pub source_type: String,
    /// `heron/sshd` of a line, `driveway`, …
    pub source_id: String,
    /// The template of a line.
    pub template: Option<i64>,
    /// The line as it was written, or the moment in words.
    pub message: String,
}

/// A page, the newest first; of one time the higher position first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its rows.
    pub events: Vec<StoredEvent>,
    /// Where the next page begins; none when there are no more.
    pub next: Option<Cursor>,
    /// Whether it ended for the rows that were looked at, and not because it was full.
    pub stopped: bool,
}

/// How a text is searched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Words beside each other, by their stems: `fail password` finds "Failed passwords", `assw`
    /// nothing.
    #[default]
    Words,
    /// These very characters, upper and lower case told apart: `assw` finds "password".
    Exact,
}

/// What to search for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The text; an empty one finds nothing.
    pub text: String,
    /// How.
    pub mode: Mode,
    /// From this time on, Unix nanoseconds.
    pub since: UnixNanos,
    /// To this time, inclusive.
    pub until: UnixNanos,
    /// Only what arrived before this position: the next page.
    pub before: Option<i64>,
    /// At most so many, cut to [`RESULTS_MAX`].
    pub limit: u32,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            text: String::new(),
            mode: Mode::Words,
            since: i64::MIN,
            until: i64::MAX,
            before: None,
            limit: 100,
        }
    }
}

/// What a search found, the last arrived first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The lines and moments.
    pub events: Vec<StoredEvent>,
    /// The position to go on before; none when there is no more.
    pub next: Option<i64>,
    /// Whether it ended for the rows that were looked at, and not because there were enough.
    pub stopped: bool,
}

/// Why the log store did not do what was asked.
#[derive(Debug, Error)]
pub enum LogStoreError {
    /// A page of no size.
    #[error("a page has 1 to {PAGE_MAX} rows, not {0}")]
    PageSize(u32),
    /// A search for nothing.
    #[error("a search has at least 1 result")]
    NoResults,
    /// A range that ends before it begins.
    #[error("the range ends before it begins: give a later end or an earlier beginning")]
    Range,
    /// No such severity.
    #[error("a severity is 0 to {SEVERITY_MAX}, not {0}")]
    Severity(u8),
    /// A cursor that was never given out.
    #[error("this is no cursor: give it as the page before told it, or none for the first page")]
    NoCursor,
    /// A cursor of another question.
    #[error("this cursor belongs to another question: keep the conditions from page to page")]
    OtherCursor,
    /// An id without the topic within which it is good.
    #[error("an event with an id needs the topic that the id is good within")]
    NoTopic,
    /// The database was opened for reading.
    #[error("this log store only reads; writing needs the daemon's writer")]
    ReadOnly,
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The writer.
    #[error(transparent)]
    Writer(#[from] WriterError),
}

/// Lines and moments.
pub trait LogStore {
    /// Hands events to the writer, each in a submission of its own, and waits only for room. They
    /// are durable and seen after [`LogStore::flush`]. Of those with an id that is stored already
    /// (among the last 200,000 ids) nothing is kept, whatever else they say. After the writer's end
    /// it is an error.
    fn write_events(&self, events: Vec<Incoming>) -> Result<(), LogStoreError>;

    /// A page of lines and moments.
    fn query_events(&mut self, query: &EventQuery) -> Result<Page, LogStoreError>;

    /// Lines and moments that hold a text.
    fn search_text(&mut self, search: &Search) -> Result<Found, LogStoreError>;

    /// Waits until everything that was handed over before is durable and seen.
    fn flush(&self) -> Result<(), LogStoreError>;
}

/// The log store over the main database.
#[derive(Debug)]
pub struct Logs {
    database: Database,
    writer: Option<Handle>,
}

impl Logs {
    /// Reads by `database` and writes by `writer`.
    pub const fn new(database: Database, writer: Handle) -> Self {
        Self {
            database,
            writer: Some(writer),
        }
    }

    /// Only reads.
    pub const fn reading(database: Database) -> Self {
        Self {
            database,
            writer: None,
        }
    }

    /// The message of something that [`Mode::Words`] found, in pieces: those at odd places are the
    /// words that were searched for.
    pub fn marked(
        &mut self,
        text: &str,
        found: &StoredEvent,
    ) -> Result<Vec<String>, LogStoreError> {
        Ok(search::marked(&mut self.database.snapshot()?, text, found)?)
    }

    fn writer(&self) -> Result<&Handle, LogStoreError> {
        self.writer.as_ref().ok_or(LogStoreError::ReadOnly)
    }
}

impl LogStore for Logs {
    fn write_events(&self, events: Vec<Incoming>) -> Result<(), LogStoreError> {
        let writer = self.writer()?;
        let is_scoped = |one: &Incoming| one.event_id.is_none() || one.event.topic.is_some();
        if !events.iter().all(is_scoped) {
            return Err(LogStoreError::NoTopic);
        }
        for Incoming { event, event_id } in events {
            // The id alone: another content under it is no other event.
            let publisher_id = event_id.map(|id| PublisherId {
                hash: message_hash(&id, b""),
                id,
            });
            writer.submit(Submission {
                size_bytes: event.text.as_ref().map_or(0, String::len),
                events: vec![event],
                publisher_id,
                ..Submission::default()
            })?;
        }
        Ok(())
    }

    fn query_events(&mut self, query: &EventQuery) -> Result<Page, LogStoreError> {
        page::read(&mut self.database.snapshot()?, query, page::BOUNDS)
    }

    fn search_text(&mut self, wanted: &Search) -> Result<Found, LogStoreError> {
        search::read(&mut self.database.snapshot()?, wanted)
    }

    fn flush(&self) -> Result<(), LogStoreError> {
        Ok(self.writer()?.barrier()?)
    }
}

/// The severity of a line: DEBUG 0, INFO 1, WARNING 3, ERROR 4, CRITICAL 5, as moments have it.
const fn severity_of(level: i64) -> u8 {
    match level {
        0 => 0,
        1 => 1,
        2 => 3,
        3 => 4,
        _ => 5,
    }
}

/// The least level of lines that are at least so grave; one beyond all when none is.
const fn least_level(severity: u8) -> i64 {
    match severity {
        0 => Level::Debug as i64,
        1 => Level::Info as i64,
        2 | 3 => Level::Warning as i64,
        4 => Level::Error as i64,
        5 => Level::Critical as i64,
        6.. => Level::Critical as i64 + 1,
    }
}

/// The two tables that are read as one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Lines,
    Moments,
}

impl Table {
    /// A row in the columns of [`sql`].
    fn event(self, row: &dyn Row) -> Result<StoredEvent, StorageError> {
        let source = row.text(5)?;
        let (source_type, source_id) = source.split_once('/').unwrap_or((source, ""));
        let level = row.int(2)?;
        Ok(StoredEvent {
            position: row.int(0)?,
            at: row.int(1)?,
            severity: match self {
                Self::Lines => severity_of(level),
                Self::Moments => u8::try_from(level).unwrap_or(SEVERITY_MAX),
            },
            event_type: row.opt_text(4)?.map(ToOwned::to_owned),
            template: row.opt_int(3)?,
            source_type: source_type.to_owned(),
            source_id: source_id.to_owned(),
            message: row.opt_text(6)?.unwrap_or_default().to_owned(),
        })
    }
}
