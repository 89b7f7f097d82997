//! Sealing: a plaintext clip becomes a `.vge` file beside it, and only then may the clip go.
//!
//! The order makes sure that at every instant there is one complete copy: temp file, stream, source
//! unchanged, sync, read back and compare, the same for the sidecar, rename both without
//! overwriting, sync the folder. The caller
//! records the result durably between [`seal`] and [`unlink_plaintext`]; the latter asks for the
//! [`Sealed`] that only a proven copy yields, so a plaintext without a proven copy cannot be
//! deleted by a slip.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::admission::{Refusal, Source, refuse_kind};
use super::auth::HeaderTag;
use super::cipher::{IV_BYTES, Iv};
use super::folder::{Fingerprint, Place, stat_file, stat_name};
use super::key::{Key, KeyId};
use super::names;
use super::pipeline::{self, StreamError, TempFiles};
use super::unseal::read_full;
use super::writers;
use crate::base::fsutil::{self, FsError};

/// A sealed recording that was proven to hold its plaintext. Only this module's proofs make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Path of the `.vge` file, relative to the recordings folder.
    pub path: PathBuf,
    /// Name of the plaintext, which the `.vge` file does not keep. May not be UTF-8.
    pub original_name: OsString,
    /// SHA-256 of the plaintext.
    pub plain_sha256: [u8; 32],
    /// Length of the plaintext.
    pub plain_bytes: u64,
    /// Length of the `.vge` file.
    pub sealed_bytes: u64,
    /// The IV, which is also the first 16 bytes of the file.
    pub iv: Iv,
    /// The key that opens it.
    pub key_id: KeyId,
    /// The tag of its sidecar.
    pub header_tag: HeaderTag,
    /// The plaintext that was proven to be in it.
    pub(super) source: Fingerprint,
    /// Device and inode of the `.vge` file.
    pub(super) file: ((u32, u32), u64),
}

/// Why a file was not sealed. The plaintext is untouched and no temp file is left.
///
/// If the very last step failed ([`SealError::System`] from syncing the folder, or
/// [`SealError::Displaced`]), a file with the final name lies beside the plaintext: the next scan
/// shows both, and `recovery::compare` settles it.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Somebody wrote to the plaintext meanwhile: look at it again later.
    #[error("{} changed while it was being sealed; it is looked at again later", path.display())]
    SourceChanged {
        /// The plaintext.
        path: PathBuf,
    },
    /// The disk or a quota is full: wait until there is space.
    #[error("no space to seal {}; free some, it is tried again", path.display())]
    NoSpace {
        /// The plaintext.
        path: PathBuf,
    },
    /// The temp file is there already: a sealing of the same file is at work or was cut short.
    #[error("the temp file {} is in the way; it is removed at the next start", path.display())]
    TempExists {
        /// The temp file.
        path: PathBuf,
    },
    /// All names that the sealed file could get are taken.
    #[error("every name for the sealed copy of {} is taken; move one away", path.display())]
    NameTaken {
        /// The plaintext.
        path: PathBuf,
    },
    /// The disk did not give back what was written to it: distrust the disk.
    #[error(
        "the sealed copy of {} read back wrong near byte {offset_bytes}; check the disk",
        path.display()
    )]
    ReadBack {
        /// The plaintext.
        path: PathBuf,
        /// Offset in the sealed file.
        offset_bytes: u64,
    },
    /// The temp file was exchanged under our hands.
    #[error("somebody else's file took the place of {}; check who writes there", path.display())]
    Displaced {
        /// The sealed file.
        path: PathBuf,
    },
    /// Anything else that the system refused.
    #[error(transparent)]
    System(#[from] FsError),
}

/// How sealing works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealOptions {
    /// Whether everything is read back from the device and compared before the plaintext may go.
    pub verify_after_write: bool,
}

impl Default for SealOptions {
    /// Reads back.
    fn default() -> Self {
        Self {
            verify_after_write: true,
        }
    }
}

/// Seals `source` under `key`, and returns once the `.vge` file and its sidecar are complete, proven
/// and durable.
///
/// `iv` must be fresh from the system's random source. The mode of the new files is 0600.
pub fn seal(source: &Source, key: &Key, iv: Iv, options: SealOptions) -> Result<Sealed, SealError> {
    let sealed = seal_unsynced(source, key, iv, options)?;
    sync_folder(source)?;
    Ok(sealed)
}

