//! Sizes and durations as people write them: `"64 MiB"`, `"10 GB"`, `"1h30m"`.
//!
//! A number without a unit is a size in bytes, but never a duration: nobody remembers whether it
//! was seconds or milliseconds. What is displayed parses again to the same value.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Units of size and their bytes; of two that fit equally well the earlier one is displayed.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Units of duration and their milliseconds, in the only order in which they may be written.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A text that is no size or no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnitError {
    /// There is no number where one must be.
    #[error("\"{text}\" is not {what}")]
    NoNumber {
        /// As written.
        text: String,
        /// What was expected, with examples.
        what: &'static str,
    },
    /// A number with a fraction.
    #[error("\"{0}\" has a fraction; write a whole number of a smaller unit")]
    Fraction(String),
    /// The unit is not one of ours.
    #[error("\"{text}\" has the unknown unit `{unit}`; known are {known}")]
    UnknownUnit {
        /// As written.
        text: String,
        /// The part that is not known.
        unit: String,
        /// All units.
        known: &'static str,
    },
    /// A duration without a unit.
    #[error("\"{text}\" has no unit; for seconds write \"{number}s\", for minutes \"{number}m\"")]
    NoUnit {
        /// As written.
        text: String,
        /// The number in it.
        number: u64,
    },
    /// Units twice or in the wrong order.
    #[error("\"{0}\" must name each unit once, the large ones first, as in \"1h30m\"")]
    Order(String),
    /// Does not fit.
    #[error("\"{0}\" is too large")]
    TooLarge(String),
}

/// What a size looks like, for messages.
pub const SIZE_EXPECTED: &str = "a size such as \"64 MiB\" or \"10 GB\", or a number of bytes";
/// What a duration looks like, for messages.
pub const DURATION_EXPECTED: &str = "a duration such as \"30s\", \"15m\" or \"1h30m\"";

const SIZE_UNITS_KNOWN: &str = "B, KiB, MiB, GiB, TiB (1024) and kB, MB, GB, TB (1000)";
const DURATION_UNITS_KNOWN: &str = "d, h, m, s and ms";

/// A number of bytes, written `"64 MiB"`, `"10 GB"` or as a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// That many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many KiB.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// That many MiB.
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// That many GiB.
    pub const fn gib(gib: u64) -> Self {
        Self(gib << 30)
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    /// In the unit that needs the smallest whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, unit_bytes) = SIZE_UNITS
            .into_iter()
            .filter(|(_, unit_bytes)| self.0 > 0 && self.0.is_multiple_of(*unit_bytes))
            .min_by_key(|(_, unit_bytes)| self.0 / unit_bytes)
            .unwrap_or(("B", 1));
        write!(f, "{} {unit}", self.0 / unit_bytes)
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = number_first(text.trim(), text, SIZE_EXPECTED)?;
        let unit = unit.trim_start();
        if unit.starts_with(['.', ',']) {
            return Err(UnitError::Fraction(text.into()));
        }
        let unit_bytes = SIZE_UNITS
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(unit))
            .map(|(_, unit_bytes)| unit_bytes)
            .or_else(|| unit.is_empty().then_some(1))
            .ok_or_else(|| UnitError::UnknownUnit {
                text: text.into(),
                unit: unit.into(),
                known: SIZE_UNITS_KNOWN,
            })?;
        // TOML's integers and SQLite's are i64; nothing that we measure is larger.
        number
            .checked_mul(unit_bytes)
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .map(Self)
            .ok_or_else(|| UnitError::TooLarge(text.into()))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl Visitor<'_> for SizeVisitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SIZE_EXPECTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes)
                    .map(Size)
                    .map_err(|_| E::custom(format_args!("{bytes} is less than nothing")))
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "format": "size", "minimum": 0 })
    }
}

/// A length of time in whole milliseconds, written `"30s"`, `"15m"` or `"1h30m"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    milliseconds: u64,
}

