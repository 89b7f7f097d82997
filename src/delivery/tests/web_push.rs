use std::os::unix::fs::PermissionsExt as _;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::server::{Answer, Request, serve, status};
use super::{NOW, message, poster, reason};
use crate::base::clock::{DAY_NS, HOUR_NS, SECOND_NS};
use crate::delivery::web_push::encryption::encrypt;
use crate::delivery::web_push::subscription::{BadSubscription, Subscription};
use crate::delivery::web_push::vapid::{Vapid, VapidError, VapidKey};
use crate::delivery::web_push::{MAX_PAYLOAD_BYTES, RANDOM_BYTES, send};
use crate::delivery::{BadAddress, Message, Outcome, Severity};
use crate::vault::key::KeyError;

/// RFC 8291, section 5 and appendix A.
mod rfc {
    pub(super) const PLAINTEXT: &[u8] = b"When I grow up, I want to be a watermelon";
    pub(super) const SENDER_PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    pub(super) const BROWSER_PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
    pub(super) const BROWSER_PUBLIC: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    pub(super) const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    pub(super) const SALT: &str = "DGv6ra1nlYgDCS1FRnbzlw";
    pub(super) const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
}

/// Public key and secret of the browser that [`opened`] reads for.
pub(super) fn browser() -> (Vec<u8>, Vec<u8>) {
    (unbase64(rfc::BROWSER_PUBLIC), unbase64(rfc::AUTH))
}

fn unbase64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn private(text: &str) -> SecretKey {
    SecretKey::from_slice(&unbase64(text)).unwrap()
}

fn subscription(endpoint: &str) -> Subscription {
    Subscription::new(endpoint, rfc::BROWSER_PUBLIC, rfc::AUTH).unwrap()
}

pub(super) fn vapid() -> Vapid {
    let key = VapidKey::generate(&Zeroizing::new([7; 32]));
    Vapid::new(key, "mailto:anna@example.org").unwrap()
}

fn random(first: u8) -> Zeroizing<[u8; RANDOM_BYTES]> {
    Zeroizing::new(std::array::from_fn(|i| first.wrapping_add(i as u8)))
}

/// What the browser does with a body, written apart from what the box does.
fn decrypt(body: &[u8], browser: &SecretKey, auth: &[u8]) -> Vec<u8> {
    let (salt, rest) = body.split_at(16);
    assert_eq!(rest[..4], 4_096_u32.to_be_bytes());
    assert_eq!(rest[4], 65);
    let (sender, record) = rest[5..].split_at(65);
    assert!(record.len() <= 4_096);
    let shared = browser.diffie_hellman(&PublicKey::from_sec1_bytes(sender).unwrap());
    let own = browser.public_key().to_sec1_point(false);
    let hkdf = |salt: &[u8], input: &[u8], info: &[u8], length: usize| {
        let mut out = vec![0; length];
        let hkdf = Hkdf::<Sha256>::new(Some(salt), input);
        hkdf.expand(info, &mut out).unwrap();
        out
    };
    let info = [&b"WebPush: info\0"[..], own.as_bytes(), sender].concat();
    let input = hkdf(auth, shared.raw_secret_bytes(), &info, 32);
    let key = hkdf(salt, &input, b"Content-Encoding: aes128gcm\0", 16);
    let nonce: [u8; 12] = hkdf(salt, &input, b"Content-Encoding: nonce\0", 12)
        .try_into()
        .unwrap();
    let (sealed, tag) = record.split_at(record.len() - 16);
    let mut plain = sealed.to_vec();
    Aes128Gcm::new_from_slice(&key)
        .unwrap()
        .decrypt_inout_detached(
            &Nonce::from(nonce),
            &[],
            plain.as_mut_slice().into(),
            &Tag::try_from(tag).unwrap(),
        )
        .unwrap();
    assert_eq!(plain.pop(), Some(2), "the end of the last record");
    plain
}

pub(super) fn opened(request: &Request) -> Value {
    let plain = decrypt(
        &request.body,
        &private(rfc::BROWSER_PRIVATE),
        &unbase64(rfc::AUTH),
    );
    assert!(plain.len() <= MAX_PAYLOAD_BYTES);
    serde_json::from_slice(&plain).unwrap()
}

fn sent(message: &Message) -> Request {
    let (outcome, mut requests) = serve(vec![status(201, "")], |at| {
        let subscription = subscription(&format!("http://{at}/push/s3cret"));
        send(&poster(), &vapid(), &subscription, message, NOW, &random(1))
    });
    assert_eq!(outcome, Outcome::Sent);
    requests.remove(0)
}

