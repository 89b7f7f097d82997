use png::{BitDepth, ColorType};
use proptest::prelude::*;

use super::*;
use crate::casefile::pipeline::codec::{CodecError, ENCODED_BYTES_MAX, JPEG_DECODER};
use crate::casefile::sniff;

#[test]
fn png_is_lossless_and_the_same_bytes_each_time() {
    for name in ["color", "gray", "text", "dark"] {
        let image = picture(&format!("input/{name}.png"));
        let bytes = encode_png(&image);
        assert_eq!(decode(&bytes).unwrap(), image);
        assert_eq!(encode_png(&image), bytes);
    }
}

/// A PNG's header, and nothing that a decoder could get to.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0]);
    bytes
}

#[test]
fn bombs_are_refused_by_their_headers() {
    let refused = decode(&bomb(100_000, 100_000)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a picture of 100000 × 100000 pixels is too large: at most 40000000 pixels and 16384 on a \
         side; crop it first, or choose a smaller size"
    );
    assert!(matches!(
        decode(&bomb(16_000, 16_000)),
        Err(CodecError::Size(_))
    ));
    assert!(matches!(decode(&bomb(10, 10)), Err(CodecError::Png(_))));
    assert!(matches!(decode(b"GIF89a"), Err(CodecError::Unknown)));
    let long = vec![0; ENCODED_BYTES_MAX + 1];
    assert!(matches!(decode(&long), Err(CodecError::TooLong { .. })));
}

#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let mut bytes = std::fs::read(fixture("jpeg/progressive.jpg")).unwrap();
    let scan = bytes
        .windows(2)
        .rposition(|pair| pair == [0xFF, 0xDA])
        .unwrap();
    let end = bytes.len() - 2;
    let last = bytes[scan..end].to_vec();
    bytes.truncate(end);
    (0..100).for_each(|_| bytes.extend(&last));
    bytes.extend([0xFF, 0xD9]);
    assert!(matches!(decode(&bytes), Err(CodecError::Scans { scans }) if scans > 100));
}

/// The decoder by another hand differs by rounding, no more.
#[test]
fn jpeg_pixels_are_near_those_of_libjpeg() {
    for name in JPEGS {
        let ours = picture(&format!("jpeg/{name}.jpg"));
        let theirs = picture(&format!("jpeg/{name}.png"));
        let pairs = ours.pixels().iter().zip(theirs.pixels());
        let off = pairs.map(|(one, other)| one.abs_diff(*other)).max();
        assert!(off <= Some(6), "{name}: {off:?}");
    }
}

#[test]
fn the_named_decoder_is_the_one_that_is_built_in() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    let (name, version) = JPEG_DECODER.split_once(' ').unwrap();
    let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
    assert!(
        lock.contains(&entry),
        "JPEG_DECODER names another version than Cargo.lock"
    );
}

#[test]
fn transparent_and_deep_pictures_are_refused_and_opaque_alpha_is_taken_off() {
    let encode = |color, depth, data: &[u8]| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(data)
            .unwrap();
        bytes
    };
    let opaque = encode(
        ColorType::Rgba,
        BitDepth::Eight,
        &[1, 2, 3, 255, 4, 5, 6, 255],
    );
    assert_eq!(decode(&opaque).unwrap().pixels(), [1, 2, 3, 4, 5, 6]);
    let seen_through = encode(
        ColorType::Rgba,
        BitDepth::Eight,
        &[1, 2, 3, 255, 4, 5, 6, 254],
    );
    assert!(matches!(decode(&seen_through), Err(CodecError::Pixels(_))));
    let deep = encode(ColorType::Grayscale, BitDepth::Sixteen, &[1, 2, 3, 4]);
    assert!(matches!(decode(&deep), Err(CodecError::Pixels(_))));
    let bits = encode(ColorType::Grayscale, BitDepth::One, &[0b0100_0000]);
    assert_eq!(decode(&bits).unwrap().pixels(), [0, 255]);
}

proptest! {
    /// Damaged files give a picture or an error; and the header tells the truth about the picture.
    #[test]
    fn damaged_files_never_panic(
        file in prop_oneof![
            Just("jpeg/baseline.jpg"), Just("jpeg/progressive.jpg"), Just("input/color.png")
        ],
        harm in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        kept in any::<prop::sample::Index>(),
    ) {
        let mut bytes = std::fs::read(fixture(file)).unwrap();
        for (at, value) in harm {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let kept = kept.index(2 * bytes.len());
        bytes.truncate(kept);
        if let Ok(image) = decode(&bytes) {
            let header = sniff::header(&bytes).unwrap();
            prop_assert_eq!((image.width(), image.height()), (header.width, header.height));
        }
    }
}
