//! The entity graph as the tables hold it: loaded whole, and asked by uuid.
//!
//! Nobody writes an edge by itself: edges are folded from events, by `read_model::entities`, so that
//! a rebuild gives the same graph.

use std::collections::HashMap;

use thiserror::Error;
use uuid::Uuid;

use super::entity::node;
use super::graph::{
    EDGES_MAX, Edge, EntityGraph, EntityId, GraphError, Hop, NODES_MAX, Node, Subgraph, Walk,
};
use crate::base::clock::UnixNanos;
use crate::storage::sqlite::Database;
use crate::storage::{Row, Session, StorageError};
use crate::values;

/// Why a question about the graph has no answer.
#[derive(Debug, Error)]
pub enum GraphStoreError {
    /// No such entity in the graph.
    #[error("entity {0} is connected with nothing that is known")]
    Unknown(Uuid),
    /// The graph refused.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Trouble with the database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An edge between two uuids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEdge {
    /// Who did it.
    pub source: Uuid,
    /// To whom.
    pub target: Uuid,
    /// What.
    pub rel_type: String,
    /// The earliest time.
    pub first_seen: UnixNanos,
    /// The latest time.
    pub last_seen: UnixNanos,
    /// How often.
    pub count: u64,
}

/// Walks through the graph of all entities.
pub trait GraphStore {
    /// Every edge, the newest first; whether some were left out.
    fn load_edges(&mut self) -> Result<(Vec<StoredEdge>, bool), GraphStoreError>;

    /// See [`EntityGraph::neighbors`].
    fn get_neighbors(
        &mut self,
        uuid: Uuid,
        rel_types: Option<&[&str]>,
        depth: u8,
    ) -> Result<Walk<'_>, GraphStoreError>;

    /// See [`EntityGraph::shortest_path`].
    fn shortest_path(
        &mut self,
        from: Uuid,
        to: Uuid,
    ) -> Result<Option<Vec<Hop<'_>>>, GraphStoreError>;

    /// See [`EntityGraph::subgraph`].
    fn get_subgraph(&mut self, uuid: Uuid, depth: u8) -> Result<Subgraph<'_>, GraphStoreError>;
}

/// The store over a connection that reads. The graph is loaded at the first question and then stays
/// as it was; [`SqlGraphStore::reload`] takes what has come since.
#[derive(Debug)]
pub struct SqlGraphStore {
    database: Database,
    loaded: Option<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    graph: EntityGraph,
    cut: bool,
}

impl SqlGraphStore {
    /// Over this connection.
    pub const fn new(database: Database) -> Self {
        Self {
            database,
            loaded: None,
        }
    }

    /// Loads the graph as it is now.
    pub fn reload(&mut self) -> Result<&EntityGraph, GraphStoreError> {
        self.loaded = None;
        Ok(&self.loaded()?.graph)
    }

    /// Whether the tables hold more than a graph does; it has the newest edges then.
    pub fn is_cut(&self) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| loaded.cut)
    }

    fn loaded(&mut self) -> Result<&Loaded, GraphStoreError> {
        match &mut self.loaded {
            Some(loaded) => Ok(loaded),
            empty => {
                let loaded = load(&mut self.database.snapshot()?)?;
                Ok(empty.insert(loaded))
            }
        }
    }

    fn graph(&mut self) -> Result<&EntityGraph, GraphStoreError> {
        Ok(&self.loaded()?.graph)
    }
}

fn id_of(graph: &EntityGraph, uuid: Uuid) -> Result<EntityId, GraphStoreError> {
    let node = graph.find(uuid).ok_or(GraphStoreError::Unknown(uuid))?;
    Ok(node.id)
}

impl GraphStore for SqlGraphStore {
    fn load_edges(&mut self) -> Result<(Vec<StoredEdge>, bool), GraphStoreError> {
        let mut edges = Vec::new();
        let cut = each_edge(
            &mut self.database.snapshot()?,
            &mut |source, target, edge| {
                edges.push(StoredEdge {
                    source: source.uuid,
                    target: target.uuid,
                    rel_type: edge.rel_type.to_owned(),
                    first_seen: edge.first_seen,
                    last_seen: edge.last_seen,
                    count: edge.count,
                });
                Ok(())
            },
        )?;
        Ok((edges, cut))
    }

