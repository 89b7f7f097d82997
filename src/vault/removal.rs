//! Removing sealed files for good: what a name must stand for before it may go, and the order in
//! which the files of one recording go.
//!
//! The `.vge` goes last. As long as it is there it shows that a removal was not brought to its end,
//! so nobody has to look for sidecars and thumbnails whose recording is gone. The folder is synced
//! before that, so that no power cut can turn the order round. Whether a recording may go is for
//! the caller.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::admission::Refusal;
use super::folder::{Fingerprint, Folder, Place, file_type};
use super::names;
use super::unseal::open_sealed;
use crate::base::fsutil::{self, FsError};

/// The files of one recording that are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// The `.vge`, relative to the recordings folder.
    pub sealed: PathBuf,
    /// Its inode.
    pub inode: u64,
    /// When it was changed last (ctime), Unix nanoseconds.
    pub changed_at: i64,
    /// The `.vge` of the thumbnail, if there is one.
    pub thumbnail: Option<PathBuf>,
}

/// Steps of a removal, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The thumbnail's sidecar is gone.
    ThumbnailSidecar,
    /// The thumbnail is gone.
    Thumbnail,
    /// The sidecar is gone.
    Sidecar,
    /// So far all is durable.
    Synced,
    /// The `.vge` is gone.
    Sealed,
    /// All is durable.
    Done,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// All files are gone; so many of them were `.vge` files.
    Gone(u64),
    /// Nothing lies under the name.
    WasGone,
    /// Another file lies under the name: it was put there later, and stays.
    Another,
    /// The caller broke off.
    Interrupted,
}

/// The sealed file `relative` as it is now, with the bytes that it, its sidecar and its thumbnail
/// take up.
///
/// The error is for a system that refuses; a name that is no sealed file is a refusal.
pub fn examine(
    folder: &Folder,
    relative: &Path,
    thumbnail: Option<&Path>,
) -> Result<Result<(Fingerprint, u64), Refusal>, FsError> {
    let file = match open_sealed(folder, relative)? {
        Ok(file) => file,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let found = file.fingerprint();
    let mut bytes = found.size_bytes;
    let beside = std::iter::once(sidecar_of(relative))
        .chain(thumbnail.map(Path::to_owned))
        .chain(thumbnail.map(sidecar_of));
    for path in beside {
        bytes = bytes.saturating_add(size_of(folder, &path));
    }
    Ok(Ok((found, bytes)))
}

/// Last change of content, mode or name, Unix nanoseconds.
pub fn changed_at(fingerprint: &Fingerprint) -> i64 {
    let (seconds, nanos) = fingerprint.changed;
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(nanos))
}

/// Whether anything lies under the name `relative`, whatever it is.
pub fn is_there(folder: &Folder, relative: &Path) -> bool {
    Place::of(folder, relative).is_ok_and(|place| place.stat().is_ok())
}

/// Removes the files; what is gone already does not matter, so it can be done again after it was cut
/// short. `each` is told every step, and may break off.
pub fn remove(
    folder: &Folder,
    doomed: &Doomed,
    each: &mut dyn FnMut(Step) -> ControlFlow<()>,
) -> Result<Removed, FsError> {
    match open_sealed(folder, &doomed.sealed)? {
        Ok(file) => {
            let found = file.fingerprint();
            if (found.inode, changed_at(&found)) != (doomed.inode, doomed.changed_at) {
                return Ok(Removed::Another);
            }
        }
        Err(Refusal::Vanished) => return Ok(Removed::WasGone),
        Err(_) => return Ok(Removed::Another),
    }
    let mut sealed_files = 0;
    if let Some(thumbnail) = &doomed.thumbnail {
        unlink(folder, &sidecar_of(thumbnail))?;
        if each(Step::ThumbnailSidecar).is_break() {
            return Ok(Removed::Interrupted);
        }
        sealed_files += u64::from(unlink(folder, thumbnail)?);
        if each(Step::Thumbnail).is_break() {
            return Ok(Removed::Interrupted);
        }
        sync_folder_of(folder, thumbnail)?;
    }
    unlink(folder, &sidecar_of(&doomed.sealed))?;
    if each(Step::Sidecar).is_break() {
        return Ok(Removed::Interrupted);
    }
    sync_folder_of(folder, &doomed.sealed)?;
    if each(Step::Synced).is_break() {
        return Ok(Removed::Interrupted);
    }
    if !unlink_same(folder, doomed)? {
        return Ok(Removed::Another);
    }
    if each(Step::Sealed).is_break() {
        return Ok(Removed::Interrupted);
    }
    sync_folder_of(folder, &doomed.sealed)?;
    let _ = each(Step::Done);
    Ok(Removed::Gone(sealed_files + 1))
}

/// `clip.vge.auth` of `clip.vge`.
fn sidecar_of(sealed: &Path) -> PathBuf {
    sealed.with_file_name(names::auth_name(sealed.file_name().unwrap_or_default()))
}

fn size_of(folder: &Folder, relative: &Path) -> u64 {
    Place::of(folder, relative)
        .and_then(|place| place.stat())
        .ok()
        .filter(|stat| file_type(stat) == FileType::RegularFile)
        .map_or(0, |stat| stat.stx_size)
}

/// Deletes the regular file `relative`, for good; whether there was one. A link is no such file, and
/// none on the way is followed.
pub fn remove_file(folder: &Folder, relative: &Path) -> Result<bool, FsError> {
    let there = unlink(folder, relative)?;
    if there {
        sync_folder_of(folder, relative)?;
    }
    Ok(there)
}

/// Deletes the regular file `relative`; whether there was one.
fn unlink(folder: &Folder, relative: &Path) -> Result<bool, FsError> {
    let fail = |e: Errno| FsError::new("delete", &folder.shown(relative), e);
    let place = match Place::of(folder, relative) {
        Ok(place) => place,
        Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(false),
        Err(e) => return Err(fail(e)),
    };
    match place.stat() {
        Ok(stat) if file_type(&stat) == FileType::RegularFile => {}
        // A sidecar's name may be longer than names can be; then there is none.
        Ok(_) | Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(false),
        Err(e) => return Err(fail(e)),
    }
    match rustix::fs::unlinkat(&place.parent, Path::new(&*place.name), AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(fail(e)),
    }
}

/// Deletes the `.vge`, unless another file took its name meanwhile.
fn unlink_same(folder: &Folder, doomed: &Doomed) -> Result<bool, FsError> {
    let fail = |e: Errno| FsError::new("delete", &folder.shown(&doomed.sealed), e);
    let place = Place::of(folder, &doomed.sealed).map_err(fail)?;
    let found = Fingerprint::of(&place.stat().map_err(fail)?);
    if (found.inode, changed_at(&found)) != (doomed.inode, doomed.changed_at) {
        return Ok(false);
    }
    rustix::fs::unlinkat(&place.parent, Path::new(&*place.name), AtFlags::empty()).map_err(fail)?;
    Ok(true)
}

fn sync_folder_of(folder: &Folder, relative: &Path) -> Result<(), FsError> {
    let fail = |e: Errno| FsError::new("make durable the deletion of", &folder.shown(relative), e);
    let place = Place::of(folder, relative).map_err(fail)?;
    fsutil::fsync_dir_fd(&place.parent).map_err(|e| place.error("make durable the deletion of", e))
}
