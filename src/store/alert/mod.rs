//! The alert store: alerts written, found, and judged by people.
//!
//! What is written goes the way of every alert: a wish in the event log, on which the reactor decides in
//! the same transaction whether it opens an incident or is counted on one. A verdict is an event as
//! well: none is lost, and the last one counts.

use crossbeam_channel::bounded;
use thiserror::Error;

use crate::base::clock::{Clock, UnixNanos};
use crate::base::ids::message_hash;
use crate::event::alarm::{AlertJudged, AlertRequested, Verdict};
use crate::event::entity::Entity;
use crate::event::{NewEvent, PublisherId};
use crate::read_model::alerts::{self, Alert, Filters, Judgements};
use crate::storage::StorageError;
use crate::storage::sqlite::Database;
use crate::writer::{Handle, Receipt, Reply, Submission, WriterError};

/// Window in which the same alert is counted and not raised, unless asked for otherwise: 15 minutes.
pub use crate::reactor::alerts::DETECTION_WINDOW_NS;

/// Most alerts of one page; a higher limit is cut to it.
pub const PAGE_MAX: u32 = 10_000;
/// Longest type, rule, key or id, bytes.
pub const NAME_MAX_BYTES: usize = 512;
/// Longest description or note, bytes.
pub const TEXT_MAX_BYTES: usize = 4_096;
/// The topic within which ids of written alerts are good.
const TOPIC: &str = "store/alerts";

/// An alert to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlert {
    /// What it is about, such as `correlation`.
    pub alert_type: String,
    /// What found it.
    pub rule_name: String,
    /// Severity on the scale 0–6.
    pub severity_id: i64,
    /// When it happened.
    pub timestamp_ns: UnixNanos,
    /// The message.
    pub description: String,
    /// What counts as the same alert.
    pub dedup_key: String,
    /// How much harm it may mean, 0 to 100; by its severity alone when none.
    pub risk_score: Option<f64>,
    /// Whom or what it is about.
    pub entity: Option<Entity>,
    /// Names this very writing: the same alert under the same id is neither written nor counted again.
    pub id: Option<String>,
}

/// Which alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertQuery {
    /// What holds of each.
    pub filters: Filters,
    /// Only what stands behind this alert in the list: the next page.
    pub before: Option<i64>,
    /// At most so many, from 1, cut to [`PAGE_MAX`].
    pub limit: u32,
}

impl Default for AlertQuery {
    fn default() -> Self {
        Self {
            filters: Filters::default(),
            before: None,
            limit: 100,
        }
    }
}

/// A page of alerts, the newest first; of one time the higher id first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertPage {
    /// Its alerts.
    pub alerts: Vec<Alert>,
    /// Behind which alert the next page begins; none when there are no more.
    pub next: Option<i64>,
}

/// Why the alert store did not do what was asked.
#[derive(Debug, Error)]
pub enum AlertStoreError {
    /// No such alert.
    #[error("there is no alert {0}; `nightjar alerts list` shows them")]
    Unknown(i64),
    /// A page of no size.
    #[error("a page has at least 1 alert")]
    PageSize,
    /// A range that ends before it begins.
    #[error("the range ends before it begins: give a later end or an earlier beginning")]
    Range,
    /// Something that is to be written and cannot be.
    #[error("{what} of an alert {problem}")]
    Unfit {
        /// Which field.
        what: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// The database was opened for reading.
    #[error("this alert store only reads; writing needs the daemon's writer")]
    ReadOnly,
    /// The alert is in the event log, and no reactor looked at it.
    #[error(
        "the wish for an alert is stored as event {0}, but nobody decided on it: `nightjar \
         dead-letters list` and the log of the daemon say why"
    )]
    Undecided(i64),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The writer.
    #[error(transparent)]
    Writer(#[from] WriterError),
}

