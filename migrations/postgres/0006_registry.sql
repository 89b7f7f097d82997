-- Registries: what the configuration says of devices stands beside what their traffic says, and goes
-- before it. The three tables are made anew, since a registered device may never have been heard;
-- their projections fold them again at the next start.

DROP TABLE sensor_states;
DROP TABLE sensors;
DROP TABLE cameras;

CREATE TABLE cameras (
    id            TEXT COLLATE "C" PRIMARY KEY,
    display_name  TEXT COLLATE "C" NOT NULL,
    location      TEXT COLLATE "C" GENERATED ALWAYS AS (coalesce(registered_location, told_location)) STORED,
    registered_location TEXT COLLATE "C" CHECK (registered_location IN ('EXTERIOR', 'INTERIOR', 'TRANSITION')),
    told_location TEXT COLLATE "C" CHECK (told_location IN ('EXTERIOR', 'INTERIOR', 'TRANSITION')), -- by its messages
    source_url    TEXT COLLATE "C",             -- secrets redacted
    enabled       BIGINT NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    registered    BIGINT NOT NULL DEFAULT 0 CHECK (registered IN (0, 1)),
    first_seen_at BIGINT,                       -- NULL: registered, and never heard
    last_seen_at  BIGINT,
    last_error    TEXT COLLATE "C"
);

CREATE TABLE sensors (
    id             TEXT COLLATE "C" PRIMARY KEY,
    display_name   TEXT COLLATE "C" NOT NULL,
    type           TEXT COLLATE "C" GENERATED ALWAYS AS (coalesce(registered_type, first_key, 'unknown')) STORED,
    registered_type TEXT COLLATE "C",
    first_key      TEXT COLLATE "C",            -- the first key that it reported: contact, motion …
    protocol       TEXT COLLATE "C" GENERATED ALWAYS AS (coalesce(registered_protocol, 'mqtt')) STORED,
    registered_protocol TEXT COLLATE "C",
    device_address TEXT COLLATE "C",
    location       TEXT COLLATE "C",
    enabled        BIGINT NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    registered     BIGINT NOT NULL DEFAULT 0 CHECK (registered IN (0, 1)),
    silent_after_ms BIGINT,                     -- as registered; 0: never, NULL: its rhythm tells
    first_seen_at  BIGINT,                      -- NULL: registered, and never heard
    last_seen_at   BIGINT,
    battery        DOUBLE PRECISION             -- percent
);

-- What each sensor says now. A late message never overwrites a newer state.
CREATE TABLE sensor_states (
    sensor_id  TEXT COLLATE "C" NOT NULL REFERENCES sensors (id),
    state_key  TEXT COLLATE "C" NOT NULL,
    value      TEXT COLLATE "C" NOT NULL,
    number     DOUBLE PRECISION,                -- the value when it is a number
    unit       TEXT COLLATE "C",
    changed_at BIGINT NOT NULL,                 -- when the value became what it is
    updated_at BIGINT NOT NULL,                 -- when it was last confirmed
    position   BIGINT NOT NULL,
    PRIMARY KEY (sensor_id, state_key)
);

-- What the fold of events knows of devices: their names for its sentences, and where cameras look.
-- Its own table, not cameras or sensors: those belong to other projections.
CREATE TABLE event_subjects (
    stream       TEXT COLLATE "C" PRIMARY KEY,  -- camera/yard
    display_name TEXT COLLATE "C" NOT NULL,
    location     TEXT COLLATE "C"
);

-- The household's own rules of classification, as of the last classification.configured.
CREATE TABLE classification_rules (
    ordinal     BIGINT PRIMARY KEY,             -- their order: the first that holds counts
    id          TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,      -- wire name
    stream      TEXT COLLATE "C" NOT NULL,      -- * for any part
    state_key   TEXT COLLATE "C",
    value       TEXT COLLATE "C",
    above       DOUBLE PRECISION,
    below       DOUBLE PRECISION,
    type        TEXT COLLATE "C",               -- NULL: nobody is told
    severity_id BIGINT NOT NULL,
    message     TEXT COLLATE "C"                -- {subject} {value} {unit}
);

