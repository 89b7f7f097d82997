//! Cameras, as registered and as known by what they send. What is registered goes before.

use std::collections::BTreeMap;

use super::view::columns;
use super::{Projection, View, table};
use crate::event::animal::Location;
use crate::event::registry::CameraRegistered;
use crate::event::sentence::label;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "cameras",
    version: 2,
    tables: &[table!("cameras" by "id")],
    kinds: Some(&[
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
    ]),
    fold,
};

#[derive(Default)]
struct Seen<'a> {
    first_at: i64,
    last_at: i64,
    location: Option<&'static str>,
    error: Option<&'a str>,
}

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut seen: BTreeMap<&str, Seen<'_>> = BTreeMap::new();
    for event in batch {
        if let Event::CameraRegistered(told) = &event.event {
            store(session, &std::mem::take(&mut seen))?;
            register(session, event.subject(), told)?;
            continue;
        }
        let Some(camera) = camera_of(event) else {
            continue;
        };
        let camera = seen.entry(camera).or_insert_with(|| Seen {
            first_at: event.occurred_at,
            last_at: event.occurred_at,
            ..Seen::default()
        });
        camera.first_at = camera.first_at.min(event.occurred_at);
        camera.last_at = camera.last_at.max(event.occurred_at);
        match &event.event {
            Event::PetSighted(sighting) => {
                camera.location = sighting.location.map(Location::name).or(camera.location);
            }
            Event::CameraFailed(_) => camera.error = Some(event.text()),
            _ => {}
        }
    }
    store(session, &seen)
}

fn register(
    session: &mut dyn Session,
    id: &str,
    told: &CameraRegistered,
) -> Result<(), StorageError> {
    if !told.registered {
        session.write(
            "UPDATE cameras SET display_name = ?2, registered_location = NULL, source_url = NULL, \
             enabled = 1, registered = 0 WHERE id = ?1",
            values![id, &label(id)],
        )?;
        return session.write(
            "DELETE FROM cameras WHERE id = ?1 AND first_seen_at IS NULL",
            values![id],
        );
    }
    session.write(
        "INSERT INTO cameras (id, display_name, registered_location, source_url, enabled, registered) \
         VALUES (?1, ?2, ?3, ?4, ?5, 1) ON CONFLICT (id) DO UPDATE SET \
         display_name = excluded.display_name, registered_location = excluded.registered_location, \
         source_url = excluded.source_url, enabled = excluded.enabled, registered = 1",
        values![
            id,
            &told.name,
            told.location.map(Location::name),
            told.source_url.as_deref(),
            told.enabled
        ],
    )
}

fn store(session: &mut dyn Session, seen: &BTreeMap<&str, Seen<'_>>) -> Result<(), StorageError> {
    for (id, seen) in seen {
        session.write(
            "INSERT INTO cameras (id, display_name, told_location, first_seen_at, last_seen_at, last_error) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET \
             told_location = coalesce(excluded.told_location, cameras.told_location), \
             first_seen_at = min(coalesce(cameras.first_seen_at, excluded.first_seen_at), excluded.first_seen_at), \
             last_seen_at = max(coalesce(cameras.last_seen_at, excluded.last_seen_at), excluded.last_seen_at), \
             last_error = coalesce(excluded.last_error, cameras.last_error)",
            values![*id, &label(id), seen.location, seen.first_at, seen.last_at, seen.error],
        )?;
    }
    Ok(())
}

/// The camera that an event is a sign of life of.
pub(super) fn camera_of(event: &Envelope) -> Option<&str> {
    match &event.event {
        Event::CameraMotionStarted(_)
        | Event::CameraMotionEnded(_)
        | Event::CameraHeartbeatReceived(_)
        | Event::CameraFailed(_)
        | Event::CameraSnapshotTaken(_) => Some(event.subject()),
        Event::PetSighted(sighting) => Some(&sighting.camera),
        Event::WildlifeSighted(sighting) => Some(&sighting.camera),
        Event::PackageDetected(package) => Some(&package.camera),
        Event::PackageCollected(package) => Some(&package.camera),
        Event::FaceSeen(face) => Some(&face.camera),
        Event::RecordingFinished(finished) => Some(&finished.camera),
        _ => None,
    }
}

pub(super) const VIEWS: &[View] = &[View {
    name: "cameras",
    about: "cameras, and when each was last heard of",
    columns: columns![
        "id" Text, "display_name" Text, "location" Text, "first_seen_at" Time, "last_seen_at" Time,
        "last_error" Text, "source_url" Text, "enabled" Flag, "registered" Flag
    ],
    sql: "SELECT id, display_name, location, first_seen_at, last_seen_at, last_error, source_url, \
          enabled, registered FROM cameras \
          WHERE coalesce(last_seen_at, 0) >= ?1 AND coalesce(last_seen_at, 0) < ?2 \
          ORDER BY last_seen_at DESC NULLS LAST, id LIMIT ?3",
}];
