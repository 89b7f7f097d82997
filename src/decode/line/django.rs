//! Django: the development server's lines, and those of its loggers in the usual formats.

use super::found::Found;
use super::nginx::{level_of, request_line, unescaped_quote};
use super::pattern::{Rule, first, rule};
use super::{envelope, stamp};
use crate::event::action;
use crate::event::system::Level::{Error, Warning};

const RULES: &[Rule] = &[
    rule("Internal Server Error: {path:text}")
        .action(action::HTTP_REQUEST)
        .level(Error),
    rule("Service Unavailable: {path:text}")
        .action(action::HTTP_REQUEST)
        .level(Error),
    rule("Forbidden ({reason:first}): {path:text}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("Forbidden: {path:text}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("Unauthorized: {path:text}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("Not Found: {path:text}")
        .action(action::HTTP_REQUEST)
        .level(Warning),
    rule("Bad Request: {path:text}")
        .action(action::HTTP_REQUEST)
        .level(Warning),
    rule("Method Not Allowed ({method}): {path:text}")
        .action(action::HTTP_REQUEST)
        .level(Warning),
    rule("Too Many Requests: {path:text}")
        .action(action::RATE_LIMITED)
        .level(Warning),
    rule("Invalid HTTP_HOST header: '{http_host:first}'. {}").level(Warning),
    rule("AXES: New login failure by {user}. {}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("Login failed for user {user} from {ip}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("Watching for file changes with {}").action(action::SERVICE_STARTED),
];

/// Whether a message without a program is one of Django's: of its loggers, or of its own server.
pub(super) fn is_own(message: &str) -> bool {
    let logger = message
        .find("django.")
        .is_some_and(|at| at <= 64 && starts_word(message, at));
    logger || is_request(message)
}

/// A message that begins with a request and its status: `"GET / HTTP/1.1" 200 12`.
fn is_request(message: &str) -> bool {
    let request = message.strip_prefix('"').and_then(unescaped_quote);
    request.is_some_and(|(request, rest)| request.contains(" HTTP/") && rest.starts_with(' '))
}

fn starts_word(message: &str, at: usize) -> bool {
    at == 0 || matches!(message.as_bytes()[at - 1], b' ' | b'[' | b':' | b'(')
}

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    let text = without_prefix(message, found);
    match text.strip_prefix('"').and_then(unescaped_quote) {
        Some((request, rest)) if is_request(text) => answered(request, rest.trim_start(), found),
        _ => first(RULES, text, found),
    }
}

fn answered<'t>(request: &'t str, rest: &'t str, found: &mut Found<'t>) -> bool {
    let (status, sent) = rest.split_once(' ').unwrap_or((rest, ""));
    let Some(code) = status
        .parse::<u16>()
        .ok()
        .filter(|code| (100..=999).contains(code))
    else {
        return false;
    };
    request_line(request, found);
    found.number("status", status);
    found.number("bytes_sent", sent);
    let refused = matches!(code, 401 | 403);
    found.action(if refused {
        action::UNAUTHORIZED
    } else {
        action::HTTP_REQUEST
    });
    found.level = Some(level_of(code));
    true
}

/// Takes level, time and logger off, in any order: `ERROR 2026-11-21 18:03:04,123 log 812 140 …`,
/// `[21/Nov/2026 18:03:04] ERROR [django.request:241] …`, `ERROR:django.request:…`.
fn without_prefix<'t>(message: &'t str, found: &mut Found<'t>) -> &'t str {
    let mut text = message;
    loop {
        let before = text;
        if found.told.is_none() {
            let bare = text.strip_prefix('[').unwrap_or(text);
            text = envelope::level_word(bare, found).unwrap_or(text);
        }
        let bare = text.strip_prefix('[').unwrap_or(text);
        if let Some((at, rest)) = stamp::iso(bare).or_else(|| stamp::day_first(bare)) {
            found.stamp = Some(at);
            text = rest.trim_start_matches([' ', ']', ':']);
        }
        text = without_logger(text, found);
        if text.len() == before.len() {
            return without_numbers(text);
        }
    }
}

fn without_logger<'t>(text: &'t str, found: &mut Found<'t>) -> &'t str {
    let bare = text.strip_prefix(['[', '(']).unwrap_or(text);
    if !bare.starts_with("django.") {
        return text;
    }
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    let end = bare.bytes().take_while(in_name).count();
    let (logger, rest) = bare.split_at(end);
    found.text("logger", logger);
    let line = rest.strip_prefix(':').map_or(rest, |rest| {
        rest.trim_start_matches(|letter: char| letter.is_ascii_digit())
    });
    line.trim_start_matches([' ', ']', ')', ':', '-'])
}

/// `log 812 140736 …`: module, process and thread of Django's own verbose format.
fn without_numbers(text: &str) -> &str {
    let mut parts = text.splitn(4, ' ');
    let (Some(_), Some(process), Some(thread), Some(rest)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return text;
    };
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if number(process) && number(thread) {
        rest
    } else {
        text
    }
}
