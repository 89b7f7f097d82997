//! Which events name an entity: written by blocks of the log, read from the newest event back.
//!
//! A row per event and entity would be two thirds of all pages that a batch of lines touches, as every
//! entity has its own end of the table. A block's rows lie side by side, and hold a few bytes per
//! link. What it costs: the order of time is made when links are read. Blocks are taken by their
//! latest event; what lies in one is told once no block that is left can hold anything later.

use std::collections::BinaryHeap;
use std::fmt::Write as _;

use super::gathered::{Sum, id_of};
use crate::base::clock::UnixNanos;
use crate::event::entity::{Entity, EntityType};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// Positions of a block. The statements and the view name it as well.
const BLOCK: i64 = 1_024;

/// The block of a position.
pub(super) const fn block_of(position: i64) -> i64 {
    position / BLOCK
}

/// Adds links, each a block, an entity and a position behind all that are stored, and the times of
/// the blocks.
pub(super) fn store(
    session: &mut dyn Session,
    blocks: &[(i64, Sum)],
    mut links: Vec<(i64, i64, i64)>,
) -> Result<(), StorageError> {
    for (block, times) in blocks {
        session.write(
            "INSERT INTO entity_blocks (block, first_ns, last_ns) VALUES (?1, ?2, ?3) \
             ON CONFLICT (block) DO UPDATE SET \
             first_ns = min(entity_blocks.first_ns, excluded.first_ns), \
             last_ns = max(entity_blocks.last_ns, excluded.last_ns)",
            values![*block, times.first, times.last],
        )?;
    }
    links.sort_unstable();
    let mut list = String::new();
    for of_one in links.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
        let (block, entity, _) = of_one[0];
        write_list(&mut list, of_one.iter().map(|link| link.2));
        session.write(
            "INSERT INTO entity_events (block, entity, positions) VALUES (?1, ?2, ?3) \
             ON CONFLICT (block, entity) DO UPDATE SET \
             positions = entity_events.positions || ',' || excluded.positions",
            values![block, entity, &list],
        )?;
    }
    Ok(())
}

fn write_list(list: &mut String, positions: impl Iterator<Item = i64>) {
    list.clear();
    for position in positions {
        let comma = if list.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(list, "{comma}{}", position % BLOCK);
    }
}

fn read_list(block: i64, list: &str) -> Result<Vec<i64>, StorageError> {
    let offset = |offset: &str| offset.parse().map(|offset: i64| block * BLOCK + offset);
    let positions: Result<_, _> = list.split(',').map(offset).collect();
    positions.map_err(|_| StorageError::Unreadable(format!("the links of block {block}: {list}")))
}

/// Deletes the links of an entity.
pub(super) fn delete(session: &mut dyn Session, entity: i64) -> Result<(), StorageError> {
    session.write(
        "DELETE FROM entity_events WHERE entity = ?1 AND block IN (SELECT block FROM entity_blocks)",
        values![entity],
    )
}

/// Adds the links of one entity to those of another; those of both are there once.
pub(super) fn merge(session: &mut dyn Session, from: i64, into: i64) -> Result<(), StorageError> {
    let rows = all(
        session,
        "SELECT b.block, f.positions, i.positions FROM entity_blocks b \
         CROSS JOIN entity_events f ON f.block = b.block AND f.entity = ?1 \
         LEFT JOIN entity_events i ON i.block = b.block AND i.entity = ?2",
        values![from, into],
        |row| {
            let block = row.int(0)?;
            let mut positions = read_list(block, row.text(1)?)?;
            if let Some(others) = row.opt_text(2)? {
                positions.extend(read_list(block, others)?);
            }
            Ok((block, positions))
        },
    )?;
    let mut list = String::new();
    for (block, mut positions) in rows {
        positions.sort_unstable();
        positions.dedup();
        write_list(&mut list, positions.into_iter());
        session.write(
            "INSERT INTO entity_events (block, entity, positions) VALUES (?1, ?2, ?3) \
             ON CONFLICT (block, entity) DO UPDATE SET positions = excluded.positions",
            values![block, into, &list],
        )?;
    }
    Ok(())
}

/// An event that names the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// When it was.
    pub at: UnixNanos,
    /// Its position.
    pub position: i64,
}

/// Their positions as a JSON array, as statements take them.
pub fn positions_of(links: &[Link]) -> String {
    let mut list = String::from("[");
    for link in links {
        let comma = if list.len() == 1 { "" } else { "," };
        let _ = write!(list, "{comma}{}", link.position);
    }
    list.push(']');
    list
}

/// The number of an entity by its name, whichever way it is written.
pub fn id_of_named(
    session: &mut dyn Session,
    kind: EntityType,
    name: &str,
) -> Result<Option<i64>, StorageError> {
    let Ok(entity) = Entity::new(kind, name) else {
        return Ok(None);
    };
    id_of(session, entity.uuid())
}

