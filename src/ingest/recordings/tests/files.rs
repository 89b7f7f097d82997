//! What becomes of each kind of file.

use std::os::unix::fs::symlink;

use super::*;
use crate::event::camera::{Detection, MotionEnded, MotionStarted};
use crate::event::recording::{Finished, Trigger};

const SECOND: i64 = 1_000_000_000;

#[test]
fn a_clip_is_sealed_and_its_row_tells_what_the_container_knows() {
    let house = House::new();
    let name = "driveway-20261119-214210.mp4";
    house.put(name, &driveway());
    let health = house.pass();
    house.assert_sealed_once(name, "driveway-20261119-214210.vge", &driveway());
    assert_eq!(
        (health.trouble, health.sealed, health.waiting),
        (None, 1, 0)
    );
    assert_eq!(house.kinds(), ["recording.found", "recording.sealed"]);
    assert_eq!(house.telemetry.recordings_sealed.get(), 1);
    let text = |sql| house.text(sql, name);
    assert_eq!(
        text("SELECT codec FROM recordings WHERE original_name = ?1").as_deref(),
        Some("h264")
    );
    assert_eq!(
        text("SELECT integrity FROM recordings WHERE original_name = ?1").as_deref(),
        Some("verified")
    );
    assert_eq!(
        text("SELECT plain_sha256 FROM recordings WHERE original_name = ?1").as_deref(),
        Some("b7392c8c06674be4f9d95b735f72f7eaaa64e63604cf1b2925e2f8526f9ac36b")
    );
    let number = |sql| house.number(sql, name);
    for (found, want) in [
        (
            number("SELECT width FROM recordings WHERE original_name = ?1"),
            640.0,
        ),
        (
            number("SELECT height FROM recordings WHERE original_name = ?1"),
            360.0,
        ),
        (
            number("SELECT fps FROM recordings WHERE original_name = ?1"),
            15.0,
        ),
        (
            number("SELECT frame_count FROM recordings WHERE original_name = ?1"),
            90.0,
        ),
        (
            number("SELECT duration_s FROM recordings WHERE original_name = ?1"),
            6.0,
        ),
        (
            number("SELECT file_size FROM recordings WHERE original_name = ?1"),
            11_772.0,
        ),
    ] {
        assert_eq!(found, Some(want));
    }
    let events = house.events();
    assert_eq!(events[1].cause, Some(events[0].position));
    assert_eq!(
        &*events[0].stream.text,
        "recording/driveway-20261119-214210.mp4"
    );
    // A second start finds nothing to do.
    house.pass();
    assert_eq!(house.kinds().len(), 2);
}

#[test]
fn a_broken_clip_is_sealed_without_what_it_does_not_tell() {
    let house = House::new();
    house.put("broken.mp4", &clip("broken.mp4"));
    house.pass();
    house.assert_sealed_once("broken.mp4", "broken.vge", &clip("broken.mp4"));
    let sql = "SELECT codec FROM recordings WHERE original_name = ?1";
    assert_eq!(house.text(sql, "broken.mp4"), None);
    let sql = "SELECT duration_s FROM recordings WHERE original_name = ?1";
    assert_eq!(house.number(sql, "broken.mp4"), None);
}

#[test]
fn an_empty_file_is_recorded_once_and_stays() {
    let house = House::new();
    house.put("empty.mp4", b"");
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    for _ in 0..3 {
        watcher.scan_again(&mut now);
    }
    house.pass();
    let row = ("empty.mp4".into(), "empty".into(), "empty.mp4".into());
    assert_eq!(house.rows(), [row]);
    assert_eq!(house.kinds(), ["recording.found"]);
    assert_eq!(house.names(), ["empty.mp4"]);
    // Its recorder comes back to it.
    house.put("empty.mp4", &driveway());
    watcher.scan_again(&mut now);
    house.assert_sealed_once("empty.mp4", "empty.vge", &driveway());
}

#[test]
fn a_new_recording_of_a_sealed_name_gets_a_name_and_a_row_of_its_own() {
    let house = House::new();
    for (bytes, names) in [
        (&b"first"[..], &["clip.vge"][..]),
        (b"second", &["clip.mp4.vge", "clip.vge"]),
        (b"third", &["clip.mp4.vge", "clip.vge", "clip~"]),
    ] {
        house.put("clip.mp4", bytes);
        house.pass();
        let found = house.names();
        assert_eq!(found.len(), names.len());
        assert!(
            found.iter().zip(names).all(|(f, n)| f.starts_with(n)),
            "{found:?}"
        );
    }
    assert_eq!(house.opened("clip.vge", &KEY), b"first");
    assert_eq!(house.opened("clip.mp4.vge", &KEY), b"second");
    let rows = house.rows();
    assert_eq!(rows.len(), 3);
    assert!(
        rows.iter()
            .all(|(name, state, _)| name == "clip.mp4" && state == "sealed")
    );
}