/// [`seal`] without its last step: the files have their names, and [`sync_folder`] has yet to make
/// the names durable. For many files of one folder.
pub(super) fn seal_unsynced(
    source: &Source,
    key: &Key,
    iv: Iv,
    options: SealOptions,
) -> Result<Sealed, SealError> {
    let read_back = options.verify_after_write;
    let place = &source.place;
    let mut temp = Temp::create(place, names::temp_name(&place.name))?;
    let streamed = pipeline::stream(source, &temp.files, key, &iv, read_back)
        .map_err(|e| in_words(source, &temp.place, e))?;
    let mut auth = Temp::create(place, names::temp_auth_name(&place.name))?;
    auth.fill(&streamed.sidecar.encode(), read_back)
        .map_err(|e| in_words(source, &auth.place, e))?;
    let name = temp.publish(&mut auth)?;
    Ok(Sealed {
        path: place.beside(&name),
        original_name: place.name.clone().into_os_string(),
        plain_sha256: streamed.sidecar.header.plain_sha256,
        plain_bytes: streamed.plain_bytes,
        sealed_bytes: streamed.plain_bytes + IV_BYTES as u64,
        iv,
        key_id: key.id(),
        header_tag: streamed.sidecar.header_tag,
        source: source.fingerprint,
        file: temp.file,
    })
}

/// Makes the names beside `source` durable.
pub(super) fn sync_folder(source: &Source) -> Result<(), FsError> {
    let place = &source.place;
    fsutil::fsync_dir_fd(&place.parent)
        .map_err(|e| place.error("make durable the new name beside", e))
}

/// What became of a plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// It is gone, durably.
    Done,
    /// It was gone before.
    AlreadyGone,
}

/// Why a plaintext was left in place.
#[derive(Debug, thiserror::Error)]
pub enum UnlinkError {
    /// The proof is about another file.
    #[error("{} is not the plaintext that was proven to be sealed", path.display())]
    NotProven {
        /// The plaintext.
        path: PathBuf,
    },
    /// The sealed file is not where it was: the plaintext may be the last copy.
    #[error("the sealed copy of {} is gone, so the plaintext stays", path.display())]
    SealedGone {
        /// The plaintext.
        path: PathBuf,
    },
    /// The name stands for another file by now, or the file was written to or linked.
    #[error("{} changed after it was sealed, so it stays", path.display())]
    Changed {
        /// The plaintext.
        path: PathBuf,
    },
    /// A process opened it for writing after it was sealed.
    #[error("process {pid} is writing {} again, so it stays", path.display())]
    OpenForWriting {
        /// The plaintext.
        path: PathBuf,
        /// The process.
        pid: u32,
    },
    /// The system refused.
    #[error(transparent)]
    System(#[from] FsError),
}

/// Deletes the plaintext of `sealed`, if it and the sealed file are both still what they were.
///
/// Call it only after `sealed` is recorded durably. Between the last look and the deletion another
/// file could be renamed over the name; there is no call that deletes by inode, so the gap is a few
/// microseconds and not zero.
pub fn unlink_plaintext(source: &Source, sealed: &Sealed) -> Result<Unlinked, UnlinkError> {
    let writer = writers::writer_of(&source.place.name, &source.fingerprint);
    let unlinked = unlink_unsynced(source, sealed, writer)?;
    if unlinked == Unlinked::Done {
        sync_deletion(source)?;
    }
    Ok(unlinked)
}

/// Makes deletions beside `source` durable.
pub(super) fn sync_deletion(source: &Source) -> Result<(), FsError> {
    let place = &source.place;
    fsutil::fsync_dir_fd(&place.parent).map_err(|e| place.error("make durable the deletion of", e))
}

/// [`unlink_plaintext`] without its last step, once it is known who writes the plaintext.
pub(super) fn unlink_unsynced(
    source: &Source,
    sealed: &Sealed,
    writer: Option<u32>,
) -> Result<Unlinked, UnlinkError> {
    let place = &source.place;
    let path = || place.shown.clone();
    if sealed.source != source.fingerprint || sealed.path.parent() != place.relative.parent() {
        return Err(UnlinkError::NotProven { path: path() });
    }
    let sealed_name = sealed.path.file_name().unwrap_or_default();
    let is_there = stat_name(&place.parent, sealed_name).is_ok_and(|stat| {
        let now = Fingerprint::of(&stat);
        refuse_kind(&stat) != Some(Refusal::NotRegular)
            && (now.device, now.inode) == sealed.file
            && now.size_bytes == sealed.sealed_bytes
    });
    if !is_there {
        return Err(UnlinkError::SealedGone { path: path() });
    }
    if let Some(pid) = writer {
        return Err(UnlinkError::OpenForWriting { path: path(), pid });
    }
    match place.stat() {
        Ok(stat) => {
            if Fingerprint::of(&stat) != source.fingerprint || refuse_kind(&stat).is_some() {
                return Err(UnlinkError::Changed { path: path() });
            }
        }
        Err(Errno::NOENT) => return Ok(Unlinked::AlreadyGone),
        Err(e) => return Err(place.error("examine", e).into()),
    }
    rustix::fs::unlinkat(&place.parent, Path::new(&*place.name), AtFlags::empty())
        .map_err(|e| place.error("delete the plaintext", e))?;
    Ok(Unlinked::Done)
}

/// The file that is sealed into, deleted on drop unless it got its final name.
struct Temp<'a> {
    source: &'a Place,
    name: OsString,
    place: PathBuf,
    files: TempFiles,
    file: ((u32, u32), u64),
    armed: bool,
}

