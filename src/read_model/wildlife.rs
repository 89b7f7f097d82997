//! Wild animals, each time one was seen.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "wildlife",
    version: 1,
    tables: &[table!("wildlife_sightings" by "id", aging by "at" for 730)],
    kinds: Some(&[Kind::WildlifeSighted]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        let Event::WildlifeSighted(sighting) = &event.event else {
            continue;
        };
        // A retained message repeats an old sighting at every connect; the fox came once.
        if event.is_snapshot() {
            continue;
        }
        let bbox = sighting.bbox.map(|bbox| format!("{bbox:?}"));
        session.write(
            "INSERT INTO wildlife_sightings (id, at, species, threat, confidence, camera_id, bbox, \
             crop_path, temperature_c, conditions, event_id) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?1)",
            values![
                event.position,
                event.occurred_at,
                &sighting.species,
                sighting.threat.name(),
                sighting.confidence,
                &sighting.camera,
                bbox.as_deref(),
                sighting.crop_path.as_deref(),
                sighting.temperature_c,
                sighting.conditions.as_deref()
            ],
        )?;
    }
    Ok(())
}

pub(super) const VIEWS: &[View] = &[View {
    name: "wildlife_sightings",
    about: "each time a wild animal was seen",
    columns: columns![
        "at" Time, "species" Text, "threat" Text, "confidence" Number, "camera_id" Text,
        "temperature_c" Number, "conditions" Text, "id" Number
    ],
    sql: "SELECT at, species, threat, confidence, camera_id, temperature_c, conditions, id \
          FROM wildlife_sightings WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
}];
