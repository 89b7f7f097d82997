//! The picture turned clockwise around its centre; the canvas grows to hold it.
//!
//! Each pixel of the output looks up where it came from. Sine and cosine are ours
//! (`math::sin_cos_degrees`), exact at multiples of 90, where pixels are only moved.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;
use crate::casefile::pipeline::math::sin_cos_degrees;
use crate::casefile::pipeline::sample::Filter;

/// How far to turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Clockwise, −360 to 360.
    pub degrees: f64,
    /// How values between pixels are made.
    #[serde(default)]
    pub filter: Filter,
    /// The value of what was outside of the picture, in all channels.
    #[serde(default)]
    pub fill: u8,
}

impl Operation for Rotate {
    fn settle(&mut self) -> Result<(), ParameterError> {
        // −0 and 0 are the same angle and should be the same text.
        self.degrees += 0.0;
        within("degrees", self.degrees, -360.0..=360.0)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let turn = Turn::new(self.degrees);
        // By quarters each centre falls on a centre, where all filters give the pixel itself.
        let filter = if self.degrees % 90.0 == 0.0 {
            Filter::Nearest
        } else {
            self.filter
        };
        let (width, height) = turn.canvas(image);
        Ok(turn
            .apply(image, (width, height), filter, Some(self.fill))?
            .into())
    }
}

/// A rotation around the centre.
pub(super) struct Turn {
    sin: f64,
    cos: f64,
}

impl Turn {
    pub(super) fn new(degrees: f64) -> Self {
        let (sin, cos) = sin_cos_degrees(degrees);
        Self { sin, cos }
    }

    /// The size that holds the turned picture; at most the picture's diagonal on each side.
    fn canvas(&self, image: &Image) -> (u32, u32) {
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        let (sin, cos) = (self.sin.abs(), self.cos.abs());
        // A sliver below a thousandth of a pixel is rounding, not picture.
        let side = |length: f64| (length - 0.001).ceil() as u32;
        (
            side(width * cos + height * sin),
            side(width * sin + height * cos),
        )
    }

    /// Turned, on a canvas of this size; what was outside is `fill`, or the nearest pixel.
    pub(super) fn apply(
        &self,
        image: &Image,
        (width, height): (u32, u32),
        filter: Filter,
        fill: Option<u8>,
    ) -> Result<Image, StepError> {
        let channels = image.channels().count();
        let (from_width, from_height) = (f64::from(image.width()), f64::from(image.height()));
        let (centre_x, centre_y) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
        let turned = Image::by_rows(width, height, image.channels(), |row_y, row| {
            let y = f64::from(row_y) + 0.5 - centre_y;
            for (column, out) in (0..width).zip(row.chunks_exact_mut(channels)) {
                let x = f64::from(column) + 0.5 - centre_x;
                let from_x = from_width / 2.0 + (x * self.cos + y * self.sin);
                let from_y = from_height / 2.0 + (y * self.cos - x * self.sin);
                let inside =
                    (0.0..=from_width).contains(&from_x) && (0.0..=from_height).contains(&from_y);
                match fill {
                    Some(fill) if !inside => out.fill(fill),
                    _ => filter.sample(image, from_x, from_y, out),
                }
            }
        });
        Ok(turned?)
    }
}
