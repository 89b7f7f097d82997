//! Originals: one row per picture that came from outside, with where it came from.

use super::custody::{self, Action, NewEntry};
use super::encode::Prepared;
use super::{
    By, CalibrationId, CaseError, NodeId, PipelineId, ScanId, SourceId, UnixMillis, first_int,
    images, inserted, nodes, opt_text, thumbs, words,
};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

words! {
    /// Where an original came from.
    Source {
        /// A picture that a camera published.
        Mqtt = "mqtt",
        /// A frame of a recording.
        Recording = "recording",
        /// A file that a person added.
        Import = "import",
    }
}

/// An original to be taken in.
#[derive(Clone, Copy, Debug)]
pub struct NewOriginal<'a> {
    /// Where it came from.
    pub source: Source,
    /// Topic, `recording@time`, or file name.
    pub source_ref: Option<&'a str>,
    /// The recording or event that it was taken from.
    pub source_media_id: Option<SourceId>,
    /// Presentation time of the frame in its recording, microseconds.
    pub frame_pts_us: Option<i64>,
    /// When it was taken, if anybody knows.
    pub captured_at_ms: Option<UnixMillis>,
    /// Program and version that cut the frame out.
    pub extractor: Option<&'a str>,
    /// Calibration of its camera.
    pub calibration_id: Option<CalibrationId>,
    /// The pipeline that it is to be worked on by.
    pub pipeline_id: PipelineId,
}

/// An original.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// Its row.
    pub id: ScanId,
    /// Number in the case, from 1.
    pub idx: i64,
    /// Where it came from.
    pub source: Source,
    /// Topic, `recording@time`, or file name.
    pub source_ref: Option<String>,
    /// The recording or event that it was taken from.
    pub source_media_id: Option<SourceId>,
    /// Presentation time of the frame in its recording, microseconds.
    pub frame_pts_us: Option<i64>,
    /// When it was taken.
    pub captured_at_ms: Option<UnixMillis>,
    /// Program and version that cut the frame out.
    pub extractor: Option<String>,
    /// Calibration of its camera.
    pub calibration_id: Option<CalibrationId>,
    /// The pipeline that it is worked on by.
    pub pipeline_id: PipelineId,
    /// Its picture.
    pub root_node_id: NodeId,
    /// Place in lists, if a person moved it.
    pub page_order: Option<f64>,
    /// When it was taken in.
    pub created_at_ms: UnixMillis,
    /// When it was put out of sight.
    pub deleted_at_ms: Option<UnixMillis>,
}

macro_rules! scans {
    ($tail:literal) => {
        concat!(
            "SELECT id, idx, source, source_ref, source_media_id, frame_pts_us, captured_at_ms,
                    extractor, calibration_id, pipeline_version_id, root_node_id, page_order,
                    created_at_ms, deleted_at_ms FROM scans ",
            $tail
        )
    };
}

/// Takes an original in: its picture, its scan, the root of its tree, and the entry in the custody
/// log. The same bytes may be taken in twice, from two sources; they are stored once.
pub fn add(
    session: &mut dyn Session,
    new: &NewOriginal<'_>,
    picture: &Prepared,
    max_bytes: u64,
    by: By<'_>,
) -> Result<(ScanId, NodeId), CaseError> {
    let image = images::insert(session, &picture.image, max_bytes, by.at_ms)?;
    thumbs::insert(session, image, &picture.thumb)?;
    let idx = first_int(session, "SELECT COALESCE(MAX(idx), 0) + 1 FROM scans")?;
    session.write(
        "INSERT INTO scans (idx, source, source_ref, source_media_id, frame_pts_us, captured_at_ms,
             extractor, calibration_id, pipeline_version_id, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values![
            idx,
            new.source.word(),
            new.source_ref,
            new.source_media_id,
            new.frame_pts_us,
            new.captured_at_ms,
            new.extractor,
            new.calibration_id,
            new.pipeline_id,
            by.at_ms,
        ],
    )?;
    let scan = ScanId(inserted(session)?);
    let root = nodes::insert_root(
        session,
        scan,
        idx,
        new.pipeline_id,
        (image, &picture.image),
        by.at_ms,
    )?;
    let added = NewEntry {
        action: Action::OriginalAdded,
        object: Some(&object(idx)),
        object_sha256: Some(picture.image.sha256),
        detail: custody::detail([
            ("source", new.source.word().into()),
            ("source_ref", new.source_ref.unwrap_or_default().into()),
        ]),
    };
    custody::append(session, by, &added)?;
    Ok((scan, root))
}

/// The original of this row.
pub fn get(session: &mut dyn Session, id: ScanId) -> Result<Scan, CaseError> {
    first(session, scans!("WHERE id = ?1"), values![id], scan)?
        .ok_or_else(|| CaseError::unknown("scan", id))
}

/// The original of this number.
pub fn by_idx(session: &mut dyn Session, idx: i64) -> Result<Scan, CaseError> {
    first(session, scans!("WHERE idx = ?1"), values![idx], scan)?
        .ok_or_else(|| CaseError::unknown("scan", idx))
}

/// The originals in sight, in the order of lists.
pub fn list(session: &mut dyn Session) -> Result<Vec<Scan>, CaseError> {
    Ok(all(
        session,
        scans!("WHERE deleted_at_ms IS NULL ORDER BY COALESCE(page_order, idx), idx"),
        &[],
        scan,
    )?)
}

/// Puts an original in sight or out of it; it stays in the file.
pub fn set_deleted(
    session: &mut dyn Session,
    id: ScanId,
    deleted: bool,
    by: By<'_>,
) -> Result<(), CaseError> {
    let idx = get(session, id)?.idx;
    session.write(
        "UPDATE scans SET deleted_at_ms = ?2 WHERE id = ?1",
        values![id, deleted.then_some(by.at_ms)],
    )?;
    let told = NewEntry {
        action: if deleted {
            Action::ScanDeleted
        } else {
            Action::ScanRestored
        },
        object: Some(&object(idx)),
        object_sha256: None,
        detail: custody::detail([]),
    };
    custody::append(session, by, &told).map(|_| ())
}

/// Moves an original in lists; between two neighbours there is always a number.
pub fn set_page_order(
    session: &mut dyn Session,
    id: ScanId,
    page_order: Option<f64>,
) -> Result<(), CaseError> {
    get(session, id)?;
    Ok(session.write(
        "UPDATE scans SET page_order = ?2 WHERE id = ?1",
        values![id, page_order],
    )?)
}

/// How the custody log names a scan.
pub(super) fn object(idx: i64) -> String {
    format!("scan {idx}")
}

fn scan(row: &dyn Row) -> Result<Scan, StorageError> {
    Ok(Scan {
        id: ScanId(row.int(0)?),
        idx: row.int(1)?,
        source: Source::of(row, 2)?,
        source_ref: opt_text(row, 3)?,
        source_media_id: row.opt_int(4)?.map(SourceId),
        frame_pts_us: row.opt_int(5)?,
        captured_at_ms: row.opt_int(6)?,
        extractor: opt_text(row, 7)?,
        calibration_id: row.opt_int(8)?.map(CalibrationId),
        pipeline_id: PipelineId(row.int(9)?),
        root_node_id: NodeId(row.int(10)?),
        page_order: row.opt_real(11)?,
        created_at_ms: row.int(12)?,
        deleted_at_ms: row.opt_int(13)?,
    })
}
