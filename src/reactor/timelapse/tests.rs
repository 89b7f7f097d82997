//! When films are due, by a table of clocks.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// Central European time, which changes on 2026-03-29 at 02:00 and 2026-10-25 at 03:00.
fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn at(text: &str) -> UnixNanos {
    let time: Timestamp = text.parse().unwrap();
    i64::try_from(time.as_nanosecond()).unwrap()
}

fn plan(time: &str) -> Schedule {
    Schedule {
        id: "garden".into(),
        camera: "yard".into(),
        start_hour: 6,
        end_hour: 20,
        generate_time: time.into(),
        enabled: true,
        scheduled_at: 0,
        last_due_at: None,
    }
}

#[test]
fn a_film_is_due_from_its_minute_on_once_a_local_day() {
    for (time, now, expected) in [
        // Winter: 23:30 is 22:30 UTC.
        (
            "23:30",
            "2026-11-20T22:29:59Z",
            Some("2026-11-19T22:30:00Z"),
        ),
        (
            "23:30",
            "2026-11-20T22:30:00Z",
            Some("2026-11-20T22:30:00Z"),
        ),
        // Summer: 21:30 UTC.
        (
            "23:30",
            "2026-07-20T21:30:00Z",
            Some("2026-07-20T21:30:00Z"),
        ),
        // 02:30 does not exist on the day that summer time begins; 03:30 takes its place.
        (
            "02:30",
            "2026-03-29T01:29:00Z",
            Some("2026-03-28T01:30:00Z"),
        ),
        (
            "02:30",
            "2026-03-29T01:30:00Z",
            Some("2026-03-29T01:30:00Z"),
        ),
        // And comes twice on the day that it ends; the first counts.
        (
            "02:30",
            "2026-10-25T00:30:00Z",
            Some("2026-10-25T00:30:00Z"),
        ),
        (
            "02:30",
            "2026-10-25T01:30:00Z",
            Some("2026-10-25T00:30:00Z"),
        ),
        ("no:no", "2026-10-25T01:30:00Z", None),
    ] {
        let found = due(&plan(time), at(now), &zone());
        assert_eq!(found, expected.map(at), "{time} at {now}");
    }
}

#[test]
fn what_was_asked_for_or_was_due_before_the_schedule_is_not_due() {
    let now = at("2026-11-20T22:45:00Z");
    let due_at = at("2026-11-20T22:30:00Z");
    let mut told = plan("23:30");
    told.last_due_at = Some(due_at);
    assert_eq!(due(&told, now, &zone()), None);
    let mut fresh = plan("23:30");
    fresh.scheduled_at = due_at + 1;
    assert_eq!(due(&fresh, now, &zone()), None);
    let mut off = plan("23:30");
    off.enabled = false;
    assert_eq!(due(&off, now, &zone()), None);
    assert_eq!(next_due(&off, now, &zone()), None);
    assert_eq!(
        next_due(&plan("23:30"), now, &zone()),
        Some(at("2026-11-21T22:30:00Z"))
    );
}
