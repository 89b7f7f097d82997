//! How busy the whole site is: a CUSUM over its events a minute, less what is usual at this time of
//! day, so that a morning is no change. It tells a small change that stays.
//!
//! What is usual says a Holt-Winters with a slow level: one as quick as that of a source would take a
//! change for usual before the CUSUM has seen it. The difference is given in deviations of events that
//! have nothing to do with each other (Poisson: the root of their expected number). Until the season
//! is known, after two days, nothing is watched.

use super::shelf::{Kept, Model};
use super::volume::usual;
use super::{Finding, Sensitivity, Stage, StateError, Verdict, counted};
use crate::base::clock::MINUTE_NS;
use crate::learn::cusum::{self, Cusum};
use crate::learn::holt_winters::{self, HoltWinters};
use crate::learn::{Direction, ModelError};

/// The model of the site.
#[derive(Debug)]
pub(super) struct Pace {
    usual: HoltWinters,
    cusum: Cusum,
}

/// Its name on the shelf.
pub(super) const SITE: &str = "global";

/// The level halves an error in six hours.
fn day() -> holt_winters::Settings {
    holt_winters::Settings {
        alpha: 0.002,
        beta: 0.0,
        ..holt_winters::Settings::default()
    }
}

fn settings(sensitivity: Sensitivity) -> cusum::Settings {
    let normal = cusum::Settings::default();
    cusum::Settings {
        h: normal.h * sensitivity.factor(),
        ..normal
    }
}

impl Model for Pace {
    const PREFIX: &'static str = "cusum:";

    fn fresh(sensitivity: Sensitivity) -> Self {
        let made = |_: ModelError| "our settings are in range";
        Self {
            usual: HoltWinters::new(day()).map_err(made).expect("in range"),
            cusum: Cusum::new(settings(sensitivity))
                .map_err(made)
                .expect("in range"),
        }
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        vec![self.usual.encode(), self.cusum.encode()]
    }

    fn from_parts(parts: &[Vec<u8>], sensitivity: Sensitivity) -> Result<Self, StateError> {
        let [usual, cusum] = parts else {
            return Err(StateError::Frame("a part is missing"));
        };
        let read = Self {
            usual: HoltWinters::decode(usual)?,
            cusum: Cusum::decode(cusum)?,
        };
        if *read.usual.settings() == day() && *read.cusum.settings() == settings(sensitivity) {
            Ok(read)
        } else {
            Err(StateError::Settings)
        }
    }

    fn stage(&self, _: u64) -> Stage {
        let samples = self.cusum.baseline().samples();
        if samples < u64::from(self.cusum.settings().warm_up) {
            Stage::WarmingUp
        } else {
            Stage::Ready
        }
    }

    fn subject(_: &str) -> String {
        "site".into()
    }
}

impl Kept<Pace> {
    /// Learns from a minute with so many `events`; `event` is the last one's position.
    pub(super) fn minute(&mut self, minute: i64, events: u64, event: i64) -> Option<Finding> {
        let unwatched = self.feed(minute);
        let Pace { usual: day, cusum } = &mut self.model;
        day.skip(unwatched);
        let (is_known, expected) = (day.knows_season(), day.forecast().max(0.0));
        day.update(events);
        if !is_known {
            return None;
        }
        let unit = expected.max(1.0).sqrt();
        let shift = cusum.update((events as f64 - expected) / unit)?;
        let observed = (expected + shift.shifted_to * unit).max(0.0);
        let verdict = Verdict {
            score: shift.sum,
            threshold: cusum.settings().h,
            observed,
            expected,
            above: shift.direction == Direction::Above,
            text: format!(
                "about {} a minute for {}, {} at this time of day",
                counted(observed.round() as u64, "event"),
                counted(shift.samples, "minute"),
                usual(expected)
            ),
        };
        let at = minute.saturating_mul(MINUTE_NS);
        self.tell(SITE, minute, (at, event), verdict)
    }
}
