//! A message as JSON to a server of the owner's, signed so that the receiver can tell that it is
//! genuine and recent. `docs/alerts.md` tells receivers how.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use ureq::http::HeaderValue;

use super::post::secret_header;
use super::{Address, BadAddress, Message, Outcome, Poster};
use crate::base::clock::{SECOND_NS, UnixNanos};

use crate::base::secret::Secret;
use crate::vault::hex;

/// Header with the time of sending and the signature.
pub const SIGNATURE_HEADER: &str = "X-Nightjar-Signature";
/// Header with the delivery's id.
pub const DELIVERY_HEADER: &str = "X-Nightjar-Delivery";
/// A signature that is older or newer than this, in seconds, is taken for a replay.
pub const FRESH_S: i64 = 300;

/// A receiver, and the secret that it shares with this box.
#[derive(Debug)]
pub struct Webhook {
    address: Address,
    secret: Secret,
}

/// Why nothing could be sent to a webhook; no message quotes what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadWebhook {
    /// The address is unfit.
    #[error("the address of the webhook is {0}")]
    Address(#[from] BadAddress),
    /// Anybody can sign with an empty secret.
    #[error("the secret of the webhook is empty; make one with `openssl rand -hex 32`")]
    NoSecret,
}

impl Webhook {
    /// The receiver at `address`; `secret` signs, as the bytes of its UTF-8.
    pub fn new(address: &str, secret: Secret) -> Result<Self, BadWebhook> {
        let address = Address::parse(address)?;
        if secret.expose().is_empty() {
            return Err(BadWebhook::NoSecret);
        }
        Ok(Self { address, secret })
    }

    /// Sends `message`, signed at `now`.
    pub fn send(&self, poster: &Poster, message: &Message, now: UnixNanos) -> Outcome {
        let body = serde_json::to_vec(message).expect("texts and numbers can be written as JSON");
        let Ok(delivery) = HeaderValue::from_str(&message.delivery_id) else {
            return Outcome::Refused {
                reason: "the delivery's id cannot stand in a header".to_owned(),
            };
        };
        let mut headers = vec![
            ("Content-Type", HeaderValue::from_static("application/json")),
            (DELIVERY_HEADER, delivery),
        ];
        let signature = secret_header(&sign(&self.secret, now, &body));
        headers.extend(signature.map(|value| (SIGNATURE_HEADER, value)));
        match poster.post(&self.address, headers, &body, now) {
            Ok(reply) => reply.outcome(),
            Err(outcome) => outcome,
        }
    }
}

/// `t=<unix seconds>,v1=<64 hex digits>`: HMAC-SHA256 over the seconds, a dot and the body.
pub fn sign(secret: &Secret, at: UnixNanos, body: &[u8]) -> String {
    let seconds = at.div_euclid(SECOND_NS);
    let tag = mac(secret, seconds, body).finalize().into_bytes();
    format!("t={seconds},v1={}", hex::encode(&tag))
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadSignature {
    /// Not of the form `t=…,v1=…`.
    #[error("the signature is not of the form t=<seconds>,v1=<hex digits>")]
    Malformed,
    /// Made for another body, time or secret.
    #[error("the signature does not fit the body")]
    Wrong,
    /// Genuine, and too old or too new.
    #[error("the signature is more than {FRESH_S} seconds away from now")]
    Stale,
}

/// What a receiver does: whether `signature` was made with `secret` for `body`, close to `now`.
/// Takes the same time wherever a wrong signature differs.
pub fn verify(
    secret: &Secret,
    signature: &str,
    body: &[u8],
    now: UnixNanos,
) -> Result<(), BadSignature> {
    let (time, tag) = signature
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(",v1="))
        .ok_or(BadSignature::Malformed)?;
    let seconds: i64 = time.parse().map_err(|_| BadSignature::Malformed)?;
    let tag: [u8; 32] = hex::decode(tag).ok_or(BadSignature::Malformed)?;
    mac(secret, seconds, body)
        .verify_slice(&tag)
        .map_err(|_| BadSignature::Wrong)?;
    let away_s = seconds.abs_diff(now.div_euclid(SECOND_NS));
    (away_s <= FRESH_S as u64)
        .then_some(())
        .ok_or(BadSignature::Stale)
}

fn mac(secret: &Secret, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length")
        .chain_update(seconds.to_string())
        .chain_update(b".")
        .chain_update(body)
}
