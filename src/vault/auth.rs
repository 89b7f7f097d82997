//! The sidecar `f.vge.auth`: what makes a `.vge` file tamper-evident without touching it.
//!
//! Counter mode is malleable: whoever flips a bit of the ciphertext flips that bit of the plaintext,
//! unseen and without a key. The sidecar holds a tag for every 64 KiB of ciphertext, and one over
//! itself. Its bytes, in this order:
//!
//! - the header, a CBOR map (RFC 8949) with the keys in this order: `v` 1, `key_id` (8 bytes), `iv`
//!   (16 bytes), `ct_len` (bytes of ciphertext, the IV not counted), `chunk` 65536, `n_chunks`,
//!   `plain_sha256` (32 bytes);
//! - `n_chunks` tags of 16 bytes: `HMAC-SHA256(K, 0x01 ‖ i as u64 ‖ last as u8 ‖ ciphertext_i)`,
//!   cut to 16 bytes; numbers big-endian, `last` is 1 for the last chunk and 0 for the others;
//! - the header tag, 32 bytes: `HMAC-SHA256(K, 0x02 ‖ header ‖ all tags)`.
//!
//! `K = HKDF-SHA256(master key, salt = IV, info = "nightjar/vge/mac/v1")`, 32 bytes (RFC 5869), so a
//! tag is good for one file only. A chunk's tag speaks for its content, its place and whether the
//! file ends there; the header tag for the rest. Cost: 0.024 % of the size.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::Iv;
use super::hex;
use super::key::{Key, KeyId};

/// Bytes of ciphertext under one tag.
pub const CHUNK_BYTES: usize = 65_536;
/// Bytes of a chunk's tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of the header tag.
pub const HEADER_TAG_BYTES: usize = 32;
/// Longest header that is looked at, bytes; ours have at most 160.
pub(super) const HEADER_MAX_BYTES: usize = 512;

/// Tags for which there is room from the start: those of 4 GiB.
const ROOM_MAX_CHUNKS: u64 = 65_536;

const VERSION: u64 = 1;
const INFO: &[u8] = b"nightjar/vge/mac/v1";

/// The tag over a whole sidecar, and so over the whole file: what the event log remembers of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeaderTag(
    /// The bytes as they are stored.
    pub [u8; HEADER_TAG_BYTES],
);

impl fmt::Display for HeaderTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for HeaderTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderTag({self})")
    }
}

/// What a sidecar says of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The key that opens the file.
    pub key_id: KeyId,
    /// The file's IV.
    pub iv: Iv,
    /// Length of the ciphertext, bytes, which is that of the plaintext.
    pub ct_len: u64,
    /// SHA-256 of the plaintext.
    pub plain_sha256: [u8; 32],
}

/// The header on disk; the fields in the order of the format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    #[serde(with = "fixed")]
    key_id: [u8; 8],
    #[serde(with = "fixed")]
    iv: Iv,
    ct_len: u64,
    chunk: u64,
    n_chunks: u64,
    #[serde(with = "fixed")]
    plain_sha256: [u8; 32],
}

/// A byte string of fixed length.
mod fixed {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        deserializer.deserialize_bytes(Fixed)
    }

    struct Fixed<const N: usize>;

    impl<const N: usize> Visitor<'_> for Fixed<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
            bytes
                .try_into()
                .map_err(|_| E::invalid_length(bytes.len(), &self))
        }
    }
}

/// Why bytes are no sidecar that this program can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SidecarError {
    /// A newer program wrote it.
    #[error("its sidecar has version {found}, and this program knows {VERSION}; update nightjar")]
    Newer {
        /// The version found.
        found: u64,
    },
    /// It is not what the format demands.
    #[error("its sidecar is damaged: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
}

const fn malformed(reason: &'static str) -> SidecarError {
    SidecarError::Malformed { reason }
}

