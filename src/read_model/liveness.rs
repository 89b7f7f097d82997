//! How often each device is heard, so that its silence can be noticed.
//!
//! By arrival, not by the device's own clock: silence is what reaches us not. Any message is a sign
//! of life; a rhythm is only what is told by itself (heartbeats of a camera, measurements and full
//! reports of a sensor), since a door that nobody opens at night is not broken. A retained snapshot
//! is neither. Arrivals within a second are one: full reports come as several events, and what the
//! broker kept for us comes in one go.
//!
//! A batch writes each device once, however many messages it brings.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::cameras::camera_of;
use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::SECOND_NS;
use crate::event::reading::Reading;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// Intervals that are kept: enough that one odd one does not move the median.
const KEPT: usize = 15;
/// Fewer than this are no rhythm.
const LEAST_KNOWN: usize = 5;
const MS_NS: i64 = 1_000_000;

pub(super) const PROJECTION: Projection = Projection {
    name: "liveness",
    version: 1,
    tables: &[
        table!("liveness" by "stream"),
        table!("liveness_start" by "id"),
    ],
    kinds: Some(&[
        Kind::SensorReported,
        Kind::CameraMotionStarted,
        Kind::CameraMotionEnded,
        Kind::CameraHeartbeatReceived,
        Kind::CameraFailed,
        Kind::CameraSnapshotTaken,
        Kind::PetSighted,
        Kind::WildlifeSighted,
        Kind::PackageDetected,
        Kind::PackageCollected,
        Kind::FaceSeen,
        Kind::RecordingFinished,
        Kind::CameraRegistered,
        Kind::SensorRegistered,
        Kind::SensorWentSilent,
        Kind::SensorReturned,
        Kind::CameraWentSilent,
        Kind::CameraReturned,
        Kind::SystemStarted,
    ]),
    fold,
};

#[derive(Default)]
struct Device {
    last_at: Option<i64>,
    beat_at: Option<i64>,
    intervals_ms: Vec<i64>,
    silent_after_ms: Option<i64>,
    silent_since: Option<i64>,
    heard: bool,
}

/// What an event says of a device.
enum Said {
    /// It lives; whether this belongs to its rhythm.
    Life { beat: bool },
    /// It may be silent for so long.
    Allowance(Option<i64>),
    /// It counts as silent.
    Silent,
    /// It counts as heard again.
    Back,
}

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut devices: BTreeMap<Arc<str>, Device> = BTreeMap::new();
    for event in batch {
        if let Event::SystemStarted(_) = &event.event {
            session.write(
                "INSERT INTO liveness_start (id, at) VALUES (1, ?1) \
                 ON CONFLICT (id) DO UPDATE SET at = excluded.at",
                values![event.received_at],
            )?;
        }
        let Some((stream, said)) = said(event) else {
            continue;
        };
        let device = match devices.entry(stream) {
            Entry::Occupied(device) => device.into_mut(),
            Entry::Vacant(empty) => {
                let known = stored(session, empty.key())?;
                empty.insert(known)
            }
        };
        device.learn(&said, event.received_at);
    }
    for (stream, device) in &devices {
        let intervals = serde_json::Value::from(device.intervals_ms.clone()).to_string();
        session.write(
            "INSERT INTO liveness (stream, last_at, beat_at, intervals_ms, median_ms, \
             silent_after_ms, silent_since, heard) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
             ON CONFLICT (stream) DO UPDATE SET last_at = excluded.last_at, \
             beat_at = excluded.beat_at, intervals_ms = excluded.intervals_ms, \
             median_ms = excluded.median_ms, silent_after_ms = excluded.silent_after_ms, \
             silent_since = excluded.silent_since, heard = excluded.heard",
            values![
                &**stream,
                device.last_at,
                device.beat_at,
                &intervals,
                median(&device.intervals_ms),
                device.silent_after_ms,
                device.silent_since,
                device.heard
            ],
        )?;
    }
    Ok(())
}

fn said(event: &Envelope) -> Option<(Arc<str>, Said)> {
    let stream = || Arc::clone(&event.stream.text);
    let allowance = |registered: bool, enabled: bool, told: Option<i64>| match (registered, enabled)
    {
        (false, _) => Said::Allowance(None),
        (true, false) => Said::Allowance(Some(0)),
        (true, true) => Said::Allowance(told),
    };
    Some(match &event.event {
        Event::CameraRegistered(told) => (stream(), allowance(told.registered, told.enabled, None)),
        Event::SensorRegistered(told) => (
            stream(),
            allowance(told.registered, told.enabled, told.silent_after_ms),
        ),
        Event::SensorWentSilent(_) | Event::CameraWentSilent(_) => (stream(), Said::Silent),
        Event::SensorReturned(_) | Event::CameraReturned(_) => (stream(), Said::Back),
        _ if event.is_snapshot() => return None,
        Event::SensorReported(report) => {
            let beat = matches!(report.value, Reading::Number(_))
                || report.battery.is_some()
                || report.linkquality.is_some();
            (stream(), Said::Life { beat })
        }
        other => {
            let beat = matches!(other, Event::CameraHeartbeatReceived(_));
            let camera = camera_of(event)?;
            (format!("camera/{camera}").into(), Said::Life { beat })
        }
    })
}

