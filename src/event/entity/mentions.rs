//! Entities that a line of text names, found in one pass.
//!
//! For the log's writer: no allocation, no backtracking, and bounds on what is read and found. A
//! wrong mention ties events together that have nothing in common and a missed one only leaves a
//! tie out, so whatever may be something else is nothing: `12:30:01`, `1.2.3`, `nginx.service`,
//! `GET /home/`.
//!
//! | found | as |
//! |---|---|
//! | address | alone, with a port, with a zone, in a URL, behind `@` |
//! | file | from a root folder of the FHS 3.0 on, at least one part below it |
//! | domain | with a last part of `top_level`; any in a URL |
//! | user | `user=alice`, `"user":"alice"`, `invalid user alice from`, `for user alice`, `password for alice from` |

mod shape;

use self::shape::{in_url, is_mailbox, is_user, machine};
use super::EntityType;

/// Most mentions of one line; a list of addresses would else make a line as costly as a batch.
pub const MENTIONS_MAX: usize = 16;
/// How much of a line is read, bytes.
const READ_MAX_BYTES: usize = 4_096;

/// Tells each entity that `text` names, as it is written there, in the order of the text.
pub fn mentions<'t>(text: &'t str, found: &mut impl FnMut(EntityType, &'t str)) {
    let text = beginning(text);
    let bytes = text.as_bytes();
    let mut before = [Span::default(); 2];
    let mut left = MENTIONS_MAX;
    let mut at = 0;
    while at < bytes.len() && left > 0 {
        let begin = at;
        let mut marks = 0;
        while let Some(byte) = bytes.get(at)
            && CLASSES[usize::from(*byte)] & BREAK == 0
        {
            marks |= CLASSES[usize::from(*byte)];
            at += 1;
        }
        let span = Span { begin, end: at };
        // The byte between words, or nothing behind the last one.
        at += 1;
        // A `:` alone stands between a key and its value.
        if begin == span.end || marks == COLON && span.end == begin + 1 {
            continue;
        }
        // Most words of most lines end here.
        if marks != 0 || may_be_user(bytes, span, before[0]) {
            let word = Word { text, span, before };
            if let Some((kind, name)) = word.mention(marks) {
                found(kind, name);
                left -= 1;
            }
        }
        before = [span, before[0]];
    }
}

/// Whether a word without marks has neighbours that a user's name has.
fn may_be_user(bytes: &[u8], span: Span, near: Span) -> bool {
    let assigned = span.begin > 0 && matches!(bytes[span.begin - 1], b'=' | b'"' | b'\'');
    assigned || matches!(&bytes[near.begin..near.end], b"user" | b"for")
}

/// What is read of a text: whole words.
fn beginning(text: &str) -> &str {
    if text.len() <= READ_MAX_BYTES {
        return text;
    }
    let head = &text[..text.floor_char_boundary(READ_MAX_BYTES)];
    head.rfind(' ').map_or("", |end| &head[..end])
}

const BREAK: u8 = 1;
const DOT: u8 = 2;
const COLON: u8 = 4;
const SLASH: u8 = 8;
const AT: u8 = 16;

/// What each byte means; 0 is an ordinary part of a word.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let breaks = b"\x7f\"'`()[]{}<>,;=|";
    let mut at = 0;
    while at < breaks.len() {
        classes[breaks[at] as usize] = BREAK;
        at += 1;
    }
    let mut control = 0;
    while control <= b' ' as usize {
        classes[control] = BREAK;
        control += 1;
    }
    classes[b'.' as usize] = DOT;
    classes[b':' as usize] = COLON;
    classes[b'/' as usize] = SLASH;
    classes[b'@' as usize] = AT;
    classes
};

/// A part of a text, bytes.
#[derive(Clone, Copy, Default)]
struct Span {
    begin: usize,
    end: usize,
}

/// A run of bytes between blanks, quotes, brackets, commas and `=`, with its neighbours.
struct Word<'t> {
    text: &'t str,
    span: Span,
    /// The two words before it, the nearer one first; empty where there is none.
    before: [Span; 2],
}

impl<'t> Word<'t> {
    fn mention(&self, marks: u8) -> Option<(EntityType, &'t str)> {
        if let Some(name) = self.user() {
            return Some((EntityType::User, name));
        }
        if marks == 0 {
            return None;
        }
        let word = without_end(self.written(), b".!?");
        if marks & SLASH != 0 {
            if word.starts_with('/') {
                return self.file().map(|path| (EntityType::FilePath, path));
            }
            let (_, behind) = word.split_once("://")?;
            return in_url(behind);
        }
        if marks & AT != 0 {
            let (name, host) = word.split_once('@')?;
            return if is_mailbox(name) {
                machine(host)
            } else {
                None
            };
        }
        let colons = || word.bytes().filter(|byte| *byte == b':').count();
        if marks & DOT == 0 && colons() < 2 {
            return None;
        }
        if word.starts_with(|first: char| first.is_ascii_digit()) && is_version(self.near()) {
            return None;
        }
        machine(word).filter(|(kind, _)| *kind != EntityType::Domain || !self.is_of_code())
    }

