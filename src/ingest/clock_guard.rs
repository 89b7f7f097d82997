//! The clock, watched: while it cannot be trusted, nothing may go for its age.
//!
//! A clock that jumps ten years ahead makes everything old. So the wall clock is compared with the
//! monotonic one at every look, and with the event log at the start. Who deletes, recordings or rows
//! of tables, has a guard of its own.

use std::time::{Duration, Instant};

use crate::base::clock::{DAY_NS, HOUR_NS, MINUTE_NS, UnixNanos};
use crate::event_log::read::first_received_since;
use crate::storage::{Session, StorageError, first};
use crate::values;

/// A step of the wall clock against the monotonic one that counts: above what time servers correct,
/// below what makes a recording old.
const STEP_NS: i64 = HOUR_NS;
/// How long the clock must have gone steadily after a step.
const STEADY: Duration = Duration::from_hours(1);
/// A box that was off for longer may have come back with any time.
const ABSENCE_NS: i64 = 30 * DAY_NS;
/// How long a start with an odd time must have gone well.
const STEADY_AFTER_START: Duration = Duration::from_hours(24);
/// The last events, among which one that was received later than now shows a clock that was set
/// back.
const LOOK_BACK_EVENTS: i64 = 10_000;

/// What a guard's messages say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// What does not happen meanwhile: "no recording goes …".
    pub(super) nothing_goes: &'static str,
    /// The verb by which a person ends a pause.
    pub(super) verb: &'static str,
}

/// What changed at a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Ages do not count from now on; why, for people.
    Paused(String),
    /// They count again.
    Over,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Guard {
    words: Words,
    last: Option<(UnixNanos, Instant)>,
    pause: Option<(String, Instant)>,
}

impl Guard {
    /// A guard that has not looked yet.
    pub(super) const fn new(words: Words) -> Self {
        Self {
            words,
            last: None,
            pause: None,
        }
    }

    /// Whether the event log was compared with the clock.
    pub(super) fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    /// The first look: does the time fit what the event log says?
    pub(super) fn begin(&mut self, wall: UnixNanos, now: Instant, past: Past) -> Option<Change> {
        self.last = Some((wall, now));
        let text = odd_start(wall, past)?;
        let Words { nothing_goes, verb } = self.words;
        let text = format!(
            "{nothing_goes} for {} hours: {text}; `{verb}` ends this",
            STEADY_AFTER_START.as_secs() / 3_600
        );
        self.pause = Some((text.clone(), now + STEADY_AFTER_START));
        Some(Change::Paused(text))
    }

    /// Looks at both clocks.
    pub(super) fn look(&mut self, wall: UnixNanos, now: Instant) -> Option<Change> {
        let (wall_before, before) = self.last.replace((wall, now))?;
        let passed = i64::try_from(now.saturating_duration_since(before).as_nanos());
        let step = wall
            .saturating_sub(wall_before)
            .saturating_sub(passed.unwrap_or(i64::MAX));
        if step.saturating_abs() > STEP_NS {
            let Words { nothing_goes, verb } = self.words;
            let text = format!(
                "{nothing_goes} until the clock has been steady for an hour: it stepped {} by {} \
                 min; `{verb}` ends this",
                if step > 0 { "forward" } else { "back" },
                step.saturating_abs() / MINUTE_NS
            );
            let until = now + STEADY;
            let until = self.pause.as_ref().map_or(until, |(_, at)| until.max(*at));
            self.pause = Some((text.clone(), until));
            return Some(Change::Paused(text));
        }
        if self.pause.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.pause = None;
            return Some(Change::Over);
        }
        None
    }

    /// A person has looked, and wants it done.
    pub(super) fn trust(&mut self) -> Option<Change> {
        self.pause.take().map(|_| Change::Over)
    }

    /// Why ages do not count now.
    pub(super) fn paused(&self) -> Option<&str> {
        self.pause.as_ref().map(|(text, _)| text.as_str())
    }
}

/// Why the time at a start cannot be right, if it cannot.
pub(super) fn odd_start(wall: UnixNanos, past: Past) -> Option<String> {
    let ahead = past.latest.map_or(0, |latest| latest.saturating_sub(wall));
    if ahead > STEP_NS {
        let minutes = ahead / MINUTE_NS;
        return Some(format!(
            "the clock is {minutes} min behind the newest events"
        ));
    }
    let absence = past.before_today.map_or(0, |at| wall.saturating_sub(at));
    (absence > ABSENCE_NS).then(|| {
        let days = absence / DAY_NS;
        format!("there is no event of the {days} days before today")
    })
}

