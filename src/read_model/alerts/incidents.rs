//! Alerts as they are asked for: by reactors, by people, by whoever raised them.

use crate::base::clock::UnixNanos;
use crate::event::Kind;
use crate::event::alarm::Verdict;
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

/// The incident of a key that further alerts are counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenIncident {
    /// The alert.
    pub alert: i64,
    /// When its first happened.
    pub timestamp_ns: UnixNanos,
    /// When its first was stored.
    pub received_at: UnixNanos,
}

/// The open incident of a key.
pub fn open_incident(
    session: &mut dyn Session,
    dedup_key: &str,
) -> Result<Option<OpenIncident>, StorageError> {
    first(
        session,
        "SELECT a.alert_id, a.timestamp_ns, l.received_at FROM alerts a \
         JOIN event_log l ON l.position = a.alert_id WHERE a.dedup_key = ?1 AND a.is_open = 1",
        values![dedup_key],
        |row| {
            Ok(OpenIncident {
                alert: row.int(0)?,
                timestamp_ns: row.int(1)?,
                received_at: row.int(2)?,
            })
        },
    )
}

/// Until when nobody is told of a key, perhaps long past.
pub fn snoozed_until(
    session: &mut dyn Session,
    dedup_key: &str,
) -> Result<Option<UnixNanos>, StorageError> {
    first(
        session,
        "SELECT until FROM alert_snoozes WHERE dedup_key = ?1",
        values![dedup_key],
        |row| row.int(0),
    )
}

