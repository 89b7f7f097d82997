//! Recovery of a re-encryption: which of its temp files belong to what, and whether they are put in
//! place or deleted.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{delete, put_in_place};
use crate::base::fsutil::{self, FsError};
use crate::vault::auth::{self, HeaderTag, Sidecar};
use crate::vault::cipher::{IV_BYTES, Iv};
use crate::vault::folder::{Folder, Place, file_type, stat_file};
use crate::vault::names;
use crate::vault::unseal::read_full;

/// What became of the traces of a re-encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// There were none.
    Nothing,
    /// The exchange was brought to its end.
    Finished,
    /// They were deleted: the old file is the recording.
    Undone,
    /// The old file is gone, so they were left: they may be the last copy.
    Left,
}

/// Brings a re-encryption of `relative` that was cut short to its end, or undoes it.
///
/// `recorded` is the tag that the sidecar should have, none if nothing is recorded of the file.
/// Does nothing harmful when called again, or without need.
pub fn settle(
    folder: &Folder,
    relative: &Path,
    recorded: Option<HeaderTag>,
) -> Result<Settled, FsError> {
    let shown = folder.shown(relative);
    let place = match Place::of(folder, relative) {
        Ok(place) => place,
        Err(Errno::NOENT) => return Ok(Settled::Nothing),
        Err(e) => return Err(FsError::new("open", &shown, e)),
    };
    let (file_name, auth_name) = names::reseal_names(&place.name);
    let file = Head::of(&place, &file_name)?;
    if file.is_none() && open_beside(&place, &auth_name)?.is_none() {
        return Ok(Settled::Nothing);
    }
    let old = Head::of(&place, &place.name)?;
    let holds = |head: Option<&Head>, sidecar: &Sidecar| {
        head.is_some_and(|head| {
            let sealed_bytes = sidecar.header.ct_len + IV_BYTES as u64;
            head.iv == sidecar.header.iv && head.size_bytes == sealed_bytes
        })
    };
    let new_auth = sidecar_of(&place, &auth_name)?;
    let is_recorded = |sidecar: &Sidecar| Some(sidecar.header_tag) == recorded;
    let old_auth = sidecar_of(&place, &names::auth_name(&place.name))?;
    let is_whole = old_auth
        .as_ref()
        .is_some_and(|sidecar| is_recorded(sidecar) && holds(old.as_ref(), sidecar));
    match &new_auth {
        // Nothing is to be put in the place of what is recorded.
        _ if is_whole => {}
        // The first rename was done, and it is done only after the record.
        Some(sidecar) if holds(old.as_ref(), sidecar) => {
            delete(&place, &file_name)?;
            put_in_place(&place, None, Some(&auth_name))?;
            return Ok(Settled::Finished);
        }
        Some(sidecar) if is_recorded(sidecar) && holds(file.as_ref(), sidecar) => {
            put_in_place(&place, Some(&file_name), Some(&auth_name))?;
            return Ok(Settled::Finished);
        }
        _ => {}
    }
    // After a power cut the second rename may be there without the first.
    if let Some(sidecar) = &old_auth
        && is_recorded(sidecar)
        && holds(file.as_ref(), sidecar)
        && !is_whole
    {
        put_in_place(&place, Some(&file_name), None)?;
        delete(&place, &auth_name)?;
        return Ok(Settled::Finished);
    }
    if old.is_none() && file.is_some() && recorded.is_some() {
        return Ok(Settled::Left);
    }
    delete(&place, &file_name)?;
    delete(&place, &auth_name)?;
    fsutil::fsync_dir_fd(&place.parent)
        .map_err(|e| place.error("make durable the deletions beside", e))?;
    Ok(Settled::Undone)
}

/// The sealed file to which the temp file `temp` of a re-encryption belongs, among the files of its
/// folder and the paths in `recorded`.
pub fn belongs_to(
    folder: &Folder,
    temp: &Path,
    recorded: &[PathBuf],
) -> Result<Option<PathBuf>, FsError> {
    let Some(wanted) = temp.file_name().and_then(names::reseal_digest) else {
        return Ok(None);
    };
    let parent = temp.parent().unwrap_or(Path::new(""));
    let fail = |e: Errno| FsError::new("list the folder", &folder.shown(parent), e);
    let fd = folder.open_folder(parent).map_err(fail)?;
    for listed in Dir::read_from(&fd).map_err(fail)? {
        let listed = listed.map_err(fail)?;
        let name = OsStr::from_bytes(listed.file_name().to_bytes());
        if names::is_sealed(name) && names::digest(name) == wanted {
            return Ok(Some(parent.join(name)));
        }
    }
    let found = recorded.iter().find(|path| {
        let is_named = path.file_name().is_some_and(|n| names::digest(n) == wanted);
        is_named && path.parent().unwrap_or(Path::new("")) == parent
    });
    Ok(found.cloned())
}

/// Deletes the temp file `temp` of a re-encryption whose sealed file is neither there nor recorded.
pub fn discard(folder: &Folder, temp: &Path) -> Result<(), FsError> {
    if !temp.file_name().is_some_and(names::is_reseal) {
        return Ok(());
    }
    let place =
        Place::of(folder, temp).map_err(|e| FsError::new("open", &folder.shown(temp), e))?;
    delete(&place, &place.name)?;
    fsutil::fsync_dir_fd(&place.parent).map_err(|e| place.error("make durable the deletion of", e))
}

/// Opens a name beside `place` for reading; none if no regular file has it.
fn open_beside(place: &Place, name: &OsStr) -> Result<Option<(File, u64)>, FsError> {
    let fail = |e: Errno| FsError::new("open", &place.shown.with_file_name(name), e);
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&place.parent, Path::new(name), flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
        Err(e) => return Err(fail(e)),
    };
    let stat = stat_file(&file).map_err(fail)?;
    let is_file = file_type(&stat) == FileType::RegularFile;
    Ok(is_file.then_some((file, stat.stx_size)))
}

/// The IV and the length of a sealed file.
struct Head {
    iv: Iv,
    size_bytes: u64,
}

impl Head {
    fn of(place: &Place, name: &OsStr) -> Result<Option<Self>, FsError> {
        let Some((file, size_bytes)) = open_beside(place, name)? else {
            return Ok(None);
        };
        let mut iv = [0; IV_BYTES];
        // One that is too short has an IV of zeros, which no sidecar has.
        read_full(&file, &mut iv, 0)
            .map_err(|e| FsError::new("read", &place.shown.with_file_name(name), e))?;
        Ok(Some(Self { iv, size_bytes }))
    }
}

/// The sidecar of this name; none if there is none, or none that can be read.
fn sidecar_of(place: &Place, name: &OsStr) -> Result<Option<Sidecar>, FsError> {
    let Some((file, size_bytes)) = open_beside(place, name)? else {
        return Ok(None);
    };
    let fail = |e: Errno| FsError::new("read", &place.shown.with_file_name(name), e);
    let mut head = vec![0; auth::HEADER_MAX_BYTES];
    let got = read_full(&file, &mut head, 0).map_err(fail)?;
    let Ok((header, _)) = auth::Header::decode(&head[..got]) else {
        return Ok(None);
    };
    // No more is read than the header promises, and no more than there is.
    if size_bytes > auth::sidecar_max_bytes(header.ct_len) {
        return Ok(None);
    }
    let mut bytes = vec![0; size_bytes as usize];
    let got = read_full(&file, &mut bytes, 0).map_err(fail)?;
    Ok(Sidecar::decode(&bytes[..got]).ok())
}
