//! `vault rotate` and `vault keys`, as people run them, on a data folder that `init` made.

use super::*;
use crate::vault::admission::open_source;
use crate::vault::folder::Folder as Recordings;
use crate::vault::key::{self, Key, KeyEnvironment, KeyOptions};
use crate::vault::keyring::Keyring;
use crate::vault::seal::{SealOptions, seal, unlink_plaintext};
use crate::vault::sheet::RecoverySheet;

/// A data folder with a key, a configuration, and a database that nobody holds.
pub(super) fn house() -> House {
    let house = House::empty();
    let ran = house.run(&["init", "--dir", house.path().to_str().unwrap()]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    house
}

pub(super) fn options(house: &House) -> KeyOptions {
    KeyOptions {
        key_file: house.path().join("storage.key"),
        ..KeyOptions::default()
    }
}

pub(super) fn current(house: &House) -> Key {
    key::find(&options(house), &KeyEnvironment::default())
        .unwrap()
        .0
}

pub(super) fn put(path: &Path, bytes: &[u8]) {
    std::fs::File::create(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

/// Seals a clip as the daemon would, with its events.
pub(super) fn record(house: &House, name: &str) {
    let folder = house.path().join("recordings");
    put(&folder.join(name), b"a clip");
    let folder = Recordings::open(&folder).unwrap();
    let source = open_source(&folder, Path::new(name)).unwrap().unwrap();
    let iv = crate::base::ids::random();
    let sealed = seal(&source, &current(house), iv, SealOptions::default()).unwrap();
    let event = Sealed {
        path: name.into(),
        sealed_path: sealed.path.to_str().unwrap().into(),
        size_bytes: sealed.plain_bytes as i64,
        plain_sha256: sealed.plain_sha256.to_vec(),
        key_id: sealed.key_id.0.to_vec(),
        iv: sealed.iv.to_vec(),
        header_tag: Some(sealed.header_tag.0.to_vec()),
        adopted: false,
    };
    house.store(vec![NewEvent::own(NOW, format!("recording/{name}"), event)]);
    unlink_plaintext(&source, &sealed).unwrap();
}

fn json(house: &House) -> serde_json::Value {
    let ran = house.run(&["vault", "keys", "--json"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    serde_json::from_str(&ran.out).unwrap()
}

/// The sheet that was shown.
fn sheet(messages: &str) -> Option<Key> {
    messages
        .lines()
        .find_map(|line| RecoverySheet::parse(line.trim()).ok())
}

#[test]
fn a_rotation_shows_the_sheet_and_keeps_the_earlier_key() {
    let mut house = house();
    record(&house, "a.mp4");
    house.stop();
    let old = current(&house).id();
    let ran = house.run(&["vault", "rotate"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    let new = current(&house).id();
    assert_ne!(old, new);
    assert_eq!(sheet(&ran.messages).unwrap().id(), new);
    assert!(
        ran.out.contains(&format!("sealed under {new}")),
        "{}",
        ran.out
    );
    let ran = house.run(&["vault", "keys"]);
    let lines: Vec<Vec<&str>> = ran
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["key", "where", "since", "recordings", "state"]);
    let (new, old) = (new.to_string(), old.to_string());
    assert_eq!(lines[1][..4], [new.as_str(), "key", "file,", "keyring"]);
    assert_eq!(lines[1].last(), Some(&"current"));
    assert_eq!(lines[2], [old.as_str(), "keyring", "–", "1", "retired"]);
    let object = json(&house);
    assert_eq!(object["keys"][1]["key_id"], old);
    assert_eq!(object["keys"][1]["recordings"], 1);
    assert_eq!(object["keys"][1]["to_reencrypt"], 0);
    assert_eq!(object["unfinished_rotation"], serde_json::Value::Null);
}

#[test]
fn reencrypt_moves_every_recording_and_then_the_earlier_key_can_go() {
    let mut house = house();
    for name in ["a.mp4", "b.mp4"] {
        record(&house, name);
    }
    house.stop();
    let old = current(&house).id().to_string();
    let ran = house.run(&["vault", "keys", "--drop", &old]);
    assert_eq!(ran.code, Exit::BadData);
    assert!(ran.error.contains("sealed under now"), "{}", ran.error);
    assert_eq!(house.run(&["vault", "rotate"]).code, Exit::Ok);
    let ran = house.run(&["vault", "keys", "--drop", &old]);
    assert_eq!(ran.code, Exit::BadData);
    assert!(ran.error.contains("2 recorded files"), "{}", ran.error);
    let ran = house.run(&["vault", "rotate", "--reencrypt"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    assert!(ran.out.ends_with("2 files encrypted anew\n"), "{}", ran.out);
    let object = json(&house);
    assert_eq!(object["keys"].as_array().unwrap().len(), 3);
    assert_eq!(object["keys"][0]["recordings"], 2);
    let ran = house.run(&["vault", "keys", "--drop", &old]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    assert!(ran.out.contains("nothing in the database"), "{}", ran.out);
    assert_eq!(json(&house)["keys"].as_array().unwrap().len(), 2);
    let ran = house.run(&["vault", "keys", "--drop", &old]);
    assert_eq!(ran.code, Exit::NoInput);
    assert_eq!(
        house.run(&["vault", "keys", "--drop", "abc"]).code,
        Exit::Usage
    );
}

#[test]
fn a_key_that_a_file_without_a_row_needs_stays() {
    let mut house = house();
    record(&house, "a.mp4");
    house.stop();
    let old = current(&house).id().to_string();
    let file = house.path().join("recordings/a.vge");
    let copy = house.path().join("a.vge");
    let auth = |file: &Path| file.with_extension("vge.auth");
    std::fs::copy(&file, &copy).unwrap();
    std::fs::copy(auth(&file), auth(&copy)).unwrap();
    assert_eq!(
        house.run(&["vault", "rotate", "--reencrypt"]).code,
        Exit::Ok
    );
    // A copy from another disk.
    let back = house.path().join("recordings/back.vge");
    std::fs::rename(&copy, &back).unwrap();
    std::fs::rename(auth(&copy), auth(&back)).unwrap();
    let ran = house.run(&["vault", "keys", "--drop", &old]);
    assert_eq!(ran.code, Exit::BadData);
    assert!(ran.error.contains("back.vge"), "{}", ran.error);
    let recordings = house.path().join("recordings");
    std::fs::rename(&recordings, house.path().join("unmounted")).unwrap();
    let ran = house.run(&["vault", "keys", "--drop", &old]);
    assert_eq!(ran.code, Exit::NoInput);
    assert!(ran.error.contains("mount it"), "{}", ran.error);
}

#[test]
fn what_was_cut_short_is_shown_and_finished() {
    let mut house = house();
    house.stop();
    let options = options(&house);
    let ring = Keyring::of(&options);
    let old = current(&house).id();
    let wish = crate::vault::rotation::Wish {
        reencrypt: false,
        only_finish: false,
    };
    let environment = KeyEnvironment::default();
    let fresh = crate::base::ids::random();
    let begun = crate::vault::rotation::Rotation::begin(&options, &environment, &ring, fresh, wish);
    let mut rotation = begun.unwrap().unwrap();
    // As far as the sheet, and the key file is not replaced.
    for _ in 0..4 {
        rotation.advance().unwrap();
    }
    drop(rotation);
    let ran = house.run(&["vault", "keys"]);
    assert!(ran.messages.contains("was cut short"), "{}", ran.messages);
    let ran = house.run(&["vault", "keys", "--drop", &old.to_string()]);
    assert_eq!(ran.code, Exit::BadData);
    let ran = house.run(&["vault", "rotate", "--finish"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    assert!(
        ran.messages.contains("that was cut short"),
        "{}",
        ran.messages
    );
    let new = Key::from_bytes(fresh).id();
    assert_eq!(current(&house).id(), new);
    assert_eq!(sheet(&ran.messages).unwrap().id(), new, "shown again");
    assert_eq!(json(&house)["unfinished_rotation"], serde_json::Value::Null);
    let ran = house.run(&["vault", "rotate", "--finish"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    assert!(
        ran.messages.contains("no rotation was cut short"),
        "{}",
        ran.messages
    );
    assert_eq!(current(&house).id(), new);
}

#[test]
fn a_missing_key_and_an_unfit_one_are_shown_as_such() {
    let mut house = house();
    record(&house, "a.mp4");
    house.stop();
    let old = current(&house).id();
    assert_eq!(house.run(&["vault", "rotate"]).code, Exit::Ok);
    let file = Keyring::of(&options(&house)).file(&old);
    put(&file, b"no key");
    let ran = house.run(&["vault", "keys"]);
    assert_eq!(ran.code, Exit::Ok);
    assert!(ran.out.contains("unfit"), "{}", ran.out);
    assert!(ran.messages.contains("wrong length"), "{}", ran.messages);
    std::fs::remove_file(&file).unwrap();
    let ran = house.run(&["vault", "keys"]);
    assert!(ran.out.contains("missing"), "{}", ran.out);
    std::fs::remove_file(house.path().join("storage.key")).unwrap();
    let ran = house.run(&["vault", "keys"]);
    assert_eq!(ran.code, Exit::Ok);
    assert!(ran.messages.contains("no storage key"), "{}", ran.messages);
    let ran = house.run(&["vault", "rotate"]);
    assert_eq!(ran.code, Exit::NoInput);
}
