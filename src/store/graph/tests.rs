#![allow(clippy::unwrap_used)]

mod dot;
mod oracle;

use super::*;

/// The UUID tells the number, the value the name.
fn node(id: i64, kind: EntityType, value: &str) -> Node {
    Node {
        id: EntityId(id),
        uuid: Uuid::from_u128(id as u128),
        kind,
        value: value.to_owned(),
    }
}

/// Seen once.
fn edge(source: i64, rel_type: &str, target: i64, at: UnixNanos) -> Edge<'_> {
    Edge {
        source: EntityId(source),
        target: EntityId(target),
        rel_type,
        first_seen: at,
        last_seen: at,
        count: 1,
    }
}

/// Hosts `n1`, `n2`, …
fn hosts(count: i64) -> Vec<Node> {
    (1..=count)
        .map(|id| node(id, EntityType::Host, &format!("n{id}")))
        .collect()
}

fn house() -> EntityGraph {
    let nodes = [
        node(1, EntityType::User, "maud"),
        node(2, EntityType::Host, "heron"),
        node(3, EntityType::Ip, "192.0.2.7"),
        node(4, EntityType::Camera, "porch"),
        node(5, EntityType::Pet, "biscuit"),
        node(6, EntityType::Host, "wren"),
    ];
    let edges = [
        edge(1, "logged_into", 2, 20),
        edge(3, "reached", 2, 30),
        edge(1, "authenticated_from", 3, 25),
        edge(1, "logged_into", 6, 30),
        edge(4, "saw", 5, 40),
    ];
    EntityGraph::from_edges(nodes, edges).unwrap()
}

/// `value distance relation` of each neighbour.
fn told(walk: &Walk<'_>) -> Vec<String> {
    let line = |reached: &Reached<'_>| {
        let Reached { node, distance, by } = reached;
        format!("{} {distance} {}", node.value, by.rel_type)
    };
    walk.nodes.iter().map(line).collect()
}

