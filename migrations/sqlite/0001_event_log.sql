-- The event log and what the writer needs to keep its promise.
--
-- All times (*_at, *_ns) are INTEGER nanoseconds since the Unix epoch, UTC. Tables are STRICT.
-- Nothing here is newer than SQLite 3.40, so that Debian 12's shell can read a copy.

-- Texts that repeat: kinds, topics, streams, sources. An event then carries small numbers, one to
-- three bytes each, in place of some sixty bytes of text. Names are never deleted.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Everything that happened. Positions run 1, 2, 3 … without gaps; order is position.
-- kind, stream, source and topic point into `names`; there are no foreign keys on them because
-- four look-ups per event would cost a fifth of the writer's speed and the writer alone fills them.
CREATE TABLE event_log (
    position    INTEGER PRIMARY KEY,
    kind        INTEGER NOT NULL,
    version     INTEGER NOT NULL,               -- of the body's shape
    occurred_at INTEGER NOT NULL,               -- the event's own time if credible, else arrival
    received_at INTEGER NOT NULL,               -- arrival
    stream      INTEGER NOT NULL,               -- the subject, such as sensor/front_door
    source      INTEGER NOT NULL,               -- who reported it, such as camera/driveway
    topic       INTEGER,                        -- the MQTT topic it came on
    flags       INTEGER NOT NULL,               -- 1 retained, 2 clock suspect, 4 suspected duplicate, 8 id conflict
    cause       INTEGER,                        -- position of the event that brought it about
    text        TEXT,                           -- what somebody wrote, verbatim; stored only here
    body        BLOB NOT NULL                   -- CBOR, see event/catalog.rs
) STRICT;

-- Append-only, for our own mistakes as much as for others'. The insert guard also stops
-- INSERT OR REPLACE, which deletes without firing delete triggers.
CREATE TRIGGER event_log_no_update BEFORE UPDATE ON event_log
BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;
CREATE TRIGGER event_log_no_delete BEFORE DELETE ON event_log
BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;
CREATE TRIGGER event_log_no_gap BEFORE INSERT ON event_log
WHEN NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM event_log)
BEGIN SELECT RAISE(ABORT, 'the event log has no gaps and no overwrites'); END;

-- One row per transaction of the writer that appended something.
CREATE TABLE batches (
    first_position INTEGER PRIMARY KEY,
    last_position  INTEGER NOT NULL,
    committed_at   INTEGER NOT NULL
) STRICT;

-- The MQTT session of each topic family. The uuid changes when the broker has lost the session;
-- packet ids mean something only within one.
CREATE TABLE mqtt_sessions (
    family       TEXT PRIMARY KEY,
    session_uuid TEXT NOT NULL,
    filters      TEXT NOT NULL,                 -- what was subscribed, one per line
    deliveries   INTEGER NOT NULL,              -- QoS 1 messages stored in this session
    opened_at    INTEGER NOT NULL,
    last_at      INTEGER                        -- when the last of them was stored
) STRICT, WITHOUT ROWID;

-- The last delivery under each packet id, written in the same transaction as its event: how a
-- redelivery after our own crash is recognised. At most 65,535 rows per family.
CREATE TABLE mqtt_deliveries (
    family       TEXT NOT NULL,
    packet_id    INTEGER NOT NULL,
    session_uuid TEXT NOT NULL,
    ordinal      INTEGER NOT NULL,              -- the how-manieth delivery of its session
    hash         BLOB NOT NULL,                 -- 128-bit digest of topic and payload
    position     INTEGER NOT NULL,
    PRIMARY KEY (family, packet_id)
) STRICT, WITHOUT ROWID;

-- Ids that publishers gave their messages, per topic; bounded by count, oldest position first.
CREATE TABLE message_ids (
    topic    INTEGER NOT NULL,
    id       TEXT NOT NULL,
    hash     BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (topic, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_ids_by_position ON message_ids (position);

-- The projections: how far each has folded, and at which version.
CREATE TABLE projections (
    name       TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    checkpoint INTEGER NOT NULL                 -- position folded last
) STRICT, WITHOUT ROWID;

-- Facts about this database: site_id, created_at, hostname.
CREATE TABLE metadata (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
