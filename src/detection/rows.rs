//! Rows of the event log, with what the tables say of those that are lines or samples.

use std::collections::HashMap;
use std::sync::Arc;

use super::keys::{HASH_DIGITS, NAME_MAX_BYTES, hash};
use crate::base::clock::UnixNanos;
use crate::event::{Flags, Kind};
use crate::event_log::names::NamesById;
use crate::storage::{Session, StorageError, all};
use crate::values;

/// Streams whose names are held.
const STREAMS_MAX: usize = 16_384;

/// What reaches the house from outside: messages, lines, samples. All else follows from these, or
/// from a person's command, and comes by the thousand when old recordings are taken in or addresses
/// are looked up.
const OUTSIDE: [Kind; 25] = [
    Kind::SensorReported,
    Kind::CameraMotionStarted,
    Kind::CameraMotionEnded,
    Kind::CameraHeartbeatReceived,
    Kind::CameraFailed,
    Kind::CameraSnapshotTaken,
    Kind::PetSighted,
    Kind::PetLocated,
    Kind::WildlifeSighted,
    Kind::PackageDetected,
    Kind::PackageCollected,
    Kind::FaceSeen,
    Kind::UpsStatusReported,
    Kind::UpsPowerLost,
    Kind::UpsPowerRestored,
    Kind::UpsBatteryLow,
    Kind::UpsBatteryCritical,
    Kind::PresenceReported,
    Kind::ArmRequested,
    Kind::HealthReported,
    Kind::LogWritten,
    Kind::MetricsSampled,
    Kind::RecordingFinished,
    Kind::MessageUndecodable,
    Kind::MessageUnmapped,
];

/// An event, as far as the models want to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its place in the event log.
    pub position: i64,
    /// When it happened.
    pub occurred_at: UnixNanos,
    /// When it arrived.
    pub received_at: UnixNanos,
    /// What it is.
    pub what: What,
}

/// What an event is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The program started: what came before was not seen.
    Start,
    /// What the program or the person at it brought about, or a state that is only told again.
    Own,
    /// A line.
    Line(Line),
    /// A sample of a host.
    Sample(Sample),
    /// Anything else.
    Other,
}

/// A log line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Number of the stream's name.
    pub stream: i64,
    /// Who wrote it.
    pub host: Arc<str>,
    /// Which of its logs.
    pub source: Arc<str>,
    /// 0 DEBUG to 4 CRITICAL.
    pub level: i64,
    /// Whether somebody failed to log in.
    pub is_failed_login: bool,
    /// Number of its template; 0 for none.
    pub template: i64,
}

/// What a host used.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The host.
    pub host: Arc<str>,
    /// Of all cores together.
    pub cpu_percent: Option<f64>,
    /// Of all memory.
    pub memory_percent: Option<f64>,
}

/// Reads rows and keeps the names that it met.
#[derive(Debug, Default)]
pub(super) struct RowReader {
    names: NamesById,
    streams: HashMap<i64, (Arc<str>, Arc<str>)>,
    origins: HashMap<i64, Origin>,
}

/// Where events of a kind come from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Start,
    Own,
    Outside,
}

/// A row with its numbers for names.
struct Raw {
    row: Row,
    kind: i64,
    is_retained: bool,
    stream: Option<i64>,
}

impl RowReader {
    /// Up to `limit` after position `after`, ascending.
    pub(super) fn after(
        &mut self,
        session: &mut dyn Session,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let unnamed: Arc<str> = Arc::from("");
        let raw = all(
            session,
            "SELECT e.position, e.occurred_at, e.received_at, e.kind, e.flags, l.source, l.level, \
             l.action = 'failed_login', l.template_id, s.host, s.cpu_percent, \
             s.memory_percent FROM event_log e LEFT JOIN log_lines l ON l.position = e.position \
             LEFT JOIN system_samples s ON s.id = e.position WHERE e.position > ?1 \
             ORDER BY e.position LIMIT ?2",
            values![after, limit as i64],
            |row| {
                let stream = row.opt_int(5)?;
                let what = if let Some(stream) = stream {
                    What::Line(Line {
                        stream,
                        host: Arc::clone(&unnamed),
                        source: Arc::clone(&unnamed),
                        level: row.int(6)?,
                        is_failed_login: row.opt_int(7)? == Some(1),
                        template: row.opt_int(8)?.unwrap_or(0),
                    })
                } else if let Some(host) = row.opt_text(9)? {
                    What::Sample(Sample {
                        host: short(host),
                        cpu_percent: row.opt_real(10)?,
                        memory_percent: row.opt_real(11)?,
                    })
                } else {
                    What::Other
                };
                Ok(Raw {
                    row: Row {
                        position: row.int(0)?,
                        occurred_at: row.int(1)?,
                        received_at: row.int(2)?,
                        what,
                    },
                    kind: row.int(3)?,
                    is_retained: Flags(row.int(4)?).has(Flags::RETAINED),
                    stream,
                })
            },
        )?;
        raw.into_iter()
            .map(|raw| {
                let mut row = raw.row;
                match self.origin(session, raw.kind)? {
                    Origin::Start => row.what = What::Start,
                    Origin::Outside if !raw.is_retained => {}
                    Origin::Own | Origin::Outside => row.what = What::Own,
                }
                if let (What::Line(line), Some(stream)) = (&mut row.what, raw.stream) {
                    (line.host, line.source) = self.stream(session, stream)?;
                }
                Ok(row)
            })
            .collect()
    }

    /// Where events of the kind with this number come from.
    fn origin(&mut self, session: &mut dyn Session, kind: i64) -> Result<Origin, StorageError> {
        if let Some(known) = self.origins.get(&kind) {
            return Ok(*known);
        }
        let name = self.names.get(session, kind)?;
        let origin = match Kind::from_name(&name.text) {
            Some(Kind::SystemStarted) => Origin::Start,
            Some(kind) if OUTSIDE.contains(&kind) => Origin::Outside,
            Some(_) | None => Origin::Own,
        };
        self.origins.insert(kind, origin);
        Ok(origin)
    }

    /// Host and source of `log/<host>/<source>`.
    fn stream(
        &mut self,
        session: &mut dyn Session,
        id: i64,
    ) -> Result<(Arc<str>, Arc<str>), StorageError> {
        if let Some(known) = self.streams.get(&id) {
            return Ok(known.clone());
        }
        let name = self.names.get(session, id)?;
        let of = name.text.strip_prefix("log/").unwrap_or(&name.text);
        let (host, source) = of.split_once('/').unwrap_or((of, of));
        let parts = (short(host), short(source));
        if self.streams.len() >= STREAMS_MAX {
            self.streams.clear();
        }
        self.streams.insert(id, parts.clone());
        Ok(parts)
    }
}

/// A name of at most [`NAME_MAX_BYTES`]. A longer one is cut and ends in `~` and the first 16 hex
/// digits of its SHA-256: names come from anybody, and are held by the thousand.
fn short(name: &str) -> Arc<str> {
    if name.len() <= NAME_MAX_BYTES {
        return Arc::from(name);
    }
    let cut = name.floor_char_boundary(NAME_MAX_BYTES - HASH_DIGITS - 1);
    Arc::from(format!("{}~{}", &name[..cut], hash(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let most = "n".repeat(NAME_MAX_BYTES);
        assert_eq!(&*short(&most), most);
        let [one, other] = ["é".repeat(30_000), "é".repeat(30_001)].map(|name| short(&name));
        assert_ne!(one, other);
        assert!(one.len() <= NAME_MAX_BYTES && one.starts_with('é'));
    }
}
