//! Reading sealed recordings: any range of the plaintext, nothing of it before it is proven.
//!
//! A range touches only its own chunks of 64 KiB: their ciphertext and tags are read, checked, and
//! decrypted from the counter of their place. The last chunk is checked when a file is opened,
//! because its tag says where the file ends; so what a reader gives out is what was sealed under
//! this key, at this offset, in a file of this length. Only [`super::verify`] looks at all of it.
//!
//! A file without a sidecar (another program made it) is read as it is, and
//! [`Reader::is_verified`] says so.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Advice;

use super::admission::Refusal;
use super::auth::{
    CHUNK_BYTES, HEADER_MAX_BYTES, HEADER_TAG_BYTES, Header, HeaderTag, MacKey, SidecarError,
    TAG_BYTES, tag_offset,
};
use super::cipher::{IV_BYTES, Iv, Keystream};
use super::folder::Folder;
use super::key::{Key, KeyId};
use super::sidecar::{SidecarFile, SidecarFileError};
use super::unseal::{SealedFile, UnsealError, open_sealed};
use crate::base::fsutil::FsError;

/// Chunks that are read at once when a file is read from front to back: 1 MiB.
const SPAN_MAX: u64 = 16;
/// How often a file is opened again that does not fit its sidecar: both may be in the middle of
/// being exchanged for others.
const EXCHANGE_LOOKS: u32 = 3;
/// Pause between two such looks; the exchange is two renames.
const EXCHANGE_PAUSE: Duration = Duration::from_millis(5);

/// The keys that are there.
pub trait Keys {
    /// The one that seals now.
    fn current(&self) -> Option<&Key>;
    /// The one with this id.
    fn get(&self, id: &KeyId) -> Option<&Key>;
}

/// One key alone.
impl Keys for Key {
    fn current(&self) -> Option<&Key> {
        Some(self)
    }

    fn get(&self, id: &KeyId) -> Option<&Key> {
        (self.id() == *id).then_some(self)
    }
}

/// What the caller knows of a file from elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// The tag that its sidecar must have: a whole file that was exchanged has another one.
    pub header_tag: Option<HeaderTag>,
    /// The key that it was sealed under, for files without a sidecar.
    pub key_id: Option<KeyId>,
}

/// In what a file is not what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A chunk of 64 KiB was changed, moved, or belongs to another file.
    #[error("chunk {index} was changed")]
    Chunk {
        /// Its number, from 0.
        index: u64,
    },
    /// It is shorter or longer than it was.
    #[error("its length is {found_bytes} bytes, and {sealed_bytes} were sealed")]
    Length {
        /// As sealed, without the IV.
        sealed_bytes: u64,
        /// As found, without the IV.
        found_bytes: u64,
    },
    /// File and sidecar do not belong together.
    #[error("the sidecar beside it is that of another file")]
    OtherFile,
    /// Both belong together, but are not those that were recorded.
    #[error("another sealed file lies in its place")]
    Exchanged,
    /// It should have a sidecar, and there is none.
    #[error("its sidecar is gone")]
    SidecarGone,
    /// The sidecar.
    #[error("{0}")]
    Sidecar(SidecarError),
    /// The sidecar's own tag is wrong.
    #[error("its sidecar was changed")]
    SidecarChanged,
}

