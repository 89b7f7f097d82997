//! Black and white points found in the picture: so many per cent of the pixels are left to black
//! and white, and what is between is stretched in a straight line.
//!
//! The points are those of luma and serve all channels, so that colours keep their hue. They are
//! findings, `black` and `white`. A picture of one tone stays as it is.

use serde::{Deserialize, Serialize};

use super::levels::line;
use super::{Applied, Finding, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;

/// How many pixels may become black or white.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// Of the darkest pixels, 0 to 49.
    #[serde(default = "one_percent")]
    pub low_percent: f64,
    /// Of the lightest, 0 to 49.
    #[serde(default = "one_percent")]
    pub high_percent: f64,
}

const fn one_percent() -> f64 {
    1.0
}

impl Operation for Stretch {
    fn settle(&mut self) -> Result<(), ParameterError> {
        self.low_percent += 0.0;
        self.high_percent += 0.0;
        within("low_percent", self.low_percent, 0.0..=49.0)?;
        within("high_percent", self.high_percent, 0.0..=49.0)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let histogram = image.histogram();
        let total: u64 = histogram.iter().sum();
        let part = |percent: f64| (total as f64 * percent / 100.0) as u64;
        let black = first_beyond(0..=255, &histogram, part(self.low_percent));
        let white = first_beyond((0..=255).rev(), &histogram, part(self.high_percent));
        let image = if black < white {
            image.looked_up(&line((black, white), (0, u8::MAX)))
        } else {
            image.clone()
        };
        let finding = |name, value| Finding {
            name,
            value: f64::from(value),
        };
        Ok(Applied {
            image,
            findings: vec![finding("black", black), finding("white", white)],
        })
    }
}

/// The first value at which more than `skipped` pixels were passed.
fn first_beyond(values: impl Iterator<Item = u8>, histogram: &[u64; 256], skipped: u64) -> u8 {
    let mut passed = 0;
    let mut last = 0;
    for value in values {
        passed += histogram[usize::from(value)];
        last = value;
        if passed > skipped {
            break;
        }
    }
    last
}
