//! Patterns of messages and the rules made of them.
//!
//! A pattern is what people read in the log, with slots in braces: `Failed {method} for {user} from
//! {ip} port {port} {}`. It has to fit the whole message. The slots:
//!
//! | slot | takes |
//! |---|---|
//! | `{user}` and `{…:text}` | any text, also none, up to the **last** place where the rest fits: a name may hold ` from 192.0.2.1 `, what the program wrote itself stands behind it |
//! | `{…:first}` | any text up to the **first** place where the rest fits, for what comes after the program's own words |
//! | `{ip}` | an address, or the name of a host, which becomes `remote_host` |
//! | `{port}`, `{pid}`, `{count}`, `{status}` and `{…:number}` | digits |
//! | `{name}` | one word without blanks |
//! | `{}` | the same as `:first`, and is not kept; `{:number}` neither |
//!
//! Patterns are taken apart when the program is compiled; one that is wrong does not compile.

use super::address;
use super::found::Found;
use crate::event::system::Level;

/// Most literals and slots of a pattern.
const MAX_PARTS: usize = 16;
/// Most slots that are kept.
const MAX_SLOTS: usize = 8;
/// Longest word, bytes: the names of hosts have 253.
const MAX_WORD_BYTES: usize = 512;
/// How many places a text is tried to end at. Behind a name that holds ` from ` often enough to use
/// them up stands what the program wrote, which is tried first.
const MAX_TRIES: usize = 32;
/// How many places are tried for one rule in all. A message that uses them up does not have its
/// pattern.
const MAX_TRIES_OF_RULE: usize = 4_096;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    First,
    Word,
    Number,
    Address,
}

#[derive(Clone, Copy)]
enum Part {
    Literal(&'static str),
    Slot(Kind, &'static str),
}

/// The shape of a message.
#[derive(Clone, Copy)]
struct Pattern {
    parts: [Part; MAX_PARTS],
    count: usize,
}

impl Pattern {
    const fn new(source: &'static str) -> Self {
        let mut parts = [Part::Literal(""); MAX_PARTS];
        let (mut count, mut rest) = (0, source);
        while !rest.is_empty() {
            let open = position(rest, b'{');
            if open > 0 {
                let (literal, after) = rest.split_at(open);
                // One that begins in ASCII begins where a character does.
                assert!(
                    literal.as_bytes()[0].is_ascii(),
                    "a literal that is not ASCII"
                );
                parts[count] = Part::Literal(literal);
                rest = after;
            } else {
                let close = position(rest, b'}');
                assert!(close < rest.len(), "a slot without its end");
                let (slot, after) = rest.split_at(close + 1);
                parts[count] = slot_of(slot.split_at(1).1.split_at(close - 1).0);
                rest = after;
            }
            count += 1;
        }
        let pattern = Self { parts, count };
        pattern.check();
        pattern
    }

    /// Two slots in a row have no border, but for digits.
    const fn check(&self) {
        let mut at = 1;
        while at < self.count {
            if let (Part::Slot(kind, _), Part::Slot(..)) = (self.parts[at - 1], self.parts[at]) {
                assert!(matches!(kind, Kind::Number), "a slot without a border");
            }
            at += 1;
        }
    }

    fn parts(&self) -> &[Part] {
        &self.parts[..self.count]
    }
}

/// Where the byte stands first, or the length.
const fn position(text: &str, byte: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != byte {
        at += 1;
    }
    at
}

const fn slot_of(slot: &'static str) -> Part {
    let colon = position(slot, b':');
    let (name, kind) = slot.split_at(colon);
    let kind = if kind.is_empty() {
        match name.as_bytes() {
            b"" => Kind::First,
            b"user" => Kind::Text,
            b"ip" => Kind::Address,
            b"port" | b"pid" | b"count" | b"status" => Kind::Number,
            _ => Kind::Word,
        }
    } else {
        match kind.as_bytes() {
            b":text" => Kind::Text,
            b":first" => Kind::First,
            b":word" => Kind::Word,
            b":number" => Kind::Number,
            b":ip" => Kind::Address,
            _ => panic!("a kind of slot that is not known"),
        }
    };
    Part::Slot(kind, name)
}

/// What the slots of a pattern took, and how many places were tried for that.
#[derive(Clone, Copy, Default)]
struct Taken<'t> {
    slots: [(&'static str, Option<Kind>, &'t str); MAX_SLOTS],
    count: usize,
    tries: usize,
}

impl<'t> Taken<'t> {
    fn push(&mut self, name: &'static str, kind: Kind, text: &'t str) {
        if !name.is_empty() && self.count < MAX_SLOTS {
            self.slots[self.count] = (name, Some(kind), text);
            self.count += 1;
        }
    }
}

/// Whether the parts fit the whole text; `taken` is right if they do.
fn fits<'t>(parts: &[Part], text: &'t str, taken: &mut Taken<'t>) -> bool {
    match parts {
        [] => text.is_empty(),
        [Part::Literal(literal), rest @ ..] => text
            .strip_prefix(literal)
            .is_some_and(|text| fits(rest, text, taken)),
        [Part::Slot(kind, name)] => {
            taken.push(name, *kind, text);
            kind.allows(text)
        }
        [Part::Slot(kind, name), rest @ ..] => {
            let Some(Part::Literal(next)) = rest.first() else {
                // Only digits may stand before another slot.
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                taken.push(name, *kind, &text[..digits]);
                return kind.allows(&text[..digits]) && fits(rest, &text[digits..], taken);
            };
            let before = taken.count;
            for end in kind.places(text, next) {
                if taken.tries == MAX_TRIES_OF_RULE {
                    return false;
                }
                taken.tries += 1;
                taken.count = before;
                taken.push(name, *kind, &text[..end]);
                if kind.allows(&text[..end]) && fits(rest, &text[end..], taken) {
                    return true;
                }
            }
            false
        }
    }
}

