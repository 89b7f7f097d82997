//! `packages`: parcels before the door.

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::table::{FormatArgs, write_all};
use super::term::visible;
use super::{Context, decide, folder};
use crate::event::house::PackageCollected;
use crate::event::{Extra, NewEvent};
use crate::read_model::view::Shape;
use crate::storage::{all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar packages list                    parcels, the newest first
  nightjar packages list --open             what lies before the door
  nightjar packages collected 1234          it was taken in; the camera did not see it";

/// Arguments of `packages`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Parcels, the newest first
    List(List),
    /// Say that a parcel was taken in
    Collected(Collected),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only what has not been collected
    #[arg(long)]
    open: bool,
    /// At most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Collected {
    /// Its id
    #[arg(value_name = "ID")]
    package: i64,
}

const COLUMNS: &[(&str, Shape)] = &[
    ("id", Shape::Number),
    ("camera", Shape::Text),
    ("state", Shape::Text),
    ("detected_at", Shape::Time),
    ("last_seen_at", Shape::Time),
    ("reminded_at", Shape::Time),
    ("collected_at", Shape::Time),
    ("picture", Shape::Text),
];

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, context),
        Verb::Collected(args) => collected(args, context),
    }
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT id, camera_id, state, detected_at, last_seen_at, reminded_at, collected_at, \
         crop_path FROM package_events WHERE ?1 = 0 OR state <> 'COLLECTED' \
         ORDER BY detected_at DESC, id DESC LIMIT ?2",
        values![args.open, i64::from(args.limit)],
        |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
    )?;
    let nothing = if args.open {
        "nothing lies before the door"
    } else {
        "no parcels"
    };
    Ok(write_all(
        context,
        args.format.format(),
        COLUMNS,
        rows,
        nothing,
    )?)
}

fn collected(args: &Collected, context: &mut Context<'_>) -> Result<(), CliError> {
    let id = args.package;
    let found = {
        let mut database = folder::open_reader(&context.folder)?;
        first(
            &mut database.snapshot()?,
            "SELECT camera_id, state FROM package_events WHERE id = ?1",
            values![id],
            |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
        )?
    };
    let Some((camera, state)) = found else {
        let text = format!("there is no parcel {id}; `nightjar packages list` shows all");
        return Err(CliError::new(Exit::NoInput, text));
    };
    if state == "COLLECTED" {
        return Ok(writeln!(context.out, "parcel {id} is collected already")?);
    }
    let stream = format!("package/{camera}");
    let event = PackageCollected {
        camera: camera.clone(),
        confidence: None,
        crop_path: None,
        extra: Extra::from([("by".into(), "person".into())]),
    };
    let event = NewEvent::own(context.clock.now(), stream, event);
    decide::decide(context, vec![event])?;
    let camera = visible(&camera).into_owned();
    Ok(writeln!(
        context.out,
        "parcel {id} at {camera} is collected now"
    )?)
}
