//! Each channel against a real server on loopback, which behaves well or badly.
#![allow(clippy::unwrap_used)]

mod dispatch;
mod ntfy;
mod post;
mod server;
mod tls;
mod web_push;
mod webhook;

use super::*;
use crate::base::clock::SECOND_NS;

/// Friday, 2026-11-20 03:12:07 UTC.
const NOW: UnixNanos = 1_795_144_327 * SECOND_NS;

/// Long enough for loopback on a busy machine.
fn poster() -> Poster {
    Poster::new(super::post::TIMEOUT)
}

fn message() -> Message {
    Message {
        delivery_id: "alert-17-hook".into(),
        alert_id: 17,
        at: NOW - 3 * SECOND_NS,
        severity: Severity::Alert,
        kind: "PET_ESCAPE".into(),
        title: "Mira is outside".into(),
        body: "Seen at the garden gate — 03:12".into(),
        url: Some("https://box.example/alerts/17".into()),
        dedupe_key: Some("pet/mira/garden gate".into()),
    }
}

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Retry { reason, .. } | Outcome::Refused { reason } => reason,
        Outcome::Sent | Outcome::Gone => panic!("{outcome:?}"),
    }
}

#[test]
fn a_text_is_cut_at_the_border_of_a_character() {
    let cut = |text, max| cut(text, max, char::len_utf8).into_owned();
    assert_eq!(cut("gate", 4), "gate");
    assert_eq!(cut("gates", 4), "g…");
    assert_eq!(cut("äöüß", 8), "äöüß");
    assert_eq!(cut("äöüßä", 8), "äö…");
    assert_eq!(cut("🐈🐈", 7), "🐈…");
    assert_eq!(cut("🐈🐈", 6), "…");
    assert_eq!(cut("🐈🐈", 2), "");
    assert_eq!(cut("", 0), "");
}
