//! Rules: when each fired last.

use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::UnixNanos;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "rules",
    version: 1,
    tables: &[table!("rule_states" by "rule_id")],
    kinds: Some(&[Kind::RuleFired]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        if let Event::RuleFired(fired) = &event.event {
            session.write(
                "INSERT INTO rule_states (rule_id, last_fired_at, fire_count, position) \
                 VALUES (?1, ?2, 1, ?3) ON CONFLICT (rule_id) DO UPDATE SET \
                 last_fired_at = excluded.last_fired_at, \
                 fire_count = rule_states.fire_count + 1, position = excluded.position",
                values![&fired.rule, event.received_at, event.position],
            )?;
        }
    }
    Ok(())
}

/// When a rule fired last.
pub fn last_fired_at(
    session: &mut dyn Session,
    rule: &str,
) -> Result<Option<UnixNanos>, StorageError> {
    first(
        session,
        "SELECT last_fired_at FROM rule_states WHERE rule_id = ?1",
        values![rule],
        |row| row.int(0),
    )
}

pub(super) const VIEWS: &[View] = &[View {
    name: "rule_states",
    about: "rules that fired, and when last",
    columns: columns!["rule_id" Text, "last_fired_at" Time, "fire_count" Number, "position" Number],
    sql: "SELECT rule_id, last_fired_at, fire_count, position FROM rule_states \
          WHERE last_fired_at >= ?1 AND last_fired_at < ?2 ORDER BY last_fired_at DESC, rule_id LIMIT ?3",
}];