impl Header {
    /// Number of chunks; none for an empty plaintext.
    pub const fn chunks(&self) -> u64 {
        self.ct_len.div_ceil(CHUNK_BYTES as u64)
    }

    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let wire = Wire {
            v: VERSION,
            key_id: self.key_id.0,
            iv: self.iv,
            ct_len: self.ct_len,
            chunk: CHUNK_BYTES as u64,
            n_chunks: self.chunks(),
            plain_sha256: self.plain_sha256,
        };
        let mut bytes = Vec::with_capacity(HEADER_MAX_BYTES);
        ciborium::into_writer(&wire, &mut bytes).expect("plain data, and memory takes it");
        bytes
    }

    /// The header at the beginning of a sidecar, and its length.
    ///
    /// Only the very bytes that [`encode`](Self::encode) makes are taken: a format with one way to
    /// say a thing leaves nothing to argue about.
    pub fn decode(start: &[u8]) -> Result<(Self, usize), SidecarError> {
        let start = &start[..start.len().min(HEADER_MAX_BYTES)];
        let value: ciborium::Value = ciborium::de::from_reader_with_recursion_limit(start, 4)
            .map_err(|_| malformed("no CBOR at its beginning"))?;
        let version = value.as_map().and_then(|map| {
            let (_, value) = map.iter().find(|(key, _)| key.as_text() == Some("v"))?;
            u64::try_from(value.as_integer()?).ok()
        });
        match version {
            Some(VERSION) => {}
            Some(found) if found > VERSION => return Err(SidecarError::Newer { found }),
            _ => return Err(malformed("no version in its header")),
        }
        let wire: Wire = value
            .deserialized()
            .map_err(|_| malformed("its header has other fields"))?;
        let header = Self {
            key_id: KeyId(wire.key_id),
            iv: wire.iv,
            ct_len: wire.ct_len,
            plain_sha256: wire.plain_sha256,
        };
        let bytes = header.encode();
        if start.starts_with(&bytes) {
            Ok((header, bytes.len()))
        } else {
            Err(malformed("its header is written otherwise"))
        }
    }

    /// Length of ciphertext chunk `index`, bytes.
    pub const fn chunk_len(&self, index: u64) -> usize {
        let before = index.saturating_mul(CHUNK_BYTES as u64);
        let left = self.ct_len.saturating_sub(before);
        if left < CHUNK_BYTES as u64 {
            left as usize
        } else {
            CHUNK_BYTES
        }
    }
}

/// A whole sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// What it says of its file.
    pub header: Header,
    tags: Vec<u8>,
    /// The tag over header and tags.
    pub header_tag: HeaderTag,
}

impl Sidecar {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        [&self.header.encode(), &self.tags[..], &self.header_tag.0].concat()
    }

    /// Reads the bytes of a file. Nothing is proven yet: see [`Mac::proves`](MacKey::proves).
    pub fn decode(bytes: &[u8]) -> Result<Self, SidecarError> {
        let (header, len) = Header::decode(bytes)?;
        let tags_len = usize::try_from(header.chunks())
            .ok()
            .and_then(|chunks| chunks.checked_mul(TAG_BYTES))
            .ok_or(malformed("its header names too many chunks"))?;
        let rest = &bytes[len..];
        if rest.len() != tags_len.saturating_add(HEADER_TAG_BYTES) {
            return Err(malformed("its length is not that of its tags"));
        }
        let (tags, header_tag) = rest.split_at(tags_len);
        Ok(Self {
            header,
            tags: tags.to_vec(),
            header_tag: HeaderTag(header_tag.try_into().expect("the length was just checked")),
        })
    }

    /// The tag of a chunk; the chunk must exist.
    pub(super) fn tag(&self, index: u64) -> [u8; TAG_BYTES] {
        let at = index as usize * TAG_BYTES;
        self.tags[at..at + TAG_BYTES]
            .try_into()
            .expect("the slice has this length")
    }
}

/// Where the tag of chunk `index` lies in a sidecar whose header has `header_len` bytes.
pub(super) const fn tag_offset(header_len: usize, index: u64) -> u64 {
    header_len as u64 + index * TAG_BYTES as u64
}

