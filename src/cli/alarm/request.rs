//! `arm` and `disarm`.

use clap::ValueEnum;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::decide::with_writer;
use super::super::exit::{CliError, Exit};
use super::super::{Context, folder, setup};
use super::{pin_entry, said};
use crate::config::Config;
use crate::event::house::ArmMode;
use crate::ingest::control::{self, ArmOrder, Ask, ControlError};
use crate::ingest::pin_desk::PinDesk;
use crate::reactor::alarm::Alarm;
use crate::read_model::alarm::{refusal, standing};
use crate::writer::Receipt;

/// What can be armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// For staying at home
    Home,
    /// For leaving
    Away,
    /// For the night
    Night,
}

/// Arguments of `arm`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar arm away
  nightjar arm night --pin-file /run/credentials/pin")]
pub struct ArmArgs {
    /// What to arm for
    mode: Mode,
    #[command(flatten)]
    how: How,
}

/// Arguments of `disarm`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar disarm
  printf '%s\\n' \"$PIN\" | nightjar disarm --by garage-keypad")]
pub struct DisarmArgs {
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct How {
    #[command(flatten)]
    pin: pin_entry::Args,
    /// Who asks; stands in the history for ever [default: the user of this shell]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `arm`.
pub fn arm(args: &ArmArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    let mode = match args.mode {
        Mode::Home => ArmMode::ArmedHome,
        Mode::Away => ArmMode::ArmedAway,
        Mode::Night => ArmMode::ArmedNight,
    };
    request(mode, &args.how, context)
}

/// Runs `disarm`.
pub fn disarm(args: &DisarmArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    request(ArmMode::Disarmed, &args.how, context)
}

fn request(mode: ArmMode, how: &How, context: &mut Context<'_>) -> Result<(), CliError> {
    let config = setup::load(context)?.config;
    let hash = config.alarm.pin();
    let wanted = hash.is_some() && (how.pin.is_given() || needs_pin(mode, &config, context)?);
    let pin = if wanted {
        // An empty line is no PIN, and no wrong one either.
        Some(pin_entry::read(&how.pin, context, "PIN")?).filter(|pin| !pin.is_empty())
    } else {
        None
    };
    let by = how.by.clone().unwrap_or_else(user);
    let order = ArmOrder { mode, pin, by };
    let position = match ask_daemon(&order, context)? {
        Some(position) => position,
        None => with_writer(context, |writer| {
            let mut database = folder::open_reader(&context.folder)?;
            let desk = PinDesk::new(hash, &mut database.snapshot()?)?;
            let request = order.request(&desk, context.clock.now());
            match writer.store(vec![request])? {
                Receipt::Stored(positions) => Ok(positions.first().copied().unwrap_or(0)),
                Receipt::Duplicate(position) => Ok(position),
            }
        })?,
    };
    outcome(position, how.json, context)
}

/// Whether the alarm, as it is now, changes by the PIN alone.
fn needs_pin(mode: ArmMode, config: &Config, context: &Context<'_>) -> Result<bool, CliError> {
    if !context.folder.join(folder::DATABASE_FILE).exists() {
        return Ok(mode == ArmMode::Disarmed || config.alarm.pin_to_arm);
    }
    let mut database = folder::open_reader(&context.folder)?;
    let now = standing(&mut database.snapshot()?)?;
    let alarm = Alarm {
        state: now.state,
        target: now.target,
        since: now.since,
        deadline: now.deadline,
    };
    Ok(alarm.needs_pin(mode, &config.reactions().alarm, context.clock.now()))
}

fn ask_daemon(order: &ArmOrder, context: &Context<'_>) -> Result<Option<i64>, CliError> {
    let mut more = |out: &mut dyn std::io::Write| {
        let line = Zeroizing::new(serde_json::to_vec(order)?);
        out.write_all(&line)?;
        out.write_all(b"\n")
    };
    match control::ask(&context.folder, Ask::Arm, &mut more) {
        Ok(answer) => Ok(answer.map(|answer| answer["position"].as_i64().unwrap_or(0))),
        Err(ControlError::Refused(reason)) => Err(CliError::new(Exit::BadData, reason)),
        Err(error @ ControlError::Socket { .. }) => {
            Err(CliError::new(Exit::Unavailable, error.to_string()))
        }
    }
}

/// What came of the request, as the tables tell it: the reactor answered in the same transaction.
fn outcome(position: i64, json: bool, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    if let Some(reason) = refusal(&mut session, position)? {
        return Err(CliError::new(Exit::Forbidden, reason));
    }
    let now = standing(&mut session)?;
    if json {
        let value = json!({ "state": now.state.name(), "position": position });
        return Ok(writeln!(context.out, "{value}")?);
    }
    let said = said(&now, context);
    Ok(writeln!(context.out, "{said}")?)
}

fn user() -> String {
    let name = ["SUDO_USER", "LOGNAME", "USER"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
