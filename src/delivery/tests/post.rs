//! What any answer, or none, comes to; told with the webhook, which is the plainest channel.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::server::{Answer, serve, status};
use super::{NOW, message, poster, reason};
use crate::base::secret::Secret;
use crate::delivery::webhook::Webhook;
use crate::delivery::{Address, BadAddress, Message, Outcome, Poster};

/// What is in the address and must never be shown.
const HIDDEN: &str = "s3cret-path";
const SHORT: Duration = Duration::from_millis(200);
/// Far below the normal timeout, far above the short one on a busy machine.
const SOON: Duration = Duration::from_secs(4);

fn send_to(address: &str, poster: &Poster, message: &Message) -> Outcome {
    let secret = Secret::new("shared-s3cret".into());
    let outcome = Webhook::new(address, secret)
        .unwrap()
        .send(poster, message, NOW);
    let shown = format!("{outcome:?}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("v1="),
        "{shown}"
    );
    outcome
}

/// What a send comes to if the server answers so.
fn after(answer: Answer) -> Outcome {
    let (outcome, requests) = serve(vec![answer], |at| {
        send_to(
            &format!("http://{at}/{HIDDEN}?k={HIDDEN}"),
            &poster(),
            &message(),
        )
    });
    assert_eq!(
        requests[0].line,
        format!("POST /{HIDDEN}?k={HIDDEN} HTTP/1.1")
    );
    outcome
}

/// The same with a short timeout: it must end, and soon.
fn soon_after(answer: Answer, message: &Message) -> Outcome {
    let began = Instant::now();
    let (outcome, _) = serve(vec![answer], |at| {
        let outcome = send_to(
            &format!("http://{at}/{HIDDEN}"),
            &Poster::new(SHORT),
            message,
        );
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        outcome
    });
    outcome
}

#[test]
fn every_success_is_sent() {
    for code in [200, 201, 202, 204, 299] {
        assert_eq!(after(status(code, "")), Outcome::Sent, "{code}");
    }
}

#[test]
fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    for code in [408, 425, 429, 500, 502, 503, 504, 507, 599] {
        let outcome = after(status(code, ""));
        assert!(
            matches!(outcome, Outcome::Retry { after: None, .. }),
            "{code}: {outcome:?}"
        );
        assert!(reason(&outcome).contains(&code.to_string()), "{outcome:?}");
    }
    for code in [400, 401, 403, 404, 405, 410, 413, 422, 451] {
        let outcome = after(status(code, ""));
        assert!(
            matches!(outcome, Outcome::Refused { .. }),
            "{code}: {outcome:?}"
        );
        assert!(reason(&outcome).starts_with("127.0.0.1:"), "{outcome:?}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    for code in [301, 302, 303, 307, 308] {
        let ((), requests) = serve(
            vec![status(code, "Location: /elsewhere\r\n"), status(200, "")],
            |at| {
                let outcome = send_to(&format!("http://{at}/"), &poster(), &message());
                assert!(
                    reason(&outcome).contains("redirects are not followed"),
                    "{outcome:?}"
                );
                assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
            },
        );
        assert_eq!(requests.len(), 1, "{code}");
    }
}

