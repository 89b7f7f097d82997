//! What a batch says of entities, added up before it is written.

use foldhash::HashMap;
use uuid::Uuid;

use super::links::{self, block_of};
use crate::base::clock::UnixNanos;
use crate::event::Envelope;
use crate::event::entity::of_event::{for_each_entity, for_each_relation};
use crate::event::entity::{Entity, EntityType};
use crate::storage::{Session, StorageError, first};
use crate::values;

/// Most entities of one event; those behind them are not told. A line names at most 20, a
/// pattern 100 addresses.
pub(super) const ENTITIES_MAX: usize = 127;
/// Ids of one event: one more than its entities, for the person that others are merged into.
const IDS_PER_EVENT: i64 = ENTITIES_MAX as i64 + 1;

/// The id of an entity that an event is the first to name, as the `place`th of its entities.
pub(super) const fn new_id(position: i64, place: usize) -> i64 {
    position * IDS_PER_EVENT + place as i64
}

/// An index into [`Gathered::entities`].
type Index = u32;

#[derive(Default)]
pub(super) struct Gathered {
    /// Per type what a name, as it is written, stands for; nothing if it names no entity.
    names: [HashMap<Box<str>, Option<Index>>; EntityType::ALL.len()],
    by_uuid: HashMap<Uuid, Index>,
    entities: Vec<Known>,
    /// Block, entity, position.
    links: Vec<(i64, i64, i64)>,
    /// The times of each block; a batch touches few.
    blocks: Vec<(i64, Sum)>,
    edges: HashMap<(Index, Index, &'static str), Sum>,
    /// The entities of the event that is looked at.
    current: Vec<Index>,
}

struct Known {
    id: i64,
    /// What is to be inserted.
    new: Option<(Entity, Uuid)>,
    seen: Sum,
}

/// From when to when, and how often.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    pub(super) first: UnixNanos,
    pub(super) last: UnixNanos,
    count: i64,
}

impl Sum {
    const fn none(at: UnixNanos) -> Self {
        Self {
            first: at,
            last: at,
            count: 0,
        }
    }

    fn add(&mut self, at: UnixNanos) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.count += 1;
    }
}

impl Gathered {
    /// Adds what an event says.
    pub(super) fn add(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
    ) -> Result<(), StorageError> {
        self.current.clear();
        let mut outcome = Ok(());
        for_each_entity(event, &mut |kind, name| {
            if outcome.is_ok() {
                outcome = self.meet(session, event, kind, name).map(drop);
            }
        });
        for_each_relation(event, &mut |source, target, relation| {
            if outcome.is_ok() {
                outcome = self.connect(session, event, source, target, relation);
            }
        });
        outcome?;
        let at = event.occurred_at;
        let block = block_of(event.position);
        for &index in &self.current {
            let known = &mut self.entities[index as usize];
            known.seen.add(at);
            self.links.push((block, known.id, event.position));
        }
        // Of every event: whom an event named may be forgotten one day, and this must not tell.
        match self.blocks.last_mut().filter(|(last, _)| *last == block) {
            Some((_, times)) => times.add(at),
            None => self.blocks.push((block, Sum::none(at))),
        }
        Ok(())
    }

    /// The entity that an event names; none if the name is none of its type.
    fn meet(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
        kind: EntityType,
        name: &str,
    ) -> Result<Option<Index>, StorageError> {
        if self.current.len() == ENTITIES_MAX {
            return Ok(None);
        }
        let slot = usize::from(kind.code()) - 1;
        let index = if let Some(index) = self.names[slot].get(name) {
            *index
        } else {
            let index = self.find(session, event, kind, name)?;
            self.names[slot].insert(name.into(), index);
            index
        };
        if let Some(index) = index
            && !self.current.contains(&index)
        {
            self.current.push(index);
        }
        Ok(index)
    }

    fn find(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
        kind: EntityType,
        name: &str,
    ) -> Result<Option<Index>, StorageError> {
        let Ok(entity) = Entity::new(kind, name) else {
            return Ok(None);
        };
        let uuid = entity.uuid();
        if let Some(index) = self.by_uuid.get(&uuid) {
            return Ok(Some(*index));
        }
        let id = id_of(session, uuid)?;
        let index = self.entities.len() as Index;
        self.entities.push(Known {
            id: id.unwrap_or_else(|| new_id(event.position, self.current.len())),
            new: id.is_none().then_some((entity, uuid)),
            seen: Sum::none(event.occurred_at),
        });
        self.by_uuid.insert(uuid, index);
        Ok(Some(index))
    }

    fn connect(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
        source: (EntityType, &str),
        target: (EntityType, &str),
        relation: &'static str,
    ) -> Result<(), StorageError> {
        let source = self.meet(session, event, source.0, source.1)?;
        let target = self.meet(session, event, target.0, target.1)?;
        if let (Some(source), Some(target)) = (source, target) {
            let at = event.occurred_at;
            let sum = self.edges.entry((source, target, relation));
            sum.or_insert(Sum::none(at)).add(at);
        }
        Ok(())
    }

    /// Writes it all.
    pub(super) fn store(self, session: &mut dyn Session) -> Result<(), StorageError> {
        let Self {
            entities,
            links,
            blocks,
            edges,
            ..
        } = self;
        for Known { id, new, seen } in &entities {
            match new {
                Some((entity, uuid)) => session.write(
                    "INSERT INTO entities (id, uuid, type, value, first_seen, last_seen, \
                     event_count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    values![
                        *id,
                        uuid.as_bytes().as_slice(),
                        i64::from(entity.kind().code()),
                        entity.value(),
                        seen.first,
                        seen.last,
                        seen.count
                    ],
                )?,
                None => session.write(
                    "UPDATE entities SET first_seen = min(first_seen, ?2), \
                     last_seen = max(last_seen, ?3), event_count = event_count + ?4 \
                     WHERE id = ?1",
                    values![*id, seen.first, seen.last, seen.count],
                )?,
            }
        }
        links::store(session, &blocks, links)?;
        let id = |index: Index| entities[index as usize].id;
        let edges = edges.into_iter();
        let mut edges: Vec<_> = edges
            .map(|((source, target, relation), sum)| (id(source), id(target), relation, sum))
            .collect();
        edges.sort_unstable_by_key(|(source, target, relation, _)| (*source, *target, *relation));
        for (source, target, relation, sum) in edges {
            session.write(
                "INSERT INTO graph_edges (source, target, rel_type, first_seen, last_seen, \
                 event_count) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (source, target, rel_type) DO UPDATE SET \
                 first_seen = min(graph_edges.first_seen, excluded.first_seen), \
                 last_seen = max(graph_edges.last_seen, excluded.last_seen), \
                 event_count = graph_edges.event_count + excluded.event_count",
                values![source, target, relation, sum.first, sum.last, sum.count],
            )?;
        }
        Ok(())
    }
}

/// The id of a known entity.
pub(super) fn id_of(session: &mut dyn Session, uuid: Uuid) -> Result<Option<i64>, StorageError> {
    first(
        session,
        "SELECT id FROM entities WHERE uuid = ?1",
        values![uuid.as_bytes().as_slice()],
        |row| row.int(0),
    )
}
