//! A message to a browser through its push service: RFC 8030, encrypted so that the service cannot
//! read it (RFC 8291), and signed so that the service knows who sends (RFC 8292).

pub mod encryption;
pub mod subscription;
pub mod vapid;

use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, Engine};
use p256::SecretKey;
use sha2::{Digest, Sha256};
use ureq::http::HeaderValue;
use zeroize::Zeroizing;

use super::post::secret_header;
use super::{Message, Outcome, Poster, Severity, backoff, cut};
use crate::base::clock::{SECOND_NS, UnixNanos};
use encryption::SALT_BYTES;
use subscription::Subscription;
use vapid::Vapid;

/// Random bytes that one send uses up: a salt and a key that is used once.
pub const RANDOM_BYTES: usize = SALT_BYTES + SCALAR_BYTES;
/// Length of a private key of P-256, bytes.
const SCALAR_BYTES: usize = 32;

/// Longest payload before encryption, bytes. Services must take 4,096 after it (RFC 8030, section
/// 7.2), of which 103 are overhead; some count differently, so not all of it is used.
pub const MAX_PAYLOAD_BYTES: usize = 3 * 1_024;
/// Bytes of the payload that a short text, the title and the address may take.
const SHORT_BYTES: usize = 128;
const TITLE_BYTES: usize = 384;
const URL_BYTES: usize = 1_024;

/// A service that cannot deliver at once keeps the message at least so long, in seconds, even if
/// the alert is about to be given up.
const LEAST_TTL_S: i64 = 60;
/// Bytes of a hash that make a topic of 32 letters, the most that RFC 8030, section 5.4, allows.
const TOPIC_HASH_BYTES: usize = 24;

/// Base64url as browsers and libraries write it, with padding or without.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Sends `message` to the browser behind `subscription`.
///
/// `random` must be fresh from the system's random source for this very send: whoever sees two
/// payloads under one salt and key can read both.
pub fn send(
    poster: &Poster,
    vapid: &Vapid,
    subscription: &Subscription,
    message: &Message,
    now: UnixNanos,
    random: &Zeroizing<[u8; RANDOM_BYTES]>,
) -> Outcome {
    let (salt, scalar) = random.split_at(SALT_BYTES);
    let salt: &[u8; SALT_BYTES] = salt.try_into().expect("split there");
    let body = encryption::encrypt(subscription, &payload(message), &private_key(scalar), salt);

    let authorization = vapid.authorization(&subscription.endpoint().origin(), now);
    let mut headers = vec![
        (
            "Content-Type",
            HeaderValue::from_static("application/octet-stream"),
        ),
        ("Content-Encoding", HeaderValue::from_static("aes128gcm")),
        ("TTL", HeaderValue::from(ttl_s(message.at, now))),
        (
            "Urgency",
            HeaderValue::from_static(urgency(message.severity)),
        ),
    ];
    headers.extend(secret_header(&authorization).map(|value| ("Authorization", value)));
    let topic = message.dedupe_key.as_deref().map(topic);
    headers.extend(
        topic
            .and_then(|topic| HeaderValue::try_from(topic).ok())
            .map(|value| ("Topic", value)),
    );
    match poster.post(subscription.endpoint(), headers, &body, now) {
        Ok(reply) if reply.is_gone() => Outcome::Gone,
        Ok(reply) => reply.outcome(),
        Err(outcome) => outcome,
    }
}

/// The message as JSON of at most [`MAX_PAYLOAD_BYTES`]. Texts are cut; half an address leads
/// nowhere, so a long one is left out.
fn payload(message: &Message) -> Vec<u8> {
    let short = |text: &str, bytes| cut(text, bytes, json_bytes).into_owned();
    let url_fits = |url: &String| url.chars().map(json_bytes).sum::<usize>() <= URL_BYTES;
    let mut fitted = Message {
        delivery_id: short(&message.delivery_id, SHORT_BYTES),
        kind: short(&message.kind, SHORT_BYTES),
        title: short(&message.title, TITLE_BYTES),
        body: String::new(),
        url: message.url.clone().filter(url_fits),
        dedupe_key: None,
        ..*message
    };
    let json = |message: &Message| {
        serde_json::to_vec(message).expect("texts and numbers can be written as JSON")
    };
    let room = MAX_PAYLOAD_BYTES.saturating_sub(json(&fitted).len());
    fitted.body = short(&message.body, room);
    json(&fitted)
}

/// Bytes that a character takes inside of a JSON text (RFC 8259, section 7).
fn json_bytes(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => letter.len_utf8(),
    }
}

/// How long the service keeps the message: until the alert is given up.
fn ttl_s(alert_at: UnixNanos, now: UnixNanos) -> i64 {
    let whole_s = backoff::GIVE_UP_AFTER.as_secs() as i64;
    let age_s = now.saturating_sub(alert_at) / SECOND_NS;
    whole_s.saturating_sub(age_s).clamp(LEAST_TTL_S, whole_s)
}

/// RFC 8030, section 5.3: below `high` a phone may sleep on.
fn urgency(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "low",
        Severity::Warning => "normal",
        Severity::Alert | Severity::Critical => "high",
    }
}

/// A hash, since a key may be long, hold any character, and tell the service about the house.
fn topic(dedupe_key: &str) -> String {
    let hash = Sha256::digest(dedupe_key.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash[..TOPIC_HASH_BYTES])
}

/// The private key that these random bytes are. The order of P-256 is a little below 2^256: one in
/// 2^32 numbers is no key, and then its hash is taken.
fn private_key(random: &[u8]) -> SecretKey {
    let mut bytes: Zeroizing<[u8; SCALAR_BYTES]> =
        Zeroizing::new(random.try_into().expect("as long as a key"));
    loop {
        if let Ok(key) = SecretKey::from_slice(bytes.as_slice()) {
            return key;
        }
        *bytes = Sha256::digest(bytes.as_slice()).into();
    }
}
