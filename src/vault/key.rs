//! The storage key: where it is looked for, what makes a key file unfit, and how one is made.
//!
//! A key that others can read, or a wrong key, is worse than none: recordings sealed under it are
//! exposed or lost. So every doubt is a refusal with its own error, and a place that holds an
//! unfit key ends the search: going on to the next place would seal under another key unnoticed.
//!
//! Invariants: key bytes are wiped on drop and appear in no `Debug`, error or log; a key file is
//! never overwritten.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::hex;
use super::sheet::RecoverySheet;
use crate::base::fsutil::{self, FsError};

/// Length of a key, in bytes (AES-256).
pub const KEY_BYTES: usize = 32;

/// Where a key lies when the configuration says nothing.
pub const DEFAULT_KEY_FILE: &str = "/etc/nightjar/secrets/storage.key";

/// Name of the key among the credentials that systemd hands to a service.
const CREDENTIAL: &str = "storage.key";

/// 64 hex digits and a line end of two characters are the longest fit content; one byte more
/// shows that there is more.
const READ_AT_MOST_BYTES: u64 = 2 * KEY_BYTES as u64 + 3;

/// The key under which recordings are sealed. Wiped on drop.
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// A key of these bytes, taken as they are.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The public name of this key.
    pub fn id(&self) -> KeyId {
        let mac = Hmac::<Sha256>::new_from_slice(self.bytes())
            .expect("HMAC takes keys of any length")
            .chain_update(b"nightjar/key-id")
            .finalize()
            .into_bytes();
        KeyId(std::array::from_fn(|i| mac[i]))
    }

    /// A second copy in memory, said aloud: each copy is one more to be wiped.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::from_bytes(*self.bytes())
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

/// Public name of a key: the first 8 bytes of `HMAC-SHA256(key, "nightjar/key-id")`, shown as hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(
    /// The bytes as they are stored.
    pub [u8; 8],
);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// As its 16 hex digits.
impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no id of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a key has 16 hex digits, such as a8cc6e3c1c993f1e")]
pub struct NotAKeyId;

impl std::str::FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        hex::decode(text).map(Self).ok_or(NotAKeyId)
    }
}

/// What the configuration says about the key.
#[derive(Debug, Clone)]
pub struct KeyOptions {
    /// The key file that is looked at after systemd's credentials.
    pub key_file: PathBuf,
    /// The folder with the keys of earlier recordings; none: `keyring` beside the key file.
    pub keyring: Option<PathBuf>,
    /// Numeric id of the user that the service runs as; only it and root may own a key file.
    pub service_uid: u32,
}

impl Default for KeyOptions {
    /// The default place, and the user of this process.
    fn default() -> Self {
        Self {
            key_file: DEFAULT_KEY_FILE.into(),
            keyring: None,
            service_uid: rustix::process::geteuid().as_raw(),
        }
    }
}

/// The environment variables that the search for a key looks at.
#[derive(Default, Clone)]
pub struct KeyEnvironment {
    /// `CREDENTIALS_DIRECTORY`: the folder in which systemd puts a service's credentials.
    pub credentials_directory: Option<OsString>,
    /// `VIGILAR_ENCRYPTION_KEY`: 64 hex digits.
    pub vigilar_encryption_key: Option<OsString>,
}

impl KeyEnvironment {
    /// Takes the variables from `variable`, e.g. `|name| std::env::var_os(name)`.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        Self {
            credentials_directory: set("CREDENTIALS_DIRECTORY"),
            vigilar_encryption_key: set("VIGILAR_ENCRYPTION_KEY"),
        }
    }
}

impl fmt::Debug for KeyEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEnvironment")
            .field("credentials_directory", &self.credentials_directory)
            .field(
                "vigilar_encryption_key",
                &self.vigilar_encryption_key.as_ref().map(|_| "…"),
            )
            .finish()
    }
}

/// Where a key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Among systemd's credentials, in this file.
    Credential(PathBuf),
    /// In the configured key file.
    KeyFile(PathBuf),
    /// In the variable `VIGILAR_ENCRYPTION_KEY`.
    Environment,
}