    fn get_neighbors(
        &mut self,
        uuid: Uuid,
        rel_types: Option<&[&str]>,
        depth: u8,
    ) -> Result<Walk<'_>, GraphStoreError> {
        let graph = self.graph()?;
        Ok(graph.neighbors(id_of(graph, uuid)?, rel_types, depth)?)
    }

    fn shortest_path(
        &mut self,
        from: Uuid,
        to: Uuid,
    ) -> Result<Option<Vec<Hop<'_>>>, GraphStoreError> {
        let graph = self.graph()?;
        Ok(graph.shortest_path(id_of(graph, from)?, id_of(graph, to)?)?)
    }

    fn get_subgraph(&mut self, uuid: Uuid, depth: u8) -> Result<Subgraph<'_>, GraphStoreError> {
        let graph = self.graph()?;
        Ok(graph.subgraph(id_of(graph, uuid)?, depth)?)
    }
}

/// Told: source, target, edge.
type EachEdge<'f> = &'f mut dyn FnMut(&Node, &Node, Edge<'_>) -> Result<(), GraphError>;

/// Every edge of the graph, the newest first; whether some were left out.
fn each_edge(session: &mut dyn Session, tell: EachEdge<'_>) -> Result<bool, GraphStoreError> {
    let mut nodes = HashMap::new();
    session.read(
        "SELECT id, uuid, type, value FROM entities ORDER BY last_seen DESC LIMIT ?1",
        values![NODES_MAX as i64],
        &mut |row| {
            let node = node(row, 0)?;
            nodes.insert(node.id, node);
            Ok(())
        },
    )?;
    let (mut left_out, mut rows) = (false, 0);
    let mut outcome = Ok(());
    session.read(
        "SELECT source, target, rel_type, first_seen, last_seen, event_count FROM graph_edges \
         ORDER BY last_seen DESC LIMIT ?1",
        values![EDGES_MAX as i64 + 1],
        &mut |row| {
            rows += 1;
            let edge = edge(row)?;
            match (nodes.get(&edge.source), nodes.get(&edge.target)) {
                (Some(source), Some(target)) if rows <= EDGES_MAX && outcome.is_ok() => {
                    outcome = tell(source, target, edge);
                }
                _ => left_out = true,
            }
            Ok(())
        },
    )?;
    outcome?;
    Ok(left_out)
}

fn edge(row: &dyn Row) -> Result<Edge<'_>, StorageError> {
    Ok(Edge {
        source: EntityId(row.int(0)?),
        target: EntityId(row.int(1)?),
        rel_type: row.text(2)?,
        first_seen: row.int(3)?,
        last_seen: row.int(4)?,
        count: u64::try_from(row.int(5)?).unwrap_or(0),
    })
}

fn load(session: &mut dyn Session) -> Result<Loaded, GraphStoreError> {
    let mut graph = EntityGraph::default();
    let cut = each_edge(session, &mut |source, target, edge| {
        for node in [source, target] {
            if graph.find(node.uuid).is_none() {
                graph.insert(node.clone())?;
            }
        }
        graph.upsert(edge)
    })?;
    Ok(Loaded { graph, cut })
}

/// The graph of one entity and those one hop away.
pub(super) fn around(
    session: &mut dyn Session,
    center: &Node,
) -> Result<EntityGraph, GraphStoreError> {
    let mut graph = EntityGraph::default();
    graph.insert(center.clone())?;
    let mut outcome = Ok(());
    for sql in [
        "SELECT g.source, g.target, g.rel_type, g.first_seen, g.last_seen, g.event_count, \
         e.id, e.uuid, e.type, e.value FROM graph_edges g CROSS JOIN entities e ON e.id = g.target \
         WHERE g.source = ?1",
        "SELECT g.source, g.target, g.rel_type, g.first_seen, g.last_seen, g.event_count, \
         e.id, e.uuid, e.type, e.value FROM graph_edges g CROSS JOIN entities e ON e.id = g.source \
         WHERE g.target = ?1 AND g.source <> ?1",
    ] {
        session.read(sql, values![center.id.0], &mut |row| {
            let (edge, other) = (edge(row)?, node(row, 6)?);
            if outcome.is_ok() {
                outcome = graph.insert(other).and_then(|()| graph.upsert(edge));
            }
            Ok(())
        })?;
    }
    outcome?;
    Ok(graph)
}
