-- People: faces and how they are forgotten, parcels, who is at home.

-- A person, or a cluster of faces that nobody has named yet.
CREATE TABLE face_profiles (
    id              BIGINT PRIMARY KEY,             -- position of the face.seen that made it
    name            TEXT COLLATE "C",               -- NULL: nobody has said who it is
    household       BIGINT NOT NULL DEFAULT 0 CHECK (household IN (0, 1)),  -- lives here
    presence_member TEXT COLLATE "C",               -- whose presence this face tells, if it lives here
    visit_count     BIGINT NOT NULL DEFAULT 0,
    first_seen_at   BIGINT NOT NULL,
    last_seen_at    BIGINT NOT NULL,
    ignored         BIGINT NOT NULL DEFAULT 0 CHECK (ignored IN (0, 1))     -- makes no moment
);

-- What publishers call a person: their own profile ids.
CREATE TABLE face_aliases (
    alias      TEXT COLLATE "C" PRIMARY KEY,
    profile_id BIGINT NOT NULL
);
CREATE INDEX face_aliases_by_profile ON face_aliases (profile_id);

-- The faces that later ones are compared with; bounded per profile and in all, the reactor says
-- which one goes. f32, little endian.
CREATE TABLE face_embeddings (
    id          BIGINT PRIMARY KEY,                 -- position of the face.seen
    profile_id  BIGINT NOT NULL,
    embedding   BYTEA NOT NULL,
    camera_id   TEXT COLLATE "C" NOT NULL,
    captured_at BIGINT NOT NULL,
    crop_path   TEXT COLLATE "C"
);
CREATE INDEX face_embeddings_by_profile ON face_embeddings (profile_id, id);

-- Faces on their way from face.seen to face.matched, which comes in the same transaction.
CREATE TABLE face_pending (
    position  BIGINT PRIMARY KEY,
    at        BIGINT NOT NULL,
    alias     TEXT COLLATE "C",
    embedding BYTEA,
    crop_path TEXT COLLATE "C"
);

-- Every event that tells of a person: what has to be redacted when the person is forgotten.
CREATE TABLE face_traces (
    position   BIGINT PRIMARY KEY,
    profile_id BIGINT NOT NULL                      -- 0: a face that was never matched
);
CREATE INDEX face_traces_by_profile ON face_traces (profile_id);

-- A visit ends after ten minutes without the face; it departed when it was seen last.
CREATE TABLE visits (
    id          BIGINT PRIMARY KEY,                 -- position of its first face that was matched
    profile_id  BIGINT NOT NULL,
    camera_id   TEXT COLLATE "C" NOT NULL,
    arrived_at  BIGINT NOT NULL,
    departed_at BIGINT NOT NULL,
    duration_s  DOUBLE PRECISION NOT NULL,
    event_id    BIGINT NOT NULL                     -- position of that face.seen
);
CREATE INDEX visits_by_profile ON visits (profile_id, camera_id, arrived_at);
CREATE INDEX visits_by_time ON visits (arrived_at);

-- A parcel before a camera; one at a time is open per camera.
CREATE TABLE package_events (
    id           BIGINT PRIMARY KEY,                -- position of its first package.detected
    camera_id    TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('DETECTED', 'REMINDED', 'COLLECTED')),
    detected_at  BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    reminded_at  BIGINT,
    collected_at BIGINT,
    crop_path    TEXT COLLATE "C",
    event_id     BIGINT NOT NULL                    -- position of its row in events
);
CREATE INDEX package_events_by_time ON package_events (detected_at);
CREATE INDEX package_events_by_camera ON package_events (camera_id, detected_at);
CREATE INDEX package_events_open ON package_events (camera_id) WHERE state <> 'COLLECTED';

-- Who belongs to the household, and where each is now. A member has an entry of its own, whatever
-- it is called; the household as a whole stands in household_log alone.
CREATE TABLE presence_members (
    id              TEXT COLLATE "C" PRIMARY KEY,
    role            TEXT COLLATE "C" NOT NULL CHECK (role IN ('adult', 'child')),
    state           TEXT COLLATE "C" CHECK (state IN ('HOME', 'AWAY')), -- NULL: nothing was concluded yet
    changed_at      BIGINT,                         -- when the state became what it is
    last_report_at  BIGINT,                         -- when anything was told, by its own time
    last_home_at    BIGINT,                         -- when it was last told to be at home
    reported        TEXT COLLATE "C"                -- the word that was told last
);

-- Who came and went.
CREATE TABLE presence_log (
    id         BIGINT PRIMARY KEY,                  -- position
    at         BIGINT NOT NULL,
    member     TEXT COLLATE "C" NOT NULL,
    from_state TEXT COLLATE "C",                    -- NULL: nothing was known before
    to_state   TEXT COLLATE "C" NOT NULL,
    because    TEXT COLLATE "C" NOT NULL CHECK (because IN ('report', 'silence'))
);
CREATE INDEX presence_log_by_time ON presence_log (at);

-- What the household was as a whole.
CREATE TABLE household_log (
    id         BIGINT PRIMARY KEY,                  -- position
    at         BIGINT NOT NULL,
    from_state TEXT COLLATE "C",
    to_state   TEXT COLLATE "C" NOT NULL CHECK (to_state IN ('EMPTY', 'KIDS_HOME', 'ADULTS_HOME', 'ALL_HOME'))
);
CREATE INDEX household_log_by_time ON household_log (at);

-- Forgetting. `redactions` names the events whose words may be changed, and has rows only inside
-- the transaction that changes them. `forgetting_crops` are pictures that are still to be deleted:
-- after a kill the next start does it. That something is unfinished at all stands in `metadata`
-- under `forgetting_unfinished`.
CREATE TABLE redactions (
    position BIGINT PRIMARY KEY
);
CREATE TABLE forgetting_crops (
    path TEXT COLLATE "C" PRIMARY KEY
);

-- The event log stays append-only but for the words of an event that the guard names: body and
-- text. That it happened, when, of which kind and in which place can never be changed.
DROP TRIGGER event_log_no_update ON event_log;
CREATE FUNCTION event_log_keeps_all_but_words() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM redactions WHERE position = OLD.position)
        OR (NEW.position, NEW.kind, NEW.version, NEW.occurred_at, NEW.received_at, NEW.stream,
            NEW.source, NEW.topic, NEW.flags, NEW.cause)
        IS DISTINCT FROM
           (OLD.position, OLD.kind, OLD.version, OLD.occurred_at, OLD.received_at, OLD.stream,
            OLD.source, OLD.topic, OLD.flags, OLD.cause)
    THEN
        RAISE integrity_constraint_violation USING MESSAGE = 'the event log is append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_log_no_update BEFORE UPDATE ON event_log
FOR EACH ROW EXECUTE FUNCTION event_log_keeps_all_but_words();
