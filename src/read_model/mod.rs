//! The read model: every table that people read, folded from the event log.
//!
//! A slice is one file: one subject's tables, its fold, its queries. Rules, each with a test: every
//! table has one owner; every kind is folded by a projection or stands in [`LOG_ONLY`]; how the log
//! was cut into batches changes nothing; rebuilding gives the same tables; a fold has no clock and
//! no state of its own.

pub mod aging;
pub mod digest;
pub mod encounters;
pub mod search_index;
pub mod view;

pub mod alarm;
pub mod alerts;
pub mod anomalies;
mod cameras;
mod counts;
mod dead_letters;
pub mod entities;
pub mod events;
mod faces;
mod host_rollups;
pub mod liveness;
pub mod logs;
mod metrics;
mod packages;
mod patterns;
mod pet_rules;
mod pets;
pub mod presence;
mod recordings;
pub mod reputation;
mod retention;
pub mod rules;
mod sensor_rollups;
mod sensors;
mod system_events;
pub mod timelapse;
mod ups;
mod wildlife;

use crate::event::{Envelope, Kind};
use crate::storage::{Session, StorageError};

pub use aging::Aging;
use aging::table;
use search_index::SearchIndex;
pub use view::View;

/// Folds a batch, in order of position, into the projection's tables.
pub type Fold = fn(&mut dyn Session, &[Envelope]) -> Result<(), StorageError>;

/// One projection: data, not an object.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// Its name in the table `projections`.
    pub name: &'static str,
    /// Raised whenever the fold or its tables change: the program then rebuilds it at start.
    pub version: i64,
    /// The tables that it alone writes, parents first.
    pub tables: &'static [Table],
    /// The kinds that it folds; all when `None`.
    pub kinds: Option<&'static [Kind]>,
    /// The fold.
    pub fold: Fold,
}

/// A table of a projection, with the statements that empty it and read it whole.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Empties it.
    pub clear: &'static str,
    /// Reads every column in the order of the primary key.
    pub dump: &'static str,
    /// How its rows age; those of a table without it stay for ever.
    pub aging: Option<Aging>,
    /// The index of its texts.
    pub index: Option<&'static SearchIndex>,
}

impl Table {
    /// The same with an index of its texts.
    #[must_use]
    pub const fn searched_by(mut self, index: &'static SearchIndex) -> Self {
        self.index = Some(index);
        self
    }
}

impl Projection {
    /// Whether it has anything to do with this event.
    pub fn takes(&self, kind: Kind) -> bool {
        self.kinds.is_none_or(|kinds| kinds.contains(&kind))
    }

    /// Empties its tables, children first.
    pub fn clear(&self, session: &mut dyn Session) -> Result<(), StorageError> {
        self.tables.iter().rev().try_for_each(|table| {
            if let Some(index) = table.index {
                session.write(index.clear, &[])?;
            }
            session.write(table.clear, &[])
        })
    }
}

/// Every projection there is.
pub const ALL: &[Projection] = &[
    alarm::PROJECTION,
    alerts::PROJECTION,
    anomalies::PROJECTION,
    liveness::PROJECTION,
    timelapse::PROJECTION,
    ups::PROJECTION,
    cameras::PROJECTION,
    counts::PROJECTION,
    dead_letters::PROJECTION,
    entities::PROJECTION,
    events::PROJECTION,
    logs::PROJECTION,
    metrics::PROJECTION,
    reputation::PROJECTION,
    patterns::PROJECTION,
    pet_rules::PROJECTION,
    pets::PROJECTION,
    recordings::PROJECTION,
    rules::PROJECTION,
    retention::PROJECTION,
    sensor_rollups::PROJECTION,
    sensors::PROJECTION,
    system_events::PROJECTION,
    wildlife::PROJECTION,
    faces::PROJECTION,
    packages::PROJECTION,
    presence::PROJECTION,
];

/// Kinds that are kept in the event log and counted, and that no table shows yet.
pub const LOG_ONLY: &[Kind] = &[
    Kind::HealthReported,
    Kind::ReplayFinished,
    Kind::RecordingRequested,
    Kind::AlertRequested,
];

/// Brings the tables in line with events whose bodies were redacted; what else is to go, the event
/// that a person was forgotten says to the fold.
pub fn redact(session: &mut dyn Session, events: &[Envelope]) -> Result<(), StorageError> {
    faces::redact(session, events)?;
    events::redact(session, events)
}

/// Tables that are not projections: the writer's own, or facts of the database.
pub const STATE_TABLES: &[&str] = &[
    "batches",
    "event_log",
    "forgetting_crops",
    "message_ids",
    "metadata",
    "model_state",
    "mqtt_deliveries",
    "mqtt_sessions",
    "names",
    "projections",
    "push_subscriptions",
    "redactions",
    "schema_migrations",
    "source_places",
];

/// Every view that `nightjar query` offers, in the order of its help.
pub fn views() -> impl Iterator<Item = &'static View> {
    [
        events::VIEWS,
        sensors::VIEWS,
        sensor_rollups::VIEWS,
        cameras::VIEWS,
        pets::VIEWS,
        pet_rules::VIEWS,
        wildlife::VIEWS,
        recordings::VIEWS,
        retention::VIEWS,
        logs::VIEWS,
        entities::VIEWS,
        metrics::VIEWS,
        host_rollups::VIEWS,
        reputation::VIEWS,
        patterns::VIEWS,
        system_events::VIEWS,
        dead_letters::VIEWS,
        counts::VIEWS,
        alarm::VIEWS,
        rules::VIEWS,
        alerts::VIEWS,
        anomalies::VIEWS,
        liveness::VIEWS,
        timelapse::VIEWS,
        ups::VIEWS,
        faces::VIEWS,
        packages::VIEWS,
        presence::VIEWS,
    ]
    .into_iter()
    .flatten()
}

/// What `nightjar state` shows: a projection, and a view of it that tells the present.
pub const STATE_SECTIONS: &[(&str, &str)] = &[
    ("alarm", "alarm"),
    ("presence", "household"),
    ("presence", "presence_members"),
    ("sensors", "sensor_states"),
    ("sensors", "sensors"),
    ("pets", "pets"),
    ("cameras", "cameras"),
];

/// The sections of the state, each with the projection that its tables belong to.
pub fn state_sections() -> impl Iterator<Item = (&'static Projection, &'static View)> {
    STATE_SECTIONS.iter().filter_map(|(projection, view)| {
        let projection = ALL.iter().find(|one| one.name == *projection)?;
        Some((projection, views().find(|one| one.name == *view)?))
    })
}

#[cfg(test)]
mod tests;
