//! A message as tokens.

use super::head::Head;
use super::json;
use super::masks::{self, IP};
use super::sequence::{Sequence, key_of};

/// More tokens become one `<*>` at the end: what makes a line what it is stands in front.
pub const MAX_TOKENS: usize = 128;
/// What stands behind this many bytes becomes one `<*>` too.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1_024;

/// Quoted texts of more words are values: a request has three, a browser's name any number.
const MAX_QUOTED_WORDS: usize = 3;
const QUOTED: &str = "\"<STR>\"";

/// What a message says, as tokens with masks. One is made and used for many messages, so that
/// reading allocates nothing.
///
/// - Words part at blanks and control characters, and behind `,` and `;`.
/// - Masks stand for parts of words: `sshd[812]:` is `sshd[<NUM>]:`, `rhost=192.0.2.1` is
///   `rhost=<IP>`. A point in time is one token, blanks and all.
/// - A quoted text of more than three words is `"<STR>"`, but for one that is the message itself:
///   `msg="no route to host"`.
/// - A message that is a JSON object or array, or ends in one, is read by its structure: `{`, one
///   `path=value` per value, ordered by path whatever order they were written in, `}`. Values are
///   `<STR>`, `<NUM>`, `<BOOL>`, `<NULL>`, `<LIST>`; under `level`, `state` and the like a short
///   word stays, under `msg`, `event`, `type` and the like the text is read as tokens.
#[derive(Debug, Default)]
pub struct Tokens {
    sequence: Sequence,
    head: Head,
    json: json::Scratch,
}

impl Tokens {
    /// The tokens of one message.
    pub fn of(message: &str) -> Self {
        let mut tokens = Self::default();
        tokens.read(message);
        tokens
    }

    /// Reads another message.
    pub fn read(&mut self, message: &str) {
        let text = &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)];
        let is_cut = text.len() < message.len();
        self.sequence.clear();
        if !json::write(text, is_cut, &mut self.json, &mut self.sequence) {
            write_plain(text, &mut self.sequence);
        }
        // A template of nothing but a wildcard would fit nothing.
        if is_cut && self.sequence.len() > 0 {
            self.sequence.push_rest();
        }
        self.sequence.seal();
        self.head = Head::of(&self.sequence);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sequence.len()
    }

    /// Whether the message says nothing, and so has no template.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Joined by one blank: the text of a template that fits this message alone.
    pub fn text(&self) -> &str {
        self.sequence.text()
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    pub(super) fn sequence(&self) -> &Sequence {
        &self.sequence
    }
}

/// Whether the value under this key, which ends in `=`, tells what kind of message it is.
pub(super) fn is_telling(key: &str) -> bool {
    const NAMES: &[&str] = &[
        "msg", "message", "event", "type", "kind", "log", "error", "err",
    ];
    let name = key.trim_end_matches('=');
    let name = name.rsplit(['.', '"', '{']).next().unwrap_or(name);
    NAMES
        .iter()
        .any(|telling| telling.eq_ignore_ascii_case(name))
}

/// Reads running text into tokens; goes on with the open one.
pub(super) fn write_plain(text: &str, out: &mut Sequence) {
    let bytes = text.as_bytes();
    let mut at = 0;
    // Quotes before this place are inside a quoted text, or end it.
    let mut unquoted_from = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if masks::is_blank(byte) {
            out.finish();
            at += 1;
            continue;
        }
        if out.is_full() {
            out.push_rest();
            return;
        }
        match byte {
            _ if masks::is_word(byte) => at = masks::write_word(text, at, out.open()),
            b',' | b';' => {
                out.open().push(char::from(byte));
                out.finish();
                at += 1;
            }
            b'"' if at >= unquoted_from && may_open(bytes, at) => {
                let end = quote_end(bytes, at + 1);
                unquoted_from = end.unwrap_or(bytes.len());
                let is_value = end.is_some_and(|end| is_long(&bytes[at + 1..end - 1]));
                if is_value && !key_of(out.opened()).is_some_and(is_telling) {
                    out.open().push_str(QUOTED);
                    at = unquoted_from;
                } else {
                    out.open().push('"');
                    at += 1;
                }
            }
            b'[' => at = write_bracket(text, at, out.open()),
            _ => {
                write_mark(&bytes[at..], out.open());
                at += 1;
            }
        }
    }
    out.finish();
}

/// Writes the mark that stands in front; what would read as a mask of ours is made inert.
pub(super) fn write_mark(rest: &[u8], out: &mut String) {
    if masks::opens_mask(rest) {
        out.push('\\');
    }
    out.push(char::from(rest[0]));
}

fn write_bracket(text: &str, at: usize, out: &mut String) -> usize {
    if let Some(length) = masks::bracketed_address(&text[at..]) {
        out.push_str(IP);
        return at + length;
    }
    out.push('[');
    // The kernel pads its seconds: `[    5.125]` and `[12345.125]` are one token each.
    let rest = &text.as_bytes()[at + 1..];
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    let pads = rest.get(blanks).is_some_and(u8::is_ascii_digit);
    at + 1 + if pads { blanks } else { 0 }
}

fn may_open(bytes: &[u8], at: usize) -> bool {
    at == 0 || masks::is_blank(bytes[at - 1]) || b"=([{:,".contains(&bytes[at - 1])
}

/// Behind the quote that ends what begins here.
fn quote_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn is_long(quoted: &[u8]) -> bool {
    let words = quoted
        .split(|byte| masks::is_blank(*byte))
        .filter(|word| !word.is_empty());
    words.count() > MAX_QUOTED_WORDS
}
