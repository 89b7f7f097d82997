//! The recordings folder: an open directory, below which names are resolved without links.
//!
//! Cameras, their users and network shares write into this folder, so no name in it can be
//! trusted: a symbolic link put there could make the daemon seal and then delete any file of the
//! box. The folder is opened once; everything else is opened relative to that descriptor, with
//! `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)`, or component by component where the kernel
//! has no `openat2`. The folder's own path may contain links: it comes from the configuration.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use crate::base::fsutil::FsError;

/// The recordings folder, open.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens the folder `path` once and for all: a folder that is mounted or renamed over it later
    /// is not followed.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|e| FsError::new("open the recordings folder", path, e))?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// The path that the folder was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size and used bytes of the file system that the open folder is on, as `df` counts them: what
    /// is reserved for root belongs to neither.
    pub fn space(&self) -> Result<(u64, u64), FsError> {
        let stat = rustix::fs::fstatvfs(&self.fd)
            .map_err(|e| FsError::new("measure the space at", &self.path, e))?;
        let used = stat.f_blocks.saturating_sub(stat.f_bfree);
        let used_bytes = used.saturating_mul(stat.f_frsize);
        let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
        Ok((used_bytes.saturating_add(free_bytes), used_bytes))
    }

    /// `relative` as a person would name it; for messages, never for opening.
    pub fn shown(&self, relative: &Path) -> PathBuf {
        self.path.join(relative)
    }

    /// Opens the folder `relative` (empty = this folder itself) for reading its names.
    pub(super) fn open_folder(&self, relative: &Path) -> Result<OwnedFd, Errno> {
        let here = if relative.as_os_str().is_empty() {
            Path::new(".")
        } else {
            relative
        };
        self.open_beneath(here, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Opens `relative` below this folder; fails with `XDEV` if the path leaves the folder and with
    /// `LOOP` if any component is a symbolic link.
    fn open_beneath(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        if !stays_beneath(relative) {
            return Err(Errno::XDEV);
        }
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.fd, relative, flags, Mode::empty(), resolve) {
            // Before Linux 5.6, and in sandboxes that filter unknown calls.
            Err(Errno::NOSYS | Errno::PERM) => open_stepwise(self.fd.as_fd(), relative, flags),
            other => other,
        }
    }
}

/// Whether a path has neither a root nor a `..` in it.
pub(super) fn stays_beneath(relative: &Path) -> bool {
    relative
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

/// A file by its open parent folder and its bare name, so that no later step resolves a path again.
#[derive(Debug)]
pub(super) struct Place {
    /// The open folder that holds the name.
    pub(super) parent: OwnedFd,
    /// The bare name.
    pub(super) name: Box<OsStr>,
    /// The path relative to the recordings folder.
    pub(super) relative: PathBuf,
    /// The whole path, for messages.
    pub(super) shown: PathBuf,
}

impl Place {
    /// The place of `relative`; the file need not exist, its folder must.
    pub(super) fn of(folder: &Folder, relative: &Path) -> Result<Self, Errno> {
        let name = relative.file_name().ok_or(Errno::XDEV)?;
        let parent = folder.open_folder(relative.parent().unwrap_or(Path::new("")))?;
        Ok(Self {
            parent,
            name: name.into(),
            relative: relative.to_owned(),
            shown: folder.shown(relative),
        })
    }

    /// Opens the file for reading, without following a link and without waiting for a pipe.
    pub(super) fn open(&self, more: OFlags) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC
            | more;
        rustix::fs::openat(&self.parent, Path::new(&*self.name), flags, Mode::empty())
    }

    /// What the name stands for now.
    pub(super) fn stat(&self) -> Result<Statx, Errno> {
        stat_name(&self.parent, &self.name)
    }

    /// A name beside this one, as a path relative to the recordings folder.
    pub(super) fn beside(&self, name: &OsStr) -> PathBuf {
        self.relative.with_file_name(name)
    }

    /// [`FsError`] about this file.
    pub(super) fn error(&self, action: &'static str, source: impl Into<io::Error>) -> FsError {
        FsError::new(action, &self.shown, source)
    }
}

/// A file at one moment. Equal fingerprints mean: same file, and nobody wrote to it in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Device number, major and minor.
    pub device: (u32, u32),
    /// Inode number.
    pub inode: u64,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Last change of the content, as seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// Last change of content, owner, mode, links or name; no program can set it back.
    pub changed: (i64, u32),
}

impl Fingerprint {
    pub(super) fn of(stat: &Statx) -> Self {
        Self {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            size_bytes: stat.stx_size,
            modified: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            changed: (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        }
    }
}

/// What a name stands for, without following it.
pub(super) fn stat_name(parent: impl AsFd, name: &OsStr) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    rustix::fs::statx(parent, Path::new(name), flags, StatxFlags::BASIC_STATS)
}

/// What an open file is.
pub(super) fn stat_file(file: impl AsFd) -> Result<Statx, Errno> {
    rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
}

pub(super) fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

/// `openat2` by hand. `relative` has no `..`, so a chain of `O_NOFOLLOW` opens cannot leave.
fn open_stepwise(root: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let step = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::openat(root, c".", step, Mode::empty())?;
    let mut components = relative.components().peekable();
    while let Some(component) = components.next() {
        let name: &Path = component.as_ref();
        let flags = if components.peek().is_some() {
            step
        } else {
            flags | OFlags::NOFOLLOW
        };
        at = match rustix::fs::openat(&at, name, flags, Mode::empty()) {
            // O_DIRECTORY wins over O_NOFOLLOW: the kernel calls a link "not a directory".
            Err(Errno::NOTDIR) if is_link(&at, name) => return Err(Errno::LOOP),
            other => other?,
        };
    }
    Ok(at)
}

fn is_link(parent: &OwnedFd, name: &Path) -> bool {
    stat_name(parent, name.as_os_str()).is_ok_and(|s| file_type(&s) == FileType::Symlink)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_ways_out_are_refused_by_both_ways_of_opening() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("yard/2031")).unwrap();
        symlink(outside.path(), root.path().join("away")).unwrap();
        symlink("yard", root.path().join("near")).unwrap();
        symlink(outside.path(), root.path().join("yard/away")).unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let by_hand = |path: &Path| open_stepwise(folder.fd.as_fd(), path, flags);
        for (path, want) in [
            ("yard", None),
            ("yard/2031", None),
            ("away", Some(Errno::LOOP)),
            ("near", Some(Errno::LOOP)),
            ("near/2031", Some(Errno::LOOP)),
            ("yard/away", Some(Errno::LOOP)),
            ("missing/2031", Some(Errno::NOENT)),
        ] {
            let path = Path::new(path);
            assert_eq!(folder.open_folder(path).err(), want, "{path:?}");
            assert_eq!(by_hand(path).err(), want, "{path:?} by hand");
        }
        for path in ["..", "yard/../..", "/etc", "yard/../yard"] {
            assert_eq!(
                folder.open_folder(Path::new(path)).err(),
                Some(Errno::XDEV),
                "{path}"
            );
        }
        folder.open_folder(Path::new("")).unwrap();
    }
}
