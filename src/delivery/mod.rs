//! Telling people: each alert over each channel of each recipient, by [`ntfy`], a [`webhook`],
//! [`web_push`] to a browser, or a message on the bus.
//!
//! [`dispatch`] takes what is due from the tables, lets the [`courier`] send it, and stores what came
//! of it. All else here knows no database: a send is one HTTP request, made synchronously, and its [`Outcome`] says what the caller must do
//! next. What is due, what was tried and what is remembered is the caller's business; [`backoff`]
//! tells it when to try again.
//!
//! Invariants: a send ends within the timeout of its [`Poster`], whatever the other side does; no
//! redirect is followed; of an answer only status and headers are read, and they are bounded; a
//! reason names the host alone, never a token, a signature, a path or a key. Time and randomness
//! come in as arguments.

pub mod backoff;
pub mod courier;
pub mod dispatch;
pub mod ntfy;
pub mod post;
#[cfg(test)]
mod tests;
pub mod web_push;
pub mod webhook;

use std::borrow::Cow;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::clock::{self, UnixNanos};

pub use post::{Address, BadAddress, Poster};

/// What is to be said, the same over every channel and at every try.
///
/// As JSON: the body of a webhook and, cut to size, of a web push; `at` is RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Id of this delivery; stays the same over retries, so that a receiver can tell a repetition.
    pub delivery_id: String,
    /// Id of the alert.
    pub alert_id: i64,
    /// When the alert was raised.
    #[serde(serialize_with = "as_rfc3339")]
    pub at: UnixNanos,
    /// How grave it is.
    pub severity: Severity,
    /// What it is about, such as `PET_ESCAPE`.
    pub kind: String,
    /// The first line, plain text.
    pub title: String,
    /// The rest, plain text.
    pub body: String,
    /// Where a click leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Alerts with the same key are about the same thing: a later one replaces an earlier one that
    /// a push service still holds.
    #[serde(skip)]
    pub dedupe_key: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn as_rfc3339<S: Serializer>(at: &UnixNanos, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clock::rfc3339(*at))
}

/// How grave an alert is, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth a look.
    Warning,
    /// Look now.
    Alert,
    /// Look now, even at night.
    Critical,
}

/// What became of a send, and so what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side has taken it.
    Sent,
    /// Try again later.
    Retry {
        /// Why it failed, for people; holds no secret.
        reason: String,
        /// How long the other side asks to be left alone.
        after: Option<Duration>,
    },
    /// Never try again: the same request would fail in the same way.
    Refused {
        /// Why, and what to do, for people; holds no secret.
        reason: String,
    },
    /// The subscription is dead; forget it.
    Gone,
}

/// What ends a text that was cut.
const ELLIPSIS: char = '…';

/// `text`, cut at the border of a character so that it takes at most `max_bytes`, where a character
/// takes as many bytes as `bytes_of` says.
fn cut(text: &str, max_bytes: usize, bytes_of: impl Fn(char) -> usize) -> Cow<'_, str> {
    let room = max_bytes.saturating_sub(bytes_of(ELLIPSIS));
    let (mut used, mut keep) = (0, 0);
    for (at, letter) in text.char_indices() {
        used += bytes_of(letter);
        if used <= room {
            keep = at + letter.len_utf8();
        }
        if used > max_bytes {
            let mut short = text[..keep].to_owned();
            if room > 0 {
                short.push(ELLIPSIS);
            }
            return Cow::Owned(short);
        }
    }
    Cow::Borrowed(text)
}
