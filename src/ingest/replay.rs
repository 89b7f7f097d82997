//! Fixture streams: one JSON object per line, replayed through the broker or straight into the
//! writer.
//!
//! A line is `{after_ms, topic, qos, retain, payload | payload_base64}`: `after_ms` is the pause
//! since the line before at real speed, `payload` is sent verbatim.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use serde::Deserialize;
use thiserror::Error;

use super::mqtt::publish::Message;
use super::pin_desk::PinDesk;
use crate::base::clock::Clock;
use crate::decode::{Inbound, Rules, decode};
use crate::writer::{Handle, Submission, WriterError};

/// Longest line, bytes: a payload of 16 MiB in base64 and its frame.
const MAX_LINE_BYTES: usize = 24 * 1024 * 1024;

/// A stream that cannot be replayed.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A line is not a message.
    #[error(
        "{path}:{line}: {reason}; a line is {{\"after_ms\":0,\"topic\":\"…\",\"qos\":1,\"retain\":false,\"payload\":\"…\"}}"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The writer has stopped.
    #[error(transparent)]
    Writer(#[from] WriterError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    after_ms: u64,
    topic: String,
    #[serde(default)]
    qos: u8,
    #[serde(default)]
    retain: bool,
    #[serde(default)]
    payload: Option<String>,
    #[serde(default)]
    payload_base64: Option<String>,
}

/// Parses one line of a stream.
pub fn parse_line(line: &str) -> Result<Message, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line.qos > 1 {
        return Err(format!("qos {} is not supported, use 0 or 1", line.qos));
    }
    let payload = match (line.payload, line.payload_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => base64::engine::general_purpose::STANDARD
            .decode(base64)
            .map_err(|error| format!("payload_base64: {error}"))?,
        (None, None) => return Err("neither payload nor payload_base64 is given".into()),
        (Some(_), Some(_)) => return Err("both payload and payload_base64 are given".into()),
    };
    Ok(Message {
        after: Duration::from_millis(line.after_ms),
        topic: line.topic,
        qos: line.qos,
        retain: line.retain,
        payload,
    })
}

/// The messages of a stream, read one at a time.
pub fn messages(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Message, ReplayError>> + use<>, ReplayError> {
    let unreadable = |path: &Path, error: &std::io::Error| ReplayError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let path = path.to_owned();
    let lines = std::io::BufReader::with_capacity(256 * 1024, file)
        .lines()
        .enumerate();
    Ok(lines.filter_map(move |(index, line)| {
        let malformed = |reason| ReplayError::Malformed {
            path: path.clone(),
            line: index + 1,
            reason,
        };
        match line {
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) if line.len() > MAX_LINE_BYTES => Some(Err(malformed(format!(
                "the line has {} bytes, more than {MAX_LINE_BYTES}",
                line.len()
            )))),
            Ok(line) => Some(parse_line(&line).map_err(malformed)),
            Err(error) => Some(Err(unreadable(&path, &error))),
        }
    }))
}

/// Puts messages into the log without a broker, as if they arrived now.
#[derive(Clone, Debug)]
pub struct Direct {
    /// To the writer.
    pub writer: Handle,
    /// How topics and payloads are read.
    pub rules: Arc<Rules>,
    /// Where PINs are looked at.
    pub pins: Arc<PinDesk>,
    /// The time.
    pub clock: Clock,
}

impl Direct {
    /// Submits one message; waits while the writer is behind.
    pub fn submit(&self, message: Message) -> Result<(), WriterError> {
        let size_bytes = message.payload.len() + message.topic.len();
        let inbound = Inbound {
            topic: Arc::from(message.topic),
            payload: message.payload,
            qos: message.qos,
            retain: message.retain,
            received_at: self.clock.now(),
        };
        let mut decoded = decode(&inbound, &self.rules);
        self.pins.judge(&mut decoded, false, inbound.received_at);
        self.writer.submit(Submission {
            events: decoded.events,
            publisher_id: decoded.publisher_id,
            size_bytes,
            ..Submission::default()
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_message() {
        let message = parse_line(
            r#"{"after_ms":20,"topic":"vigilar/x","qos":1,"retain":true,"payload":"{\"a\":1}"}"#,
        );
        let expected = Message {
            after: Duration::from_millis(20),
            topic: "vigilar/x".into(),
            qos: 1,
            retain: true,
            payload: br#"{"a":1}"#.to_vec(),
        };
        assert_eq!(message, Ok(expected));
        let bytes = parse_line(r#"{"topic":"t","payload_base64":"/9g="}"#).unwrap();
        assert_eq!(bytes.payload, [0xff, 0xd8]);
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_line() {
        for (line, reason) in [
            (r#"{"topic":"t"}"#, "neither"),
            (r#"{"topic":"t","payload":"","payload_base64":""}"#, "both"),
            (r#"{"topic":"t","payload":"","qos":2}"#, "qos 2"),
            (r#"{"topic":"t","payload":"","colour":1}"#, "colour"),
        ] {
            let error = parse_line(line).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.jsonl");
        crate::base::fsutil::write_atomic(
            &path,
            b"{\"topic\":\"t\",\"payload\":\"\"}\n\nnope\n",
            0o600,
        )
        .unwrap();
        let outcomes: Vec<_> = messages(&path).unwrap().collect();
        assert_eq!(outcomes.len(), 2);
        assert!(
            outcomes[1]
                .as_ref()
                .unwrap_err()
                .to_string()
                .contains("s.jsonl:3:")
        );
    }
}
