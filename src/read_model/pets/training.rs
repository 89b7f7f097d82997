//! Pictures to train with: staged, used, and moved along with the label of their sighting.

use super::registry;
use crate::event::Envelope;
use crate::event::pet::{ImageStaged, ImagesUsed};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) fn stage(
    session: &mut dyn Session,
    event: &Envelope,
    image: &ImageStaged,
) -> Result<(), StorageError> {
    let pet = registry::resolve(session, &image.pet_id)?;
    registry::meet(session, &pet, None)?;
    session.write(
        "INSERT INTO pet_training_images (id, pet_id, image_path, source, sighting_id, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            event.position,
            &pet,
            &image.image_path,
            image.source.name(),
            image.sighting,
            event.occurred_at
        ],
    )
}

pub(super) fn used(
    session: &mut dyn Session,
    event: &Envelope,
    images: &ImagesUsed,
) -> Result<(), StorageError> {
    for id in &images.ids {
        let pet = first(
            session,
            "SELECT pet_id FROM pet_training_images WHERE id = ?1 AND used_in_training_at IS NULL",
            values![*id],
            |row| Ok(row.opt_text(0)?.map(ToOwned::to_owned)),
        )?;
        // Unknown, or used before: the first time counts.
        let Some(pet) = pet else { continue };
        session.write(
            "UPDATE pet_training_images SET used_in_training_at = ?2 WHERE id = ?1",
            values![*id, event.occurred_at],
        )?;
        if let Some(pet) = pet {
            recount(session, &pet)?;
        }
    }
    Ok(())
}

/// The pictures of a sighting show another pet from now on, or none.
pub(super) fn follow(
    session: &mut dyn Session,
    sighting: i64,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(), StorageError> {
    let pictures = first(
        session,
        "SELECT 1 FROM pet_training_images WHERE sighting_id = ?1 LIMIT 1",
        values![sighting],
        |row| row.int(0),
    )?;
    if pictures.is_none() {
        return Ok(());
    }
    session.write(
        "UPDATE pet_training_images SET pet_id = ?2 WHERE sighting_id = ?1",
        values![sighting, to],
    )?;
    for pet in [from, to].into_iter().flatten() {
        recount(session, pet)?;
    }
    Ok(())
}

/// How many pictures of a pet were used.
pub(super) fn recount(session: &mut dyn Session, pet: &str) -> Result<(), StorageError> {
    session.write(
        "UPDATE pets SET training_count = (SELECT count(*) FROM pet_training_images \
         WHERE pet_id = ?1 AND used_in_training_at IS NOT NULL) WHERE id = ?1",
        values![pet],
    )
}
