//! A figure without a known range, brought into [0, 1].

use serde::{Deserialize, Serialize};

use super::{ModelError, require, state};

const VERSION: u8 = 1;

/// The largest value of late stands at one half: what is larger still can be told apart, up to twice
/// as large.
const HEADROOM: f64 = 2.0;

/// Scales a figure by its largest value, which is forgotten by and by.
///
/// A value counts as at most twice the largest so far. So a single spike does not squeeze all that
/// follows into a corner, and a new order of size is learned within a few values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningMax {
    /// What is left of the largest value after one more.
    decay: f64,
    largest: Option<f64>,
}

impl RunningMax {
    /// One whose largest value has halved after `half_life` values, at least 1.
    pub fn new(half_life: u32) -> Self {
        Self {
            decay: (-1.0 / f64::from(half_life.max(1))).exp2(),
            largest: None,
        }
    }

    /// Learns from a value and scales it: value / (2 · largest before), within [0, 1]. What is not above
    /// zero is 0, as is what is no number.
    pub fn scale(&mut self, value: f64) -> f64 {
        // Not below the smallest of normal size, where a decay would lose digits.
        let value = if value >= f64::MIN_POSITIVE {
            value.min(f64::MAX / HEADROOM)
        } else {
            0.0
        };
        let before = match self.largest {
            Some(largest) => largest,
            None if value > 0.0 => value,
            None => return 0.0,
        };
        let scaled = (value / HEADROOM / before).min(1.0);
        let most = (before * HEADROOM).min(f64::MAX / HEADROOM);
        let faded = (before * self.decay).max(f64::MIN_POSITIVE);
        self.largest = Some(value.min(most).max(faded));
        scaled
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        state::encode(VERSION, self)
    }

    /// From the bytes of [`RunningMax::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let read: Self = state::decode(VERSION, bytes)?;
        require((0.5..1.0).contains(&read.decay), "decay")?;
        let range = f64::MIN_POSITIVE..=f64::MAX / HEADROOM;
        let is_sane = read.largest.is_none_or(|largest| range.contains(&largest));
        require(is_sane, "largest value")?;
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "powers of two")]
    fn the_largest_stands_at_one_half_and_is_forgotten() {
        let mut scale = RunningMax::new(1);
        assert_eq!(scale.scale(0.0), 0.0);
        assert_eq!(scale.scale(8.0), 0.5);
        assert_eq!(scale.scale(4.0), 0.25);
        assert_eq!(scale.scale(4.0), 0.5, "the 8 has become a 4");
        assert_eq!(scale.scale(1_000.0), 1.0);
        assert_eq!(scale.scale(8.0), 0.5, "the spike counted as 8");
    }

    proptest! {
        #[test]
        fn whatever_comes_lies_between_0_and_1_and_a_stop_changes_nothing(
            values in proptest::collection::vec(any::<f64>(), 0..60),
            half_life in any::<u32>(),
        ) {
            let mut whole = RunningMax::new(half_life);
            let mut stopped = whole;
            for value in values {
                let scaled = whole.scale(value);
                prop_assert!((0.0..=1.0).contains(&scaled));
                prop_assert_eq!(scaled.to_bits(), stopped.scale(value).to_bits());
                stopped = RunningMax::decode(&stopped.encode()).unwrap();
            }
        }
    }
}
