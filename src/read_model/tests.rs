//! What the tables say of given events, asked through the views that people use.
#![allow(clippy::unwrap_used, reason = "tests")]

mod animals;
mod health;
mod lines;
mod recordings;
mod registry;

use std::sync::Arc;

use super::view::Window;
use super::*;
use crate::base::clock::{DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS};
use crate::event::animal::{PetLocated, PetSighted, Threat, WildlifeSighted};
use crate::event::camera::{Detection, Failed, HeartbeatReceived, MotionEnded, MotionStarted};
use crate::event::house::{PresenceReported, UpsPowerLost, UpsPowerRestored};
use crate::event::reading::Reading;
use crate::event::recording::{self, Finished, Found, Media, Sealed, Trigger};
use crate::event::sensor::SensorReported;
use crate::event::system::{Level, LogWritten};
use crate::event::{Event, Extra, Flags, NewEvent};
use crate::event_log::Ledger;
use crate::storage::sqlite::{Database, Durability, Options};
use crate::storage::{Owned, all, migrate};

/// 2026-11-20 00:00 UTC: the start of a day, and of every bucket.
const MIDNIGHT: i64 = 1_795_132_800 * SECOND_NS;

/// Tables, and a log that feeds them event by event.
struct Bench {
    database: Database,
    ledger: Ledger,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            durability: Durability::Scratch,
            ..Options::default()
        };
        let mut database = Database::open_writer(&folder.path().join("t.db"), options).unwrap();
        migrate::migrate(&mut database, migrate::SQLITE, 0).unwrap();
        let ledger = Ledger::load(&mut database.snapshot().unwrap()).unwrap();
        Self {
            database,
            ledger,
            _folder: folder,
        }
    }

    /// Appends and folds; the position.
    fn tell(&mut self, event: &NewEvent) -> i64 {
        let mut session = self.database.begin().unwrap();
        let envelope = self.ledger.append(&mut session, event).unwrap();
        for projection in ALL
            .iter()
            .filter(|projection| projection.takes(envelope.kind()))
        {
            (projection.fold)(&mut session, std::slice::from_ref(&envelope)).unwrap();
        }
        session.commit().unwrap();
        envelope.position
    }

    /// All rows of a view, the named columns.
    #[track_caller]
    fn view(&mut self, name: &str, columns: &[&str]) -> Vec<Vec<Owned>> {
        let view = views().find(|view| view.name == name).unwrap();
        let window = Window {
            since: 0,
            until: i64::MAX,
            limit: 1_000,
        };
        let rows = view
            .rows(&mut self.database.snapshot().unwrap(), window)
            .unwrap();
        let index = |column: &&str| {
            view.columns
                .iter()
                .position(|known| known.name == *column)
                .unwrap()
        };
        let picked: Vec<usize> = columns.iter().map(index).collect();
        rows.iter()
            .map(|row| picked.iter().map(|column| row[*column].clone()).collect())
            .collect()
    }

    fn ints(&mut self, sql: &'static str) -> Vec<i64> {
        let mut session = self.database.snapshot().unwrap();
        all(&mut session, sql, &[], |row| row.int(0)).unwrap()
    }

    fn event_types(&mut self) -> Vec<String> {
        let mut session = self.database.snapshot().unwrap();
        let sql = "SELECT type FROM events ORDER BY position";
        all(&mut session, sql, &[], |row| Ok(row.text(0)?.to_owned())).unwrap()
    }
}

fn text(text: &str) -> Owned {
    Owned::Text(text.into())
}

fn at(at: i64, stream: &str, event: impl Into<Event>) -> NewEvent {
    NewEvent::own(at, stream, event)
}

fn retained(mut event: NewEvent) -> NewEvent {
    event.flags = Flags::RETAINED;
    event
}

fn report(sensor: &str, key: &str, value: Reading, when: i64) -> NewEvent {
    let report = SensorReported {
        key: key.into(),
        value,
        unit: None,
        battery: None,
        linkquality: None,
        extra: Extra::new(),
    };
    at(when, &format!("sensor/{sensor}"), report)
}

fn heat(degrees: f64, when: i64) -> NewEvent {
    report("attic", "temperature", Reading::Number(degrees), when)
}

fn door(word: &str, when: i64) -> NewEvent {
    report("door", "contact", Reading::Word(word.into()), when)
}

