//! Pictures on their way into the file: originals verbatim, derived ones as lossless PNG, thumbs as
//! small JPEGs. Pure, and slow: all of it is done before a transaction begins.
//!
//! Derived pictures are always encoded with the same settings, so that the same pixels give the same
//! bytes and are stored once. The pixel hash stands for what is seen, whatever the encoder; its
//! formula and the bounds of a picture are those of [`pipeline`], whose decoder gives the same pixels
//! on every machine. Thumbs are for the eye alone: the crate `image` makes them, and no hash of their
//! pixels is kept.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageBuffer};
use sha2::{Digest as _, Sha256};

use super::pipeline::{self, Channels, CodecError, Image};
use super::sniff::{self, Format, Header, INCH_M};
use super::{CaseError, Sha256Hash, words};

/// Longer side of a thumb, pixels.
pub const THUMB_MAX_DIM: u32 = 256;
/// JPEG quality of thumbs.
const THUMB_QUALITY: u8 = 80;

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

impl ImageKind {
    fn of_pixels(picture: &Image) -> Self {
        let is_bw = || picture.pixels().iter().all(|byte| matches!(byte, 0 | 255));
        match picture.channels() {
            Channels::Rgb => Self::Color,
            Channels::Gray if is_bw() => Self::Bw,
            Channels::Gray => Self::Gray,
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
pub fn derived(picture: &Image, dpi: Option<f64>) -> Result<Prepared, CaseError> {
    Ok(Prepared {
        image: encode_image(picture, dpi)?,
        thumb: make_thumb(picture, THUMB_MAX_DIM)?,
    })
}

/// An original, ready: its bytes as they came.
pub fn original(bytes: Vec<u8>) -> Result<Prepared, CaseError> {
    let picture = pipeline::decode(&bytes)?;
    Ok(Prepared {
        thumb: make_thumb(&picture, THUMB_MAX_DIM)?,
        image: described(bytes, &picture, ImageKind::of_pixels(&picture))?,
    })
}

/// Pixels as lossless PNG; black and white as one bit per pixel. Always the same bytes for the same
/// pixels and `dpi`.
pub fn encode_image(picture: &Image, dpi: Option<f64>) -> Result<EncodedImage, CaseError> {
    let kind = ImageKind::of_pixels(picture);
    let blob = png_bytes(picture, kind, dpi)
        .map_err(|error| CaseError::Picture(format!("its PNG cannot be made: {error}")))?;
    described(blob, picture, kind)
}

/// Encoded bytes with what their header says and what `picture`, decoded from them, shows.
fn described(blob: Vec<u8>, picture: &Image, kind: ImageKind) -> Result<EncodedImage, CaseError> {
    let header = sniff::header(&blob).ok_or(CodecError::Unknown)?;
    let Header {
        format,
        width,
        height,
        dpi,
    } = header;
    Ok(EncodedImage {
        sha256: Sha256::digest(&blob).into(),
        pixel_sha256: picture.pixel_sha256(),
        format,
        kind,
        width,
        height,
        dpi,
        blob,
    })
}

/// The picture in at most `max_dim` × `max_dim` pixels, never enlarged.
pub fn make_thumb(picture: &Image, max_dim: u32) -> Result<Thumb, CaseError> {
    let longer = u64::from(picture.width().max(picture.height()));
    let fit = |side: u32| -> u32 {
        let small = u64::from(side) * u64::from(max_dim) / longer;
        if longer <= u64::from(max_dim) {
            side
        } else {
            small.max(1) as u32
        }
    };
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    let (small, color) = match picture.channels() {
        Channels::Gray => (
            shrunk::<image::Luma<u8>>(picture, width, height),
            ExtendedColorType::L8,
        ),
        Channels::Rgb => (
            shrunk::<image::Rgb<u8>>(picture, width, height),
            ExtendedColorType::Rgb8,
        ),
    };
    let mut blob = Vec::new();
    JpegEncoder::new_with_quality(&mut blob, THUMB_QUALITY)
        .encode(&small, width, height, color)
        .map_err(|error| CaseError::Picture(format!("its thumb cannot be made: {error}")))?;
    Ok(Thumb {
        max_dim,
        width,
        height,
        blob,
    })
}

/// Box-filtered to a smaller size.
fn shrunk<P>(picture: &Image, width: u32, height: u32) -> Vec<u8>
where
    P: image::Pixel<Subpixel = u8> + 'static,
{
    let view = ImageBuffer::<P, _>::from_raw(picture.width(), picture.height(), picture.pixels())
        .expect("a picture has as many pixels as its size says");
    image::imageops::thumbnail(&view, width, height).into_raw()
}

fn png_bytes(
    picture: &Image,
    kind: ImageKind,
    dpi: Option<f64>,
) -> Result<Vec<u8>, png::EncodingError> {
    let mut blob = Vec::with_capacity(picture.pixels().len() / 2);
    let mut encoder = png::Encoder::new(&mut blob, picture.width(), picture.height());
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
        writer.write_image_data(&packed(picture.pixels(), picture.width()))?;
    } else {
        writer.write_image_data(picture.pixels())?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::base::ids::hex;
    use crate::casefile::pipeline::codec::ENCODED_BYTES_MAX;
    use crate::casefile::tests::gray;

    fn rgb(width: u32, height: u32, value: impl Fn(u32, u32) -> [u8; 3]) -> Image {
        let value = &value;
        let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| value(x, y)));
        let picture = Image::new(width, height, Channels::Rgb, pixels.collect());
        picture.unwrap().unwrap()
    }

    #[test]
    fn derived_pictures_come_back_pixel_by_pixel_and_always_as_the_same_bytes() {
        let color = rgb(31, 17, |x, y| [x as u8, y as u8, (x * y) as u8]);
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
            let back = pipeline::decode(&encoded.blob).unwrap();
            assert_eq!((encoded.format, &back), (Format::Png, &pixels));
            assert_eq!(back.pixel_sha256(), encoded.pixel_sha256);
        }
    }

