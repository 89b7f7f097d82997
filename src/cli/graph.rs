//! `graph`: what connects users, addresses, hosts, …

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use super::exit::{CliError, Exit};
use super::parts::text;
use super::table::{Format, FormatArgs};
use super::{Context, entity, folder, paging};
use crate::base::clock::rfc3339;
use crate::event::entity::of_event::RELATIONS;
use crate::read_model::view::Shape;
use crate::storage::Owned;
use crate::store::entity::{KnownEntity, SqlEntityStore};
use crate::store::graph::{DEPTH_MAX, Node, PATH_HOPS_MAX, Relation, SUBGRAPH_DEPTH, to_dot};
use crate::store::graph_store::{GraphStore, GraphStoreError, SqlGraphStore};

const EXAMPLES: &str = "\
Examples:
  nightjar graph neighbors 203.0.113.9
  nightjar graph neighbors user/mara --depth 2 --rel authenticated_from --rel failed_from
  nightjar graph path mara 203.0.113.9
  nightjar graph subgraph host/heron --dot | dot -Tsvg > heron.svg";

/// Arguments of `graph`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Who is connected with it, the nearest and newest first
    Neighbors(Neighbors),
    /// The fewest steps from one to the other
    Path(Path),
    /// Everything around it, and what connects that
    Subgraph(Subgraph),
}

#[derive(Debug, clap::Args)]
struct Neighbors {
    /// A name in any spelling, TYPE/NAME, or a uuid
    value: String,
    /// Only over this relation; several times for several
    #[arg(long, value_name = "RELATION", value_parser = PossibleValuesParser::new(RELATIONS))]
    rel: Vec<String>,
    /// So many steps away, 1 to 5
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(DEPTH_MAX)))]
    depth: u8,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Path {
    /// A name in any spelling, TYPE/NAME, or a uuid
    from: String,
    /// The same
    to: String,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Subgraph {
    /// A name in any spelling, TYPE/NAME, or a uuid
    value: String,
    /// So many steps around it, 1 to 5
    #[arg(long, value_name = "N", default_value_t = SUBGRAPH_DEPTH,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(DEPTH_MAX)))]
    depth: u8,
    /// In the language of Graphviz, to be drawn by `dot`
    #[arg(long, conflicts_with = "format")]
    dot: bool,
    #[command(flatten)]
    format: FormatArgs,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Neighbors(args) => neighbors(args, context),
        Verb::Path(args) => path(args, context),
        Verb::Subgraph(args) => subgraph(args, context),
    }
}

fn find(value: &str, context: &Context<'_>) -> Result<KnownEntity, CliError> {
    let mut store = SqlEntityStore::new(folder::open_reader(&context.folder)?);
    entity::find(&mut store, value, None)
}

fn open(context: &Context<'_>) -> Result<SqlGraphStore, CliError> {
    Ok(SqlGraphStore::new(folder::open_reader(&context.folder)?))
}

fn error(error: GraphStoreError) -> CliError {
    match error {
        GraphStoreError::Unknown(_) => CliError::new(Exit::NoInput, error.to_string()),
        GraphStoreError::Graph(_) => CliError::new(Exit::BadData, error.to_string()),
        GraphStoreError::Storage(error) => error.into(),
    }
}

const NODES: [(&str, Shape); 9] = [
    ("distance", Shape::Number),
    ("type", Shape::Text),
    ("value", Shape::Text),
    ("source", Shape::Text),
    ("rel_type", Shape::Text),
    ("target", Shape::Text),
    ("event_count", Shape::Number),
    ("last_seen", Shape::Time),
    ("uuid", Shape::Text),
];
const EDGES: [(&str, Shape); 8] = [
    ("last_seen", Shape::Time),
    ("source_type", Shape::Text),
    ("source", Shape::Text),
    ("rel_type", Shape::Text),
    ("target_type", Shape::Text),
    ("target", Shape::Text),
    ("event_count", Shape::Number),
    ("first_seen", Shape::Time),
];

