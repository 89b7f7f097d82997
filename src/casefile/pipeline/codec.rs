//! Pictures from bytes and back: JPEG and PNG in, PNG out.
//!
//! JPEG is decoded by jpeg-decoder with its feature `platform_independent`, in whole numbers: the
//! decoder that most use (zune-jpeg) chooses its arithmetic by the processor, and cannot be told not
//! to. PNG is lossless, so any decoder will do. Output is PNG of 8 bits with fixed settings and no
//! text, time or profile; what is compared is the pixel hash, never these bytes.
//!
//! Invariant: size and bounds are looked at before memory is asked for, and what the decoder reads
//! must agree with what was looked at.

use std::io::Cursor;

use jpeg_decoder::PixelFormat;
use png::{BitDepth, ColorType, Compression, Filter, Limits, Transformations};
use thiserror::Error;

use super::image::{Channels, Image, PIXELS_MAX, SizeError, check_size};
use crate::casefile::sniff::{self, Format};

/// Longest encoded picture: a PNG of noise with [`PIXELS_MAX`] pixels is about twice as long, but
/// comes from no camera.
pub const ENCODED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most scans of a JPEG: a progressive one has about ten, each costs a pass over all pixels, and a
/// file of empty ones would never end.
const SCANS_MAX: usize = 100;
/// The version of the JPEG decoder, part of every frozen pipeline: its rounding is in the pixels.
pub(super) const JPEG_DECODER: &str = "jpeg-decoder 0.3.2";

/// Bytes that give no picture.
#[derive(Debug, Error)]
pub enum CodecError {
    /// Neither format.
    #[error("the bytes are no JPEG and no PNG, or their header is torn; give one of these two")]
    Unknown,
    /// Over [`ENCODED_BYTES_MAX`].
    #[error("the file of {bytes} bytes is longer than {ENCODED_BYTES_MAX}; make it smaller first")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Too many pixels.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Pixels that are not gray or RGB.
    #[error("{0}; convert it to 8-bit gray or RGB, and keep the original beside it")]
    Pixels(&'static str),
    /// The JPEG is damaged.
    #[error("the JPEG cannot be decoded: {0}")]
    Jpeg(#[from] jpeg_decoder::Error),
    /// The PNG is damaged.
    #[error("the PNG cannot be decoded: {0}")]
    Png(#[from] png::DecodingError),
    /// Over [`SCANS_MAX`].
    #[error(
        "the JPEG has {scans} scans, more than {SCANS_MAX}: it was made to keep a decoder busy"
    )]
    Scans {
        /// How many.
        scans: usize,
    },
    /// Header and contents disagree.
    #[error("the header of the picture states another size than its contents: it is damaged")]
    Torn,
}

/// The picture that the bytes hold. Orientation and colour profiles are not applied.
pub fn decode(bytes: &[u8]) -> Result<Image, CodecError> {
    if bytes.len() > ENCODED_BYTES_MAX {
        return Err(CodecError::TooLong { bytes: bytes.len() });
    }
    let header = sniff::header(bytes).ok_or(CodecError::Unknown)?;
    check_size(header.width, header.height)?;
    let image = match header.format {
        Format::Jpeg => decode_jpeg(bytes, (header.width, header.height)),
        Format::Png => decode_png(bytes, (header.width, header.height)),
    }?;
    Ok(image)
}

fn decode_jpeg(bytes: &[u8], (width, height): (u32, u32)) -> Result<Image, CodecError> {
    // Among entropy-coded bytes FF is always followed by 00 or a restart.
    let scans = bytes
        .windows(2)
        .filter(|pair| pair == &[0xFF, 0xDA])
        .count();
    if scans > SCANS_MAX {
        return Err(CodecError::Scans { scans });
    }
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(PIXELS_MAX as usize * 3);
    decoder.read_info()?;
    let info = decoder.info().ok_or(CodecError::Torn)?;
    if (u32::from(info.width), u32::from(info.height)) != (width, height) {
        return Err(CodecError::Torn);
    }
    let channels = match info.pixel_format {
        PixelFormat::L8 => Channels::Gray,
        PixelFormat::RGB24 => Channels::Rgb,
        PixelFormat::L16 => return Err(CodecError::Pixels("the JPEG has 16 bits per pixel")),
        PixelFormat::CMYK32 => return Err(CodecError::Pixels("the JPEG is made of inks (CMYK)")),
    };
    Image::new(width, height, channels, decoder.decode()?)?.ok_or(CodecError::Torn)
}

fn decode_png(bytes: &[u8], (width, height): (u32, u32)) -> Result<Image, CodecError> {
    let limits = Limits {
        bytes: PIXELS_MAX as usize * 8,
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info()?;
    let info = reader.info();
    if (info.width, info.height) != (width, height) {
        return Err(CodecError::Torn);
    }
    if info.bit_depth == BitDepth::Sixteen {
        return Err(CodecError::Pixels("the PNG has 16 bits per channel"));
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(CodecError::Torn)?];
    let frame = reader.next_frame(&mut pixels)?;
    let channels = match frame.color_type {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => Channels::Gray,
        _ => Channels::Rgb,
    };
    if matches!(
        frame.color_type,
        ColorType::GrayscaleAlpha | ColorType::Rgba
    ) {
        pixels = without_alpha(&pixels, channels.count())?;
    }
    Image::new(width, height, channels, pixels)?.ok_or(CodecError::Torn)
}

/// What is seen through a transparent pixel depends on who looks, so there must be none.
fn without_alpha(pixels: &[u8], channels: usize) -> Result<Vec<u8>, CodecError> {
    let mut opaque = Vec::with_capacity(pixels.len() / (channels + 1) * channels);
    for pixel in pixels.chunks_exact(channels + 1) {
        if pixel[channels] != u8::MAX {
            return Err(CodecError::Pixels("the PNG has transparent pixels"));
        }
        opaque.extend(&pixel[..channels]);
    }
    Ok(opaque)
}

/// The picture as PNG.
pub fn encode_png(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(match image.channels() {
        Channels::Gray => ColorType::Grayscale,
        Channels::Rgb => ColorType::Rgb,
    });
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Up);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(image.pixels()));
    written.expect("writing to memory fails never, and the size was checked");
    bytes
}
