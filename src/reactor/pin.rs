//! The PIN that disarms: how it is kept, how one is tried, and how often.
//!
//! Kept is only a hash, `pbkdf2_sha256$<salt hex>$<derived key hex>`: PBKDF2 (RFC 8018) with
//! HMAC-SHA256 and 600,000 rounds (OWASP's figure for it), because a PIN of four digits has so few
//! values that only slowness protects it. That slowness is also what could be used against the box;
//! therefore a [`PinGate`] stands before the hash, and lets through one try a second at the most.
//!
//! Absences: no PIN is displayed, serialized, logged, quoted in an error, or left in memory after
//! use. Without a valid hash no PIN is right.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::base::clock::{MINUTE_NS, SECOND_NS, UnixNanos};
use crate::base::ids::hex;
pub use crate::event::house::PinVerdict;

/// Rounds of PBKDF2: OWASP's recommendation for HMAC-SHA256.
const ROUNDS: u32 = 600_000;
const SCHEME: &str = "pbkdf2_sha256";
/// Length of the derived key: one block of SHA-256, so that no attacker computes less than we do.
const KEY_BYTES: usize = 32;
/// Shortest salt: RFC 8018 asks for eight bytes.
const MIN_SALT_BYTES: usize = 8;
/// Longest salt: one block of SHA-256; more adds nothing.
const MAX_SALT_BYTES: usize = 64;

/// Fewest characters of a PIN.
const MIN_PIN_CHARS: usize = 4;
/// Most characters of a PIN: room for a pass phrase, a bound for the rest.
const MAX_PIN_CHARS: usize = 32;

/// The first wrong PIN delays the next try by this; each further one doubles it. It is also the
/// time between any two tries.
const FIRST_DELAY_NS: i64 = SECOND_NS;
/// The longest delay: someone who mistyped often still gets in after it.
const MAX_DELAY_NS: i64 = 5 * MINUTE_NS;
/// So many wrong PINs are an alert, and so many more are the next.
const ALERT_EVERY: u32 = 5;

/// Why a text is no PIN. The text itself is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PinError {
    /// Too short or too long.
    #[error("a PIN has {MIN_PIN_CHARS} to {MAX_PIN_CHARS} characters; choose another")]
    Length,
    /// A character that no keypad has.
    #[error("a PIN holds no control characters such as line ends; choose another")]
    ControlCharacter,
}

/// What somebody typed as their PIN; wiped from memory when dropped.
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes over `text`, which is wiped too when it is no PIN.
    pub fn new(text: String) -> Result<Self, PinError> {
        let text = Zeroizing::new(text);
        if !(MIN_PIN_CHARS..=MAX_PIN_CHARS).contains(&text.chars().count()) {
            return Err(PinError::Length);
        }
        if text.chars().any(char::is_control) {
            return Err(PinError::ControlCharacter);
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin([redacted])")
    }
}

/// Why a text is no hash. The text is not told: from a hash a short PIN can be found by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PinHashError {
    /// Other parts than there should be.
    #[error(
        "the PIN's hash has not the form pbkdf2_sha256$<salt>$<key>; have it made anew from the PIN"
    )]
    Form,
    /// The salt is not hex, or too short or long.
    #[error(
        "the salt of the PIN's hash is not {MIN_SALT_BYTES} to {MAX_SALT_BYTES} bytes in hex; have \
         the hash made anew from the PIN"
    )]
    Salt,
    /// The key is not hex, or has another length.
    #[error(
        "the key of the PIN's hash is not {KEY_BYTES} bytes in hex; have the hash made anew from the \
         PIN"
    )]
    Key,
}

/// What is kept of a PIN.
#[derive(Clone)]
pub struct PinHash {
    salt: Vec<u8>,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl PinHash {
    /// The hash of `pin` with `salt`, which should be 16 random bytes. Takes a good part of a second.
    pub fn make(pin: &Pin, salt: &[u8]) -> Result<Self, PinHashError> {
        if !(MIN_SALT_BYTES..=MAX_SALT_BYTES).contains(&salt.len()) {
            return Err(PinHashError::Salt);
        }
        Ok(Self {
            salt: salt.to_vec(),
            key: derive(pin, salt),
        })
    }

    /// Whether `pin` is the one this was made of. Takes a good part of a second, and as long for a
    /// PIN that is nearly right as for any other.
    pub fn verify(&self, pin: &Pin) -> bool {
        derive(pin, &self.salt).ct_eq(&*self.key).into()
    }

    /// As it is kept in the configuration. There is no `Display`, so that this is never written by
    /// accident.
    pub fn encoded(&self) -> String {
        format!("{SCHEME}${}${}", hex(&self.salt), hex(&*self.key))
    }
}

impl FromStr for PinHash {
    type Err = PinHashError;

