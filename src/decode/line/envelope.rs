//! What stands around a message: priority, time, host, program, process.
//!
//! RFC 3164 as daemons write it (with or without priority, host and year; with a facility as
//! busybox does), the same with ISO 8601 times (rsyslog), RFC 5424, the kernel's seconds since the
//! start, and programs that only put a time before their words.

use super::found::Found;
use super::stamp::Stamp;
use super::{level, stamp};
use crate::event::system::Level;

/// Longest name of a program with its process, bytes (RFC 5424 §6 allows 48 and 128).
const MAX_TAG_BYTES: usize = 48 + 128;
/// Longest name of a host (RFC 5424 §6).
const MAX_HOST_BYTES: usize = 255;

/// Who wrote a message, where the line says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Writer<'t> {
    pub(super) host: Option<&'t str>,
    pub(super) program: Option<&'t str>,
    pub(super) pid: Option<&'t str>,
}

/// Takes the envelope off; `found.message` is what is left, and the whole line when there is none.
pub(super) fn open<'t>(line: &'t str, found: &mut Found<'t>) -> Writer<'t> {
    found.message = line;
    match line.as_bytes().first() {
        Some(b'<') => prioritised(line, found),
        Some(b'A'..=b'Z') => traditional(line, found),
        Some(b'0'..=b'9') => numeric(line, found),
        Some(b'[') => uptime(line, found),
        _ => Writer::default(),
    }
}

/// `<38>` and what follows: the number is facility × 8 + severity.
fn prioritised<'t>(line: &'t str, found: &mut Found<'t>) -> Writer<'t> {
    let Some((number, rest)) = line[1..].split_once('>') else {
        return Writer::default();
    };
    let Some(priority) = number.parse::<u8>().ok().filter(|number| *number <= 191) else {
        return Writer::default();
    };
    found.told = Some(level::of_number(priority % 8));
    found.message = rest;
    if let Some(rest) = rest.strip_prefix("1 ")
        && let Some(writer) = structured(rest, found)
    {
        return writer;
    }
    match rest.as_bytes().first() {
        Some(b'A'..=b'Z') => traditional(rest, found),
        Some(b'0'..=b'9') => numeric(rest, found),
        _ => tagged(rest, found).unwrap_or_default(),
    }
}

/// RFC 5424 behind the version: time, host, program, process, message id, structured data.
fn structured<'t>(text: &'t str, found: &mut Found<'t>) -> Option<Writer<'t>> {
    let mut parts = text.splitn(6, ' ');
    let mut part = || {
        parts
            .next()
            .map(|part| Some(part).filter(|part| *part != "-"))
    };
    let (time, host, program, pid, id) = (part()?, part()?, part()?, part()?, part()?);
    let rest = parts.next().unwrap_or("-");
    let (data, message) = structured_data(rest)?;
    if let Some(time) = time {
        let (stamp, behind) = stamp::iso(time)?;
        found.stamp = behind.is_empty().then_some(stamp);
    }
    found.text("msgid", id.unwrap_or_default());
    found.text("structured_data", data);
    found.message = message.strip_prefix('\u{feff}').unwrap_or(message);
    Some(Writer { host, program, pid })
}

/// `-`, or `[id name="value" …][…]` in which a backslash makes the next byte ordinary.
fn structured_data(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(("", rest.strip_prefix(' ').unwrap_or(rest)));
    }
    let bytes = text.as_bytes();
    let (mut at, mut quoted) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted && bytes.get(at + 1) != Some(&b'[') => {
                let (data, rest) = text.split_at(at + 1);
                return data
                    .starts_with('[')
                    .then(|| (data, rest.strip_prefix(' ').unwrap_or(rest)));
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// `Nov 20 04:02:10 heron sshd[2212]: …`
fn traditional<'t>(line: &'t str, found: &mut Found<'t>) -> Writer<'t> {
    // busybox and OpenWrt put the day of the week before the month and the year behind the time.
    let text = weekday(line).unwrap_or(line);
    let Some((at, rest)) = stamp::month_first(text) else {
        return Writer::default();
    };
    let (at, rest) = match at {
        Stamp::Yearless(day) if text.len() < line.len() => stamp::year_behind(day, rest),
        at => (at, rest),
    };
    found.stamp = Some(at);
    found.message = rest.trim_start_matches([' ', ':']);
    tail(found).unwrap_or_default()
}

fn weekday(line: &str) -> Option<&str> {
    let day = ["Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "];
    day.iter().find_map(|day| line.strip_prefix(day))
}

/// A line that begins with a date in digits or with Unix time.
fn numeric<'t>(line: &'t str, found: &mut Found<'t>) -> Writer<'t> {
    let Some((at, rest)) = stamp::iso(line)
        .or_else(|| stamp::slashed(line))
        .or_else(|| stamp::unix(line).filter(|(_, rest)| rest.starts_with(": ")))
    else {
        return Writer::default();
    };
    found.stamp = Some(at);
    found.message = rest.trim_start_matches([' ', ':']);
    // Only syslog daemons write the `T`; with a blank it is a program that dates its own lines.
    if rest.starts_with(' ') && matches!(line.as_bytes().get(10), Some(b'T')) {
        return tail(found).unwrap_or_default();
    }
    Writer::default()
}

/// Host, program and process before the message. Nothing is taken when there is no program: what
/// looks like a host may be the first word of a sentence.
fn tail<'t>(found: &mut Found<'t>) -> Option<Writer<'t>> {
    let text = found.message;
    if let Some(writer) = tagged(text, found).or_else(|| with_facility(text, found)) {
        return Some(writer);
    }
    let (host, rest) = text.split_once(' ')?;
    if !is_host(host) {
        return None;
    }
    let rest = rest.trim_start_matches(' ');
    let writer = tagged(rest, found).or_else(|| with_facility(rest, found));
    match writer {
        Some(writer) => Some(Writer {
            host: Some(host),
            ..writer
        }),
        None if level::of_word(host).is_none() && rest.starts_with("last message repeated ") => {
            found.message = rest;
            Some(Writer {
                host: Some(host),
                ..Writer::default()
            })
        }
        None => None,
    }
}

