//! Rules of pets: "Minka is in the garden without a person at night".
//!
//! All conditions of a rule have to hold. A rule that asks for a detection is judged in the moment
//! in which its pet is seen, and may fire again after its cooldown. Any other rule (absence, a long
//! stay) is judged once a second, and fires once per absence or stay: again only when the pet was
//! seen in between, or when the hours that it asks for have begun anew, and never within its
//! cooldown. (Firing after every cooldown, as vigilar does, says the same thing all night.)
//!
//! Decisions: absence counts from the last sighting, of a pet that was never seen from when the rule
//! was set. A pet stays in its zone until it is seen in another; the camera that tells a place is no
//! other zone than that place. A sighting that comes more than five minutes late is history, and
//! fires nothing. What a rule remembers is `last_fired_at`, folded from its own events.

pub mod condition;
pub mod judge;
pub mod known;

use jiff::tz::TimeZone;

use super::{Reaction, Reactor, Scene};
use crate::base::clock::{MINUTE_NS, UnixNanos};
use crate::event::pet::{Action, Condition, RuleFired};
use crate::event::{Envelope, Event, Kind, NewEvent};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;
use judge::{Sight, Verdict};
use known::Known;

pub(super) const REACTOR: Reactor = Reactor {
    name: "pet_rules",
    kinds: &[Kind::PetSighted, Kind::PetLocated],
    react,
    tick,
};

/// A sighting that comes later than this is history.
const LATE_NS: i64 = 5 * MINUTE_NS;

/// A rule as its row tells it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id.
    pub id: i64,
    /// The pet's id.
    pub pet: String,
    /// The pet's name.
    pub pet_name: String,
    /// Its name.
    pub name: String,
    /// What has to hold.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub action: Action,
    /// What people are told.
    pub message: Option<String>,
    /// Shortest time between two firings, seconds.
    pub cooldown_s: i64,
    /// 0..=9.
    pub priority: u8,
    /// Whether it is looked at.
    pub enabled: bool,
    /// When its conditions were set.
    pub set_at: UnixNanos,
    /// When it fired last.
    pub last_fired_at: Option<UnixNanos>,
}

impl Rule {
    /// Whether it waits for a detection.
    pub fn is_of_detection(&self) -> bool {
        self.conditions.iter().any(Condition::is_detection)
    }

    /// What people are told when it fires.
    pub fn says(&self) -> String {
        match &self.message {
            Some(message) => message.clone(),
            None => format!(
                "{} is {}",
                self.pet_name,
                condition::words(&self.conditions)
            ),
        }
    }
}

fn rule_of(row: &dyn Row) -> Result<Rule, StorageError> {
    let unreadable = |what: &str, found: &str| {
        StorageError::Unreadable(format!("{what} of a rule of a pet: {found}"))
    };
    let conditions = serde_json::from_str(row.text(4)?)
        .map_err(|error| unreadable("conditions", &error.to_string()))?;
    let action = match row.text(5)? {
        "push" => Action::Push,
        "log" => Action::Log,
        "record" => Action::Record,
        other => return Err(unreadable("action", other)),
    };
    Ok(Rule {
        id: row.int(0)?,
        pet: row.text(1)?.to_owned(),
        pet_name: row.text(2)?.to_owned(),
        name: row.text(3)?.to_owned(),
        conditions,
        action,
        message: row.opt_text(6)?.map(ToOwned::to_owned),
        cooldown_s: row.int(7)?,
        priority: u8::try_from(row.int(8)?).unwrap_or(u8::MAX),
        enabled: row.int(9)? != 0,
        set_at: row.int(10)?,
        last_fired_at: row.opt_int(11)?,
    })
}

/// The rules of a registered pet, the gravest first.
pub fn of_pet(session: &mut dyn Session, pet: &str) -> Result<Vec<Rule>, StorageError> {
    all(
        session,
        "SELECT r.id, r.pet_id, p.name, r.name, r.conditions, r.action, r.message, r.cooldown_s, \
         r.priority, r.enabled, r.set_at, r.last_fired_at FROM pet_rules r JOIN pets p \
         ON p.id = r.pet_id WHERE r.pet_id = ?1 AND p.registered_at IS NOT NULL \
         ORDER BY r.priority DESC, r.id",
        values![pet],
        rule_of,
    )
}

