//! What is read out of containers, sound and broken.

use proptest::prelude::*;

use super::super::media::{HEAD_BYTES, container, media};
use super::*;
use crate::event::recording::Media;

fn read(bytes: &[u8]) -> Media {
    let read_at = |buffer: &mut [u8], at: u64| {
        let rest = bytes
            .get(usize::try_from(at).unwrap()..)
            .unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    };
    media(&read_at, bytes.len() as u64)
}

fn driveway_media() -> Media {
    Media {
        container: Some("mp4".into()),
        codec: Some("h264".into()),
        width: Some(640),
        height: Some(360),
        fps: Some(15.0),
        frame_count: Some(90),
        duration_s: Some(6.0),
    }
}

/// The top-level boxes of a clip, whole.
fn boxes(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut boxes, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        boxes.push(bytes[at..at + size].to_vec());
        at += size;
    }
    boxes
}

fn make(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u32 + 8).to_be_bytes();
    [&size[..], &name, content].concat()
}

fn find(bytes: &[u8], name: [u8; 4]) -> usize {
    bytes.windows(4).position(|word| word == name).unwrap()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn the_clips_of_the_fixtures() {
    assert_eq!(read(&driveway()), driveway_media());
    let hallway = read(&clip("hallway-20261120-061530.mp4"));
    assert_eq!(
        (hallway.frame_count, hallway.duration_s),
        (Some(60), Some(4.0))
    );
    let broken = Media {
        container: Some("mp4".into()),
        ..Media::default()
    };
    assert_eq!(read(&clip("broken.mp4")), broken);
    assert_eq!(read(b""), Media::default());
}

/// The clip as a camera writes it that knows its index only at the end.
pub(super) fn with_index_at_the_end(clip: &[u8]) -> Vec<u8> {
    let (mut ordered, mut index) = (Vec::new(), Vec::new());
    for one in boxes(clip) {
        match &one[4..8] {
            b"moov" => index = one,
            b"mdat" => {
                // With its length in eight bytes.
                ordered.extend(words(&[1]));
                ordered.extend(b"mdat");
                ordered.extend((one.len() as u64 + 8).to_be_bytes());
                ordered.extend(&one[8..]);
            }
            _ => ordered.extend(one),
        }
    }
    assert!(!index.is_empty());
    ordered.extend(index);
    ordered
}

#[test]
fn the_index_may_stand_at_the_end_and_behind_a_large_box() {
    let ordered = with_index_at_the_end(&driveway());
    assert_eq!(read(&ordered), driveway_media());
}

#[test]
fn fragments_are_added_up() {
    let mut clip = driveway();
    // No samples and no length in the index, as in every fragmented file.
    for (name, zero) in [(b"stsz", 12..16), (b"mdhd", 20..24), (b"mvhd", 20..24)] {
        let at = find(&clip, *name);
        clip[at + zero.start..at + zero.end].fill(0);
    }
    let timescale = {
        let at = find(&clip, *b"mdhd") + 16;
        u32::from_be_bytes(clip[at..at + 4].try_into().unwrap())
    };
    let tfhd = make(*b"tfhd", &words(&[0x08, 1, timescale / 10]));
    let by_default = make(*b"trun", &words(&[0, 20]));
    let one_by_one = make(*b"trun", &words(&[0x100, 2, timescale, timescale]));
    let mfhd = make(*b"mfhd", &words(&[0, 1]));
    let traf = make(*b"traf", &[tfhd, by_default, one_by_one].concat());
    for _ in 0..3 {
        clip.extend(make(*b"moof", &[mfhd.clone(), traf.clone()].concat()));
        clip.extend(make(*b"mdat", &[0; 64]));
    }
    let found = read(&clip);
    assert_eq!(
        (found.frame_count, found.duration_s),
        (Some(66), Some(12.0))
    );
    assert_eq!(found.fps, Some(5.5));
}

#[test]
fn counts_that_no_file_of_that_size_can_have_are_left_out() {
    let mut clip = driveway();
    let at = find(&clip, *b"stsz") + 8;
    // All frames of one size, and four thousand million of them: a list of 340 GB in re_mp4's own
    // walk.
    clip[at..at + 8].copy_from_slice(&words(&[1, u32::MAX]));
    let found = read(&clip);
    assert_eq!((found.frame_count, found.fps), (None, None));
    assert_eq!(
        (found.codec.as_deref(), found.duration_s),
        (Some("h264"), Some(6.0))
    );
}

#[test]
fn a_box_of_length_nothing_ends_the_reading_and_not_the_day() {
    let clip = driveway();
    let moov = find(&clip, *b"moov");
    for at in (moov + 4)..(moov + 1_200) {
        for word in [0_u32, 1, 7, u32::MAX, 0x7fff_ffff] {
            let mut spoiled = clip.clone();
            spoiled[at..at + 4].copy_from_slice(&word.to_be_bytes());
            read(&spoiled);
        }
    }
}

#[test]
fn containers_are_known_by_their_first_bytes() {
    let mut stream = vec![0; HEAD_BYTES];
    (stream[0], stream[188]) = (0x47, 0x47);
    for (head, want) in [
        (&driveway()[..], Some("mp4")),
        (b"\0\0\0\x14ftypqt  ", Some("mov")),
        (b"\0\0\0\x08wide\0\0\0\x08mdat", Some("mov")),
        (
            b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x84webm",
            Some("webm"),
        ),
        (
            b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x88matroska",
            Some("mkv"),
        ),
        (b"RIFF\0\0\0\0AVI LIST", Some("avi")),
        (&stream, Some("ts")),
        (b"G", None),
        (b"", None),
        (b"just a text of some length", None),
    ] {
        assert_eq!(container(head), want, "{:?}", &head[..head.len().min(16)]);
    }
}

fn hallway_mkv() -> Vec<u8> {
    clip("hallway-20261120-061530.mkv")
}

/// An element whose length takes eight bytes.
fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u64 | 1 << 56).to_be_bytes();
    [id, &len, content].concat()
}

