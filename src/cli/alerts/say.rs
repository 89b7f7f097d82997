//! `alerts ack`, `feedback` and `snooze`: what people say of alerts.

use super::super::events::user;
use super::super::exit::{CliError, Exit};
use super::super::term::visible;
use super::super::when::{length, local, parse_next};
use super::super::{Context, decide};
use super::{store, store_error};
use crate::base::clock::{DAY_NS, UnixNanos};
use crate::event::NewEvent;
use crate::event::alarm::{AlertAcknowledged, AlertSnoozed, Verdict};
use crate::read_model::alerts::Filters;
use crate::store::alert::{self, AlertQuery, AlertStore as _, AlertStoreError};

/// Nobody remembers for longer what they silenced.
const SNOOZE_MAX_NS: i64 = 90 * DAY_NS;

/// Arguments of `alerts ack`.
#[derive(Debug, clap::Args)]
pub(super) struct Ack {
    /// Their ids, as `list` tells them
    #[arg(required = true, value_name = "ALERT")]
    alerts: Vec<i64>,
    /// Nobody has seen them after all
    #[arg(long)]
    undo: bool,
    /// Who has seen them [default: the user of this session]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Arguments of `alerts feedback`.
#[derive(Debug, clap::Args)]
pub(super) struct Feedback {
    /// Its id, as `list` tells it
    alert: i64,
    /// tp: there was something; fp: there was nothing
    #[arg(value_parser = ["tp", "fp"])]
    verdict: String,
    /// What it was
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Who says so [default: the user of this session]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Arguments of `alerts snooze`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true))]
pub(super) struct Snooze {
    /// The id of such an alert, or its key as `alerts show` tells it
    #[arg(value_name = "ALERT|KEY")]
    alert: String,
    /// For so long: 30m, 2h, 7d; at most 90d
    #[arg(long = "for", value_name = "SPAN", group = "how")]
    span: Option<String>,
    /// Until then: 07:00 (the next), 2026-11-20, "2026-11-20 07:00", RFC 3339
    #[arg(long, value_name = "WHEN", group = "how", allow_hyphen_values = true)]
    until: Option<String>,
    /// No longer
    #[arg(long, group = "how")]
    end: bool,
    /// Who wants it so [default: the user of this session]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub(super) fn ack(args: &Ack, context: &mut Context<'_>) -> Result<(), CliError> {
    let by = args.by.clone().unwrap_or_else(user);
    let seen = !args.undo;
    let mut store = store(context)?;
    let mut events = Vec::new();
    for (index, &id) in args.alerts.iter().enumerate() {
        let alert = store.get_alert_by_id(id).map_err(store_error)?;
        let alert = alert.ok_or_else(|| store_error(AlertStoreError::Unknown(id)))?;
        let is_new = !args.alerts[..index].contains(&id);
        if alert.acknowledged_at.is_some() != seen && is_new {
            let told = AlertAcknowledged {
                alert: id,
                acknowledged: seen,
                by: by.clone(),
            };
            events.push(NewEvent::own(context.clock.now(), "house/alerts", told));
        }
    }
    drop(store);
    let count = events.len();
    if count > 0 {
        decide::decide(context, events)?;
    }
    let what = if seen {
        "acknowledged"
    } else {
        "not acknowledged any more"
    };
    match count {
        0 => writeln!(context.out, "nothing to do: {what} already")?,
        1 => writeln!(context.out, "1 alert {what}")?,
        _ => writeln!(context.out, "{count} alerts {what}")?,
    }
    Ok(())
}

pub(super) fn feedback(args: &Feedback, context: &mut Context<'_>) -> Result<(), CliError> {
    let verdict = Verdict::from_name(&args.verdict)
        .ok_or_else(|| CliError::new(Exit::Usage, "a verdict is tp or fp"))?;
    let by = args.by.clone().unwrap_or_else(user);
    let known = store(context)?
        .get_alert_by_id(args.alert)
        .map_err(store_error)?
        .ok_or_else(|| store_error(AlertStoreError::Unknown(args.alert)))?;
    let now = context.clock.now();
    let event = alert::judged(args.alert, verdict, args.note.as_deref(), &by, now);
    decide::decide(context, vec![event.map_err(store_error)?])?;
    let what = match verdict {
        Verdict::TruePositive => "right",
        Verdict::FalsePositive => "false",
    };
    let before = match known.feedback {
        Some(before) if before != verdict => format!(" (it was {} before)", before.name()),
        _ => String::new(),
    };
    Ok(writeln!(
        context.out,
        "alert {} is {what}{before}",
        args.alert
    )?)
}

pub(super) fn snooze(args: &Snooze, context: &mut Context<'_>) -> Result<(), CliError> {
    let now = context.clock.now();
    let until = end_of(args, now, context)?;
    let dedup_key = key(&args.alert, context)?;
    let snoozed = AlertSnoozed {
        dedup_key,
        until,
        by: args.by.clone().unwrap_or_else(user),
    };
    let key = visible(&snoozed.dedup_key).into_owned();
    decide::decide(context, vec![NewEvent::own(now, "house/alerts", snoozed)])?;
    if args.end {
        return Ok(writeln!(context.out, "alerts {key} are told again")?);
    }
    let until = local(until, &context.zone);
    Ok(writeln!(
        context.out,
        "nobody is told of alerts {key} until {until}"
    )?)
}

/// Until when; now to end it.
fn end_of(args: &Snooze, now: UnixNanos, context: &Context<'_>) -> Result<UnixNanos, CliError> {
    let usage = |text: String| CliError::new(Exit::Usage, text);
    if args.end {
        return Ok(now);
    }
    let until = match (&args.span, &args.until) {
        (Some(span), _) => {
            let length = length(span).filter(|length| *length > 0).ok_or_else(|| {
                usage(format!(
                    "--for {span} is no length of time; write 30m, 2h, 7d"
                ))
            })?;
            now.saturating_add(length)
        }
        (None, text) => {
            let text = text.as_deref().unwrap_or_default();
            parse_next(text, now, &context.zone)
                .map_err(|error| usage(format!("--until: {error}")))?
        }
    };
    if until <= now {
        let text = "--until is past: give a later time, or --end";
        return Err(usage(text.to_owned()));
    }
    if until.saturating_sub(now) > SNOOZE_MAX_NS {
        let text = "alerts rest for 90 days at most; for good, make them quiet in a profile \
                    ([[alerts.profile]])";
        return Err(usage(text.to_owned()));
    }
    Ok(until)
}

/// The key of an alert that was given by its id, or the key itself if any alert has it.
fn key(text: &str, context: &Context<'_>) -> Result<String, CliError> {
    let mut store = store(context)?;
    if let Ok(id) = text.parse() {
        let alert = store.get_alert_by_id(id).map_err(store_error)?;
        return alert
            .map(|alert| alert.dedup_key)
            .ok_or_else(|| store_error(AlertStoreError::Unknown(id)));
    }
    let query = AlertQuery {
        filters: Filters {
            dedup_key: Some(text.to_owned()),
            ..Filters::default()
        },
        before: None,
        limit: 1,
    };
    let found = store.query_alerts(&query).map_err(store_error)?;
    if found.alerts.is_empty() {
        let text =
            format!("no alert has the key {text:?}; `nightjar alerts show ALERT` tells keys");
        return Err(CliError::new(Exit::NoInput, text));
    }
    Ok(text.to_owned())
}
