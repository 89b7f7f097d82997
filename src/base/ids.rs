//! Identifiers that are computed, and the random source for those that are not.
//!
//! An event's id is a UUIDv8 (RFC 9562 §5.8) computed from the site's id and the event's position:
//! it needs no column and no index, and is the same after every rebuild.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Random bytes from the operating system.
///
/// # Panics
/// When the kernel has no random source, which no supported system lacks.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel's random source answers");
    bytes
}

/// A fresh random UUIDv4.
pub fn random_uuid() -> Uuid {
    uuid::Builder::from_random_bytes(random()).into_uuid()
}

/// The id of the event at `position` of the site `site`: UUIDv8 over SHA-256(site ‖ position as
/// u64 big-endian).
pub fn event_id(site: Uuid, position: i64) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(site.as_bytes());
    hash.update((position as u64).to_be_bytes());
    uuid::Builder::from_custom_bytes(first_16(&hash.finalize())).into_uuid()
}

/// 128-bit digest of a message: SHA-256(topic length as u32 big-endian ‖ topic ‖ payload), cut.
pub fn message_hash(topic: &str, payload: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update((topic.len() as u32).to_be_bytes());
    hash.update(topic.as_bytes());
    hash.update(payload);
    first_16(&hash.finalize())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn first_16(bytes: &[u8]) -> [u8; 16] {
    bytes[..16].try_into().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_a_uuid_v8_and_depends_on_site_and_position() {
        let site = Uuid::from_u128(1);
        let id = event_id(site, 42);
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id, event_id(site, 42));
        assert_ne!(id, event_id(site, 43));
        assert_ne!(id, event_id(Uuid::from_u128(2), 42));
    }

    #[test]
    fn topic_and_payload_do_not_run_into_each_other() {
        assert_ne!(message_hash("ab", b"c"), message_hash("a", b"bc"));
    }
}
