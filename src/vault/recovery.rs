//! What to do with the traces of a sealing that was cut short.
//!
//! A sealing leaves one of three traces. A temp file: worthless, the plaintext is still there. A
//! final file beside its plaintext: proven once, but who knows by which process; so it is compared
//! again, byte by byte, and only then may the plaintext go. A final file alone: complete, as the
//! plaintext goes last. Which of them it is, and what the database has to say about it, is for the
//! caller; here are the steps.

use std::path::Path;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::admission::Source;
use super::auth::{MacKey, Tagger};
use super::cipher::IV_BYTES;
use super::folder::{Folder, Place, file_type};
use super::key::Key;
use super::names;
use super::seal::Sealed;
use super::sidecar;
use super::unseal::{BLOCK_BYTES, SealedFile, UnsealError, read_full};
use crate::base::fsutil::{self, FsError};

/// What a sealed file and a plaintext beside it have to do with each other.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and moved once")]
pub enum Pairing {
    /// The sealed file holds exactly this plaintext: the proof that `unlink_plaintext` asks for.
    Same(Sealed),
    /// It does not: another clip of that name, another key, or damage. Neither may be touched.
    Different {
        /// Length of the plaintext up to which both agree.
        agree_bytes: u64,
    },
}

/// Deletes the temp file `relative`, durably; does nothing if it is gone or is not one of ours.
///
/// Returns whether it was deleted. Call it only while nothing is being sealed.
pub fn remove_leftover(folder: &Folder, relative: &Path) -> Result<bool, FsError> {
    if !relative.file_name().is_some_and(names::is_temp) {
        return Ok(false);
    }
    let fail = |e: Errno| FsError::new("delete the temp file", &folder.shown(relative), e);
    let place = match Place::of(folder, relative) {
        Ok(place) => place,
        Err(Errno::NOENT) => return Ok(false),
        Err(e) => return Err(fail(e)),
    };
    match place.stat() {
        Ok(stat) if file_type(&stat) == FileType::RegularFile => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(false),
        Err(e) => return Err(fail(e)),
    }
    match rustix::fs::unlinkat(&place.parent, Path::new(&*place.name), AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(e) => return Err(fail(e)),
    }
    fsutil::fsync_dir_fd(&place.parent)
        .map_err(|e| place.error("make durable the deletion of", e))?;
    Ok(true)
}

/// Compares the plaintext in `sealed`, read from the disk, with `source`, byte by byte.
///
/// Both are synced first: a rename may survive a power cut that the data did not. Both must be in
/// the same folder for the result to be good for `unlink_plaintext`.
pub fn compare(source: &Source, sealed: &SealedFile, key: &Key) -> Result<Pairing, UnsealError> {
    let system = |action, e: Errno| UnsealError::from(source.place.error(action, e));
    rustix::fs::fsync(&sealed.file).map_err(|e| sealed.place.error("sync the sealed file", e))?;
    fsutil::fsync_dir_fd(&sealed.place.parent)
        .map_err(|e| sealed.place.error("make durable the name of", e))?;
    sealed.forget_cached(0);
    let (iv, mut keystream) = sealed.keystream(key)?;
    let plain_bytes = source.fingerprint.size_bytes;
    let mut digest = Sha256::new();
    let mut tagger = Tagger::new(MacKey::derive(key, &iv), plain_bytes);
    let (mut ours, mut theirs) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
    let mut agree_bytes = 0;
    loop {
        let read =
            read_full(&source.file, &mut ours, agree_bytes).map_err(|e| system("read", e))?;
        let opened = sealed.read(&mut theirs, IV_BYTES as u64 + agree_bytes)?;
        tagger.update(&theirs[..opened]);
        keystream.apply(&mut theirs[..opened]);
        let (ours, theirs) = (&ours[..read], &theirs[..opened]);
        // Equality of slices is fast; where they part is looked for only once.
        let same = if ours == theirs {
            read
        } else {
            common_prefix(ours, theirs)
        };
        agree_bytes += same as u64;
        if same < read.max(opened) {
            return Ok(Pairing::Different { agree_bytes });
        }
        digest.update(ours);
        if read < BLOCK_BYTES {
            break;
        }
    }
    let unchanged = source.is_unchanged().map_err(|e| system("examine", e))?;
    if agree_bytes != plain_bytes || !unchanged {
        return Ok(Pairing::Different { agree_bytes });
    }
    let plain_sha256 = digest.finalize().into();
    let Some(sidecar) = tagger.finish(key.id(), iv, plain_sha256) else {
        return Ok(Pairing::Different { agree_bytes });
    };
    sidecar::put(sealed, &sidecar)?;
    Ok(Pairing::Same(Sealed {
        path: sealed.place.relative.clone(),
        original_name: source.place.name.clone().into_os_string(),
        plain_sha256,
        plain_bytes,
        sealed_bytes: plain_bytes + IV_BYTES as u64,
        iv,
        key_id: key.id(),
        header_tag: sidecar.header_tag,
        source: source.fingerprint,
        file: (sealed.fingerprint.device, sealed.fingerprint.inode),
    }))
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
