//! Thumbs: one per picture and size, made again whenever one is missing.

use super::encode::Thumb;
use super::{CaseError, ImageId};
use crate::storage::{Session, first};
use crate::values;

/// Stores a thumb, unless the picture has one of this size.
pub fn insert(session: &mut dyn Session, image: ImageId, thumb: &Thumb) -> Result<(), CaseError> {
    Ok(session.write(
        "INSERT INTO thumbs (image_id, max_dim, width, height, blob) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (image_id, max_dim) DO NOTHING",
        values![
            image,
            i64::from(thumb.max_dim),
            i64::from(thumb.width),
            i64::from(thumb.height),
            &thumb.blob
        ],
    )?)
}

/// The thumb of a picture in this size, if it was made.
pub fn get(
    session: &mut dyn Session,
    image: ImageId,
    max_dim: u32,
) -> Result<Option<Thumb>, CaseError> {
    Ok(first(
        session,
        "SELECT width, height, blob FROM thumbs WHERE image_id = ?1 AND max_dim = ?2",
        values![image, i64::from(max_dim)],
        |row| {
            Ok(Thumb {
                max_dim,
                width: row.int(0)? as u32,
                height: row.int(1)? as u32,
                blob: row.blob(2)?.to_vec(),
            })
        },
    )?)
}
