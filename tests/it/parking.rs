//! An event that a projection refuses is set aside and its neighbours live; a fold that must not go
//! on stops the writer without an answer.

use nightjar::event::animal::{Threat, WildlifeSighted};
use nightjar::event::camera::HeartbeatReceived;
use nightjar::event::reading::Reading;
use nightjar::event::sensor::SensorReported;
use nightjar::event::{Envelope, Extra, Kind, NewEvent};
use nightjar::read_model::{self, Projection};
use nightjar::storage::{Owned, Session, StorageError};
use nightjar::writer::{Submission, WriterError};

use crate::bench_box::{BenchBox, NOW, PATIENCE, leaked};

const TASTER: Projection = Projection {
    name: "taster",
    version: 1,
    tables: &[],
    kinds: Some(&[Kind::SensorReported, Kind::CameraHeartbeatReceived]),
    fold: taste,
};

fn taste(_: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match event.text() {
            "poison" => return Err(StorageError::Refused("it tastes bitter".into())),
            "fire" => return Err(StorageError::Sql("it burns".into())),
            _ => {}
        }
    }
    Ok(())
}

/// Every projection, and the taster behind them: what it refuses the others have taken.
fn tasted() -> BenchBox {
    let mut projections = read_model::ALL.to_vec();
    projections.push(TASTER);
    BenchBox::with(leaked(projections))
}

fn opening(door: &str, text: &str) -> NewEvent {
    let report = SensorReported {
        key: "contact".into(),
        value: Reading::Word("open".into()),
        unit: None,
        battery: None,
        linkquality: None,
        extra: Extra::new(),
    };
    NewEvent::own(NOW, format!("sensor/{door}"), report).with_text(text)
}

#[test]
fn the_culprit_is_parked_and_its_neighbours_live() {
    let bench = tasted();
    let positions = bench.store(vec![
        opening("one", "fine"),
        opening("two", "poison"),
        opening("three", "fine"),
        opening("four", "poison"),
    ]);
    assert_eq!(
        positions,
        [1, 2, 4, 5],
        "each note stands right behind its culprit"
    );
    let text = |text: &str| Owned::Text(text.into());
    assert_eq!(
        bench.rows(
            "SELECT e.position, e.cause, e.text FROM event_log e JOIN names n ON n.id = e.kind \
             WHERE n.name = 'event.parked' ORDER BY 1"
        ),
        [
            [
                Owned::Integer(3),
                Owned::Integer(2),
                text("the database refused the data: it tastes bitter")
            ],
            [
                Owned::Integer(6),
                Owned::Integer(5),
                text("the database refused the data: it tastes bitter")
            ],
        ]
    );
    assert_eq!(
        bench.rows("SELECT position, stage, projection, state FROM dead_letters ORDER BY 1"),
        [
            [
                Owned::Integer(2),
                text("fold"),
                text("taster"),
                text("parked")
            ],
            [
                Owned::Integer(5),
                text("fold"),
                text("taster"),
                text("parked")
            ],
        ]
    );
    // What earlier projections had taken of the culprits is gone from every table.
    assert_eq!(
        bench.rows("SELECT id FROM sensors ORDER BY 1"),
        [[text("one")], [text("three")]]
    );
    assert_eq!(
        bench.rows("SELECT position FROM events ORDER BY 1"),
        [[Owned::Integer(1)], [Owned::Integer(4)]]
    );
    assert_eq!(
        bench.number("SELECT sum(count) FROM event_counts_hourly"),
        4
    );
    assert_eq!(bench.number("SELECT count(*) FROM system_events"), 2);
    assert_eq!(bench.handle().head(), 6);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
    let before = bench.tables();
    bench.handle().rebuild().unwrap();
    assert_eq!(bench.tables(), before);
}

