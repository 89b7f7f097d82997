//! `sensors`: which there are, what they say now, and whether they live.

use clap::Subcommand;

use super::exit::CliError;
use super::table::{Format, FormatArgs};
use super::{Context, cameras, events, folder};
use crate::read_model::view::Shape;
use crate::storage::all;
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar sensors
  nightjar sensors show front_door
  nightjar sensors list --json";

/// Arguments of `sensors`.
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
    /// Everything that is known of one: what it says, its rhythm, its last moments
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        format: FormatArgs,
    },
}

const COLUMNS: [(&str, Shape); 9] = [
    ("id", Shape::Text),
    ("name", Shape::Text),
    ("type", Shape::Text),
    ("location", Shape::Text),
    ("registered", Shape::Flag),
    ("enabled", Shape::Flag),
    ("battery_pct", Shape::Number),
    ("last_seen_at", Shape::Time),
    ("silent_since", Shape::Time),
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
        "SELECT s.id, s.display_name, s.type, s.location, s.registered, s.enabled, s.battery, \
         s.last_seen_at, l.silent_since FROM sensors s \
         LEFT JOIN liveness l ON l.stream = 'sensor/' || s.id ORDER BY s.id",
        &[],
        |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
    )?;
    events::write(&COLUMNS, rows, false, format, context)
}

fn show(id: &str, format: FormatArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    const SHOWN: [(&str, Shape); 14] = [
        ("id", Shape::Text),
        ("name", Shape::Text),
        ("type", Shape::Text),
        ("protocol", Shape::Text),
        ("device_address", Shape::Text),
        ("location", Shape::Text),
        ("registered", Shape::Flag),
        ("enabled", Shape::Flag),
        ("battery_pct", Shape::Number),
        ("first_seen_at", Shape::Time),
        ("last_seen_at", Shape::Time),
        ("reports_every_ms", Shape::Number),
        ("silent_after_ms", Shape::Number),
        ("silent_since", Shape::Time),
    ];
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let rows: Vec<Vec<_>> = all(
        &mut session,
        "SELECT s.id, s.display_name, s.type, s.protocol, s.device_address, s.location, \
         s.registered, s.enabled, s.battery, s.first_seen_at, s.last_seen_at, l.median_ms, \
         s.silent_after_ms, l.silent_since FROM sensors s \
         LEFT JOIN liveness l ON l.stream = 'sensor/' || s.id WHERE s.id = ?1",
        values![id],
        |row| (0..SHOWN.len()).map(|column| row.owned(column)).collect(),
    )?;
    let [row] = &rows[..] else {
        return Err(cameras::unknown(&mut session, "sensor", id)?);
    };
    let states = all(
        &mut session,
        "SELECT state_key, value, unit, changed_at, updated_at FROM sensor_states \
         WHERE sensor_id = ?1 ORDER BY state_key",
        values![id],
        |row| (0..5).map(|column| row.owned(column)).collect(),
    )?;
    cameras::one(&SHOWN, row, "sensor", id, format, context)?;
    if format.format() == Format::Table {
        let columns = [
            ("key", Shape::Text),
            ("value", Shape::Text),
            ("unit", Shape::Text),
            ("changed_at", Shape::Time),
            ("updated_at", Shape::Time),
        ];
        writeln!(context.out, "\nwhat it says")?;
        events::write(&columns, states, false, format, context)?;
    }
    Ok(())
}
