//! What is known of a pet when its rules are judged: when it was last seen in each zone, and since
//! when it stays where it is.
//!
//! A few look-ups by index, however long the history: cameras are found by leaping from one to the
//! next in the index, and each tells its newest sighting.

use super::Rule;
use crate::base::clock::UnixNanos;
use crate::event::pet::Condition;
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// A zone in which a pet was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// A camera's id, or a place.
    pub zone: String,
    /// The camera.
    pub camera: String,
    /// Whether the zone is a place that was told.
    pub is_place: bool,
    /// When it was last seen there.
    pub last_at: UnixNanos,
}

/// What is known of one pet.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// When it was last seen at all.
    pub last_seen_at: Option<UnixNanos>,
    /// Every zone in which it was ever seen.
    pub seen: Vec<Seen>,
    /// Zones that rules ask for in which it is now, and since when.
    pub stays: Vec<(String, UnixNanos)>,
}

/// Whether two names are one zone: people write `Garden`, publishers `garden`.
pub fn is_zone(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

impl Known {
    /// What is known of `pet`, with the stays that `rules` ask for.
    pub fn read(
        session: &mut dyn Session,
        pet: &str,
        rules: &[Rule],
    ) -> Result<Self, StorageError> {
        let last_seen_at = first(
            session,
            "SELECT last_seen_at FROM pets WHERE id = ?1",
            values![pet],
            |row| row.opt_int(0),
        )?;
        let mut known = Self {
            last_seen_at: last_seen_at.flatten(),
            seen: seen(session, pet)?,
            stays: Vec::new(),
        };
        let zones = rules
            .iter()
            .flat_map(|rule| &rule.conditions)
            .filter_map(|condition| match condition {
                Condition::InZoneLongerThan { zone, .. } => Some(zone),
                _ => None,
            });
        for zone in zones {
            if known.stay(zone).is_none()
                && let Some(since) = known.stay_since(session, pet, zone)?
            {
                known.stays.push((zone.clone(), since));
            }
        }
        Ok(known)
    }

    /// When it was last seen in a zone.
    pub fn last_in(&self, zone: &str) -> Option<UnixNanos> {
        self.seen
            .iter()
            .filter(|seen| is_zone(&seen.zone, zone))
            .map(|seen| seen.last_at)
            .max()
    }

    /// Since when it is in a zone, of those that rules ask for.
    pub fn stay(&self, zone: &str) -> Option<UnixNanos> {
        self.stays
            .iter()
            .find(|(known, _)| is_zone(known, zone))
            .map(|(_, since)| *since)
    }

    /// The zone in which it was seen last; a place goes before the camera that told it.
    pub fn newest(&self) -> Option<&Seen> {
        self.seen
            .iter()
            .max_by_key(|seen| (seen.last_at, seen.is_place))
    }

    /// When it was last seen in any zone but this one.
    fn last_elsewhere(&self, zone: &str) -> Option<UnixNanos> {
        let here: Vec<&Seen> = self
            .seen
            .iter()
            .filter(|seen| is_zone(&seen.zone, zone))
            .collect();
        let is_elsewhere = |seen: &&Seen| {
            let told_here = |inside: &&Seen| {
                inside.camera == seen.camera && !(inside.is_place && seen.is_place)
            };
            !is_zone(&seen.zone, zone) && !here.iter().any(told_here)
        };
        let elsewhere = self.seen.iter().filter(is_elsewhere);
        elsewhere.map(|seen| seen.last_at).max()
    }

    fn stay_since(
        &self,
        session: &mut dyn Session,
        pet: &str,
        zone: &str,
    ) -> Result<Option<UnixNanos>, StorageError> {
        let left_at = self.last_elsewhere(zone).unwrap_or(i64::MIN);
        if self.last_in(zone).is_none_or(|last_at| last_at <= left_at) {
            return Ok(None);
        }
        let mut since: Option<UnixNanos> = None;
        let belongs = |seen: &&Seen| {
            is_zone(&seen.zone, zone) || (seen.is_place && is_zone(&seen.camera, zone))
        };
        for seen in self.seen.iter().filter(belongs) {
            let begun = if seen.is_place {
                first(
                    session,
                    "SELECT min(at) FROM pet_locations WHERE pet_id = ?1 AND camera_id = ?2 \
                     AND place = ?3 AND at > ?4",
                    values![pet, &seen.camera, &seen.zone, left_at],
                    |row| row.opt_int(0),
                )?
            } else {
                first(
                    session,
                    "SELECT min(at) FROM pet_sightings WHERE animal = '=' || ?1 AND camera_id = ?2 \
                     AND at > ?3",
                    values![pet, &seen.camera, left_at],
                    |row| row.opt_int(0),
                )?
            };
            since = since.into_iter().chain(begun.flatten()).min();
        }
        Ok(since)
    }
}

fn seen(session: &mut dyn Session, pet: &str) -> Result<Vec<Seen>, StorageError> {
    let mut seen = all(
        session,
        "WITH RECURSIVE cameras (camera) AS ( \
             SELECT min(camera_id) FROM pet_sightings WHERE animal = '=' || ?1 \
             UNION ALL \
             SELECT (SELECT min(camera_id) FROM pet_sightings \
                     WHERE animal = '=' || ?1 AND camera_id > camera) \
             FROM cameras WHERE camera IS NOT NULL) \
         SELECT camera, (SELECT max(at) FROM pet_sightings \
                         WHERE animal = '=' || ?1 AND camera_id = camera) \
         FROM cameras WHERE camera IS NOT NULL",
        values![pet],
        |row| {
            Ok(Seen {
                zone: row.text(0)?.to_owned(),
                camera: row.text(0)?.to_owned(),
                is_place: false,
                last_at: row.int(1)?,
            })
        },
    )?;
    session.read(
        "SELECT place, camera_id, last_at FROM pet_places WHERE pet_id = ?1",
        values![pet],
        &mut |row| {
            let (place, camera, last_at) = (row.text(0)?, row.text(1)?, row.int(2)?);
            seen.push(Seen {
                zone: place.to_owned(),
                camera: camera.to_owned(),
                is_place: true,
                last_at,
            });
            seen.push(Seen {
                zone: camera.to_owned(),
                camera: camera.to_owned(),
                is_place: false,
                last_at,
            });
            Ok(())
        },
    )?;
    Ok(seen)
}

/// When a person was last recognised at a camera.
pub fn person_at(
    session: &mut dyn Session,
    camera: &str,
) -> Result<Option<UnixNanos>, StorageError> {
    first(
        session,
        "SELECT last_at FROM pet_rule_persons WHERE camera_id = ?1",
        values![camera],
        |row| row.int(0),
    )
}
