//! Forgetting a person, on the real writer: what every file of the data folder holds afterwards.

use std::path::Path;

use nightjar::event::house::{FacePrivacy, FaceSeen};
use nightjar::event::people::{ProfileEdited, ProfilesMerged};
use nightjar::event::{Extra, Flags, NewEvent};
use nightjar::reactor::{Settings, faces};
use nightjar::storage::Session as _;
use nightjar::storage::sqlite::{Database, Options};
use nightjar::values;
use nightjar::writer::forget::Forgotten;
use proptest::prelude::*;

use crate::bench_box::{BenchBox, NOW};

const MINUTE_NS: i64 = 60_000_000_000;

/// A direction of its own for each person, and a little of the others' for each look of it.
fn vector(person: u8, look: u8) -> Vec<u8> {
    (0..128_u8)
        .map(|at| {
            let noise = f32::from(look.wrapping_mul(31).wrapping_add(at) % 7) / 90.0;
            // Of another height for each, or a part of one would be a part of another.
            if at % 16 == person {
                1.0 + f32::from(person) / 3.0 + noise
            } else {
                noise
            }
        })
        .flat_map(f32::to_le_bytes)
        .collect()
}

fn face(person: u8, look: u8, alias: Option<&str>, crop: Option<&str>) -> NewEvent {
    let seen = FaceSeen {
        camera: "front_door".into(),
        profile_id: alias.map(Into::into),
        confidence: 0.9,
        embedding: Some(vector(person, look)),
        crop_path: crop.map(Into::into),
        privacy: Some(FacePrivacy::OptedIn),
        extra: Extra::from([("track".into(), format!("track-of-{person}").into())]),
    };
    let mut event = NewEvent::own(NOW, "face/front_door", seen).from_source("camera/front_door");
    event.occurred_at = NOW + i64::from(look) * MINUTE_NS;
    event.topic = Some("vigilar/camera/front_door/face/detected".into());
    event
}

fn named(profile: i64, name: &str) -> NewEvent {
    let edit = ProfileEdited {
        profile,
        name: Some(name.into()),
        ..ProfileEdited::default()
    };
    NewEvent::own(NOW, format!("person/{profile}"), edit)
}

fn settings(crops: &Path) -> Settings {
    Settings {
        faces: faces::Settings {
            crops_dir: Some(crops.to_owned()),
            ..faces::Settings::default()
        },
        ..Settings::default()
    }
}

/// The files below `folder` that hold `bytes`.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if holds(&std::fs::read(&path).unwrap(), bytes) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

fn holds(file: &[u8], bytes: &[u8]) -> bool {
    file.windows(bytes.len())
        .any(|part| part[0] == bytes[0] && part == bytes)
}

#[track_caller]
fn assert_gone(folder: &Path, person: u8, looks: u8, words: &[&str]) {
    for look in 0..looks {
        assert_eq!(holding(folder, &vector(person, look)), [""; 0], "{look}");
        // Half a face is a face too.
        assert_eq!(holding(folder, &vector(person, look)[..128]), [""; 0]);
    }
    for word in words {
        assert_eq!(holding(folder, word.as_bytes()), [""; 0], "{word}");
    }
}

const TOVE: u8 = 1;
const BO: u8 = 2;
const LOOKS: u8 = 60;

/// Two people, often seen; their profiles.
fn two_people(bench: &BenchBox) -> (i64, i64) {
    for look in 0..LOOKS {
        let crop = format!("tove-{look}.jpg");
        bench.store(vec![
            face(TOVE, look, Some("pub-id-tove"), Some(&crop)),
            face(BO, look, None, Some("bo.jpg")),
        ]);
    }
    let profiles: Vec<i64> = bench
        .rows("SELECT id FROM face_profiles ORDER BY id")
        .iter()
        .map(|row| match row[0] {
            nightjar::storage::Owned::Integer(id) => id,
            ref other => panic!("{other:?}"),
        })
        .collect();
    let [tove, bo] = profiles[..] else {
        panic!("{profiles:?}")
    };
    bench.store(vec![named(tove, "Tove Lindqvist"), named(bo, "Bo Ekdahl")]);
    (tove, bo)
}

const WORDS: &[&str] = &["Tove Lindqvist", "pub-id-tove", "tove-", "track-of-1"];

#[expect(clippy::disallowed_methods, reason = "pictures need no atomic write")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

