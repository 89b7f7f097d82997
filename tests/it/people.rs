//! Faces, parcels and presence, on the real writer with a clock that is moved by hand.

use nightjar::event::house::{
    FacePrivacy, FaceSeen, PackageCollected, PackageDetected, PresenceReported,
};
use nightjar::event::people::ProfileEdited;
use nightjar::event::{Extra, Flags, NewEvent};
use nightjar::reactor::household::Role;
use nightjar::reactor::presence::MemberSettings;
use nightjar::reactor::{Settings, packages, sun};
use nightjar::storage::Owned;
use nightjar::storage::Session as _;
use nightjar::storage::sqlite::{Database, Options};
use nightjar::values;

use crate::bench_box::{BenchBox, NOW};

const SECOND_NS: i64 = 1_000_000_000;
const MINUTE_NS: i64 = 60 * SECOND_NS;
const HOUR_NS: i64 = 60 * MINUTE_NS;

fn house(settings: Settings) -> (tempfile::TempDir, BenchBox) {
    let folder = tempfile::tempdir().unwrap();
    let bench = BenchBox::reacting_in(folder.path(), settings);
    (folder, bench)
}

/// The rows of a query as words.
fn words(bench: &BenchBox, sql: &str) -> Vec<String> {
    let word = |value: &Owned| match value {
        Owned::Null => "-".to_owned(),
        Owned::Integer(number) => number.to_string(),
        Owned::Real(number) => number.to_string(),
        Owned::Text(text) => text.clone(),
        Owned::Blob(_) => "bytes".to_owned(),
    };
    let line = |row: &Vec<Owned>| row.iter().map(word).collect::<Vec<_>>().join(" ");
    bench.rows(sql).iter().map(line).collect()
}

fn at(bench: &BenchBox, time: i64) {
    bench.clock.set(time);
    bench.handle().tick().unwrap();
}

fn report(stream: &str, state: &str, role: Option<&str>, time: i64) -> NewEvent {
    let report = PresenceReported {
        state: state.into(),
        role: role.map(Into::into),
        extra: Extra::new(),
    };
    NewEvent::own(time, stream, report)
}

fn retained(mut event: NewEvent) -> NewEvent {
    event.flags = Flags::RETAINED;
    event
}

const CAME_AND_WENT: &str =
    "SELECT member, from_state, to_state, because FROM presence_log ORDER BY id";
const HOUSEHOLD: &str = "SELECT to_state FROM household_log ORDER BY id";
const MOMENTS: &str = "SELECT type, message FROM events ORDER BY position";

