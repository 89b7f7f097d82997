//! `alerts show`: one alert, what was counted on it, what people said, who was told, and every try.

use serde_json::json;

use super::super::exit::CliError;
use super::super::grid::Grid;
use super::super::table::{human_value, json_value};
use super::super::term::Ink;
use super::super::{Context, folder};
use super::store_error;
use crate::base::clock::UnixNanos;
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, StorageError, Value, all};
use crate::store::alert::AlertStoreError;
use crate::values;

/// What is shown of the alert, as its statement gives it.
const ALERT: [(&str, Shape); 22] = [
    ("alert_id", Shape::Number),
    ("timestamp", Shape::Time),
    ("alert_type", Shape::Text),
    ("severity", Shape::Text),
    ("risk_score", Shape::Number),
    ("description", Shape::Text),
    ("rule_name", Shape::Text),
    ("entity_type", Shape::Text),
    ("entity_value", Shape::Text),
    ("entity_uuid", Shape::Text),
    ("dedup_key", Shape::Text),
    ("dedup_count", Shape::Number),
    ("last", Shape::Time),
    ("incident", Shape::Number),
    ("open", Shape::Flag),
    ("acknowledged_at", Shape::Time),
    ("acknowledged_by", Shape::Text),
    ("feedback", Shape::Text),
    ("feedback_note", Shape::Text),
    ("snoozed_until", Shape::Time),
    ("snoozed_by", Shape::Text),
    ("event_id", Shape::Number),
];
/// What is shown of a verdict.
const VERDICT: [(&str, Shape); 4] = [
    ("at", Shape::Time),
    ("feedback", Shape::Text),
    ("by_whom", Shape::Text),
    ("note", Shape::Text),
];
/// What is shown of an event that was counted.
const EVENT: [(&str, Shape); 4] = [
    ("at", Shape::Time),
    ("event_id", Shape::Number),
    ("type", Shape::Text),
    ("message", Shape::Text),
];
/// What is shown of another incident.
const INCIDENT: [(&str, Shape); 6] = [
    ("incident", Shape::Number),
    ("alert_id", Shape::Number),
    ("timestamp", Shape::Time),
    ("dedup_count", Shape::Number),
    ("feedback", Shape::Text),
    ("open", Shape::Flag),
];
/// Most events, tries and incidents that are shown, the newest.
const LISTED_MAX: i64 = 50;
/// What is shown of a delivery.
const DELIVERY: [(&str, Shape); 6] = [
    ("recipient", Shape::Text),
    ("channel", Shape::Text),
    ("address", Shape::Number),
    ("status", Shape::Text),
    ("attempts", Shape::Number),
    ("next_at", Shape::Time),
];
/// What is shown of a try.
const TRY: [(&str, Shape); 8] = [
    ("at", Shape::Time),
    ("recipient", Shape::Text),
    ("channel", Shape::Text),
    ("address", Shape::Number),
    ("attempt", Shape::Number),
    ("latency_ms", Shape::Number),
    ("status", Shape::Text),
    ("error", Shape::Text),
];

/// Arguments of `alerts show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, as `list` tells it
    alert: i64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

type Rows = Vec<Vec<Owned>>;

/// All that is told of an alert.
struct Whole {
    alert: Vec<Owned>,
    parts: Vec<Part>,
}

/// A list of what has to do with it.
struct Part {
    /// Its name in JSON.
    name: &'static str,
    /// What it is called for people.
    heading: &'static str,
    columns: &'static [(&'static str, Shape)],
    rows: Rows,
    /// Whether there were more rows than are shown.
    is_cut: bool,
}

impl Part {
    const fn all(
        name: &'static str,
        heading: &'static str,
        columns: &'static [(&'static str, Shape)],
        rows: Rows,
    ) -> Self {
        Self {
            name,
            heading,
            columns,
            rows,
            is_cut: false,
        }
    }

    /// Of rows that were read the newest first, one more than is shown; they are told in their order.
    fn newest(
        name: &'static str,
        heading: &'static str,
        columns: &'static [(&'static str, Shape)],
        mut rows: Rows,
    ) -> Self {
        let is_cut = rows.len() > LISTED_MAX as usize;
        rows.truncate(LISTED_MAX as usize);
        rows.reverse();
        Self {
            is_cut,
            ..Self::all(name, heading, columns, rows)
        }
    }
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let found = whole(&mut database.snapshot()?, args.alert, context.clock.now())?;
    let Some(Whole { alert, parts }) = found else {
        return Err(store_error(AlertStoreError::Unknown(args.alert)));
    };
    let cut = parts.iter().filter(|part| part.is_cut);
    let cut: Vec<_> = cut.map(|part| part.name).collect();
    if args.json {
        let mut whole = object(&ALERT, &alert);
        for part in &parts {
            let list = part.rows.iter().map(|row| object(part.columns, row));
            whole[part.name] = json!(list.collect::<Vec<_>>());
        }
        whole["cut"] = json!(cut);
        return Ok(writeln!(context.out, "{whole:#}")?);
    }
    let mut grid = Grid::new(context.screen);
    for ((name, shape), value) in ALERT.iter().zip(&alert) {
        let text = human_value(value, Some(*shape), &context.zone);
        grid.row(vec![name.replace('_', " "), text]);
    }
    grid.write(context.out)?;
    for part in &parts {
        write_grid(part, context)?;
    }
    if !cut.is_empty() {
        context.out.flush()?;
        let text = format!(
            "of {} these are the newest {LISTED_MAX}; `nightjar query alert_events`, `alerts log \
             --alert` and `alerts list --key` show all",
            cut.join(", ")
        );
        context.note(&text);
    }
    Ok(())
}

