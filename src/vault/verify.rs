//! Verification: whether a sealed file is, to the last bit, what was sealed. It needs the key and
//! the sidecar and nothing else, so a copied folder can be verified anywhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use super::auth::{CHUNK_BYTES, HeaderTag, MacKey, Sidecar};
use super::cipher::{IV_BYTES, Iv};
use super::key::KeyId;
use super::reader::{Damage, Expected, Keys, ReadError, key_for, sidecar_error};
use super::sidecar::SidecarFile;
use super::unseal::SealedFile;

/// Bytes that are read at once.
const BLOCK_BYTES: u64 = 16 * CHUNK_BYTES as u64;
/// Threads that read and check one file; a box has few cores, and a disk is busy with two.
const THREADS: u64 = 2;
/// Smaller files are checked by one thread, bytes.
const SMALL_BYTES: u64 = 4 << 20;
/// Damaged chunks that are kept by number; the others are counted.
pub const BAD_CHUNKS_MAX: usize = 1_000;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every bit is what was sealed.
    Verified {
        /// The tag over the whole of it.
        header_tag: HeaderTag,
        /// The key that opens it.
        key_id: KeyId,
        /// SHA-256 of the plaintext.
        plain_sha256: [u8; 32],
    },
    /// It has no sidecar, and none is known of: nothing can be said.
    Unverified,
    /// It is not what was sealed.
    Tampered {
        /// In what; of damaged chunks the first.
        damage: Damage,
        /// Numbers of the first [`BAD_CHUNKS_MAX`] damaged chunks, in order.
        bad_chunks: Vec<u64>,
        /// Number of damaged chunks.
        bad_count: u64,
    },
}

impl Verdict {
    fn tampered(damage: Damage) -> Self {
        Self::Tampered {
            damage,
            bad_chunks: Vec::new(),
            bad_count: 0,
        }
    }
}

/// Verifies a sealed file, read from the disk. `progress` is told of bytes as they are checked, from
/// several threads.
pub fn verify(
    sealed: &SealedFile,
    keys: &dyn Keys,
    expected: Expected,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Verdict, ReadError> {
    match check(sealed, keys, expected, progress) {
        Err(ReadError::Tampered { damage, .. }) => Ok(Verdict::tampered(damage)),
        outcome => outcome,
    }
}

fn check(
    sealed: &SealedFile,
    keys: &dyn Keys,
    expected: Expected,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Verdict, ReadError> {
    sealed.forget_cached(0);
    let mut iv: Iv = [0; IV_BYTES];
    let (Some(found_bytes), IV_BYTES) = (sealed.plain_bytes(), sealed.read(&mut iv, 0)?) else {
        return Err(ReadError::TooShort {
            path: sealed.place.shown.clone(),
        });
    };
    let Some(file) = SidecarFile::open(sealed).map_err(|e| sidecar_error(sealed, e))? else {
        return Ok(match expected.header_tag {
            Some(_) => Verdict::tampered(Damage::SidecarGone),
            None => Verdict::Unverified,
        });
    };
    let sidecar = file
        .decode(found_bytes)
        .map_err(|e| sidecar_error(sealed, e))?;
    let header = sidecar.header;
    let mac = MacKey::derive(key_for(sealed, keys, Some(header.key_id))?, &iv);
    if header.iv != iv {
        return Ok(Verdict::tampered(Damage::OtherFile));
    }
    if !mac.proves(&sidecar) {
        return Ok(Verdict::tampered(Damage::SidecarChanged));
    }
    if expected
        .header_tag
        .is_some_and(|expected| expected != sidecar.header_tag)
    {
        return Ok(Verdict::tampered(Damage::Exchanged));
    }
    if header.ct_len != found_bytes {
        return Ok(Verdict::tampered(Damage::Length {
            sealed_bytes: header.ct_len,
            found_bytes,
        }));
    }
    let bad = bad_chunks(sealed, &sidecar, &mac, progress)?;
    Ok(match bad.first() {
        None => Verdict::Verified {
            header_tag: sidecar.header_tag,
            key_id: header.key_id,
            plain_sha256: header.plain_sha256,
        },
        Some(&index) => Verdict::Tampered {
            damage: Damage::Chunk { index },
            bad_count: bad.len() as u64,
            bad_chunks: bad.into_iter().take(BAD_CHUNKS_MAX).collect(),
        },
    })
}

/// The numbers of the chunks that do not fit their tags, in order.
fn bad_chunks(
    sealed: &SealedFile,
    sidecar: &Sidecar,
    mac: &MacKey,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<u64>, ReadError> {
    let header = &sidecar.header;
    let next = AtomicU64::new(0);
    let bad = Mutex::new(Vec::new());
    let work = || -> Result<(), ReadError> {
        let mut block = vec![0; BLOCK_BYTES.min(header.ct_len) as usize];
        loop {
            let start = next.fetch_add(BLOCK_BYTES, Ordering::Relaxed);
            if start >= header.ct_len {
                return Ok(());
            }
            let len = BLOCK_BYTES.min(header.ct_len - start) as usize;
            let got = sealed.read(&mut block[..len], IV_BYTES as u64 + start)?;
            let mut found = Vec::new();
            // A file that shrinks meanwhile has chunks that are too short, and so are wrong.
            for (index, at) in (start / CHUNK_BYTES as u64..).zip((0..len).step_by(CHUNK_BYTES)) {
                let end = (at + CHUNK_BYTES).min(got).max(at);
                let ciphertext = &block[at..end];
                if !mac.proves_chunk(header, index, ciphertext, &sidecar.tag(index)) {
                    found.push(index);
                }
            }
            if !found.is_empty() {
                let mut bad = bad.lock().unwrap_or_else(PoisonError::into_inner);
                bad.append(&mut found);
            }
            progress(len as u64);
        }
    };
    if header.ct_len <= SMALL_BYTES {
        work()?;
    } else {
        std::thread::scope(|scope| {
            // Without a thread more this one checks all.
            let others: Vec<_> = (1..THREADS)
                .filter_map(|_| {
                    let builder = Builder::new().name("vault-verify".into());
                    builder.spawn_scoped(scope, work).ok()
                })
                .collect();
            let mine = work();
            others.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            mine
        })?;
    }
    let mut bad = bad.into_inner().unwrap_or_else(PoisonError::into_inner);
    bad.sort_unstable();
    Ok(bad)
}
