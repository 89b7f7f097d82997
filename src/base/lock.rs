//! The lock on a data folder: one daemon, or one offline rebuild, per folder at a time.
//!
//! An `flock` on `nightjar.lock`, which the kernel releases when its holder dies, however it dies;
//! the process id inside the file is only for messages. The file is never removed: two processes
//! could then hold locks on two files of one name.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use super::shutdown::Shutdown;

/// Name of the lock file in the data folder.
pub const LOCK_FILE: &str = "nightjar.lock";
/// Tries before a held lock counts as held: [`holder`] takes it for an instant to look.
const TRIES: u32 = 5;
/// Pause between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(10);
/// A process id has fewer digits than this.
const PID_BYTES: u64 = 32;

/// Why a folder cannot be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds it.
    #[error(
        "{} is in use by another nightjar (process {pid}); stop it first, or use another folder",
        folder.display()
    )]
    Held {
        /// Its process id; 0 when it has not written one.
        pid: u32,
        /// The data folder.
        folder: PathBuf,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The lock on a data folder, held until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks the folder `dir`, which must exist.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(LOCK_FILE);
        let io = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        for attempt in 1.. {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if attempt < TRIES => {
                    Shutdown::new().wait(TRY_PAUSE);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(LockError::Held {
                        pid: written_pid(&mut file),
                        folder: dir.to_owned(),
                    });
                }
                Err(errno) => return Err(io(errno.into())),
            }
        }
        file.set_len(0).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// The process that holds the folder `dir`, if one does; 0 when it has not written its id.
pub fn holder(dir: &Path) -> Option<u32> {
    let mut file = File::open(dir.join(LOCK_FILE)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => Some(written_pid(&mut file)),
        // Dropping the file gives the lock back.
        Ok(()) | Err(_) => None,
    }
}

fn written_pid(file: &mut File) -> u32 {
    let mut text = String::new();
    let read = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.take(PID_BYTES).read_to_string(&mut text));
    read.ok()
        .and_then(|_| text.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_and_free_again_after_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(holder(folder.path()), None);
        let lock = FolderLock::acquire(folder.path()).unwrap();
        assert_eq!(holder(folder.path()), Some(std::process::id()));
        let error = FolderLock::acquire(folder.path()).unwrap_err();
        assert!(
            matches!(error, LockError::Held { pid, .. } if pid == std::process::id()),
            "{error}"
        );
        drop(lock);
        assert_eq!(holder(folder.path()), None);
        FolderLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn a_longer_id_of_an_earlier_holder_is_overwritten_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        File::create(&path)
            .unwrap()
            .write_all(b"99999999999999\n")
            .unwrap();
        let _lock = FolderLock::acquire(folder.path()).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = FolderLock::acquire(&folder.path().join("no")).unwrap_err();
        assert!(error.to_string().contains("no/nightjar.lock"), "{error}");
    }
}
