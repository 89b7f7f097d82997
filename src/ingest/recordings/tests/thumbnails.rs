//! Pictures beside clips.

use super::*;
use crate::event::recording::ThumbnailSealed;
use crate::vault::seal::{self, SealOptions, Sealed};

const JPEG: &[u8] = b"\xff\xd8\xff\xe0 not really a picture, and nobody looks";

const THUMBNAIL: &str = "SELECT thumbnail_path FROM recordings WHERE original_name = ?1";

fn sealed_files(house: &House) -> Vec<String> {
    let mut names = house.names();
    names.retain(|name| !name.ends_with(".vge.auth"));
    names
}

#[test]
fn a_picture_is_sealed_after_its_clip() {
    for picture in ["a.jpg", "a-thumb.JPG", "a.mp4.png", "a.webp", "a.jpeg"] {
        let house = House::new();
        house.put("a.mp4", &driveway());
        house.put(picture, JPEG);
        let (mut watcher, mut now) = (house.watcher(), Instant::now());
        watcher.drain_from(&mut now);
        watcher.scan_again(&mut now);
        let sealed = format!("{picture}.vge");
        let mut want = [sealed.clone(), "a.vge".into()];
        want.sort();
        assert_eq!(sealed_files(&house), want);
        assert_eq!(house.opened(&sealed, &KEY), JPEG);
        assert_eq!(house.text(THUMBNAIL, "a.mp4").as_deref(), Some(&*sealed));
        assert_eq!(
            house.kinds(),
            [
                "recording.found",
                "recording.sealed",
                "recording.thumbnail_sealed"
            ]
        );
    }
}

#[test]
fn pictures_of_many_small_clips_are_no_recordings() {
    let house = House::new();
    for n in 0..5 {
        house.put(format!("{n}.mp4"), &driveway());
        house.put(format!("{n}.jpg"), JPEG);
    }
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    watcher.scan_again(&mut now);
    assert_eq!(sealed_files(&house).len(), 10);
    assert_eq!(house.rows().len(), 5);
    assert_eq!(house.count(Kind::RecordingThumbnailSealed), 5);
}

#[test]
fn a_picture_may_come_long_after_its_clip() {
    let house = House::new();
    house.put("a.mp4", &driveway());
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    house.put("a.jpg", JPEG);
    // As a hint, and by a scan.
    let path = watcher.options.folder.join("a.jpg");
    watcher.take_hint(&path, now);
    watcher.drain_from(&mut now);
    assert_eq!(sealed_files(&house), ["a.jpg.vge", "a.vge"]);
    house.put("b.mp4", &driveway());
    watcher.scan_again(&mut now);
    house.put("b.png", JPEG);
    watcher.scan_again(&mut now);
    assert_eq!(sealed_files(&house).len(), 4);
}

#[test]
fn a_picture_without_a_recording_and_a_second_one_are_left_alone_and_counted() {
    let house = House::new();
    house.put("holiday.jpg", JPEG);
    house.put("a.mp4", &driveway());
    house.put("a.jpg", JPEG);
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    house.put("a.png", b"another");
    watcher.scan_again(&mut now);
    assert_eq!(
        sealed_files(&house),
        ["a.jpg.vge", "a.png", "a.vge", "holiday.jpg"]
    );
    let health = watcher.health().lock().unwrap().clone();
    assert_eq!(health.ignored.get("spare_picture"), Some(&2));
    assert_eq!(health.trouble, None);
}

#[test]
fn a_picture_of_a_clip_that_cannot_be_sealed_waits_for_it() {
    let house = House::without_key();
    house.put("a.mp4", &driveway());
    house.put("a.jpg", JPEG);
    house.pass();
    let health = house.pass();
    assert_eq!(sealed_files(&house), ["a.jpg", "a.mp4"]);
    assert_eq!(health.ignored.get("spare_picture"), None);
    house.put_key(&KEY);
    house.pass();
    assert_eq!(sealed_files(&house), ["a.jpg.vge", "a.vge"]);
}

#[test]
fn what_is_too_large_for_a_thumbnail_is_told_and_stays() {
    let house = House::new();
    house.put("a.mp4", &driveway());
    house.put("a.jpg", &vec![7; (16 << 20) + 1]);
    let health = house.pass();
    assert_eq!(sealed_files(&house), ["a.jpg", "a.vge"]);
    let trouble = health.trouble.unwrap();
    assert!(trouble.contains("a.jpg") && trouble.contains("over the cap"));
}

/// Seals a picture and goes no further.
fn seal_alone(house: &House, name: &str) -> Sealed {
    let folder = Folder::open(&house.rec("")).unwrap();
    let source = admission::open_source(&folder, Path::new(name))
        .unwrap()
        .unwrap();
    seal::seal(
        &source,
        &Key::from_bytes(KEY),
        [6; 16],
        SealOptions::default(),
    )
    .unwrap()
}

#[test]
fn after_a_kill_at_any_step_one_sealed_picture_and_one_event_remain() {
    for with_event in [false, true] {
        let house = House::new();
        house.put("a.mp4", &driveway());
        house.pass();
        house.put("a.jpg", JPEG);
        let sealed = seal_alone(&house, "a.jpg");
        if with_event {
            let event = ThumbnailSealed {
                recording: 1,
                path: b"a.jpg".to_vec(),
                sealed_path: b"a.jpg.vge".to_vec(),
                size_bytes: sealed.plain_bytes as i64,
                plain_sha256: sealed.plain_sha256.to_vec(),
                key_id: sealed.key_id.0.to_vec(),
                header_tag: Some(sealed.header_tag.0.to_vec()),
            };
            let event = NewEvent::own(NOON, "recording/a.mp4", event);
            house.handle().store(vec![event]).unwrap();
        }
        house.pass();
        house.pass();
        assert_eq!(sealed_files(&house), ["a.jpg.vge", "a.vge"]);
        assert_eq!(house.opened("a.jpg.vge", &KEY), JPEG);
        assert_eq!(house.count(Kind::RecordingThumbnailSealed), 1);
        assert_eq!(
            house.text(THUMBNAIL, "a.mp4").as_deref(),
            Some("a.jpg.vge"),
            "{with_event}"
        );
    }
}

#[test]
fn a_picture_that_differs_from_its_sealed_copy_is_never_deleted() {
    let house = House::new();
    house.put("a.mp4", &driveway());
    house.put("a.jpg", JPEG);
    house.pass();
    house.put("a.jpg", b"a new one");
    let health = house.pass();
    assert_eq!(house.get("a.jpg"), b"a new one");
    assert!(health.trouble.unwrap().contains("something else"));
}
