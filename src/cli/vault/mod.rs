//! `nightjar vault`: keys, and sealed files verified, sealed and unsealed by hand.

mod keys;
mod rotate;
mod seal;
mod unseal;
mod verify;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::opening::{code_of, fs_error, key_error};
use super::{Context, setup};
use crate::base::ids;
use crate::vault::admission::Refusal;
use crate::vault::folder::Folder;
use crate::vault::key;

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
  nightjar vault unseal --range 1MiB:64KiB clip.vge | xxd
  nightjar vault unseal clip.vge | ffplay -    plays it without leaving a trace on the disk
  nightjar vault verify --all                  is every recording what was sealed?
  nightjar vault verify /mnt/copy --key-file storage.key   a copied folder, with the key alone
  nightjar vault seal-legacy /srv/recordings   protects what another program encrypted")]
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
    Seal(seal::Args),
    /// Decrypt a file, or a range of it, to stdout or a new file
    Unseal(unseal::Args),
    /// Prove that sealed files are what was sealed; names each bad file and chunk
    Verify(verify::Args),
    /// Give files of another program a sidecar, so that they can be verified from then on
    SealLegacy(seal::LegacyArgs),
}

/// Runs the verb.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    context.forbid_core_dumps();
    match &args.act {
        Act::Keygen { path } => keygen(path.as_deref(), context),
        Act::Rotate(args) => rotate::rotate(args, context),
        Act::Keys(args) => keys::keys(args, context),
        Act::Seal(args) => seal::run(args, context),
        Act::Unseal(args) => unseal::run(args, context),
        Act::Verify(args) => verify::run(args, context),
        Act::SealLegacy(args) => seal::run_legacy(args, context),
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
    CliError::new(code_of(refusal), format!("{}: {refusal}", file.display()))
}