/// A node, and the edge that leads to it.
fn node_row(distance: usize, node: &Node, by: Option<&Relation<'_>>) -> Vec<Owned> {
    let of = |part: fn(&Relation<'_>) -> Owned| by.map_or(Owned::Null, part);
    vec![
        Owned::Integer(distance as i64),
        text(node.kind.name()),
        text(&node.value),
        of(|by| text(&by.source.value)),
        of(|by| text(by.rel_type)),
        of(|by| text(&by.target.value)),
        of(|by| Owned::Integer(by.count as i64)),
        of(|by| Owned::Integer(by.last_seen)),
        text(&node.uuid.to_string()),
    ]
}

fn edge_row(edge: &Relation<'_>) -> Vec<Owned> {
    vec![
        Owned::Integer(edge.last_seen),
        text(edge.source.kind.name()),
        text(&edge.source.value),
        text(edge.rel_type),
        text(edge.target.kind.name()),
        text(&edge.target.value),
        Owned::Integer(edge.count as i64),
        Owned::Integer(edge.first_seen),
    ]
}

fn neighbors(args: &Neighbors, context: &mut Context<'_>) -> Result<(), CliError> {
    let known = find(&args.value, context)?;
    let mut store = open(context)?;
    let rel_types: Vec<&str> = args.rel.iter().map(String::as_str).collect();
    let rel_types = (!rel_types.is_empty()).then_some(&*rel_types);
    let (rows, more) = match store.get_neighbors(known.node.uuid, rel_types, args.depth) {
        Ok(walk) => {
            let row = |one: &crate::store::graph::Reached<'_>| {
                node_row(usize::from(one.distance), one.node, Some(&one.by))
            };
            (walk.nodes.iter().map(row).collect(), walk.cut)
        }
        Err(GraphStoreError::Unknown(_)) => (Vec::new(), false),
        Err(other) => return Err(error(other)),
    };
    paging::write(&NODES, rows, args.format, more, context)?;
    note_cuts(more, &store, context)
}

fn path(args: &Path, context: &mut Context<'_>) -> Result<(), CliError> {
    let (from, to) = (find(&args.from, context)?, find(&args.to, context)?);
    let mut store = open(context)?;
    let found = store.shortest_path(from.node.uuid, to.node.uuid);
    let hops = match found {
        Ok(Some(hops)) => hops,
        Ok(None) | Err(GraphStoreError::Unknown(_)) => {
            let text = format!(
                "nothing connects {} and {} within {PATH_HOPS_MAX} steps",
                from.node.value, to.node.value
            );
            return Err(CliError::new(Exit::NoInput, text));
        }
        Err(other) => return Err(error(other)),
    };
    let rows = hops
        .iter()
        .enumerate()
        .map(|(distance, hop)| node_row(distance, hop.node, hop.by.as_ref()))
        .collect();
    paging::write(&NODES, rows, args.format, false, context)?;
    note_cuts(false, &store, context)
}

fn subgraph(args: &Subgraph, context: &mut Context<'_>) -> Result<(), CliError> {
    let known = find(&args.value, context)?;
    let mut store = open(context)?;
    let found = store
        .get_subgraph(known.node.uuid, args.depth)
        .map_err(error)?;
    let cut = found.cut;
    if args.dot {
        write!(context.out, "{}", to_dot(&found))?;
    } else if args.format.format() == Format::Json {
        let nodes: Vec<Value> = found.nodes.iter().map(|node| node_object(node)).collect();
        let edges: Vec<Value> = found.edges.iter().map(edge_object).collect();
        let object = json!({"nodes": nodes, "edges": edges, "more": cut});
        writeln!(context.out, "{object}")?;
    } else {
        let rows = found.edges.iter().map(edge_row).collect();
        paging::write(&EDGES, rows, args.format, cut, context)?;
    }
    note_cuts(cut, &store, context)
}

fn node_object(node: &Node) -> Value {
    json!({
        "uuid": node.uuid.to_string(),
        "type": node.kind.name(),
        "value": node.value,
    })
}

fn edge_object(edge: &Relation<'_>) -> Value {
    json!({
        "source": edge.source.uuid.to_string(),
        "target": edge.target.uuid.to_string(),
        "rel_type": edge.rel_type,
        "event_count": edge.count,
        "first_seen": rfc3339(edge.first_seen),
        "last_seen": rfc3339(edge.last_seen),
    })
}

fn note_cuts(more: bool, store: &SqlGraphStore, context: &mut Context<'_>) -> Result<(), CliError> {
    context.out.flush()?;
    if more {
        context.note("there are more than fit in one answer; ask for fewer steps or relations");
    }
    if store.is_cut() {
        context.note("the oldest connections were left out: there are more than a graph holds");
    }
    Ok(())
}
