//! Where a browser wants to be told: what `PushSubscription.toJSON()` gives.

use std::fmt;

use base64::Engine as _;
use p256::PublicKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::BASE64URL;
use crate::base::secret::{REDACTED, Secret};
use crate::delivery::{Address, BadAddress};

/// Length of an uncompressed point of P-256, bytes.
pub const POINT_BYTES: usize = 65;
/// Length of the secret that browser and sender share, bytes.
pub const AUTH_BYTES: usize = 16;
/// First byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;
/// Longest JSON text that is read, bytes; browsers write about 500.
const MAX_JSON_BYTES: usize = 8 * 1_024;

/// One browser's subscription. Whoever knows the endpoint may send noise to it, so it is shown by
/// its host alone.
#[derive(Clone)]
pub struct Subscription {
    endpoint: Address,
    p256dh: PublicKey,
    auth: Zeroizing<[u8; AUTH_BYTES]>,
}

/// Why a text is no subscription; never quotes it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadSubscription {
    /// Not the JSON of a subscription.
    #[error(
        "not a push subscription: it must be the JSON of the browser's PushSubscription, with \
         `endpoint`, `keys.p256dh` and `keys.auth`"
    )]
    Json,
    /// The endpoint is unfit.
    #[error("the push endpoint is {0}")]
    Endpoint(#[from] BadAddress),
    /// What is sent would be told to everybody on the way.
    #[error("the push endpoint is not https")]
    NotHttps,
    /// A key is not base64url.
    #[error("`keys.{key}` is not base64url")]
    NotBase64 {
        /// `p256dh` or `auth`.
        key: &'static str,
    },
    /// A key is cut short, or something else.
    #[error("`keys.{key}` has {found} bytes instead of {wanted}")]
    WrongLength {
        /// `p256dh` or `auth`.
        key: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        wanted: usize,
    },
    /// 65 bytes that are no point of the curve.
    #[error("`keys.p256dh` is not an uncompressed public key of P-256")]
    NotAPoint,
}

#[derive(Deserialize)]
struct Json {
    endpoint: Secret,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: Secret,
}

impl Subscription {
    /// Reads the JSON of a `PushSubscription`; what else it holds, such as `expirationTime`, is
    /// left aside.
    pub fn from_json(json: &[u8]) -> Result<Self, BadSubscription> {
        if json.len() > MAX_JSON_BYTES {
            return Err(BadSubscription::Json);
        }
        let json: Json = serde_json::from_slice(json).map_err(|_| BadSubscription::Json)?;
        Self::new(
            json.endpoint.expose(),
            &json.keys.p256dh,
            json.keys.auth.expose(),
        )
    }

    /// Of its parts, the keys in base64url.
    pub fn new(endpoint: &str, p256dh: &str, auth: &str) -> Result<Self, BadSubscription> {
        let endpoint = Address::parse(endpoint)?;
        if !endpoint.is_https() && !endpoint.is_loopback() {
            return Err(BadSubscription::NotHttps);
        }
        let point: Zeroizing<[u8; POINT_BYTES]> = decode("p256dh", p256dh)?;
        if point[0] != UNCOMPRESSED {
            return Err(BadSubscription::NotAPoint);
        }
        Ok(Self {
            endpoint,
            p256dh: PublicKey::from_sec1_bytes(point.as_slice())
                .map_err(|_| BadSubscription::NotAPoint)?,
            auth: decode("auth", auth)?,
        })
    }

    /// Of its parts as they are stored.
    pub fn from_bytes(endpoint: &str, p256dh: &[u8], auth: &[u8]) -> Result<Self, BadSubscription> {
        Self::new(endpoint, &BASE64URL.encode(p256dh), &BASE64URL.encode(auth))
    }

    /// The browser's key and the shared secret, for storing them.
    pub fn to_bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let point = self.p256dh.to_sec1_point(false);
        (point.as_bytes().to_vec(), self.auth.to_vec())
    }

    /// Where to send to.
    pub fn endpoint(&self) -> &Address {
        &self.endpoint
    }

    /// The browser's key.
    pub(super) fn public_key(&self) -> &PublicKey {
        &self.p256dh
    }

    /// The secret that only the browser and its senders know.
    pub(super) fn auth(&self) -> &[u8] {
        self.auth.as_slice()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("endpoint", &self.endpoint)
            .field("auth", &REDACTED)
            .finish_non_exhaustive()
    }
}

fn decode<const N: usize>(
    key: &'static str,
    text: &str,
) -> Result<Zeroizing<[u8; N]>, BadSubscription> {
    let bytes = BASE64URL
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| BadSubscription::NotBase64 { key })?;
    <[u8; N]>::try_from(bytes.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| BadSubscription::WrongLength {
            key,
            found: bytes.len(),
            wanted: N,
        })
}
