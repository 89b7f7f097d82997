-- Pets as a household keeps them, and wild animals as a naturalist counts them.

-- Both tables change their shape; they are projections, and the program folds them anew.
DROP TABLE pet_sightings;
DROP TABLE pets;

-- Pets: those that somebody registered, and those that are only known from what cameras say.
CREATE TABLE pets (
    id             TEXT COLLATE "C" PRIMARY KEY,
    name           TEXT COLLATE "C" NOT NULL,
    name_key       TEXT COLLATE "C" NOT NULL,   -- the name in lower case; publishers may use it in place of the id
    species        TEXT COLLATE "C",            -- a person's word, else a camera's
    breed          TEXT COLLATE "C",
    description    TEXT COLLATE "C",
    photo_path     TEXT COLLATE "C",
    training_count BIGINT NOT NULL DEFAULT 0,   -- pictures of it that were used in training
    registered_at  BIGINT,                      -- NULL: known from traffic alone, or removed
    removed_at     BIGINT,
    last_seen_at   BIGINT,                      -- NULL: never, or all its sightings were labelled away
    last_camera    TEXT COLLATE "C",
    last_location  TEXT COLLATE "C",
    placed_at      BIGINT,                      -- the newest place that was told, of which
    placed_by      TEXT COLLATE "C",            -- the camera and
    place          TEXT COLLATE "C"             -- the words
);
CREATE UNIQUE INDEX pets_by_name ON pets (name_key) WHERE registered_at IS NOT NULL;
CREATE INDEX pets_of_traffic ON pets (name_key) WHERE registered_at IS NULL AND removed_at IS NULL;

-- One row per frame in which an animal was recognised. What the camera told stays beside what a
-- person's label says, so that the label can be taken back.
CREATE TABLE pet_sightings (
    id           BIGINT PRIMARY KEY,            -- position
    at           BIGINT NOT NULL,
    pet_id       TEXT COLLATE "C",              -- NULL: nobody knows it
    species      TEXT COLLATE "C" NOT NULL,
    confidence   DOUBLE PRECISION NOT NULL,
    camera_id    TEXT COLLATE "C" NOT NULL,
    location     TEXT COLLATE "C",              -- EXTERIOR, INTERIOR, TRANSITION, as the message told
    bbox         TEXT COLLATE "C",              -- JSON [x, y, w, h], fractions of the frame
    crop_path    TEXT COLLATE "C",
    labelled     BIGINT NOT NULL DEFAULT 0 CHECK (labelled IN (0, 1)),
    told_pet_id  TEXT COLLATE "C",              -- as the camera told it: an id or a name
    told_species TEXT COLLATE "C" NOT NULL,
    event_id     BIGINT NOT NULL,               -- position of its row in events
    -- Who it is, for indexes: a pet, or whatever strange animal of a species.
    animal       TEXT COLLATE "C" NOT NULL GENERATED ALWAYS AS
                 (CASE WHEN pet_id IS NULL THEN '?' || species ELSE '=' || pet_id END) STORED
);
CREATE INDEX pet_sightings_by_time ON pet_sightings (at);
CREATE INDEX pet_sightings_by_animal ON pet_sightings (animal, at);
CREATE INDEX pet_sightings_by_place ON pet_sightings (animal, camera_id, at, confidence);

-- Each time a pet's place was told by name.
CREATE TABLE pet_locations (
    id        BIGINT PRIMARY KEY,               -- position
    at        BIGINT NOT NULL,
    pet_id    TEXT COLLATE "C" NOT NULL,
    camera_id TEXT COLLATE "C" NOT NULL,
    place     TEXT COLLATE "C" NOT NULL         -- the publisher's words
);
CREATE INDEX pet_locations_by_time ON pet_locations (at);
CREATE INDEX pet_locations_by_place ON pet_locations (pet_id, camera_id, place, at);

-- Every place at which a camera has told a pet, and when last: few rows, for rules that ask each second.
CREATE TABLE pet_places (
    pet_id    TEXT COLLATE "C" NOT NULL,
    camera_id TEXT COLLATE "C" NOT NULL,
    place     TEXT COLLATE "C" NOT NULL,
    last_at   BIGINT NOT NULL,
    PRIMARY KEY (pet_id, camera_id, place)
);

-- Pictures for the training of whoever recognises pets.
CREATE TABLE pet_training_images (
    id                  BIGINT PRIMARY KEY,     -- position of pet.image_staged
    pet_id              TEXT COLLATE "C",       -- NULL: its sighting was labelled as no pet's
    image_path          TEXT COLLATE "C" NOT NULL,
    source              TEXT COLLATE "C" NOT NULL CHECK (source IN ('crop', 'upload')),
    sighting_id         BIGINT,                 -- the sighting that it was cut out of
    created_at          BIGINT NOT NULL,
    used_in_training_at BIGINT
);
CREATE INDEX pet_training_images_by_pet ON pet_training_images (pet_id);
CREATE INDEX pet_training_images_by_sighting ON pet_training_images (sighting_id) WHERE sighting_id IS NOT NULL;

-- Rules of pets; at most 32 each. A rule is known by its name within its pet.
CREATE TABLE pet_rules (
    id            BIGINT PRIMARY KEY,           -- position of the pet.rule_set that made it
    pet_id        TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    conditions    TEXT COLLATE "C" NOT NULL,    -- JSON list of objects with `type`; all have to hold
    action        TEXT COLLATE "C" NOT NULL CHECK (action IN ('push', 'log', 'record')),
    message       TEXT COLLATE "C",             -- NULL: the conditions in words
    cooldown_s    BIGINT NOT NULL,
    priority      BIGINT NOT NULL,              -- 0 to 9, the gravest first
    enabled       BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    set_at        BIGINT NOT NULL,              -- when its conditions were set: absence counts from here at the earliest
    last_fired_at BIGINT,
    fired_count   BIGINT NOT NULL DEFAULT 0,
    UNIQUE (pet_id, name)
);

-- When a person was last recognised at each camera, for "without a person".
CREATE TABLE pet_rule_persons (
    camera_id TEXT COLLATE "C" PRIMARY KEY,
    last_at   BIGINT NOT NULL
);

-- By species for lists, by species and camera for encounters.
CREATE INDEX wildlife_sightings_by_species ON wildlife_sightings (species, at);
CREATE INDEX wildlife_sightings_by_place ON wildlife_sightings (species, camera_id, at, confidence);

-- Every species that was ever seen. A late sighting moves the first one back.
CREATE TABLE wildlife_species (
    species        TEXT COLLATE "C" PRIMARY KEY,
    first_at       BIGINT NOT NULL,
    first_position BIGINT NOT NULL,             -- of the first sighting
    last_at        BIGINT NOT NULL,
    last_position  BIGINT NOT NULL,
    count          BIGINT NOT NULL              -- of sightings
);

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
