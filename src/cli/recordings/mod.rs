//! `recordings`: what was recorded, and what a person decides about it.

mod export;
mod keep;
mod list;
mod play;
mod prune;
mod show;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::opening::{find_keys, read_error};
use super::{Context, setup};
use crate::base::clock::UnixNanos;
use crate::event::recording::{path_of, printable_path};
use crate::storage::{self, Session, StorageError, first};
use crate::values;
use crate::vault::auth::HeaderTag;
use crate::vault::folder::Folder;
use crate::vault::hex;
use crate::vault::keyring::KeyRing;
use crate::vault::reader::{Expected, Reader};

const EXAMPLES: &str = "\
Examples:
  nightjar recordings list --since -2d --camera yard
  nightjar recordings show 1234
  nightjar recordings play 1234                 in mpv, ffplay or vlc, never on the disk
  nightjar recordings star 1234                 retention never takes it
  nightjar recordings hold 1234 --reason \"police report 77\"
  nightjar recordings export 1234 1240 --to /media/stick
  nightjar recordings prune --dry-run           what would go, and why
  nightjar recordings delete 1234 --reason \"the neighbour asked\"";

/// Arguments of `recordings`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The recordings, the newest first
    List(list::Args),
    /// Everything that is known of one recording, with its events
    Show(show::Args),
    /// Protect recordings from retention
    Star(keep::Star),
    /// Take the star away
    Unstar(keep::Star),
    /// Protect recordings from every deletion, a person's too
    Hold(keep::Hold),
    /// End a hold
    Release(keep::Hold),
    /// Delete recordings, for a reason
    Delete(prune::Delete),
    /// Delete now what retention would delete, or show what that would be
    Prune(prune::Prune),
    /// Play a recording, without leaving a trace on the disk
    Play(play::Args),
    /// Write recordings out as they were, with a manifest
    Export(export::Args),
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list::run(args, context),
        Verb::Show(args) => show::run(args, context),
        Verb::Star(args) => keep::star(args, true, context),
        Verb::Unstar(args) => keep::star(args, false, context),
        Verb::Hold(args) => keep::hold(args, true, context),
        Verb::Release(args) => keep::hold(args, false, context),
        Verb::Delete(args) => prune::delete(args, context),
        Verb::Prune(args) => prune::prune(args, context),
        Verb::Play(args) => play::run(args, context),
        Verb::Export(args) => export::run(args, context),
    }
}

/// A recording as its row tells it.
#[derive(Clone, Debug)]
struct Recording {
    id: i64,
    camera: Option<String>,
    file_path: String,
    original_name: String,
    started_at: Option<UnixNanos>,
    ended_at: Option<UnixNanos>,
    trigger: Option<String>,
    is_starred: bool,
    is_held: bool,
    state: String,
    key_id: Option<String>,
    plain_sha256: Option<String>,
    header_tag: Option<String>,
    integrity: String,
}

impl Recording {
    fn stream(&self) -> String {
        format!("recording/{}", self.original_name)
    }

    /// The last part of the name that it had, byte for byte.
    fn file_name(&self) -> PathBuf {
        let path = path_of(&self.original_name);
        path.file_name().map(PathBuf::from).unwrap_or_default()
    }
}

fn recording_of(row: &dyn storage::Row) -> Result<Recording, StorageError> {
    let text = |column| Ok::<_, StorageError>(row.opt_text(column)?.map(ToOwned::to_owned));
    Ok(Recording {
        id: row.int(0)?,
        camera: text(1)?,
        file_path: row.text(2)?.to_owned(),
        original_name: row.text(3)?.to_owned(),
        started_at: row.opt_int(4)?,
        ended_at: row.opt_int(5)?,
        trigger: text(6)?,
        is_starred: row.int(7)? != 0,
        is_held: row.int(8)? != 0,
        state: row.text(9)?.to_owned(),
        key_id: text(10)?,
        plain_sha256: text(11)?,
        header_tag: text(12)?,
        integrity: row.text(13)?.to_owned(),
    })
}