/// What counts as the same as an alert.
pub fn key_of(session: &mut dyn Session, alert: i64) -> Result<Option<String>, StorageError> {
    first(
        session,
        "SELECT dedup_key FROM alerts WHERE alert_id = ?1",
        values![alert],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// When an alert was raised; none when there is no such alert.
pub fn time_of(session: &mut dyn Session, alert: i64) -> Result<Option<UnixNanos>, StorageError> {
    first(
        session,
        "SELECT timestamp_ns FROM alerts WHERE alert_id = ?1",
        values![alert],
        |row| row.int(0),
    )
}

/// An alert, and how far its deliveries are.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its id: the position of the event that raised it. It is the same however often it comes again.
    pub alert_id: i64,
    /// When it happened first.
    pub timestamp_ns: UnixNanos,
    /// When it happened last.
    pub last_ns: UnixNanos,
    /// What it is about, such as `PERSON_DETECTED`, `RULE` or `ml`.
    pub alert_type: String,
    /// The highest severity so far, on the scale 0–6.
    pub severity_id: i64,
    /// The highest risk so far, 0 to 100.
    pub risk_score: f64,
    /// The message.
    pub description: String,
    /// What asked for it: `rule/…`, `profile/…`, `model/…`.
    pub rule_name: String,
    /// Type, canonical value and UUID of whom or what it is about.
    pub entity_type: Option<String>,
    /// See `entity_type`.
    pub entity_value: Option<String>,
    /// See `entity_type`.
    pub entity_uuid: Option<String>,
    /// What counts as the same.
    pub dedup_key: String,
    /// How often it came.
    pub dedup_count: i64,
    /// Which incident of its key: 1, 2, …
    pub incident: i64,
    /// Whether it is the last one of its key.
    pub is_open: bool,
    /// When somebody said that they have seen it.
    pub acknowledged_at: Option<UnixNanos>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// The last verdict.
    pub feedback: Option<Verdict>,
    /// What was said with it.
    pub feedback_note: Option<String>,
    /// Position of the event that it is about.
    pub event_id: i64,
    /// Deliveries that are done.
    pub sent: i64,
    /// Deliveries that are to be made.
    pub pending: i64,
    /// Deliveries that nobody tries any more.
    pub failed: i64,
}

fn read(row: &dyn Row) -> Result<Alert, StorageError> {
    let own = |column: usize| Ok(row.opt_text(column)?.map(ToOwned::to_owned));
    Ok(Alert {
        alert_id: row.int(0)?,
        timestamp_ns: row.int(1)?,
        last_ns: row.int(2)?,
        alert_type: row.text(3)?.to_owned(),
        severity_id: row.int(4)?,
        risk_score: row.real(5)?,
        description: row.text(6)?.to_owned(),
        rule_name: row.text(7)?.to_owned(),
        entity_type: own(8)?,
        entity_value: own(9)?,
        entity_uuid: own(10)?,
        dedup_key: row.text(11)?.to_owned(),
        dedup_count: row.int(12)?,
        incident: row.int(13)?,
        is_open: row.opt_int(14)?.is_some(),
        acknowledged_at: row.opt_int(15)?,
        acknowledged_by: own(16)?,
        feedback: row.opt_text(17)?.and_then(Verdict::from_name),
        feedback_note: own(18)?,
        event_id: row.int(19)?,
        sent: row.int(20)?,
        pending: row.int(21)?,
        failed: row.int(22)?,
    })
}

/// An alert with its deliveries to `?1`, or to all when that is NULL, from where `$which` says.
macro_rules! alert_where {
    ($which:literal) => {
        concat!(
            "SELECT a.alert_id, a.timestamp_ns, a.last_ns, a.alert_type, a.severity_id, \
             a.risk_score, a.description, a.rule_name, a.entity_type, a.entity_value, \
             a.entity_uuid, a.dedup_key, a.dedup_count, a.incident, a.is_open, a.acknowledged_at, \
             a.acknowledged_by, a.feedback, a.feedback_note, a.event_id, \
             (SELECT count(*) FROM alert_deliveries d WHERE d.alert_id = a.alert_id \
              AND d.status = 'SENT' AND (?1 IS NULL OR d.recipient = ?1)), \
             (SELECT count(*) FROM alert_deliveries d WHERE d.alert_id = a.alert_id \
              AND d.status = 'PENDING' AND (?1 IS NULL OR d.recipient = ?1)), \
             (SELECT count(*) FROM alert_deliveries d WHERE d.alert_id = a.alert_id \
              AND d.status = 'FAILED' AND (?1 IS NULL OR d.recipient = ?1)) FROM alerts a WHERE ",
            $which
        )
    };
}

/// The alert with this id.
pub fn alert(session: &mut dyn Session, id: i64) -> Result<Option<Alert>, StorageError> {
    const NOBODY: Option<&str> = None;
    first(
        session,
        alert_where!("a.alert_id = ?2"),
        values![NOBODY, id],
        read,
    )
}

/// What people said of an alert, as a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// This, last.
    This(Verdict),
    /// Nothing yet.
    Nothing,
}

/// Which alerts. All of it holds together; what is none says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Raised at this time or later.
    pub since: Option<UnixNanos>,
    /// Raised before this time.
    pub until: Option<UnixNanos>,
    /// Of this type.
    pub alert_type: Option<String>,
    /// At least so severe, on the scale 0–6.
    pub severity_min: Option<i64>,
    /// What asked for it: `rule/night-watch`.
    pub rule_name: Option<String>,
    /// About an entity of this type.
    pub entity_type: Option<String>,
    /// About an entity with this canonical value.
    pub entity_value: Option<String>,
    /// Of this key.
    pub dedup_key: Option<String>,
    /// Only the last incident of each key.
    pub is_open: bool,
    /// Only what nobody has acknowledged.
    pub unacknowledged: bool,
    /// Of which people said this.
    pub said: Option<Said>,
    /// With a delivery to this recipient.
    pub recipient: Option<String>,
    /// With a delivery in this state: `SENT`, `PENDING`, `FAILED`.
    pub delivery: Option<String>,
}

