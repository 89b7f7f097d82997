//! Alerts, and what became of their delivery.

use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::UnixNanos;
use crate::event::alarm::{AlertAttempted, AlertRaised, AttemptStatus, Channel, Target};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "alerts",
    version: 1,
    tables: &[
        // An alert stays as long as something is to be delivered of it.
        table!("alerts" by "alert_id", aging by "timestamp_ns" if "NOT EXISTS (SELECT 1 FROM alert_deliveries d WHERE d.alert_id = alerts.alert_id)" for 365),
        table!("alert_windows" by "dedup_key, recipient"),
        table!("alert_deliveries" by "alert_id, recipient, channel, address", aging by "next_at" if "status <> 'PENDING'" for 180),
        table!("alert_log" by "id, recipient", aging by "at" for 180),
    ],
    kinds: Some(&[
        Kind::AlertRaised,
        Kind::AlertSuppressed,
        Kind::AlertAttempted,
    ]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match &event.event {
            Event::AlertRaised(raised) => raise(session, event, raised)?,
            Event::AlertSuppressed(same) => {
                session.write(
                    "UPDATE alerts SET dedup_count = dedup_count + 1, \
                     last_ns = max(last_ns, ?2), severity_id = max(severity_id, ?3) \
                     WHERE alert_id = ?1",
                    values![same.alert, event.occurred_at, same.severity_id],
                )?;
                for recipient in &same.recipients {
                    hold_back(session, event, same.alert, same.event, recipient)?;
                }
            }
            Event::AlertAttempted(tried) => attempt(session, event, tried)?,
            _ => {}
        }
    }
    Ok(())
}

fn raise(
    session: &mut dyn Session,
    event: &Envelope,
    raised: &AlertRaised,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO alerts (alert_id, alert_type, timestamp_ns, last_ns, severity_id, rule_name, \
         description, dedup_key, event_id) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8)",
        values![
            event.position,
            &raised.alert_type,
            event.occurred_at,
            raised.severity_id,
            &raised.rule_name,
            event.text(),
            &raised.dedup_key,
            raised.event
        ],
    )?;
    // The house itself is told of every alert.
    let told = raised
        .targets
        .iter()
        .map(|target| target.recipient.as_str());
    for recipient in told.chain([""]) {
        session.write(
            "INSERT INTO alert_windows (dedup_key, recipient, raised_at, alert_id) \
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (dedup_key, recipient) DO UPDATE SET \
             raised_at = excluded.raised_at, alert_id = excluded.alert_id",
            values![
                &raised.dedup_key,
                recipient,
                event.received_at,
                event.position
            ],
        )?;
    }
    for target in &raised.targets {
        session.write(
            "INSERT INTO alert_deliveries (alert_id, recipient, channel, address, status, next_at) \
             VALUES (?1, ?2, ?3, ?4, 'PENDING', ?5) ON CONFLICT DO NOTHING",
            values![
                event.position,
                &target.recipient,
                target.channel.name(),
                target.address,
                event.received_at
            ],
        )?;
    }
    for recipient in &raised.suppressed {
        hold_back(session, event, event.position, raised.event, recipient)?;
    }
    Ok(())
}

fn hold_back(
    session: &mut dyn Session,
    event: &Envelope,
    alert: i64,
    about: i64,
    recipient: &str,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO alert_log (id, recipient, at, alert_id, event_id, status, attempt) \
         VALUES (?1, ?2, ?3, ?4, ?5, 'SUPPRESSED', 0) ON CONFLICT DO NOTHING",
        values![event.position, recipient, event.occurred_at, alert, about],
    )
}

