//! Memory for chunks: a bounded number of aligned buffers that go round.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{ALIGN_BYTES, CHUNK_BYTES};

/// One chunk's worth of memory at an address that `O_DIRECT` takes.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        let bytes = vec![0; CHUNK_BYTES + ALIGN_BYTES];
        let start = bytes.as_ptr().align_offset(ALIGN_BYTES);
        Self { bytes, start }
    }

    pub(super) fn get(&self) -> &[u8] {
        &self.bytes[self.start..self.start + CHUNK_BYTES]
    }

    pub(super) fn get_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + CHUNK_BYTES]
    }
}

/// A bounded number of buffers, made when first needed.
pub(super) struct Pool {
    sender: Sender<Buffer>,
    receiver: Receiver<Buffer>,
    to_make: usize,
}

impl Pool {
    pub(super) fn new(buffers: usize) -> Self {
        let (sender, receiver) = bounded(buffers);
        Self {
            sender,
            receiver,
            to_make: buffers,
        }
    }

    /// A buffer with whatever was in it; waits until one comes home.
    pub(super) fn take(&mut self) -> Lent {
        let buffer = match self.receiver.try_recv() {
            Ok(buffer) => buffer,
            Err(_) if self.to_make > 0 => {
                self.to_make -= 1;
                Buffer::new()
            }
            Err(_) => self
                .receiver
                .recv()
                .expect("the pool itself holds a sender"),
        };
        Lent {
            buffer,
            home: self.sender.clone(),
        }
    }
}

/// A buffer that goes home when it is dropped, also when a thread that held it failed.
pub(super) struct Lent {
    pub(super) buffer: Buffer,
    home: Sender<Buffer>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Never waits, as the channel has room for all; fails when the pool is gone.
        let _ = self.home.send(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_home_and_are_as_aligned_as_direct_io_asks() {
        let mut pool = Pool::new(2);
        for _ in 0..5 {
            let (a, b) = (pool.take(), pool.take());
            for lent in [&a, &b] {
                assert_eq!(lent.buffer.get().as_ptr().addr() % ALIGN_BYTES, 0);
                assert_eq!(lent.buffer.get().len(), CHUNK_BYTES);
            }
        }
        assert_eq!(pool.to_make, 0);
    }
}
