//! Pages of views and the cost of a purge, for `scripts/bench`: `cargo bench --bench pages -- VERB …`.
//!
//! - `pages FOLDER EVENTS` fills a database through the real writer with events of mixed kinds and
//!   reads one page (100 rows) of every view, newest first and from the middle; prints p50 and p99
//!   of each, and the worst, as JSON.
//! - `purge FOLDER EVENTS` fills the same and stores single events, one every 5 ms, at first alone and
//!   then while a tenth of every table goes; prints how long each waited until it was durable.
//! - `graph FOLDER` fills 20,000 entities and 110,000 edges by failed logins, and loads the graph of
//!   them; prints how long that took, and how many lines a second were stored.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench is its own program: it paces and times"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nightjar::base::clock::{Clock, MINUTE_NS, SECOND_NS};
use nightjar::base::shutdown::Shutdown;
use nightjar::event::animal::{PetSighted, Threat, WildlifeSighted};
use nightjar::event::camera::{MotionEnded, MotionStarted};
use nightjar::event::reading::Reading;
use nightjar::event::recording::{Found, Media};
use nightjar::event::sensor::SensorReported;
use nightjar::event::system::{Level, LogWritten, Noted, Weight};
use nightjar::event::{Event, Extra, NewEvent};
use nightjar::ingest::tables::{Limits, Pace, outlook, purge};
use nightjar::read_model::aging;
use nightjar::read_model::view::Window;
use nightjar::read_model::{self, views};
use nightjar::storage::sqlite::{Database, Durability};
use nightjar::store::graph_store::SqlGraphStore;
use nightjar::writer::{self, Handle, Submission, WriterError, sabotage::Sabotage};

const FIRST: i64 = 1_763_600_000 * SECOND_NS;
/// Events of one submission.
const TOGETHER: usize = 500;
/// Pages that are read of each view and place.
const ROUNDS: usize = 200;
const ROOMS: [&str; 8] = [
    "hall", "kitchen", "attic", "cellar", "garage", "nursery", "porch", "yard",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["pages", folder, events] => pages(Path::new(folder), events.parse().unwrap()),
        ["purge", folder, events] => {
            purge_beside_ingest(Path::new(folder), events.parse().unwrap());
        }
        ["graph", folder] => graph(Path::new(folder)),
        // `cargo bench` without a verb, or `cargo test --benches`: nothing to measure.
        _ => {}
    }
}

