#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// A well-formed JPEG without meaning: an APP1 with a whole JPEG inside, SOF0, SOS, scan, EOI.
fn jpeg(tag: u8) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    let inner = [0xFF, 0xD8, 0xFF, 0xD9, tag];
    bytes.extend([0xFF, 0xE1, 0, inner.len() as u8 + 2]);
    bytes.extend(inner);
    bytes.extend([0xFF, 0xC0, 0, 11, 8, 0, 4, 0, 6, 1, 1, 0x11, 0]);
    bytes.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    bytes.extend([tag, 0xFF, 0x00, 0xFF, 0xD3, 7, tag]);
    bytes.extend([0xFF, 0xD9]);
    bytes
}

fn multipart(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = b"preamble\r\n".to_vec();
    for frame in frames {
        stream.extend(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 999999\r\n\r\n");
        stream.extend(frame);
        stream.extend(b"\r\n");
    }
    stream
}

fn cut(mut cutter: Cutter, stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, Counts) {
    let mut frames = Vec::new();
    for bytes in stream.chunks(piece) {
        frames.extend(cutter.push(bytes));
    }
    (frames, cutter.finish())
}

#[test]
fn frames_come_out_verbatim_however_the_stream_is_pieced() {
    let frames: Vec<_> = (0..5).map(jpeg).collect();
    let bare = frames.concat();
    let parts = multipart(&frames);
    for piece in [1, 2, 3, 7, 64, 10_000] {
        let (cut_bare, counts) = cut(Cutter::bare(), &bare, piece);
        assert_eq!(cut_bare, frames);
        assert_eq!(
            (counts.frames, counts.broken, counts.skipped_bytes),
            (5, 0, 0)
        );
        let (cut_parts, counts) = cut(Cutter::multipart("frame"), &parts, piece);
        assert_eq!(cut_parts, frames);
        assert_eq!((counts.frames, counts.broken), (5, 0));
        let framed = (parts.len() - bare.len()) as u64;
        assert_eq!(counts.skipped_bytes, framed);
    }
}

#[test]
fn a_torn_frame_costs_itself_alone() {
    let whole = jpeg(9);
    for kept in 3..whole.len() - 1 {
        let torn = whole[..kept].to_vec();
        let stream = multipart(&[jpeg(1), torn.clone(), jpeg(2), jpeg(3)]);
        let (frames, counts) = cut(Cutter::multipart("frame"), &stream, 11);
        assert_eq!(frames, [jpeg(1), jpeg(2), jpeg(3)], "torn at {kept}");
        assert_eq!(counts.broken, 1, "torn at {kept}");
    }
    // Without a boundary a frame torn in its scan ends at the next SOI.
    let stream = [&whole[..whole.len() - 4], &jpeg(4)[..]].concat();
    assert_eq!(cut(Cutter::bare(), &stream, 5).0, [jpeg(4)]);
}

#[test]
fn what_is_no_picture_is_not_cut() {
    // SOI and EOI alone; no frame header; an empty one.
    let empty = [0xFF, 0xD8, 0xFF, 0xD9];
    let headless = [0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 5, 0xFF, 0xD9];
    let mut flat = jpeg(1);
    let size = flat
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .unwrap()
        + 5;
    flat[size..size + 4].fill(0);
    for bytes in [&empty[..], &headless, &flat] {
        let (frames, counts) = cut(Cutter::bare(), bytes, 3);
        assert!(frames.is_empty());
        assert_eq!(
            (counts.broken, counts.skipped_bytes),
            (1, bytes.len() as u64)
        );
    }
}

#[test]
fn a_frame_without_end_is_given_up_at_the_bound() {
    let mut cutter = Cutter::bare();
    let head = jpeg(1);
    assert!(cutter.push(&head[..head.len() - 2]).is_empty());
    let filler = vec![5; 1024 * 1024];
    for _ in 0..17 {
        assert!(cutter.push(&filler).is_empty());
        assert!(cutter.frame.len() <= FRAME_BYTES_MAX);
    }
    assert_eq!(cutter.counts().broken, 1);
    assert_eq!(cutter.push(&jpeg(2)), [jpeg(2)]);
}

#[test]
fn boundaries_are_read_as_cameras_write_them() {
    let read = |text| boundary(text);
    assert_eq!(
        read("multipart/x-mixed-replace; boundary=frame"),
        Some("frame")
    );
    assert_eq!(
        read("Multipart/X-Mixed-Replace;charset=x; Boundary=\"--ipcam\""),
        Some("ipcam")
    );
    assert_eq!(read("multipart/form-data; boundary=frame"), None);
    assert_eq!(read("multipart/x-mixed-replace"), None);
    assert_eq!(read("multipart/x-mixed-replace; boundary="), None);
    let long = format!("multipart/x-mixed-replace; boundary={}", "x".repeat(71));
    assert_eq!(boundary(&long), None);
}

/// Bytes that look like markers more often than chance would have it.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(0xFF_u8),
        Just(0xD8),
        Just(0xD9),
        Just(0xDA),
        Just(0xC0),
        Just(0),
        Just(b'-'),
        any::<u8>()
    ];
    proptest::collection::vec(byte, 0..400)
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic_and_every_byte_is_accounted_for(
        bytes in hostile(), piece in 1_usize..50
    ) {
        for cutter in [Cutter::bare(), Cutter::multipart("-")] {
            let (frames, counts) = cut(cutter, &bytes, piece);
            let framed: usize = frames.iter().map(Vec::len).sum();
            prop_assert_eq!(framed as u64 + counts.skipped_bytes, bytes.len() as u64);
            for frame in frames {
                prop_assert!(frame.starts_with(&[0xFF, 0xD8, 0xFF]) && frame.ends_with(&[0xFF, 0xD9]));
                prop_assert!(super::super::sniff::header(&frame).is_some());
            }
        }
    }

    #[test]
    fn a_frame_behind_noise_is_found_when_the_noise_has_no_marker(
        noise in proptest::collection::vec(0_u8..0xFF, 0..200)
    ) {
        let stream = [&noise[..], &jpeg(1)].concat();
        prop_assert_eq!(cut(Cutter::bare(), &stream, 13).0, [jpeg(1)]);
    }
}
