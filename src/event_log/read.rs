//! Reading the event log, in the order of positions.

use std::collections::{HashMap, HashSet};

use super::names::NamesById;
use crate::event::envelope::Name;
use crate::event::{Envelope, Event, Flags, Kind};
use crate::storage::{Row, Session, StorageError};
use crate::values;

/// An event as stored, its body still closed.
#[derive(Clone, Debug)]
struct Stored {
    position: i64,
    kind: i64,
    version: i64,
    occurred_at: i64,
    received_at: i64,
    stream: i64,
    source: i64,
    topic: Option<i64>,
    flags: i64,
    cause: Option<i64>,
    text: Option<String>,
    body: Vec<u8>,
}

impl Stored {
    fn read(row: &dyn Row) -> Result<Self, StorageError> {
        Ok(Self {
            position: row.int(0)?,
            kind: row.int(1)?,
            version: row.int(2)?,
            occurred_at: row.int(3)?,
            received_at: row.int(4)?,
            stream: row.int(5)?,
            source: row.int(6)?,
            topic: row.opt_int(7)?,
            flags: row.int(8)?,
            cause: row.opt_int(9)?,
            text: row.opt_text(10)?.map(ToOwned::to_owned),
            body: row.blob(11)?.to_vec(),
        })
    }
}

impl Stored {
    fn size_bytes(&self) -> usize {
        self.body.len() + self.text.as_ref().map_or(0, String::len)
    }
}

/// Rows per query of a bounded read: what is stepped over in vain behind the bound stays little.
const QUERY_ROWS: usize = 1_024;

/// How much one read may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Events.
    pub events: usize,
    /// Bytes of bodies and texts; passed by at most one event, and two events are read whatever
    /// they weigh, so that a reader that looks one ahead gets on.
    pub bytes: usize,
}

/// Reads events and keeps the names that it met.
#[derive(Debug, Default)]
pub struct EventReader {
    names: NamesById,
    kinds: HashMap<i64, Kind>,
}

