//! The two-sided tabular CUSUM: tells a small change of a figure that stays, which no single value
//! shows. Montgomery: Introduction to Statistical Quality Control, 9.1.
//!
//! With z = (x − mean) / deviation, high = max(0, high + z − k) and low = max(0, low − z − k). One
//! that grows above h is a shift, and both start again at zero.
//!
//! Mean and deviation are learned in a warm-up. From then on they follow slowly, and no value pulls
//! further than [`PULL_MAX`]: a shift that stays becomes the norm after some hundred values, and a
//! change as slow as that is never told. The figure should have no season of its own, or its mornings
//! are shifts; what is left over by [`super::holt_winters`] has none.

use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, LARGEST};
use super::{Direction, ModelError, require, state};

const VERSION: u8 = 1;

/// A value is learned from as if it lay at most so many deviations from the mean.
pub const PULL_MAX: f64 = 3.0;

/// How a figure is watched. `k`, `h` and the sums are in standard deviations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What a value may be off without counting: half of the smallest shift that matters.
    pub k: f64,
    /// The sum above which a shift is told.
    pub h: f64,
    /// So many values are only learned from.
    pub warm_up: u32,
    /// The weight of a value in mean and deviation after the warm-up.
    pub drift: f64,
    /// The deviation is taken to be at least this, in the figure's unit: a constant figure has none.
    pub deviation_min: f64,
}

impl Default for Settings {
    /// For a count per minute: with k = ½ and h = 10, chance tells a shift every 49 days (Siegmund's
    /// approximation; every 8 hours with the usual h = 5), and one of 1 σ is told after 20 minutes.
    fn default() -> Self {
        Self {
            k: 0.5,
            h: 10.0,
            warm_up: 120,
            drift: 0.002,
            deviation_min: 1.0,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), ModelError> {
        require((0.0..=1e6).contains(&self.k), "k")?;
        require((1e-3..=1e6).contains(&self.h), "h")?;
        require(self.warm_up >= 2, "warm-up")?;
        require((0.0..=0.5).contains(&self.drift), "drift")?;
        let deviations = 1e-12..=LARGEST;
        require(deviations.contains(&self.deviation_min), "least deviation")
    }
}

/// A change that stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// To which side.
    pub direction: Direction,
    /// The sum, above h.
    pub sum: f64,
    /// So many values ago it began: the sum has been above zero since.
    pub samples: u64,
    /// Where the figure was until then.
    pub mean: f64,
    /// Where it seems to be since: mean ± deviation · (k + sum / samples).
    pub shifted_to: f64,
}

/// One of the two sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    value: f64,
    /// Values since it was zero.
    samples: u64,
}

impl Sum {
    fn add(&mut self, amount: f64) {
        self.value = (self.value + amount).max(0.0);
        self.samples = if self.value > 0.0 {
            self.samples.saturating_add(1)
        } else {
            0
        };
    }
}

/// The model of one figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cusum {
    settings: Settings,
    baseline: Baseline,
    high: Sum,
    low: Sum,
}

impl Default for Cusum {
    fn default() -> Self {
        Self::known(Settings::default(), Baseline::default())
    }
}

impl Cusum {
    /// One that knows nothing yet.
    pub fn new(settings: Settings) -> Result<Self, ModelError> {
        Self::with_baseline(settings, Baseline::default())
    }

    /// One whose figure's mean and deviation are known from elsewhere. With fewer samples than the
    /// warm-up asks for, it goes on to learn.
    pub fn with_baseline(settings: Settings, baseline: Baseline) -> Result<Self, ModelError> {
        settings.check()?;
        baseline.check()?;
        Ok(Self::known(settings, baseline))
    }

    fn known(settings: Settings, baseline: Baseline) -> Self {
        Self {
            settings,
            baseline,
            high: Sum::default(),
            low: Sum::default(),
        }
    }

    /// How it watches.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it takes for usual.
    pub const fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// The sums of what was above and below, in deviations.
    pub const fn sums(&self) -> (f64, f64) {
        (self.high.value, self.low.value)
    }

    /// Learns from the next value; the shift that it makes certain. What is no number is left out,
    /// and what lies beyond ±[`LARGEST`] counts as that.
    pub fn update(&mut self, value: f64) -> Option<Shift> {
        if value.is_nan() {
            return None;
        }
        let value = value.clamp(-LARGEST, LARGEST);
        if self.baseline.samples() < u64::from(self.settings.warm_up) {
            self.baseline.learn(value, 0.0);
            return None;
        }
        let mean = self.baseline.mean();
        let deviation = self.baseline.deviation().max(self.settings.deviation_min);
        let off = (value - mean) / deviation;
        self.high.add(off - self.settings.k);
        self.low.add(-off - self.settings.k);
        let pull = off.clamp(-PULL_MAX, PULL_MAX) * deviation;
        let learned = (mean + pull).clamp(-LARGEST, LARGEST);
        self.baseline.drift(learned, self.settings.drift);
        self.take_shift(mean, deviation)
    }

    fn take_shift(&mut self, mean: f64, deviation: f64) -> Option<Shift> {
        let (direction, sign, sum) = if self.high.value > self.settings.h {
            (Direction::Above, 1.0, self.high)
        } else if self.low.value > self.settings.h {
            (Direction::Below, -1.0, self.low)
        } else {
            return None;
        };
        (self.high, self.low) = (Sum::default(), Sum::default());
        let each = self.settings.k + sum.value / sum.samples as f64;
        Some(Shift {
            direction,
            sum: sum.value,
            samples: sum.samples,
            mean,
            shifted_to: mean + sign * deviation * each,
        })
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        state::encode(VERSION, self)
    }

    /// From the bytes of [`Cusum::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let read: Self = state::decode(VERSION, bytes)?;
        read.settings.check()?;
        read.baseline.check()?;
        let sums = 0.0..=read.settings.h;
        require(sums.contains(&read.high.value), "sum above")?;
        require(sums.contains(&read.low.value), "sum below")?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
