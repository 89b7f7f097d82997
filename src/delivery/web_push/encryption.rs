//! RFC 8291: a payload that only the browser can read, as one record of `aes128gcm` (RFC 8188).

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce};
use hkdf::Hkdf;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::subscription::{POINT_BYTES, Subscription};

/// Length of a salt, bytes.
pub const SALT_BYTES: usize = 16;
/// The record size that is told; there is one record, and it is shorter.
const RECORD_BYTES: u32 = 4_096;
/// Ends the plaintext of the last record.
const LAST_RECORD: u8 = 2;
/// Length of a tag of AES-GCM, bytes.
const TAG_BYTES: usize = 16;

/// The body of the request: salt, record size, our public key, and the sealed record.
///
/// `ephemeral` and `salt` are used for this payload and for no other. `plaintext` must leave room
/// in a record: at most [`super::MAX_PAYLOAD_BYTES`].
pub fn encrypt(
    subscription: &Subscription,
    plaintext: &[u8],
    ephemeral: &SecretKey,
    salt: &[u8; SALT_BYTES],
) -> Vec<u8> {
    assert!(
        plaintext.len() <= super::MAX_PAYLOAD_BYTES,
        "payloads are cut before"
    );
    let ours = ephemeral.public_key().to_sec1_point(false);
    let ours = ours.as_bytes();
    let (key, nonce) = derive(subscription, ours, ephemeral, salt);

    let mut record = Vec::with_capacity(plaintext.len() + 1 + TAG_BYTES);
    record.extend_from_slice(plaintext);
    record.push(LAST_RECORD);
    let tag = Aes128Gcm::new_from_slice(key.as_slice())
        .expect("16 bytes are a key")
        .encrypt_inout_detached(&Nonce::from(*nonce), &[], record.as_mut_slice().into())
        .expect("a record is far shorter than what the cipher takes");
    record.extend_from_slice(&tag);

    let mut body = Vec::with_capacity(SALT_BYTES + 4 + 1 + POINT_BYTES + record.len());
    body.extend_from_slice(salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(POINT_BYTES as u8);
    body.extend_from_slice(ours);
    body.extend_from_slice(&record);
    body
}

/// Key and nonce of the record (RFC 8291, section 3.4).
fn derive(
    subscription: &Subscription,
    ours: &[u8],
    ephemeral: &SecretKey,
    salt: &[u8],
) -> (Zeroizing<[u8; 16]>, Zeroizing<[u8; 12]>) {
    let shared = ephemeral.diffie_hellman(subscription.public_key());
    let theirs = subscription.public_key().to_sec1_point(false);
    let info = [b"WebPush: info\0", theirs.as_bytes(), ours].concat();
    let input: Zeroizing<[u8; 32]> = expand(
        subscription.auth(),
        shared.raw_secret_bytes().as_slice(),
        &info,
    );
    (
        expand(salt, input.as_slice(), b"Content-Encoding: aes128gcm\0"),
        expand(salt, input.as_slice(), b"Content-Encoding: nonce\0"),
    )
}

fn expand<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand(info, bytes.as_mut_slice())
        .expect("32 bytes at most are not too many");
    bytes
}
