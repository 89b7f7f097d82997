//! Hours of the day, and days of the week, in which something holds: `"23:00-06:00"`.
//!
//! Grammar, all of it in the local zone:
//! - `""` is always.
//! - `HH:MM-HH:MM` is from the first minute, inclusive, to the second, exclusive; it runs over
//!   midnight when the second is the earlier one. `24:00` may end a window.
//! - `mon-fri 08:00-17:00` or `sat 22:00-02:00` holds on these days only. A window belongs to the
//!   day on which it begins: the second example reaches into Sunday.
//! - Several, joined by commas, hold when any of them does.
//!
//! A window is defined on the clock on the wall, not on lengths of time. In the hour that spring
//! skips nothing can hold, because no wall shows it; in the hour that autumn shows twice a window
//! holds both times. So every moment has one answer, and it is the one a person in the room gives.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::base::clock::UnixNanos;

/// Most spans of one window: four on each day of a week, and a few to spare.
const MAX_SPANS: usize = 32;

/// 24:00 as a minute of the day.
const DAY_MINUTES: u16 = 24 * 60;

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Why a text is no window.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimeWindowError {
    /// A part has another shape.
    #[error(
        "\"{0}\" is no time window; write HH:MM-HH:MM such as \"23:00-06:00\", with days in front \
         if need be such as \"mon-fri 08:00-17:00\""
    )]
    Shape(String),
    /// A time that no clock shows.
    #[error(
        "\"{0}\" is no time of day; write 00:00 to 23:59, each with two digits, or 24:00 as an end"
    )]
    Time(String),
    /// A day that no week has.
    #[error("\"{0}\" is no day of the week; known are mon, tue, wed, thu, fri, sat, sun")]
    Day(String),
    /// It would end when it begins.
    #[error(
        "time window \"{0}\" ends when it begins; leave it empty for always, or write 00:00-24:00 \
         for whole days"
    )]
    EqualEnds(String),
    /// Too many parts.
    #[error("a time window of {0} parts is too long; at most {MAX_SPANS} may be joined by commas")]
    TooMany(usize),
}

/// When something holds. Displayed in the one spelling that parses to the same window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeWindow {
    /// None: always.
    spans: Vec<Span>,
}

impl TimeWindow {
    /// The window that holds at every moment.
    pub const ALWAYS: Self = Self { spans: Vec::new() };

    /// Whether `at` lies inside, as the wall clock of `zone` shows it.
    pub fn contains(&self, at: UnixNanos, zone: &TimeZone) -> bool {
        if self.spans.is_empty() {
            return true;
        }
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(at))
            .expect("i64 nanoseconds end in 2262, timestamps in 9999");
        let wall = zone.to_datetime(stamp);
        self.spans.iter().any(|span| span.contains(wall))
    }
}

/// One part: from a minute of the day to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    days: Days,
    /// Minute of the day, 0..1440, inclusive.
    begin: u16,
    /// Minute of the day, 0..=1440, exclusive; before `begin` it is one of the next day.
    end: u16,
}

impl Span {
    fn contains(self, wall: DateTime) -> bool {
        let minute = wall.hour() as u16 * 60 + wall.minute() as u16;
        let today = wall.weekday();
        if self.begin < self.end {
            return self.days.holds(today) && (self.begin..self.end).contains(&minute);
        }
        (minute >= self.begin && self.days.holds(today))
            || (minute < self.end && self.days.holds(today.previous()))
    }
}

/// Days in a row, from the first to the last, both included; `fri-mon` runs over Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    Every,
    Run { first: Weekday, last: Weekday },
}

impl Days {
    fn holds(self, day: Weekday) -> bool {
        match self {
            Self::Every => true,
            Self::Run { first, last } => first.until(day) <= first.until(last),
        }
    }
}

impl FromStr for TimeWindow {
    type Err = TimeWindowError;

    fn from_str(text: &str) -> Result<Self, TimeWindowError> {
        if text.trim().is_empty() {
            return Ok(Self::ALWAYS);
        }
        let parts = text.split(',').count();
        if parts > MAX_SPANS {
            return Err(TimeWindowError::TooMany(parts));
        }
        let spans = text.split(',').map(|part| span(part.trim()));
        Ok(Self {
            spans: spans.collect::<Result<_, _>>()?,
        })
    }
}

fn span(text: &str) -> Result<Span, TimeWindowError> {
    let shape = || TimeWindowError::Shape(text.to_owned());
    let (days, hours) = match text.split_once(char::is_whitespace) {
        None => (Days::Every, text),
        Some((written, hours)) => (days(written)?, hours.trim_start()),
    };
    let (begin, end) = hours.split_once('-').ok_or_else(shape)?;
    let (begin, end) = (begin.trim_end(), end.trim_start());
    let span = Span {
        days,
        begin: minute(begin)?,
        end: minute(end)?,
    };
    if span.begin == DAY_MINUTES {
        return Err(TimeWindowError::Time(begin.to_owned()));
    }
    if span.begin == span.end {
        return Err(TimeWindowError::EqualEnds(text.to_owned()));
    }
    Ok(span)
}

fn days(text: &str) -> Result<Days, TimeWindowError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok(Days::Run {
        first: day(first)?,
        last: day(last)?,
    })
}

fn day(text: &str) -> Result<Weekday, TimeWindowError> {
    DAY_NAMES
        .iter()
        .position(|name| text.eq_ignore_ascii_case(name))
        .and_then(|index| Weekday::from_monday_zero_offset(index as i8).ok())
        .ok_or_else(|| TimeWindowError::Day(text.to_owned()))
}

fn minute(text: &str) -> Result<u16, TimeWindowError> {
    let digit = |letter: u8| letter.is_ascii_digit().then(|| u16::from(letter - b'0'));
    let parse = || {
        let &[h1, h2, b':', m1, m2] = text.as_bytes() else {
            return None;
        };
        let (hour, minute) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
        (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
    };
    parse().ok_or_else(|| TimeWindowError::Time(text.to_owned()))
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, span) in self.spans.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{span}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |day: Weekday| DAY_NAMES[day.to_monday_zero_offset() as usize];
        match self.days {
            Days::Every => {}
            Days::Run { first, last } if first == last => write!(f, "{} ", name(first))?,
            Days::Run { first, last } => write!(f, "{}-{} ", name(first), name(last))?,
        }
        let (begin, end) = (self.begin, self.end);
        let [h1, m1, h2, m2] = [begin / 60, begin % 60, end / 60, end % 60];
        write!(f, "{h1:02}:{m1:02}-{h2:02}:{m2:02}")
    }
}

impl Serialize for TimeWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for TimeWindow {
    fn schema_name() -> Cow<'static, str> {
        "TimeWindow".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["", "23:00-06:00", "mon-fri 08:00-17:00"] })
    }
}

#[cfg(test)]
mod tests;
