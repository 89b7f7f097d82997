//! Keys of models: a prefix, and a name made fit for a key.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::base::ids::hex;
use crate::store::model::KEY_MAX_BYTES;

/// Longest name that is held, bytes.
pub(super) const NAME_MAX_BYTES: usize = 200;
/// Digits of the hash that ends what was cut: 64 bits.
pub(super) const HASH_DIGITS: usize = 16;

/// `prefix` and `name`. What is no printable ASCII, and `%` and `~` themselves, are written %XX, byte
/// by byte. A key that is too long is cut and ends in `~` and the first 16 hex digits of the SHA-256
/// of the name.
pub(super) fn key(prefix: &str, name: &str) -> String {
    let mut key = prefix.to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b'~' || byte == b' ' {
            key.push(char::from(byte));
        } else {
            write!(key, "%{byte:02X}").expect("writing to memory does not fail");
        }
    }
    if key.len() > KEY_MAX_BYTES {
        key.truncate(KEY_MAX_BYTES - HASH_DIGITS - 1);
        key.push('~');
        key.push_str(&hash(name));
    }
    key
}

/// The first digits of the SHA-256 of a name.
pub(super) fn hash(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    hex(&digest[..HASH_DIGITS / 2])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn plain_names_stay_and_others_are_encoded() {
        assert_eq!(key("hw:source:", "nginx"), "hw:source:nginx");
        assert_eq!(key("hst:host:", "web-01 b"), "hst:host:web-01 b");
        assert_eq!(
            key("hst:host:", "zürich\n%~"),
            "hst:host:z%C3%BCrich%0A%25%7E"
        );
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let names = ["a".repeat(1_000), "a".repeat(1_001), "é".repeat(300)];
        let keys: BTreeSet<_> = names.iter().map(|name| key("hw:source:", name)).collect();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| key.len() == KEY_MAX_BYTES));
        let most = "b".repeat(KEY_MAX_BYTES - "hw:source:".len());
        assert!(key("hw:source:", &most).ends_with('b'));
    }
}
