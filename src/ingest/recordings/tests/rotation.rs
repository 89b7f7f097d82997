//! Keys that follow each other, and recordings that follow them.

use super::*;
use crate::event::vault::KeyRotated;
use crate::vault::keyring::Keyring;
use crate::vault::reseal::{Known, Order};
use crate::vault::rotation::{Due, Rotation, Wish};
use crate::vault::{hex, reseal};

fn id(key: [u8; 32]) -> String {
    Key::from_bytes(key).id().to_string()
}

fn rotated(from: [u8; 32], to: [u8; 32], reencrypt: bool) -> NewEvent {
    let event = KeyRotated {
        from: Key::from_bytes(from).id().0.to_vec(),
        to: Key::from_bytes(to).id().0.to_vec(),
        reencrypt,
    };
    NewEvent::own(NOON, "vault/keys", event)
}

impl House {
    fn keyring(&self) -> Keyring {
        Keyring::of(&self.options().key)
    }

    fn rotate(&self, to: [u8; 32], reencrypt: bool) {
        let (options, ring) = (self.options().key, self.keyring());
        let wish = Wish {
            reencrypt,
            only_finish: false,
        };
        let environment = KeyEnvironment::default();
        let begun = Rotation::begin(&options, &environment, &ring, to, wish);
        let mut rotation = begun.unwrap().unwrap();
        loop {
            match rotation.advance().unwrap() {
                Due::Record(plan) => {
                    let event = KeyRotated {
                        from: plan.from.0.to_vec(),
                        to: plan.to.0.to_vec(),
                        reencrypt: plan.reencrypt,
                    };
                    let event = NewEvent::own(NOON, "vault/keys", event);
                    self.handle().store(vec![event]).unwrap();
                }
                Due::End => break,
                Due::Nothing | Due::Show(_) => {}
            }
        }
    }

    fn vault_notes(&self) -> Vec<String> {
        all(
            &mut self.database().snapshot().unwrap(),
            "SELECT message FROM system_events WHERE component = 'vault' ORDER BY id",
            &[],
            |row| Ok(row.text(0)?.to_owned()),
        )
        .unwrap()
    }

    /// Key and integrity of every recording that is sealed.
    fn keys(&self) -> Vec<(String, String)> {
        all(
            &mut self.database().snapshot().unwrap(),
            "SELECT key_id, integrity FROM recordings WHERE state = 'sealed' ORDER BY original_name",
            &[],
            |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
        )
        .unwrap()
    }

    /// Files of the recordings folder without the sidecars, which must all be there.
    fn vges(&self) -> Vec<String> {
        let (sidecars, files): (Vec<_>, Vec<_>) = self
            .all_names()
            .into_iter()
            .partition(|name| crate::vault::names::is_auth(name.as_ref()));
        assert_eq!(sidecars.len(), files.len(), "{sidecars:?} {files:?}");
        files
    }
}

#[test]
fn after_a_rotation_the_new_key_seals_and_that_is_told_once() {
    let house = House::new();
    house.put("a.mp4", b"a");
    house.pass();
    house.rotate(OTHER_KEY, false);
    for _ in 0..2 {
        let health = house.pass();
        assert_eq!(health.trouble, None);
    }
    house.put("b.mp4", b"b");
    house.pass();
    house.pass();
    assert_eq!(house.opened("a.vge", &KEY), b"a");
    assert_eq!(house.opened("b.vge", &OTHER_KEY), b"b");
    let notes = house.vault_notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(&id(OTHER_KEY)), "{notes:?}");
    assert_eq!(
        house.count(Kind::RecordingResealed),
        0,
        "nobody asked for it"
    );
}

#[test]
fn a_rotation_whose_event_is_not_stored_yet_is_noted_once() {
    let house = House::new();
    house.put("a.mp4", b"a");
    house.pass();
    let ring = house.keyring();
    for key in [KEY, OTHER_KEY] {
        ring.lock().unwrap().add(&Key::from_bytes(key)).unwrap();
    }
    house.put_key(&OTHER_KEY);
    for _ in 0..3 {
        assert_eq!(house.pass().trouble, None);
    }
    house.put("b.mp4", b"b");
    house.pass();
    assert_eq!(house.opened("b.vge", &OTHER_KEY), b"b");
    let notes = house.vault_notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].contains("from now on, after a rotation"),
        "{notes:?}"
    );
}

#[test]
fn a_running_watcher_goes_on_through_a_rotation() {
    let house = House::new();
    house.put("a.mp4", b"a");
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    house.rotate(OTHER_KEY, false);
    house.put("b.mp4", b"b");
    watcher.scan_again(&mut now);
    assert_eq!(house.opened("b.vge", &OTHER_KEY), b"b");
}

