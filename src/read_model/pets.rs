//! Pets: the registry, each time one was seen, and pictures to train with.
//!
//! A pet is registered by a person, or known from what cameras say alone. A camera may tell a pet by
//! its id or by its name, in whatever case: [`registry::resolve`] finds the registered pet that is
//! meant. What a camera told under that name before belongs to the pet from its registration on.
//!
//! Invariants: a label changes a sighting and all that follows from it, and taking it back restores
//! what the camera told; `last_seen_at` and its fellows always follow from the newest sighting and
//! the newest told place, so that a late event or a label cannot leave them wrong; at most
//! [`PETS_MAX`](crate::event::pet::PETS_MAX) pets are registered, no two under one name, and an
//! event that says otherwise changes nothing.

mod registry;
mod training;

use std::collections::BTreeSet;

use super::encounters::encounters;
use super::view::columns;
use super::{Projection, View, table};
use crate::event::animal::{Location, PetLocated, PetSighted};
use crate::event::pet::{SightingLabelled, SightingUnlabelled};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "pets",
    version: 2,
    tables: &[
        table!("pets" by "id"),
        table!("pet_sightings" by "id", aging by "at" for 730),
        table!("pet_locations" by "id", aging by "at" for 730),
        table!("pet_places" by "pet_id, camera_id, place"),
        table!("pet_training_images" by "id"),
    ],
    kinds: Some(&[
        Kind::PetSighted,
        Kind::PetLocated,
        Kind::PetRegistered,
        Kind::PetRemoved,
        Kind::SightingLabelled,
        Kind::SightingUnlabelled,
        Kind::PetImageStaged,
        Kind::PetImagesUsed,
    ]),
    fold,
};

/// Pets whose last sighting has to be looked up again before anybody reads it.
type Stale = BTreeSet<String>;

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut stale = Stale::new();
    for event in batch {
        match &event.event {
            // A retained message repeats an old sighting at every connect.
            Event::PetSighted(_) if event.is_snapshot() => {}
            Event::PetSighted(sighting) => sighted(session, event, sighting, &mut stale)?,
            Event::PetLocated(place) => located(session, event, place, &mut stale)?,
            Event::PetRegistered(pet) => registry::register(session, event, pet, &mut stale)?,
            Event::PetRemoved(_) => registry::remove(session, event)?,
            Event::SightingLabelled(label) => labelled(session, label, &mut stale)?,
            Event::SightingUnlabelled(label) => unlabelled(session, label, &mut stale)?,
            Event::PetImageStaged(image) => training::stage(session, event, image)?,
            Event::PetImagesUsed(images) => training::used(session, event, images)?,
            _ => {}
        }
    }
    stale
        .iter()
        .try_for_each(|pet| refresh_last_seen(session, pet))
}

fn sighted(
    session: &mut dyn Session,
    event: &Envelope,
    sighting: &PetSighted,
    stale: &mut Stale,
) -> Result<(), StorageError> {
    let told = sighting.pet_id.as_deref();
    let pet = match told {
        Some(told) => Some(registry::resolve(session, told)?),
        None => None,
    };
    if let Some(pet) = &pet {
        registry::meet(session, pet, Some(&sighting.species))?;
    }
    let bbox = sighting.bbox.map(|bbox| format!("{bbox:?}"));
    session.write(
        "INSERT INTO pet_sightings (id, at, pet_id, species, confidence, camera_id, location, bbox, \
         crop_path, told_pet_id, told_species, event_id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?4, ?1)",
        values![
            event.position,
            event.occurred_at,
            pet.as_deref(),
            &sighting.species,
            sighting.confidence,
            &sighting.camera,
            sighting.location.map(Location::name),
            bbox.as_deref(),
            sighting.crop_path.as_deref(),
            told
        ],
    )?;
    stale.extend(pet);
    Ok(())
}