#[test]
fn a_parked_event_does_not_return_after_a_restart() {
    let mut bench = tasted();
    bench.store(vec![opening("one", "fine"), opening("two", "poison")]);
    let before = (bench.tables(), bench.log());
    bench.restart();
    bench.store(vec![opening("one", "poison")]);
    bench.store(vec![opening("three", "fine")]);
    assert_eq!(bench.number("SELECT count(*) FROM dead_letters"), 2);
    assert_ne!((bench.tables(), bench.log()), before);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_rebuild_that_cuts_between_culprit_and_note_skips_the_culprit() {
    // Chunks of a rebuild end at positions 8,192 and 16,384.
    let bench = tasted();
    let beat = || NewEvent::own(NOW, "camera/porch", HeartbeatReceived::default());
    for _ in 0..2 {
        let room = 8_191 - bench.handle().head() % 8_192;
        bench.store(std::iter::repeat_with(beat).take(room as usize).collect());
        bench.store(vec![beat().with_text("poison")]);
    }
    assert_eq!(
        bench.rows("SELECT position FROM dead_letters ORDER BY 1"),
        [[Owned::Integer(8_192)], [Owned::Integer(16_384)]]
    );
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
    let before = bench.tables();
    bench.handle().rebuild().unwrap();
    assert_eq!(bench.tables(), before);
}

#[test]
fn numbers_that_are_not_finite_are_parked_and_the_log_stays_readable() {
    let bench = BenchBox::new();
    let mut reading = opening("attic", "");
    reading.event = SensorReported {
        key: "temperature".into(),
        value: Reading::Number(f64::NAN),
        unit: None,
        battery: None,
        linkquality: None,
        extra: Extra::new(),
    }
    .into();
    let fox = WildlifeSighted {
        camera: "yard".into(),
        species: "fox".into(),
        confidence: f64::INFINITY,
        threat: Threat::Nuisance,
        bbox: None,
        crop_path: None,
        temperature_c: None,
        conditions: None,
        extra: Extra::new(),
    };
    bench.store(vec![
        opening("one", ""),
        reading,
        NewEvent::own(NOW, "camera/yard", fox),
        opening("two", ""),
    ]);
    assert_eq!(
        bench.rows("SELECT position, projection FROM dead_letters ORDER BY 1"),
        [
            [Owned::Integer(2), Owned::Text("sensor_rollups".into())],
            [Owned::Integer(4), Owned::Text("wildlife".into())],
        ]
    );
    assert_eq!(bench.number("SELECT count(*) FROM sensors"), 2);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_fold_that_must_not_go_on_stops_the_writer_without_an_answer() {
    let mut bench = tasted();
    bench.store(vec![opening("one", "fine")]);
    let answer = bench.submit(Submission {
        events: vec![opening("two", "fine"), opening("three", "fire")],
        ..Submission::default()
    });
    assert!(answer.recv_timeout(PATIENCE).is_err(), "it was answered");
    let error = bench.stop().unwrap_err();
    assert!(error.to_string().contains("it burns"), "{error}");
    assert!(matches!(error, WriterError::Storage(StorageError::Sql(_))));
    bench.start().unwrap();
    assert_eq!(bench.handle().head(), 1, "nothing of the batch is there");
    assert_eq!(bench.number("SELECT count(*) FROM sensors"), 1);
    bench.store(vec![opening("two", "fine")]);
    assert_eq!(bench.handle().head(), 2);
}

#[test]
fn a_new_fold_that_refuses_an_event_of_old_does_not_keep_the_daemon_from_starting() {
    let mut bench = BenchBox::new();
    bench.store(vec![
        opening("one", "fine"),
        opening("two", "poison"),
        opening("three", "fine"),
    ]);
    let mut projections = read_model::ALL.to_vec();
    projections.push(TASTER);
    bench.restart_with(leaked(projections));
    let left_out: Vec<_> = bench
        .refused
        .iter()
        .map(|refusal| (refusal.position, refusal.projection))
        .collect();
    assert_eq!(left_out, [(2, "taster")]);
    bench.store(vec![opening("four", "fine")]);
    bench.store(nightjar::writer::left_out(bench.refused.clone(), NOW));
    let text = |text: &str| Owned::Text(text.into());
    assert_eq!(
        bench.rows("SELECT position, stage, projection FROM dead_letters"),
        [[Owned::Integer(2), text("fold"), text("taster")]]
    );
    // The others keep it, also after a rebuild: the note is for the new projection alone.
    assert_eq!(bench.number("SELECT count(*) FROM sensors"), 4);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}
