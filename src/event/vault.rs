//! The vault's keys. The stream is `vault/keys`.

use serde::{Deserialize, Serialize};

use super::message::bytes;

/// Another key seals from now on; the earlier one is kept in the keyring for what it sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRotated {
    /// Id of the key until now.
    #[serde(with = "bytes")]
    pub from: Vec<u8>,
    /// Id of the key from now on.
    #[serde(with = "bytes")]
    pub to: Vec<u8>,
    /// Whether the recordings under earlier keys are to be encrypted anew under this one.
    pub reencrypt: bool,
}
