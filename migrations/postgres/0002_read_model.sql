-- The read model: every table here is a projection. It can be emptied and folded again from the
-- event log, and comes out the same. Rows that come from one event are keyed by its position.

-- Cameras, from configuration later and from traffic now.
CREATE TABLE cameras (
    id            TEXT COLLATE "C" PRIMARY KEY,
    display_name  TEXT COLLATE "C" NOT NULL,
    location      TEXT COLLATE "C" CHECK (location IN ('EXTERIOR', 'INTERIOR', 'TRANSITION')),
    source_url    TEXT COLLATE "C",             -- secrets redacted
    enabled       BIGINT NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    last_error    TEXT COLLATE "C"
);

CREATE TABLE sensors (
    id             TEXT COLLATE "C" PRIMARY KEY,
    display_name   TEXT COLLATE "C" NOT NULL,
    type           TEXT COLLATE "C" NOT NULL,   -- the first key it reported: contact, motion …
    protocol       TEXT COLLATE "C" NOT NULL,
    device_address TEXT COLLATE "C",
    location       TEXT COLLATE "C",
    enabled        BIGINT NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    first_seen_at  BIGINT NOT NULL,
    last_seen_at   BIGINT NOT NULL,
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

-- Numbers summed up. bucket_at is the start; a late reading corrects the bucket it belongs to.
-- `last` is by event time. The mean is sum ÷ count.
CREATE TABLE sensor_rollups_5min (
    sensor_id TEXT COLLATE "C" NOT NULL,
    state_key TEXT COLLATE "C" NOT NULL,
    bucket_at BIGINT NOT NULL,
    count     BIGINT NOT NULL,
    min       DOUBLE PRECISION NOT NULL,
    max       DOUBLE PRECISION NOT NULL,
    sum       DOUBLE PRECISION NOT NULL,
    last      DOUBLE PRECISION NOT NULL,
    last_at   BIGINT NOT NULL,
    PRIMARY KEY (sensor_id, state_key, bucket_at)
);
CREATE INDEX sensor_rollups_5min_by_time ON sensor_rollups_5min (bucket_at);

CREATE TABLE sensor_rollups_hourly (
    sensor_id TEXT COLLATE "C" NOT NULL,
    state_key TEXT COLLATE "C" NOT NULL,
    bucket_at BIGINT NOT NULL,
    count     BIGINT NOT NULL,
    min       DOUBLE PRECISION NOT NULL,
    max       DOUBLE PRECISION NOT NULL,
    sum       DOUBLE PRECISION NOT NULL,
    last      DOUBLE PRECISION NOT NULL,
    last_at   BIGINT NOT NULL,
    PRIMARY KEY (sensor_id, state_key, bucket_at)
);
CREATE INDEX sensor_rollups_hourly_by_time ON sensor_rollups_hourly (bucket_at);

-- Moments that people read: "Front door opened". Edges only, never a repeated state.
-- severity_id: 1 INFO, 3 WARNING, 4 ALERT, 5 CRITICAL (0–6 is the scale of Seerflow's events).
CREATE TABLE events (
    position        BIGINT PRIMARY KEY,
    timestamp_ns    BIGINT NOT NULL,
    observed_ns     BIGINT NOT NULL,
    type            TEXT COLLATE "C" NOT NULL,
    severity_id     BIGINT NOT NULL CHECK (severity_id BETWEEN 0 AND 6),
    source_type     TEXT COLLATE "C" NOT NULL,
    source_id       TEXT COLLATE "C" NOT NULL,
    template_id     BIGINT,
    message         TEXT COLLATE "C" NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT COLLATE "C"
);
CREATE INDEX events_by_time ON events (timestamp_ns);

-- What each subject said last, to tell an edge from a repeat. Its own table, not sensor_states:
-- that belongs to another projection, which may be at another position during a rebuild.
CREATE TABLE event_edges (
    stream    TEXT COLLATE "C" NOT NULL,
    state_key TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (stream, state_key)
);

CREATE TABLE pets (
    id             TEXT COLLATE "C" PRIMARY KEY,
    name           TEXT COLLATE "C" NOT NULL,
    species        TEXT COLLATE "C",
    breed          TEXT COLLATE "C",
    description    TEXT COLLATE "C",
    photo_path     TEXT COLLATE "C",
    training_count BIGINT NOT NULL DEFAULT 0,
    last_seen_at   BIGINT NOT NULL,
    last_camera    TEXT COLLATE "C",
    last_location  TEXT COLLATE "C"
);

-- One row per frame in which an animal was recognised.
CREATE TABLE pet_sightings (
    id         BIGINT PRIMARY KEY,              -- position
    at         BIGINT NOT NULL,
    pet_id     TEXT COLLATE "C" REFERENCES pets (id), -- NULL: nobody knows it
    species    TEXT COLLATE "C" NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    camera_id  TEXT COLLATE "C" NOT NULL,
    bbox       TEXT COLLATE "C",                -- JSON [x, y, w, h], fractions of the frame
    crop_path  TEXT COLLATE "C",
    labelled   BIGINT NOT NULL DEFAULT 0 CHECK (labelled IN (0, 1)),
    event_id   BIGINT NOT NULL                  -- position of its row in events
);
CREATE INDEX pet_sightings_by_time ON pet_sightings (at);

CREATE TABLE wildlife_sightings (
    id            BIGINT PRIMARY KEY,           -- position
    at            BIGINT NOT NULL,
    species       TEXT COLLATE "C" NOT NULL,
    threat        TEXT COLLATE "C" NOT NULL CHECK (threat IN ('PREDATOR', 'NUISANCE', 'PASSIVE')),
    confidence    DOUBLE PRECISION NOT NULL,
    camera_id     TEXT COLLATE "C" NOT NULL,
    bbox          TEXT COLLATE "C",
    crop_path     TEXT COLLATE "C",
    temperature_c DOUBLE PRECISION,
    conditions    TEXT COLLATE "C",
    event_id      BIGINT NOT NULL
);
CREATE INDEX wildlife_sightings_by_time ON wildlife_sightings (at);

-- Log lines. The line itself stands in the event log only (a text is never stored twice); the view
-- log_events puts both together under the names that Logly's readers expect.
CREATE TABLE log_lines (
    position BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    level    BIGINT NOT NULL CHECK (level BETWEEN 0 AND 4),   -- DEBUG INFO WARNING ERROR CRITICAL
    source   BIGINT NOT NULL                    -- names.id of log/<host>/<source>
);
CREATE INDEX log_lines_by_time ON log_lines (at);
CREATE INDEX log_lines_by_source ON log_lines (source, at);

CREATE VIEW log_events AS
SELECT l.position,
       l.at,
       l.at / 1000000000.0::DOUBLE PRECISION AS timestamp, -- seconds, as Logly has it
       substr(n.name, 5, instr(substr(n.name, 5), '/') - 1) AS host,
       substr(n.name, 5 + instr(substr(n.name, 5), '/')) AS source,
       CASE l.level WHEN 0 THEN 'DEBUG' WHEN 1 THEN 'INFO' WHEN 2 THEN 'WARNING'
                    WHEN 3 THEN 'ERROR' ELSE 'CRITICAL' END COLLATE "C" AS level,
       e.text AS message
FROM log_lines l
JOIN event_log e ON e.position = l.position
JOIN names n ON n.id = l.source;

-- Recordings; a row exists from the moment the file is found.
-- Paths lie inside the recordings folder; bytes that are not printable UTF-8 are written %XX (and
-- % as %25), so that every name fits and none is lost.
CREATE TABLE recordings (
    id             BIGINT PRIMARY KEY,          -- position of recording.found or .sealed
    camera_id      TEXT COLLATE "C",
    file_path      TEXT COLLATE "C" NOT NULL,   -- the .vge once sealed, before that the original
    original_name  TEXT COLLATE "C" NOT NULL,
    started_at     BIGINT,
    ended_at       BIGINT,
    duration_s     DOUBLE PRECISION,
    file_size      BIGINT NOT NULL,             -- bytes of the plaintext
    trigger        TEXT COLLATE "C" CHECK (trigger IN ('MOTION', 'CONTINUOUS', 'MANUAL', 'TIMELAPSE', 'HIGHLIGHT')),
    event_id       BIGINT,                      -- position of the motion that it overlaps
    starred        BIGINT NOT NULL DEFAULT 0 CHECK (starred IN (0, 1)),
    held           BIGINT NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    fps            DOUBLE PRECISION,
    frame_count    BIGINT,
    width          BIGINT,
    height         BIGINT,
    codec          TEXT COLLATE "C",
    detection_type TEXT COLLATE "C",
    thumbnail_path TEXT COLLATE "C",
    state          TEXT COLLATE "C" NOT NULL CHECK (state IN ('found', 'sealing', 'sealed', 'empty', 'failed', 'deleted')),
    failure        TEXT COLLATE "C",
    key_id         TEXT COLLATE "C",            -- hex
    plain_sha256   TEXT COLLATE "C",            -- hex
    header_tag     TEXT COLLATE "C",            -- hex
    integrity      TEXT COLLATE "C" NOT NULL CHECK (integrity IN ('verified', 'unverified', 'tampered', 'missing')),
    position       BIGINT NOT NULL              -- last event about it
);
CREATE INDEX recordings_by_name ON recordings (original_name);
CREATE INDEX recordings_by_file ON recordings (file_path);
CREATE INDEX recordings_by_start ON recordings (started_at);

-- What "finished" messages said of a file, whichever comes first. Two cameras may give their files
-- the same names, in folders of their own.
CREATE TABLE recording_hints (
    file        TEXT COLLATE "C" NOT NULL,      -- last part of the path, printable as in recordings
    camera_id   TEXT COLLATE "C" NOT NULL,
    trigger     TEXT COLLATE "C",
    started_at  BIGINT,
    ended_at    BIGINT,
    fps         DOUBLE PRECISION,
    frame_count BIGINT,
    position    BIGINT NOT NULL,                -- of the message
    PRIMARY KEY (file, camera_id)
);

-- Motions, to link a recording with the one that it overlaps.
CREATE TABLE recording_motions (
    position   BIGINT PRIMARY KEY,
    camera_id  TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,                          -- NULL: goes on
    detection  TEXT COLLATE "C"
);
CREATE INDEX recording_motions_by_camera ON recording_motions (camera_id, started_at);

CREATE TABLE system_events (
    id        BIGINT PRIMARY KEY,               -- position
    at        BIGINT NOT NULL,
    component TEXT COLLATE "C" NOT NULL,
    level     TEXT COLLATE "C" NOT NULL CHECK (level IN ('info', 'alert', 'critical')),
    message   TEXT COLLATE "C" NOT NULL,
    position  BIGINT NOT NULL
);
CREATE INDEX system_events_by_time ON system_events (at);

-- What could not be decoded or folded; the bytes stand in the event log at `position`.
CREATE TABLE dead_letters (
    position      BIGINT PRIMARY KEY,
    stage         TEXT COLLATE "C" NOT NULL CHECK (stage IN ('decode', 'fold')),
    projection    TEXT COLLATE "C",
    topic         TEXT COLLATE "C",
    reason        TEXT COLLATE "C" NOT NULL,
    size_bytes    BIGINT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    attempts      BIGINT NOT NULL DEFAULT 1,
    state         TEXT COLLATE "C" NOT NULL CHECK (state IN ('parked', 'requeued', 'dropped'))
);

-- Events counted per UTC hour and day, by kind and source (both names.id). A sum over one of the
-- two gives the other view.
CREATE TABLE event_counts_hourly (
    bucket_at BIGINT NOT NULL,
    kind      BIGINT NOT NULL,
    source    BIGINT NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (bucket_at, kind, source)
);

CREATE TABLE event_counts_daily (
    bucket_at BIGINT NOT NULL,
    kind      BIGINT NOT NULL,
    source    BIGINT NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (bucket_at, kind, source)
);

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