fn react(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    if event.is_snapshot() || event.occurred_at < scene.now.saturating_sub(LATE_NS) {
        return Ok(Vec::new());
    }
    let (pet, camera, place) = match &event.event {
        Event::PetSighted(sighting) if sighting.pet_id.is_some() => {
            let pet = first(
                scene.session,
                "SELECT pet_id FROM pet_sightings WHERE id = ?1",
                values![event.position],
                |row| Ok(row.opt_text(0)?.map(ToOwned::to_owned)),
            )?;
            (pet.flatten(), &sighting.camera, None)
        }
        Event::PetLocated(located) => {
            let pet = first(
                scene.session,
                "SELECT pet_id FROM pet_locations WHERE id = ?1",
                values![event.position],
                |row| Ok(row.text(0)?.to_owned()),
            )?;
            (pet, &located.camera, Some(located.location.as_str()))
        }
        _ => return Ok(Vec::new()),
    };
    let Some(pet) = pet else {
        return Ok(Vec::new());
    };
    let mut rules = of_pet(scene.session, &pet)?;
    rules.retain(|rule| rule.enabled && rule.is_of_detection());
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let known = Known::read(scene.session, &pet, &rules)?;
    let sight = Sight {
        camera,
        place,
        person_at: known::person_at(scene.session, camera)?,
    };
    let zone = &scene.settings.zone;
    let at = event.occurred_at;
    let mut fired = Vec::new();
    for rule in &rules {
        let verdicts = judge::judge(rule, &known, Some(&sight), at, zone);
        if judge::fires(rule, &verdicts, scene.now, zone) {
            fired.push(firing(rule, scene.now, Some(camera)).caused_by(event.position));
        }
    }
    Ok(fired)
}

fn tick(scene: &mut Scene<'_>) -> Reaction {
    // The rules go first: they are few, while cameras may tell any number of pets.
    let mut rules = all(
        scene.session,
        "SELECT r.id, r.pet_id, p.name, r.name, r.conditions, r.action, r.message, r.cooldown_s, \
         r.priority, r.enabled, r.set_at, r.last_fired_at FROM pet_rules r CROSS JOIN pets p \
         ON p.id = r.pet_id WHERE p.registered_at IS NOT NULL AND r.enabled = 1 \
         ORDER BY r.pet_id, r.priority DESC, r.id",
        &[],
        rule_of,
    )?;
    rules.retain(|rule| !rule.is_of_detection());
    let zone = &scene.settings.zone;
    let mut fired = Vec::new();
    for rules in rules.chunk_by(|one, other| one.pet == other.pet) {
        let known = Known::read(scene.session, &rules[0].pet, rules)?;
        for rule in rules {
            let verdicts = judge::judge(rule, &known, None, scene.now, zone);
            if judge::fires(rule, &verdicts, scene.now, zone) {
                fired.push(firing(rule, scene.now, None));
            }
        }
    }
    Ok(fired)
}

/// What each condition of a rule says at `now`, for a person who asks. A pet that was seen within
/// the last half minute counts as seen now.
pub fn try_out(
    session: &mut dyn Session,
    rule: &Rule,
    now: UnixNanos,
    zone: &TimeZone,
) -> Result<Vec<Verdict>, StorageError> {
    let known = Known::read(session, &rule.pet, std::slice::from_ref(rule))?;
    let newest = known
        .newest()
        .filter(|seen| seen.last_at >= now.saturating_sub(judge::TOGETHER_NS));
    let sight = match newest {
        Some(seen) => Some(Sight {
            camera: &seen.camera,
            place: seen.is_place.then_some(seen.zone.as_str()),
            person_at: known::person_at(session, &seen.camera)?,
        }),
        None => None,
    };
    Ok(judge::judge(rule, &known, sight.as_ref(), now, zone))
}

fn firing(rule: &Rule, now: UnixNanos, camera: Option<&String>) -> NewEvent {
    let fired = RuleFired {
        rule: rule.id,
        name: rule.name.clone(),
        pet: rule.pet.clone(),
        action: rule.action,
        priority: rule.priority,
        camera: camera.cloned(),
    };
    NewEvent::own(now, format!("pet/{}", rule.pet), fired).with_text(rule.says())
}

#[cfg(test)]
mod tests;
