//! Branches: what each chain of steps came to, and which of its nodes a person took instead.
//!
//! A step back goes one node towards the original and never across a branch point with siblings: the
//! picture there belongs to all of them. Going back or forward on one branch leaves its siblings alone.
//! While a part of the tree is made anew, a branch waits at the node from which it is made; a waiting
//! branch is in no export.

use super::custody::{self, Action, NewEntry};
use super::nodes::{self, Node, branch_path};
use super::path::BranchPath;
use super::sniff::Format;
use super::{
    BranchId, By, CaseError, ImageId, NodeId, ScanId, UnixMillis, inserted, opt_text, scans, text,
};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

/// A branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its row.
    pub id: BranchId,
    /// The scan that it belongs to.
    pub scan_id: ScanId,
    /// Labels from the original down.
    pub path: BranchPath,
    /// Plate, face …: as its region says.
    pub label_kind: Option<String>,
    /// Deepest node of the run.
    pub terminal_node_id: NodeId,
    /// The node that stands for the branch.
    pub chosen_node_id: NodeId,
    /// When it was made.
    pub created_at_ms: UnixMillis,
    /// When it changed last.
    pub updated_at_ms: UnixMillis,
    /// When it was put out of sight.
    pub trashed_at_ms: Option<UnixMillis>,
}

/// What stands for a branch in exports.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportItem {
    /// The branch.
    pub branch_id: BranchId,
    /// Number of its scan.
    pub scan_idx: i64,
    /// Labels from the original down.
    pub path: BranchPath,
    /// Name without ending.
    pub filestem: String,
    /// The picture; none where the file was slimmed.
    pub image_id: Option<ImageId>,
    /// How it is encoded.
    pub format: Format,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

macro_rules! branches {
    ($tail:literal) => {
        concat!(
            "SELECT id, scan_id, branch_path, label_kind, terminal_node_id, chosen_node_id,
                    created_at_ms, updated_at_ms, trashed_at_ms FROM branches ",
            $tail
        )
    };
}

/// A pipeline came to the end of a branch: `terminal` is its deepest node, and is chosen. A branch
/// that was there stays in the trash if it was.
pub fn upsert(
    session: &mut dyn Session,
    terminal: NodeId,
    label_kind: Option<&str>,
    at_ms: UnixMillis,
) -> Result<BranchId, CaseError> {
    let end = nodes::get(session, terminal)?;
    if let Some(branch) = find(session, end.scan_id, &end.branch_path)? {
        session.write(
            "UPDATE branches SET terminal_node_id = ?2, chosen_node_id = ?2, updated_at_ms = ?3,
                 label_kind = COALESCE(?4, label_kind) WHERE id = ?1",
            values![branch.id, terminal, at_ms, label_kind],
        )?;
        return Ok(branch.id);
    }
    session.write(
        "INSERT INTO branches (scan_id, branch_path, label_kind, terminal_node_id, chosen_node_id,
             created_at_ms, updated_at_ms) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5)",
        values![
            end.scan_id,
            end.branch_path.as_str(),
            label_kind,
            terminal,
            at_ms
        ],
    )?;
    Ok(BranchId(inserted(session)?))
}

/// The branch of this path.
pub fn get(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
) -> Result<Branch, CaseError> {
    find(session, scan, path)?
        .ok_or_else(|| CaseError::unknown("branch", format_args!("{path} of scan {scan}")))
}

fn find(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
) -> Result<Option<Branch>, CaseError> {
    Ok(first(
        session,
        branches!("WHERE scan_id = ?1 AND branch_path = ?2"),
        values![scan, path.as_str()],
        branch,
    )?)
}

