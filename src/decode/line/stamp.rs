//! Times at the beginning of lines, and the moments that they mean.
//!
//! What a line leaves out comes from its arrival and from the zone of the host that wrote it: the
//! year is the latest that does not put the line more than a day after its arrival, so that a line
//! of 31 December that arrives on 1 January is one of last year. An hour that a zone has twice is
//! the later one, unless that lies after the arrival; an hour that it leaves out is read as the
//! clock would have shown it had it not been moved.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset};

use super::Context;
use crate::base::clock::{DAY_NS, SECOND_NS, UnixNanos};
use crate::decode::time::{AHEAD_NS, Claim};

/// How many years back a day is looked for; 29 February may be eight years away.
const MAX_YEARS_BACK: i16 = 8;
/// Digits of a fraction of a second that count.
const FRACTION_DIGITS: usize = 9;

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// With its offset from UTC, or in Unix time.
    Moment(UnixNanos),
    /// On the clock of the host.
    Local(DateTime),
    /// The same without a year; the year in here is a leap year.
    Yearless(DateTime),
}

/// A leap year, to hold every day of a year.
const LEAP_YEAR: u32 = 2024;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Reads the time that a text begins with, and what stands behind it.
type Reader = fn(&mut Scan<'_>) -> Option<Stamp>;

fn read(text: &str, reader: Reader) -> Option<(Stamp, &str)> {
    let mut scan = Scan {
        bytes: text.as_bytes(),
        at: 0,
    };
    let stamp = reader(&mut scan)?;
    text.get(scan.at..).map(|rest| (stamp, rest))
}

/// `Nov  5 04:02:10`, `Nov 20 2026 04:02:10` (RFC 3164 §4.1.2, and what routers make of it).
pub(super) fn month_first(text: &str) -> Option<(Stamp, &str)> {
    read(text, |scan| {
        let month = scan.month()?;
        scan.expect(b' ')?;
        let padded = scan.skip(b' ');
        let day = if padded {
            scan.digits(1)?
        } else {
            scan.one_or_two()?
        };
        scan.expect(b' ')?;
        let year = scan.year_before_time();
        let at = scan.clock(i16::try_from(year.unwrap_or(LEAP_YEAR)).ok()?, month, day)?;
        Some(if year.is_some() {
            Stamp::Local(at)
        } else {
            Stamp::Yearless(at)
        })
    })
}

/// The year of `Sat Nov 21 18:03:04 2026 …`, and what stands behind it.
pub(super) fn year_behind(at: DateTime, rest: &str) -> (Stamp, &str) {
    let mut scan = Scan {
        bytes: rest.as_bytes(),
        at: 0,
    };
    let year = scan.expect(b' ').and_then(|()| scan.digits(4));
    let day = year
        .and_then(|year| jiff::civil::Date::new(year as i16, at.month(), at.day()).ok())
        .filter(|_| scan.peek() == Some(b' '));
    match (day, rest.get(scan.at..)) {
        (Some(day), Some(rest)) => (Stamp::Local(day.to_datetime(at.time())), rest),
        _ => (Stamp::Yearless(at), rest),
    }
}

/// `2026-11-21T18:03:04.123456+01:00`, `2026-11-21 18:03:04,123` and the like (ISO 8601).
pub(super) fn iso(text: &str) -> Option<(Stamp, &str)> {
    read(text, |scan| {
        scan.dated(b'-', |byte| matches!(byte, b'T' | b't' | b' '))
    })
}

/// `2026/11/21 18:03:04`
pub(super) fn slashed(text: &str) -> Option<(Stamp, &str)> {
    read(text, |scan| scan.dated(b'/', |byte| byte == b' '))
}

/// `21/Nov/2026:18:03:04 +0100`, `21/Nov/2026 18:03:04`
pub(super) fn day_first(text: &str) -> Option<(Stamp, &str)> {
    read(text, |scan| {
        let day = scan.one_or_two()?;
        scan.expect(b'/')?;
        let month = scan.month()?;
        scan.expect(b'/')?;
        let year = scan.digits(4)?;
        scan.any(|byte| matches!(byte, b':' | b' '))?;
        let at = scan.clock(i16::try_from(year).ok()?, month, day)?;
        let before = scan.at;
        if scan.skip(b' ')
            && let Some(offset) = scan.offset()
        {
            return moment(at, offset);
        }
        scan.at = before;
        Some(Stamp::Local(at))
    })
}

/// `1795107669` with exactly these ten digits, as daemons write Unix time.
pub(super) fn unix(text: &str) -> Option<(Stamp, &str)> {
    read(text, |scan| {
        let seconds = scan.digits(10)?;
        let ends = !scan.peek().is_some_and(|byte| byte.is_ascii_digit());
        ends.then_some(Stamp::Moment(i64::from(seconds) * SECOND_NS))
    })
}

fn moment(at: DateTime, offset_s: i32) -> Option<Stamp> {
    let offset = Offset::from_seconds(offset_s).ok()?;
    nanos(at, offset).map(Stamp::Moment)
}

fn nanos(at: DateTime, offset: Offset) -> Option<UnixNanos> {
    let stamp = offset.to_timestamp(at).ok()?;
    i64::try_from(stamp.as_nanosecond()).ok()
}

impl Stamp {
    /// The moment, whether it can be believed or not.
    pub(super) fn claim(self, context: &Context<'_>) -> Claim {
        let at = match self {
            Self::Moment(at) => Some(at),
            Self::Local(at) => in_zone(at, context),
            Self::Yearless(at) => of_the_year(at, context),
        };
        at.map_or(Claim::Unplaced, Claim::At)
    }
}

fn in_zone(at: DateTime, context: &Context<'_>) -> Option<UnixNanos> {
    match context.zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } => nanos(at, offset),
        AmbiguousOffset::Gap { before, .. } => nanos(at, before),
        AmbiguousOffset::Fold { before, after } => {
            let latest = context.received_at.saturating_add(AHEAD_NS);
            nanos(at, after)
                .filter(|later| *later <= latest)
                .or_else(|| nanos(at, before))
        }
    }
}