#[test]
fn a_retired_key_that_comes_back_is_noticed() {
    let house = House::new();
    house.put("a.mp4", b"a");
    house.pass();
    house.rotate(OTHER_KEY, false);
    house.put("b.mp4", b"b");
    house.pass();
    house.put_key(&KEY);
    house.put("c.mp4", b"c");
    let trouble = house.pass().trouble.unwrap();
    assert!(trouble.contains("this key was retired"), "{trouble}");
    assert!(house.rec("c.mp4").exists());
    house.put_key(&OTHER_KEY);
    assert_eq!(house.pass().trouble, None);
    assert_eq!(house.opened("c.vge", &OTHER_KEY), b"c");
}

#[test]
fn a_key_of_the_keyring_that_is_unfit_does_not_make_a_rotation() {
    let house = House::new();
    house.put("a.mp4", b"a");
    house.pass();
    house.rotate(OTHER_KEY, false);
    let old = house.keyring().file(&Key::from_bytes(KEY).id());
    std::fs::set_permissions(&old, PermissionsExt::from_mode(0o644)).unwrap();
    house.put("b.mp4", b"b");
    let trouble = house.pass().trouble.unwrap();
    assert!(trouble.contains("mode 0644"), "{trouble}");
    assert!(house.rec("b.mp4").exists());
}

#[test]
fn a_leftover_of_an_earlier_key_is_compared_with_the_key_of_the_keyring() {
    let house = House::new();
    house.put("a.mp4", b"a");
    let modified = house.rec("a.mp4").metadata().unwrap().modified().unwrap();
    house.pass();
    house.rotate(OTHER_KEY, false);
    house.put("a.mp4", b"a");
    let file = std::fs::File::options()
        .write(true)
        .open(house.rec("a.mp4"))
        .unwrap();
    file.set_modified(modified).unwrap();
    drop(file);
    house.pass();
    house.assert_sealed_once("a.mp4", "a.vge", b"a");
}

#[test]
fn with_reencrypt_every_recording_gets_the_new_key_and_stays_the_same() {
    let house = House::new();
    let clip = driveway();
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        house.put(name, &clip);
    }
    house.pass();
    house.rotate(OTHER_KEY, true);
    house.put("d.mp4", &clip);
    let health = house.pass();
    assert_eq!((health.trouble, health.to_reencrypt), (None, 0));
    assert_eq!(house.vges(), ["a.vge", "b.vge", "c.vge", "d.vge"]);
    for name in house.vges() {
        assert!(house.opened(&name, &OTHER_KEY) == clip, "{name}");
    }
    assert_eq!(
        house.keys(),
        vec![(id(OTHER_KEY), "verified".to_owned()); 4]
    );
    assert_eq!(house.count(Kind::RecordingResealed), 3);
    house.pass();
    assert_eq!(house.count(Kind::RecordingResealed), 3, "once");
    // A third key, from the second.
    let third = *b"a third key, for another rotation";
    let third: [u8; 32] = third[..32].try_into().unwrap();
    house.rotate(third, true);
    house.pass();
    assert_eq!(house.keys(), vec![(id(third), "verified".to_owned()); 4]);
}

#[test]
fn killed_at_any_step_of_a_re_encryption_the_next_start_finishes_it() {
    for step in 0..5 {
        let house = House::new();
        let clip = driveway();
        house.put("a.mp4", &clip);
        house.pass();
        house.rotate(OTHER_KEY, true);
        let folder = Folder::open(&house.rec("")).unwrap();
        let (old, new) = (Key::from_bytes(KEY), Key::from_bytes(OTHER_KEY));
        let text = |sql| hex::decode::<32>(house.text(sql, "a.mp4").unwrap()).unwrap();
        let order = Order {
            known: Known {
                plain_sha256: Some(text(
                    "SELECT plain_sha256 FROM recordings WHERE original_name = ?1",
                )),
                header_tag: None,
            },
            old: &old,
            new: &new,
            iv: ids::random(),
            seal: SealOptions::default(),
            reserve_bytes: 0,
        };
        let resealed = reseal::reseal(&folder, Path::new("a.vge"), &order).unwrap();
        let temp = |end: &str| {
            let names = house.all_names();
            let name = names
                .iter()
                .find(|name| name.starts_with(".nightjar-reseal-") && name.ends_with(end));
            house.rec(name.unwrap())
        };
        let (auth, file) = (temp(".auth.tmp"), temp(".tmp"));
        let file = if file == auth {
            PathBuf::from(auth.to_str().unwrap().replace(".auth.tmp", ".tmp"))
        } else {
            file
        };
        if step == 0 {
            std::fs::remove_file(&auth).unwrap();
        }
        if step >= 2 {
            let row = house.number(
                "SELECT id FROM recordings WHERE original_name = ?1",
                "a.mp4",
            );
            let event = crate::event::recording::Resealed {
                recording: row.unwrap() as i64,
                part: crate::event::recording::Part::Video,
                sealed_path: b"a.vge".to_vec(),
                plain_sha256: resealed.plain_sha256.to_vec(),
                key_id: resealed.key_id.0.to_vec(),
                iv: resealed.iv.to_vec(),
                header_tag: resealed.header_tag.0.to_vec(),
            };
            let event = NewEvent::own(NOON, "recording/a.mp4", event);
            house.handle().store(vec![event]).unwrap();
        }
        if step >= 3 {
            std::fs::rename(&file, house.rec("a.vge")).unwrap();
        }
        if step >= 4 {
            std::fs::rename(&auth, house.rec("a.vge.auth")).unwrap();
        }
        let health = house.pass();
        assert_eq!((health.trouble, health.to_reencrypt), (None, 0), "{step}");
        assert_eq!(house.vges(), ["a.vge"], "{step}");
        assert!(house.opened("a.vge", &OTHER_KEY) == clip, "{step}");
        assert_eq!(house.count(Kind::RecordingResealed), 1, "{step}");
        assert_eq!(
            house.keys(),
            [(id(OTHER_KEY), "verified".to_owned())],
            "{step}"
        );
        // The sidecar is the recorded one.
        let file = unseal::open_sealed(&folder, Path::new("a.vge"))
            .unwrap()
            .unwrap();
        let tag = text("SELECT header_tag FROM recordings WHERE original_name = ?1");
        let expected = crate::vault::reader::Expected {
            header_tag: Some(crate::vault::auth::HeaderTag(tag)),
            key_id: None,
        };
        let verdict = crate::vault::verify::verify(&file, &new, expected, &|_| {}).unwrap();
        assert!(
            matches!(verdict, crate::vault::verify::Verdict::Verified { .. }),
            "{step}: {verdict:?}"
        );
    }
}