    fn from_str(text: &str) -> Result<Self, PinHashError> {
        let mut parts = text.split('$');
        let (Some(SCHEME), Some(salt), Some(key), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PinHashError::Form);
        };
        let salt = bytes(salt, MIN_SALT_BYTES..=MAX_SALT_BYTES).ok_or(PinHashError::Salt)?;
        let key = bytes(key, KEY_BYTES..=KEY_BYTES)
            .and_then(|key| key.try_into().ok())
            .ok_or(PinHashError::Key)?;
        Ok(Self {
            salt,
            key: Zeroizing::new(key),
        })
    }
}

impl fmt::Debug for PinHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinHash([redacted])")
    }
}

fn derive(pin: &Pin, salt: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    pbkdf2::pbkdf2_hmac::<Sha256>(pin.0.as_bytes(), salt, ROUNDS, &mut *key);
    key
}

fn bytes(hex: &str, length: std::ops::RangeInclusive<usize>) -> Option<Vec<u8>> {
    let nibble = |letter: u8| char::from(letter).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if !length.contains(&pairs.len()) {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?))
        .collect()
}

/// Whether a PIN may be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateVerdict {
    /// It may.
    Open,
    /// It may not, and is not to be hashed either.
    Locked {
        /// From then on it may.
        until: UnixNanos,
    },
}

/// How many wrong PINs came in a row. Stored, so that a restart opens no gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinGate {
    failures: u32,
    last_try_at: Option<UnixNanos>,
}

impl PinGate {
    /// The gate after so many wrong PINs, the last of them at `last_try_at`.
    pub fn restored(failures: u32, last_try_at: UnixNanos) -> Self {
        Self {
            failures,
            last_try_at: (failures > 0).then_some(last_try_at),
        }
    }

    /// Wrong PINs since the last correct one.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether a PIN may be tried at `now`. Changes nothing but a last try that lies in the future:
    /// after the clock was set back, its delay begins anew, so that nobody is locked out for the
    /// hours in between.
    pub fn verdict(&mut self, now: UnixNanos) -> GateVerdict {
        let Some(last) = self.last_try_at.as_mut() else {
            return GateVerdict::Open;
        };
        *last = now.min(*last);
        let until = last.saturating_add(delay(self.failures));
        if now < until {
            GateVerdict::Locked { until }
        } else {
            GateVerdict::Open
        }
    }

    /// Takes note of a try at `now`. True when so many wrong PINs came that somebody should be told:
    /// at the fifth, and at every fifth after it.
    pub fn record(&mut self, now: UnixNanos, correct: bool) -> bool {
        self.last_try_at = Some(now);
        if correct {
            self.failures = 0;
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.failures.is_multiple_of(ALERT_EVERY)
    }
}

/// How long after a try the next one must wait, when `failures` came in a row.
fn delay(failures: u32) -> i64 {
    let doublings = failures.saturating_sub(1).min(32);
    (FIRST_DELAY_NS << doublings).min(MAX_DELAY_NS)
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// For the alarm.
    pub verdict: PinVerdict,
    /// Whether this wrong PIN is one too many, and somebody should be told.
    pub alert: bool,
}

/// Tries what a request gave as its PIN against `hash`; `None` stands for a hash that is not there
/// or is malformed, and then nothing is right. Computes at most one hash, and none while `gate` is
/// closed or when `given` cannot be a PIN.
pub fn try_pin(
    hash: Option<&PinHash>,
    gate: &mut PinGate,
    given: Option<&str>,
    now: UnixNanos,
) -> Tried {
    let quiet = |verdict| Tried {
        verdict,
        alert: false,
    };
    let Some(hash) = hash else {
        return quiet(PinVerdict::Unconfigured);
    };
    let Some(given) = given else {
        return quiet(PinVerdict::Absent);
    };
    if gate.verdict(now) != GateVerdict::Open {
        return quiet(PinVerdict::Locked);
    }
    let correct = Pin::new(given.to_owned()).is_ok_and(|pin| hash.verify(&pin));
    let alert = gate.record(now, correct);
    let verdict = if correct {
        PinVerdict::Correct
    } else {
        PinVerdict::Wrong
    };
    Tried { verdict, alert }
}

#[cfg(test)]
mod tests;
