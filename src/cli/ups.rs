//! `ups`: the power now, and what became of it.

use super::exit::CliError;
use super::table::{Format, FormatArgs};
use super::{Context, events, folder};
use crate::read_model::view::Shape;
use crate::storage::all;
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar ups
  nightjar ups --history 50
  nightjar ups --json";

/// Arguments of `ups`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// So many changes of the power, the newest first
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    history: u32,
    #[command(flatten)]
    format: FormatArgs,
}

/// Runs it. For programs it is the state; the history is `query power_events`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    const NOW: [(&str, Shape); 10] = [
        ("id", Shape::Text),
        ("power", Shape::Text),
        ("since", Shape::Time),
        ("status", Shape::Text),
        ("charge_pct", Shape::Number),
        ("runtime_s", Shape::Number),
        ("load_pct", Shape::Number),
        ("input_voltage", Shape::Number),
        ("battery", Shape::Text),
        ("updated_at", Shape::Time),
    ];
    const HISTORY: [(&str, Shape); 5] = [
        ("at", Shape::Time),
        ("what", Shape::Text),
        ("ups", Shape::Text),
        ("charge_pct", Shape::Number),
        ("status", Shape::Text),
    ];
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let now: Vec<Vec<_>> = all(
        &mut session,
        "SELECT id, CASE on_battery WHEN 1 THEN 'battery' WHEN 0 THEN 'mains' END, on_battery_at, \
         status, charge_pct, runtime_s, load_pct, input_voltage, \
         CASE WHEN battery_critical = 1 THEN 'critical' WHEN battery_low = 1 THEN 'low' ELSE 'fine' END, \
         updated_at FROM ups_status ORDER BY id",
        &[],
        |row| (0..NOW.len()).map(|column| row.owned(column)).collect(),
    )?;
    let history: Vec<Vec<_>> = all(
        &mut session,
        "SELECT at, what, ups_id, charge_pct, status FROM power_events \
         ORDER BY at DESC, id DESC LIMIT ?1",
        values![i64::from(args.history)],
        |row| (0..HISTORY.len()).map(|column| row.owned(column)).collect(),
    )?;
    if args.format.format() != Format::Table {
        return events::write(&NOW, now, false, args.format, context);
    }
    if now.is_empty() {
        writeln!(context.out, "no UPS was heard of")?;
        return Ok(());
    }
    events::write(&NOW, now, false, args.format, context)?;
    writeln!(context.out)?;
    if history.is_empty() {
        writeln!(context.out, "the power never failed")?;
        return Ok(());
    }
    events::write(&HISTORY, history, false, args.format, context)
}
