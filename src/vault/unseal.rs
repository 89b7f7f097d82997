//! Unsealing: the plaintext of a `.vge` file as a stream.
//!
//! The format proves nothing about itself: a wrong key or a damaged file gives noise of the right
//! length. So unsealing always hashes what it gives out, and the caller compares.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FileType, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::admission::{Refusal, refusal_of};
use super::cipher::{IV_BYTES, Iv, Keystream};
use super::folder::{Fingerprint, Folder, Place, file_type, stat_file};
use super::key::Key;
use crate::base::fsutil::FsError;

/// Bytes that are read and decrypted at once: large enough for the disk, small enough for a cache.
pub(super) const BLOCK_BYTES: usize = 256 << 10;

/// A `.vge` file, open for reading.
#[derive(Debug)]
pub struct SealedFile {
    pub(super) place: Place,
    pub(super) file: File,
    pub(super) fingerprint: Fingerprint,
}

impl SealedFile {
    /// The path relative to the recordings folder.
    pub fn path(&self) -> &Path {
        &self.place.relative
    }

    /// What the file was when it was opened.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Length of the plaintext; `None` if the file is too short to be a sealed one.
    pub fn plain_bytes(&self) -> Option<u64> {
        self.fingerprint.size_bytes.checked_sub(IV_BYTES as u64)
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset_bytes: u64) -> Result<usize, UnsealError> {
        read_full(&self.file, buffer, offset_bytes)
            .map_err(|e| self.place.error("read the sealed file", e).into())
    }

    /// The IV, with which the file begins.
    pub fn iv(&self) -> Result<Iv, UnsealError> {
        let mut iv = [0; IV_BYTES];
        if self.read(&mut iv, 0)? < IV_BYTES {
            return Err(UnsealError::TooShort {
                path: self.place.shown.clone(),
            });
        }
        Ok(iv)
    }

    /// The IV, and the key stream that starts with it.
    pub(super) fn keystream(&self, key: &Key) -> Result<(Iv, Keystream), UnsealError> {
        let iv = self.iv()?;
        Ok((iv, Keystream::new(key, &iv)))
    }

    /// The IV, and the first `len` bytes of the plaintext under `key`, fewer if there are fewer.
    /// Nothing is verified: it is for finding out whether the key is the right one.
    pub fn head(&self, key: &Key, len: usize) -> Result<(Iv, Vec<u8>), UnsealError> {
        let (iv, mut keystream) = self.keystream(key)?;
        let mut head = vec![0; len];
        let got = self.read(&mut head, IV_BYTES as u64)?;
        head.truncate(got);
        keystream.apply(&mut head);
        Ok((iv, head))
    }

    /// Asks the system to forget its copy in memory, so that reading asks the disk.
    pub(super) fn forget_cached(&self, from_bytes: u64) {
        let rest = NonZeroU64::new(self.fingerprint.size_bytes.saturating_sub(from_bytes));
        // Advice: a file system that cannot follow it makes the check weaker and not wrong.
        let _ = rustix::fs::fadvise(&self.file, from_bytes, rest, Advice::DontNeed);
    }
}

/// What unsealing gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsealed {
    /// Length of the plaintext.
    pub plain_bytes: u64,
    /// SHA-256 of the plaintext; noise if the key was wrong.
    pub plain_sha256: [u8; 32],
    /// The IV of the file.
    pub iv: Iv,
}

/// What [`verify_hash`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The file holds the plaintext that was expected.
    Matches(Unsealed),
    /// Another key, another file, or damage.
    Differs(Unsealed),
}

/// Why a file could not be unsealed.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// Shorter than an IV: not a sealed file, or cut off.
    #[error("{} is shorter than 16 bytes, so it is no sealed recording", path.display())]
    TooShort {
        /// The sealed file.
        path: PathBuf,
    },
    /// Whoever takes the plaintext takes no more.
    #[error("the plaintext could not be passed on: {0}")]
    Output(io::Error),
    /// The system refused.
    #[error(transparent)]
    System(#[from] FsError),
}

impl UnsealError {
    /// Whether the disk or a quota is full, which passes when somebody frees space.
    pub fn is_no_space(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::System(error) if matches!(error.kind(), StorageFull | QuotaExceeded))
    }
}

/// Opens the sealed file `relative` below the recordings folder, by the same rules as a plaintext,
/// except that it may have more names: copies of a sealed file do no harm.
pub fn open_sealed(
    folder: &Folder,
    relative: &Path,
) -> Result<Result<SealedFile, Refusal>, FsError> {
    let shown = folder.shown(relative);
    let judge = |e: Errno| match refusal_of(e) {
        Some(refusal) => Ok(Err(refusal)),
        None => Err(FsError::new("open", &shown, e)),
    };
    let place = match Place::of(folder, relative) {
        Ok(place) => place,
        Err(e) => return judge(e),
    };
    // Looked at first, because opening a device has effects.
    match place.stat().map(|stat| file_type(&stat)) {
        Ok(FileType::RegularFile) => {}
        Ok(FileType::Symlink) => return Ok(Err(Refusal::Symlink)),
        Ok(_) => return Ok(Err(Refusal::NotRegular)),
        Err(e) => return judge(e),
    }
    let file = match place.open(OFlags::empty()) {
        Ok(fd) => File::from(fd),
        Err(e) => return judge(e),
    };
    let stat = stat_file(&file).map_err(|e| FsError::new("examine", &shown, e))?;
    if file_type(&stat) != FileType::RegularFile {
        return Ok(Err(Refusal::NotRegular));
    }
    Ok(Ok(SealedFile {
        place,
        file,
        fingerprint: Fingerprint::of(&stat),
    }))
}

/// Decrypts the whole of `sealed` into `output`, in order, in blocks.
pub fn unseal(
    sealed: &SealedFile,
    key: &Key,
    output: &mut dyn Write,
) -> Result<Unsealed, UnsealError> {
    let (iv, mut keystream) = sealed.keystream(key)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut plain_bytes = 0;
    loop {
        let got = sealed.read(&mut block, IV_BYTES as u64 + plain_bytes)?;
        let plain = &mut block[..got];
        keystream.apply(plain);
        digest.update(&plain);
        output.write_all(plain).map_err(UnsealError::Output)?;
        plain_bytes += got as u64;
        if got < BLOCK_BYTES {
            break;
        }
    }
    output.flush().map_err(UnsealError::Output)?;
    Ok(Unsealed {
        plain_bytes,
        plain_sha256: digest.finalize().into(),
        iv,
    })
}

/// Reads `sealed` from the disk and compares the hash of its plaintext with `expected`.
pub fn verify_hash(
    sealed: &SealedFile,
    key: &Key,
    expected: &[u8; 32],
) -> Result<Verdict, UnsealError> {
    sealed.forget_cached(0);
    let found = unseal(sealed, key, &mut io::sink())?;
    Ok(if found.plain_sha256 == *expected {
        Verdict::Matches(found)
    } else {
        Verdict::Differs(found)
    })
}

/// Reads until `buffer` is full or the file ends; returns how much.
pub(super) fn read_full(
    file: impl AsFd,
    buffer: &mut [u8],
    offset_bytes: u64,
) -> Result<usize, Errno> {
    let mut got = 0;
    while got < buffer.len() {
        match rustix::io::pread(&file, &mut buffer[got..], offset_bytes + got as u64) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}
