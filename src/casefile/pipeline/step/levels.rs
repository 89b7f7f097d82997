//! Black and white points set by hand: a straight line between them, in whole numbers, rounded.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError};
use crate::casefile::pipeline::image::Image;
use crate::casefile::pipeline::sample::whole;

/// What becomes what; the same for all channels. By default nothing changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// This value and all below become `output_black`.
    #[serde(default)]
    pub black: u8,
    /// This value and all above become `output_white`.
    #[serde(default = "white")]
    pub white: u8,
    /// 0 by default.
    #[serde(default)]
    pub output_black: u8,
    /// 255 by default; below `output_black` it inverts.
    #[serde(default = "white")]
    pub output_white: u8,
}

const fn white() -> u8 {
    u8::MAX
}

impl Operation for Levels {
    fn settle(&mut self) -> Result<(), ParameterError> {
        if self.black >= self.white {
            return Err(ParameterError::Conflict("`black` must be below `white`"));
        }
        Ok(())
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let outputs = (self.output_black, self.output_white);
        Ok(image
            .looked_up(&line((self.black, self.white), outputs))
            .into())
    }
}

/// The table of a straight line from `from.0` and `to.0` to `from.1` and `to.1`, flat outside.
pub(super) fn line(from: (u8, u8), to: (u8, u8)) -> [u8; 256] {
    let [from_low, from_high, to_low, to_high] = [from.0, from.1, to.0, to.1].map(i64::from);
    let length = from_high - from_low;
    std::array::from_fn(|value| {
        let above = (value as i64 - from_low).clamp(0, length);
        whole(to_low * length + above * (to_high - to_low), length)
    })
}
