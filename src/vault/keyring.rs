//! The keyring: a folder that keeps every key which sealed something, so that old recordings open
//! after another key became the current one.
//!
//! One file for each key, `<key id>.key`, 64 hex digits and a line end, under the same rules as the
//! key file itself; the folder may be written by nobody else. A file that is unfit makes its own key
//! unusable and no other one, so a broken keyring never stops the current key from sealing.
//!
//! Invariants: a file in the keyring is never overwritten; its content has the id of its name.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::key::{self, KEY_BYTES, Key, KeyError, KeyId, KeyOptions};
use super::reader::Keys;
use crate::base::fsutil::{self, FsError};

/// Name of the keyring beside the key file, unless configured otherwise.
pub const DEFAULT_NAME: &str = "keyring";
/// What stands behind the id in the name of a key's file.
const SUFFIX: &str = ".key";
/// A key on its way into the keyring. Under the lock there is one at a time, so a crash leaves one
/// at most, and the next key takes its place.
const TEMP: &str = ".nightjar-key.tmp";

/// Why the keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Somebody else could put keys into it.
    #[error(
        "the keyring {} can be written by others (mode {mode:04o}); run `chmod 700` on it",
        path.display()
    )]
    OpenToOthers {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its owner is neither root nor the service's user.
    #[error("the keyring {} belongs to user {owner_uid}; `chown` it to the service", path.display())]
    ForeignOwner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner_uid: u32,
    },
    /// A symbolic link, or no folder at all.
    #[error("the keyring {} is not a folder; name the folder itself", path.display())]
    NotFolder {
        /// The path.
        path: PathBuf,
    },
    /// Another process changes it.
    #[error("another process works with the keyring {}; wait until it has ended", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The content of a file is not the key that its name says.
    #[error(
        "{} holds the key {found}, not the one that its name says; rename it to {found}.key",
        path.display()
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The key in it.
        found: KeyId,
    },
    /// A file in it is unfit.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The system refused.
    #[error(transparent)]
    System(#[from] FsError),
}

/// The keyring on the disk. It need not exist: then it holds nothing.
#[derive(Debug, Clone)]
pub struct Keyring {
    path: PathBuf,
    service_uid: u32,
}

impl Keyring {
    /// The keyring that belongs to the key that `options` name.
    pub fn of(options: &KeyOptions) -> Self {
        let path = options.keyring.clone();
        Self {
            path: path.unwrap_or_else(|| options.key_file.with_file_name(DEFAULT_NAME)),
            service_uid: options.service_uid,
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a key, whether it is there or not.
    pub fn file(&self, id: &KeyId) -> PathBuf {
        self.path.join(format!("{id}{SUFFIX}"))
    }

    /// The key `id`; none if the keyring does not have it.
    pub fn load(&self, id: &KeyId) -> Result<Option<Key>, KeyringError> {
        if self.open()?.is_none() {
            return Ok(None);
        }
        let path = self.file(id);
        let Some(key) = key::read_file(&path, self.service_uid, Mode::empty())? else {
            return Ok(None);
        };
        let found = key.id();
        if found == *id {
            Ok(Some(key))
        } else {
            Err(KeyringError::OtherKey { path, found })
        }
    }

    /// The ids of the keys that files are named after, fit or not, in order.
    pub fn ids(&self) -> Result<Vec<KeyId>, KeyringError> {
        if self.open()?.is_none() {
            return Ok(Vec::new());
        }
        let fail = |e: io::Error| FsError::new("list the keyring", &self.path, e);
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(fail)? {
            ids.extend(id_of(&entry.map_err(fail)?.file_name()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Makes the folder if it is missing, and keeps other processes from changing it.
    pub fn lock(&self) -> Result<LockedKeyring<'_>, KeyringError> {
        key::make_folders(&self.path)?;
        // Again for a folder that was there: a crash may have come between its making and this.
        if let Some(above) = self.path.parent().filter(|f| !f.as_os_str().is_empty()) {
            fsutil::fsync_dir(above)?;
        }
        let not_there = || {
            let gone = io::Error::from(io::ErrorKind::NotFound);
            FsError::new("open the keyring", &self.path, gone)
        };
        let fd = self.open()?.ok_or_else(not_there)?;
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(LockedKeyring { ring: self, fd }),
            Err(Errno::WOULDBLOCK) => Err(KeyringError::Busy {
                path: self.path.clone(),
            }),
            Err(e) => Err(FsError::new("lock the keyring", &self.path, e).into()),
        }
    }

    /// Opens and judges the folder; none if it is not there.
    fn open(&self) -> Result<Option<OwnedFd>, KeyringError> {
        let path = || self.path.clone();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(KeyringError::NotFolder { path: path() });
            }
            Err(e) => return Err(FsError::new("open the keyring", &self.path, e).into()),
        };
        let stat = rustix::fs::fstat(&fd)
            .map_err(|e| FsError::new("examine the keyring", &self.path, e))?;
        if stat.st_uid != 0 && stat.st_uid != self.service_uid {
            return Err(KeyringError::ForeignOwner {
                path: path(),
                owner_uid: stat.st_uid,
            });
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.intersects(Mode::WGRP | Mode::WOTH) {
            return Err(KeyringError::OpenToOthers {
                path: path(),
                mode: mode.as_raw_mode() & 0o7777,
            });
        }
        Ok(Some(fd))
    }
}

/// The id in the name of a key's file.
fn id_of(name: &OsStr) -> Option<KeyId> {
    let digits = name.as_bytes().strip_suffix(SUFFIX.as_bytes())?;
    let id: KeyId = std::str::from_utf8(digits).ok()?.parse().ok()?;
    // Ids are written in one way only.
    (id.to_string().as_bytes() == digits).then_some(id)
}

/// The keyring, for who changes it. The lock ends with it.
#[derive(Debug)]
pub struct LockedKeyring<'a> {
    ring: &'a Keyring,
    fd: OwnedFd,
}

impl LockedKeyring<'_> {
    /// The keyring.
    pub const fn ring(&self) -> &Keyring {
        self.ring
    }

    /// Puts a key into the keyring, durably; one that is there already is left as it is.
    pub fn add(&self, key: &Key) -> Result<(), KeyringError> {
        let id = key.id();
        if self.ring.load(&id)?.is_none() {
            let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
            for byte in key.bytes() {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
            let temp = self.ring.path.join(TEMP);
            write_secret(&temp, text.as_bytes())?;
            fsutil::rename_new(&temp, &self.ring.file(&id))?;
        }
        // Also for one that was there: a crash may have come between its name and this.
        self.sync()
    }

    /// Deletes the file of a key, durably; returns whether there was one.
    pub fn remove(&self, id: &KeyId) -> Result<bool, KeyringError> {
        let path = self.ring.file(id);
        let is_gone = match std::fs::remove_file(&path) {
            Ok(()) => true,
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(FsError::new("delete the key", &path, e).into()),
        };
        self.sync()?;
        Ok(is_gone)
    }

    fn sync(&self) -> Result<(), KeyringError> {
        let synced = fsutil::fsync_dir_fd(&self.fd);
        Ok(synced.map_err(|e| FsError::new("make durable the names in", &self.ring.path, e))?)
    }
}

/// Replaces the file `path` in one step; durable on return.
pub(super) fn replace_secret(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let temp = path.with_file_name(TEMP);
    write_secret(&temp, bytes)?;
    std::fs::rename(&temp, path).map_err(|e| FsError::new("rename into", path, e))?;
    sync_beside(path)
}

/// Makes the names beside `path` durable.
pub(super) fn sync_beside(path: &Path) -> Result<(), FsError> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    fsutil::fsync_dir(folder.unwrap_or(Path::new(".")))
}

/// Writes a secret into the file `path`, 0600 and synced. What a crash left under that name goes.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let fail = |e: io::Error| FsError::new("write", path, e);
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail(e)),
        _ => {}
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|e| fail(e.into()))?;
    let mut file = File::from(fd);
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(e) = written {
        // Half a key is of no use to anybody.
        let _ = std::fs::remove_file(path);
        return Err(fail(e));
    }
    Ok(())
}

