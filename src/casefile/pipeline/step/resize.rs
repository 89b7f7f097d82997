//! Larger or smaller, by convolution along rows and then along columns.
//!
//! The filter is stretched when shrinking, so that every pixel counts. Weights are made in `f64` by
//! exact operations, then whole numbers of 1/65536 that sum to one; sums are integers with six bits
//! below the pixel's unit between the passes. A factor above 4 shows nothing that was not there.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::{Image, SIDE_MAX, check_size};
use crate::casefile::pipeline::math::round;
use crate::casefile::pipeline::sample::{Filter, whole};

/// The size to come to: a factor, or one or two sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// For both sides, 1/64 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Columns; as the rows go when only they are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Rows; as the columns go when only they are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How values between pixels are made.
    #[serde(default = "bicubic")]
    pub filter: Filter,
}

const fn bicubic() -> Filter {
    Filter::Bicubic
}

const FACTOR_MIN: f64 = 1.0 / 64.0;
const FACTOR_MAX: f64 = 4.0;
/// Weights are in 1/65536.
const ONE: i64 = 1 << 16;
/// Units per pixel value between the two passes: with what bicubic weights shoot over, within 16 bits.
const BETWEEN: i64 = 64;

impl Resize {
    fn target(&self, image: &Image) -> Result<(u32, u32), StepError> {
        let (width, height) = (u64::from(image.width()), u64::from(image.height()));
        let scaled = |side: u64, by: f64| round(side as f64 * by).max(1) as u64;
        // The other side in the same proportion, rounded.
        let along = |side: u64, to: u64, of: u64| ((2 * side * to + of) / (2 * of)).max(1);
        let (to_width, to_height) = match (self.factor, self.width, self.height) {
            (Some(factor), _, _) => (scaled(width, factor), scaled(height, factor)),
            (_, Some(to), None) => (u64::from(to), along(height, u64::from(to), width)),
            (_, None, Some(to)) => (along(width, u64::from(to), height), u64::from(to)),
            (_, to_width, to_height) => (
                to_width.map_or(width, u64::from),
                to_height.map_or(height, u64::from),
            ),
        };
        let fits = |side: u64, to: u64| to <= 4 * side && (to == 1 || side <= 64 * to);
        if !fits(width, to_width) || !fits(height, to_height) {
            return Err(StepError::Factor {
                width: image.width(),
                height: image.height(),
                to_width,
                to_height,
            });
        }
        Ok((to_width as u32, to_height as u32))
    }
}

impl Operation for Resize {
    fn settle(&mut self) -> Result<(), ParameterError> {
        match (self.factor, self.width, self.height) {
            (Some(factor), None, None) => within("factor", factor, FACTOR_MIN..=FACTOR_MAX),
            (None, None, None) => Err(ParameterError::Conflict(
                "give `factor`, or `width` and `height` or one of them",
            )),
            (None, width, height) => {
                within("width", width.unwrap_or(1), 1..=SIDE_MAX)?;
                within("height", height.unwrap_or(1), 1..=SIDE_MAX)
            }
            _ => Err(ParameterError::Conflict(
                "`factor` and `width` or `height` exclude each other",
            )),
        }
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let (width, height) = self.target(image)?;
        check_size(width, height)?;
        check_size(width, image.height())?;
        if self.filter == Filter::Nearest {
            return Ok(nearest(image, width, height)?.into());
        }
        let across = weights(self.filter, image.width(), width);
        let down = weights(self.filter, image.height(), height);
        let channels = image.channels().count();
        let stride = width as usize * channels;
        let mut between = vec![0_i16; stride * image.height() as usize];
        for (row, out) in image.rows().zip(between.chunks_exact_mut(stride)) {
            shrink_row(row, &across, channels, out);
        }
        let resized = Image::by_rows(width, height, image.channels(), |y, row| {
            let (first, weights) = &down[y as usize];
            let rows = &between[first * stride..];
            for (at, out) in row.iter_mut().enumerate() {
                let values = rows[at..].iter().step_by(stride);
                let sum = weights
                    .iter()
                    .zip(values)
                    .map(|(w, &value)| w * i64::from(value));
                *out = whole(sum.sum(), ONE * BETWEEN);
            }
        });
        Ok(resized?.into())
    }
}

fn shrink_row(row: &[u8], across: &[(usize, Vec<i64>)], channels: usize, out: &mut [i16]) {
    for ((first, weights), out) in across.iter().zip(out.chunks_exact_mut(channels)) {
        for (channel, out) in out.iter_mut().enumerate() {
            let values = row[first * channels + channel..].iter().step_by(channels);
            let sum = weights
                .iter()
                .zip(values)
                .map(|(w, &value)| w * i64::from(value));
            let unit = ONE / BETWEEN;
            *out = ((sum.sum::<i64>() + unit / 2).div_euclid(unit)) as i16;
        }
    }
}

/// For each pixel of a row that comes out: the first that goes in, and the weights from there on.
fn weights(filter: Filter, from: u32, to: u32) -> Vec<(usize, Vec<i64>)> {
    let scale = f64::from(from) / f64::from(to);
    let stretch = scale.max(1.0);
    let reach = filter.reach() * stretch;
    let weights_of = |at: u32| {
        let centre = (f64::from(at) + 0.5) * scale;
        let first = (centre - reach + 0.5).floor().max(0.0) as u32;
        let end = ((centre + reach + 0.5).floor() as u32).min(from);
        let exact: Vec<f64> = (first..end)
            .map(|x| filter.weight((f64::from(x) + 0.5 - centre) / stretch))
            .collect();
        let total: f64 = exact.iter().sum();
        let mut whole: Vec<i64> = exact
            .iter()
            .map(|weight| round(weight / total * ONE as f64))
            .collect();
        // What rounding took or gave goes to the heaviest.
        let missing = ONE - whole.iter().sum::<i64>();
        if let Some(heaviest) = whole.iter_mut().max() {
            *heaviest += missing;
        }
        (first as usize, whole)
    };
    (0..to).map(weights_of).collect()
}

/// The pixel whose square holds the centre, in whole numbers.
fn nearest(image: &Image, width: u32, height: u32) -> Result<Image, StepError> {
    let from = |at: u32, from: u32, to: u32| {
        ((2 * u64::from(at) + 1) * u64::from(from) / (2 * u64::from(to))) as u32
    };
    let channels = image.channels().count();
    let resized = Image::by_rows(width, height, image.channels(), |y, row| {
        let source = image.row(from(y, image.height(), height));
        for (x, out) in (0..width).zip(row.chunks_exact_mut(channels)) {
            let at = from(x, image.width(), width) as usize * channels;
            out.copy_from_slice(&source[at..][..channels]);
        }
    });
    Ok(resized?)
}
