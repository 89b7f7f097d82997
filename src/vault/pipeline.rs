//! The pipeline of a sealing: read and encrypt, hash, tag, write, and read back, each on its own
//! thread.
//!
//! SHA-256 of the plaintext is the slowest step and cannot be split, so everything else has to
//! happen beside it. The file is written and read back past the page cache (`O_DIRECT`): half the
//! copying, nothing else is pushed out of memory, and what is read back comes from the device.
//!
//! The read-back follows the writer at a distance: whenever [`SYNC_CHUNKS`] chunks are written they
//! are made durable, read again, decrypted with a key stream of its own, and compared with the
//! plaintext chunks that went into the hash, which are kept until then. So every byte is read after
//! it was synced, equality is exact (stronger than comparing two hashes, and cheaper than a
//! second one), and the memory is bounded by [`WINDOW_CHUNKS`]. The last sync covers the whole
//! file and comes before the last comparison.
//!
//! The tags of the sidecar are made of the ciphertext in memory. What is read back decrypts to the
//! very plaintext, so the ciphertext on the disk is the one that was tagged: there is no need to
//! make the tags a second time.
//!
//! A clip that fits into one chunk goes the same way without threads: see [`small`].
//!
//! When a thread fails, its channels close, the others run dry and end, and its error is returned.