/// The keys in memory: the current one and those of the keyring. Wiped on drop.
pub struct KeyRing {
    current: Key,
    others: BTreeMap<KeyId, Key>,
    unfit: BTreeMap<KeyId, KeyringError>,
    trouble: Option<KeyringError>,
}

impl KeyRing {
    /// The current key with what `ring` holds. Trouble with the keyring makes its keys missing, and
    /// never the current one.
    pub fn load(current: Key, ring: &Keyring) -> Self {
        let mut keys = Self {
            current,
            others: BTreeMap::new(),
            unfit: BTreeMap::new(),
            trouble: None,
        };
        let ids = ring.ids().unwrap_or_else(|trouble| {
            keys.trouble = Some(trouble);
            Vec::new()
        });
        for id in ids {
            match ring.load(&id) {
                Ok(Some(key)) => {
                    keys.others.insert(id, key);
                }
                Ok(None) => {}
                Err(error) => {
                    keys.unfit.insert(id, error);
                }
            }
        }
        keys
    }

    /// The key that seals now.
    pub const fn current(&self) -> &Key {
        &self.current
    }

    /// The key with this id.
    pub fn get(&self, id: &KeyId) -> Option<&Key> {
        if self.current.id() == *id {
            Some(&self.current)
        } else {
            self.others.get(id)
        }
    }

    /// Why a key that lies in the keyring cannot be used; also when that is the current one, of
    /// which the keyring has a copy.
    pub fn unfit(&self, id: &KeyId) -> Option<&KeyringError> {
        self.unfit.get(id)
    }

    /// Why nothing of the keyring can be used.
    pub const fn trouble(&self) -> Option<&KeyringError> {
        self.trouble.as_ref()
    }

    /// All keys that can be used, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &Key> {
        let current = self.current.id();
        let others = self.others.iter().filter(move |(id, _)| **id != current);
        std::iter::once(&self.current).chain(others.map(|(_, key)| key))
    }

    /// The ids of all keys that can be used, in order.
    pub fn ids(&self) -> Vec<KeyId> {
        let mut ids: Vec<KeyId> = self.others.keys().copied().collect();
        let current = self.current.id();
        if let Err(at) = ids.binary_search(&current) {
            ids.insert(at, current);
        }
        ids
    }
}

impl Keys for KeyRing {
    fn current(&self) -> Option<&Key> {
        Some(&self.current)
    }

    fn get(&self, id: &KeyId) -> Option<&Key> {
        Self::get(self, id)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("current", &self.current.id())
            .field("others", &self.others.keys().collect::<Vec<_>>())
            .field("unfit", &self.unfit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
