//! Middle tones made lighter or darker: 255 (v/255)^(1/γ), from a table made by our own powers.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;
use crate::casefile::pipeline::math::{pow, round};

/// How much; the same for all channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gamma {
    /// γ, 0.1 to 10: above 1 lightens, below 1 darkens.
    pub gamma: f64,
}

impl Operation for Gamma {
    fn settle(&mut self) -> Result<(), ParameterError> {
        within("gamma", self.gamma, 0.1..=10.0)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let table = std::array::from_fn(|value| {
            round(255.0 * pow(value as f64 / 255.0, 1.0 / self.gamma)) as u8
        });
        Ok(image.looked_up(&table).into())
    }
}
