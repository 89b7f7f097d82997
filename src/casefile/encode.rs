//! Pictures on their way into the file: originals verbatim, derived ones as lossless PNG, thumbs as
//! small JPEGs. Pure, and slow: all of it is done before a transaction begins.
//!
//! Derived pictures are always encoded with the same settings, so that the same pixels give the same
//! bytes and are stored once. The pixel hash stands for what is seen, whatever the encoder; it is
//! SHA-256 over width (u32, little-endian), height (the same), channels (one byte, 1 or 3), and the
//! pixels row by row from the upper left, one byte per channel.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{
    ExtendedColorType, GrayImage, ImageBuffer, ImageFormat, ImageReader, Limits, RgbImage,
};
use sha2::{Digest as _, Sha256};

use super::{CaseError, Sha256Hash, words};

/// Largest encoded original, bytes.
pub const MAX_ENCODED_BYTES: usize = 64 * 1024 * 1024;
/// Longest side of any picture, pixels.
pub const MAX_SIDE: u32 = 16_384;
/// Most pixels of any picture: 120 MB as RGB.
pub const MAX_PIXELS: u64 = 40_000_000;
/// What a decoder may allocate: an RGBA picture of 16 bits of the most pixels, and its tables.
const MAX_DECODE_BYTES: u64 = MAX_PIXELS * 8 + 16 * 1024 * 1024;
/// Longer side of a thumb, pixels.
pub const THUMB_MAX_DIM: u32 = 256;
/// JPEG quality of thumbs.
const THUMB_QUALITY: u8 = 80;
/// Metres in an inch.
const INCH_M: f64 = 0.0254;

words! {
    /// How a picture is encoded.
    Format {
        /// ISO/IEC 10918-1: originals and thumbs only.
        Jpg = "JPG",
        /// ISO/IEC 15948.
        Png = "PNG",
    }
}

words! {
    /// What the pixels of a picture are.
    ImageKind {
        /// Black and white only.
        Bw = "BW",
        /// One channel.
        Gray = "GRAY",
        /// Three channels.
        Color = "COLOR",
    }
}

/// Pixels in memory, row by row without padding, one byte per channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// One channel.
    Gray(GrayImage),
    /// Red, green, blue.
    Rgb(RgbImage),
}

impl Pixels {
    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Gray(image) => image.dimensions(),
            Self::Rgb(image) => image.dimensions(),
        }
    }

    /// The bytes.
    pub fn samples(&self) -> &[u8] {
        match self {
            Self::Gray(image) => image.as_raw(),
            Self::Rgb(image) => image.as_raw(),
        }
    }

    /// Bytes per pixel.
    pub const fn channels(&self) -> u8 {
        match self {
            Self::Gray(_) => 1,
            Self::Rgb(_) => 3,
        }
    }

    /// The pixel hash; its formula stands above.
    pub fn sha256(&self) -> Sha256Hash {
        let (width, height) = self.size();
        let mut hash = Sha256::new();
        hash.update(width.to_le_bytes());
        hash.update(height.to_le_bytes());
        hash.update([self.channels()]);
        hash.update(self.samples());
        hash.finalize().into()
    }

    fn kind(&self) -> ImageKind {
        match self {
            Self::Rgb(_) => ImageKind::Color,
            Self::Gray(image) if image.as_raw().iter().all(|byte| matches!(byte, 0 | 255)) => {
                ImageKind::Bw
            }
            Self::Gray(_) => ImageKind::Gray,
        }
    }
}

/// A picture as it will stand in `images`.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedImage {
    /// Of `blob`.
    pub sha256: Sha256Hash,
    /// Of the pixels.
    pub pixel_sha256: Sha256Hash,
    /// How it is encoded.
    pub format: Format,
    /// What its pixels are.
    pub kind: ImageKind,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Dots per inch, as the bytes say.
    pub dpi: Option<f64>,
    /// The bytes.
    pub blob: Vec<u8>,
}

/// A small picture as it will stand in `thumbs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumb {
    /// The longer side at most, pixels.
    pub max_dim: u32,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// JPEG.
    pub blob: Vec<u8>,
}

/// A picture with its thumb, ready for a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The picture.
    pub image: EncodedImage,
    /// Its thumb.
    pub thumb: Thumb,
}

/// A derived picture, ready: PNG that says `dpi`.
pub fn derived(pixels: &Pixels, dpi: Option<f64>) -> Result<Prepared, CaseError> {
    Ok(Prepared {
        image: encode_image(pixels, dpi)?,
        thumb: make_thumb(pixels, THUMB_MAX_DIM)?,
    })
}