/// Why there is no key to work with. Nothing may be sealed or unlinked until it is solved.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No place holds a key.
    #[error(
        "no storage key at {}; restore it from its recovery sheet, or make one with \
         `nightjar vault keygen`",
        key_file.display()
    )]
    Missing {
        /// The configured key file.
        key_file: PathBuf,
    },
    /// Neither 32 bytes nor 64 hex digits.
    #[error("the storage key {place} has a wrong length; it must be 32 bytes or 64 hex digits")]
    WrongLength {
        /// The path or the variable.
        place: String,
    },
    /// 64 characters that are not all hex digits.
    #[error("the storage key {place} has 64 characters that are not all hex digits")]
    NotHex {
        /// The path or the variable.
        place: String,
    },
    /// One byte repeated: what a power cut or a placeholder leaves, never a key.
    #[error("the storage key {place} is one byte repeated, so it is no key; restore the real one")]
    Degenerate {
        /// The path or the variable.
        place: String,
    },
    /// Somebody else may read or change the file.
    #[error("the key file {} has mode {mode:04o}; run `chmod 600` on it", path.display())]
    OpenToOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The last component of the path is a symbolic link.
    #[error("the key file {} is a symbolic link; name the file itself", path.display())]
    Symlink {
        /// The key file.
        path: PathBuf,
    },
    /// A folder, pipe, socket or device.
    #[error("the key file {} is not a regular file", path.display())]
    NotRegular {
        /// The key file.
        path: PathBuf,
    },
    /// The owner is neither root nor the service's user.
    #[error("the key file {} belongs to user {owner_uid}; `chown` it to the service", path.display())]
    ForeignOwner {
        /// The key file.
        path: PathBuf,
        /// Its owner.
        owner_uid: u32,
    },
    /// The file cannot be read.
    #[error("cannot read the key file {}: {source}", path.display())]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A key would have been overwritten.
    #[error("{} exists; a key is never overwritten, move the old one away first", path.display())]
    AlreadyThere {
        /// The key file.
        path: PathBuf,
    },
    /// A new key could not be stored.
    #[error("cannot store the new key: {0}")]
    Unwritable(#[from] FsError),
}

/// Finds the key: systemd's credential `storage.key`, then the key file, then the environment.
///
/// The first place that exists decides, fit or not.
pub fn find(
    options: &KeyOptions,
    environment: &KeyEnvironment,
) -> Result<(Key, KeySource), KeyError> {
    if let Some(folder) = &environment.credentials_directory {
        let path = Path::new(folder).join(CREDENTIAL);
        // systemd gives a service its credentials through an ACL, whose mask shows up as the
        // group's read bit; the folder itself is closed to everybody else.
        if let Some(key) = read_file(&path, options.service_uid, Mode::RGRP)? {
            return Ok((key, KeySource::Credential(path)));
        }
    }
    if let Some(key) = read_file(&options.key_file, options.service_uid, Mode::empty())? {
        return Ok((key, KeySource::KeyFile(options.key_file.clone())));
    }
    if let Some(text) = &environment.vigilar_encryption_key {
        return Ok((parse_variable(text)?, KeySource::Environment));
    }
    Err(KeyError::Missing {
        key_file: options.key_file.clone(),
    })
}

/// Stores `bytes`, which must be fresh from the system's random source, as the key file `path`.
///
/// The file is new, 0600 and durable; a missing folder is made with 0700. The sheet that is
/// returned is the only copy of the key outside the box: show it once.
pub fn keygen(path: &Path, bytes: [u8; KEY_BYTES]) -> Result<RecoverySheet, KeyError> {
    let key = Key::from_bytes(bytes);
    refuse_degenerate(&key, &path.display().to_string())?;
    store_new(path, key.bytes())?;
    Ok(RecoverySheet::of(&key))
}

/// Stores `content` as the key file `path`: new, 0600 and durable; a missing folder is made with
/// 0700.
pub fn store_new(path: &Path, content: &[u8]) -> Result<(), KeyError> {
    make_folder(path)?;
    fsutil::write_new(path, content, 0o600).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => KeyError::AlreadyThere {
            path: path.to_owned(),
        },
        _ => KeyError::Unwritable(e),
    })
}

/// Keeps this process's memory, and so the key, out of core dumps and away from debuggers.
pub fn forbid_core_dumps() -> io::Result<()> {
    rustix::process::setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    Ok(rustix::process::set_dumpable_behavior(
        DumpableBehavior::NotDumpable,
    )?)
}

