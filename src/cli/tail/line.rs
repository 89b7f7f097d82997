//! One event on its way out: a line for people, a JSON object for programs.

use std::io;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::Context;
use super::super::term::{Ink, Screen, visible};
use super::super::when::local;
use super::{Args, Entry, Level};
use crate::base::clock::rfc3339;
use crate::base::ids::{event_id, hex};
use crate::event::recording::printable_path;
use crate::event::sentence::sentence;
use crate::event::{Envelope, Flags};

/// Columns for the kind: those that come often fit.
const KIND_WIDTH: usize = 25;
/// Columns for the source; longer ones are cut, since the sentence names the subject.
const SOURCE_WIDTH: usize = 24;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Lines,
    JsonLines,
    Json,
}

impl Format {
    pub(super) const fn of(args: &Args) -> Self {
        match args {
            Args { json: true, .. } => Self::Json,
            Args { jsonl: true, .. } => Self::JsonLines,
            _ => Self::Lines,
        }
    }
}

/// Writes events.
#[derive(Debug)]
pub(super) struct Printer {
    format: Format,
    site: Option<Uuid>,
    printed: u64,
}

impl Printer {
    pub(super) fn begin(
        context: &mut Context<'_>,
        format: Format,
        site: Option<Uuid>,
    ) -> io::Result<Self> {
        if format == Format::Json {
            write!(context.out, "{{\"rows\":[")?;
        }
        Ok(Self {
            format,
            site,
            printed: 0,
        })
    }

    pub(super) fn print(&mut self, entry: &Entry, context: &mut Context<'_>) -> io::Result<()> {
        self.printed += 1;
        match self.format {
            Format::Lines => {
                let line = line(entry, context.screen, &context.zone);
                writeln!(context.out, "{line}")
            }
            Format::JsonLines => writeln!(context.out, "{}", object(entry, self.site)),
            Format::Json => {
                let comma = if self.printed > 1 { "," } else { "" };
                write!(context.out, "{comma}\n{}", object(entry, self.site))
            }
        }
    }

    pub(super) fn end(self, context: &mut Context<'_>) -> io::Result<()> {
        if self.format == Format::Json {
            let line = if self.printed > 0 { "\n" } else { "" };
            writeln!(context.out, "{line}]}}")?;
        }
        Ok(())
    }
}

fn line(entry: &Entry, screen: Screen, zone: &TimeZone) -> String {
    let (at, kind, source, text, ink) = match entry {
        Entry::Event(event, level) => (
            event.occurred_at,
            event.kind().name(),
            &*event.source.text,
            sentence(event),
            ink(*level),
        ),
        Entry::Unreadable {
            kind,
            occurred_at,
            reason,
            ..
        } => (
            *occurred_at,
            kind.as_str(),
            "",
            format!("cannot be shown: {reason}"),
            Ink::Bad,
        ),
    };
    let flags = match entry {
        Entry::Event(event, _) if event.flags != Flags::default() => {
            format!("  [{}]", event.flags.names().join(", "))
        }
        _ => String::new(),
    };
    format!(
        "{}  {}  {}  {}{}",
        screen.paint(Ink::Faint, &local(at, zone)),
        screen.paint(Ink::Name, &format!("{:<KIND_WIDTH$}", visible(kind))),
        padded(source, SOURCE_WIDTH),
        screen.paint(ink, &visible(&text)),
        screen.paint(Ink::Faint, &flags),
    )
}

const fn ink(level: Level) -> Ink {
    match level {
        Level::Debug => Ink::Faint,
        Level::Info => Ink::Plain,
        Level::Warning => Ink::Warning,
        Level::Alert => Ink::Bad,
        Level::Critical => Ink::Worst,
    }
}

fn padded(text: &str, width: usize) -> String {
    let text = visible(text);
    match text.char_indices().nth(width) {
        Some(_) => text.chars().take(width - 1).chain(['…']).collect(),
        None => format!("{text:<width$}"),
    }
}

fn object(entry: &Entry, site: Option<Uuid>) -> Value {
    match entry {
        Entry::Event(event, level) => json!({
            "position": event.position,
            "event_id": site.map(|site| event_id(site, event.position).to_string()),
            "kind": event.kind().name(),
            "level": level.name(),
            "occurred_at": rfc3339(event.occurred_at),
            "received_at": rfc3339(event.received_at),
            "stream": &*event.stream.text,
            "source": &*event.source.text,
            "topic": event.topic.as_ref().map(|topic| &*topic.text),
            "flags": event.flags.names(),
            "cause": event.cause,
            "sentence": sentence(event),
            "text": event.text,
            "data": data(event),
        }),
        Entry::Unreadable {
            position,
            kind,
            occurred_at,
            received_at,
            reason,
        } => json!({
            "position": position,
            "event_id": site.map(|site| event_id(site, *position).to_string()),
            "kind": kind,
            "occurred_at": rfc3339(*occurred_at),
            "received_at": rfc3339(*received_at),
            "unreadable": reason,
        }),
    }
}

/// The payload as JSON; bytes as what they are: a text (else base64), a path, a hash.
pub(in crate::cli) fn data(event: &Envelope) -> Value {
    let mut value = event.event.to_json();
    if let Value::Object(fields) = &mut value {
        for key in ["payload", "picture"] {
            replace(fields, key, |bytes| match String::from_utf8(bytes) {
                Ok(text) => (key.to_owned(), text),
                Err(error) => (format!("{key}_base64"), base64(error.as_bytes())),
            });
        }
        for key in ["path", "sealed_path"] {
            replace(fields, key, |bytes| {
                (key.to_owned(), printable_path(&bytes))
            });
        }
        for key in ["plain_sha256", "key_id", "iv", "header_tag"] {
            replace(fields, key, |bytes| (key.to_owned(), hex(&bytes)));
        }
    }
    value
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn replace(
    fields: &mut Map<String, Value>,
    key: &str,
    show: impl FnOnce(Vec<u8>) -> (String, String),
) {
    let bytes: Option<Vec<u8>> = fields.get(key).and_then(|value| {
        let numbers = value.as_array()?.iter();
        numbers
            .map(|number| u8::try_from(number.as_u64()?).ok())
            .collect()
    });
    if let Some(bytes) = bytes {
        fields.remove(key);
        let (key, text) = show(bytes);
        fields.insert(key, text.into());
    }
}
