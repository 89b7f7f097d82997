//! The way of a small clip: one buffer, one thread. Thousands of them may come at once, and starting
//! four threads for each would take longer than sealing it.

use sha2::{Digest, Sha256};

use super::read_back::ReadBack;
use super::{StreamError, Streamed, TempFiles, left_alone};
use crate::vault::admission::Source;
use crate::vault::auth::{MacKey, Tagger};
use crate::vault::cipher::{IV_BYTES, Iv, Keystream};
use crate::vault::key::Key;
use crate::vault::unseal::read_full;

pub(super) fn stream(
    source: &Source,
    temp: &TempFiles,
    key: &Key,
    iv: &Iv,
    read_back: bool,
) -> Result<Streamed, StreamError> {
    let plain_bytes = source.fingerprint.size_bytes;
    let mut plain = vec![0; plain_bytes as usize];
    let got = read_full(&source.file, &mut plain, 0)
        .map_err(|e| StreamError::Source("read", e.into()))?;
    if got < plain.len() {
        return Err(StreamError::SourceChanged);
    }
    left_alone(source)?;
    let mut sealed = vec![0; IV_BYTES + plain.len()];
    let (head, ciphertext) = sealed.split_at_mut(IV_BYTES);
    head.copy_from_slice(iv);
    Keystream::new(key, iv).apply_into(&plain, ciphertext);
    let mut tagger = Tagger::new(MacKey::derive(key, iv), plain_bytes);
    tagger.update(ciphertext);
    let sidecar = tagger
        .finish(key.id(), *iv, Sha256::digest(&plain).into())
        .ok_or(StreamError::SourceChanged)?;
    super::write_all(temp, &sealed)?;
    rustix::fs::fsync(&temp.writer).map_err(|e| StreamError::Temp("sync", e.into()))?;
    if read_back {
        ReadBack::new(temp, key, iv).compare_with(0, sealed.len(), &plain)?;
    }
    Ok(Streamed {
        plain_bytes,
        sidecar,
    })
}