/// An original, ready: its bytes as they came.
pub fn original(bytes: Vec<u8>) -> Result<Prepared, CaseError> {
    let (format, pixels) = decode(&bytes)?;
    let (width, height) = pixels.size();
    Ok(Prepared {
        thumb: make_thumb(&pixels, THUMB_MAX_DIM)?,
        image: EncodedImage {
            sha256: Sha256::digest(&bytes).into(),
            pixel_sha256: pixels.sha256(),
            format,
            kind: pixels.kind(),
            width,
            height,
            dpi: dpi_of(format, &bytes),
            blob: bytes,
        },
    })
}

/// Pixels as lossless PNG; black and white as one bit per pixel. Always the same bytes for the same
/// pixels and `dpi`.
pub fn encode_image(pixels: &Pixels, dpi: Option<f64>) -> Result<EncodedImage, CaseError> {
    let (width, height) = pixels.size();
    check_size(width, height)?;
    let kind = pixels.kind();
    let blob = png_bytes(pixels, kind, dpi)
        .map_err(|error| CaseError::Picture(format!("its PNG cannot be made: {error}")))?;
    Ok(EncodedImage {
        sha256: Sha256::digest(&blob).into(),
        pixel_sha256: pixels.sha256(),
        format: Format::Png,
        kind,
        width,
        height,
        dpi: dpi_of(Format::Png, &blob),
        blob,
    })
}

/// The picture in at most `max_dim` × `max_dim` pixels, never enlarged.
pub fn make_thumb(pixels: &Pixels, max_dim: u32) -> Result<Thumb, CaseError> {
    let (width, height) = pixels.size();
    check_size(width, height)?;
    let longer = u64::from(width.max(height));
    let fit = |side: u32| -> u32 {
        let small = u64::from(side) * u64::from(max_dim) / longer;
        if longer <= u64::from(max_dim) {
            side
        } else {
            small.max(1) as u32
        }
    };
    let (small_width, small_height) = (fit(width), fit(height));
    let mut blob = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut blob, THUMB_QUALITY);
    let encoded = match pixels {
        Pixels::Gray(image) => shrunk(image, small_width, small_height).and_encode(encoder),
        Pixels::Rgb(image) => shrunk(image, small_width, small_height).and_encode(encoder),
    };
    encoded.map_err(|error| CaseError::Picture(format!("its thumb cannot be made: {error}")))?;
    Ok(Thumb {
        max_dim,
        width: small_width,
        height: small_height,
        blob,
    })
}

/// Format and pixels of an encoded picture. Its size is looked at before memory is asked for it.
/// Colour as RGB, all else as gray; transparency and what is finer than 8 bits is left out.
pub fn decode(bytes: &[u8]) -> Result<(Format, Pixels), CaseError> {
    let refused = |why: String| CaseError::Picture(why);
    if bytes.len() > MAX_ENCODED_BYTES {
        let length = bytes.len();
        return Err(refused(format!(
            "its {length} bytes are more than {MAX_ENCODED_BYTES}"
        )));
    }
    let format = format_of(bytes)
        .ok_or_else(|| refused("it is neither JPEG nor PNG; convert it first".into()))?;
    let reader = || {
        let mut reader = ImageReader::with_format(
            Cursor::new(bytes),
            match format {
                Format::Jpg => ImageFormat::Jpeg,
                Format::Png => ImageFormat::Png,
            },
        );
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_DECODE_BYTES);
        reader.limits(limits);
        reader
    };
    let undecodable = |error: image::ImageError| refused(format!("it cannot be decoded: {error}"));
    let (width, height) = reader().into_dimensions().map_err(undecodable)?;
    check_size(width, height)?;
    let image = reader().decode().map_err(undecodable)?;
    Ok((
        format,
        if image.color().has_color() {
            Pixels::Rgb(image.into_rgb8())
        } else {
            Pixels::Gray(image.into_luma8())
        },
    ))
}

/// The format that the first bytes tell.
pub fn format_of(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(Format::Png)
    } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(Format::Jpg)
    } else {
        None
    }
}

/// Format, width, height and dots per inch, read from the header alone; none when it is torn.
pub fn header(bytes: &[u8]) -> Option<(Format, u32, u32, Option<f64>)> {
    let format = format_of(bytes)?;
    let known = match format {
        Format::Jpg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
    };
    let (width, height) = ImageReader::with_format(Cursor::new(bytes), known)
        .into_dimensions()
        .ok()?;
    Some((format, width, height, dpi_of(format, bytes)))
}

