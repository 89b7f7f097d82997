//! The tree of pictures: the original at its root, below it the output of one step after the other.
//!
//! Invariants: `step_idx` is 0 at the root and grows downwards; only the direct output of a branching
//! step has a label; an unlabelled child is an only child, so each branch path is one chain.

use super::encode::EncodedImage;
use super::path::BranchPath;
use super::{
    CaseError, ImageId, NodeId, PipelineId, ScanId, Sha256Hash, UnixMillis, hash, inserted,
    opt_text, text,
};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

/// Last step of a pipeline; the file takes none behind it, so no tree is deeper.
pub const MAX_STEP_IDX: i64 = 99;

/// How a picture was made from its parent.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The frozen pipeline that names the step.
    pub pipeline_id: PipelineId,
    /// Its place in the pipeline; above the parent's.
    pub step_idx: i64,
    /// Its name, such as `05_binarize`.
    pub step_name: String,
    /// What did it.
    pub processor: String,
    /// Its resolved parameters, JSON.
    pub params_json: String,
    /// The label that a branching step gave this output.
    pub branch_label: Option<String>,
    /// How long it took, milliseconds.
    pub elapsed_ms: Option<f64>,
    /// More about the output, JSON.
    pub meta_json: Option<String>,
}

/// A picture of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its row.
    pub id: NodeId,
    /// The scan that it belongs to.
    pub scan_id: ScanId,
    /// What it was made from; none of an original.
    pub parent_id: Option<NodeId>,
    /// The pipeline that made it, or is to be run on the original.
    pub pipeline_id: PipelineId,
    /// 0: the original.
    pub step_idx: i64,
    /// Name of the step; none of an original.
    pub step_name: Option<String>,
    /// What did it.
    pub processor: Option<String>,
    /// Resolved parameters, JSON.
    pub params_json: Option<String>,
    /// Label that a branching step gave it.
    pub branch_label: Option<String>,
    /// Labels from the original down.
    pub branch_path: BranchPath,
    /// Steps from the original down.
    pub depth: i64,
    /// Name in exports, without ending.
    pub filestem: String,
    /// Whether nothing was made from it.
    pub is_leaf: bool,
    /// Whether more than one picture was made from it.
    pub is_branch_point: bool,
    /// Its picture; none where the file was slimmed.
    pub image_id: Option<ImageId>,
    /// Of its picture's bytes.
    pub image_sha256: Sha256Hash,
    /// Of its pixels.
    pub pixel_sha256: Sha256Hash,
    /// `ok`, or what the step said.
    pub status: String,
    /// How long the step took, milliseconds.
    pub elapsed_ms: Option<f64>,
    /// More about it, JSON.
    pub meta_json: Option<String>,
    /// When it was stored.
    pub created_at_ms: UnixMillis,
}

macro_rules! nodes {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            " SELECT n.id, n.scan_id, n.parent_id, n.pipeline_version_id, n.step_idx, n.step_name,
                     n.processor, n.params_json, n.branch_label, n.branch_path, n.depth, n.filestem,
                     n.is_leaf, n.is_branch_point, n.image_id, n.image_sha256, n.pixel_sha256,
                     n.status, n.elapsed_ms, n.meta_json, n.created_at_ms FROM nodes n ",
            $tail
        )
    };
}

/// Stores the original of a scan.
pub(super) fn insert_root(
    session: &mut dyn Session,
    scan: ScanId,
    idx: i64,
    pipeline: PipelineId,
    (image_id, image): (ImageId, &EncodedImage),
    at_ms: UnixMillis,
) -> Result<NodeId, CaseError> {
    session.write(
        "INSERT INTO nodes (scan_id, pipeline_version_id, step_idx, depth, filestem, image_id,
             image_sha256, pixel_sha256, created_at_ms)
         VALUES (?1, ?2, 0, 0, ?3, ?4, ?5, ?6, ?7)",
        values![
            scan,
            pipeline,
            &filestem(idx, &BranchPath::root()),
            image_id,
            image.sha256.as_slice(),
            image.pixel_sha256.as_slice(),
            at_ms
        ],
    )?;
    Ok(NodeId(inserted(session)?))
}