impl<'a> Temp<'a> {
    fn create(source: &'a Place, name: OsString) -> Result<Self, SealError> {
        let place = source.shown.with_file_name(&name);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fail = |action, e: Errno| SealError::from(FsError::new(action, &place, e));
        let path = Path::new(&name);
        let writer = rustix::fs::openat(&source.parent, path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|e| match e {
                Errno::EXIST => SealError::TempExists {
                    path: place.clone(),
                },
                Errno::NOSPC | Errno::DQUOT => SealError::NoSpace {
                    path: source.shown.clone(),
                },
                e => fail("create", e),
            })?;
        let opened = (|| {
            let stat = stat_file(&writer)?;
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let reader = rustix::fs::openat(&source.parent, path, flags, Mode::empty())?;
            Ok((Fingerprint::of(&stat), reader))
        })();
        match opened {
            Ok((stat, reader)) => {
                let (file, files) = ((stat.device, stat.inode), TempFiles { writer, reader });
                Ok(Self {
                    source,
                    name,
                    place,
                    files,
                    file,
                    armed: true,
                })
            }
            Err(e) => {
                let _ = rustix::fs::unlinkat(&source.parent, path, AtFlags::empty());
                Err(fail("open", e))
            }
        }
    }

    /// Writes the whole content, syncs it, and with `read_back` compares what the disk has.
    fn fill(&self, bytes: &[u8], read_back: bool) -> Result<(), StreamError> {
        pipeline::write_all(&self.files, bytes)?;
        rustix::fs::fsync(&self.files.writer).map_err(|e| StreamError::Temp("sync", e.into()))?;
        if read_back {
            let _ = rustix::fs::fadvise(&self.files.reader, 0, None, Advice::DontNeed);
            // One byte more shows that there is more.
            let mut found = vec![0; bytes.len() + 1];
            let got = read_full(&self.files.reader, &mut found, 0)
                .map_err(|e| StreamError::Temp("read back", e.into()))?;
            if found[..got] != *bytes {
                return Err(StreamError::Differs { offset_bytes: 0 });
            }
        }
        Ok(())
    }

    /// Gives the file, and its sidecar, the first final names that are free; returns the file's.
    ///
    /// A name beside which a sidecar lies without a file is passed over: the sidecar may belong to a
    /// file that comes back.
    fn publish(&mut self, auth: &mut Self) -> Result<OsString, SealError> {
        for name in names::sealed_names(&self.source.name) {
            let auth_name = names::auth_name(&name);
            if stat_name(&self.source.parent, &auth_name).is_ok() || !self.rename(&name)? {
                continue;
            }
            if !auth.rename(&auth_name)? {
                break;
            }
            return Ok(name);
        }
        Err(SealError::NameTaken {
            path: self.source.shown.clone(),
        })
    }

    /// Renames the file; false if the name is taken or too long.
    fn rename(&mut self, name: &OsStr) -> Result<bool, SealError> {
        let parent = &self.source.parent;
        let (from, to) = (Path::new(&self.name), Path::new(name));
        match fsutil::rename_new_at(parent, from, parent, to) {
            Ok(()) => {
                self.armed = false;
                self.prove(name).map(|()| true)
            }
            Err(e) => match e.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidFilename => Ok(false),
                _ => Err(FsError::new("give its name to", &self.place, e).into()),
            },
        }
    }

    /// Checks that it is our file that got the name, and not one put in its place.
    fn prove(&self, name: &OsStr) -> Result<(), SealError> {
        let found = stat_name(&self.source.parent, name).map(|s| Fingerprint::of(&s));
        if found.is_ok_and(|f| (f.device, f.inode) == self.file) {
            Ok(())
        } else {
            Err(SealError::Displaced {
                path: self.source.shown.with_file_name(name),
            })
        }
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.armed {
            // What cannot be deleted now is found by the next scan.
            let path = Path::new(&self.name);
            let _ = rustix::fs::unlinkat(&self.source.parent, path, AtFlags::empty());
        }
    }
}

fn in_words(source: &Source, temp: &Path, error: StreamError) -> SealError {
    let path = source.place.shown.clone();
    match error {
        StreamError::SourceChanged => SealError::SourceChanged { path },
        StreamError::Differs { offset_bytes } => SealError::ReadBack { path, offset_bytes },
        StreamError::Temp(action, e) => match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                SealError::NoSpace { path }
            }
            _ => FsError::new(action, temp, e).into(),
        },
        StreamError::Source(action, e) => FsError::new(action, &path, e).into(),
        StreamError::Thread(e) => FsError::new("start the threads for sealing", &path, e).into(),
    }
}
