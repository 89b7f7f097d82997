//! The tokens of JSON, found by one pass over its text; no tree is built.
//!
//! Tolerant: what the tokens do not show is not checked (escapes, the forms of numbers, what is in
//! an array). What is no JSON even so is left to be read as running text.

use super::masks::{self, BOOL, LIST, NULL, NUM, OBJ, STR};
use super::sequence::Sequence;
use super::tokens::{is_telling, write_mark, write_plain};

/// Objects below become `<OBJ>`.
const MAX_DEPTH: usize = 8;
/// How many beginnings of JSON behind a prefix are tried; a bound on the work.
const MAX_TRIES: usize = 2;
/// Longer words are values.
const MAX_WORD_BYTES: usize = 32;

/// Buffers of the scanner, kept from message to message.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The key that is read, behind those that it is under.
    path: String,
    /// A text without its escapes.
    text: String,
    /// The tokens as written.
    tokens: Sequence,
    /// Which of them belong to one value: from, to.
    values: Vec<(usize, usize)>,
}

/// Appends the tokens of a message that is JSON or ends in it, with those of its prefix. Writes
/// nothing and says so if it does not.
pub(super) fn write(text: &str, is_cut: bool, scratch: &mut Scratch, out: &mut Sequence) -> bool {
    let whole = text.trim_end_matches(|c: char| c.is_ascii_whitespace() || "'\").\0".contains(c));
    if !is_cut && !whole.ends_with(['}', ']']) {
        return false;
    }
    let bytes = text.as_bytes();
    let begins = |at: &usize| begins_at(bytes, *at);
    for from in (0..bytes.len()).filter(begins).take(MAX_TRIES) {
        scratch.tokens.clear();
        scratch.values.clear();
        scratch.path.clear();
        let mut scanner = Scanner {
            text,
            at: from,
            depth: 0,
            ran_out: false,
            scratch,
        };
        let ended = scanner.root() && scanner.at >= whole.len();
        let is_json = ended || (is_cut && scanner.ran_out);
        if !is_json {
            continue;
        }
        // `payload '{…}'`: the quote goes with the one behind, which is not written.
        write_plain(text[..from].trim_end_matches(['\'', '"', '(']), out);
        if bytes[from] == b'[' {
            out.push(LIST);
        } else {
            write_values(scratch, out);
        }
        return true;
    }
    false
}

/// `{"`, `{}`, `[{`, `["` and the like, at the start or behind a mark; `[42]` behind other text is a
/// tag.
fn begins_at(bytes: &[u8], at: usize) -> bool {
    let inside: &[u8] = match bytes[at] {
        b'{' => b"\"}",
        b'[' if at == 0 => b"{[\"0123456789-]",
        b'[' => b"{[\"",
        _ => return false,
    };
    let free = at == 0 || masks::is_blank(bytes[at - 1]) || b"=:('\"".contains(&bytes[at - 1]);
    let next = bytes[at + 1..].iter().find(|byte| !masks::is_blank(**byte));
    free && next.is_some_and(|byte| inside.contains(byte))
}

