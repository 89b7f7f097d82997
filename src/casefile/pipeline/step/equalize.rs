//! All tones made about equally frequent: 255 (C(v) − C₀) / (N − C₀), rounded, where C counts the
//! pixels up to a value, C₀ those of the darkest one and N all (Gonzalez and Woods, 3.3.1).
//!
//! The table is made from luma and serves all channels. A picture of one tone stays as it is.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError};
use crate::casefile::pipeline::image::Image;

/// Has no parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equalize {}

impl Operation for Equalize {
    fn settle(&mut self) -> Result<(), ParameterError> {
        Ok(())
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let histogram = image.histogram();
        let total: u64 = histogram.iter().sum();
        let darkest = histogram
            .iter()
            .copied()
            .find(|&count| count > 0)
            .unwrap_or(0);
        let spread = total - darkest;
        if spread == 0 {
            return Ok(image.clone().into());
        }
        let mut up_to = 0;
        let table = histogram.map(|count| {
            up_to += count;
            let above: u64 = up_to.saturating_sub(darkest);
            ((2 * 255 * above + spread) / (2 * spread)) as u8
        });
        Ok(image.looked_up(&table).into())
    }
}
