//! `log/{host}/{source}`: a line of text, `{ts, level, message, …}`, or a journald entry.
//!
//! A log line is evidence: besides one that is too long nothing is undecodable here. JSON that is
//! broken, or has no message, is a line like any other; bytes that are no UTF-8 are replaced by
//! U+FFFD and the field `invalid_utf8` says so. Escape sequences stay: whoever prints makes them
//! visible.

use std::borrow::Cow;

use super::super::fields::{Fields, finite};
use super::super::json::{self, Json, MAX_PARSED_BYTES};
use super::super::{Draft, Findings, Inbound, Reason};
use super::{Fact, Moment, timed};
use crate::event::Extra;
use crate::event::system::{Level, LogWritten};

/// Words for levels, lower case.
const LEVELS: &[(&str, Level)] = &[
    ("trace", Level::Debug),
    ("debug", Level::Debug),
    ("info", Level::Info),
    ("information", Level::Info),
    ("notice", Level::Info),
    ("warn", Level::Warning),
    ("warning", Level::Warning),
    ("err", Level::Error),
    ("error", Level::Error),
    ("crit", Level::Critical),
    ("critical", Level::Critical),
    ("alert", Level::Critical),
    ("fatal", Level::Critical),
    ("panic", Level::Critical),
    ("emerg", Level::Critical),
    ("emergency", Level::Critical),
];

/// Keys under which programs put the line itself.
const MESSAGE_KEYS: &[&str] = &["message", "msg"];

pub(super) fn line(
    host: &str,
    source: &str,
    inbound: &Inbound,
    found: &mut Findings,
) -> Result<Draft, Reason> {
    if inbound.payload.len() > MAX_PARSED_BYTES {
        return Err(Reason(format!(
            "log line of {} bytes; expected at most {MAX_PARSED_BYTES}",
            inbound.payload.len()
        )));
    }
    let text = String::from_utf8_lossy(&inbound.payload);
    if let Cow::Borrowed(text) = text
        && text.trim_ascii_start().starts_with('{')
        && let Ok(Json::Object(entries)) = json::parse(text)
    {
        let fields = Fields::of(entries);
        let journald =
            fields.peek("MESSAGE").is_some() && fields.peek("__REALTIME_TIMESTAMP").is_some();
        if journald {
            return journal_entry(host, source, fields, inbound, found);
        }
        let key = MESSAGE_KEYS
            .iter()
            .find(|key| matches!(fields.peek(key), Some(Json::Text(_))));
        let dated = fields
            .peek("ts")
            .is_none_or(|ts| *ts == Json::Null || super::super::time::read(ts).is_some());
        if let (Some(key), true) = (key, dated) {
            return timed(fields, inbound, found, |fields| {
                structured(host, source, key, fields)
            });
        }
    }
    let mut fields = Fields::of(Vec::new());
    if matches!(text, Cow::Owned(_)) {
        fields.put("invalid_utf8", Json::Bool(true));
    }
    let line = fields.clean(without_line_end(text));
    found.masked |= fields.masked;
    let level = guessed(&line);
    let moment = Moment {
        at: inbound.received_at,
        suspect: false,
    };
    Ok(written(host, source, level, line, fields.rest()).at(moment))
}

fn written(host: &str, source: &str, level: Level, line: String, fields: Extra) -> Fact {
    let written = LogWritten {
        host: host.to_owned(),
        source: source.to_owned(),
        level,
        fields,
    };
    Fact {
        text: Some(line),
        ..Fact::of(format!("log/{host}/{source}"), written)
    }
}

fn without_line_end(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\r', '\n'])),
        Cow::Owned(mut text) => {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
            Cow::Owned(text)
        }
    }
}

fn structured(
    host: &str,
    source: &str,
    key: &'static str,
    fields: &mut Fields<'_>,
) -> Result<Fact, Reason> {
    let line = fields.text(key)?.unwrap_or_default();
    let told = fields.peek("level").and_then(level_of);
    if told.is_some() {
        fields.take("level");
    }
    let level = told.unwrap_or_else(|| guessed(&line));
    Ok(written(host, source, level, line, fields.rest()))
}

/// A level as a word, or as a syslog priority 0..=7 (RFC 5424 §6.2.1).
fn level_of(value: &Json<'_>) -> Option<Level> {
    match value {
        Json::Text(word) => LEVELS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word.trim()))
            .map(|(_, level)| *level)
            .or_else(|| priority(value)),
        _ => priority(value),
    }
}

fn priority(value: &Json<'_>) -> Option<Level> {
    let number = finite(value)?;
    match number as i64 {
        _ if number.fract() != 0.0 || !(0.0..=7.0).contains(&number) => None,
        0..=2 => Some(Level::Critical),
        3 => Some(Level::Error),
        4 => Some(Level::Warning),
        5 | 6 => Some(Level::Info),
        _ => Some(Level::Debug),
    }
}