/// Makes the missing folders above `path`, and makes their names durable.
fn make_folder(path: &Path) -> Result<(), KeyError> {
    match path.parent().filter(|f| !f.as_os_str().is_empty()) {
        Some(folder) => Ok(make_folders(folder)?),
        None => Ok(()),
    }
}

/// Makes `folder` and what is missing above it, closed to others, and makes their names durable.
pub(super) fn make_folders(folder: &Path) -> Result<(), FsError> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|f| !f.exists()).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| FsError::new("make the folder", folder, e))?;
    for made in missing {
        if let Some(above) = made.parent().filter(|f| !f.as_os_str().is_empty()) {
            fsutil::fsync_dir(above)?;
        }
    }
    Ok(())
}

/// The key in the file `path`, `None` if there is no such file.
///
/// `tolerated` are permission bits that are allowed beside the owner's.
pub(super) fn read_file(
    path: &Path,
    service_uid: u32,
    tolerated: Mode,
) -> Result<Option<Key>, KeyError> {
    read_private(path, service_uid, tolerated, READ_AT_MOST_BYTES)?
        .map(|content| parse(&content, &path.display().to_string()))
        .transpose()
}

/// The first `at_most_bytes` of the key file `path`, `None` if there is no such file; refused when
/// anybody but its owner and root could have read or changed it.
///
/// `tolerated` are permission bits that are allowed beside the owner's.
pub fn read_private(
    path: &Path,
    service_uid: u32,
    tolerated: Mode,
    at_most_bytes: u64,
) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
    let unreadable = |e: io::Error| KeyError::Unreadable {
        path: path.to_owned(),
        source: e,
    };
    // O_NONBLOCK: opening a pipe must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::LOOP) => {
            return Err(KeyError::Symlink {
                path: path.to_owned(),
            });
        }
        Err(Errno::NXIO) => {
            return Err(KeyError::NotRegular {
                path: path.to_owned(),
            });
        }
        Err(e) => return Err(unreadable(e.into())),
    };
    // The open file is judged, not the name, which could be exchanged meanwhile.
    let stat = rustix::fs::fstat(&file).map_err(|e| unreadable(e.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(KeyError::NotRegular {
            path: path.to_owned(),
        });
    }
    if stat.st_uid != 0 && stat.st_uid != service_uid {
        return Err(KeyError::ForeignOwner {
            path: path.to_owned(),
            owner_uid: stat.st_uid,
        });
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode
        .difference(tolerated)
        .intersects(Mode::RWXG | Mode::RWXO)
    {
        let mode = mode.as_raw_mode() & 0o7777;
        return Err(KeyError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    // As long as the longest read, so that no copy of the key is left behind by a reallocation.
    let mut content = Zeroizing::new(Vec::with_capacity(at_most_bytes as usize));
    file.take(at_most_bytes)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    Ok(Some(content))
}

fn parse_variable(text: &OsStr) -> Result<Key, KeyError> {
    let place = "in VIGILAR_ENCRYPTION_KEY";
    let digits = without_line_end(text.as_bytes());
    if digits.len() == 2 * KEY_BYTES {
        parse(digits, place)
    } else {
        Err(KeyError::WrongLength {
            place: place.to_owned(),
        })
    }
}

fn parse(content: &[u8], place: &str) -> Result<Key, KeyError> {
    let key = if let Ok(raw) = <[u8; KEY_BYTES]>::try_from(content) {
        Key::from_bytes(raw)
    } else {
        let digits = without_line_end(content);
        if digits.len() != 2 * KEY_BYTES {
            return Err(KeyError::WrongLength {
                place: place.to_owned(),
            });
        }
        let bytes = hex::decode(digits).ok_or(KeyError::NotHex {
            place: place.to_owned(),
        })?;
        Key::from_bytes(bytes)
    };
    refuse_degenerate(&key, place)?;
    Ok(key)
}

fn refuse_degenerate(key: &Key, place: &str) -> Result<(), KeyError> {
    let first = key.bytes()[0];
    if key.bytes().iter().all(|byte| *byte == first) {
        return Err(KeyError::Degenerate {
            place: place.to_owned(),
        });
    }
    Ok(())
}

fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

#[cfg(test)]
mod tests;
