#![allow(clippy::unwrap_used)]
use jiff::civil::date;
use jiff::tz::Offset;
use proptest::prelude::*;

use super::*;
use crate::base::clock::{HOUR_NS, SECOND_NS, rfc3339};

/// How far two answers may lie apart.
const TOLERANCE_NS: i64 = 2 * MINUTE_NS;

fn place(latitude: f64, longitude: f64) -> Place {
    Place::new(latitude, longitude).unwrap()
}

fn zone(hours: i8) -> TimeZone {
    TimeZone::fixed(Offset::constant(hours))
}

/// The sun's height in degrees after the low-precision formula of the Astronomical Almanac
/// (page C5, good to 0.01° from 1950 to 2050) and sidereal time: no equation of time, no hour
/// angle of a rise, nothing of the calculator under test.
fn almanac_height(place: Place, at: UnixNanos) -> f64 {
    let n = (at - EPOCH_J2000_NS) as f64 / DAY_NS as f64;
    let mean_longitude = 280.460 + 0.985_647_4 * n;
    let anomaly = (357.528 + 0.985_600_3 * n).to_radians();
    let longitude =
        (mean_longitude + 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let obliquity = (23.439 - 0.000_000_4 * n).to_radians();
    let ascension = (obliquity.cos() * longitude.sin()).atan2(longitude.cos());
    let declination = (obliquity.sin() * longitude.sin()).asin();
    let sidereal = (280.460_62 + 360.985_647_37 * n + place.longitude).to_radians();
    let latitude = place.latitude.to_radians();
    let angle = sidereal - ascension;
    (latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * angle.cos())
        .asin()
        .to_degrees()
}

/// When the almanac's sun crosses the horizon, walking away from `noon` in steps of ten seconds.
fn almanac_crossing(place: Place, noon: UnixNanos, step: i64) -> Option<UnixNanos> {
    (0..12 * 360)
        .map(|steps| noon + steps * step * 10 * SECOND_NS)
        .find(|at| almanac_height(place, *at) < -0.833)
}

fn near(ours: Option<UnixNanos>, theirs: Option<UnixNanos>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= TOLERANCE_NS,
        (ours, theirs) => ours == theirs,
    }
}

/// Places by what they are near: latitude, longitude, hours of their clock before UTC.
const LONDON: (f64, f64) = (51.5, -0.13);
const BERLIN: (f64, f64) = (52.52, 13.40);
const NEW_YORK: (f64, f64) = (40.71, -74.01);
const SYDNEY: (f64, f64) = (-33.87, 151.21);
const TOKYO: (f64, f64) = (35.68, 139.69);
const REYKJAVIK: (f64, f64) = (64.15, -21.94);

#[test]
fn the_sun_rises_and_sets_as_published() {
    for ((latitude, longitude), hours, day, rise, set) in [
        (
            LONDON,
            1,
            date(2024, 6, 21),
            "2024-06-21T04:43",
            "2024-06-21T21:21",
        ),
        (
            LONDON,
            0,
            date(2024, 12, 21),
            "2024-12-21T08:04",
            "2024-12-21T15:53",
        ),
        (
            BERLIN,
            2,
            date(2026, 6, 21),
            "2026-06-21T04:43",
            "2026-06-21T21:33",
        ),
        (
            NEW_YORK,
            -4,
            date(2024, 6, 20),
            "2024-06-20T05:25",
            "2024-06-20T20:31",
        ),
        (
            SYDNEY,
            11,
            date(2024, 12, 21),
            "2024-12-21T05:41",
            "2024-12-21T20:05",
        ),
        (
            TOKYO,
            9,
            date(2024, 6, 21),
            "2024-06-21T04:25",
            "2024-06-21T19:00",
        ),
        // The sun of the solstice sets after midnight, on the next date.
        (
            REYKJAVIK,
            0,
            date(2024, 6, 21),
            "2024-06-21T02:55",
            "2024-06-22T00:04",
        ),
    ] {
        let clock = |text: &str| {
            let wall: jiff::civil::DateTime = text.parse().unwrap();
            let stamp = zone(hours).to_timestamp(wall).unwrap();
            Some(stamp.as_nanosecond() as i64)
        };
        let times = sun_times(place(latitude, longitude), day, &zone(hours));
        for (ours, published) in [(times.sunrise, rise), (times.sunset, set)] {
            // Published times are rounded to the minute.
            assert!(
                near(ours, clock(published)),
                "{published}: {}",
                ours.map(rfc3339).unwrap()
            );
        }
    }
}