fn folder_with_crops() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let crops = folder.path().join("crops");
    std::fs::create_dir(&crops).unwrap();
    for look in 0..LOOKS {
        write(
            &crops.join(format!("tove-{look}.jpg")),
            b"picture of the one who goes",
        );
    }
    write(&crops.join("bo.jpg"), b"picture of the other");
    (folder, crops)
}

#[test]
fn nothing_is_left_of_a_person_in_any_file_and_the_others_stay() {
    let (folder, crops) = folder_with_crops();
    let bench = BenchBox::reacting_in(folder.path(), settings(&crops));
    let (tove, bo) = two_people(&bench);
    let kept = "SELECT count(*) FROM face_embeddings WHERE profile_id = ";
    assert_eq!(bench.number(&format!("{kept}{tove}")), 32);
    assert!(!holding(folder.path(), &vector(TOVE, 3)).is_empty());
    // Faces that are never matched: a retained message by its looks, and one by its id.
    let mut snapshot = face(TOVE, 3, None, None);
    snapshot.flags = Flags::RETAINED;
    let mut by_id = face(5, 3, Some("pub-id-tove"), None);
    by_id.flags = Flags::SUSPECT_DUP;
    let mut of_other = face(BO, 3, None, None);
    of_other.flags = Flags::RETAINED;
    bench.store(vec![snapshot, by_id, of_other]);
    let before = bench.rows(&format!("SELECT * FROM visits WHERE profile_id = {bo}"));
    let head = bench.handle().head();

    let forgotten = bench.handle().forget(tove).unwrap().unwrap();
    assert_eq!(
        forgotten,
        Forgotten {
            events: 2 * i64::from(LOOKS) + 1 + 2,
            crops_deleted: i64::from(LOOKS),
            ..Forgotten::default()
        }
    );
    assert_gone(folder.path(), TOVE, LOOKS, WORDS);
    assert_gone(folder.path(), 5, 4, &[]);
    assert!(holding(folder.path(), b"picture of the one who goes").is_empty());

    // The log is whole: as many events as before and the one that tells.
    assert_eq!(bench.number("SELECT count(*) FROM event_log"), head + 1);
    assert_eq!(
        bench.number("SELECT max(position) FROM event_log"),
        head + 1
    );
    assert_eq!(bench.number("SELECT count(*) FROM redactions"), 0);
    assert_eq!(bench.number("SELECT count(*) FROM forgetting_crops"), 0);
    assert_eq!(
        bench.number("SELECT count(*) FROM metadata WHERE key = 'forgetting_unfinished'"),
        0
    );
    for table in ["face_profiles", "face_traces", "visits", "face_embeddings"] {
        let column = if table == "face_profiles" {
            "id"
        } else {
            "profile_id"
        };
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = {tove}");
        assert_eq!(bench.number(&sql), 0, "{table}");
    }
    bench.assert_searchable();
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
    assert_eq!(
        bench.number("SELECT count(*) FROM events WHERE message LIKE '%erson 1 %'"),
        0
    );

    // The other one is who he was, and is still recognised.
    assert!(!holding(folder.path(), &vector(BO, LOOKS - 1)).is_empty());
    assert_eq!(holding(folder.path(), b"picture of the other"), ["bo.jpg"]);
    assert_eq!(bench.number(&format!("{kept}{bo}")), 32);
    assert_eq!(
        bench.rows(&format!("SELECT * FROM visits WHERE profile_id = {bo}")),
        before
    );
    bench.store(vec![
        face(BO, LOOKS, None, None),
        face(TOVE, LOOKS, None, None),
    ]);
    assert_eq!(bench.number("SELECT count(*) FROM face_profiles"), 2);
    assert_eq!(
        bench.number(&format!(
            "SELECT visit_count FROM face_profiles WHERE id = {bo}"
        )),
        1
    );
    assert_eq!(
        bench.handle().forget(tove).unwrap().unwrap_err(),
        format!("there is no person {tove}")
    );
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_reader_is_waited_for_and_the_next_start_finishes_also_after_a_kill() {
    let (folder, crops) = folder_with_crops();
    let mut bench = BenchBox::reacting_in(folder.path(), settings(&crops));
    let (tove, _) = two_people(&bench);
    let mut reader = bench.reader();
    let mut old_state = reader.snapshot().unwrap();
    let look = "SELECT count(*) FROM face_embeddings";
    let seen = nightjar::storage::first(&mut old_state, look, &[], |row| row.int(0));
    assert_eq!(seen.unwrap(), Some(64));

    let forgotten = bench.handle().forget(tove).unwrap().unwrap();
    assert!(forgotten.unfinished.unwrap().contains("reads an old state"));
    assert!(!holding(folder.path(), &vector(TOVE, LOOKS - 1)).is_empty());

    // What a kill at this moment leaves: the files as they are, the pictures not yet deleted.
    let killed = tempfile::tempdir().unwrap();
    for name in ["nightjar.db", "nightjar.db-wal"] {
        std::fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
    }
    let undeleted = killed.path().join("crops");
    std::fs::create_dir(&undeleted).unwrap();
    drop(old_state);
    drop(reader);
    bench.restart();
    assert_gone(folder.path(), TOVE, LOOKS, WORDS);

    let after = BenchBox::reacting_in(killed.path(), settings(&undeleted));
    assert_gone(killed.path(), TOVE, LOOKS, WORDS);
    assert_eq!(after.unequal_after_rebuild(), Vec::<&str>::new());
    assert_eq!(
        after.number("SELECT count(*) FROM metadata WHERE key = 'forgetting_unfinished'"),
        0
    );
}

#[test]
fn pictures_are_deleted_inside_their_folder_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let crops = folder.path().join("crops");
    std::fs::create_dir(&crops).unwrap();
    std::fs::create_dir(crops.join("deep")).unwrap();
    let outside = folder.path().join("outside.jpg");
    for path in [
        &outside,
        &crops.join("a.jpg"),
        &crops.join("b.jpg"),
        &crops.join("deep/c.jpg"),
    ] {
        write(path, b"picture");
    }
    std::os::unix::fs::symlink(&outside, crops.join("link.jpg")).unwrap();
    std::os::unix::fs::symlink(folder.path(), crops.join("up")).unwrap();
    let bench = BenchBox::reacting_in(folder.path(), settings(&crops));
    let absolute = crops.join("a.jpg");
    let elsewhere = outside.display().to_string();
    for (look, crop) in [
        absolute.to_str().unwrap(),
        "crops/b.jpg",
        "deep/c.jpg",
        "never-there.jpg",
        "../outside.jpg",
        &elsewhere,
        "link.jpg",
        "up/outside.jpg",
    ]
    .into_iter()
    .enumerate()
    {
        bench.store(vec![face(3, look as u8, None, Some(crop))]);
    }
    let profile = bench.number("SELECT id FROM face_profiles");
    let forgotten = bench.handle().forget(profile).unwrap().unwrap();
    assert_eq!(forgotten.crops_deleted, 3, "{forgotten:?}");
    let mut left: Vec<_> = forgotten
        .crops_left
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    left.sort_unstable();
    assert!(left.contains(&"../outside.jpg"), "{left:?}");
    assert!(left.contains(&elsewhere.as_str()), "{left:?}");
    assert!(outside.exists());
    assert!(!absolute.exists() && !crops.join("b.jpg").exists());
    assert!(crops.join("link.jpg").symlink_metadata().is_ok());
}

