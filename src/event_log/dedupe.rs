//! Recognising a message that is already stored. Nothing is ever dropped on a guess.
//!
//! - A redelivery (DUP=1) under a packet id, session and content that we stored within the last
//!   [`DELIVERY_WINDOW`] deliveries of that session.
//! - A message with its publisher's id and the same content as an earlier one on its topic.
//!
//! DUP alone would lose messages that we never saw, a packet id alone is reused, and a content
//! hash within a time window deletes honest repeats.

use uuid::Uuid;

use super::Ledger;
use crate::base::clock::UnixNanos;
use crate::event::PublisherId;
use crate::storage::{Row, Session, StorageError, first};
use crate::values;

/// How far back a redelivery may reach, in deliveries of its session. mosquitto 2.0.11 overshoots
/// its in-flight limit to thousands: with 64 a run of 326 kills stored 104,834 rows for 50,000
/// messages, with 16,384 each once. Packet ids come round after 65,535.
pub const DELIVERY_WINDOW: i64 = 16_384;

/// Publishers' ids kept, newest first.
const KEPT_IDS: i64 = 200_000;
/// New ids between two prunings.
const IDS_PER_PRUNE: u32 = 1_000;

/// A QoS 1 delivery, as MQTT tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The topic family whose session it came by.
    pub family: &'static str,
    /// That session.
    pub session: Uuid,
    /// Packet id.
    pub packet_id: u16,
    /// The broker says that it may have sent this before.
    pub dup: bool,
    /// [`message_hash`](crate::base::ids::message_hash) of topic and payload.
    pub hash: [u8; 16],
}

/// What is known of one family's MQTT session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttSession {
    /// Its identity; changes when the broker has lost the session.
    pub uuid: Uuid,
    /// The filters subscribed in it, one per line.
    pub filters: String,
    /// QoS 1 messages stored in it.
    pub deliveries: i64,
    /// When it began.
    pub opened_at: UnixNanos,
    /// When the last of its messages was stored.
    pub last_at: Option<UnixNanos>,
    changed: bool,
}

impl MqttSession {
    pub(super) fn read(row: &dyn Row) -> Result<Self, StorageError> {
        let uuid = Uuid::try_parse(row.text(1)?)
            .map_err(|error| StorageError::Unreadable(format!("session uuid: {error}")))?;
        Ok(Self {
            uuid,
            filters: row.text(2)?.to_owned(),
            deliveries: row.int(3)?,
            opened_at: row.int(4)?,
            last_at: row.opt_int(5)?,
            changed: false,
        })
    }
}

/// What a publisher's id says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdVerdict {
    /// Not seen before.
    New,
    /// The same message stands at this position.
    Same(i64),
    /// Another message with this id stands at this position.
    Clash(i64),
}

impl Ledger {
    /// The session of a family, if one is known.
    pub fn mqtt_session(&self, family: &str) -> Option<&MqttSession> {
        self.sessions.get(family)
    }

    /// All known sessions by family.
    pub fn mqtt_sessions(&self) -> impl Iterator<Item = (&String, &MqttSession)> {
        self.sessions.iter()
    }

    /// Notes that `family` has a session `uuid` with these filters; the count of deliveries goes
    /// on when it is the one that we had.
    pub fn open_mqtt_session(&mut self, family: &str, uuid: Uuid, filters: &str, now: UnixNanos) {
        let before = self
            .sessions
            .get(family)
            .filter(|session| session.uuid == uuid)
            .cloned();
        let session = MqttSession {
            uuid,
            filters: filters.to_owned(),
            deliveries: before.as_ref().map_or(0, |session| session.deliveries),
            opened_at: before.as_ref().map_or(now, |session| session.opened_at),
            last_at: before.and_then(|session| session.last_at),
            changed: true,
        };
        self.sessions.insert(family.to_owned(), session);
    }

