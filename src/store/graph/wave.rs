//! The search under all walks: breadth first, a level at a time, over edges in both directions.
//!
//! Where several edges lead to a node at the same distance, the newest is told, because it is what
//! happened last; equal ones are settled by relation and by the order of the level before, so that
//! the same graph always gives the same answer.

use std::cmp::Reverse;

use uuid::Uuid;

use super::walk::DEPTH_MAX;
use super::{EdgeIndex, EntityGraph, Node, NodeIndex};

/// A search that goes from a node outwards, one level at a time.
pub(super) struct Wave<'g> {
    graph: &'g EntityGraph,
    /// Per relation whether the wave goes over its edges.
    passable: Vec<bool>,
    /// Per node how it was reached.
    pub(super) seen: Vec<Option<Seen>>,
    /// The nodes at `depth`, the newest first, then by value.
    pub(super) frontier: Vec<NodeIndex>,
    pub(super) depth: u8,
}

#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) distance: u8,
    /// None at the start.
    pub(super) by: Option<EdgeIndex>,
}

impl<'g> Wave<'g> {
    pub(super) fn new(
        graph: &'g EntityGraph,
        start: NodeIndex,
        rel_types: Option<&[&str]>,
    ) -> Self {
        let passable = |name: &str| rel_types.is_none_or(|named| named.contains(&name));
        let mut seen = vec![None; graph.nodes.len()];
        seen[start as usize] = Some(Seen {
            distance: 0,
            by: None,
        });
        Self {
            graph,
            passable: graph.relations.iter().map(|name| passable(name)).collect(),
            seen,
            frontier: vec![start],
            depth: 0,
        }
    }

    /// The edge by which the wave came to a node; none at its start and where it never was.
    pub(super) fn by(&self, node: NodeIndex) -> Option<EdgeIndex> {
        self.seen[node as usize]?.by
    }

    /// The nodes of `depth` levels in their order, at most `most`, and whether there were more.
    pub(super) fn spread(&mut self, depth: u8, most: usize) -> (Vec<NodeIndex>, bool) {
        let mut found = Vec::new();
        for _ in 0..depth.clamp(1, DEPTH_MAX) {
            self.advance();
            let room = most - found.len();
            found.extend(self.frontier.iter().take(room));
            if self.frontier.len() > room {
                return (found, true);
            }
        }
        (found, false)
    }

    /// Goes on by a level.
    pub(super) fn advance(&mut self) {
        let graph = self.graph;
        self.depth += 1;
        let mut next = Vec::new();
        for near in std::mem::take(&mut self.frontier) {
            for &index in &graph.incident[near as usize] {
                let edge = graph.edge(index);
                if !self.passable[usize::from(edge.relation)] {
                    continue;
                }
                let far = edge.other(near);
                match self.seen[far as usize] {
                    None => next.push(far),
                    Some(Seen {
                        distance,
                        by: Some(by),
                    }) if distance == self.depth
                        && self.approach_rank(index, far) < self.approach_rank(by, far) => {}
                    Some(_) => continue,
                }
                self.seen[far as usize] = Some(Seen {
                    distance: self.depth,
                    by: Some(index),
                });
            }
        }
        next.sort_by_key(|&node| {
            let by = self.by(node);
            let last_seen = by.map(|by| graph.edge(by).last_seen);
            (Reverse(last_seen), rank(graph.node(node)))
        });
        self.frontier = next;
    }

    /// Which of two edges to `far` is told: the lesser; of equals, that from the node told first.
    fn approach_rank(&self, index: EdgeIndex, far: NodeIndex) -> impl Ord + use<'g> {
        let graph: &'g EntityGraph = self.graph;
        let edge = graph.edge(index);
        let rel_type = graph.shown(index).rel_type;
        (Reverse(edge.last_seen), rel_type, edge.source == far)
    }
}

/// By value; a UUID is of one node only.
pub(super) fn rank(node: &Node) -> (&str, Uuid) {
    (&node.value, node.uuid)
}
