//! Missing, unfit and exchanged keys.

use super::*;

/// Spoils the key, and what is then said of it.
type Spoiler = (fn(&House), &'static str);

fn notes(house: &House) -> Vec<(String, String)> {
    all(
        &mut house.database().snapshot().unwrap(),
        "SELECT level, message FROM system_events WHERE component = 'vault' ORDER BY id",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
    )
    .unwrap()
}

#[test]
fn without_a_key_recordings_are_found_and_nothing_is_sealed_until_it_comes() {
    let house = House::without_key();
    for name in ["a.mp4", "b.mp4"] {
        house.put(name, &driveway());
    }
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    for _ in 0..3 {
        watcher.scan_again(&mut now);
    }
    assert_eq!(house.names(), ["a.mp4", "b.mp4"]);
    assert_eq!(house.count(Kind::RecordingFound), 2);
    let health = watcher.health().lock().unwrap().clone();
    assert!(health.trouble.unwrap().contains("no storage key"));
    assert_eq!(health.keyless, 2);
    assert_eq!(notes(&house).len(), 1, "told once");
    assert_eq!(notes(&house)[0].0, "critical");
    // Another start, and a third file while there is still no key.
    house.put("c.mp4", b"c");
    house.pass();
    assert_eq!(house.count(Kind::RecordingFound), 3);
    house.put_key(&KEY);
    watcher.drain_from(&mut now);
    now += TROUBLE_EVERY;
    watcher.drain_from(&mut now);
    assert_eq!(house.names(), ["a.vge", "b.vge", "c.vge"]);
    assert_eq!(
        house.count(Kind::RecordingFound),
        3,
        "found again is not found anew"
    );
    assert_eq!(watcher.health().lock().unwrap().trouble, None);
    assert_eq!(notes(&house).last().unwrap().0, "info");
}

#[test]
fn every_unfit_key_stops_sealing_and_each_reason_is_told_once() {
    let house = House::without_key();
    house.put("a.mp4", b"a");
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    let spoilers: [Spoiler; 5] = [
        (|house| house.put_key(&KEY[..31]), "wrong length"),
        (|house| house.put_key(&[0; 32]), "one byte repeated"),
        (
            |house| {
                house.put_key(&KEY);
                let open = PermissionsExt::from_mode(0o644);
                std::fs::set_permissions(house.key_file(), open).unwrap();
            },
            "mode 0644",
        ),
        (
            |house| {
                let real = house.dir.path().join("real.key");
                std::fs::rename(house.key_file(), &real).unwrap();
                std::os::unix::fs::symlink(real, house.key_file()).unwrap();
            },
            "symbolic link",
        ),
        (
            |house| std::fs::remove_file(house.key_file()).unwrap(),
            "no storage key",
        ),
    ];
    for (spoil, reason) in spoilers {
        spoil(&house);
        watcher.scan_again(&mut now);
        watcher.scan_again(&mut now);
        let trouble = watcher.health().lock().unwrap().trouble.clone().unwrap();
        assert!(trouble.contains(reason), "{trouble}");
        assert!(notes(&house).last().unwrap().1.contains(reason));
        assert_eq!(house.names(), ["a.mp4"]);
    }
    assert_eq!(notes(&house).len(), 5);
    assert_eq!(
        house
            .kinds()
            .iter()
            .filter(|kind| **kind == "recording.found")
            .count(),
        1
    );
}

#[test]
fn a_key_exchanged_at_run_time_is_refused_until_it_is_accepted_or_put_back() {
    let house = House::new();
    house.put("a.mp4", b"a");
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    assert_eq!(house.names(), ["a.vge"]);
    house.put_key(&OTHER_KEY);
    house.put("b.mp4", b"b");
    watcher.scan_again(&mut now);
    watcher.scan_again(&mut now);
    assert_eq!(house.names(), ["a.vge", "b.mp4"]);
    let id = Key::from_bytes(OTHER_KEY).id().to_string();
    let trouble = watcher.health().lock().unwrap().trouble.clone().unwrap();
    assert!(
        trouble.contains(&format!("set vault.accepted_key = \"{id}\"")),
        "{trouble}"
    );
    assert_eq!(notes(&house).len(), 1);
    // Put back.
    house.put_key(&KEY);
    watcher.scan_again(&mut now);
    assert_eq!(house.opened("b.vge", &KEY), b"b");
    // Accepted.
    house.put_key(&OTHER_KEY);
    house.put("c.mp4", b"c");
    let mut options = house.options();
    options.accepted_key = Some(id);
    house.watcher_with(options).drain();
    assert_eq!(house.opened("c.vge", &OTHER_KEY), b"c");
    // From then on it is the key.
    house.put("d.mp4", b"d");
    house.pass();
    assert_eq!(house.opened("d.vge", &OTHER_KEY), b"d");
}

#[test]
fn a_leftover_sealed_under_a_key_that_is_gone_is_never_deleted() {
    let house = House::new();
    house.put("a.mp4", b"a");
    let kept = house.dir.path().join("kept.mp4");
    std::fs::copy(house.rec("a.mp4"), &kept).unwrap();
    let modified = house.rec("a.mp4").metadata().unwrap().modified().unwrap();
    house.pass();
    // The plaintext is back, as after a crash, and the key is another one, on purpose.
    std::fs::rename(&kept, house.rec("a.mp4")).unwrap();
    let file = std::fs::File::options()
        .write(true)
        .open(house.rec("a.mp4"))
        .unwrap();
    file.set_modified(modified).unwrap();
    drop(file);
    house.put_key(&OTHER_KEY);
    let mut options = house.options();
    options.accepted_key = Some(Key::from_bytes(OTHER_KEY).id().to_string());
    house.watcher_with(options).drain();
    assert_eq!(house.names(), ["a.mp4", "a.vge"]);
    assert_eq!(house.count(Kind::RecordingFailed), 1);
    // With the first key the two can be compared.
    house.put_key(&KEY);
    house.pass();
    house.assert_sealed_once("a.mp4", "a.vge", b"a");
}

#[test]
fn a_key_in_the_environment_seals() {
    let house = House::without_key();
    house.put("a.mp4", b"a");
    let mut options = house.options();
    options.key_environment.vigilar_encryption_key = Some(ids::hex(&KEY).into());
    house.watcher_with(options).drain();
    house.assert_sealed_once("a.mp4", "a.vge", b"a");
}
