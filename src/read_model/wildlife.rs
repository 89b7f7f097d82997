//! Wild animals: each time one was seen, and every species that ever was.
//!
//! The first sighting of a species is the one with the least time; a late one moves it back.

use super::encounters::encounters;
use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "wildlife",
    version: 2,
    tables: &[
        table!("wildlife_sightings" by "id", aging by "at" for 730),
        table!("wildlife_species" by "species"),
    ],
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
        session.write(
            "INSERT INTO wildlife_species (species, first_at, first_position, last_at, \
             last_position, count) VALUES (?1, ?2, ?3, ?2, ?3, 1) \
             ON CONFLICT (species) DO UPDATE SET \
             first_position = iif(excluded.first_at < wildlife_species.first_at, \
                                  excluded.first_position, wildlife_species.first_position), \
             first_at = min(wildlife_species.first_at, excluded.first_at), \
             last_position = iif(excluded.last_at >= wildlife_species.last_at, \
                                 excluded.last_position, wildlife_species.last_position), \
             last_at = max(wildlife_species.last_at, excluded.last_at), \
             count = wildlife_species.count + 1",
            values![&sighting.species, event.occurred_at, event.position],
        )?;
    }
    Ok(())
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "wildlife_sightings",
        about: "each time a wild animal was seen",
        columns: columns![
            "at" Time, "species" Text, "threat" Text, "confidence" Number, "camera_id" Text,
            "temperature_c" Number, "conditions" Text, "id" Number
        ],
        sql: "SELECT at, species, threat, confidence, camera_id, temperature_c, conditions, id \
              FROM wildlife_sightings WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "wildlife_encounters",
        about: "sightings of one species at one camera, joined when at most 30 minutes apart",
        columns: columns![
            "started_at" Time, "ended_at" Time, "species" Text, "threat" Text, "camera_id" Text,
            "sightings" Number, "confidence" Number, "id" Number
        ],
        sql: encounters!(
            page "counted.began, counted.ended, s.species, s.threat, s.camera_id, \
                  counted.sightings, counted.confidence, s.id",
            table "wildlife_sightings", animal "species", index "wildlife_sightings_by_place"
        ),
    },
    View {
        name: "wildlife_species",
        about: "every wild species that was seen: first, last, how often",
        columns: columns![
            "species" Text, "first_at" Time, "last_at" Time, "count" Number,
            "first_position" Number
        ],
        sql: "SELECT species, first_at, last_at, count, first_position FROM wildlife_species \
              WHERE last_at >= ?1 AND last_at < ?2 ORDER BY last_at DESC, species LIMIT ?3",
    },
];