#[test]
fn a_late_reading_corrects_its_own_bucket_and_leaves_the_state() {
    let mut bench = Bench::new();
    bench.tell(&heat(20.0, MIDNIGHT + MINUTE_NS));
    bench.tell(&heat(30.0, MIDNIGHT + 6 * MINUTE_NS));
    bench.tell(&heat(10.0, MIDNIGHT + 4 * MINUTE_NS));
    let columns = ["bucket_at", "count", "min", "max", "mean", "last"];
    let real = Owned::Real;
    assert_eq!(
        bench.view("sensor_rollups_5min", &columns),
        [
            [
                Owned::Integer(MIDNIGHT + 5 * MINUTE_NS),
                Owned::Integer(1),
                real(30.0),
                real(30.0),
                real(30.0),
                real(30.0)
            ],
            [
                Owned::Integer(MIDNIGHT),
                Owned::Integer(2),
                real(10.0),
                real(20.0),
                real(15.0),
                real(10.0)
            ],
        ]
    );
    assert_eq!(
        bench.view("sensor_rollups_hourly", &columns),
        [[
            Owned::Integer(MIDNIGHT),
            Owned::Integer(3),
            real(10.0),
            real(30.0),
            real(20.0),
            real(30.0)
        ]]
    );
    assert_eq!(
        bench.view("sensor_states", &["value", "updated_at"]),
        [[text("30"), Owned::Integer(MIDNIGHT + 6 * MINUTE_NS)]]
    );
    // Later than the bucket's last, but still late for the state.
    bench.tell(&heat(11.0, MIDNIGHT + 4 * MINUTE_NS + 1));
    assert_eq!(
        bench.view("sensor_rollups_5min", &["last"])[1],
        [real(11.0)]
    );
    assert_eq!(bench.view("sensor_states", &["value"]), [[text("30")]]);
}

#[test]
fn buckets_begin_exactly_on_their_edges() {
    let mut bench = Bench::new();
    bench.tell(&heat(1.0, MIDNIGHT - 1));
    bench.tell(&heat(2.0, MIDNIGHT));
    bench.tell(&heat(3.0, MIDNIGHT + 5 * MINUTE_NS - 1));
    assert_eq!(
        bench.ints("SELECT bucket_at FROM sensor_rollups_5min ORDER BY 1"),
        [MIDNIGHT - 5 * MINUTE_NS, MIDNIGHT]
    );
    assert_eq!(
        bench.ints("SELECT bucket_at FROM sensor_rollups_hourly ORDER BY 1"),
        [MIDNIGHT - HOUR_NS, MIDNIGHT]
    );
    assert_eq!(
        bench.ints("SELECT bucket_at FROM event_counts_daily ORDER BY 1"),
        [MIDNIGHT - DAY_NS, MIDNIGHT]
    );
}

#[test]
fn a_state_keeps_when_it_became_what_it_is() {
    let mut bench = Bench::new();
    bench.tell(&door("open", MIDNIGHT));
    bench.tell(&door("open", MIDNIGHT + 10));
    let columns = ["value", "changed_at", "updated_at", "position"];
    let state = |value: &str, changed, updated, position| {
        vec![vec![
            text(value),
            Owned::Integer(changed),
            Owned::Integer(updated),
            Owned::Integer(position),
        ]]
    };
    assert_eq!(
        bench.view("sensor_states", &columns),
        state("open", MIDNIGHT, MIDNIGHT + 10, 2)
    );
    bench.tell(&door("closed", MIDNIGHT + 5));
    assert_eq!(
        bench.view("sensor_states", &columns),
        state("open", MIDNIGHT, MIDNIGHT + 10, 2)
    );
    bench.tell(&door("closed", MIDNIGHT + 20));
    assert_eq!(
        bench.view("sensor_states", &columns),
        state("closed", MIDNIGHT + 20, MIDNIGHT + 20, 4)
    );
}

#[test]
fn a_snapshot_updates_a_state_only_when_it_differs_and_is_no_moment() {
    let mut bench = Bench::new();
    bench.tell(&retained(door("open", MIDNIGHT)));
    let columns = ["value", "changed_at", "updated_at"];
    let state = |value: &str, at| vec![vec![text(value), Owned::Integer(at), Owned::Integer(at)]];
    assert_eq!(
        bench.view("sensor_states", &columns),
        state("open", MIDNIGHT)
    );
    bench.tell(&retained(door("open", MIDNIGHT + 10)));
    assert_eq!(
        bench.view("sensor_states", &columns),
        state("open", MIDNIGHT)
    );
    bench.tell(&retained(door("closed", MIDNIGHT + 20)));
    assert_eq!(
        bench.view("sensor_states", &columns),
        state("closed", MIDNIGHT + 20)
    );
    assert!(bench.event_types().is_empty());
    // The snapshot told the state: only its opposite is news.
    bench.tell(&door("closed", MIDNIGHT + 30));
    assert!(bench.event_types().is_empty());
    bench.tell(&door("open", MIDNIGHT + 40));
    assert_eq!(bench.event_types(), ["CONTACT_OPEN"]);
    bench.tell(&retained(heat(20.0, MIDNIGHT)));
    assert!(bench.view("sensor_rollups_hourly", &["count"]).is_empty());
}

