//! What a picture's first bytes tell: its format, size and resolution, without decoding it.
//!
//! A picture is refused by what is said here before any memory is asked for its pixels, so this
//! module reads only headers, never follows an offset backwards, and takes nothing for granted.

use super::words;

words! {
    /// The pictures that are taken in.
    Format {
        /// ISO/IEC 10918-1.
        Jpeg = "JPG",
        /// ISO/IEC 15948.
        Png = "PNG",
    }
}

/// Format, size in pixels and resolution, as the header states them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// The format.
    pub format: Format,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Dots per inch, if it states them.
    pub dpi: Option<f64>,
}

/// Metres in an inch.
pub(super) const INCH_M: f64 = 0.0254;
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Every JPEG begins with the marker SOI and another marker.
const JPEG_START: &[u8] = &[0xFF, 0xD8, 0xFF];

/// The format that the first bytes announce.
pub fn format(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(PNG_SIGNATURE) {
        Some(Format::Png)
    } else if bytes.starts_with(JPEG_START) {
        Some(Format::Jpeg)
    } else {
        None
    }
}

/// What the header states, or nothing when it is unknown, torn or states an empty picture.
pub fn header(bytes: &[u8]) -> Option<Header> {
    let format = format(bytes)?;
    let ((width, height), dpi) = match format {
        Format::Png => (png_size(bytes)?, png_dpi(bytes)),
        Format::Jpeg => (jpeg_size(bytes)?, jfif_dpi(bytes)),
    };
    (width > 0 && height > 0).then_some(Header {
        format,
        width,
        height,
        dpi,
    })
}

/// IHDR is always the first chunk: length, name, width, height, all big-endian.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let chunk = bytes.get(PNG_SIGNATURE.len()..)?;
    let number = |at: usize| Some(u32::from_be_bytes(*chunk.get(at..)?.first_chunk()?));
    let named = number(0)? == 13 && chunk.get(4..8)? == b"IHDR";
    if named {
        Some((number(8)?, number(12)?))
    } else {
        None
    }
}

/// The chunk pHYs, which stands before the first IDAT: dots across, dots down, unit (1: per metre).
fn png_dpi(bytes: &[u8]) -> Option<f64> {
    let mut rest = bytes.get(PNG_SIGNATURE.len()..)?;
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let body = rest.get(8..)?;
        match &rest[4..8] {
            b"pHYs" => {
                let across = u32::from_be_bytes(*body.first_chunk()?);
                return (*body.get(8)? == 1).then(|| f64::from(across) * INCH_M);
            }
            b"IDAT" | b"IEND" => return None,
            // A checksum stands behind the body.
            _ => rest = body.get(length.checked_add(4)?..)?,
        }
    }
}

/// The segment APP0 right behind the SOI: its length, "JFIF\0", version, unit (1: per inch, 2: per
/// centimetre), dots across.
fn jfif_dpi(bytes: &[u8]) -> Option<f64> {
    let header = bytes.get(..18)?;
    if header[2..4] != [0xFF, 0xE0] || header[6..11] != *b"JFIF\0" {
        return None;
    }
    let density = f64::from(u16::from_be_bytes([header[14], header[15]]));
    match header[13] {
        1 => Some(density),
        2 => Some(density * 2.54),
        _ => None,
    }
}

/// The size in the frame header: the first SOF segment, found by stepping over the others.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.get(2..)?;
    loop {
        let marker = rest.iter().position(|&byte| byte != 0xFF)?;
        if marker == 0 {
            return None;
        }
        let code = rest[marker];
        rest = &rest[marker + 1..];
        if is_frame_header(code) {
            return sof_size(rest.get(2..)?);
        }
        match code {
            // Bare markers.
            0x01 | 0xD0..=0xD8 => {}
            // The scan or the end before any frame header; a stuffed zero is no marker.
            0x00 | 0xD9 | 0xDA => return None,
            _ => {
                let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
                rest = rest.get(length.max(2)..)?;
            }
        }
    }
}

/// Whether the marker begins a frame header (SOF0 to SOF15 without DHT, JPG and DAC).
pub(super) const fn is_frame_header(code: u8) -> bool {
    matches!(code, 0xC0..=0xCF) && !matches!(code, 0xC4 | 0xC8 | 0xCC)
}

