//! Silence and return, by a clock that is moved by hand, through the real writer.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::base::clock::{Clock, HOUR_NS, MINUTE_NS};
use crate::base::shutdown::Shutdown;
use crate::event::reading::Reading;
use crate::event::registry::SensorRegistered;
use crate::event::sensor::SensorReported;
use crate::event::system::Started;
use crate::event::timelapse::TimelapseScheduled;
use crate::event::{Extra, Flags};
use crate::reactor;
use crate::storage::all;
use crate::storage::sqlite::{Database, Durability};
use crate::writer::{self, Handle, Reactions, sabotage::Sabotage};

/// 2026-11-20 00:00 UTC, a whole look.
const MIDNIGHT: i64 = 1_795_132_800 * SECOND_NS;

/// A writer with the real reactors.
struct Bench {
    handle: Option<Handle>,
    thread: Option<std::thread::JoinHandle<Result<(), writer::WriterError>>>,
    folder: tempfile::TempDir,
}

impl Bench {
    fn at(folder: tempfile::TempDir, now: i64) -> Self {
        let options = writer::Options {
            path: folder.path().join("t.db"),
            durability: Durability::Scratch,
            cache_kib: 1_024,
            clock: Clock::fixed(now),
            projections: crate::read_model::ALL,
            reactions: Reactions::all(reactor::Settings::default()),
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let started =
            writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
        let writer = started.writer;
        let thread = std::thread::Builder::new().spawn(move || writer.run());
        Self {
            handle: Some(started.handle),
            thread: Some(thread.unwrap()),
            folder,
        }
    }

    /// The same house with the clock at `now`, asked what is due.
    fn later(mut self, now: i64) -> Self {
        self.stop();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        let bench = Self::at(folder, now);
        bench.handle.as_ref().unwrap().tick().unwrap();
        bench
    }

    fn stop(&mut self) {
        self.handle = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    fn tell(&self, events: Vec<NewEvent>) {
        self.handle.as_ref().unwrap().store(events).unwrap();
    }

    fn texts(&self, sql: &'static str) -> Vec<String> {
        let mut database = Database::open_reader(&self.folder.path().join("t.db")).unwrap();
        all(&mut database.snapshot().unwrap(), sql, &[], |row| {
            Ok(row.text(0)?.to_owned())
        })
        .unwrap()
    }

    fn moments(&self) -> Vec<String> {
        self.texts("SELECT type FROM events ORDER BY position")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop();
    }
}

fn house() -> Bench {
    let bench = Bench::at(tempfile::tempdir().unwrap(), MIDNIGHT);
    let started = Started {
        version: "0".into(),
        pid: 1,
    };
    bench.tell(vec![NewEvent::own(MIDNIGHT, "system/nightjar", started)]);
    bench
}

fn heat(sensor: &str, at: i64) -> NewEvent {
    let report = SensorReported {
        key: "temperature".into(),
        value: Reading::Number(20.0),
        unit: None,
        battery: None,
        linkquality: None,
        extra: Extra::new(),
    };
    NewEvent::own(at, format!("sensor/{sensor}"), report)
}

/// Seven reports, ten minutes apart, the last an hour after midnight.
fn hour(sensor: &str) -> Vec<NewEvent> {
    (0..7)
        .map(|step| heat(sensor, MIDNIGHT + step * 10 * MINUTE_NS))
        .collect()
}

#[test]
fn a_device_is_silent_after_three_of_its_intervals_and_told_once_and_back_once() {
    let bench = house();
    bench.tell(hour("attic"));
    let last = MIDNIGHT + HOUR_NS;
    let bench = bench.later(last + 30 * MINUTE_NS);
    assert!(bench.moments().is_empty());
    let bench = bench.later(last + 31 * MINUTE_NS);
    assert_eq!(bench.moments(), ["SENSOR_SILENT"]);
    let bench = bench.later(last + 50 * MINUTE_NS);
    assert_eq!(bench.moments(), ["SENSOR_SILENT"]);
    // A retained snapshot is no sign of life.
    let mut old = heat("attic", last + 50 * MINUTE_NS);
    old.flags = Flags::RETAINED;
    bench.tell(vec![old]);
    let bench = bench.later(last + 51 * MINUTE_NS);
    assert_eq!(bench.moments(), ["SENSOR_SILENT"]);
    bench.tell(vec![heat("attic", last + 51 * MINUTE_NS)]);
    let bench = bench.later(last + 52 * MINUTE_NS);
    assert_eq!(bench.moments(), ["SENSOR_SILENT", "SENSOR_RETURNED"]);
    assert_eq!(
        bench.texts("SELECT message FROM events ORDER BY position"),
        [
            "Sensor Attic is silent, nothing heard for 30 min",
            "Sensor Attic is back"
        ]
    );
    assert_eq!(
        bench.texts("SELECT component FROM system_events WHERE component = 'liveness'"),
        ["liveness", "liveness"]
    );
}

#[test]
fn nobody_is_silent_before_its_span_has_passed_since_the_start() {
    let bench = house();
    bench.tell(hour("attic"));
    let start = MIDNIGHT + 10 * HOUR_NS;
    let bench = bench.later(start);
    assert_eq!(
        bench.moments(),
        ["SENSOR_SILENT"],
        "the start was at midnight"
    );
    let bench = house();
    bench.tell(hour("attic"));
    let started = Started {
        version: "0".into(),
        pid: 1,
    };
    bench.tell(vec![NewEvent::own(start, "system/nightjar", started)]);
    let bench = bench.later(start + 30 * MINUTE_NS);
    assert!(bench.moments().is_empty());
    let bench = bench.later(start + 31 * MINUTE_NS);
    assert_eq!(bench.moments(), ["SENSOR_SILENT"]);
}

#[test]
fn what_is_registered_goes_before_the_rhythm() {
    let bench = house();
    let registered = |id: &str, silent_after_ms| {
        let told = SensorRegistered {
            registered: true,
            name: "Loft".into(),
            r#type: None,
            protocol: None,
            device_address: None,
            location: None,
            enabled: true,
            silent_after_ms,
        };
        NewEvent::own(MIDNIGHT, format!("sensor/{id}"), told)
    };
    bench.tell(hour("attic"));
    bench.tell(hour("cellar"));
    // Too few reports for a rhythm, but a span of its own.
    bench.tell(vec![
        heat("shed", MIDNIGHT),
        registered("attic", Some(0)),
        registered("shed", Some(120 * 60_000)),
    ]);
    let bench = bench.later(MIDNIGHT + 119 * MINUTE_NS);
    let silent = "SELECT source_id FROM events ORDER BY position";
    assert_eq!(bench.texts(silent), ["cellar"]);
    let bench = bench.later(MIDNIGHT + 121 * MINUTE_NS);
    assert_eq!(bench.texts(silent), ["cellar", "shed"]);
}

#[test]
fn a_door_that_nobody_opens_is_not_silent() {
    let bench = house();
    let doors = (0..9).map(|step| {
        let mut event = heat("door", MIDNIGHT + step * MINUTE_NS);
        if let Event::SensorReported(report) = &mut event.event {
            report.key = "contact".into();
            report.value = Reading::Word(if step % 2 == 0 { "open" } else { "closed" }.into());
        }
        event
    });
    bench.tell(doors.collect());
    let bench = bench.later(MIDNIGHT + 20 * HOUR_NS);
    assert!(!bench.moments().contains(&"SENSOR_SILENT".to_owned()));
}

#[test]
fn a_film_is_asked_for_once_also_after_a_downtime() {
    let bench = house();
    let plan = TimelapseScheduled {
        camera: "yard".into(),
        start_hour: 6,
        end_hour: 20,
        generate_time: "23:30".into(),
        enabled: true,
    };
    bench.tell(vec![NewEvent::own(MIDNIGHT, "timelapse/garden", plan)]);
    let asked = "SELECT message FROM system_events WHERE component = 'timelapse' ORDER BY id";
    let bench = bench.later(MIDNIGHT + 23 * HOUR_NS);
    assert!(bench.texts(asked).is_empty());
    // Down over two due times: only the latest is asked for, and only once.
    let bench = bench.later(MIDNIGHT + 50 * HOUR_NS);
    let bench = bench.later(MIDNIGHT + 51 * HOUR_NS);
    assert_eq!(bench.texts(asked), ["Time-lapse garden of Yard is due"]);
}