#[test]
fn a_file_that_is_being_written_is_left_alone_until_it_is_closed() {
    use std::io::Write as _;
    let house = House::new();
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    let mut recorder = std::fs::File::create(house.rec("clip.mp4")).unwrap();
    recorder.write_all(b"the first half, ").unwrap();
    watcher.drain_once(&mut now);
    assert_eq!(watcher.health().lock().unwrap().waiting, 1);
    recorder.write_all(b"the second half").unwrap();
    watcher.drain_once(&mut now);
    assert_eq!(
        house.kinds(),
        [""; 0],
        "nothing is said of an unfinished file"
    );
    drop(recorder);
    watcher.drain_from(&mut now);
    house.assert_sealed_once("clip.mp4", "clip.vge", b"the first half, the second half");
}

#[test]
fn a_file_that_vanishes_while_it_waits_is_forgotten_without_a_word() {
    let house = House::new();
    house.put("gone.mp4", b"gone");
    house.put("stays.mp4", b"stays");
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.step(now).unwrap();
    assert_eq!(watcher.queue.waiting(), 2);
    std::fs::remove_file(house.rec("gone.mp4")).unwrap();
    watcher.drain_from(&mut now);
    house.assert_sealed_once("stays.mp4", "stays.vge", b"stays");
    assert_eq!(watcher.health().lock().unwrap().trouble, None);
}

#[test]
fn files_that_are_no_recordings_are_counted_once_and_said_nothing_of() {
    let house = House::new();
    house.put("elsewhere", b"x");
    symlink(house.rec("elsewhere"), house.rec("link.mp4")).unwrap();
    std::fs::create_dir(house.rec("folder.mp4")).unwrap();
    house.put("folder.mp4/inside.mp4", b"x");
    house.put(".hidden.mp4", b"x");
    house.put("twice.mp4", b"x");
    std::fs::hard_link(house.rec("twice.mp4"), house.rec("again.mp4")).unwrap();
    let fifo = house.rec("pipe.mp4");
    let (mode, kind) = (rustix::fs::Mode::RWXU, rustix::fs::FileType::Fifo);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(house.rec("socket.mp4")).unwrap();
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    for _ in 0..3 {
        watcher.scan_again(&mut now);
    }
    let health = watcher.health().lock().unwrap().clone();
    let counts: Vec<_> = health
        .ignored
        .iter()
        .map(|(r, n)| (r.as_str(), *n))
        .collect();
    assert_eq!(
        counts,
        [
            ("dot_name", 1),
            ("fifo", 1),
            ("folder_named_like_file", 1),
            ("hard_linked", 2),
            ("other_extension", 1),
            ("socket", 1),
            ("symlink", 1)
        ]
    );
    assert_eq!(house.telemetry.recordings_ignored.get(), 8);
    assert_eq!(house.kinds(), [""; 0]);
    assert_eq!(house.names().len(), 8);
    drop(socket);
}

#[test]
fn what_may_not_be_sealed_is_told_once_with_its_reason() {
    let house = House::new();
    house.put("large.mp4", &[7; 5_000]);
    let sparse = std::fs::File::create(house.rec("sparse.mp4")).unwrap();
    sparse.set_len(100 << 30).unwrap();
    drop(sparse);
    let with_cap = |size_cap_bytes| {
        let mut options = house.options();
        options.admission.size_cap_bytes = size_cap_bytes;
        house.watcher_with(options)
    };
    let (mut watcher, mut now) = (with_cap(4_000), Instant::now());
    watcher.drain_from(&mut now);
    for _ in 0..3 {
        now += Duration::from_secs(4_000);
        watcher.scan_again(&mut now);
    }
    with_cap(4_000).drain();
    let kinds = house.kinds();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "recording.found")
            .count(),
        2,
        "{kinds:?}"
    );
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "recording.failed")
            .count(),
        2,
        "{kinds:?}"
    );
    let failure = "SELECT failure FROM recordings WHERE original_name = ?1";
    let reason = house.text(failure, "large.mp4").unwrap();
    assert!(reason.contains("over the cap of 4000"), "{reason}");
    assert!(
        house
            .text(failure, "sparse.mp4")
            .unwrap()
            .contains("sparse")
    );
    let health = watcher.health().lock().unwrap().clone();
    assert_eq!(health.unsealable, 2);
    assert!(
        health
            .trouble
            .unwrap()
            .starts_with("2 recordings cannot be sealed")
    );
    // A larger cap is all it takes; the row goes on.
    with_cap(1 << 30).drain();
    assert_eq!(house.names(), ["large.vge", "sparse.mp4"]);
    let mut states: Vec<_> = house
        .rows()
        .into_iter()
        .map(|(name, state, _)| (name, state))
        .collect();
    states.sort();
    let want = [("large.mp4", "sealed"), ("sparse.mp4", "failed")];
    assert_eq!(
        states,
        want.map(|(name, state)| (name.to_owned(), state.to_owned()))
    );
}

