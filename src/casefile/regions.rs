//! Regions: rectangles of an original that become branches of their own, named A, B, C and A.1.

use super::custody::{self, Action, NewEntry};
use super::nodes::{self, branch_path};
use super::path::BranchPath;
use super::{By, CaseError, RegionId, ScanId, images, inserted, scans, words};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

words! {
    /// What is in a region.
    RegionKind {
        /// A number plate.
        Plate = "plate",
        /// A face.
        Face = "face",
        /// A parcel.
        Parcel = "parcel",
        /// A label or sign.
        Text = "text",
        /// A person.
        Person = "person",
        /// A vehicle.
        Vehicle = "vehicle",
        /// An animal.
        Animal = "animal",
        /// Something else.
        Other = "other",
    }
}

words! {
    /// Who found it.
    Origin {
        /// A person drew it.
        Owner = "owner",
        /// The camera told it.
        Camera = "camera",
        /// A program found it.
        Detector = "detector",
    }
}

/// A rectangle, in pixels of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// From the left.
    pub x: u32,
    /// From above.
    pub y: u32,
    /// Width, at least 1.
    pub w: u32,
    /// Height, at least 1.
    pub h: u32,
}

/// A region.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The branch that it becomes.
    pub path: BranchPath,
    /// What is in it.
    pub kind: RegionKind,
    /// Where it is.
    pub rect: Rect,
    /// Who found it.
    pub origin: Origin,
    /// How sure that one is, 0 … 1.
    pub confidence: Option<f64>,
}

/// Draws a region. It lies inside of the original, and inside of the region whose path begins its own.
pub fn draw(
    session: &mut dyn Session,
    scan: ScanId,
    region: &Region,
    by: By<'_>,
) -> Result<RegionId, CaseError> {
    let Rect { x, y, w, h } = region.rect;
    if region.path == BranchPath::root() {
        return Err(CaseError::BranchPath(String::new()));
    }
    let scan_row = scans::get(session, scan)?;
    let root = nodes::get(session, scan_row.root_node_id)?;
    if let Some(image) = root.image_id {
        let facts = images::facts(session, image)?;
        let whole = Rect {
            x: 0,
            y: 0,
            w: facts.width,
            h: facts.height,
        };
        inside(region.rect, whole, "the original")?;
    }
    if let Some((outer, _)) = region.path.as_str().rsplit_once('.') {
        let outer = get(session, scan, &BranchPath::parse(outer)?)?;
        inside(region.rect, outer.rect, "the region around it")?;
    }
    session.write(
        "INSERT INTO regions (scan_id, label, kind, x, y, w, h, origin, confidence)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        values![
            scan,
            region.path.as_str(),
            region.kind.word(),
            i64::from(x),
            i64::from(y),
            i64::from(w),
            i64::from(h),
            region.origin.word(),
            region.confidence,
        ],
    )?;
    let id = RegionId(inserted(session)?);
    let place = [x, y, w, h].map(|side| i64::from(side).into());
    let drawn = NewEntry {
        action: Action::RegionDrawn,
        object: Some(&object(&region.path, scan_row.idx)),
        object_sha256: Some(root.image_sha256),
        detail: custody::detail([
            ("kind", region.kind.word().into()),
            ("xywh", ciborium::Value::Array(place.into())),
            ("origin", region.origin.word().into()),
        ]),
    };
    custody::append(session, by, &drawn)?;
    Ok(id)
}

/// Takes a region back, unless pictures were made of it.
pub fn remove(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
    by: By<'_>,
) -> Result<(), CaseError> {
    get(session, scan, path)?;
    session.write(
        "DELETE FROM regions WHERE scan_id = ?1 AND label = ?2",
        values![scan, path.as_str()],
    )?;
    let idx = scans::get(session, scan)?.idx;
    let removed = NewEntry {
        action: Action::RegionRemoved,
        object: Some(&object(path, idx)),
        object_sha256: None,
        detail: custody::detail([]),
    };
    custody::append(session, by, &removed).map(|_| ())
}

/// The region of this path.
pub fn get(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
) -> Result<Region, CaseError> {
    first(
        session,
        "SELECT label, kind, x, y, w, h, origin, confidence FROM regions
          WHERE scan_id = ?1 AND label = ?2",
        values![scan, path.as_str()],
        region,
    )?
    .ok_or_else(|| CaseError::unknown("region", format_args!("{path} of scan {scan}")))
}

/// The regions of a scan in natural order.
pub fn of_scan(session: &mut dyn Session, scan: ScanId) -> Result<Vec<Region>, CaseError> {
    let mut found = all(
        session,
        "SELECT label, kind, x, y, w, h, origin, confidence FROM regions WHERE scan_id = ?1",
        values![scan],
        region,
    )?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn object(path: &BranchPath, scan_idx: i64) -> String {
    format!("region {path} of {}", scans::object(scan_idx))
}

fn inside(inner: Rect, outer: Rect, called: &str) -> Result<(), CaseError> {
    let fits = |at: u32, length: u32, from: u32, room: u32| {
        length > 0
            && at >= from
            && u64::from(at) + u64::from(length) <= u64::from(from) + u64::from(room)
    };
    if fits(inner.x, inner.w, outer.x, outer.w) && fits(inner.y, inner.h, outer.y, outer.h) {
        return Ok(());
    }
    let Rect { x, y, w, h } = outer;
    Err(CaseError::Refused(format!(
        "the region {},{},{},{} does not lie inside of {called}: {x},{y},{w},{h}",
        inner.x, inner.y, inner.w, inner.h
    )))
}

fn region(row: &dyn Row) -> Result<Region, StorageError> {
    let side = |column| row.int(column).map(|pixels| pixels as u32);
    Ok(Region {
        path: branch_path(row, 0)?,
        kind: RegionKind::of(row, 1)?,
        rect: Rect {
            x: side(2)?,
            y: side(3)?,
            w: side(4)?,
            h: side(5)?,
        },
        origin: Origin::of(row, 6)?,
        confidence: row.opt_real(7)?,
    })
}