fn located(
    session: &mut dyn Session,
    event: &Envelope,
    place: &PetLocated,
    stale: &mut Stale,
) -> Result<(), StorageError> {
    let pet = registry::resolve(session, event.subject())?;
    if event.is_snapshot() {
        // A retained message that tells the known place is no sign of life.
        if stale.remove(&pet) {
            refresh_last_seen(session, &pet)?;
        }
        let known = first(
            session,
            "SELECT 1 FROM pets WHERE id = ?1 AND last_location = ?2",
            values![&pet, &place.location],
            |row| row.int(0),
        )?;
        if known.is_some() {
            return Ok(());
        }
    }
    registry::meet(session, &pet, None)?;
    if !event.is_snapshot() {
        session.write(
            "INSERT INTO pet_locations (id, at, pet_id, camera_id, place) VALUES (?1, ?2, ?3, ?4, ?5)",
            values![event.position, event.occurred_at, &pet, &place.camera, &place.location],
        )?;
        session.write(
            "INSERT INTO pet_places (pet_id, camera_id, place, last_at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (pet_id, camera_id, place) DO UPDATE SET \
             last_at = max(pet_places.last_at, excluded.last_at)",
            values![&pet, &place.camera, &place.location, event.occurred_at],
        )?;
    }
    session.write(
        "UPDATE pets SET placed_at = ?2, placed_by = ?3, place = ?4 \
         WHERE id = ?1 AND (placed_at IS NULL OR placed_at <= ?2)",
        values![&pet, event.occurred_at, &place.camera, &place.location],
    )?;
    stale.insert(pet);
    Ok(())
}

/// A sighting as a label finds it.
struct Sighting {
    pet: Option<String>,
    told_pet: Option<String>,
    told_species: String,
}

fn sighting(session: &mut dyn Session, position: i64) -> Result<Option<Sighting>, StorageError> {
    first(
        session,
        "SELECT pet_id, told_pet_id, told_species FROM pet_sightings WHERE id = ?1",
        values![position],
        |row| {
            Ok(Sighting {
                pet: row.opt_text(0)?.map(ToOwned::to_owned),
                told_pet: row.opt_text(1)?.map(ToOwned::to_owned),
                told_species: row.text(2)?.to_owned(),
            })
        },
    )
}

fn labelled(
    session: &mut dyn Session,
    label: &SightingLabelled,
    stale: &mut Stale,
) -> Result<(), StorageError> {
    let Some(before) = sighting(session, label.position)? else {
        return Ok(());
    };
    let species = label.species.as_ref().unwrap_or(&before.told_species);
    let pet = label.pet_id.as_deref();
    settle(session, label.position, &before, pet, species, true, stale)
}

fn unlabelled(
    session: &mut dyn Session,
    label: &SightingUnlabelled,
    stale: &mut Stale,
) -> Result<(), StorageError> {
    let Some(before) = sighting(session, label.position)? else {
        return Ok(());
    };
    let (pet, species) = (before.told_pet.as_deref(), &before.told_species);
    settle(session, label.position, &before, pet, species, false, stale)
}

/// Says whom a sighting shows, and lets everything follow that depends on it.
fn settle(
    session: &mut dyn Session,
    position: i64,
    before: &Sighting,
    named: Option<&str>,
    species: &str,
    labelled: bool,
    stale: &mut Stale,
) -> Result<(), StorageError> {
    let pet = match named {
        Some(named) => Some(registry::resolve(session, named)?),
        None => None,
    };
    if let Some(pet) = &pet {
        registry::meet(session, pet, Some(species))?;
    }
    session.write(
        "UPDATE pet_sightings SET pet_id = ?2, species = ?3, labelled = ?4 WHERE id = ?1",
        values![position, pet.as_deref(), species, labelled],
    )?;
    if pet != before.pet {
        training::follow(session, position, before.pet.as_deref(), pet.as_deref())?;
        stale.extend(before.pet.clone());
        stale.extend(pet);
    }
    Ok(())
}

