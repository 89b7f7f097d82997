//! Frozen camera calibrations; at most one of each camera is active.

use sha2::{Digest as _, Sha256};

use super::custody::{self, Action, NewEntry};
use super::{By, CalibrationId, CaseError, Sha256Hash, UnixMillis, hash, inserted, text};
use crate::storage::{Row, Session, StorageError, first};
use crate::values;

/// A frozen calibration.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Its row.
    pub id: CalibrationId,
    /// The camera.
    pub camera_id: String,
    /// Its parameters, JSON.
    pub params_json: String,
    /// Of camera, parameters and scale, as [`freeze`] says.
    pub params_sha256: Sha256Hash,
    /// Pixels per metre in the plane that was calibrated.
    pub px_per_m: Option<f64>,
    /// When it was frozen.
    pub created_at_ms: UnixMillis,
    /// Whether new originals of the camera refer to it.
    pub is_active: bool,
}

macro_rules! calibrations {
    ($tail:literal) => {
        concat!(
            "SELECT id, camera_id, params_json, params_sha256, px_per_m, created_at_ms, is_active
               FROM calibrations ",
            $tail
        )
    };
}

/// Freezes a calibration and makes it the camera's active one; the same one keeps its row. Its hash
/// is SHA-256 over camera, 0, parameters, 0, and the scale as f64 big-endian if there is one.
pub fn freeze(
    session: &mut dyn Session,
    camera_id: &str,
    params_json: &str,
    px_per_m: Option<f64>,
    by: By<'_>,
) -> Result<CalibrationId, CaseError> {
    let mut digest = Sha256::new();
    for part in [camera_id, params_json] {
        digest.update(part);
        digest.update([0]);
    }
    if let Some(scale) = px_per_m {
        digest.update(scale.to_be_bytes());
    }
    let sha256: Sha256Hash = digest.finalize().into();
    let same = first(
        session,
        calibrations!("WHERE params_sha256 = ?1"),
        values![sha256.as_slice()],
        calibration,
    )?;
    let id = match same {
        Some(same) if same.is_active => return Ok(same.id),
        Some(same) => same.id,
        None => {
            session.write(
                "INSERT INTO calibrations (camera_id, params_json, params_sha256, px_per_m,
                     created_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                values![
                    camera_id,
                    params_json,
                    sha256.as_slice(),
                    px_per_m,
                    by.at_ms
                ],
            )?;
            CalibrationId(inserted(session)?)
        }
    };
    session.write(
        "UPDATE calibrations SET is_active = 0 WHERE camera_id = ?1 AND is_active = 1",
        values![camera_id],
    )?;
    session.write(
        "UPDATE calibrations SET is_active = 1 WHERE id = ?1",
        values![id],
    )?;
    let frozen = NewEntry {
        action: Action::CalibrationFrozen,
        object: Some(camera_id),
        object_sha256: Some(sha256),
        detail: custody::detail([]),
    };
    custody::append(session, by, &frozen)?;
    Ok(id)
}

/// The active calibration of a camera.
pub fn active(
    session: &mut dyn Session,
    camera_id: &str,
) -> Result<Option<Calibration>, CaseError> {
    Ok(first(
        session,
        calibrations!("WHERE camera_id = ?1 AND is_active = 1"),
        values![camera_id],
        calibration,
    )?)
}

/// The calibration of this row.
pub fn get(session: &mut dyn Session, id: CalibrationId) -> Result<Calibration, CaseError> {
    first(
        session,
        calibrations!("WHERE id = ?1"),
        values![id],
        calibration,
    )?
    .ok_or_else(|| CaseError::unknown("calibration", id))
}

fn calibration(row: &dyn Row) -> Result<Calibration, StorageError> {
    Ok(Calibration {
        id: CalibrationId(row.int(0)?),
        camera_id: text(row, 1)?,
        params_json: text(row, 2)?,
        params_sha256: hash(row, 3)?,
        px_per_m: row.opt_real(4)?,
        created_at_ms: row.int(5)?,
        is_active: row.int(6)? == 1,
    })
}
