-- What makes a file of pictures a case: where they came from, what the clocks said, what happened
-- around them, who did what.

ALTER TABLE project ADD COLUMN case_ref TEXT;               -- number that the police or the insurer gave
ALTER TABLE project ADD COLUMN incident_from_ms INTEGER;
ALTER TABLE project ADD COLUMN incident_to_ms INTEGER;
ALTER TABLE project ADD COLUMN opened_by TEXT;
ALTER TABLE project ADD COLUMN status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'sealed'));

-- A reading that a person puts their name to.
ALTER TABLE ocr_runs ADD COLUMN confirmed_text TEXT;
ALTER TABLE ocr_runs ADD COLUMN confirmed_by TEXT;
ALTER TABLE ocr_runs ADD COLUMN confirmed_at_ms INTEGER;

-- How far a clock was off, and how somebody knows: `offset_ms` = clock − reference.
CREATE TABLE clock_checks (
    id        INTEGER PRIMARY KEY,
    at_ms     INTEGER NOT NULL,             -- by the reference
    clock     TEXT NOT NULL,                -- box, or a camera
    reference TEXT NOT NULL,
    offset_ms INTEGER NOT NULL,
    error_ms  INTEGER,                      -- NULL: unknown
    method    TEXT NOT NULL
) STRICT;

-- What originals were taken from. Video stays outside of the file; its hashes are here.
CREATE TABLE source_media (
    id             INTEGER PRIMARY KEY,
    kind           TEXT NOT NULL CHECK (kind IN ('vge', 'snapshot_event', 'file')),
    camera_id      TEXT,
    recording_id   INTEGER,                 -- in the main database
    event_seq      INTEGER,                 -- position in the main event log
    cipher_sha256  BLOB,
    plain_sha256   BLOB,
    container      TEXT,
    start_ms       INTEGER,
    end_ms         INTEGER,
    clock_check_id INTEGER REFERENCES clock_checks (id),
    embedded       INTEGER NOT NULL DEFAULT 0,  -- 1: its bytes are an image of this file
    added_at_ms    INTEGER NOT NULL
) STRICT;

ALTER TABLE scans ADD COLUMN source_media_id INTEGER REFERENCES source_media (id);
ALTER TABLE scans ADD COLUMN frame_pts_us INTEGER;  -- presentation time of the frame in its recording, microseconds
ALTER TABLE scans ADD COLUMN extractor TEXT;        -- program and version that cut the frame out

-- Rectangles of an original that are looked at by themselves, in its pixels.
CREATE TABLE regions (
    id         INTEGER PRIMARY KEY,
    scan_id    INTEGER NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    label      TEXT NOT NULL,               -- branch path: A, A.1
    kind       TEXT NOT NULL CHECK (kind IN ('plate', 'face', 'parcel', 'text', 'person', 'vehicle', 'animal', 'other')),
    x          INTEGER NOT NULL,
    y          INTEGER NOT NULL,
    w          INTEGER NOT NULL CHECK (w > 0),
    h          INTEGER NOT NULL CHECK (h > 0),
    origin     TEXT NOT NULL CHECK (origin IN ('owner', 'camera', 'detector')),
    confidence REAL,
    UNIQUE (scan_id, label)
) STRICT;

-- Copies of events around the incident, as they stood in the main event log.
CREATE TABLE timeline_items (
    id           INTEGER PRIMARY KEY,
    event_seq    INTEGER NOT NULL UNIQUE,   -- position in the main event log
    at_ms        INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    source       TEXT NOT NULL,
    summary      TEXT NOT NULL,
    event_cbor   BLOB NOT NULL,
    event_sha256 BLOB NOT NULL              -- of event_cbor
) STRICT;
CREATE INDEX timeline_at ON timeline_items (at_ms);

-- What several passes over one picture agree on, or what a person confirmed. Never a fact.
CREATE TABLE readings (
    id            INTEGER PRIMARY KEY,
    scan_id       INTEGER NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    branch_path   TEXT NOT NULL,
    image_sha256  BLOB NOT NULL CHECK (length(image_sha256) = 32),
    text          TEXT NOT NULL,
    search_key    TEXT NOT NULL,            -- upper case, look-alikes as one: O/0/D/Q, I/1/L, S/5, B/8, Z/2, G/6
    support_json  TEXT NOT NULL,            -- per character the share of the weight that agrees, 0 … 1
    run_count     INTEGER NOT NULL,         -- passes that were counted
    ocr_run_id    INTEGER REFERENCES ocr_runs (id),  -- the confirmation; NULL: a consensus
    created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX readings_key ON readings (search_key);
CREATE INDEX readings_branch ON readings (scan_id, branch_path);

-- Who did what, in a chain: each hash covers its entry and the hash before it. Whoever holds the box
-- and its key can write another chain; a head that a third party was given cannot be written anew.
CREATE TABLE custody_log (
    seq           INTEGER PRIMARY KEY,      -- from 1, without gaps
    at_ms         INTEGER NOT NULL,
    actor         TEXT NOT NULL,
    action        TEXT NOT NULL,
    object        TEXT,
    object_sha256 BLOB,
    detail_cbor   BLOB NOT NULL,
    prev_hash     BLOB NOT NULL CHECK (length(prev_hash) = 32),  -- zeros before the first
    entry_hash    BLOB NOT NULL UNIQUE CHECK (length(entry_hash) = 32)
) STRICT;

-- What left the case, to whom and for what.
CREATE TABLE exports (
    id              INTEGER PRIMARY KEY,
    at_ms           INTEGER NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('bag', 'slim', 'pdf', 'md', 'video')),
    recipient       TEXT,
    purpose         TEXT,
    redacted        INTEGER NOT NULL DEFAULT 0,
    manifest_sha256 BLOB NOT NULL,
    custody_seq     INTEGER NOT NULL REFERENCES custody_log (seq),
    signature       BLOB,                   -- Ed25519 of the manifest
    tsr             BLOB,                   -- answer of a time stamp authority (RFC 3161)
    bytes           INTEGER NOT NULL
) STRICT;
