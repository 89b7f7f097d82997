//! The clock, handed in as an argument so that tests can set it.
//!
//! All times are nanoseconds since the Unix epoch, UTC, as `i64` (good until the year 2262).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Nanoseconds since the Unix epoch, UTC.
pub type UnixNanos = i64;

/// Nanoseconds in one millisecond.
pub const MILLISECOND_NS: i64 = 1_000_000;
/// Nanoseconds in one second.
pub const SECOND_NS: i64 = 1_000_000_000;
/// Nanoseconds in one minute.
pub const MINUTE_NS: i64 = 60 * SECOND_NS;
/// Nanoseconds in one hour.
pub const HOUR_NS: i64 = 3_600 * SECOND_NS;
/// Nanoseconds in one UTC day.
pub const DAY_NS: i64 = 24 * HOUR_NS;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until a test moves it.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn fixed(at: UnixNanos) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(at)))
    }

    /// The time now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the system clock"
    )]
    pub fn now(&self) -> UnixNanos {
        match self {
            Self::System => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_nanos() as i64),
            Self::Fixed(at) => at.load(Ordering::Relaxed),
        }
    }

    /// Moves a fixed clock; the system's clock is left alone.
    pub fn set(&self, at: UnixNanos) {
        if let Self::Fixed(now) = self {
            now.store(at, Ordering::Relaxed);
        }
    }
}

/// Start of the bucket of `width_ns` that holds `at`; right for times before 1970 too. The first
/// bucket that an `i64` can tell begins with the first nanosecond.
pub fn bucket_start(at: UnixNanos, width_ns: i64) -> UnixNanos {
    at.saturating_sub(at.rem_euclid(width_ns))
}

/// `at` as RFC 3339 in UTC with milliseconds, for people and JSON.
pub fn rfc3339(at: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at))
        .map_or_else(|_| at.to_string(), |stamp| format!("{stamp:.3}"))
}

/// `at` in the box's own time zone as `2026-11-20 03:12:07`, for people.
pub fn local(at: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at)).map_or_else(
        |_| at.to_string(),
        |stamp| {
            stamp
                .to_zoned(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_start_at_or_before_their_times_even_before_1970() {
        assert_eq!(bucket_start(HOUR_NS + 5, HOUR_NS), HOUR_NS);
        assert_eq!(bucket_start(HOUR_NS, HOUR_NS), HOUR_NS);
        assert_eq!(bucket_start(-1, HOUR_NS), -HOUR_NS);
    }

    #[test]
    fn a_fixed_clock_moves_only_when_set() {
        let clock = Clock::fixed(7);
        assert_eq!(clock.now(), 7);
        clock.set(9);
        assert_eq!(clock.now(), 9);
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
