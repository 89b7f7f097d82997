//! Sidecar files on the disk: read, put beside a file, made for a file that has none.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::admission::first_hole;
use super::auth::{self, MacKey, Sidecar, SidecarError, Tagger};
use super::folder::{Fingerprint, file_type, stat_file};
use super::key::{Key, KeyId};
use super::names;
use super::unseal::{BLOCK_BYTES, SealedFile, UnsealError, read_full};
use crate::base::fsutil::{self, FsError};

/// Sidecars up to this length are read whatever they are made of, bytes; that of a recording of 4 GiB
/// is as long.
const HOLLOW_MIN_BYTES: u64 = 1 << 20;

/// A sidecar that is there, open.
#[derive(Debug)]
pub(super) struct SidecarFile {
    pub(super) file: File,
    pub(super) size_bytes: u64,
    shown: PathBuf,
}

/// Why a sidecar cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SidecarFileError {
    /// Its content.
    #[error(transparent)]
    Content(#[from] SidecarError),
    /// The system.
    #[error(transparent)]
    System(#[from] FsError),
}

impl SidecarFile {
    /// Opens the sidecar of `sealed`; none if it has none.
    pub(super) fn open(sealed: &SealedFile) -> Result<Option<Self>, SidecarFileError> {
        let name = names::auth_name(&sealed.place.name);
        let shown = sealed.place.shown.with_file_name(&name);
        let fail = |e: Errno| FsError::new("open", &shown, e);
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let parent = &sealed.place.parent;
        let file = match rustix::fs::openat(parent, Path::new(&name), flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => {
                let reason = "it is no regular file";
                return Err(SidecarError::Malformed { reason }.into());
            }
            Err(e) => return Err(fail(e).into()),
        };
        let stat = stat_file(&file).map_err(fail)?;
        if file_type(&stat) != FileType::RegularFile {
            let reason = "it is no regular file";
            return Err(SidecarError::Malformed { reason }.into());
        }
        Ok(Some(Self {
            file,
            size_bytes: stat.stx_size,
            shown,
        }))
    }

    /// Reads `len` bytes from `offset_bytes` on, fewer at the end.
    pub(super) fn read(&self, offset_bytes: u64, len: usize) -> Result<Vec<u8>, FsError> {
        let mut bytes = vec![0; len];
        let got = read_full(&self.file, &mut bytes, offset_bytes)
            .map_err(|e| FsError::new("read", &self.shown, e))?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// The whole sidecar of a file with `ct_len` bytes of ciphertext.
    pub(super) fn decode(&self, ct_len: u64) -> Result<Sidecar, SidecarFileError> {
        // A hostile sidecar may be of any size; no more is read than a true one has.
        let max_bytes = auth::sidecar_max_bytes(ct_len);
        if self.size_bytes > max_bytes {
            let reason = "it is longer than that of a file of this size";
            return Err(SidecarError::Malformed { reason }.into());
        }
        // One of holes costs nobody a disk, and would cost us its length in memory.
        let has_hole = || first_hole(&self.file).is_some_and(|at| at < self.size_bytes);
        if self.size_bytes > HOLLOW_MIN_BYTES && has_hole() {
            let reason = "it has holes";
            return Err(SidecarError::Malformed { reason }.into());
        }
        Ok(Sidecar::decode(&self.read(0, self.size_bytes as usize)?)?)
    }
}

/// Puts `sidecar` beside `sealed`, durably. One that is there and says something else is replaced:
/// whoever calls has just compared the file with its plaintext, or opened it under its key.
pub(super) fn put(sealed: &SealedFile, sidecar: &Sidecar) -> Result<(), FsError> {
    let bytes = sidecar.encode();
    let place = &sealed.place;
    let name = names::auth_name(&place.name);
    let existing = SidecarFile::open(sealed).ok().flatten();
    let is_there = existing.is_some_and(|file| {
        file.read(0, bytes.len() + 1).ok().as_ref() == Some(&bytes)
            && rustix::fs::fsync(&file.file).is_ok()
    });
    if !is_there {
        let temp = names::temp_auth_name(&place.name);
        let shown = place.shown.with_file_name(&temp);
        let fail = |action, e: Errno| FsError::new(action, &shown, e);
        let (temp, name) = (Path::new(&temp), Path::new(&name));
        let written = write_new(sealed, temp, &bytes)
            .and_then(|()| rustix::fs::renameat(&place.parent, temp, &place.parent, name));
        if let Err(e) = written {
            let _ = rustix::fs::unlinkat(&place.parent, temp, AtFlags::empty());
            return Err(fail("write the sidecar", e));
        }
    }
    fsutil::fsync_dir_fd(&place.parent).map_err(|e| place.error("make durable the sidecar of", e))
}

fn write_new(sealed: &SealedFile, temp: &Path, bytes: &[u8]) -> Result<(), Errno> {
    let parent = &sealed.place.parent;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create = || rustix::fs::openat(parent, temp, flags, Mode::RUSR | Mode::WUSR);
    let file = match create() {
        // What an earlier try left.
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(parent, temp, AtFlags::empty())?;
            create()?
        }
        other => other?,
    };
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::write(&file, &bytes[done..]) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    rustix::fs::fsync(&file)
}

/// The key that the sidecar of `sealed` names; none if there is no sidecar that can be read. What it
/// says is not proven.
pub fn key_of(sealed: &SealedFile) -> Option<KeyId> {
    let file = SidecarFile::open(sealed).ok()??;
    let start = file.read(0, auth::HEADER_MAX_BYTES).ok()?;
    let (header, _) = auth::Header::decode(&start).ok()?;
    Some(header.key_id)
}

/// What a file without a sidecar holds, under a key that is taken for the right one.
#[derive(Debug)]
pub struct Legacy {
    sidecar: Sidecar,
    /// The first bytes of the plaintext, by which a person's program knows a video.
    pub head: Vec<u8>,
}

impl Legacy {
    /// SHA-256 of the plaintext.
    pub const fn plain_sha256(&self) -> [u8; 32] {
        self.sidecar.header.plain_sha256
    }

    /// The whole sidecar that the file would get.
    pub const fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }
}