/// Width and height of a frame header's body: precision, height, width.
pub(super) fn sof_size(body: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u16::from_be_bytes(*body.get(at..)?.first_chunk()?));
    Some((u32::from(number(3)?), u32::from(number(1)?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    /// SOI, a comment with something like a frame header in it, SOF0 of 640 × 480.
    const JPEG: &[u8] = &[
        0xFF, 0xD8, 0xFF, 0xFE, 0, 9, 0xFF, 0xC0, 0, 17, 8, 0, 1, 0xFF, 0xFF, 0xC0, 0, 17, 8, 1,
        224, 2, 128, 3,
    ];

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = PNG_SIGNATURE.to_vec();
        bytes.extend([0, 0, 0, 13]);
        bytes.extend(b"IHDR");
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    #[test]
    fn sizes_are_read_from_headers_alone() {
        let read = header(JPEG).unwrap();
        assert_eq!(
            (read.format.word(), read.width, read.height),
            ("JPG", 640, 480)
        );
        let read = header(&png(70_000, 3)).unwrap();
        assert_eq!(
            (read.format.word(), read.width, read.height),
            ("PNG", 70_000, 3)
        );
    }

    #[test]
    fn resolutions_are_read_from_headers_alone() {
        let mut jfif = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
        jfif.extend(b"JFIF\0\x01\x02\x01\x00\x60\x00\x60\0\0");
        jfif.extend(&JPEG[2..]);
        assert_eq!(header(&jfif).unwrap().dpi, Some(96.0));
        jfif[13] = 2;
        assert_eq!(header(&jfif).unwrap().dpi, Some(96.0 * 2.54));
        jfif[13] = 0;
        assert_eq!(header(&jfif).unwrap().dpi, None);
        assert_eq!(header(JPEG).unwrap().dpi, None);

        let mut known = png(5, 5);
        known.extend([8, 0, 0, 0, 0, 0, 0, 0, 0]);
        let unknown = [&known[..], b"\0\0\0\0IDAT"].concat();
        known.extend(b"\0\0\0\x01tEXtx\0\0\0\0\0\0\0\x09pHYs");
        known.extend([0, 0, 0x2e, 0x23, 0, 0, 0, 1, 1]);
        assert_eq!(header(&known).unwrap().dpi, Some(11_811.0 * INCH_M));
        assert_eq!(header(&unknown).unwrap().dpi, None);
        // Without a unit it is a ratio of sides.
        *known.last_mut().unwrap() = 0;
        assert_eq!(header(&known).unwrap().dpi, None);
    }

    #[test]
    fn every_torn_header_is_refused_and_none_panics() {
        for cut in 0..JPEG.len() - 1 {
            assert_eq!(header(&JPEG[..cut]), None, "cut at {cut}");
        }
        let png_bytes = png(5, 5);
        for cut in 0..png_bytes.len() {
            assert_eq!(header(&png_bytes[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn strangers_empty_pictures_and_headers_without_a_frame_are_refused() {
        assert_eq!(header(b"GIF89a\x01\0\x01\0"), None);
        assert_eq!(header(&png(0, 5)), None);
        assert_eq!(header(&[0xFF, 0xD8, 0xFF, 0xDA, 0, 2]), None);
        assert_eq!(header(&[0xFF, 0xD8, 0xFF, 0xD9]), None);
        // A length below 2 would step backwards.
        assert_eq!(
            header(&[0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 0xFF, 0xE0, 0, 0]),
            None
        );
    }

    proptest! {
        #[test]
        fn whatever_follows_a_signature_gives_a_size_or_nothing(
            is_png in any::<bool>(),
            rest in proptest::collection::vec(
                prop_oneof![Just(0xFF_u8), 0xC0_u8..0xDF, Just(0), any::<u8>()], 0..80
            ),
        ) {
            let signature = if is_png { PNG_SIGNATURE } else { JPEG_START };
            let bytes = [signature, &rest].concat();
            if let Some(read) = header(&bytes) {
                prop_assert!(read.width > 0 && read.height > 0);
                prop_assert_eq!(Some(read.format), format(&bytes));
            }
        }
    }
}