/// The recording that a person names: by its id, by its path inside the recordings folder (the
/// original one or that of the `.vge`), or by a whole path. Of several with one name the one that is
/// there, and of those the newest.
fn find(session: &mut dyn Session, named: &str, folder: &Path) -> Result<Recording, CliError> {
    let found = match named.parse::<i64>() {
        Ok(id) => first(
            session,
            "SELECT id, camera_id, file_path, original_name, started_at, ended_at, \
             trigger, starred, held, state, key_id, plain_sha256, header_tag, integrity \
             FROM recordings WHERE id = ?1",
            values![id],
            recording_of,
        )?,
        Err(_) => first(
            session,
            "SELECT id, camera_id, file_path, original_name, started_at, ended_at, \
             trigger, starred, held, state, key_id, plain_sha256, header_tag, integrity \
             FROM recordings WHERE original_name IN (?1, ?2) OR file_path IN (?1, ?2) \
             ORDER BY state = 'deleted', id DESC LIMIT 1",
            values![named, &inside(named, folder)],
            recording_of,
        )?,
    };
    found.ok_or_else(|| {
        let text = format!(
            "there is no recording {named}; `nightjar recordings list` shows ids, and a path is \
             one inside the recordings folder"
        );
        CliError::new(Exit::NoInput, text)
    })
}

/// A path as the table writes it: inside the recordings folder, printable.
fn inside(named: &str, folder: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let path = std::path::absolute(named).unwrap_or_else(|_| named.into());
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let relative = path.strip_prefix(&folder).unwrap_or(Path::new(named));
    printable_path(relative.as_os_str().as_bytes())
}

/// The recordings folder of this data folder.
fn recordings_folder(context: &Context<'_>) -> Result<PathBuf, CliError> {
    Ok(setup::load(context)?.config.recordings_folder())
}

/// The keys that open recordings.
fn open_keys(context: &mut Context<'_>) -> Result<KeyRing, CliError> {
    context.forbid_core_dumps();
    find_keys(None, context)
}

/// Opens a recording for reading; what is read of it is verified, if it has a sidecar.
fn open_recording(
    recording: &Recording,
    folder: &Folder,
    keys: &KeyRing,
) -> Result<Reader, CliError> {
    let named = format!("recording {} ({})", recording.id, recording.original_name);
    if recording.state != "sealed" {
        let text = format!(
            "{named} is {}, so there is nothing to open",
            recording.state
        );
        return Err(CliError::new(Exit::NoInput, text));
    }
    let expected = Expected {
        header_tag: recording
            .header_tag
            .as_deref()
            .and_then(hex::decode)
            .map(HeaderTag),
        key_id: recording.key_id.as_deref().and_then(|id| id.parse().ok()),
    };
    Reader::open(folder, &path_of(&recording.file_path), keys, expected)
        .map_err(|error| read_error(error).context(named))
}

/// What was read is what was sealed: the sidecar proved it, or the hash in the row does.
fn compare(recording: &Recording, reader: &Reader, sha256: &[u8; 32]) -> Result<(), CliError> {
    match recording.plain_sha256.as_deref() {
        Some(expected)
            if !reader.is_verified() && !expected.is_empty() && expected != hex::encode(sha256) =>
        {
            let text = format!(
                "recording {} ({}) is not what was sealed: it is damaged, or was tampered with",
                recording.id, recording.original_name
            );
            Err(CliError::new(Exit::ProblemsFound, text))
        }
        _ => Ok(()),
    }
}

/// Opens the recordings folder.
fn open_folder(path: &Path) -> Result<Folder, CliError> {
    Folder::open(path).map_err(|error| CliError::new(Exit::NoInput, error.to_string()))
}

#[cfg(test)]
mod tests;
