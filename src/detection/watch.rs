//! The watch: all models, fed with the rows of the event log in their order.
//!
//! A minute is one of event time. It ends for the models when rows arrive [`LATE_MINUTES`] minutes
//! behind it; a line that comes later still is left out of the minutes and counted (the order of lines
//! learns from it all the same), and one from the future counts as of its arrival. Minutes in which
//! nothing came are zeros as long as rows keep coming.
//!
//! What nobody watched teaches nothing: the minute of a start and those before it, back to the last
//! row, and a pause of more than [`PAUSE_MINUTES`] without any row, which a suspended machine makes as
//! well. The models pass over such minutes.
//!
//! A clock that was ahead and is set right takes the minutes back with it, whole days at a time for
//! what the models know of the time of day.
//!
//! States are saved in pieces, and only those that changed. One that is older than the clock's has
//! not changed since; one that is newer stood before the clock when a kill came, and is fed again
//! from its own position on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::minute::{HostMinute, Minute};
use super::mix::Mix;
use super::order::Order;
use super::pace::{Pace, SITE};
use super::rows::{Line, Row, What};
use super::shelf::Shelf;
use super::volume::Volume;
use super::{Finding, HOSTS_MAX, SOURCES_MAX, Sensitivity, StateError, minute_of, state};
use crate::base::clock::MINUTE_NS;
use crate::store::model::StoredModel;

/// A minute is closed so long after its end.
pub const LATE_MINUTES: i64 = 2;
/// A longer pause without any row was not watched.
pub const PAUSE_MINUTES: i64 = 15;

/// Key of the clock.
pub(super) const CLOCK: &str = "clock:global";
/// The last minute that a moment can lie in.
const MINUTE_MAX: i64 = i64::MAX / MINUTE_NS;

/// How far the minutes are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    /// The last minute that was closed, and that of the last arrival; none before the first row.
    at: Option<Moment>,
    /// What rows up to this position show is learned and not told.
    silent_until: i64,
    /// Lines that came too late for their minute.
    late: u64,
    /// Minutes that are not closed.
    open: BTreeMap<i64, Minute>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    closed: i64,
    now: i64,
}

impl Clock {
    fn check(&self) -> Result<(), StateError> {
        let is_sane = match self.at {
            None => self.open.is_empty(),
            Some(Moment { closed, now }) => {
                now.unsigned_abs() <= MINUTE_MAX.unsigned_abs()
                    && (0..=LATE_MINUTES + 1).contains(&now.saturating_sub(closed))
                    && self
                        .open
                        .keys()
                        .all(|minute| (closed + 1..=now).contains(minute))
            }
        };
        let fits = |minute: &Minute| {
            minute.sources.len() <= SOURCES_MAX && minute.hosts.len() <= HOSTS_MAX
        };
        if is_sane && self.open.values().all(fits) {
            Ok(())
        } else {
            Err(StateError::Frame("no such minutes"))
        }
    }
}

/// All models.
#[derive(Debug)]
pub struct Watch {
    clock: Clock,
    volumes: Shelf<Volume>,
    paces: Shelf<Pace>,
    orders: Shelf<Order>,
    mixes: Shelf<Mix>,
}

/// Models that were stored, as far as they can be gone on with.
#[derive(Debug)]
pub struct Restored {
    /// All models.
    pub watch: Watch,
    /// Position of the last row that went into them; none when nothing was stored.
    pub position: Option<i64>,
    /// Keys that were not gone on with, and why.
    pub refused: Vec<(String, StateError)>,
}

impl Watch {
    /// One that knows nothing, and tells nothing of rows up to `silent_until`.
    pub fn new(sensitivity: Sensitivity, silent_until: i64) -> Self {
        Self {
            clock: Clock {
                silent_until,
                ..Clock::default()
            },
            volumes: Shelf::new(sensitivity, SOURCES_MAX),
            paces: Shelf::new(sensitivity, 1),
            orders: Shelf::new(sensitivity, HOSTS_MAX),
            mixes: Shelf::new(sensitivity, HOSTS_MAX),
        }
    }

    /// From what was stored. Models whose bytes are none, or one with other settings, begin anew;
    /// those of others are left alone.
    pub fn restore(sensitivity: Sensitivity, mut stored: Vec<StoredModel>) -> Restored {
        stored.retain(|one| {
            one.key == CLOCK || super::describe(&one.key, &[], sensitivity).is_some()
        });
        let mut refused = Vec::new();
        let newest = stored.iter().map(|one| one.position).max();
        let clock = stored.iter().position(|one| one.key == CLOCK);
        let clock = clock.map(|place| stored.swap_remove(place));
        let position = clock.as_ref().map(|clock| clock.position).or(newest);
        let mut watch = Self::new(sensitivity, position.unwrap_or(0));
        if let Some(stored) = clock {
            let read = state::decode::<Clock>(&stored.data);
            match read.and_then(|clock| clock.check().map(|()| clock)) {
                Ok(clock) => watch.clock = clock,
                Err(error) => refused.push((stored.key, error)),
            }
        }
        let until = watch.clock.at.map_or(MINUTE_MAX, |at| at.closed);
        for one in stored {
            let is_ahead = position.is_some_and(|position| one.position > position);
            let until = if is_ahead { MINUTE_MAX } else { until };
            if let Err(error) = watch.put_back(&one, until) {
                refused.push((one.key, error));
            }
        }
        Restored {
            watch,
            position,
            refused,
        }
    }

    fn put_back(&mut self, stored: &StoredModel, until: i64) -> Result<(), StateError> {
        let _is_one_of_ours = self.volumes.restore(stored, until)?
            || self.paces.restore(stored, until)?
            || self.orders.restore(stored, until)?
            || self.mixes.restore(stored, until)?;
        Ok(())
    }

