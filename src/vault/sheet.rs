//! The recovery sheet: a key on paper.
//!
//! Without the key every recording is lost, and the key lives on the same disk as they do. The
//! sheet is what the owner writes down or prints: 56 letters and digits in groups of four, whose
//! last bytes are a checksum, so that a slip of the pen is found when the sheet is read back and
//! not when recordings turn out to be noise.
//!
//! Format: base32 (RFC 4648, no padding) of `key (32 bytes) ‖ checksum (3 bytes)`, where the
//! checksum is the start of `SHA-256("nightjar/recovery-sheet/v1" ‖ key)`. 35 bytes fill 56
//! base32 digits exactly, so that no digit has spare bits which could differ unseen.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, Key, KeyId};

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CHECKSUM_BYTES: usize = 3;
const PAYLOAD_BYTES: usize = KEY_BYTES + CHECKSUM_BYTES;
const DIGITS: usize = PAYLOAD_BYTES * 8 / 5;
const GROUP_DIGITS: usize = 4;

/// A key as text for paper. Wiped on drop, redacted in `Debug`, and not to be cloned.
pub struct RecoverySheet {
    text: Zeroizing<String>,
    key_id: KeyId,
}

impl RecoverySheet {
    /// The sheet of `key`.
    pub fn of(key: &Key) -> Self {
        let mut payload = Zeroizing::new([0; PAYLOAD_BYTES]);
        payload[..KEY_BYTES].copy_from_slice(key.bytes());
        payload[KEY_BYTES..].copy_from_slice(&checksum(key));
        Self {
            text: encode(&payload),
            key_id: key.id(),
        }
    }

    /// The 14 groups of four digits with spaces between them. Print it once, log it never.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The public name of the key, to be printed beside the groups.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Reads a sheet back. Case, spaces, line ends and dashes do not matter; `0` is read as `O`
    /// and `8` as `B`, which base32 has no digits for.
    pub fn parse(text: &str) -> Result<Key, SheetError> {
        let payload = decode(text)?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes.copy_from_slice(&payload[..KEY_BYTES]);
        let key = Key::from_bytes(*bytes);
        if payload[KEY_BYTES..] == checksum(&key) {
            Ok(key)
        } else {
            Err(SheetError::Checksum)
        }
    }
}

impl fmt::Debug for RecoverySheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoverySheet([redacted], {:?})", self.key_id)
    }
}

/// Why a text is not a recovery sheet. Never repeats what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    /// A character that base32 does not have.
    #[error("character {position} of the recovery sheet is neither a letter nor 2 to 7; check it")]
    Character {
        /// Counted from 1, without spaces and dashes.
        position: usize,
    },
    /// Too short or too long.
    #[error("the recovery sheet has {digits} characters instead of 56; look for a missed group")]
    Length {
        /// How many were found.
        digits: usize,
    },
    /// Well-formed, but not what was printed.
    #[error("the recovery sheet does not add up: at least one character is mistyped")]
    Checksum,
}

fn checksum(key: &Key) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::new()
        .chain_update(b"nightjar/recovery-sheet/v1")
        .chain_update(key.bytes())
        .finalize();
    std::array::from_fn(|i| digest[i])
}

fn encode(payload: &[u8; PAYLOAD_BYTES]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(DIGITS + DIGITS / GROUP_DIGITS));
    for digit in 0..DIGITS {
        if digit > 0 && digit % GROUP_DIGITS == 0 {
            text.push(' ');
        }
        let value = (0..5).fold(0, |value, i| {
            let bit = digit * 5 + i;
            value << 1 | (payload[bit / 8] >> (7 - bit % 8) & 1)
        });
        text.push(char::from(ALPHABET[usize::from(value)]));
    }
    text
}

fn decode(text: &str) -> Result<Zeroizing<[u8; PAYLOAD_BYTES]>, SheetError> {
    let mut payload = Zeroizing::new([0; PAYLOAD_BYTES]);
    let mut digits = 0;
    for character in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let letter = match character.to_ascii_uppercase() {
            '0' => 'O',
            '8' => 'B',
            other => other,
        };
        let value = ALPHABET
            .iter()
            .position(|a| char::from(*a) == letter)
            .ok_or(SheetError::Character {
                position: digits + 1,
            })?;
        if digits < DIGITS {
            for i in 0..5 {
                let bit = digits * 5 + i;
                payload[bit / 8] |= ((value >> (4 - i) & 1) as u8) << (7 - bit % 8);
            }
        }
        digits += 1;
    }
    if digits == DIGITS {
        Ok(payload)
    } else {
        Err(SheetError::Length { digits })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key() -> Key {
        Key::from_bytes(std::array::from_fn(|i| (i * 37 + 5) as u8))
    }

    #[test]
    fn the_format_is_frozen() {
        // Made independently with Python's base64.b32encode and hashlib.
        let want = "AUVE 65EZ X3RQ QLKS O6OM DZQL GBKX VH6E 5EHD GWD5 ULD6 YEJW LOAE PGIB";
        let sheet = RecoverySheet::of(&key());
        assert_eq!(sheet.reveal(), want);
        assert_eq!(sheet.key_id(), key().id());
    }

    #[test]
    fn what_was_printed_is_read_back_however_it_is_typed() {
        let sheet = RecoverySheet::of(&key());
        let printed = sheet.reveal();
        for typed in [
            printed.to_owned(),
            printed.to_lowercase(),
            printed.replace(' ', ""),
            printed.replace(' ', "-\r\n"),
            printed.replace('O', "0").replace('B', "8"),
        ] {
            assert_eq!(RecoverySheet::parse(&typed).unwrap().bytes(), key().bytes());
        }
    }

    #[test]
    fn every_single_typo_and_every_swap_of_neighbours_is_found() {
        let sheet = RecoverySheet::of(&key());
        let printed: Vec<u8> = sheet.reveal().bytes().filter(|b| *b != b' ').collect();
        let parse = |digits: Vec<u8>| RecoverySheet::parse(&String::from_utf8(digits).unwrap());
        let mut tried = 0;
        for at in 0..printed.len() {
            for wrong in ALPHABET.iter().filter(|a| **a != printed[at]) {
                let mut typed = printed.clone();
                typed[at] = *wrong;
                assert_eq!(parse(typed).unwrap_err(), SheetError::Checksum);
                tried += 1;
            }
            if at > 0 && printed[at] != printed[at - 1] {
                let mut typed = printed.clone();
                typed.swap(at, at - 1);
                assert_eq!(parse(typed).unwrap_err(), SheetError::Checksum);
            }
        }
        assert_eq!(tried, 56 * 31);
    }

    #[test]
    fn a_missing_group_and_a_foreign_character_are_named() {
        let sheet = RecoverySheet::of(&key());
        let printed = sheet.reveal();
        let error = RecoverySheet::parse(&printed[5..]).unwrap_err();
        assert_eq!(error, SheetError::Length { digits: 52 });
        let error = RecoverySheet::parse(&format!("{printed} AAAA")).unwrap_err();
        assert_eq!(error, SheetError::Length { digits: 60 });
        let error = RecoverySheet::parse(&format!("AB1{printed}")).unwrap_err();
        assert_eq!(error, SheetError::Character { position: 3 });
        assert!(RecoverySheet::parse("").is_err());
    }

    #[test]
    fn debug_shows_no_digit_of_the_key() {
        let sheet = RecoverySheet::of(&key());
        let shown = format!("{sheet:?}");
        assert!(
            sheet
                .reveal()
                .split(' ')
                .all(|group| !shown.contains(group)),
            "{shown}"
        );
    }
}
