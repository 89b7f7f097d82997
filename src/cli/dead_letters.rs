//! `dead-letters`: what could not be decoded or folded, and the bytes that came.

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::table::{FormatArgs, Heading, RowWriter};
use super::tail::data;
use super::term::{Ink, human_bytes, visible};
use super::when::local;
use super::{Context, folder};
use crate::base::clock::rfc3339;
use crate::event::Event;
use crate::event_log::read::EventReader;
use crate::read_model::view::Window;
use crate::read_model::views;
use crate::storage::{Session, StorageError, first};
use crate::values;

/// Bytes of a payload that are shown to people; `--raw` gives all.
const SHOWN_BYTES: usize = 4_096;
/// Bytes per line of a hex dump.
const DUMP_WIDTH: usize = 16;

const EXAMPLES: &str = "\
Examples:
  nightjar dead-letters list
  nightjar dead-letters show 123456
  nightjar dead-letters show 123456 --raw > message.bin";

/// Arguments of `dead-letters`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The letters, the newest first
    List(List),
    /// One letter: why it is dead, and what it says
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct List {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Its position in the event log, as `list` tells it
    position: i64,
    /// Only the bytes, unchanged
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, context),
        Verb::Show(args) => show(args, context),
    }
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let view = views()
        .find(|view| view.name == "dead_letters")
        .expect("the read model has this view");
    let window = Window {
        since: i64::MIN,
        until: i64::MAX,
        limit: i64::from(args.limit) + 1,
    };
    let mut database = folder::open_reader(&context.folder)?;
    let mut rows = view.rows(&mut database.snapshot()?, window)?;
    let more = rows.len() > args.limit as usize;
    rows.truncate(args.limit as usize);
    let headings = view.columns.iter().map(Heading::from).collect();
    let mut writer = RowWriter::begin(context.out, args.format.format(), headings)?;
    for row in rows {
        writer.row(context.out, row)?;
    }
    writer.end(context.out, context.screen, &context.zone, more)?;
    if more {
        context.out.flush()?;
        context.note(&format!(
            "these are the newest {}; --limit shows more",
            args.limit
        ));
    }
    Ok(())
}

/// A letter with what the event log holds of it.
#[derive(Debug)]
struct Letter {
    stage: String,
    projection: Option<String>,
    topic: Option<String>,
    reason: String,
    first_seen_at: i64,
    last_seen_at: i64,
    attempts: i64,
    state: String,
    kind: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The message as it came.
    Message(Vec<u8>),
    /// The event that no projection could take: its payload, and its body as stored (CBOR).
    Event(serde_json::Value, Vec<u8>),
    /// A body that this program cannot read either.
    Body(Vec<u8>),
}

impl Content {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Message(bytes) | Self::Event(_, bytes) | Self::Body(bytes) => bytes,
        }
    }
}

fn show(args: &Show, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let letter = read(&mut database.snapshot()?, args.position)?.ok_or_else(|| {
        let text = format!(
            "there is no dead letter at position {}; `nightjar dead-letters list` shows them",
            args.position
        );
        CliError::new(Exit::NoInput, text)
    })?;
    if args.raw {
        return Ok(context.out.write_all(letter.content.bytes())?);
    }
    if args.json {
        return Ok(writeln!(
            context.out,
            "{:#}",
            object(args.position, &letter)
        )?);
    }
    Ok(show_letter(args.position, &letter, context)?)
}

