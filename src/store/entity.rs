//! Entities: who is known, what happened to one, and who is related to whom.

use thiserror::Error;
use uuid::Uuid;

use super::graph::{Direction, EntityId, GraphError, Node};
use super::graph_store::{self, GraphStoreError};
use crate::base::clock::UnixNanos;
use crate::event::entity::{Entity, EntityType};
use crate::event::sentence::sentence;
use crate::event_log::read::EventReader;
use crate::read_model::entities::links::{Link, Links, positions_of};
use crate::storage::sqlite::Database;
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

/// Most events of one timeline.
pub const TIMELINE_MAX: usize = 10_000;
/// Most bytes of words in one timeline.
const TIMELINE_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Most events that are looked at for those that a filter leaves: about five seconds.
const LOOKED_AT_MAX: usize = 1_000_000;
/// Events that are looked at by one query.
const STEP: usize = 4_096;

/// Why a question about an entity has no answer.
#[derive(Debug, Error)]
pub enum EntityStoreError {
    /// No such entity.
    #[error(
        "entity {0} is not known: no event names it, or those that did were too long ago; \
         `nightjar query entities` lists all"
    )]
    Unknown(Uuid),
    /// A range that ends before it begins.
    #[error("the time range ends before it begins; swap its ends")]
    EmptyRange,
    /// A severity that there is not.
    #[error("severity {0} is not one of 0 to 6")]
    Severity(i64),
    /// Trouble with the database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Trouble with the graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl From<GraphStoreError> for EntityStoreError {
    fn from(error: GraphStoreError) -> Self {
        match error {
            GraphStoreError::Unknown(uuid) => Self::Unknown(uuid),
            GraphStoreError::Graph(error) => Self::Graph(error),
            GraphStoreError::Storage(error) => Self::Storage(error),
        }
    }
}

/// An entity that events named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEntity {
    /// Number, uuid, type and canonical value.
    pub node: Node,
    /// When it was first seen.
    pub first_seen: UnixNanos,
    /// When it was last seen.
    pub last_seen: UnixNanos,
    /// How many events named it.
    pub event_count: i64,
}

/// Which events of an entity.
#[derive(Clone, Copy, Debug)]
pub struct TimelineQuery<'q> {
    /// From this time on.
    pub since: UnixNanos,
    /// Up to and with this time.
    pub until: UnixNanos,
    /// Of this type of source: `log`, `camera`, `sensor`, …
    pub source_type: Option<&'q str>,
    /// So severe (0 to 6) or more. Log levels are 0, 1, 3, 4 and 5; what is neither a line nor a
    /// moment is 1.
    pub severity_min: Option<i64>,
    /// So many, at most [`TIMELINE_MAX`].
    pub limit: usize,
}

impl Default for TimelineQuery<'_> {
    fn default() -> Self {
        Self {
            since: i64::MIN,
            until: i64::MAX,
            source_type: None,
            severity_min: None,
            limit: TIMELINE_MAX,
        }
    }
}

/// An event of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEvent {
    /// When it happened.
    pub at: UnixNanos,
    /// Its position.
    pub position: i64,
    /// Its kind: `log.written`, …
    pub kind: String,
    /// The type of its source.
    pub source_type: String,
    /// The rest of its source.
    pub source_id: String,
    /// 0 to 6.
    pub severity: i64,
    /// The line itself, or the event in words.
    pub message: String,
}

/// What happened to an entity: the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The events; when there are more than were asked for, the newest of them.
    pub events: Vec<TimelineEvent>,
    /// Whether there are, or may be, older ones.
    pub cut: bool,
}

/// Another entity, and what relates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedEntity {
    /// The other one.
    pub node: Node,
    /// What relates them.
    pub rel_type: String,
    /// Which way.
    pub direction: Direction,
    /// The earliest time.
    pub first_seen: UnixNanos,
    /// The latest time.
    pub last_seen: UnixNanos,
    /// How often.
    pub count: u64,
}

