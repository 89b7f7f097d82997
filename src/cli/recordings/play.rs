//! `recordings play`: the plaintext goes through a pipe, never through the disk.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::super::exit::{CliError, Exit};
use super::super::{Context, folder};
use super::{Recording, find, open_folder, open_key, open_recording, recordings_folder};
use crate::base::ids::hex;
use crate::vault::key::Key;
use crate::vault::unseal::{SealedFile, UnsealError, Unsealed, unseal};

/// Players that take a film from their standard input, in this order.
const PLAYERS: [&[&str]; 3] = [
    &["mpv", "--really-quiet", "-"],
    &["ffplay", "-loglevel", "error", "-autoexit", "-i", "-"],
    &["vlc", "--quiet", "--play-and-exit", "-"],
];

/// Arguments of `recordings play`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id or path
    #[arg(value_name = "ID|PATH")]
    recording: String,
    /// Program, with its options, that takes the film from its standard input
    /// [default: mpv, ffplay or vlc; stdout when that is no terminal]
    #[arg(long, value_name = "CMD")]
    player: Option<String>,
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let house = recordings_folder(context)?;
    let recording = {
        let mut database = folder::open_reader(&context.folder)?;
        find(&mut database.snapshot()?, &args.recording, &house)?
    };
    let key = open_key(context)?;
    let file = open_recording(&recording, &open_folder(&house)?, &key)?;
    let player = match &args.player {
        Some(command) => Some(command.split_whitespace().map(ToOwned::to_owned).collect()),
        None if context.screen.width.is_none() => None,
        None => Some(installed_player()?),
    };
    let unsealed = match player {
        Some(player) => play(&player, &file, &key)?,
        None => Some(unseal(&file, &key, context.out).map_err(output_error)?),
    };
    match unsealed {
        Some(unsealed) => compare(&recording, &unsealed),
        // Who stops in the middle has seen enough.
        None => Ok(()),
    }
}

fn installed_player() -> Result<Vec<String>, CliError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let is_there = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    let found = PLAYERS.into_iter().find(|player| is_there(player[0]));
    found
        .map(|player| player.iter().map(|&part| part.to_owned()).collect())
        .ok_or_else(|| {
            let text = "neither mpv, ffplay nor vlc is here; name a player with --player, or pipe \
                        the output into one";
            CliError::new(Exit::Unavailable, text)
        })
}

/// Runs the player on a pipe; none when it ended before the film did.
fn play(player: &[String], file: &SealedFile, key: &Key) -> Result<Option<Unsealed>, CliError> {
    let Some((program, options)) = player.split_first() else {
        return Err(CliError::new(Exit::Usage, "--player is empty"));
    };
    let (theirs, mut ours) = io::pipe()?;
    let mut command = Command::new(program);
    command.args(options).stdin(Stdio::from(theirs));
    let (ended, unsealed) = std::thread::scope(|scope| {
        let feeding = std::thread::Builder::new().spawn_scoped(scope, move || {
            let outcome = unseal(file, key, &mut ours);
            // The end of the film: the player sees it when this end of the pipe closes.
            let _ = ours.flush();
            outcome
        })?;
        let ended = command.status();
        // Ours of the player's end, or the pipe would never break.
        drop(command);
        let unsealed = feeding.join();
        io::Result::Ok((ended, unsealed))
    })?;
    let ended = ended.map_err(|error| {
        CliError::new(
            Exit::Unavailable,
            format!("cannot start {program}: {error}"),
        )
    })?;
    let unsealed = match unsealed {
        Ok(Ok(unsealed)) => Some(unsealed),
        Ok(Err(UnsealError::Output(_))) => None,
        Ok(Err(error)) => return Err(output_error(error)),
        Err(_) => return Err(CliError::new(Exit::Bug, "unsealing panicked")),
    };
    if ended.success() {
        return Ok(unsealed);
    }
    Err(CliError::new(
        Exit::Io,
        format!("{program} ended with {ended}"),
    ))
}

/// The format has no tag of its own, so that damage shows only at the end.
fn compare(recording: &Recording, unsealed: &Unsealed) -> Result<(), CliError> {
    match recording.plain_sha256.as_deref() {
        Some(expected) if !expected.is_empty() && expected != hex(&unsealed.plain_sha256) => {
            let text = format!(
                "what was played is not what was sealed: recording {} is damaged or was tampered \
                 with",
                recording.id
            );
            Err(CliError::new(Exit::ProblemsFound, text))
        }
        _ => Ok(()),
    }
}

fn output_error(error: UnsealError) -> CliError {
    match error {
        UnsealError::Output(error) => CliError::from(error),
        UnsealError::TooShort { .. } => CliError::new(Exit::BadData, error.to_string()),
        UnsealError::System(error) => CliError::new(Exit::Io, error.to_string()),
    }
}
