//! Deliveries as they are asked for: who was told last, what is to be delivered, to which browser.

use crate::base::clock::UnixNanos;
use crate::event::alarm::{Channel, Target};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// The alert that told this recipient of the same last, and when.
pub fn last_told(
    session: &mut dyn Session,
    dedup_key: &str,
    recipient: &str,
) -> Result<Option<(i64, UnixNanos)>, StorageError> {
    first(
        session,
        "SELECT alert_id, raised_at FROM alert_windows WHERE dedup_key = ?1 AND recipient = ?2",
        values![dedup_key, recipient],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )
}

/// Numbers of a recipient's push subscriptions.
pub fn subscriptions(session: &mut dyn Session, recipient: &str) -> Result<Vec<i64>, StorageError> {
    all(
        session,
        "SELECT id FROM push_subscriptions WHERE recipient = ?1 ORDER BY id",
        values![recipient],
        |row| row.int(0),
    )
}

/// A delivery that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The alert.
    pub alert: i64,
    /// To whom, and how.
    pub target: Target,
    /// Tries so far.
    pub attempts: i64,
    /// When to try.
    pub next_at: UnixNanos,
    /// When it happened.
    pub raised_at: UnixNanos,
    /// When this box learned of it; from here on it is tried.
    pub stored_at: UnixNanos,
    /// What it is about.
    pub alert_type: String,
    /// What asked for it: `rule/…` or `profile/…`.
    pub rule_name: String,
    /// Severity on the scale 0–6.
    pub severity_id: i64,
    /// What counts as the same.
    pub dedup_key: String,
    /// The message.
    pub description: String,
}

/// Of each target the delivery that is to be made first, those due first; at most `limit`. One of
/// each, so that a target with a long queue leaves room for the others.
pub fn pending(session: &mut dyn Session, limit: i64) -> Result<Vec<Pending>, StorageError> {
    all(
        session,
        "SELECT d.alert_id, d.recipient, d.channel, d.address, d.attempts, d.next_at, \
         a.timestamp_ns, l.received_at, a.alert_type, a.rule_name, a.severity_id, a.dedup_key, \
         a.description FROM (SELECT *, row_number() OVER (PARTITION BY recipient, channel, address \
         ORDER BY next_at, alert_id) AS place FROM alert_deliveries WHERE status = 'PENDING') d \
         JOIN alerts a ON a.alert_id = d.alert_id JOIN event_log l ON l.position = d.alert_id \
         WHERE d.place = 1 ORDER BY d.next_at, d.alert_id LIMIT ?1",
        values![limit],
        |row| {
            let channel = Channel::from_name(row.text(2)?)
                .ok_or_else(|| StorageError::Unreadable("alert_deliveries.channel".to_owned()))?;
            Ok(Pending {
                alert: row.int(0)?,
                target: Target {
                    recipient: row.text(1)?.to_owned(),
                    channel,
                    address: row.int(3)?,
                },
                attempts: row.int(4)?,
                next_at: row.int(5)?,
                raised_at: row.int(6)?,
                stored_at: row.int(7)?,
                alert_type: row.text(8)?.to_owned(),
                rule_name: row.text(9)?.to_owned(),
                severity_id: row.int(10)?,
                dedup_key: row.text(11)?.to_owned(),
                description: row.text(12)?.to_owned(),
            })
        },
    )
}

/// A browser's push subscription as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct PushSubscription {
    /// Whose.
    pub recipient: String,
    /// The address at the push service; a secret.
    pub endpoint: String,
    /// The browser's public key.
    pub p256dh: Vec<u8>,
    /// The secret of browser and sender.
    pub auth: Vec<u8>,
}

impl std::fmt::Debug for PushSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushSubscription")
            .field("recipient", &self.recipient)
            .finish_non_exhaustive()
    }
}

/// The push subscription with this number.
pub fn push_subscription(
    session: &mut dyn Session,
    id: i64,
) -> Result<Option<PushSubscription>, StorageError> {
    first(
        session,
        "SELECT recipient, endpoint, p256dh, auth FROM push_subscriptions WHERE id = ?1",
        values![id],
        |row| {
            Ok(PushSubscription {
                recipient: row.text(0)?.to_owned(),
                endpoint: row.text(1)?.to_owned(),
                p256dh: row.blob(2)?.to_vec(),
                auth: row.blob(3)?.to_vec(),
            })
        },
    )
}
