//! Re-encryption: a sealed file is sealed anew under another key, in its place.
//!
//! The plaintext never touches the disk: it is decrypted, checked and encrypted in memory, block by
//! block, into a temp file beside the sealed one, which is then read back and compared; the sidecar
//! follows. Nothing of the old file has changed by then. The caller records the new protection
//! durably, and only then [`exchange`] renames both temp files over the old ones, the `.vge` first.
//!
//! A crash leaves temp files. Those that are what the event log says is there are put in place by
//! [`settle()`], whichever of the two renames was done; all others are deleted. So there is one
//! complete copy at every instant, under the old key or the new one, and exactly one in the end.

mod settle;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

pub use self::settle::{Settled, belongs_to, discard, settle};
use super::admission::Refusal;
use super::auth::{HeaderTag, MacKey, Sidecar, Tagger};
use super::cipher::{IV_BYTES, Iv, Keystream};
use super::folder::{Folder, Place};
use super::key::{Key, KeyId};
use super::names;
use super::reader::{Expected, ReadError};
use super::seal::SealOptions;
use super::sidecar::SidecarFile;
use super::unseal::{BLOCK_BYTES, SealedFile, UnsealError, open_sealed, read_full};
use super::verify::{Verdict, verify};
use crate::base::fsutil::{self, FsError};

/// What is known of the file that is to be encrypted anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// SHA-256 of its plaintext; without it, the sidecar has to prove the file.
    pub plain_sha256: Option<[u8; 32]>,
    /// The tag of its sidecar.
    pub header_tag: Option<HeaderTag>,
}

/// How a file is to be encrypted anew.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// What is known of it.
    pub known: Known,
    /// The key that opens it.
    pub old: &'a Key,
    /// The key that it is to have.
    pub new: &'a Key,
    /// Fresh from the system's random source.
    pub iv: Iv,
    /// Whether the new copy is read back.
    pub seal: SealOptions,
    /// Space that must stay free on the file system while both copies exist.
    pub reserve_bytes: u64,
}

/// A file that was encrypted anew, complete and proven, beside the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// Path of the `.vge` file, relative to the recordings folder; it stays the same.
    pub path: PathBuf,
    /// SHA-256 of the plaintext.
    pub plain_sha256: [u8; 32],
    /// Length of the plaintext.
    pub plain_bytes: u64,
    /// The IV from now on.
    pub iv: Iv,
    /// The key from now on.
    pub key_id: KeyId,
    /// The tag of the sidecar from now on.
    pub header_tag: HeaderTag,
    /// Whether file and sidecar have their final names: so they were found, and only the record
    /// was missing, as after an older database was put back.
    in_place: bool,
}

/// Why a file is not encrypted anew. It is as it was, and no temp file is left.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// It is not there, or nothing that may be opened.
    #[error("{}: {refusal}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// It does not hold what was sealed.
    #[error("{} is not what was sealed, and left as it is: {reason}", path.display())]
    Tampered {
        /// The file.
        path: PathBuf,
        /// In what.
        reason: String,
    },
    /// Nothing tells what was sealed, so there is nothing to check it by.
    #[error("{} has neither a sidecar nor a known hash, and is left as it is", path.display())]
    Unproven {
        /// The file.
        path: PathBuf,
    },
    /// The disk or a quota is full.
    #[error("no space to encrypt {} anew; free some, it is tried again", path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
    },
    /// The disk did not give back what was written to it.
    #[error("the new copy of {} read back wrong; check the disk", path.display())]
    ReadBack {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error(transparent)]
    System(#[from] FsError),
}

