//! Appending: a new event gets its position and its envelope.

use std::collections::HashMap;

use super::dedupe::MqttSession;
use super::names::Names;
use crate::event::{Envelope, NewEvent};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// The writer's memory of the log, good as long as no transaction fails.
#[derive(Debug, Default)]
pub struct Ledger {
    pub(super) names: Names,
    head: i64,
    pub(super) sessions: HashMap<String, MqttSession>,
    pub(super) ids_since_prune: u32,
}

impl Ledger {
    /// Reads the state of the log from the database.
    pub fn load(session: &mut dyn Session) -> Result<Self, StorageError> {
        let names = Names::load(session)?;
        let sessions = all(
            session,
            "SELECT family, session_uuid, filters, deliveries, opened_at, last_at FROM mqtt_sessions",
            &[],
            |row| Ok((row.text(0)?.to_owned(), MqttSession::read(row)?)),
        )?;
        Ok(Self {
            names,
            head: head(session)?,
            sessions: sessions.into_iter().collect(),
            ids_since_prune: 0,
        })
    }

    /// Position of the last event; 0 when there is none.
    pub const fn head(&self) -> i64 {
        self.head
    }

    /// Appends one event.
    pub fn append(
        &mut self,
        session: &mut dyn Session,
        new: &NewEvent,
    ) -> Result<Envelope, StorageError> {
        let kind = new.event.kind();
        let kind_id = self.names.intern(session, kind.name())?.id;
        let stream = self.names.intern(session, &new.stream)?;
        let source = if new.source == new.stream {
            stream.clone()
        } else {
            self.names.intern(session, &new.source)?
        };
        let topic = match &new.topic {
            Some(topic) => Some(self.names.intern(session, topic)?),
            None => None,
        };
        let position = self.head + 1;
        let encoded;
        let body = if let Some(body) = &new.body {
            body
        } else {
            encoded = new.event.encode();
            &encoded
        };
        session.write(
            "INSERT INTO event_log (position, kind, version, occurred_at, received_at, stream, \
             source, topic, flags, cause, text, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            values![
                position,
                kind_id,
                i64::from(kind.version()),
                new.occurred_at,
                new.received_at,
                stream.id,
                source.id,
                topic.as_ref().map(|topic| topic.id),
                new.flags.0,
                new.cause,
                new.text.as_deref(),
                body,
            ],
        )?;
        self.head = position;
        Ok(Envelope {
            position,
            occurred_at: new.occurred_at,
            received_at: new.received_at,
            kind_id,
            stream,
            source,
            topic,
            flags: new.flags,
            cause: new.cause,
            text: new.text.clone(),
            event: new.event.clone(),
        })
    }

    /// Writes the row of the batch that ends at the head.
    pub fn close_batch(
        &self,
        session: &mut dyn Session,
        first_position: i64,
        now: i64,
    ) -> Result<(), StorageError> {
        session.write(
            "INSERT INTO batches (first_position, last_position, committed_at) VALUES (?1, ?2, ?3)",
            values![first_position, self.head, now],
        )
    }
}

/// Position of the last event; 0 when there is none.
pub fn head(session: &mut dyn Session) -> Result<i64, StorageError> {
    Ok(first(
        session,
        "SELECT coalesce(max(position), 0) FROM event_log",
        &[],
        |row| row.int(0),
    )?
    .unwrap_or(0))
}