impl Duration {
    /// That many milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self { milliseconds }
    }

    /// That many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_millis(seconds * 1_000)
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.milliseconds
    }

    /// As the standard library's duration.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.milliseconds)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        duration.to_std()
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.milliseconds == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.milliseconds;
        for (unit, unit_ms) in DURATION_UNITS {
            if rest >= unit_ms {
                write!(f, "{}{unit}", rest / unit_ms)?;
                rest %= unit_ms;
            }
        }
        Ok(())
    }
}

impl FromStr for Duration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let mut rest = text.trim();
        let mut units = DURATION_UNITS.into_iter();
        let mut milliseconds = Some(0_u64);
        loop {
            let (number, behind) = number_first(rest, text, DURATION_EXPECTED)?;
            let behind = behind.trim_start();
            let letters = behind
                .find(|letter: char| !letter.is_alphabetic())
                .unwrap_or(behind.len());
            let (unit, behind) = behind.split_at(letters);
            if unit.is_empty() {
                return Err(match behind.chars().next() {
                    Some('.' | ',') => UnitError::Fraction(text.into()),
                    _ => UnitError::NoUnit {
                        text: text.into(),
                        number,
                    },
                });
            }
            if !DURATION_UNITS.iter().any(|(known, _)| *known == unit) {
                return Err(UnitError::UnknownUnit {
                    text: text.into(),
                    unit: unit.into(),
                    known: DURATION_UNITS_KNOWN,
                });
            }
            let Some((_, unit_ms)) = units.find(|(known, _)| *known == unit) else {
                return Err(UnitError::Order(text.into()));
            };
            milliseconds = number
                .checked_mul(unit_ms)
                .and_then(|more| milliseconds?.checked_add(more));
            rest = behind.trim_start();
            if rest.is_empty() {
                break;
            }
        }
        // The same bound as for sizes, so that the value fits wherever an i64 is kept.
        milliseconds
            .filter(|milliseconds| i64::try_from(*milliseconds).is_ok())
            .map(Self::from_millis)
            .ok_or_else(|| UnitError::TooLarge(text.into()))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "duration-short",
            "pattern": "^(\\s*\\d+\\s*(d|h|m|s|ms))+\\s*$",
        })
    }
}