/// Timelines and relations of entities.
pub trait EntityStore {
    /// The entity of this uuid.
    fn get(&mut self, uuid: Uuid) -> Result<Option<KnownEntity>, EntityStoreError>;

    /// Every entity that `value` names, however it is written: of one type, or of each.
    fn named(
        &mut self,
        value: &str,
        kind: Option<EntityType>,
    ) -> Result<Vec<KnownEntity>, EntityStoreError>;

    /// What happened to an entity.
    fn get_timeline(
        &mut self,
        uuid: Uuid,
        query: &TimelineQuery<'_>,
    ) -> Result<Timeline, EntityStoreError>;

    /// The entities one hop away in the graph, the newest first, and whether there are more than
    /// 10,000.
    fn get_related(&mut self, uuid: Uuid) -> Result<(Vec<RelatedEntity>, bool), EntityStoreError>;
}

/// The store over a connection that reads.
#[derive(Debug)]
pub struct SqlEntityStore {
    database: Database,
}

impl SqlEntityStore {
    /// Over this connection.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

impl EntityStore for SqlEntityStore {
    fn get(&mut self, uuid: Uuid) -> Result<Option<KnownEntity>, EntityStoreError> {
        Ok(by_uuid(&mut self.database.snapshot()?, uuid)?)
    }

    fn named(
        &mut self,
        value: &str,
        kind: Option<EntityType>,
    ) -> Result<Vec<KnownEntity>, EntityStoreError> {
        let mut session = self.database.snapshot()?;
        let mut found = Vec::new();
        for &one in EntityType::ALL {
            if kind.is_none_or(|kind| kind == one)
                && let Ok(entity) = Entity::new(one, value)
            {
                found.extend(by_uuid(&mut session, entity.uuid())?);
            }
        }
        Ok(found)
    }

    fn get_timeline(
        &mut self,
        uuid: Uuid,
        query: &TimelineQuery<'_>,
    ) -> Result<Timeline, EntityStoreError> {
        if query.since > query.until {
            return Err(EntityStoreError::EmptyRange);
        }
        if let Some(least) = query.severity_min.filter(|least| !(0..=6).contains(least)) {
            return Err(EntityStoreError::Severity(least));
        }
        let mut session = self.database.snapshot()?;
        let known = by_uuid(&mut session, uuid)?.ok_or(EntityStoreError::Unknown(uuid))?;
        Ok(timeline(&mut session, known.node.id, query)?)
    }

