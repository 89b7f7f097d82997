//! Camera and start time out of the path of a recording, by a pattern that people can write.
//!
//! A pattern is text with placeholders: `{camera}-%Y%m%d-%H%M%S`, or with sub-folders
//! `{camera}/%Y-%m-%d/%H-%M-%S`. It describes the end of the path without the extension: a pattern
//! with two slashes is held against the last three parts of the path, whatever lies above them.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `{camera}` | the camera's name, anything but a slash; the shortest that lets the rest match |
//! | `{any}` | anything but a slash, also nothing |
//! | `%Y %m %d %H %M %S` | year (4 digits), month, day, hour, minute, second (2 digits each) |
//! | `%s` | seconds since 1970-01-01 UTC, 10 digits, instead of the six above |
//! | `%z` | distance from UTC: `Z`, `+0200` or `+02:00`; without it the configured zone holds |
//! | `%%` | a percent sign |
//!
//! A placeholder may occur more than once and must then say the same each time. A local time that
//! the clock showed twice (autumn) is taken as the first of the two; one that it skipped (spring)
//! as if the clock had not been moved yet.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::tz::{Offset, TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::base::clock::UnixNanos;

/// Longest pattern, bytes: as long as the longest file name.
const PATTERN_MAX_BYTES: usize = 255;

