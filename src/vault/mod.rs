//! The vault: recordings sealed as `.vge` files.
//!
//! A `.vge` file is `IV (16 bytes) ‖ AES-256-CTR ciphertext`, byte-compatible with files that exist
//! and with `openssl enc`. The format has no header, so a wrong key decrypts to noise without
//! complaint; that is why sealing reads everything back before a plaintext may go.
//!
//! Invariants: at every instant there is one complete copy of a recording; no file is ever
//! overwritten; nothing is opened through a symbolic link or outside the recordings folder; this
//! module knows no database and no events, so what may be unlinked and when is for its callers.

pub mod admission;
pub mod auth;
pub mod cipher;
pub mod folder;
pub mod hex;
pub mod key;
pub mod keyring;
pub mod many;
pub mod names;
mod pipeline;
pub mod reader;
pub mod recovery;
pub mod removal;
pub mod reseal;
pub mod rotation;
pub mod scan;
pub mod seal;
pub mod sheet;
pub mod sidecar;
pub mod unseal;
pub mod verify;
mod writers;

#[cfg(test)]
mod tests;
