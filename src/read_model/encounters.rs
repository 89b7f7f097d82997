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

/// A page of encounters, the newest first. `places` are the animals with their cameras, found by
/// skipping from one to the next; `visits` walks back from each one's last sighting, the latest
/// first, until there are enough. From a sighting to the beginning or the end of its visit it goes in
/// leaps: to the farthest one within the interval, and on from there. So a page costs what its
/// encounters last, whether a camera sees an animal once a minute or once a second.
macro_rules! encounters {
    (
        $columns:literal, table $table:literal, animal $animal:literal, index $index:literal,
        interval $interval:literal, since $since:literal, until $until:literal,
        behind $at:literal $id:literal, camera $camera:literal, one $one:literal, limit $limit:literal
    ) => {
        concat!(
            "WITH RECURSIVE places (animal, camera_id) AS (\
             SELECT animal, camera_id FROM (SELECT t.", $animal, " AS animal, t.camera_id FROM ",
            $table, " t INDEXED BY ", $index, " WHERE t.", $animal, " >= coalesce(", $one, ", '') \
             AND (", $one, " IS NULL OR t.", $animal, " = ", $one, ") \
             ORDER BY t.", $animal, ", t.camera_id LIMIT 1) \
             UNION ALL SELECT n.", $animal, ", n.camera_id FROM places JOIN ", $table,
            " n ON n.id = coalesce((SELECT t.id FROM ", $table, " t INDEXED BY ", $index,
            " WHERE t.", $animal, " = places.animal AND t.camera_id > places.camera_id \
             ORDER BY t.camera_id LIMIT 1), (SELECT t.id FROM ", $table, " t INDEXED BY ", $index,
            " WHERE t.", $animal, " > places.animal AND ", $one, " IS NULL \
             ORDER BY t.", $animal, ", t.camera_id LIMIT 1))), \
             visits (animal, camera_id, began) AS (\
             SELECT places.animal, places.camera_id, (WITH RECURSIVE back (at) AS (\
             SELECT max(t.at) FROM ", $table, " t INDEXED BY ", $index,
            " WHERE t.", $animal, " = places.animal AND t.camera_id = places.camera_id \
             AND t.at < ", $until, " AND t.at <= ", $at, " UNION ALL SELECT (SELECT min(t.at) FROM ",
            $table, " t INDEXED BY ", $index, " WHERE t.", $animal, " = places.animal \
             AND t.camera_id = places.camera_id AND t.at >= back.at - ", $interval,
            " AND t.at < back.at) FROM back WHERE back.at IS NOT NULL) SELECT min(at) FROM back) \
             FROM places WHERE ", $camera, " IS NULL OR places.camera_id = ", $camera, " \
             UNION ALL SELECT visits.animal, visits.camera_id, (WITH RECURSIVE back (at) AS (\
             SELECT max(t.at) FROM ", $table, " t INDEXED BY ", $index,
            " WHERE t.", $animal, " = visits.animal AND t.camera_id = visits.camera_id \
             AND t.at < visits.began UNION ALL SELECT (SELECT min(t.at) FROM ", $table,
            " t INDEXED BY ", $index, " WHERE t.", $animal, " = visits.animal \
             AND t.camera_id = visits.camera_id AND t.at >= back.at - ", $interval,
            " AND t.at < back.at) FROM back WHERE back.at IS NOT NULL) SELECT min(at) FROM back) \
             FROM visits WHERE visits.began >= ", $since, " ORDER BY 3 DESC \
             LIMIT min(", $limit, ", 4611686018427387904) + (SELECT count(*) FROM places)), \
             encounters AS MATERIALIZED (SELECT visits.animal, visits.camera_id, visits.began, \
             (SELECT min(t.id) FROM ", $table, " t INDEXED BY ", $index,
            " WHERE t.", $animal, " = visits.animal AND t.camera_id = visits.camera_id \
             AND t.at = visits.began) AS id, (WITH RECURSIVE fore (at) AS (SELECT visits.began \
             UNION ALL SELECT (SELECT max(t.at) FROM ", $table, " t INDEXED BY ", $index,
            " WHERE t.", $animal, " = visits.animal AND t.camera_id = visits.camera_id \
             AND t.at <= fore.at + ", $interval, " AND t.at > fore.at) \
             FROM fore WHERE fore.at IS NOT NULL) SELECT max(at) FROM fore) AS ended \
             FROM visits WHERE visits.began >= ", $since, "), \
             counted AS (SELECT encounters.id, encounters.began, encounters.ended, \
             (SELECT count(*) FROM ", $table, " t INDEXED BY ", $index,
            " WHERE t.", $animal, " = encounters.animal AND t.camera_id = encounters.camera_id \
             AND t.at BETWEEN encounters.began AND encounters.ended) AS sightings, \
             (SELECT max(t.confidence) FROM ", $table, " t INDEXED BY ", $index,
            " WHERE t.", $animal, " = encounters.animal AND t.camera_id = encounters.camera_id \
             AND t.at BETWEEN encounters.began AND encounters.ended) AS confidence FROM encounters) \
             SELECT ", $columns, " FROM counted JOIN ", $table, " s ON s.id = counted.id \
             WHERE counted.began < ", $at, " OR counted.id < ", $id, " \
             ORDER BY counted.began DESC, counted.id DESC LIMIT ", $limit
        )
    };
    ($columns:literal, table $table:literal, animal $animal:literal, index $index:literal) => {
        $crate::read_model::encounters::encounters!(
            $columns, table $table, animal $animal, index $index,
            interval "?1", since "?2", until "?3", behind "?4" "?5", camera "?6", one "?8",
            limit "?7"
        )
    };
    (page $columns:literal, table $table:literal, animal $animal:literal, index $index:literal) => {
        $crate::read_model::encounters::encounters!(
            $columns, table $table, animal $animal, index $index,
            interval "1800000000000", since "?1", until "?2",
            behind "9223372036854775807" "9223372036854775807", camera "NULL", one "NULL", limit "?3"
        )
    };
}
pub(super) use encounters;

const OF_PETS: &str = encounters!(
    "s.id, counted.began, counted.ended, s.pet_id, s.species, s.camera_id, counted.sightings, \
     counted.confidence",
    table "pet_sightings", animal "animal", index "pet_sightings_by_place"
);
const OF_WILDLIFE: &str = encounters!(
    "s.id, counted.began, counted.ended, NULL, s.species, s.camera_id, counted.sightings, \
     counted.confidence",
    table "wildlife_sightings", animal "species", index "wildlife_sightings_by_place"
);

/// Encounters of pets and of strange animals, the newest first.
pub fn of_pets(
    session: &mut dyn Session,
    wanted: &Wanted<'_>,
) -> Result<Vec<Encounter>, StorageError> {
    let animal = wanted.animal.map(|pet| format!("={pet}"));
    read(session, OF_PETS, wanted, animal.as_deref())
}

/// Encounters of wild animals, the newest first.
pub fn of_wildlife(
    session: &mut dyn Session,
    wanted: &Wanted<'_>,
) -> Result<Vec<Encounter>, StorageError> {
    read(session, OF_WILDLIFE, wanted, wanted.animal)
}

fn read(
    session: &mut dyn Session,
    sql: &'static str,
    wanted: &Wanted<'_>,
    animal: Option<&str>,
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
            animal
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
