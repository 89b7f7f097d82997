//! The fields of a JSON object, taken out one by one by the rules; what is left is `extra`.
//!
//! Every text that leaves here has lost its secrets, every number is finite, every name is bounded.
//! `null` counts as absent. Reasons name the key, what was found there and what was expected; they
//! quote no value but an unknown word, redacted and cut, for a value may be a secret.

use std::borrow::Cow;

use serde_json::Value;
use zeroize::Zeroizing;

use super::json::{self, Entry, Json};
use super::{Reason, excerpt, redact, time};
use crate::base::clock::UnixNanos;
use crate::event::Extra;
use crate::event::camera::BoundingBox;

/// Longest publisher's id and longest name of a pet, a person, a species, characters: they become
/// keys of tables.
const MAX_NAME_CHARS: usize = 128;

/// When a message says that it happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By the event's own clock if credible, else its arrival.
    pub(super) at: UnixNanos,
    /// The event's own time was not credible.
    pub(super) suspect: bool,
}

/// What is left of an object.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    entries: Vec<Entry<'a>>,
    /// A secret was taken out.
    pub(super) masked: bool,
}

impl<'a> Fields<'a> {
    /// Reads a payload that has to be one JSON object.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Reason> {
        match json::parse(json::text(payload)?)? {
            Json::Object(entries) => Ok(Self::of(entries)),
            other => Err(Reason(format!(
                "payload is {}; expected an object",
                other.kind()
            ))),
        }
    }

    /// The fields of an object that was read already.
    pub(super) fn of(entries: Vec<Entry<'a>>) -> Self {
        Self {
            entries,
            masked: false,
        }
    }

    /// Looks at a field and leaves it.
    pub(super) fn peek(&self, key: &str) -> Option<&Json<'a>> {
        self.entries
            .iter()
            .find(|entry| entry.0 == key)
            .map(|entry| &entry.1)
    }

    /// Takes a field, `null` included.
    pub(super) fn take(&mut self, key: &str) -> Option<Json<'a>> {
        let at = self.entries.iter().position(|entry| entry.0 == key)?;
        Some(self.entries.swap_remove(at).1)
    }

    /// Adds a field, in place of one with the same key.
    pub(super) fn put(&mut self, key: &'static str, value: Json<'a>) {
        self.take(key);
        self.entries.push((Cow::Borrowed(key), value));
    }

    fn present(&mut self, key: &str) -> Option<Json<'a>> {
        self.take(key).filter(|value| *value != Json::Null)
    }

    /// The publisher's id; it stays in the body too.
    pub(super) fn id(&self) -> Option<String> {
        match self.peek("id")? {
            Json::Text(id) if !id.is_empty() && id.chars().nth(MAX_NAME_CHARS).is_none() => {
                Some(redact::text(id).0.into_owned())
            }
            Json::Int(id) => Some(id.to_string()),
            Json::Wide(id) => Some(id.to_string()),
            _ => None,
        }
    }

    /// Takes the message's own time from `key`; a claim that is not credible stays in the fields
    /// under `claim_key`.
    pub(super) fn moment(
        &mut self,
        key: &'static str,
        claim_key: &'static str,
        received_at: UnixNanos,
    ) -> Result<Moment, Reason> {
        let arrival = Moment {
            at: received_at,
            suspect: false,
        };
        let Some(value) = self.present(key) else {
            return Ok(arrival);
        };
        let claim = time::read(&value).ok_or_else(|| no_time(key, &value))?;
        Ok(if let Some(at) = claim.credible(received_at) {
            Moment { at, suspect: false }
        } else {
            self.put(claim_key, value);
            Moment {
                suspect: true,
                ..arrival
            }
        })
    }

    /// Takes a text, without its secrets.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, Reason> {
        match self.present(key) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(self.clean(text))),
            Some(other) => Err(unexpected(key, &other, "a text")),
        }
    }

    /// A text without its secrets.
    pub(super) fn clean(&mut self, text: Cow<'a, str>) -> String {
        let (clean, secret) = redact::text(&text);
        self.masked |= secret;
        match clean {
            Cow::Borrowed(_) => text.into_owned(),
            Cow::Owned(clean) => clean,
        }
    }

    /// Takes a name: a text or a whole number, not empty, at most 128 characters.
    pub(super) fn name(&mut self, key: &'static str) -> Result<Option<String>, Reason> {
        let name = match self.present(key) {
            None => return Ok(None),
            Some(Json::Text(text)) => self.clean(text),
            Some(Json::Int(number)) => number.to_string(),
            Some(Json::Wide(number)) => number.to_string(),
            Some(other) => return Err(unexpected(key, &other, "a name")),
        };
        if name.trim().is_empty() || name.chars().nth(MAX_NAME_CHARS).is_some() {
            return Err(Reason(format!(
                "key {key:?} holds {} characters; expected a name of 1 to {MAX_NAME_CHARS}",
                name.chars().count()
            )));
        }
        Ok(Some(name))
    }

    /// Takes a finite number, or a text that spells one.
    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<f64>, Reason> {
        match self.present(key) {
            None => Ok(None),
            Some(value) => finite(&value)
                .map(Some)
                .ok_or_else(|| unexpected(key, &value, "a finite number")),
        }
    }

    /// Takes a number 0..=1.
    pub(super) fn fraction(&mut self, key: &'static str) -> Result<Option<f64>, Reason> {
        match self.number(key)? {
            Some(number) if !(0.0..=1.0).contains(&number) => Err(Reason(format!(
                "key {key:?} holds {number}; expected 0 to 1"
            ))),
            fraction => Ok(fraction),
        }
    }

    /// Takes a whole number of at least 0.
    pub(super) fn count(&mut self, key: &'static str) -> Result<Option<i64>, Reason> {
        match self.present(key) {
            None => Ok(None),
            Some(Json::Int(count)) if count >= 0 => Ok(Some(count)),
            Some(other) => Err(unexpected(key, &other, "a whole number from 0 to 2^63 - 1")),
        }
    }

    /// Takes a box in the picture.
    pub(super) fn bounding_box(&mut self) -> Result<Option<BoundingBox>, Reason> {
        let Some(value) = self.present("bbox") else {
            return Ok(None);
        };
        let Json::Array(items) = &value else {
            return Err(unexpected("bbox", &value, "[x, y, width, height]"));
        };
        let mut bbox = [0.0; 4];
        let whole = items.len() == bbox.len()
            && items.iter().zip(&mut bbox).all(|(item, side)| {
                let fraction = finite(item).filter(|side| (0.0..=1.0).contains(side));
                *side = fraction.unwrap_or_default();
                fraction.is_some()
            });
        if whole {
            Ok(Some(bbox))
        } else {
            Err(Reason(
                "key \"bbox\" holds something else than four numbers from 0 to 1; expected \
                 [x, y, width, height]"
                    .into(),
            ))
        }
    }

    /// Takes a word that `known` has to know; `expected` lists the words. Case does not count.
    pub(super) fn word<T>(
        &mut self,
        key: &'static str,
        known: &[(&'static str, T)],
    ) -> Result<Option<T>, Reason>
    where
        T: Copy,
    {
        let Some(value) = self.present(key) else {
            return Ok(None);
        };
        let Json::Text(word) = &value else {
            return Err(unexpected(key, &value, &one_of(known)));
        };
        match known
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word))
        {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => Err(Reason(format!(
                "key {key:?} holds {:?}; expected {}",
                excerpt(&redact::text(word).0),
                one_of(known)
            ))),
        }
    }

    /// Whether some key left over is secret and has a value.
    pub(super) fn has_secret(&self) -> bool {
        self.entries.iter().any(|(key, value)| {
            let given = match value {
                Json::Null => false,
                Json::Text(text) => !text.is_empty(),
                _ => true,
            };
            given && redact::is_secret_key(key)
        })
    }

    /// The first secret left over, as it was typed; it stays where it is.
    pub(super) fn secret(&self) -> Option<Zeroizing<String>> {
        self.entries.iter().find_map(|(key, value)| {
            let text = match value {
                Json::Text(text) if !text.is_empty() => text.to_string(),
                Json::Int(number) => number.to_string(),
                Json::Wide(number) => number.to_string(),
                _ => return None,
            };
            redact::is_secret_key(key).then(|| Zeroizing::new(text))
        })
    }

    /// All that is left, without its secrets.
    pub(super) fn rest(&mut self) -> Extra {
        let mut extra = Extra::new();
        for (key, value) in std::mem::take(&mut self.entries) {
            let value = if redact::is_secret_key(&key) && value != Json::Null {
                self.masked = true;
                Value::String(redact::MASK.into())
            } else {
                plain(value, &mut self.masked)
            };
            extra.insert(key.into_owned(), value);
        }
        extra
    }
}