impl EventReader {
    /// A reader that knows no names yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Up to `limit` events after position `after`, ascending.
    pub fn after(
        &mut self,
        session: &mut dyn Session,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Envelope>, StorageError> {
        let events = usize::try_from(limit).unwrap_or(0);
        let bytes = usize::MAX;
        Ok(self.chunk(session, after, Bounds { events, bytes })?.0)
    }

    /// The events after position `after` as far as `bounds` go, ascending, and whether the log ends
    /// with them.
    pub fn chunk(
        &mut self,
        session: &mut dyn Session,
        after: i64,
        bounds: Bounds,
    ) -> Result<(Vec<Envelope>, bool), StorageError> {
        let mut rows: Vec<Stored> = Vec::with_capacity(bounds.events.min(QUERY_ROWS));
        let (mut bytes, mut full, mut ended) = (0, false, false);
        while !full && !ended && rows.len() < bounds.events {
            let wanted = QUERY_ROWS.min(bounds.events - rows.len());
            let from = rows.last().map_or(after, |row| row.position);
            let before = rows.len();
            session.read(
                "SELECT position, kind, version, occurred_at, received_at, stream, source, topic, \
                 flags, cause, text, body FROM event_log WHERE position > ?1 \
                 ORDER BY position LIMIT ?2",
                values![from, wanted as i64],
                &mut |row| {
                    // Columns that are not asked for are not read from the disk either.
                    if !full {
                        let stored = Stored::read(row)?;
                        bytes += stored.size_bytes();
                        rows.push(stored);
                        full = bytes >= bounds.bytes && rows.len() >= 2;
                    }
                    Ok(())
                },
            )?;
            ended = !full && rows.len() - before < wanted;
        }
        let opened: Result<Vec<_>, _> = rows
            .into_iter()
            .map(|stored| self.open(session, stored))
            .collect();
        Ok((opened?, ended))
    }

    /// The events of these kinds after position `after`, up to and with `until`, ascending, and the
    /// position up to which the log was looked through: its end, `until`, or where enough events
    /// were found. Other kinds are stepped over without being read.
    pub fn chunk_of(
        &mut self,
        session: &mut dyn Session,
        after: i64,
        until: i64,
        kinds: &HashSet<i64>,
        events: usize,
    ) -> Result<(Vec<Envelope>, i64), StorageError> {
        let mut rows: Vec<Stored> = Vec::new();
        let mut scanned = after;
        while rows.len() < events && scanned < until {
            let from = scanned;
            session.read(
                "SELECT position, kind, version, occurred_at, received_at, stream, source, topic, \
                 flags, cause, text, body FROM event_log \
                 WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
                values![from, until, QUERY_ROWS as i64],
                &mut |row| {
                    scanned = row.int(0)?;
                    if kinds.contains(&row.int(1)?) {
                        rows.push(Stored::read(row)?);
                    }
                    Ok(())
                },
            )?;
            if scanned == from {
                // Positions have no gaps: here the log ends.
                scanned = until;
            }
        }
        let opened: Result<Vec<_>, _> = rows
            .into_iter()
            .map(|stored| self.open(session, stored))
            .collect();
        Ok((opened?, scanned))
    }

    /// The event at `position`.
    pub fn at(
        &mut self,
        session: &mut dyn Session,
        position: i64,
    ) -> Result<Option<Envelope>, StorageError> {
        let found = self.after(session, position - 1, 1)?;
        Ok(found
            .into_iter()
            .next()
            .filter(|event| event.position == position))
    }

    fn open(
        &mut self,
        session: &mut dyn Session,
        stored: Stored,
    ) -> Result<Envelope, StorageError> {
        let unreadable = |reason: String| {
            StorageError::Unreadable(format!("event {}: {reason}", stored.position))
        };
        let kind = if let Some(kind) = self.kinds.get(&stored.kind) {
            *kind
        } else {
            let name: Name = self.names.get(session, stored.kind)?;
            let kind = Kind::from_name(&name.text).ok_or_else(|| {
                unreadable(format!(
                    "kind {} is unknown to this program; update nightjar",
                    name.text
                ))
            })?;
            self.kinds.insert(stored.kind, kind);
            kind
        };
        let version = u16::try_from(stored.version)
            .map_err(|_| unreadable(format!("version {}", stored.version)))?;
        let event = Event::decode(kind, version, &stored.body)
            .map_err(|error| unreadable(error.to_string()))?;
        let topic = match stored.topic {
            Some(id) => Some(self.names.get(session, id)?),
            None => None,
        };
        Ok(Envelope {
            position: stored.position,
            occurred_at: stored.occurred_at,
            received_at: stored.received_at,
            kind_id: stored.kind,
            stream: self.names.get(session, stored.stream)?,
            source: self.names.get(session, stored.source)?,
            topic,
            flags: Flags(stored.flags),
            cause: stored.cause,
            text: stored.text,
            event,
        })
    }
}

/// What the log calls these kinds; those that never occurred are left out.
pub fn kind_ids(session: &mut dyn Session, kinds: &[Kind]) -> Result<HashSet<i64>, StorageError> {
    let mut ids = HashSet::new();
    for kind in kinds {
        let id = crate::storage::first(
            session,
            "SELECT id FROM names WHERE name = ?1",
            values![kind.name()],
            |row| row.int(0),
        )?;
        ids.extend(id);
    }
    Ok(ids)
}

/// The first position that arrived at or after `at`, found by bisection: arrival follows position.
pub fn first_received_since(session: &mut dyn Session, at: i64) -> Result<i64, StorageError> {
    let head = super::append::head(session)?;
    let (mut low, mut high) = (1, head + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let received = crate::storage::first(
            session,
            "SELECT received_at FROM event_log WHERE position = ?1",
            values![middle],
            |row| row.int(0),
        )?;
        if received.is_some_and(|received| received < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
