//! SIGKILL at random moments while detection reads a long event log: it goes on from what was saved,
//! and tells what a run without a kill tells, each anomaly once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nightjar::base::clock::{Clock, MINUTE_NS, SECOND_NS};
use nightjar::base::shutdown::Shutdown;
use nightjar::detection::{self, Follower, Sensitivity};
use nightjar::event::system::{Level, LogWritten};
use nightjar::event::{Event, NewEvent};
use nightjar::event_log::read::EventReader;
use nightjar::read_model;
use nightjar::storage::sqlite::{Database, Durability};
use nightjar::writer::{self, Handle, Reactions, sabotage::Sabotage};

use crate::kills::{Dice, number_from};
use crate::rig::{House, pause, until};

/// Kills in the short form; `NIGHTJAR_CRASH_KILLS` overrides.
const KILLS: u64 = 15;
/// Minutes of the event log.
const MINUTES: i64 = 300;
/// Sources, each with so many lines a minute, and one flood.
const SOURCES: i64 = 12;
const LINES: i64 = 25;

#[test]
fn random_kills_while_anomalies_are_found() {
    let kills = number_from("NIGHTJAR_CRASH_KILLS").unwrap_or(KILLS);
    let seed = number_from("NIGHTJAR_CRASH_SEED")
        .unwrap_or_else(|| u64::from_le_bytes(nightjar::base::ids::random::<8>()))
        .max(1);
    println!("detection: NIGHTJAR_CRASH_SEED={seed}");
    let mut dice = Dice(seed);
    let now = Clock::System.now();

    let calm = House::new();
    let end = fill(&calm.data(), now);
    let daemon = calm.start_daemon();
    until_read(&calm, end);
    drop(daemon);
    let expected = anomalies(&calm.data(), end);
    assert!(expected.len() as i64 >= SOURCES, "{expected:?}");

    let mut house = House::new();
    assert_eq!(fill(&house.data(), now), end);
    house.set("NIGHTJAR__DETECTION__MODEL_SAVE_INTERVAL_SECONDS", "1");
    let mut seen = Vec::new();
    for _ in 0..kills {
        let mut daemon = house.spawn_daemon();
        pause(Duration::from_millis(20 + dice.below(250)));
        daemon.kill();
        seen.push(anomalies(&house.data(), end).len());
    }
    let daemon = house.start_daemon();
    until_read(&house, end);
    drop(daemon);
    let told = anomalies(&house.data(), end);
    assert_eq!(told, expected);
    println!(
        "detection: {kills} kills, {} anomalies, each told once; so many stood there after each kill: {seen:?}",
        told.len()
    );
    house.is_whole();
}

/// Stores hours of lines that end some minutes before `now`, behind a detection that has begun; the
/// last position.
fn fill(data: &Path, now: i64) -> i64 {
    let options = writer::Options {
        path: data.join("nightjar.db"),
        durability: Durability::Scratch,
        cache_kib: 8_192,
        clock: Clock::fixed(now),
        projections: read_model::ALL,
        reactions: Reactions::none(),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let started =
        writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
    let (handle, core) = (started.handle, started.writer);
    std::thread::scope(|scope| {
        let running = scope.spawn(move || core.run());
        begin(data, now, &handle);
        for minute in 0..MINUTES {
            let at = now / MINUTE_NS * MINUTE_NS - (MINUTES + 5 - minute) * MINUTE_NS;
            let lines = (0..SOURCES).flat_map(|source| {
                let is_flood = minute == 70 + 18 * source;
                let lines = if is_flood { 12 * LINES } else { LINES };
                (0..lines).map(move |number| line(source, at + number % 50 * SECOND_NS))
            });
            handle.store(lines.collect()).unwrap();
        }
        let end = handle.head();
        drop(handle);
        running.join().unwrap().unwrap();
        end
    })
}

/// Detection on the empty log, so that all that follows is told.
fn begin(data: &Path, now: i64, handle: &Handle) {
    let options = detection::Options {
        database: data.join("nightjar.db"),
        clock: Clock::fixed(now),
        sensitivity: Sensitivity::Normal,
        save_every: Duration::from_secs(300),
        rows: detection::follower::ROWS,
        lines_kept: None,
    };
    let shutdown = Shutdown::new();
    shutdown.stop();
    Follower::new(options, handle.clone(), shutdown).run();
}

fn line(source: i64, at: i64) -> NewEvent {
    let source = format!("app-{source}");
    let written = LogWritten {
        host: "heron".into(),
        source: source.clone(),
        level: Level::Info,
        fields: Arc::default(),
    };
    NewEvent::own(at, format!("log/heron/{source}"), written).with_text("all is well")
}

#[track_caller]
fn until_read(house: &House, end: i64) {
    until("the models have read the log", || {
        let status = house.status()?;
        (status["detection"]["position"].as_i64()? >= end).then_some(())
    });
}

/// Model, event, time and text of each anomaly of events up to `end`.
fn anomalies(data: &Path, end: i64) -> Vec<(String, i64, i64, String)> {
    let mut database = Database::open_reader(&data.join("nightjar.db")).unwrap();
    let mut session = database.snapshot().unwrap();
    let events = EventReader::new()
        .after(&mut session, end, 1_000_000)
        .unwrap();
    let anomalies = events.into_iter().filter_map(|event| match event.event {
        Event::AnomalyDetected(one) => Some((one.model, one.event, event.occurred_at, event.text?)),
        _ => None,
    });
    anomalies.filter(|(_, event, ..)| *event <= end).collect()
}
