//! Black and white alone: what is above a threshold of luma becomes 255, the rest 0.
//!
//! Otsu's threshold (IEEE SMC 9(1), 1979) is one for the whole picture: the value that sets the two
//! groups' means furthest apart, (m₀ − m₁)² n₀ n₁; of equally good ones the lowest. It is a finding,
//! `threshold`. The adaptive one is the mean of a square window less an offset, from sums of whole
//! numbers; at the border the window is cut.

use serde::{Deserialize, Serialize};

use super::{Applied, Finding, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;

/// Where the threshold comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// From the whole picture.
    #[default]
    Otsu,
    /// From each pixel's surroundings.
    Adaptive,
}

/// What becomes white.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binarize {
    /// Where the threshold comes from.
    #[serde(default)]
    pub method: Threshold,
    /// Adaptive alone: of the window, 2 radius + 1 pixels on a side; 1 to 200, 15 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<u32>,
    /// Adaptive alone: the threshold lies so far below the mean, −100 to 100; 7 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i32>,
}

const RADIUS: u32 = 15;
const OFFSET: i32 = 7;

impl Operation for Binarize {
    fn settle(&mut self) -> Result<(), ParameterError> {
        match self.method {
            Threshold::Otsu if self.radius.is_some() || self.offset.is_some() => Err(
                ParameterError::Conflict("`radius` and `offset` belong to `method: adaptive`"),
            ),
            Threshold::Otsu => Ok(()),
            Threshold::Adaptive => {
                within("radius", *self.radius.get_or_insert(RADIUS), 1..=200)?;
                within("offset", *self.offset.get_or_insert(OFFSET), -100..=100)
            }
        }
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let gray = image.to_gray();
        if self.method == Threshold::Adaptive {
            let radius = self.radius.unwrap_or(RADIUS);
            return Ok(adaptive(&gray, radius, self.offset.unwrap_or(OFFSET)).into());
        }
        let threshold = otsu(&gray.histogram());
        let table = std::array::from_fn(|value| black_or_white(value > usize::from(threshold)));
        Ok(Applied {
            image: gray.looked_up(&table),
            findings: vec![Finding {
                name: "threshold",
                value: f64::from(threshold),
            }],
        })
    }
}

const fn black_or_white(is_white: bool) -> u8 {
    if is_white { u8::MAX } else { 0 }
}

fn otsu(histogram: &[u64; 256]) -> u8 {
    let sum_of = |from: usize| -> u64 {
        (from..)
            .zip(&histogram[from..])
            .map(|(value, count)| value as u64 * count)
            .sum()
    };
    let total: u64 = histogram.iter().sum();
    let total_sum = sum_of(0);
    let (mut count, mut sum) = (0_u64, 0_u64);
    let mut best = (0, f64::NEG_INFINITY);
    for (value, &here) in (0..=u8::MAX).zip(histogram) {
        count += here;
        sum += u64::from(value) * here;
        let rest = total - count;
        if count == 0 || rest == 0 {
            continue;
        }
        let apart = sum as f64 / count as f64 - (total_sum - sum) as f64 / rest as f64;
        let between = apart * apart * count as f64 * rest as f64;
        if between > best.1 {
            best = (value, between);
        }
    }
    best.0
}

/// Sums of the values above and left of each corner, with a first row and column of zeros. They wrap:
/// what lies between four corners is below 2³² and comes out right.
fn corner_sums(gray: &Image) -> Vec<u32> {
    let stride = gray.width() as usize + 1;
    let mut sums = vec![0_u32; stride * (gray.height() as usize + 1)];
    for (y, row) in gray.rows().enumerate() {
        let mut line = 0_u32;
        for (x, &value) in row.iter().enumerate() {
            line = line.wrapping_add(u32::from(value));
            sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1].wrapping_add(line);
        }
    }
    sums
}

fn adaptive(gray: &Image, radius: u32, offset: i32) -> Image {
    let sums = corner_sums(gray);
    let (width, height) = (gray.width(), gray.height());
    let stride = width as usize + 1;
    gray.gray_like(|y, out| {
        let (top, bottom) = (y.saturating_sub(radius), (y + radius + 1).min(height));
        for ((x, out), &value) in (0..).zip(out).zip(gray.row(y)) {
            let (left, right) = (u32::saturating_sub(x, radius), (x + radius + 1).min(width));
            let corner = |y: u32, x: u32| sums[y as usize * stride + x as usize];
            let inside = corner(bottom, right)
                .wrapping_add(corner(top, left))
                .wrapping_sub(corner(top, right))
                .wrapping_sub(corner(bottom, left));
            let count = i64::from(bottom - top) * i64::from(right - left);
            let limit = i64::from(inside) - i64::from(offset) * count;
            *out = black_or_white(i64::from(value) * count > limit);
        }
    })
}