/// Where and when a pet was last seen: by the newest sighting, or the newest told place if that is
/// newer. A camera that tells no location leaves the known place as it was.
fn refresh_last_seen(session: &mut dyn Session, pet: &str) -> Result<(), StorageError> {
    let newest = first(
        session,
        "SELECT at, camera_id, location FROM pet_sightings WHERE animal = '=' || ?1 \
         ORDER BY at DESC, id DESC LIMIT 1",
        values![pet],
        |row| {
            Ok((
                row.int(0)?,
                row.text(1)?.to_owned(),
                row.opt_text(2)?.map(ToOwned::to_owned),
            ))
        },
    )?;
    let (at, camera, location) = match &newest {
        Some((at, camera, location)) => (Some(*at), Some(camera.as_str()), location.as_deref()),
        None => (None, None, None),
    };
    session.write(
        "UPDATE pets SET \
         last_camera = CASE WHEN ?2 IS NULL OR placed_at > ?2 THEN placed_by ELSE ?3 END, \
         last_location = CASE WHEN ?2 IS NULL OR placed_at > ?2 THEN place \
                         ELSE coalesce(?4, place) END, \
         last_seen_at = CASE WHEN ?2 IS NULL OR placed_at > ?2 THEN placed_at ELSE ?2 END \
         WHERE id = ?1",
        values![pet, at, camera, location],
    )
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "pets",
        about: "pets, and where each was last seen",
        columns: columns![
            "id" Text, "name" Text, "species" Text, "breed" Text, "registered_at" Time,
            "last_seen_at" Time, "last_camera" Text, "last_location" Text, "training_count" Number
        ],
        sql: "SELECT id, name, species, breed, registered_at, last_seen_at, last_camera, \
              last_location, training_count FROM pets \
              WHERE coalesce(last_seen_at, registered_at, removed_at, 0) >= ?1 \
              AND coalesce(last_seen_at, registered_at, removed_at, 0) < ?2 \
              ORDER BY coalesce(last_seen_at, registered_at, removed_at, 0) DESC, id LIMIT ?3",
    },
    View {
        name: "pet_sightings",
        about: "each time a pet or an unknown animal was seen",
        columns: columns![
            "at" Time, "pet_id" Text, "species" Text, "confidence" Number, "camera_id" Text,
            "crop_path" Text, "labelled" Flag, "id" Number
        ],
        sql: "SELECT at, pet_id, species, confidence, camera_id, crop_path, labelled, id \
              FROM pet_sightings WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "pet_encounters",
        about: "sightings of one animal at one camera, joined when at most 30 minutes apart",
        columns: columns![
            "started_at" Time, "ended_at" Time, "pet_id" Text, "species" Text, "camera_id" Text,
            "sightings" Number, "confidence" Number, "id" Number
        ],
        sql: encounters!(
            page "counted.began, counted.ended, s.pet_id, s.species, s.camera_id, \
                  counted.sightings, counted.confidence, s.id",
            table "pet_sightings", animal "animal", index "pet_sightings_by_place"
        ),
    },
    View {
        name: "pet_locations",
        about: "each time a pet's place was told",
        columns: columns![
            "at" Time, "pet_id" Text, "place" Text, "camera_id" Text, "id" Number
        ],
        sql: "SELECT at, pet_id, place, camera_id, id FROM pet_locations \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "pet_training_images",
        about: "pictures to train the recognition of pets with",
        columns: columns![
            "created_at" Time, "pet_id" Text, "source" Text, "image_path" Text,
            "sighting_id" Number, "used_in_training_at" Time, "id" Number
        ],
        sql: "SELECT created_at, pet_id, source, image_path, sighting_id, used_in_training_at, id \
              FROM pet_training_images WHERE created_at >= ?1 AND created_at < ?2 \
              ORDER BY id DESC LIMIT ?3",
    },
];
