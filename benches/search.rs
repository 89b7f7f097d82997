//! Searches and pages of the one stream, for `scripts/bench`: `cargo bench --bench search -- search
//! FOLDER LINES`.
//!
//! Fills a database with so many lines through the real writer, searches for a phrase that stands in
//! half of them and for a word that stands in ten, and reads pages of 100 rows by time, by
//! conditions and by entity (a host that all lines name, an address that some do); prints p50 and p99 of each as JSON.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nightjar::base::clock::{Clock, SECOND_NS};
use nightjar::base::shutdown::Shutdown;
use nightjar::event::NewEvent;
use nightjar::event::entity::{Entity, EntityType};
use nightjar::event::system::{Level, LogWritten};
use nightjar::storage::sqlite::{Database, Durability};
use nightjar::store::entity::{EntityStore as _, SqlEntityStore, TimelineQuery};
use nightjar::store::log::{EventQuery, LogStore as _, Logs, Search};
use nightjar::writer::{self, Submission, sabotage::Sabotage};

const FIRST: i64 = 1_763_600_000 * SECOND_NS;
/// Lines of one submission.
const TOGETHER: usize = 500;
/// How often each question is asked.
const ROUNDS: usize = 200;
const SOURCES: [&str; 4] = ["sshd", "nginx", "kernel", "cron"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` without a verb, or `cargo test --benches`: nothing to measure.
    if let [verb, folder, lines] = arguments.as_slice()
        && verb == "search"
    {
        measure(Path::new(folder), lines.parse().unwrap());
    }
}

/// The line with this number: one a second.
fn line(number: usize, lines: usize) -> NewEvent {
    let source = SOURCES[number % SOURCES.len()];
    let port = 1_024 + number * 7 % 60_000;
    let text = if number.is_multiple_of((lines / 10).max(1)) {
        format!("zeppelin sighted at mast {port}")
    } else if number.is_multiple_of(2) {
        format!(
            "Failed password for mara from 203.0.113.{} port {port} ssh2",
            number % 250
        )
    } else {
        format!(
            "GET /rooms/{port} 200 {} upstream answered in {} ms",
            number % 9_000,
            number % 90
        )
    };
    let written = LogWritten {
        host: "heron".into(),
        source: source.into(),
        level: if number.is_multiple_of(1_000) {
            Level::Error
        } else {
            Level::Info
        },
        fields: Arc::default(),
    };
    let at = FIRST + number as i64 * SECOND_NS;
    NewEvent::own(at, format!("log/heron/{source}"), written).with_text(text)
}

fn fill(path: &Path, lines: usize) {
    let options = writer::Options {
        path: path.to_owned(),
        durability: Durability::Full,
        cache_kib: 24 * 1024,
        clock: Clock::System,
        projections: nightjar::read_model::ALL,
        reactions: writer::Reactions::none(),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let started = writer::start(
        options,
        std::sync::Arc::default(),
        Shutdown::new(),
        &mut |_, _, _| {},
    )
    .unwrap();
    let core = started.writer;
    let thread = std::thread::Builder::new()
        .spawn(move || core.run())
        .unwrap();
    for from in (0..lines).step_by(TOGETHER) {
        let batch = (from..lines.min(from + TOGETHER)).map(|number| line(number, lines));
        let submission = Submission {
            events: batch.collect(),
            ..Submission::default()
        };
        started.handle.submit(submission).unwrap();
    }
    drop(started.handle);
    thread.join().unwrap().unwrap();
}

fn measure(folder: &Path, lines: usize) {
    let path = folder.join("nightjar.db");
    fill(&path, lines);
    let mut logs = Logs::reading(Database::open_reader(&path).unwrap());
    let search = |text: &str| Search {
        text: text.into(),
        ..Search::default()
    };
    let middle = FIRST + lines as i64 / 2 * SECOND_NS;
    let page = EventQuery::default();
    let mut told = serde_json::Map::new();
    for (name, search) in [
        ("common", search("failed password")),
        ("rare", search("zeppelin")),
    ] {
        told.insert(
            name.into(),
            timed(|| logs.search_text(&search).unwrap().events.len()),
        );
    }
    for (name, query) in [
        ("newest", page.clone()),
        (
            "middle",
            EventQuery {
                until: middle,
                ..page.clone()
            },
        ),
        (
            "source",
            EventQuery {
                source_id: Some("heron/cron".into()),
                ..page.clone()
            },
        ),
        (
            "severity",
            EventQuery {
                min_severity: 4,
                until: middle,
                ..page.clone()
            },
        ),
        (
            "text",
            EventQuery {
                text: Some("failed password".into()),
                until: middle,
                ..page.clone()
            },
        ),
        (
            "host",
            EventQuery {
                entity: Some(uuid(EntityType::Host, "heron")),
                until: middle,
                ..page.clone()
            },
        ),
        (
            "address",
            EventQuery {
                entity: Some(uuid(EntityType::Ip, "203.0.113.8")),
                until: middle,
                ..page
            },
        ),
    ] {
        told.insert(
            name.into(),
            timed(|| logs.query_events(&query).unwrap().events.len()),
        );
    }
    let mut entities = SqlEntityStore::new(Database::open_reader(&path).unwrap());
    let query = TimelineQuery {
        limit: 100,
        ..TimelineQuery::default()
    };
    let heron = uuid(EntityType::Host, "heron");
    told.insert(
        "timeline".into(),
        timed(|| entities.get_timeline(heron, &query).unwrap().events.len()),
    );
    println!("{}", serde_json::Value::Object(told));
}

fn uuid(kind: EntityType, name: &str) -> uuid::Uuid {
    Entity::new(kind, name).unwrap().uuid()
}

/// Half and 99 of a hundred, milliseconds, and how many rows came.
fn timed(mut ask: impl FnMut() -> usize) -> serde_json::Value {
    let mut rows = 0;
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            rows = ask();
            began.elapsed()
        })
        .collect();
    times.sort();
    let at =
        |part: f64| times[((ROUNDS - 1) as f64 * part).round() as usize].as_secs_f64() * 1_000.0;
    serde_json::json!({ "p50_ms": at(0.5), "p99_ms": at(0.99), "rows": rows })
}