#[test]
fn the_example_of_rfc_8291_comes_out_byte_by_byte() {
    let salt = unbase64(rfc::SALT).try_into().unwrap();
    let sender = private(rfc::SENDER_PRIVATE);
    let subscription =
        subscription("https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV");
    let body = encrypt(&subscription, rfc::PLAINTEXT, &sender, &salt);
    assert_eq!(URL_SAFE_NO_PAD.encode(&body), rfc::BODY);
    let browser = private(rfc::BROWSER_PRIVATE);
    assert_eq!(
        decrypt(&body, &browser, &unbase64(rfc::AUTH)),
        rfc::PLAINTEXT
    );
}

#[test]
fn the_browser_reads_what_arrived() {
    let request = sent(&message());
    assert_eq!(request.line, "POST /push/s3cret HTTP/1.1");
    assert_eq!(request.header("content-encoding"), Some("aes128gcm"));
    assert_eq!(request.header("ttl"), Some("86397"));
    assert_eq!(request.header("urgency"), Some("high"));
    assert_eq!(
        opened(&request),
        json!({
            "delivery_id": "alert-17-hook",
            "alert_id": 17,
            "at": "2026-11-20T03:12:04.000Z",
            "severity": "ALERT",
            "kind": "PET_ESCAPE",
            "title": "Mira is outside",
            "body": "Seen at the garden gate — 03:12",
            "url": "https://box.example/alerts/17",
        })
    );
}

#[test]
fn the_token_is_signed_for_this_service_and_for_less_than_a_day() {
    let ((), requests) = serve(vec![status(201, "")], |at| {
        let subscription = subscription(&format!("http://{at}/push/s3cret"));
        send(
            &poster(),
            &vapid(),
            &subscription,
            &message(),
            NOW,
            &random(1),
        );
    });
    let host = requests[0].header("host").unwrap();
    let authorization = requests[0].header("authorization").unwrap();
    let (token, key) = authorization
        .strip_prefix("vapid t=")
        .unwrap()
        .split_once(", k=")
        .unwrap();
    assert_eq!(key, vapid().key().public_base64url());

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&unbase64(signature)).unwrap();
    let verifying = VerifyingKey::from_sec1_bytes(&unbase64(key)).unwrap();
    verifying.verify(signed.as_bytes(), &signature).unwrap();

    let (header, claims) = signed.split_once('.').unwrap();
    let json = |part| serde_json::from_slice::<Value>(&unbase64(part)).unwrap();
    assert_eq!(json(header), json!({ "typ": "JWT", "alg": "ES256" }));
    let claims = json(claims);
    assert_eq!(claims["aud"], format!("http://{host}"));
    assert_eq!(claims["sub"], "mailto:anna@example.org");
    let good_for = claims["exp"].as_i64().unwrap() - NOW / SECOND_NS;
    assert!(good_for > 0 && good_for <= 86_400);
}

#[test]
fn every_send_has_a_salt_and_a_key_of_its_own() {
    let ((), requests) = serve(vec![status(201, ""), status(201, "")], |at| {
        let subscription = subscription(&format!("http://{at}/"));
        for first in [1, 99] {
            send(
                &poster(),
                &vapid(),
                &subscription,
                &message(),
                NOW,
                &random(first),
            );
        }
    });
    let [one, two] = &requests[..] else {
        panic!("{} requests", requests.len());
    };
    assert_ne!(one.body[..16], two.body[..16]);
    assert_ne!(one.body[21..86], two.body[21..86]);
    assert_eq!(opened(one), opened(two));
}

#[test]
fn random_bytes_that_are_no_key_still_give_one() {
    // Above the order of the curve, and zero: one in 2^32 draws.
    for bytes in [[0xff; 32], [0; 32]] {
        let key = VapidKey::generate(&Zeroizing::new(bytes));
        assert_eq!(unbase64(&key.public_base64url()).len(), 65);
    }
}

#[test]
fn urgency_follows_severity_and_ttl_the_age_of_the_alert() {
    for (severity, urgency) in [
        (Severity::Info, "low"),
        (Severity::Warning, "normal"),
        (Severity::Alert, "high"),
        (Severity::Critical, "high"),
    ] {
        let request = sent(&Message {
            severity,
            ..message()
        });
        assert_eq!(request.header("urgency"), Some(urgency));
    }
    for (at, ttl) in [
        (NOW, "86400"),
        (NOW - HOUR_NS, "82800"),
        (NOW - 2 * DAY_NS, "60"),
        // The clock was set back in between.
        (NOW + HOUR_NS, "86400"),
    ] {
        let request = sent(&Message { at, ..message() });
        assert_eq!(request.header("ttl"), Some(ttl));
    }
}