fn position(bytes: &[u8], id: &[u8]) -> usize {
    bytes.windows(id.len()).position(|word| word == id).unwrap()
}

#[test]
fn matroska_tells_as_much_as_it_knows() {
    let clip = hallway_mkv();
    let want = Media {
        container: Some("mkv".into()),
        codec: Some("h264".into()),
        width: Some(640),
        height: Some(360),
        fps: Some(15.0),
        frame_count: None,
        duration_s: Some(4.0),
    };
    assert_eq!(read(&clip), want);
    // What mkvmerge writes about the track with the unique id 1.
    let name = element(&[0x45, 0xa3], b"NUMBER_OF_FRAMES");
    let simple = element(
        &[0x67, 0xc8],
        &[name, element(&[0x44, 0x87], b"60")].concat(),
    );
    let targets = element(&[0x63, 0xc0], &element(&[0x63, 0xc5], &[1]));
    let tag = element(&[0x73, 0x73], &[targets, simple].concat());
    let mut counted = clip.clone();
    counted.extend(element(&[0x12, 0x54, 0xc3, 0x67], &tag));
    // The segment goes on to the end, whatever that is.
    let segment = position(&counted, &[0x18, 0x53, 0x80, 0x67]) + 4;
    counted[segment..segment + 8].copy_from_slice(&[1, 255, 255, 255, 255, 255, 255, 255]);
    let counted = read(&counted);
    assert_eq!((counted.frame_count, counted.fps), (Some(60), Some(15.0)));
}

#[test]
fn a_matroska_file_that_was_cut_off_tells_its_length_by_its_last_frame() {
    let mut clip = hallway_mkv();
    let duration = position(&clip, &[0x44, 0x89, 0x88]);
    clip[duration + 3..duration + 11].fill(0);
    let whole = read(&clip).duration_s.unwrap();
    assert!((3.9..=4.1).contains(&whole), "{whole}");
    clip.truncate(clip.len() / 2);
    let half = read(&clip);
    assert_eq!(
        (half.codec.as_deref(), half.width),
        (Some("h264"), Some(640))
    );
    assert!(half.duration_s.is_none_or(|length| length < whole));
}

#[test]
fn lengths_that_no_matroska_file_has_are_not_believed() {
    let clip = hallway_mkv();
    for at in 0..clip.len().min(800) {
        for word in [[0_u8; 8], [255; 8], [1, 255, 255, 255, 255, 255, 255, 254]] {
            let mut spoiled = clip.clone();
            spoiled[at..at + 8].copy_from_slice(&word);
            read(&spoiled);
        }
    }
    // A million elements of no length: looked at up to a bound.
    let mut voids = clip[..position(&clip, &[0x15, 0x49, 0xa9, 0x66])].to_vec();
    voids.extend([0xec, 0x80].repeat(1_000_000));
    assert_eq!(read(&voids).codec, None);
}

proptest! {
    #[test]
    fn no_damage_to_matroska_crashes_the_reader(
        damage in prop::collection::vec((0_usize..10_048, any::<u8>()), 1..32),
        early in prop::collection::vec((0_usize..600, any::<u8>()), 0..8),
        cut in 0_usize..10_048,
    ) {
        let mut clip = hallway_mkv();
        for (at, byte) in damage.into_iter().chain(early) {
            clip[at] = byte;
        }
        let found = read(&clip);
        prop_assert!(found.fps.is_none_or(|fps| fps.is_finite() && fps > 0.0));
        prop_assert!(found.duration_s.is_none_or(|length| length.is_finite() && length > 0.0));
        clip.truncate(cut);
        read(&clip);
    }

    #[test]
    fn no_bytes_in_a_segment_crash_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..4_096)) {
        let segment = element(&[0x18, 0x53, 0x80, 0x67], &bytes);
        read(&[element(&[0x1a, 0x45, 0xdf, 0xa3], b"webm"), segment].concat());
    }

    #[test]
    fn no_bytes_crash_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..4_096)) {
        read(&bytes);
        let framed = [make(*b"ftyp", b"isom"), make(*b"moov", &bytes)].concat();
        read(&framed);
    }

    #[test]
    fn no_damage_crashes_the_reader(
        damage in prop::collection::vec((0_usize..1_300, any::<u8>()), 1..24),
        cut in 0_usize..11_772,
    ) {
        let mut clip = driveway();
        for (at, byte) in damage {
            clip[at] = byte;
        }
        let found = read(&clip);
        prop_assert!(found.fps.is_none_or(|fps| fps.is_finite() && fps > 0.0));
        prop_assert!(found.duration_s.is_none_or(|length| length.is_finite() && length > 0.0));
        clip.truncate(cut);
        read(&clip);
    }
}
