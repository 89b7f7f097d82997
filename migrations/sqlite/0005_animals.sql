-- Pets as a household keeps them, and wild animals as a naturalist counts them.

-- Both tables change their shape; they are projections, and the program folds them anew.
DROP TABLE pet_sightings;
DROP TABLE pets;

-- Pets: those that somebody registered, and those that are only known from what cameras say.
CREATE TABLE pets (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL,
    name_key       TEXT NOT NULL,               -- the name in lower case; publishers may use it in place of the id
    species        TEXT,                        -- a person's word, else a camera's
    breed          TEXT,
    description    TEXT,
    photo_path     TEXT,
    training_count INTEGER NOT NULL DEFAULT 0,  -- pictures of it that were used in training
    registered_at  INTEGER,                     -- NULL: known from traffic alone, or removed
    removed_at     INTEGER,
    last_seen_at   INTEGER,                     -- NULL: never, or all its sightings were labelled away
    last_camera    TEXT,
    last_location  TEXT,
    placed_at      INTEGER,                     -- the newest place that was told, of which
    placed_by      TEXT,                        -- the camera and
    place          TEXT                         -- the words
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX pets_by_name ON pets (name_key) WHERE registered_at IS NOT NULL;
CREATE INDEX pets_of_traffic ON pets (name_key) WHERE registered_at IS NULL AND removed_at IS NULL;

-- One row per frame in which an animal was recognised. What the camera told stays beside what a
-- person's label says, so that the label can be taken back.
CREATE TABLE pet_sightings (
    id           INTEGER PRIMARY KEY,           -- position
    at           INTEGER NOT NULL,
    pet_id       TEXT,                          -- NULL: nobody knows it
    species      TEXT NOT NULL,
    confidence   REAL NOT NULL,
    camera_id    TEXT NOT NULL,
    location     TEXT,                          -- EXTERIOR, INTERIOR, TRANSITION, as the message told
    bbox         TEXT,                          -- JSON [x, y, w, h], fractions of the frame
    crop_path    TEXT,
    labelled     INTEGER NOT NULL DEFAULT 0 CHECK (labelled IN (0, 1)),
    told_pet_id  TEXT,                          -- as the camera told it: an id or a name
    told_species TEXT NOT NULL,
    event_id     INTEGER NOT NULL,              -- position of its row in events
    -- Who it is, for indexes: a pet, or whatever strange animal of a species.
    animal       TEXT NOT NULL AS (CASE WHEN pet_id IS NULL THEN '?' || species ELSE '=' || pet_id END) VIRTUAL
) STRICT;
CREATE INDEX pet_sightings_by_time ON pet_sightings (at);
CREATE INDEX pet_sightings_by_animal ON pet_sightings (animal, at);
CREATE INDEX pet_sightings_by_place ON pet_sightings (animal, camera_id, at, confidence);

-- Each time a pet's place was told by name.
CREATE TABLE pet_locations (
    id        INTEGER PRIMARY KEY,              -- position
    at        INTEGER NOT NULL,
    pet_id    TEXT NOT NULL,
    camera_id TEXT NOT NULL,
    place     TEXT NOT NULL                     -- the publisher's words
) STRICT;
CREATE INDEX pet_locations_by_time ON pet_locations (at);
CREATE INDEX pet_locations_by_place ON pet_locations (pet_id, camera_id, place, at);

-- Every place at which a camera has told a pet, and when last: few rows, for rules that ask each second.
CREATE TABLE pet_places (
    pet_id    TEXT NOT NULL,
    camera_id TEXT NOT NULL,
    place     TEXT NOT NULL,
    last_at   INTEGER NOT NULL,
    PRIMARY KEY (pet_id, camera_id, place)
) STRICT, WITHOUT ROWID;

-- Pictures for the training of whoever recognises pets.
CREATE TABLE pet_training_images (
    id                  INTEGER PRIMARY KEY,    -- position of pet.image_staged
    pet_id              TEXT,                   -- NULL: its sighting was labelled as no pet's
    image_path          TEXT NOT NULL,
    source              TEXT NOT NULL CHECK (source IN ('crop', 'upload')),
    sighting_id         INTEGER,                -- the sighting that it was cut out of
    created_at          INTEGER NOT NULL,
    used_in_training_at INTEGER
) STRICT;
CREATE INDEX pet_training_images_by_pet ON pet_training_images (pet_id);
CREATE INDEX pet_training_images_by_sighting ON pet_training_images (sighting_id) WHERE sighting_id IS NOT NULL;

-- Rules of pets; at most 32 each. A rule is known by its name within its pet.
CREATE TABLE pet_rules (
    id            INTEGER PRIMARY KEY,          -- position of the pet.rule_set that made it
    pet_id        TEXT NOT NULL,
    name          TEXT NOT NULL,
    conditions    TEXT NOT NULL,                -- JSON list of objects with `type`; all have to hold
    action        TEXT NOT NULL CHECK (action IN ('push', 'log', 'record')),
    message       TEXT,                         -- NULL: the conditions in words
    cooldown_s    INTEGER NOT NULL,
    priority      INTEGER NOT NULL,             -- 0 to 9, the gravest first
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    set_at        INTEGER NOT NULL,             -- when its conditions were set: absence counts from here at the earliest
    last_fired_at INTEGER,
    fired_count   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (pet_id, name)
) STRICT;

-- When a person was last recognised at each camera, for "without a person".
CREATE TABLE pet_rule_persons (
    camera_id TEXT PRIMARY KEY,
    last_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- By species for lists, by species and camera for encounters.
CREATE INDEX wildlife_sightings_by_species ON wildlife_sightings (species, at);
CREATE INDEX wildlife_sightings_by_place ON wildlife_sightings (species, camera_id, at, confidence);

-- Every species that was ever seen. A late sighting moves the first one back.
CREATE TABLE wildlife_species (
    species        TEXT PRIMARY KEY,
    first_at       INTEGER NOT NULL,
    first_position INTEGER NOT NULL,            -- of the first sighting
    last_at        INTEGER NOT NULL,
    last_position  INTEGER NOT NULL,
    count          INTEGER NOT NULL             -- of sightings
) STRICT, WITHOUT ROWID;

-- Encounters: sightings of one animal at one camera, none more than 30 minutes after the one before
-- it (the usual interval of independence in camera trapping). A row is the encounter's first
-- sighting; its end is the first sighting that no other follows in time. Both are found by index,
-- so that reading the newest few costs their own sightings and no more.
CREATE VIEW pet_encounters AS
SELECT s.id, s.at AS started_at, e.at AS ended_at, s.pet_id, s.species, s.camera_id,
       (SELECT count(*) FROM pet_sightings c WHERE c.animal = s.animal AND c.camera_id = s.camera_id
        AND c.at BETWEEN s.at AND e.at) AS sightings,
       (SELECT max(c.confidence) FROM pet_sightings c WHERE c.animal = s.animal
        AND c.camera_id = s.camera_id AND c.at BETWEEN s.at AND e.at) AS confidence
FROM pet_sightings s CROSS JOIN pet_sightings e
WHERE NOT EXISTS (
    SELECT 1 FROM pet_sightings p WHERE p.animal = s.animal AND p.camera_id = s.camera_id
    AND p.at >= s.at - 1800000000000 AND p.at <= s.at AND (p.at < s.at OR p.id < s.id))
AND e.id = (
    SELECT l.id FROM pet_sightings l WHERE l.animal = s.animal AND l.camera_id = s.camera_id
    AND l.at >= s.at AND NOT EXISTS (
        SELECT 1 FROM pet_sightings n WHERE n.animal = l.animal AND n.camera_id = l.camera_id
        AND n.at >= l.at AND n.at <= l.at + 1800000000000 AND (n.at > l.at OR n.id > l.id))
    ORDER BY l.at, l.id LIMIT 1);

CREATE VIEW wildlife_encounters AS
SELECT s.id, s.at AS started_at, e.at AS ended_at, s.species, s.threat, s.camera_id,
       (SELECT count(*) FROM wildlife_sightings c WHERE c.species = s.species
        AND c.camera_id = s.camera_id AND c.at BETWEEN s.at AND e.at) AS sightings,
       (SELECT max(c.confidence) FROM wildlife_sightings c WHERE c.species = s.species
        AND c.camera_id = s.camera_id AND c.at BETWEEN s.at AND e.at) AS confidence
FROM wildlife_sightings s CROSS JOIN wildlife_sightings e
WHERE NOT EXISTS (
    SELECT 1 FROM wildlife_sightings p WHERE p.species = s.species AND p.camera_id = s.camera_id
    AND p.at >= s.at - 1800000000000 AND p.at <= s.at AND (p.at < s.at OR p.id < s.id))
AND e.id = (
    SELECT l.id FROM wildlife_sightings l WHERE l.species = s.species AND l.camera_id = s.camera_id
    AND l.at >= s.at AND NOT EXISTS (
        SELECT 1 FROM wildlife_sightings n WHERE n.species = l.species
        AND n.camera_id = l.camera_id AND n.at >= l.at AND n.at <= l.at + 1800000000000
        AND (n.at > l.at OR n.id > l.id))
    ORDER BY l.at, l.id LIMIT 1);
