//! `alerts list` and `alerts log`.

use super::super::events::severity_id;
use super::super::exit::{CliError, Exit};
use super::super::paging::PageArgs;
use super::super::table::FormatArgs;
use super::super::{Context, folder};
use super::{channel, write_rows};
use crate::base::clock::UnixNanos;
use crate::event::alarm::{Channel, Verdict};
use crate::event::entity::{Entity, EntityType};
use crate::read_model::alerts::{Alert, Filters, Said};
use crate::read_model::view::Shape;
use crate::storage::{Owned, all};
use crate::store::alert::{AlertQuery, AlertStore as _};
use crate::values;

/// Columns of `list`.
const ALERTS: [(&str, Shape); 16] = [
    ("alert_id", Shape::Number),
    ("timestamp", Shape::Time),
    ("alert_type", Shape::Text),
    ("severity", Shape::Text),
    ("risk", Shape::Number),
    ("description", Shape::Text),
    ("entity", Shape::Text),
    ("rule_name", Shape::Text),
    ("incident", Shape::Number),
    ("count", Shape::Number),
    ("sent", Shape::Number),
    ("pending", Shape::Number),
    ("failed", Shape::Number),
    ("acknowledged_at", Shape::Time),
    ("feedback", Shape::Text),
    ("event_id", Shape::Number),
];

/// Columns of `log`, as its statement gives them.
const LOG: [(&str, Shape); 9] = [
    ("at", Shape::Time),
    ("alert_id", Shape::Number),
    ("recipient", Shape::Text),
    ("channel", Shape::Text),
    ("address", Shape::Number),
    ("status", Shape::Text),
    ("attempt", Shape::Number),
    ("latency_ms", Shape::Number),
    ("error", Shape::Text),
];

/// Which rows.
#[derive(Debug, clap::Args)]
pub(super) struct Window {
    /// From this time on: -2h, today, 2026-11-20, "2026-11-20 03:12", RFC 3339, @epoch
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// To before this time
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only for this recipient
    #[arg(long, value_name = "NAME")]
    recipient: Option<String>,
    /// At most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

impl Window {
    fn times(&self, context: &Context<'_>) -> Result<(UnixNanos, UnixNanos), CliError> {
        let moment = |option, text: &Option<String>, otherwise| match text {
            Some(text) => context.moment(option, text),
            None => Ok(otherwise),
        };
        let since = moment("--since", &self.since, i64::MIN)?;
        let until = moment("--until", &self.until, i64::MAX)?;
        if since >= until {
            let text = "--until is not after --since: nothing can lie between them";
            return Err(CliError::new(Exit::Usage, text));
        }
        Ok((since, until))
    }
}

/// Arguments of `alerts list`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only of this type, such as `PERSON_DETECTED`, `RULE` or `ml`
    #[arg(long = "type", value_name = "TYPE")]
    alert_type: Option<String>,
    /// Only so grave or graver
    #[arg(long, value_name = "LEAST", value_parser = ["INFO", "WARNING", "ALERT", "CRITICAL"], ignore_case = true)]
    severity: Option<String>,
    /// Only what this asked for, such as `rule/night-watch`, `profile/asleep` or `model/hw:source:nginx`
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only about this: camera/yard, host/web-01, 203.0.113.9, …
    #[arg(long, value_name = "ENTITY")]
    entity: Option<String>,
    /// Only with this key (`alerts show` tells it): all incidents of one thing
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only the last incident of each key
    #[arg(long)]
    open: bool,
    /// Only what nobody has acknowledged
    #[arg(long)]
    unacknowledged: bool,
    /// Only what people called right (tp), false (fp), or nothing yet (none)
    #[arg(long, value_parser = ["tp", "fp", "none"])]
    feedback: Option<String>,
    /// Only with a delivery to this recipient; deliveries to others are not counted
    #[arg(long, value_name = "NAME")]
    recipient: Option<String>,
    /// Only with a delivery in this state
    #[arg(long, value_parser = ["pending", "sent", "failed"])]
    status: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

impl List {
    fn filters(&self, context: &Context<'_>) -> Result<Filters, CliError> {
        let (since, until) = self.page.range(context)?;
        let (entity_type, entity_value) = match &self.entity {
            Some(text) => entity(text)?,
            None => (None, None),
        };
        let said = |word: &str| Verdict::from_name(word).map_or(Said::Nothing, Said::This);
        Ok(Filters {
            since: Some(since),
            until: Some(until),
            alert_type: self.alert_type.clone(),
            severity_min: self.severity.as_deref().map(severity_id),
            rule_name: self.rule.clone(),
            entity_type,
            entity_value,
            dedup_key: self.key.clone(),
            is_open: self.open,
            unacknowledged: self.unacknowledged,
            said: self.feedback.as_deref().map(said),
            recipient: self.recipient.clone(),
            delivery: self.status.as_deref().map(str::to_uppercase),
        })
    }
}

/// Type and canonical value of an entity as people write it: `camera/yard`, or its value alone.
fn entity(text: &str) -> Result<(Option<String>, Option<String>), CliError> {
    let typed = text.split_once('/').and_then(|(kind, name)| {
        let kind: EntityType = kind.parse().ok()?;
        Some((kind, name))
    });
    let Some((kind, name)) = typed else {
        // Of all values only addresses are often written in another way than they are kept.
        let value = Entity::new(EntityType::Ip, text)
            .map_or_else(|_| text.to_owned(), |ip| ip.value().to_owned());
        return Ok((None, Some(value)));
    };
    let entity = Entity::new(kind, name).map_err(|error| {
        CliError::new(
            Exit::Usage,
            format!("--entity {text} names no {kind}: {error}"),
        )
    })?;
    Ok((
        Some(kind.name().to_owned()),
        Some(entity.value().to_owned()),
    ))
}

/// Arguments of `alerts log`.
#[derive(Debug, clap::Args)]
pub(super) struct Log {
    #[command(flatten)]
    window: Window,
    /// Only with this outcome
    #[arg(long, value_parser = ["sent", "failed", "suppressed"])]
    status: Option<String>,
    /// Only by this channel: mqtt, ntfy, webhook or web-push
    #[arg(long, value_parser = channel)]
    channel: Option<Channel>,
    /// Only of this alert
    #[arg(long, value_name = "ALERT")]
    alert: Option<i64>,
}

pub(super) fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let query = AlertQuery {
        filters: args.filters(context)?,
        before: args.page.before,
        limit: args.page.limit(),
    };
    let page = super::store(context)?
        .query_alerts(&query)
        .map_err(super::store_error)?;
    let rows = page.alerts.iter().map(row).collect();
    args.page.write_page(&ALERTS, rows, page.next, context)
}

