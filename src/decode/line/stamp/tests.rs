#![allow(clippy::unwrap_used)]

use jiff::tz::TimeZone;

use super::*;

/// 2026-11-21 18:00 UTC.
const NOW: UnixNanos = 1_795_284_000 * SECOND_NS;

fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn at(text: &str) -> UnixNanos {
    let stamp: jiff::Timestamp = text.parse().unwrap();
    i64::try_from(stamp.as_nanosecond()).unwrap()
}

fn claim(stamp: Stamp, received_at: &str, zone: &TimeZone) -> Claim {
    stamp.claim(&Context {
        host: "heron",
        source: "auth",
        received_at: at(received_at),
        zone,
    })
}

fn utc(stamp: Stamp) -> String {
    let context = Context {
        host: "heron",
        source: "auth",
        received_at: NOW,
        zone: &TimeZone::UTC,
    };
    match stamp.claim(&context) {
        Claim::At(at) => jiff::Timestamp::from_nanosecond(i128::from(at))
            .unwrap()
            .to_string(),
        Claim::Unplaced => "unplaced".into(),
    }
}

#[test]
fn every_form_is_read_to_its_end() {
    type Form = fn(&str) -> Option<(Stamp, &str)>;
    let cases: &[(Form, &str, &str)] = &[
        (month_first, "Nov 20 04:02:10 x", "2026-11-20T04:02:10Z"),
        (month_first, "Nov  5 04:02:10 x", "2026-11-05T04:02:10Z"),
        (month_first, "Nov 5 04:02:10 x", "2026-11-05T04:02:10Z"),
        (month_first, "Nov 05 04:02:10 x", "2026-11-05T04:02:10Z"),
        (
            month_first,
            "Nov 20 2024 04:02:10 x",
            "2024-11-20T04:02:10Z",
        ),
        (
            month_first,
            "Nov 20 04:02:10.125 x",
            "2026-11-20T04:02:10.125Z",
        ),
        (month_first, "Nov 20 23:59:60 x", "2026-11-20T23:59:59Z"),
        (
            iso,
            "2026-11-21T18:03:04.123456+01:00 x",
            "2026-11-21T17:03:04.123456Z",
        ),
        (iso, "2026-11-21T18:03:04-0530 x", "2026-11-21T23:33:04Z"),
        (iso, "2026-11-21T18:03:04Z x", "2026-11-21T18:03:04Z"),
        (iso, "2026-11-21 18:03:04,123 x", "2026-11-21T18:03:04.123Z"),
        (iso, "2026-11-21 18:03:04 +0100 x", "2026-11-21T17:03:04Z"),
        (
            iso,
            "2026-11-21 18:03:04.1234567891 x",
            "2026-11-21T18:03:04.123456789Z",
        ),
        (slashed, "2026/11/21 18:03:04 x", "2026-11-21T18:03:04Z"),
        (
            day_first,
            "21/Nov/2026:18:03:04 +0100 x",
            "2026-11-21T17:03:04Z",
        ),
        (day_first, "21/Nov/2026 18:03:04 x", "2026-11-21T18:03:04Z"),
        (unix, "1795284184 x", "2026-11-21T18:03:04Z"),
    ];
    for (form, text, expected) in cases {
        let (stamp, rest) = form(text).unwrap();
        assert_eq!((&*utc(stamp), rest), (*expected, " x"), "{text}");
    }
    let none: &[(Form, &str)] = &[
        (month_first, "Nov 31 04:02:10 x"),
        (month_first, "Nov 20 24:02:10 x"),
        (month_first, "Nov 20 4:02:10 x"),
        (month_first, "Now 20 04:02:10 x"),
        (iso, "2026-13-21 18:03:04 x"),
        (iso, "2026-02-29 18:03:04 x"),
        (unix, "17952841841 x"),
        (unix, "179528418 x"),
        (month_first, ""),
        (iso, "é"),
    ];
    for (form, text) in none {
        assert_eq!(form(text), None, "{text}");
    }
    // What follows a time is no offset because it begins with a letter or a sign.
    for text in [
        "2026-11-21 18:03:04 Zoe",
        "2026-11-21 18:03:04 - x",
        "2026-11-21 18:03:04 +x",
    ] {
        let (stamp, rest) = iso(text).unwrap();
        assert_eq!(utc(stamp), "2026-11-21T18:03:04Z");
        assert!(rest.starts_with(' '), "{rest:?}");
    }
}