/// A database with so many events, and its writer.
struct Filled {
    path: PathBuf,
    handle: Option<Handle>,
    thread: Option<JoinHandle<Result<(), WriterError>>>,
    ends_at: i64,
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.handle = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

fn fill(folder: &Path, events: usize) -> Filled {
    fill_with(folder, events, event)
}

fn fill_with(folder: &Path, events: usize, event: fn(usize) -> NewEvent) -> Filled {
    let path = folder.join("nightjar.db");
    let options = writer::Options {
        path: path.clone(),
        durability: Durability::Full,
        cache_kib: 24 * 1024,
        clock: Clock::System,
        projections: read_model::ALL,
        reactions: writer::Reactions::none(),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let started =
        writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
    let core = started.writer;
    let thread = std::thread::spawn(move || core.run());
    for from in (0..events).step_by(TOGETHER) {
        let batch = (from..events.min(from + TOGETHER)).map(event);
        let submission = Submission {
            events: batch.collect(),
            ..Submission::default()
        };
        started.handle.submit(submission).unwrap();
    }
    started.handle.barrier().unwrap();
    Filled {
        path,
        handle: Some(started.handle),
        thread: Some(thread),
        ends_at: FIRST + events as i64 * SECOND_NS,
    }
}

/// The event with this number: one a second, of mixed kinds.
fn event(number: usize) -> NewEvent {
    let room = ROOMS[number % ROOMS.len()];
    let turn = number / ROOMS.len();
    let (stream, event): (String, Event) = match number % 20 {
        0..=9 => (format!("sensor/{room}"), temperature(turn).into()),
        10 | 11 => (format!("sensor/door_{room}"), contact(turn).into()),
        12 => (format!("camera/{room}"), MotionStarted::default().into()),
        13 => (format!("camera/{room}"), MotionEnded::default().into()),
        14 | 15 => (format!("log/box/source{}", turn % 8), log_line().into()),
        16 => (format!("camera/{room}"), pet(room, number).into()),
        17 => (format!("camera/{room}"), fox(room, number).into()),
        18 => (
            format!("recording/{room}/{number}.mp4"),
            found(room, number).into(),
        ),
        _ => ("system/bench".into(), note().into()),
    };
    let mut new = NewEvent::own(FIRST + number as i64 * SECOND_NS, stream, event);
    if number % 20 == 18 {
        new = new.from_source(format!("camera/{room}"));
    }
    if number % 20 >= 14 {
        new = new
            .with_text("Nov 20 03:12:07 heron sshd[2211]: Accepted publickey for mara port 50122");
    }
    new
}

fn temperature(turn: usize) -> SensorReported {
    report(
        "temperature",
        Reading::Number(20.0 + (turn % 70) as f64 / 10.0),
    )
}

fn contact(turn: usize) -> SensorReported {
    let word = if turn.is_multiple_of(2) {
        "open"
    } else {
        "closed"
    };
    report("contact", Reading::Word(word.into()))
}

fn report(key: &str, value: Reading) -> SensorReported {
    SensorReported {
        key: key.into(),
        value,
        unit: None,
        battery: Some(80.0),
        linkquality: Some(120.0),
        extra: Extra::new(),
    }
}

fn log_line() -> LogWritten {
    LogWritten {
        host: "box".into(),
        source: "sshd".into(),
        level: Level::Info,
        fields: Arc::default(),
    }
}

/// An animal stays for an hour and comes again eight hours later.
fn visitor(names: [&'static str; 8], number: usize) -> String {
    names[number / 3_600 % names.len()].into()
}

fn pet(room: &str, number: usize) -> PetSighted {
    PetSighted {
        camera: room.into(),
        pet_id: Some(visitor(
            ["minka", "rex", "bo", "luna", "momo", "tom", "kira", "pablo"],
            number,
        )),
        species: "cat".into(),
        confidence: 0.9,
        bbox: Some([0.1, 0.2, 0.3, 0.4]),
        crop_path: Some("crops/minka.jpg".into()),
        location: None,
        extra: Extra::new(),
    }
}

fn fox(room: &str, number: usize) -> WildlifeSighted {
    WildlifeSighted {
        camera: room.into(),
        species: visitor(
            [
                "fox", "badger", "hare", "deer", "marten", "boar", "otter", "crane",
            ],
            number,
        ),
        threat: Threat::Nuisance,
        confidence: 0.8,
        bbox: None,
        crop_path: None,
        temperature_c: Some(4.5),
        conditions: None,
        extra: Extra::new(),
    }
}

fn found(room: &str, number: usize) -> Found {
    let at = FIRST + number as i64 * SECOND_NS;
    Found {
        path: format!("{room}/{number}.mp4").into_bytes(),
        size_bytes: 40_000,
        modified_at: at,
        camera: Some(room.into()),
        started_at: Some(at),
        media: Media::default(),
    }
}

fn note() -> Noted {
    Noted {
        component: "bench".into(),
        level: Weight::Info,
    }
}

/// Half and 99 of a hundred, milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |part: f64| {
        let index = ((times.len() - 1) as f64 * part).round() as usize;
        times[index].as_secs_f64() * 1_000.0
    };
    (at(0.5), at(0.99))
}

fn pages(folder: &Path, events: usize) {
    let filled = fill(folder, events);
    let mut reader = Database::open_reader(&filled.path).unwrap();
    let middle = FIRST + (filled.ends_at - FIRST) / 2;
    let places = [
        ("newest", i64::MIN, i64::MAX),
        ("middle", middle, middle + 60 * MINUTE_NS),
    ];
    let mut measured = serde_json::Map::new();
    let mut worst = (String::new(), 0.0);
    for view in views() {
        for (place, since, until) in places {
            let window = Window {
                since,
                until,
                limit: 100,
            };
            let mut times = Vec::with_capacity(ROUNDS);
            for _ in 0..ROUNDS {
                let began = Instant::now();
                let mut session = reader.snapshot().unwrap();
                std::hint::black_box(view.rows(&mut session, window).unwrap());
                times.push(began.elapsed());
            }
            let (p50, p99) = percentiles(times);
            let name = format!("{} {place}", view.name);
            if p99 > worst.1 {
                worst = (name.clone(), p99);
            }
            let figures = serde_json::json!({ "p50_ms": p50, "p99_ms": p99 });
            measured.insert(name, figures);
        }
    }
    let told = serde_json::json!({ "worst": worst.0, "p99_ms": worst.1, "views": measured });
    println!("{told}");
}

/// 100,000 pairs of 10,000 names and 10,000 addresses.
fn failed_login(number: usize) -> NewEvent {
    const NAMES: usize = 10_000;
    let name = number % NAMES;
    let address = (number + number / NAMES * 7) % NAMES;
    let (user, ip) = (
        format!("user{name}"),
        format!("198.18.{}.{}", address / 100, address % 100),
    );
    let text = format!("Failed password for {user} from {ip} port 4711 ssh2");
    let fields = [
        ("action", "failed_login"),
        ("user", &user),
        ("ip_address", &ip),
    ];
    let line = LogWritten {
        level: Level::Warning,
        fields: Arc::new(
            fields
                .map(|(name, value)| (name.to_owned(), value.into()))
                .into(),
        ),
        ..log_line()
    };
    NewEvent::own(FIRST + number as i64 * SECOND_NS, "log/box/sshd", line).with_text(text)
}

fn graph(folder: &Path) {
    const LINES: usize = 100_000;
    let began = Instant::now();
    let filled = fill_with(folder, LINES, failed_login);
    let lines_per_s = LINES as f64 / began.elapsed().as_secs_f64();
    let mut store = SqlGraphStore::new(Database::open_reader(&filled.path).unwrap());
    let mut times = Vec::new();
    let mut size = (0, 0);
    for _ in 0..9 {
        let began = Instant::now();
        let graph = store.reload().unwrap();
        size = (graph.node_count(), graph.edge_count());
        times.push(began.elapsed());
    }
    let (p50, _) = percentiles(times);
    let told = serde_json::json!({
        "load_ms": p50, "nodes": size.0, "edges": size.1, "lines_per_s": lines_per_s,
    });
    println!("{told}");
}

/// Stores one event after the other until `stop` or so many; how long each waited.
fn ingest(handle: &Handle, most: usize, stop: &AtomicBool) -> Vec<Duration> {
    let mut waited = Vec::new();
    while waited.len() < most && !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        handle.store(vec![event(waited.len() * 20)]).unwrap();
        waited.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    waited
}

fn purge_beside_ingest(folder: &Path, events: usize) {
    let filled = fill(folder, events);
    let handle = filled.handle.as_ref().unwrap();
    let never = AtomicBool::new(false);
    let (_, alone) = percentiles(ingest(handle, 500, &never));
    let everything = Limits {
        max_age_ns: Some(0),
        max_rows: None,
    };
    let policies = aging::tables()
        .map(|(name, _)| (name.to_owned(), everything))
        .collect();
    let mut reader = Database::open_reader(&filled.path).unwrap();
    let due = outlook(&mut reader.snapshot().unwrap(), &policies, filled.ends_at).unwrap();
    let done = AtomicBool::new(false);
    let (waited, rows) = std::thread::scope(|scope| {
        let ingesting = scope.spawn(|| ingest(handle, usize::MAX, &done));
        let gone = purge(
            &mut reader,
            due,
            &Clock::System,
            &mut Pace::default(),
            &mut |event| handle.store(vec![event]).map(drop),
            &mut |pause| {
                std::thread::sleep(pause);
                false
            },
        );
        done.store(true, Ordering::Relaxed);
        let rows: i64 = gone.unwrap().iter().map(|purged| purged.rows).sum();
        (ingesting.join().unwrap(), rows)
    });
    let messages = waited.len();
    let (p50, p99) = percentiles(waited);
    let told = serde_json::json!({
        "alone_p99_ms": alone, "p50_ms": p50, "p99_ms": p99, "rows": rows, "messages": messages,
    });
    println!("{told}");
}
