#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn key(n: u8) -> Key {
    Key::from_bytes(std::array::from_fn(|i| i as u8 ^ n))
}

fn ring() -> (tempfile::TempDir, Keyring) {
    let dir = tempfile::tempdir().unwrap();
    let options = KeyOptions {
        key_file: dir.path().join("storage.key"),
        ..KeyOptions::default()
    };
    let ring = Keyring::of(&options);
    (dir, ring)
}

fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    File::create(path)
        .unwrap()
        .write_all(bytes.as_ref())
        .unwrap();
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_added_is_found_and_what_is_removed_is_not() {
    let (_dir, ring) = ring();
    assert!(
        ring.load(&key(1).id()).unwrap().is_none(),
        "there is no folder yet"
    );
    let locked = ring.lock().unwrap();
    for n in [1, 2, 2] {
        locked.add(&key(n)).unwrap();
    }
    put(ring.path().join("notes.txt"), "none of ours");
    put(ring.path().join("0000.key"), "nor this");
    let keys = KeyRing::load(key(3), &ring);
    let mut ids = [1, 2, 3].map(|n| key(n).id());
    ids.sort();
    assert_eq!(keys.ids(), ids);
    for n in [1, 2, 3] {
        assert_eq!(keys.get(&key(n).id()).unwrap().bytes(), key(n).bytes());
    }
    assert!(keys.get(&key(4).id()).is_none());
    assert!(locked.remove(&key(1).id()).unwrap());
    assert!(!locked.remove(&key(1).id()).unwrap());
    assert_eq!(ring.ids().unwrap(), [key(2).id()]);
}

#[test]
fn an_unfit_file_spoils_its_own_key_alone_and_is_named() {
    let (_dir, ring) = ring();
    let locked = ring.lock().unwrap();
    for n in 1..=6 {
        locked.add(&key(n)).unwrap();
    }
    let file = |n| ring.file(&key(n).id());
    chmod(&file(1), 0o640);
    put(file(2), "too short");
    std::fs::copy(file(6), file(3)).unwrap();
    std::fs::remove_file(file(4)).unwrap();
    symlink(file(6), file(4)).unwrap();
    put(file(5), [0; KEY_BYTES]);
    // The current key's own copy is spoilt as well, and the current key works.
    let keys = KeyRing::load(key(5), &ring);
    assert_eq!(keys.get(&key(5).id()).unwrap().bytes(), key(5).bytes());
    assert!(keys.get(&key(6).id()).is_some());
    for (n, reason) in [
        (1, "mode 0640"),
        (2, "wrong length"),
        (3, "not the one that its name says"),
        (4, "symbolic link"),
        (5, "one byte repeated"),
    ] {
        let id = key(n).id();
        let error = keys.unfit(&id).unwrap().to_string();
        assert!(error.contains(reason), "{error}");
        assert!(error.contains(&format!("{id}.key")), "{error}");
        assert!(n == 5 || keys.get(&id).is_none());
        let error = locked.add(&key(n)).unwrap_err().to_string();
        assert!(error.contains(reason), "never overwritten: {error}");
    }
}

#[test]
fn a_folder_that_is_unfit_makes_its_keys_missing_and_never_the_current_one() {
    let (dir, ring) = ring();
    ring.lock().unwrap().add(&key(1)).unwrap();
    let look = |ring: &Keyring| {
        let keys = KeyRing::load(key(2), ring);
        assert!(keys.get(&key(1).id()).is_none());
        assert!(keys.get(&key(2).id()).is_some());
        keys.trouble().unwrap().to_string()
    };
    chmod(ring.path(), 0o720);
    assert!(look(&ring).contains("chmod 700"));
    chmod(ring.path(), 0o700);
    let link = Keyring {
        path: dir.path().join("link"),
        ..ring.clone()
    };
    symlink(ring.path(), link.path()).unwrap();
    assert!(look(&link).contains("not a folder"));
    let foreign = Keyring {
        service_uid: ring.service_uid + 1,
        ..ring.clone()
    };
    if ring.service_uid != 0 {
        assert!(look(&foreign).contains("chown"));
    }
}

#[test]
fn no_key_is_shown_by_debug() {
    let (_dir, ring) = ring();
    ring.lock().unwrap().add(&key(1)).unwrap();
    let shown = format!("{:?} {ring:?}", KeyRing::load(key(2), &ring));
    assert!(shown.contains(&key(1).id().to_string()), "{shown}");
    for n in [1, 2] {
        assert!(
            !shown.contains(&super::super::hex::encode(key(n).bytes())),
            "{shown}"
        );
    }
}

#[test]
fn ids_are_read_as_they_are_written() {
    let id = key(1).id();
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in ["", "0123", "0123456789abcdeg", "0123456789abcdef0"] {
        assert!(text.parse::<KeyId>().is_err(), "{text}");
    }
}
