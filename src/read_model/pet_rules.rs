//! Rules of pets, when each fired last, and when a person was last seen at each camera.
//!
//! Conditions stand in the table as JSON; `reactor::pet_rules` judges them. A rule past the limit of
//! its pet is not taken, and a pet that is removed takes its rules along.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::camera::Detection;
use crate::event::pet::{RULES_MAX, RuleSet};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "pet_rules",
    version: 1,
    tables: &[
        table!("pet_rules" by "id"),
        table!("pet_rule_persons" by "camera_id"),
    ],
    kinds: Some(&[
        Kind::PetRuleSet,
        Kind::PetRuleRemoved,
        Kind::PetRuleFired,
        Kind::PetRemoved,
        Kind::CameraMotionStarted,
        Kind::CameraMotionEnded,
        Kind::FaceSeen,
    ]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match &event.event {
            Event::PetRuleSet(rule) => set(session, event, rule)?,
            Event::PetRuleRemoved(rule) => session.write(
                "DELETE FROM pet_rules WHERE pet_id = ?1 AND name = ?2",
                values![event.subject(), &rule.name],
            )?,
            Event::PetRuleFired(fired) => session.write(
                "UPDATE pet_rules SET fired_count = fired_count + 1, \
                 last_fired_at = max(coalesce(last_fired_at, ?2), ?2) WHERE id = ?1",
                values![fired.rule, event.occurred_at],
            )?,
            Event::PetRemoved(_) => session.write(
                "DELETE FROM pet_rules WHERE pet_id = ?1",
                values![event.subject()],
            )?,
            _ => {}
        }
        // A retained message is no moment.
        if let Some(camera) = person_at(event).filter(|_| !event.is_snapshot()) {
            session.write(
                "INSERT INTO pet_rule_persons (camera_id, last_at) VALUES (?1, ?2) \
                 ON CONFLICT (camera_id) DO UPDATE SET \
                 last_at = max(pet_rule_persons.last_at, excluded.last_at)",
                values![camera, event.occurred_at],
            )?;
        }
    }
    Ok(())
}

/// The camera that recognises a person in this event.
fn person_at(event: &Envelope) -> Option<&str> {
    match &event.event {
        Event::CameraMotionStarted(motion) if motion.detection == Some(Detection::Person) => {
            Some(event.subject())
        }
        Event::CameraMotionEnded(motion) if motion.detection == Some(Detection::Person) => {
            Some(event.subject())
        }
        Event::FaceSeen(face) => Some(&face.camera),
        _ => None,
    }
}

fn set(session: &mut dyn Session, event: &Envelope, rule: &RuleSet) -> Result<(), StorageError> {
    let pet = event.subject();
    let others = first(
        session,
        "SELECT count(*) FROM pet_rules WHERE pet_id = ?1 AND name <> ?2",
        values![pet, &rule.name],
        |row| row.int(0),
    )?;
    if others.unwrap_or_default() >= RULES_MAX as i64 {
        return Ok(());
    }
    let conditions = serde_json::to_string(&rule.conditions)
        .map_err(|error| StorageError::Refused(format!("conditions of a rule: {error}")))?;
    // Other conditions are another rule: what it waits for begins anew.
    session.write(
        "INSERT INTO pet_rules (id, pet_id, name, conditions, action, message, cooldown_s, \
         priority, enabled, set_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT (pet_id, name) DO UPDATE SET \
         set_at = iif(pet_rules.conditions = excluded.conditions, pet_rules.set_at, excluded.set_at), \
         last_fired_at = iif(pet_rules.conditions = excluded.conditions, pet_rules.last_fired_at, NULL), \
         conditions = excluded.conditions, action = excluded.action, message = excluded.message, \
         cooldown_s = excluded.cooldown_s, priority = excluded.priority, enabled = excluded.enabled",
        values![
            event.position,
            pet,
            &rule.name,
            &conditions,
            rule.action.name(),
            rule.message.as_deref(),
            i64::from(rule.cooldown_s),
            i64::from(rule.priority),
            rule.enabled,
            event.occurred_at
        ],
    )
}

pub(super) const VIEWS: &[View] = &[View {
    name: "pet_rules",
    about: "rules of pets, and when each fired last",
    columns: columns![
        "id" Number, "pet_id" Text, "name" Text, "conditions" Text, "action" Text, "message" Text,
        "cooldown_s" Number, "priority" Number, "enabled" Flag, "last_fired_at" Time,
        "fired_count" Number
    ],
    sql: "SELECT id, pet_id, name, conditions, action, message, cooldown_s, priority, enabled, \
          last_fired_at, fired_count FROM pet_rules WHERE set_at >= ?1 AND set_at < ?2 \
          ORDER BY id DESC LIMIT ?3",
}];
