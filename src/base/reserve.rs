//! The reserve: a file in the data folder that holds nothing but space.
//!
//! On a full disk the event log can store nothing, not even that a recording is to go to make room.
//! So the writer deletes this file when the disk is full, and has room for the events of retention;
//! it is made again when there is plenty.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::FallocateFlags;

use super::fsutil;

/// Its name in the data folder.
pub const RESERVE_FILE: &str = "reserve";
/// Its size: room for some ten thousand events of retention.
pub const RESERVE_BYTES: u64 = 16 << 20;
/// Free space from which on it is made: enough that making it does not fill the disk, and that it is
/// not made and released in turns.
const PLENTY_BYTES: u64 = 8 * RESERVE_BYTES;

/// Makes it in the data folder `folder` if it is not there and there is plenty of room; whether it
/// is there now.
pub fn keep(folder: &Path) -> io::Result<bool> {
    let path = folder.join(RESERVE_FILE);
    match std::fs::symlink_metadata(&path) {
        // A smaller one was cut short by a crash.
        Ok(found) if found.is_file() && found.len() >= RESERVE_BYTES => return Ok(true),
        Ok(_) => std::fs::remove_file(&path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if fsutil::free_bytes_at(folder).map_err(|error| error.source)? < PLENTY_BYTES {
        return Ok(false);
    }
    let mut options = File::options();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    let filled = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES);
    if let Err(error) = filled {
        std::fs::remove_file(&path)?;
        // A file system that cannot set space aside; writing zeros would promise nothing on one
        // that compresses.
        return match error {
            rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSPC => Ok(false),
            other => Err(other.into()),
        };
    }
    Ok(true)
}

/// Gives its space back to the disk; whether it was there.
pub fn release(folder: &Path) -> io::Result<bool> {
    match std::fs::remove_file(folder.join(RESERVE_FILE)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn it_takes_its_space_once_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        assert!(keep(folder.path()).unwrap());
        assert!(keep(folder.path()).unwrap());
        let found = std::fs::metadata(folder.path().join(RESERVE_FILE)).unwrap();
        assert_eq!((found.len(), found.mode() & 0o7777), (RESERVE_BYTES, 0o600));
        assert!(found.blocks() * 512 >= RESERVE_BYTES, "it holds no space");
        assert!(release(folder.path()).unwrap());
        assert!(!release(folder.path()).unwrap());
        File::create(folder.path().join(RESERVE_FILE)).unwrap();
        assert!(
            keep(folder.path()).unwrap(),
            "one that was cut short is made whole"
        );
    }
}
