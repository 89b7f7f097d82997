//! Entities: who and what events name, which events those are, and what connects them.
//!
//! Which entities an event names, `event::entity` knows; the fold finds each by its uuid, once per
//! batch, and adds up what is to be counted before it writes. It runs for every event there is, and
//! every log line names three.
//!
//! - An id is made of the position of the event that named the entity first and its place among
//!   that event's entities. Counted ids would move when a person is forgotten, and with them those
//!   of all who came later.
//! - Strangers choose the names that they try and the addresses that they come from. Beyond
//!   [`Bounds`] those that were seen last the longest ago go, with their edges; their links name
//!   nobody from then on, and go with their block. Whether
//!   there are too many is looked at by the position of the log, so that a rebuild lets the same
//!   go. What only the house can name, cameras and persons say, neither counts nor goes.
//! - A retained snapshot names nobody.

mod gathered;
pub mod links;
mod persons;

use self::gathered::Gathered;
use super::view::columns;
use super::{Projection, View, table};
use crate::event::entity::of_event::SAW;
use crate::event::{Envelope, Event};
use crate::storage::{Session, StorageError, first};
use crate::values;

// Those of the house (cameras, sensors, pets, persons) stay: they are few, and what connects them to a
// person goes when the person is forgotten, which must not have kept them.
pub(super) const PROJECTION: Projection = Projection {
    name: "entities",
    version: 1,
    tables: &[
        table!(
            "entities" by "id",
            aging by "last_seen"
            if "type <= 6 \
                AND NOT EXISTS (SELECT 1 FROM graph_edges WHERE source = entities.id) \
                AND NOT EXISTS (SELECT 1 FROM graph_edges WHERE target = entities.id)" for 30
        ),
        table!("entity_blocks" by "block", aging by "last_ns" for 30),
        table!("entity_events" by "block, entity"),
        table!("graph_edges" by "source, target, rel_type", aging by "last_seen" for 365),
    ],
    kinds: None,
    fold,
};

/// How many entities and edges there may be of the sorts that strangers can bring about.
#[derive(Clone, Copy)]
struct Bounds {
    /// Entities of the types that lines of text name.
    entities: i64,
    /// They are counted at every so manieth event. An event names at most
    /// [`gathered::ENTITIES_MAX`], a line 20.
    entities_every: i64,
    /// Edges but for those of what cameras saw.
    edges: i64,
    /// They are counted at every so manieth event: more seldom, for there may be more of them.
    edges_every: i64,
}

/// What `store::graph` can hold, with room for what comes between two looks. Counting this much
/// takes 1 ms and 20 ms: 2 % of the time in which so many lines are folded.
const BOUNDS: Bounds = Bounds {
    entities: 200_000,
    entities_every: 2_048,
    edges: 1_000_000,
    edges_every: 32_768,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    fold_within(session, batch, BOUNDS)
}

fn fold_within(
    session: &mut dyn Session,
    batch: &[Envelope],
    bounds: Bounds,
) -> Result<(), StorageError> {
    let mut gathered = Gathered::default();
    for event in batch {
        gathered.add(session, event)?;
        match &event.event {
            Event::PersonForgotten(gone) => {
                std::mem::take(&mut gathered).store(session)?;
                persons::forget(session, gone.profile)?;
            }
            Event::FaceProfilesMerged(merged) if merged.from != merged.into => {
                std::mem::take(&mut gathered).store(session)?;
                persons::merge(session, event, merged)?;
            }
            _ => {}
        }
        if event.position % bounds.entities_every == 0 {
            std::mem::take(&mut gathered).store(session)?;
            bound_entities(session, bounds.entities)?;
        }
        if event.position % bounds.edges_every == 0 {
            std::mem::take(&mut gathered).store(session)?;
            bound_edges(session, bounds.edges)?;
        }
    }
    gathered.store(session)
}

/// The entities that are too many, those seen last the longest ago; of the types up to domains.
macro_rules! surplus {
    ($what:literal) => {
        concat!(
            $what,
            " IN (SELECT id FROM entities WHERE type <= 6 \
             ORDER BY last_seen, type, id LIMIT ?1)"
        )
    };
}

fn bound_entities(session: &mut dyn Session, most: i64) -> Result<(), StorageError> {
    let count = first(
        session,
        "SELECT count(*) FROM entities WHERE type <= 6",
        &[],
        |row| row.int(0),
    )?;
    let surplus = count.unwrap_or(0) - most;
    if surplus > 0 {
        for sql in [
            surplus!("DELETE FROM graph_edges WHERE source"),
            surplus!("DELETE FROM graph_edges WHERE target"),
            surplus!("DELETE FROM entities WHERE id"),
        ] {
            session.write(sql, values![surplus])?;
        }
    }
    Ok(())
}

fn bound_edges(session: &mut dyn Session, most: i64) -> Result<(), StorageError> {
    let count = first(
        session,
        "SELECT count(*) FROM graph_edges WHERE rel_type <> ?1",
        values![SAW],
        |row| row.int(0),
    )?;
    let surplus = count.unwrap_or(0) - most;
    if surplus > 0 {
        session.write(
            "DELETE FROM graph_edges WHERE (source, target, rel_type) IN \
             (SELECT source, target, rel_type FROM graph_edges WHERE rel_type <> ?1 \
             ORDER BY last_seen, source, target, rel_type LIMIT ?2)",
            values![SAW, surplus],
        )?;
    }
    Ok(())
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "entities",
        about: "users, addresses, hosts, … that events named, by when they were last seen",
        columns: columns![
            "last_seen" Time, "type" Text, "value" Text, "event_count" Number, "first_seen" Time,
            "uuid" Text
        ],
        sql: "SELECT last_seen, type, value, event_count, first_seen, uuid FROM entity_names \
              WHERE last_seen >= ?1 AND last_seen < ?2 \
              ORDER BY last_seen DESC, type_id DESC, id DESC LIMIT ?3",
    },
    View {
        name: "entity_events",
        about: "how often blocks of the log name which entity; `entity VALUE --timeline` tells more",
        columns: columns![
            "until" Time, "type" Text, "value" Text, "events" Number, "since" Time,
            "first_position" Number, "uuid" Text
        ],
        sql: "SELECT b.last_ns, n.type, n.value, \
              length(v.positions) - length(replace(v.positions, ',', '')) + 1, b.first_ns, \
              b.block * 1024, n.uuid FROM entity_blocks b \
              CROSS JOIN entity_events v ON v.block = b.block \
              CROSS JOIN entity_names n ON n.id = v.entity \
              WHERE b.last_ns >= ?1 AND b.last_ns < ?2 \
              ORDER BY b.last_ns DESC, b.block DESC, v.entity DESC LIMIT ?3",
    },
    View {
        name: "graph_edges",
        about: "what connects two entities, by when it last did",
        columns: columns![
            "last_seen" Time, "source_type" Text, "source" Text, "rel_type" Text,
            "target_type" Text, "target" Text, "event_count" Number, "first_seen" Time
        ],
        sql: "SELECT g.last_seen, s.type, s.value, g.rel_type, t.type, t.value, g.event_count, \
              g.first_seen FROM graph_edges g CROSS JOIN entity_names s ON s.id = g.source \
              CROSS JOIN entity_names t ON t.id = g.target \
              WHERE g.last_seen >= ?1 AND g.last_seen < ?2 \
              ORDER BY g.last_seen DESC, g.source DESC, g.target DESC, g.rel_type DESC LIMIT ?3",
    },
];

#[cfg(test)]
mod tests;
