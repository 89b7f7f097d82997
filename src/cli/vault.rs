//! `nightjar vault`: keys, and single files sealed and unsealed by hand.

mod keys;
mod rotate;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::{Context, setup};
use crate::base::fsutil::FsError;
use crate::base::ids;
use crate::vault::admission::{Admission, AdmissionOptions, Refusal, admit};
use crate::vault::folder::Folder;
use crate::vault::key::{self, Key, KeyEnvironment, KeyError, KeyOptions};
use crate::vault::seal::{SealError, SealOptions, seal, unlink_plaintext};
use crate::vault::unseal::{UnsealError, open_sealed, unseal};

/// Options of `vault`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar vault keygen /etc/nightjar/secrets/storage.key
  nightjar vault keys                          which keys there are, and what needs them
  nightjar vault rotate                        a new key; old recordings stay open
  nightjar vault seal clip.mp4                 makes clip.vge, keeps clip.mp4
  nightjar vault seal --remove clip.mp4        removes clip.mp4 once clip.vge is proven
  nightjar vault unseal clip.vge -o clip.mp4
  nightjar vault unseal clip.vge | ffplay -    plays it without leaving a trace on the disk")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a key and show its recovery sheet once
    #[command(before_help = "\
Examples:
  nightjar vault keygen                                      where the configuration looks for it
  nightjar vault keygen /etc/nightjar/secrets/storage.key

A key is never overwritten. To replace one, see `nightjar vault rotate`.")]
    Keygen {
        /// The key file; must not exist [default: the configured one]
        path: Option<PathBuf>,
    },
    /// Make another key the one that seals, and keep the earlier one
    Rotate(rotate::RotateArgs),
    /// Which keys there are, where they are, and what needs them
    Keys(keys::KeysArgs),
    /// Encrypt files beside themselves
    Seal {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Removes each file once its .vge is proven to hold it
        #[arg(long)]
        remove: bool,
        /// Key file [default: as configured]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Decrypt a file to stdout or a new file
    Unseal {
        /// The .vge
        file: PathBuf,
        /// Where to; must not exist [default: stdout]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Key file [default: as configured]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
}

/// Runs the verb.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    if let Err(error) = key::forbid_core_dumps() {
        context.note(&format!("core dumps cannot be switched off: {error}"));
    }
    match &args.act {
        Act::Keygen { path } => keygen(path.as_deref(), context),
        Act::Rotate(args) => rotate::rotate(args, context),
        Act::Keys(args) => keys::keys(args, context),
        Act::Seal {
            files,
            remove,
            key_file,
        } => {
            let key = find_key(key_file.as_deref(), context)?;
            files
                .iter()
                .try_for_each(|file| seal_file(file, *remove, &key, context))
        }
        Act::Unseal {
            file,
            output,
            key_file,
        } => {
            let key = find_key(key_file.as_deref(), context)?;
            unseal_file(file, output.as_deref(), &key, context)
        }
    }
}

fn keygen(path: Option<&Path>, context: &mut Context<'_>) -> Result<(), CliError> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => setup::load(context)?.config.vault.key_file,
    };
    let sheet = key::keygen(&path, ids::random()).map_err(key_error)?;
    setup::show_sheet(context, sheet.reveal())?;
    writeln!(
        context.out,
        "made {} (key {})",
        path.display(),
        sheet.key_id()
    )?;
    Ok(())
}

fn find_key(key_file: Option<&Path>, context: &Context<'_>) -> Result<Key, CliError> {
    let (key_file, environment) = match key_file {
        // A key that is named is the one that is meant.
        Some(path) => (path.to_owned(), KeyEnvironment::default()),
        None => (
            setup::load(context)?.config.vault.key_file,
            KeyEnvironment::from_variables(|name| std::env::var_os(name)),
        ),
    };
    let options = KeyOptions {
        key_file,
        ..KeyOptions::default()
    };
    key::find(&options, &environment)
        .map(|(key, _)| key)
        .map_err(key_error)
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
    let earlier = match crate::vault::admission::open_source(&folder, &name).map_err(fs_error)? {
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

fn unseal_file(
    file: &Path,
    output: Option<&Path>,
    key: &Key,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let (folder, name) = beneath(file)?;
    let sealed = match open_sealed(&folder, &name).map_err(fs_error)? {
        Ok(sealed) => sealed,
        Err(refusal) => return Err(refused(file, refusal)),
    };
    let error = |error: UnsealError| match error {
        UnsealError::Output(error) => CliError::from(error),
        UnsealError::TooShort { .. } => CliError::new(
            Exit::BadData,
            format!("{} is shorter than 16 bytes; it is no .vge", file.display()),
        ),
        UnsealError::System(error) => fs_error(error),
    };
    let Some(path) = output else {
        return unseal(&sealed, key, context.out).map(|_| ()).map_err(error);
    };
    let mut target = std::fs::File::create_new(path).map_err(|error| {
        CliError::new(Exit::CannotCreate, format!("{}: {error}", path.display()))
    })?;
    let unsealed = unseal(&sealed, key, &mut target).map_err(error)?;
    target.sync_all()?;
    writeln!(
        context.messages,
        "{} bytes, sha256 {}; CTR cannot tell a wrong key: compare with the recordings table",
        unsealed.plain_bytes,
        ids::hex(&unsealed.plain_sha256)
    )?;
    Ok(())
}

fn beneath(file: &Path) -> Result<(Folder, PathBuf), CliError> {
    let Some(name) = file.file_name() else {
        return Err(CliError::new(
            Exit::Usage,
            format!("{} is no file", file.display()),
        ));
    };
    let parent = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = Folder::open(parent.unwrap_or(Path::new("."))).map_err(fs_error)?;
    Ok((folder, PathBuf::from(name)))
}

fn refused(file: &Path, refusal: Refusal) -> CliError {
    let code = match refusal {
        Refusal::Vanished => Exit::NoInput,
        Refusal::NoPermission => Exit::Forbidden,
        Refusal::NoSpace { .. } => Exit::Io,
        _ => Exit::BadData,
    };
    CliError::new(code, format!("{}: {refusal}", file.display()))
}

fn seal_error(file: &Path, error: &SealError) -> CliError {
    CliError::new(
        Exit::Io,
        format!("{} is not sealed, and untouched: {error}", file.display()),
    )
}

fn fs_error(error: FsError) -> CliError {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => Exit::NoInput,
        std::io::ErrorKind::PermissionDenied => Exit::Forbidden,
        _ => Exit::Io,
    };
    CliError::new(code, error.to_string())
}

fn key_error(error: KeyError) -> CliError {
    let code = match &error {
        KeyError::AlreadyThere { .. } | KeyError::Unwritable(_) => Exit::CannotCreate,
        KeyError::Missing { .. } => Exit::NoInput,
        _ => Exit::Forbidden,
    };
    CliError::new(code, error.to_string())
}
