//! `recordings export`: plaintext files with their names of old, and a manifest that says what each
//! of them is and proves it.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::exit::{CliError, Exit};
use super::super::opening::{pour, read_error};
use super::super::term::{human_bytes, visible};
use super::super::{Context, folder};
use super::show::events_of;
use super::{Recording, find, open_folder, open_keys, open_recording, recordings_folder};
use crate::base::clock::rfc3339;
use crate::base::fsutil::{self, FsError};
use crate::base::ids::hex;
use crate::event::recording::printable_path;
use crate::vault::folder::Folder;
use crate::vault::keyring::KeyRing;

/// The manifest's name.
const MANIFEST: &str = "manifest.json";

/// Arguments of `recordings export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids or paths
    #[arg(required = true, value_name = "ID|PATH")]
    recordings: Vec<String>,
    /// Folder to write to; made if it is missing. Nothing in it is overwritten
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, Serialize)]
struct Manifest {
    made_by: String,
    exported_at: String,
    files: Vec<Exported>,
}

#[derive(Debug, Serialize)]
struct Exported {
    file: String,
    size_bytes: u64,
    sha256: String,
    recording: i64,
    original_name: String,
    sealed_file: String,
    camera: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
    trigger: Option<String>,
    key_id: Option<String>,
    header_tag: Option<String>,
    integrity: String,
    /// Positions in the event log of what happened to it.
    events: Vec<i64>,
}

/// Runs it. What cannot be exported is told at the end, and the others are.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let house = recordings_folder(context)?;
    let mut wanted: Vec<(Recording, Vec<i64>)> = Vec::new();
    {
        let mut database = folder::open_reader(&context.folder)?;
        let mut session = database.snapshot()?;
        for named in &args.recordings {
            let recording = find(&mut session, named, &house)?;
            if wanted.iter().any(|(known, _)| known.id == recording.id) {
                continue;
            }
            let events = events_of(&mut session, recording.id, &recording.stream())?;
            let positions = events.iter().map(|event| event.position).collect();
            wanted.push((recording, positions));
        }
    }
    let key = open_keys(context)?;
    let source = open_folder(&house)?;
    std::fs::create_dir_all(&args.to).map_err(|error| cannot_create(&args.to, &error))?;
    let manifest = args.to.join(MANIFEST);
    if manifest.exists() {
        let text = format!(
            "{} is there already; export to another folder",
            manifest.display()
        );
        return Err(CliError::new(Exit::CannotCreate, text));
    }
    let (mut files, mut worst) = (Vec::new(), None);
    let count = wanted.len();
    for (recording, events) in wanted {
        match export(&recording, events, &source, &key, &args.to) {
            Ok(exported) => {
                let size = human_bytes(exported.size_bytes as i64);
                writeln!(context.out, "{} ({size})", visible(&exported.file))?;
                files.push(exported);
            }
            Err(error) => {
                context.note(&error.message);
                worst.get_or_insert(error.code);
            }
        }
    }
    let exported = files.len();
    let text = serde_json::to_vec_pretty(&Manifest {
        made_by: format!("nightjar {}", env!("CARGO_PKG_VERSION")),
        exported_at: rfc3339(context.clock.now()),
        files,
    })
    .map_err(|error| CliError::new(Exit::Bug, error.to_string()))?;
    fsutil::write_new(&manifest, &text, 0o600).map_err(fs_error)?;
    writeln!(context.out, "{MANIFEST}")?;
    match worst {
        None => Ok(()),
        Some(code) => {
            let text = format!("{exported} of {count} recordings were exported");
            Err(CliError::new(code, text))
        }
    }
}

fn export(
    recording: &Recording,
    events: Vec<i64>,
    source: &Folder,
    keys: &KeyRing,
    to: &Path,
) -> Result<Exported, CliError> {
    let mut reader = open_recording(recording, source, keys)?;
    let named = format!("recording {} ({})", recording.id, recording.original_name);
    let expected = recording.plain_sha256.as_deref().unwrap_or_default();
    if expected.is_empty() && !reader.is_verified() {
        let text = format!(
            "{named} was adopted without a hash, so nothing can prove it; `nightjar vault unseal` \
             opens it all the same"
        );
        return Err(CliError::new(Exit::ProblemsFound, text));
    }
    let name = recording.file_name();
    if name.as_os_str().is_empty() {
        return Err(CliError::new(Exit::BadData, format!("{named} has no name")));
    }
    let path = to.join(&name);
    let part = Part::create(to, recording.id)?;
    let mut file = &part.file;
    let all = reader.plain_bytes();
    let (size_bytes, sha256) =
        pour(&mut reader, 0, all, &mut file).map_err(|error| read_error(error).context(&named))?;
    let sha256 = hex(&sha256);
    if !expected.is_empty() && sha256 != expected {
        let text = format!(
            "{named} does not hold what was sealed (sha256 {sha256}, sealed as {expected}); it is \
             not exported"
        );
        return Err(CliError::new(Exit::ProblemsFound, text));
    }
    part.file
        .sync_all()
        .map_err(|error| cannot_create(&path, &error))?;
    part.rename_to(&path)?;
    Ok(Exported {
        file: printable_path(std::os::unix::ffi::OsStrExt::as_bytes(name.as_os_str())),
        size_bytes,
        sha256,
        recording: recording.id,
        original_name: recording.original_name.clone(),
        sealed_file: recording.file_path.clone(),
        camera: recording.camera.clone(),
        started_at: recording.started_at.map(rfc3339),
        ended_at: recording.ended_at.map(rfc3339),
        trigger: recording.trigger.clone(),
        key_id: recording.key_id.clone(),
        header_tag: recording.header_tag.clone(),
        integrity: recording.integrity.clone(),
        events,
    })
}

/// A file that has its name only once it is whole, and is gone if it never is.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn create(folder: &Path, id: i64) -> Result<Self, CliError> {
        let path = folder.join(OsString::from(format!(".nightjar-export-{id}.part")));
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        let file = options
            .open(&path)
            .map_err(|error| cannot_create(&path, &error))?;
        Ok(Self { path, file })
    }

    fn rename_to(&self, path: &Path) -> Result<(), CliError> {
        fsutil::rename_new(&self.path, path).map_err(fs_error)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when it has its name.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn cannot_create(path: &Path, error: &std::io::Error) -> CliError {
    let text = format!("cannot make {}: {error}", path.display());
    CliError::new(Exit::CannotCreate, text)
}

fn fs_error(error: FsError) -> CliError {
    CliError::new(Exit::CannotCreate, error.to_string())
}