    fn get_related(&mut self, uuid: Uuid) -> Result<(Vec<RelatedEntity>, bool), EntityStoreError> {
        let mut session = self.database.snapshot()?;
        let known = by_uuid(&mut session, uuid)?.ok_or(EntityStoreError::Unknown(uuid))?;
        let graph = graph_store::around(&mut session, &known.node)?;
        let related = graph.related(known.node.id)?;
        let list = related.list.iter().map(|one| RelatedEntity {
            node: one.node.clone(),
            rel_type: one.relation.rel_type.to_owned(),
            direction: one.direction,
            first_seen: one.relation.first_seen,
            last_seen: one.relation.last_seen,
            count: one.relation.count,
        });
        Ok((list.collect(), related.cut))
    }
}

/// An entity as four columns: id, uuid, type, value.
pub(super) fn node(row: &dyn Row, from: usize) -> Result<Node, StorageError> {
    let unreadable = |what: &str| StorageError::Unreadable(format!("entity with {what}"));
    let code = u8::try_from(row.int(from + 2)?).ok();
    Ok(Node {
        id: EntityId(row.int(from)?),
        uuid: Uuid::from_slice(row.blob(from + 1)?).map_err(|_| unreadable("no uuid"))?,
        kind: code
            .and_then(EntityType::from_code)
            .ok_or_else(|| unreadable("a type that this program does not know"))?,
        value: row.text(from + 3)?.to_owned(),
    })
}

pub(super) fn by_uuid(
    session: &mut dyn Session,
    uuid: Uuid,
) -> Result<Option<KnownEntity>, StorageError> {
    first(
        session,
        "SELECT id, uuid, type, value, first_seen, last_seen, event_count FROM entities \
         WHERE uuid = ?1",
        values![uuid.as_bytes().as_slice()],
        |row| {
            Ok(KnownEntity {
                node: node(row, 0)?,
                first_seen: row.int(4)?,
                last_seen: row.int(5)?,
                event_count: row.int(6)?,
            })
        },
    )
}

/// What is known of an event without its words, and the words if they stand in a column.
struct Found {
    event: TimelineEvent,
    has_words: bool,
}

fn found(row: &dyn Row) -> Result<Found, StorageError> {
    let source = row.text(3)?;
    let (source_type, source_id) = source.split_once('/').unwrap_or((source, ""));
    let words = row.opt_text(5)?;
    Ok(Found {
        event: TimelineEvent {
            at: row.int(0)?,
            position: row.int(1)?,
            kind: row.text(2)?.to_owned(),
            source_type: source_type.to_owned(),
            source_id: source_id.to_owned(),
            severity: row.int(4)?,
            message: words.unwrap_or_default().to_owned(),
        },
        has_words: words.is_some(),
    })
}

/// The events at the positions `?1`, a JSON array; the newest first.
const EVENTS_AT: &str = "SELECT e.occurred_at, e.position, k.name, s.name, \
     coalesce(v.severity_id, CASE l.level WHEN 0 THEN 0 WHEN 1 THEN 1 WHEN 2 THEN 3 \
     WHEN 3 THEN 4 WHEN 4 THEN 5 END, 1), \
     coalesce(v.message, CASE WHEN l.position IS NOT NULL THEN e.text END) \
     FROM json_each(?1) p CROSS JOIN event_log e ON e.position = CAST (p.value AS INTEGER) \
     CROSS JOIN names k ON k.id = e.kind CROSS JOIN names s ON s.id = e.source \
     LEFT JOIN events v ON v.position = e.position \
     LEFT JOIN log_lines l ON l.position = e.position \
     ORDER BY e.occurred_at DESC, e.position DESC";

fn timeline(
    session: &mut dyn Session,
    entity: EntityId,
    query: &TimelineQuery<'_>,
) -> Result<Timeline, StorageError> {
    let limit = query.limit.min(TIMELINE_MAX);
    let is_wanted = |event: &TimelineEvent| {
        query.source_type.is_none_or(|of| of == event.source_type)
            && query
                .severity_min
                .is_none_or(|least| event.severity >= least)
    };
    let filters = query.source_type.is_some() || query.severity_min.is_some();
    let step = if filters { STEP } else { STEP.min(limit + 1) };
    let mut reader = EventReader::new();
    let mut timeline = Timeline::default();
    let until = Link {
        at: query.until,
        position: i64::MAX,
    };
    let mut links = Links::of(entity.0, query.since, until);
    let (mut bytes, mut looked_at) = (0, 0);
    // From the newest back, so that the limit keeps those.
    while !timeline.cut {
        let step_links = links.next(session, step)?;
        let is_last = step_links.len() < step;
        looked_at += step_links.len();
        let positions = positions_of(&step_links);
        let rows = all(session, EVENTS_AT, values![&positions], found)?;
        for Found {
            mut event,
            has_words,
        } in rows.into_iter().filter(|row| is_wanted(&row.event))
        {
            if timeline.events.len() == limit || bytes >= TIMELINE_MAX_BYTES {
                timeline.cut = true;
                break;
            }
            if !has_words && let Some(envelope) = reader.at(session, event.position)? {
                event.message = sentence(&envelope);
            }
            bytes += event.message.len();
            timeline.events.push(event);
        }
        if is_last {
            break;
        }
        timeline.cut |= looked_at >= LOOKED_AT_MAX;
    }
    timeline.events.reverse();
    Ok(timeline)
}
