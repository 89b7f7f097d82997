//! Time-lapse films: asked for once per schedule and local day, at the time that it names.
//!
//! After a downtime the latest one is asked for, if it was due within a day; older ones are not,
//! since whoever makes films would be busy for long with what nobody waits for any more.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::base::clock::{DAY_NS, UnixNanos};
use crate::event::NewEvent;
use crate::event::timelapse::{TimelapseRequested, clock_time};
use crate::read_model::timelapse::{Schedule, schedules};

use super::{Reaction, Reactor, Scene, nothing};

pub(super) const REACTOR: Reactor = Reactor {
    name: "timelapse",
    kinds: &[],
    react: nothing,
    tick,
};

fn tick(scene: &mut Scene<'_>) -> Reaction {
    let (now, zone) = (scene.now, &scene.settings.zone);
    let due = schedules(scene.session)?.into_iter().filter_map(|plan| {
        let due_at = due(&plan, now, zone)?;
        let wish = TimelapseRequested {
            camera: plan.camera,
            due_at,
            start_hour: plan.start_hour,
            end_hour: plan.end_hour,
        };
        Some(NewEvent::own(now, format!("timelapse/{}", plan.id), wish))
    });
    Ok(due.collect())
}

/// The due time of the film that is to be asked for now, if there is one.
pub fn due(plan: &Schedule, now: UnixNanos, zone: &TimeZone) -> Option<UnixNanos> {
    let latest = [0, -1]
        .into_iter()
        .filter_map(|day| on_day(plan, now, day, zone))
        .find(|at| *at <= now)?;
    let is_new = latest >= plan.scheduled_at && plan.last_due_at.is_none_or(|last| last < latest);
    (plan.enabled && is_new && now - latest < DAY_NS).then_some(latest)
}

/// When the next film will be due, after `now`.
pub fn next_due(plan: &Schedule, now: UnixNanos, zone: &TimeZone) -> Option<UnixNanos> {
    [0, 1]
        .into_iter()
        .filter_map(|day| on_day(plan, now, day, zone))
        .find(|at| plan.enabled && *at > now)
}

/// The due time on the local day that lies `days` from that of `now`. An hour that a change of the
/// clocks leaves out counts as the one after it, of one that comes twice the first counts.
fn on_day(plan: &Schedule, now: UnixNanos, days: i64, zone: &TimeZone) -> Option<UnixNanos> {
    let (hour, minute) = clock_time(&plan.generate_time)?;
    let time = Time::new(hour, minute, 0, 0).ok()?;
    let today = Timestamp::from_nanosecond(i128::from(now))
        .ok()?
        .to_zoned(zone.clone())
        .date();
    let at = today
        .checked_add(days.days())
        .ok()?
        .to_datetime(time)
        .to_zoned(zone.clone())
        .ok()?;
    i64::try_from(at.timestamp().as_nanosecond()).ok()
}

#[cfg(test)]
mod tests;