/// Alerts, as programs ask for them.
pub trait AlertStore {
    /// Writes an alert. True when it opened an incident, as a new one or as its window had passed
    /// (the alert's count is 1); false when it was counted on the open one, which keeps its id and its
    /// time. The window is `|Δt|` from the incident's first alert, its edge inside, nanoseconds.
    fn write_alert(
        &mut self,
        alert: &NewAlert,
        dedup_window_ns: i64,
    ) -> Result<bool, AlertStoreError>;

    /// A page of alerts.
    fn query_alerts(&mut self, query: &AlertQuery) -> Result<AlertPage, AlertStoreError>;

    /// Says whether an alert was right. The last verdict counts, the trail keeps all.
    fn update_feedback(
        &mut self,
        alert_id: i64,
        verdict: Verdict,
        note: Option<&str>,
        by: &str,
    ) -> Result<(), AlertStoreError>;

    /// The alert with this id, with its count as it is now.
    fn get_alert_by_id(&mut self, alert_id: i64) -> Result<Option<Alert>, AlertStoreError>;

    /// How many alerts are judged, and how.
    fn get_feedback_stats(&mut self) -> Result<Judgements, AlertStoreError>;
}

/// The alert store of a data folder.
#[derive(Debug)]
pub struct Alerts {
    database: Database,
    writer: Option<Handle>,
    clock: Clock,
}

impl Alerts {
    /// Over a reading connection; without a writer it only reads.
    pub const fn new(database: Database, writer: Option<Handle>, clock: Clock) -> Self {
        Self {
            database,
            writer,
            clock,
        }
    }

    fn writer(&self) -> Result<&Handle, AlertStoreError> {
        self.writer.as_ref().ok_or(AlertStoreError::ReadOnly)
    }
}

impl AlertStore for Alerts {
    fn write_alert(
        &mut self,
        alert: &NewAlert,
        dedup_window_ns: i64,
    ) -> Result<bool, AlertStoreError> {
        check(alert, dedup_window_ns)?;
        let (reply, answer) = bounded(1);
        let event = requested(alert, dedup_window_ns, self.clock.now());
        let publisher_id = alert.id.as_ref().map(|id| PublisherId {
            id: id.clone(),
            hash: message_hash(TOPIC, &hashed(&event)),
        });
        let writer = self.writer()?;
        writer.submit(Submission {
            events: vec![event],
            publisher_id,
            reply: Reply::Once(reply),
            ..Submission::default()
        })?;
        let request = match writer.await_answer(&answer)? {
            Receipt::Stored(positions) => positions.first().copied().unwrap_or_default(),
            Receipt::Duplicate(position) => position,
        };
        alerts::decided_on(&mut self.database.snapshot()?, request)?
            .ok_or(AlertStoreError::Undecided(request))
    }

    fn query_alerts(&mut self, query: &AlertQuery) -> Result<AlertPage, AlertStoreError> {
        let filters = &query.filters;
        if let (Some(since), Some(until)) = (filters.since, filters.until)
            && since > until
        {
            return Err(AlertStoreError::Range);
        }
        let limit = match query.limit.min(PAGE_MAX) {
            0 => return Err(AlertStoreError::PageSize),
            limit => limit as usize,
        };
        let mut session = self.database.snapshot()?;
        let before = match query.before {
            None => None,
            Some(id) => {
                let at = alerts::time_of(&mut session, id)?;
                Some((at.ok_or(AlertStoreError::Unknown(id))?, id))
            }
        };
        // One more than is shown tells whether there are more.
        let mut alerts = alerts::page(&mut session, filters, before, limit as i64 + 1)?;
        let more = alerts.len() > limit;
        alerts.truncate(limit);
        let last = alerts.last().map(|alert| alert.alert_id);
        Ok(AlertPage {
            next: last.filter(|_| more),
            alerts,
        })
    }

