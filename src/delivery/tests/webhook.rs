use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use super::server::{Request, serve, status};
use super::{NOW, message, poster};
use crate::base::clock::SECOND_NS;
use crate::base::secret::Secret;
use crate::delivery::webhook::{BadSignature, BadWebhook, FRESH_S, Webhook, sign, verify};
use crate::delivery::{Message, Outcome};

fn secret() -> Secret {
    Secret::new("whsec-s3cret".into())
}

fn arrived(message: &Message) -> Request {
    let (outcome, mut requests) = serve(vec![status(204, "")], |at| {
        let webhook = Webhook::new(&format!("http://{at}/hook"), secret()).unwrap();
        assert!(!format!("{webhook:?}").contains("s3cret"), "{webhook:?}");
        webhook.send(&poster(), message, NOW)
    });
    assert_eq!(outcome, Outcome::Sent);
    requests.remove(0)
}

#[test]
fn what_arrives_is_json_signed_and_named() {
    let request = arrived(&message());
    assert_eq!(request.line, "POST /hook HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("x-nightjar-delivery"), Some("alert-17-hook"));
    assert_eq!(
        request.json(),
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
    let signature = request.header("x-nightjar-signature").unwrap();
    assert!(signature.starts_with("t=1795144327,v1="));
    assert_eq!(verify(&secret(), signature, &request.body, NOW), Ok(()));
}

#[test]
fn the_signature_is_hmac_sha256_over_time_dot_body() {
    // printf '1795144327.{}' | openssl dgst -sha256 -hmac whsec-s3cret
    assert_eq!(
        sign(&secret(), NOW, b"{}"),
        "t=1795144327,v1=ed8b58451c44d1a3ebb53c2bc92e20a64803899146c0e3b86b11f1f56fc1e929"
    );
}

#[test]
fn a_signature_holds_for_its_body_its_secret_and_its_time_only() {
    let signature = sign(&secret(), NOW, b"body");
    let check =
        |secret: &Secret, signature: &str, body: &[u8], now| verify(secret, signature, body, now);
    let own = secret();
    let edge = FRESH_S * SECOND_NS;
    for now in [NOW, NOW - edge, NOW + edge] {
        assert_eq!(check(&own, &signature, b"body", now), Ok(()));
    }
    for now in [
        NOW - edge - SECOND_NS,
        NOW + edge + SECOND_NS,
        i64::MAX,
        i64::MIN,
    ] {
        assert_eq!(
            check(&own, &signature, b"body", now),
            Err(BadSignature::Stale)
        );
    }
    let wrong = Err(BadSignature::Wrong);
    assert_eq!(check(&own, &signature, b"bodY", NOW), wrong);
    assert_eq!(
        check(&Secret::new("other".into()), &signature, b"body", NOW),
        wrong
    );
    let later = signature.replace("t=1795144327", "t=1795144328");
    assert_eq!(check(&own, &later, b"body", NOW), wrong);
    for text in [
        "",
        "t=1",
        "v1=00",
        "t=1,v1=00",
        "t=x,v1=",
        &signature[1..],
        &signature[..70],
    ] {
        assert_eq!(
            check(&own, text, b"body", NOW),
            Err(BadSignature::Malformed),
            "{text}"
        );
    }
}

#[test]
fn a_webhook_needs_a_secret() {
    let error = Webhook::new("https://box.example/", Secret::new(String::new())).unwrap_err();
    assert_eq!(error, BadWebhook::NoSecret);
}

/// The example that the documentation gives to receivers, on what really arrived.
#[test]
fn the_documented_receiver_takes_what_is_genuine_and_nothing_else() {
    let guide = include_str!("../../../docs/alerts.md");
    let example = guide.split("```python\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let request = arrived(&message());
    let signature = request.header("x-nightjar-signature").unwrap();
    let stale = sign(&secret(), NOW - 301 * SECOND_NS, &request.body);
    let forged = sign(&Secret::new("guess".into()), NOW, &request.body);

    let verdict = |signature: &str, body: &[u8]| {
        let script = format!(
            "{example}\nimport sys\n\
             time.time = lambda: {}\n\
             print(genuine(sys.argv[1], sys.argv[2], sys.stdin.buffer.read()))\n",
            NOW / SECOND_NS
        );
        let mut python = Command::new("python3")
            .args(["-c", &script, secret().expose(), signature])
            .env("PYTHONUTF8", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        python.stdin.take().unwrap().write_all(body).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "the example fails on {signature}");
        Some(String::from_utf8(output.stdout).unwrap().trim() == "True")
    };
    let Some(genuine) = verdict(signature, &request.body) else {
        eprintln!("no python3 here: the example is not run");
        return;
    };
    assert!(genuine);
    assert_eq!(verdict(signature, b"{}"), Some(false));
    for bad in [
        &stale,
        &forged,
        "",
        "t=1",
        "t=,v1=",
        "t=ä,v1=ö",
        "nonsense",
        "t=²,v1=00",
    ] {
        assert_eq!(verdict(bad, &request.body), Some(false), "{bad}");
    }
}
