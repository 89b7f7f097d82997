//! What the verbs that open recordings share: the keys, reading, and errors in a person's words.

use std::io::Write;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::exit::{CliError, Exit};
use super::{Context, setup};
use crate::base::fsutil::FsError;
use crate::vault::admission::Refusal;
use crate::vault::key::{self, Key, KeyEnvironment, KeyError, KeyOptions};
use crate::vault::keyring::{KeyRing, Keyring};
use crate::vault::reader::{ReadError, Reader};

/// The key that seals.
pub(super) fn find_key(key_file: Option<&Path>, context: &Context<'_>) -> Result<Key, CliError> {
    let (options, environment) = key_places(key_file, context)?;
    key::find(&options, &environment)
        .map(|(key, _)| key)
        .map_err(key_error)
}

/// The key that seals, and those of the keyring.
pub(super) fn find_keys(
    key_file: Option<&Path>,
    context: &Context<'_>,
) -> Result<KeyRing, CliError> {
    let current = find_key(key_file, context)?;
    let (options, _) = key_places(key_file, context)?;
    Ok(KeyRing::load(current, &Keyring::of(&options)))
}

fn key_places(
    key_file: Option<&Path>,
    context: &Context<'_>,
) -> Result<(KeyOptions, KeyEnvironment), CliError> {
    Ok(match key_file {
        // A key that is named is the one that is meant.
        Some(path) => (
            KeyOptions {
                key_file: path.to_owned(),
                ..KeyOptions::default()
            },
            KeyEnvironment::default(),
        ),
        None => (
            setup::key_options(&setup::load(context)?.config),
            KeyEnvironment::from_variables(|name| std::env::var_os(name)),
        ),
    })
}

/// Writes `len` bytes of the plaintext from `offset_bytes` on to `out`; tells their number and
/// SHA-256.
pub(super) fn pour(
    reader: &mut Reader,
    offset_bytes: u64,
    len: u64,
    out: &mut dyn Write,
) -> Result<(u64, [u8; 32]), ReadError> {
    let mut out = Hashing {
        out,
        digest: Sha256::new(),
        bytes: 0,
    };
    reader.range(offset_bytes, len, &mut out)?;
    out.flush().map_err(ReadError::Output)?;
    Ok((out.bytes, out.digest.finalize().into()))
}

/// Hashes what passes.
struct Hashing<'a> {
    out: &'a mut dyn Write,
    digest: Sha256,
    bytes: u64,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.digest.update(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// The exit code for a file that is not taken.
pub(super) const fn code_of(refusal: Refusal) -> Exit {
    match refusal {
        Refusal::Vanished => Exit::NoInput,
        Refusal::NoPermission => Exit::Forbidden,
        Refusal::NoSpace { .. } => Exit::Io,
        _ => Exit::BadData,
    }
}

/// What a person is told of a sealed file that cannot be read.
pub(super) fn read_error(error: ReadError) -> CliError {
    let code = match &error {
        ReadError::Refused { refusal, .. } => code_of(*refusal),
        ReadError::NoKey { .. } | ReadError::Keyless { .. } => Exit::NoInput,
        ReadError::OutOfRange { .. } => Exit::Usage,
        ReadError::Tampered { .. } => Exit::ProblemsFound,
        ReadError::Newer { .. } | ReadError::TooShort { .. } => Exit::BadData,
        ReadError::Output(_) | ReadError::System(_) => Exit::Io,
    };
    match error {
        ReadError::Output(error) => CliError::from(error),
        ReadError::System(error) => fs_error(error),
        error => CliError::new(code, error.to_string()),
    }
}

pub(super) fn fs_error(error: FsError) -> CliError {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => Exit::NoInput,
        std::io::ErrorKind::PermissionDenied => Exit::Forbidden,
        _ => Exit::Io,
    };
    CliError::new(code, error.to_string())
}

pub(super) fn key_error(error: KeyError) -> CliError {
    let code = match &error {
        KeyError::AlreadyThere { .. } | KeyError::Unwritable(_) => Exit::CannotCreate,
        KeyError::Missing { .. } => Exit::NoInput,
        _ => Exit::Forbidden,
    };
    CliError::new(code, error.to_string())
}
