-- Whether the log has gaps is asked once per batch, in its transaction, and no more at every event: a
-- trigger that fires for each costs as much as appending it. Overwriting is a deletion to the trigger
-- that forbids those, as the program opens its database with recursive triggers.
DROP TRIGGER event_log_no_gap;
CREATE TRIGGER batches_no_gap BEFORE INSERT ON batches
WHEN NEW.first_position > 1
     AND NOT EXISTS (SELECT 1 FROM event_log WHERE position = NEW.first_position - 1)
  OR NEW.last_position <> (SELECT max(position) FROM event_log)
  OR NEW.last_position - NEW.first_position + 1
     <> (SELECT count(*) FROM event_log WHERE position >= NEW.first_position)
BEGIN SELECT RAISE(ABORT, 'the event log has no gaps and no overwrites'); END;

-- ── Lines: templates and search ───────────────────────────────────────────────────────────────────

-- What lines have in common: the text with everything that varies taken out (Drain). The writer finds
-- the template of a line by the leaf of its first words; there are few templates to a leaf.
CREATE TABLE templates (
    template_id   INTEGER PRIMARY KEY,
    leaf          INTEGER NOT NULL,             -- hash of the number of words and the first ones
    template_str  TEXT NOT NULL,
    first_seen_ns INTEGER NOT NULL,
    last_seen_ns  INTEGER NOT NULL,
    event_count   INTEGER NOT NULL,
    example       INTEGER NOT NULL              -- position of the first line
) STRICT;
CREATE INDEX templates_by_leaf ON templates (leaf);
CREATE INDEX templates_by_first ON templates (first_seen_ns);

ALTER TABLE log_lines ADD COLUMN template_id INTEGER;       -- NULL: none matched
CREATE INDEX log_lines_by_template ON log_lines (template_id, at) WHERE template_id IS NOT NULL;

DROP VIEW log_events;
CREATE VIEW log_events AS
SELECT l.position AS id,
       l.position,
       l.at,
       l.at / 1000000000.0 AS timestamp,        -- seconds
       substr(n.name, 5, instr(substr(n.name, 5), '/') - 1) AS host,
       substr(n.name, 5 + instr(substr(n.name, 5), '/')) AS source,
       CASE l.level WHEN 0 THEN 'DEBUG' WHEN 1 THEN 'INFO' WHEN 2 THEN 'WARNING'
                    WHEN 3 THEN 'ERROR' ELSE 'CRITICAL' END AS level,
       e.text AS message,
       l.ip AS ip_address, l.user, l.service, l.action, l.metadata, l.template_id
FROM log_lines l
JOIN event_log e ON e.position = l.position
JOIN names n ON n.id = l.source;

-- The words of lines and of moments. The texts themselves stand in the log and in `events`: these
-- hold the index alone. Nothing is ranked, so that no sizes are kept (columnsize=0).
CREATE VIEW log_messages AS
SELECT l.position, e.text AS message FROM log_lines l JOIN event_log e ON e.position = l.position;
CREATE VIRTUAL TABLE log_lines_fts USING fts5(
    message, content='log_messages', content_rowid='position', tokenize='porter unicode61',
    columnsize=0);
CREATE VIRTUAL TABLE events_fts USING fts5(
    message, content='events', content_rowid='position', tokenize='porter unicode61', columnsize=0);
-- Merged a little less eagerly than by default (4): every batch writes a segment, and each merge writes
-- all of its words again.
INSERT INTO log_lines_fts (log_lines_fts, rank) VALUES ('automerge', 16);
-- Every word and how often it stands there, to compare an index with one that was made anew.
CREATE VIRTUAL TABLE log_lines_words USING fts5vocab(log_lines_fts, row);
CREATE VIRTUAL TABLE events_words USING fts5vocab(events_fts, row);

-- Moments of all sensors, or of the house, by time.
CREATE INDEX events_by_source_type ON events (source_type, timestamp_ns);

-- ── Entities and what connects them ───────────────────────────────────────────────────────────────

