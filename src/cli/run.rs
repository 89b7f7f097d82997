//! `nightjar run`: the daemon.

use std::io::IsTerminal as _;

use super::exit::{CliError, Exit};
use super::{Context, setup};
use crate::app::{self, Ending};
use crate::config::LogFormat;
use crate::vault::key::forbid_core_dumps;

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
    // A core dump would hold the key.
    if let Err(error) = forbid_core_dumps() {
        context.note(&format!("core dumps cannot be switched off: {error}"));
    }
    let folder = config.storage.data_dir.clone();
    std::fs::create_dir_all(&folder).map_err(|error| {
        CliError::new(Exit::CannotCreate, format!("cannot make {}: {error}", folder.display()))
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
        Some(Ending::WriterGaveUp) => {
            Err(CliError::new(Exit::Io, "the writer gave up; see the messages above"))
        }
    }
}

fn log_to_stderr(context: &Context<'_>, log: &crate::config::Log) {
    let level = match context.global.verbose {
        0 => log.level.to_string(),
        1 => "debug".into(),
        _ => "trace".into(),
    };
    let filter = tracing_subscriber::EnvFilter::new(format!("{level},rumqttc=warn"));
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // journald and the like have their own times.
    let installed = match log.format {
        LogFormat::Plain => format.without_time().with_ansi(false).try_init(),
        LogFormat::Pretty => format.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    // Only a second run inside one process, as in tests, finds one there already.
    let _ = installed;
}
