//! Durable file operations: what a file must go through before its name may be trusted.
//!
//! `std` offers neither a rename that refuses to overwrite, nor an fsync of a folder, nor the free
//! space of a file system; all come from rustix here, once, with the path in every error.
//!
//! Invariants: a name written by this module shows either its old bytes or all of its new bytes,
//! at every instant and after a power cut; nothing is overwritten unless the function says so.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// A file operation that failed: what was being done, to which path, and the system's reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FsError {
    /// The operation as a verb phrase, e.g. "rename".
    pub action: &'static str,
    /// The path that it was done to.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

impl FsError {
    /// Names the operation and the path that `source` belongs to.
    pub fn new(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// The same once more: one failure may concern many files.
    #[must_use]
    pub fn again(&self) -> Self {
        let source = match self.source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => self.source.kind().into(),
        };
        Self::new(self.action, &self.path, source)
    }

    /// The kind of the system's reason, e.g. `AlreadyExists`.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// Writes `bytes` under `path` in one step, replacing a file that is there; durable on return.
///
/// `mode` is the exact permission (the umask does not apply), e.g. `0o600`.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    let temp = write_temp(path, bytes, mode)?;
    std::fs::rename(&temp.path, path).map_err(|e| FsError::new("rename into", path, e))?;
    temp.done();
    fsync_dir(folder_of(path))
}

/// Like [`write_atomic`], but fails with `AlreadyExists` if the name is taken.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    let temp = write_temp(path, bytes, mode)?;
    rename_new(&temp.path, path)?;
    temp.done();
    fsync_dir(folder_of(path))
}

/// Makes the names in the folder `path` durable.
pub fn fsync_dir(path: &Path) -> Result<(), FsError> {
    let open = || -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty())?;
        fsync_dir_fd(&folder)
    };
    open().map_err(|e| FsError::new("make durable the names in", path, e))
}

/// [`fsync_dir`] for a folder that is open already.
pub fn fsync_dir_fd(folder: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(folder)?)
}

/// Renames `from` to `to`, failing with `AlreadyExists` if `to` is taken. Not durable by itself.
pub fn rename_new(from: &Path, to: &Path) -> Result<(), FsError> {
    rename_new_at(CWD, from, CWD, to).map_err(|e| FsError::new("rename into", to, e))
}

/// [`rename_new`] with both names below open folders.
pub fn rename_new_at(
    from_folder: impl AsFd,
    from: &Path,
    to_folder: impl AsFd,
    to: &Path,
) -> io::Result<()> {
    let (from_fd, to_fd) = (from_folder.as_fd(), to_folder.as_fd());
    match rustix::fs::renameat_with(from_fd, from, to_fd, to, RenameFlags::NOREPLACE) {
        // Some file systems (NFS, FUSE) know no flags. A hard link refuses a taken name as well;
        // between the two calls the file has both names, never none.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rustix::fs::linkat(from_fd, from, to_fd, to, AtFlags::empty())?;
            Ok(rustix::fs::unlinkat(from_fd, from, AtFlags::empty())?)
        }
        other => Ok(other?),
    }
}

/// Bytes that this process may still write to the file system that holds the open file or folder.
pub fn free_bytes(file: impl AsFd) -> io::Result<u64> {
    let stat = rustix::fs::fstatvfs(file)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// [`free_bytes`] of the file system that holds `path`.
pub fn free_bytes_at(path: &Path) -> Result<u64, FsError> {
    let stat = rustix::fs::statvfs(path)
        .map_err(|e| FsError::new("measure the free space at", path, e))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The folder that holds `path`; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temp file that is deleted unless [`TempName::done`] says that its name is gone.
struct TempName {
    path: PathBuf,
    armed: bool,
}

impl TempName {
    fn done(mut self) {
        self.armed = false;
    }
}

impl Drop for TempName {
    fn drop(&mut self) {
        if self.armed {
            // Nothing more can be done here; the first error is the one that is reported.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Names tried before giving up: only leftovers of a crash with the same process id are in the way.
const TEMP_NAMES_TRIED: u32 = 1_000;

static NEXT_TEMP: AtomicU64 = AtomicU64::new(0);

/// Writes and syncs `bytes` under a fresh name beside `path`.
fn write_temp(path: &Path, bytes: &[u8], mode: u32) -> Result<TempName, FsError> {
    let folder = folder_of(path);
    let fail = |e: io::Error| FsError::new("write beside", path, e);
    if path.file_name().is_none_or(|name| name.as_bytes() == b"..") {
        return Err(fail(Errno::ISDIR.into()));
    }
    let (temp, fd) = create_temp(folder).map_err(fail)?;
    let mut file = File::from(fd);
    let mut write = || -> io::Result<()> {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(fail)?;
    Ok(temp)
}

fn create_temp(folder: &Path) -> io::Result<(TempName, OwnedFd)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..TEMP_NAMES_TRIED {
        let serial = NEXT_TEMP.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(
            ".nightjar-write-{}-{serial}.tmp",
            std::process::id()
        ));
        match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => return Ok((TempName { path, armed: true }, fd)),
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(Errno::EXIST.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn write_atomic_replaces_the_bytes_and_sets_the_mode_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write_atomic(&path, b"first", 0o666).unwrap();
        assert_eq!(
            path.metadata().unwrap().permissions().mode() & 0o7777,
            0o666
        );
        write_atomic(&path, b"second", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(
            path.metadata().unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(names(folder.path()), ["state"]);
    }

    #[test]
    fn write_new_refuses_a_taken_name_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("once");
        write_new(&path, b"first", 0o600).unwrap();
        let error = write_new(&path, b"second", 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("once"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["once"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        assert!(write_atomic(&path, b"bytes", 0o600).is_err());
        assert_eq!(names(folder.path()), ["taken"]);
        assert!(write_atomic(&folder.path().join("no/such/folder"), b"bytes", 0o600).is_err());
        assert!(write_atomic(Path::new("/"), b"bytes", 0o600).is_err());
    }

    #[test]
    fn rename_new_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|n| folder.path().join(n));
        write_new(&a, b"a", 0o600).unwrap();
        write_new(&b, b"b", 0o600).unwrap();
        assert_eq!(
            rename_new(&a, &b).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(std::fs::read(&b).unwrap(), b"b");
        rename_new(&a, &c).unwrap();
        assert_eq!(names(folder.path()), ["b", "c"]);
    }

    #[test]
    fn free_space_is_measured_in_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let by_path = free_bytes_at(folder.path()).unwrap();
        let by_fd = free_bytes(File::open(folder.path()).unwrap()).unwrap();
        assert!(by_path > 1 << 20, "{by_path}");
        assert!(by_path.abs_diff(by_fd) < by_path / 2);
        assert!(free_bytes_at(&folder.path().join("missing")).is_err());
    }
}
