//! What the operator should know of the machine room.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::recording::Integrity;
use crate::event::sentence::sentence;
use crate::event::system::Weight;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "system_events",
    version: 3,
    tables: &[table!("system_events" by "id")],
    kinds: Some(&[
        Kind::SystemStarted,
        Kind::SystemStopped,
        Kind::SystemNoted,
        Kind::SessionStarted,
        Kind::SessionLost,
        Kind::SubscriptionRefused,
        Kind::RecordingFailed,
        Kind::RecordingChecked,
        Kind::RecordingDeleted,
        Kind::VaultKeyRotated,
        Kind::EventParked,
        Kind::IdConflicted,
        Kind::CameraRegistered,
        Kind::SensorRegistered,
        Kind::ClassificationConfigured,
        Kind::SensorWentSilent,
        Kind::SensorReturned,
        Kind::CameraWentSilent,
        Kind::CameraReturned,
        Kind::TimelapseRequested,
    ]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        let (component, level) = match &event.event {
            Event::SystemStarted(_) | Event::SystemStopped(_) => ("daemon", Weight::Info),
            Event::SystemNoted(noted) => (noted.component.as_str(), noted.level),
            Event::SessionStarted(_) => ("mqtt", Weight::Info),
            Event::SessionLost(_) => ("mqtt", Weight::Alert),
            Event::SubscriptionRefused(_) => ("mqtt", Weight::Critical),
            Event::RecordingFailed(_) | Event::VaultKeyRotated(_) => ("vault", Weight::Alert),
            Event::RecordingChecked(checked) => match checked.integrity {
                Integrity::Tampered => ("vault", Weight::Critical),
                Integrity::Missing => ("vault", Weight::Alert),
                Integrity::Verified | Integrity::Unverified => continue,
            },
            Event::RecordingDeleted(_) => ("retention", Weight::Info),
            Event::EventParked(_) => ("writer", Weight::Alert),
            Event::IdConflicted(_) => ("ingest", Weight::Alert),
            Event::CameraRegistered(_)
            | Event::SensorRegistered(_)
            | Event::ClassificationConfigured(_) => ("registry", Weight::Info),
            Event::SensorWentSilent(_) | Event::CameraWentSilent(_) => ("liveness", Weight::Alert),
            Event::SensorReturned(_) | Event::CameraReturned(_) => ("liveness", Weight::Info),
            Event::TimelapseRequested(_) => ("timelapse", Weight::Info),
            _ => continue,
        };
        session.write(
            "INSERT INTO system_events (id, at, component, level, message, position) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?1)",
            values![
                event.position,
                event.occurred_at,
                component,
                level.name(),
                &sentence(event)
            ],
        )?;
    }
    Ok(())
}

pub(super) const VIEWS: &[View] = &[View {
    name: "system_events",
    about: "what the operator should know",
    columns: columns!["at" Time, "component" Text, "level" Text, "message" Text, "position" Number],
    sql: "SELECT at, component, level, message, position FROM system_events \
          WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
}];
