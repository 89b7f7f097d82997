//! Edges made steeper by unsharp masking: v + amount · (v − blurred v), in each channel.
//!
//! The blur is a Gaussian along rows and then along columns, its weights whole numbers of 1/65536
//! that sum to one, with six bits below the pixel's unit between. Beyond the border stands the
//! nearest pixel.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;
use crate::casefile::pipeline::math::{exp, round};
use crate::casefile::pipeline::sample::whole;

/// How steep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharpen {
    /// The blur's deviation in pixels, 0.3 to 5.
    #[serde(default = "one")]
    pub sigma: f64,
    /// How much of the difference is added, 0 to 5, in steps of 1/1000.
    #[serde(default = "one")]
    pub amount: f64,
    /// Differences below so many values are left alone, so that noise is not sharpened.
    #[serde(default)]
    pub threshold: u8,
}

const fn one() -> f64 {
    1.0
}

/// Weights are in 1/65536.
const ONE: i64 = 1 << 16;
/// Units per pixel value in the blurred picture.
const FINE: i64 = 64;
/// The amount is in thousandths.
const AMOUNT: i64 = 1000;

impl Operation for Sharpen {
    fn settle(&mut self) -> Result<(), ParameterError> {
        self.amount += 0.0;
        within("sigma", self.sigma, 0.3..=5.0)?;
        within("amount", self.amount, 0.0..=5.0)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        let blurred = blur(image, self.sigma);
        let amount = round(self.amount * AMOUNT as f64);
        let least = i64::from(self.threshold) * FINE;
        let stride = image.stride();
        let sharp = image.like(|y, row| {
            let soft = &blurred[y as usize * stride..];
            for ((out, &value), &soft) in row.iter_mut().zip(image.row(y)).zip(soft) {
                let fine = i64::from(value) * FINE;
                let off = fine - i64::from(soft);
                *out = if off.abs() < least {
                    value
                } else {
                    whole(fine * AMOUNT + amount * off, FINE * AMOUNT)
                };
            }
        });
        Ok(sharp.into())
    }
}

/// One half of a Gaussian, from its centre to three deviations; all of it sums to [`ONE`].
fn kernel(sigma: f64) -> Vec<i64> {
    let reach = (3.0 * sigma).ceil() as i64;
    let exact: Vec<f64> = (0..=reach)
        .map(|x| exp(-((x * x) as f64) / (2.0 * sigma * sigma)))
        .collect();
    let total = exact[0] + 2.0 * exact[1..].iter().sum::<f64>();
    let mut half: Vec<i64> = exact
        .iter()
        .map(|w| round(w / total * ONE as f64))
        .collect();
    half[0] = ONE - 2 * half[1..].iter().sum::<i64>();
    half
}

/// The blurred picture in 1/64 of a value.
fn blur(image: &Image, sigma: f64) -> Vec<i32> {
    let kernel = kernel(sigma);
    let channels = image.channels().count();
    let stride = image.stride();
    let right = i64::from(image.width()) - 1;
    let mut across = vec![0_i32; image.pixels().len()];
    for (row, out) in image.rows().zip(across.chunks_exact_mut(stride)) {
        for x in 0..=right {
            for channel in 0..channels {
                let value =
                    |x: i64| i64::from(row[x.clamp(0, right) as usize * channels + channel]);
                let sum = folded(&kernel, x, value);
                let unit = ONE / FINE;
                out[x as usize * channels + channel] = ((sum + unit / 2) / unit) as i32;
            }
        }
    }
    let bottom = i64::from(image.height()) - 1;
    let mut down = vec![0_i32; across.len()];
    for (y, out) in (0..).zip(down.chunks_exact_mut(stride)) {
        for (at, out) in out.iter_mut().enumerate() {
            let value = |y: i64| i64::from(across[y.clamp(0, bottom) as usize * stride + at]);
            *out = ((folded(&kernel, y, value) + ONE / 2) / ONE) as i32;
        }
    }
    down
}

/// The symmetric kernel over the values around `at`.
fn folded(kernel: &[i64], at: i64, value: impl Fn(i64) -> i64) -> i64 {
    let sides: i64 = (1..)
        .zip(&kernel[1..])
        .map(|(off, weight)| weight * (value(at - off) + value(at + off)))
        .sum();
    kernel[0] * value(at) + sides
}