mod buffers;
mod read_back;
mod small;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{Builder, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{Advice, FallocateFlags, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use self::buffers::{Lent, Pool};
use super::admission::Source;
use super::auth::{MacKey, Sidecar, Tagger};
use super::cipher::{IV_BYTES, Iv, Keystream};
use super::key::Key;
use super::unseal::read_full;

/// Bytes of the sealed file that travel together. Large enough that one write keeps a disk busy
/// while the next is made ready, small enough to stay in a processor's cache.
const CHUNK_BYTES: usize = 1 << 20;

/// Plaintext chunks in memory at once. More than twice [`SYNC_CHUNKS`], so that writing goes on
/// while a run of chunks is synced and compared; 64 measured no faster.
const WINDOW_CHUNKS: usize = 32;

/// Chunks between two syncs: rare enough that flushing the device costs little, often enough that
/// the comparison does not fall behind.
const SYNC_CHUNKS: usize = 8;

/// Ciphertext chunks in memory at once: one being filled, the others being written and tagged.
const CIPHER_CHUNKS: usize = 6;

/// What `O_DIRECT` asks of addresses, offsets and lengths on every device that counts.
const ALIGN_BYTES: usize = 4096;

/// The result of streaming a whole file.
pub(super) struct Streamed {
    pub(super) plain_bytes: u64,
    pub(super) sidecar: Sidecar,
}

/// How streaming fails.
pub(super) enum StreamError {
    /// The plaintext is not what it was when it was opened.
    SourceChanged,
    /// What was read back at this offset of the sealed file is not what was written.
    Differs { offset_bytes: u64 },
    /// An operation on the plaintext failed.
    Source(&'static str, io::Error),
    /// An operation on the sealed file failed.
    Temp(&'static str, io::Error),
    /// No thread to be had.
    Thread(io::Error),
}

/// The file that is sealed into, empty, by two descriptors of its own.
pub(super) struct TempFiles {
    pub(super) writer: OwnedFd,
    pub(super) reader: OwnedFd,
}

/// Streams `source` into `temp` and syncs it; with `read_back` reads it again and compares.
pub(super) fn stream(
    source: &Source,
    temp: &TempFiles,
    key: &Key,
    iv: &Iv,
    read_back: bool,
) -> Result<Streamed, StreamError> {
    let plain_bytes = source.fingerprint.size_bytes;
    let sealed_bytes = plain_bytes.saturating_add(IV_BYTES as u64);
    if sealed_bytes <= CHUNK_BYTES as u64 {
        return small::stream(source, temp, key, iv, read_back);
    }
    reserve(&temp.writer, sealed_bytes)?;
    let tagger = Tagger::new(MacKey::derive(key, iv), plain_bytes);
    let (hash_sender, hash_receiver) = bounded(WINDOW_CHUNKS);
    let (tag_sender, tag_receiver) = bounded(CIPHER_CHUNKS);
    let (write_sender, write_receiver) = bounded(CIPHER_CHUNKS);
    let (written_sender, written_receiver) = bounded(WINDOW_CHUNKS);
    std::thread::scope(|scope| {
        let hashing = Builder::new()
            .name("seal-hash".into())
            .spawn_scoped(scope, move || hash(&hash_receiver))
            .map_err(StreamError::Thread)?;
        let tagging = Builder::new()
            .name("seal-tag".into())
            .spawn_scoped(scope, move || tag(tagger, &tag_receiver))
            .map_err(StreamError::Thread)?;
        let writing = Builder::new()
            .name("seal-write".into())
            .spawn_scoped(scope, move || {
                write(&temp.writer, &write_receiver, &written_sender)
            })
            .map_err(StreamError::Thread)?;
        let settling = Builder::new()
            .name("seal-settle".into())
            .spawn_scoped(scope, move || {
                if read_back {
                    read_back::verify(temp, key, iv, &written_receiver)
                } else {
                    sync(temp, &written_receiver)
                }
            })
            .map_err(StreamError::Thread)?;
        let outlets = Outlets {
            hash: hash_sender,
            tag: tag_sender,
            write: write_sender,
        };
        let reading = encrypt(source, key, iv, &outlets);
        // Closes the channels, which ends the other threads one after the other.
        drop(outlets);
        let (plain_sha256, tagger) = (end(hashing), end(tagging));
        let (written, settled) = (end(writing), end(settling));
        reading?;
        written?;
        let settled_bytes = settled?;
        if settled_bytes != sealed_bytes {
            return Err(StreamError::Differs {
                offset_bytes: settled_bytes,
            });
        }
        let sidecar = tagger
            .finish(key.id(), *iv, plain_sha256)
            .ok_or(StreamError::SourceChanged)?;
        Ok(Streamed {
            plain_bytes,
            sidecar,
        })
    })
}

fn end<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sets the space aside: a full disk shows before the work, and writes need not extend the file.
fn reserve(file: &OwnedFd, sealed_bytes: u64) -> Result<(), StreamError> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, sealed_bytes) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(e) => Err(StreamError::Temp("reserve the space for", e.into())),
    }
}

/// Plaintext of one chunk, shared by the hash and the comparison.
struct Plain {
    lent: Lent,
    len: usize,
}

impl Plain {
    fn get(&self) -> &[u8] {
        &self.lent.buffer.get()[..self.len]
    }
}

/// One chunk of the sealed file on its way to the disk.
struct Cipher {
    lent: Lent,
    /// Bytes before the ciphertext: the IV, in the first chunk.
    head: usize,
    len: usize,
    offset_bytes: u64,
    plain: Arc<Plain>,
}

/// One chunk that was handed to the disk.
struct Written {
    len: usize,
    offset_bytes: u64,
    plain: Arc<Plain>,
}

struct Outlets {
    hash: Sender<Arc<Plain>>,
    tag: Sender<Arc<Cipher>>,
    write: Sender<Arc<Cipher>>,
}

/// Reads the plaintext and encrypts it, chunk by chunk; ends by asking whether it was left alone.
fn encrypt(source: &Source, key: &Key, iv: &Iv, outlets: &Outlets) -> Result<(), StreamError> {
    let fail = |e: Errno| StreamError::Source("read", e.into());
    let plain_bytes = source.fingerprint.size_bytes;
    // Advice may be refused; reading works without.
    let _ = rustix::fs::fadvise(&source.file, 0, None, Advice::Sequential);
    let mut keystream = Keystream::new(key, iv);
    let (mut plain_pool, mut cipher_pool) = (Pool::new(WINDOW_CHUNKS), Pool::new(CIPHER_CHUNKS));
    let (mut read_bytes, mut offset_bytes) = (0, 0);
    while offset_bytes == 0 || read_bytes < plain_bytes {
        let head: &[u8] = if offset_bytes == 0 { iv } else { &[] };
        let len = (plain_bytes - read_bytes).min((CHUNK_BYTES - head.len()) as u64) as usize;
        let mut lent = plain_pool.take();
        let got =
            read_full(&source.file, &mut lent.buffer.get_mut()[..len], read_bytes).map_err(fail)?;
        if got < len {
            return Err(StreamError::SourceChanged);
        }
        let plain = Arc::new(Plain { lent, len });
        if outlets.hash.send(Arc::clone(&plain)).is_err() {
            return Ok(());
        }
        let mut lent = cipher_pool.take();
        let (start, rest) = lent.buffer.get_mut().split_at_mut(head.len());
        start.copy_from_slice(head);
        keystream.apply_into(plain.get(), &mut rest[..len]);
        let chunk = Arc::new(Cipher {
            lent,
            head: head.len(),
            len: head.len() + len,
            offset_bytes,
            plain,
        });
        read_bytes += len as u64;
        offset_bytes += chunk.len as u64;
        // The writer is gone only if it failed, and then it is the one to say why.
        if outlets.write.send(Arc::clone(&chunk)).is_err() || outlets.tag.send(chunk).is_err() {
            return Ok(());
        }
    }
    left_alone(source)
}

/// Whether the plaintext is still what it was when it was opened.
fn left_alone(source: &Source) -> Result<(), StreamError> {
    let grown = read_full(&source.file, &mut [0], source.fingerprint.size_bytes)
        .map_err(|e| StreamError::Source("read", e.into()))?
        > 0;
    if grown
        || !source
            .is_unchanged()
            .map_err(|e| StreamError::Source("examine", e.into()))?
    {
        return Err(StreamError::SourceChanged);
    }
    Ok(())
}

fn hash(chunks: &Receiver<Arc<Plain>>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for plain in chunks {
        digest.update(plain.get());
    }
    digest.finalize().into()
}

/// Writes a whole file of a few bytes.
pub(super) fn write_all(temp: &TempFiles, bytes: &[u8]) -> Result<(), StreamError> {
    let fail = |e: Errno| StreamError::Temp("write", e.into());
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::write(&temp.writer, &bytes[done..]) {
            Ok(0) => return Err(fail(Errno::IO)),
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(e) => return Err(fail(e)),
        }
    }
    Ok(())
}

