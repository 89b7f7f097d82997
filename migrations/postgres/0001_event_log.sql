-- The event log and what the writer needs to keep its promise.
--
-- All times (*_at, *_ns) are INTEGER nanoseconds since the Unix epoch, UTC. Texts are compared by
-- their bytes (collation "C"), as SQLite does. The tables are those of migrations/sqlite: a test
-- compares columns, keys and indexes.
-- Nothing here is newer than PostgreSQL 15.

-- Texts that repeat: kinds, topics, streams, sources. An event then carries small numbers, one to
-- three bytes each, in place of some sixty bytes of text. Names are never deleted.
CREATE TABLE names (
    id   BIGINT PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE
);

-- Everything that happened. Positions run 1, 2, 3 … without gaps; order is position.
-- kind, stream, source and topic point into `names`; there are no foreign keys on them because
-- four look-ups per event would cost a fifth of the writer's speed and the writer alone fills them.
CREATE TABLE event_log (
    position    BIGINT PRIMARY KEY,
    kind        BIGINT NOT NULL,
    version     BIGINT NOT NULL,                -- of the body's shape
    occurred_at BIGINT NOT NULL,                -- the event's own time if credible, else arrival
    received_at BIGINT NOT NULL,                -- arrival
    stream      BIGINT NOT NULL,                -- the subject, such as sensor/front_door
    source      BIGINT NOT NULL,                -- who reported it, such as camera/driveway
    topic       BIGINT,                         -- the MQTT topic it came on
    flags       BIGINT NOT NULL,                -- 1 retained, 2 clock suspect, 4 suspected duplicate, 8 id conflict
    cause       BIGINT,                         -- position of the event that brought it about
    text        TEXT COLLATE "C",               -- what somebody wrote, verbatim; stored only here
    body        BYTEA NOT NULL                  -- CBOR, see event/catalog.rs
);

-- Append-only, for our own mistakes as much as for others'. ON CONFLICT DO UPDATE fires the update
-- guard, TRUNCATE has one of its own.
CREATE FUNCTION event_log_is_append_only() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE integrity_constraint_violation USING MESSAGE = 'the event log is append-only';
END $$;
CREATE TRIGGER event_log_no_update BEFORE UPDATE ON event_log
FOR EACH ROW EXECUTE FUNCTION event_log_is_append_only();
CREATE TRIGGER event_log_no_delete BEFORE DELETE ON event_log
FOR EACH ROW EXECUTE FUNCTION event_log_is_append_only();
CREATE TRIGGER event_log_no_truncate BEFORE TRUNCATE ON event_log
FOR EACH STATEMENT EXECUTE FUNCTION event_log_is_append_only();
CREATE FUNCTION event_log_has_no_gap() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM event_log) THEN
        RAISE integrity_constraint_violation
            USING MESSAGE = 'the event log has no gaps and no overwrites';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_log_no_gap BEFORE INSERT ON event_log
FOR EACH ROW EXECUTE FUNCTION event_log_has_no_gap();

-- One row per transaction of the writer that appended something.
CREATE TABLE batches (
    first_position BIGINT PRIMARY KEY,
    last_position  BIGINT NOT NULL,
    committed_at   BIGINT NOT NULL
);

-- The MQTT session of each topic family. The uuid changes when the broker has lost the session;
-- packet ids mean something only within one.
CREATE TABLE mqtt_sessions (
    family       TEXT COLLATE "C" PRIMARY KEY,
    session_uuid TEXT COLLATE "C" NOT NULL,
    filters      TEXT COLLATE "C" NOT NULL,     -- what was subscribed, one per line
    deliveries   BIGINT NOT NULL,               -- QoS 1 messages stored in this session
    opened_at    BIGINT NOT NULL,
    last_at      BIGINT                         -- when the last of them was stored
);

-- The last delivery under each packet id, written in the same transaction as its event: how a
-- redelivery after our own crash is recognised. At most 65,535 rows per family.
CREATE TABLE mqtt_deliveries (
    family       TEXT COLLATE "C" NOT NULL,
    packet_id    BIGINT NOT NULL,
    session_uuid TEXT COLLATE "C" NOT NULL,
    ordinal      BIGINT NOT NULL,               -- the how-manieth delivery of its session
    hash         BYTEA NOT NULL,                -- 128-bit digest of topic and payload
    position     BIGINT NOT NULL,
    PRIMARY KEY (family, packet_id)
);

-- Ids that publishers gave their messages, per topic; bounded by count, oldest position first.
CREATE TABLE message_ids (
    topic    BIGINT NOT NULL,
    id       TEXT COLLATE "C" NOT NULL,
    hash     BYTEA NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (topic, id)
);
CREATE INDEX message_ids_by_position ON message_ids (position);

-- The projections: how far each has folded, and at which version.
CREATE TABLE projections (
    name       TEXT COLLATE "C" PRIMARY KEY,
    version    BIGINT NOT NULL,
    checkpoint BIGINT NOT NULL                  -- position folded last
);

-- Facts about this database: site_id, created_at, hostname.
CREATE TABLE metadata (
    key        TEXT COLLATE "C" PRIMARY KEY,
    value      TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL
);