impl Kind {
    /// Where the slot may end, because `next` begins there, in the order in which to try.
    fn places(self, text: &str, next: &str) -> impl Iterator<Item = usize> {
        let (bytes, next) = match self {
            Self::Text | Self::First => (text.as_bytes(), next.as_bytes()),
            Self::Word | Self::Number | Self::Address => {
                (word_and(text, next.len()), next.as_bytes())
            }
        };
        let count = (bytes.len() + 1).saturating_sub(next.len());
        let backwards = matches!(self, Self::Text | Self::Address);
        // Literals are short and begin seldom: nothing is gained by preparing a search.
        (0..count)
            .map(move |at| if backwards { count - 1 - at } else { at })
            .filter(move |at| bytes[*at] == next[0] && bytes[*at..].starts_with(next))
            .take(MAX_TRIES)
    }

    fn allows(self, text: &str) -> bool {
        match self {
            Self::Text | Self::First => true,
            Self::Word => {
                !text.is_empty()
                    && text.len() <= MAX_WORD_BYTES
                    && !text.bytes().any(|byte| byte.is_ascii_whitespace())
            }
            Self::Number => {
                (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
            }
            Self::Address => address::is_host(text),
        }
    }
}

/// The first word and `more` bytes behind it.
fn word_and(text: &str, more: usize) -> &[u8] {
    let bytes = text.as_bytes();
    let limit = bytes.len().min(MAX_WORD_BYTES);
    let word = bytes[..limit]
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(limit);
    &bytes[..bytes.len().min(word + more)]
}

/// A pattern and what it means when a message has it.
pub(super) struct Rule {
    pattern: Pattern,
    action: Option<&'static str>,
    level: Option<Level>,
    flag: Option<&'static str>,
}

/// A rule that only takes the slots.
pub(super) const fn rule(pattern: &'static str) -> Rule {
    Rule {
        pattern: Pattern::new(pattern),
        action: None,
        level: None,
        flag: None,
    }
}

impl Rule {
    /// What happened.
    pub(super) const fn action(mut self, action: &'static str) -> Self {
        self.action = Some(action);
        self
    }

    /// How bad it is, whatever the line says.
    pub(super) const fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// A field that is true.
    pub(super) const fn flag(mut self, name: &'static str) -> Self {
        self.flag = Some(name);
        self
    }

