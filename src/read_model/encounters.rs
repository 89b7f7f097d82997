//! Encounters: sightings of one animal at one camera, joined while each comes within an interval
//! of the one before it. A camera takes a frame each second; a naturalist counts visits.
//!
//! Nothing is stored: an encounter is found from its first sighting, which none precedes within
//! the interval, and ends at the first that none follows. So a label that moves a sighting, or a late
//! one, can never leave an encounter wrong. The views `pet_encounters` and `wildlife_encounters` are
//! the same at 30 minutes.
//!
//! Invariants, with a property test: every sighting lies in exactly one encounter of its animal and
//! camera, and two of those are more than the interval apart.

use crate::base::clock::{MINUTE_NS, UnixNanos};
use crate::storage::{Session, StorageError, all};
use crate::values;

/// How far apart sightings may be and still be one encounter: the intervals that are usual in
/// camera trapping, minutes.
pub const INTERVALS_MIN: [i64; 4] = [1, 2, 30, 60];
/// The interval unless another is asked for, minutes.
pub const INTERVAL_MIN: i64 = 30;

/// Which encounters.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// One of [`INTERVALS_MIN`].
    pub interval_min: i64,
    /// Begun at or after this.
    pub since: UnixNanos,
    /// Begun before this.
    pub until: UnixNanos,
    /// Only those behind this one in the order of the list: its beginning and its id.
    pub behind: Option<(UnixNanos, i64)>,
    /// Of this animal: an id of a pet, or a wild species.
    pub animal: Option<&'a str>,
    /// At this camera.
    pub camera: Option<&'a str>,
    /// At most this many.
    pub limit: i64,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self {
            interval_min: INTERVAL_MIN,
            since: i64::MIN,
            until: i64::MAX,
            behind: None,
            animal: None,
            camera: None,
            limit: i64::MAX,
        }
    }
}

/// One encounter.
#[derive(Clone, Debug, PartialEq)]
pub struct Encounter {
    /// Its first sighting.
    pub id: i64,
    /// When that was.
    pub started_at: UnixNanos,
    /// When the last sighting was.
    pub ended_at: UnixNanos,
    /// The pet, if it is one of the house.
    pub pet: Option<String>,
    /// The species, as of the first sighting.
    pub species: String,
    /// The camera.
    pub camera: String,
    /// Sightings.
    pub sightings: i64,
    /// Certainty of the best of them.
    pub confidence: f64,
}

macro_rules! encounters {
    (table $table:literal, animal $animal:literal, pet $pet:literal, where $filter:literal) => {
        concat!(
            "SELECT s.id, s.at, e.at, ",
            $pet,
            ", s.species, s.camera_id, \
             (SELECT count(*) FROM ",
            $table,
            " c WHERE c.",
            $animal,
            " = s.",
            $animal,
            " AND c.camera_id = s.camera_id AND c.at BETWEEN s.at AND e.at), \
             (SELECT max(c.confidence) FROM ",
            $table,
            " c WHERE c.",
            $animal,
            " = s.",
            $animal,
            " AND c.camera_id = s.camera_id AND c.at BETWEEN s.at AND e.at) \
             FROM ",
            $table,
            " s CROSS JOIN ",
            $table,
            " e WHERE ",
            $filter,
            " AND s.at >= ?2 AND s.at < ?3 AND s.at <= ?4 AND (s.at < ?4 OR s.id < ?5) \
             AND (?6 IS NULL OR s.camera_id = ?6) \
             AND NOT EXISTS (SELECT 1 FROM ",
            $table,
            " p WHERE p.",
            $animal,
            " = s.",
            $animal,
            " AND p.camera_id = s.camera_id AND p.at >= s.at - ?1 AND p.at <= s.at \
             AND (p.at < s.at OR p.id < s.id)) \
             AND e.id = (SELECT l.id FROM ",
            $table,
            " l WHERE l.",
            $animal,
            " = s.",
            $animal,
            " AND l.camera_id = s.camera_id AND l.at >= s.at AND NOT EXISTS (SELECT 1 FROM ",
            $table,
            " n WHERE n.",
            $animal,
            " = l.",
            $animal,
            " AND n.camera_id = l.camera_id AND n.at >= l.at AND n.at <= l.at + ?1 \
             AND (n.at > l.at OR n.id > l.id)) ORDER BY l.at, l.id LIMIT 1) \
             ORDER BY s.at DESC, s.id DESC LIMIT ?7"
        )
    };
}

const OF_PETS: &str = encounters!(table "pet_sightings", animal "animal", pet "s.pet_id",
    where "?8 IS NULL");
const OF_ONE_PET: &str = encounters!(table "pet_sightings", animal "animal", pet "s.pet_id",
    where "s.animal = '=' || ?8");
const OF_WILDLIFE: &str = encounters!(table "wildlife_sightings", animal "species", pet "NULL",
    where "?8 IS NULL");
const OF_ONE_SPECIES: &str = encounters!(table "wildlife_sightings", animal "species", pet "NULL",
    where "s.species = ?8");

/// Encounters of pets and of strange animals, the newest first.
pub fn of_pets(
    session: &mut dyn Session,
    wanted: &Wanted<'_>,
) -> Result<Vec<Encounter>, StorageError> {
    read(
        session,
        if wanted.animal.is_some() {
            OF_ONE_PET
        } else {
            OF_PETS
        },
        wanted,
    )
}

/// Encounters of wild animals, the newest first.
pub fn of_wildlife(
    session: &mut dyn Session,
    wanted: &Wanted<'_>,
) -> Result<Vec<Encounter>, StorageError> {
    read(
        session,
        if wanted.animal.is_some() {
            OF_ONE_SPECIES
        } else {
            OF_WILDLIFE
        },
        wanted,
    )
}

fn read(
    session: &mut dyn Session,
    sql: &'static str,
    wanted: &Wanted<'_>,
) -> Result<Vec<Encounter>, StorageError> {
    let (at, id) = wanted.behind.unwrap_or((i64::MAX, i64::MAX));
    all(
        session,
        sql,
        values![
            wanted.interval_min * MINUTE_NS,
            wanted.since,
            wanted.until,
            at,
            id,
            wanted.camera,
            wanted.limit,
            wanted.animal
        ],
        |row| {
            Ok(Encounter {
                id: row.int(0)?,
                started_at: row.int(1)?,
                ended_at: row.int(2)?,
                pet: row.opt_text(3)?.map(ToOwned::to_owned),
                species: row.text(4)?.to_owned(),
                camera: row.text(5)?.to_owned(),
                sightings: row.int(6)?,
                confidence: row.real(7)?,
            })
        },
    )
}