/// Whether a picture of this size is taken.
fn check_size(width: u32, height: u32) -> Result<(), CaseError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > 0 && pixels <= MAX_PIXELS && width.max(height) <= MAX_SIDE {
        return Ok(());
    }
    Err(CaseError::Picture(format!(
        "its {width} × {height} pixels are none, or more than {MAX_PIXELS}, or one side is longer \
         than {MAX_SIDE}; cut it first"
    )))
}

fn png_bytes(
    pixels: &Pixels,
    kind: ImageKind,
    dpi: Option<f64>,
) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height) = pixels.size();
    let mut blob = Vec::with_capacity(pixels.samples().len() / 2);
    let mut encoder = png::Encoder::new(&mut blob, width, height);
    let (color, depth) = match kind {
        ImageKind::Bw => (png::ColorType::Grayscale, png::BitDepth::One),
        ImageKind::Gray => (png::ColorType::Grayscale, png::BitDepth::Eight),
        ImageKind::Color => (png::ColorType::Rgb, png::BitDepth::Eight),
    };
    encoder.set_color(color);
    encoder.set_depth(depth);
    // Settings are part of the format: others would store the same pixels once more.
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(if kind == ImageKind::Bw {
        png::Filter::NoFilter
    } else {
        png::Filter::Up
    });
    encoder.set_pixel_dims(dpi.map(|dpi| {
        let per_metre = (dpi / INCH_M).round() as u32;
        png::PixelDimensions {
            xppu: per_metre,
            yppu: per_metre,
            unit: png::Unit::Meter,
        }
    }));
    let mut writer = encoder.write_header()?;
    if kind == ImageKind::Bw {
        writer.write_image_data(&packed(pixels.samples(), width))?;
    } else {
        writer.write_image_data(pixels.samples())?;
    }
    writer.finish()?;
    Ok(blob)
}

/// One bit per pixel, the leftmost highest; rows begin at a byte.
fn packed(samples: &[u8], width: u32) -> Vec<u8> {
    samples
        .chunks_exact(width as usize)
        .flat_map(|row| row.chunks(8))
        .map(|eight| {
            let bits = eight.iter().enumerate();
            bits.fold(0, |byte, (at, value)| byte | ((value & 1) << (7 - at)))
        })
        .collect()
}

/// Dots per inch as the bytes say: PNG `pHYs` in metres, JFIF density.
fn dpi_of(format: Format, bytes: &[u8]) -> Option<f64> {
    match format {
        Format::Png => {
            let reader = png::Decoder::new(Cursor::new(bytes)).read_info().ok()?;
            let dims = reader.info().pixel_dims?;
            matches!(dims.unit, png::Unit::Meter).then(|| f64::from(dims.xppu) * INCH_M)
        }
        Format::Jpg => {
            // SOI, APP0, its length, "JFIF\0", version, unit, density across.
            let header = bytes.get(..18)?;
            if header[2..4] != [0xff, 0xe0] || header[6..11] != *b"JFIF\0" {
                return None;
            }
            let density = f64::from(u16::from_be_bytes([header[14], header[15]]));
            match header[13] {
                1 => Some(density),
                2 => Some(density * 2.54),
                _ => None,
            }
        }
    }
}

/// Box-filtered to a smaller size.
fn shrunk<P>(image: &ImageBuffer<P, Vec<u8>>, width: u32, height: u32) -> Small<P>
where
    P: image::Pixel<Subpixel = u8> + 'static,
{
    Small(image::imageops::thumbnail(image, width, height))
}

struct Small<P: image::Pixel<Subpixel = u8>>(ImageBuffer<P, Vec<u8>>);

