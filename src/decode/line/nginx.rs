//! nginx: its access log in the combined form (Apache writes the same), and its error log.

use super::found::Found;
use super::pattern::{Rule, first, rule};
use super::{MAX_READ_BYTES, address, level, stamp};
use crate::event::action;
use crate::event::system::Level::{self, Info, Warning};
use crate::event::system::LogWritten;

const ERRORS: &[Rule] = &[
    rule("user \"{user}\" was not found in {}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("user \"{user}\": password mismatch{}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("no user/password was provided for basic authentication{}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("access forbidden by rule{}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("directory index of \"{path:first}\" is forbidden{}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("limiting requests, {}")
        .action(action::RATE_LIMITED)
        .level(Warning),
    rule("delaying request, {}")
        .action(action::RATE_LIMITED)
        .level(Info),
    rule("limiting connections by zone {}")
        .action(action::RATE_LIMITED)
        .level(Warning),
    // Whoever knocks with something else than TLS brings this about.
    rule("SSL_do_handshake() failed (SSL: {reason:text}) while SSL handshaking").level(Warning),
];

/// What the error log adds behind a message.
const ADDED: &[(&str, &str)] = &[
    ("server", "server"),
    ("request", "request"),
    ("upstream", "upstream"),
    ("host", "http_host"),
];

/// How that begins.
const CLIENT: &str = ", client: ";
/// What it holds in quotation marks.
const QUOTED: &[&str] = &["request", "subrequest", "upstream", "host", "referrer"];
/// Messages with quotation marks around nothing but nginx's own words.
const OWN_MARKS: &[&str] = &["limiting ", "delaying "];
/// nginx cuts its lines at 2,048 bytes, with the client that it adds. Shorter ones are whole, with
/// room for the time and the process.
const MAX_WHOLE_BYTES: usize = 1_950;

/// Whether a line begins as one of the access log does: `192.0.2.1 - `.
pub(super) fn is_access(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(client, rest)| {
        rest.starts_with("- ") && address::read(client).is_some() && rest.contains(" [")
    })
}

/// Whether a message is one of the error log, behind its time: `[error] 812#812: `.
pub(super) fn is_error(message: &str) -> bool {
    let process = message
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    process.is_some_and(|(_, rest)| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest[digits..].starts_with('#')
    })
}

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    if is_error(message) {
        return message.len() <= MAX_READ_BYTES && error(message, found);
    }
    access(message, found).is_some()
}

/// `client - user [time] "request" status bytes "referer" "agent"`. nginx writes `"` within any of
/// them as `\x22`, so that the first one begins the request.
fn access<'t>(line: &'t str, found: &mut Found<'t>) -> Option<()> {
    let (head, rest) = line.split_once(" \"")?;
    let (client, head) = head.split_once(" - ")?;
    let (user, time) = head.rsplit_once(" [")?;
    let (time, behind) = stamp::day_first(time)?;
    let (request, rest) = unescaped_quote(rest).filter(|_| behind == "]")?;
    let (status, rest) = digits(rest.strip_prefix(' ')?);
    let code: u16 = status
        .parse()
        .ok()
        .filter(|code| (100..=999).contains(code))?;
    let (sent, rest) = digits(rest.strip_prefix(' ')?);
    found.stamp = Some(time);
    if address::is_host(client) {
        found.address(client);
    }
    told(LogWritten::USER, user, found);
    found.number("status", status);
    found.number("bytes_sent", sent);
    request_line(request, found);
    let mut quoted = rest.strip_prefix(" \"").and_then(unescaped_quote);
    for name in ["referer", "user_agent"] {
        let Some((text, rest)) = quoted else { break };
        told(name, text, found);
        quoted = rest.strip_prefix(" \"").and_then(unescaped_quote);
    }
    let refused = matches!(code, 401 | 403);
    found.action(if refused {
        action::UNAUTHORIZED
    } else {
        action::HTTP_REQUEST
    });
    found.level = Some(level_of(code));
    Some(())
}

/// How bad an answer is: the fault of the server, of the client, or none.
pub(super) const fn level_of(status: u16) -> Level {
    match status {
        500.. => Level::Error,
        400.. => Level::Warning,
        _ => Level::Info,
    }
}

/// `GET /index.html HTTP/1.1`; what is no request, as scanners send it, is kept whole.
pub(super) fn request_line<'t>(request: &'t str, found: &mut Found<'t>) {
    let parts = request.split_once(' ').and_then(|(method, rest)| {
        let (path, protocol) = rest.rsplit_once(' ')?;
        let verb = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        (verb && protocol.starts_with("HTTP/")).then_some((method, path, protocol))
    });
    match parts {
        Some((method, path, protocol)) => {
            found.text("method", method);
            found.text("path", path);
            found.text("protocol", protocol);
        }
        None => told("request", request, found),
    }
}

