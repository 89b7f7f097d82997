//! `nightjar run`: the daemon.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::exit::{CliError, Exit};
use super::{Context, setup};
use crate::app::{self, Ending};
use crate::config::{LogFormat, LogLevel};

/// Options of `run`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar run --config /etc/nightjar/nightjar.toml
  nightjar run --dir /var/lib/nightjar")]
pub struct Args {}

/// Runs the verb.
pub fn run(_args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let loaded = setup::load(context)?;
    setup::warn(context, &loaded);
    let config = loaded.config;
    log_to_stderr(context, &config.log);
    context.forbid_core_dumps();
    let folder = config.storage.data_dir.clone();
    std::fs::create_dir_all(&folder).map_err(|error| {
        CliError::new(
            Exit::CannotCreate,
            format!("cannot make {}: {error}", folder.display()),
        )
    })?;
    let plan = setup::plan(&config, &folder)?;
    let mut told = 0;
    let mut running = app::start(plan, context.clock.clone(), &mut |projection, done, all| {
        let percent = done * 100 / all.max(1);
        if percent >= told + 10 || percent < told {
            told = percent;
            tracing::info!(projection, percent, "bringing tables up to date");
        }
    })
    .map_err(setup::start_error)?;
    let status = running.status();
    tracing::info!(folder = %folder.display(), head = status.head, "ready");
    let ending = running.ending(None);
    tracing::info!(?ending, "stopping");
    running.stop()?;
    match ending {
        Some(Ending::Terminated) | None => Ok(()),
        Some(Ending::Interrupted) => Err(CliError::new(Exit::Interrupted, "")),
        Some(Ending::WriterGaveUp) => Err(CliError::new(
            Exit::Io,
            "the writer gave up; see the messages above",
        )),
    }
}

fn log_to_stderr(context: &Context<'_>, log: &crate::config::Log) {
    let level = match (context.global.verbose, log.level) {
        (0, LogLevel::Error) => "error",
        (0, LogLevel::Warn) => "warn",
        (0, LogLevel::Info) => "info",
        (1, _) | (0, LogLevel::Debug) => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::new(format!("{level},rumqttc=warn"));
    let layer = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let under_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    // Only a second run inside one process finds a subscriber there already; it is as good.
    let _ = match log.format {
        LogFormat::Json => layer.json().try_init(),
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Auto if !under_journal => {
            layer.with_ansi(std::io::stderr().is_terminal()).try_init()
        }
        LogFormat::Auto | LogFormat::Journal => layer.event_format(JournalLine).try_init(),
    };
}

/// A line as systemd's journal wants it: priority prefix (sd-daemon(3)), no time.
struct JournalLine;

impl<S, N> FormatEvent<S, N> for JournalLine
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let priority = match *event.metadata().level() {
            tracing::Level::ERROR => 3,
            tracing::Level::WARN => 4,
            tracing::Level::INFO => 6,
            tracing::Level::DEBUG | tracing::Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
