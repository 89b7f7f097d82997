//! Reading back: what the device has is what was meant to be written.

use std::os::fd::OwnedFd;

use crossbeam_channel::Receiver;
use rustix::fs::Advice;
use rustix::io::Errno;

use super::buffers::Buffer;
use super::{ALIGN_BYTES, SYNC_CHUNKS, StreamError, TempFiles, Written, set_direct};
use crate::vault::cipher::{Iv, Keystream};
use crate::vault::key::Key;
use crate::vault::unseal::read_full;

/// Syncs, reads back, decrypts and compares; returns how many bytes of the file are proven.
pub(super) fn verify(
    temp: &TempFiles,
    key: &Key,
    iv: &Iv,
    chunks: &Receiver<Written>,
) -> Result<u64, StreamError> {
    let unsynced = |e: Errno| StreamError::Temp("sync", e.into());
    let mut read_back = ReadBack::new(temp, key, iv);
    let mut proven_bytes = 0;
    let mut run = Vec::with_capacity(SYNC_CHUNKS);
    loop {
        let open = match chunks.recv() {
            Ok(chunk) => {
                run.push(chunk);
                true
            }
            Err(_) => false,
        };
        if open && run.len() < SYNC_CHUNKS {
            continue;
        }
        if open {
            rustix::fs::fdatasync(&temp.writer).map_err(unsynced)?;
        } else {
            rustix::fs::fsync(&temp.writer).map_err(unsynced)?;
        }
        for chunk in run.drain(..) {
            read_back.compare(&chunk)?;
            proven_bytes += chunk.len as u64;
        }
        if !open {
            return Ok(proven_bytes);
        }
    }
}

pub(super) struct ReadBack<'a> {
    file: &'a OwnedFd,
    direct: bool,
    keystream: Keystream,
    iv: &'a Iv,
    buffer: Buffer,
}

impl<'a> ReadBack<'a> {
    pub(super) fn new(temp: &'a TempFiles, key: &Key, iv: &'a Iv) -> Self {
        Self {
            file: &temp.reader,
            direct: set_direct(&temp.reader, true),
            keystream: Keystream::new(key, iv),
            iv,
            buffer: Buffer::new(),
        }
    }

    /// Compares a chunk with what the device has of it.
    fn compare(&mut self, chunk: &Written) -> Result<(), StreamError> {
        self.compare_with(chunk.offset_bytes, chunk.len, chunk.plain.get())
    }

    /// Compares `len` bytes of the sealed file with the plaintext in them.
    pub(super) fn compare_with(
        &mut self,
        offset_bytes: u64,
        len: usize,
        plain: &[u8],
    ) -> Result<(), StreamError> {
        let differs = Err(StreamError::Differs { offset_bytes });
        if self.fill(offset_bytes, len)? < len {
            return differs;
        }
        let bytes = &mut self.buffer.get_mut()[..len];
        let (head, cipher) = bytes.split_at_mut(len - plain.len());
        if !head.is_empty() && head != self.iv {
            return differs;
        }
        self.keystream.apply(cipher);
        if cipher == plain { Ok(()) } else { differs }
    }

    /// Reads `len` bytes from the device, as far as the system lets us; fewer at the file's end.
    fn fill(&mut self, offset_bytes: u64, len: usize) -> Result<usize, StreamError> {
        let fail = |e: Errno| StreamError::Temp("read back", e.into());
        if self.direct {
            let whole = len.next_multiple_of(ALIGN_BYTES);
            match rustix::io::pread(self.file, &mut self.buffer.get_mut()[..whole], offset_bytes) {
                Ok(got) if got >= len => return Ok(got),
                // Fewer than asked for: the rest may not be aligned. EINVAL: not for this device.
                Ok(_) | Err(Errno::INTR | Errno::INVAL) => {
                    self.direct = set_direct(self.file, false);
                }
                Err(e) => return Err(fail(e)),
            }
        }
        // Without O_DIRECT: synced pages can be dropped, so that the read has to ask the device.
        let range = std::num::NonZeroU64::new(len as u64);
        let _ = rustix::fs::fadvise(self.file, offset_bytes, range, Advice::DontNeed);
        read_full(self.file, &mut self.buffer.get_mut()[..len], offset_bytes).map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;

    use crossbeam_channel::bounded;

    use super::super::Plain;
    use super::super::buffers::Pool;
    use super::*;
    use crate::vault::cipher::IV_BYTES;

    const LEN: usize = 100_000;

    /// Lets the read-back judge a file that was sealed as `plain` and then spoiled.
    fn judge(spoil: fn(&File)) -> Result<u64, StreamError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("temp");
        let file = File::create(&path).unwrap();
        let (key, iv) = (Key::from_bytes([3; 32]), [4; IV_BYTES]);
        let mut lent = Pool::new(1).take();
        lent.buffer.get_mut()[..LEN].fill(7);
        let plain = Arc::new(Plain { lent, len: LEN });
        let mut bytes = [&iv[..], plain.get()].concat();
        Keystream::new(&key, &iv).apply(&mut bytes[IV_BYTES..]);
        file.write_all_at(&bytes, 0).unwrap();
        spoil(&file);
        let temp = TempFiles {
            writer: file.into(),
            reader: File::open(&path).unwrap().into(),
        };
        let (sender, receiver) = bounded(1);
        sender
            .send(Written {
                len: LEN + IV_BYTES,
                offset_bytes: 0,
                plain,
            })
            .ok()
            .unwrap();
        drop(sender);
        verify(&temp, &key, &iv, &receiver)
    }

    #[test]
    fn the_read_back_finds_every_kind_of_damage() {
        assert!(matches!(judge(|_| {}), Ok(bytes) if bytes == (LEN + IV_BYTES) as u64));
        let spoilers: [fn(&File); 5] = [
            |file| file.write_all_at(&[0], 0).unwrap(),
            |file| file.write_all_at(&[0], IV_BYTES as u64 - 1).unwrap(),
            |file| file.write_all_at(&[0; 4], 50_000).unwrap(),
            |file| file.write_all_at(&[0; 4], LEN as u64).unwrap(),
            |file| file.set_len((LEN + IV_BYTES - 1) as u64).unwrap(),
        ];
        for spoil in spoilers {
            assert!(matches!(
                judge(spoil),
                Err(StreamError::Differs { offset_bytes: 0 })
            ));
        }
    }
}
