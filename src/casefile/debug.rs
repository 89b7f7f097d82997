//! Pictures that explain a step: found lines, masks. They go with their node, and never leave the case.

use super::{CaseError, ImageId, NodeId, UnixMillis, text};
use crate::storage::{Session, all};
use crate::values;

/// A picture that explains a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugArtifact {
    /// What it shows.
    pub label: String,
    /// The picture.
    pub image_id: ImageId,
    /// When it was stored.
    pub created_at_ms: UnixMillis,
}

/// Puts a picture beside a node.
pub fn insert(
    session: &mut dyn Session,
    node: NodeId,
    label: &str,
    image: ImageId,
    at_ms: UnixMillis,
) -> Result<(), CaseError> {
    Ok(session.write(
        "INSERT INTO debug_artifacts (node_id, label, image_id, created_at_ms)
         VALUES (?1, ?2, ?3, ?4)",
        values![node, label, image, at_ms],
    )?)
}

/// The pictures beside a node, in the order in which they came.
pub fn of_node(session: &mut dyn Session, node: NodeId) -> Result<Vec<DebugArtifact>, CaseError> {
    Ok(all(
        session,
        "SELECT label, image_id, created_at_ms FROM debug_artifacts WHERE node_id = ?1 ORDER BY id",
        values![node],
        |row| {
            Ok(DebugArtifact {
                label: text(row, 0)?,
                image_id: ImageId(row.int(1)?),
                created_at_ms: row.int(2)?,
            })
        },
    )?)
}
