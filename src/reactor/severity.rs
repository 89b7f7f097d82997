//! How much a line matters, 0 to 100 (the formula is Logly's).

use crate::event::action;
use crate::event::system::Level;

/// What an action that is about security adds.
const SECURITY: i64 = 20;
/// What it adds that the line stands for many.
const MANY: i64 = 10;
/// From more than so many on.
const MANY_FROM: i64 = 5;

/// Of a level alone.
pub const fn of_level(level: Level) -> i64 {
    match level {
        Level::Debug => 0,
        Level::Info => 10,
        Level::Warning => 30,
        Level::Error => 60,
        Level::Critical => 90,
    }
}

/// Of a line: its level, what it tells that happened, and of how many it tells, if it does.
pub fn of_line(level: Level, action: Option<&str>, count: Option<i64>) -> i64 {
    let security = [action::BAN, action::FAILED_LOGIN, action::UNAUTHORIZED];
    let is_security = action.is_some_and(|action| security.contains(&action));
    let is_many = count.is_some_and(|count| count > MANY_FROM);
    let mut score = of_level(level);
    if is_security {
        score += SECURITY;
    }
    if is_many {
        score += MANY;
    }
    score.min(100)
}

/// Of a brute force with so many failed logins, 5 at least, that took so many nanoseconds.
pub fn of_brute_force(failed_logins: i64, took_ns: i64) -> i64 {
    /// As quick as that is no slip of a forgetful person.
    const QUICK_NS: i64 = 300 * crate::base::clock::SECOND_NS;
    let many = failed_logins.saturating_sub(5).clamp(0, 10);
    let quick = if took_ns <= QUICK_NS { 20 } else { 0 };
    (50 + 5 * many + quick).min(100)
}

/// Of a processor, a memory or a disk that is used so much, percent.
pub fn of_usage(percent: f64) -> i64 {
    of_level(match percent {
        98.0.. => Level::Critical,
        95.0.. => Level::Error,
        _ => Level::Warning,
    })
}

/// Of one address that tried names, or a name that was tried from addresses, so many different ones.
pub fn of_sweep(different: i64) -> i64 {
    60 + 2 * different.saturating_sub(5).clamp(0, 20)
}

/// Of so many errors of one source within minutes.
pub fn of_error_burst(errors: i64) -> i64 {
    50 + errors.clamp(0, 50)
}

/// Of a service that was started so often within minutes; one that was not seen to fail may just be
/// started by a timer.
pub fn of_restart_loop(starts: i64, fails: bool) -> i64 {
    if fails {
        50 + 5 * starts.clamp(0, 10)
    } else {
        50
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_matters_by_level_action_and_count() {
        for (level, action, count, score) in [
            (Level::Debug, None, None, 0),
            (Level::Info, None, None, 10),
            (Level::Warning, None, None, 30),
            (Level::Error, None, None, 60),
            (Level::Critical, None, None, 90),
            (Level::Info, Some("failed_login"), None, 30),
            (Level::Warning, Some("ban"), None, 50),
            (Level::Warning, Some("unauthorized"), Some(6), 60),
            (Level::Info, Some("login"), Some(5), 10),
            (Level::Critical, Some("ban"), Some(9), 100),
        ] {
            assert_eq!(of_line(level, action, count), score, "{level:?} {action:?}");
        }
    }

    #[test]
    fn a_brute_force_matters_by_number_and_speed() {
        let quick = 300 * crate::base::clock::SECOND_NS;
        assert_eq!(of_brute_force(5, quick), 70);
        assert_eq!(of_brute_force(5, quick + 1), 50);
        assert_eq!(of_brute_force(8, quick + 1), 65);
        assert_eq!(of_brute_force(11, quick), 100);
        assert_eq!(of_brute_force(15, i64::MAX), 100);
        assert_eq!(of_brute_force(i64::MAX, 0), 100);
    }

    #[test]
    fn what_is_larger_matters_more_and_never_more_than_100() {
        assert_eq!(
            [90.0, 95.0, 97.9, 98.0, 100.0].map(of_usage),
            [30, 60, 60, 90, 90]
        );
        assert_eq!([5, 15, i64::MAX].map(of_sweep), [60, 80, 100]);
        assert_eq!([10, 30, i64::MAX].map(of_error_burst), [60, 80, 100]);
        let of_loop = |fails| [4, 6, i64::MAX].map(|starts| of_restart_loop(starts, fails));
        assert_eq!((of_loop(true), of_loop(false)), ([70, 80, 100], [50; 3]));
    }
}