    #[test]
    fn the_pixel_hash_is_the_written_formula() {
        let pixels = rgb(2, 1, |x, _| [[1, 2, 3], [4, 5, 6]][x as usize]);
        let by_hand: Sha256Hash =
            Sha256::digest([2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]).into();
        assert_eq!(encode_image(&pixels, None).unwrap().pixel_sha256, by_hand);
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
    }

    #[test]
    fn originals_keep_their_bytes() {
        let mut bytes = Vec::new();
        let pixels = gray(64, 40, |x, y| (x * 3 + y) as u8);
        JpegEncoder::new_with_quality(&mut bytes, 60)
            .encode(pixels.pixels(), 64, 40, ExtendedColorType::L8)
            .unwrap();
        bytes.extend(b"what a camera appends");
        let prepared = original(bytes.clone()).unwrap();
        assert_eq!(prepared.image.blob, bytes);
        assert_eq!(prepared.image.format, Format::Jpeg);
        assert_eq!((prepared.image.width, prepared.image.height), (64, 40));
    }

    /// The hash of an original is that of the pipeline's own decoder, pinned by the golden file: what
    /// the crate `image` decodes depends on the processor.
    #[test]
    fn originals_have_the_pixel_hash_that_is_the_same_on_every_machine() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/casefile");
        let golden = std::fs::read_to_string(format!("{folder}/golden.tsv")).unwrap();
        for name in ["baseline.jpg", "progressive.jpg", "gray.jpg"] {
            let prepared = original(std::fs::read(format!("{folder}/jpeg/{name}")).unwrap());
            let hash = hex(&prepared.unwrap().image.pixel_sha256);
            let line = format!("{name}\tdecoded\t{hash}");
            assert!(golden.lines().any(|golden| golden == line), "{line}");
        }
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
            assert_eq!(sniff::format(&thumb.blob), Some(Format::Jpeg));
            let shown = pipeline::decode(&thumb.blob).unwrap();
            assert_eq!((shown.width(), shown.height()), small);
        }
    }

    #[test]
    fn what_is_no_picture_or_too_large_a_one_is_refused_before_memory_is_taken() {
        for (bytes, word) in [
            (b"GIF89a".to_vec(), "no JPEG and no PNG"),
            (b"\x89PNG\r\n\x1a\nrubbish".to_vec(), "torn"),
            (
                b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01rubbish".to_vec(),
                "decoded",
            ),
            (vec![0; ENCODED_BYTES_MAX + 1], "longer than"),
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