#[test]
fn a_year_is_the_latest_that_fits_the_arrival() {
    for (text, received_at, expected) in [
        (
            "Dec 31 23:59:58",
            "2027-01-01T00:00:03Z",
            "2026-12-31T23:59:58Z",
        ),
        (
            "Jan  1 00:00:01",
            "2027-01-01T00:00:03Z",
            "2027-01-01T00:00:01Z",
        ),
        // A clock that runs ahead is tomorrow's, not last year's.
        (
            "Jan  1 00:10:00",
            "2026-12-31T23:50:00Z",
            "2027-01-01T00:10:00Z",
        ),
        (
            "Nov 22 17:00:00",
            "2026-11-21T18:00:00Z",
            "2026-11-22T17:00:00Z",
        ),
        (
            "Nov 22 18:00:01",
            "2026-11-21T18:00:00Z",
            "2025-11-22T18:00:01Z",
        ),
        (
            "Feb 29 12:00:00",
            "2026-11-21T18:00:00Z",
            "2024-02-29T12:00:00Z",
        ),
        (
            "Feb 29 12:00:00",
            "2028-02-28T18:00:00Z",
            "2028-02-29T12:00:00Z",
        ),
        (
            "Feb 29 12:00:00",
            "2103-11-21T18:00:00Z",
            "2096-02-29T12:00:00Z",
        ),
    ] {
        let (stamp, _) = month_first(text).unwrap();
        let found = claim(stamp, received_at, &TimeZone::UTC);
        assert_eq!(found, Claim::At(at(expected)), "{text} {received_at}");
    }
    // New Year's Eve comes earlier in the east.
    let (stamp, _) = month_first("Jan  1 00:30:00").unwrap();
    let found = claim(stamp, "2026-12-31T23:30:05Z", &berlin());
    assert_eq!(found, Claim::At(at("2026-12-31T23:30:00Z")));
}

#[test]
fn hours_that_come_twice_or_not_at_all() {
    let zone = berlin();
    for (text, received_at, expected) in [
        // 2026-10-25: at 03:00 CEST it is 02:00 CET.
        (
            "Oct 25 02:30:00",
            "2026-10-25T00:30:02Z",
            "2026-10-25T00:30:00Z",
        ),
        (
            "Oct 25 02:30:00",
            "2026-10-25T01:30:02Z",
            "2026-10-25T01:30:00Z",
        ),
        (
            "Oct 25 02:30:00",
            "2026-11-21T18:00:00Z",
            "2026-10-25T01:30:00Z",
        ),
        (
            "Oct 25 01:59:59",
            "2026-11-21T18:00:00Z",
            "2026-10-24T23:59:59Z",
        ),
        (
            "Oct 25 03:00:00",
            "2026-11-21T18:00:00Z",
            "2026-10-25T02:00:00Z",
        ),
        // 2026-03-29: at 02:00 CET it is 03:00 CEST.
        (
            "Mar 29 02:30:00",
            "2026-03-29T01:30:02Z",
            "2026-03-29T01:30:00Z",
        ),
        (
            "Mar 29 01:59:59",
            "2026-03-29T01:30:02Z",
            "2026-03-29T00:59:59Z",
        ),
        (
            "Mar 29 03:00:00",
            "2026-03-29T01:30:02Z",
            "2026-03-29T01:00:00Z",
        ),
    ] {
        let (stamp, _) = month_first(text).unwrap();
        assert_eq!(
            claim(stamp, received_at, &zone),
            Claim::At(at(expected)),
            "{text}"
        );
    }
}
