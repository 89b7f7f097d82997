//! Parcels before cameras: detected, reminded of, collected.
//!
//! One parcel at a time is open per camera: detectors tell the same one again and again, and cannot
//! tell two apart.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "packages",
    version: 1,
    tables: &[
        table!("package_events" by "id", aging by "detected_at" if "state = 'COLLECTED'" for 365),
    ],
    kinds: Some(&[
        Kind::PackageDetected,
        Kind::PackageReminded,
        Kind::PackageCollected,
    ]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        // A retained message repeats an old parcel at every connect.
        if event.is_snapshot() {
            continue;
        }
        match &event.event {
            Event::PackageDetected(package) => {
                let crop = package.crop_path.as_deref();
                detected(session, event, &package.camera, crop)?;
            }
            Event::PackageReminded(reminder) => session.write(
                "UPDATE package_events SET state = 'REMINDED', reminded_at = ?2 \
                 WHERE id = ?1 AND state = 'DETECTED'",
                values![reminder.package, event.occurred_at],
            )?,
            Event::PackageCollected(package) => session.write(
                "UPDATE package_events SET state = 'COLLECTED', collected_at = ?2 \
                 WHERE camera_id = ?1 AND state <> 'COLLECTED' AND detected_at <= ?2",
                values![&package.camera, event.occurred_at],
            )?,
            _ => {}
        }
    }
    Ok(())
}

fn detected(
    session: &mut dyn Session,
    event: &Envelope,
    camera: &str,
    crop: Option<&str>,
) -> Result<(), StorageError> {
    let at = event.occurred_at;
    let open = first(
        session,
        "SELECT id FROM package_events WHERE camera_id = ?1 AND state <> 'COLLECTED'",
        values![camera],
        |row| row.int(0),
    )?;
    if let Some(id) = open {
        return session.write(
            "UPDATE package_events SET last_seen_at = max(last_seen_at, ?2), \
             detected_at = min(detected_at, ?2), crop_path = coalesce(?3, crop_path) \
             WHERE id = ?1",
            values![id, at, crop],
        );
    }
    // A late message about a parcel that was collected since then opens none.
    let past = first(
        session,
        "SELECT collected_at >= ?2 FROM package_events WHERE camera_id = ?1 \
         AND detected_at <= ?2 ORDER BY detected_at DESC LIMIT 1",
        values![camera, at],
        |row| row.int(0),
    )?;
    if past == Some(1) {
        return Ok(());
    }
    session.write(
        "INSERT INTO package_events (id, camera_id, state, detected_at, last_seen_at, crop_path, \
         event_id) VALUES (?1, ?2, 'DETECTED', ?3, ?3, ?4, ?1)",
        values![event.position, camera, at, crop],
    )
}

pub(super) const VIEWS: &[View] = &[View {
    name: "package_events",
    about: "parcels: when each was left, reminded of, collected",
    columns: columns![
        "detected_at" Time, "camera_id" Text, "state" Text, "last_seen_at" Time,
        "reminded_at" Time, "collected_at" Time, "crop_path" Text, "id" Number
    ],
    sql: "SELECT detected_at, camera_id, state, last_seen_at, reminded_at, collected_at, \
          crop_path, id FROM package_events WHERE detected_at >= ?1 AND detected_at < ?2 \
          ORDER BY detected_at DESC, id DESC LIMIT ?3",
}];