/// An entry as `journalctl -o json` writes it (systemd.journal-fields(7)): all values are texts,
/// `MESSAGE` is an array of bytes when it is no UTF-8, and null when it is too big for journald.
fn journal_entry(
    host: &str,
    source: &str,
    mut fields: Fields<'_>,
    inbound: &Inbound,
    found: &mut Findings,
) -> Result<Draft, Reason> {
    found.id = fields.id();
    let moment = fields
        .moment("__REALTIME_TIMESTAMP", "claimed_ts", inbound.received_at)
        .unwrap_or(Moment {
            at: inbound.received_at,
            suspect: true,
        });
    let line = match fields.take("MESSAGE") {
        Some(Json::Text(text)) => fields.clean(text),
        Some(Json::Array(items)) => {
            let bytes: Vec<u8> = items
                .iter()
                .map(|item| match item {
                    Json::Int(byte) => u8::try_from(*byte).ok(),
                    _ => None,
                })
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    Reason(
                        "key \"MESSAGE\" holds an array that is no bytes; expected 0 to 255".into(),
                    )
                })?;
            let text = String::from_utf8_lossy(&bytes);
            if matches!(text, Cow::Owned(_)) {
                fields.put("invalid_utf8", Json::Bool(true));
            }
            fields.clean(Cow::Owned(text.into_owned()))
        }
        Some(Json::Null) | None => {
            fields.put("message_omitted", Json::Bool(true));
            String::new()
        }
        Some(other) => {
            return Err(super::super::fields::unexpected(
                "MESSAGE",
                &other,
                "a text or bytes",
            ));
        }
    };
    let level = fields
        .peek("PRIORITY")
        .and_then(priority)
        .unwrap_or_else(|| guessed(&line));
    let fact = written(host, source, level, line, fields.rest());
    found.masked |= fields.masked;
    Ok(fact.at(moment))
}

/// The first level word of a line that stands alone: `terry`, `error_log`, `/x/error.log` and
/// `error-free` are none. Colours before a word do not hide it.
fn guessed(line: &str) -> Level {
    let bytes = line.as_bytes();
    let (mut at, mut joined) = (0, false);
    while at < bytes.len() {
        let byte = bytes[at];
        if byte.is_ascii_alphabetic() {
            let end = bytes[at..]
                .iter()
                .position(|byte| !byte.is_ascii_alphabetic())
                .map_or(bytes.len(), |offset| at + offset);
            if !joined
                && !joins_on(bytes, end)
                && let Some(level) = level_word(&bytes[at..end])
            {
                return level;
            }
            at = end;
            joined = true;
            continue;
        }
        if byte == 0x1b && bytes.get(at + 1) == Some(&b'[') {
            // ESC [ parameters final-byte (ECMA-48 §5.4).
            at += 2;
            while bytes
                .get(at)
                .is_some_and(|byte| !(0x40..=0x7e).contains(byte))
            {
                at += 1;
            }
            joined = false;
        } else {
            joined =
                byte.is_ascii_digit() || byte >= 0x80 || matches!(byte, b'_' | b'-' | b'/' | b'.');
        }
        at += 1;
    }
    Level::Info
}

/// Whether the byte after a word makes it part of a longer one.
fn joins_on(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end) {
        Some(b'_' | b'-' | b'0'..=b'9' | b'/' | 0x80..) => true,
        Some(b'.') => bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric),
        None | Some(_) => false,
    }
}

fn level_word(word: &[u8]) -> Option<Level> {
    // No level word is shorter or longer; most words of a line end here.
    if !(3..=11).contains(&word.len())
        || !matches!(
            word[0] | 0x20,
            b'a' | b'c'..=b'f' | b'i' | b'n' | b'p' | b't' | b'w'
        )
    {
        return None;
    }
    LEVELS
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_of_its_own() {
        for (line, level) in [
            ("terry says hello", Level::Info),
            ("ERROR: disk", Level::Error),
            ("[error] x", Level::Error),
            ("level=warn msg=x", Level::Warning),
            ("\u{1b}[31mERROR\u{1b}[0m x", Level::Error),
            ("open /var/log/error.log", Level::Info),
            ("error_log is error-free", Level::Info),
            ("error.", Level::Error),
            ("a warning before an error", Level::Warning),
            ("kernel panic", Level::Critical),
            ("NOTICE [sshd] Ban 203.0.113.77", Level::Info),
            ("dbg DEBUG x", Level::Debug),
            ("éerror", Level::Info),
            ("", Level::Info),
        ] {
            assert_eq!(guessed(line), level, "{line}");
        }
    }
}
