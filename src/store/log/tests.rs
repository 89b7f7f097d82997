//! The log store against a list of rows that is filtered and sorted by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

mod queries;
mod searches;
mod writing;

use super::page::{self, Bounds};
use super::*;
use crate::event::entity::{Entity, EntityType};
use crate::storage::sqlite::{Durability, Options};
use crate::storage::{Session as _, all, first, migrate};
use crate::values;

/// A database whose tables are filled by hand.
struct Shelf {
    database: Database,
    _folder: tempfile::TempDir,
    head: i64,
}

/// A row, as a test makes it.
#[derive(Clone, Debug)]
struct Made {
    at: i64,
    /// Level of a line, severity of a moment.
    level: i64,
    source: String,
    /// Of a line; none makes a moment.
    line: bool,
    template: Option<i64>,
    entity: Option<i64>,
    text: String,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            at: 0,
            level: 1,
            source: "log/heron/sshd".into(),
            line: true,
            template: None,
            entity: None,
            text: "Failed password for root".into(),
        }
    }
}

fn entity(number: i64) -> Uuid {
    let name = format!("user{number}");
    Entity::new(EntityType::User, &name).unwrap().uuid()
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            durability: Durability::Scratch,
            ..Options::default()
        };
        let path = folder.path().join("nightjar.db");
        let mut database = Database::open_writer(&path, options).unwrap();
        migrate::migrate(&mut database, migrate::SQLITE, 0).unwrap();
        let mut session = database.begin().unwrap();
        for number in 1..=3 {
            let uuid = entity(number).into_bytes();
            session
                .write(
                    "INSERT INTO entities (id, uuid, type, value, first_seen, last_seen, event_count) \
                     VALUES (?1, ?2, 1, 'user', 0, 0, 1)",
                    values![number, &uuid[..]],
                )
                .unwrap();
        }
        session.commit().unwrap();
        Self {
            database,
            _folder: folder,
            head: 0,
        }
    }

    fn with(rows: &[Made]) -> Self {
        let mut shelf = Self::new();
        for row in rows {
            shelf.add(row);
        }
        shelf
    }

    /// Stores a row; what the store is to tell of it.
    fn add(&mut self, made: &Made) -> StoredEvent {
        self.head += 1;
        let position = self.head;
        let mut session = self.database.begin().unwrap();
        session
            .write(
                "INSERT INTO names (name) VALUES (?1) ON CONFLICT DO NOTHING",
                values![&made.source],
            )
            .unwrap();
        let name = "SELECT id FROM names WHERE name = ?1";
        let source = first(&mut session, name, values![&made.source], |row| row.int(0));
        let source = source.unwrap().unwrap();
        let text = made.line.then_some(&*made.text);
        session
            .write(
                "INSERT INTO event_log (position, kind, version, occurred_at, received_at, stream, \
                 source, flags, text, body) VALUES (?1, 1, 1, ?2, ?2, ?3, ?3, 0, ?4, x'')",
                values![position, made.at, source, text],
            )
            .unwrap();
        let (kind, id) = made.source.split_once('/').unwrap();
        if made.line {
            session
                .write(
                    "INSERT INTO log_lines (position, at, level, source, template_id) \
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    values![position, made.at, made.level, source, made.template],
                )
                .unwrap();
            session
                .write(
                    "INSERT INTO log_lines_fts (rowid, message) VALUES (?1, ?2)",
                    values![position, &made.text],
                )
                .unwrap();
        } else {
            session
                .write(
                    "INSERT INTO events (position, timestamp_ns, observed_ns, type, severity_id, \
                     source_type, source_id, message) VALUES (?1, ?2, ?2, 'SEEN', ?3, ?4, ?5, ?6)",
                    values![position, made.at, made.level, kind, id, &made.text],
                )
                .unwrap();
            session
                .write(
                    "INSERT INTO events_fts (rowid, message) VALUES (?1, ?2)",
                    values![position, &made.text],
                )
                .unwrap();
        }
        if let Some(entity) = made.entity {
            session
                .write(
                    "INSERT INTO entity_blocks (block, first_ns, last_ns) VALUES (?1 / 1024, ?2, ?2) \
                     ON CONFLICT (block) DO UPDATE SET first_ns = min(first_ns, excluded.first_ns), \
                     last_ns = max(last_ns, excluded.last_ns)",
                    values![position, made.at],
                )
                .unwrap();
            session
                .write(
                    "INSERT INTO entity_events (block, entity, positions) \
                     VALUES (?1 / 1024, ?2, ?1 % 1024) ON CONFLICT (block, entity) \
                     DO UPDATE SET positions = positions || ',' || excluded.positions",
                    values![position, entity],
                )
                .unwrap();
        }
        session.commit().unwrap();
        StoredEvent {
            position,
            at: made.at,
            severity: if made.line {
                [0, 1, 3, 4, 5][made.level as usize]
            } else {
                made.level as u8
            },
            event_type: (!made.line).then(|| "SEEN".to_owned()),
            source_type: kind.to_owned(),
            source_id: id.to_owned(),
            template: made.template.filter(|_| made.line),
            message: made.text.clone(),
        }
    }

    fn page(&mut self, query: &EventQuery) -> Page {
        self.page_within(query, page::BOUNDS)
    }

    fn page_within(&mut self, query: &EventQuery, bounds: Bounds) -> Page {
        page::read(&mut self.database.snapshot().unwrap(), query, bounds).unwrap()
    }

    fn search(&mut self, wanted: &Search) -> Found {
        search::read(&mut self.database.snapshot().unwrap(), wanted).unwrap()
    }

    fn positions(&mut self, query: &EventQuery) -> Vec<i64> {
        self.page(query)
            .events
            .iter()
            .map(|event| event.position)
            .collect()
    }
}