/// Why a sealed file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened for what it is.
    #[error("{}: {refusal}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// The key is not here.
    #[error(
        "{} was sealed under the key {key_id}, which is not here; put it into the keyring",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// The key that it needs.
        key_id: KeyId,
    },
    /// There is no key at all.
    #[error("there is no key to open {} with", path.display())]
    Keyless {
        /// The file.
        path: PathBuf,
    },
    /// It is not what was sealed.
    #[error("{} is not what was sealed: {damage}", path.display())]
    Tampered {
        /// The file.
        path: PathBuf,
        /// In what.
        damage: Damage,
    },
    /// A newer program made the sidecar.
    #[error("{}: {error}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version.
        error: SidecarError,
    },
    /// It is shorter than its IV.
    #[error("{} is shorter than 16 bytes, so it is no sealed recording", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
    },
    /// The range does not lie within the file.
    #[error("bytes {offset_bytes} to {end_bytes} are not in {}, which has {plain_bytes}", path.display())]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// The first byte.
        offset_bytes: u64,
        /// The byte behind the last.
        end_bytes: u64,
        /// What there is.
        plain_bytes: u64,
    },
    /// The plaintext could not be passed on.
    #[error("the plaintext could not be passed on: {0}")]
    Output(io::Error),
    /// The system.
    #[error(transparent)]
    System(#[from] FsError),
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Refused { .. } => io::ErrorKind::NotFound,
            ReadError::NoKey { .. } | ReadError::Keyless { .. } => io::ErrorKind::PermissionDenied,
            ReadError::OutOfRange { .. } => io::ErrorKind::UnexpectedEof,
            ReadError::System(error) => error.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl From<UnsealError> for ReadError {
    fn from(error: UnsealError) -> Self {
        match error {
            UnsealError::TooShort { path } => Self::TooShort { path },
            UnsealError::Output(error) => Self::Output(error),
            UnsealError::System(error) => Self::System(error),
        }
    }
}

pub(super) fn tampered(sealed: &SealedFile, damage: Damage) -> ReadError {
    ReadError::Tampered {
        path: sealed.place.shown.clone(),
        damage,
    }
}

pub(super) fn sidecar_error(sealed: &SealedFile, error: SidecarFileError) -> ReadError {
    match error {
        SidecarFileError::System(error) => error.into(),
        SidecarFileError::Content(error @ SidecarError::Newer { .. }) => ReadError::Newer {
            path: sealed.place.shown.clone(),
            error,
        },
        SidecarFileError::Content(error) => tampered(sealed, Damage::Sidecar(error)),
    }
}

/// The key that `keys` have for a file: the one that its sidecar names, else the expected one, else
/// the current.
pub(super) fn key_for<'a>(
    sealed: &SealedFile,
    keys: &'a dyn Keys,
    named: Option<KeyId>,
) -> Result<&'a Key, ReadError> {
    let path = || sealed.place.shown.clone();
    match named {
        Some(key_id) => keys.get(&key_id).ok_or_else(|| ReadError::NoKey {
            path: path(),
            key_id,
        }),
        None => keys
            .current()
            .ok_or_else(|| ReadError::Keyless { path: path() }),
    }
}

/// What proves the chunks of a file.
#[derive(Debug)]
struct Proof {
    sidecar: SidecarFile,
    header: Header,
    header_len: usize,
    mac: MacKey,
}

