//! When the sun rises and sets.
//!
//! After the solar calculator of NOAA's Global Monitoring Laboratory (its published spreadsheet and
//! "Solar Calculation Details"; the equations are those of J. Meeus, *Astronomical Algorithms*, ch. 25
//! and 28). The sun rises and sets when its centre stands 0.833° below the horizon: 34' of refraction
//! and 16' of its own radius. Accurate to a minute below 65° of latitude, and to about two where the
//! sun merely grazes the horizon; hills, houses and weather move the true moment further than that.

use std::f64::consts::PI;

use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::base::clock::{DAY_NS, MINUTE_NS, UnixNanos};

/// Angle between the zenith and the centre of a sun that rises or sets, degrees.
const RISE_ZENITH: f64 = 90.833;

/// Day on which the equations count their centuries from: 2000-01-01 12:00 UTC, ns since 1970.
const EPOCH_J2000_NS: i64 = 946_728_000 * 1_000_000_000;
const DAYS_PER_CENTURY: f64 = 36_525.0;

/// How often a time is put back into the equations that gave it. The sun's declination changes by
/// at most 0.4° a day, so the second round moves the time by seconds and the third by none.
const ROUNDS: usize = 3;

/// A pair of numbers that is no place on Earth.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error(
    "latitude {latitude}, longitude {longitude} is no place on Earth; give degrees, north and east \
     positive, latitude from -90 to 90 and longitude from -180 to 180"
)]
pub struct PlaceError {
    latitude: f64,
    longitude: f64,
}

/// A place on Earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    latitude: f64,
    longitude: f64,
}

impl Place {
    /// The place at these degrees, north and east positive.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, PlaceError> {
        let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        on_earth
            .then_some(Self {
                latitude,
                longitude,
            })
            .ok_or(PlaceError {
                latitude,
                longitude,
            })
    }
}

/// The sun's day at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SunTimes {
    /// When the sun rises; `None` when it stays up or down.
    pub sunrise: Option<UnixNanos>,
    /// When it stands highest.
    pub noon: UnixNanos,
    /// When it sets; `None` when it stays up or down.
    pub sunset: Option<UnixNanos>,
}

/// The day of the sun whose noon is nearest to 12:00 on `date` in `zone`.
///
/// Noon ties a day to its date, because a sunset may come after midnight: in the far north in
/// summer, or where the zone's clock is far from the sun's.
pub fn sun_times(place: Place, date: Date, zone: &TimeZone) -> SunTimes {
    let clock_noon = zone
        .to_timestamp(date.to_datetime(time(12, 0, 0, 0)))
        .map_or_else(|_| edge_of_time(date), jiff::Timestamp::as_nanosecond);
    let clock_noon = clock_noon.clamp(
        i128::from(i64::MIN + 2 * DAY_NS),
        i128::from(i64::MAX - 2 * DAY_NS),
    ) as i64;
    let mut noon = clock_noon;
    for _ in 0..ROUNDS {
        noon = transit(place, noon, clock_noon);
    }
    SunTimes {
        sunrise: crossing(place, noon, -1.0),
        noon,
        sunset: crossing(place, noon, 1.0),
    }
}

/// Stands in for a moment that no timestamp holds, in the years -9999 and 9999.
fn edge_of_time(date: Date) -> i128 {
    if date.year() < 0 {
        i128::MIN
    } else {
        i128::MAX
    }
}

/// The moment next to `near` at which the sun stands highest, with the sun as it is at `at`.
fn transit(place: Place, at: UnixNanos, near: UnixNanos) -> UnixNanos {
    let utc_minutes = near.rem_euclid(DAY_NS) as f64 / MINUTE_NS as f64;
    let sun_minutes = utc_minutes + 4.0 * place.longitude + Sun::at(at).equation_of_time;
    let until_noon = (720.0 - sun_minutes + 720.0).rem_euclid(1_440.0) - 720.0;
    near + minutes(until_noon)
}

/// When the sun crosses the horizon before (`side` -1) or after (1) `noon`.
fn crossing(place: Place, noon: UnixNanos, side: f64) -> Option<UnixNanos> {
    let mut at = noon;
    for _ in 0..ROUNDS {
        let half_day = half_day(place.latitude, Sun::at(at).declination)?;
        // The noon that belongs to the sun as it is at the crossing.
        at = transit(place, at, noon) + minutes(side * half_day);
    }
    Some(at)
}

/// Minutes from noon to the crossing of the horizon; `None` when there is none.
fn half_day(latitude: f64, declination: f64) -> Option<f64> {
    let latitude = latitude.to_radians();
    let cos_angle = RISE_ZENITH.to_radians().cos() / (latitude.cos() * declination.cos())
        - latitude.tan() * declination.tan();
    // The Earth turns by one degree in four minutes.
    (-1.0..=1.0)
        .contains(&cos_angle)
        .then(|| cos_angle.acos().to_degrees() * 4.0)
}

fn minutes(minutes: f64) -> i64 {
    (minutes * MINUTE_NS as f64) as i64
}

/// Where the sun stands in the sky of the stars.
struct Sun {
    /// Radians north of the equator.
    declination: f64,
    /// By how many minutes the sun is ahead of the mean sun, which clocks follow.
    equation_of_time: f64,
}

impl Sun {
    fn at(at: UnixNanos) -> Self {
        let days = (i128::from(at) - i128::from(EPOCH_J2000_NS)) as f64 / DAY_NS as f64;
        let t = days / DAYS_PER_CENTURY;
        let mean_longitude = (280.466_46 + t * (36_000.769_83 + t * 0.000_303_2))
            .rem_euclid(360.0)
            .to_radians();
        let anomaly = (357.529_11 + t * (35_999.050_29 - t * 0.000_153_7)).to_radians();
        let eccentricity = 0.016_708_634 - t * (0.000_042_037 + t * 0.000_000_126_7);
        let centre = anomaly.sin() * (1.914_602 - t * (0.004_817 + t * 0.000_014))
            + (2.0 * anomaly).sin() * (0.019_993 - t * 0.000_101)
            + (3.0 * anomaly).sin() * 0.000_289;
        let node = (125.04 - t * 1_934.136).to_radians();
        let longitude = mean_longitude + (centre - 0.005_69 - 0.004_78 * node.sin()).to_radians();
        let seconds = 21.448 - t * (46.815 + t * (0.000_59 - t * 0.001_813));
        let obliquity =
            (23.0 + (26.0 + seconds / 60.0) / 60.0 + 0.002_56 * node.cos()).to_radians();
        let y = (obliquity / 2.0).tan().powi(2);
        let equation = y * (2.0 * mean_longitude).sin() - 2.0 * eccentricity * anomaly.sin()
            + 4.0 * eccentricity * y * anomaly.sin() * (2.0 * mean_longitude).cos()
            - 0.5 * y * y * (4.0 * mean_longitude).sin()
            - 1.25 * eccentricity * eccentricity * (2.0 * anomaly).sin();
        Self {
            declination: (obliquity.sin() * longitude.sin()).asin(),
            equation_of_time: equation * 720.0 / PI,
        }
    }
}

#[cfg(test)]
mod tests;
