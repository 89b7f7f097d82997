-- Whether the log has gaps is asked once per batch, in its transaction, and no more at every event: a
-- trigger that fires for each costs as much as appending it.
DROP TRIGGER event_log_no_gap ON event_log;
DROP FUNCTION event_log_has_no_gap;
CREATE FUNCTION batches_have_no_gap() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.first_position > 1
         AND NOT EXISTS (SELECT 1 FROM event_log WHERE position = NEW.first_position - 1)
      OR NEW.last_position <> (SELECT max(position) FROM event_log)
      OR NEW.last_position - NEW.first_position + 1
         <> (SELECT count(*) FROM event_log WHERE position >= NEW.first_position)
    THEN
        RAISE integrity_constraint_violation
            USING MESSAGE = 'the event log has no gaps and no overwrites';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER batches_no_gap BEFORE INSERT ON batches
FOR EACH ROW EXECUTE FUNCTION batches_have_no_gap();

-- ── Lines: templates and search ───────────────────────────────────────────────────────────────────

-- What lines have in common: the text with everything that varies taken out (Drain). The writer finds
-- the template of a line by the leaf of its first words; there are few templates to a leaf.
CREATE TABLE templates (
    template_id   BIGINT PRIMARY KEY,
    leaf          BIGINT NOT NULL,              -- hash of the number of words and the first ones
    template_str  TEXT COLLATE "C" NOT NULL,
    first_seen_ns BIGINT NOT NULL,
    last_seen_ns  BIGINT NOT NULL,
    event_count   BIGINT NOT NULL,
    example       BIGINT NOT NULL               -- position of the first line
);
CREATE INDEX templates_by_leaf ON templates (leaf);
CREATE INDEX templates_by_first ON templates (first_seen_ns);

ALTER TABLE log_lines ADD COLUMN template_id BIGINT;        -- NULL: none matched
CREATE INDEX log_lines_by_template ON log_lines (template_id, at) WHERE template_id IS NOT NULL;

-- One column more at its end; event_traces hangs on the rest.
CREATE OR REPLACE VIEW log_events AS
SELECT l.position AS id,
       l.position,
       l.at,
       l.at / 1000000000.0::DOUBLE PRECISION AS timestamp, -- seconds
       substr(n.name, 5, instr(substr(n.name, 5), '/') - 1) AS host,
       substr(n.name, 5 + instr(substr(n.name, 5), '/')) AS source,
       CASE l.level WHEN 0 THEN 'DEBUG' WHEN 1 THEN 'INFO' WHEN 2 THEN 'WARNING'
                    WHEN 3 THEN 'ERROR' ELSE 'CRITICAL' END COLLATE "C" AS level,
       e.text AS message,
       l.ip AS ip_address, l."user", l.service, l.action, l.metadata, l.template_id
FROM log_lines l
JOIN event_log e ON e.position = l.position
JOIN names n ON n.id = l.source;