/// The plaintext of a sealed file, for reading and seeking. Every byte was verified before it is
/// given out, if the file has a sidecar.
pub struct Reader {
    sealed: SealedFile,
    proof: Option<Proof>,
    key_id: KeyId,
    keystream: Keystream,
    plain_bytes: u64,
    position: u64,
    /// Plaintext of the chunks that were read last, and where it begins.
    span: Vec<u8>,
    span_start: u64,
    /// Chunks to read next if reading goes on where it ended.
    ahead: u64,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.sealed.place.shown)
            .field("plain_bytes", &self.plain_bytes)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the sealed file `relative`, whose key is among `keys`.
    pub fn open(
        folder: &Folder,
        relative: &Path,
        keys: &dyn Keys,
        expected: Expected,
    ) -> Result<Self, ReadError> {
        let mut looks = 0;
        loop {
            looks += 1;
            let sealed = open_sealed(folder, relative)?.map_err(|refusal| ReadError::Refused {
                path: folder.path().join(relative),
                refusal,
            })?;
            match Self::over(sealed, keys, expected) {
                Err(ReadError::Tampered {
                    damage: Damage::OtherFile | Damage::Length { .. } | Damage::Exchanged,
                    ..
                }) if looks < EXCHANGE_LOOKS => std::thread::park_timeout(EXCHANGE_PAUSE),
                outcome => return outcome,
            }
        }
    }

    fn over(sealed: SealedFile, keys: &dyn Keys, expected: Expected) -> Result<Self, ReadError> {
        let mut iv: Iv = [0; IV_BYTES];
        let (Some(found_bytes), IV_BYTES) = (sealed.plain_bytes(), sealed.read(&mut iv, 0)?) else {
            return Err(ReadError::TooShort {
                path: sealed.place.shown.clone(),
            });
        };
        // Reading here and there must not make the system read all between.
        let _ = rustix::fs::fadvise(&sealed.file, 0, None, Advice::Random);
        let sidecar = SidecarFile::open(&sealed).map_err(|e| sidecar_error(&sealed, e))?;
        let (proof, key) = match sidecar {
            None if expected.header_tag.is_some() => {
                return Err(tampered(&sealed, Damage::SidecarGone));
            }
            None => (None, key_for(&sealed, keys, expected.key_id)?),
            Some(sidecar) => {
                let (header, header_len) = head_of(&sealed, &sidecar, expected)?;
                if header.iv != iv {
                    return Err(tampered(&sealed, Damage::OtherFile));
                }
                if header.ct_len != found_bytes {
                    let damage = Damage::Length {
                        sealed_bytes: header.ct_len,
                        found_bytes,
                    };
                    return Err(tampered(&sealed, damage));
                }
                let key = key_for(&sealed, keys, Some(header.key_id))?;
                let proof = Proof {
                    sidecar,
                    header,
                    header_len,
                    mac: MacKey::derive(key, &iv),
                };
                (Some(proof), key)
            }
        };
        let mut reader = Self {
            keystream: Keystream::new(key, &iv),
            key_id: key.id(),
            sealed,
            proof,
            plain_bytes: found_bytes,
            position: 0,
            span: Vec::new(),
            span_start: 0,
            ahead: 1,
        };
        match (&reader.proof, reader.chunks().checked_sub(1)) {
            (None, _) => {}
            (Some(_), Some(last)) => reader.load(last, 1)?,
            // Nothing but the header says that there is nothing.
            (Some(proof), None) => {
                let sidecar = proof.sidecar.decode(0);
                let sidecar = sidecar.map_err(|e| sidecar_error(&reader.sealed, e))?;
                if !proof.mac.proves(&sidecar) {
                    return Err(tampered(&reader.sealed, Damage::SidecarChanged));
                }
            }
        }
        Ok(reader)
    }

    /// Length of the plaintext, bytes.
    pub const fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// The key that opens the file.
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Whether what is read is verified; false for a file without a sidecar.
    pub const fn is_verified(&self) -> bool {
        self.proof.is_some()
    }

    /// Writes `len` bytes from `offset_bytes` on to `out`. A range beyond the end is an error, and
    /// nothing is written.
    pub fn range(
        &mut self,
        offset_bytes: u64,
        len: u64,
        out: &mut dyn Write,
    ) -> Result<(), ReadError> {
        let end_bytes = offset_bytes.saturating_add(len);
        if end_bytes > self.plain_bytes {
            return Err(ReadError::OutOfRange {
                path: self.sealed.place.shown.clone(),
                offset_bytes,
                end_bytes,
                plain_bytes: self.plain_bytes,
            });
        }
        let mut at = offset_bytes;
        while at < end_bytes {
            let first = at / CHUNK_BYTES as u64;
            let wanted = end_bytes.div_ceil(CHUNK_BYTES as u64) - first;
            self.load(first, wanted.min(SPAN_MAX))?;
            let from = (at - self.span_start) as usize;
            let take = (self.span.len() - from).min((end_bytes - at) as usize);
            out.write_all(&self.span[from..from + take])
                .map_err(ReadError::Output)?;
            at += take as u64;
        }
        Ok(())
    }

    const fn chunks(&self) -> u64 {
        self.plain_bytes.div_ceil(CHUNK_BYTES as u64)
    }

    /// Reads, verifies and decrypts `count` chunks, or as many as there are.
    fn load(&mut self, first: u64, count: u64) -> Result<(), ReadError> {
        let start = first * CHUNK_BYTES as u64;
        let end = (first.saturating_add(count))
            .saturating_mul(CHUNK_BYTES as u64)
            .min(self.plain_bytes);
        let len = (end - start) as usize;
        // Nothing unproven may be left in it if this fails.
        let mut span = std::mem::take(&mut self.span);
        span.resize(len, 0);
        let got = self.sealed.read(&mut span, IV_BYTES as u64 + start)?;
        if got < len {
            let damage = Damage::Length {
                sealed_bytes: self.plain_bytes,
                found_bytes: start + got as u64,
            };
            return Err(tampered(&self.sealed, damage));
        }
        if let Some(proof) = &self.proof {
            let chunks = len.div_ceil(CHUNK_BYTES);
            let at = tag_offset(proof.header_len, first);
            let tags = proof.sidecar.read(at, chunks * TAG_BYTES)?;
            let mut index = first;
            for (ciphertext, tag) in span.chunks(CHUNK_BYTES).zip(tags.chunks_exact(TAG_BYTES)) {
                let tag = tag.try_into().expect("chunks of exactly this length");
                if !proof
                    .mac
                    .proves_chunk(&proof.header, index, ciphertext, tag)
                {
                    return Err(tampered(&self.sealed, Damage::Chunk { index }));
                }
                index += 1;
            }
            if index < first + chunks as u64 {
                return Err(tampered(&self.sealed, Damage::Chunk { index }));
            }
        }
        self.keystream.seek(start);
        self.keystream.apply(&mut span);
        (self.span, self.span_start) = (span, start);
        Ok(())
    }
}

