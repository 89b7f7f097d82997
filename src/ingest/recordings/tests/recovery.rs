//! Every state that a kill or a power cut leaves on disk and in the database.

use sha2::{Digest, Sha256};

use super::*;
use crate::event::recording::{Found, Media, Sealed};
use crate::vault::folder::Fingerprint;
use crate::vault::seal;

/// After which step of a sealing the daemon was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Killed {
    BeforeFound,
    AfterFound,
    AfterTemp,
    WhileStreaming,
    AfterRename,
    AfterSealedEvent,
    AfterUnlink,
}

const POINTS: [Killed; 7] = [
    Killed::BeforeFound,
    Killed::AfterFound,
    Killed::AfterTemp,
    Killed::WhileStreaming,
    Killed::AfterRename,
    Killed::AfterSealedEvent,
    Killed::AfterUnlink,
];

fn temp_name(clip: &str) -> String {
    format!(
        ".nightjar-seal-{}.tmp",
        ids::hex(&Sha256::digest(clip)[..16])
    )
}

fn found(name: &str, seen: &Fingerprint) -> NewEvent {
    let found = Found {
        path: name.into(),
        size_bytes: seen.size_bytes as i64,
        modified_at: records::modified_at(seen),
        camera: None,
        started_at: None,
        media: Media::default(),
    };
    NewEvent::own(NOON, format!("recording/{name}"), found)
}

fn sealed_event(name: &str, sealed: &seal::Sealed, found_at: i64) -> NewEvent {
    let event = Sealed {
        path: name.into(),
        sealed_path: sealed.path.as_os_str().as_bytes().to_vec(),
        size_bytes: sealed.plain_bytes as i64,
        plain_sha256: sealed.plain_sha256.to_vec(),
        key_id: sealed.key_id.0.to_vec(),
        iv: sealed.iv.to_vec(),
        header_tag: None,
        adopted: false,
    };
    NewEvent::own(NOON, format!("recording/{name}"), event).caused_by(found_at)
}

/// Leaves behind what a daemon leaves that is killed at this point.
fn kill(house: &House, name: &str, bytes: &[u8], at: Killed) {
    house.put(name, bytes);
    let folder = Folder::open(&house.rec("")).unwrap();
    let source = admission::open_source(&folder, Path::new(name))
        .unwrap()
        .unwrap();
    if at == Killed::BeforeFound {
        return;
    }
    let event = found(name, &source.fingerprint());
    let Receipt::Stored(positions) = house.handle().store(vec![event]).unwrap() else {
        panic!("stored")
    };
    match at {
        Killed::BeforeFound | Killed::AfterFound => return,
        Killed::AfterTemp => return house.put(temp_name(name), b""),
        Killed::WhileStreaming => return house.put(temp_name(name), &[9; 777]),
        Killed::AfterRename | Killed::AfterSealedEvent | Killed::AfterUnlink => {}
    }
    let sealed = seal::seal(
        &source,
        &Key::from_bytes(KEY),
        [5; 16],
        seal::SealOptions::default(),
    )
    .unwrap();
    if at == Killed::AfterRename {
        return;
    }
    house
        .handle()
        .store(vec![sealed_event(name, &sealed, positions[0])])
        .unwrap();
    if at == Killed::AfterUnlink {
        seal::unlink_plaintext(&source, &sealed).unwrap();
    }
}

#[test]
fn after_a_kill_at_any_step_one_complete_copy_and_one_row_remain() {
    for at in POINTS {
        let house = House::new();
        kill(&house, "clip.mp4", &driveway(), at);
        let health = house.pass();
        house.assert_sealed_once("clip.mp4", "clip.vge", &driveway());
        assert_eq!(health.trouble, None, "{at:?}");
        assert_eq!(house.count(Kind::RecordingFound), 1, "{at:?}");
        let adopted = house.events().iter().any(|event| match &event.event {
            Event::RecordingSealed(sealed) => sealed.adopted,
            _ => false,
        });
        assert!(!adopted, "{at:?}: it was proven, not taken over");
        house.pass();
        assert_eq!(
            house.kinds().len(),
            2,
            "{at:?}: the second start finds nothing to do"
        );
    }
}