/// The key of one file's tags, ready for use. Its state is zeroized on drop by the crates.
#[derive(Clone)]
pub(super) struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(super) fn derive(key: &Key, iv: &Iv) -> Self {
        let mut derived = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(iv), key.bytes())
            .expand(INFO, &mut *derived)
            .expect("32 bytes are within what HKDF can give");
        Self(Hmac::new_from_slice(&*derived).expect("HMAC takes keys of any length"))
    }

    fn begin_chunk(&self, index: u64, last: bool) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(&[1]);
        mac.update(&index.to_be_bytes());
        mac.update(&[u8::from(last)]);
        mac
    }

    /// Whether `tag` is that of this ciphertext in this place of a file of `header`'s length.
    pub(super) fn proves_chunk(
        &self,
        header: &Header,
        index: u64,
        ciphertext: &[u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        let mut mac = self.begin_chunk(index, index + 1 == header.chunks());
        mac.update(ciphertext);
        mac.verify_truncated_left(tag).is_ok()
    }

    fn header_tag(&self, header: &[u8], tags: &[u8]) -> HeaderTag {
        let mut mac = self.0.clone();
        mac.update(&[2]);
        mac.update(header);
        mac.update(tags);
        HeaderTag(mac.finalize().into_bytes().into())
    }

    /// Whether the sidecar was made with this key, and for the file whose IV made it.
    pub(super) fn proves(&self, sidecar: &Sidecar) -> bool {
        let made = self.header_tag(&sidecar.header.encode(), &sidecar.tags);
        made.0.ct_eq(&sidecar.header_tag.0).into()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey([redacted])")
    }
}

/// Makes the tags of a file from its ciphertext, in pieces of any length.
pub(super) struct Tagger {
    key: MacKey,
    ct_len: u64,
    seen: u64,
    chunk: Option<Hmac<Sha256>>,
    tags: Vec<u8>,
}

impl Tagger {
    /// For a ciphertext of `ct_len` bytes.
    pub(super) fn new(key: MacKey, ct_len: u64) -> Self {
        let chunks = ct_len.div_ceil(CHUNK_BYTES as u64);
        // A length that a sparse file claims costs no memory before its bytes were seen.
        let room = chunks.min(ROOM_MAX_CHUNKS) as usize * TAG_BYTES;
        Self {
            key,
            ct_len,
            seen: 0,
            chunk: None,
            tags: Vec::with_capacity(room),
        }
    }

    /// The next piece.
    pub(super) fn update(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let chunk_bytes = CHUNK_BYTES as u64;
            let (index, within) = (self.seen / chunk_bytes, self.seen % chunk_bytes);
            let take = piece.len().min(CHUNK_BYTES - within as usize);
            let last = (index + 1).saturating_mul(chunk_bytes) >= self.ct_len;
            let mac = self
                .chunk
                .get_or_insert_with(|| self.key.begin_chunk(index, last));
            mac.update(&piece[..take]);
            self.seen += take as u64;
            piece = &piece[take..];
            if self.seen.is_multiple_of(chunk_bytes) || self.seen == self.ct_len {
                self.end_chunk();
            }
        }
    }

    fn end_chunk(&mut self) {
        if let Some(mac) = self.chunk.take() {
            let tag = mac.finalize().into_bytes();
            self.tags.extend_from_slice(&tag[..TAG_BYTES]);
        }
    }

    /// The sidecar, once all ciphertext was seen; none if there was less or more of it.
    pub(super) fn finish(
        mut self,
        key_id: KeyId,
        iv: Iv,
        plain_sha256: [u8; 32],
    ) -> Option<Sidecar> {
        if self.seen != self.ct_len {
            return None;
        }
        let header = Header {
            key_id,
            iv,
            ct_len: self.ct_len,
            plain_sha256,
        };
        let tags = std::mem::take(&mut self.tags);
        let header_tag = self.key.header_tag(&header.encode(), &tags);
        Some(Sidecar {
            header,
            tags,
            header_tag,
        })
    }
}

/// How many bytes a sidecar of a file of `ct_len` bytes has at most.
pub(super) fn sidecar_max_bytes(ct_len: u64) -> u64 {
    ct_len
        .div_ceil(CHUNK_BYTES as u64)
        .saturating_mul(TAG_BYTES as u64)
        .saturating_add((HEADER_MAX_BYTES + HEADER_TAG_BYTES) as u64)
}
