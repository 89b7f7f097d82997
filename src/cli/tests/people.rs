//! `faces`, `packages` and `presence`, as people run them.

use super::keys::put;
use super::*;
use crate::event::house::{FacePrivacy, FaceSeen, PackageDetected};
use crate::event::people::{FaceMatched, HouseholdChanged, PresenceCause, PresenceChanged};
use crate::ingest::control;
use crate::ingest::replay::Direct;

const TOVE: [u8; 512] = [0x21; 512];
const BO: [u8; 512] = [0x3e; 512];

/// Persons 1 (Tove, known to the publisher) and 3, a parcel, and two members of the household.
fn people() -> House {
    let house = House::empty();
    let face = |ago_s, bytes: [u8; 512], alias: Option<&str>| {
        let seen = FaceSeen {
            camera: "front_door".into(),
            profile_id: alias.map(Into::into),
            confidence: 0.9,
            embedding: Some(bytes.to_vec()),
            crop_path: alias.map(|_| "tove.jpg".into()),
            privacy: Some(FacePrivacy::OptedIn),
            extra: Extra::default(),
        };
        NewEvent::own(NOW - ago_s * SECOND_NS, "face/front_door", seen)
    };
    let matched = |face, is_new| {
        let matched = FaceMatched {
            face,
            profile: face,
            camera: "front_door".into(),
            distance: None,
            is_new,
            known: false,
            ignored: false,
            dropped: Vec::new(),
        };
        NewEvent::own(NOW, "camera/front_door", matched).caused_by(face)
    };
    let parcel = PackageDetected {
        camera: "porch".into(),
        confidence: None,
        crop_path: None,
        extra: Extra::default(),
    };
    let home = PresenceChanged {
        member: "ivo".into(),
        from: None,
        to: "HOME".into(),
        because: PresenceCause::Report,
        role: "child".into(),
    };
    let whole = HouseholdChanged {
        from: None,
        to: "KIDS_HOME".into(),
    };
    house.store(vec![
        face(3_600, TOVE, Some("pub-id-tove")),
        matched(1, true),
        face(60, BO, None),
        matched(3, true),
        NewEvent::own(NOW, "package/porch", parcel),
        NewEvent::own(NOW, "presence/ivo", home),
        NewEvent::own(NOW, "household/status", whole),
    ]);
    let crops = house.path().join("crops");
    std::fs::create_dir(&crops).unwrap();
    put(&crops.join("tove.jpg"), b"her picture");
    put(
        &house.path().join("nightjar.toml"),
        b"[faces]\ncrops_dir = \"crops\"\n[[presence.member]]\nid = \"ivo\"\nname = \"Ivo\"\n",
    );
    house
}

#[track_caller]
fn ok(house: &House, args: &[&str]) -> String {
    let ran = house.run(args);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    ran.out
}

/// Answers verbs as the daemon does while `work` runs.
fn with_daemon(house: &House, work: impl FnOnce()) {
    let listener = control::listen(house.path()).unwrap();
    let direct = Direct {
        writer: house.handle.clone().unwrap(),
        rules: Arc::new(crate::decode::Rules::new(
            "vigilar".parse().unwrap(),
            Vec::new(),
        )),
        pins: Arc::default(),
        clock: Clock::fixed(NOW),
    };
    let shutdown = Shutdown::new();
    std::thread::scope(|scope| {
        let stop = shutdown.clone();
        scope.spawn(move || {
            control::serve(&listener, &direct, None, &|| serde_json::Value::Null, &stop);
        });
        work();
        shutdown.stop();
        control::wake(house.path());
    });
}