/// The header of a sidecar, which must be the expected one and as long as the header says.
fn head_of(
    sealed: &SealedFile,
    sidecar: &SidecarFile,
    expected: Expected,
) -> Result<(Header, usize), ReadError> {
    let start = sidecar.read(0, HEADER_MAX_BYTES)?;
    let (header, len) =
        Header::decode(&start).map_err(|e| sidecar_error(sealed, SidecarFileError::Content(e)))?;
    let tag_at = tag_offset(len, header.chunks());
    if sidecar.size_bytes != tag_at.saturating_add(HEADER_TAG_BYTES as u64) {
        let reason = "its length is not that of its tags";
        let error = SidecarError::Malformed { reason };
        return Err(tampered(sealed, Damage::Sidecar(error)));
    }
    if let Some(expected) = expected.header_tag
        && sidecar.read(tag_at, HEADER_TAG_BYTES)? != expected.0
    {
        return Err(tampered(sealed, Damage::Exchanged));
    }
    Ok((header, len))
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.plain_bytes || buffer.is_empty() {
            return Ok(0);
        }
        let end = self.span_start + self.span.len() as u64;
        if !(self.span_start..end).contains(&self.position) {
            let goes_on = self.position == end && !self.span.is_empty();
            self.ahead = if goes_on {
                (self.ahead * 2).min(SPAN_MAX)
            } else {
                1
            };
            self.load(self.position / CHUNK_BYTES as u64, self.ahead)?;
        }
        let from = (self.position - self.span_start) as usize;
        let take = buffer.len().min(self.span.len() - from);
        buffer[..take].copy_from_slice(&self.span[from..from + take]);
        self.position += take as u64;
        Ok(take)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.plain_bytes, by),
            SeekFrom::Current(by) => (self.position, by),
        };
        self.position = base.checked_add_signed(by).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "a position before the beginning",
            )
        })?;
        Ok(self.position)
    }
}
