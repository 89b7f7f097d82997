//! A value between pixels.
//!
//! Positions are in pixels from the upper left corner of the picture, so that the first pixel's
//! centre is at (½, ½) and the whole picture reaches from (0, 0) to (width, height). Beyond the
//! border stands the nearest pixel. Positions come as `f64` from exact operations alone, weights are
//! whole numbers of 1/65536 that sum to one, and sums are integers: the same bits everywhere.

use serde::{Deserialize, Serialize};

use super::image::Image;

/// How a value between pixels is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The value of the nearest pixel.
    Nearest,
    /// From 2 × 2 pixels.
    #[default]
    Bilinear,
    /// From 4 × 4 pixels: Keys' cubic convolution with a = −½ (IEEE ASSP 29(6), 1981).
    Bicubic,
}

const ONE: i64 = 1 << 16;

impl Filter {
    /// How far the filter reaches, in pixels.
    pub(super) const fn reach(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    /// The weight of what lies `distance` pixels away.
    pub(super) fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Nearest => f64::from(u8::from(x <= 0.5)),
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bicubic => 0.0,
        }
    }

    /// Writes the value at (x, y) to `out`, one byte per channel.
    pub(super) fn sample(self, image: &Image, x: f64, y: f64, out: &mut [u8]) {
        let channels = out.len();
        let right = i64::from(image.width()) - 1;
        let column = |x: i64| x.clamp(0, right) as usize * channels;
        if self == Self::Nearest {
            let row = image.nearest_row(y.floor() as i64);
            out.copy_from_slice(&row[column(x.floor() as i64)..][..channels]);
            return;
        }
        // Only the middle two of four taps have weight here.
        let used = if self == Self::Bilinear { 1..3 } else { 0..4 };
        let (left, across) = self.taps(x);
        let (top, down) = self.taps(y);
        for (channel, out) in out.iter_mut().enumerate() {
            let mut sum = 0;
            for tap_y in used.clone() {
                let row = image.nearest_row(top + tap_y as i64);
                let line: i64 = used
                    .clone()
                    .map(|tap| across[tap] * i64::from(row[column(left + tap as i64) + channel]))
                    .sum();
                sum += down[tap_y] * line;
            }
            *out = whole(sum, ONE * ONE);
        }
    }

    /// The first pixel and the weights of four, in 1/65536.
    fn taps(self, at: f64) -> (i64, [i64; 4]) {
        let centre = at - 0.5;
        let first = centre.floor();
        let part = centre - first;
        let mut weights = [-1.0, 0.0, 1.0, 2.0].map(|tap| {
            let weight = self.weight(part - tap);
            super::math::round(weight * ONE as f64)
        });
        // What rounding took or gave goes to the nearest pixel.
        let nearest = if part < 0.5 { 1 } else { 2 };
        weights[nearest] += ONE - weights.iter().sum::<i64>();
        (first as i64 - 1, weights)
    }
}

/// `sum / unit`, rounded, as a pixel's value.
pub(super) fn whole(sum: i64, unit: i64) -> u8 {
    ((sum + unit / 2).div_euclid(unit)).clamp(0, 255) as u8
}