/// The branches of a scan in natural order, those in the trash too.
pub fn of_scan(session: &mut dyn Session, scan: ScanId) -> Result<Vec<Branch>, CaseError> {
    let mut found = all(
        session,
        branches!("WHERE scan_id = ?1"),
        values![scan],
        branch,
    )?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// What stands for each branch that is in sight, by scan and path.
pub fn export_set(session: &mut dyn Session) -> Result<Vec<ExportItem>, CaseError> {
    let mut items = all(
        session,
        "SELECT b.id, s.idx, b.branch_path, n.filestem, n.image_id, i.format, i.width, i.height
           FROM branches b
           JOIN nodes t ON t.id = b.terminal_node_id AND t.branch_path = b.branch_path
           JOIN nodes n ON n.id = b.chosen_node_id
           JOIN images i ON i.id = n.image_id
           JOIN scans s ON s.id = b.scan_id
          WHERE s.deleted_at_ms IS NULL AND b.trashed_at_ms IS NULL",
        &[],
        |row| {
            Ok(ExportItem {
                branch_id: BranchId(row.int(0)?),
                scan_idx: row.int(1)?,
                path: branch_path(row, 2)?,
                filestem: text(row, 3)?,
                image_id: row.opt_int(4)?.map(ImageId),
                format: Format::of(row, 5)?,
                width: row.int(6)? as u32,
                height: row.int(7)? as u32,
            })
        },
    )?;
    items.sort_by(|a, b| (a.scan_idx, &a.path).cmp(&(b.scan_idx, &b.path)));
    Ok(items)
}

/// Chooses the node one step nearer to the original.
pub fn step_back(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
    by: By<'_>,
) -> Result<NodeId, CaseError> {
    let branch = get(session, scan, path)?;
    let chosen = nodes::get(session, branch.chosen_node_id)?;
    let Some(parent) = chosen.parent_id else {
        return Err(CaseError::AtRoot(path.clone()));
    };
    let above = nodes::get(session, parent)?;
    if above.is_branch_point {
        return Err(CaseError::AtBranchPoint(path.clone()));
    }
    choose(session, &branch, &above, by)
}

/// Chooses the node one step nearer to the end of the branch.
pub fn step_forward(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
    by: By<'_>,
) -> Result<NodeId, CaseError> {
    let branch = get(session, scan, path)?;
    let mut below = nodes::get(session, branch.terminal_node_id)?;
    if below.id == branch.chosen_node_id {
        return Err(CaseError::AtEnd(path.clone()));
    }
    // The chosen node lies above the terminal: the file takes no other. The bound is for files that
    // somebody made by hand.
    for _ in 0..nodes::MAX_STEP_IDX {
        match below.parent_id {
            Some(parent) if parent != branch.chosen_node_id => {
                below = nodes::get(session, parent)?;
            }
            _ => break,
        }
    }
    choose(session, &branch, &below, by)
}

/// Chooses the end of the branch.
pub fn reset(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
    by: By<'_>,
) -> Result<NodeId, CaseError> {
    let branch = get(session, scan, path)?;
    let terminal = nodes::get(session, branch.terminal_node_id)?;
    choose(session, &branch, &terminal, by)
}

fn choose(
    session: &mut dyn Session,
    branch: &Branch,
    node: &Node,
    by: By<'_>,
) -> Result<NodeId, CaseError> {
    session.write(
        "UPDATE branches SET chosen_node_id = ?2, updated_at_ms = ?3 WHERE id = ?1",
        values![branch.id, node.id, by.at_ms],
    )?;
    let chosen = NewEntry {
        action: Action::Chosen,
        object: Some(&object(session, branch)?),
        object_sha256: Some(node.image_sha256),
        detail: custody::detail([("step", node.step_name.clone().unwrap_or_default().into())]),
    };
    custody::append(session, by, &chosen)?;
    Ok(node.id)
}

/// Puts a branch out of sight or back.
pub fn set_trashed(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
    trashed: bool,
    by: By<'_>,
) -> Result<(), CaseError> {
    let branch = get(session, scan, path)?;
    session.write(
        "UPDATE branches SET trashed_at_ms = ?2, updated_at_ms = ?3 WHERE id = ?1",
        values![branch.id, trashed.then_some(by.at_ms), by.at_ms],
    )?;
    let told = NewEntry {
        action: if trashed {
            Action::Trashed
        } else {
            Action::Restored
        },
        object: Some(&object(session, &branch)?),
        object_sha256: None,
        detail: custody::detail([]),
    };
    custody::append(session, by, &told).map(|_| ())
}

/// A run over `scan` ended: takes away branches that still wait and did not come again. Those in the
/// trash are kept, so that they are there when they come.
pub fn settle(session: &mut dyn Session, scan: ScanId) -> Result<(), CaseError> {
    Ok(session.write(
        "DELETE FROM branches WHERE scan_id = ?1 AND trashed_at_ms IS NULL
            AND branch_path <> (SELECT t.branch_path FROM nodes t WHERE t.id = terminal_node_id)",
        values![scan],
    )?)
}

/// How the custody log names a branch.
pub(super) fn object(session: &mut dyn Session, branch: &Branch) -> Result<String, CaseError> {
    let idx = scans::get(session, branch.scan_id)?.idx;
    Ok(format!("branch {} of {}", branch.path, scans::object(idx)))
}

fn branch(row: &dyn Row) -> Result<Branch, StorageError> {
    Ok(Branch {
        id: BranchId(row.int(0)?),
        scan_id: ScanId(row.int(1)?),
        path: branch_path(row, 2)?,
        label_kind: opt_text(row, 3)?,
        terminal_node_id: NodeId(row.int(4)?),
        chosen_node_id: NodeId(row.int(5)?),
        created_at_ms: row.int(6)?,
        updated_at_ms: row.int(7)?,
        trashed_at_ms: row.opt_int(8)?,
    })
}
