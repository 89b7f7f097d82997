//! A model as bytes: a CBOR sequence (RFC 8742) of two items, the version (one byte below 24) and the
//! model. Nothing follows.
//!
//! Floating-point numbers come back bit for bit: CBOR stores them in the shortest form that is exact.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ModelError;

/// Longer states are not looked into: three times the largest forest that settings allow.
pub const LONGEST_BYTES: usize = 4 << 20;

/// Writes `model` as of `version`.
pub(super) fn encode(version: u8, model: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![version];
    ciborium::into_writer(model, &mut bytes).expect("writing to memory does not fail");
    bytes
}

/// Reads what [`encode`] wrote; its figures are for the caller to check.
pub(super) fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, ModelError> {
    if bytes.len() > LONGEST_BYTES {
        return Err(ModelError::TooLong(bytes.len()));
    }
    let mut rest = match bytes.split_first() {
        Some((&found, rest)) if found == version => rest,
        other => {
            return Err(ModelError::Version {
                found: other.map(|(&found, _)| found),
                known: version,
            });
        }
    };
    let model = ciborium::from_reader(&mut rest)
        .map_err(|error| ModelError::Malformed(error.to_string()))?;
    if rest.is_empty() {
        Ok(model)
    } else {
        Err(ModelError::Trailing(rest.len()))
    }
}
