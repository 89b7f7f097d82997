//! Changes to tables that are no projection: what must not stand in the event log, such as the
//! secrets of a browser's push subscription, or what would fill it, such as when one was used last or
//! what models have learned.
//!
//! Each change is a transaction of its own, between two batches. A rebuild leaves these tables
//! alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::clock::UnixNanos;
use crate::storage::sqlite::Database;
use crate::storage::{Session as _, StorageError, first};
use crate::values;

/// Most browsers that one recipient can have subscribed: each is a request per alert.
pub const SUBSCRIPTIONS_MAX: i64 = 32;

/// One change. As JSON it travels over the control socket; `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum StateChange {
    /// A browser wants to be told. The same endpoint again replaces what was known of it.
    PushSubscribed {
        /// For whom.
        recipient: String,
        /// The address at the push service; a secret.
        endpoint: String,
        /// The browser's public key.
        p256dh: Vec<u8>,
        /// The secret of browser and sender.
        auth: Vec<u8>,
        /// Which browser, for people.
        user_agent: Option<String>,
    },
    /// A browser is gone, or is not to be told any more.
    PushUnsubscribed {
        /// Number of the subscription.
        id: i64,
    },
    /// A browser was told.
    PushUsed {
        /// Number of the subscription.
        id: i64,
        /// When.
        at: UnixNanos,
    },
    /// Models have learned.
    ModelsSaved {
        /// What they know now.
        states: Vec<ModelState>,
        /// Keys of models that are no more.
        gone: Vec<String>,
        /// Position of the last event that went into them.
        position: i64,
    },
}

/// What a model has learned.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelState {
    /// Its key, such as `hw:source:nginx`.
    pub key: String,
    /// Bytes that only the model understands.
    pub data: Vec<u8>,
    /// It was stored before: if it is gone, a person has removed it meanwhile, and it stays so.
    pub is_known: bool,
}

impl fmt::Debug for ModelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.key, self.data.len())
    }
}

impl fmt::Debug for StateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PushSubscribed { recipient, .. } => f
                .debug_struct("PushSubscribed")
                .field("recipient", recipient)
                .finish_non_exhaustive(),
            Self::PushUnsubscribed { id } => write!(f, "PushUnsubscribed({id})"),
            Self::PushUsed { id, .. } => write!(f, "PushUsed({id})"),
            Self::ModelsSaved {
                states,
                gone,
                position,
            } => f
                .debug_struct("ModelsSaved")
                .field("states", states)
                .field("gone", gone)
                .field("position", position)
                .finish(),
        }
    }
}

impl StateChange {
    /// Stores it; the number of the row that it was about, none when there is none.
    pub(super) fn store(
        &self,
        database: &mut Database,
        now: UnixNanos,
    ) -> Result<Option<i64>, StorageError> {
        let mut session = database.begin()?;
        let row = match self {
            Self::PushSubscribed {
                recipient,
                endpoint,
                p256dh,
                auth,
                user_agent,
            } => {
                let others = first(
                    &mut session,
                    "SELECT count(*) FROM push_subscriptions WHERE recipient = ?1 AND endpoint <> ?2",
                    values![recipient, endpoint],
                    |row| row.int(0),
                )?;
                if others.unwrap_or(0) >= SUBSCRIPTIONS_MAX {
                    return Err(StorageError::Refused(format!(
                        "{recipient} has {SUBSCRIPTIONS_MAX} push subscriptions already; remove \
                         one that is not used any more"
                    )));
                }
                session.write(
                    "INSERT INTO push_subscriptions (recipient, endpoint, p256dh, auth, \
                     user_agent, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                     ON CONFLICT (endpoint) DO UPDATE SET recipient = excluded.recipient, \
                     p256dh = excluded.p256dh, auth = excluded.auth, \
                     user_agent = excluded.user_agent",
                    values![
                        recipient,
                        endpoint,
                        p256dh,
                        auth,
                        user_agent.as_deref(),
                        now
                    ],
                )?;
                first(
                    &mut session,
                    "SELECT id FROM push_subscriptions WHERE endpoint = ?1",
                    values![endpoint],
                    |row| row.int(0),
                )?
            }
            Self::PushUnsubscribed { id } => {
                let row = known(&mut session, *id)?;
                session.write("DELETE FROM push_subscriptions WHERE id = ?1", values![*id])?;
                row
            }
            Self::PushUsed { id, at } => {
                session.write(
                    "UPDATE push_subscriptions SET last_used_at = ?2 WHERE id = ?1",
                    values![*id, *at],
                )?;
                known(&mut session, *id)?
            }
            Self::ModelsSaved {
                states,
                gone,
                position,
            } => {
                for key in gone {
                    session.write("DELETE FROM model_state WHERE key = ?1", values![key])?;
                }
                for state in states {
                    let sql = if state.is_known {
                        "UPDATE model_state SET data = ?2, updated_at = ?3, position = ?4 \
                         WHERE key = ?1"
                    } else {
                        "INSERT INTO model_state (key, data, updated_at, position) \
                         VALUES (?1, ?2, ?3, ?4) \
                         ON CONFLICT (key) DO UPDATE SET data = excluded.data, \
                         updated_at = excluded.updated_at, position = excluded.position"
                    };
                    session.write(sql, values![&state.key, &state.data, now, *position])?;
                }
                None
            }
        };
        session.commit()?;
        Ok(row)
    }
}

fn known(session: &mut dyn crate::storage::Session, id: i64) -> Result<Option<i64>, StorageError> {
    first(
        session,
        "SELECT id FROM push_subscriptions WHERE id = ?1",
        values![id],
        |row| row.int(0),
    )
}
