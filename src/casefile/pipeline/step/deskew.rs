//! The picture turned until its lines are level, on a canvas of the same size.
//!
//! The angle is the one at which the vertical differences of luma add up best along slanted lines:
//! sum over lines of (sum of differences)² / length, the projection profile of Baird (1987) on
//! gradients, so that borders count for nothing; lines are one row thick and begin at each quarter of
//! a row, so that rounding favours no angle. It is looked for in steps of ½° and then of 0.1°;
//! of equally good angles the smallest wins. What it found is a finding, `skew_degrees`.

use serde::{Deserialize, Serialize};

use super::rotate::Turn;
use super::{Applied, Finding, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;
use crate::casefile::pipeline::math::{round, sin_cos_degrees};
use crate::casefile::pipeline::sample::Filter;

/// How far it may be off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deskew {
    /// The largest angle that is looked for, to both sides; 0 to 45.
    #[serde(default = "default_max_degrees")]
    pub max_degrees: f64,
    /// How values between pixels are made.
    #[serde(default)]
    pub filter: Filter,
}

const fn default_max_degrees() -> f64 {
    15.0
}

/// Pixels that are looked at per angle: a larger picture has lines enough in a part of its columns.
const SAMPLES_MAX: usize = 250_000;
/// Tenths of a degree between the angles of the first look.
const COARSE_TENTHS: i32 = 5;
/// Lines that begin within one row.
const QUARTERS: i64 = 4;

impl Operation for Deskew {
    fn settle(&mut self) -> Result<(), ParameterError> {
        self.max_degrees += 0.0;
        within("max_degrees", self.max_degrees, 0.0..=45.0)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let skew = skew_tenths(&image.to_gray(), (self.max_degrees * 10.0) as i32);
        let degrees = f64::from(skew) / 10.0;
        let size = (image.width(), image.height());
        Ok(Applied {
            image: Turn::new(-degrees).apply(image, size, self.filter, None)?,
            findings: vec![Finding {
                name: "skew_degrees",
                value: degrees,
            }],
        })
    }
}

/// How far the lines are turned clockwise, in tenths of a degree.
fn skew_tenths(gray: &Image, most: i32) -> i32 {
    let lines = Lines::new(gray);
    let coarse = lines.best(
        (0..=most / COARSE_TENTHS).map(|step| step * COARSE_TENTHS),
        0,
    );
    let fine = lines.best(0..COARSE_TENTHS, coarse);
    fine.clamp(-most, most)
}

/// Vertical differences of some of the columns.
struct Lines<'i> {
    gray: &'i Image,
    column_step: usize,
}

impl<'i> Lines<'i> {
    fn new(gray: &'i Image) -> Self {
        Self {
            gray,
            column_step: gray.pixels().len().div_ceil(SAMPLES_MAX),
        }
    }

    /// The best of `around` ± each of `offsets`, which grow.
    fn best(&self, offsets: impl Iterator<Item = i32>, around: i32) -> i32 {
        let mut best = (around, f64::NEG_INFINITY);
        for offset in offsets {
            for tenths in [around + offset, around - offset] {
                let score = self.score(tenths);
                if score > best.1 {
                    best = (tenths, score);
                }
            }
        }
        best.0
    }

    fn score(&self, tenths: i32) -> f64 {
        let (sin, cos) = sin_cos_degrees(f64::from(tenths) / 10.0);
        let slope = sin / cos;
        let width = self.gray.width() as usize;
        let fall = |x: usize| round(slope * QUARTERS as f64 * (x as f64 - width as f64 / 2.0));
        let reach = fall(0).abs().max(fall(width).abs()) + QUARTERS;
        let length = i64::from(self.gray.height()) * QUARTERS + 2 * reach;
        let mut sums = vec![(0_i64, 0_i64); length as usize];
        let shifts: Vec<_> = (0..width)
            .step_by(self.column_step)
            .map(|x| (x, reach - fall(x)))
            .collect();
        for y in 1..self.gray.height() {
            let (above, row) = (self.gray.row(y - 1), self.gray.row(y));
            for &(x, shift) in &shifts {
                let line = &mut sums[(i64::from(y) * QUARTERS + shift) as usize];
                line.0 += i64::from(row[x]) - i64::from(above[x]);
                line.1 += 1;
            }
        }
        sums.windows(QUARTERS as usize)
            .map(|line| {
                line.iter()
                    .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
            })
            .filter(|(_, length)| *length > 0)
            .map(|(sum, length)| (sum * sum) as f64 / length as f64)
            .sum()
    }
}