#[test]
fn who_says_nothing_for_long_is_away_unless_they_always_say_it() {
    let mut settings = Settings::default();
    let child = MemberSettings {
        role: Role::Child,
        away_after_ns: None,
    };
    settings.presence.members.insert("ivo".into(), child);
    let (_folder, mut bench) = house(settings);
    at(&bench, NOW);
    assert_eq!(words(&bench, HOUSEHOLD), ["EMPTY"]);
    assert_eq!(
        words(&bench, "SELECT id, role, state FROM presence_members"),
        ["ivo child AWAY"]
    );

    bench.store(vec![report("presence/mara", "HOME", None, NOW)]);
    bench.store(vec![report("presence/ivo", "HOME", None, NOW)]);
    bench.store(vec![report(
        "presence/mara",
        "HOME",
        None,
        NOW + 5 * MINUTE_NS,
    )]);
    at(&bench, NOW + 15 * MINUTE_NS - 1);
    assert_eq!(
        words(&bench, HOUSEHOLD),
        ["EMPTY", "ADULTS_HOME", "ALL_HOME"]
    );
    bench.restart();
    at(&bench, NOW + 20 * MINUTE_NS);
    at(&bench, NOW + 20 * HOUR_NS);
    bench.store(vec![report(
        "presence/ivo",
        "AWAY",
        None,
        NOW + 20 * HOUR_NS,
    )]);
    assert_eq!(
        words(&bench, CAME_AND_WENT),
        [
            "mara - HOME report",
            "ivo AWAY HOME report",
            "mara HOME AWAY silence",
            "ivo HOME AWAY report",
        ]
    );
    assert_eq!(
        words(
            &bench,
            "SELECT at FROM presence_log WHERE because = 'silence'"
        ),
        [(NOW + 15 * MINUTE_NS).to_string()]
    );
    assert_eq!(
        words(&bench, HOUSEHOLD),
        ["EMPTY", "ADULTS_HOME", "ALL_HOME", "KIDS_HOME", "EMPTY"]
    );
    assert_eq!(
        words(&bench, MOMENTS),
        [
            "HOUSEHOLD_CHANGED The household is empty",
            "PRESENCE_CHANGED Mara is home",
            "HOUSEHOLD_CHANGED The household is adults home",
            "PRESENCE_CHANGED Ivo is home",
            "HOUSEHOLD_CHANGED The household is all home",
            "PRESENCE_CHANGED Mara is away, not heard of for long",
            "HOUSEHOLD_CHANGED The household is kids home",
            "PRESENCE_CHANGED Ivo is away",
            "HOUSEHOLD_CHANGED The household is empty",
        ]
    );
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_retained_report_is_a_state_and_no_sign_of_life() {
    let (_folder, bench) = house(Settings::default());
    let home = || {
        retained(report(
            "presence/mara",
            "HOME",
            Some("adult"),
            bench.clock.now(),
        ))
    };
    bench.store(vec![home()]);
    assert_eq!(words(&bench, HOUSEHOLD), ["ALL_HOME"]);
    at(&bench, NOW + 10 * MINUTE_NS);
    // The broker tells the same again at each connect.
    bench.store(vec![home()]);
    at(&bench, NOW + 11 * MINUTE_NS);
    assert_eq!(words(&bench, HOUSEHOLD), ["ALL_HOME", "EMPTY"]);
    assert_eq!(words(&bench, CAME_AND_WENT), ["mara HOME AWAY silence"]);
    bench.store(vec![report(
        "presence/mara",
        "HOME",
        None,
        NOW + 12 * MINUTE_NS,
    )]);
    assert_eq!(words(&bench, HOUSEHOLD), ["ALL_HOME", "EMPTY", "ALL_HOME"]);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn members_may_be_called_as_topics_are_and_late_reports_change_nothing() {
    let (_folder, bench) = house(Settings::default());
    bench.clock.set(NOW + 5 * MINUTE_NS);
    let now = NOW + 5 * MINUTE_NS;
    let mut late = report("presence/household", "AWAY", None, now);
    late.occurred_at = NOW;
    bench.store(vec![
        report("presence/status", "HOME", Some("child"), now),
        report("presence/household", "HOME", None, now),
        // What the publisher makes of its own members.
        report("household/status", "KIDS_HOME", None, now),
        // As it stood in the log once.
        report("presence/household", "ADULTS_HOME", None, now),
        late,
    ]);
    assert_eq!(
        words(
            &bench,
            "SELECT id, role, state FROM presence_members ORDER BY id"
        ),
        ["household adult HOME", "status child HOME"]
    );
    assert_eq!(words(&bench, HOUSEHOLD), ["KIDS_HOME", "ALL_HOME"]);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

fn parcel(camera: &str, there: bool, time: i64) -> NewEvent {
    let (camera, confidence, crop_path) = (camera.to_owned(), Some(0.8), None);
    let extra = Extra::new();
    let stream = format!("package/{camera}");
    if there {
        let detected = PackageDetected {
            camera,
            confidence,
            crop_path,
            extra,
        };
        NewEvent::own(time, stream, detected)
    } else {
        let collected = PackageCollected {
            camera,
            confidence,
            crop_path,
            extra,
        };
        NewEvent::own(time, stream, collected)
    }
}

const PARCELS: &str = "SELECT id, camera_id, state FROM package_events ORDER BY id";

#[test]
fn a_parcel_is_one_parcel_and_somebody_is_reminded_once() {
    let (_folder, mut bench) = house(Settings::default());
    bench.store(vec![parcel("porch", true, NOW)]);
    bench.store(vec![parcel("porch", true, NOW + 30 * MINUTE_NS)]);
    bench.store(vec![parcel("yard", true, NOW + 90 * MINUTE_NS)]);
    at(&bench, NOW + 2 * HOUR_NS - 1);
    assert_eq!(
        words(&bench, PARCELS),
        ["1 porch DETECTED", "3 yard DETECTED"]
    );
    bench.restart();
    at(&bench, NOW + 2 * HOUR_NS);
    at(&bench, NOW + 3 * HOUR_NS);
    assert_eq!(
        words(&bench, PARCELS),
        ["1 porch REMINDED", "3 yard DETECTED"]
    );
    bench.store(vec![parcel("porch", true, NOW + 3 * HOUR_NS)]);
    at(&bench, NOW + 4 * HOUR_NS);
    bench.store(vec![parcel("porch", false, NOW + 4 * HOUR_NS)]);
    // A late message about the parcel that is gone is no new one; the next one is.
    bench.store(vec![parcel("porch", true, NOW + HOUR_NS)]);
    bench.store(vec![parcel("porch", true, NOW + 5 * HOUR_NS)]);
    let states = words(
        &bench,
        "SELECT camera_id, state FROM package_events ORDER BY id",
    );
    assert_eq!(
        states,
        ["porch COLLECTED", "yard REMINDED", "porch DETECTED"]
    );
    assert_eq!(
        words(
            &bench,
            "SELECT type, message FROM events WHERE source_id IN ('porch') OR type LIKE 'PACKAGE%' ORDER BY position"
        ),
        [
            "PACKAGE_DETECTED Parcel at Porch",
            "PACKAGE_DETECTED Parcel at Yard",
            "PACKAGE_REMINDED Parcel still at Porch",
            "PACKAGE_REMINDED Parcel still at Yard",
            "PACKAGE_COLLECTED Parcel at Porch collected",
            "PACKAGE_DETECTED Parcel at Porch",
            "PACKAGE_DETECTED Parcel at Porch",
        ]
    );
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn the_sunset_reminds_of_a_parcel_of_the_afternoon() {
    let settings = Settings {
        packages: packages::Settings {
            place: sun::Place::new(57.7, 12.0).ok(),
            ..packages::Settings::default()
        },
        ..Settings::default()
    };
    let (_folder, bench) = house(settings);
    let afternoon = NOW + 14 * HOUR_NS;
    bench.store(vec![parcel("porch", true, afternoon)]);
    at(&bench, afternoon + 20 * MINUTE_NS);
    assert_eq!(words(&bench, PARCELS), ["1 porch DETECTED"]);
    at(&bench, afternoon + 60 * MINUTE_NS);
    assert_eq!(words(&bench, PARCELS), ["1 porch REMINDED"]);
    assert_eq!(
        words(
            &bench,
            "SELECT message FROM events WHERE type = 'PACKAGE_REMINDED'"
        ),
        ["Parcel still at Porch, and the sun sets"]
    );
}

/// A face that looks `person` and a little like others.
fn vector(person: usize, look: usize) -> Vec<u8> {
    (0..128)
        .map(|place| {
            let noise = ((place * 7 + look * 13) % 11) as f32 / 50.0;
            if place % 8 == person {
                1.0 + noise
            } else {
                noise
            }
        })
        .flat_map(f32::to_le_bytes)
        .collect()
}

fn face(embedding: Vec<u8>, alias: Option<&str>, minute: i64) -> NewEvent {
    let seen = FaceSeen {
        camera: "front_door".into(),
        profile_id: alias.map(Into::into),
        confidence: 0.9,
        embedding: Some(embedding),
        crop_path: None,
        privacy: Some(FacePrivacy::OptedIn),
        extra: Extra::new(),
    };
    let mut event = NewEvent::own(NOW, "face/front_door", seen).from_source("camera/front_door");
    event.occurred_at = NOW + minute * MINUTE_NS;
    event
}

fn edit(profile: i64) -> ProfileEdited {
    ProfileEdited {
        profile,
        ..ProfileEdited::default()
    }
}

#[test]
fn faces_find_their_person_and_what_has_no_direction_finds_nobody() {
    let (_folder, bench) = house(Settings::default());
    // All in one batch: the second already knows the first.
    bench.store(vec![
        face(vector(0, 1), None, 0),
        face(vector(0, 2), None, 1),
        face(vector(1, 1), None, 2),
        face(vec![0; 512], None, 3),
        face(vector(1, 2), Some("7"), 4),
        face(vector(0, 3), Some("7"), 5),
        face(vector(1, 3), Some("8"), 6),
        face(vec![0; 512], Some("7"), 7),
        retained(face(vector(0, 1), None, 8)),
    ]);
    assert_eq!(
        words(
            &bench,
            "SELECT e.profile_id, count(*), (SELECT group_concat(alias) FROM face_aliases a \
             WHERE a.profile_id = e.profile_id) FROM face_embeddings e GROUP BY 1"
        ),
        // By their looks, by the publisher's word, and a third one whom the publisher tells apart.
        ["1 2 -", "3 3 7", "7 1 8"]
    );
    bench.store(vec![NewEvent::own(
        NOW,
        "person/1",
        ProfileEdited {
            name: Some("Tove".into()),
            ..edit(1)
        },
    )]);
    bench.store(vec![NewEvent::own(
        NOW,
        "person/7",
        ProfileEdited {
            ignored: Some(true),
            ..edit(7)
        },
    )]);
    bench.store(vec![
        face(vector(0, 5), None, 9),
        face(vector(1, 5), Some("8"), 9),
    ]);
    assert_eq!(
        words(
            &bench,
            "SELECT type, message FROM events WHERE type LIKE 'FACE%' ORDER BY position"
        ),
        [
            "FACE_UNKNOWN Unknown face at Front door",
            "FACE_UNKNOWN Unknown face at Front door (person 1)",
            "FACE_UNKNOWN Unknown face at Front door (person 1)",
            "FACE_UNKNOWN Unknown face at Front door (person 3)",
            "FACE_KNOWN Person 3 at Front door",
            "FACE_KNOWN Person 3 at Front door",
            "FACE_KNOWN Person 7 at Front door",
            "FACE_KNOWN Person 3 at Front door",
            "FACE_KNOWN Person 1 at Front door",
        ]
    );
    assert_eq!(bench.number("SELECT count(*) FROM face_pending"), 0);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_visit_ends_after_ten_minutes_and_a_late_face_joins_two() {
    let (_folder, bench) = house(Settings::default());
    for minute in [0, 9, 30, 35, 60] {
        bench.store(vec![face(vector(0, 1), None, minute)]);
    }
    let visits = "SELECT (arrived_at - 1795132800000000000) / 60000000000, duration_s FROM visits \
                  ORDER BY arrived_at";
    assert_eq!(words(&bench, visits), ["0 540", "30 300", "60 0"]);
    for minute in [18, 25, 50] {
        bench.store(vec![face(vector(0, 1), None, minute)]);
    }
    // Ten minutes are an absence, a second less is none.
    assert_eq!(words(&bench, visits), ["0 2100", "50 0", "60 0"]);
    assert_eq!(bench.number("SELECT visit_count FROM face_profiles"), 3);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn faces_are_bounded_per_person_and_a_look_at_ten_thousand_is_quick() {
    let (_folder, mut bench) = house(Settings::default());
    for look in 0..50 {
        bench.store(vec![face(vector(0, look), None, 0)]);
    }
    assert_eq!(bench.number("SELECT count(*) FROM face_embeddings"), 32);
    let newest = "SELECT count(*) FROM face_embeddings WHERE id >= (SELECT max(id) - 14 FROM face_embeddings)";
    assert_eq!(bench.number(newest), 8, "the newest stay");
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
    bench.stop().unwrap();
    let mut database = Database::open_writer(bench.path(), Options::default()).unwrap();
    let mut session = database.begin().unwrap();
    for id in 1_000..1_000 + 10_000 - 32 {
        session
            .write(
                "INSERT INTO face_embeddings VALUES (?1, ?2, ?3, 'c', 0, NULL)",
                values![id, id, &vector(1 + id as usize % 6, id as usize)],
            )
            .unwrap();
    }
    session.commit().unwrap();
    drop(database);
    bench.start().unwrap();
    bench.store(vec![face(vector(0, 77), None, 1)]);
    let began = std::time::Instant::now();
    bench.store(vec![face(vector(7, 3), None, 1)]);
    eprintln!("a look at 10,000 faces and a commit: {:?}", began.elapsed());
    assert_eq!(bench.number("SELECT count(*) FROM face_embeddings"), 10_000);
}

#[test]
fn the_face_of_a_member_of_the_household_tells_presence() {
    let (_folder, bench) = house(Settings::default());
    bench.store(vec![face(vector(0, 1), None, 0)]);
    assert_eq!(words(&bench, HOUSEHOLD), [""; 0]);
    bench.store(vec![NewEvent::own(
        NOW,
        "person/1",
        ProfileEdited {
            household: Some(true),
            presence_member: Some("tove".into()),
            ..edit(1)
        },
    )]);
    bench.store(vec![
        face(vector(0, 2), None, 0),
        face(vector(0, 3), None, 0),
    ]);
    assert_eq!(words(&bench, CAME_AND_WENT), ["tove - HOME report"]);
    assert_eq!(words(&bench, HOUSEHOLD), ["ALL_HOME"]);
    let told = "SELECT count(*), max(cause) FROM event_log e JOIN names n ON n.id = e.kind \
                WHERE n.name = 'presence.reported'";
    assert_eq!(
        words(&bench, told),
        ["1 -"],
        "once a minute, and nothing leads to the face"
    );
    bench.handle().forget(1).unwrap().unwrap();
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}