#[test]
fn alerts_about_one_thing_share_a_topic_that_tells_nothing() {
    let topic = |key: Option<&str>| {
        let dedupe_key = key.map(str::to_owned);
        let request = sent(&Message {
            dedupe_key,
            ..message()
        });
        request.header("topic").map(str::to_owned)
    };
    let garden = topic(Some("pet/mira/garden gate")).unwrap();
    assert_eq!(garden.len(), 32);
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    assert!(garden.bytes().all(is_fit), "{garden}");
    assert_eq!(topic(Some("pet/mira/garden gate")).as_ref(), Some(&garden));
    assert_ne!(topic(Some("pet/mira/porch")).as_ref(), Some(&garden));
    assert_eq!(topic(None), None);
}

#[test]
fn a_long_message_is_cut_to_3_kib_at_a_character() {
    for letter in ["x", "ß", "🐈", "\"", "\n", "\u{1}"] {
        let long = letter.repeat(5_000);
        let request = sent(&Message {
            delivery_id: long.clone(),
            kind: long.clone(),
            title: long.clone(),
            body: long.clone(),
            url: Some("x".repeat(1_025)),
            ..message()
        });
        let payload = opened(&request);
        let body = payload["body"].as_str().unwrap();
        assert!(
            body.strip_suffix('…')
                .unwrap()
                .chars()
                .all(|own| letter.contains(own))
        );
        assert!(
            request.body.len() > 3_000 + 103,
            "room is wasted on {letter:?}"
        );
        assert_eq!(payload.get("url"), None);
        assert_eq!(payload["alert_id"], 17);
    }
    // Whatever is allowed to be long at once still leaves room for something to be said.
    let wide = "\u{1}".repeat(2_000);
    let payload = opened(&sent(&Message {
        delivery_id: wide.clone(),
        kind: wide.clone(),
        title: wide.clone(),
        body: "y".repeat(5_000),
        url: Some("u".repeat(1_024)),
        ..message()
    }));
    assert!(payload["body"].as_str().unwrap().len() > 1_000);
    assert_eq!(payload["url"].as_str().unwrap().len(), 1_024);
}

