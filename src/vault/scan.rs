//! One pass over the recordings folder and the folders below it.
//!
//! Notifications of the kernel are only a hint: their queue overflows, and a file system that was
//! mounted later sends none. The scan is the truth. It keeps nothing but a path and one open folder
//! per level, so a folder with a million clips costs no memory; what to remember is the caller's.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::admission;
use super::folder::{Fingerprint, Folder, file_type, stat_name};
use super::names;
use crate::base::fsutil::FsError;

/// Levels of folders below the recordings folder: camera, year, month, day, hour, and some to
/// spare. Bounds the open descriptors and the recursion.
pub const DEPTH_MAX: usize = 8;

/// Something in the recordings folder. Paths are relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file with one link whose name says that it is a clip; it may be empty or unfinished.
    Clip {
        /// Where it is.
        path: PathBuf,
        /// What it is now: give it to `admit` after the settling time.
        fingerprint: Fingerprint,
    },
    /// A regular file named `*.vge`.
    Sealed {
        /// Where it is.
        path: PathBuf,
        /// What it is now.
        fingerprint: Fingerprint,
    },
    /// A regular file with one link whose name says that it is a picture.
    Picture {
        /// Where it is.
        path: PathBuf,
        /// What it is now.
        fingerprint: Fingerprint,
    },
    /// The sidecar of a sealed file, or what is left of one.
    Sidecar {
        /// Relative to the folder.
        path: PathBuf,
    },
    /// A temp file of a sealing that was cut short, unless one is at work.
    Leftover {
        /// Where it is.
        path: PathBuf,
    },
    /// A temp file of a re-encryption, which may hold what the event log says is there by now.
    Reseal {
        /// Where it is.
        path: PathBuf,
    },
    /// Anything else.
    Ignored {
        /// Where it is.
        path: PathBuf,
        /// Why it is none of ours.
        reason: IgnoreReason,
    },
}

/// Why a name in the recordings folder is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IgnoreReason {
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
    /// A folder whose name says that it is a clip or a sealed file; nothing in it is looked at.
    FolderNamedLikeFile,
    /// A clip that has more than one name.
    HardLinked,
    /// A name that starts with a dot.
    DotName,
    /// A file that is neither clip nor picture: indexes, logs.
    OtherExtension,
    /// A picture that belongs to no recording, or to one that has its thumbnail: for callers who
    /// know recordings.
    SparePicture,
    /// A folder below [`DEPTH_MAX`].
    TooDeep,
    /// A folder or name that the service's user may not read.
    NoPermission,
    /// Gone between listing and looking.
    Vanished,
}

impl IgnoreReason {
    /// A short stable name, for counters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::FolderNamedLikeFile => "folder_named_like_file",
            Self::HardLinked => "hard_linked",
            Self::DotName => "dot_name",
            Self::OtherExtension => "other_extension",
            Self::SparePicture => "spare_picture",
            Self::TooDeep => "too_deep",
            Self::NoPermission => "no_permission",
            Self::Vanished => "vanished",
        }
    }
}

/// What a scan met, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Clips.
    pub clips: u64,
    /// Sealed files.
    pub sealed: u64,
    /// Pictures.
    pub pictures: u64,
    /// Sidecars of sealed files.
    pub sidecars: u64,
    /// Temp files.
    pub leftovers: u64,
    /// Temp files of re-encryptions.
    pub reseals: u64,
    /// Folders that were looked into, the recordings folder included.
    pub folders: u64,
    /// Names passed over.
    pub ignored: BTreeMap<IgnoreReason, u64>,
}

impl Tally {
    fn count(&mut self, entry: &Entry) {
        match entry {
            Entry::Clip { .. } => self.clips += 1,
            Entry::Sealed { .. } => self.sealed += 1,
            Entry::Picture { .. } => self.pictures += 1,
            Entry::Sidecar { .. } => self.sidecars += 1,
            Entry::Leftover { .. } => self.leftovers += 1,
            Entry::Reseal { .. } => self.reseals += 1,
            Entry::Ignored { reason, .. } => *self.ignored.entry(*reason).or_default() += 1,
        }
    }
}