    /// The position of an earlier delivery of the same message, looking back over `window`
    /// deliveries.
    pub fn redelivered(
        &self,
        session: &mut dyn Session,
        delivery: &Delivery,
        window: i64,
    ) -> Result<Option<i64>, StorageError> {
        if !delivery.dup {
            return Ok(None);
        }
        let Some(known) = self
            .sessions
            .get(delivery.family)
            .filter(|s| s.uuid == delivery.session)
        else {
            return Ok(None);
        };
        let oldest = known.deliveries - window;
        let earlier = first(
            session,
            "SELECT session_uuid, ordinal, hash, position FROM mqtt_deliveries \
             WHERE family = ?1 AND packet_id = ?2",
            values![delivery.family, i64::from(delivery.packet_id)],
            |row| {
                let same = row.text(0)? == delivery.session.to_string()
                    && row.int(1)? > oldest
                    && row.blob(2)? == delivery.hash;
                Ok(same.then_some(row.int(3)?))
            },
        )?;
        Ok(earlier.flatten())
    }

    /// Remembers a delivery that is stored at `position`.
    pub fn record_delivery(
        &mut self,
        session: &mut dyn Session,
        delivery: &Delivery,
        position: i64,
        now: UnixNanos,
    ) -> Result<(), StorageError> {
        let known = self.sessions.get(delivery.family);
        if known.is_none_or(|known| known.uuid != delivery.session) {
            self.open_mqtt_session(delivery.family, delivery.session, "", now);
        }
        let Some(known) = self.sessions.get_mut(delivery.family) else {
            return Ok(());
        };
        known.deliveries += 1;
        known.last_at = Some(now);
        known.changed = true;
        let mut uuid = Uuid::encode_buffer();
        session.write(
            "INSERT INTO mqtt_deliveries (family, packet_id, session_uuid, ordinal, hash, position) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (family, packet_id) DO UPDATE SET \
             session_uuid = excluded.session_uuid, ordinal = excluded.ordinal, \
             hash = excluded.hash, position = excluded.position",
            values![
                delivery.family,
                i64::from(delivery.packet_id),
                &*delivery.session.hyphenated().encode_lower(&mut uuid),
                known.deliveries,
                &delivery.hash[..],
                position,
            ],
        )
    }

    /// Judges a publisher's id on `topic`.
    pub fn judge_id(
        &mut self,
        session: &mut dyn Session,
        topic: &str,
        publisher_id: &PublisherId,
    ) -> Result<IdVerdict, StorageError> {
        let topic = self.names.intern(session, topic)?.id;
        let earlier = first(
            session,
            "SELECT hash, position FROM message_ids WHERE topic = ?1 AND id = ?2",
            values![topic, &publisher_id.id],
            |row| Ok((row.blob(0)? == publisher_id.hash, row.int(1)?)),
        )?;
        Ok(match earlier {
            None => IdVerdict::New,
            Some((true, position)) => IdVerdict::Same(position),
            Some((false, position)) => IdVerdict::Clash(position),
        })
    }

    /// Remembers a publisher's id, stored at `position`; of two contents the first is kept.
    pub fn record_id(
        &mut self,
        session: &mut dyn Session,
        topic: &str,
        publisher_id: &PublisherId,
        position: i64,
    ) -> Result<(), StorageError> {
        let topic = self.names.intern(session, topic)?.id;
        session.write(
            "INSERT INTO message_ids (topic, id, hash, position) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (topic, id) DO NOTHING",
            values![topic, &publisher_id.id, &publisher_id.hash[..], position],
        )?;
        self.ids_since_prune += 1;
        if self.ids_since_prune >= IDS_PER_PRUNE {
            self.ids_since_prune = 0;
            session.write(
                "DELETE FROM message_ids WHERE position < (SELECT position FROM message_ids \
                 ORDER BY position DESC LIMIT 1 OFFSET ?1)",
                values![KEPT_IDS],
            )?;
        }
        Ok(())
    }

    /// Writes the sessions that changed in this batch.
    pub fn store_mqtt_sessions(&mut self, session: &mut dyn Session) -> Result<(), StorageError> {
        for (family, known) in self.sessions.iter_mut().filter(|(_, known)| known.changed) {
            session.write(
                "INSERT INTO mqtt_sessions (family, session_uuid, filters, deliveries, opened_at, last_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (family) DO UPDATE SET \
                 session_uuid = excluded.session_uuid, filters = excluded.filters, \
                 deliveries = excluded.deliveries, opened_at = excluded.opened_at, \
                 last_at = excluded.last_at",
                values![
                    family,
                    &known.uuid.to_string(),
                    &known.filters,
                    known.deliveries,
                    known.opened_at,
                    known.last_at,
                ],
            )?;
            known.changed = false;
        }
        Ok(())
    }
}