fn write_values(scratch: &mut Scratch, out: &mut Sequence) {
    let tokens = &scratch.tokens;
    // The first token begins with the path and `=`, which no path holds: this orders by path.
    scratch.values.sort_unstable_by(|one, other| {
        tokens
            .get(one.0)
            .cmp(tokens.get(other.0))
            .then(one.cmp(other))
    });
    out.push("{");
    for (from, to) in &scratch.values {
        for index in *from..*to {
            if out.is_full() {
                out.push_rest();
                return;
            }
            out.push(tokens.get(index));
        }
    }
    if tokens.is_full() {
        out.push_rest();
    } else {
        out.push("}");
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// The text ended too early.
    ran_out: bool,
    scratch: &'t mut Scratch,
}

/// Each returns whether it read what it says; if not, the text is no JSON or has run out.
impl<'t> Scanner<'t> {
    fn root(&mut self) -> bool {
        if self.peek() == b'{' {
            self.object()
        } else {
            self.skip_nested()
        }
    }

    fn object(&mut self) -> bool {
        self.at += 1;
        if self.past_blanks() == b'}' {
            self.at += 1;
            return true;
        }
        self.depth += 1;
        loop {
            if self.past_blanks() != b'"' {
                return false;
            }
            let Some(key) = self.string() else {
                return false;
            };
            if self.past_blanks() != b':' {
                return false;
            }
            self.at += 1;
            let parent = self.scratch.path.len();
            if parent > 0 {
                self.scratch.path.push('.');
            }
            write_key(key, &mut self.scratch.path);
            if !self.value() {
                return false;
            }
            self.scratch.path.truncate(parent);
            let mark = self.past_blanks();
            self.at += 1;
            match mark {
                b',' => {}
                b'}' => break,
                _ => return false,
            }
        }
        self.depth -= 1;
        true
    }

    fn value(&mut self) -> bool {
        match self.past_blanks() {
            b'{' if self.depth < MAX_DEPTH => self.object(),
            b'{' => self.skip_nested() && self.keep(OBJ),
            b'[' => self.skip_nested() && self.keep(LIST),
            b'"' => self.string().is_some_and(|text| self.keep_text(text)),
            b't' => self.literal("true") && self.keep(BOOL),
            b'f' => self.literal("false") && self.keep(BOOL),
            b'n' => self.literal("null") && self.keep(NULL),
            b'-' | b'0'..=b'9' => {
                let rest = &self.text.as_bytes()[self.at..];
                let length = rest.iter().take_while(|byte| is_of_number(**byte)).count();
                self.at += length;
                self.keep(NUM)
            }
            _ => false,
        }
    }

    fn keep_text(&mut self, text: &str) -> bool {
        let path = &self.scratch.path;
        let name = path.rsplit('.').next().unwrap_or(path);
        if !is_telling(name) {
            let stays = is_worded(name) && is_short_word(text);
            return self.keep(if stays { text } else { STR });
        }
        self.keep_with(|scratch| {
            unescape(text, &mut scratch.text);
            write_plain(&scratch.text, &mut scratch.tokens);
        })
    }

    fn keep(&mut self, value: &str) -> bool {
        self.keep_with(|scratch| scratch.tokens.open().push_str(value))
    }

    fn keep_with(&mut self, write: impl FnOnce(&mut Scratch)) -> bool {
        let scratch = &mut *self.scratch;
        let from = scratch.tokens.len();
        if !scratch.tokens.is_full() {
            let token = scratch.tokens.open();
            token.push_str(&scratch.path);
            token.push('=');
            write(scratch);
            scratch.tokens.finish();
            scratch.values.push((from, scratch.tokens.len()));
        }
        true
    }

    /// What stands between the quotes, escapes and all.
    fn string(&mut self) -> Option<&'t str> {
        let bytes = self.text.as_bytes();
        let from = self.at + 1;
        let mut at = from;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => {
                    self.ran_out = true;
                    return None;
                }
            }
        }
        self.at = at + 1;
        Some(&self.text[from..at])
    }

    /// Passes an array or an object by counting brackets, of either sort.
    fn skip_nested(&mut self) -> bool {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                b'"' => {
                    if self.string().is_none() {
                        return false;
                    }
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                0 if self.ran_out => return false,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return true;
            }
        }
    }

    fn literal(&mut self, name: &str) -> bool {
        let rest = &self.text[self.at..];
        self.ran_out |= name.starts_with(rest);
        self.at += name.len();
        rest.starts_with(name)
    }

    fn past_blanks(&mut self) -> u8 {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        self.peek()
    }

    /// The next byte; 0 at the end.
    fn peek(&mut self) -> u8 {
        let next = self.text.as_bytes().get(self.at).copied();
        self.ran_out |= next.is_none();
        next.unwrap_or(0)
    }
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// Keys are masked like words, for some are names of devices. None holds a blank or a `=`.
fn write_key(key: &str, path: &mut String) {
    let bytes = key.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if masks::is_word(bytes[at]) {
            at = masks::write_word(key, at, path);
            continue;
        }
        match bytes[at] {
            b'=' => path.push('_'),
            byte if masks::is_blank(byte) => path.push('_'),
            _ => write_mark(&bytes[at..], path),
        }
        at += 1;
    }
}

/// Keys whose values are words of a small set.
fn is_worded(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "level",
        "lvl",
        "severity",
        "state",
        "status",
        "action",
        "stream",
        "method",
        "logger",
        "component",
        "service",
        "unit",
        "result",
        "label",
    ];
    NAMES.iter().any(|worded| worded.eq_ignore_ascii_case(name))
}

fn is_short_word(text: &str) -> bool {
    let is_of_word = |byte: u8| byte.is_ascii_alphabetic() || b"-_./".contains(&byte);
    text.len() <= MAX_WORD_BYTES && text.bytes().all(is_of_word)
}

/// Line ends and tabs become blanks; escapes by number stay as they are.
fn unescape(text: &str, out: &mut String) {
    out.clear();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = behind.chars();
        match chars.next() {
            Some('n' | 'r' | 't' | 'b' | 'f') => out.push(' '),
            Some('u') => out.push_str("\\u"),
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}
