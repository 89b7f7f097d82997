//! `arm`, `disarm` and `alarm`: the alarm by hand, and what it did.

mod history;
mod pin_entry;
mod request;

use clap::Subcommand;
use serde_json::json;

use super::exit::{CliError, Exit};
use super::grid::Grid;
use super::term::human_span;
use super::when::local;
use super::{Context, folder};
use crate::base::clock::rfc3339;
use crate::base::ids;
use crate::event::alarm::ArmState;
use crate::event::house::ArmMode;
use crate::reactor::pin::{Pin, PinHash};
use crate::read_model::alarm::{Standing, standing};
use crate::storage::first;

pub use request::{ArmArgs, DisarmArgs, arm, disarm};

const EXAMPLES: &str = "\
Examples:
  nightjar alarm                                what does it do now?
  nightjar alarm history --since -7d            what it did: when, who and why
  nightjar alarm requests                       who asked, and what was refused
  nightjar alarm hash-pin                       the line for `alarm.pin_hash` in the configuration
  nightjar arm away
  nightjar disarm";

/// Arguments of `alarm`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every step of the alarm, the newest first
    History(history::Args),
    /// Every request to arm or disarm, the newest first
    Requests(history::Args),
    /// Make the hash of a PIN, for the configuration
    HashPin(pin_entry::Args),
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        None => now(args, context),
        Some(Verb::History(args)) => history::run(args, "arm_state_log", context),
        Some(Verb::Requests(args)) => history::run(args, "arm_requests", context),
        Some(Verb::HashPin(args)) => hash_pin(args, context),
    }
}

fn now(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let standing = standing(&mut session)?;
    let last = first(
        &mut session,
        "SELECT triggered_by, reason FROM arm_state_log ORDER BY id DESC LIMIT 1",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
    )?;
    let (by, reason) = last.unwrap_or_default();
    if args.json {
        let value = json!({
            "state": standing.state.name(),
            "target": standing.target.map(ArmMode::name),
            "since": (standing.since > 0).then(|| rfc3339(standing.since)),
            "deadline": standing.deadline.map(rfc3339),
            "triggered_by": by,
            "reason": reason,
        });
        return Ok(writeln!(context.out, "{value}")?);
    }
    let mut grid = Grid::new(context.screen);
    grid.row(vec!["state".into(), said(&standing, context)]);
    if standing.since > 0 {
        grid.row(vec!["since".into(), local(standing.since, &context.zone)]);
        grid.row(vec!["by".into(), by]);
        grid.row(vec!["because".into(), reason]);
    }
    Ok(grid.write(context.out)?)
}

/// The state in words, with where it leads and how soon.
fn said(standing: &Standing, context: &Context<'_>) -> String {
    let mode = standing
        .target
        .map_or_else(String::new, |mode| ArmState::from(mode).words());
    let left = standing.deadline.map(|deadline| {
        let left = deadline.saturating_sub(context.clock.now()).max(0);
        human_span(left)
    });
    match (standing.state, left) {
        (ArmState::ExitDelay, Some(left)) => format!("exit delay: {mode} in {left}"),
        (ArmState::EntryDelay, Some(left)) => format!("entry delay: alarm in {left}"),
        (ArmState::Triggered, Some(left)) => format!("TRIGGERED, {mode} again in {left}"),
        (ArmState::Triggered, None) => "TRIGGERED".into(),
        (state, _) => state.words(),
    }
}

fn hash_pin(args: &pin_entry::Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let typed = pin_entry::read(args, context, "New PIN")?;
    let pin = Pin::new(typed.to_string())
        .map_err(|error| CliError::new(Exit::BadData, error.to_string()))?;
    let hash = PinHash::make(&pin, &ids::random::<16>())
        .map_err(|error| CliError::new(Exit::Bug, error.to_string()))?;
    writeln!(context.out, "{}", hash.encoded())?;
    context.out.flush()?;
    context.note("put this line into the file named by `alarm.pin_hash_file`, mode 0600");
    Ok(())
}