#[test]
fn edges_are_moments_and_repeats_are_not() {
    let mut bench = Bench::new();
    for (step, word) in ["open", "open", "closed", "closed", "open"]
        .iter()
        .enumerate()
    {
        bench.tell(&door(word, MIDNIGHT + step as i64));
    }
    assert_eq!(
        bench.event_types(),
        ["CONTACT_OPEN", "CONTACT_CLOSED", "CONTACT_OPEN"]
    );
    assert_eq!(
        bench.view(
            "events",
            &["message", "severity", "source_type", "source_id"]
        )[0],
        [
            text("Door opened"),
            text("INFO"),
            text("sensor"),
            text("door")
        ]
    );
    // Another sensor has edges of its own.
    bench.tell(&report(
        "gate",
        "contact",
        Reading::Word("open".into()),
        MIDNIGHT,
    ));
    assert_eq!(bench.event_types().len(), 4);
}

#[test]
fn a_late_edge_is_told_at_its_own_time_and_leaves_the_present() {
    let mut bench = Bench::new();
    bench.tell(&door("open", MIDNIGHT + 100));
    bench.tell(&door("closed", MIDNIGHT + 50));
    assert_eq!(
        bench.ints("SELECT timestamp_ns FROM events ORDER BY position"),
        [MIDNIGHT + 100, MIDNIGHT + 50]
    );
    bench.tell(&door("open", MIDNIGHT + 200));
    assert_eq!(bench.event_types().len(), 2, "it was open all the time");
}

#[test]
fn each_pulse_counts_and_states_count_once() {
    let mut bench = Bench::new();
    for step in 0..3 {
        bench.tell(&report(
            "hall",
            "motion",
            Reading::Word("detected".into()),
            MIDNIGHT + step,
        ));
    }
    assert_eq!(bench.event_types(), ["MOTION_START"; 3]);
    for step in 0..3 {
        bench.tell(&report(
            "hall",
            "motion",
            Reading::Flag(true),
            MIDNIGHT + 10 + step,
        ));
    }
    assert_eq!(bench.event_types().len(), 4);
    // Numbers and unknown words are no moments.
    bench.tell(&report(
        "hall",
        "motion",
        Reading::Number(1.0),
        MIDNIGHT + 20,
    ));
    bench.tell(&report(
        "hall",
        "mood",
        Reading::Word("open".into()),
        MIDNIGHT + 20,
    ));
    assert_eq!(bench.event_types().len(), 4);
}

#[test]
fn presence_and_power_are_edges() {
    let mut bench = Bench::new();
    let mut told = |member: &str, state: &str, when: i64| {
        let presence = PresenceReported {
            state: state.into(),
            role: None,
            extra: Extra::new(),
        };
        bench.tell(&at(
            MIDNIGHT + when,
            &format!("presence/{member}"),
            presence,
        ));
    };
    told("ada", "HOME", 1);
    told("ada", "HOME", 2);
    told("bo", "HOME", 3);
    told("ada", "AWAY", 4);
    assert_eq!(bench.event_types(), ["PRESENCE_CHANGED"; 3]);
    assert_eq!(bench.view("events", &["message"])[0], [text("Ada is away")]);
    for step in 0..2 {
        bench.tell(&at(
            MIDNIGHT + 10 + step,
            "ups/ups",
            UpsPowerLost::default(),
        ));
    }
    for step in 0..2 {
        bench.tell(&at(
            MIDNIGHT + 20 + step,
            "ups/ups",
            UpsPowerRestored::default(),
        ));
    }
    assert_eq!(
        bench.event_types()[3..],
        ["UPS_POWER_LOST", "UPS_POWER_RESTORED"]
    );
}