#[test]
fn a_full_disk_is_told_once_and_sealing_goes_on_when_there_is_space() {
    let house = House::new();
    house.put("clip.mp4", &driveway());
    let with_reserve = |reserve_bytes| {
        let mut options = house.options();
        options.admission.reserve_bytes = reserve_bytes;
        house.watcher_with(options)
    };
    let (mut watcher, mut now) = (with_reserve(1 << 50), Instant::now());
    watcher.drain_from(&mut now);
    house.put("other.txt", &vec![1; 50_000]);
    now += Duration::from_secs(61);
    watcher.scan_again(&mut now);
    with_reserve(1 << 50).drain();
    assert_eq!(house.kinds(), ["recording.found", "recording.failed"]);
    assert!(
        watcher
            .health()
            .lock()
            .unwrap()
            .trouble
            .as_ref()
            .unwrap()
            .contains("free")
    );
    std::fs::remove_file(house.rec("other.txt")).unwrap();
    watcher.options.admission.reserve_bytes = 0;
    now += Duration::from_secs(61);
    watcher.scan_again(&mut now);
    house.assert_sealed_once("clip.mp4", "clip.vge", &driveway());
    assert_eq!(watcher.health().lock().unwrap().trouble, None);
    let codec = "SELECT codec FROM recordings WHERE original_name = ?1";
    assert_eq!(house.text(codec, "clip.mp4").as_deref(), Some("h264"));
}

#[test]
fn odd_names_are_sealed_without_loss() {
    let house = House::new();
    // The longest of all, and one whose sidecar just fits.
    let [longest, long] = [251, 246].map(|length| format!("{}.mp4", "x".repeat(length)));
    let names: [&[u8]; 5] = [
        b"50%\n\xff.mp4",
        "Füchse im Hof.MP4".as_bytes(),
        b"-rf.mkv",
        longest.as_bytes(),
        long.as_bytes(),
    ];
    for (n, name) in names.iter().enumerate() {
        house.put(OsStr::from_bytes(name), format!("clip {n}").as_bytes());
    }
    std::fs::create_dir_all(house.rec("yard/2031")).unwrap();
    house.put("yard/2031/a.ts", b"clip 5");
    house.pass();
    let rows = house.rows();
    assert!(
        rows.iter().all(|(_, state, _)| state == "sealed"),
        "{rows:?}"
    );
    let files: BTreeMap<_, _> = rows
        .into_iter()
        .map(|(name, _, file)| (name, file))
        .collect();
    assert_eq!(files["50%25%0A%FF.mp4"], "50%25%0A%FF.vge");
    assert_eq!(files["yard/2031/a.ts"], "yard/2031/a.vge");
    assert_eq!(
        house.opened(OsStr::from_bytes(b"50%\n\xff.vge"), &KEY),
        b"clip 0"
    );
    assert_eq!(house.opened("yard/2031/a.vge", &KEY), b"clip 5");
    assert_eq!(files[&long], format!("{}.vge", "x".repeat(246)));
    assert_eq!(house.opened(&files[&long], &KEY), b"clip 4");
    assert_eq!(house.opened(&files[&longest], &KEY), b"clip 3");
    assert_eq!(files.len(), 6);
    house.pass();
    assert_eq!(
        house.kinds().len(),
        12,
        "a second start finds nothing to do"
    );
}

#[test]
fn only_the_extensions_that_are_asked_for_are_taken() {
    let house = House::new();
    house.put("a.mp4", b"a");
    house.put("b.mkv", b"b");
    let mut options = house.options();
    options.extensions = vec!["mkv".into()];
    house.watcher_with(options).drain();
    assert_eq!(house.names(), ["a.mp4", "b.vge"]);
}