impl<P: image::Pixel<Subpixel = u8>> Small<P> {
    fn and_encode(&self, mut encoder: JpegEncoder<&mut Vec<u8>>) -> image::ImageResult<()> {
        let color = match P::CHANNEL_COUNT {
            1 => ExtendedColorType::L8,
            _ => ExtendedColorType::Rgb8,
        };
        encoder.encode(self.0.as_raw(), self.0.width(), self.0.height(), color)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn gray(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Pixels {
        Pixels::Gray(GrayImage::from_fn(width, height, |x, y| {
            image::Luma([value(x, y)])
        }))
    }

    #[test]
    fn derived_pictures_come_back_pixel_by_pixel_and_always_as_the_same_bytes() {
        let color = Pixels::Rgb(RgbImage::from_fn(31, 17, |x, y| {
            image::Rgb([x as u8, y as u8, (x * y) as u8])
        }));
        let pictures = [
            (color, ImageKind::Color),
            (gray(31, 17, |x, y| (x * y) as u8), ImageKind::Gray),
            (
                gray(31, 17, |x, y| if (x ^ y) & 1 == 1 { 255 } else { 0 }),
                ImageKind::Bw,
            ),
        ];
        for (pixels, kind) in pictures {
            let encoded = encode_image(&pixels, None).unwrap();
            assert_eq!(encoded.kind, kind);
            assert_eq!(encoded, encode_image(&pixels, None).unwrap());
            let (format, back) = decode(&encoded.blob).unwrap();
            assert_eq!((format, &back), (Format::Png, &pixels));
            assert_eq!(back.sha256(), encoded.pixel_sha256);
        }
    }

    #[test]
    fn the_pixel_hash_is_the_written_formula() {
        let pixels = Pixels::Rgb(RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap());
        let by_hand: Sha256Hash =
            Sha256::digest([2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]).into();
        assert_eq!(pixels.sha256(), by_hand);
    }

    #[test]
    fn the_resolution_is_in_the_bytes() {
        let pixels = gray(8, 8, |x, _| x as u8);
        let [low, high, none] =
            [Some(72.0), Some(300.0), None].map(|dpi| encode_image(&pixels, dpi).unwrap());
        assert!((low.dpi.unwrap() - 72.0).abs() < 0.02);
        assert!((high.dpi.unwrap() - 300.0).abs() < 0.02);
        assert_eq!(none.dpi, None);
        assert_ne!(low.sha256, high.sha256);
        assert_eq!(low.pixel_sha256, high.pixel_sha256);

        let mut jfif = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
        jfif.extend(b"JFIF\0\x01\x02\x01\x00\x60\x00\x60\0\0");
        assert_eq!(dpi_of(Format::Jpg, &jfif), Some(96.0));
        jfif[13] = 0;
        assert_eq!(dpi_of(Format::Jpg, &jfif), None);
    }

    #[test]
    fn originals_keep_their_bytes() {
        let mut bytes = Vec::new();
        let pixels = gray(64, 40, |x, y| (x * 3 + y) as u8);
        JpegEncoder::new_with_quality(&mut bytes, 60)
            .encode(pixels.samples(), 64, 40, ExtendedColorType::L8)
            .unwrap();
        bytes.extend(b"what a camera appends");
        let prepared = original(bytes.clone()).unwrap();
        assert_eq!(prepared.image.blob, bytes);
        assert_eq!(prepared.image.format, Format::Jpg);
        assert_eq!((prepared.image.width, prepared.image.height), (64, 40));
    }

    #[test]
    fn thumbs_fit_and_are_never_enlarged() {
        for (size, small) in [
            ((1_000, 500), (256, 128)),
            ((10, 9_000), (1, 256)),
            ((20, 30), (20, 30)),
        ] {
            let thumb = make_thumb(&gray(size.0, size.1, |x, _| x as u8), 256).unwrap();
            assert_eq!((thumb.width, thumb.height), small);
            let (format, pixels) = decode(&thumb.blob).unwrap();
            assert_eq!((format, pixels.size()), (Format::Jpg, small));
        }
    }

    #[test]
    fn what_is_no_picture_or_too_large_a_one_is_refused_before_memory_is_taken() {
        for (bytes, word) in [
            (b"GIF89a".to_vec(), "neither"),
            (b"\x89PNG\r\n\x1a\nrubbish".to_vec(), "decoded"),
            (vec![0; MAX_ENCODED_BYTES + 1], "more than"),
        ] {
            assert!(original(bytes).unwrap_err().to_string().contains(word));
        }
        let mut bomb = encode_image(&gray(1, 1, |_, _| 9), None).unwrap().blob;
        bomb[16..24].copy_from_slice(&[0, 0, 0x3f, 0xff, 0, 0, 0x3f, 0xff]);
        let checksum = crc32(&bomb[12..29]).to_be_bytes();
        bomb[29..33].copy_from_slice(&checksum);
        let error = original(bomb).unwrap_err().to_string();
        assert!(error.contains("16383 × 16383"), "{error}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
            })
        })
    }
}