#[test]
fn a_retained_sighting_is_none() {
    let mut bench = Bench::new();
    let cat = PetSighted {
        camera: "yard".into(),
        pet_id: Some("minka".into()),
        species: "cat".into(),
        confidence: 0.9,
        bbox: None,
        crop_path: None,
        location: None,
        extra: Extra::new(),
    };
    let fox = WildlifeSighted {
        camera: "yard".into(),
        species: "fox".into(),
        confidence: 0.9,
        threat: Threat::Nuisance,
        bbox: None,
        crop_path: None,
        temperature_c: None,
        conditions: None,
        extra: Extra::new(),
    };
    for when in [1, 2] {
        bench.tell(&retained(at(MIDNIGHT + when, "camera/yard", cat.clone())));
        bench.tell(&retained(at(MIDNIGHT + when, "camera/yard", fox.clone())));
    }
    assert!(bench.view("pet_sightings", &["id"]).is_empty());
    assert!(bench.view("wildlife_sightings", &["id"]).is_empty());
    assert!(bench.view("pets", &["id"]).is_empty());
    bench.tell(&at(MIDNIGHT, "camera/yard", cat));
    bench.tell(&at(MIDNIGHT, "camera/yard", fox));
    // Every sighting has its row in events.
    assert_eq!(
        bench.ints(
            "SELECT e.position FROM pet_sightings s JOIN events e ON e.position = s.event_id"
        ),
        [5]
    );
    assert_eq!(
        bench.ints(
            "SELECT e.position FROM wildlife_sightings s JOIN events e ON e.position = s.event_id"
        ),
        [6]
    );
}

#[test]
fn a_pets_place_is_told_by_the_newest_and_a_known_place_is_no_sign_of_life() {
    let mut bench = Bench::new();
    let place = |location: &str, when: i64| {
        let place = PetLocated {
            camera: "yard".into(),
            location: location.into(),
            extra: Extra::new(),
        };
        at(MIDNIGHT + when, "pet/minka", place)
    };
    let columns = ["last_location", "last_seen_at"];
    let seen = |place: &str, when| vec![vec![text(place), Owned::Integer(MIDNIGHT + when)]];
    bench.tell(&place("terrace", 10));
    bench.tell(&place("kitchen", 5));
    assert_eq!(bench.view("pets", &columns), seen("terrace", 10));
    bench.tell(&retained(place("terrace", 20)));
    assert_eq!(bench.view("pets", &columns), seen("terrace", 10));
    bench.tell(&retained(place("sofa", 30)));
    assert_eq!(bench.view("pets", &columns), seen("sofa", 30));
}

const CLIP: &str = "recording/porch/a%25b.mp4";
const COLUMNS: [&str; 5] = [
    "state",
    "camera_id",
    "trigger",
    "started_at",
    "detection_type",
];

fn found(stream: &str, camera: Option<&str>) -> NewEvent {
    let found = Found {
        path: Vec::new(),
        size_bytes: 7,
        modified_at: MIDNIGHT,
        camera: camera.map(Into::into),
        started_at: None,
        media: Media::default(),
    };
    at(MIDNIGHT, stream, found)
}

fn sealed(stream: &str) -> NewEvent {
    let sealed = Sealed {
        path: Vec::new(),
        sealed_path: b"porch/a%b.mp4.vge".to_vec(),
        size_bytes: 7,
        plain_sha256: vec![1; 32],
        key_id: vec![2; 8],
        iv: vec![3; 16],
        header_tag: None,
        adopted: false,
    };
    at(MIDNIGHT, stream, sealed)
}

fn finished(camera: &str, file: &str) -> NewEvent {
    let finished = Finished {
        camera: camera.into(),
        file: file.into(),
        trigger: Some(Trigger::Motion),
        started_at: Some(MIDNIGHT + 10 * SECOND_NS),
        ended_at: Some(MIDNIGHT + 20 * SECOND_NS),
        fps: None,
        frame_count: None,
        extra: Extra::new(),
    };
    at(MIDNIGHT, &format!("camera/{camera}"), finished)
}

fn motion(seconds: i64) -> NewEvent {
    let motion = MotionStarted {
        detection: Some(Detection::Person),
        ..MotionStarted::default()
    };
    at(MIDNIGHT + seconds * SECOND_NS, "camera/porch", motion)
}

fn motion_end(seconds: i64) -> NewEvent {
    at(
        MIDNIGHT + seconds * SECOND_NS,
        "camera/porch",
        MotionEnded::default(),
    )
}

