//! A message to a topic of an ntfy server, by the JSON form of publishing
//! (<https://docs.ntfy.sh/publish/#publish-as-json>): a POST to the server's root.
//!
//! A topic is as good as a password, since whoever knows it reads along; so it is not shown.

use std::fmt;

use serde::Serialize;
use thiserror::Error;
use ureq::http::HeaderValue;

use super::post::secret_header;
use super::{Address, BadAddress, Message, Outcome, Poster, Severity, cut};
use crate::base::clock::UnixNanos;
use crate::base::secret::{REDACTED, Secret};

/// Longest text, bytes: ntfy makes an attachment of a message of more than 4,096.
const MAX_TEXT_BYTES: usize = 4_000;
/// Longest title, bytes: phones show less.
const MAX_TITLE_BYTES: usize = 256;
/// Longest name of a topic, as ntfy has it.
const MAX_TOPIC_LETTERS: usize = 64;

/// One topic of one server, and what it takes to write there.
pub struct Ntfy {
    server: Address,
    topic: String,
    authorization: Option<Secret>,
}

/// Why nothing could be sent to an ntfy server; no message quotes what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadNtfy {
    /// The server's address is unfit.
    #[error("the address of the ntfy server is {0}")]
    Address(#[from] BadAddress),
    /// There is something behind the host, most likely the topic: ntfy would show the JSON itself.
    #[error(
        "the address of the ntfy server has a path; give the server alone, such as \
         https://ntfy.sh, and the topic by itself"
    )]
    NotTheRoot,
    /// The topic is not what ntfy calls one.
    #[error("the ntfy topic must be 1 to {MAX_TOPIC_LETTERS} letters, digits, `-` and `_`")]
    Topic,
    /// The token cannot stand in a header.
    #[error("the ntfy token must be letters, digits and signs without blanks")]
    Token,
}

/// The body, in the words of ntfy.
#[derive(Serialize)]
struct Body<'a> {
    topic: &'a str,
    title: &'a str,
    message: &'a str,
    priority: u8,
    tags: [&'a str; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    click: Option<&'a str>,
}

impl Ntfy {
    /// The topic `topic` of `server`, e.g. `https://ntfy.sh`; `token` if the server asks for one.
    pub fn new(server: &str, topic: &str, token: Option<&Secret>) -> Result<Self, BadNtfy> {
        let server = Address::parse(server)?;
        if !server.is_root() {
            return Err(BadNtfy::NotTheRoot);
        }
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if topic.is_empty() || topic.len() > MAX_TOPIC_LETTERS || !topic.bytes().all(is_fit) {
            return Err(BadNtfy::Topic);
        }
        let authorization = token.map(|token| {
            let text = token.expose();
            let is_fit = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            is_fit
                .then(|| Secret::new(format!("Bearer {text}")))
                .ok_or(BadNtfy::Token)
        });
        Ok(Self {
            server,
            topic: topic.to_owned(),
            authorization: authorization.transpose()?,
        })
    }

    /// Sends `message`.
    pub fn send(&self, poster: &Poster, message: &Message, now: UnixNanos) -> Outcome {
        let mut headers = vec![("Content-Type", HeaderValue::from_static("application/json"))];
        let authorization = self.authorization.as_ref();
        headers.extend(
            authorization
                .and_then(|text| secret_header(text.expose()))
                .map(|value| ("Authorization", value)),
        );
        match poster.post(&self.server, headers, &self.body(message), now) {
            Ok(reply) => reply.outcome(),
            Err(outcome) => outcome,
        }
    }

    fn body(&self, message: &Message) -> Vec<u8> {
        let (priority, emoji) = rank(message.severity);
        // ntfy shows "triggered" for an empty message.
        let (title, text) = match message.body.as_str() {
            "" => ("", message.title.as_str()),
            body => (message.title.as_str(), body),
        };
        serde_json::to_vec(&Body {
            topic: &self.topic,
            title: &cut(title, MAX_TITLE_BYTES, char::len_utf8),
            message: &cut(text, MAX_TEXT_BYTES, char::len_utf8),
            priority,
            tags: [emoji, &cut(&message.kind, MAX_TITLE_BYTES, char::len_utf8)],
            click: message.url.as_deref(),
        })
        .expect("texts and numbers can be written as JSON")
    }
}

impl fmt::Debug for Ntfy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ntfy")
            .field("server", &self.server)
            .field("topic", &REDACTED)
            .field("authorization", &self.authorization)
            .finish()
    }
}

/// ntfy's priority, 2 without a sound to 5 with an urgent one, and the emoji before the title.
fn rank(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Info => (2, "information_source"),
        Severity::Warning => (3, "warning"),
        Severity::Alert => (4, "rotating_light"),
        Severity::Critical => (5, "sos"),
    }
}