#[test]
fn the_almanac_agrees_everywhere_and_all_year() {
    let places = [
        (51.48, 0.0, 0),
        (52.52, 13.40, 1),
        (40.71, -74.01, -5),
        (0.0, -78.5, -5),
        (-33.87, 151.21, 10),
        (-54.8, -68.3, -3),
        (64.15, -21.94, 0),
        // Both sides of the date line, and clocks that stand on the other side.
        (-16.8, 179.99, 12),
        (-16.8, -179.99, 12),
        (1.87, -157.4, 14),
        (-13.83, -171.77, 13),
        (25.0, 180.0, -12),
    ];
    let mut compared = 0;
    for (latitude, longitude, hours) in places {
        let place = place(latitude, longitude);
        for day in [
            date(2024, 2, 29),
            date(2024, 3, 20),
            date(2026, 6, 21),
            date(2026, 9, 23),
            date(2026, 10, 25),
            date(2026, 12, 21),
            date(2049, 1, 1),
        ] {
            let times = sun_times(place, day, &zone(hours));
            let rise = almanac_crossing(place, times.noon, -1);
            let set = almanac_crossing(place, times.noon, 1);
            assert!(near(times.sunrise, rise), "{place:?} {day} {times:?}");
            assert!(near(times.sunset, set), "{place:?} {day} {times:?}");
            compared += 2;
            let wall = zone(hours)
                .to_datetime(jiff::Timestamp::from_nanosecond(times.noon.into()).unwrap());
            assert_eq!(wall.date(), day, "{place:?}: noon is on the date");
        }
    }
    assert_eq!(compared, 168);
}

#[test]
fn the_polar_sun_neither_rises_nor_sets() {
    for (latitude, longitude, day, up) in [
        (69.65, 18.96, date(2026, 6, 21), true),
        (69.65, 18.96, date(2026, 12, 21), false),
        (78.22, 15.65, date(2026, 4, 30), true),
        (78.22, 15.65, date(2026, 2, 1), false),
        (-77.85, 166.67, date(2026, 12, 21), true),
        (-77.85, 166.67, date(2026, 6, 21), false),
        (90.0, 0.0, date(2026, 6, 21), true),
        (-90.0, 0.0, date(2026, 6, 21), false),
    ] {
        let place = place(latitude, longitude);
        let times = sun_times(place, day, &TimeZone::UTC);
        assert_eq!((times.sunrise, times.sunset), (None, None), "{place:?}");
        assert_eq!(almanac_height(place, times.noon) > 0.0, up, "{place:?}");
    }
    // Tromsø's sun is back by February.
    let back = sun_times(place(69.65, 18.96), date(2026, 2, 15), &zone(1));
    assert!(back.sunrise.is_some() && back.sunset.is_some());
}

#[test]
fn a_day_of_the_equinox_is_a_little_longer_than_a_night() {
    for latitude in [-60.0, -30.0, 0.0, 30.0, 60.0] {
        let times = sun_times(place(latitude, 10.0), date(2026, 3, 20), &zone(1));
        let length = times.sunset.unwrap() - times.sunrise.unwrap();
        assert!((0..16 * MINUTE_NS).contains(&(length - 12 * HOUR_NS)));
    }
}

#[test]
fn the_date_is_the_zones_even_where_the_clock_changes() {
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let here = place(BERLIN.0, BERLIN.1);
    let mut last = i64::MIN;
    for day in date(2026, 3, 1).series(jiff::Span::new().days(1)).take(300) {
        let sunset = sun_times(here, day, &berlin).sunset.unwrap();
        let wall = berlin.to_datetime(jiff::Timestamp::from_nanosecond(sunset.into()).unwrap());
        assert_eq!(wall.date(), day);
        assert!(last == i64::MIN || (sunset - last - DAY_NS).abs() < 4 * MINUTE_NS);
        last = sunset;
    }
}

#[test]
fn what_is_no_place_is_refused() {
    for (latitude, longitude) in [
        (90.1, 0.0),
        (-90.1, 0.0),
        (0.0, 180.1),
        (0.0, -180.1),
        (f64::NAN, 0.0),
        (0.0, f64::INFINITY),
    ] {
        let error = Place::new(latitude, longitude).unwrap_err().to_string();
        assert!(
            error.contains("is no place on Earth; give degrees"),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn the_almanac_agrees_below_the_polar_circles(
        latitude in -64.0..64.0_f64, longitude in -180.0..180.0_f64, days in 0..18_000_i32,
    ) {
        let place = place(latitude, longitude);
        let day = date(2000, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let hours = (longitude / 15.0).round() as i8;
        let times = sun_times(place, day, &zone(hours));
        prop_assert!(near(times.sunrise, almanac_crossing(place, times.noon, -1)), "{:?}", times);
        prop_assert!(near(times.sunset, almanac_crossing(place, times.noon, 1)), "{:?}", times);
    }

    #[test]
    fn no_place_and_no_date_makes_it_panic(
        latitude in -90.0..=90.0_f64, longitude in -180.0..=180.0_f64,
        year in -9_999..=9_999_i16, day in 1..=28_i8, hours in -12..=14_i8,
    ) {
        let times = sun_times(place(latitude, longitude), date(year, 1, day), &zone(hours));
        if let (Some(rise), Some(set)) = (times.sunrise, times.sunset) {
            prop_assert!(rise <= times.noon && times.noon <= set);
        }
    }
}