fn of_the_year(at: DateTime, context: &Context<'_>) -> Option<UnixNanos> {
    let latest = context.received_at.saturating_add(DAY_NS);
    // No zone is further from UTC than a day.
    let newest = utc_year(latest.saturating_add(DAY_NS))?;
    (newest - MAX_YEARS_BACK..=newest).rev().find_map(|year| {
        let day = jiff::civil::Date::new(year, at.month(), at.day()).ok()?;
        in_zone(day.to_datetime(at.time()), context).filter(|at| *at <= latest)
    })
}

fn utc_year(at: UnixNanos) -> Option<i16> {
    let stamp = jiff::Timestamp::from_second(at.div_euclid(SECOND_NS)).ok()?;
    Some(Offset::UTC.to_datetime(stamp).year())
}

/// A reader of fixed forms.
struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn any(&mut self, allowed: impl Fn(u8) -> bool) -> Option<u8> {
        let byte = self.peek().filter(|byte| allowed(*byte))?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, expected: u8) -> Option<()> {
        self.any(|byte| byte == expected).map(drop)
    }

    fn skip(&mut self, byte: u8) -> bool {
        self.expect(byte).is_some()
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + count)?;
        let number = digits.iter().try_fold(0_u32, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        })?;
        self.at += count;
        Some(number)
    }

    fn one_or_two(&mut self) -> Option<u32> {
        self.digits(2).or_else(|| self.digits(1))
    }

    fn month(&mut self) -> Option<u32> {
        let name = self.bytes.get(self.at..self.at + 3)?;
        let month = MONTHS
            .iter()
            .position(|month| name.eq_ignore_ascii_case(*month))?;
        self.at += 3;
        Some(month as u32 + 1)
    }

    /// A year, if a blank and a time stand behind it.
    fn year_before_time(&mut self) -> Option<u32> {
        let before = self.at;
        let year = self.digits(4).filter(|_| self.skip(b' '));
        if year.is_none() {
            self.at = before;
        }
        year
    }

    /// `18:03:04` and the fraction behind it.
    fn clock(&mut self, year: i16, month: u32, day: u32) -> Option<DateTime> {
        let hour = self.digits(2)?;
        self.expect(b':')?;
        let minute = self.digits(2)?;
        self.expect(b':')?;
        // A leap second is the last one before it.
        let second = self.digits(2)?;
        let second = if second == 60 { 59 } else { second };
        let fraction = self.fraction();
        let narrow = |number: u32| i8::try_from(number).ok();
        DateTime::new(
            year,
            narrow(month)?,
            narrow(day)?,
            narrow(hour)?,
            narrow(minute)?,
            narrow(second)?,
            fraction,
        )
        .ok()
    }

    /// `.123456` or `,123` in nanoseconds.
    fn fraction(&mut self) -> i32 {
        let before = self.at;
        if self.any(|byte| matches!(byte, b'.' | b',')).is_none() {
            return 0;
        }
        let (mut nanos, mut count) = (0, 0);
        while let Some(byte) = self.any(|byte| byte.is_ascii_digit()) {
            if count < FRACTION_DIGITS {
                nanos = nanos * 10 + i32::from(byte - b'0');
                count += 1;
            }
        }
        if count == 0 {
            self.at = before;
        }
        (count..FRACTION_DIGITS).fold(nanos, |nanos, _| nanos * 10)
    }

    fn dated(&mut self, between: u8, divides: impl Fn(u8) -> bool) -> Option<Stamp> {
        let year = self.digits(4)?;
        self.expect(between)?;
        let month = self.digits(2)?;
        self.expect(between)?;
        let day = self.digits(2)?;
        self.any(divides)?;
        let at = self.clock(i16::try_from(year).ok()?, month, day)?;
        let before = self.at;
        let blank = self.skip(b' ');
        match self.offset() {
            // Behind a blank a lone `Z` is a word, and `-` begins one.
            Some(offset) if !blank || self.at - before >= 6 => moment(at, offset),
            _ => {
                self.at = before;
                Some(Stamp::Local(at))
            }
        }
    }

    /// `Z`, `+01:00` or `+0100`, in seconds.
    fn offset(&mut self) -> Option<i32> {
        if self.any(|byte| matches!(byte, b'Z' | b'z')).is_some() {
            return Some(0);
        }
        let sign = if self.any(|byte| matches!(byte, b'+' | b'-'))? == b'-' {
            -1
        } else {
            1
        };
        let hours = self.digits(2)?;
        self.skip(b':');
        let minutes = self.digits(2)?;
        let valid = hours <= 23 && minutes <= 59;
        valid.then(|| sign * (hours * 3_600 + minutes * 60) as i32)
    }
}

#[cfg(test)]
mod tests;
