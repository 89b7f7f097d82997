//! Points in time as people type them, and as they are shown to people.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use thiserror::Error;

use crate::base::clock::{DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, UnixNanos};

/// A text that is no point in time.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{text:?} is no time that I understand; write 2026-11-20T03:12:07Z, 2026-11-20, \
     \"2026-11-20 03:12\", 03:12, -2h, 15m, 3d, today, yesterday, now or @1795107600"
)]
pub struct WhenError {
    text: String,
}

/// The moment that `text` means, seen from `now` in the time zone `zone`.
///
/// RFC 3339; a date (its midnight) or a date and time in `zone`; `HH:MM[:SS]`, the last time the
/// clock showed it; `2h` or `-2h` ago, units s, m, h, d (24 hours) and w, also `1h30m`; `now`,
/// `today`, `yesterday` (their midnights); `@` and Unix seconds.
pub fn parse(text: &str, now: UnixNanos, zone: &TimeZone) -> Result<UnixNanos, WhenError> {
    let trimmed = text.trim();
    instant(trimmed, now, zone).ok_or_else(|| WhenError {
        text: trimmed.to_owned(),
    })
}

/// The moment that `text` means when it is still to come: as [`parse`], but `HH:MM[:SS]` is the next
/// time the clock shows it. The moment may be past all the same.
pub fn parse_next(text: &str, now: UnixNanos, zone: &TimeZone) -> Result<UnixNanos, WhenError> {
    let next = || {
        let here = zoned(now, zone)?;
        let time: Time = text.trim().parse().ok()?;
        let at =
            |day: jiff::civil::Date| nanos(&day.to_datetime(time).to_zoned(zone.clone()).ok()?);
        at(here.date())
            .filter(|moment| *moment > now)
            .or_else(|| at(here.date().tomorrow().ok()?))
    };
    match next() {
        Some(moment) if text.trim().len() <= "23:59:59".len() && text.contains(':') => Ok(moment),
        _ => parse(text, now, zone),
    }
}

fn instant(text: &str, now: UnixNanos, zone: &TimeZone) -> Option<UnixNanos> {
    let here = zoned(now, zone)?;
    match text.to_ascii_lowercase().as_str() {
        "now" => return Some(now),
        "today" => return nanos(&here.start_of_day().ok()?),
        "yesterday" => return nanos(&here.yesterday().ok()?.start_of_day().ok()?),
        _ => {}
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return epoch(seconds);
    }
    if let Some(span) = length(text.strip_prefix('-').unwrap_or(text)) {
        return now.checked_sub(span);
    }
    if text.len() <= "23:59:59".len() && text.contains(':') {
        return last_shown(text.parse().ok()?, &here);
    }
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return i64::try_from(stamp.as_nanosecond()).ok();
    }
    let civil: DateTime = text.parse().ok()?;
    nanos(&civil.to_zoned(zone.clone()).ok()?)
}

fn zoned(at: UnixNanos, zone: &TimeZone) -> Option<Zoned> {
    let stamp = Timestamp::from_nanosecond(i128::from(at)).ok()?;
    Some(stamp.to_zoned(zone.clone()))
}

fn nanos(zoned: &Zoned) -> Option<UnixNanos> {
    i64::try_from(zoned.timestamp().as_nanosecond()).ok()
}

fn last_shown(time: Time, here: &Zoned) -> Option<UnixNanos> {
    let today = here.date().to_datetime(time);
    let zone = here.time_zone().clone();
    let moment = today.to_zoned(zone.clone()).ok()?;
    if moment.timestamp() <= here.timestamp() {
        return nanos(&moment);
    }
    nanos(&today.yesterday().ok()?.to_zoned(zone).ok()?)
}

fn epoch(text: &str) -> Option<UnixNanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole.strip_prefix('-').unwrap_or(whole)) || !is_digits(fraction) {
        return None;
    }
    let below: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let whole_ns = whole.parse::<i64>().ok()?.checked_mul(SECOND_NS)?;
    if whole.starts_with('-') {
        whole_ns.checked_sub(below)
    } else {
        whole_ns.checked_add(below)
    }
}