/// The steps of a statement's plan, with its values bound and not known.
fn plan(shelf: &mut Shelf, sql: &'static str, values: usize) -> Vec<String> {
    let explained: &'static str = format!("EXPLAIN QUERY PLAN {sql}").leak();
    let values = vec![crate::storage::Value::Null; values];
    let mut session = shelf.database.snapshot().unwrap();
    all(&mut session, explained, &values, |row| {
        Ok(row.text(3)?.to_owned())
    })
    .unwrap()
}

#[test]
fn every_walk_has_an_index_for_its_condition_and_its_order() {
    let mut shelf = Shelf::new();
    for (walk, index) in sql::WALKS.iter().zip([
        "log_lines_by_time (at>? AND at<?)",
        "log_lines_bad (at>? AND at<?)",
        "log_lines_by_source (source=? AND at>? AND at<?)",
        "log_lines_by_template (template_id=? AND at>? AND at<?)",
        "VIRTUAL TABLE",
        "events_by_time (timestamp_ns>? AND timestamp_ns<?)",
        "events_grave (timestamp_ns>? AND timestamp_ns<?)",
        "events_by_source (source_id=? AND timestamp_ns>? AND timestamp_ns<?)",
        "events_by_source_type (source_type=? AND timestamp_ns>? AND timestamp_ns<?)",
        "VIRTUAL TABLE",
    ]) {
        for statement in [walk.page, walk.end] {
            let steps = plan(&mut shelf, statement, 10);
            assert!(steps[0].contains(index), "{}: {steps:#?}", walk.name);
            let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
            assert_eq!(sorts, index == "VIRTUAL TABLE", "{}: {steps:#?}", walk.name);
        }
    }
}

#[test]
fn every_hunt_goes_from_the_newest_back_without_sorting() {
    let mut shelf = Shelf::new();
    for hunt in sql::HUNTS {
        for (statement, values) in [(hunt.page, 6), (hunt.end, 6)] {
            let steps = plan(&mut shelf, statement, values);
            let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(!sorts, "{}: {steps:#?}", hunt.name);
        }
    }
}
