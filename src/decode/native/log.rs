//! `log/{host}/{source}`: a line of text, `{ts, level, message, …}`, or a journald entry.
//!
//! A log line is evidence: besides one that is too long nothing is undecodable here. JSON that is
//! broken, or has no message, is a line like any other; bytes that are no UTF-8 are replaced by
//! U+FFFD and the field `invalid_utf8` says so. Escape sequences stay: whoever prints makes them
//! visible.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::fields::{Fields, finite};
use super::super::json::{self, Json, MAX_PARSED_BYTES};
use super::super::line::{self, Context, Parsed, level};
use super::super::{Draft, Findings, Reason, time};
use super::{Fact, Moment};
use crate::event::Extra;
use crate::event::system::{Level, LogWritten};

/// Keys under which programs put the line itself.
const MESSAGE_KEYS: &[&str] = &["message", "msg"];

/// Reads what one line of a log says, whichever way it came.
pub(in crate::decode) fn line(
    bytes: &[u8],
    context: &Context<'_>,
    found: &mut Findings,
) -> Result<Draft, Reason> {
    if bytes.len() > MAX_PARSED_BYTES {
        return Err(Reason(format!(
            "log line of {} bytes; expected at most {MAX_PARSED_BYTES}",
            bytes.len()
        )));
    }
    let text = String::from_utf8_lossy(bytes);
    if let Cow::Borrowed(text) = text
        && text.trim_ascii_start().starts_with('{')
        && let Ok(Json::Object(entries)) = json::parse(text)
    {
        let fields = Fields::of(entries);
        let journald =
            fields.peek("MESSAGE").is_some() && fields.peek("__REALTIME_TIMESTAMP").is_some();
        if journald {
            return journal_entry(fields, context, found);
        }
        let key = MESSAGE_KEYS
            .iter()
            .find(|key| matches!(fields.peek(key), Some(Json::Text(_))));
        let dated = fields
            .peek("ts")
            .is_none_or(|ts| *ts == Json::Null || time::read(ts).is_some());
        if let (Some(key), true) = (key, dated) {
            return structured(key, fields, context, found);
        }
    }
    let mut fields = Fields::of(Vec::new());
    if matches!(text, Cow::Owned(_)) {
        fields.put("invalid_utf8", Json::Bool(true));
    }
    let line = without_line_end(text);
    let parsed = line::parse(&line, context);
    let line = fields.clean(line);
    found.masked |= fields.masked;
    let moment = own_moment(&parsed, context);
    let level = parsed.level;
    Ok(written(line, level, fields.rest(), parsed, context).at(moment))
}

/// The line's own time, or its arrival.
fn own_moment(parsed: &Parsed, context: &Context<'_>) -> Moment {
    Moment {
        at: parsed.at.unwrap_or(context.received_at),
        suspect: parsed.suspect,
    }
}

/// The fields that the publisher wrote count before those that were found in its line.
fn written(line: String, level: Level, told: Extra, parsed: Parsed, context: &Context<'_>) -> Fact {
    let mut fields = parsed.fields;
    fields.extend(told);
    let Context { host, source, .. } = context;
    let written = LogWritten {
        host: (*host).to_owned(),
        source: (*source).to_owned(),
        level,
        fields: Arc::new(fields),
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
    key: &'static str,
    mut fields: Fields<'_>,
    context: &Context<'_>,
    found: &mut Findings,
) -> Result<Draft, Reason> {
    found.id = fields.id();
    let dated = fields.peek("ts").is_some_and(|ts| *ts != Json::Null);
    let told_moment = fields.moment("ts", "claimed_ts", context.received_at)?;
    let line = match fields.take(key) {
        Some(Json::Text(line)) => line,
        _ => Cow::Borrowed(""),
    };
    let parsed = line::parse(&line, context);
    let line = fields.clean(line);
    let moment = if dated {
        told_moment
    } else {
        own_moment(&parsed, context)
    };
    let told = fields.peek("level").and_then(level_of);
    if told.is_some() {
        fields.take("level");
    }
    let level = told.unwrap_or(parsed.level);
    let fact = written(line, level, fields.rest(), parsed, context);
    found.masked |= fields.masked;
    Ok(fact.at(moment))
}

/// A level as a word, or as a syslog priority 0..=7 (RFC 5424 §6.2.1).
fn level_of(value: &Json<'_>) -> Option<Level> {
    match value {
        Json::Text(word) => level::of_word(word.trim()).or_else(|| priority(value)),
        _ => priority(value),
    }
}

fn priority(value: &Json<'_>) -> Option<Level> {
    let number = finite(value)?;
    let whole = number.fract() == 0.0 && (0.0..=7.0).contains(&number);
    whole.then(|| level::of_number(number as u8))
}

/// An entry as `journalctl -o json` writes it (systemd.journal-fields(7)): all values are texts,
/// `MESSAGE` is an array of bytes when it is no UTF-8, and null when it is too big for journald.
fn journal_entry(
    mut fields: Fields<'_>,
    context: &Context<'_>,
    found: &mut Findings,
) -> Result<Draft, Reason> {
    found.id = fields.id();
    let moment = fields
        .moment("__REALTIME_TIMESTAMP", "claimed_ts", context.received_at)
        .unwrap_or(Moment {
            at: context.received_at,
            suspect: true,
        });
    let line = match fields.take("MESSAGE") {
        Some(Json::Text(text)) => text,
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
            Cow::Owned(text.into_owned())
        }
        Some(Json::Null) | None => {
            fields.put("message_omitted", Json::Bool(true));
            Cow::Borrowed("")
        }
        Some(other) => {
            return Err(super::super::fields::unexpected(
                "MESSAGE",
                &other,
                "a text or bytes",
            ));
        }
    };
    let program = match fields
        .peek("SYSLOG_IDENTIFIER")
        .or_else(|| fields.peek("_COMM"))
    {
        Some(Json::Text(program)) => Some(program.to_string()),
        _ => None,
    };
    let priority = fields.peek("PRIORITY").and_then(priority);
    let mut parsed = line::parse_message(&line, program.as_deref(), priority, context);
    if let Some(Json::Text(unit)) = fields.peek("UNIT") {
        line::about_unit(&mut parsed, unit);
    }
    let (level, line) = (parsed.level, fields.clean(line));
    let fact = written(line, level, fields.rest(), parsed, context);
    found.masked |= fields.masked;
    Ok(fact.at(moment))
}
