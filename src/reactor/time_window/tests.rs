#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::base::clock::MINUTE_NS;

/// Central European Time, from the machine's database or by its rule where there is none.
fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin")
        .or_else(|_| TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3"))
        .unwrap()
}

fn window(text: &str) -> TimeWindow {
    text.parse().unwrap()
}

fn utc(stamp: &str) -> UnixNanos {
    let stamp: jiff::Timestamp = stamp.parse().unwrap();
    stamp.as_nanosecond() as i64
}

/// A moment that the wall in Berlin shows once.
fn wall(text: &str) -> UnixNanos {
    let wall: DateTime = text.parse().unwrap();
    let stamp = berlin().into_ambiguous_zoned(wall).unambiguous().unwrap();
    stamp.timestamp().as_nanosecond() as i64
}

#[test]
fn a_window_begins_inclusive_and_ends_exclusive_on_the_local_clock() {
    for (text, time, inside) in [
        ("23:00-06:00", "02:30", true),
        ("23:00-06:00", "23:00", true),
        ("23:00-06:00", "22:59:59.999999999", false),
        ("23:00-06:00", "05:59:59.999999999", true),
        ("23:00-06:00", "06:00", false),
        ("23:00-06:00", "14:30", false),
        ("08:00-17:00", "07:59", false),
        ("08:00-17:00", "08:00", true),
        ("08:00-17:00", "16:59", true),
        ("08:00-17:00", "17:00", false),
        ("00:00-24:00", "00:00", true),
        ("00:00-24:00", "23:59", true),
        ("22:00-24:00", "23:59", true),
        ("22:00-24:00", "00:00", false),
        ("22:00-00:00", "23:59", true),
        ("22:00-00:00", "00:00", false),
        ("", "14:30", true),
        (" ", "14:30", true),
        ("06:00-07:00, 18:00-19:30", "06:30", true),
        ("06:00-07:00, 18:00-19:30", "12:00", false),
        ("06:00-07:00,18:00-19:30", "19:29", true),
    ] {
        let at = wall(&format!("2026-06-10T{time}"));
        assert_eq!(
            window(text).contains(at, &berlin()),
            inside,
            "{text} at {time}"
        );
    }
}

#[test]
fn days_count_where_the_window_begins() {
    // 2026-06-08 is a Monday.
    for (text, at, inside) in [
        ("mon-fri 08:00-17:00", "2026-06-08T08:00", true),
        ("mon-fri 08:00-17:00", "2026-06-12T16:59", true),
        ("mon-fri 08:00-17:00", "2026-06-13T12:00", false),
        ("mon-fri 08:00-17:00", "2026-06-07T12:00", false),
        ("sat 22:00-02:00", "2026-06-13T22:00", true),
        ("sat 22:00-02:00", "2026-06-14T01:59", true),
        ("sat 22:00-02:00", "2026-06-13T01:00", false),
        ("sat 22:00-02:00", "2026-06-14T23:00", false),
        ("sun 22:00-02:00", "2026-06-15T01:00", true),
        ("fri-mon 10:00-11:00", "2026-06-14T10:30", true),
        ("fri-mon 10:00-11:00", "2026-06-15T10:30", true),
        ("fri-mon 10:00-11:00", "2026-06-09T10:30", false),
        ("fri-mon 10:00-11:00", "2026-06-11T10:30", false),
        ("SAT-Sun  09:00-10:00", "2026-06-13T09:30", true),
        ("mon 08:00-09:00, sat 10:00-11:00", "2026-06-13T10:00", true),
        (
            "mon 08:00-09:00, sat 10:00-11:00",
            "2026-06-13T08:30",
            false,
        ),
    ] {
        assert_eq!(
            window(text).contains(wall(at), &berlin()),
            inside,
            "{text} at {at}"
        );
    }
}

#[test]
fn when_spring_skips_an_hour_the_wall_decides() {
    // 02:00 CET becomes 03:00 CEST at 01:00 UTC.
    let night = window("23:00-06:00");
    let skipped = window("02:00-03:00");
    let after = window("03:00-04:00");
    for (at, in_night, in_skipped, in_after) in [
        ("2026-03-28T22:00:00Z", true, false, false),
        ("2026-03-29T00:59:59Z", true, false, false),
        ("2026-03-29T01:00:00Z", true, false, true),
        ("2026-03-29T01:59:59Z", true, false, true),
        ("2026-03-29T02:00:00Z", true, false, false),
        ("2026-03-29T03:59:59Z", true, false, false),
        ("2026-03-29T04:00:00Z", false, false, false),
    ] {
        let holds = |window: &TimeWindow| window.contains(utc(at), &berlin());
        assert_eq!(
            (holds(&night), holds(&skipped), holds(&after)),
            (in_night, in_skipped, in_after),
            "{at}"
        );
    }
    // A window that begins or ends inside the gap keeps the rest of its hours.
    assert!(window("02:30-04:00").contains(utc("2026-03-29T01:00:00Z"), &berlin()));
    assert!(window("01:00-02:30").contains(utc("2026-03-29T00:30:00Z"), &berlin()));
    assert!(!window("01:00-02:30").contains(utc("2026-03-29T01:00:00Z"), &berlin()));
}

