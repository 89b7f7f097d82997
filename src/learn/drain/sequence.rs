//! Tokens in one text, joined by single blanks: what tokens of a message and templates are made of.

use super::masks::{ANY, STR};
use super::tokens::MAX_TOKENS;

/// Longer tokens are values, not words: they become `<STR>`. Bounds the text of a template.
const MAX_TOKEN_BYTES: usize = 128;
/// How far into a token a key may reach.
const MAX_KEY_BYTES: usize = 64;

/// While it is written, text behind the last end belongs to the open token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequence {
    text: String,
    /// Where each token ends; the next one starts behind the blank there.
    ends: Vec<u32>,
}

impl Sequence {
    /// Reads tokens as they are, without masking; more than one blank between them is as good.
    pub(super) fn parse(text: &str) -> Self {
        let mut sequence = Self::default();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            sequence.push(token);
        }
        sequence.seal();
        sequence
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// The tokens, joined by one blank, once sealed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The token at this place, which is below `len`.
    pub(super) fn get(&self, index: usize) -> &str {
        &self.text[self.start_of(index)..self.ends[index] as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let token = &self.text[start..*end as usize];
            start = *end as usize + 1;
            token
        })
    }

    /// Where the open token is written.
    pub(super) fn open(&mut self) -> &mut String {
        &mut self.text
    }

    /// What stands in the open token.
    pub(super) fn opened(&self) -> &str {
        &self.text[self.start_of(self.len())..]
    }

    /// Ends the open token, if it holds anything.
    pub(super) fn finish(&mut self) {
        let start = self.start_of(self.len());
        let length = self.text.len() - start;
        if length == 0 {
            return;
        }
        if length > MAX_TOKEN_BYTES {
            let key = key_of(&self.text[start..]).map_or(0, str::len);
            self.text.truncate(start + key);
            self.text.push_str(STR);
        }
        self.ends.push(self.text.len() as u32);
        self.text.push(' ');
    }

    /// Appends a token as it is.
    pub(super) fn push(&mut self, token: &str) {
        self.text.push_str(token);
        self.ends.push(self.text.len() as u32);
        self.text.push(' ');
    }

    /// Whether no further token is taken one by one.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= MAX_TOKENS
    }

    /// Lets one `<*>` stand for all that is left out.
    pub(super) fn push_rest(&mut self) {
        if self.len() <= MAX_TOKENS {
            self.push(ANY);
        }
    }

    /// No more is written: takes the blank off the end.
    pub(super) fn seal(&mut self) {
        self.text
            .truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    fn start_of(&self, index: usize) -> usize {
        match index {
            0 => 0,
            _ => self.ends[index - 1] as usize + 1,
        }
    }
}

/// `user=` of `user=mara`: what is kept when the value varies.
pub(super) fn key_of(token: &str) -> Option<&str> {
    let near = &token.as_bytes()[..token.len().min(MAX_KEY_BYTES)];
    match near.iter().position(|byte| *byte == b'=') {
        None | Some(0) => None,
        Some(at) => Some(&token[..=at]),
    }
}
