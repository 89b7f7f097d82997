//! JSON as it may come from anybody: read strictly, once, and borrowed from the payload.
//!
//! On top of what `serde_json` refuses (syntax, bytes after the value, numbers beyond a double,
//! half surrogate pairs) this refuses payloads over [`MAX_PARSED_BYTES`], nesting over
//! [`MAX_NESTING`], a key that comes twice in one object, and whole numbers beyond 64 bits: a
//! reader that takes "the last one" or "about that much" has already lost something.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Reason;

/// Payloads beyond this are kept raw and not parsed: the largest honest ones (Frigate's events)
/// stay below 64 KiB, and a parser's memory is a multiple of its input.
pub const MAX_PARSED_BYTES: usize = 256 * 1_024;

/// Deepest nesting of arrays and objects. Honest payloads stay below 10; the stored body, which
/// wraps them, may have 160.
const MAX_NESTING: usize = 64;

/// Objects up to this many keys are searched for repeated keys pair by pair, larger ones by
/// sorting: measured, the pairs win below about 20.
const FEW_KEYS: usize = 16;

/// From here on a number read as a double may have been written as a whole number beyond 64 bits.
const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

/// A JSON value; texts without escapes are borrowed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number beyond `i64`, which SQLite has no integer for.
    Wide(u64),
    /// Finite.
    Float(f64),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<Entry<'a>>),
}

/// A key and its value; keys are unique within their object.
pub(super) type Entry<'a> = (Cow<'a, str>, Json<'a>);

impl Json<'_> {
    /// What it is, for a reason.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Wide(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// The payload as text, within the limit of size.
pub(super) fn text(payload: &[u8]) -> Result<&str, Reason> {
    if payload.len() > MAX_PARSED_BYTES {
        return Err(Reason(format!(
            "payload of {} bytes; only up to {MAX_PARSED_BYTES} are parsed",
            payload.len()
        )));
    }
    std::str::from_utf8(payload).map_err(|error| {
        Reason(format!(
            "not UTF-8: byte {} of {} is invalid; expected text",
            error.valid_up_to() + 1,
            payload.len()
        ))
    })
}

/// Reads one JSON value and nothing after it.
pub(super) fn parse(text: &str) -> Result<Json<'_>, Reason> {
    if text.is_empty() {
        return Err(Reason("empty payload; expected JSON".into()));
    }
    let huge = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Node {
        depth: 0,
        huge: &huge,
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value))
    .map_err(|error| explain(&error))?;
    if huge.get() {
        refuse_whole_numbers_beyond_64_bits(text)?;
    }
    Ok(value)
}

fn explain(error: &serde_json::Error) -> Reason {
    let said = error.to_string();
    let place = said.rfind(" at line ").map_or("", |at| &said[at..]);
    Reason(if said.starts_with("trailing characters") {
        format!("bytes follow the JSON value{place}; expected one value")
    } else if said.contains("surrogate") || said.starts_with("unexpected end of hex escape") {
        format!("half a surrogate pair in a \\u escape{place}; expected both halves")
    } else if error.is_eof() {
        format!("JSON breaks off{place}; expected the rest of it")
    } else if said.starts_with("number out of range") {
        format!("number beyond a double{place}; expected a finite number")
    } else {
        format!("not JSON: {said}")
    })
}

/// `serde_json` reads a whole number beyond 64 bits as a double, and its last digits are gone.
fn refuse_whole_numbers_beyond_64_bits(text: &str) -> Result<(), Reason> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'0'..=b'9' | b'-' => {
                let start = at;
                while bytes.get(at).is_some_and(|byte| {
                    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
                }) {
                    at += 1;
                }
                let number = &text[start..at];
                let whole = !number.contains(['.', 'e', 'E']);
                if whole && number.parse::<u64>().is_err() && number.parse::<i64>().is_err() {
                    return Err(Reason(format!(
                        "whole number beyond 64 bits at byte {}; expected at most {}",
                        start + 1,
                        u64::MAX
                    )));
                }
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// Reads one value at a depth.
#[derive(Clone, Copy)]
struct Node<'c> {
    depth: usize,
    huge: &'c Cell<bool>,
}