fn tag(mut tagger: Tagger, chunks: &Receiver<Arc<Cipher>>) -> Tagger {
    for chunk in chunks {
        tagger.update(&chunk.lent.buffer.get()[chunk.head..chunk.len]);
    }
    tagger
}

fn write(
    file: &OwnedFd,
    chunks: &Receiver<Arc<Cipher>>,
    written: &Sender<Written>,
) -> Result<(), StreamError> {
    let fail = |e: Errno| StreamError::Temp("write", e.into());
    let mut direct = set_direct(file, true);
    for chunk in chunks {
        let (len, offset_bytes) = (chunk.len, chunk.offset_bytes);
        let mut done = 0;
        while done < len {
            if direct && (len - done) % ALIGN_BYTES != 0 {
                direct = set_direct(file, false);
            }
            let at = offset_bytes + done as u64;
            match rustix::io::pwrite(file, &chunk.lent.buffer.get()[done..len], at) {
                Ok(0) => return Err(fail(Errno::IO)),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(Errno::INVAL) if direct => direct = set_direct(file, false),
                Err(e) => return Err(fail(e)),
            }
        }
        let plain = Arc::clone(&chunk.plain);
        drop(chunk);
        let next = Written {
            len,
            offset_bytes,
            plain,
        };
        if written.send(next).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Syncs once all is written; returns how many bytes that were.
fn sync(temp: &TempFiles, chunks: &Receiver<Written>) -> Result<u64, StreamError> {
    let written_bytes = chunks.iter().map(|chunk| chunk.len as u64).sum();
    rustix::fs::fsync(&temp.writer).map_err(|e| StreamError::Temp("sync", e.into()))?;
    Ok(written_bytes)
}

/// Switches `O_DIRECT`; returns whether it is on. File systems that do not have it refuse.
fn set_direct(file: &OwnedFd, on: bool) -> bool {
    let Ok(flags) = rustix::fs::fcntl_getfl(file) else {
        return false;
    };
    let wanted = if on {
        flags | OFlags::DIRECT
    } else {
        flags - OFlags::DIRECT
    };
    rustix::fs::fcntl_setfl(file, wanted).is_ok() && on
}
