//! `nightjar up`: the main job on embedded defaults. A data folder, a key, a small broker, one night
//! at an invented house through MQTT, two recordings, a summary, and live lines until Ctrl-C.
//!
//! The night goes in once, however often it is killed: a second run publishes only what the log
//! does not have yet.

mod night;
mod summary;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::exit::{CliError, Exit};
use super::{Context, setup, tail};
use crate::app::{self, DATABASE, Ending, Running, machine};
use crate::base::fsutil;
use crate::storage::sqlite::Database;

/// The small broker's port, if it is free.
const OWN_BROKER_PORT: u16 = 18_883;
/// The data folder when none is named.
const FOLDER: &str = "nightjar-data";
/// How long the parts may take to come up, and the night to go in without any progress.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often live lines are looked for.
const LIVE_PAUSE: Duration = Duration::from_millis(150);

/// Options of `up`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar up                              a night on the box, then live until Ctrl-C
  nightjar up --once                       the same, ends when all of it is durable
  nightjar up --dir /tmp/try               in another folder
  nightjar up --broker localhost:1883      on a broker of yours (publishes there!)")]
pub struct Args {
    /// Ends when everything is durable
    #[arg(long)]
    pub once: bool,
    /// Uses this broker instead of a small one of its own; the night is published there
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<String>,
    /// Replays N times as fast as it happened, or at full speed
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub speed: super::replay::Speed,
    /// Replays no night: only brings the box up
    #[arg(long)]
    pub no_night: bool,
}

/// Runs the verb.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    context.forbid_core_dumps();
    let folder = context
        .global
        .dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(FOLDER));
    context.folder.clone_from(&folder);
    setup::initialise(&folder, context)?;
    let config = setup::load_folder(&folder, context)?;
    let mut plan = setup::plan(&config, &folder)?;
    if args.once {
        // A night that is over at once is told of itself alone.
        plan.machine = machine::Settings::default();
    }
    match &args.broker {
        Some(address) => (plan.broker.host, plan.broker.port) = setup::parse_broker(address)?,
        None => plan.own_broker = Some(OWN_BROKER_PORT),
    }
    let recordings = plan
        .recordings
        .as_ref()
        .map(|recordings| recordings.folder.clone());
    let mut running =
        app::start(plan, context.clock.clone(), &mut |_, _, _| {}).map_err(setup::start_error)?;
    let outcome = show(args, context, &mut running, &folder, recordings.as_deref());
    let stopped = running.stop().map_err(CliError::from);
    let ending = outcome?;
    stopped?;
    match ending {
        Some(Ending::WriterGaveUp) => Err(CliError::new(
            Exit::Io,
            "the writer gave up; see the messages above",
        )),
        _ => Ok(()),
    }
}

fn show(
    args: &Args,
    context: &mut Context<'_>,
    running: &mut Running,
    folder: &Path,
    recordings: Option<&Path>,
) -> Result<Option<Ending>, CliError> {
    if let Some(ending) = wait_connected(running)? {
        return Ok(Some(ending));
    }
    let broker = format!("{}:{}", running.broker().host, running.broker().port);
    context.note(&format!("data in {}, broker at {broker}", folder.display()));
    let mut reader = Database::open_reader(&folder.join(DATABASE))?;
    let before = running.status();
    let began = Instant::now();
    let replayed = if args.no_night {
        0
    } else {
        if let Some(recordings) = recordings {
            night::drop_clips(recordings, &mut reader)?;
        }
        match night::replay(args, context, running, &mut reader)? {
            night::Outcome::Done(published) => published,
            night::Outcome::Interrupted(ending) => return Ok(Some(ending)),
        }
    };
    let run = summary::Run {
        elapsed: began.elapsed(),
        published: replayed,
        before: before.counters,
        after: running.status().counters,
    };
    summary::print(context, &mut reader, &run)?;
    if args.once {
        return Ok(None);
    }
    invite(context, running)?;
    live(context, running)
}

fn wait_connected(running: &mut Running) -> Result<Option<Ending>, CliError> {
    let began = Instant::now();
    while !running.is_connected() {
        if let Some(ending) = running.ending(Some(Duration::from_millis(20))) {
            return Ok(Some(ending));
        }
        if began.elapsed() > PATIENCE {
            let status = running.status();
            let trouble = status
                .families
                .values()
                .find_map(|health| health.trouble.clone());
            return Err(CliError::new(
                Exit::Unavailable,
                format!(
                    "no connection to the broker at {}:{} after {} s: {}",
                    running.broker().host,
                    running.broker().port,
                    PATIENCE.as_secs(),
                    trouble.unwrap_or_else(|| "no answer".into())
                ),
            ));
        }
    }
    Ok(None)
}

fn invite(context: &mut Context<'_>, running: &Running) -> Result<(), CliError> {
    let broker = running.broker();
    writeln!(context.out, "\nTry it from another terminal:")?;
    writeln!(
        context.out,
        "  mosquitto_pub -h {} -p {} -q 1 -t vigilar/sensor/back_door/contact_open -m '{{\"battery\": 88}}'",
        broker.host, broker.port
    )?;
    writeln!(context.out, "Live until Ctrl-C:")?;
    context.out.flush()?;
    Ok(())
}

fn live(context: &mut Context<'_>, running: &mut Running) -> Result<Option<Ending>, CliError> {
    let mut news = tail::Live::begin(running.writer().head(), context)?;
    loop {
        if let Some(ending) = running.ending(Some(LIVE_PAUSE)) {
            writeln!(context.out)?;
            return Ok(Some(ending));
        }
        if running.writer().head() > news.position() {
            news.print(context)?;
        }
    }
}

/// Writes a file into a folder as a camera would: whole, by a rename.
fn place(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), CliError> {
    fsutil::write_atomic(&folder.join(name), bytes, 0o600)
        .map_err(|error| CliError::new(Exit::CannotCreate, error.to_string()))
}
