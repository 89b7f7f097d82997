//! `alerts show`: one alert, who was to be told, and every try.

use serde_json::json;

use super::super::exit::{CliError, Exit};
use super::super::grid::Grid;
use super::super::table::{human_value, json_value};
use super::super::term::Ink;
use super::super::{Context, folder};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, StorageError, Value, all};
use crate::values;

/// What is shown of the alert, as its statement gives it.
const ALERT: [(&str, Shape); 10] = [
    ("alert_id", Shape::Number),
    ("timestamp", Shape::Time),
    ("alert_type", Shape::Text),
    ("severity", Shape::Text),
    ("description", Shape::Text),
    ("rule_name", Shape::Text),
    ("dedup_key", Shape::Text),
    ("dedup_count", Shape::Number),
    ("last", Shape::Time),
    ("event_id", Shape::Number),
];
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

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let alert = rows(
        &mut session,
        "SELECT alert_id, timestamp_ns, alert_type, CASE severity_id WHEN 1 THEN 'INFO' \
         WHEN 3 THEN 'WARNING' WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' ELSE severity_id END, \
         description, rule_name, dedup_key, dedup_count, last_ns, event_id FROM alerts \
         WHERE alert_id = ?1",
        values![args.alert],
        ALERT.len(),
    )?;
    let Some(alert) = alert.into_iter().next() else {
        let text = format!(
            "there is no alert {}; `nightjar alerts list` shows them",
            args.alert
        );
        return Err(CliError::new(Exit::NoInput, text));
    };
    let deliveries = rows(
        &mut session,
        "SELECT recipient, channel, address, status, attempts, \
         CASE status WHEN 'PENDING' THEN next_at END FROM alert_deliveries WHERE alert_id = ?1 \
         ORDER BY recipient, channel, address",
        values![args.alert],
        DELIVERY.len(),
    )?;
    let tries = rows(
        &mut session,
        "SELECT at, recipient, channel, address, attempt, latency_ms, status, error \
         FROM alert_log WHERE alert_id = ?1 ORDER BY id, recipient",
        values![args.alert],
        TRY.len(),
    )?;
    if args.json {
        let list = |rows: &Rows, columns| -> Vec<_> {
            rows.iter().map(|row| object(columns, row)).collect()
        };
        let mut whole = object(&ALERT, &alert);
        whole["deliveries"] = json!(list(&deliveries, &DELIVERY));
        whole["tries"] = json!(list(&tries, &TRY));
        return Ok(writeln!(context.out, "{whole:#}")?);
    }
    let mut grid = Grid::new(context.screen);
    for ((name, shape), value) in ALERT.iter().zip(&alert) {
        let text = human_value(value, Some(*shape), &context.zone);
        grid.row(vec![name.replace('_', " "), text]);
    }
    grid.write(context.out)?;
    write_grid("to be told", &DELIVERY, &deliveries, context)?;
    Ok(write_grid("tries", &TRY, &tries, context)?)
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

fn write_grid(
    heading: &str,
    columns: &[(&str, Shape)],
    rows: &Rows,
    context: &mut Context<'_>,
) -> std::io::Result<()> {
    let heading = context.screen.paint(Ink::Heading, heading).into_owned();
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