/// A length of time: `90s`, `15m`, `1h30m`, `7d`, `2w`; none when it is none.
pub fn length(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "s" | "sec" => SECOND_NS,
            "m" | "min" => MINUTE_NS,
            "h" => HOUR_NS,
            "d" => DAY_NS,
            "w" => 7 * DAY_NS,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(count.checked_mul(unit)?)?;
    }
    (!text.is_empty()).then_some(total)
}

/// `at` in `zone` as `2026-11-20 03:12:07`.
pub fn local(at: UnixNanos, zone: &TimeZone) -> String {
    zoned(at, zone).map_or_else(
        || at.to_string(),
        |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::base::clock::rfc3339;

    // 03:12:07 at +01:00.
    const NOW: &str = "2026-11-20T02:12:07Z";

    fn read(text: &str) -> Result<String, WhenError> {
        let now: Timestamp = NOW.parse().unwrap();
        let now = i64::try_from(now.as_nanosecond()).unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        parse(text, now, &zone).map(rfc3339)
    }

    #[test]
    fn every_way_of_writing_a_time_is_understood() {
        for (text, meant) in [
            ("2026-11-20T01:00:00Z", "2026-11-20T01:00:00.000Z"),
            ("2026-11-20T01:00:00+01:00", "2026-11-20T00:00:00.000Z"),
            ("2026-11-20T01:00:00.250Z", "2026-11-20T01:00:00.250Z"),
            ("2026-11-20", "2026-11-19T23:00:00.000Z"),
            ("2026-11-20 03:12", "2026-11-20T02:12:00.000Z"),
            ("2026-11-20T03:12:30", "2026-11-20T02:12:30.000Z"),
            ("03:00", "2026-11-20T02:00:00.000Z"),
            ("03:12:07", "2026-11-20T02:12:07.000Z"),
            ("22:00", "2026-11-19T21:00:00.000Z"),
            ("now", "2026-11-20T02:12:07.000Z"),
            ("Today", "2026-11-19T23:00:00.000Z"),
            ("yesterday", "2026-11-18T23:00:00.000Z"),
            ("2h", "2026-11-20T00:12:07.000Z"),
            ("-2h", "2026-11-20T00:12:07.000Z"),
            ("15m", "2026-11-20T01:57:07.000Z"),
            ("90s", "2026-11-20T02:10:37.000Z"),
            ("1h30m", "2026-11-20T00:42:07.000Z"),
            ("3d", "2026-11-17T02:12:07.000Z"),
            ("1w", "2026-11-13T02:12:07.000Z"),
            ("@0", "1970-01-01T00:00:00.000Z"),
            ("@1795107600", "2026-11-19T17:00:00.000Z"),
            ("@1795107600.5", "2026-11-19T17:00:00.500Z"),
            ("@-1.25", "1969-12-31T23:59:58.750Z"),
            (" 15m ", "2026-11-20T01:57:07.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(meant), "{text}");
        }
    }

    #[test]
    fn a_time_of_day_can_be_the_next_one() {
        let now: Timestamp = NOW.parse().unwrap();
        let now = i64::try_from(now.as_nanosecond()).unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (text, meant) in [
            ("06:30", "2026-11-20T05:30:00.000Z"),
            ("03:12:07", "2026-11-21T02:12:07.000Z"),
            ("03:00", "2026-11-21T02:00:00.000Z"),
            ("2026-11-22", "2026-11-21T23:00:00.000Z"),
            ("2h", "2026-11-20T00:12:07.000Z"),
        ] {
            let read = parse_next(text, now, &zone).map(rfc3339);
            assert_eq!(read.as_deref(), Ok(meant), "{text}");
        }
        assert!(parse_next("25:00", now, &zone).is_err());
    }

    #[test]
    fn what_is_no_time_is_refused_with_examples() {
        for text in [
            "",
            "-",
            "@",
            "@x",
            "@1.",
            "@.5",
            "2",
            "2x",
            "h",
            "h2",
            "25:00",
            "tomorrow",
            "2026-13-01",
            "99999999999999999999d",
            "9223372036854775807w",
            "@9223372036854775807",
            "-2h-3m",
            "🦊",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("yesterday"), "{error}");
        }
    }

    #[test]
    fn times_are_shown_in_the_houses_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(local(0, &zone), "1970-01-01 01:00:00");
        let far = local(i64::MAX, &zone);
        assert_eq!(far, "2262-04-12 00:47:16");
    }
}
