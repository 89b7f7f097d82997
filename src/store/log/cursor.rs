//! Cursors: where a page ended.

use std::fmt;
use std::str::FromStr;

use super::{EventQuery, LogStoreError};
use crate::base::clock::UnixNanos;
use crate::base::ids::{hex, message_hash};

/// Raised when what a cursor says changes, so that an old one is no cursor any more.
const VERSION: u8 = 1;
/// Bytes: version, time, position, and a part of the digest of the question.
const BYTES: usize = 1 + 8 + 8 + 4;

/// Where a page ended, as a text of lower-case hex that means something only to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) at: UnixNanos,
    pub(super) position: i64,
    question: [u8; 4],
}

impl Cursor {
    /// The place behind the row of this time and position.
    pub(super) fn behind(query: &EventQuery, (at, position): (UnixNanos, i64)) -> Self {
        let question = question(query);
        Self {
            at,
            position,
            question,
        }
    }

    /// Whether it was given out for these conditions.
    pub(super) fn belongs_to(&self, query: &EventQuery) -> bool {
        self.question == question(query)
    }
}

// The size of a page may change from one to the next, and so may the range of time: "the last two
// hours" are others for each page.
fn question(query: &EventQuery) -> [u8; 4] {
    let EventQuery {
        since: _,
        until: _,
        source_type,
        source_id,
        min_severity,
        template,
        entity,
        text,
        cursor: _,
        limit: _,
    } = query;
    let told =
        format!("{source_type:?} {source_id:?} {min_severity} {template:?} {entity:?} {text:?}");
    let [a, b, c, d, ..] = message_hash("cursor", told.as_bytes());
    [a, b, c, d]
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [VERSION; BYTES];
        bytes[1..9].copy_from_slice(&self.at.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.position.to_be_bytes());
        bytes[17..].copy_from_slice(&self.question);
        f.write_str(&hex(&bytes))
    }
}

impl FromStr for Cursor {
    type Err = LogStoreError;

    fn from_str(text: &str) -> Result<Self, LogStoreError> {
        let bytes = bytes(text).ok_or(LogStoreError::NoCursor)?;
        let (head, question) = bytes.split_last_chunk().ok_or(LogStoreError::NoCursor)?;
        let (head, position) = head.split_last_chunk().ok_or(LogStoreError::NoCursor)?;
        let (version, at) = head.split_last_chunk().ok_or(LogStoreError::NoCursor)?;
        let position = i64::from_be_bytes(*position);
        if version != [VERSION] || position < 1 {
            return Err(LogStoreError::NoCursor);
        }
        Ok(Self {
            at: i64::from_be_bytes(*at),
            position,
            question: *question,
        })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * BYTES || !text.bytes().all(is_hex) {
        return None;
    }
    let byte = |from: usize| u8::from_str_radix(&text[from..from + 2], 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}
