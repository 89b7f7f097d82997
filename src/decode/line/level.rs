//! How bad a line is: by its number, by a word that says so, or by the first such word in it.

use crate::event::system::Level;

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

/// A level by its word, in any case.
pub(in crate::decode) fn of_word(word: &str) -> Option<Level> {
    level_word(word.as_bytes())
}

/// A level by its syslog number (RFC 5424 §6.2.1).
pub(in crate::decode) const fn of_number(number: u8) -> Level {
    match number {
        0..=2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warning,
        5 | 6 => Level::Info,
        _ => Level::Debug,
    }
}

/// The first level word of a line that stands alone: `terry`, `error_log`, `/x/error.log` and
/// `error-free` are none. Colours before a word do not hide it.
pub(in crate::decode) fn guessed(line: &str) -> Level {
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
