//! The head of a line, `<TIME> heron sshd[<NUM>]:`, which says nothing about what follows it.

use super::masks::{self, TIME};
use super::sequence::Sequence;

/// How far in the token with the `:` may stand that ends it: time, host, program, process.
const MAX_HEAD_TOKENS: usize = 4;

/// How a line of RFC 5424 begins, `<34>1`; time, host and program follow, without a `:`.
const RFC_5424: &str = "<<NUM>><NUM>";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// How many tokens it has; none in most messages that are no lines.
    pub(super) tokens: usize,
    /// Which of them names the program.
    program: usize,
}

impl Head {
    pub(super) fn of(sequence: &Sequence) -> Self {
        if sequence.len() > 4 && sequence.get(0) == RFC_5424 && sequence.get(1) == TIME {
            return Self {
                tokens: 4,
                program: 3,
            };
        }
        let near = MAX_HEAD_TOKENS.min(sequence.len());
        if near == 0 || !holds_time(sequence.get(0)) {
            return Self::default();
        }
        let Some(colon) = (1..near).find(|at| sequence.get(*at).ends_with(':')) else {
            return Self::default();
        };
        let program = (1..=colon).rev().find(|at| has_letter(sequence.get(*at)));
        Self {
            tokens: colon + 1,
            program: program.unwrap_or(colon),
        }
    }

    /// The program that wrote the line; empty if there is no head.
    pub(super) fn program_in(self, sequence: &Sequence) -> &str {
        if self.tokens == 0 {
            ""
        } else {
            sequence.get(self.program)
        }
    }

    /// Whether two lines with such a head differ there in the host alone. So a merge never takes
    /// the head from a template.
    pub(super) fn agrees(self, own: &Sequence, other: &Sequence) -> bool {
        let parts = [0, self.program, self.tokens.saturating_sub(1)];
        self.tokens == 0 || parts.iter().all(|at| own.get(*at) == other.get(*at))
    }
}

fn holds_time(token: &str) -> bool {
    token
        .find(TIME)
        .is_some_and(|at| masks::stands_at(token.as_bytes(), at))
}

/// Whether a token has letters and no digit outside its masks.
pub(super) fn is_word(token: &str) -> bool {
    has_letter(token) && !literals(token).any(|byte| byte.is_ascii_digit())
}

fn has_letter(token: &str) -> bool {
    literals(token).any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii())
}

/// The bytes that are not of masks.
fn literals(token: &str) -> impl Iterator<Item = u8> {
    let bytes = token.as_bytes();
    let mut in_mask = false;
    bytes.iter().enumerate().filter_map(move |(at, byte)| {
        in_mask |= masks::stands_at(bytes, at);
        let is_literal = !in_mask;
        in_mask &= *byte != b'>';
        is_literal.then_some(*byte)
    })
}