/// Encrypts the sealed file `relative` anew, into temp files that are complete, proven and durable
/// on return.
///
/// Call [`settle()`] before, and [`exchange`] after the result is recorded.
pub fn reseal(
    folder: &Folder,
    relative: &Path,
    order: &Order<'_>,
) -> Result<Resealed, ResealError> {
    let Order {
        known,
        old,
        new,
        iv,
        ..
    } = *order;
    let sealed = open_sealed(folder, relative)?.map_err(|refusal| ResealError::Refused {
        path: folder.shown(relative),
        refusal,
    })?;
    if let Some(found) = found_under(&sealed, new, known.plain_sha256) {
        return Ok(found);
    }
    let needed_bytes = sealed
        .fingerprint
        .size_bytes
        .saturating_add(order.reserve_bytes);
    let free_bytes = fsutil::free_bytes(&sealed.place.parent)
        .map_err(|e| sealed.place.error("measure the free space beside", e))?;
    if free_bytes < needed_bytes {
        return Err(ResealError::NoSpace {
            path: sealed.place.shown.clone(),
        });
    }
    let expected_sha256 = match known.plain_sha256 {
        Some(hash) => hash,
        None => proven_hash(&sealed, old, known.header_tag)?,
    };
    let place = &sealed.place;
    let (file_name, auth_name) = names::reseal_names(&place.name);
    let file = Temp::create(place, file_name)?;
    let sidecar = file.reencrypt(&sealed, old, new, &iv)?;
    if sidecar.header.plain_sha256 != expected_sha256 {
        return Err(ResealError::Tampered {
            path: place.shown.clone(),
            reason: "its content has another hash".into(),
        });
    }
    if order.seal.verify_after_write {
        file.prove(new, &sidecar)?;
    }
    let auth = Temp::create(place, auth_name)?;
    auth.write(&sidecar.encode())?;
    auth.sync()?;
    if order.seal.verify_after_write && auth.read_back()? != sidecar.encode() {
        return Err(ResealError::ReadBack {
            path: place.shown.clone(),
        });
    }
    fsutil::fsync_dir_fd(&place.parent)
        .map_err(|e| place.error("make durable the new names beside", e))?;
    file.keep();
    auth.keep();
    Ok(Resealed {
        path: place.relative.clone(),
        plain_sha256: expected_sha256,
        plain_bytes: sidecar.header.ct_len,
        iv,
        key_id: new.id(),
        header_tag: sidecar.header_tag,
        in_place: false,
    })
}

/// The file as it is, if it was sealed under `key` already and nothing is wrong with it.
fn found_under(sealed: &SealedFile, key: &Key, plain_sha256: Option<[u8; 32]>) -> Option<Resealed> {
    let plain_bytes = sealed.plain_bytes()?;
    let sidecar = SidecarFile::open(sealed).ok()??;
    let header = sidecar.decode(plain_bytes).ok()?.header;
    if header.key_id != key.id() || plain_sha256.is_some_and(|hash| hash != header.plain_sha256) {
        return None;
    }
    match verify(sealed, key, Expected::default(), &|_| {}) {
        Ok(Verdict::Verified {
            header_tag,
            key_id,
            plain_sha256,
        }) => Some(Resealed {
            path: sealed.place.relative.clone(),
            plain_sha256,
            plain_bytes,
            iv: header.iv,
            key_id,
            header_tag,
            in_place: true,
        }),
        _ => None,
    }
}

/// The hash of the plaintext, as a sidecar that proves the file tells it.
fn proven_hash(
    sealed: &SealedFile,
    key: &Key,
    header_tag: Option<HeaderTag>,
) -> Result<[u8; 32], ResealError> {
    let path = || sealed.place.shown.clone();
    let expected = Expected {
        header_tag,
        key_id: Some(key.id()),
    };
    let tampered = |reason: String| ResealError::Tampered {
        path: path(),
        reason,
    };
    match verify(sealed, key, expected, &|_| {}) {
        Ok(Verdict::Verified { plain_sha256, .. }) => Ok(plain_sha256),
        Ok(Verdict::Unverified) => Err(ResealError::Unproven { path: path() }),
        Ok(Verdict::Tampered { damage, .. }) => Err(tampered(damage.to_string())),
        Err(ReadError::System(error)) => Err(error.into()),
        Err(error) => Err(tampered(error.to_string())),
    }
}

/// Puts what [`reseal`] made in the place of the old file; durable on return.
///
/// Call it only after the result is recorded durably.
pub fn exchange(folder: &Folder, resealed: &Resealed) -> Result<(), FsError> {
    if resealed.in_place {
        return Ok(());
    }
    let place = Place::of(folder, &resealed.path)
        .map_err(|e| FsError::new("open", &folder.shown(&resealed.path), e))?;
    let (file, auth) = names::reseal_names(&place.name);
    put_in_place(&place, Some(&file), Some(&auth))
}

fn put_in_place(
    place: &Place,
    file: Option<&OsString>,
    auth: Option<&OsString>,
) -> Result<(), FsError> {
    let auth_name = names::auth_name(&place.name);
    let moves = [(file, &*place.name), (auth, auth_name.as_os_str())];
    for (from, to) in moves {
        let Some(from) = from else { continue };
        rustix::fs::renameat(&place.parent, Path::new(from), &place.parent, Path::new(to))
            .map_err(|e| place.error("put the new copy in the place of", e))?;
    }
    fsutil::fsync_dir_fd(&place.parent).map_err(|e| place.error("make durable the exchange of", e))
}

fn delete(place: &Place, name: &OsStr) -> Result<(), FsError> {
    match rustix::fs::unlinkat(&place.parent, Path::new(name), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(FsError::new(
            "delete the temp file",
            &place.shown.with_file_name(name),
            e,
        )),
    }
}

/// A file that is encrypted into, deleted on drop unless it is kept.
struct Temp<'a> {
    place: &'a Place,
    name: OsString,
    file: File,
    armed: bool,
}

