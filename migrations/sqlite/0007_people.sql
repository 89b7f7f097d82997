-- People: faces and how they are forgotten, parcels, who is at home.

-- A person, or a cluster of faces that nobody has named yet.
CREATE TABLE face_profiles (
    id              INTEGER PRIMARY KEY,            -- position of the face.seen that made it
    name            TEXT,                           -- NULL: nobody has said who it is
    household       INTEGER NOT NULL DEFAULT 0 CHECK (household IN (0, 1)), -- lives here
    presence_member TEXT,                           -- whose presence this face tells, if it lives here
    visit_count     INTEGER NOT NULL DEFAULT 0,
    first_seen_at   INTEGER NOT NULL,
    last_seen_at    INTEGER NOT NULL,
    ignored         INTEGER NOT NULL DEFAULT 0 CHECK (ignored IN (0, 1))    -- makes no moment
) STRICT;

-- What publishers call a person: their own profile ids.
CREATE TABLE face_aliases (
    alias      TEXT PRIMARY KEY,
    profile_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX face_aliases_by_profile ON face_aliases (profile_id);

-- The faces that later ones are compared with; bounded per profile and in all, the reactor says
-- which one goes. f32, little endian.
CREATE TABLE face_embeddings (
    id          INTEGER PRIMARY KEY,                -- position of the face.seen
    profile_id  INTEGER NOT NULL,
    embedding   BLOB NOT NULL,
    camera_id   TEXT NOT NULL,
    captured_at INTEGER NOT NULL,
    crop_path   TEXT
) STRICT;
CREATE INDEX face_embeddings_by_profile ON face_embeddings (profile_id, id);

-- Faces on their way from face.seen to face.matched, which comes in the same transaction.
CREATE TABLE face_pending (
    position  INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    alias     TEXT,
    embedding BLOB,
    crop_path TEXT
) STRICT;

-- Every event that tells of a person: what has to be redacted when the person is forgotten.
CREATE TABLE face_traces (
    position   INTEGER PRIMARY KEY,
    profile_id INTEGER NOT NULL                     -- 0: a face that was never matched
) STRICT;
CREATE INDEX face_traces_by_profile ON face_traces (profile_id);

-- A visit ends after ten minutes without the face; it departed when it was seen last.
CREATE TABLE visits (
    id          INTEGER PRIMARY KEY,                -- position of its first face that was matched
    profile_id  INTEGER NOT NULL,
    camera_id   TEXT NOT NULL,
    arrived_at  INTEGER NOT NULL,
    departed_at INTEGER NOT NULL,
    duration_s  REAL NOT NULL,
    event_id    INTEGER NOT NULL                    -- position of that face.seen
) STRICT;
CREATE INDEX visits_by_profile ON visits (profile_id, camera_id, arrived_at);
CREATE INDEX visits_by_time ON visits (arrived_at);

-- A parcel before a camera; one at a time is open per camera.
CREATE TABLE package_events (
    id           INTEGER PRIMARY KEY,               -- position of its first package.detected
    camera_id    TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('DETECTED', 'REMINDED', 'COLLECTED')),
    detected_at  INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    reminded_at  INTEGER,
    collected_at INTEGER,
    crop_path    TEXT,
    event_id     INTEGER NOT NULL                   -- position of its row in events
) STRICT;
CREATE INDEX package_events_by_time ON package_events (detected_at);
CREATE INDEX package_events_by_camera ON package_events (camera_id, detected_at);
CREATE INDEX package_events_open ON package_events (camera_id) WHERE state <> 'COLLECTED';

-- Who belongs to the household, and where each is now. A member has an entry of its own, whatever
-- it is called; the household as a whole stands in household_log alone.
CREATE TABLE presence_members (
    id              TEXT PRIMARY KEY,
    role            TEXT NOT NULL CHECK (role IN ('adult', 'child')),
    state           TEXT CHECK (state IN ('HOME', 'AWAY')), -- NULL: nothing was concluded yet
    changed_at      INTEGER,                        -- when the state became what it is
    last_report_at  INTEGER,                        -- when anything was told, by its own time
    last_home_at    INTEGER,                        -- when it was last told to be at home
    reported        TEXT                            -- the word that was told last
) STRICT, WITHOUT ROWID;

-- Who came and went.
CREATE TABLE presence_log (
    id         INTEGER PRIMARY KEY,                 -- position
    at         INTEGER NOT NULL,
    member     TEXT NOT NULL,
    from_state TEXT,                                -- NULL: nothing was known before
    to_state   TEXT NOT NULL,
    because    TEXT NOT NULL CHECK (because IN ('report', 'silence'))
) STRICT;
CREATE INDEX presence_log_by_time ON presence_log (at);

-- What the household was as a whole.
CREATE TABLE household_log (
    id         INTEGER PRIMARY KEY,                 -- position
    at         INTEGER NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL CHECK (to_state IN ('EMPTY', 'KIDS_HOME', 'ADULTS_HOME', 'ALL_HOME'))
) STRICT;
CREATE INDEX household_log_by_time ON household_log (at);

-- Forgetting. `redactions` names the events whose words may be changed, and has rows only inside
-- the transaction that changes them. `forgetting_crops` are pictures that are still to be deleted:
-- after a kill the next start does it. That something is unfinished at all stands in `metadata`
-- under `forgetting_unfinished`.
CREATE TABLE redactions (
    position INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE forgetting_crops (
    path TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The event log stays append-only but for the words of an event that the guard names: body and
-- text. That it happened, when, of which kind and in which place can never be changed.
DROP TRIGGER event_log_no_update;
CREATE TRIGGER event_log_no_update BEFORE UPDATE ON event_log
WHEN NOT EXISTS (SELECT 1 FROM redactions WHERE position = OLD.position)
    OR NEW.position IS NOT OLD.position
    OR NEW.kind IS NOT OLD.kind
    OR NEW.version IS NOT OLD.version
    OR NEW.occurred_at IS NOT OLD.occurred_at
    OR NEW.received_at IS NOT OLD.received_at
    OR NEW.stream IS NOT OLD.stream
    OR NEW.source IS NOT OLD.source
    OR NEW.topic IS NOT OLD.topic
    OR NEW.flags IS NOT OLD.flags
    OR NEW.cause IS NOT OLD.cause
BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;