fn read(session: &mut dyn Session, position: i64) -> Result<Option<Letter>, StorageError> {
    let body = Content::Body;
    let Some(mut letter) = first(
        session,
        "SELECT d.stage, d.projection, d.topic, d.reason, d.first_seen_at, d.last_seen_at, \
         d.attempts, d.state, coalesce(n.name, '?'), e.body FROM dead_letters d \
         JOIN event_log e ON e.position = d.position LEFT JOIN names n ON n.id = e.kind \
         WHERE d.position = ?1",
        values![position],
        |row| {
            Ok(Letter {
                stage: row.text(0)?.to_owned(),
                projection: row.opt_text(1)?.map(ToOwned::to_owned),
                topic: row.opt_text(2)?.map(ToOwned::to_owned),
                reason: row.text(3)?.to_owned(),
                first_seen_at: row.int(4)?,
                last_seen_at: row.int(5)?,
                attempts: row.int(6)?,
                state: row.text(7)?.to_owned(),
                kind: row.text(8)?.to_owned(),
                content: body(row.blob(9)?.to_vec()),
            })
        },
    )?
    else {
        return Ok(None);
    };
    match EventReader::new().at(session, position) {
        Ok(Some(envelope)) => {
            letter.content = match &envelope.event {
                Event::MessageUndecodable(message) => Content::Message(message.payload.clone()),
                _ => Content::Event(data(&envelope), letter.content.bytes().to_vec()),
            };
        }
        Ok(None) | Err(StorageError::Unreadable(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(Some(letter))
}

fn object(position: i64, letter: &Letter) -> serde_json::Value {
    let mut object = serde_json::json!({
        "position": position,
        "stage": letter.stage,
        "projection": letter.projection,
        "topic": letter.topic,
        "reason": letter.reason,
        "kind": letter.kind,
        "first_seen_at": rfc3339(letter.first_seen_at),
        "last_seen_at": rfc3339(letter.last_seen_at),
        "attempts": letter.attempts,
        "state": letter.state,
    });
    let (key, value) = match &letter.content {
        Content::Message(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => ("payload", text.into()),
            Err(_) => ("payload_hex", crate::base::ids::hex(bytes).into()),
        },
        Content::Event(data, _) => ("data", data.clone()),
        Content::Body(bytes) => ("body_hex", crate::base::ids::hex(bytes).into()),
    };
    object[key] = value;
    object
}

fn show_letter(position: i64, letter: &Letter, context: &mut Context<'_>) -> std::io::Result<()> {
    let failed = match &letter.projection {
        Some(projection) => format!("{} ({projection})", letter.stage),
        None => letter.stage.clone(),
    };
    let seen = if letter.first_seen_at == letter.last_seen_at {
        local(letter.first_seen_at, &context.zone)
    } else {
        format!(
            "{}, last {}",
            local(letter.first_seen_at, &context.zone),
            local(letter.last_seen_at, &context.zone)
        )
    };
    let screen = context.screen;
    let out = &mut *context.out;
    for (name, text) in [
        ("position", position.to_string()),
        ("kind", letter.kind.clone()),
        ("topic", letter.topic.clone().unwrap_or_else(|| "–".into())),
        ("failed at", failed),
        ("reason", letter.reason.clone()),
        ("seen", seen),
        (
            "state",
            format!("{}; attempts: {}", letter.state, letter.attempts),
        ),
    ] {
        let name = screen.paint(Ink::Faint, name);
        writeln!(out, "{name:<11} {}", visible(&text))?;
    }
    writeln!(out)?;
    match &letter.content {
        Content::Event(data, _) => writeln!(out, "{}", visible_lines(&format!("{data:#}"))),
        Content::Message(bytes) | Content::Body(bytes) => show_bytes(out, bytes),
    }
}

fn show_bytes(out: &mut dyn std::io::Write, bytes: &[u8]) -> std::io::Result<()> {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    match printable(shown, bytes.len()) {
        Some(text) => writeln!(out, "{}", visible_lines(text))?,
        None => {
            for (line, chunk) in shown.chunks(DUMP_WIDTH).enumerate() {
                writeln!(out, "{}", dump_line(line * DUMP_WIDTH, chunk))?;
            }
        }
    }
    if shown.len() < bytes.len() {
        let rest = human_bytes((bytes.len() - shown.len()) as i64);
        writeln!(out, "… {rest} more; --raw gives all")?;
    }
    Ok(())
}

// Text with a stray control character is text; with a tenth of them it is bytes. A character that
// the bound cuts in two does not make the whole unreadable.
fn printable(shown: &[u8], whole_bytes: usize) -> Option<&str> {
    let text = match std::str::from_utf8(shown) {
        Ok(text) => text,
        Err(error) if shown.len() < whole_bytes && error.error_len().is_none() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let odd = text
        .chars()
        .filter(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
        .count();
    (odd * 10 <= text.len()).then_some(text)
}

fn visible_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(visible).collect();
    lines.join("\n")
}

// As `hexdump -C` has it: offset, sixteen bytes, the same as letters.
fn dump_line(offset: usize, chunk: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut line = format!("{offset:08x} ");
    for column in 0..DUMP_WIDTH {
        if column % 8 == 0 {
            line.push(' ');
        }
        match chunk.get(column) {
            Some(byte) => {
                let _ = write!(line, "{byte:02x} ");
            }
            None => line.push_str("   "),
        }
    }
    let letters = chunk.iter().map(|&byte| match byte {
        b' '..=b'~' => byte as char,
        _ => '.',
    });
    line.push_str(" |");
    line.extend(letters);
    line.push('|');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_dumped_as_hexdump_does() {
        let line = dump_line(16, b"ab\x00\xffdefgh\x1b[31m");
        assert_eq!(
            line,
            "00000010  61 62 00 ff 64 65 66 67  68 1b 5b 33 31 6d        |ab..defgh.[31m|"
        );
    }

    #[test]
    fn text_is_told_from_bytes() {
        assert_eq!(printable("{\"ts\": 1}".as_bytes(), 9), Some("{\"ts\": 1}"));
        assert_eq!(printable(&[0xff, 0xd8], 2), None);
        assert_eq!(printable(&[0, 1, 2], 3), None);
        assert_eq!(
            printable("aü".as_bytes().get(..2).unwrap_or_default(), 3),
            Some("a")
        );
        assert_eq!(
            printable("aü".as_bytes().get(..2).unwrap_or_default(), 2),
            None
        );
    }
}
