//! Who sends: the key that push services know this box by, and the token signed with it (RFC 8292).
//!
//! A browser binds its subscription to the public key, so losing the private one loses every
//! subscription. Its file is judged as strictly as the one of the storage key.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::SecretKey;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use rustix::fs::Mode;
use serde_json::json;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{BASE64URL, SCALAR_BYTES, private_key};
use crate::base::clock::{SECOND_NS, UnixNanos};
use crate::vault::key::{self, KeyError};

/// How long a token is good. At most a day is allowed; half of it leaves room for a clock that is
/// some hours ahead.
const TOKEN_S: i64 = 12 * 3_600;
/// 43 letters, padding, and a line end of two; one more shows that there is more.
const READ_AT_MOST_BYTES: u64 = 47;

/// The private key, 32 bytes. Wiped on drop.
pub struct VapidKey(SecretKey);

/// Why there is no key to sign with.
#[derive(Debug, Error)]
pub enum VapidError {
    /// There is no such file.
    #[error("no key for web push at {}; restore it, or make one anew", path.display())]
    Missing {
        /// The key file.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error(
        "the key file {} does not hold a private key for web push: 32 bytes in base64url",
        path.display()
    )]
    NotAKey {
        /// The key file.
        path: PathBuf,
    },
    /// The file is unfit to hold a secret, cannot be read, or cannot be made.
    #[error(transparent)]
    File(#[from] KeyError),
}

impl VapidKey {
    /// A new key; `random` must be fresh from the system's random source.
    pub fn generate(random: &Zeroizing<[u8; SCALAR_BYTES]>) -> Self {
        Self(private_key(random.as_slice()))
    }

    /// Reads the key file, of which only root and the user `service_uid` may be owner and reader.
    pub fn load(path: &Path, service_uid: u32) -> Result<Self, VapidError> {
        let content = key::read_private(path, service_uid, Mode::empty(), READ_AT_MOST_BYTES)?
            .ok_or_else(|| VapidError::Missing {
                path: path.to_owned(),
            })?;
        let bytes = BASE64URL
            .decode(content.trim_ascii_end())
            .map(Zeroizing::new);
        bytes
            .ok()
            .filter(|bytes| bytes.len() == SCALAR_BYTES)
            .and_then(|bytes| SecretKey::from_slice(&bytes).ok())
            .map(Self)
            .ok_or_else(|| VapidError::NotAKey {
                path: path.to_owned(),
            })
    }

    /// Stores the key in a new file, mode 0600; an existing one is never overwritten.
    pub fn store(&self, path: &Path) -> Result<(), VapidError> {
        let bytes: Zeroizing<[u8; SCALAR_BYTES]> = Zeroizing::new(self.0.to_bytes().into());
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        Ok(key::store_new(path, text.as_bytes())?)
    }

    /// The public key as a browser takes it for `applicationServerKey`: the uncompressed point in
    /// base64url without padding.
    pub fn public_base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key().to_sec1_point(false).as_bytes())
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VapidKey([redacted])")
    }
}

/// The subject is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the contact for push services must be an address such as mailto:anna@example.org or \
     https://example.org, of at most {MAX_SUBJECT_BYTES} bytes without blanks"
)]
pub struct BadSubject;

/// Longest contact, bytes: it goes into a header.
const MAX_SUBJECT_BYTES: usize = 256;

/// What signs the requests to push services.
#[derive(Debug)]
pub struct Vapid {
    key: VapidKey,
    subject: String,
}

impl Vapid {
    /// Signs with `key`; `subject` is whom a service writes to when something is amiss, as
    /// `mailto:` or `https:`.
    pub fn new(key: VapidKey, subject: &str) -> Result<Self, BadSubject> {
        let rest = subject
            .strip_prefix("mailto:")
            .or_else(|| subject.strip_prefix("https://"));
        let is_fit = subject.len() <= MAX_SUBJECT_BYTES
            && rest.is_some_and(|rest| !rest.is_empty())
            && subject.bytes().all(|byte| byte.is_ascii_graphic());
        is_fit
            .then(|| Self {
                key,
                subject: subject.to_owned(),
            })
            .ok_or(BadSubject)
    }

    /// The key, for showing its public half.
    pub fn key(&self) -> &VapidKey {
        &self.key
    }

    /// The value of `Authorization` for the service at `origin`, good from `now` on for
    /// some hours.
    pub(super) fn authorization(&self, origin: &str, now: UnixNanos) -> String {
        let header = json!({ "typ": "JWT", "alg": "ES256" });
        let claims = json!({
            "aud": origin,
            "exp": now.div_euclid(SECOND_NS).saturating_add(TOKEN_S),
            "sub": self.subject,
        });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature: Signature = SigningKey::from(&self.key.0).sign(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
        let key = self.key.public_base64url();
        format!("vapid t={signed}.{signature}, k={key}")
    }
}
