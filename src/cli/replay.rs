//! `nightjar replay`: fixture streams, through the broker or straight into the log.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::decide::with_writer;
use super::exit::{CliError, Exit};
use super::{Context, folder, setup};
use crate::base::shutdown::Shutdown;
use crate::ingest::control::{self, Ask, ControlError};
use crate::ingest::mqtt::publish::{Message, publish};
use crate::ingest::pin_desk::PinDesk;
use crate::ingest::replay::{Direct, ReplayError, messages};

/// How fast a stream is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it happened.
    Times(f64),
    /// Without pauses.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err("give a number above 0, or max".into()),
        }
    }
}

impl Speed {
    /// The pause that is left of `pause`.
    pub(super) fn pause(self, pause: Duration) -> Duration {
        match self {
            Self::Max => Duration::ZERO,
            Self::Times(times) => pause.div_f64(times),
        }
    }
}

/// Where a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum To {
    /// Published, as a device would.
    Broker,
    /// Into the log without a broker; the daemon may run.
    Direct,
}

/// Options of `replay`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar replay fixtures/streams/night.jsonl                    through the broker, full speed
  nightjar replay fixtures/streams/night.jsonl --speed 60         an hour in a minute
  nightjar replay fixtures/streams/night.jsonl --to direct        straight into the log")]
pub struct Args {
    /// Streams: one JSON object per line, see `fixtures/streams/README.md`
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// N times as fast as it happened, or without pauses
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub speed: Speed,
    /// Where the stream goes
    #[arg(long, value_enum, default_value = "broker")]
    pub to: To,
    /// Another broker than the configured one
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<String>,
    /// One JSON object on stdout in place of a sentence
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let began = Instant::now();
    let (messages, events) = match args.to {
        To::Broker => (to_broker(args, context)?, None),
        To::Direct => {
            let (messages, events) = to_direct(args, context)?;
            (messages, Some(events))
        }
    };
    let elapsed = began.elapsed();
    let rate = messages as f64 / elapsed.as_secs_f64().max(1e-9);
    if args.json {
        let object = serde_json::json!({
            "messages": messages, "events": events,
            "seconds": elapsed.as_secs_f64(), "messages_per_second": rate,
        });
        writeln!(context.out, "{object}")?;
    } else {
        let stored = events.map_or_else(String::new, |events| format!(", {events} events stored"));
        writeln!(
            context.out,
            "{messages} messages in {}, {rate:.0} messages/s{stored}",
            setup::spoken(elapsed)
        )?;
    }
    Ok(())
}

fn to_broker(args: &Args, context: &mut Context<'_>) -> Result<u64, CliError> {
    let mut broker = setup::broker(&setup::load(context)?.config);
    if let Some(address) = &args.broker {
        (broker.host, broker.port) = setup::parse_broker(address)?;
    } else if let Some(address) = setup::running_broker(context) {
        (broker.host, broker.port) = address;
    }
    let mut failed = None;
    let bar = progress(context);
    let stream = args
        .files
        .iter()
        .flat_map(|path| stream(path))
        .map_while(|message| {
            match message {
                Ok(mut message) => {
                    message.after = args.speed.pause(message.after);
                    Some(message)
                }
                // Publishing ends here; what was sent stays sent, and the error is told.
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
    let sent = setup::edge()?.block_on(publish(&broker, stream, |_| bar.inc(1)));
    bar.finish_and_clear();
    let sent = sent.map_err(|error| CliError::new(Exit::Unavailable, error.to_string()))?;
    match failed {
        Some(error) => Err(replay_error(error)),
        None => Ok(sent),
    }
}

fn stream(path: &Path) -> Box<dyn Iterator<Item = Result<Message, ReplayError>>> {
    match messages(path) {
        Ok(messages) => Box::new(messages),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn to_direct(args: &Args, context: &mut Context<'_>) -> Result<(u64, i64), CliError> {
    let config = setup::load(context)?.config;
    let dir = context.folder.clone();
    if let Some(answer) = ask_daemon(args, &dir)? {
        return Ok(answer);
    }
    let rules = Arc::new(setup::rules(&config)?);
    let pin = config.alarm.pin();
    let bar = progress(context);
    let outcome = with_writer(context, |writer| {
        let mut database = folder::open_reader(&dir)?;
        let pins = PinDesk::new(pin, &mut database.snapshot()?)?;
        let direct = Direct {
            writer: writer.clone(),
            rules,
            pins: Arc::new(pins),
            clock: context.clock.clone(),
        };
        let before = writer.head();
        let count = feed(args, &direct, &bar)?;
        Ok((count, writer.head() - before))
    });
    bar.finish_and_clear();
    outcome
}

fn feed(args: &Args, direct: &Direct, bar: &ProgressBar) -> Result<u64, CliError> {
    let mut count = 0;
    for path in &args.files {
        for message in messages(path).map_err(replay_error)? {
            let message = message.map_err(replay_error)?;
            let pause = args.speed.pause(message.after);
            if !pause.is_zero() {
                Shutdown::new().wait(pause);
            }
            direct.submit(message)?;
            count += 1;
            if count % 1_024 == 0 {
                bar.inc(1_024);
            }
        }
    }
    direct.writer.barrier()?;
    Ok(count)
}

fn ask_daemon(args: &Args, folder: &Path) -> Result<Option<(u64, i64)>, CliError> {
    let mut more = |out: &mut dyn std::io::Write| {
        for path in &args.files {
            let mut file = std::fs::File::open(path)?;
            std::io::copy(&mut file, out)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    };
    match control::ask(folder, Ask::Replay, &mut more) {
        Ok(None) => Ok(None),
        Ok(Some(answer)) => {
            let number = |key: &str| answer.get(key).and_then(serde_json::Value::as_i64);
            Ok(Some((
                number("messages").unwrap_or_default() as u64,
                number("events").unwrap_or_default(),
            )))
        }
        Err(ControlError::Refused(reason)) => Err(CliError::new(Exit::BadData, reason)),
        Err(error @ ControlError::Socket { .. }) => {
            Err(CliError::new(Exit::Unavailable, error.to_string()))
        }
    }
}

fn progress(context: &Context<'_>) -> ProgressBar {
    if !context.screen.live {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} messages, {per_sec}") {
        bar.set_style(style);
    }
    bar
}

fn replay_error(error: ReplayError) -> CliError {
    let code = match &error {
        ReplayError::Unreadable { .. } => Exit::NoInput,
        ReplayError::Malformed { .. } => Exit::BadData,
        ReplayError::Writer(_) => Exit::Io,
    };
    CliError::new(code, error.to_string())
}
