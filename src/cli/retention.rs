//! `retention`: how long the tables keep their rows, what would go, and a run by hand.
//!
//! Recordings have limits of their own: `recordings prune`.

use super::exit::{CliError, Exit};
use super::table::{FormatArgs, Heading, RowWriter};
use super::term::grouped;
use super::{Context, decide, folder, setup};
use crate::event::NewEvent;
use crate::ingest::control::{self, Ask, ControlError};
use crate::ingest::tables::{self, Outlook, Pace, Purged, age_in_words, clock_doubt, outlook};
use crate::read_model::view::{Column, Shape};
use crate::storage::Owned;

const EXAMPLES: &str = "\
Examples:
  nightjar retention show             how long each table keeps its rows, and what would go
  nightjar retention run --dry-run    what a run by hand would delete
  nightjar retention run              delete it now; the event log keeps everything
  nightjar query retention_cuts       what went so far
  nightjar recordings prune           the same for recordings";

/// Arguments of `retention`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// How long each table keeps its rows, how many it has, and what of them would go
    Show(Show),
    /// Let go now what the daemon would let go in its next run, whatever it thinks of the clock
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    format: FormatArgs,
}

/// Arguments of `cleanup`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar cleanup --dry-run          what would go, by the ages in the configuration
  nightjar cleanup                    delete it now, children with their parents
  nightjar retention show             the ages, and what of each table is due
  nightjar stats                      what fills the database")]
pub struct Cleanup {
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Only tell what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: FormatArgs,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Show(args) => show(args, context),
        Verb::Run(args) => run_now(args, context),
    }
}

fn show(args: &Show, context: &mut Context<'_>) -> Result<(), CliError> {
    let (tables, doubt) = look(context)?;
    let headings = [
        ("table", Shape::Text),
        ("max_age", Shape::Text),
        ("max_rows", Shape::Number),
        ("rows", Shape::Number),
        ("oldest", Shape::Time),
        ("due", Shape::Number),
        ("due_now", Shape::Number),
    ];
    let rows = tables.iter().map(|table| {
        let age = table.limits.max_age_ns.map(age_in_words);
        vec![
            Owned::Text(table.table.into()),
            Owned::Text(age.unwrap_or_else(|| "for ever".into())),
            number(table.limits.max_rows),
            Owned::Integer(table.rows),
            number(table.oldest_at),
            Owned::Integer(table.due),
            Owned::Integer(table.due_now()),
        ]
    });
    write(&headings, rows, args.format, context)?;
    if let Some(doubt) = doubt {
        context.out.flush()?;
        context.note(&format!("nothing goes for its age by itself: {doubt}"));
    }
    Ok(())
}

/// Runs `cleanup`, which is `retention run` by the name that one looks for.
pub fn cleanup(args: &Cleanup, context: &mut Context<'_>) -> Result<(), CliError> {
    run_now(&args.run, context)
}

fn run_now(args: &Run, context: &mut Context<'_>) -> Result<(), CliError> {
    let (due, doubt) = look(context)?;
    let gone = if args.dry_run {
        due.iter()
            .filter(|table| table.before.is_some())
            .map(|table| Purged {
                table: table.table,
                rows: table.due_now(),
                left: table.due - table.due_now(),
                reason: table.reason.clone(),
            })
            .collect()
    } else {
        purge(due, context)?
    };
    let headings = [
        ("table", Shape::Text),
        ("rows", Shape::Number),
        ("left", Shape::Number),
        ("reason", Shape::Text),
    ];
    let rows = gone.iter().map(|purged| {
        vec![
            Owned::Text(purged.table.into()),
            Owned::Integer(purged.rows),
            Owned::Integer(purged.left),
            Owned::Text(purged.reason.clone()),
        ]
    });
    write(&headings, rows, args.format, context)?;
    context.out.flush()?;
    let (rows, left) = gone.iter().fold((0, 0), |(rows, left), purged| {
        (rows + purged.rows, left + purged.left)
    });
    let word = if args.dry_run { "would go" } else { "are gone" };
    let more = if left > 0 {
        let left = grouped(left);
        format!("; {left} more in later runs, since a run takes a tenth of a table at most")
    } else {
        String::new()
    };
    context.note(&format!("{} rows {word}{more}", grouped(rows)));
    if let Some(doubt) = doubt.filter(|_| args.dry_run) {
        context.note(&format!("nothing goes for its age by itself: {doubt}"));
    }
    Ok(())
}

/// What each table holds and what is due, and why the clock may be wrong.
fn look(context: &Context<'_>) -> Result<(Vec<Outlook>, Option<String>), CliError> {
    let policies = setup::tables(&setup::load(context)?.config);
    let now = context.clock.now();
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let tables = outlook(&mut session, &policies, now)?;
    Ok((tables, clock_doubt(&mut session, now)?))
}

/// Deletes what is due, through the daemon or with a writer of its own.
fn purge(due: Vec<Outlook>, context: &Context<'_>) -> Result<Vec<Purged>, CliError> {
    let daemon = match control::ask(&context.folder, Ask::Status, &mut |_| Ok(())) {
        Ok(answer) => answer.is_some(),
        Err(error @ ControlError::Refused(_)) => {
            return Err(CliError::new(Exit::Io, error.to_string()));
        }
        Err(error) => return Err(CliError::new(Exit::Unavailable, error.to_string())),
    };
    let mut reader = folder::open_reader(&context.folder)?;
    let clock = context.clock.clone();
    let mut steps = |store: &mut dyn FnMut(NewEvent) -> Result<(), CliError>| {
        let mut pause = |pause| context.shutdown.wait(pause);
        let pace = &mut Pace::default();
        tables::purge(&mut reader, due.clone(), &clock, pace, store, &mut pause)
    };
    if daemon {
        return steps(&mut |event| decide::decide(context, vec![event]));
    }
    let mut gone = Vec::new();
    decide::with_writer(context, |writer| {
        gone = steps(&mut |event| Ok(writer.store(vec![event]).map(drop)?))?;
        Ok(())
    })?;
    Ok(gone)
}

fn number(value: Option<i64>) -> Owned {
    value.map_or(Owned::Null, Owned::Integer)
}

fn write(
    columns: &[(&'static str, Shape)],
    rows: impl Iterator<Item = Vec<Owned>>,
    format: FormatArgs,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let headings = columns.iter().map(|&(name, shape)| Column { name, shape });
    let headings = headings.map(|column| Heading::from(&column)).collect();
    let mut writer = RowWriter::begin(context.out, format.format(), headings)?;
    for row in rows {
        writer.row(context.out, row)?;
    }
    writer.end(context.out, context.screen, &context.zone, false)?;
    Ok(())
}
