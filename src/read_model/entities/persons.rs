//! Persons who are forgotten, and two profiles that turn out to be one person.
//!
//! The events of a forgotten person name nobody any more, so that a rebuild never meets them; a
//! merge of somebody whom nothing names is then none.

use super::gathered::{ENTITIES_MAX, id_of, new_id};
use super::links;
use crate::event::Envelope;
use crate::event::entity::{Entity, EntityType};
use crate::event::people::ProfilesMerged;
use crate::storage::{Session, StorageError};
use crate::values;

/// The edges of one, as those of another.
macro_rules! moved {
    ($ends:literal, $of:literal) => {
        concat!(
            "INSERT INTO graph_edges (source, target, rel_type, first_seen, last_seen, \
             event_count) SELECT ",
            $ends,
            ", rel_type, first_seen, last_seen, event_count FROM graph_edges WHERE ",
            $of,
            " ON CONFLICT (source, target, rel_type) DO UPDATE SET \
             first_seen = min(graph_edges.first_seen, excluded.first_seen), \
             last_seen = max(graph_edges.last_seen, excluded.last_seen), \
             event_count = graph_edges.event_count + excluded.event_count"
        )
    };
}

/// Deletes a person with links and edges.
pub(super) fn forget(session: &mut dyn Session, profile: i64) -> Result<(), StorageError> {
    let Some(person) = person(profile) else {
        return Ok(());
    };
    match id_of(session, person.uuid())? {
        Some(id) => delete(session, id),
        None => Ok(()),
    }
}

fn person(profile: i64) -> Option<Entity> {
    Entity::new(EntityType::Person, &profile.to_string()).ok()
}

fn delete(session: &mut dyn Session, id: i64) -> Result<(), StorageError> {
    links::delete(session, id)?;
    for sql in [
        "DELETE FROM graph_edges WHERE source = ?1",
        "DELETE FROM graph_edges WHERE target = ?1",
        "DELETE FROM entities WHERE id = ?1",
    ] {
        session.write(sql, values![id])?;
    }
    Ok(())
}

/// Adds links, edges and counts of the one to the other.
pub(super) fn merge(
    session: &mut dyn Session,
    event: &Envelope,
    merged: &ProfilesMerged,
) -> Result<(), StorageError> {
    let (Some(from), Some(into)) = (person(merged.from), person(merged.into)) else {
        return Ok(());
    };
    let Some(from) = id_of(session, from.uuid())? else {
        return Ok(());
    };
    // Who stays may have been out of sight for so long that it was let go.
    let stays = match id_of(session, into.uuid())? {
        Some(id) => id,
        None => new_id(event.position, ENTITIES_MAX),
    };
    session.write(
        "INSERT INTO entities (id, uuid, type, value, first_seen, last_seen, event_count) \
         SELECT ?2, ?3, type, ?4, first_seen, last_seen, event_count FROM entities WHERE id = ?1 \
         ON CONFLICT (id) DO UPDATE SET \
         first_seen = min(entities.first_seen, excluded.first_seen), \
         last_seen = max(entities.last_seen, excluded.last_seen), \
         event_count = entities.event_count + excluded.event_count",
        values![from, stays, into.uuid().as_bytes().as_slice(), into.value()],
    )?;
    links::merge(session, from, stays)?;
    for sql in [
        moved!("?2, target", "source = ?1"),
        moved!("source, ?2", "target = ?1"),
    ] {
        session.write(sql, values![from, stays])?;
    }
    delete(session, from)
}