/// Stores what a step made of `parent`.
pub fn insert(
    session: &mut dyn Session,
    parent: NodeId,
    step: &Step,
    (image_id, image): (ImageId, &EncodedImage),
    at_ms: UnixMillis,
) -> Result<NodeId, CaseError> {
    let above = get(session, parent)?;
    let branch_path = match &step.branch_label {
        Some(label) => above.branch_path.child(label)?,
        None => above.branch_path,
    };
    let idx = scan_idx(session, above.scan_id)?;
    session.write(
        "INSERT INTO nodes (scan_id, parent_id, pipeline_version_id, step_idx, step_name, processor,
             params_json, branch_label, branch_path, depth, filestem, image_id, image_sha256,
             pixel_sha256, elapsed_ms, meta_json, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        values![
            above.scan_id,
            parent,
            step.pipeline_id,
            step.step_idx,
            &step.step_name,
            &step.processor,
            &step.params_json,
            step.branch_label.as_deref(),
            branch_path.as_str(),
            above.depth + 1,
            &filestem(idx, &branch_path),
            image_id,
            image.sha256.as_slice(),
            image.pixel_sha256.as_slice(),
            step.elapsed_ms,
            step.meta_json.as_deref(),
            at_ms,
        ],
    )?;
    Ok(NodeId(inserted(session)?))
}

/// The node of this row.
pub fn get(session: &mut dyn Session, id: NodeId) -> Result<Node, CaseError> {
    first(session, nodes!("", "WHERE n.id = ?1"), values![id], node)?
        .ok_or_else(|| CaseError::unknown("node", id))
}

/// All pictures of a scan, parents before children.
pub fn subtree(session: &mut dyn Session, scan: ScanId) -> Result<Vec<Node>, CaseError> {
    Ok(all(
        session,
        nodes!(
            "WITH RECURSIVE t(id) AS (
                 SELECT root_node_id FROM scans WHERE id = ?1
                 UNION SELECT c.id FROM nodes c JOIN t ON c.parent_id = t.id)",
            "JOIN t ON t.id = n.id ORDER BY n.depth, n.id"
        ),
        values![scan],
        node,
    )?)
}

/// All outputs of the steps of this name, by scan and row.
pub fn of_step(session: &mut dyn Session, step_name: &str) -> Result<Vec<Node>, CaseError> {
    Ok(all(
        session,
        nodes!("", "WHERE n.step_name = ?1 ORDER BY n.scan_id, n.id"),
        values![step_name],
        node,
    )?)
}

/// What was made directly from a node, by branch in natural order.
pub fn children(session: &mut dyn Session, parent: NodeId) -> Result<Vec<Node>, CaseError> {
    let mut found = all(
        session,
        nodes!("", "WHERE n.parent_id = ?1"),
        values![parent],
        node,
    )?;
    found.sort_by(|a, b| a.branch_path.cmp(&b.branch_path));
    Ok(found)
}

fn scan_idx(session: &mut dyn Session, scan: ScanId) -> Result<i64, CaseError> {
    first(
        session,
        "SELECT idx FROM scans WHERE id = ?1",
        values![scan],
        |row| row.int(0),
    )?
    .ok_or_else(|| CaseError::unknown("scan", scan))
}

/// `0007`, or `0007_A.1`.
fn filestem(idx: i64, path: &BranchPath) -> String {
    match path.as_str() {
        "" => format!("{idx:04}"),
        path => format!("{idx:04}_{path}"),
    }
}

fn node(row: &dyn Row) -> Result<Node, StorageError> {
    Ok(Node {
        id: NodeId(row.int(0)?),
        scan_id: ScanId(row.int(1)?),
        parent_id: row.opt_int(2)?.map(NodeId),
        pipeline_id: PipelineId(row.int(3)?),
        step_idx: row.int(4)?,
        step_name: opt_text(row, 5)?,
        processor: opt_text(row, 6)?,
        params_json: opt_text(row, 7)?,
        branch_label: opt_text(row, 8)?,
        branch_path: branch_path(row, 9)?,
        depth: row.int(10)?,
        filestem: text(row, 11)?,
        is_leaf: row.int(12)? == 1,
        is_branch_point: row.int(13)? == 1,
        image_id: row.opt_int(14)?.map(ImageId),
        image_sha256: hash(row, 15)?,
        pixel_sha256: hash(row, 16)?,
        status: text(row, 17)?,
        elapsed_ms: row.opt_real(18)?,
        meta_json: opt_text(row, 19)?,
        created_at_ms: row.int(20)?,
    })
}

/// The branch path in a column.
pub(super) fn branch_path(row: &dyn Row, column: usize) -> Result<BranchPath, StorageError> {
    BranchPath::parse(row.text(column)?)
        .map_err(|error| StorageError::Unreadable(error.to_string()))
}
