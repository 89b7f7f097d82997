//! What is found in a line, bit by bit.
//!
//! A line is read as it was written: a name such as `pass=` would else take the program's words
//! behind it along. Its secrets are taken out of each text that is kept.

use std::ops::Range;

use serde_json::Value;

use super::stamp::Stamp;
use super::{MAX_READ_BYTES, address};
use crate::decode::redact;
use crate::event::Extra;
use crate::event::system::{Level, LogWritten};

/// The interface of a link-local address.
const IP_ZONE: &str = "ip_zone";
/// The name of a host where an address is usual.
const REMOTE_HOST: &str = "remote_host";
/// The remote port.
const PORT: &str = "port";

/// Collected by the rules.
#[derive(Debug, Default)]
pub(super) struct Found<'t> {
    /// The line's own time.
    pub(super) stamp: Option<Stamp>,
    /// The level that a rule gives, which counts before all others.
    pub(super) level: Option<Level>,
    /// The level that the line tells of itself.
    pub(super) told: Option<Level>,
    /// What is left when the envelope is off.
    pub(super) message: &'t str,
    /// All of it.
    line: &'t str,
    /// Where its secrets stand.
    secrets: Vec<Range<usize>>,
    /// Fields by name.
    pub(super) fields: Extra,
}

impl<'t> Found<'t> {
    /// Nothing yet, in a line or in a message without an envelope.
    pub(super) fn nothing_in(line: &'t str) -> Self {
        Self {
            message: line,
            line,
            secrets: redact::secret_spans(line.as_bytes()),
            ..Self::default()
        }
    }

    /// A field, cut at [`MAX_READ_BYTES`]; an empty one is none.
    pub(super) fn text(&mut self, name: &str, text: &'t str) {
        if !text.is_empty() {
            self.put(name, Value::String(self.without_secrets(text)));
        }
    }

    /// A whole number. One out of a secret is left out, but for a port.
    pub(super) fn number(&mut self, name: &str, digits: &str) {
        let secret = !self.secrets_in(digits).is_empty();
        if let Ok(number) = digits.parse::<i64>()
            && (!secret || name == PORT && number <= i64::from(u16::MAX))
        {
            self.put(name, Value::from(number));
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        let clean = redact::without(text, &self.secrets_in(text));
        let mut clean = redact::text(&clean).0.into_owned();
        clean.truncate(clean.floor_char_boundary(MAX_READ_BYTES));
        clean
    }

    /// The secrets of the line that stand in a part of it, wholly or not.
    fn secrets_in(&self, part: &str) -> Vec<Range<usize>> {
        let begin = part.as_ptr().addr().checked_sub(self.line.as_ptr().addr());
        let Some(begin) = begin.filter(|begin| begin + part.len() <= self.line.len()) else {
            return Vec::new();
        };
        let end = begin + part.len();
        let overlapping = |span: &&Range<usize>| span.start < end && span.end > begin;
        self.secrets
            .iter()
            .filter(overlapping)
            .map(|span| span.start.max(begin) - begin..span.end.min(end) - begin)
            .collect()
    }

    /// What happened.
    pub(super) fn action(&mut self, action: &str) {
        self.put(LogWritten::ACTION, Value::String(action.to_owned()));
    }

    /// Something that is so.
    pub(super) fn flag(&mut self, name: &str) {
        self.put(name, Value::Bool(true));
    }

    /// The program, or what else runs as a service.
    pub(super) fn service(&mut self, name: &'t str) {
        self.text(LogWritten::SERVICE, name);
    }

    /// An address with what was written with it, or the name of a host. sshd writes `UNKNOWN` when
    /// the connection is gone.
    pub(super) fn address(&mut self, text: &'t str) {
        if let Some(address) = address::read(text) {
            self.put(LogWritten::IP, Value::String(address.ip.to_string()));
            if let Some(zone) = address.zone {
                self.text(IP_ZONE, zone);
            }
            if let Some(port) = address.port {
                self.put(PORT, Value::from(port));
            }
        } else if text != "UNKNOWN" {
            self.text(REMOTE_HOST, text);
        }
    }

    /// What was found before under this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    fn put(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }
}