fn attempt(
    session: &mut dyn Session,
    event: &Envelope,
    tried: &AlertAttempted,
) -> Result<(), StorageError> {
    let target = &tried.target;
    session.write(
        "INSERT INTO alert_log (id, recipient, at, alert_id, event_id, channel, address, status, \
         attempt, latency_ms, error) VALUES (?1, ?2, ?3, ?4, \
         coalesce((SELECT event_id FROM alerts WHERE alert_id = ?4), 0), ?5, ?6, ?7, ?8, ?9, \
         nullif(?10, ''))",
        values![
            event.position,
            &target.recipient,
            event.occurred_at,
            tried.alert,
            target.channel.name(),
            target.address,
            tried.status.name(),
            tried.attempt,
            tried.latency_ms,
            event.text()
        ],
    )?;
    let status = match (tried.status, tried.retry_at) {
        (AttemptStatus::Sent, _) => "SENT",
        (AttemptStatus::Failed, Some(_)) => "PENDING",
        (AttemptStatus::Failed, None) => "FAILED",
    };
    // What was sent once stays sent, whatever a second try after a kill said.
    session.write(
        "UPDATE alert_deliveries SET status = ?5, attempts = max(attempts, ?6), \
         next_at = coalesce(?7, next_at) \
         WHERE alert_id = ?1 AND recipient = ?2 AND channel = ?3 AND address = ?4 \
         AND status <> 'SENT'",
        values![
            tried.alert,
            &target.recipient,
            target.channel.name(),
            target.address,
            status,
            tried.attempt,
            tried.retry_at
        ],
    )
}

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

pub(super) const VIEWS: &[View] = &[
    View {
        name: "alerts",
        about: "what people were told of, and how often it happened",
        columns: columns![
            "timestamp" Time, "alert_type" Text, "severity" Text, "description" Text,
            "rule_name" Text, "dedup_count" Number, "last" Time, "event_id" Number,
            "alert_id" Number
        ],
        sql: "SELECT timestamp_ns, alert_type, CASE severity_id WHEN 1 THEN 'INFO' \
              WHEN 3 THEN 'WARNING' WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' \
              ELSE severity_id END, description, rule_name, dedup_count, last_ns, event_id, \
              alert_id FROM alerts WHERE timestamp_ns >= ?1 AND timestamp_ns < ?2 \
              ORDER BY timestamp_ns DESC, alert_id DESC LIMIT ?3",
    },
    View {
        name: "alert_log",
        about: "each try to tell somebody, and what came of it",
        columns: columns![
            "at" Time, "alert_id" Number, "recipient" Text, "channel" Text, "status" Text,
            "attempt" Number, "latency_ms" Number, "error" Text, "event_id" Number, "id" Number
        ],
        sql: "SELECT at, alert_id, recipient, channel, status, attempt, latency_ms, error, \
              event_id, id FROM alert_log WHERE at >= ?1 AND at < ?2 \
              ORDER BY at DESC, id DESC, recipient DESC LIMIT ?3",
    },
    View {
        name: "alert_deliveries",
        about: "deliveries of alerts, and whether they are done",
        columns: columns![
            "next_at" Time, "alert_id" Number, "recipient" Text, "channel" Text,
            "address" Number, "status" Text, "attempts" Number
        ],
        sql: "SELECT next_at, alert_id, recipient, channel, address, status, attempts \
              FROM alert_deliveries WHERE next_at >= ?1 AND next_at < ?2 \
              ORDER BY next_at DESC, alert_id DESC, recipient DESC, channel DESC, address DESC LIMIT ?3",
    },
    View {
        name: "push_subscriptions",
        about: "browsers that want to be told; of their addresses only the server",
        columns: columns![
            "created_at" Time, "recipient" Text, "server" Text, "user_agent" Text,
            "last_used_at" Time, "id" Number
        ],
        // What stands behind the server is as good as a password.
        sql: "SELECT created_at, recipient, substr(endpoint, 1, instr(endpoint, '://') + 2 \
              + coalesce(nullif(instr(substr(endpoint, instr(endpoint, '://') + 3), '/'), 0) - 1, \
              length(endpoint))), user_agent, last_used_at, id FROM push_subscriptions \
              WHERE created_at >= ?1 AND created_at < ?2 ORDER BY id DESC LIMIT ?3",
    },
];