fn row(alert: &Alert) -> Vec<Owned> {
    let text = |text: &str| Owned::Text(text.to_owned());
    let entity = match (&alert.entity_type, &alert.entity_value) {
        (Some(kind), Some(value)) => text(&format!("{kind}/{value}")),
        _ => Owned::Null,
    };
    vec![
        Owned::Integer(alert.alert_id),
        Owned::Integer(alert.timestamp_ns),
        text(&alert.alert_type),
        text(&super::severity(alert.severity_id)),
        Owned::Real(alert.risk_score),
        text(&alert.description),
        entity,
        text(&alert.rule_name),
        Owned::Integer(alert.incident),
        Owned::Integer(alert.dedup_count),
        Owned::Integer(alert.sent),
        Owned::Integer(alert.pending),
        Owned::Integer(alert.failed),
        alert.acknowledged_at.map_or(Owned::Null, Owned::Integer),
        alert
            .feedback
            .map_or(Owned::Null, |verdict| text(verdict.name())),
        Owned::Integer(alert.event_id),
    ]
}

pub(super) fn log(args: &Log, context: &mut Context<'_>) -> Result<(), CliError> {
    let window = &args.window;
    let (since, until) = window.times(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT at, alert_id, recipient, channel, address, status, attempt, latency_ms, error \
         FROM alert_log WHERE at >= ?1 AND at < ?2 AND (?3 IS NULL OR recipient = ?3) \
         AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR channel = ?5) \
         AND (?6 IS NULL OR alert_id = ?6) ORDER BY at DESC, id DESC, recipient LIMIT ?7",
        values![
            since,
            until,
            window.recipient.as_deref(),
            args.status.as_deref().map(str::to_uppercase).as_ref(),
            args.channel.map(Channel::name),
            args.alert,
            i64::from(window.limit) + 1
        ],
        |row| (0..LOG.len()).map(|column| row.owned(column)).collect(),
    )?;
    write_rows(&LOG, rows, window.limit, window.format, context)
}