/// Reads a file of another program under `key` and makes its tags. The format tells nothing about
/// the key, so whether something sensible came out is for the caller to judge by head and hash
/// before it calls [`seal_legacy`].
pub fn read_legacy(sealed: &SealedFile, key: &Key) -> Result<Legacy, UnsealError> {
    sealed.forget_cached(0);
    let (iv, mut keystream) = sealed.keystream(key)?;
    let ct_len = sealed.plain_bytes().unwrap_or(0);
    let mut tagger = Tagger::new(MacKey::derive(key, &iv), ct_len);
    let mut digest = Sha256::new();
    let mut head = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut at = 0;
    while at < ct_len {
        let got = sealed.read(&mut block, super::cipher::IV_BYTES as u64 + at)?;
        if got == 0 {
            break;
        }
        let block = &mut block[..got.min((ct_len - at) as usize)];
        tagger.update(block);
        keystream.apply(block);
        digest.update(&*block);
        if at == 0 {
            head = block.to_vec();
        }
        at += block.len() as u64;
    }
    let sidecar = tagger.finish(key.id(), iv, digest.finalize().into());
    let sidecar = sidecar.ok_or_else(|| {
        let shrunk = io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter");
        sealed.place.error("read the sealed file", shrunk)
    })?;
    Ok(Legacy { sidecar, head })
}

/// Puts the sidecar beside a file that had none. Refused if the name stands for another file by
/// now, or if a sidecar was put there meanwhile.
pub fn seal_legacy(sealed: &SealedFile, legacy: &Legacy) -> Result<(), FsError> {
    let place = &sealed.place;
    let name = names::auth_name(&place.name);
    // A name of its own: whoever repairs the same file at the same time has the usual one.
    let temp = names::temp_auth_name(&name);
    let now = place.stat().map(|stat| Fingerprint::of(&stat));
    let is_same = |now: Fingerprint| {
        (now.device, now.inode) == (sealed.fingerprint.device, sealed.fingerprint.inode)
    };
    if !now.is_ok_and(is_same) {
        return Err(place.error("protect", Errno::STALE));
    }
    let outcome = write_new(sealed, Path::new(&temp), &legacy.sidecar.encode())
        .map_err(std::io::Error::from)
        .and_then(|()| {
            let (from, to) = (Path::new(&temp), Path::new(&name));
            fsutil::rename_new_at(&place.parent, from, &place.parent, to)
        });
    if let Err(e) = outcome {
        let _ = rustix::fs::unlinkat(&place.parent, Path::new(&temp), AtFlags::empty());
        return Err(place.error("put the sidecar beside", e));
    }
    fsutil::fsync_dir_fd(&place.parent).map_err(|e| place.error("make durable the sidecar of", e))
}