    /// Every state, by key; that of the clock comes last.
    pub fn states(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let clock = || (CLOCK.to_owned(), state::encode(&self.clock));
        self.volumes
            .states()
            .chain(self.paces.states())
            .chain(self.orders.states())
            .chain(self.mixes.states())
            .chain(std::iter::once_with(clock))
    }

    /// Goes on behind rows that are not read, and tells nothing of rows up to `silent_until`.
    pub fn leave_out(&mut self, silent_until: i64) {
        self.clock.at = None;
        self.clock.open.clear();
        self.clock.silent_until = silent_until;
    }

    /// Begins the model of this key anew.
    pub fn forget(&mut self, key: &str) {
        self.volumes.forget(key);
        self.paces.forget(key);
        self.orders.forget(key);
        self.mixes.forget(key);
    }

    /// Models.
    pub fn models(&self) -> usize {
        self.volumes.len() + self.paces.len() + self.orders.len() + self.mixes.len()
    }

    /// Models that went for others since the start.
    pub const fn evicted(&self) -> u64 {
        self.volumes.evicted + self.orders.evicted + self.mixes.evicted
    }

    /// Lines that came too late for their minute.
    pub const fn late(&self) -> u64 {
        self.clock.late
    }

    /// Learns from the next row; what is odd goes to `found`.
    pub fn take(&mut self, row: &Row, found: &mut Vec<Finding>) {
        if row.what == What::Own {
            return;
        }
        let before = found.len();
        let arrival = minute_of(row.received_at);
        if row.what == What::Start {
            self.pass_over(arrival, row.position, found);
        } else {
            self.arrive(arrival, row.position, found);
            self.count(row, found);
        }
        if row.position <= self.clock.silent_until {
            found.truncate(before);
        }
    }

    /// Lets time pass up to an arrival in the minute `arrival`.
    fn arrive(&mut self, arrival: i64, position: i64, found: &mut Vec<Finding>) {
        let Some(Moment { closed, now }) = self.clock.at else {
            return self.pass_over(arrival, position, found);
        };
        if arrival.abs_diff(now) > PAUSE_MINUTES.unsigned_abs() {
            return self.pass_over(arrival, position, found);
        }
        let now = now.max(arrival);
        let last = now - 1 - LATE_MINUTES;
        for minute in closed + 1..=last {
            self.close(minute, position, found);
        }
        let closed = closed.max(last);
        self.clock.at = Some(Moment { closed, now });
    }

    /// Closes what was watched, and goes on after the minute `arrival`.
    fn pass_over(&mut self, arrival: i64, position: i64, found: &mut Vec<Finding>) {
        let before = self.clock.at.unwrap_or(Moment {
            closed: arrival,
            now: arrival,
        });
        for minute in before.closed + 1..before.now {
            self.close(minute, position, found);
        }
        self.clock.open.clear();
        let was_ahead = before.now.saturating_sub(arrival) > PAUSE_MINUTES;
        let now = if was_ahead {
            arrival
        } else {
            before.now.max(arrival)
        };
        self.volumes.rewind(now, position);
        self.paces.rewind(now, position);
        self.orders.rewind(now, position);
        self.mixes.rewind(now, position);
        self.clock.at = Some(Moment { closed: now, now });
    }

    /// Counts a row for its minute, and a line for the order of lines.
    fn count(&mut self, row: &Row, found: &mut Vec<Finding>) {
        let Some(Moment { closed, now }) = self.clock.at else {
            return;
        };
        let minute = minute_of(row.occurred_at).min(now);
        if let What::Line(line) = &row.what {
            self.order(row, line, now, found);
        }
        if minute <= closed {
            // Those of the minute of a start are on time, and not counted.
            let is_late = matches!(row.what, What::Line(_)) && minute < now;
            self.clock.late += u64::from(is_late);
            return;
        }
        let minute = self.clock.open.entry(minute).or_default();
        minute.event(row.position);
        match &row.what {
            What::Line(line) => minute.line(line, row.position),
            What::Sample(sample) => minute.sample(sample, row.position),
            What::Start | What::Own | What::Other => {}
        }
    }

    fn order(&mut self, row: &Row, line: &Line, now: i64, found: &mut Vec<Finding>) {
        if let Some(kept) = self.orders.of(&line.host, now, row.position) {
            let minute = minute_of(row.occurred_at).min(now);
            let event = (row.occurred_at, row.position);
            found.extend(kept.line(&line.host, minute, event, line.template));
        }
    }

    /// Feeds a whole minute; `position` is that of the row that closes it.
    fn close(&mut self, minute: i64, position: i64, found: &mut Vec<Finding>) {
        let seen = self.clock.open.remove(&minute).unwrap_or_default();
        for source in seen.sources.keys() {
            self.volumes.of(source, minute, position);
        }
        for (source, kept) in self.volumes.iter_mut(position) {
            let lines = seen.sources.get(source).copied().unwrap_or_default();
            let event = if lines.count > 0 {
                lines.last
            } else {
                position
            };
            found.extend(kept.minute(source, minute, lines.count, event));
        }
        for host in seen.hosts.keys() {
            self.mixes.of(host, minute, position);
        }
        let silent = HostMinute::default();
        for (host, kept) in self.mixes.iter_mut(position) {
            let did = seen.hosts.get(host).unwrap_or(&silent);
            let event = if did.last > 0 { did.last } else { position };
            found.extend(kept.minute(host, minute, did, event));
        }
        let events = seen.events;
        let event = if events.count > 0 {
            events.last
        } else {
            position
        };
        if let Some(site) = self.paces.of(SITE, minute, position) {
            found.extend(site.minute(minute, events.count, event));
        }
    }
}
