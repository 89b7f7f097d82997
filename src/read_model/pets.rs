//! Pets, and each time one was seen.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::animal::Location;
use crate::event::sentence::label;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "pets",
    version: 1,
    tables: &[
        table!("pets" by "id"),
        table!("pet_sightings" by "id", aging by "at" for 730),
    ],
    kinds: Some(&[Kind::PetSighted, Kind::PetLocated]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match &event.event {
            // A retained message repeats an old sighting at every connect.
            Event::PetSighted(_) if event.is_snapshot() => {}
            Event::PetSighted(sighting) => {
                if let Some(pet) = &sighting.pet_id {
                    let place = sighting.location.map(Location::name);
                    store_pet(
                        session,
                        event,
                        pet,
                        Some(&sighting.species),
                        &sighting.camera,
                        place,
                    )?;
                }
                let bbox = sighting.bbox.map(|bbox| format!("{bbox:?}"));
                session.write(
                    "INSERT INTO pet_sightings (id, at, pet_id, species, confidence, camera_id, \
                     bbox, crop_path, event_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?1)",
                    values![
                        event.position,
                        event.occurred_at,
                        sighting.pet_id.as_deref(),
                        &sighting.species,
                        sighting.confidence,
                        &sighting.camera,
                        bbox.as_deref(),
                        sighting.crop_path.as_deref()
                    ],
                )?;
            }
            Event::PetLocated(place) => {
                let pet = event.subject();
                store_pet(
                    session,
                    event,
                    pet,
                    None,
                    &place.camera,
                    Some(&place.location),
                )?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn store_pet(
    session: &mut dyn Session,
    event: &Envelope,
    pet: &str,
    species: Option<&str>,
    camera: &str,
    location: Option<&str>,
) -> Result<(), StorageError> {
    // Where it is now is told by the latest event time; a late sighting is history. A retained
    // message that tells the known place is no sign of life.
    session.write(
        "INSERT INTO pets (id, name, species, last_seen_at, last_camera, last_location) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET \
         species = coalesce(excluded.species, pets.species), \
         last_camera = CASE WHEN excluded.last_seen_at >= pets.last_seen_at \
                       THEN excluded.last_camera ELSE pets.last_camera END, \
         last_location = CASE WHEN excluded.last_seen_at >= pets.last_seen_at \
                         THEN coalesce(excluded.last_location, pets.last_location) \
                         ELSE pets.last_location END, \
         last_seen_at = max(pets.last_seen_at, excluded.last_seen_at) \
         WHERE ?7 = 0 OR pets.last_location IS DISTINCT FROM excluded.last_location",
        values![
            pet,
            &label(pet),
            species,
            event.occurred_at,
            camera,
            location,
            event.is_snapshot()
        ],
    )
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "pets",
        about: "pets, and where each was last seen",
        columns: columns![
            "id" Text, "name" Text, "species" Text, "last_seen_at" Time, "last_camera" Text,
            "last_location" Text
        ],
        sql: "SELECT id, name, species, last_seen_at, last_camera, last_location FROM pets \
              WHERE last_seen_at >= ?1 AND last_seen_at < ?2 ORDER BY last_seen_at DESC, id LIMIT ?3",
    },
    View {
        name: "pet_sightings",
        about: "each time a pet or an unknown animal was seen",
        columns: columns![
            "at" Time, "pet_id" Text, "species" Text, "confidence" Number, "camera_id" Text,
            "crop_path" Text, "id" Number
        ],
        sql: "SELECT at, pet_id, species, confidence, camera_id, crop_path, id FROM pet_sightings \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
];
