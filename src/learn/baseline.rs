//! Mean and deviation of a figure, learned as it goes: the plain ones of the first values, which count
//! less and less from then on.
//!
//! The n-th value has the weight max(1/n, `weight_min`). With 1/n it is Welford's method, with a fixed
//! weight the exponentially weighted one (Finch: Incremental calculation of weighted mean and variance,
//! 2009, 9): mean += w·d, variance = (1 − w)(variance + w·d²).

use serde::{Deserialize, Serialize};

use super::{ModelError, require, state};

const VERSION: u8 = 1;

/// Values lie within this, and so nothing overflows.
pub const LARGEST: f64 = 1e12;

/// What is usual of one figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    samples: u64,
    mean: f64,
    variance: f64,
}

impl Baseline {
    /// One that is known, as if from `samples` values.
    pub const fn known(samples: u64, mean: f64, deviation: f64) -> Self {
        Self {
            samples,
            mean,
            variance: deviation * deviation,
        }
    }

    /// Learns from a value within ±[`LARGEST`]. No value weighs less than `weight_min`.
    pub fn learn(&mut self, value: f64, weight_min: f64) {
        let weight = 1.0 / self.samples.saturating_add(1) as f64;
        self.drift(value, weight.max(weight_min));
    }

    /// Learns from a value that weighs `weight`, however many came before.
    pub fn drift(&mut self, value: f64, weight: f64) {
        self.samples = self.samples.saturating_add(1);
        let off = value - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }

    /// So many values were learned from.
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Their mean.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Their deviation (of the population).
    pub fn deviation(&self) -> f64 {
        self.variance.sqrt()
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        state::encode(VERSION, self)
    }

    /// From the bytes of [`Baseline::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let read: Self = state::decode(VERSION, bytes)?;
        read.check()?;
        Ok(read)
    }

    pub(super) fn check(&self) -> Result<(), ModelError> {
        require(self.mean.abs() <= LARGEST, "mean")?;
        // The square of the largest difference that there can be.
        let most = 4.0 * LARGEST * LARGEST;
        require((0.0..=most).contains(&self.variance), "variance")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_values_have_their_plain_mean_and_deviation() {
        let mut baseline = Baseline::default();
        for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            baseline.learn(value, 0.0);
        }
        assert_eq!(baseline.samples(), 8);
        assert!((baseline.mean() - 5.0).abs() < 1e-12);
        assert!((baseline.deviation() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let baseline = Baseline::known(3, 0.1, 0.7);
        assert_eq!(Baseline::decode(&baseline.encode()), Ok(baseline));
        let endless = Baseline::known(3, f64::INFINITY, 0.7);
        assert!(Baseline::decode(&endless.encode()).is_err());
    }

    #[test]
    fn old_values_fade() {
        let mut baseline = Baseline::known(1_000, 100.0, 1.0);
        for _ in 0..69 {
            baseline.learn(0.0, 0.01);
        }
        assert!((baseline.mean() - 50.0).abs() < 0.2, "{baseline:?}");
    }
}
