//! Alerts: what people were told of, what became of it, and what they said of it.
//!
//! An alert is one **incident** of its key: all that comes within a window of its first. It keeps its id,
//! its time and its message while it is counted up; what comes after the window is the next incident,
//! with a row of its own, and the one before stays as it was. Which it is, the reactor decides; here it
//! is only kept. At most one incident of a key is open.

mod deliveries;
mod incidents;

use super::view::columns;
use super::{Projection, View, table};
use crate::event::alarm::{
    AlertAcknowledged, AlertAttempted, AlertJudged, AlertRaised, AlertSnoozed, AlertSuppressed,
    AttemptStatus, Target,
};
use crate::event::entity::Entity;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub use deliveries::{
    Pending, PushSubscription, last_told, pending, push_subscription, subscriptions,
};
pub use incidents::{
    Alert, Filters, Judgements, OpenIncident, Said, alert, decided_on, judgements, key_of,
    open_incident, page, snoozed_until, time_of,
};

pub(super) const PROJECTION: Projection = Projection {
    name: "alerts",
    version: 2,
    tables: &[
        // An alert stays as long as something is to be delivered of it.
        table!("alerts" by "alert_id", aging by "timestamp_ns" if "NOT EXISTS (SELECT 1 FROM alert_deliveries d WHERE d.alert_id = alerts.alert_id)" for 365),
        table!("alert_windows" by "dedup_key, recipient"),
        table!("alert_deliveries" by "alert_id, recipient, channel, address", aging by "next_at" if "status <> 'PENDING'" for 180),
        table!("alert_log" by "id, recipient", aging by "at" for 180),
        table!("alert_events" by "alert_id, position", aging by "at" for 180),
        table!("alert_feedback" by "id", aging by "at" for 365),
        table!("alert_snoozes" by "dedup_key"),
    ],
    kinds: Some(&[
        Kind::AlertRaised,
        Kind::AlertSuppressed,
        Kind::AlertAttempted,
        Kind::AlertAcknowledged,
        Kind::AlertJudged,
        Kind::AlertSnoozed,
    ]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match &event.event {
            Event::AlertRaised(raised) => raise(session, event, raised)?,
            Event::AlertSuppressed(same) => bump(session, event, same)?,
            Event::AlertAttempted(tried) => attempt(session, event, tried)?,
            Event::AlertAcknowledged(seen) => acknowledge(session, event, seen)?,
            Event::AlertJudged(judged) => judge(session, event, judged)?,
            Event::AlertSnoozed(snoozed) => snooze(session, event, snoozed)?,
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
    let (kind, value) = match &raised.entity {
        Some((kind, value)) => (Some(kind.as_str()), Some(value.as_str())),
        None => (None, None),
    };
    session.write(
        "UPDATE alerts SET is_open = NULL WHERE dedup_key = ?1 AND is_open = 1",
        values![&raised.dedup_key],
    )?;
    session.write(
        "INSERT INTO alerts (alert_id, alert_type, timestamp_ns, last_ns, severity_id, rule_name, \
         description, dedup_key, event_id, risk_score, entity_type, entity_value, entity_uuid, \
         incident, is_open) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
         coalesce((SELECT max(incident) FROM alerts WHERE dedup_key = ?7), 0) + 1, 1)",
        values![
            event.position,
            &raised.alert_type,
            event.occurred_at,
            raised.severity_id,
            &raised.rule_name,
            event.text(),
            &raised.dedup_key,
            raised.event,
            risk(raised.risk_score),
            kind,
            value,
            uuid(kind, value).as_ref()
        ],
    )?;
    count(session, event, event.position, raised.event)?;
    for target in &raised.targets {
        tell(session, event, event.position, &raised.dedup_key, target)?;
    }
    for recipient in &raised.suppressed {
        hold_back(session, event, event.position, raised.event, recipient)?;
    }
    Ok(())
}

fn bump(
    session: &mut dyn Session,
    event: &Envelope,
    same: &AlertSuppressed,
) -> Result<(), StorageError> {
    session.write(
        "UPDATE alerts SET dedup_count = dedup_count + 1, last_ns = max(last_ns, ?2), \
         severity_id = max(severity_id, ?3), risk_score = max(risk_score, ?4) WHERE alert_id = ?1",
        values![
            same.alert,
            event.occurred_at,
            same.severity_id,
            risk(same.risk_score)
        ],
    )?;
    if let Some(key) = key_of(session, same.alert)? {
        count(session, event, same.alert, same.event)?;
        for target in &same.targets {
            tell(session, event, same.alert, &key, target)?;
        }
    }
    for recipient in &same.recipients {
        hold_back(session, event, same.alert, same.event, recipient)?;
    }
    Ok(())
}

fn count(
    session: &mut dyn Session,
    event: &Envelope,
    alert: i64,
    about: i64,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO alert_events (alert_id, position, at, event_id) VALUES (?1, ?2, ?3, ?4)",
        values![alert, event.position, event.occurred_at, about],
    )
}

/// What no formula gives is no risk that is known.
fn risk(score: f64) -> f64 {
    if score.is_nan() {
        0.0
    } else {
        score.clamp(0.0, 100.0)
    }
}

