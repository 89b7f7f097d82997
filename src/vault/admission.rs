//! Admission: which files of the recordings folder may be sealed.
//!
//! Sealing ends with deleting the plaintext, so the question is not "can it be read" but "is it
//! certain that this is a finished recording and that the name is its only one". Every doubt is a
//! [`Refusal`]; some pass with time ([`Refusal::is_passing`]), the others need a person.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, OFlags, SeekFrom, Statx};
use rustix::io::Errno;

use super::cipher::IV_BYTES;
use super::folder::{Fingerprint, Folder, Place, file_type, stat_file, stays_beneath};
use super::unseal::read_full;
use super::writers;
use crate::base::fsutil::{self, FsError};

/// Limits on what is sealed.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionOptions {
    /// Larger files are refused.
    pub size_cap_bytes: u64,
    /// Space that must stay free on the file system while both copies exist.
    pub reserve_bytes: u64,
}

impl Default for AdmissionOptions {
    /// 16 GiB: a day of one camera at 1.6 Mbit/s. 512 MiB: the database must be able to go on.
    fn default() -> Self {
        Self {
            size_cap_bytes: 16 << 30,
            reserve_bytes: 512 << 20,
        }
    }
}

/// What becomes of a file that was looked at.
#[derive(Debug)]
pub enum Admission {
    /// A finished recording, open and ready to be sealed.
    Ready(Source),
    /// A finished file without a byte: worth recording, nothing to seal. It stays where it is.
    Empty(Fingerprint),
    /// Not to be sealed, at least not now.
    Refused(Refusal),
}

/// A plaintext recording, open for reading.
#[derive(Debug)]
pub struct Source {
    pub(super) place: Place,
    pub(super) file: File,
    pub(super) fingerprint: Fingerprint,
}

impl Source {
    /// The path relative to the recordings folder.
    pub fn path(&self) -> &Path {
        &self.place.relative
    }

    /// What the file was when it was opened.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Reads from `offset_bytes` on until `buffer` is full or the file ends; returns how much.
    pub fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<usize> {
        Ok(read_full(&self.file, buffer, offset_bytes)?)
    }

    /// Whether the open file is still what it was, whatever its name stands for by now.
    pub(super) fn is_unchanged(&self) -> Result<bool, Errno> {
        let stat = stat_file(&self.file)?;
        Ok(Fingerprint::of(&stat) == self.fingerprint && stat.stx_nlink == 1)
    }
}

/// Why a file is not sealed. Its text says what to do; its [`code`](Refusal::code) is for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The name, or a folder on the way to it, is a symbolic link.
    #[error("it is, or lies behind, a symbolic link; links are never followed")]
    Symlink,
    /// A folder, pipe, socket or device.
    #[error("it is not a regular file")]
    NotRegular,
    /// Other names of the file would keep the plaintext after sealing.
    #[error("it has {links} hard links; its plaintext would stay under the other names")]
    HardLinked {
        /// The number of names.
        links: u32,
    },
    /// The name starts with a dot: hidden, or a recorder's own temp file.
    #[error("its name starts with a dot")]
    DotName,
    /// The path is absolute or has `..` in it.
    #[error("its path leads out of the recordings folder")]
    Outside,
    /// A process has it open for writing.
    #[error("process {pid} is still writing it")]
    OpenForWriting {
        /// The process.
        pid: u32,
    },
    /// It is not known to have been the same for long enough.
    #[error("it changed since the last look, so it may still be written")]
    NotSettled,
    /// It has holes: preallocated or broken, and larger than it looks.
    #[error("it is sparse: {allocated_bytes} of its {size_bytes} bytes are stored")]
    Sparse {
        /// Its length.
        size_bytes: u64,
        /// What it takes on disk.
        allocated_bytes: u64,
    },
    /// Over the cap.
    #[error("its {size_bytes} bytes are over the cap of {cap_bytes}")]
    TooLarge {
        /// Its length.
        size_bytes: u64,
        /// The cap.
        cap_bytes: u64,
    },
    /// Both copies would not fit beside the reserve.
    #[error("sealing needs {needed_bytes} bytes with the reserve, and {free_bytes} are free")]
    NoSpace {
        /// Sealed size and reserve.
        needed_bytes: u64,
        /// What is free.
        free_bytes: u64,
    },
    /// The service's user may not read it.
    #[error("the service has no permission to read it")]
    NoPermission,
    /// It was deleted or renamed.
    #[error("it vanished")]
    Vanished,
}

impl Refusal {
    /// A short stable name, for counters and events.
    pub fn code(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::NotRegular => "not_regular",
            Self::HardLinked { .. } => "hard_linked",
            Self::DotName => "dot_name",
            Self::Outside => "outside",
            Self::OpenForWriting { .. } => "open_for_writing",
            Self::NotSettled => "not_settled",
            Self::Sparse { .. } => "sparse",
            Self::TooLarge { .. } => "too_large",
            Self::NoSpace { .. } => "no_space",
            Self::NoPermission => "no_permission",
            Self::Vanished => "vanished",
        }
    }

    /// Whether the next look may find otherwise without anybody doing anything.
    pub fn is_passing(self) -> bool {
        match self {
            Self::OpenForWriting { .. } | Self::NotSettled | Self::NoSpace { .. } => true,
            Self::Symlink
            | Self::NotRegular
            | Self::HardLinked { .. }
            | Self::DotName
            | Self::Outside
            | Self::Sparse { .. }
            | Self::TooLarge { .. }
            | Self::NoPermission
            | Self::Vanished => false,
        }
    }
}