#[test]
fn answers_of_push_services() {
    let after = |answer: Answer| {
        let (outcome, _) = serve(vec![answer], |at| {
            let subscription = subscription(&format!("http://{at}/push/s3cret"));
            send(
                &poster(),
                &vapid(),
                &subscription,
                &message(),
                NOW,
                &random(1),
            )
        });
        assert!(!format!("{outcome:?}").contains("s3cret"), "{outcome:?}");
        outcome
    };
    for code in [404, 410] {
        assert_eq!(after(status(code, "")), Outcome::Gone, "{code}");
    }
    for code in [400, 401, 403, 413] {
        let outcome = after(status(code, ""));
        assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    }
    for code in [429, 500, 503] {
        let outcome = after(status(code, "Retry-After: 30\r\n"));
        assert!(reason(&outcome).contains(&code.to_string()));
        let Outcome::Retry { after, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(after.unwrap().as_secs(), 30);
    }
    let outcome = after(Answer::Bytes(Vec::new()));
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
}

#[test]
fn a_subscription_is_read_as_browsers_write_it() {
    let auth = unbase64(rfc::AUTH);
    let point = unbase64(rfc::BROWSER_PUBLIC);
    for (p256dh, auth) in [
        (rfc::BROWSER_PUBLIC.to_owned(), rfc::AUTH.to_owned()),
        (URL_SAFE.encode(point), URL_SAFE.encode(auth)),
    ] {
        let json = json!({
            "endpoint": "https://push.example/send/s3cret",
            "expirationTime": null,
            "keys": { "p256dh": p256dh, "auth": auth },
        });
        let subscription = Subscription::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(subscription.endpoint().host(), "push.example");
        let shown = format!("{subscription:?}");
        assert!(
            !shown.contains("s3cret") && !shown.contains(rfc::AUTH),
            "{shown}"
        );
    }
}

#[test]
fn an_unfit_subscription_is_refused_with_its_reason() {
    let json = |endpoint: &str, p256dh: &str, auth: &str| {
        let json = json!({ "endpoint": endpoint, "keys": { "p256dh": p256dh, "auth": auth } });
        Subscription::from_json(json.to_string().as_bytes()).unwrap_err()
    };
    let (good, point, auth) = (
        "https://push.example/s3cret",
        rfc::BROWSER_PUBLIC,
        rfc::AUTH,
    );
    let wrong = |key, found, wanted| BadSubscription::WrongLength { key, found, wanted };
    let mut off_curve = unbase64(point);
    off_curve[64] ^= 1;
    let mut hybrid = unbase64(point);
    hybrid[0] = 6;
    for (error, expected) in [
        (
            json("http://push.example/s3cret", point, auth),
            BadSubscription::NotHttps,
        ),
        (
            json("http://localhost/s3cret", point, auth),
            BadSubscription::NotHttps,
        ),
        (
            json("s3cret", point, auth),
            BadSubscription::Endpoint(BadAddress::Unreadable),
        ),
        (
            json("ftp://push.example/", point, auth),
            BadSubscription::Endpoint(BadAddress::Scheme),
        ),
        (
            json(good, "s3cret!", auth),
            BadSubscription::NotBase64 { key: "p256dh" },
        ),
        (
            json(good, point, "s3cret!"),
            BadSubscription::NotBase64 { key: "auth" },
        ),
        (json(good, auth, auth), wrong("p256dh", 16, 65)),
        (json(good, point, "AAAA"), wrong("auth", 3, 16)),
        (json(good, point, ""), wrong("auth", 0, 16)),
        (
            json(good, &URL_SAFE_NO_PAD.encode(off_curve), auth),
            BadSubscription::NotAPoint,
        ),
        (
            json(good, &URL_SAFE_NO_PAD.encode(hybrid), auth),
            BadSubscription::NotAPoint,
        ),
    ] {
        assert_eq!(error, expected);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    for text in [
        "",
        "null",
        "{}",
        r#"{"endpoint":"s3cret"}"#,
        &"[".repeat(9_000),
    ] {
        let error = Subscription::from_json(text.as_bytes()).unwrap_err();
        assert_eq!(error, BadSubscription::Json);
    }
}

#[test]
fn the_key_survives_its_file_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets/web-push.key");
    let uid = rustix::process::geteuid().as_raw();
    assert!(matches!(
        VapidKey::load(&path, uid),
        Err(VapidError::Missing { .. })
    ));

    let key = VapidKey::generate(&Zeroizing::new([7; 32]));
    key.store(&path).unwrap();
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(unbase64(&text), [7; 32]);
    assert!(!format!("{key:?} {:?}", vapid()).contains(&text));

    let loaded = VapidKey::load(&path, uid).unwrap();
    assert_eq!(loaded.public_base64url(), key.public_base64url());
    let again = VapidKey::generate(&Zeroizing::new([8; 32])).store(&path);
    assert!(matches!(
        again,
        Err(VapidError::File(KeyError::AlreadyThere { .. }))
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn an_unfit_key_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web-push.key");
    let uid = rustix::process::geteuid().as_raw();
    let write = |text: &str, mode| {
        crate::base::fsutil::write_atomic(&path, text.as_bytes(), mode).unwrap();
        VapidKey::load(&path, uid)
    };
    let good = URL_SAFE_NO_PAD.encode([7; 32]);
    for text in [good.clone(), format!("{good}\n"), format!("{good}=\r\n")] {
        write(&text, 0o600).unwrap();
    }
    let zero = URL_SAFE_NO_PAD.encode([0; 32]);
    let above = URL_SAFE_NO_PAD.encode([0xff; 32]);
    for text in [
        "",
        "\n",
        "no base64!",
        "AAAA",
        &zero,
        &above,
        &format!("{good}{good}"),
    ] {
        let error = write(text, 0o600).unwrap_err();
        assert!(matches!(error, VapidError::NotAKey { .. }), "{error}");
    }
    for mode in [0o640, 0o604, 0o660] {
        let error = write(&good, mode).unwrap_err();
        assert!(
            matches!(error, VapidError::File(KeyError::OpenToOthers { .. })),
            "{error}"
        );
    }
    let link = folder.path().join("link.key");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let error = VapidKey::load(&link, uid).unwrap_err();
    assert!(
        matches!(error, VapidError::File(KeyError::Symlink { .. })),
        "{error}"
    );
}

#[test]
fn a_contact_is_an_address() {
    for subject in ["mailto:anna@example.org", "https://example.org/"] {
        Vapid::new(VapidKey::generate(&Zeroizing::new([7; 32])), subject).unwrap();
    }
    for subject in [
        "",
        "anna@example.org",
        "mailto:",
        "mailto:a b",
        "http://example.org",
    ] {
        let key = VapidKey::generate(&Zeroizing::new([7; 32]));
        assert!(Vapid::new(key, subject).is_err(), "{subject}");
    }
}
