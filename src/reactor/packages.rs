//! Reminds of a parcel that still lies before the door: once, at sunset or when it has been lying
//! for long, whichever comes first after it was seen.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::sun::{Place, sun_times};
use super::{Reaction, Reactor, Scene, nothing};
use crate::base::clock::{HOUR_NS, UnixNanos};
use crate::event::NewEvent;
use crate::event::people::{PackageReminded, ReminderCause};
use crate::storage::all;

/// Reminds of parcels.
pub const REACTOR: Reactor = Reactor {
    name: "packages",
    kinds: &[],
    react: nothing,
    tick,
};

/// What the configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where the house stands; without it the sun is not asked.
    pub place: Option<Place>,
    /// Its time zone.
    pub zone: TimeZone,
    /// How long a parcel may lie before somebody is reminded.
    pub remind_after_ns: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            place: None,
            zone: TimeZone::UTC,
            remind_after_ns: 2 * HOUR_NS,
        }
    }
}

fn tick(scene: &mut Scene<'_>) -> Reaction {
    // The first condition is the partial index's own: only what is open is read.
    let open = all(
        scene.session,
        "SELECT id, camera_id, detected_at FROM package_events INDEXED BY package_events_open \
         WHERE state <> 'COLLECTED' AND state = 'DETECTED' ORDER BY id",
        &[],
        |row| Ok((row.int(0)?, row.text(1)?.to_owned(), row.int(2)?)),
    )?;
    let settings = &scene.settings.packages;
    let due = open.into_iter().filter_map(|(package, camera, seen_at)| {
        let (at, because) = reminder(settings, seen_at);
        (at <= scene.now).then(|| {
            let reminded = PackageReminded { package, because };
            NewEvent::own(scene.now, format!("package/{camera}"), reminded)
                .from_source(format!("camera/{camera}"))
                .caused_by(package)
        })
    });
    Ok(due.collect())
}

/// When to remind of a parcel that was seen at `seen_at`, and why then.
fn reminder(settings: &Settings, seen_at: UnixNanos) -> (UnixNanos, ReminderCause) {
    let by_age = seen_at.saturating_add(settings.remind_after_ns.max(0));
    match next_sunset(settings, seen_at) {
        Some(sunset) if sunset < by_age => (sunset, ReminderCause::Sunset),
        _ => (by_age, ReminderCause::Age),
    }
}

/// The first sunset after `at`, looking as far as tomorrow: a sunset may come after midnight.
fn next_sunset(settings: &Settings, at: UnixNanos) -> Option<UnixNanos> {
    let place = settings.place?;
    let today = Timestamp::from_nanosecond(i128::from(at))
        .ok()?
        .to_zoned(settings.zone.clone())
        .date();
    [today.yesterday(), Ok(today), today.tomorrow()]
        .into_iter()
        .filter_map(|date| sun_times(place, date.ok()?, &settings.zone).sunset)
        .find(|sunset| *sunset > at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::base::clock::MINUTE_NS;

    /// 2026-11-20 00:00 UTC.
    const MIDNIGHT: UnixNanos = 1_795_132_800 * 1_000_000_000;

    #[test]
    fn the_sunset_or_the_age_whichever_comes_first() {
        // Near Gothenburg, where the sun sets at about 15:40 local time in late November.
        let settings = Settings {
            place: Some(Place::new(57.7, 12.0).unwrap()),
            zone: TimeZone::get("Europe/Stockholm").unwrap(),
            ..Settings::default()
        };
        for (hour, because) in [
            (9, ReminderCause::Age),
            (13, ReminderCause::Sunset),
            (16, ReminderCause::Age),
            (23, ReminderCause::Age),
        ] {
            let seen_at = MIDNIGHT + hour * HOUR_NS;
            let (at, why) = reminder(&settings, seen_at);
            assert_eq!(why, because, "{hour}");
            assert!(at > seen_at && at <= seen_at + 2 * HOUR_NS, "{hour}");
        }
        let (sunset, _) = reminder(&settings, MIDNIGHT + 13 * HOUR_NS);
        let expected = MIDNIGHT + 14 * HOUR_NS + 42 * MINUTE_NS;
        assert!((sunset - expected).abs() < 10 * MINUTE_NS, "{sunset}");
    }

    #[test]
    fn without_a_place_only_the_age_counts_and_no_time_is_too_odd() {
        let settings = Settings::default();
        assert_eq!(
            reminder(&settings, MIDNIGHT),
            (MIDNIGHT + 2 * HOUR_NS, ReminderCause::Age)
        );
        let settings = Settings {
            place: Some(Place::new(89.0, 0.0).unwrap()),
            ..Settings::default()
        };
        for seen_at in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(reminder(&settings, seen_at).1, ReminderCause::Age);
        }
    }
}