fn whole(
    session: &mut dyn Session,
    alert: i64,
    now: UnixNanos,
) -> Result<Option<Whole>, StorageError> {
    let row = rows(
        session,
        "SELECT a.alert_id, a.timestamp_ns, a.alert_type, CASE a.severity_id WHEN 1 THEN 'INFO' \
         WHEN 3 THEN 'WARNING' WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' ELSE CAST(a.severity_id AS TEXT) END, \
         a.risk_score, a.description, a.rule_name, a.entity_type, a.entity_value, a.entity_uuid, \
         a.dedup_key, a.dedup_count, a.last_ns, a.incident, coalesce(a.is_open, 0), \
         a.acknowledged_at, a.acknowledged_by, a.feedback, a.feedback_note, s.until, s.by_whom, \
         a.event_id FROM alerts a LEFT JOIN alert_snoozes s ON s.dedup_key = a.dedup_key \
         AND s.until > ?2 WHERE a.alert_id = ?1",
        values![alert, now],
        ALERT.len(),
    )?;
    let Some(row) = row.into_iter().next() else {
        return Ok(None);
    };
    let said = rows(
        session,
        "SELECT at, feedback, by_whom, note FROM alert_feedback WHERE alert_id = ?1 \
         ORDER BY id DESC LIMIT ?2",
        values![alert, LISTED_MAX + 1],
        VERDICT.len(),
    )?;
    let deliveries = rows(
        session,
        "SELECT recipient, channel, address, status, attempts, \
         CASE status WHEN 'PENDING' THEN next_at END FROM alert_deliveries WHERE alert_id = ?1 \
         ORDER BY recipient, channel, address",
        values![alert],
        DELIVERY.len(),
    )?;
    let tries = rows(
        session,
        "SELECT at, recipient, channel, address, attempt, latency_ms, status, error \
         FROM alert_log WHERE alert_id = ?1 ORDER BY id DESC, recipient DESC LIMIT ?2",
        values![alert, LISTED_MAX + 1],
        TRY.len(),
    )?;
    let events = rows(
        session,
        "SELECT c.at, c.event_id, e.type, e.message FROM alert_events c \
         LEFT JOIN events e ON e.position = c.event_id WHERE c.alert_id = ?1 \
         ORDER BY c.position DESC LIMIT ?2",
        values![alert, LISTED_MAX + 1],
        EVENT.len(),
    )?;
    let incidents = rows(
        session,
        "SELECT incident, alert_id, timestamp_ns, dedup_count, feedback, coalesce(is_open, 0) \
         FROM alerts WHERE dedup_key = (SELECT dedup_key FROM alerts WHERE alert_id = ?1) \
         AND alert_id <> ?1 ORDER BY incident DESC LIMIT ?2",
        values![alert, LISTED_MAX + 1],
        INCIDENT.len(),
    )?;
    let parts = vec![
        Part::newest("events", "what was counted", &EVENT, events),
        Part::newest("said", "what people said of it", &VERDICT, said),
        Part::all("deliveries", "to be told", &DELIVERY, deliveries),
        Part::newest("tries", "tries", &TRY, tries),
        Part::newest("incidents", "other incidents", &INCIDENT, incidents),
    ];
    Ok(Some(Whole { alert: row, parts }))
}

fn rows(
    session: &mut dyn Session,
    sql: &'static str,
    values: &[Value<'_>],
    columns: usize,
) -> Result<Rows, StorageError> {
    all(session, sql, values, |row| {
        (0..columns).map(|column| row.owned(column)).collect()
    })
}

fn object(columns: &[(&str, Shape)], row: &[Owned]) -> serde_json::Value {
    columns
        .iter()
        .zip(row)
        .map(|((name, shape), value)| ((*name).to_owned(), json_value(value, Some(*shape))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn write_grid(part: &Part, context: &mut Context<'_>) -> std::io::Result<()> {
    let (columns, rows) = (part.columns, &part.rows);
    let heading = context
        .screen
        .paint(Ink::Heading, part.heading)
        .into_owned();
    if rows.is_empty() {
        return writeln!(context.out, "\n{heading}: none");
    }
    writeln!(context.out, "\n{heading}")?;
    let mut grid = Grid::new(context.screen);
    grid.head(
        columns
            .iter()
            .map(|(name, _)| name.replace('_', " "))
            .collect(),
    );
    for row in rows {
        let status = row
            .iter()
            .any(|value| *value == Owned::Text("FAILED".into()));
        let cells = columns
            .iter()
            .zip(row)
            .map(|((_, shape), value)| human_value(value, Some(*shape), &context.zone));
        grid.row_in(cells.collect(), if status { Ink::Bad } else { Ink::Plain });
    }
    grid.write(context.out)
}
