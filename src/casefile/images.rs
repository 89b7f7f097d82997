//! Encoded pictures, once per content, and never changed.

use super::encode::{EncodedImage, ImageKind};
use super::sniff::Format;
use super::{CaseError, ImageId, Sha256Hash, UnixMillis, hash, inserted};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

/// What is known of a picture without reading its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFacts {
    /// Its row.
    pub id: ImageId,
    /// Of the bytes.
    pub sha256: Sha256Hash,
    /// Of the pixels.
    pub pixel_sha256: Sha256Hash,
    /// How it is encoded.
    pub format: Format,
    /// What its pixels are.
    pub kind: ImageKind,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Dots per inch, as the bytes say.
    pub dpi: Option<f64>,
    /// Bytes.
    pub bytes: u64,
}

/// Stores a picture, unless its bytes are there; the row that has them. Refused when the file would
/// hold more than `max_bytes`.
pub fn insert(
    session: &mut dyn Session,
    image: &EncodedImage,
    max_bytes: u64,
    at_ms: UnixMillis,
) -> Result<ImageId, CaseError> {
    if let Some(id) = by_sha256(session, &image.sha256)? {
        return Ok(id);
    }
    let (held, more) = (held_bytes(session)?, image.blob.len() as u64);
    if held + more > max_bytes {
        return Err(CaseError::Full {
            held,
            more,
            max: max_bytes,
        });
    }
    session.write(
        "INSERT INTO images (sha256, pixel_sha256, format, type, width, height, dpi, bytes,
             created_at_ms, blob) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values![
            image.sha256.as_slice(),
            image.pixel_sha256.as_slice(),
            image.format.word(),
            image.kind.word(),
            i64::from(image.width),
            i64::from(image.height),
            image.dpi,
            image.blob.len() as i64,
            at_ms,
            &image.blob,
        ],
    )?;
    Ok(ImageId(inserted(session)?))
}

/// The row that has these bytes.
pub fn by_sha256(
    session: &mut dyn Session,
    sha256: &Sha256Hash,
) -> Result<Option<ImageId>, CaseError> {
    Ok(first(
        session,
        "SELECT id FROM images WHERE sha256 = ?1",
        values![sha256.as_slice()],
        |row| row.int(0).map(ImageId),
    )?)
}

/// What is known of a picture.
pub fn facts(session: &mut dyn Session, id: ImageId) -> Result<ImageFacts, CaseError> {
    first(
        session,
        "SELECT id, sha256, pixel_sha256, format, type, width, height, dpi, bytes FROM images
          WHERE id = ?1",
        values![id],
        image_facts,
    )?
    .ok_or_else(|| CaseError::unknown("image", id))
}

/// The bytes of a picture.
pub fn blob(session: &mut dyn Session, id: ImageId) -> Result<Vec<u8>, CaseError> {
    first(
        session,
        "SELECT blob FROM images WHERE id = ?1",
        values![id],
        |row| row.blob(0).map(<[u8]>::to_vec),
    )?
    .ok_or_else(|| CaseError::unknown("image", id))
}

/// Calls `each` with every picture and its bytes, one at a time.
pub fn each(
    session: &mut dyn Session,
    mut each: impl FnMut(&ImageFacts, &[u8]),
) -> Result<(), CaseError> {
    Ok(session.read(
        "SELECT id, sha256, pixel_sha256, format, type, width, height, dpi, bytes, blob FROM images
          ORDER BY id",
        &[],
        &mut |row| {
            each(&image_facts(row)?, row.blob(9)?);
            Ok(())
        },
    )?)
}

/// Bytes of the file that are in use, without pages that were given back.
pub fn held_bytes(session: &mut dyn Session) -> Result<u64, CaseError> {
    // Three numbers of the header; a sum over the table would read all of it.
    let held = first(
        session,
        "SELECT (c.page_count - f.freelist_count) * s.page_size
           FROM pragma_page_count() c, pragma_freelist_count() f, pragma_page_size() s",
        &[],
        |row| row.int(0),
    )?;
    Ok(held.unwrap_or(0) as u64)
}

/// Deletes those of `ids` that nothing refers to any more, with their thumbs; those that went.
pub(super) fn collect(
    session: &mut dyn Session,
    ids: &[ImageId],
) -> Result<Vec<ImageId>, CaseError> {
    let mut gone = Vec::new();
    for id in ids {
        let used = all(
            session,
            "SELECT 1 FROM nodes WHERE image_id = ?1
             UNION ALL SELECT 1 FROM debug_artifacts WHERE image_id = ?1 LIMIT 1",
            values![*id],
            |_| Ok(()),
        )?;
        if used.is_empty() {
            session.write("DELETE FROM images WHERE id = ?1", values![*id])?;
            gone.push(*id);
        }
    }
    Ok(gone)
}

fn image_facts(row: &dyn Row) -> Result<ImageFacts, StorageError> {
    Ok(ImageFacts {
        id: ImageId(row.int(0)?),
        sha256: hash(row, 1)?,
        pixel_sha256: hash(row, 2)?,
        format: Format::of(row, 3)?,
        kind: ImageKind::of(row, 4)?,
        width: row.int(5)? as u32,
        height: row.int(6)? as u32,
        dpi: row.opt_real(7)?,
        bytes: row.int(8)? as u64,
    })
}