#[test]
fn retry_after_is_read_as_seconds_or_as_a_date() {
    for (text, seconds) in [
        ("120", Some(120)),
        ("0", Some(0)),
        ("Fri, 20 Nov 2026 03:13:07 GMT", Some(60)),
        ("Fri, 20 Nov 2020 03:13:07 GMT", Some(0)),
        ("Fri, 20 Nov 2099 03:13:07 GMT", Some(86_400)),
        ("99999999999999999999999", Some(86_400)),
        ("soon", None),
        ("-5", None),
    ] {
        let outcome = after(status(429, &format!("Retry-After: {text}\r\n")));
        let Outcome::Retry { after, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(after, seconds.map(Duration::from_secs), "{text}");
    }
}

#[test]
fn no_answer_ends_with_the_timeout() {
    let ok = b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec();
    for answer in [
        Answer::Open(Vec::new()),
        Answer::Open(ok.clone()),
        Answer::Open(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Answer::Drip([ok, vec![b'x'; 4_096]].concat()),
        Answer::Deaf,
    ] {
        let outcome = soon_after(answer, &message());
        assert!(
            matches!(outcome, Outcome::Retry { after: None, .. }),
            "{outcome:?}"
        );
        assert!(reason(&outcome).contains("within 200ms"), "{outcome:?}");
    }
}

#[test]
fn a_server_that_does_not_read_cannot_hold_a_send() {
    // More than the buffers of both sides take.
    let body = "x".repeat(32 * 1024 * 1024);
    let outcome = soon_after(Answer::Deaf, &Message { body, ..message() });
    assert!(reason(&outcome).contains("within 200ms"), "{outcome:?}");
}

#[test]
fn a_head_without_end_is_not_read() {
    for again in ["X-More: and more\r\n", "x", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let first = match again {
            "x" => "HTTP/1.1 200 OK\r\nX-Long: ",
            "X-More: and more\r\n" => "HTTP/1.1 200 OK\r\n",
            _ => "",
        };
        let again = again.repeat(1_000).into_bytes();
        let outcome = soon_after(Answer::Flood(first.into(), again), &message());
        assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    }
}

#[test]
fn the_body_of_an_answer_changes_nothing() {
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for answer in [
        Answer::Flood(huge.clone(), vec![b'x'; 65_536]),
        Answer::Flood(chunked.clone(), b"1\r\nx\r\n".repeat(10_000)),
        Answer::Open(huge.clone()),
        Answer::Bytes(huge),
        Answer::Bytes([&chunked[..], b"not hex\r\n"].concat()),
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nmuch more".to_vec()),
        Answer::Bytes(b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec()),
    ] {
        assert_eq!(soon_after(answer, &message()), Outcome::Sent);
    }
    let refusal = b"HTTP/1.1 400 s3cret\r\nContent-Length: 12\r\n\r\ns3cret-token".to_vec();
    assert!(reason(&after(Answer::Bytes(refusal))).ends_with("400 (Bad Request)"));
}

#[test]
fn an_answer_that_is_none_is_tried_again() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: a lot\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        b"HTTP/1.1 999999 OK\r\n\r\n",
    ] {
        let outcome = after(Answer::Bytes(bytes.to_vec()));
        assert!(
            matches!(outcome, Outcome::Retry { .. }),
            "{outcome:?} after {bytes:?}"
        );
    }
}

#[test]
fn a_server_that_is_not_there_is_tried_again() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let outcome = send_to(&format!("http://{free}/{HIDDEN}"), &poster(), &message());
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert!(reason(&outcome).contains(&free.to_string()), "{outcome:?}");

    let outcome = send_to("http://nowhere.invalid/", &Poster::new(SHORT), &message());
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert!(reason(&outcome).contains("nowhere.invalid"), "{outcome:?}");
}

#[test]
fn an_address_is_absolute_and_without_credentials() {
    for (text, error) in [
        ("", BadAddress::Unreadable),
        ("/hook", BadAddress::Unreadable),
        ("box.example", BadAddress::Unreadable),
        ("https://", BadAddress::Unreadable),
        ("https://:443/", BadAddress::Unreadable),
        ("https://box.example:0/", BadAddress::Unreadable),
        ("https://box.example:99999/", BadAddress::Unreadable),
        ("https://bo x.example/", BadAddress::Unreadable),
        ("ftp://box.example/", BadAddress::Scheme),
        ("https://anna:pw@box.example/", BadAddress::Credentials),
    ] {
        assert_eq!(Address::parse(text).unwrap_err(), error, "{text}");
    }
    let long = format!("https://box.example/{}", "x".repeat(2_048));
    assert_eq!(Address::parse(&long).unwrap_err(), BadAddress::TooLong);
}

#[test]
fn an_address_knows_its_origin_and_shows_its_host_alone() {
    for (text, origin) in [
        ("https://Push.example/a/b?c", "https://push.example"),
        ("https://push.example:443/", "https://push.example"),
        ("https://push.example:8443/", "https://push.example:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:8080/x", "http://[::1]:8080"),
    ] {
        assert_eq!(Address::parse(text).unwrap().origin(), origin);
    }
    let shown = format!(
        "{:?}",
        Address::parse("https://push.example/s3cret").unwrap()
    );
    assert_eq!(shown, "Address(push.example)");
    for (text, loopback) in [
        ("http://127.0.0.1:8080/", true),
        ("http://[::1]/", true),
        ("http://localhost/", false),
        ("http://127.0.0.1.example/", false),
    ] {
        assert_eq!(
            Address::parse(text).unwrap().is_loopback(),
            loopback,
            "{text}"
        );
    }
}