fn finished() -> NewEvent {
    let finished = Finished {
        camera: "driveway".into(),
        file: "/srv/recordings/van.mp4".into(),
        trigger: Some(Trigger::Motion),
        started_at: Some(NOON),
        ended_at: Some(NOON + 6 * SECOND),
        fps: None,
        frame_count: None,
        extra: BTreeMap::new(),
    };
    NewEvent::own(NOON + 7 * SECOND, "camera/driveway", finished)
}

#[test]
fn a_finished_message_is_joined_whether_it_comes_before_or_after_the_file() {
    for message_first in [true, false] {
        let house = House::new();
        let motion = MotionStarted {
            detection: Some(Detection::Vehicle),
            ..MotionStarted::default()
        };
        let motions = [
            NewEvent::own(NOON + SECOND, "camera/driveway", motion),
            NewEvent::own(NOON + 5 * SECOND, "camera/driveway", MotionEnded::default()),
        ];
        house.handle().store(motions.into()).unwrap();
        if message_first {
            house.handle().store(vec![finished()]).unwrap();
        }
        house.put("van.mp4", &driveway());
        house.pass();
        if !message_first {
            house.handle().store(vec![finished()]).unwrap();
        }
        house.assert_sealed_once("van.mp4", "van.vge", &driveway());
        let text = |sql| house.text(sql, "van.mp4");
        assert_eq!(
            text("SELECT trigger FROM recordings WHERE original_name = ?1").as_deref(),
            Some("MOTION")
        );
        assert_eq!(
            text("SELECT camera_id FROM recordings WHERE original_name = ?1").as_deref(),
            Some("driveway")
        );
        assert_eq!(
            text("SELECT detection_type FROM recordings WHERE original_name = ?1").as_deref(),
            Some("vehicle")
        );
        let sql = "SELECT event_id FROM recordings WHERE original_name = ?1";
        assert_eq!(
            house.number(sql, "van.mp4"),
            Some(1.0),
            "the position of the motion"
        );
    }
}

#[test]
fn the_path_tells_camera_and_start() {
    let house = House::new();
    house.put("driveway-1.mp4", &driveway());
    let mut options = house.options();
    options.place = Place(Box::new(|path| {
        let (camera, _) = path.split_once('-')?;
        Some((camera.to_owned(), NOON))
    }));
    house.watcher_with(options).drain();
    let sql = "SELECT camera_id FROM recordings WHERE original_name = ?1";
    assert_eq!(
        house.text(sql, "driveway-1.mp4").as_deref(),
        Some("driveway")
    );
    let sql = "SELECT (ended_at - started_at) / 1e9 FROM recordings WHERE original_name = ?1";
    assert_eq!(house.number(sql, "driveway-1.mp4"), Some(6.0));
    assert!(
        house
            .events()
            .iter()
            .all(|event| &*event.source.text == "camera/driveway")
    );
}

#[test]
fn many_small_clips_are_sealed_in_one_pass_and_none_is_left_behind() {
    const CLIPS: usize = 200;
    let house = House::new();
    for n in 0..CLIPS {
        house.put(format!("{n}.mp4"), format!("clip {n}").as_bytes());
    }
    // Among them a copy whose event was lost, and one whose name is taken.
    put_sealed(&house, "7.mp4");
    house.put("8.vge", b"somebody else's");
    house.pass();
    for n in 0..CLIPS {
        let sealed = if n == 8 {
            "8.mp4.vge".to_owned()
        } else {
            format!("{n}.vge")
        };
        assert!(
            house.opened(&sealed, &KEY) == format!("clip {n}").as_bytes(),
            "{n}"
        );
        assert!(!house.rec(format!("{n}.mp4")).exists(), "{n}");
    }
    assert_eq!(house.count(Kind::RecordingSealed), CLIPS);
    assert_eq!(house.count(Kind::RecordingFound), CLIPS);
    assert_eq!(house.count(Kind::RecordingFailed), 0);
}

/// Seals a clip as a process would that is killed before it tells.
fn put_sealed(house: &House, name: &str) {
    let folder = Folder::open(&house.rec("")).unwrap();
    let source = admission::open_source(&folder, Path::new(name))
        .unwrap()
        .unwrap();
    let key = Key::from_bytes(KEY);
    crate::vault::seal::seal(&source, &key, [5; 16], SealOptions::default()).unwrap();
}
