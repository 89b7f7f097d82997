//! What the daemon tells of itself: over the control socket, and in the status file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::clock::UnixNanos;
use crate::base::status_file::StatusFile;
use crate::base::telemetry::{Snapshot, Telemetry};
use crate::decode::Rules;
use crate::decode::topic::{Family, TopicFilter};
use crate::detection;
use crate::ingest::mqtt::{Broker, Health};
use crate::ingest::recordings;
use crate::writer::Handle;

/// What the daemon tells of itself.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// Process id.
    pub pid: u32,
    /// Program version.
    pub version: String,
    /// Since when, Unix nanoseconds.
    pub started_at: UnixNanos,
    /// Position of the last durable event.
    pub head: i64,
    /// Submissions that wait for the writer.
    pub waiting: usize,
    /// Each topic family's connection.
    pub families: BTreeMap<String, Health>,
    /// The publishing connection.
    #[serde(default)]
    pub publisher: Health,
    /// Host of the broker, or path of its socket.
    pub broker_host: String,
    /// Port of the broker; 0 for a socket.
    pub broker_port: u16,
    /// Whether recordings are watched.
    pub watches_recordings: bool,
    /// The recordings watcher's trouble, if any.
    pub recordings_trouble: Option<String>,
    /// What somebody should know of the recordings.
    #[serde(default)]
    pub recordings_warning: Option<String>,
    /// How full their disk is, in a line for people.
    #[serde(default)]
    pub recordings_disk: Option<String>,
    /// How far the models are, unless detection is switched off.
    #[serde(default)]
    pub detection: Option<detection::Health>,
    /// Counters since the start.
    pub counters: Snapshot,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) started_at: UnixNanos,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) writer: Handle,
    pub(super) families: Vec<(Family, Arc<Mutex<Health>>)>,
    pub(super) publisher: Arc<Mutex<Health>>,
    pub(super) alerts_warning: Option<String>,
    pub(super) recordings: Option<Arc<Mutex<recordings::Health>>>,
    pub(super) detection: Option<Arc<Mutex<detection::Health>>>,
    pub(super) broker: Broker,
    pub(super) rules: Arc<Rules>,
    pub(super) filters: Vec<TopicFilter>,
}

impl State {
    pub(super) fn status_file(&self, now: UnixNanos) -> StatusFile {
        let status = self.status();
        let mut trouble = BTreeMap::new();
        for (family, health) in &status.families {
            trouble.extend(
                health
                    .trouble
                    .clone()
                    .map(|reason| (family.clone(), reason)),
            );
        }
        trouble.extend(
            status
                .recordings_trouble
                .map(|reason| ("recordings".to_owned(), reason)),
        );
        trouble.extend(
            status
                .publisher
                .trouble
                .map(|reason| ("publisher".to_owned(), reason)),
        );
        let recordings = status
            .recordings_warning
            .map(|text| ("recordings".to_owned(), text));
        let alerts = self.alerts_warning.clone();
        let models = status.detection.as_ref();
        let detection = models.and_then(detection::Health::warning);
        StatusFile {
            updated_at: Some(now),
            connected: status
                .families
                .iter()
                .map(|(family, health)| (family.clone(), health.connected))
                .collect(),
            trouble,
            warnings: recordings
                .into_iter()
                .chain(alerts.map(|text| ("alerts".to_owned(), text)))
                .chain(detection.map(|text| ("detection".to_owned(), text)))
                .collect(),
            recordings_disk: status.recordings_disk,
            models: status.detection.map(|health| health.line()),
            counters: status.counters,
        }
    }

    pub(super) fn status(&self) -> Status {
        let locked = |health: &Mutex<Health>| {
            health
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        let watching = self.recordings.as_ref().map(|health| {
            health
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        });
        let watching = watching.unwrap_or_default();
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: self.started_at,
            head: self.writer.head(),
            waiting: self.writer.waiting(),
            families: self
                .families
                .iter()
                .map(|(family, health)| (family.name().to_owned(), locked(health)))
                .collect(),
            publisher: locked(&self.publisher),
            broker_host: self.broker.host.clone(),
            broker_port: self.broker.port,
            watches_recordings: self.recordings.is_some(),
            recordings_trouble: watching.trouble.clone(),
            recordings_warning: watching.warning.clone(),
            recordings_disk: watching.disk_line(),
            detection: self.detection.as_ref().map(|health| {
                health
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone()
                    .as_of(self.writer.head())
            }),
            counters: self.telemetry.snapshot(),
        }
    }
}
