//! Walks through the graph, breadth first: neighbours, the shortest path, what lies around, what is
//! related.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::wave::{Wave, rank};
use super::{EdgeIndex, EntityGraph, EntityId, GraphError, Node, NodeIndex};
use crate::base::clock::UnixNanos;

/// Farthest neighbours, hops: beyond five everything in a house is near everything.
pub const DEPTH_MAX: u8 = 5;
/// Most neighbours in one answer.
pub const NEIGHBORS_MAX: usize = 10_000;
/// Most related entities in one answer.
const RELATED_MAX: usize = NEIGHBORS_MAX;
/// Longest path that is looked for, hops: a longer one tells nothing about who knows whom.
pub const PATH_HOPS_MAX: u8 = 20;
/// How far a subgraph reaches when nothing else is asked for, hops.
pub const SUBGRAPH_DEPTH: u8 = 2;
/// Most nodes of a subgraph: more cannot be drawn.
pub const SUBGRAPH_NODES_MAX: usize = 2_000;
/// Most edges of a subgraph.
pub const SUBGRAPH_EDGES_MAX: usize = 10_000;

/// An edge as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'g> {
    /// Who did it.
    pub source: &'g Node,
    /// To whom.
    pub target: &'g Node,
    /// What.
    pub rel_type: &'g str,
    /// The earliest time.
    pub first_seen: UnixNanos,
    /// The latest time.
    pub last_seen: UnixNanos,
    /// How often.
    pub count: u64,
}

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached<'g> {
    /// Who it is.
    pub node: &'g Node,
    /// Hops from the start, at least 1.
    pub distance: u8,
    /// The edge of the last hop.
    pub by: Relation<'g>,
}

/// The neighbours of an entity: the nearest first, of them the newest first, of them by value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk<'g> {
    /// The neighbours, the start not among them.
    pub nodes: Vec<Reached<'g>>,
    /// Whether there are more.
    pub cut: bool,
}

/// A stop of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop<'g> {
    /// Who it is.
    pub node: &'g Node,
    /// The edge from the stop before; none at the first.
    pub by: Option<Relation<'g>>,
}

/// What lies around an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subgraph<'g> {
    /// The entity itself, then its neighbours in the order of [`Walk`].
    pub nodes: Vec<&'g Node>,
    /// The edges among the nodes, the newest first.
    pub edges: Vec<Relation<'g>>,
    /// Whether there are more nodes or edges.
    pub cut: bool,
}

/// Which way an edge goes, seen from the entity that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From it; also from it to itself.
    Outgoing,
    /// To it.
    Incoming,
}

/// An entity at the other end of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Related<'g> {
    /// Who it is.
    pub node: &'g Node,
    /// Which way.
    pub direction: Direction,
    /// The edge: what, how often and when.
    pub relation: Relation<'g>,
}

/// What is related to an entity, one entry for each edge: the newest first, then by value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedEntities<'g> {
    /// The entries.
    pub list: Vec<Related<'g>>,
    /// Whether there are more.
    pub cut: bool,
}

