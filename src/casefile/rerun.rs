//! A part of the tree thrown away, to be made anew from one of its nodes.
//!
//! One transaction: branches below are set back to the node, what was made from it goes, and with it
//! the pictures that nothing else shows. In any other order a branch would point at a node that is
//! gone. Trash, readings and the branches' names stay; what was read turns stale by itself.

use super::custody::{self, Action, NewEntry};
use super::{By, CaseError, ImageId, NodeId, images, nodes, scans};
use crate::storage::{Session, all, first};
use crate::values;

/// What a re-run threw away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrownAway {
    /// Nodes.
    pub nodes: i64,
    /// Pictures that nothing else showed.
    pub images: Vec<ImageId>,
}

/// Throws away all that was made from `anchor`, in the caller's transaction.
pub fn from_node(
    session: &mut dyn Session,
    anchor: NodeId,
    by: By<'_>,
) -> Result<ThrownAway, CaseError> {
    let node = nodes::get(session, anchor)?;
    let below = first(
        session,
        "WITH RECURSIVE sub(id) AS (
             SELECT id FROM nodes WHERE parent_id = ?1
             UNION SELECT c.id FROM nodes c JOIN sub ON c.parent_id = sub.id)
         SELECT COUNT(*) FROM sub",
        values![anchor],
        |row| row.int(0),
    )?
    .unwrap_or(0);
    let shown = all(
        session,
        "WITH RECURSIVE sub(id) AS (
             SELECT id FROM nodes WHERE parent_id = ?1
             UNION SELECT c.id FROM nodes c JOIN sub ON c.parent_id = sub.id)
         SELECT n.image_id FROM nodes n JOIN sub ON sub.id = n.id WHERE n.image_id IS NOT NULL
         UNION
         SELECT d.image_id FROM debug_artifacts d JOIN sub ON sub.id = d.node_id",
        values![anchor],
        |row| row.int(0).map(ImageId),
    )?;
    session.write(
        "WITH RECURSIVE sub(id) AS (
             SELECT id FROM nodes WHERE parent_id = ?1
             UNION SELECT c.id FROM nodes c JOIN sub ON c.parent_id = sub.id)
         UPDATE branches
            SET chosen_node_id = CASE WHEN chosen_node_id IN (SELECT id FROM sub) THEN ?1
                                      ELSE chosen_node_id END,
                terminal_node_id = ?1, updated_at_ms = ?2
          WHERE terminal_node_id IN (SELECT id FROM sub)",
        values![anchor, by.at_ms],
    )?;
    session.write(
        "WITH RECURSIVE sub(id) AS (
             SELECT id FROM nodes WHERE parent_id = ?1
             UNION SELECT c.id FROM nodes c JOIN sub ON c.parent_id = sub.id)
         DELETE FROM nodes WHERE id IN (SELECT id FROM sub)",
        values![anchor],
    )?;
    let thrown = ThrownAway {
        nodes: below,
        images: images::collect(session, &shown)?,
    };
    let again = NewEntry {
        action: Action::RunAgain,
        object: Some(&scans::object(scans::get(session, node.scan_id)?.idx)),
        object_sha256: Some(node.image_sha256),
        detail: custody::detail([
            ("from_node", anchor.0.into()),
            ("from_step", node.step_name.unwrap_or_default().into()),
            ("nodes", thrown.nodes.into()),
        ]),
    };
    custody::append(session, by, &again)?;
    Ok(thrown)
}