    fn written(&self) -> &'t str {
        &self.text[self.span.begin..self.span.end]
    }

    /// The word before it.
    fn near(&self) -> &'t str {
        &self.text[self.before[0].begin..self.before[0].end]
    }

    /// The word before that.
    fn far(&self) -> &'t str {
        &self.text[self.before[1].begin..self.before[1].end]
    }

    /// What stands between it and the word before it.
    fn gap(&self) -> &'t str {
        &self.text[self.before[0].end..self.span.begin]
    }

    /// What follows it.
    fn rest(&self) -> &'t str {
        &self.text[self.span.end..]
    }

    /// Whether it is a key, as in `host.name=` and `"host.name":`, or a function that is called.
    fn is_of_code(&self) -> bool {
        let rest = self.rest();
        rest.starts_with(['=', '(']) || rest.starts_with("\":")
    }

    /// Whether the quote right before it stands right behind it too; none where there is no quote.
    fn is_closed(&self) -> Option<bool> {
        let quote = self.gap().as_bytes().last().copied();
        let quote = quote.filter(|byte| matches!(byte, b'"' | b'\'' | b'`'))?;
        Some(self.rest().as_bytes().first() == Some(&quote))
    }

    /// Whether it is as long as it seems: a blank in a file's name would else end it.
    fn ends_here(&self) -> bool {
        if let Some(closed) = self.is_closed() {
            return closed;
        }
        match self.rest().as_bytes() {
            [] | [b' ' | b'\t' | b')' | b']' | b'}' | b'>' | b'"', ..] => true,
            [b',' | b';', rest @ ..] => rest.first().is_none_or(u8::is_ascii_whitespace),
            _ => false,
        }
    }

    fn file(&self) -> Option<&'t str> {
        // What a web server is asked for is no file of this machine.
        let in_request =
            is_method(self.near()) || self.gap() == "=" && self.near().contains(['?', '&', '/']);
        if in_request || !self.ends_here() {
            return None;
        }
        let path = without_end(self.written(), b".:!?");
        let path = match path.split_once(':') {
            // The line in a file with an ending; other colons are part of a name.
            Some((path, line)) => {
                let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
                let (_, name) = path.rsplit_once('/')?;
                (name.contains('.') && line.split(':').all(number)).then_some(path)?
            }
            None => path,
        };
        let (root, below) = path[1..].split_once('/')?;
        let is_plain = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+' | b'@')
                || !byte.is_ascii()
        };
        let is_name = |part: &str| !part.is_empty() && part != "." && part != "..";
        let parts = below.strip_suffix('/').unwrap_or(below).split('/');
        let sound = is_root(root)
            && path.len() <= super::VALUE_MAX_BYTES
            && path.bytes().all(is_plain)
            && parts.into_iter().all(is_name)
            && !path.chars().any(char::is_control);
        sound.then_some(path)
    }

    fn user(&self) -> Option<&'t str> {
        let near = self.near();
        let name = match self.gap() {
            "=" | "=\"" | "='" | "\":\"" | "\": \"" if is_user_key(near) => {
                self.ends_here().then(|| self.written())?
            }
            // Two blanks are around a name that is empty.
            " " | " '" | " \"" | " `" if near == "user" && is_before_user(self.far()) => {
                let name = without_end(self.written(), b".");
                self.is_followed_up(name).then_some(name)?
            }
            " " if near == "for" && is_login_method(self.far()) && self.next_word() == "from" => {
                self.written()
            }
            _ => return None,
        };
        is_user(name).then_some(name)
    }

    /// Whether what follows a user's name shows that it is one.
    fn is_followed_up(&self, name: &str) -> bool {
        if let Some(closed) = self.is_closed() {
            return closed;
        }
        let rest = self.rest();
        let next = self.next_word();
        rest.is_empty()
            || rest.starts_with('(')
            || name.len() == self.written().len()
                && (matches!(next, "from" | "by" | "on" | "at")
                    || next.starts_with(|first: char| first.is_ascii_digit()))
    }

    /// The word behind one blank; none where something else follows.
    fn next_word(&self) -> &'t str {
        let rest = self.rest().strip_prefix(' ').unwrap_or_default();
        rest.split(' ').next().unwrap_or_default()
    }
}

/// A word without what ends a sentence.
fn without_end<'t>(word: &'t str, ends: &[u8]) -> &'t str {
    let kept = word.bytes().rposition(|byte| !ends.contains(&byte));
    &word[..kept.map_or(0, |last| last + 1)]
}

/// What makes a name of the word behind `user`.
fn is_before_user(word: &str) -> bool {
    ["for", "of", "as", "invalid", "illegal", "authenticating"]
        .iter()
        .any(|before| word.eq_ignore_ascii_case(before))
}

fn is_user_key(word: &str) -> bool {
    ["user", "username", "ruser", "logname", "acct"]
        .iter()
        .any(|key| word.eq_ignore_ascii_case(key))
}

/// As sshd names them.
fn is_login_method(word: &str) -> bool {
    matches!(
        word,
        "password" | "publickey" | "keyboard-interactive/pam" | "hostbased" | "none"
    )
}

fn is_method(word: &str) -> bool {
    matches!(
        word,
        "GET"
            | "HEAD"
            | "POST"
            | "PUT"
            | "DELETE"
            | "PATCH"
            | "OPTIONS"
            | "CONNECT"
            | "TRACE"
            | "PROPFIND"
    )
}

fn is_version(word: &str) -> bool {
    ["version", "ver", "release", "build", "v"]
        .iter()
        .any(|said| word.trim_end_matches(':').eq_ignore_ascii_case(said))
}

/// The root folders of FHS 3.0 §3 and §6.1, and systemd's and Linux's own.
fn is_root(folder: &str) -> bool {
    matches!(
        folder,
        "bin"
            | "boot"
            | "dev"
            | "etc"
            | "home"
            | "lib"
            | "lib32"
            | "lib64"
            | "media"
            | "mnt"
            | "opt"
            | "proc"
            | "root"
            | "run"
            | "sbin"
            | "srv"
            | "sys"
            | "tmp"
            | "usr"
            | "var"
    )
}

#[cfg(test)]
mod tests;
