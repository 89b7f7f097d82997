//! Dead letters: messages that could not be decoded, events that could not be folded.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "dead_letters",
    version: 1,
    tables: &[table!("dead_letters" by "position")],
    kinds: Some(&[Kind::MessageUndecodable, Kind::EventParked]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        let (position, stage, projection, size_bytes) = match &event.event {
            Event::MessageUndecodable(message) => {
                (event.position, "decode", None, message.payload.len() as i64)
            }
            // The letter is the event that was parked, not the event that says so.
            Event::EventParked(parked) => {
                let culprit = event.cause.unwrap_or(event.position);
                (culprit, "fold", Some(parked.projection.as_str()), 0)
            }
            _ => continue,
        };
        session.write(
            "INSERT INTO dead_letters (position, stage, projection, topic, reason, size_bytes, \
             first_seen_at, last_seen_at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 'parked') \
             ON CONFLICT (position) DO UPDATE SET reason = excluded.reason, \
             last_seen_at = excluded.last_seen_at, attempts = dead_letters.attempts + 1",
            values![
                position,
                stage,
                projection,
                event.topic.as_ref().map(|topic| &*topic.text),
                event.text(),
                size_bytes,
                event.received_at
            ],
        )?;
    }
    Ok(())
}

pub(super) const VIEWS: &[View] = &[View {
    name: "dead_letters",
    about: "what could not be decoded or folded",
    columns: columns![
        "first_seen_at" Time, "position" Number, "stage" Text, "topic" Text, "reason" Text,
        "size_bytes" Bytes, "attempts" Number, "state" Text
    ],
    sql: "SELECT first_seen_at, position, stage, topic, reason, size_bytes, attempts, state \
          FROM dead_letters WHERE first_seen_at >= ?1 AND first_seen_at < ?2 \
          ORDER BY position DESC LIMIT ?3",
}];
