//! Random graphs, compared with petgraph and with themselves.

use std::collections::BTreeMap;

use petgraph::algo::dijkstra;
use petgraph::graph::UnGraph;
use proptest::prelude::*;

use super::*;

const RELATIONS: [&str; 3] = ["met", "reached", "saw"];

/// Source, target, relation, time: few of each, so that there are loops, parallel edges and ties.
type Sight = (i64, i64, usize, UnixNanos);

#[derive(Clone, Debug)]
struct Case {
    node_count: i64,
    sights: Vec<Sight>,
}

fn case() -> impl Strategy<Value = Case> {
    (1_i64..30).prop_flat_map(|node_count| {
        let sight = (1..=node_count, 1..=node_count, 0..RELATIONS.len(), 0_i64..4);
        let sights = prop::collection::vec(sight, 0..60);
        sights.prop_map(move |sights| Case { node_count, sights })
    })
}

/// Two names for three nodes, so that values repeat.
fn nodes(case: &Case) -> impl DoubleEndedIterator<Item = Node> + use<> {
    (1..=case.node_count).map(|id| node(id, EntityType::Host, &format!("n{}", id * 2 / 3)))
}

fn edges(case: &Case) -> impl DoubleEndedIterator<Item = Edge<'static>> {
    let edge = |&(source, target, relation, at)| edge(source, RELATIONS[relation], target, at);
    case.sights.iter().map(edge)
}

/// Hops from `start` to all that can be reached over these relations.
fn distances(case: &Case, start: i64, rel_types: Option<&[&str]>) -> BTreeMap<i64, u8> {
    let mut oracle = UnGraph::<i64, ()>::new_undirected();
    let indexes: Vec<_> = (0..=case.node_count)
        .map(|id| oracle.add_node(id))
        .collect();
    for &(source, target, relation, _) in &case.sights {
        if rel_types.is_none_or(|named| named.contains(&RELATIONS[relation])) {
            oracle.add_edge(indexes[source as usize], indexes[target as usize], ());
        }
    }
    let hops = dijkstra(&oracle, indexes[start as usize], None, |_| 1_u8);
    let hops = hops.into_iter();
    hops.map(|(index, hops)| (oracle[index], hops)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn neighbours_are_those_that_petgraph_reaches(
        case in case(),
        depth in 1..=DEPTH_MAX,
        named in prop::option::of(prop::sample::subsequence(RELATIONS.to_vec(), 0..=3)),
    ) {
        let graph = EntityGraph::from_edges(nodes(&case), edges(&case)).unwrap();
        let expected = distances(&case, 1, named.as_deref());
        let walk = graph.neighbors(EntityId(1), named.as_deref(), depth).unwrap();
        let found: BTreeMap<i64, u8> =
            walk.nodes.iter().map(|reached| (reached.node.id.0, reached.distance)).collect();
        let mut near = expected.clone();
        near.retain(|_, distance| (1..=depth).contains(distance));
        prop_assert_eq!(found, near);
        prop_assert!(!walk.cut);
        let order = |reached: &Reached<'_>| {
            let Reached { node, distance, by } = *reached;
            (distance, -by.last_seen, node.value.clone(), node.uuid)
        };
        prop_assert!(walk.nodes.is_sorted_by_key(order));
        for Reached { node, distance, by } in walk.nodes {
            let far = node.id;
            let near = if by.source.id == far { by.target.id } else { by.source.id };
            prop_assert_eq!(expected[&near.0] + 1, distance);
            // No newer edge leads there from a node as near to the start.
            for related in graph.related(far).unwrap().list {
                let Relation { rel_type, last_seen, .. } = related.relation;
                let passes = named.as_ref().is_none_or(|named| named.contains(&rel_type));
                if passes && expected.get(&related.node.id.0) == Some(&(distance - 1)) {
                    prop_assert!(last_seen <= by.last_seen);
                }
            }
        }
    }

    #[test]
    fn a_shortest_path_is_as_long_as_that_of_petgraph(case in case(), pick in any::<prop::sample::Index>()) {
        let graph = EntityGraph::from_edges(nodes(&case), edges(&case)).unwrap();
        let to = pick.index(case.node_count as usize) as i64 + 1;
        let expected = distances(&case, 1, None).get(&to).copied();
        let expected = expected.filter(|&hops| hops <= PATH_HOPS_MAX);
        for (from, to) in [(EntityId(1), EntityId(to)), (EntityId(to), EntityId(1))] {
            let path = graph.shortest_path(from, to).unwrap();
            prop_assert_eq!(path.as_ref().map(|path| path.len() as u8 - 1), expected);
            let Some(path) = path else { continue };
            prop_assert_eq!(path[0].node.id, from);
            prop_assert_eq!(path[path.len() - 1].node.id, to);
            prop_assert_eq!(path[0].by, None);
            for pair in path.windows(2) {
                let by = pair[1].by.unwrap();
                let ends = [by.source.id, by.target.id];
                prop_assert!(ends.contains(&pair[0].node.id) && ends.contains(&pair[1].node.id));
                prop_assert_ne!(pair[0].node.id, pair[1].node.id);
            }
        }
    }

    #[test]
    fn a_subgraph_is_what_lies_within_its_nodes(case in case(), depth in 1..=DEPTH_MAX) {
        let graph = EntityGraph::from_edges(nodes(&case), edges(&case)).unwrap();
        let subgraph = graph.subgraph(EntityId(1), depth).unwrap();
        let mut found: Vec<_> = subgraph.nodes.iter().map(|node| node.id.0).collect();
        found.sort_unstable();
        let mut near = distances(&case, 1, None);
        near.retain(|_, distance| *distance <= depth);
        prop_assert_eq!(&found, &near.into_keys().collect::<Vec<_>>());
        let mut counts: BTreeMap<(i64, i64, &str), u64> = BTreeMap::new();
        for &(source, target, relation, _) in &case.sights {
            if found.contains(&source) && found.contains(&target) {
                *counts.entry((source, target, RELATIONS[relation])).or_default() += 1;
            }
        }
        let shown: BTreeMap<_, _> = subgraph
            .edges
            .iter()
            .map(|edge| ((edge.source.id.0, edge.target.id.0, edge.rel_type), edge.count))
            .collect();
        prop_assert_eq!(shown.len(), subgraph.edges.len());
        prop_assert_eq!(shown, counts);
    }

    #[test]
    fn answers_do_not_depend_on_the_order_of_arrival(case in case()) {
        let graph = EntityGraph::from_edges(nodes(&case), edges(&case)).unwrap();
        let reversed =
            EntityGraph::from_edges(nodes(&case).rev(), edges(&case).rev()).unwrap();
        for id in (1..=case.node_count).map(EntityId) {
            prop_assert_eq!(graph.neighbors(id, None, 5), reversed.neighbors(id, None, 5));
            prop_assert_eq!(graph.subgraph(id, 2), reversed.subgraph(id, 2));
            prop_assert_eq!(graph.related(id), reversed.related(id));
            let to = EntityId(1);
            prop_assert_eq!(graph.shortest_path(id, to), reversed.shortest_path(id, to));
        }
    }
}
