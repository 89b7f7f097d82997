//! When to try again: soon at first, then ever more rarely, for a day.

use std::time::Duration;

use crate::base::clock::{DAY_NS, UnixNanos};

/// An alert that could not be delivered for so long is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_nanos(DAY_NS as u64);

/// Pauses after the first, second … failure, in seconds; the last one repeats. The short ones are
/// for a router that restarts, the long ones for a line that is down.
const PAUSES_S: [u64; 6] = [5, 15, 60, 300, 900, 3_600];

/// How long to wait after `failures` tries, all failed. `jitter`, a random number, adds up to a
/// quarter, so that many boxes do not come back at the same instant.
pub fn pause(failures: u32, jitter: u16) -> Duration {
    let index = (failures.saturating_sub(1) as usize).min(PAUSES_S.len() - 1);
    let pause = Duration::from_secs(PAUSES_S[index]);
    pause + pause * u32::from(jitter) / (4 * u32::from(u16::MAX))
}

/// When to try again after `failures` tries, all failed, of an alert that was raised at `alert_at`;
/// `None` to give up.
///
/// Not before `after`, which is what the server asked for. The last try is [`GIVE_UP_AFTER`] the
/// alert, even if the server asked for more.
pub fn next_attempt(
    alert_at: UnixNanos,
    now: UnixNanos,
    failures: u32,
    after: Option<Duration>,
    jitter: u16,
) -> Option<UnixNanos> {
    let deadline = plus(alert_at, GIVE_UP_AFTER);
    let wait = pause(failures, jitter).max(after.unwrap_or_default());
    (now < deadline).then(|| plus(now, wait).min(deadline))
}

fn plus(at: UnixNanos, span: Duration) -> UnixNanos {
    at.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{HOUR_NS, SECOND_NS};

    #[test]
    fn pauses_grow_to_an_hour_and_stay_there() {
        let seconds: Vec<_> = (0..9).map(|n| pause(n, 0).as_secs()).collect();
        assert_eq!(seconds, [5, 5, 15, 60, 300, 900, 3_600, 3_600, 3_600]);
        assert_eq!(pause(u32::MAX, 0).as_secs(), 3_600);
    }

    #[test]
    fn jitter_adds_up_to_a_quarter() {
        assert_eq!(pause(3, u16::MAX), Duration::from_secs(75));
        assert_eq!(pause(6, u16::MAX), Duration::from_secs(4_500));
        let half = pause(3, u16::MAX / 2);
        assert!(half > Duration::from_secs(67) && half < Duration::from_secs(68));
    }

    #[test]
    fn the_server_is_left_alone_for_as_long_as_it_asks() {
        let next = |after| next_attempt(0, SECOND_NS, 1, after, 0);
        assert_eq!(next(None), Some(6 * SECOND_NS));
        assert_eq!(next(Some(Duration::from_secs(1))), Some(6 * SECOND_NS));
        assert_eq!(next(Some(Duration::from_secs(90))), Some(91 * SECOND_NS));
    }

    #[test]
    fn after_a_day_it_is_given_up_with_a_last_try_at_its_end() {
        let alert = 7 * DAY_NS;
        let end = alert + DAY_NS;
        assert_eq!(
            next_attempt(alert, end - HOUR_NS / 2, 30, None, 9),
            Some(end)
        );
        let asked = Some(Duration::MAX);
        assert_eq!(next_attempt(alert, alert, 1, asked, 0), Some(end));
        assert_eq!(next_attempt(alert, end, 31, None, 0), None);
        assert_eq!(next_attempt(alert, i64::MAX, 31, None, 0), None);
    }

    #[test]
    fn a_day_of_failures_is_about_thirty_tries() {
        let (mut now, mut tries) = (0, 1);
        while let Some(next) = next_attempt(0, now, tries, None, 0) {
            assert!(next > now);
            (now, tries) = (next, tries + 1);
        }
        assert_eq!((now, tries), (DAY_NS, 30));
    }
}
