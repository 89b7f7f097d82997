//! Templates of log lines: `Failed password for <*> from <IP> port <NUM> ssh2`.
//!
//! Drain (He et al., *Drain: An Online Log Parsing Approach with Fixed Depth Tree*, ICWS 2017)
//! without its tree, so that templates can live in a table and a rebuild gives the same ones. One
//! message goes this way:
//!
//! 1. [`Tokens::read`]: the message as tokens, with masks (`<IP>`, `<NUM>`, …) for what varies by
//!    its nature. JSON is read by its structure.
//! 2. [`leaf`]: the key under which the few templates are found that may fit.
//! 3. [`choose`]: the most similar of them, if one is similar enough.
//! 4. [`Template::merge`] makes it general enough for the message too; if none was chosen,
//!    [`Template::of`] makes a new one.
//!
//! A template is its text: tokens joined by one blank. [`Template::parse`] and `Display` are
//! inverse. `<*>` stands for any token, `key=<*>` for any value of that key, and only a merge (or
//! what was cut off) makes them: a message that spells a mask is written `\<*>`.
//!
//! Pure, without a clock and without state. A message costs what its first [`MAX_MESSAGE_BYTES`]
//! cost, and a template's text stays below 17 KiB.

mod head;
mod json;
mod masks;
mod matching;
mod sequence;
mod stamp;
mod tokens;

pub use matching::{THRESHOLD, Template, choose, leaf, similarity};
pub use tokens::{MAX_MESSAGE_BYTES, MAX_TOKENS, Tokens};

#[cfg(test)]
mod tests;
