//! States as bytes: the version of the frame (one byte), and CBOR. Nothing follows.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use crate::learn::state::LONGEST_BYTES;

const VERSION: u8 = 1;
/// A frame is little beside the models in it.
const LONGEST_FRAME_BYTES: usize = 2 * LONGEST_BYTES;

pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    ciborium::into_writer(value, &mut bytes).expect("writing to memory does not fail");
    bytes
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    if bytes.len() > LONGEST_FRAME_BYTES {
        return Err(StateError::Frame("too long"));
    }
    let Some((&VERSION, mut rest)) = bytes.split_first() else {
        return Err(StateError::Frame("another version"));
    };
    let value = ciborium::from_reader(&mut rest).map_err(|_| StateError::Frame("damaged"))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(StateError::Frame("bytes follow behind it"))
    }
}