#[test]
fn without_a_key_a_kill_at_any_step_costs_no_copy() {
    for at in POINTS {
        let house = House::new();
        kill(&house, "clip.mp4", &driveway(), at);
        std::fs::remove_file(house.key_file()).unwrap();
        house.pass();
        if at == Killed::AfterUnlink {
            assert!(house.opened("clip.vge", &KEY) == driveway(), "{at:?}");
        } else {
            assert!(house.get("clip.mp4") == driveway(), "{at:?}");
        }
        assert!(!house.rec(temp_name("clip.mp4")).exists(), "{at:?}");
        assert_eq!(house.rows().len(), 1, "{at:?}");
        house.put_key(&KEY);
        house.pass();
        house.assert_sealed_once("clip.mp4", "clip.vge", &driveway());
    }
}

#[test]
fn a_sealed_file_and_its_plaintext_without_any_row_are_compared_and_joined() {
    let house = House::new();
    house.put("clip.mp4", &driveway());
    let folder = Folder::open(&house.rec("")).unwrap();
    let source = admission::open_source(&folder, Path::new("clip.mp4"))
        .unwrap()
        .unwrap();
    seal::seal(
        &source,
        &Key::from_bytes(KEY),
        [5; 16],
        seal::SealOptions::default(),
    )
    .unwrap();
    house.pass();
    house.assert_sealed_once("clip.mp4", "clip.vge", &driveway());
    assert_eq!(house.kinds(), ["recording.found", "recording.sealed"]);
}

/// Puts a sealed file there as another program would.
pub(super) fn put_foreign(house: &House, name: &str, plain: &[u8], key: [u8; 32]) {
    let (yard, iv) = (tempfile::tempdir().unwrap(), [7; 16]);
    put(&yard.path().join("x.mp4"), plain);
    let folder = Folder::open(yard.path()).unwrap();
    let source = admission::open_source(&folder, Path::new("x.mp4"))
        .unwrap()
        .unwrap();
    seal::seal(
        &source,
        &Key::from_bytes(key),
        iv,
        seal::SealOptions::default(),
    )
    .unwrap();
    std::fs::copy(yard.path().join("x.vge"), house.rec(name)).unwrap();
}

#[test]
fn sealed_files_without_a_row_are_adopted() {
    let house = House::new();
    put_foreign(&house, "porch.vge", &driveway(), KEY);
    put_foreign(&house, "hall.mkv.vge", &driveway(), KEY);
    put_foreign(&house, "noise.vge", &driveway(), OTHER_KEY);
    house.put("short.vge", b"too short");
    let health = house.pass();
    assert_eq!(health.adopted, 3);
    let mut rows = house.rows();
    rows.sort();
    let row = |name: &str, file: &str| (name.to_owned(), "sealed".to_owned(), file.to_owned());
    assert_eq!(
        rows,
        [
            row("hall.mkv", "hall.mkv.vge"),
            row("noise.mp4", "noise.vge"),
            row("porch.mp4", "porch.vge")
        ]
    );
    let text = |sql, name| house.text(sql, name).unwrap();
    let hash = "SELECT plain_sha256 FROM recordings WHERE original_name = ?1";
    assert_eq!(
        text(hash, "porch.mp4"),
        ids::hex(&Sha256::digest(driveway()))
    );
    assert_eq!(text(hash, "noise.mp4"), "", "the key does not open it");
    let key = "SELECT key_id FROM recordings WHERE original_name = ?1";
    assert_eq!(
        text(key, "porch.mp4"),
        Key::from_bytes(KEY).id().to_string()
    );
    let integrity = "SELECT integrity FROM recordings WHERE original_name = ?1";
    assert_eq!(text(integrity, "porch.mp4"), "unverified");
    assert_eq!(house.count(Kind::SystemNoted), 1, "the foreign one is told");
    let before = house.kinds().len();
    house.pass();
    assert_eq!(house.kinds().len(), before, "adopted once");
}

#[test]
fn a_sealed_file_that_arrives_later_is_adopted_too() {
    let house = House::new();
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    put_foreign(&house, "porch.vge", &driveway(), KEY);
    watcher.scan_again(&mut now);
    assert_eq!(house.rows().len(), 1);
}

