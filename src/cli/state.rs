//! `state`: the house as it is, or as it was at any instant.
//!
//! A past state is folded from the event log into a database in memory, by the projections that the
//! tables come from, so that it is what the tables said then. What counts is when an event arrived:
//! one that was received at or before the instant is in, one that arrived later is not, whatever
//! time it tells.

use std::path::Path;

use super::exit::{CliError, Exit};
use super::rebuild::Bar;
use super::table::{Format, Heading, RowWriter, json_value};
use super::term::grouped;
use super::when::local;
use super::{Context, folder};
use crate::base::clock::rfc3339;
use crate::event_log::append::head;
use crate::read_model::view::Window;
use crate::read_model::{Projection, View, state_sections};
use crate::storage::sqlite::{Database, Durability, Options};
use crate::storage::{Owned, Session};
use crate::writer::as_of::{fold_until, position_at};

const EXAMPLES: &str = "\
Examples:
  nightjar state                             what every sensor says now, where the pets are
  nightjar state --at \"2026-11-20 03:12\"     the same as of that night
  nightjar state --at -2h --json
  nightjar state --position 48211            after that event of the log";

/// Arguments of `state`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// As of this instant: -2h, today, 2026-11-20, "2026-11-20 03:12", RFC 3339, @epoch; events
    /// received by then count [default: now]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    at: Option<String>,
    /// As of this position of the event log
    #[arg(long, value_name = "N", conflicts_with = "at",
          value_parser = clap::value_parser!(i64).range(0..))]
    position: Option<i64>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// A part of the state, with its rows.
type Section = (&'static View, Vec<Vec<Owned>>);

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let at = match &args.at {
        Some(text) => Some(context.moment("--at", text)?),
        None => None,
    };
    let mut live = folder::open_reader(&context.folder)?;
    let mut session = live.snapshot()?;
    let head = head(&mut session)?;
    let position = match (at, args.position) {
        (Some(at), _) => position_at(&mut session, at)?,
        (None, Some(position)) if position > head => {
            let text = format!("--position: the event log ends at {head}");
            return Err(CliError::new(Exit::Usage, text));
        }
        (None, position) => position.unwrap_or(head),
    };
    let sections = if position == head {
        // The tables themselves say it: they are what a fold up to here gives.
        read(&mut session)?
    } else {
        let options = Options {
            durability: Durability::Scratch,
            ..Options::default()
        };
        let mut scratch = Database::open_writer(Path::new(":memory:"), options)?;
        let bar = Bar::new(context);
        let folded = fold_until(
            &mut session,
            &mut scratch,
            &projections(),
            position,
            &mut |doing, at, all| bar.show(doing, at, all),
        );
        bar.end();
        folded?;
        read(&mut scratch.snapshot()?)?
    };
    if args.json {
        show_json(at, position, &sections, context)
    } else {
        show(at, position, sections, context)
    }
}

/// The projections that the sections come from, each once.
fn projections() -> Vec<Projection> {
    let mut projections: Vec<Projection> = Vec::new();
    for (projection, _) in state_sections() {
        if projections
            .iter()
            .all(|known| known.name != projection.name)
        {
            projections.push(*projection);
        }
    }
    projections
}

fn read(session: &mut dyn Session) -> Result<Vec<Section>, CliError> {
    let everything = Window {
        since: i64::MIN,
        until: i64::MAX,
        limit: i64::MAX,
    };
    state_sections()
        .map(|(_, view)| Ok((view, view.rows(session, everything)?)))
        .collect()
}

fn show(
    at: Option<i64>,
    position: i64,
    sections: Vec<Section>,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let when = at.map_or_else(String::new, |at| format!("{}, ", local(at, &context.zone)));
    let events = grouped(position);
    writeln!(context.out, "As of {when}event {events} of the log")?;
    for (view, rows) in sections {
        writeln!(context.out, "\n{}: {}", view.name, view.about)?;
        let headings = view.columns.iter().map(Heading::from).collect();
        let mut writer = RowWriter::begin(context.out, Format::Table, headings)?;
        for row in rows {
            writer.row(context.out, row)?;
        }
        writer.end(context.out, context.screen, &context.zone, false)?;
    }
    Ok(())
}

fn show_json(
    at: Option<i64>,
    position: i64,
    sections: &[Section],
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let sections: serde_json::Map<_, _> = sections
        .iter()
        .map(|(view, rows)| {
            let object = |row: &Vec<Owned>| {
                let columns = view.columns.iter().zip(row);
                let fields = columns.map(|(column, value)| {
                    (
                        column.name.to_owned(),
                        json_value(value, Some(column.shape)),
                    )
                });
                serde_json::Value::Object(fields.collect())
            };
            (view.name.to_owned(), rows.iter().map(object).collect())
        })
        .collect();
    let object = serde_json::json!({
        "at": at.map(rfc3339),
        "position": position,
        "sections": sections,
    });
    writeln!(context.out, "{object:#}")?;
    Ok(())
}
