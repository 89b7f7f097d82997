//! Templates, and which of them a message fits.

use std::fmt;

use super::head::{Head, is_word};
use super::masks::ANY;
use super::sequence::{Sequence, key_of};
use super::tokens::{Tokens, is_telling};

/// The least similarity at which a message belongs to a template, as in Drain3.
pub const THRESHOLD: f32 = 0.4;

/// How many tokens tell what kind of message it is, where keys say which do.
const MAX_TELLING: usize = 2;

/// What many messages have in common.
///
/// Its tokens are those of [`Tokens`]; in some places `<*>` or `key=<*>` where they differed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    sequence: Sequence,
    head: Head,
    /// 2 for each `<*>`, 1 for each `key=<*>`: every merge that changes something raises it.
    generality: usize,
}

impl Template {
    /// The template of one message.
    pub fn of(tokens: &Tokens) -> Self {
        Self::from(tokens.sequence().clone())
    }

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Self {
        Self::from(Sequence::parse(text))
    }

    /// Makes it general enough for these tokens; whether that changed it. Tokens of another number
    /// fit no template and change none.
    pub fn merge(&mut self, tokens: &Tokens) -> bool {
        let (own, other) = (&self.sequence, tokens.sequence());
        let fits = own
            .iter()
            .zip(other.iter())
            .all(|(own, other)| covers(own, other));
        if fits || own.len() != other.len() {
            return false;
        }
        let mut merged = Sequence::default();
        for (own, other) in own.iter().zip(other.iter()) {
            if covers(own, other) {
                merged.push(own);
                continue;
            }
            let key = key_of(own).filter(|key| key_of(other) == Some(key));
            let token = merged.open();
            token.push_str(key.unwrap_or_default());
            token.push_str(ANY);
            merged.finish();
        }
        merged.seal();
        *self = Self::from(merged);
        true
    }
}

impl From<Sequence> for Template {
    fn from(sequence: Sequence) -> Self {
        let head = Head::of(&sequence);
        let generality = sequence.iter().map(generality_of).sum();
        Self {
            sequence,
            head,
            generality,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sequence.text())
    }
}

/// How much a message has in common with a template, 0 to 1: the share of tokens that are equal, as
/// in Drain. A token under the same key with another value counts half: objects with the same keys
/// are of one kind, whatever is in them. Wildcards count nothing.
///
/// The head of a line (time, host, program) is not counted, for it says nothing about the rest; 0 if
/// it is another program's.
pub fn similarity(template: &Template, tokens: &Tokens) -> f32 {
    let (own, other) = (&template.sequence, tokens.sequence());
    if own.len() != other.len() {
        return 0.0;
    }
    let head = tokens.head();
    if head != template.head || !head.agrees(own, other) {
        return 0.0;
    }
    if template.generality == 0 && own.text() == other.text() {
        return 1.0;
    }
    let halves: usize = own
        .iter()
        .zip(other.iter())
        .skip(head.tokens)
        .map(|(own, other)| halves_in_common(own, other))
        .sum();
    let all = 2 * (own.len() - head.tokens);
    if all == 0 {
        1.0
    } else {
        halves as f32 / all as f32
    }
}

/// Which of the templates a message belongs to: the most similar one of at least [`THRESHOLD`]; among
/// equals the most general, then the first.
///
/// The most general, as in Drain3, because it has the fewest tokens that speak against the message.
/// So no merge makes a template like another of its leaf: that one would have been as similar, and
/// more general.
pub fn choose<'t>(
    templates: impl IntoIterator<Item = &'t Template>,
    tokens: &Tokens,
) -> Option<usize> {
    let mut best: Option<(usize, f32, usize)> = None;
    for (index, template) in templates.into_iter().enumerate() {
        let likeness = similarity(template, tokens);
        let is_better = best.is_none_or(|(_, most, most_general)| {
            likeness
                .total_cmp(&most)
                .then(template.generality.cmp(&most_general))
                .is_gt()
        });
        if likeness >= THRESHOLD && is_better {
            best = Some((index, likeness, template.generality));
        }
    }
    best.map(|(index, ..)| index)
}

/// The key under which the templates stand that a message may belong to. It is stored: the same
/// tokens give the same key in every version.
///
/// 64-bit FNV-1a over the number of tokens, the program that the head of the line names, and what
/// tells the kind of message: the first word of the message (or the first two) under `msg`, `event`,
/// `type` and the like; without such a key the first token behind the head that is a word (letters
/// and no digit), or its key if it has one. Passed are levels, `[tags]`, and what ends in `:`, which
/// says of whom the rest tells. This is Drain's tree of depth 4: it looks at one word. With two, `user mara logged in`
/// would make one template for each user.
pub fn leaf(tokens: &Tokens) -> u64 {
    let sequence = tokens.sequence();
    let head = tokens.head();
    let mut hash = Fnv::default();
    hash.write(&(sequence.len() as u64).to_le_bytes());
    hash.write(head.program_in(sequence).as_bytes());
    let mut told = 0;
    let mut first = None;
    for token in sequence.iter().skip(head.tokens) {
        let key = key_of(token);
        if key.is_some_and(is_telling) {
            hash.write(
                if is_word(token) {
                    token
                } else {
                    key.unwrap_or_default()
                }
                .as_bytes(),
            );
            told += 1;
            if told == MAX_TELLING {
                break;
            }
        } else if first.is_none() {
            let word = key.unwrap_or(token);
            first = Some(word).filter(|word| !is_aside(word) && is_word(word));
        }
    }
    if told == 0 {
        hash.write(first.unwrap_or_default().as_bytes());
    }
    hash.0
}

fn is_aside(word: &str) -> bool {
    const LEVELS: &[&str] = &[
        "trace", "debug", "info", "notice", "warn", "warning", "error", "err", "crit", "critical",
        "fatal", "alert", "emerg",
    ];
    word.ends_with(':')
        || word.starts_with('[')
        || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

fn is_wildcard(token: &str) -> bool {
    token == ANY
        || token
            .strip_suffix(ANY)
            .is_some_and(|key| key.ends_with('='))
}

fn generality_of(token: &str) -> usize {
    if token == ANY {
        2
    } else {
        usize::from(is_wildcard(token))
    }
}

fn covers(own: &str, other: &str) -> bool {
    own == other || own == ANY || (is_wildcard(own) && key_of(own) == key_of(other))
}

fn halves_in_common(own: &str, other: &str) -> usize {
    if own == other {
        return if is_wildcard(own) { 0 } else { 2 };
    }
    usize::from(key_of(own).is_some_and(|key| key_of(other) == Some(key)))
}

/// FNV-1a, 64 bits: small, and fixed for ever.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Takes in one part, and a byte that no part holds behind it.
    fn write(&mut self, part: &[u8]) {
        for byte in part.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
