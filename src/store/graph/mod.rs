//! The entity graph: who was seen with what, held in memory and asked by walking.
//!
//! Nodes are entities, edges are directed and typed (`alice` → `logged_into` → `heron`), one for each
//! (source, target, relation), and say when it was first and last seen and how often. Walks go over
//! an edge in both directions; what is shown keeps the edge's own.
//!
//! The nodes and edges lie in two vectors, and each node has the list of its edges. Of petgraph's
//! graphs, `GraphMap` holds one edge for a pair and not one for each relation, an insert into `Csr` is
//! O(edges), and `Graph` would fit, but the walks with their filter, caps and settled ties, which are
//! most of what is here, would be our own all the same. It is the oracle of the tests.
//!
//! - Pure: no clock, no I/O, no database.
//! - Answers do not depend on the order in which the edges came.
//! - Nothing is taken out: when old edges have aged away in the table, the graph is built anew.
//! - Nodes, edges and relations are bounded, and so is every answer; an answer says when it was cut.

mod dot;
#[cfg(test)]
mod tests;
mod walk;
mod wave;

use std::collections::HashMap;

use thiserror::Error;
use uuid::Uuid;

use crate::base::clock::UnixNanos;
use crate::event::entity::EntityType;

pub use dot::to_dot;
pub use walk::{DEPTH_MAX, NEIGHBORS_MAX, PATH_HOPS_MAX};
pub use walk::{Direction, Hop, Reached, Related, RelatedEntities, Relation, Subgraph, Walk};
pub use walk::{SUBGRAPH_DEPTH, SUBGRAPH_EDGES_MAX, SUBGRAPH_NODES_MAX};

/// Most nodes. A value has at most 1 KiB, so that they stay below 350 MiB even when each is hostile.
pub const NODES_MAX: usize = 250_000;
/// Most edges: about 100 MiB.
pub const EDGES_MAX: usize = 1_000_000;
/// Most relations: ours are a dozen names in the code.
pub const RELATIONS_MAX: usize = 256;

/// An entity's number in the table `entities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntityId(pub i64);

/// An entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub id: EntityId,
    /// UUIDv5 of type and value.
    pub uuid: Uuid,
    /// What it is.
    pub kind: EntityType,
    /// Its canonical form.
    pub value: String,
}

/// That one entity was seen with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge<'a> {
    /// Who did it.
    pub source: EntityId,
    /// To whom.
    pub target: EntityId,
    /// What: `logged_into`, `saw`, …
    pub rel_type: &'a str,
    /// The earliest time.
    pub first_seen: UnixNanos,
    /// The latest time.
    pub last_seen: UnixNanos,
    /// How often.
    pub count: u64,
}

/// Why the graph did not take or tell something. It is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// No such node.
    #[error("entity {} is not in the graph; it was never seen with another", .0.0)]
    UnknownEntity(EntityId),
    /// A node's number or UUID belongs to another node.
    #[error("entity {} contradicts what the graph knows; build the graph anew", .0.0)]
    Contradiction(EntityId),
    /// A bound was reached.
    #[error("the graph holds {1} {0} and takes no more; shorten the retention of edges")]
    Full(&'static str, usize),
}

/// The graph.
#[derive(Debug, Default)]
pub struct EntityGraph {
    nodes: Vec<Node>,
    edges: Vec<StoredEdge>,
    relations: Vec<Box<str>>,
    /// Per node the edges that begin or end there, in the order of arrival.
    incident: Vec<Vec<EdgeIndex>>,
    node_of_id: HashMap<EntityId, NodeIndex>,
    node_of_uuid: HashMap<Uuid, NodeIndex>,
    edge_of_key: HashMap<EdgeKey, EdgeIndex>,
}

/// Indexes into the vectors. `u32` halves the lists of edges, the bounds fit in it.
type NodeIndex = u32;
type EdgeIndex = u32;
type RelationIndex = u16;
type EdgeKey = (NodeIndex, NodeIndex, RelationIndex);

#[derive(Clone, Copy, Debug)]
struct StoredEdge {
    source: NodeIndex,
    target: NodeIndex,
    relation: RelationIndex,
    first_seen: UnixNanos,
    last_seen: UnixNanos,
    count: u64,
}

