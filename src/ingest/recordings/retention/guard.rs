//! The clock, watched: while it cannot be trusted, nothing may go for its age.
//!
//! A clock that jumps ten years ahead makes everything old. So the wall clock is compared with the
//! monotonic one at every look, and with the event log at the start.

use std::time::{Duration, Instant};

use super::rows::Past;
use crate::base::clock::{DAY_NS, HOUR_NS, MINUTE_NS, UnixNanos};

/// A step of the wall clock against the monotonic one that counts: above what time servers correct,
/// below what makes a recording old.
const STEP_NS: i64 = HOUR_NS;
/// How long the clock must have gone steadily after a step.
const STEADY: Duration = Duration::from_hours(1);
/// A box that was off for longer may have come back with any time.
const ABSENCE_NS: i64 = 30 * DAY_NS;
/// How long a start with an odd time must have gone well.
const STEADY_AFTER_START: Duration = Duration::from_hours(24);

/// What changed at a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Ages do not count from now on; why, for people.
    Paused(String),
    /// They count again.
    Over,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Guard {
    last: Option<(UnixNanos, Instant)>,
    pause: Option<(String, Instant)>,
}

impl Guard {
    /// Whether the event log was compared with the clock.
    pub(super) fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    /// The first look: does the time fit what the event log says?
    pub(super) fn begin(&mut self, wall: UnixNanos, now: Instant, past: Past) -> Option<Change> {
        self.last = Some((wall, now));
        let text = odd_start(wall, past)?;
        let text = format!(
            "no recording goes for its age or for the total for {} hours: {text}; `nightjar \
             recordings prune` ends this",
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
            let text = format!(
                "no recording goes for its age or for the total until the clock has been steady for \
                 an hour: it stepped {} by {} min; `nightjar recordings prune` ends this",
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::base::clock::SECOND_NS;

    const NOON: UnixNanos = 1_795_000_000 * SECOND_NS;

    fn quiet() -> Past {
        Past {
            latest: Some(NOON - SECOND_NS),
            before_today: Some(NOON - 2 * DAY_NS),
        }
    }

    #[test]
    fn a_step_in_either_direction_pauses_for_an_hour_of_steadiness() {
        for step in [2 * HOUR_NS, -2 * HOUR_NS, 3_650 * DAY_NS, -NOON] {
            let (mut guard, start) = (Guard::default(), Instant::now());
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
        let (mut guard, start) = (Guard::default(), Instant::now());
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
            let mut guard = Guard::default();
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
        let mut guard = Guard::default();
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
        let mut guard = Guard::default();
        guard.begin(decade, start, past);
        let day = Duration::from_hours(24);
        assert_eq!(guard.look(decade + DAY_NS, start + day), Some(Change::Over));
    }
}