    fn update_feedback(
        &mut self,
        alert_id: i64,
        verdict: Verdict,
        note: Option<&str>,
        by: &str,
    ) -> Result<(), AlertStoreError> {
        if self.get_alert_by_id(alert_id)?.is_none() {
            return Err(AlertStoreError::Unknown(alert_id));
        }
        let event = judged(alert_id, verdict, note, by, self.clock.now())?;
        self.writer()?.store(vec![event])?;
        Ok(())
    }

    fn get_alert_by_id(&mut self, alert_id: i64) -> Result<Option<Alert>, AlertStoreError> {
        Ok(alerts::alert(&mut self.database.snapshot()?, alert_id)?)
    }

    fn get_feedback_stats(&mut self) -> Result<Judgements, AlertStoreError> {
        Ok(alerts::judgements(&mut self.database.snapshot()?)?)
    }
}

/// A verdict as an event.
pub fn judged(
    alert: i64,
    verdict: Verdict,
    note: Option<&str>,
    by: &str,
    now: UnixNanos,
) -> Result<NewEvent, AlertStoreError> {
    sized("the name behind a verdict", by, NAME_MAX_BYTES)?;
    let told = AlertJudged {
        alert,
        verdict,
        by: by.to_owned(),
    };
    let event = NewEvent::own(now, "house/alerts", told);
    match note.filter(|note| !note.is_empty()) {
        None => Ok(event),
        Some(note) => {
            sized("the note", note, TEXT_MAX_BYTES)?;
            Ok(event.with_text(note))
        }
    }
}

fn requested(alert: &NewAlert, window_ns: i64, now: UnixNanos) -> NewEvent {
    let entity = alert.entity.as_ref();
    let wish = AlertRequested {
        alert_type: alert.alert_type.clone(),
        rule_name: alert.rule_name.clone(),
        severity_id: alert.severity_id,
        dedup_key: alert.dedup_key.clone(),
        risk_score: alert.risk_score,
        entity: entity.map(|one| (one.kind().name().to_owned(), one.value().to_owned())),
        window_ns,
    };
    let mut event = NewEvent::own(now, "alert/request", wish).with_text(&*alert.description);
    event.occurred_at = alert.timestamp_ns;
    event.topic = alert.id.is_some().then(|| TOPIC.into());
    event
}

/// All that makes two wishes under one id the same.
fn hashed(event: &NewEvent) -> Vec<u8> {
    let mut bytes = event.occurred_at.to_be_bytes().to_vec();
    bytes.extend(event.event.encode());
    bytes.extend(event.text.as_deref().unwrap_or_default().as_bytes());
    bytes
}

fn check(alert: &NewAlert, window_ns: i64) -> Result<(), AlertStoreError> {
    let unfit = |what, problem: String| Err(AlertStoreError::Unfit { what, problem });
    sized("the type", &alert.alert_type, NAME_MAX_BYTES)?;
    sized("the rule", &alert.rule_name, NAME_MAX_BYTES)?;
    sized("the key", &alert.dedup_key, NAME_MAX_BYTES)?;
    sized("the description", &alert.description, TEXT_MAX_BYTES)?;
    if let Some(id) = &alert.id {
        sized("the id", id, NAME_MAX_BYTES)?;
    }
    if !(0..=6).contains(&alert.severity_id) {
        return unfit(
            "the severity",
            format!("is 0 to 6, not {}", alert.severity_id),
        );
    }
    if let Some(risk) = alert.risk_score
        && !(0.0..=100.0).contains(&risk)
    {
        return unfit("the risk", format!("is 0 to 100, not {risk}"));
    }
    if window_ns < 0 {
        return unfit("the window", "is 0 or more nanoseconds".to_owned());
    }
    Ok(())
}

fn sized(what: &'static str, text: &str, most: usize) -> Result<(), AlertStoreError> {
    if (1..=most).contains(&text.len()) {
        return Ok(());
    }
    let problem = format!("has 1 to {most} bytes, not {}", text.len());
    Err(AlertStoreError::Unfit { what, problem })
}

#[cfg(test)]
mod tests;
