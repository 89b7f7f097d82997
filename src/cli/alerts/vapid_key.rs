//! `alerts vapid-key`: the key by which push services know this box.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::super::exit::{CliError, Exit};
use super::super::{Context, setup};
use crate::base::ids;
use crate::delivery::web_push::vapid::{VapidError, VapidKey};
use crate::vault::key::KeyError;

const EXAMPLES: &str = "\
Examples:
  nightjar alerts vapid-key --out /etc/nightjar/secrets/vapid.key     make it, once
  nightjar alerts vapid-key                                           the public half again

A browser subscribes with the public half:
  registration.pushManager.subscribe({userVisibleOnly: true, applicationServerKey: \"B…\"})

Keep a copy of the file: without it every browser must subscribe anew.";

/// Arguments of `alerts vapid-key`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// Make a new key in this file, which must not exist
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let key = if let Some(path) = &args.out {
        let key = VapidKey::generate(&Zeroizing::new(ids::random()));
        key.store(path).map_err(|error| refused(&error))?;
        context.note(&format!(
            "made the key {}; name it as alerts.vapid_key_file, and keep a copy",
            path.display()
        ));
        key
    } else {
        let config = setup::load(context)?.config;
        let path = config.alerts.vapid_key_file.ok_or_else(|| {
            let text = "no key is configured (alerts.vapid_key_file); make one with --out FILE";
            CliError::new(Exit::Config, text)
        })?;
        let user = rustix::process::geteuid().as_raw();
        VapidKey::load(&path, user).map_err(|error| refused(&error))?
    };
    Ok(writeln!(context.out, "{}", key.public_base64url())?)
}

fn refused(error: &VapidError) -> CliError {
    let code = match error {
        VapidError::Missing { .. } => Exit::NoInput,
        VapidError::NotAKey { .. } => Exit::BadData,
        VapidError::File(KeyError::AlreadyThere { .. }) => Exit::CannotCreate,
        VapidError::File(_) => Exit::Forbidden,
    };
    CliError::new(code, error.to_string())
}
