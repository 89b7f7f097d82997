-- The read model: every table here is a projection. It can be emptied and folded again from the
-- event log, and comes out the same. Rows that come from one event are keyed by its position.

-- Cameras, from configuration later and from traffic now.
CREATE TABLE cameras (
    id            TEXT PRIMARY KEY,
    display_name  TEXT NOT NULL,
    location      TEXT CHECK (location IN ('EXTERIOR', 'INTERIOR', 'TRANSITION')),
    source_url    TEXT,                         -- secrets redacted
    enabled       INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    first_seen_at INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    last_error    TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE sensors (
    id             TEXT PRIMARY KEY,
    display_name   TEXT NOT NULL,
    type           TEXT NOT NULL,               -- the first key it reported: contact, motion …
    protocol       TEXT NOT NULL,
    device_address TEXT,
    location       TEXT,
    enabled        INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    first_seen_at  INTEGER NOT NULL,
    last_seen_at   INTEGER NOT NULL,
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

-- Numbers summed up. bucket_at is the start; a late reading corrects the bucket it belongs to.
-- `last` is by event time. The mean is sum ÷ count.
CREATE TABLE sensor_rollups_5min (
    sensor_id TEXT NOT NULL,
    state_key TEXT NOT NULL,
    bucket_at INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    min       REAL NOT NULL,
    max       REAL NOT NULL,
    sum       REAL NOT NULL,
    last      REAL NOT NULL,
    last_at   INTEGER NOT NULL,
    PRIMARY KEY (sensor_id, state_key, bucket_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX sensor_rollups_5min_by_time ON sensor_rollups_5min (bucket_at);

CREATE TABLE sensor_rollups_hourly (
    sensor_id TEXT NOT NULL,
    state_key TEXT NOT NULL,
    bucket_at INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    min       REAL NOT NULL,
    max       REAL NOT NULL,
    sum       REAL NOT NULL,
    last      REAL NOT NULL,
    last_at   INTEGER NOT NULL,
    PRIMARY KEY (sensor_id, state_key, bucket_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX sensor_rollups_hourly_by_time ON sensor_rollups_hourly (bucket_at);

-- Moments that people read: "Front door opened". Edges only, never a repeated state.
-- severity_id: 1 INFO, 3 WARNING, 4 ALERT, 5 CRITICAL (0–6 is the scale of Seerflow's events).
CREATE TABLE events (
    position        INTEGER PRIMARY KEY,
    timestamp_ns    INTEGER NOT NULL,
    observed_ns     INTEGER NOT NULL,
    type            TEXT NOT NULL,
    severity_id     INTEGER NOT NULL CHECK (severity_id BETWEEN 0 AND 6),
    source_type     TEXT NOT NULL,
    source_id       TEXT NOT NULL,
    template_id     INTEGER,
    message         TEXT NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by TEXT
) STRICT;
CREATE INDEX events_by_time ON events (timestamp_ns);

-- What each subject said last, to tell an edge from a repeat. Its own table, not sensor_states:
-- that belongs to another projection, which may be at another position during a rebuild.
CREATE TABLE event_edges (
    stream    TEXT NOT NULL,
    state_key TEXT NOT NULL,
    value     TEXT NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (stream, state_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE pets (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL,
    species        TEXT,
    breed          TEXT,
    description    TEXT,
    photo_path     TEXT,
    training_count INTEGER NOT NULL DEFAULT 0,
    last_seen_at   INTEGER NOT NULL,
    last_camera    TEXT,
    last_location  TEXT
) STRICT, WITHOUT ROWID;

-- One row per frame in which an animal was recognised.
CREATE TABLE pet_sightings (
    id         INTEGER PRIMARY KEY,             -- position
    at         INTEGER NOT NULL,
    pet_id     TEXT REFERENCES pets (id),       -- NULL: nobody knows it
    species    TEXT NOT NULL,
    confidence REAL NOT NULL,
    camera_id  TEXT NOT NULL,
    bbox       TEXT,                            -- JSON [x, y, w, h], fractions of the frame
    crop_path  TEXT,
    labelled   INTEGER NOT NULL DEFAULT 0 CHECK (labelled IN (0, 1)),
    event_id   INTEGER NOT NULL                 -- position of its row in events
) STRICT;
CREATE INDEX pet_sightings_by_time ON pet_sightings (at);

CREATE TABLE wildlife_sightings (
    id            INTEGER PRIMARY KEY,          -- position
    at            INTEGER NOT NULL,
    species       TEXT NOT NULL,
    threat        TEXT NOT NULL CHECK (threat IN ('PREDATOR', 'NUISANCE', 'PASSIVE')),
    confidence    REAL NOT NULL,
    camera_id     TEXT NOT NULL,
    bbox          TEXT,
    crop_path     TEXT,
    temperature_c REAL,
    conditions    TEXT,
    event_id      INTEGER NOT NULL
) STRICT;
CREATE INDEX wildlife_sightings_by_time ON wildlife_sightings (at);

-- Log lines. The line itself stands in the event log only (a text is never stored twice); the view
-- log_events puts both together under the names that Logly's readers expect.
CREATE TABLE log_lines (
    position INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    level    INTEGER NOT NULL CHECK (level BETWEEN 0 AND 4),  -- DEBUG INFO WARNING ERROR CRITICAL
    source   INTEGER NOT NULL                   -- names.id of log/<host>/<source>
) STRICT;
CREATE INDEX log_lines_by_time ON log_lines (at);
CREATE INDEX log_lines_by_source ON log_lines (source, at);

CREATE VIEW log_events AS
SELECT l.position,
       l.at,
       l.at / 1000000000.0 AS timestamp,        -- seconds, as Logly has it
       substr(n.name, 5, instr(substr(n.name, 5), '/') - 1) AS host,
       substr(n.name, 5 + instr(substr(n.name, 5), '/')) AS source,
       CASE l.level WHEN 0 THEN 'DEBUG' WHEN 1 THEN 'INFO' WHEN 2 THEN 'WARNING'
                    WHEN 3 THEN 'ERROR' ELSE 'CRITICAL' END AS level,
       e.text AS message
FROM log_lines l
JOIN event_log e ON e.position = l.position
JOIN names n ON n.id = l.source;

-- Recordings; a row exists from the moment the file is found.
-- Paths lie inside the recordings folder; bytes that are not printable UTF-8 are written %XX (and
-- % as %25), so that every name fits and none is lost.
CREATE TABLE recordings (
    id             INTEGER PRIMARY KEY,         -- position of recording.found or .sealed
    camera_id      TEXT,
    file_path      TEXT NOT NULL,               -- the .vge once sealed, before that the original
    original_name  TEXT NOT NULL,
    started_at     INTEGER,
    ended_at       INTEGER,
    duration_s     REAL,
    file_size      INTEGER NOT NULL,            -- bytes of the plaintext
    trigger        TEXT CHECK (trigger IN ('MOTION', 'CONTINUOUS', 'MANUAL', 'TIMELAPSE', 'HIGHLIGHT')),
    event_id       INTEGER,                     -- position of the motion that it overlaps
    starred        INTEGER NOT NULL DEFAULT 0 CHECK (starred IN (0, 1)),
    held           INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    fps            REAL,
    frame_count    INTEGER,
    width          INTEGER,
    height         INTEGER,
    codec          TEXT,
    detection_type TEXT,
    thumbnail_path TEXT,
    state          TEXT NOT NULL CHECK (state IN ('found', 'sealing', 'sealed', 'empty', 'failed', 'deleted')),
    failure        TEXT,
    key_id         TEXT,                        -- hex
    plain_sha256   TEXT,                        -- hex
    header_tag     TEXT,                        -- hex
    integrity      TEXT NOT NULL CHECK (integrity IN ('verified', 'unverified', 'tampered', 'missing')),
    position       INTEGER NOT NULL             -- last event about it
) STRICT;
CREATE INDEX recordings_by_name ON recordings (original_name);
CREATE INDEX recordings_by_file ON recordings (file_path);
CREATE INDEX recordings_by_start ON recordings (started_at);

-- What "finished" messages said of a file, whichever comes first. Two cameras may give their files
-- the same names, in folders of their own.
CREATE TABLE recording_hints (
    file        TEXT NOT NULL,                  -- last part of the path, printable as in recordings
    camera_id   TEXT NOT NULL,
    trigger     TEXT,
    started_at  INTEGER,
    ended_at    INTEGER,
    fps         REAL,
    frame_count INTEGER,
    position    INTEGER NOT NULL,               -- of the message
    PRIMARY KEY (file, camera_id)
) STRICT, WITHOUT ROWID;

-- Motions, to link a recording with the one that it overlaps.
CREATE TABLE recording_motions (
    position   INTEGER PRIMARY KEY,
    camera_id  TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,                         -- NULL: goes on
    detection  TEXT
) STRICT;
CREATE INDEX recording_motions_by_camera ON recording_motions (camera_id, started_at);

CREATE TABLE system_events (
    id        INTEGER PRIMARY KEY,              -- position
    at        INTEGER NOT NULL,
    component TEXT NOT NULL,
    level     TEXT NOT NULL CHECK (level IN ('info', 'alert', 'critical')),
    message   TEXT NOT NULL,
    position  INTEGER NOT NULL
) STRICT;
CREATE INDEX system_events_by_time ON system_events (at);

-- What could not be decoded or folded; the bytes stand in the event log at `position`.
CREATE TABLE dead_letters (
    position      INTEGER PRIMARY KEY,
    stage         TEXT NOT NULL CHECK (stage IN ('decode', 'fold')),
    projection    TEXT,
    topic         TEXT,
    reason        TEXT NOT NULL,
    size_bytes    INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 1,
    state         TEXT NOT NULL CHECK (state IN ('parked', 'requeued', 'dropped'))
) STRICT;

-- Events counted per UTC hour and day, by kind and source (both names.id). A sum over one of the
-- two gives the other view.
CREATE TABLE event_counts_hourly (
    bucket_at INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    source    INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    PRIMARY KEY (bucket_at, kind, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE event_counts_daily (
    bucket_at INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    source    INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    PRIMARY KEY (bucket_at, kind, source)
) STRICT, WITHOUT ROWID;

CREATE VIEW events_per_hour_by_kind AS
SELECT c.bucket_at, n.name AS kind, sum(c.count) AS count
FROM event_counts_hourly c JOIN names n ON n.id = c.kind GROUP BY c.bucket_at, n.name;
CREATE VIEW events_per_hour_by_source AS
SELECT c.bucket_at, n.name AS source, sum(c.count) AS count
FROM event_counts_hourly c JOIN names n ON n.id = c.source GROUP BY c.bucket_at, n.name;
CREATE VIEW events_per_day_by_kind AS
SELECT c.bucket_at, n.name AS kind, sum(c.count) AS count
FROM event_counts_daily c JOIN names n ON n.id = c.kind GROUP BY c.bucket_at, n.name;
CREATE VIEW events_per_day_by_source AS
SELECT c.bucket_at, n.name AS source, sum(c.count) AS count
FROM event_counts_daily c JOIN names n ON n.id = c.source GROUP BY c.bucket_at, n.name;