/// A value as it is stored: secrets masked, whole numbers that SQLite has no integer for as text.
fn plain(value: Json<'_>, masked: &mut bool) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Int(number) => Value::from(number),
        Json::Wide(number) => Value::String(number.to_string()),
        Json::Float(number) => Value::from(number),
        Json::Text(text) => {
            let mut fields = Fields::of(Vec::new());
            let clean = fields.clean(text);
            *masked |= fields.masked;
            Value::String(clean)
        }
        Json::Array(items) => {
            Value::Array(items.into_iter().map(|item| plain(item, masked)).collect())
        }
        Json::Object(entries) => {
            let mut fields = Fields::of(entries);
            let inner = fields.rest();
            *masked |= fields.masked;
            Value::Object(inner.into_iter().collect())
        }
    }
}

/// The finite number that a value is or spells.
pub(super) fn finite(value: &Json<'_>) -> Option<f64> {
    match value {
        Json::Int(number) => Some(*number as f64),
        Json::Wide(number) => Some(*number as f64),
        Json::Float(number) => Some(*number),
        Json::Text(text) => text
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The reason when a field that a rule needs is not there.
pub(super) fn required<T>(
    value: Option<T>,
    key: &'static str,
    expected: &str,
) -> Result<T, Reason> {
    value.ok_or_else(|| Reason(format!("key {key:?} is missing; expected {expected}")))
}

/// The reason when a field has another type than its rule expects.
pub(super) fn unexpected(key: &str, found: &Json<'_>, expected: &str) -> Reason {
    Reason(format!(
        "key {key:?} holds {}; expected {expected}",
        found.kind()
    ))
}

fn no_time(key: &str, found: &Json<'_>) -> Reason {
    Reason(format!(
        "key {key:?} holds {} that is no time; expected Unix time (s, ms, µs or ns) or RFC 3339",
        found.kind()
    ))
}

fn one_of<T>(known: &[(&'static str, T)]) -> String {
    let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    format!("one of {}", words.join(", "))
}