impl EntityGraph {
    /// The neighbours up to `depth` hops away, in both directions, over edges of `rel_types` alone
    /// when they are given. A depth outside of 1 to [`DEPTH_MAX`] is taken for the nearer of the
    /// two; at most [`NEIGHBORS_MAX`] are told, the nearest and newest.
    pub fn neighbors(
        &self,
        id: EntityId,
        rel_types: Option<&[&str]>,
        depth: u8,
    ) -> Result<Walk<'_>, GraphError> {
        let mut wave = Wave::new(self, self.index_of(id)?, rel_types);
        let (found, cut) = wave.spread(depth, NEIGHBORS_MAX);
        let reached = |&node: &NodeIndex| {
            let seen = wave.seen[node as usize]?;
            Some(Reached {
                node: self.node(node),
                distance: seen.distance,
                by: self.shown(seen.by?),
            })
        };
        let nodes = found.iter().filter_map(reached).collect();
        Ok(Walk { nodes, cut })
    }

    /// A path of the fewest hops, over edges in both directions; none when there is none of at most
    /// [`PATH_HOPS_MAX`] hops. From an entity to itself it is that one stop. Searched from both ends,
    /// which looks at far fewer edges than from one.
    pub fn shortest_path(
        &self,
        from: EntityId,
        to: EntityId,
    ) -> Result<Option<Vec<Hop<'_>>>, GraphError> {
        let mut ahead = Wave::new(self, self.index_of(from)?, None);
        let mut back = Wave::new(self, self.index_of(to)?, None);
        // Both waves end at a whole level, so that where they first touch is a shortest path.
        let meeting = loop {
            let mut touched = ahead.frontier.iter().copied();
            if let Some(node) = touched.find(|&node| back.seen[node as usize].is_some()) {
                break node;
            }
            let spent = ahead.frontier.is_empty() || back.frontier.is_empty();
            if spent || ahead.depth + back.depth == PATH_HOPS_MAX {
                return Ok(None);
            }
            if ahead.frontier.len() <= back.frontier.len() {
                ahead.advance();
            } else {
                back.advance();
            }
        };
        let mut hops = Vec::new();
        let mut node = meeting;
        while let Some(by) = ahead.by(node) {
            hops.push(self.hop(node, Some(by)));
            node = self.edge(by).other(node);
        }
        hops.push(self.hop(node, None));
        hops.reverse();
        node = meeting;
        while let Some(by) = back.by(node) {
            node = self.edge(by).other(node);
            hops.push(self.hop(node, Some(by)));
        }
        Ok(Some(hops))
    }

    /// What lies up to `depth` hops around an entity and the edges among it; `depth` as for
    /// [`Self::neighbors`]. At most [`SUBGRAPH_NODES_MAX`] nodes and [`SUBGRAPH_EDGES_MAX`] edges:
    /// first those by which the nodes were reached, so that it hangs together, then the newest.
    pub fn subgraph(&self, id: EntityId, depth: u8) -> Result<Subgraph<'_>, GraphError> {
        let center = self.index_of(id)?;
        let mut wave = Wave::new(self, center, None);
        let (found, mut cut) = wave.spread(depth, SUBGRAPH_NODES_MAX - 1);
        let nodes: Vec<NodeIndex> = std::iter::once(center).chain(found).collect();
        let inside: HashSet<NodeIndex> = nodes.iter().copied().collect();
        let mut edges: Vec<EdgeIndex> = Vec::new();
        for &node in &nodes {
            edges.extend(self.incident[node as usize].iter().filter(|&&index| {
                let edge = self.edge(index);
                edge.source == node && inside.contains(&edge.target)
            }));
        }
        if edges.len() > SUBGRAPH_EDGES_MAX {
            let leads = |index, node| wave.by(node) == Some(index);
            edges.sort_by_key(|&index| {
                let edge = self.edge(index);
                let leads = leads(index, edge.source) || leads(index, edge.target);
                (Reverse(leads), self.edge_rank(index))
            });
            edges.truncate(SUBGRAPH_EDGES_MAX);
            cut = true;
        }
        edges.sort_by_key(|&index| self.edge_rank(index));
        Ok(Subgraph {
            nodes: nodes.into_iter().map(|node| self.node(node)).collect(),
            edges: edges.into_iter().map(|index| self.shown(index)).collect(),
            cut,
        })
    }

    /// The entities one hop away, with what relates them. At most 10,000, the newest.
    pub fn related(&self, id: EntityId) -> Result<RelatedEntities<'_>, GraphError> {
        let center = self.index_of(id)?;
        let mut edges = self.incident[center as usize].clone();
        edges.sort_by_key(|&index| {
            let Related {
                node,
                direction,
                relation,
            } = self.seen_from(center, index);
            let (value, uuid) = rank(node);
            let last_seen = Reverse(relation.last_seen);
            (last_seen, value, relation.rel_type, direction, uuid)
        });
        let cut = edges.len() > RELATED_MAX;
        edges.truncate(RELATED_MAX);
        let list = edges.into_iter();
        let list = list.map(|index| self.seen_from(center, index)).collect();
        Ok(RelatedEntities { list, cut })
    }

    fn seen_from(&self, center: NodeIndex, index: EdgeIndex) -> Related<'_> {
        let edge = self.edge(index);
        Related {
            node: self.node(edge.other(center)),
            direction: if edge.source == center {
                Direction::Outgoing
            } else {
                Direction::Incoming
            },
            relation: self.shown(index),
        }
    }

    fn hop(&self, node: NodeIndex, by: Option<EdgeIndex>) -> Hop<'_> {
        Hop {
            node: self.node(node),
            by: by.map(|by| self.shown(by)),
        }
    }

    pub(super) fn shown(&self, index: EdgeIndex) -> Relation<'_> {
        let edge = self.edge(index);
        Relation {
            source: self.node(edge.source),
            target: self.node(edge.target),
            rel_type: &self.relations[usize::from(edge.relation)],
            first_seen: edge.first_seen,
            last_seen: edge.last_seen,
            count: edge.count,
        }
    }

    /// The newest first; the rest settles ties.
    fn edge_rank(&self, index: EdgeIndex) -> impl Ord + use<'_> {
        let edge = self.shown(index);
        let ends = (rank(edge.source), rank(edge.target));
        (Reverse(edge.last_seen), ends, edge.rel_type)
    }
}
