//! What is learned from what was logged: templates of messages ([`drain`]), and models of normal
//! behaviour: what is usual is learned from the stream itself, and what is not is told.
//!
//! | model | of | tells |
//! |---|---|---|
//! | [`holt_winters`] | counts of one source, minute by minute | a minute with far more or fewer than at this time of day |
//! | [`cusum`] | one figure | a small change that stays |
//! | [`markov`] | the templates that one host or user writes, in their order | an unusual order |
//! | [`half_space_trees`] | a few figures at once | an unusual combination |
//!
//! All of them learn as they go: one `update` a value, in constant time and bounded memory. No clock,
//! no I/O; what chance there is comes from a seed ([`split_mix`]). What is told is learned from with
//! care, so that an attack does not become the norm while it lasts.
//!
//! Every model can be written as bytes and read again ([`state`]), and goes on as if it had never
//! stopped. Read one with its `decode`, which checks what it finds.

pub mod baseline;
pub mod cusum;
pub mod drain;
pub mod half_space_trees;
pub mod holt_winters;
pub mod markov;
pub mod running_max;
pub mod split_mix;
pub mod state;

#[cfg(test)]
mod tests;

use std::fmt;

/// Why settings are not taken, or stored bytes are no model. In the second case there is one thing to
/// do: start a fresh model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelError {
    /// Another version of the program wrote it.
    Version {
        /// What stands there; none in an empty state.
        found: Option<u8>,
        /// What this program reads.
        known: u8,
    },
    /// Longer than any model is, bytes.
    TooLong(usize),
    /// It is no CBOR, or none of this model.
    Malformed(String),
    /// So many bytes follow behind the model.
    Trailing(usize),
    /// A figure lies where no model's figure lies.
    OutOfRange(&'static str),
}

impl fmt::Display for ModelError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version {
                found: Some(found),
                known,
            } => write!(out, "the model has version {found}, known is {known}"),
            Self::Version { found: None, known } => {
                write!(out, "the model is empty, version {known} is known")
            }
            Self::TooLong(bytes) => write!(out, "no model is {bytes} bytes long"),
            Self::Malformed(why) => write!(out, "this is no such model: {why}"),
            Self::Trailing(bytes) => write!(out, "{bytes} bytes follow behind the model"),
            Self::OutOfRange(what) => write!(out, "out of range: {what}"),
        }
    }
}

impl std::error::Error for ModelError {}

/// To which side of the expected a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More than expected.
    Above,
    /// Less than expected.
    Below,
}

/// [`ModelError::OutOfRange`] unless it holds.
const fn require(holds: bool, what: &'static str) -> Result<(), ModelError> {
    if holds {
        Ok(())
    } else {
        Err(ModelError::OutOfRange(what))
    }
}