#[test]
fn when_autumn_shows_an_hour_twice_the_window_holds_twice() {
    // 03:00 CEST becomes 02:00 CET at 01:00 UTC: 00:00Z..02:00Z both show 02:xx.
    let doubled = window("02:00-03:00");
    let half = window("02:30-06:00");
    for (at, in_doubled, in_half) in [
        ("2026-10-24T23:59:59Z", false, false),
        ("2026-10-25T00:00:00Z", true, false),
        ("2026-10-25T00:30:00Z", true, true),
        ("2026-10-25T00:59:59Z", true, true),
        ("2026-10-25T01:00:00Z", true, false),
        ("2026-10-25T01:29:59Z", true, false),
        ("2026-10-25T01:30:00Z", true, true),
        ("2026-10-25T02:00:00Z", false, true),
        ("2026-10-25T04:59:59Z", false, true),
        ("2026-10-25T05:00:00Z", false, false),
    ] {
        let holds = |window: &TimeWindow| window.contains(utc(at), &berlin());
        assert_eq!(
            (holds(&doubled), holds(&half)),
            (in_doubled, in_half),
            "{at}"
        );
    }
}

#[test]
fn what_is_no_window_is_refused_with_advice() {
    for (text, message) in [
        ("23:00", "\"23:00\" is no time window; write HH:MM-HH:MM"),
        ("night", "\"night\" is no time window;"),
        (",", "\"\" is no time window;"),
        ("08:00-09:00,", "\"\" is no time window;"),
        ("8:00-17:00", "\"8:00\" is no time of day;"),
        ("08:00-17", "\"17\" is no time of day;"),
        ("08:00-17:60", "\"17:60\" is no time of day;"),
        ("08:00-24:01", "\"24:01\" is no time of day;"),
        ("24:00-06:00", "\"24:00\" is no time of day;"),
        ("08:00-09:00-10:00", "\"09:00-10:00\" is no time of day;"),
        ("-1:00-02:00", "\"\" is no time of day;"),
        ("+1:00-02:00", "\"+1:00\" is no time of day;"),
        ("08:00-17:0０", "\"17:0０\" is no time of day;"),
        (
            "weekdays 08:00-17:00",
            "\"weekdays\" is no day of the week;",
        ),
        ("mon- 08:00-17:00", "\"\" is no day of the week;"),
        (
            "mon-tue-wed 08:00-17:00",
            "\"tue-wed\" is no day of the week;",
        ),
        (
            "06:00-06:00",
            "time window \"06:00-06:00\" ends when it begins; leave it empty for always",
        ),
        (
            "mon 00:00-00:00",
            "time window \"mon 00:00-00:00\" ends when it begins;",
        ),
    ] {
        let error = text.parse::<TimeWindow>().unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
    let long = vec!["08:00-09:00"; MAX_SPANS + 1].join(",");
    assert_eq!(
        long.parse::<TimeWindow>(),
        Err(TimeWindowError::TooMany(MAX_SPANS + 1))
    );
    assert!(long[12..].parse::<TimeWindow>().is_ok());
}

#[test]
fn a_window_is_a_string_to_serde() {
    for (text, written) in [
        ("", "\"\""),
        (
            "SAT 22:00-02:00,08:00-24:00",
            "\"sat 22:00-02:00, 08:00-24:00\"",
        ),
    ] {
        let window = window(text);
        assert_eq!(serde_json::to_string(&window).unwrap(), written);
        assert_eq!(serde_json::from_str::<TimeWindow>(written).unwrap(), window);
    }
    let error = serde_json::from_str::<TimeWindow>("\"7-8\"").unwrap_err();
    assert!(error.to_string().contains("is no time of day"), "{error}");
}

fn spans() -> impl Strategy<Value = Span> {
    let day = (0..7_i8).prop_map(|day| Weekday::from_monday_zero_offset(day).unwrap());
    let days = prop_oneof![
        Just(Days::Every),
        (day.clone(), day).prop_map(|(first, last)| Days::Run { first, last })
    ];
    (days, 0..DAY_MINUTES, 0..=DAY_MINUTES)
        .prop_filter("ends differ", |(_, begin, end)| begin != end)
        .prop_map(|(days, begin, end)| Span { days, begin, end })
}

proptest! {
    #[test]
    fn what_is_displayed_parses_to_the_same_window(
        spans in proptest::collection::vec(spans(), 0..=MAX_SPANS),
    ) {
        let window = TimeWindow { spans };
        prop_assert_eq!(window.to_string().parse::<TimeWindow>(), Ok(window));
    }

    #[test]
    fn a_window_and_its_complement_share_no_moment_and_leave_none_out(
        begin in 0..DAY_MINUTES, end in 0..DAY_MINUTES, at in any::<i64>(),
    ) {
        prop_assume!(begin != end);
        let days = Days::Every;
        let one = TimeWindow { spans: vec![Span { days, begin, end }] };
        let other = TimeWindow { spans: vec![Span { days, begin: end, end: begin }] };
        prop_assert_ne!(one.contains(at, &berlin()), other.contains(at, &berlin()));
    }

    #[test]
    fn without_clock_changes_a_span_holds_for_its_length_of_every_week(span in spans()) {
        let window = TimeWindow { spans: vec![span] };
        let held = (0..7 * i64::from(DAY_MINUTES))
            .filter(|minute| window.contains(minute * MINUTE_NS, &TimeZone::UTC))
            .count();
        let length = (i32::from(span.end) - i32::from(span.begin)).rem_euclid(i32::from(DAY_MINUTES));
        let length = if length == 0 { i32::from(DAY_MINUTES) } else { length };
        let days = match span.days {
            Days::Every => 7,
            Days::Run { first, last } => i32::from(first.until(last)) + 1,
        };
        prop_assert_eq!(held as i32, length * days);
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "[0-9:, a-z\\-é]{0,24}") {
        let _ = text.parse::<TimeWindow>();
    }
}
