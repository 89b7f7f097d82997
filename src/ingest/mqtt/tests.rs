//! Each hazard of the MQTT client has its guard here: with canned packets, and with the small
//! broker doing harm to the real client.
#![allow(clippy::unwrap_used)]

mod canned;
mod harm;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::*;
use crate::base::shutdown::Shutdown;
use crate::decode::topic::{Topic, TopicFilter};
use crate::event::{Envelope, Event};
use crate::event_log::read::EventReader;
use crate::read_model;
use crate::storage::sqlite::{Database, Durability};
use crate::writer::sabotage::Sabotage;
use crate::writer::{self, Writer};

/// Nothing here takes a second; a loaded machine gets many.
const PATIENCE: Duration = Duration::from_secs(30);

/// A real database, and its writer once it is started.
struct Log {
    path: PathBuf,
    handle: Handle,
    telemetry: Arc<Telemetry>,
    sessions: Vec<(String, Uuid, String)>,
    resting: Option<Writer>,
    running: Option<JoinHandle<()>>,
    folder: Option<tempfile::TempDir>,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Self::open(&folder.path().join("nightjar.db"));
        log.folder = Some(folder);
        log
    }

    fn open(path: &std::path::Path) -> Self {
        let options = writer::Options {
            path: path.to_owned(),
            durability: Durability::Scratch,
            cache_kib: 1_024,
            clock: Clock::System,
            projections: read_model::ALL,
            reactions: writer::Reactions::none(),
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let telemetry = Arc::new(Telemetry::default());
        let started = writer::start(
            options,
            Arc::clone(&telemetry),
            Shutdown::new(),
            &mut |_, _, _| {},
        )
        .unwrap();
        Self {
            path: path.to_owned(),
            handle: started.handle,
            telemetry,
            sessions: started.sessions,
            resting: Some(started.writer),
            running: None,
            folder: None,
        }
    }

    /// Lets the writer work; before that, what is submitted waits.
    fn start_writer(&mut self) {
        let writer = self.resting.take().unwrap();
        let body = move || writer.run().unwrap();
        self.running = Some(std::thread::Builder::new().spawn(body).unwrap());
    }

    fn shared(&self) -> Shared {
        let prefix: Topic = "vigilar".parse().unwrap();
        let own: TopicFilter = "nightjar/home/#".parse().unwrap();
        Shared {
            writer: self.handle.clone(),
            pins: Arc::default(),
            rules: Arc::new(Rules::new(prefix, vec![own])),
            telemetry: Arc::clone(&self.telemetry),
            clock: Clock::System,
            inflight: Arc::default(),
            sabotage: Sabotage::NONE,
        }
    }

    fn subscription(&self) -> Subscription {
        let known = self.sessions.iter().find(|(family, ..)| family == "sensor");
        Subscription {
            family: Family::Sensor,
            filters: vec!["vigilar/sensor/#".into()],
            known_session: known.map(|(_, uuid, filters)| (*uuid, filters.clone())),
            broker_forgets: false,
        }
    }

    fn events(&self) -> Vec<Envelope> {
        let mut reader = Database::open_reader(&self.path).unwrap();
        let mut session = reader.snapshot().unwrap();
        EventReader::new().after(&mut session, 0, 100_000).unwrap()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.events()
            .iter()
            .map(|event| event.kind().name())
            .collect()
    }

    /// How often each reading is in the log.
    fn readings(&self) -> std::collections::BTreeMap<String, usize> {
        let mut readings = std::collections::BTreeMap::new();
        for event in self.events() {
            if let Event::SensorReported(reading) = event.event {
                *readings.entry(reading.value.to_string()).or_default() += 1;
            }
        }
        readings
    }
}

/// Waits for a condition, and says which one was not met.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