#[test]
fn a_recording_is_joined_and_linked_in_whatever_order_its_events_come() {
    // The name needs escaping: both sides must do it.
    let steps = [
        found(CLIP, None),
        finished("porch", "/srv/recordings/porch/a%b.mp4"),
        motion(5),
        sealed(CLIP),
    ];
    // Every order in which the file is found before it is sealed.
    let orders: [[usize; 4]; 12] = [
        [0, 1, 2, 3],
        [0, 1, 3, 2],
        [0, 2, 1, 3],
        [0, 2, 3, 1],
        [0, 3, 1, 2],
        [0, 3, 2, 1],
        [1, 0, 2, 3],
        [1, 0, 3, 2],
        [1, 2, 0, 3],
        [2, 0, 1, 3],
        [2, 0, 3, 1],
        [2, 1, 0, 3],
    ];
    for order in orders {
        let mut bench = Bench::new();
        for step in order {
            bench.tell(&steps[step]);
        }
        let started = Owned::Integer(MIDNIGHT + 10 * SECOND_NS);
        assert_eq!(
            bench.view("recordings", &COLUMNS),
            [[
                text("sealed"),
                text("porch"),
                text("MOTION"),
                started,
                text("person")
            ]],
            "{order:?}"
        );
        let motion_at = order.iter().position(|step| *step == 2).unwrap() as i64 + 1;
        assert_eq!(
            bench.ints("SELECT event_id FROM recordings"),
            [motion_at],
            "{order:?}"
        );
    }
}

#[test]
fn equal_names_of_two_cameras_are_kept_apart() {
    let mut bench = Bench::new();
    bench.tell(&finished("yard", "a%b.mp4"));
    bench.tell(&found(CLIP, Some("porch")));
    let none = [
        text("found"),
        text("porch"),
        Owned::Null,
        Owned::Integer(MIDNIGHT),
        Owned::Null,
    ];
    assert_eq!(bench.view("recordings", &COLUMNS), [none]);
    bench.tell(&finished("porch", "a%b.mp4"));
    assert_eq!(
        bench.view("recordings", &["camera_id", "trigger"]),
        [[text("porch"), text("MOTION")]]
    );
}

#[test]
fn a_motion_that_does_not_overlap_is_not_linked() {
    let linked = |steps: &[NewEvent]| {
        let mut bench = Bench::new();
        for step in steps {
            bench.tell(step);
        }
        bench.ints("SELECT coalesce(event_id, 0) FROM recordings")
    };
    let clip = || [found(CLIP, None), finished("porch", "a%b.mp4")];
    let [found, finished] = clip();
    assert_eq!(
        linked(&[motion(20), found.clone(), finished.clone()]),
        [1],
        "touches the end"
    );
    assert_eq!(
        linked(&[motion(21), found.clone(), finished.clone()]),
        [0],
        "after it"
    );
    assert_eq!(
        linked(&[motion(1), motion_end(9), found.clone(), finished.clone()]),
        [0],
        "over before"
    );
    assert_eq!(
        linked(&[motion(1), motion_end(10), found.clone(), finished.clone()]),
        [1]
    );
    // The end may come when the link was made already, on the guess of five minutes.
    assert_eq!(
        linked(&[motion(1), found.clone(), finished.clone(), motion_end(9)]),
        [0]
    );
    assert_eq!(
        linked(&[motion(-280), found.clone(), finished.clone()]),
        [1],
        "within the guess"
    );
    assert_eq!(
        linked(&[motion(-400), found.clone(), finished.clone()]),
        [0],
        "beyond the guess"
    );
    assert_eq!(
        linked(&[
            motion(-400),
            found.clone(),
            finished.clone(),
            motion_end(15)
        ]),
        [1],
        "it was longer"
    );
    assert_eq!(
        linked(&[motion(1), motion(12), found, finished]),
        [1],
        "the first of two"
    );
}

#[test]
fn a_failed_recording_says_why_and_a_name_can_come_again() {
    let mut bench = Bench::new();
    bench.tell(&found(CLIP, None));
    let failed = recording::Failed { path: Vec::new() };
    bench.tell(&at(MIDNIGHT, CLIP, failed).with_text("no space left"));
    assert_eq!(
        bench.view("recordings", &["state", "failure"]),
        [[text("failed"), text("no space left")]]
    );
    bench.tell(&found(CLIP, None));
    assert_eq!(
        bench.view("recordings", &["state", "failure"]),
        [[text("found"), Owned::Null]]
    );
    bench.tell(&sealed(CLIP));
    bench.tell(&found(CLIP, None));
    assert_eq!(bench.ints("SELECT id FROM recordings ORDER BY id"), [1, 5]);
}