fn files_with(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if path.is_file() {
            let file = std::fs::read(&path).unwrap();
            if file.windows(bytes.len()).any(|part| part == bytes) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_person_is_named_edited_merged_and_shown() {
    let house = people();
    with_daemon(&house, || {
        let list = ok(&house, &["faces", "list", "--json"]);
        let rows: serde_json::Value = serde_json::from_str(&list).unwrap();
        assert_eq!(rows["rows"][0]["id"], 3);
        assert_eq!(rows["rows"][1]["visits"], 1);
        ok(&house, &["faces", "name", "1", "Tove"]);
        let ran = house.run(&["faces", "name", "3", "Tove"]);
        assert_eq!(ran.code, Exit::Usage);
        assert!(ran.error.contains("faces merge 3 1"), "{}", ran.error);
        let ran = house.run(&["faces", "edit", "tove", "--presence-member", "tove"]);
        assert!(ran.messages.contains("--household yes"), "{}", ran.messages);
        ok(&house, &["faces", "edit", "Tove", "--household", "yes"]);
        let shown = ok(&house, &["faces", "show", "tove"]);
        for word in ["Tove", "pub-id-tove", "tove.jpg", "front_door", "yes"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        let visits = ok(&house, &["faces", "visits", "Tove", "--csv"]);
        assert_eq!(visits.lines().count(), 2, "{visits}");
        let ran = house.run(&["faces", "show", "Tovr"]);
        assert_eq!(ran.code, Exit::NoInput);
        assert!(ran.error.contains("did you mean `Tove`?"), "{}", ran.error);
        assert_eq!(house.run(&["faces", "edit", "1"]).code, Exit::Usage);
        ok(&house, &["faces", "merge", "3", "Tove"]);
        assert!(!ok(&house, &["faces", "list", "--csv"]).contains("\n3,"));
        assert_eq!(ok(&house, &["faces", "unknown"]), "nobody is unknown\n");
    });
    ok(&house, &["rebuild", "--check"]);
}

#[test]
fn forgetting_needs_a_yes_and_leaves_nothing_with_the_daemon_and_without() {
    for daemon in [true, false] {
        let mut house = people();
        with_daemon(&house, || {
            ok(&house, &["faces", "name", "1", "Tove Lindqvist"]);
        });
        let refused = house.run(&["faces", "forget", "1"]);
        assert_eq!(refused.code, Exit::Usage);
        assert!(refused.error.contains("--yes"), "{}", refused.error);
        assert!(!files_with(house.path(), b"Tove Lindqvist").is_empty());
        let forget = ["faces", "forget", "tove lindqvist", "--yes"];
        let out = if daemon {
            let mut out = String::new();
            with_daemon(&house, || out = ok(&house, &forget));
            // The writer of this house knows no folder of pictures, and says so.
            assert!(out.contains("`faces.crops_dir` is not configured"), "{out}");
            out
        } else {
            house.stop();
            let out = ok(&house, &forget);
            assert!(files_with(house.path(), b"her picture").is_empty());
            out
        };
        assert!(
            out.contains("person 1 is forgotten: 3 events redacted, 1 visits"),
            "{out}"
        );
        for secret in [&TOVE[..], b"Tove Lindqvist", b"pub-id-tove", b"tove.jpg"] {
            let found = files_with(house.path(), secret);
            assert!(found.is_empty(), "{found:?}");
        }
        assert!(!files_with(house.path(), &BO).is_empty());
        let again = house.run(&forget);
        assert_eq!(again.code, Exit::NoInput, "{}", again.error);
        house.stop();
        ok(&house, &["rebuild", "--check"]);
        ok(&house, &["check"]);
    }
}

#[test]
fn parcels_are_listed_and_collected_by_hand() {
    let mut house = people();
    house.stop();
    assert!(ok(&house, &["packages", "list", "--open"]).contains("DETECTED"));
    assert_eq!(
        ok(&house, &["packages", "collected", "5"]),
        "parcel 5 at porch is collected now\n"
    );
    assert_eq!(
        ok(&house, &["packages", "list", "--open"]),
        "nothing lies before the door\n"
    );
    assert!(ok(&house, &["packages", "collected", "5"]).contains("already"));
    assert_eq!(
        house.run(&["packages", "collected", "6"]).code,
        Exit::NoInput
    );
}

#[test]
fn presence_tells_now_and_what_was() {
    let house = people();
    let now = ok(&house, &["presence"]);
    for word in ["ivo", "Ivo", "child", "HOME", "The household: kids home"] {
        assert!(now.contains(word), "{word}: {now}");
    }
    let history = ok(&house, &["presence", "--history"]);
    assert!(history.contains("the household"), "{history}");
    let one = ok(
        &house,
        &["presence", "--history", "--member", "ivo", "--jsonl"],
    );
    assert_eq!(one.lines().count(), 1, "{one}");
    assert_eq!(
        house.run(&["presence", "--member", "eve"]).code,
        Exit::NoInput
    );
    for view in [
        "face_profiles",
        "visits",
        "package_events",
        "presence_log",
        "household_log",
    ] {
        ok(&house, &["query", view]);
    }
}