#[test]
fn events_of_before_cameras_were_asked_are_found_by_the_publishers_id() {
    let folder = tempfile::tempdir().unwrap();
    let bench = BenchBox::reacting_in(folder.path(), Settings::default());
    let mut old = face(4, 0, Some("pub-id-old"), None);
    let nightjar::event::Event::FaceSeen(seen) = &mut old.event else {
        panic!()
    };
    seen.privacy = None;
    old.stream = "face/pub-id-old".into();
    bench.store(vec![old.clone(), old]);
    assert_eq!(
        bench.number("SELECT count(*) FROM events WHERE message LIKE '%Pub-id-old%'"),
        2
    );
    bench.store(vec![face(4, 1, Some("pub-id-old"), None)]);
    let profile = bench.number("SELECT id FROM face_profiles");
    bench.handle().forget(profile).unwrap().unwrap();
    assert_gone(folder.path(), 4, 2, &["pub-id-old", "Pub-id-old"]);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
    // A name that was changed can be used again.
    let mut again = face(4, 2, Some("pub-id-old"), None);
    again.stream = "face/pub-id-old".into();
    bench.store(vec![again]);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn only_the_words_of_a_guarded_event_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = BenchBox::in_folder(folder.path());
    bench.store(vec![face(1, 1, None, None), face(1, 2, None, None)]);
    bench.stop().unwrap();
    let path = folder.path().join("nightjar.db");
    let mut database = Database::open_writer(&path, Options::default()).unwrap();
    let mut session = database.begin().unwrap();
    let words = "UPDATE event_log SET body = x'00', text = 'x' WHERE position = ?1";
    assert!(session.write(words, values![1]).is_err(), "without a guard");
    session
        .write("INSERT INTO redactions VALUES (?1)", values![1])
        .unwrap();
    for sql in [
        "UPDATE event_log SET position = 9 WHERE position = 1",
        "UPDATE event_log SET kind = kind + 1 WHERE position = 1",
        "UPDATE event_log SET version = 9 WHERE position = 1",
        "UPDATE event_log SET occurred_at = 9 WHERE position = 1",
        "UPDATE event_log SET received_at = 9 WHERE position = 1",
        "UPDATE event_log SET stream = stream + 1 WHERE position = 1",
        "UPDATE event_log SET source = source + 1 WHERE position = 1",
        "UPDATE event_log SET topic = NULL WHERE position = 1",
        "UPDATE event_log SET flags = 8 WHERE position = 1",
        "UPDATE event_log SET cause = 7 WHERE position = 1",
        "UPDATE event_log SET body = x'00', flags = 8 WHERE position = 1",
        "UPDATE OR REPLACE event_log SET position = 2 WHERE position = 1",
        "UPDATE event_log SET body = x'00' WHERE position = 2",
        "DELETE FROM event_log WHERE position = 1",
        "INSERT OR REPLACE INTO event_log SELECT * FROM event_log WHERE position = 1",
    ] {
        assert!(session.write(sql, &[]).is_err(), "{sql}");
    }
    session.write(words, values![1]).unwrap();
    assert!(session.write(words, values![2]).is_err(), "another one");
}