-- The words of lines and of moments. The texts themselves stand in the log and in `events`: these
-- hold the index alone. They are told what to do as tables of FTS5 are, by what is inserted: a text,
-- or 'delete' (the row's words), 'delete-all', 'integrity-check', 'optimize' (nothing to do here) in
-- the column that is called like the table.
CREATE FUNCTION words(message TEXT) RETURNS TSVECTOR IMMUTABLE PARALLEL SAFE
RETURN to_tsvector('texts', plain_words(message));
-- The words of ?1 beside each other. A text without any word finds nothing.
CREATE FUNCTION phrase(typed TEXT) RETURNS TSQUERY IMMUTABLE PARALLEL SAFE
RETURN phraseto_tsquery('texts', plain_words(typed));

CREATE VIEW log_messages AS
SELECT l.position, e.text AS message FROM log_lines l JOIN event_log e ON e.position = l.position;
CREATE TABLE log_lines_fts (
    rowid         BIGINT PRIMARY KEY,           -- position
    log_lines_fts TSVECTOR NOT NULL,
    message       TEXT COLLATE "C",             -- on its way in; never kept
    rank          BIGINT                        -- of commands alone
);
CREATE INDEX log_lines_fts_words ON log_lines_fts USING gin (log_lines_fts);
CREATE FUNCTION log_lines_fts_command() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.log_lines_fts IS NULL THEN
        NEW.log_lines_fts := words(NEW.message);
        NEW.message := NULL;
        RETURN NEW;
    ELSIF NEW.log_lines_fts = 'delete' THEN
        DELETE FROM log_lines_fts WHERE rowid = NEW.rowid;
    ELSIF NEW.log_lines_fts = 'delete-all' THEN
        DELETE FROM log_lines_fts;
    ELSIF NEW.log_lines_fts = 'integrity-check' AND EXISTS (
        SELECT 1 FROM log_messages c FULL JOIN log_lines_fts w ON w.rowid = c.position
        WHERE w.log_lines_fts IS DISTINCT FROM words(c.message))
    THEN
        RAISE data_corrupted USING MESSAGE = 'log_lines_fts does not fit its texts';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER log_lines_fts_command BEFORE INSERT ON log_lines_fts
FOR EACH ROW EXECUTE FUNCTION log_lines_fts_command();

CREATE TABLE events_fts (
    rowid      BIGINT PRIMARY KEY,
    events_fts TSVECTOR NOT NULL,
    message    TEXT COLLATE "C",
    rank       BIGINT
);
CREATE INDEX events_fts_words ON events_fts USING gin (events_fts);
CREATE FUNCTION events_fts_command() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.events_fts IS NULL THEN
        NEW.events_fts := words(NEW.message);
        NEW.message := NULL;
        RETURN NEW;
    ELSIF NEW.events_fts = 'delete' THEN
        DELETE FROM events_fts WHERE rowid = NEW.rowid;
    ELSIF NEW.events_fts = 'delete-all' THEN
        DELETE FROM events_fts;
    ELSIF NEW.events_fts = 'integrity-check' AND EXISTS (
        SELECT 1 FROM events c FULL JOIN events_fts w ON w.rowid = c.position
        WHERE w.events_fts IS DISTINCT FROM words(c.message))
    THEN
        RAISE data_corrupted USING MESSAGE = 'events_fts does not fit its texts';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER events_fts_command BEFORE INSERT ON events_fts
FOR EACH ROW EXECUTE FUNCTION events_fts_command();

-- Every word and how often it stands there, to compare an index with one that was made anew.
CREATE VIEW log_lines_words AS
SELECT word COLLATE "C" AS term, ndoc::BIGINT AS doc, nentry::BIGINT AS cnt
FROM ts_stat('SELECT log_lines_fts FROM log_lines_fts') ORDER BY word COLLATE "C";
CREATE VIEW events_words AS
SELECT word COLLATE "C" AS term, ndoc::BIGINT AS doc, nentry::BIGINT AS cnt
FROM ts_stat('SELECT events_fts FROM events_fts') ORDER BY word COLLATE "C";

-- Moments of all sensors, or of the house, by time.
CREATE INDEX events_by_source_type ON events (source_type, timestamp_ns);

-- ── Entities and what connects them ───────────────────────────────────────────────────────────────

-- Users, addresses, hosts, … that events name. The uuid is made of type and canonical value (UUIDv5):
-- the same on every box. The id is made of the position of the event that named it first and the
-- place in that event, so that nobody's id hangs on who else was known: one who is forgotten is
-- missed by nobody.
CREATE TABLE entities (
    id          BIGINT PRIMARY KEY,             -- position × 128 + which of the event's entities
    uuid        BYTEA NOT NULL,
    type        BIGINT NOT NULL,                -- 1 user 2 ip 3 host 4 process 5 file 6 domain 7 camera
                                                -- 8 sensor 9 pet 10 person
    value       TEXT COLLATE "C" NOT NULL,      -- canonical
    first_seen  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    event_count BIGINT NOT NULL
);
CREATE UNIQUE INDEX entities_by_uuid ON entities (uuid);
-- With the type, so that those which strangers can name are counted without reading the table.
CREATE INDEX entities_by_last_seen ON entities (last_seen, type);

-- Which events name an entity: its timeline. The log is cut into blocks of 1,024 positions, and what a
-- block says of one entity is one row: a link costs a few bytes, and all that a batch links lies side by
-- side, however many entities it names. Times are the events' own; those of a block serve to find it.
CREATE TABLE entity_blocks (
    block    BIGINT PRIMARY KEY,                -- position / 1024
    first_ns BIGINT NOT NULL,                   -- of its events, the earliest
    last_ns  BIGINT NOT NULL                    -- and the latest
);
CREATE INDEX entity_blocks_by_time ON entity_blocks (last_ns);
CREATE TABLE entity_events (
    block     BIGINT NOT NULL REFERENCES entity_blocks (block) ON DELETE CASCADE,
    entity    BIGINT NOT NULL,                  -- entities.id; one that was let go is in no table
    positions TEXT COLLATE "C" NOT NULL,        -- position % 1024, ascending: 3,17,1020
    PRIMARY KEY (block, entity)
);
CREATE VIEW entity_links AS
SELECT v.entity, v.block * 1024 + p.value::BIGINT AS position
FROM entity_events v, json_each('[' || v.positions || ']') p;

-- What lines name an address is asked of its links, which cost far less than an index in which every
-- address has its own end.
DROP INDEX log_lines_by_ip;

-- What events say of two entities, once for each relation between them.
CREATE TABLE graph_edges (
    source      BIGINT NOT NULL,                -- entities.id
    target      BIGINT NOT NULL,
    rel_type    TEXT COLLATE "C" NOT NULL,      -- authenticated_from, logged_into, reached, saw, …
    first_seen  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    event_count BIGINT NOT NULL,
    PRIMARY KEY (source, target, rel_type)
);
CREATE INDEX graph_edges_by_target ON graph_edges (target);
CREATE INDEX graph_edges_by_last_seen ON graph_edges (last_seen);

-- Entities with their uuids and types as people write them.
CREATE VIEW entity_names AS
SELECT id,
       lower(substr(hex(uuid), 1, 8) || '-' || substr(hex(uuid), 9, 4) || '-'
             || substr(hex(uuid), 13, 4) || '-' || substr(hex(uuid), 17, 4) || '-'
             || substr(hex(uuid), 21)) COLLATE "C" AS uuid,
       CASE type WHEN 1 THEN 'user' WHEN 2 THEN 'ip' WHEN 3 THEN 'host' WHEN 4 THEN 'process'
                 WHEN 5 THEN 'file' WHEN 6 THEN 'domain' WHEN 7 THEN 'camera' WHEN 8 THEN 'sensor'
                 WHEN 9 THEN 'pet' WHEN 10 THEN 'person' END COLLATE "C" AS type,
       value, first_seen, last_seen, event_count, type AS type_id
FROM entities;

-- ── Alerts ────────────────────────────────────────────────────────────────────────────────────────

-- What people say of an alert, and how often it has come back: an incident is all that comes within a
-- window of its first, and stays as it was when the next one begins.
ALTER TABLE alerts ADD COLUMN risk_score DOUBLE PRECISION NOT NULL DEFAULT 0; -- 0 to 100, the highest so far
ALTER TABLE alerts ADD COLUMN entity_type TEXT COLLATE "C";             -- whom or what it is about
ALTER TABLE alerts ADD COLUMN entity_value TEXT COLLATE "C";            -- canonical
ALTER TABLE alerts ADD COLUMN entity_uuid TEXT COLLATE "C";             -- as in `entities`, in hex and dashes
ALTER TABLE alerts ADD COLUMN incident BIGINT NOT NULL DEFAULT 1;       -- 1, 2, … of one dedup_key
ALTER TABLE alerts ADD COLUMN is_open BIGINT CHECK (is_open = 1);       -- 1: the last of its key; else NULL
ALTER TABLE alerts ADD COLUMN acknowledged_at BIGINT;
ALTER TABLE alerts ADD COLUMN acknowledged_by TEXT COLLATE "C";
ALTER TABLE alerts ADD COLUMN feedback TEXT COLLATE "C" CHECK (feedback IN ('tp', 'fp'));
ALTER TABLE alerts ADD COLUMN feedback_note TEXT COLLATE "C";
CREATE UNIQUE INDEX alerts_open ON alerts (dedup_key) WHERE is_open = 1;
CREATE INDEX alerts_by_feedback ON alerts (feedback) WHERE feedback IS NOT NULL;
-- The number of the next incident is found here; nothing asks for the times of one key.
DROP INDEX alerts_by_key;
CREATE INDEX alerts_by_incident ON alerts (dedup_key, incident);

-- What was counted on an alert, its first included.
CREATE TABLE alert_events (
    alert_id BIGINT NOT NULL,
    position BIGINT NOT NULL,                   -- of alert.raised, then of each alert.suppressed
    at       BIGINT NOT NULL,
    event_id BIGINT NOT NULL,                   -- position of what it is about
    PRIMARY KEY (alert_id, position)
);
CREATE INDEX alert_events_by_time ON alert_events (at);

-- Everything that anybody ever said of an alert; the last of it stands in `alerts` as well.
CREATE TABLE alert_feedback (
    id       BIGINT PRIMARY KEY,                -- position
    alert_id BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    feedback TEXT COLLATE "C" NOT NULL CHECK (feedback IN ('tp', 'fp')),
    note     TEXT COLLATE "C",
    by_whom  TEXT COLLATE "C" NOT NULL
);
CREATE INDEX alert_feedback_by_alert ON alert_feedback (alert_id);
CREATE INDEX alert_feedback_by_time ON alert_feedback (at);

-- Alerts that nobody is to be told of until a time. They are raised and counted all the same.
CREATE TABLE alert_snoozes (
    dedup_key TEXT COLLATE "C" PRIMARY KEY,
    until     BIGINT NOT NULL,
    by_whom   TEXT COLLATE "C" NOT NULL,
    at        BIGINT NOT NULL
);
CREATE INDEX alert_snoozes_by_end ON alert_snoozes (until);

-- ── Models ────────────────────────────────────────────────────────────────────────────────────────

-- What models have learned: bytes that only the model understands, and how far it had read.
CREATE TABLE model_state (
    key        TEXT COLLATE "C" PRIMARY KEY     -- hw:source:nginx, cusum:global, hst:host:web-01, …
               CHECK (key ~ '^[ -~]{1,256}$'),
    data       BYTEA NOT NULL,
    updated_at BIGINT NOT NULL,
    position   BIGINT NOT NULL                  -- of the last event that went into it
);

-- What a model found odd.
CREATE TABLE anomalies (
    id       BIGINT PRIMARY KEY,                -- position
    at       BIGINT NOT NULL,
    model    TEXT COLLATE "C" NOT NULL,         -- key in model_state
    subject  TEXT COLLATE "C" NOT NULL,         -- what the model is about, such as source/nginx
    score    DOUBLE PRECISION NOT NULL,         -- above its threshold, in the model's own unit
    threshold DOUBLE PRECISION NOT NULL,
    observed DOUBLE PRECISION NOT NULL,
    expected DOUBLE PRECISION NOT NULL,
    event_id BIGINT NOT NULL                    -- position of the last event that went into it
);
CREATE INDEX anomalies_by_time ON anomalies (at);
-- A model that reads on from a checkpoint tells the same again: it counts once.
CREATE UNIQUE INDEX anomalies_by_model ON anomalies (model, event_id, at);
