//! A sensor's value: on/off, a number, or a word.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One value. Numbers are finite; whole numbers that a double cannot hold stay text.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// true or false.
    Flag(bool),
    /// A finite number.
    Number(f64),
    /// Anything else.
    Word(String),
}

impl Reading {
    /// The number, when it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Flag(_) | Self::Word(_) => None,
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(true) => f.write_str("on"),
            Self::Flag(false) => f.write_str("off"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) if number.is_finite() => serializer.serialize_f64(*number),
            // Reading refuses these, and what cannot be read back must never enter the log.
            Self::Number(number) => serializer.collect_str(number),
            Self::Word(word) => serializer.serialize_str(word),
        }
    }
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadingVisitor)
    }
}

struct ReadingVisitor;

impl Visitor<'_> for ReadingVisitor {
    type Value = Reading;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean, a number or a text")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Reading, E> {
        Ok(Reading::Flag(flag))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Reading, E> {
        if number.is_finite() {
            Ok(Reading::Number(number))
        } else {
            Err(E::custom("the number is not finite"))
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Reading, E> {
        let wide = number as f64;
        Ok(if wide as i128 == i128::from(number) {
            Reading::Number(wide)
        } else {
            Reading::Word(number.to_string())
        })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Reading, E> {
        let wide = number as f64;
        Ok(if wide as u128 == u128::from(number) {
            Reading::Number(wide)
        } else {
            Reading::Word(number.to_string())
        })
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Reading, E> {
        Ok(Reading::Word(word.to_owned()))
    }

    fn visit_string<E: Error>(self, word: String) -> Result<Reading, E> {
        Ok(Reading::Word(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_that_a_double_cannot_hold_stay_text() {
        let big: Reading = serde_json::from_str("9007199254740993").expect("a reading");
        assert_eq!(big, Reading::Word("9007199254740993".into()));
        let fits: Reading = serde_json::from_str("9007199254740992").expect("a reading");
        assert_eq!(fits, Reading::Number(9_007_199_254_740_992.0));
        let max: Reading = serde_json::from_str("18446744073709551615").expect("a reading");
        assert_eq!(max, Reading::Word("18446744073709551615".into()));
    }
}
