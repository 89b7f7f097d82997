//! Pixels in memory: 8 bits per channel, gray or RGB, row after row.
//!
//! Values are taken as the source stores them: no colour profile is applied and no orientation
//! followed, for a step that nobody named would be a step that nobody can repeat.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Longest side, in and out: no camera of a house makes more, and 16 bits of JPEG allow four times it.
pub const SIDE_MAX: u32 = 16_384;
/// Most pixels, in and out: 120 MB as RGB, and no step needs more than three times as much beside it.
pub const PIXELS_MAX: u64 = 40_000_000;

/// What a pixel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One value: luma.
    Gray,
    /// Red, green, blue.
    Rgb,
}

impl Channels {
    /// Bytes per pixel.
    pub const fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
        }
    }
}

/// A size that is not worked on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SizeError {
    /// No pixels.
    #[error("a picture of {width} × {height} pixels has no pixels")]
    Empty {
        /// Pixels per row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Over a bound.
    #[error(
        "a picture of {width} × {height} pixels is too large: at most {PIXELS_MAX} pixels and \
         {SIDE_MAX} on a side; crop it first, or choose a smaller size"
    )]
    TooLarge {
        /// Pixels per row.
        width: u32,
        /// Rows.
        height: u32,
    },
}

/// Whether a picture of this size is worked on. Asked before memory is.
pub fn check_size(width: u32, height: u32) -> Result<(), SizeError> {
    if width == 0 || height == 0 {
        return Err(SizeError::Empty { width, height });
    }
    let pixels = u64::from(width) * u64::from(height);
    if width > SIDE_MAX || height > SIDE_MAX || pixels > PIXELS_MAX {
        return Err(SizeError::TooLarge { width, height });
    }
    Ok(())
}

/// A picture. Its size is within the bounds, its pixels as many as its size says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    channels: Channels,
    pixels: Vec<u8>,
}

impl Image {
    /// From pixels, row after row without padding; `None` when they are not as many as the size says.
    pub fn new(
        width: u32,
        height: u32,
        channels: Channels,
        pixels: Vec<u8>,
    ) -> Result<Option<Self>, SizeError> {
        check_size(width, height)?;
        let bytes = width as usize * height as usize * channels.count();
        Ok((pixels.len() == bytes).then_some(Self {
            width,
            height,
            channels,
            pixels,
        }))
    }

    /// One of this size whose every row is written by `fill(y, row)`.
    pub(super) fn by_rows(
        width: u32,
        height: u32,
        channels: Channels,
        mut fill: impl FnMut(u32, &mut [u8]),
    ) -> Result<Self, SizeError> {
        check_size(width, height)?;
        let stride = width as usize * channels.count();
        let mut pixels = vec![0; stride * height as usize];
        for (y, row) in (0..height).zip(pixels.chunks_exact_mut(stride)) {
            fill(y, row);
        }
        Ok(Self {
            width,
            height,
            channels,
            pixels,
        })
    }

    /// One of the same size and channels.
    pub(super) fn like(&self, fill: impl FnMut(u32, &mut [u8])) -> Self {
        Self::by_rows(self.width, self.height, self.channels, fill)
            .expect("the size was checked when the picture was made")
    }

    /// One of the same size, gray.
    pub(super) fn gray_like(&self, fill: impl FnMut(u32, &mut [u8])) -> Self {
        Self::by_rows(self.width, self.height, Channels::Gray, fill)
            .expect("the size was checked when the picture was made")
    }

    /// Pixels per row.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// What a pixel is made of.
    pub const fn channels(&self) -> Channels {
        self.channels
    }

    /// The pixels, row after row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Bytes per row.
    pub(super) const fn stride(&self) -> usize {
        self.width as usize * self.channels.count()
    }

    /// The row `y`, from 0.
    pub(super) fn row(&self, y: u32) -> &[u8] {
        let stride = self.stride();
        &self.pixels[y as usize * stride..][..stride]
    }

    /// The row `y`, or the nearest one that there is.
    pub(super) fn nearest_row(&self, y: i64) -> &[u8] {
        self.row(y.clamp(0, i64::from(self.height) - 1) as u32)
    }

    /// The rows, from above.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.stride())
    }

    /// Every value looked up in a table.
    pub(super) fn looked_up(&self, table: &[u8; 256]) -> Self {
        self.like(|y, row| {
            for (out, &value) in row.iter_mut().zip(self.row(y)) {
                *out = table[usize::from(value)];
            }
        })
    }

    /// Luma after ITU-R BT.601: (299 R + 587 G + 114 B) / 1000, rounded.
    pub(super) fn to_gray(&self) -> Self {
        match self.channels {
            Channels::Gray => self.clone(),
            Channels::Rgb => self.gray_like(|y, row| {
                for (out, pixel) in row.iter_mut().zip(self.row(y).chunks_exact(3)) {
                    *out = luma(pixel);
                }
            }),
        }
    }

    /// How often each luma occurs.
    pub(super) fn histogram(&self) -> [u64; 256] {
        let mut histogram = [0; 256];
        for pixel in self.pixels.chunks_exact(self.channels.count()) {
            let luma = match self.channels {
                Channels::Gray => pixel[0],
                Channels::Rgb => luma(pixel),
            };
            histogram[usize::from(luma)] += 1;
        }
        histogram
    }

    /// The pixel hash: SHA-256 over width (u32, little-endian), height (the same), channels (one
    /// byte: 1 gray, 3 RGB), and the pixels from the upper left, row after row without padding, one
    /// byte per channel in the order R, G, B. It says what is seen, however it was encoded.
    pub fn pixel_sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.width.to_le_bytes());
        hash.update(self.height.to_le_bytes());
        hash.update([self.channels.count() as u8]);
        hash.update(&self.pixels);
        hash.finalize().into()
    }
}

fn luma(pixel: &[u8]) -> u8 {
    let part = |at: usize, weight: u32| weight * u32::from(pixel[at]);
    ((part(0, 299) + part(1, 587) + part(2, 114) + 500) / 1000) as u8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_pixel_hash_covers_size_channels_and_pixels_as_written_down() {
        let image = Image::new(2, 1, Channels::Rgb, vec![1, 2, 3, 4, 5, 6]);
        let image = image.unwrap().unwrap();
        let by_hand: [u8; 32] =
            Sha256::digest([2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]).into();
        assert_eq!(image.pixel_sha256(), by_hand);
        let gray = Image::new(6, 1, Channels::Gray, vec![1, 2, 3, 4, 5, 6]);
        assert_ne!(gray.unwrap().unwrap().pixel_sha256(), by_hand);
    }

    #[test]
    fn sizes_are_bounded_and_pixels_must_fill_them() {
        assert!(matches!(check_size(0, 5), Err(SizeError::Empty { .. })));
        assert!(matches!(
            check_size(SIDE_MAX + 1, 1),
            Err(SizeError::TooLarge { .. })
        ));
        assert!(matches!(
            check_size(10_000, 4_001),
            Err(SizeError::TooLarge { .. })
        ));
        assert_eq!(check_size(10_000, 4_000), Ok(()));
        assert_eq!(Image::new(2, 2, Channels::Gray, vec![0; 3]), Ok(None));
    }

    #[test]
    fn luma_of_a_gray_pixel_is_its_value() {
        for value in 0..=255 {
            assert_eq!(luma(&[value; 3]), value);
        }
        assert_eq!(luma(&[255, 0, 0]), 76);
        assert_eq!(luma(&[0, 255, 0]), 150);
        assert_eq!(luma(&[0, 0, 255]), 29);
    }
}