/// A field of which `-` says that there is none.
fn told<'t>(name: &str, text: &'t str, found: &mut Found<'t>) {
    if text != "-" {
        found.text(name, text);
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// What stands before the next `"` without a backslash, and behind it.
pub(super) fn unescaped_quote(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
        at += 1;
    }
    None
}

/// `[error] 812#812: *45 message, client: …, server: …, request: "…", host: "…"`
fn error<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    let Some((word, rest)) = message[1..].split_once("] ") else {
        return false;
    };
    found.told = level::of_word(word).or(found.told);
    let (pid, rest) = digits(rest);
    found.number("pid", pid);
    let Some((_, rest)) = rest.split_once(": ") else {
        return true;
    };
    let rest = match rest.strip_prefix('*').map(digits) {
        Some((connection, rest)) => {
            found.number("connection", connection);
            rest.trim_start()
        }
        None => rest,
    };
    let (text, added) = match client_at(rest) {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (rest, ""),
    };
    first(ERRORS, text, found);
    if let Some(client) = added.strip_prefix("client: ") {
        let client = client.split(',').next().unwrap_or_default();
        if address::is_host(client) {
            found.address(client);
        }
    }
    for (key, name) in ADDED {
        if let Some(value) = added_value(added, key) {
            match *name {
                "request" => request_line(value, found),
                name => told(name, value, found),
            }
        }
    }
    true
}

/// Where nginx begins to add what it knows: `, client: 203.0.113.77, server: `. Nothing is escaped:
/// a path before it, the request, the host and the referrer behind it may spell the same. None if
/// it cannot be told which is nginx's.
fn client_at(text: &str) -> Option<usize> {
    let mut places = text
        .match_indices(CLIENT)
        .map(|(at, _)| at)
        .filter(|at| server_behind(&text[*at..]).is_some());
    if let Some(behind) = behind_user(text) {
        return places.find(|at| *at >= behind);
    }
    // Behind one mark only, a path has begun and not ended.
    let at = places.find(|at| marks(&text[..*at]) != 1)?;
    let own_words = OWN_MARKS.iter().any(|words| text.starts_with(words));
    if own_words || marks(&text[..at]) == 0 {
        return Some(at);
    }
    let whole = text.len() < MAX_WHOLE_BYTES;
    let alone = places.next().is_none();
    (whole && (alone || is_all_added(&text[at..]))).then_some(at)
}

/// Behind the words of a message about a user: a name in basic authentication holds no colon, and
/// so cannot spell what stands behind them.
fn behind_user(text: &str) -> Option<usize> {
    let name = text.strip_prefix("user \"")?;
    ["\" was not found in \"", "\": password mismatch"]
        .iter()
        .filter_map(|words| Some(name.find(words)? + words.len()))
        .min()
        .map(|behind| behind + text.len() - name.len())
}

fn marks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'"').count()
}

/// What stands behind `, client: …, server: `.
fn server_behind(added: &str) -> Option<&str> {
    let (client, behind) = added.strip_prefix(CLIENT)?.split_once(", server: ")?;
    let word = !client.contains([',', '"', ' ']);
    word.then_some(behind)
}

/// Whether nothing follows but what nginx adds. A path that spells a client has the rest of its
/// message behind it.
fn is_all_added(added: &str) -> bool {
    let Some(behind) = server_behind(added) else {
        return false;
    };
    let server = behind.split(", ").next().unwrap_or_default();
    let mut rest = &behind[server.len()..];
    if server.contains('"') {
        return false;
    }
    while !rest.is_empty() {
        let value = QUOTED.iter().find_map(|key| {
            let value = rest.strip_prefix(", ")?.strip_prefix(key)?;
            value.strip_prefix(": \"")?.split_once('"')
        });
        let Some((_, behind)) = value else {
            return false;
        };
        rest = behind;
    }
    true
}

/// The value behind `, key: `, with or without quotes.
fn added_value<'t>(added: &'t str, key: &str) -> Option<&'t str> {
    let (_, behind) = added.match_indices(key).find_map(|(at, _)| {
        let before = added[..at].strip_suffix(", ");
        let behind = added[at + key.len()..].strip_prefix(": ");
        before.zip(behind)
    })?;
    match behind.strip_prefix('"') {
        Some(quoted) => unescaped_quote(quoted).map(|(value, _)| value),
        None => behind.split(',').next(),
    }
}
