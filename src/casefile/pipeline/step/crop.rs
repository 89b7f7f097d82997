//! A rectangle of the picture, its pixels copied as they are.

use serde::{Deserialize, Serialize};

use super::{Applied, Area, Operation, ParameterError, StepError};
use crate::casefile::pipeline::image::Image;

/// The rectangle, in pixels of the picture that comes in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Columns left of it.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Crop {
    const fn area(&self) -> Area {
        Area {
            x: self.x,
            y: self.y,
            width: self.width,
            height: self.height,
        }
    }
}

impl Operation for Crop {
    fn settle(&mut self) -> Result<(), ParameterError> {
        self.area().check()
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        Ok(self.area().cut(image)?.into())
    }
}