fn stops(path: &[Hop<'_>]) -> Vec<String> {
    path.iter().map(|hop| hop.node.value.clone()).collect()
}

#[test]
fn seeing_an_edge_again_widens_its_times_and_adds_the_counts() {
    let mut graph = house();
    graph.upsert(edge(1, "logged_into", 2, 50)).unwrap();
    let often = Edge {
        count: u64::MAX,
        ..edge(1, "logged_into", 2, 10)
    };
    assert_eq!(
        graph.related(EntityId(2)).unwrap().list[0].relation.count,
        2
    );
    graph.upsert(often).unwrap();
    assert_eq!((graph.node_count(), graph.edge_count()), (6, 5));
    let related = graph.related(EntityId(2)).unwrap().list;
    let Relation {
        first_seen,
        last_seen,
        count,
        ..
    } = related[0].relation;
    assert_eq!((first_seen, last_seen, count), (10, 50, u64::MAX));
    // Another relation or the other direction is another edge.
    graph.upsert(edge(1, "owns", 2, 1)).unwrap();
    graph.upsert(edge(2, "logged_into", 1, 1)).unwrap();
    assert_eq!(graph.edge_count(), 7);
}

#[test]
fn neighbours_come_by_distance_then_newest_then_value() {
    let graph = house();
    let neighbors = |rel_types, depth| {
        let walk = graph.neighbors(EntityId(2), rel_types, depth).unwrap();
        assert!(!walk.cut);
        told(&walk)
    };
    let near = ["192.0.2.7 1 reached", "maud 1 logged_into"];
    assert_eq!(neighbors(None, 1), near);
    assert_eq!(neighbors(None, 2), [near[0], near[1], "wren 2 logged_into"]);
    // Out of bounds is the nearest bound.
    assert_eq!(neighbors(None, 0), near);
    assert_eq!(neighbors(None, 200), neighbors(None, DEPTH_MAX));
    assert_eq!(
        neighbors(Some(&["logged_into"]), 5),
        ["maud 1 logged_into", "wren 2 logged_into"]
    );
    assert_eq!(
        neighbors(Some(&["reached", "authenticated_from"]), 5),
        ["192.0.2.7 1 reached", "maud 2 authenticated_from"]
    );
    assert!(neighbors(Some(&["never_heard_of"]), 5).is_empty());
    assert!(neighbors(Some(&[]), 5).is_empty());
}

#[test]
fn the_newest_edge_to_a_neighbour_is_told_and_equal_ones_are_settled_by_name() {
    let edges = [
        edge(1, "b", 2, 5),
        edge(1, "a", 2, 5),
        edge(2, "a", 1, 5),
        edge(1, "c", 2, 4),
    ];
    let graph = EntityGraph::from_edges(hosts(2), edges).unwrap();
    for (start, far) in [(1, 2), (2, 1)] {
        let by = graph.neighbors(EntityId(start), None, 1).unwrap().nodes[0].by;
        assert_eq!(
            (by.source.id, by.target.id),
            (EntityId(start), EntityId(far))
        );
        assert_eq!(by.rel_type, "a");
    }
}

#[test]
fn a_path_shows_each_edge_in_its_own_direction() {
    let graph = house();
    let path = graph
        .shortest_path(EntityId(6), EntityId(3))
        .unwrap()
        .unwrap();
    assert_eq!(stops(&path), ["wren", "maud", "192.0.2.7"]);
    assert_eq!(path[0].by, None);
    let first = path[1].by.unwrap();
    assert_eq!(
        (&*first.source.value, first.rel_type, &*first.target.value),
        ("maud", "logged_into", "wren")
    );
    let itself = graph.shortest_path(EntityId(5), EntityId(5)).unwrap();
    assert_eq!(stops(&itself.unwrap()), ["biscuit"]);
    assert_eq!(graph.shortest_path(EntityId(5), EntityId(1)).unwrap(), None);
}

#[test]
fn of_two_shortest_paths_the_newer_is_told() {
    // 1 – 2 – 4 and 1 – 3 – 4.
    for (at, middle) in [(1, "n2"), (2, "n2"), (3, "n3")] {
        let edges = [
            edge(1, "met", 2, 2),
            edge(3, "met", 1, at),
            edge(2, "met", 4, 9),
            edge(3, "met", 4, 9),
        ];
        let graph = EntityGraph::from_edges(hosts(4), edges).unwrap();
        let path = graph.shortest_path(EntityId(1), EntityId(4)).unwrap();
        assert_eq!(stops(&path.unwrap())[1], middle, "seen at {at}");
    }
}

#[test]
fn a_path_is_looked_for_up_to_twenty_hops() {
    let links: Vec<_> = (1..=21).map(|id| edge(id, "next", id + 1, 0)).collect();
    let graph = EntityGraph::from_edges(hosts(22), links).unwrap();
    let path = |from, to| graph.shortest_path(EntityId(from), EntityId(to)).unwrap();
    assert_eq!(path(1, 21).unwrap().len(), 21);
    assert_eq!(path(22, 2).unwrap().len(), 21);
    assert_eq!(path(1, 22), None);
}

#[test]
fn a_subgraph_holds_the_edges_among_its_nodes() {
    let graph = house();
    let subgraph = graph.subgraph(EntityId(2), 1).unwrap();
    let values: Vec<_> = subgraph.nodes.iter().map(|node| &*node.value).collect();
    assert_eq!(values, ["heron", "192.0.2.7", "maud"]);
    let edges: Vec<_> = subgraph.edges.iter().map(|edge| edge.rel_type).collect();
    assert_eq!(edges, ["reached", "authenticated_from", "logged_into"]);
    assert!(!subgraph.cut);
    let wider = graph.subgraph(EntityId(2), SUBGRAPH_DEPTH).unwrap();
    assert_eq!((wider.nodes.len(), wider.edges.len()), (4, 4));
}

#[test]
fn related_entities_come_with_direction_and_newest_first() {
    let mut graph = house();
    graph.upsert(edge(2, "reached", 2, 5)).unwrap();
    let related = graph.related(EntityId(2)).unwrap();
    let told: Vec<_> = related
        .list
        .iter()
        .map(|related| {
            let Relation {
                rel_type,
                last_seen,
                ..
            } = related.relation;
            (&*related.node.value, related.direction, rel_type, last_seen)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("192.0.2.7", Direction::Incoming, "reached", 30),
            ("maud", Direction::Incoming, "logged_into", 20),
            ("heron", Direction::Outgoing, "reached", 5),
        ]
    );
    assert!(!related.cut);
}

#[test]
fn who_was_never_seen_is_an_error() {
    let mut graph = house();
    let nobody = EntityId(77);
    let unknown = GraphError::UnknownEntity(nobody);
    assert_eq!(graph.neighbors(nobody, None, 1).unwrap_err(), unknown);
    assert_eq!(
        graph.shortest_path(nobody, EntityId(1)).unwrap_err(),
        unknown
    );
    assert_eq!(
        graph.shortest_path(EntityId(1), nobody).unwrap_err(),
        unknown
    );
    assert_eq!(graph.subgraph(nobody, 2).unwrap_err(), unknown);
    assert_eq!(graph.related(nobody).unwrap_err(), unknown);
    assert_eq!(graph.upsert(edge(1, "met", 77, 0)).unwrap_err(), unknown);
    assert_eq!(graph.edge_count(), 5);
    assert_eq!(
        unknown.to_string(),
        "entity 77 is not in the graph; it was never seen with another"
    );
    assert_eq!(graph.find(Uuid::from_u128(77)), None);
    assert_eq!(graph.find(Uuid::from_u128(5)).unwrap().value, "biscuit");
}

#[test]
fn a_node_is_one_entity_for_good() {
    let mut graph = house();
    graph.insert(node(1, EntityType::User, "maud")).unwrap();
    let other_value = node(1, EntityType::User, "mabel");
    let taken_uuid = Node {
        id: EntityId(70),
        ..node(1, EntityType::User, "maud")
    };
    for (contradiction, id) in [(other_value, 1), (taken_uuid, 70)] {
        let refused = graph.insert(contradiction).unwrap_err();
        assert_eq!(refused, GraphError::Contradiction(EntityId(id)));
    }
    assert_eq!(graph.node_count(), 6);
}

#[test]
fn relations_are_bounded() {
    let mut graph = house();
    for number in 0.. {
        let Err(refused) = graph.upsert(edge(1, &format!("r{number}"), 2, 0)) else {
            continue;
        };
        assert_eq!(refused, GraphError::Full("relations", RELATIONS_MAX));
        break;
    }
    assert_eq!(graph.edge_count(), 5 + RELATIONS_MAX - 4);
    graph.upsert(edge(2, "saw", 1, 0)).unwrap();
}

#[test]
fn a_hub_is_cut_to_its_newest_neighbours() {
    let most = NEIGHBORS_MAX as i64;
    let spokes = (2..=most + 1).map(|id| edge(1, "reached", id, id));
    let mut graph = EntityGraph::from_edges(hosts(most + 2), spokes).unwrap();
    let (walk, related) = (
        graph.neighbors(EntityId(1), None, 5),
        graph.related(EntityId(1)),
    );
    assert!(!walk.unwrap().cut && !related.unwrap().cut);

    graph.upsert(edge(most + 2, "reached", 1, 0)).unwrap();
    let walk = graph.neighbors(EntityId(1), None, 5).unwrap();
    assert!(walk.cut);
    assert_eq!(walk.nodes.len(), NEIGHBORS_MAX);
    assert_eq!(walk.nodes[0].node.id, EntityId(most + 1));
    assert!(walk.nodes.iter().all(|reached| reached.by.last_seen > 0));
    let related = graph.related(EntityId(1)).unwrap();
    assert!(related.cut);
    assert_eq!(related.list.len(), NEIGHBORS_MAX);

    let subgraph = graph.subgraph(EntityId(1), 1).unwrap();
    assert!(subgraph.cut);
    assert_eq!(subgraph.nodes.len(), SUBGRAPH_NODES_MAX);
    assert_eq!(subgraph.edges.len(), SUBGRAPH_NODES_MAX - 1);
}

#[test]
fn a_dense_subgraph_is_cut_to_edges_that_hold_it_together() {
    // A wheel of old spokes, and newer edges among the rim, too many to show.
    let count = 200;
    let spokes = (2..=count).map(|id| edge(1, "spoke", id, 0));
    let rim = (2..=count).flat_map(|a| (2..=count).map(move |b| edge(a, "rim", b, 1)));
    let graph = EntityGraph::from_edges(hosts(count), spokes.chain(rim)).unwrap();
    let subgraph = graph.subgraph(EntityId(1), 1).unwrap();
    assert!(subgraph.cut);
    assert_eq!(subgraph.nodes.len(), count as usize);
    assert_eq!(subgraph.edges.len(), SUBGRAPH_EDGES_MAX);
    let spokes = subgraph
        .edges
        .iter()
        .filter(|edge| edge.rel_type == "spoke");
    assert_eq!(spokes.count(), count as usize - 1);
}
