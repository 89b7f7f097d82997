//! `vault seal` and `vault seal-legacy`.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::verify::{Target, recorded, targets};
use super::{beneath, refused};
use crate::base::ids;
use crate::cli::Context;
use crate::cli::decide::decide;
use crate::cli::exit::{CliError, Exit};
use crate::cli::opening::{find_key, fs_error};
use crate::cli::term::visible;
use crate::event::NewEvent;
use crate::event::recording::{Part, Resealed};
use crate::ingest::recordings::is_video;
use crate::vault::admission::{Admission, AdmissionOptions, admit, open_source};
use crate::vault::key::Key;
use crate::vault::reader::Expected;
use crate::vault::seal::{SealError, SealOptions, seal, unlink_plaintext};
use crate::vault::sidecar::{read_legacy, seal_legacy};
use crate::vault::unseal::SealedFile;
use crate::vault::verify::{Verdict, verify};

/// Options of `vault seal`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Removes each file once its .vge is proven to hold it
    #[arg(long)]
    remove: bool,
    /// Key file [default: as configured]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Options of `vault seal-legacy`.
#[derive(Debug, clap::Args)]
pub(super) struct LegacyArgs {
    /// The .vge files, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Takes files that do not open as video; only if the key is certainly the right one
    #[arg(long)]
    trust_key: bool,
    /// Key file [default: as configured]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let key = find_key(args.key_file.as_deref(), context)?;
    args.files
        .iter()
        .try_for_each(|file| seal_file(file, args.remove, &key, context))
}

fn seal_file(
    file: &Path,
    remove: bool,
    key: &Key,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let (folder, name) = beneath(file)?;
    let seen = std::fs::symlink_metadata(file)
        .map_err(|error| CliError::from(error).context(file.display()))?;
    let options = AdmissionOptions {
        size_cap_bytes: seen.len().max(1),
        reserve_bytes: 0,
    };
    // The first look gives the fingerprint that the second, admitting one compares with.
    let earlier = match open_source(&folder, &name).map_err(fs_error)? {
        Ok(source) => source.fingerprint(),
        Err(refusal) => return Err(refused(file, refusal)),
    };
    let source = match admit(&folder, &name, Some(&earlier), &options).map_err(fs_error)? {
        Admission::Ready(source) => source,
        Admission::Empty(_) => {
            return Err(CliError::new(
                Exit::BadData,
                format!("{} is empty; there is nothing to seal", file.display()),
            ));
        }
        Admission::Refused(refusal) => return Err(refused(file, refusal)),
    };
    let sealed = seal(&source, key, ids::random(), SealOptions::default())
        .map_err(|error| seal_error(file, &error))?;
    let shown = folder.shown(&sealed.path);
    if remove {
        unlink_plaintext(&source, &sealed).map_err(|error| {
            CliError::new(
                Exit::Io,
                format!("{} is sealed, but stays: {error}", file.display()),
            )
        })?;
    }
    writeln!(
        context.out,
        "{} -> {} ({} bytes, key {})",
        file.display(),
        shown.display(),
        sealed.sealed_bytes,
        sealed.key_id
    )?;
    Ok(())
}

fn seal_error(file: &Path, error: &SealError) -> CliError {
    CliError::new(
        Exit::Io,
        format!("{} is not sealed, and untouched: {error}", file.display()),
    )
}

pub(super) fn run_legacy(args: &LegacyArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    let key = find_key(args.key_file.as_deref(), context)?;
    let (mut made, mut had, mut refused) = (0_u64, 0_u64, 0_u64);
    let mut protected = Vec::new();
    let recorded = match recorded(context) {
        Ok(recorded) => recorded,
        // Without a data folder there is nothing to compare with, and nothing to tell.
        Err(error) if error.code == Exit::NoInput => Vec::new(),
        Err(error) => return Err(error),
    };
    let by_path: HashMap<PathBuf, &Target> = recorded
        .iter()
        .filter_map(|target| Some((target.whole()?, target)))
        .collect();
    for target in targets(&args.files)? {
        let shown = target.shown();
        let row = target.whole().and_then(|path| by_path.get(&path).copied());
        let known = row.and_then(Target::known_sha256);
        match legacy(&target, &key, known, args.trust_key) {
            Ok(is_new) => {
                // One that has a sidecar may have got it when this was cut short.
                protected.extend(row);
                if is_new {
                    made += 1;
                    writeln!(context.out, "protected  {}", visible(&shown))?;
                } else {
                    had += 1;
                }
            }
            Err(said) => {
                refused += 1;
                context.note(&format!("{shown}: {said}"));
            }
        }
    }
    record(&protected, &key, context)?;
    writeln!(
        context.out,
        "{made} files got a sidecar, {had} had one, {refused} were left as they are"
    )?;
    if refused > 0 {
        context.out.flush()?;
        let text = format!("{refused} files have no sidecar");
        return Err(CliError::new(Exit::ProblemsFound, text));
    }
    Ok(())
}

/// Tells the event log of recordings whose rows know of no sidecar yet.
fn record(protected: &[&Target], key: &Key, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut events = Vec::new();
    for target in protected {
        let Some((id, name)) = target.without_tag() else {
            continue;
        };
        // What cannot be read any more is told by a verification.
        let Ok(sealed) = target.open() else { continue };
        let verdict = verify(&sealed, key, Expected::default(), &|_| {});
        if let Ok(Verdict::Verified {
            header_tag,
            key_id,
            plain_sha256,
        }) = verdict
            && target
                .known_sha256()
                .is_none_or(|known| known == plain_sha256)
        {
            let iv = sealed
                .iv()
                .map_err(|e| CliError::new(Exit::Io, e.to_string()))?;
            let resealed = Resealed {
                recording: id,
                part: Part::Video,
                sealed_path: sealed.path().as_os_str().as_bytes().to_vec(),
                plain_sha256: plain_sha256.to_vec(),
                key_id: key_id.0.to_vec(),
                iv: iv.to_vec(),
                header_tag: header_tag.0.to_vec(),
            };
            let stream = format!("recording/{name}");
            events.push(NewEvent::own(context.clock.now(), stream, resealed));
        }
    }
    if events.is_empty() {
        return Ok(());
    }
    decide(context, events)
}

/// Gives a file its sidecar; false if it had one. The error is for people.
fn legacy(
    target: &Target,
    key: &Key,
    known: Option<[u8; 32]>,
    trust_key: bool,
) -> Result<bool, String> {
    let sealed: SealedFile = target.open().map_err(|e| e.to_string())?;
    match verify(&sealed, key, Expected::default(), &|_| {}).map_err(|e| e.to_string())? {
        Verdict::Verified { .. } => return Ok(false),
        Verdict::Tampered { damage, .. } => return Err(format!("it has a sidecar, and {damage}")),
        Verdict::Unverified => {}
    }
    let legacy = read_legacy(&sealed, key).map_err(|e| e.to_string())?;
    if known.is_some_and(|known| known != legacy.plain_sha256()) {
        return Err("its content is not the recorded one; it stays as it is".into());
    }
    if !trust_key && known.is_none() && !is_video(&legacy.head) {
        return Err(format!(
            "it does not open as video under the key {}; give the key that sealed it with \
             --key-file, or --trust-key if it is the right one",
            key.id()
        ));
    }
    seal_legacy(&sealed, &legacy).map_err(|e| e.to_string())?;
    Ok(true)
}