/// Splits `rest` behind its leading digits; `text` is the whole, for the message.
fn number_first<'a>(
    rest: &'a str,
    text: &str,
    what: &'static str,
) -> Result<(u64, &'a str), UnitError> {
    let digits = rest
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(rest.len());
    if digits == 0 {
        let text = text.into();
        return Err(UnitError::NoNumber { text, what });
    }
    let (number, behind) = rest.split_at(digits);
    let number = number
        .parse()
        .map_err(|_| UnitError::TooLarge(text.into()))?;
    Ok((number, behind))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn size(text: &str) -> Result<u64, String> {
        let size: Result<Size, _> = text.parse();
        size.map(Size::bytes).map_err(|e| e.to_string())
    }

    fn millis(text: &str) -> Result<u64, String> {
        let duration: Result<Duration, _> = text.parse();
        duration.map(Duration::as_millis).map_err(|e| e.to_string())
    }

    #[test]
    fn sizes_are_read_with_binary_decimal_and_no_units() {
        assert_eq!(size("64 MiB"), Ok(67_108_864));
        assert_eq!(size("10 GB"), Ok(10_000_000_000));
        assert_eq!(size("64mib"), Ok(67_108_864));
        assert_eq!(size(" 1 KB "), Ok(1_000));
        assert_eq!(size("4096"), Ok(4_096));
        assert_eq!(size("0 B"), Ok(0));
        assert_eq!(size("9223372036854775807"), Ok(i64::MAX as u64));
    }

    #[test]
    fn sizes_that_cannot_be_read_say_why() {
        let cases = [
            (
                "",
                "\"\" is not a size such as \"64 MiB\" or \"10 GB\", or a number of bytes",
            ),
            (
                "-1",
                "\"-1\" is not a size such as \"64 MiB\" or \"10 GB\", or a number of bytes",
            ),
            (
                "1.5 GiB",
                "\"1.5 GiB\" has a fraction; write a whole number of a smaller unit",
            ),
            (
                "64 M",
                "\"64 M\" has the unknown unit `M`; known are B, KiB, MiB, GiB, TiB (1024) and kB, \
                 MB, GB, TB (1000)",
            ),
            ("8388608 TiB", "\"8388608 TiB\" is too large"),
            (
                "99999999999999999999",
                "\"99999999999999999999\" is too large",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(size(text), Err(message.into()));
        }
    }

    #[test]
    fn durations_are_read_unit_by_unit() {
        assert_eq!(millis("15m"), Ok(900_000));
        assert_eq!(millis("60s"), Ok(60_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("2 d 1ms"), Ok(172_800_001));
        assert_eq!(millis("0s"), Ok(0));
    }

    #[test]
    fn durations_that_cannot_be_read_say_why() {
        let cases = [
            (
                "",
                "\"\" is not a duration such as \"30s\", \"15m\" or \"1h30m\"",
            ),
            (
                "soon",
                "\"soon\" is not a duration such as \"30s\", \"15m\" or \"1h30m\"",
            ),
            (
                "30",
                "\"30\" has no unit; for seconds write \"30s\", for minutes \"30m\"",
            ),
            (
                "1.5h",
                "\"1.5h\" has a fraction; write a whole number of a smaller unit",
            ),
            (
                "5 minutes",
                "\"5 minutes\" has the unknown unit `minutes`; known are d, h, m, s and ms",
            ),
            (
                "5min",
                "\"5min\" has the unknown unit `min`; known are d, h, m, s and ms",
            ),
            (
                "30m1h",
                "\"30m1h\" must name each unit once, the large ones first, as in \"1h30m\"",
            ),
            (
                "1s1s",
                "\"1s1s\" must name each unit once, the large ones first, as in \"1h30m\"",
            ),
            ("106751991168d", "\"106751991168d\" is too large"),
        ];
        for (text, message) in cases {
            assert_eq!(millis(text), Err(message.into()), "{text}");
        }
    }

    #[test]
    fn the_displayed_unit_is_the_one_that_people_would_choose() {
        let shown = |bytes| Size::from_bytes(bytes).to_string();
        assert_eq!(shown(67_108_864), "64 MiB");
        assert_eq!(shown(10_000_000_000), "10 GB");
        assert_eq!(shown(1_001), "1001 B");
        assert_eq!(shown(0), "0 B");
        assert_eq!(Duration::from_millis(5_400_000).to_string(), "1h30m");
        assert_eq!(Duration::from_millis(90_061_001).to_string(), "1d1h1m1s1ms");
        assert_eq!(Duration::default().to_string(), "0s");
    }

    proptest! {
        #[test]
        fn what_is_displayed_parses_to_the_same_value(
            count in 0..1_u64 << 22,
            unit in 0..SIZE_UNITS.len(),
            odd in 0..2_u64,
        ) {
            let size = Size::from_bytes(count * SIZE_UNITS[unit].1 + odd);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            let json = serde_json::to_string(&size).unwrap();
            prop_assert_eq!(serde_json::from_str::<Size>(&json).unwrap(), size);
        }

        #[test]
        fn every_duration_survives_its_text(milliseconds in 0..i64::MAX as u64) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            let json = serde_json::to_string(&duration).unwrap();
            prop_assert_eq!(serde_json::from_str::<Duration>(&json).unwrap(), duration);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,24}", tail in "[0-9 .dhmsKMGTiB]{0,24}") {
            for text in [text, tail] {
                if let Ok(size) = text.parse::<Size>() {
                    prop_assert_eq!(size.to_string().parse(), Ok(size));
                }
                if let Ok(duration) = text.parse::<Duration>() {
                    prop_assert_eq!(duration.to_string().parse(), Ok(duration));
                }
            }
        }
    }
}