-- Users, addresses, hosts, … that events name. The uuid is made of type and canonical value (UUIDv5):
-- the same on every box. The id is made of the position of the event that named it first and the
-- place in that event, so that nobody's id hangs on who else was known: one who is forgotten is
-- missed by nobody.
CREATE TABLE entities (
    id          INTEGER PRIMARY KEY,            -- position × 128 + which of the event's entities
    uuid        BLOB NOT NULL,
    type        INTEGER NOT NULL,               -- 1 user 2 ip 3 host 4 process 5 file 6 domain 7 camera
                                                -- 8 sensor 9 pet 10 person
    value       TEXT NOT NULL,                  -- canonical
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    event_count INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX entities_by_uuid ON entities (uuid);
-- With the type, so that those which strangers can name are counted without reading the table.
CREATE INDEX entities_by_last_seen ON entities (last_seen, type);

-- Which events name an entity: its timeline. The log is cut into blocks of 1,024 positions, and what a
-- block says of one entity is one row: a link costs a few bytes, and all that a batch links lies side by
-- side, however many entities it names. Times are the events' own; those of a block serve to find it.
CREATE TABLE entity_blocks (
    block    INTEGER PRIMARY KEY,               -- position / 1024
    first_ns INTEGER NOT NULL,                  -- of its events, the earliest
    last_ns  INTEGER NOT NULL                   -- and the latest
) STRICT;
CREATE INDEX entity_blocks_by_time ON entity_blocks (last_ns);
CREATE TABLE entity_events (
    block     INTEGER NOT NULL REFERENCES entity_blocks (block) ON DELETE CASCADE,
    entity    INTEGER NOT NULL,                 -- entities.id; one that was let go is in no table
    positions TEXT NOT NULL,                    -- position % 1024, ascending: 3,17,1020
    PRIMARY KEY (block, entity)
) STRICT, WITHOUT ROWID;
CREATE VIEW entity_links AS
SELECT v.entity, v.block * 1024 + p.value AS position
FROM entity_events v, json_each('[' || v.positions || ']') p;

-- What lines name an address is asked of its links, which cost far less than an index in which every
-- address has its own end.
DROP INDEX log_lines_by_ip;

-- What events say of two entities, once for each relation between them.
CREATE TABLE graph_edges (
    source      INTEGER NOT NULL,               -- entities.id
    target      INTEGER NOT NULL,
    rel_type    TEXT NOT NULL,                  -- authenticated_from, logged_into, reached, saw, …
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    event_count INTEGER NOT NULL,
    PRIMARY KEY (source, target, rel_type)
) STRICT, WITHOUT ROWID;
CREATE INDEX graph_edges_by_target ON graph_edges (target);
CREATE INDEX graph_edges_by_last_seen ON graph_edges (last_seen);

-- Entities with their uuids and types as people write them.
CREATE VIEW entity_names AS
SELECT id,
       lower(substr(hex(uuid), 1, 8) || '-' || substr(hex(uuid), 9, 4) || '-'
             || substr(hex(uuid), 13, 4) || '-' || substr(hex(uuid), 17, 4) || '-'
             || substr(hex(uuid), 21)) AS uuid,
       CASE type WHEN 1 THEN 'user' WHEN 2 THEN 'ip' WHEN 3 THEN 'host' WHEN 4 THEN 'process'
                 WHEN 5 THEN 'file' WHEN 6 THEN 'domain' WHEN 7 THEN 'camera' WHEN 8 THEN 'sensor'
                 WHEN 9 THEN 'pet' WHEN 10 THEN 'person' END AS type,
       value, first_seen, last_seen, event_count, type AS type_id
FROM entities;

-- ── Alerts ────────────────────────────────────────────────────────────────────────────────────────

-- What people say of an alert, and how often it has come back: an incident is all that comes within a
-- window of its first, and stays as it was when the next one begins.
ALTER TABLE alerts ADD COLUMN risk_score REAL NOT NULL DEFAULT 0;       -- 0 to 100, the highest so far
ALTER TABLE alerts ADD COLUMN entity_type TEXT;                         -- whom or what it is about
ALTER TABLE alerts ADD COLUMN entity_value TEXT;                        -- canonical
ALTER TABLE alerts ADD COLUMN entity_uuid TEXT;                         -- as in `entities`, in hex and dashes
ALTER TABLE alerts ADD COLUMN incident INTEGER NOT NULL DEFAULT 1;      -- 1, 2, … of one dedup_key
ALTER TABLE alerts ADD COLUMN is_open INTEGER CHECK (is_open = 1);      -- 1: the last of its key; else NULL
ALTER TABLE alerts ADD COLUMN acknowledged_at INTEGER;
ALTER TABLE alerts ADD COLUMN acknowledged_by TEXT;
ALTER TABLE alerts ADD COLUMN feedback TEXT CHECK (feedback IN ('tp', 'fp'));
ALTER TABLE alerts ADD COLUMN feedback_note TEXT;
CREATE UNIQUE INDEX alerts_open ON alerts (dedup_key) WHERE is_open = 1;
CREATE INDEX alerts_by_feedback ON alerts (feedback) WHERE feedback IS NOT NULL;
-- The number of the next incident is found here; nothing asks for the times of one key.
DROP INDEX alerts_by_key;
CREATE INDEX alerts_by_incident ON alerts (dedup_key, incident);

-- What was counted on an alert, its first included.
CREATE TABLE alert_events (
    alert_id INTEGER NOT NULL,
    position INTEGER NOT NULL,                  -- of alert.raised, then of each alert.suppressed
    at       INTEGER NOT NULL,
    event_id INTEGER NOT NULL,                  -- position of what it is about
    PRIMARY KEY (alert_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_events_by_time ON alert_events (at);

-- Everything that anybody ever said of an alert; the last of it stands in `alerts` as well.
CREATE TABLE alert_feedback (
    id       INTEGER PRIMARY KEY,               -- position
    alert_id INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    feedback TEXT NOT NULL CHECK (feedback IN ('tp', 'fp')),
    note     TEXT,
    by_whom  TEXT NOT NULL
) STRICT;
CREATE INDEX alert_feedback_by_alert ON alert_feedback (alert_id);
CREATE INDEX alert_feedback_by_time ON alert_feedback (at);

-- Alerts that nobody is to be told of until a time. They are raised and counted all the same.
CREATE TABLE alert_snoozes (
    dedup_key TEXT PRIMARY KEY,
    until     INTEGER NOT NULL,
    by_whom   TEXT NOT NULL,
    at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_snoozes_by_end ON alert_snoozes (until);

-- ── Models ────────────────────────────────────────────────────────────────────────────────────────

-- What models have learned: bytes that only the model understands, and how far it had read.
CREATE TABLE model_state (
    key        TEXT PRIMARY KEY                 -- hw:source:nginx, cusum:global, hst:host:web-01, …
               CHECK (length(key) BETWEEN 1 AND 256 AND key NOT GLOB '*[^ -~]*'),
    data       BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    position   INTEGER NOT NULL                 -- of the last event that went into it
) STRICT, WITHOUT ROWID;

-- What a model found odd.
CREATE TABLE anomalies (
    id       INTEGER PRIMARY KEY,               -- position
    at       INTEGER NOT NULL,
    model    TEXT NOT NULL,                     -- key in model_state
    subject  TEXT NOT NULL,                     -- what the model is about, such as source/nginx
    score    REAL NOT NULL,                     -- above its threshold, in the model's own unit
    threshold REAL NOT NULL,
    observed REAL NOT NULL,
    expected REAL NOT NULL,
    event_id INTEGER NOT NULL                   -- position of the last event that went into it
) STRICT;
CREATE INDEX anomalies_by_time ON anomalies (at);
-- A model that reads on from a checkpoint tells the same again: it counts once.
CREATE UNIQUE INDEX anomalies_by_model ON anomalies (model, event_id, at);