/// The alerts that the filters let through and that stand behind `before` (time and id) in the list,
/// the newest first, at most `limit`.
pub fn page(
    session: &mut dyn Session,
    filters: &Filters,
    before: Option<(UnixNanos, i64)>,
    limit: i64,
) -> Result<Vec<Alert>, StorageError> {
    let (at, id) = before.unwrap_or((i64::MAX, i64::MAX));
    let said = filters.said.map(|said| match said {
        Said::This(verdict) => verdict.name(),
        Said::Nothing => "",
    });
    all(
        session,
        alert_where!(
            "a.timestamp_ns >= ?2 AND (?3 IS NULL OR a.timestamp_ns < ?3) \
             AND a.timestamp_ns <= ?4 AND (a.timestamp_ns < ?4 OR a.alert_id < ?5) \
             AND (?6 IS NULL OR a.alert_type = ?6) AND a.severity_id >= ?7 \
             AND (?8 IS NULL OR a.rule_name = ?8) AND (?9 IS NULL OR a.entity_type = ?9) \
             AND (?10 IS NULL OR a.entity_value = ?10) AND (?11 IS NULL OR a.dedup_key = ?11) \
             AND (?12 = 0 OR a.is_open = 1) AND (?13 = 0 OR a.acknowledged_at IS NULL) \
             AND (?14 IS NULL OR coalesce(a.feedback, '') = ?14) \
             AND (?1 IS NULL AND ?15 IS NULL OR EXISTS (SELECT 1 FROM alert_deliveries d \
              WHERE d.alert_id = a.alert_id AND (?1 IS NULL OR d.recipient = ?1) \
              AND (?15 IS NULL OR d.status = ?15))) \
             ORDER BY a.timestamp_ns DESC, a.alert_id DESC LIMIT ?16"
        ),
        values![
            filters.recipient.as_deref(),
            filters.since.unwrap_or(i64::MIN),
            filters.until,
            at,
            id,
            filters.alert_type.as_deref(),
            filters.severity_min.unwrap_or(i64::MIN),
            filters.rule_name.as_deref(),
            filters.entity_type.as_deref(),
            filters.entity_value.as_deref(),
            filters.dedup_key.as_deref(),
            filters.is_open,
            filters.unacknowledged,
            said,
            filters.delivery.as_deref(),
            limit
        ],
        read,
    )
}

/// How many alerts people called right and false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgements {
    /// There was something.
    pub true_positives: i64,
    /// There was nothing.
    pub false_positives: i64,
}

impl Judgements {
    /// How many of the judged were right, 0 to 1; none when nobody judged any.
    pub fn precision(self) -> Option<f64> {
        let judged = self.true_positives + self.false_positives;
        (judged > 0).then(|| self.true_positives as f64 / judged as f64)
    }
}

/// The last verdicts on all alerts that are kept.
pub fn judgements(session: &mut dyn Session) -> Result<Judgements, StorageError> {
    let found = first(
        session,
        "SELECT (SELECT count(*) FROM alerts WHERE feedback = 'tp'), \
         (SELECT count(*) FROM alerts WHERE feedback = 'fp')",
        &[],
        |row| {
            Ok(Judgements {
                true_positives: row.int(0)?,
                false_positives: row.int(1)?,
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

/// What became of a wish for an alert (`alert.requested` at this position): true when it opened an
/// incident, false when it was counted on one; none when nobody decided.
pub fn decided_on(session: &mut dyn Session, request: i64) -> Result<Option<bool>, StorageError> {
    // The answer is in the same transaction, behind whatever else came in it.
    first(
        session,
        "SELECT k.name FROM event_log e JOIN names k ON k.id = e.kind WHERE e.position > ?1 \
         AND e.position <= (SELECT last_position FROM batches WHERE first_position <= ?1 \
          ORDER BY first_position DESC LIMIT 1) \
         AND e.cause = ?1 AND k.name IN ('alert.raised', 'alert.suppressed') \
         ORDER BY e.position LIMIT 1",
        values![request],
        |row| Ok(row.text(0)? == Kind::AlertRaised.name()),
    )
}