#[test]
fn counts_are_per_hour_and_day_by_kind_and_source() {
    let mut bench = Bench::new();
    let beat = |when| at(when, "camera/porch", HeartbeatReceived::default());
    bench.tell(&beat(MIDNIGHT));
    bench.tell(&beat(MIDNIGHT + HOUR_NS - 1));
    bench.tell(&beat(MIDNIGHT + HOUR_NS));
    bench.tell(&heat(20.0, MIDNIGHT + HOUR_NS));
    bench.tell(&door("open", MIDNIGHT + HOUR_NS).from_source("camera/porch"));
    let kind = |hour: i64, kind: &str, count| {
        [
            Owned::Integer(MIDNIGHT + hour * HOUR_NS),
            text(kind),
            Owned::Integer(count),
        ]
    };
    assert_eq!(
        bench.view("events_per_hour_by_kind", &["hour", "kind", "count"]),
        [
            kind(1, "sensor.reported", 2),
            kind(1, "camera.heartbeat_received", 1),
            kind(0, "camera.heartbeat_received", 2),
        ]
    );
    assert_eq!(
        bench.view("events_per_hour_by_source", &["hour", "source", "count"]),
        [
            kind(1, "camera/porch", 2),
            kind(1, "sensor/attic", 1),
            kind(0, "camera/porch", 2)
        ]
    );
    assert_eq!(
        bench.view("events_per_day_by_kind", &["day", "kind", "count"]),
        [
            kind(0, "camera.heartbeat_received", 3),
            kind(0, "sensor.reported", 2)
        ]
    );
    assert_eq!(
        bench.view("events_per_day_by_source", &["day", "source", "count"]),
        [kind(0, "camera/porch", 4), kind(0, "sensor/attic", 1)]
    );
}

#[test]
fn log_lines_show_host_source_level_and_message() {
    let mut bench = Bench::new();
    for (step, level) in [
        Level::Debug,
        Level::Info,
        Level::Warning,
        Level::Error,
        Level::Critical,
    ]
    .into_iter()
    .enumerate()
    {
        let line = LogWritten {
            host: "box".into(),
            source: "app/worker".into(),
            level,
            fields: Arc::default(),
        };
        let event = at(MIDNIGHT + step as i64, "log/box/app/worker", line);
        bench.tell(&event.with_text(level.name().to_lowercase()));
    }
    let rows = bench.view("log_events", &["host", "source", "level", "message"]);
    let row = |level: &str| {
        vec![
            text("box"),
            text("app/worker"),
            text(level),
            text(&level.to_lowercase()),
        ]
    };
    assert_eq!(
        rows,
        ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"].map(row)
    );
}

#[test]
fn a_camera_is_known_by_what_it_sends() {
    let mut bench = Bench::new();
    bench.tell(&at(
        MIDNIGHT + 10,
        "camera/porch",
        HeartbeatReceived::default(),
    ));
    bench.tell(&at(MIDNIGHT + 5, "camera/porch", Failed::default()).with_text("lens dirty"));
    assert_eq!(
        bench.view(
            "cameras",
            &[
                "display_name",
                "first_seen_at",
                "last_seen_at",
                "last_error"
            ]
        ),
        [[
            text("Porch"),
            Owned::Integer(MIDNIGHT + 5),
            Owned::Integer(MIDNIGHT + 10),
            text("lens dirty")
        ]]
    );
    assert_eq!(bench.event_types(), ["CAMERA_ERROR"]);
}

#[test]
fn a_view_keeps_to_its_window() {
    let mut bench = Bench::new();
    for (step, word) in ["open", "closed", "open"].iter().enumerate() {
        bench.tell(&door(word, MIDNIGHT + step as i64));
    }
    let view = views().find(|view| view.name == "events").unwrap();
    let mut rows = |since, until, limit| {
        let window = Window {
            since,
            until,
            limit,
        };
        view.rows(&mut bench.database.snapshot().unwrap(), window)
            .unwrap()
            .len()
    };
    assert_eq!(rows(MIDNIGHT, MIDNIGHT + 3, 10), 3);
    assert_eq!(
        rows(MIDNIGHT + 1, MIDNIGHT + 2, 10),
        1,
        "from inclusive, to exclusive"
    );
    assert_eq!(rows(MIDNIGHT, MIDNIGHT + 3, 2), 2);
}
