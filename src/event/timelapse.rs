//! Time-lapse films: when they are to be made. The schedule's id is the event's stream.

use serde::{Deserialize, Serialize};

/// A camera's day is to become a film, day after day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelapseScheduled {
    /// The camera.
    pub camera: String,
    /// First hour of the day that is filmed, 0–23, local time.
    pub start_hour: i64,
    /// The hour before which filming ends, 1–24.
    pub end_hour: i64,
    /// When the film is made, `HH:MM`, local time.
    pub generate_time: String,
    /// Whether it is in force.
    pub enabled: bool,
}

/// The schedule is no more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimelapseUnscheduled {}

/// A film of one day is to be made now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelapseRequested {
    /// The camera.
    pub camera: String,
    /// When it was due, Unix nanoseconds; later than that after a downtime.
    pub due_at: i64,
    /// First hour of the day that is filmed.
    pub start_hour: i64,
    /// The hour before which filming ends.
    pub end_hour: i64,
}

/// Hour and minute of `HH:MM`, if it is one.
pub fn clock_time(text: &str) -> Option<(i8, i8)> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str, end: i8| {
        (part.len() == 2)
            .then(|| part.parse::<i8>().ok())
            .flatten()
            .filter(|number| (0..end).contains(number))
    };
    Some((two(hour, 24)?, two(minute, 60)?))
}

impl TimelapseScheduled {
    /// Whether hours and time are ones that a day has.
    pub fn is_sound(&self) -> bool {
        (0..24).contains(&self.start_hour)
            && (1..=24).contains(&self.end_hour)
            && self.start_hour < self.end_hour
            && clock_time(&self.generate_time).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::clock_time;

    #[test]
    fn a_time_of_day_has_two_digits_twice() {
        assert_eq!(clock_time("02:30"), Some((2, 30)));
        for wrong in ["24:00", "2:30", "02:60", "0230", "-1:00", "+1:00", ""] {
            assert_eq!(clock_time(wrong), None, "{wrong}");
        }
    }
}