impl<'a> Temp<'a> {
    fn create(place: &'a Place, name: OsString) -> Result<Self, ResealError> {
        delete(place, &name)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(
            &place.parent,
            Path::new(&name),
            flags,
            Mode::RUSR | Mode::WUSR,
        )
        .map_err(|e| refused(place, "create a temp file beside", e.into()))?;
        Ok(Self {
            place,
            name,
            file: File::from(fd),
            armed: true,
        })
    }

    /// Decrypts the whole of `sealed` and encrypts it into this file.
    fn reencrypt(
        &self,
        sealed: &SealedFile,
        old: &Key,
        new: &Key,
        iv: &Iv,
    ) -> Result<Sidecar, ResealError> {
        let fail = |error: UnsealError| match error {
            UnsealError::System(error) => ResealError::System(error),
            error => ResealError::Tampered {
                path: sealed.place.shown.clone(),
                reason: error.to_string(),
            },
        };
        let changed = || ResealError::Tampered {
            path: sealed.place.shown.clone(),
            reason: "its length changed while it was read".into(),
        };
        let (_, mut decrypting) = sealed.keystream(old).map_err(fail)?;
        let plain_bytes = sealed.plain_bytes().ok_or_else(changed)?;
        let mut encrypting = Keystream::new(new, iv);
        let mut tagger = Tagger::new(MacKey::derive(new, iv), plain_bytes);
        let mut digest = Sha256::new();
        self.write(iv)?;
        let mut block = vec![0; BLOCK_BYTES];
        let mut at = 0;
        loop {
            let got = sealed
                .read(&mut block, IV_BYTES as u64 + at)
                .map_err(fail)?;
            let bytes = &mut block[..got];
            decrypting.apply(bytes);
            digest.update(&*bytes);
            encrypting.apply(bytes);
            at += got as u64;
            if at > plain_bytes {
                return Err(changed());
            }
            tagger.update(bytes);
            self.write(bytes)?;
            if got < BLOCK_BYTES {
                break;
            }
        }
        self.sync()?;
        tagger
            .finish(new.id(), *iv, digest.finalize().into())
            .ok_or_else(changed)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), ResealError> {
        (&self.file)
            .write_all(bytes)
            .map_err(|e| refused(self.place, "write a new copy of", e))
    }

    fn sync(&self) -> Result<(), ResealError> {
        self.file
            .sync_all()
            .map_err(|e| refused(self.place, "sync a new copy of", e))
    }

    /// Asks the disk for what was written, and compares the plaintext in it with what was read. The
    /// tags were made of the same ciphertext, so they are right if it is.
    fn prove(&self, key: &Key, sidecar: &Sidecar) -> Result<(), ResealError> {
        let differs = || ResealError::ReadBack {
            path: self.place.shown.clone(),
        };
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        let mut iv = [0; IV_BYTES];
        let mut block = vec![0; BLOCK_BYTES];
        let mut digest = Sha256::new();
        if self.read(&mut iv, 0)? < IV_BYTES || iv != sidecar.header.iv {
            return Err(differs());
        }
        let mut keystream = Keystream::new(key, &iv);
        let mut at = IV_BYTES as u64;
        loop {
            let got = self.read(&mut block, at)?;
            keystream.apply(&mut block[..got]);
            digest.update(&block[..got]);
            at += got as u64;
            if got < BLOCK_BYTES {
                break;
            }
        }
        let hash: [u8; 32] = digest.finalize().into();
        if hash == sidecar.header.plain_sha256 {
            Ok(())
        } else {
            Err(differs())
        }
    }

    fn read(&self, buffer: &mut [u8], offset_bytes: u64) -> Result<usize, ResealError> {
        read_full(&self.file, buffer, offset_bytes)
            .map_err(|e| refused(self.place, "read back a new copy of", e.into()))
    }

    fn read_back(&self) -> Result<Vec<u8>, ResealError> {
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        let length = self.file.metadata();
        let length = length.map_err(|e| refused(self.place, "examine a new copy of", e))?;
        let mut bytes = vec![0; length.len() as usize];
        let got = self.read(&mut bytes, 0)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    fn keep(mut self) {
        self.armed = false;
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.armed {
            // What cannot be deleted now is found by the next scan.
            let _ = delete(self.place, &self.name);
        }
    }
}

fn refused(place: &Place, action: &'static str, error: io::Error) -> ResealError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ResealError::NoSpace {
            path: place.shown.clone(),
        },
        _ => place.error(action, error).into(),
    }
}

/// Whether a refusal to encrypt anew says that the file is gone.
pub fn is_gone(error: &ResealError) -> bool {
    matches!(
        error,
        ResealError::Refused {
            refusal: Refusal::Vanished,
            ..
        }
    )
}

#[cfg(test)]
mod tests;