/// Most `{any}` in a pattern. Each multiplies the ways to try by the length of a name; with two the
/// worst name costs some millions of comparisons, not billions.
const ANY_MAX: usize = 2;

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Empty or too long.
    #[error("the pattern must have 1 to {PATTERN_MAX_BYTES} bytes")]
    Length,
    /// An unknown placeholder.
    #[error(
        "unknown placeholder `{0}`; known are {{camera}}, {{any}}, %Y, %m, %d, %H, %M, %S, %s, %z \
         and %%"
    )]
    Placeholder(String),
    /// No camera.
    #[error("the pattern must contain {{camera}}")]
    NoCamera,
    /// No start time.
    #[error("the pattern must contain %s, or all of %Y, %m, %d, %H and %M; {0} is missing")]
    NoTime(&'static str),
    /// Both ways to tell the time.
    #[error("%s already tells the whole time; leave {0} out")]
    TwoTimes(&'static str),
    /// Too many wildcards.
    #[error("the pattern may contain {{any}} at most {ANY_MAX} times")]
    TooManyAny,
    /// Nothing tells where the one ends and the other begins.
    #[error("{{camera}} and {{any}} need a text or a number between them")]
    Adjacent,
    /// Empty or dotted part between slashes.
    #[error("the pattern must be relative: no slash at either end, no empty part, no `.` or `..`")]
    Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Epoch,
}

impl Field {
    const ALL: [(char, &str, Self); 7] = [
        ('Y', "%Y", Self::Year),
        ('m', "%m", Self::Month),
        ('d', "%d", Self::Day),
        ('H', "%H", Self::Hour),
        ('M', "%M", Self::Minute),
        ('S', "%S", Self::Second),
        ('s', "%s", Self::Epoch),
    ];

    const fn digits(self) -> usize {
        match self {
            Self::Year => 4,
            Self::Month | Self::Day | Self::Hour | Self::Minute | Self::Second => 2,
            // 2001 to 2286: a fixed width keeps a neighbouring number apart.
            Self::Epoch => 10,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Camera,
    Any,
    Number(Field),
    Zone,
}

/// A checked pattern; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    pieces: Vec<Piece>,
}

impl PathPattern {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Camera and start (Unix nanoseconds) of the recording at `path`, which is relative to the
    /// recordings folder; times are in `zone` unless the path says otherwise. None when the path
    /// does not fit, or names a time that no calendar has.
    pub fn matches(&self, path: &str, zone: &TimeZone) -> Option<(String, UnixNanos)> {
        let tail = tail_without_extension(path, self.text.matches('/').count() + 1)?;
        let found = fit(&self.pieces, tail, Found::default())?;
        let started_at = found.started_at(zone)?;
        Some((found.camera?.to_owned(), started_at))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.len() > PATTERN_MAX_BYTES {
            return Err(PatternError::Length);
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(PatternError::Part);
        }
        let pieces = pieces(text)?;
        check(&pieces)?;
        let text = text.to_owned();
        Ok(Self { text, pieces })
    }
}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for PathPattern {
    fn schema_name() -> Cow<'static, str> {
        "PathPattern".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": PATTERN_MAX_BYTES })
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, PatternError> {
    let unknown = |placeholder: &str| PatternError::Placeholder(placeholder.to_owned());
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (piece, behind) = match letter {
            '{' => {
                let end = rest.find('}').ok_or_else(|| unknown(rest))? + 1;
                let piece = match &rest[..end] {
                    "{camera}" => Piece::Camera,
                    "{any}" => Piece::Any,
                    other => return Err(unknown(other)),
                };
                (piece, &rest[end..])
            }
            '%' => {
                let code = rest[1..].chars().next().ok_or_else(|| unknown("%"))?;
                let behind = &rest[1 + code.len_utf8()..];
                let piece = match code {
                    '%' => Piece::Literal("%".into()),
                    'z' => Piece::Zone,
                    _ => Field::ALL
                        .into_iter()
                        .find(|(known, ..)| *known == code)
                        .map(|(.., field)| Piece::Number(field))
                        .ok_or_else(|| unknown(&format!("%{code}")))?,
                };
                (piece, behind)
            }
            _ => {
                let (letter, behind) = rest.split_at(letter.len_utf8());
                (Piece::Literal(letter.into()), behind)
            }
        };
        rest = behind;
        if let Piece::Literal(more) = piece {
            literal.push_str(&more);
            continue;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(piece);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn check(pieces: &[Piece]) -> Result<(), PatternError> {
    if !pieces.contains(&Piece::Camera) {
        return Err(PatternError::NoCamera);
    }
    let has = |field| pieces.contains(&Piece::Number(field));
    let epoch = has(Field::Epoch);
    for (_, name, field) in Field::ALL {
        if field != Field::Epoch && epoch && has(field) {
            return Err(PatternError::TwoTimes(name));
        }
        let needed = !matches!(field, Field::Epoch | Field::Second);
        if needed && !epoch && !has(field) {
            return Err(PatternError::NoTime(name));
        }
    }
    if epoch && pieces.contains(&Piece::Zone) {
        return Err(PatternError::TwoTimes("%z"));
    }
    let wild = |piece: &Piece| matches!(piece, Piece::Camera | Piece::Any);
    if pieces.iter().filter(|piece| **piece == Piece::Any).count() > ANY_MAX {
        return Err(PatternError::TooManyAny);
    }
    if pieces
        .windows(2)
        .any(|pair| wild(&pair[0]) && wild(&pair[1]))
    {
        return Err(PatternError::Adjacent);
    }
    Ok(())
}

/// The last `parts` parts of `path`, less the extension of the last one.
fn tail_without_extension(path: &str, parts: usize) -> Option<&str> {
    let start = match path.rmatch_indices('/').nth(parts - 1) {
        Some((slash, _)) => slash + 1,
        None if path.matches('/').count() + 1 == parts => 0,
        None => return None,
    };
    let tail = &path[start..];
    let name = tail.rfind('/').map_or(0, |slash| slash + 1);
    match tail[name..].rfind('.') {
        // A leading dot hides a file, it does not begin an extension.
        Some(dot) if dot > 0 => Some(&tail[..name + dot]),
        _ => Some(tail),
    }
}

/// What the placeholders stood for so far.
#[derive(Clone, Copy, Default)]
struct Found<'a> {
    camera: Option<&'a str>,
    numbers: [Option<i64>; Field::ALL.len()],
    zone: Option<Offset>,
}

impl<'a> Found<'a> {
    fn with_camera(mut self, name: &'a str) -> Option<Self> {
        (*self.camera.get_or_insert(name) == name).then_some(self)
    }

    fn with_number(mut self, field: Field, number: i64) -> Option<Self> {
        (*self.numbers[field as usize].get_or_insert(number) == number).then_some(self)
    }

    fn with_zone(mut self, zone: Offset) -> Option<Self> {
        (*self.zone.get_or_insert(zone) == zone).then_some(self)
    }

    fn started_at(&self, zone: &TimeZone) -> Option<UnixNanos> {
        let number = |field: Field| self.numbers[field as usize];
        if let Some(seconds) = number(Field::Epoch) {
            return seconds.checked_mul(crate::base::clock::SECOND_NS);
        }
        let small = |field| i8::try_from(number(field)?).ok();
        let second = number(Field::Second).unwrap_or(0);
        let local = jiff::civil::DateTime::new(
            i16::try_from(number(Field::Year)?).ok()?,
            small(Field::Month)?,
            small(Field::Day)?,
            small(Field::Hour)?,
            small(Field::Minute)?,
            // A leap second is kept as the second before it, as Unix time does.
            i8::try_from(if second == 60 { 59 } else { second }).ok()?,
            0,
        )
        .ok()?;
        let stamp = match self.zone {
            Some(offset) => offset.to_timestamp(local).ok()?,
            None => zone.to_ambiguous_timestamp(local).compatible().ok()?,
        };
        i64::try_from(stamp.as_nanosecond()).ok()
    }
}

/// Fits `pieces` onto the whole of `text`, trying shorter names first.
fn fit<'a>(pieces: &[Piece], text: &'a str, found: Found<'a>) -> Option<Found<'a>> {
    let Some((piece, others)) = pieces.split_first() else {
        return text.is_empty().then_some(found);
    };
    match piece {
        Piece::Literal(literal) => fit(others, text.strip_prefix(literal.as_str())?, found),
        Piece::Number(field) => {
            let (digits, behind) = text.split_at_checked(field.digits())?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            fit(
                others,
                behind,
                found.with_number(*field, digits.parse().ok()?)?,
            )
        }
        Piece::Zone => {
            let (zone, behind) = offset_first(text)?;
            fit(others, behind, found.with_zone(zone)?)
        }
        Piece::Camera | Piece::Any => {
            let longest = text.find('/').unwrap_or(text.len());
            let shortest = usize::from(*piece == Piece::Camera);
            (shortest..=longest)
                .filter_map(|length| text.split_at_checked(length))
                .find_map(|(name, behind)| match piece {
                    Piece::Camera => fit(others, behind, found.with_camera(name)?),
                    _ => fit(others, behind, found),
                })
        }
    }
}

fn offset_first(text: &str) -> Option<(Offset, &str)> {
    if let Some(behind) = text.strip_prefix('Z') {
        return Some((Offset::UTC, behind));
    }
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let two = |text: &str| -> Option<i32> {
        let digits = text.get(..2)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let hours = two(digits)?;
    let digits = &digits[2..];
    let digits = digits.strip_prefix(':').unwrap_or(digits);
    let minutes = two(digits).filter(|minutes| *minutes < 60)?;
    let offset = Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()?;
    Some((offset, &digits[2..]))
}

#[cfg(test)]
mod tests;
