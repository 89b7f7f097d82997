//! `recordings play`: the plaintext goes through a pipe, never through the disk.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::super::exit::{CliError, Exit};
use super::super::opening::{pour, read_error};
use super::super::{Context, folder};
use super::{compare, find, open_folder, open_keys, open_recording, recordings_folder};
use crate::vault::reader::{ReadError, Reader};

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
    let keys = open_keys(context)?;
    let mut reader = open_recording(&recording, &open_folder(&house)?, &keys)?;
    let player = match &args.player {
        Some(command) => Some(command.split_whitespace().map(ToOwned::to_owned).collect()),
        None if context.screen.width.is_none() => None,
        None => Some(installed_player()?),
    };
    let sha256 = if let Some(player) = player {
        play(&player, &mut reader)?
    } else {
        let all = reader.plain_bytes();
        let (_, sha256) = pour(&mut reader, 0, all, context.out).map_err(read_error)?;
        Some(sha256)
    };
    match sha256 {
        Some(sha256) => compare(&recording, &reader, &sha256),
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

/// Runs the player on a pipe; the film's SHA-256, or none when the player ended before it did.
fn play(player: &[String], reader: &mut Reader) -> Result<Option<[u8; 32]>, CliError> {
    let Some((program, options)) = player.split_first() else {
        return Err(CliError::new(Exit::Usage, "--player is empty"));
    };
    let (theirs, mut ours) = io::pipe()?;
    let mut command = Command::new(program);
    command.args(options).stdin(Stdio::from(theirs));
    let (ended, unsealed) = std::thread::scope(|scope| {
        let feeding = std::thread::Builder::new().spawn_scoped(scope, move || {
            let all = reader.plain_bytes();
            let outcome = pour(reader, 0, all, &mut ours);
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
        Ok(Ok((_, sha256))) => Some(sha256),
        Ok(Err(ReadError::Output(_))) => None,
        Ok(Err(error)) => return Err(read_error(error)),
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