#[test]
fn a_plaintext_that_another_program_sealed_and_deleted_keeps_its_row() {
    let house = House::without_key();
    house.put("clip.mp4", &driveway());
    house.pass();
    put_foreign(&house, "clip.vge", &driveway(), KEY);
    std::fs::remove_file(house.rec("clip.mp4")).unwrap();
    house.put_key(&KEY);
    house.pass();
    house.assert_sealed_once("clip.mp4", "clip.vge", &driveway());
}

#[test]
fn a_plaintext_that_differs_from_its_sealed_copy_is_never_deleted() {
    let house = House::new();
    kill(&house, "clip.mp4", &driveway(), Killed::AfterSealedEvent);
    let mut bytes = house.get("clip.vge");
    bytes[5_000] ^= 1;
    house.put("clip.vge", &bytes);
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    for _ in 0..3 {
        now += Duration::from_secs(4_000);
        watcher.scan_again(&mut now);
    }
    assert!(house.get("clip.mp4") == driveway());
    assert!(house.get("clip.vge") == bytes);
    assert_eq!(house.count(Kind::RecordingFailed), 1);
    assert_eq!(house.rows().len(), 1);
    assert!(
        watcher
            .health()
            .lock()
            .unwrap()
            .trouble
            .as_ref()
            .unwrap()
            .contains("something else")
    );
}

#[test]
fn a_plaintext_whose_sealed_copy_is_gone_is_sealed_anew() {
    let house = House::new();
    kill(&house, "clip.mp4", &driveway(), Killed::AfterSealedEvent);
    for name in ["clip.vge", "clip.vge.auth"] {
        std::fs::remove_file(house.rec(name)).unwrap();
    }
    house.pass();
    assert_eq!(house.names(), ["clip.vge"]);
    assert!(house.opened("clip.vge", &KEY) == driveway());
}

#[test]
fn a_copy_that_cannot_be_finished_now_is_finished_later_and_not_made_twice() {
    let house = House::new();
    kill(&house, "clip.mp4", &driveway(), Killed::AfterRename);
    // Its sidecar did not get its name, and something that cannot be replaced holds it.
    std::fs::remove_file(house.rec("clip.vge.auth")).unwrap();
    std::fs::create_dir(house.rec("clip.vge.auth")).unwrap();
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    assert_eq!(house.names(), ["clip.mp4", "clip.vge"]);
    assert!(house.get("clip.mp4") == driveway());
    let trouble = watcher.health().lock().unwrap().trouble.clone().unwrap();
    assert!(trouble.contains("cannot write the sidecar"), "{trouble}");
    std::fs::remove_dir(house.rec("clip.vge.auth")).unwrap();
    now += Duration::from_secs(61);
    watcher.scan_again(&mut now);
    house.assert_sealed_once("clip.mp4", "clip.vge", &driveway());
    assert!(house.rec("clip.vge.auth").is_file());
    assert_eq!(watcher.health().lock().unwrap().trouble, None);
}

#[test]
fn a_sealed_file_of_another_clip_is_not_taken_for_a_copy() {
    let house = House::new();
    put_foreign(&house, "clip.vge", b"another clip", KEY);
    house.put("clip.mp4", b"this is mine");
    house.pass();
    assert_eq!(house.opened("clip.mp4.vge", &KEY), b"this is mine");
    assert_eq!(house.opened("clip.vge", &KEY), b"another clip");
    assert_eq!(house.names(), ["clip.mp4.vge", "clip.vge"]);
    let sealed = Folder::open(&house.rec("")).unwrap();
    assert!(
        unseal::open_sealed(&sealed, Path::new("clip.vge"))
            .unwrap()
            .is_ok()
    );
}

#[test]
fn leftovers_of_sealings_are_deleted_and_other_peoples_temp_files_are_not() {
    let house = House::new();
    house.put(temp_name("gone.mp4"), b"leftover");
    house.put(".recorder.tmp", b"not ours");
    house.pass();
    assert_eq!(house.names(), [".recorder.tmp"]);
}