impl Device {
    fn learn(&mut self, said: &Said, at: i64) {
        match said {
            Said::Life { beat } => {
                self.last_at = Some(at);
                self.heard = true;
                if *beat {
                    self.beat(at);
                }
            }
            Said::Allowance(silent_after_ms) => self.silent_after_ms = *silent_after_ms,
            Said::Silent => {
                self.silent_since = Some(at);
                self.heard = false;
                // The silence is no interval of its rhythm.
                self.beat_at = None;
            }
            Said::Back => self.silent_since = None,
        }
    }

    fn beat(&mut self, at: i64) {
        match self.beat_at.map(|before| at.saturating_sub(before)) {
            Some(interval) if (0..SECOND_NS).contains(&interval) => return,
            // Else the clock was set back, and the interval is unknown.
            Some(interval) if interval > 0 => {
                if self.intervals_ms.len() >= KEPT {
                    self.intervals_ms.remove(0);
                }
                self.intervals_ms.push(interval / MS_NS);
            }
            _ => {}
        }
        self.beat_at = Some(at);
    }
}

fn median(intervals_ms: &[i64]) -> Option<i64> {
    let mut sorted = intervals_ms.to_vec();
    sorted.sort_unstable();
    (sorted.len() >= LEAST_KNOWN).then(|| sorted[sorted.len() / 2])
}

fn stored(session: &mut dyn Session, stream: &str) -> Result<Device, StorageError> {
    let known = first(
        session,
        "SELECT last_at, beat_at, intervals_ms, silent_after_ms, silent_since, heard \
         FROM liveness WHERE stream = ?1",
        values![stream],
        |row| {
            Ok(Device {
                last_at: row.opt_int(0)?,
                beat_at: row.opt_int(1)?,
                intervals_ms: serde_json::from_str(row.text(2)?)
                    .map_err(|error| StorageError::Unreadable(error.to_string()))?,
                silent_after_ms: row.opt_int(3)?,
                silent_since: row.opt_int(4)?,
                heard: row.int(5)? != 0,
            })
        },
    )?;
    Ok(known.unwrap_or_default())
}

/// A device that said nothing for longer than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// `sensor/attic`
    pub stream: String,
    /// When it was last heard of.
    pub last_at: Option<i64>,
    /// The silence that it may keep, milliseconds.
    pub allowed_ms: i64,
}

/// Devices that are overdue at `now`, at most `limit`: those that registered a span of their own
/// after that, those with a rhythm after `factor` × its median and no less than `least_ms`. Nobody
/// is before the whole span has passed since the daemon started.
///
/// One pass over the table: 10,000 devices cost some milliseconds, so ask seldom.
pub fn overdue(
    session: &mut dyn Session,
    now: i64,
    least_ms: i64,
    factor: i64,
    limit: i64,
) -> Result<Vec<Overdue>, StorageError> {
    all(
        session,
        "SELECT stream, last_at, allowed_ms FROM (SELECT stream, last_at, \
         coalesce(silent_after_ms, max(median_ms * ?3, ?2)) AS allowed_ms FROM liveness \
         WHERE silent_since IS NULL AND (silent_after_ms > 0 OR (silent_after_ms IS NULL AND \
         median_ms IS NOT NULL))) WHERE (?1 - max(coalesce(last_at, 0), \
         coalesce((SELECT at FROM liveness_start), 0))) / 1000000 > allowed_ms \
         ORDER BY stream LIMIT ?4",
        values![now, least_ms, factor, limit],
        |row| {
            Ok(Overdue {
                stream: row.text(0)?.to_owned(),
                last_at: row.opt_int(1)?,
                allowed_ms: row.int(2)?,
            })
        },
    )
}

/// Devices that count as silent and were heard, with the beginning of their silence.
pub fn returned(session: &mut dyn Session) -> Result<Vec<(String, i64)>, StorageError> {
    all(
        session,
        "SELECT stream, silent_since FROM liveness WHERE silent_since IS NOT NULL AND heard = 1 \
         ORDER BY stream",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?)),
    )
}

pub(super) const VIEWS: &[View] = &[View {
    name: "liveness",
    about: "how often each device is heard, and which are silent",
    columns: columns![
        "stream" Text, "last_at" Time, "median_ms" Number, "silent_after_ms" Number,
        "silent_since" Time
    ],
    sql: "SELECT stream, last_at, median_ms, silent_after_ms, silent_since FROM liveness \
          WHERE coalesce(last_at, 0) >= ?1 AND coalesce(last_at, 0) < ?2 \
          ORDER BY last_at DESC NULLS LAST, stream LIMIT ?3",
}];