/// A block that names an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub block: i64,
    /// Its latest event.
    pub last_at: UnixNanos,
    /// How long its list is, bytes: about four for each event.
    pub list_bytes: i64,
}

/// The blocks that name an entity and reach into a range of time, those that end last first.
#[derive(Debug)]
pub struct Blocks {
    entity: i64,
    since: UnixNanos,
    until: UnixNanos,
    /// Time and number of the last one that was told.
    told: (UnixNanos, i64),
}

impl Blocks {
    /// Those of `entities.id`, within a range of time (both inclusive).
    pub const fn of(entity: i64, since: UnixNanos, until: UnixNanos) -> Self {
        Self {
            entity,
            since,
            until,
            told: (UnixNanos::MAX, i64::MAX),
        }
    }

    /// The next.
    pub fn next(&mut self, session: &mut dyn Session) -> Result<Option<Block>, StorageError> {
        let (at, block) = self.told;
        let found = first(
            session,
            BLOCK_BEHIND,
            values![self.entity, at, block, self.since, self.until],
            |row| {
                Ok(Block {
                    block: row.int(0)?,
                    last_at: row.int(1)?,
                    list_bytes: row.int(2)?,
                })
            },
        )?;
        if let Some(found) = found {
            self.told = (found.last_at, found.block);
        }
        Ok(found)
    }
}

/// The events that name an entity within a range of time, the newest first; of one time the higher
/// position first.
#[derive(Debug)]
pub struct Links {
    blocks: Blocks,
    ahead: Ahead,
    /// Links at and above it are not told.
    before: Link,
    /// What was read and is not told yet.
    read: BinaryHeap<Link>,
}

/// The block that is to be read next.
#[derive(Clone, Copy, Debug)]
enum Ahead {
    Unknown,
    Found(Block),
    Nothing,
}

impl Links {
    /// Those of `entities.id`, from a time on, before a link.
    pub const fn of(entity: i64, since: UnixNanos, before: Link) -> Self {
        Self {
            blocks: Blocks::of(entity, since, before.at),
            ahead: Ahead::Unknown,
            before,
            read: BinaryHeap::new(),
        }
    }

    /// Those of an entity by its name, whichever way it is written; none of one that no event names.
    pub fn of_named(
        session: &mut dyn Session,
        kind: EntityType,
        name: &str,
        since: UnixNanos,
        before: Link,
    ) -> Result<Option<Self>, StorageError> {
        let id = id_of_named(session, kind, name)?;
        Ok(id.map(|id| Self::of(id, since, before)))
    }

    /// The next `most`; fewer only when there are no more.
    pub fn next(
        &mut self,
        session: &mut dyn Session,
        most: usize,
    ) -> Result<Vec<Link>, StorageError> {
        let mut told = Vec::new();
        while told.len() < most {
            match self.ahead {
                Ahead::Unknown => {
                    let found = self.blocks.next(session)?;
                    self.ahead = found.map_or(Ahead::Nothing, Ahead::Found);
                }
                // Whatever is later than all of it comes first.
                Ahead::Found(block) => match self.read.peek() {
                    Some(link) if link.at > block.last_at => told.extend(self.read.pop()),
                    _ => {
                        self.read(session, block.block)?;
                        self.ahead = Ahead::Unknown;
                    }
                },
                Ahead::Nothing => match self.read.pop() {
                    Some(link) => told.push(link),
                    None => break,
                },
            }
        }
        Ok(told)
    }

    fn read(&mut self, session: &mut dyn Session, block: i64) -> Result<(), StorageError> {
        let links = all(session, LINKS, values![self.blocks.entity, block], |row| {
            Ok(Link {
                at: row.int(0)?,
                position: row.int(1)?,
            })
        })?;
        let (since, before) = (self.blocks.since, self.before);
        let is_wanted = |link: &Link| link.at >= since && *link < before;
        self.read.extend(links.into_iter().filter(is_wanted));
        Ok(())
    }
}

/// The block that ends last before the one at `?2 ?3`, of those that name `?1` within `?4 ?5`.
const BLOCK_BEHIND: &str = "SELECT b.block, b.last_ns, length(v.positions) FROM entity_blocks b \
     CROSS JOIN entity_events v ON v.block = b.block AND v.entity = ?1 \
     WHERE (b.last_ns, b.block) < (?2, ?3) AND b.last_ns >= ?4 AND b.first_ns <= ?5 \
     ORDER BY b.last_ns DESC, b.block DESC LIMIT 1";
/// The events of the block `?2` that name `?1`.
const LINKS: &str = "SELECT e.occurred_at, e.position FROM entity_events v \
     CROSS JOIN json_each('[' || v.positions || ']') p \
     CROSS JOIN event_log e ON e.position = v.block * 1024 + CAST (p.value AS INTEGER) \
     WHERE v.block = ?2 AND v.entity = ?1";

/// Every statement that reads.
pub const STATEMENTS: &[&str] = &[BLOCK_BEHIND, LINKS];