fn is_host(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'%');
    !text.is_empty() && text.len() <= MAX_HOST_BYTES && text.bytes().all(allowed)
}

/// `authpriv.warn dropbear[2112]: …`, as busybox writes it.
fn with_facility<'t>(text: &'t str, found: &mut Found<'t>) -> Option<Writer<'t>> {
    let (facility, rest) = text.split_once(' ')?;
    let (_, word) = facility.rsplit_once('.')?;
    let told = level::of_word(word)?;
    let writer = tagged(rest, found)?;
    found.told = Some(told);
    Some(writer)
}

/// `sshd[2212]: …`, `kernel: …`, `CRON[77]: …`
fn tagged<'t>(text: &'t str, found: &mut Found<'t>) -> Option<Writer<'t>> {
    let bytes = &text.as_bytes()[..text.len().min(MAX_TAG_BYTES)];
    let end = bytes.iter().position(|byte| !in_program(*byte))?;
    let (program, behind) = text.split_at(end);
    if program.is_empty() {
        return None;
    }
    let (pid, behind) = match behind.strip_prefix('[') {
        Some(inner) => {
            let (pid, behind) = inner.split_once(']')?;
            let valid = pid.len() <= 20 && pid.bytes().all(|byte| byte.is_ascii_digit());
            (Some(pid).filter(|_| valid)?, behind)
        }
        None => ("", behind),
    };
    let rest = behind.strip_prefix(':')?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    found.message = rest.strip_prefix(' ').unwrap_or(rest);
    let (program, pid) = (Some(program), Some(pid).filter(|pid| !pid.is_empty()));
    Some(Writer {
        host: None,
        program,
        pid,
    })
}

const fn in_program(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'@' | b'(' | b')')
}

/// `[12345.678901] …`, and `[21/Nov/2026 18:03:04] …` of web servers.
fn uptime<'t>(line: &'t str, found: &mut Found<'t>) -> Writer<'t> {
    let Some((inner, rest)) = line[1..].split_once(']') else {
        return Writer::default();
    };
    let text = inner.trim_start_matches(' ');
    let seconds = text.split_once('.').is_some_and(|(whole, part)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // Six digits; others have fewer.
        digits(whole) && digits(part) && part.len() == 6
    });
    if seconds {
        found.text("uptime_s", text);
        found.message = rest.strip_prefix(' ').unwrap_or(rest);
        return Writer {
            program: Some("kernel"),
            ..Writer::default()
        };
    }
    let read = stamp::day_first(text).or_else(|| stamp::iso(text));
    if let Some((at, "")) = read {
        found.stamp = Some(at);
        found.message = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Writer::default()
}

/// A message without the time that its program wrote once more before it.
pub(super) fn without_time(message: &str) -> &str {
    if !message.starts_with(|first: char| first.is_ascii_digit()) {
        return message;
    }
    stamp::iso(message)
        .or_else(|| stamp::slashed(message))
        .or_else(|| stamp::unix(message).filter(|(_, rest)| rest.starts_with(": ")))
        .map_or(message, |(_, rest)| rest.trim_start_matches([' ', ':']))
}

/// A level before the message: `NOTICE  [sshd] Ban …`, `[error] 812#812: …`. `found` learns it.
pub(super) fn level_word<'t>(text: &'t str, found: &mut Found<'t>) -> Option<&'t str> {
    let end = text.find(|letter: char| !letter.is_ascii_alphabetic())?;
    let told: Level = level::of_word(&text[..end])?;
    found.told = Some(told);
    Some(text[end..].trim_start_matches([' ', ':', ']', '-']))
}