    fn apply<'t>(&self, message: &'t str, found: &mut Found<'t>) -> bool {
        // Most rules of a table end here.
        if let Part::Literal(begin) = self.pattern.parts[0]
            && !message.starts_with(begin)
        {
            return false;
        }
        let mut taken = Taken::default();
        if !fits(self.pattern.parts(), message, &mut taken) {
            return false;
        }
        for (name, kind, text) in &taken.slots[..taken.count] {
            match kind {
                Some(Kind::Number) => found.number(name, text),
                Some(Kind::Address) => found.address(text),
                _ => found.text(name, text),
            }
        }
        if let Some(action) = self.action {
            found.action(action);
        }
        if let Some(flag) = self.flag {
            found.flag(flag);
        }
        found.level = self.level.or(found.level);
        true
    }
}

/// Applies the first rule whose pattern the message has.
pub(super) fn first<'t>(rules: &[Rule], message: &'t str, found: &mut Found<'t>) -> bool {
    rules.iter().any(|rule| rule.apply(message, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pattern: &'static str, message: &str) -> Option<Vec<(String, String)>> {
        let mut taken = Taken::default();
        fits(Pattern::new(pattern).parts(), message, &mut taken).then(|| {
            taken.slots[..taken.count]
                .iter()
                .map(|(name, _, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect()
        })
    }

    fn is(pattern: &'static str, message: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(taken(pattern, message), Some(expected), "{message}");
    }

    #[test]
    fn a_name_ends_where_the_programs_own_words_begin() {
        let pattern = "Failed {method} for {user} from {ip} port {port}{}";
        let rest = [("method", "none"), ("ip", "192.0.2.1"), ("port", "22")];
        for user in [
            "",
            " ",
            "mara",
            "x from 203.0.113.9 port 1",
            "a b",
            " from ",
        ] {
            let message = format!("Failed none for {user} from 192.0.2.1 port 22 ssh2");
            let [method, ip, port] = rest;
            is(pattern, &message, &[method, ("user", user), ip, port]);
        }
    }

    #[test]
    fn a_rule_tries_so_many_places_and_no_more() {
        let tries = |pattern: &'static str, message: &str| {
            let mut taken = Taken::default();
            let fits = fits(Pattern::new(pattern).parts(), message, &mut taken);
            (fits, taken.tries)
        };
        let texts = "from {client:text} (d{}, q{}, r{}, m{}, '{topic:first}',";
        let digits =
            "from {client:text} (d{:number}, q{:number}, r{:number}, m{:number}, '{topic:first}',";
        let hostile = format!("from {}", " (d0, q0, r0, m0".repeat(512));
        assert_eq!(tries(texts, &hostile), (false, MAX_TRIES_OF_RULE));
        // One place for each of three numbers behind each `(d` that is tried.
        assert!(tries(digits, &hostile).1 <= 5 * MAX_TRIES);
        let usual = "from porch (d0, q1, r0, m7, 'vigilar/x',";
        assert_eq!(tries(digits, usual), (true, 6));
    }

    #[test]
    fn every_slot_takes_only_what_it_stands_for() {
        is(
            "{ip}:{port} x",
            "2001:db8::7:52014 x",
            &[("ip", "2001:db8::7"), ("port", "52014")],
        );
        is(
            "{a:first} b {c:text}",
            "x b y b z",
            &[("a", "x"), ("c", "y b z")],
        );
        is("port {port}{}", "port 22 ssh2", &[("port", "22")]);
        is("port {port}{}", "port 22", &[("port", "22")]);
        is("{} b {c:text}", "x b y b z", &[("c", "y b z")]);
        is("{a} b", "é b", &[("a", "é")]);
        for (pattern, message) in [
            ("{port}", "22a"),
            ("{port}", ""),
            ("{port}", "1234567890123456789"),
            ("{ip}", "a b"),
            ("{ip} x", "…. x"),
            ("{word}", ""),
            ("{word} x", "a b x"),
            ("{word}x", "éé"),
            ("whole", "whole and more"),
        ] {
            assert_eq!(taken(pattern, message), None, "{pattern} {message}");
        }
    }
}