impl Node<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_NESTING {
            return Err(E::custom(format_args!(
                "nested deeper than {MAX_NESTING} arrays and objects"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(number).map_or(Json::Wide(number), Json::Int))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json<'de>, E> {
        if !number.is_finite() {
            return Err(E::custom("number is not finite"));
        }
        if number.abs() >= TWO_POW_63 {
            self.huge.set(true);
        }
        Ok(Json::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut entries: Vec<Entry<'de>> = Vec::with_capacity(8);
        while let Some(key) = map.next_key_seed(Key)? {
            entries.push((key, map.next_value_seed(inner)?));
        }
        match repeated_key(&entries) {
            Some(key) => Err(A::Error::custom(format_args!(
                "key {:?} comes twice in one object",
                super::excerpt(key)
            ))),
            None => Ok(Json::Object(entries)),
        }
    }
}

fn repeated_key<'k>(entries: &'k [Entry<'_>]) -> Option<&'k str> {
    if entries.len() <= FEW_KEYS {
        let twice =
            |(i, (key, _)): &(usize, &Entry<'_>)| entries[..*i].iter().any(|(k, _)| k == key);
        return entries
            .iter()
            .enumerate()
            .find(twice)
            .map(|(_, (key, _))| &**key);
    }
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().0
    }

    #[test]
    fn each_fault_has_its_own_reason() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for (text, expected) in [
            ("", "empty payload"),
            ("{\"a\":1", "JSON breaks off at line 1 column 6"),
            (
                "{\"a\":1}{\"a\":2}",
                "bytes follow the JSON value at line 1 column 8",
            ),
            ("{\"a\":1e400}", "number beyond a double at line 1 column"),
            ("{\"a\":NaN}", "not JSON: expected value at line 1 column 6"),
            (
                "{\"a\":\"x \\ud83d y\"}",
                "half a surrogate pair in a \\u escape at line 1",
            ),
            (
                "{\"a\":1,\n\"b\":2,\"a\":3}",
                "key \"a\" comes twice in one object at line 2",
            ),
            (
                "[{\"k\":{\"a\":1,\"\\u0061\":3}}]",
                "key \"a\" comes twice in one object",
            ),
            (
                "[18446744073709551616]",
                "whole number beyond 64 bits at byte 2",
            ),
            (
                "[-9223372036854775809]",
                "whole number beyond 64 bits at byte 2",
            ),
            (&deep, "nested deeper than 64"),
            (
                "{'a':1}",
                "not JSON: key must be a string at line 1 column 2",
            ),
        ] {
            assert!(
                refused(text).contains(expected),
                "{}: {}",
                expected,
                refused(text)
            );
        }
    }

    #[test]
    fn numbers_are_kept_whole() {
        assert_eq!(parse("9223372036854775807").unwrap(), Json::Int(i64::MAX));
        assert_eq!(parse("9223372036854775808").unwrap(), Json::Wide(1 << 63));
        assert_eq!(parse("1e19").unwrap(), Json::Float(1e19));
        let beside = "[1.5e300,\"18446744073709551616\",\"\\\"99999999999999999999\"]";
        assert!(parse(beside).is_ok());
    }

    #[test]
    fn nesting_up_to_the_limit_and_repeated_keys_among_many() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_NESTING)).is_ok());
        assert!(parse(&nested(MAX_NESTING + 1)).is_err());
        let keys = |last: usize| {
            let keys: Vec<_> = (0..40)
                .chain([last])
                .map(|i| format!("\"k{i}\":0"))
                .collect();
            format!("{{{}}}", keys.join(","))
        };
        assert!(parse(&keys(40)).is_ok());
        assert!(refused(&keys(17)).contains("key \"k17\" comes twice"));
    }

    #[test]
    fn size_and_encoding_are_looked_at_before_parsing() {
        assert!(text(&vec![b'x'; MAX_PARSED_BYTES]).is_ok());
        let big = text(&vec![b'x'; MAX_PARSED_BYTES + 1]).unwrap_err().0;
        assert!(big.starts_with("payload of 262145 bytes"), "{big}");
        assert!(
            text(b"ab\xff")
                .unwrap_err()
                .0
                .contains("byte 3 of 3 is invalid")
        );
    }
}
