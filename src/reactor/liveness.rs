//! Devices that fall silent: told once when one said nothing for longer than it may, and once when
//! it is back.
//!
//! Nobody is silent before its whole span has passed since the daemon started: what was sent while
//! nobody listened comes with the broker's backlog, or never. That the broker itself is gone cannot
//! be seen from here; the status tells it.

use crate::base::clock::SECOND_NS;
use crate::event::liveness::{CameraReturned, CameraWentSilent, SensorReturned, SensorWentSilent};
use crate::event::{Event, NewEvent};
use crate::read_model::liveness::{self, Overdue};

use super::{Reaction, Reactor, Scene, nothing};

/// Looking at 10,000 devices costs some milliseconds, and spans are minutes at least.
const LOOK_EVERY_S: i64 = 15;
/// Most devices that are told silent at one look; the others follow at the next.
const SILENT_MAX: i64 = 200;

pub(super) const REACTOR: Reactor = Reactor {
    name: "liveness",
    kinds: &[],
    react: nothing,
    tick,
};

/// When a device counts as silent, unless it is registered with a span of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// After so many of its usual intervals.
    pub factor: i64,
    /// But never sooner than this, milliseconds.
    pub least_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            factor: 3,
            least_ms: 300_000,
        }
    }
}

fn tick(scene: &mut Scene<'_>) -> Reaction {
    let now = scene.now;
    let mut events: Vec<NewEvent> = liveness::returned(scene.session)?
        .into_iter()
        .filter_map(|(stream, since)| {
            Some(NewEvent::own(now, stream.clone(), back(&stream, since)?))
        })
        .collect();
    if (now / SECOND_NS) % LOOK_EVERY_S == 0 {
        let Settings { factor, least_ms } = scene.settings.liveness;
        let overdue = liveness::overdue(scene.session, now, least_ms, factor, SILENT_MAX)?;
        events.extend(overdue.into_iter().filter_map(|device| {
            let event = silent(&device)?;
            Some(NewEvent::own(now, device.stream, event))
        }));
    }
    Ok(events)
}

fn silent(device: &Overdue) -> Option<Event> {
    let (last_at, allowed_s) = (device.last_at, device.allowed_ms / 1_000);
    Some(match device.stream.split_once('/')?.0 {
        "sensor" => SensorWentSilent { last_at, allowed_s }.into(),
        "camera" => CameraWentSilent { last_at, allowed_s }.into(),
        _ => return None,
    })
}

fn back(stream: &str, silent_since: i64) -> Option<Event> {
    Some(match stream.split_once('/')?.0 {
        "sensor" => SensorReturned { silent_since }.into(),
        "camera" => CameraReturned { silent_since }.into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
