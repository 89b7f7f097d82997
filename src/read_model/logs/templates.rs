//! Templates: what lines have in common, found as Drain finds it, with its tree in a table.
//!
//! For each line the few templates under its leaf are looked up, once per leaf and batch; what the
//! batch changes is written once at its end. Which line gets which template hangs on the order of the
//! log alone. When there are too many, those that were seen once go first, and then those that were
//! seen last the longest ago: what strangers invent must not keep new kinds of lines from being told.

use std::collections::hash_map::Entry;

use foldhash::HashMap;

use super::super::View;
use super::super::view::columns;
use crate::event::Envelope;
use crate::learn::drain::{Template, Tokens, choose, leaf};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// Most templates there are; what is so manifold is no kind of line but somebody's invention.
const TEMPLATES_MAX: i64 = 10_000;
/// So many go when there are too many, that not each new one makes another go.
const LET_GO: i64 = 1_000;
/// Most templates under one leaf; all of them are compared with a line.
const LEAF_MAX: usize = 64;

/// A template, as the batch has made it so far.
struct Known {
    id: i64,
    template: Template,
    /// Whether the text is another than in the table.
    is_changed: bool,
    /// Position of the first line, if the table does not have it yet.
    example: Option<i64>,
    /// How often in this batch.
    count: i64,
    first_seen: i64,
    last_seen: i64,
}

/// Finds the templates of a batch's lines.
#[derive(Default)]
pub(super) struct Miner {
    tokens: Tokens,
    leaves: HashMap<u64, Vec<Known>>,
    /// The highest number given and how many there are, once that was asked for.
    given: Option<Given>,
}

#[derive(Clone, Copy, Default)]
struct Given {
    last_id: i64,
    count: i64,
}

impl Miner {
    /// The template of an event's text; none if it fits none and there are enough.
    pub(super) fn template_of(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
        text: &str,
    ) -> Result<Option<i64>, StorageError> {
        self.tokens.read(text);
        if self.tokens.is_empty() {
            return Ok(None);
        }
        let leaf = leaf(&self.tokens);
        let known = under(&mut self.leaves, session, leaf)?;
        if let Some(index) = choose(known.iter().map(|one| &one.template), &self.tokens) {
            let chosen = &mut known[index];
            chosen.is_changed |= chosen.template.merge(&self.tokens);
            chosen.count += 1;
            chosen.first_seen = chosen.first_seen.min(event.occurred_at);
            chosen.last_seen = chosen.last_seen.max(event.occurred_at);
            return Ok(Some(chosen.id));
        }
        if known.len() >= LEAF_MAX {
            return Ok(None);
        }
        let id = self.next_id(session)?;
        under(&mut self.leaves, session, leaf)?.push(Known {
            id,
            template: Template::of(&self.tokens),
            is_changed: true,
            example: Some(event.position),
            count: 1,
            first_seen: event.occurred_at,
            last_seen: event.occurred_at,
        });
        Ok(Some(id))
    }

    /// The number of a new template; makes room for it.
    fn next_id(&mut self, session: &mut dyn Session) -> Result<i64, StorageError> {
        let mut given = match self.given {
            Some(given) => given,
            None => given_by(session)?,
        };
        if given.count >= TEMPLATES_MAX {
            // What goes must not hang on where a batch began: the table has to know all of it.
            self.write(session)?;
            session.write(
                "DELETE FROM templates WHERE template_id IN (SELECT template_id FROM templates \
                 WHERE template_id < (SELECT max(template_id) FROM templates) \
                 ORDER BY event_count > 1, last_seen_ns, template_id LIMIT ?1)",
                values![LET_GO],
            )?;
            given = given_by(session)?;
        }
        given.last_id += 1;
        given.count += 1;
        self.given = Some(given);
        Ok(given.last_id)
    }

    /// Writes what the batch has changed.
    pub(super) fn store(mut self, session: &mut dyn Session) -> Result<(), StorageError> {
        self.write(session)
    }

    fn write(&mut self, session: &mut dyn Session) -> Result<(), StorageError> {
        for (leaf, known) in self.leaves.drain() {
            for one in known.into_iter().filter(|one| one.count > 0) {
                store(session, leaf, &one)?;
            }
        }
        Ok(())
    }
}

fn store(session: &mut dyn Session, leaf: u64, one: &Known) -> Result<(), StorageError> {
    let text = one.is_changed.then(|| one.template.to_string());
    if let Some(example) = one.example {
        return session.write(
            "INSERT INTO templates (template_id, leaf, template_str, first_seen_ns, last_seen_ns, \
             event_count, example) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            values![
                one.id,
                leaf.cast_signed(),
                text.as_deref(),
                one.first_seen,
                one.last_seen,
                one.count,
                example
            ],
        );
    }
    session.write(
        "UPDATE templates SET template_str = coalesce(?2, template_str), \
         first_seen_ns = min(first_seen_ns, ?3), last_seen_ns = max(last_seen_ns, ?4), \
         event_count = event_count + ?5 WHERE template_id = ?1",
        values![
            one.id,
            text.as_deref(),
            one.first_seen,
            one.last_seen,
            one.count
        ],
    )
}

/// The templates under a leaf.
fn under<'l>(
    leaves: &'l mut HashMap<u64, Vec<Known>>,
    session: &mut dyn Session,
    leaf: u64,
) -> Result<&'l mut Vec<Known>, StorageError> {
    match leaves.entry(leaf) {
        Entry::Occupied(entry) => Ok(entry.into_mut()),
        Entry::Vacant(entry) => Ok(entry.insert(stored(session, leaf)?)),
    }
}

fn stored(session: &mut dyn Session, leaf: u64) -> Result<Vec<Known>, StorageError> {
    all(
        session,
        "SELECT template_id, template_str FROM templates WHERE leaf = ?1 ORDER BY template_id",
        values![leaf.cast_signed()],
        |row| {
            Ok(Known {
                id: row.int(0)?,
                template: Template::parse(row.text(1)?),
                is_changed: false,
                example: None,
                count: 0,
                first_seen: i64::MAX,
                last_seen: i64::MIN,
            })
        },
    )
}

fn given_by(session: &mut dyn Session) -> Result<Given, StorageError> {
    let given = first(
        session,
        "SELECT coalesce(max(template_id), 0), count(*) FROM templates",
        &[],
        |row| {
            Ok(Given {
                last_id: row.int(0)?,
                count: row.int(1)?,
            })
        },
    )?;
    Ok(given.unwrap_or_default())
}

pub(super) const TEMPLATES: View = View {
    name: "templates",
    about: "what log lines, and messages that nobody understands, have in common, the latest seen \
            first",
    columns: columns![
        "last_seen" Time, "template" Text, "count" Number, "first_seen" Time,
        "template_id" Number, "example" Number
    ],
    sql: "SELECT last_seen_ns, template_str, event_count, first_seen_ns, template_id, example \
          FROM templates WHERE last_seen_ns >= ?1 AND last_seen_ns < ?2 \
          ORDER BY last_seen_ns DESC, template_id DESC LIMIT ?3",
};
