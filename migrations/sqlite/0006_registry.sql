-- Registries: what the configuration says of devices stands beside what their traffic says, and goes
-- before it. The three tables are made anew, since a registered device may never have been heard;
-- their projections fold them again at the next start.

DROP TABLE sensor_states;
DROP TABLE sensors;
DROP TABLE cameras;

CREATE TABLE cameras (
    id            TEXT PRIMARY KEY,
    display_name  TEXT NOT NULL,
    location      TEXT GENERATED ALWAYS AS (coalesce(registered_location, told_location)) VIRTUAL,
    registered_location TEXT CHECK (registered_location IN ('EXTERIOR', 'INTERIOR', 'TRANSITION')),
    told_location TEXT CHECK (told_location IN ('EXTERIOR', 'INTERIOR', 'TRANSITION')),  -- by its messages
    source_url    TEXT,                         -- secrets redacted
    enabled       INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    registered    INTEGER NOT NULL DEFAULT 0 CHECK (registered IN (0, 1)),
    first_seen_at INTEGER,                      -- NULL: registered, and never heard
    last_seen_at  INTEGER,
    last_error    TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE sensors (
    id             TEXT PRIMARY KEY,
    display_name   TEXT NOT NULL,
    type           TEXT GENERATED ALWAYS AS (coalesce(registered_type, first_key, 'unknown')) VIRTUAL,
    registered_type TEXT,
    first_key      TEXT,                        -- the first key that it reported: contact, motion …
    protocol       TEXT GENERATED ALWAYS AS (coalesce(registered_protocol, 'mqtt')) VIRTUAL,
    registered_protocol TEXT,
    device_address TEXT,
    location       TEXT,
    enabled        INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    registered     INTEGER NOT NULL DEFAULT 0 CHECK (registered IN (0, 1)),
    silent_after_ms INTEGER,                    -- as registered; 0: never, NULL: its rhythm tells
    first_seen_at  INTEGER,                     -- NULL: registered, and never heard
    last_seen_at   INTEGER,
    battery        REAL                         -- percent
) STRICT, WITHOUT ROWID;

-- What each sensor says now. A late message never overwrites a newer state.
CREATE TABLE sensor_states (
    sensor_id  TEXT NOT NULL REFERENCES sensors (id),
    state_key  TEXT NOT NULL,
    value      TEXT NOT NULL,
    number     REAL,                            -- the value when it is a number
    unit       TEXT,
    changed_at INTEGER NOT NULL,                -- when the value became what it is
    updated_at INTEGER NOT NULL,                -- when it was last confirmed
    position   INTEGER NOT NULL,
    PRIMARY KEY (sensor_id, state_key)
) STRICT, WITHOUT ROWID;

-- What the fold of events knows of devices: their names for its sentences, and where cameras look.
-- Its own table, not cameras or sensors: those belong to other projections.
CREATE TABLE event_subjects (
    stream       TEXT PRIMARY KEY,              -- camera/yard
    display_name TEXT NOT NULL,
    location     TEXT
) STRICT, WITHOUT ROWID;

-- The household's own rules of classification, as of the last classification.configured.
CREATE TABLE classification_rules (
    ordinal     INTEGER PRIMARY KEY,            -- their order: the first that holds counts
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL,                  -- wire name
    stream      TEXT NOT NULL,                  -- * for any part
    state_key   TEXT,
    value       TEXT,
    above       REAL,
    below       REAL,
    type        TEXT,                           -- NULL: nobody is told
    severity_id INTEGER NOT NULL,
    message     TEXT                            -- {subject} {value} {unit}
) STRICT;

-- How often each device is heard, by arrival. Snapshots are no sign of life.
CREATE TABLE liveness (
    stream          TEXT PRIMARY KEY,           -- sensor/attic, camera/yard
    last_at         INTEGER,                    -- NULL: registered, and never heard
    beat_at         INTEGER,                    -- the arrival that the next interval counts from
    intervals_ms    TEXT NOT NULL,              -- JSON, the last 15, oldest first
    median_ms       INTEGER,                    -- NULL: too few to speak of a rhythm
    silent_after_ms INTEGER,                    -- as registered; 0: never, NULL: the rhythm tells
    silent_since    INTEGER,
    heard           INTEGER NOT NULL CHECK (heard IN (0, 1))  -- since it counts as silent
) STRICT, WITHOUT ROWID;
-- Those that are silent: few, and looked at every second.
CREATE INDEX liveness_silent ON liveness (heard) WHERE silent_since IS NOT NULL;

-- When the daemon last started: before that nobody listened.
CREATE TABLE liveness_start (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;

-- What each UPS says now. Its three states have times of their own, to tell what is late.
CREATE TABLE ups_status (
    id                 TEXT PRIMARY KEY,
    status             TEXT,                    -- its own words: OL CHRG
    charge_pct         REAL,
    runtime_s          REAL,
    load_pct           REAL,
    input_voltage      REAL,
    on_battery         INTEGER CHECK (on_battery IN (0, 1)),      -- NULL: it never said
    on_battery_at      INTEGER,                 -- since when
    on_battery_told_at INTEGER,                 -- as last told
    battery_low        INTEGER CHECK (battery_low IN (0, 1)),
    battery_low_told_at INTEGER,
    battery_critical   INTEGER CHECK (battery_critical IN (0, 1)),
    battery_critical_told_at INTEGER,
    updated_at         INTEGER NOT NULL,
    position           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What became of the power, edges only: by a topic of its own or by a word of the status, never twice.
CREATE TABLE power_events (
    id         INTEGER PRIMARY KEY,             -- position
    at         INTEGER NOT NULL,
    ups_id     TEXT NOT NULL,
    what       TEXT NOT NULL CHECK (what IN ('LOST', 'RESTORED', 'LOW', 'CRITICAL')),
    status     TEXT,
    charge_pct REAL,
    runtime_s  REAL
) STRICT;
CREATE INDEX power_events_by_time ON power_events (at);

CREATE TABLE timelapse_schedules (
    id            TEXT PRIMARY KEY,
    camera_id     TEXT NOT NULL,
    start_hour    INTEGER NOT NULL CHECK (start_hour BETWEEN 0 AND 23),
    end_hour      INTEGER NOT NULL CHECK (end_hour BETWEEN 1 AND 24),
    generate_time TEXT NOT NULL,                -- HH:MM, local
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    scheduled_at  INTEGER NOT NULL,             -- nothing is due before
    last_due_at   INTEGER                       -- what was asked for last
) STRICT, WITHOUT ROWID;

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