/// What the event log says of the clock at a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// When the latest of the last events was received.
    pub(super) latest: Option<UnixNanos>,
    /// When the newest event was received that is older than a day.
    pub(super) before_today: Option<UnixNanos>,
}

/// Reads it, as seen from `now`.
pub(super) fn past(session: &mut dyn Session, now: UnixNanos) -> Result<Past, StorageError> {
    let latest = first(
        session,
        "SELECT max(received_at) FROM event_log \
         WHERE position > (SELECT max(position) FROM event_log) - ?1",
        values![LOOK_BACK_EVENTS],
        |row| row.opt_int(0),
    )?;
    let today = first_received_since(session, now.saturating_sub(DAY_NS))?;
    let before_today = first(
        session,
        "SELECT received_at FROM event_log WHERE position = ?1",
        values![today - 1],
        |row| row.int(0),
    )?;
    Ok(Past {
        latest: latest.flatten(),
        before_today,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::base::clock::SECOND_NS;

    const NOON: UnixNanos = 1_795_000_000 * SECOND_NS;

    fn guard_of() -> Guard {
        Guard::new(Words {
            nothing_goes: "nothing goes",
            verb: "nightjar prune",
        })
    }

    fn quiet() -> Past {
        Past {
            latest: Some(NOON - SECOND_NS),
            before_today: Some(NOON - 2 * DAY_NS),
        }
    }

    #[test]
    fn a_step_in_either_direction_pauses_for_an_hour_of_steadiness() {
        for step in [2 * HOUR_NS, -2 * HOUR_NS, 3_650 * DAY_NS, -NOON] {
            let (mut guard, start) = (guard_of(), Instant::now());
            assert_eq!(guard.begin(NOON, start, quiet()), None);
            let minute = Duration::from_mins(1);
            assert_eq!(guard.look(NOON + MINUTE_NS, start + minute), None);
            let after = NOON + MINUTE_NS + step;
            let paused = guard.look(after, start + minute);
            assert!(matches!(paused, Some(Change::Paused(_))), "{step}");
            let nearly = Duration::from_mins(60);
            assert_eq!(guard.look(after + 59 * MINUTE_NS, start + nearly), None);
            assert!(guard.paused().is_some());
            let end = start + Duration::from_mins(61);
            assert_eq!(guard.look(after + 60 * MINUTE_NS, end), Some(Change::Over));
            assert_eq!(guard.paused(), None);
        }
    }

    #[test]
    fn small_corrections_and_slow_looks_are_no_steps() {
        let (mut guard, start) = (guard_of(), Instant::now());
        guard.begin(NOON, start, quiet());
        let later = Duration::from_hours(5);
        assert_eq!(
            guard.look(NOON + 5 * HOUR_NS + 59 * MINUTE_NS, start + later),
            None
        );
    }

    #[test]
    fn a_start_with_an_odd_time_pauses_for_a_day_or_until_a_person_looks() {
        let start = Instant::now();
        let odd = |wall: UnixNanos, past: Past| {
            let mut guard = guard_of();
            guard.begin(wall, start, past).is_some()
        };
        assert!(!odd(NOON, Past::default()), "an empty log says nothing");
        assert!(!odd(NOON, quiet()));
        assert!(!odd(NOON - 59 * MINUTE_NS, quiet()));
        assert!(odd(NOON - 2 * HOUR_NS, quiet()));
        assert!(odd(0, quiet()));
        assert!(odd(NOON + 31 * DAY_NS, quiet()));
        // Events of the wrong time, stored before this start, do not make it right.
        let decade = NOON + 3_650 * DAY_NS;
        let past = Past {
            latest: Some(decade - SECOND_NS),
            before_today: Some(NOON),
        };
        assert!(odd(decade, past));
        let mut guard = guard_of();
        guard.begin(decade, start, past);
        let nearly = Duration::from_secs(86_399);
        for hour in 1..24 {
            let now = start + Duration::from_hours(hour);
            assert_eq!(guard.look(decade + hour as i64 * HOUR_NS, now), None);
        }
        assert_eq!(
            guard.look(decade + DAY_NS - SECOND_NS, start + nearly),
            None
        );
        assert_eq!(guard.trust(), Some(Change::Over));
        assert_eq!(guard.paused(), None);
        let mut guard = guard_of();
        guard.begin(decade, start, past);
        let day = Duration::from_hours(24);
        assert_eq!(guard.look(decade + DAY_NS, start + day), Some(Change::Over));
    }
}