#[test]
fn what_cannot_be_encrypted_anew_stays_and_is_told_once() {
    let house = House::new();
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        house.put(name, &driveway());
    }
    house.pass();
    let mut harmed = house.get("a.vge");
    harmed[100] ^= 1;
    put(&house.rec("a.vge"), &harmed);
    std::fs::remove_file(house.rec("b.vge")).unwrap();
    std::fs::remove_file(house.rec("b.vge.auth")).unwrap();
    house.rotate(OTHER_KEY, true);
    for _ in 0..3 {
        house.pass();
    }
    assert!(house.get("a.vge") == harmed, "as it was");
    // That one is missing may be the fault of the mount: it is said, and not held against it.
    assert_eq!(house.count(Kind::RecordingChecked), 1);
    let notes = house.texts(Kind::SystemNoted);
    assert_eq!(
        notes.iter().filter(|note| note.contains("b.vge")).count(),
        1
    );
    assert_eq!(
        house.keys(),
        [
            (id(KEY), "tampered".to_owned()),
            (id(KEY), "verified".to_owned()),
            (id(OTHER_KEY), "verified".to_owned())
        ]
    );
}

#[test]
fn without_the_old_key_recordings_stay_until_it_is_back() {
    let house = House::new();
    house.put("a.mp4", &driveway());
    house.pass();
    house.rotate(OTHER_KEY, false);
    house.put("b.mp4", &driveway());
    house.pass();
    let file = house.keyring().file(&Key::from_bytes(KEY).id());
    let away = house.dir.path().join("away.key");
    std::fs::rename(&file, &away).unwrap();
    house
        .handle()
        .store(vec![rotated(KEY, OTHER_KEY, true)])
        .unwrap();
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    watcher.scan_again(&mut now);
    assert_eq!(watcher.health().lock().unwrap().to_reencrypt, 1);
    assert_eq!(house.opened("a.vge", &KEY), driveway());
    let told = |notes: Vec<String>| notes.iter().filter(|n| n.contains("keyring")).count();
    let before = told(house.vault_notes());
    house.pass();
    assert_eq!(told(house.vault_notes()), before, "told once");
    std::fs::rename(&away, &file).unwrap();
    watcher.scan_again(&mut now);
    assert_eq!(watcher.health().lock().unwrap().to_reencrypt, 0);
    assert_eq!(house.opened("a.vge", &OTHER_KEY), driveway());
}

#[test]
fn the_picture_beside_a_recording_gets_the_new_key_too() {
    const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 a picture of nothing";
    let house = House::new();
    house.put("a.mp4", &driveway());
    house.put("a.jpg", PICTURE);
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    watcher.scan_again(&mut now);
    assert_eq!(house.vges(), ["a.jpg.vge", "a.vge"]);
    house.rotate(OTHER_KEY, true);
    watcher.scan_again(&mut now);
    assert_eq!(watcher.health().lock().unwrap().to_reencrypt, 0);
    assert_eq!(house.vges(), ["a.jpg.vge", "a.vge"]);
    assert_eq!(house.opened("a.jpg.vge", &OTHER_KEY), PICTURE);
    assert!(house.opened("a.vge", &OTHER_KEY) == driveway());
    assert_eq!(house.count(Kind::RecordingResealed), 2);
    let key = house.text(
        "SELECT thumbnail_key_id FROM recordings WHERE original_name = ?1",
        "a.mp4",
    );
    assert_eq!(key, Some(id(OTHER_KEY)));
}