impl StoredEdge {
    /// The end that is not `node`.
    fn other(&self, node: NodeIndex) -> NodeIndex {
        if self.source == node {
            self.target
        } else {
            self.source
        }
    }
}

impl EntityGraph {
    /// A graph of these nodes and edges, as the tables hold them.
    pub fn from_edges<'a>(
        nodes: impl IntoIterator<Item = Node>,
        edges: impl IntoIterator<Item = Edge<'a>>,
    ) -> Result<Self, GraphError> {
        let mut graph = Self::default();
        for node in nodes {
            graph.insert(node)?;
        }
        for edge in edges {
            graph.upsert(edge)?;
        }
        Ok(graph)
    }

    /// Adds a node; one that is there already stays.
    pub fn insert(&mut self, node: Node) -> Result<(), GraphError> {
        let known = self.node_of_id.get(&node.id);
        if let Some(&known) = known.or_else(|| self.node_of_uuid.get(&node.uuid)) {
            return if self.nodes[known as usize] == node {
                Ok(())
            } else {
                Err(GraphError::Contradiction(node.id))
            };
        }
        let index = free_index(self.nodes.len(), NODES_MAX, "entities")?;
        self.node_of_id.insert(node.id, index);
        self.node_of_uuid.insert(node.uuid, index);
        self.nodes.push(node);
        self.incident.push(Vec::new());
        Ok(())
    }

    /// Adds an edge, or joins it with the one that is there: the earliest first time, the latest
    /// last time, the sum of the counts. A row of the table is given once, after that only what is
    /// new. Both ends must have been inserted.
    pub fn upsert(&mut self, edge: Edge<'_>) -> Result<(), GraphError> {
        let source = self.index_of(edge.source)?;
        let target = self.index_of(edge.target)?;
        let relation = self.relation(edge.rel_type)?;
        if let Some(&known) = self.edge_of_key.get(&(source, target, relation)) {
            let known = &mut self.edges[known as usize];
            known.first_seen = known.first_seen.min(edge.first_seen);
            known.last_seen = known.last_seen.max(edge.last_seen);
            known.count = known.count.saturating_add(edge.count);
            return Ok(());
        }
        let index = free_index(self.edges.len(), EDGES_MAX, "edges")?;
        self.edge_of_key.insert((source, target, relation), index);
        self.edges.push(StoredEdge {
            source,
            target,
            relation,
            first_seen: edge.first_seen,
            last_seen: edge.last_seen,
            count: edge.count,
        });
        self.incident[source as usize].push(index);
        if target != source {
            self.incident[target as usize].push(index);
        }
        Ok(())
    }

    /// The node of this UUID.
    pub fn find(&self, uuid: Uuid) -> Option<&Node> {
        let index = *self.node_of_uuid.get(&uuid)?;
        Some(self.node(index))
    }

    /// How many nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many edges.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    fn index_of(&self, id: EntityId) -> Result<NodeIndex, GraphError> {
        let index = self.node_of_id.get(&id).copied();
        index.ok_or(GraphError::UnknownEntity(id))
    }

    fn relation(&mut self, name: &str) -> Result<RelationIndex, GraphError> {
        if let Some(known) = self.relation_of(name) {
            return Ok(known);
        }
        let index = free_index(self.relations.len(), RELATIONS_MAX, "relations")?;
        self.relations.push(name.into());
        Ok(index as RelationIndex)
    }

    /// A scan: there are a dozen, and comparing them is cheaper than hashing one.
    fn relation_of(&self, name: &str) -> Option<RelationIndex> {
        let found = self.relations.iter().position(|known| **known == *name);
        found.map(|index| index as RelationIndex)
    }

    fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index as usize]
    }

    fn edge(&self, index: EdgeIndex) -> &StoredEdge {
        &self.edges[index as usize]
    }
}

fn free_index(held: usize, most: usize, what: &'static str) -> Result<u32, GraphError> {
    if held < most {
        Ok(held as u32)
    } else {
        Err(GraphError::Full(what, most))
    }
}
