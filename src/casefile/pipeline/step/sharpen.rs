//! Edges made steeper by unsharp masking: v + amount · (v − blurred v), in each channel.
//!
//! The blur is a Gaussian along rows and then along columns, its weights whole numbers of 1/65536
//! that sum to one, with six bits below the pixel's unit between. Beyond the border stands the
//! nearest pixel.

use std::collections::VecDeque;

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
        let amount = round(self.amount * AMOUNT as f64);
        let least = i64::from(self.threshold) * FINE;
        let mut blur = Blur::new(image, self.sigma);
        let sharp = image.like(|y, row| {
            let soft = blur.next_row();
            for ((out, &value), soft) in row.iter_mut().zip(image.row(y)).zip(soft) {
                let fine = i64::from(value) * FINE;
                let off = fine - soft;
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

/// The blurred picture, row by row, in 1/64 of a value. Only the rows that one row is made of are kept.
struct Blur<'i> {
    image: &'i Image,
    kernel: Vec<i64>,
    /// Blurred along themselves: the row itself in the middle.
    rows: VecDeque<Vec<i16>>,
    y: i64,
}

impl<'i> Blur<'i> {
    fn new(image: &'i Image, sigma: f64) -> Self {
        let mut blur = Self {
            image,
            kernel: kernel(sigma),
            rows: VecDeque::new(),
            y: 0,
        };
        let reach = blur.reach();
        blur.rows = (-reach..=reach).map(|y| blur.across(y)).collect();
        blur
    }

    const fn reach(&self) -> i64 {
        self.kernel.len() as i64 - 1
    }

    fn across(&self, y: i64) -> Vec<i16> {
        let row = self.image.nearest_row(y);
        let channels = self.image.channels().count();
        let right = i64::from(self.image.width()) - 1;
        let mut out = Vec::with_capacity(row.len());
        for x in 0..=right {
            for channel in 0..channels {
                let at = |x: i64| x.clamp(0, right) as usize * channels + channel;
                let sum = folded(&self.kernel, x, |x| i64::from(row[at(x)]));
                let unit = ONE / FINE;
                out.push(((sum + unit / 2) / unit) as i16);
            }
        }
        out
    }

    fn next_row(&mut self) -> Vec<i64> {
        let reach = self.reach();
        let blurred = (0..self.image.stride()).map(|at| {
            let sum = folded(&self.kernel, reach, |y| {
                i64::from(self.rows[y as usize][at])
            });
            (sum + ONE / 2) / ONE
        });
        let blurred = blurred.collect();
        self.y += 1;
        self.rows.pop_front();
        self.rows.push_back(self.across(self.y + reach));
        blurred
    }
}

/// The symmetric kernel over the values around `at`.
fn folded(kernel: &[i64], at: i64, value: impl Fn(i64) -> i64) -> i64 {
    let sides: i64 = (1..)
        .zip(&kernel[1..])
        .map(|(off, weight)| weight * (value(at - off) + value(at + off)))
        .sum();
    kernel[0] * value(at) + sides
}