#[derive(Clone, Debug)]
enum Step {
    Face {
        person: u8,
        look: u8,
        alias: bool,
    },
    Name {
        pick: prop::sample::Index,
    },
    Merge {
        from: prop::sample::Index,
        into: prop::sample::Index,
    },
    Forget {
        pick: prop::sample::Index,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        12 => (0_u8..4, 0_u8..80, prop::bool::weighted(0.3))
            .prop_map(|(person, look, alias)| Step::Face { person, look, alias }),
        2 => index().prop_map(|pick| Step::Name { pick }),
        1 => (index(), index()).prop_map(|(from, into)| Step::Merge { from, into }),
        2 => index().prop_map(|pick| Step::Forget { pick }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_rebuild_gives_the_live_tables_whoever_is_forgotten(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = BenchBox::reacting_in(folder.path(), Settings::default());
        for step in steps {
            let profiles: Vec<i64> = bench
                .rows("SELECT id FROM face_profiles ORDER BY id")
                .iter()
                .filter_map(|row| match row[0] {
                    nightjar::storage::Owned::Integer(id) => Some(id),
                    _ => None,
                })
                .collect();
            match step {
                Step::Face { person, look, alias } => {
                    let alias = alias.then(|| format!("alias-{person}"));
                    bench.store(vec![face(person, look, alias.as_deref(), None)]);
                }
                Step::Restart => bench.restart(),
                _ if profiles.is_empty() => {}
                Step::Name { pick } => {
                    let profile = *pick.get(&profiles);
                    bench.store(vec![named(profile, &format!("Name of {profile}"))]);
                }
                Step::Merge { from, into } => {
                    let merge = ProfilesMerged { from: *from.get(&profiles), into: *into.get(&profiles) };
                    bench.store(vec![NewEvent::own(NOW, "person/0", merge)]);
                }
                Step::Forget { pick } => {
                    let profile = *pick.get(&profiles);
                    let faces = bench.rows(&format!(
                        "SELECT embedding FROM face_embeddings WHERE profile_id = {profile}"
                    ));
                    let others = bench.rows(&format!(
                        "SELECT embedding FROM face_embeddings WHERE profile_id <> {profile}"
                    ));
                    bench.handle().forget(profile).unwrap().unwrap();
                    for row in faces.iter().filter(|row| !others.contains(row)) {
                        let nightjar::storage::Owned::Blob(bytes) = &row[0] else { panic!() };
                        prop_assert_eq!(holding(folder.path(), bytes), Vec::<String>::new());
                    }
                }
            }
        }
        prop_assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
        let head = bench.number("SELECT count(*) FROM event_log");
        prop_assert_eq!(bench.number("SELECT coalesce(max(position), 0) FROM event_log"), head);
    }
}
