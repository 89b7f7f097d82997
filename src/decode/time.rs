//! Times as publishers write them, and whether they can be believed.
//!
//! Whole and fractional numbers are seconds, milliseconds, microseconds or nanoseconds by their
//! magnitude; texts are the same numbers, or RFC 3339. A clock that was never set says 1970, a
//! broken one 2199: such a time is not believed, the arrival counts, and the claim is kept.

use super::json::Json;
use crate::base::clock::{MILLISECOND_NS, MINUTE_NS, SECOND_NS, UnixNanos};

/// Nothing that this program receives was sent before 2020-01-01: the clock was not set.
const EARLIEST: UnixNanos = 1_577_836_800 * SECOND_NS;
/// How far a publisher's clock may run ahead of ours.
pub(super) const AHEAD_NS: i64 = 5 * MINUTE_NS;

/// The bounds between the units: as seconds 1e11 is the year 5138, as milliseconds it is 1973, and
/// so on by factors of 1,000; all times from 1973 on are read right.
const MILLISECONDS_FROM: u64 = 100_000_000_000;
const MICROSECONDS_FROM: u64 = 100_000_000_000_000;
const NANOSECONDS_FROM: u64 = 100_000_000_000_000_000;

/// What a value says about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This moment.
    At(UnixNanos),
    /// A time, but not one that can be placed: without a zone, or beyond the year 2262.
    Unplaced,
}

impl Claim {
    /// The moment, if a message that came at `received_at` can have it.
    pub(super) fn credible(self, received_at: UnixNanos) -> Option<UnixNanos> {
        match self {
            Self::At(at) if at >= EARLIEST && at <= received_at.saturating_add(AHEAD_NS) => {
                Some(at)
            }
            Self::At(_) | Self::Unplaced => None,
        }
    }
}

/// Reads a time; none when the value is no time at all.
pub(super) fn read(value: &Json<'_>) -> Option<Claim> {
    match value {
        Json::Int(number) => Some(whole(*number)),
        Json::Wide(_) => Some(Claim::Unplaced),
        Json::Float(number) => Some(fractional(*number)),
        Json::Text(text) => written(text.trim()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

const fn unit_ns(magnitude: u64) -> i64 {
    match magnitude {
        NANOSECONDS_FROM.. => 1,
        MICROSECONDS_FROM.. => 1_000,
        MILLISECONDS_FROM.. => MILLISECOND_NS,
        _ => SECOND_NS,
    }
}

fn whole(number: i64) -> Claim {
    number
        .checked_mul(unit_ns(number.unsigned_abs()))
        .map_or(Claim::Unplaced, Claim::At)
}

fn fractional(number: f64) -> Claim {
    let unit = unit_ns(number.abs() as u64);
    // A double holds about 0.2 µs at today's seconds: more digits than that would be invented.
    let micros = (number.fract() * (unit as f64 / 1_000.0)).round() as i64;
    let whole = number.trunc();
    if whole.abs() >= i64::MAX as f64 {
        return Claim::Unplaced;
    }
    (whole as i64)
        .checked_mul(unit)
        .and_then(|ns| ns.checked_add(micros * 1_000))
        .map_or(Claim::Unplaced, Claim::At)
}

fn written(text: &str) -> Option<Claim> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(whole(number));
    }
    if text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && let Ok(number) = text.parse::<f64>()
    {
        return Some(if number.is_finite() {
            fractional(number)
        } else {
            Claim::Unplaced
        });
    }
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        let ns = i64::try_from(stamp.as_nanosecond());
        return Some(ns.map_or(Claim::Unplaced, Claim::At));
    }
    text.parse::<jiff::civil::DateTime>()
        .ok()
        .map(|_| Claim::Unplaced)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const AT: i64 = 1_795_107_669_123_456_789;

    fn read_text(text: &str) -> Option<Claim> {
        read(&Json::Text(text.into()))
    }

    #[test]
    fn the_unit_follows_from_the_magnitude() {
        for (number, expected) in [
            (1_795_107_669, AT / 1_000_000_000 * 1_000_000_000),
            (1_795_107_669_123, AT / 1_000_000 * 1_000_000),
            (1_795_107_669_123_456, AT / 1_000 * 1_000),
            (AT, AT),
            (41_230, 41_230 * SECOND_NS),
            (0, 0),
            (-5, -5 * SECOND_NS),
            (i64::MIN, i64::MIN),
        ] {
            assert_eq!(
                read(&Json::Int(number)),
                Some(Claim::At(expected)),
                "{number}"
            );
            assert_eq!(
                read_text(&number.to_string()),
                Some(Claim::At(expected)),
                "{number}"
            );
        }
        let float = read(&Json::Float(1_795_107_669.123_456)).unwrap();
        assert_eq!(float, Claim::At(1_795_107_669_123_456_000));
        let millis = read(&Json::Float(1_795_107_669_123.5)).unwrap();
        assert_eq!(millis, Claim::At(1_795_107_669_123_500_000));
        assert_eq!(read(&Json::Int(99_999_999_999)), Some(Claim::Unplaced));
        assert_eq!(read(&Json::Float(1e300)), Some(Claim::Unplaced));
        assert_eq!(read(&Json::Wide(u64::MAX)), Some(Claim::Unplaced));
    }

    #[test]
    fn texts_are_numbers_or_rfc_3339() {
        let expected = Some(Claim::At(1_795_107_880_968_000_000));
        assert_eq!(read_text("2026-11-19T18:04:40.968+01:00"), expected);
        assert_eq!(read_text("2026-11-19 17:04:40.968Z"), expected);
        assert_eq!(read_text("2026-11-19T18:04:40"), Some(Claim::Unplaced));
        assert_eq!(read_text("1e999"), Some(Claim::Unplaced));
        for no_time in ["", "soon", "nan", "12:30", "2026-13-45T00:00:00Z"] {
            assert_eq!(read_text(no_time), None, "{no_time}");
        }
        assert_eq!(read(&Json::Bool(true)), None);
        assert_eq!(read(&Json::Array(vec![])), None);
    }

    #[test]
    fn a_time_must_fit_its_arrival() {
        for (at, credible) in [
            (AT, true),
            (AT + AHEAD_NS, true),
            (AT + AHEAD_NS + 1, false),
            (AT - 400 * 86_400 * SECOND_NS, true),
            (EARLIEST, true),
            (EARLIEST - 1, false),
            (41_230 * SECOND_NS, false),
        ] {
            assert_eq!(Claim::At(at).credible(AT).is_some(), credible, "{at}");
        }
        assert_eq!(Claim::Unplaced.credible(AT), None);
    }
}
