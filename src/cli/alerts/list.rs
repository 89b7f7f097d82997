//! `alerts list` and `alerts log`.

use super::super::exit::{CliError, Exit};
use super::super::table::FormatArgs;
use super::super::{Context, folder};
use super::{channel, write_rows};
use crate::base::clock::UnixNanos;
use crate::event::alarm::Channel;
use crate::read_model::view::Shape;
use crate::storage::all;
use crate::values;

/// Columns of `list`, as its statement gives them.
const ALERTS: [(&str, Shape); 11] = [
    ("alert_id", Shape::Number),
    ("timestamp", Shape::Time),
    ("alert_type", Shape::Text),
    ("severity", Shape::Text),
    ("description", Shape::Text),
    ("rule_name", Shape::Text),
    ("count", Shape::Number),
    ("sent", Shape::Number),
    ("pending", Shape::Number),
    ("failed", Shape::Number),
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
    #[command(flatten)]
    window: Window,
    /// Only with a delivery in this state
    #[arg(long, value_parser = ["pending", "sent", "failed"])]
    status: Option<String>,
    /// Only of this type, such as `PERSON_DETECTED`
    #[arg(long = "type", value_name = "TYPE")]
    alert_type: Option<String>,
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
    let window = &args.window;
    let (since, until) = window.times(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT a.alert_id, a.timestamp_ns, a.alert_type, CASE a.severity_id WHEN 1 THEN 'INFO' \
         WHEN 3 THEN 'WARNING' WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' ELSE a.severity_id END, \
         a.description, a.rule_name, a.dedup_count, \
         (SELECT count(*) FROM alert_deliveries d WHERE d.alert_id = a.alert_id \
          AND d.status = 'SENT' AND (?3 IS NULL OR d.recipient = ?3)), \
         (SELECT count(*) FROM alert_deliveries d WHERE d.alert_id = a.alert_id \
          AND d.status = 'PENDING' AND (?3 IS NULL OR d.recipient = ?3)), \
         (SELECT count(*) FROM alert_deliveries d WHERE d.alert_id = a.alert_id \
          AND d.status = 'FAILED' AND (?3 IS NULL OR d.recipient = ?3)), \
         a.event_id FROM alerts a WHERE a.timestamp_ns >= ?1 AND a.timestamp_ns < ?2 \
         AND (?4 IS NULL OR a.alert_type = ?4) \
         AND (?3 IS NULL AND ?5 IS NULL OR EXISTS (SELECT 1 FROM alert_deliveries d \
          WHERE d.alert_id = a.alert_id AND (?3 IS NULL OR d.recipient = ?3) \
          AND (?5 IS NULL OR d.status = ?5))) \
         ORDER BY a.timestamp_ns DESC, a.alert_id DESC LIMIT ?6",
        values![
            since,
            until,
            window.recipient.as_deref(),
            args.alert_type.as_deref(),
            args.status.as_deref().map(str::to_uppercase).as_ref(),
            i64::from(window.limit) + 1
        ],
        |row| (0..ALERTS.len()).map(|column| row.owned(column)).collect(),
    )?;
    write_rows(&ALERTS, rows, window.limit, window.format, context)
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