-- How often each device is heard, by arrival. Snapshots are no sign of life.
CREATE TABLE liveness (
    stream          TEXT COLLATE "C" PRIMARY KEY, -- sensor/attic, camera/yard
    last_at         BIGINT,                     -- NULL: registered, and never heard
    beat_at         BIGINT,                     -- the arrival that the next interval counts from
    intervals_ms    TEXT COLLATE "C" NOT NULL,  -- JSON, the last 15, oldest first
    median_ms       BIGINT,                     -- NULL: too few to speak of a rhythm
    silent_after_ms BIGINT,                     -- as registered; 0: never, NULL: the rhythm tells
    silent_since    BIGINT,
    heard           BIGINT NOT NULL CHECK (heard IN (0, 1))   -- since it counts as silent
);
-- Those that are silent: few, and looked at every second.
CREATE INDEX liveness_silent ON liveness (heard) WHERE silent_since IS NOT NULL;

-- When the daemon last started: before that nobody listened.
CREATE TABLE liveness_start (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL
);

-- What each UPS says now. Its three states have times of their own, to tell what is late.
CREATE TABLE ups_status (
    id                 TEXT COLLATE "C" PRIMARY KEY,
    status             TEXT COLLATE "C",        -- its own words: OL CHRG
    charge_pct         DOUBLE PRECISION,
    runtime_s          DOUBLE PRECISION,
    load_pct           DOUBLE PRECISION,
    input_voltage      DOUBLE PRECISION,
    on_battery         BIGINT CHECK (on_battery IN (0, 1)),       -- NULL: it never said
    on_battery_at      BIGINT,                  -- since when
    on_battery_told_at BIGINT,                  -- as last told
    battery_low        BIGINT CHECK (battery_low IN (0, 1)),
    battery_low_told_at BIGINT,
    battery_critical   BIGINT CHECK (battery_critical IN (0, 1)),
    battery_critical_told_at BIGINT,
    updated_at         BIGINT NOT NULL,
    position           BIGINT NOT NULL
);

-- What became of the power, edges only: by a topic of its own or by a word of the status, never twice.
CREATE TABLE power_events (
    id         BIGINT PRIMARY KEY,              -- position
    at         BIGINT NOT NULL,
    ups_id     TEXT COLLATE "C" NOT NULL,
    what       TEXT COLLATE "C" NOT NULL CHECK (what IN ('LOST', 'RESTORED', 'LOW', 'CRITICAL')),
    status     TEXT COLLATE "C",
    charge_pct DOUBLE PRECISION,
    runtime_s  DOUBLE PRECISION
);
CREATE INDEX power_events_by_time ON power_events (at);

CREATE TABLE timelapse_schedules (
    id            TEXT COLLATE "C" PRIMARY KEY,
    camera_id     TEXT COLLATE "C" NOT NULL,
    start_hour    BIGINT NOT NULL CHECK (start_hour BETWEEN 0 AND 23),
    end_hour      BIGINT NOT NULL CHECK (end_hour BETWEEN 1 AND 24),
    generate_time TEXT COLLATE "C" NOT NULL,    -- HH:MM, local
    enabled       BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    scheduled_at  BIGINT NOT NULL,              -- nothing is due before
    last_due_at   BIGINT                        -- what was asked for last
);

-- Pages of moments by what people ask for: of a type, of a source, only grave ones, only those that
-- nobody has seen. Each pays with some bytes per moment; without it a page may read millions.
CREATE INDEX events_by_type ON events (type, timestamp_ns);
CREATE INDEX events_by_source ON events (source_id, timestamp_ns);
CREATE INDEX events_grave ON events (timestamp_ns) WHERE severity_id >= 3;
CREATE INDEX events_open ON events (timestamp_ns) WHERE acknowledged_at IS NULL;

-- Whether a component said something before.
CREATE INDEX system_events_by_component ON system_events (component, at);

-- Recordings by the best time that is known of them.
CREATE INDEX recordings_by_begin ON recordings (coalesce(started_at, recorded_at, 0));