/// Shows every entry of the recordings folder to `each`, in the file system's order.
///
/// A file that is renamed during the pass may be shown twice or not at all. Fails if a folder
/// cannot be listed for a reason other than permission; what was shown until then stands.
pub fn scan(folder: &Folder, each: &mut dyn FnMut(Entry)) -> Result<Tally, FsError> {
    let root = folder
        .open_folder(Path::new(""))
        .map_err(|e| FsError::new("open the recordings folder", folder.path(), e))?;
    let mut tally = Tally::default();
    let mut emit = |entry: Entry, tally: &mut Tally| {
        tally.count(&entry);
        each(entry);
    };
    visit(folder, &root, Path::new(""), 0, &mut tally, &mut emit)?;
    Ok(tally)
}

fn visit(
    folder: &Folder,
    fd: &OwnedFd,
    relative: &Path,
    depth: usize,
    tally: &mut Tally,
    emit: &mut dyn FnMut(Entry, &mut Tally),
) -> Result<(), FsError> {
    let fail = |e: Errno| FsError::new("list the folder", &folder.shown(relative), e);
    tally.folders += 1;
    for listed in Dir::read_from(fd).map_err(fail)? {
        let listed = listed.map_err(fail)?;
        let name = OsStr::from_bytes(listed.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let path = relative.join(name);
        match examine(fd, name, path.clone(), depth) {
            Found::Entry(entry) => emit(entry, tally),
            Found::Folder(below) => visit(folder, &below, &path, depth + 1, tally, emit)?,
            Found::Failed(e) => return Err(FsError::new("examine", &folder.shown(&path), e)),
        }
    }
    Ok(())
}

enum Found {
    Entry(Entry),
    Folder(OwnedFd),
    Failed(Errno),
}

fn examine(parent: &OwnedFd, name: &OsStr, path: PathBuf, depth: usize) -> Found {
    if names::is_temp(name) {
        return Found::Entry(Entry::Leftover { path });
    }
    if names::is_reseal(name) {
        return Found::Entry(Entry::Reseal { path });
    }
    let ignored = |path, reason| Found::Entry(Entry::Ignored { path, reason });
    if name.as_bytes().starts_with(b".") {
        return ignored(path, IgnoreReason::DotName);
    }
    let stat = match stat_name(parent, name) {
        Ok(stat) => stat,
        Err(e) => return unreachable_name(path, e),
    };
    let (is_clip, is_sealed) = (names::is_clip(name), names::is_sealed(name));
    let is_picture = names::is_picture(name);
    match file_type(&stat) {
        FileType::RegularFile if (is_clip || is_picture) && stat.stx_nlink > 1 => {
            ignored(path, IgnoreReason::HardLinked)
        }
        FileType::RegularFile if is_clip => Found::Entry(Entry::Clip {
            path,
            fingerprint: Fingerprint::of(&stat),
        }),
        FileType::RegularFile if is_sealed => Found::Entry(Entry::Sealed {
            path,
            fingerprint: Fingerprint::of(&stat),
        }),
        FileType::RegularFile if is_picture => Found::Entry(Entry::Picture {
            path,
            fingerprint: Fingerprint::of(&stat),
        }),
        FileType::RegularFile if names::is_auth(name) => Found::Entry(Entry::Sidecar { path }),
        FileType::RegularFile => ignored(path, IgnoreReason::OtherExtension),
        FileType::Directory if is_clip || is_sealed => {
            ignored(path, IgnoreReason::FolderNamedLikeFile)
        }
        FileType::Directory if depth == DEPTH_MAX => ignored(path, IgnoreReason::TooDeep),
        FileType::Directory => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(parent, Path::new(name), flags, Mode::empty()) {
                Ok(fd) => Found::Folder(fd),
                Err(e) => unreachable_name(path, e),
            }
        }
        FileType::Symlink => ignored(path, IgnoreReason::Symlink),
        FileType::Fifo => ignored(path, IgnoreReason::Fifo),
        FileType::Socket => ignored(path, IgnoreReason::Socket),
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            ignored(path, IgnoreReason::Device)
        }
    }
}

fn unreachable_name(path: PathBuf, error: Errno) -> Found {
    let reason = match admission::refusal_of(error) {
        Some(admission::Refusal::NoPermission) => IgnoreReason::NoPermission,
        // A folder exchanged for something else in between is no longer what was listed.
        Some(_) => IgnoreReason::Vanished,
        None => return Found::Failed(error),
    };
    Found::Entry(Entry::Ignored { path, reason })
}