/// The id of an entity; none of what names none.
fn uuid(kind: Option<&str>, value: Option<&str>) -> Option<String> {
    let entity = Entity::new(kind?.parse().ok()?, value?).ok()?;
    Some(entity.uuid().to_string())
}

/// Notes that a recipient is told, and the delivery that is to be made.
fn tell(
    session: &mut dyn Session,
    event: &Envelope,
    alert: i64,
    dedup_key: &str,
    target: &Target,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO alert_windows (dedup_key, recipient, raised_at, alert_id) \
         VALUES (?1, ?2, ?3, ?4) ON CONFLICT (dedup_key, recipient) DO UPDATE SET \
         raised_at = excluded.raised_at, alert_id = excluded.alert_id",
        values![dedup_key, &target.recipient, event.received_at, alert],
    )?;
    session.write(
        "INSERT INTO alert_deliveries (alert_id, recipient, channel, address, status, next_at) \
         VALUES (?1, ?2, ?3, ?4, 'PENDING', ?5) ON CONFLICT DO NOTHING",
        values![
            alert,
            &target.recipient,
            target.channel.name(),
            target.address,
            event.received_at
        ],
    )
}

fn acknowledge(
    session: &mut dyn Session,
    event: &Envelope,
    seen: &AlertAcknowledged,
) -> Result<(), StorageError> {
    let at = seen.acknowledged.then_some(event.occurred_at);
    let by = seen.acknowledged.then_some(&*seen.by);
    session.write(
        "UPDATE alerts SET acknowledged_at = ?2, acknowledged_by = ?3 WHERE alert_id = ?1",
        values![seen.alert, at, by],
    )
}

/// The last verdict counts, by position; the trail keeps them all.
fn judge(
    session: &mut dyn Session,
    event: &Envelope,
    judged: &AlertJudged,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO alert_feedback (id, alert_id, at, feedback, note, by_whom) \
         VALUES (?1, ?2, ?3, ?4, nullif(?5, ''), ?6)",
        values![
            event.position,
            judged.alert,
            event.occurred_at,
            judged.verdict.name(),
            event.text(),
            &judged.by
        ],
    )?;
    session.write(
        "UPDATE alerts SET feedback = ?2, feedback_note = nullif(?3, '') WHERE alert_id = ?1",
        values![judged.alert, judged.verdict.name(), event.text()],
    )
}

fn snooze(
    session: &mut dyn Session,
    event: &Envelope,
    snoozed: &AlertSnoozed,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO alert_snoozes (dedup_key, until, by_whom, at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (dedup_key) DO UPDATE SET until = excluded.until, \
         by_whom = excluded.by_whom, at = excluded.at",
        values![
            &snoozed.dedup_key,
            snoozed.until,
            &snoozed.by,
            event.occurred_at
        ],
    )?;
    // This one too if its end is past: that is how it is ended.
    session.write(
        "DELETE FROM alert_snoozes WHERE until <= ?1",
        values![event.occurred_at],
    )
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

pub(super) const VIEWS: &[View] = &[
    View {
        name: "alerts",
        about: "what people were told of, and how often it happened",
        columns: columns![
            "timestamp" Time, "alert_type" Text, "severity" Text, "risk_score" Number,
            "description" Text, "rule_name" Text, "entity_type" Text, "entity_value" Text,
            "entity_uuid" Text, "dedup_key" Text, "incident" Number, "open" Flag,
            "dedup_count" Number, "last" Time, "acknowledged_at" Time, "acknowledged_by" Text,
            "feedback" Text, "feedback_note" Text, "event_id" Number, "alert_id" Number
        ],
        sql: "SELECT timestamp_ns, alert_type, CASE severity_id WHEN 1 THEN 'INFO' \
              WHEN 3 THEN 'WARNING' WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' \
              ELSE CAST(severity_id AS TEXT) END, risk_score, description, rule_name, entity_type, \
              entity_value, entity_uuid, dedup_key, incident, coalesce(is_open, 0), dedup_count, \
              last_ns, acknowledged_at, acknowledged_by, feedback, feedback_note, event_id, \
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
        name: "alert_events",
        about: "what was counted on an alert, its first included",
        columns: columns![
            "at" Time, "alert_id" Number, "event_id" Number, "position" Number
        ],
        sql: "SELECT at, alert_id, event_id, position FROM alert_events \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, alert_id DESC, position DESC LIMIT ?3",
    },
    View {
        name: "alert_feedback",
        about: "everything that people said of alerts: tp, there was something; fp, nothing",
        columns: columns![
            "at" Time, "alert_id" Number, "feedback" Text, "note" Text, "by_whom" Text,
            "id" Number
        ],
        sql: "SELECT at, alert_id, feedback, note, by_whom, id FROM alert_feedback \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "alert_snoozes",
        about: "alerts that nobody is told of until a time",
        columns: columns!["until" Time, "dedup_key" Text, "by_whom" Text, "at" Time],
        sql: "SELECT until, dedup_key, by_whom, at FROM alert_snoozes \
              WHERE until >= ?1 AND until < ?2 ORDER BY until DESC, dedup_key DESC LIMIT ?3",
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
