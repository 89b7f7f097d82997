//! Noise smoothed away, by the median or the bilateral filter, in whole numbers.
//!
//! The median takes the middle value of a square window in each channel; a histogram slides along
//! the row (Huang, 1979). The bilateral filter (Tomasi and Manduchi, 1998) is a mean weighted by
//! distance and by likeness: two tables of Gaussian weights in 1/1024, the likeness taken from the
//! mean difference over the channels. Beyond the border stands the nearest pixel.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;
use crate::casefile::pipeline::math::{exp, round};

/// Which filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Smoothing {
    /// Against specks; keeps edges, rounds corners.
    #[default]
    Median,
    /// Against grain; keeps edges.
    Bilateral,
}

/// How much is smoothed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denoise {
    /// The filter.
    #[serde(default)]
    pub method: Smoothing,
    /// Of the window: 2 radius + 1 pixels on a side; 1 to 5.
    #[serde(default = "default_radius")]
    pub radius: u32,
    /// Bilateral alone: the deviation in pixels of the weight by distance, 0.1 to 20; 2 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_distance: Option<f64>,
    /// Bilateral alone: the deviation in values of the weight by likeness, 0.1 to 255; 25 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_value: Option<f64>,
}

const fn default_radius() -> u32 {
    1
}

const SIGMA_DISTANCE: f64 = 2.0;
const SIGMA_VALUE: f64 = 25.0;
/// The weight of what is here and alike.
const WEIGHT_MAX: f64 = 1024.0;

impl Operation for Denoise {
    fn settle(&mut self) -> Result<(), ParameterError> {
        within("radius", self.radius, 1..=5)?;
        match self.method {
            Smoothing::Median if self.sigma_distance.or(self.sigma_value).is_some() => {
                Err(ParameterError::Conflict(
                    "`sigma_distance` and `sigma_value` belong to `method: bilateral`",
                ))
            }
            Smoothing::Median => Ok(()),
            Smoothing::Bilateral => {
                let distance = *self.sigma_distance.get_or_insert(SIGMA_DISTANCE);
                let value = *self.sigma_value.get_or_insert(SIGMA_VALUE);
                within("sigma_distance", distance, 0.1..=20.0)?;
                within("sigma_value", value, 0.1..=255.0)
            }
        }
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        Ok(match self.method {
            Smoothing::Median => median(image, i64::from(self.radius)).into(),
            Smoothing::Bilateral => bilateral(
                image,
                i64::from(self.radius),
                self.sigma_distance.unwrap_or(SIGMA_DISTANCE),
                self.sigma_value.unwrap_or(SIGMA_VALUE),
            )
            .into(),
        })
    }
}

/// The values in the window, and how many of them are below the middle one.
struct Window {
    counts: [u32; 256],
    middle: usize,
    below: u32,
}

impl Window {
    fn add(&mut self, value: u8) {
        self.counts[usize::from(value)] += 1;
        self.below += u32::from(usize::from(value) < self.middle);
    }

    fn remove(&mut self, value: u8) {
        self.counts[usize::from(value)] -= 1;
        self.below -= u32::from(usize::from(value) < self.middle);
    }

    /// The value with at most `half` values below and more than `half` up to it.
    fn median(&mut self, half: u32) -> u8 {
        while self.below > half {
            self.middle -= 1;
            self.below -= self.counts[self.middle];
        }
        while self.below + self.counts[self.middle] <= half {
            self.below += self.counts[self.middle];
            self.middle += 1;
        }
        self.middle as u8
    }
}

fn median(image: &Image, radius: i64) -> Image {
    let channels = image.channels().count();
    let right = i64::from(image.width()) - 1;
    let half = ((2 * radius + 1) * (2 * radius + 1) / 2) as u32;
    image.like(|y, out| {
        let y = i64::from(y);
        let rows: Vec<_> = (y - radius..=y + radius)
            .map(|y| image.nearest_row(y))
            .collect();
        for channel in 0..channels {
            let at = |x: i64| x.clamp(0, right) as usize * channels + channel;
            let mut window = Window {
                counts: [0; 256],
                middle: 0,
                below: 0,
            };
            for x in -radius..=radius {
                for row in &rows {
                    window.add(row[at(x)]);
                }
            }
            for x in 0..=right {
                out[at(x)] = window.median(half);
                for row in &rows {
                    window.remove(row[at(x - radius)]);
                    window.add(row[at(x + radius + 1)]);
                }
            }
        }
    })
}

fn bilateral(image: &Image, radius: i64, sigma_distance: f64, sigma_value: f64) -> Image {
    let gauss =
        |square: f64, sigma: f64| round(WEIGHT_MAX * exp(-square / (2.0 * sigma * sigma))) as u64;
    let channels = image.channels().count();
    // By the sum of the channels' differences.
    let by_value: Vec<u64> = (0..=255 * channels)
        .map(|sum| sum as f64 / channels as f64)
        .map(|off| gauss(off * off, sigma_value))
        .collect();
    let mut window = Vec::new();
    for dy in -radius..=radius {
        for dx in -radius..=radius {
            window.push((dx, dy, gauss((dx * dx + dy * dy) as f64, sigma_distance)));
        }
    }
    let right = i64::from(image.width()) - 1;
    image.like(|y, out| {
        for (x, out) in (0_i64..).zip(out.chunks_exact_mut(channels)) {
            let here = &image.row(y)[x as usize * channels..][..channels];
            let mut sums = [0_u64; 3];
            let mut total = 0;
            for &(dx, dy, by_distance) in &window {
                let row = image.nearest_row(i64::from(y) + dy);
                let there = &row[(x + dx).clamp(0, right) as usize * channels..][..channels];
                let off: usize = here
                    .iter()
                    .zip(there)
                    .map(|(one, other)| usize::from(one.abs_diff(*other)))
                    .sum();
                let weight = by_distance * by_value[off];
                total += weight;
                for (sum, &value) in sums.iter_mut().zip(there) {
                    *sum += weight * u64::from(value);
                }
            }
            // The pixel itself weighs 1024², so the total is never zero.
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = ((2 * sum + total) / (2 * total)) as u8;
            }
        }
    })
}
