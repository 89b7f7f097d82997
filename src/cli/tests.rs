//! The verbs that read, run as people run them, on a data folder that the real writer filled.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "tests and tables of cases"
)]

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::*;
use crate::base::clock::{HOUR_NS, SECOND_NS};
use crate::base::lock::FolderLock;
use crate::base::telemetry::Telemetry;
use crate::event::animal::{PetSighted, Threat, WildlifeSighted};
use crate::event::camera::{Detection, HeartbeatReceived, MotionStarted};
use crate::event::message::Undecodable;
use crate::event::reading::Reading;
use crate::event::recording::{Found, Media, Sealed};
use crate::event::sensor::SensorReported;
use crate::event::system::{Level, LogWritten};
use crate::event::{Event, Extra, Flags, NewEvent};
use crate::storage::Session as _;
use crate::storage::sqlite::{Database, Durability, Options};
use crate::writer::{self, Handle, sabotage::Sabotage};

// 2026-11-20 03:12:07 UTC.
const NOW: UnixNanos = 1_795_144_327 * SECOND_NS;

/// A data folder with one quiet night in it.
pub(super) struct House {
    folder: tempfile::TempDir,
    handle: Option<Handle>,
    thread: Option<JoinHandle<Result<(), writer::WriterError>>>,
}

pub(super) struct Ran {
    pub(super) out: String,
    pub(super) messages: String,
    pub(super) code: Exit,
    pub(super) error: String,
}

impl House {
    fn empty() -> Self {
        let mut house = Self {
            folder: tempfile::tempdir().unwrap(),
            handle: None,
            thread: None,
        };
        house.restart();
        house
    }

