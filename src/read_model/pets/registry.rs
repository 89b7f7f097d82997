//! Who is meant: ids, names, and pets that only cameras know.

use super::Stale;
use crate::event::Envelope;
use crate::event::pet::{PETS_MAX, Registered};
use crate::event::sentence::label;
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// The id of the pet that is told as `told`: a registered pet with this id, else the registered pet
/// with this name in whatever case, else `told` itself.
pub(super) fn resolve(session: &mut dyn Session, told: &str) -> Result<String, StorageError> {
    let registered = first(
        session,
        "SELECT 1 FROM pets WHERE id = ?1 AND registered_at IS NOT NULL",
        values![told],
        |row| row.int(0),
    )?;
    if registered.is_some() {
        return Ok(told.to_owned());
    }
    let by_name = first(
        session,
        "SELECT id FROM pets WHERE name_key = ?1 AND registered_at IS NOT NULL",
        values![&told.to_lowercase()],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    Ok(by_name.unwrap_or_else(|| told.to_owned()))
}

/// Makes sure that there is a row for a pet that was told of. A camera's word for the species counts
/// as long as no person has given one.
pub(super) fn meet(
    session: &mut dyn Session,
    pet: &str,
    species: Option<&str>,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO pets (id, name, name_key, species) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (id) DO UPDATE SET species = coalesce(excluded.species, pets.species) \
         WHERE pets.species IS NULL OR pets.registered_at IS NULL",
        values![pet, &label(pet), &pet.to_lowercase(), species],
    )
}

/// Registers a pet or changes what is known of it; nothing happens if the name is taken or there
/// are enough pets.
pub(super) fn register(
    session: &mut dyn Session,
    event: &Envelope,
    pet: &Registered,
    stale: &mut Stale,
) -> Result<(), StorageError> {
    let (id, name_key) = (event.subject(), pet.name.to_lowercase());
    let taken = first(
        session,
        "SELECT 1 FROM pets WHERE name_key = ?2 AND id <> ?1 AND registered_at IS NOT NULL",
        values![id, &name_key],
        |row| row.int(0),
    )?;
    let others = first(
        session,
        "SELECT count(*) FROM pets WHERE registered_at IS NOT NULL AND id <> ?1",
        values![id],
        |row| row.int(0),
    )?;
    if taken.is_some() || others.unwrap_or_default() >= PETS_MAX as i64 {
        return Ok(());
    }
    session.write(
        "INSERT INTO pets (id, name, name_key, species, breed, description, photo_path, \
         registered_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO UPDATE SET \
         name = excluded.name, name_key = excluded.name_key, \
         species = coalesce(excluded.species, pets.species), breed = excluded.breed, \
         description = excluded.description, photo_path = excluded.photo_path, \
         registered_at = coalesce(pets.registered_at, excluded.registered_at), removed_at = NULL",
        values![
            id,
            &pet.name,
            &name_key,
            pet.species.as_deref(),
            pet.breed.as_deref(),
            pet.description.as_deref(),
            pet.photo_path.as_deref(),
            event.occurred_at
        ],
    )?;
    let namesakes = all(
        session,
        "SELECT id FROM pets WHERE name_key = ?1 AND registered_at IS NULL AND removed_at IS NULL \
         ORDER BY id",
        values![&name_key],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    for namesake in &namesakes {
        adopt(session, id, namesake)?;
        stale.remove(namesake);
    }
    stale.insert(id.to_owned());
    Ok(())
}

/// What a camera told under the pet's name so far is the pet's.
fn adopt(session: &mut dyn Session, pet: &str, namesake: &str) -> Result<(), StorageError> {
    session.write(
        "UPDATE pet_sightings SET pet_id = ?1 WHERE animal = '=' || ?2",
        values![pet, namesake],
    )?;
    session.write(
        "UPDATE pet_locations SET pet_id = ?1 WHERE pet_id = ?2",
        values![pet, namesake],
    )?;
    session.write(
        "INSERT INTO pet_places (pet_id, camera_id, place, last_at) \
         SELECT ?1, camera_id, place, last_at FROM pet_places WHERE pet_id = ?2 \
         ON CONFLICT (pet_id, camera_id, place) DO UPDATE SET \
         last_at = max(pet_places.last_at, excluded.last_at)",
        values![pet, namesake],
    )?;
    session.write(
        "DELETE FROM pet_places WHERE pet_id = ?1",
        values![namesake],
    )?;
    session.write(
        "UPDATE pet_training_images SET pet_id = ?1 WHERE pet_id = ?2",
        values![pet, namesake],
    )?;
    session.write(
        "UPDATE pets SET placed_at = n.placed_at, placed_by = n.placed_by, place = n.place \
         FROM pets AS n WHERE pets.id = ?1 AND n.id = ?2 AND n.placed_at IS NOT NULL \
         AND (pets.placed_at IS NULL OR pets.placed_at < n.placed_at)",
        values![pet, namesake],
    )?;
    session.write(
        "UPDATE pets SET species = coalesce(pets.species, n.species) \
         FROM pets AS n WHERE pets.id = ?1 AND n.id = ?2",
        values![pet, namesake],
    )?;
    session.write("DELETE FROM pets WHERE id = ?1", values![namesake])?;
    super::training::recount(session, pet)
}

/// Ends a registration; everything that was seen stays.
pub(super) fn remove(session: &mut dyn Session, event: &Envelope) -> Result<(), StorageError> {
    session.write(
        "UPDATE pets SET registered_at = NULL, removed_at = ?2 \
         WHERE id = ?1 AND registered_at IS NOT NULL",
        values![event.subject(), event.occurred_at],
    )
}