/// Decides about the file `relative`, and opens it if it may be sealed.
///
/// `earlier` is what an earlier look saw, at least the settling time ago; without it, or if the
/// file is no longer the same, the file counts as still being written.
pub fn admit(
    folder: &Folder,
    relative: &Path,
    earlier: Option<&Fingerprint>,
    options: &AdmissionOptions,
) -> Result<Admission, FsError> {
    let source = match open_source(folder, relative)? {
        Ok(source) => source,
        Err(refusal) => return Ok(Admission::Refused(refusal)),
    };
    let writer = writers::writer_of(&source.place.name, &source.fingerprint);
    judge(source, earlier, writer, options)
}

/// The rest of [`admit`], once it is known who writes the file.
pub(super) fn judge(
    source: Source,
    earlier: Option<&Fingerprint>,
    writer: Option<u32>,
    options: &AdmissionOptions,
) -> Result<Admission, FsError> {
    let fingerprint = source.fingerprint;
    let refused = if earlier != Some(&fingerprint) {
        Some(Refusal::NotSettled)
    } else if let Some(pid) = writer {
        Some(Refusal::OpenForWriting { pid })
    } else if fingerprint.size_bytes == 0 {
        return Ok(Admission::Empty(fingerprint));
    } else {
        refuse_size(&source, options)?
    };
    Ok(refused.map_or_else(|| Admission::Ready(source), Admission::Refused))
}

/// Opens the plaintext `relative` for comparing it with a sealed copy that exists already: the
/// rules about links and kinds hold, those about time and space do not matter.
pub fn open_source(folder: &Folder, relative: &Path) -> Result<Result<Source, Refusal>, FsError> {
    let shown = folder.shown(relative);
    let judge = |e: Errno| match refusal_of(e) {
        Some(refusal) => Ok(Err(refusal)),
        None => Err(FsError::new("open", &shown, e)),
    };
    if !stays_beneath(relative) {
        return Ok(Err(Refusal::Outside));
    }
    if relative
        .iter()
        .any(|name| name.as_bytes().starts_with(b"."))
    {
        return Ok(Err(Refusal::DotName));
    }
    let place = match Place::of(folder, relative) {
        Ok(place) => place,
        Err(e) => return judge(e),
    };
    // Looked at before it is opened, because opening a device or a pipe has effects already.
    let named = match place.stat() {
        Ok(stat) => stat,
        Err(e) => return judge(e),
    };
    if let Some(refusal) = refuse_kind(&named) {
        return Ok(Err(refusal));
    }
    let file = match place.open(OFlags::empty()) {
        Ok(fd) => File::from(fd),
        Err(e) => return judge(e),
    };
    // And looked at again through the descriptor, since the name could be exchanged in between.
    let stat = stat_file(&file).map_err(|e| FsError::new("examine", &shown, e))?;
    if let Some(refusal) = refuse_kind(&stat) {
        return Ok(Err(refusal));
    }
    Ok(Ok(Source {
        fingerprint: Fingerprint::of(&stat),
        place,
        file,
    }))
}

/// What an error in reaching a file says about the file; `None` if it is trouble of ours.
pub(super) fn refusal_of(error: Errno) -> Option<Refusal> {
    match error {
        Errno::LOOP => Some(Refusal::Symlink),
        Errno::XDEV => Some(Refusal::Outside),
        Errno::NOENT | Errno::NOTDIR | Errno::STALE => Some(Refusal::Vanished),
        Errno::ACCESS | Errno::PERM => Some(Refusal::NoPermission),
        Errno::NXIO | Errno::NODEV | Errno::ISDIR => Some(Refusal::NotRegular),
        _ => None,
    }
}

/// The refusal that kind and links of a file ask for.
pub(super) fn refuse_kind(stat: &Statx) -> Option<Refusal> {
    match file_type(stat) {
        FileType::RegularFile if stat.stx_nlink > 1 => Some(Refusal::HardLinked {
            links: stat.stx_nlink,
        }),
        FileType::RegularFile => None,
        FileType::Symlink => Some(Refusal::Symlink),
        _ => Some(Refusal::NotRegular),
    }
}

fn refuse_size(source: &Source, options: &AdmissionOptions) -> Result<Option<Refusal>, FsError> {
    let error = |action, e: Errno| source.place.error(action, e);
    let size_bytes = source.fingerprint.size_bytes;
    let stat = stat_file(&source.file).map_err(|e| error("examine", e))?;
    let allocated_bytes = stat.stx_blocks.saturating_mul(512);
    // Few blocks alone may mean a compressing file system; a hole before the end decides.
    if allocated_bytes < size_bytes && first_hole(&source.file).is_some_and(|at| at < size_bytes) {
        return Ok(Some(Refusal::Sparse {
            size_bytes,
            allocated_bytes,
        }));
    }
    if size_bytes > options.size_cap_bytes {
        return Ok(Some(Refusal::TooLarge {
            size_bytes,
            cap_bytes: options.size_cap_bytes,
        }));
    }
    let needed_bytes = size_bytes
        .saturating_add(IV_BYTES as u64)
        .saturating_add(options.reserve_bytes);
    let free_bytes = fsutil::free_bytes(&source.place.parent)
        .map_err(|e| source.place.error("measure the free space beside", e))?;
    if free_bytes < needed_bytes {
        return Ok(Some(Refusal::NoSpace {
            needed_bytes,
            free_bytes,
        }));
    }
    Ok(None)
}

/// Offset of the first hole; the length if there is none, `None` if the file system cannot tell.
pub(super) fn first_hole(file: &File) -> Option<u64> {
    // The offset of this descriptor is used by nobody: all reading is done at given offsets.
    rustix::fs::seek(file, SeekFrom::Hole(0)).ok()
}