    /// Starts the writer, on what is there.
    fn restart(&mut self) {
        let folder = &self.folder;
        let options = writer::Options {
            path: folder.path().join(folder::DATABASE_FILE),
            durability: Durability::Scratch,
            cache_kib: 1_024,
            clock: Clock::fixed(NOW),
            projections: crate::read_model::ALL,
            reactions: writer::Reactions::none(),
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let started = writer::start(
            options,
            Arc::new(Telemetry::default()),
            Shutdown::new(),
            &mut |_, _, _| {},
        )
        .unwrap();
        let writer = started.writer;
        let thread = std::thread::Builder::new().spawn(move || writer.run());
        self.handle = Some(started.handle);
        self.thread = Some(thread.unwrap());
    }

    pub(super) fn new() -> Self {
        let house = Self::empty();
        house.store(night());
        house
    }

    fn store(&self, events: Vec<NewEvent>) {
        self.handle.as_ref().unwrap().store(events).unwrap();
    }

    fn stop(&mut self) {
        self.handle = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn change(&mut self, sql: &'static [&'static str]) {
        self.stop();
        let path = self.path().join(folder::DATABASE_FILE);
        let mut database = Database::open_writer(&path, Options::default()).unwrap();
        let mut session = database.begin().unwrap();
        for statement in sql {
            session.write(statement, &[]).unwrap();
        }
        session.commit().unwrap();
    }

    fn run(&self, args: &[&str]) -> Ran {
        run_in(self.path(), "", args)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run_in(folder: &Path, input: &str, args: &[&str]) -> Ran {
    let mut out = Vec::new();
    let (code, error, messages) = run_to(folder, input, args, &mut out, Shutdown::new());
    Ran {
        out: String::from_utf8(out).unwrap(),
        messages,
        code,
        error,
    }
}

fn run_to(
    folder: &Path,
    input: &str,
    args: &[&str],
    out: &mut dyn Write,
    shutdown: Shutdown,
) -> (Exit, String, String) {
    let cli = match Cli::try_parse_from(std::iter::once(&"nightjar").chain(args)) {
        Ok(cli) => cli,
        Err(error) => return (Exit::Usage, error.to_string(), String::new()),
    };
    let mut messages = Vec::new();
    let mut context = Context {
        global: &cli.global,
        folder: folder.to_owned(),
        clock: Clock::fixed(NOW),
        zone: TimeZone::UTC,
        input: &mut input.as_bytes(),
        out,
        messages: &mut messages,
        screen: Screen {
            color: cli.global.color == ColorChoice::Always,
            ..Screen::default()
        },
        shutdown,
    };
    let outcome = dispatch(&cli.verb, &mut context);
    let messages = String::from_utf8(messages).unwrap();
    match outcome {
        Ok(()) => (Exit::Ok, String::new(), messages),
        Err(error) => (error.code, error.message, messages),
    }
}

fn event(ago_s: i64, stream: &str, topic: &str, event: impl Into<Event>) -> NewEvent {
    let mut new = NewEvent::own(NOW - ago_s * SECOND_NS, stream, event);
    new.topic = Some(topic.into());
    new
}

fn contact(ago_s: i64, id: &str, state: &str) -> NewEvent {
    let report = SensorReported {
        key: "contact".into(),
        value: Reading::Word(state.into()),
        unit: None,
        battery: Some(87.0),
        linkquality: None,
        extra: Extra::default(),
    };
    let topic = format!("vigilar/sensor/{id}/contact_{state}");
    event(ago_s, &format!("sensor/{id}"), &topic, report)
}

fn night() -> Vec<NewEvent> {
    let temperature = SensorReported {
        key: "temperature".into(),
        value: Reading::Number(4.25),
        unit: Some("°C".into()),
        battery: None,
        linkquality: None,
        extra: Extra::default(),
    };
    let person = MotionStarted {
        detection: Some(Detection::Person),
        confidence: Some(0.91),
        ..MotionStarted::default()
    };
    let fox = WildlifeSighted {
        camera: "driveway".into(),
        species: "fox".into(),
        confidence: 0.88,
        threat: Threat::Nuisance,
        bbox: None,
        crop_path: None,
        temperature_c: Some(4.0),
        conditions: None,
        extra: Extra::default(),
    };
    let cat = PetSighted {
        camera: "hallway".into(),
        pet_id: Some("Biscuit".into()),
        species: "cat".into(),
        confidence: 0.97,
        bbox: None,
        crop_path: None,
        location: None,
        extra: Extra::default(),
    };
    let line = LogWritten {
        host: "heron".into(),
        source: "sshd".into(),
        level: Level::Warning,
        fields: Arc::default(),
    };
    let mut snapshot = contact(26 * 3_600, "front_door", "closed");
    snapshot.flags = Flags::RETAINED;
    let clip = "driveway/clip-1.mp4";
    vec![
        snapshot,
        event(
            7_300,
            "sensor/shed",
            "vigilar/sensor/shed/temperature",
            temperature,
        ),
        contact(3_000, "front_door", "open"),
        event(
            2_900,
            "camera/driveway",
            "vigilar/camera/driveway/motion/start",
            person,
        ),
        contact(2_800, "front_door", "closed"),
        event(
            2_000,
            "wildlife/fox",
            "vigilar/camera/driveway/wildlife/detected",
            fox,
        )
        .from_source("camera/driveway"),
        event(
            1_500,
            "pet/Biscuit",
            "vigilar/camera/hallway/pet/detected",
            cat,
        )
        .from_source("camera/hallway"),
        event(900, "log/heron/sshd", "vigilar/log/heron/sshd", line)
            .with_text("Failed password for \u{1b}[31mroot\u{1b}[0m\r\nfrom 203.0.113.9"),
        event(
            600,
            "ingest",
            "vigilar/sensor/attic/motion",
            Undecodable {
                payload: b"{\"ts\": \x1b]0;owned\x07 oops\nsecond line".to_vec(),
            },
        )
        .with_text("expected value at line 1 column 8"),
        event(
            590,
            "ingest",
            "vigilar/sensor/attic/blob",
            Undecodable {
                payload: (0..=255).collect(),
            },
        )
        .with_text("not UTF-8"),
        NewEvent::own(
            NOW - 300 * SECOND_NS,
            format!("recording/{clip}"),
            Found {
                path: clip.into(),
                size_bytes: 5,
                modified_at: NOW - 300 * SECOND_NS,
                camera: Some("driveway".into()),
                started_at: Some(NOW - 400 * SECOND_NS),
                media: Media {
                    codec: Some("h264".into()),
                    duration_s: Some(12.5),
                    ..Media::default()
                },
            },
        ),
        event(
            60,
            "camera/hallway",
            "vigilar/camera/hallway/heartbeat",
            HeartbeatReceived::default(),
        ),
    ]
}

fn sealed() -> NewEvent {
    NewEvent::own(
        NOW,
        "recording/driveway/clip-1.mp4",
        Sealed {
            path: "driveway/clip-1.mp4".into(),
            sealed_path: "driveway/50%.vge".into(),
            size_bytes: 5,
            plain_sha256: vec![1; 32],
            key_id: vec![2; 8],
            iv: vec![3; 16],
            header_tag: None,
            adopted: false,
        },
    )
}

mod alarm;
mod alerts;
mod animals;
mod checks;
mod entities;
mod health;
mod keys;
mod models;
mod people;
mod reading;
mod registry;
mod retention;
mod search;
mod vault;
