//! The cipher of `.vge` files: AES-256 in counter mode, as a stream.
//!
//! The format is fixed by files that exist: the IV is the first counter block, the counter is a
//! 128-bit big-endian number that wraps (NIST SP 800-38A, F.5.5; `openssl enc -aes-256-ctr`).
//! Counter mode encrypts and decrypts by the same operation, and tells nothing about tampering.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

use super::key::Key;

/// Length of the IV that starts every `.vge` file, in bytes.
pub const IV_BYTES: usize = 16;

/// The first counter block of one file. Must never be used twice with one key.
pub type Iv = [u8; IV_BYTES];

/// A position in the key stream of one file. The round keys are wiped on drop.
pub struct Keystream(Ctr128BE<Aes256>);

impl Keystream {
    /// The key stream from the first byte of the plaintext on.
    pub fn new(key: &Key, iv: &Iv) -> Self {
        Self(Ctr128BE::<Aes256>::new(key.bytes().into(), iv.into()))
    }

    /// Encrypts or decrypts `bytes` in place and moves on by as much.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }

    /// Encrypts or decrypts `input` into `output`, which has the same length, and moves on.
    pub fn apply_into(&mut self, input: &[u8], output: &mut [u8]) {
        self.0.apply_keystream_b2b(input, output);
    }

    /// Goes on at this byte of the stream.
    pub fn seek(&mut self, offset_bytes: u64) {
        self.0.seek(offset_bytes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::vault::hex;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap()
    }

    fn counting_key() -> Key {
        Key::from_bytes(std::array::from_fn(|i| i as u8))
    }

    #[test]
    fn nist_sp_800_38a_f_5_5_first_block() {
        let key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
        let iv: Iv = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        let mut block: [u8; 16] = bytes("6bc1bee22e409f96e93d7e117393172a");
        Keystream::new(&Key::from_bytes(bytes(key)), &iv).apply(&mut block);
        assert_eq!(block, bytes("601ec313775789a5b7a7f504bbf3d228"));
    }

    #[test]
    fn zero_iv() {
        let mut text = [0; 48];
        Keystream::new(&counting_key(), &[0; 16]).apply(&mut text);
        let want = "f29000b62a499fd0a9f39a6add2e7780f05d76ae4ab99fe5a6f69b3148c2363d\
                    0ebcb5deb52c83bd08a8a935182c9199";
        assert_eq!(text, bytes(want));
    }

    #[test]
    fn the_counter_wraps_over_all_128_bits() {
        let want = "e999e41d4ca770da5387117b5d8f57eef29000b62a499fd0a9f39a6add2e7780\
                    f05d76ae4ab99fe5a6f69b3148c2363d";
        let mut text = [0; 48];
        Keystream::new(&counting_key(), &[0xff; 16]).apply(&mut text);
        assert_eq!(text, bytes(want));
    }

    #[test]
    fn a_stream_goes_on_anywhere_even_behind_the_wrap() {
        for iv in [[0xff; 16], [0; 16], [0x80; 16]] {
            let mut whole = [7; 1000];
            Keystream::new(&counting_key(), &iv).apply(&mut whole);
            for offset in [0, 1, 15, 16, 17, 500, 999] {
                let mut rest = vec![7; 1000 - offset];
                let mut stream = Keystream::new(&counting_key(), &iv);
                stream.seek(offset as u64);
                stream.apply(&mut rest);
                assert_eq!(rest, whole[offset..], "{offset}");
            }
        }
    }

    #[test]
    fn pieces_of_any_length_give_the_same_stream() {
        let mut whole = [7; 1000];
        Keystream::new(&counting_key(), &[3; 16]).apply(&mut whole);
        let mut pieces = [0; 1000];
        let mut stream = Keystream::new(&counting_key(), &[3; 16]);
        for piece in pieces.chunks_mut(17) {
            let input = vec![7; piece.len()];
            stream.apply_into(&input, piece);
        }
        assert_eq!(whole, pieces);
    }
}
