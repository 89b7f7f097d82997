#![allow(clippy::unwrap_used)]
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

/// Middle Europe as a rule, so that the test needs no time zone database.
fn middle_europe() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn matched(pattern: &str, path: &str) -> Option<(String, String)> {
    let pattern: PathPattern = pattern.parse().unwrap();
    let (camera, at) = pattern.matches(path, &middle_europe())?;
    let at = Timestamp::from_nanosecond(i128::from(at)).unwrap();
    Some((camera, at.to_string()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "stands on the other side of an assert_eq"
)]
fn is(camera: &str, at: &str) -> Option<(String, String)> {
    Some((camera.into(), at.into()))
}

const FLAT: &str = "{camera}-%Y%m%d-%H%M%S";

#[test]
fn a_flat_name_tells_camera_and_start() {
    let front = is("front", "2026-11-20T02:12:07Z");
    assert_eq!(matched(FLAT, "front-20261120-031207.mp4"), front);
    assert_eq!(matched(FLAT, "2026/11/front-20261120-031207.mkv"), front);
    assert_eq!(matched(FLAT, "front-20261120-031207"), front);
    assert_eq!(
        matched(FLAT, "front-door-2-20261120-031207.mp4"),
        is("front-door-2", "2026-11-20T02:12:07Z")
    );
    assert_eq!(
        matched(FLAT, "Füße 1-20261120-031207.mp4"),
        is("Füße 1", "2026-11-20T02:12:07Z")
    );
}

#[test]
fn names_that_do_not_fit_tell_nothing() {
    for path in [
        "",
        "front.mp4",
        "-20261120-031207.mp4",
        "front-20261120-031207-2.mp4",
        "front-20261320-031207.mp4",
        "front-20260230-031207.mp4",
        "front-20261120-250000.mp4",
        "front-2026112-0031207.mp4",
        "front-+0261120-031207.mp4",
        "front/20261120-031207.mp4",
        "front-٢٠٢٦1120-031207.mp4",
    ] {
        assert_eq!(matched(FLAT, path), None, "{path}");
    }
}

#[test]
fn sub_folders_are_held_against_the_end_of_the_path() {
    let pattern = "{camera}/%Y-%m-%d/%H-%M-%S";
    let garage = is("garage", "2026-07-01T21:59:58Z");
    assert_eq!(matched(pattern, "garage/2026-07-01/23-59-58.mp4"), garage);
    assert_eq!(
        matched(pattern, "disk1/garage/2026-07-01/23-59-58.mp4"),
        garage
    );
    assert_eq!(matched(pattern, "2026-07-01/23-59-58.mp4"), None);
    let hours = "%Y-%m-%d/%H/{camera}/%M.%S";
    assert_eq!(
        matched(hours, "2026-07-01/23/garage/59.58.mp4"),
        is("garage", "2026-07-01T21:59:58Z")
    );
}

#[test]
fn other_ways_to_tell_the_time_are_understood() {
    let noon = is("cam", "2026-11-20T12:00:00Z");
    assert_eq!(matched("{camera}_%s", "cam_1795176000.mp4"), noon);
    let zoned = "{camera}_%Y-%m-%dT%H:%M:%S%z";
    assert_eq!(matched(zoned, "cam_2026-11-20T12:00:00Z.mp4"), noon);
    assert_eq!(matched(zoned, "cam_2026-11-20T17:30:00+0530.mp4"), noon);
    assert_eq!(matched(zoned, "cam_2026-11-20T08:00:00-04:00.mp4"), noon);
    assert_eq!(matched(zoned, "cam_2026-11-20T08:00:00-0460.mp4"), None);
    assert_eq!(matched(zoned, "cam_2026-11-20T08:00:00.mp4"), None);
    let minutes = "{camera} %Y%m%d%H%M {any}%%";
    assert_eq!(matched(minutes, "cam 202611201300 motion 97%.mp4"), noon);
    assert_eq!(
        matched("{camera}-%Y%m%d-%H%M%S", "cam-20161231-235960.mp4"),
        is("cam", "2016-12-31T22:59:59Z")
    );
}

#[test]
fn what_occurs_twice_must_agree() {
    let pattern = "{camera}/%Y-%m-%d/{camera}-%Y%m%d-%H%M%S";
    let good = "front/2026-11-20/front-20261120-130000.mp4";
    assert_eq!(matched(pattern, good), is("front", "2026-11-20T12:00:00Z"));
    for bad in [
        "front/2026-11-20/back-20261120-130000.mp4",
        "front/2026-11-21/front-20261120-130000.mp4",
    ] {
        assert_eq!(matched(pattern, bad), None, "{bad}");
    }
}

#[test]
fn the_hour_that_comes_twice_is_the_first_and_the_hour_that_is_skipped_is_moved_on() {
    let at = |name: &str| matched(FLAT, name).unwrap().1;
    // Autumn: 02:30 exists at 00:30 and at 01:30 UTC.
    assert_eq!(at("c-20261025-013000.mp4"), "2026-10-24T23:30:00Z");
    assert_eq!(at("c-20261025-023000.mp4"), "2026-10-25T00:30:00Z");
    assert_eq!(at("c-20261025-033000.mp4"), "2026-10-25T02:30:00Z");
    // Spring: 02:30 does not exist; with the old offset it is 01:30 UTC, 03:30 on the clock.
    assert_eq!(at("c-20260329-013000.mp4"), "2026-03-29T00:30:00Z");
    assert_eq!(at("c-20260329-023000.mp4"), "2026-03-29T01:30:00Z");
    assert_eq!(at("c-20260329-033000.mp4"), "2026-03-29T01:30:00Z");
}

#[test]
fn patterns_that_cannot_work_say_why() {
    let known = "known are {camera}, {any}, %Y, %m, %d, %H, %M, %S, %s, %z and %%";
    let unknown = |what: &str| format!("unknown placeholder `{what}`; {known}");
    let time = |what: &str| {
        format!("the pattern must contain %s, or all of %Y, %m, %d, %H and %M; {what} is missing")
    };
    let part = "the pattern must be relative: no slash at either end, no empty part, no `.` or \
                `..`";
    let cases = [
        ("", "the pattern must have 1 to 255 bytes".to_owned()),
        ("%s", "the pattern must contain {camera}".into()),
        ("{camera}", time("%Y")),
        ("{camera}-%Y%m%d", time("%H")),
        (
            "{camera}-%s-%Y",
            "%s already tells the whole time; leave %Y out".into(),
        ),
        (
            "{camera}-%s-%S",
            "%s already tells the whole time; leave %S out".into(),
        ),
        (
            "{camera}-%s%z",
            "%s already tells the whole time; leave %z out".into(),
        ),
        ("{cam}-%s", unknown("{cam}")),
        ("{camera-%s", unknown("{camera-%s")),
        ("{camera}-%j", unknown("%j")),
        ("{camera}-%s%", unknown("%")),
        (
            "{camera}{any}%s",
            "{camera} and {any} need a text or a number between them".into(),
        ),
        (
            "{any}-{any}-{any}-{camera}-%s",
            "the pattern may contain {any} at most 2 times".into(),
        ),
        ("/{camera}-%s", part.into()),
        ("{camera}//%s", part.into()),
        ("../{camera}-%s", part.into()),
    ];
    for (pattern, message) in cases {
        let error = pattern.parse::<PathPattern>().unwrap_err();
        assert_eq!(error.to_string(), message, "{pattern}");
    }
}

proptest! {
    #[test]
    fn a_name_made_from_a_time_tells_that_time(
        camera in "[a-z][a-z0-9_-]{0,20}",
        seconds in 0..4_000_000_000_i64,
    ) {
        let pattern: PathPattern = FLAT.parse().unwrap();
        let at = Timestamp::from_second(seconds).unwrap();
        let name = at.to_zoned(TimeZone::UTC).strftime("-%Y%m%d-%H%M%S.mp4").to_string();
        let found = pattern.matches(&format!("{camera}{name}"), &TimeZone::UTC);
        prop_assert_eq!(found, Some((camera, seconds * 1_000_000_000)));
    }

    #[test]
    fn no_path_and_no_pattern_make_it_panic(pattern in "(\\{camera\\}|%[YmdHMSsz%]|[-/._é]){1,12}", path in ".{0,64}") {
        if let Ok(pattern) = pattern.parse::<PathPattern>() {
            let _ = pattern.matches(&path, &TimeZone::UTC);
        }
    }
}
