//! `cameras`: which there are, as registered and as heard, and whether they live.

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::table::FormatArgs;
use super::{Context, events, folder, suggestion, table};
use crate::read_model::view::Shape;
use crate::storage::{Session, all};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar cameras
  nightjar cameras show yard
  nightjar cameras list --json";

/// Arguments of `cameras`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All of them
    List {
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Everything that is known of one, with its last moments
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        format: FormatArgs,
    },
}

const COLUMNS: [(&str, Shape); 8] = [
    ("id", Shape::Text),
    ("name", Shape::Text),
    ("location", Shape::Text),
    ("registered", Shape::Flag),
    ("enabled", Shape::Flag),
    ("last_seen_at", Shape::Time),
    ("silent_since", Shape::Time),
    ("last_error", Shape::Text),
];

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        None => list(args.format, context),
        Some(Verb::List { format }) => list(*format, context),
        Some(Verb::Show { id, format }) => show(id, *format, context),
    }
}

fn list(format: FormatArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT c.id, c.display_name, c.location, c.registered, c.enabled, c.last_seen_at, \
         l.silent_since, c.last_error FROM cameras c \
         LEFT JOIN liveness l ON l.stream = 'camera/' || c.id ORDER BY c.id",
        &[],
        |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
    )?;
    events::write(&COLUMNS, rows, false, format, context)
}

fn show(id: &str, format: FormatArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    const SHOWN: [(&str, Shape); 12] = [
        ("id", Shape::Text),
        ("name", Shape::Text),
        ("location", Shape::Text),
        ("source_url", Shape::Text),
        ("registered", Shape::Flag),
        ("enabled", Shape::Flag),
        ("first_seen_at", Shape::Time),
        ("last_seen_at", Shape::Time),
        ("heartbeat_every_ms", Shape::Number),
        ("silent_since", Shape::Time),
        ("last_error", Shape::Text),
        ("states", Shape::Text),
    ];
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let rows: Vec<Vec<_>> = all(
        &mut session,
        "SELECT c.id, c.display_name, c.location, c.source_url, c.registered, c.enabled, \
         c.first_seen_at, c.last_seen_at, l.median_ms, l.silent_since, c.last_error, NULL \
         FROM cameras c LEFT JOIN liveness l ON l.stream = 'camera/' || c.id WHERE c.id = ?1",
        values![id],
        |row| (0..SHOWN.len()).map(|column| row.owned(column)).collect(),
    )?;
    let [row] = &rows[..] else {
        return Err(unknown(&mut session, "camera", id)?);
    };
    one(
        &SHOWN[..SHOWN.len() - 1],
        row,
        "camera",
        id,
        format,
        context,
    )
}

/// The error for a device that is none, with what was perhaps meant.
pub(super) fn unknown(
    session: &mut dyn Session,
    what: &str,
    id: &str,
) -> Result<CliError, CliError> {
    let known = all(
        session,
        "SELECT id FROM cameras WHERE ?1 = 'camera' UNION SELECT id FROM sensors WHERE ?1 = 'sensor'",
        values![what],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    let hint = suggestion::hint(id, known.iter().map(String::as_str));
    let text = format!("there is no {what} {id}{hint} (`nightjar {what}s` shows all)");
    Ok(CliError::new(Exit::NoInput, text))
}

/// One device, and for people its last moments.
pub(super) fn one(
    columns: &[(&str, Shape)],
    row: &[crate::storage::Owned],
    what: &str,
    id: &str,
    format: FormatArgs,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    if format.format() != table::Format::Table {
        let row = row[..columns.len()].to_vec();
        return events::write(columns, vec![row], false, format, context);
    }
    for ((name, shape), value) in columns.iter().zip(row) {
        let value = table::human_value(value, Some(*shape), &context.zone);
        writeln!(context.out, "{name:<18} {value}")?;
    }
    let mut database = folder::open_reader(&context.folder)?;
    let moments = all(
        &mut database.snapshot()?,
        "SELECT timestamp_ns, type, message FROM events WHERE source_type = ?1 AND source_id = ?2 \
         ORDER BY timestamp_ns DESC, position DESC LIMIT 5",
        values![what, id],
        |row| (0..3).map(|column| row.owned(column)).collect(),
    )?;
    writeln!(context.out, "\nlast moments")?;
    let columns = [
        ("at", Shape::Time),
        ("type", Shape::Text),
        ("message", Shape::Text),
    ];
    events::write(&columns, moments, false, FormatArgs::default(), context)
}
