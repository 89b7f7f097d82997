-- The alarm, rules, alerts and their delivery.

-- Every step of the alarm, for ever; the last row is what it does now.
CREATE TABLE arm_state_log (
    id           INTEGER PRIMARY KEY,           -- position
    at           INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('DISARMED', 'ARMED_HOME', 'ARMED_AWAY', 'ARMED_NIGHT',
                                                'ENTRY_DELAY', 'EXIT_DELAY', 'TRIGGERED')),
    previous     TEXT NOT NULL,
    target       TEXT,                          -- where a delay leads, where an alarm came from
    deadline_at  INTEGER,                       -- when it goes on by itself
    triggered_by TEXT NOT NULL,
    reason       TEXT NOT NULL,
    position     INTEGER NOT NULL
) STRICT;
CREATE INDEX arm_state_log_by_time ON arm_state_log (at);

-- Every request to arm or disarm and what became of it, for ever. The PIN is never part of it.
CREATE TABLE arm_requests (
    id           INTEGER PRIMARY KEY,           -- position
    at           INTEGER NOT NULL,
    mode         TEXT NOT NULL,
    pin          TEXT CHECK (pin IN ('ABSENT', 'CORRECT', 'WRONG', 'LOCKED', 'UNCONFIGURED', 'TRUSTED')),
    triggered_by TEXT NOT NULL,
    refusal      TEXT,                          -- why nothing came of it
    wrong_pins   INTEGER NOT NULL DEFAULT 0     -- in a row so far
) STRICT;
CREATE INDEX arm_requests_by_time ON arm_requests (at);
CREATE INDEX arm_requests_judged ON arm_requests (id) WHERE pin IN ('CORRECT', 'WRONG');

-- When each rule fired last: its cooldown survives a restart.
CREATE TABLE rule_states (
    rule_id       TEXT PRIMARY KEY,
    last_fired_at INTEGER NOT NULL,
    fire_count    INTEGER NOT NULL,
    position      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What people were told of. An alert that comes again within its window raises the count of the open
-- one. severity_id is the highest so far.
CREATE TABLE alerts (
    alert_id     INTEGER PRIMARY KEY,           -- position of alert.raised
    alert_type   TEXT NOT NULL,
    timestamp_ns INTEGER NOT NULL,              -- of the first
    last_ns      INTEGER NOT NULL,              -- of the last
    severity_id  INTEGER NOT NULL CHECK (severity_id BETWEEN 0 AND 6),
    rule_name    TEXT NOT NULL,
    description  TEXT NOT NULL,
    dedup_key    TEXT NOT NULL,
    dedup_count  INTEGER NOT NULL DEFAULT 1,
    event_id     INTEGER NOT NULL               -- position of what it is about
) STRICT;
CREATE INDEX alerts_by_time ON alerts (timestamp_ns);
CREATE INDEX alerts_by_key ON alerts (dedup_key, timestamp_ns);

-- Who was told of what last: at most once per window and recipient.
CREATE TABLE alert_windows (
    dedup_key TEXT NOT NULL,
    recipient TEXT NOT NULL,                    -- '': the house itself
    raised_at INTEGER NOT NULL,
    alert_id  INTEGER NOT NULL,
    PRIMARY KEY (dedup_key, recipient)
) STRICT, WITHOUT ROWID;

-- What is to be delivered; PENDING until it is SENT, or nobody tries any more.
CREATE TABLE alert_deliveries (
    alert_id  INTEGER NOT NULL REFERENCES alerts (alert_id),
    recipient TEXT NOT NULL,
    channel   TEXT NOT NULL CHECK (channel IN ('MQTT', 'NTFY', 'WEBHOOK', 'WEB_PUSH')),
    address   INTEGER NOT NULL,                 -- push_subscriptions.id, else 0
    status    TEXT NOT NULL CHECK (status IN ('PENDING', 'SENT', 'FAILED')),
    attempts  INTEGER NOT NULL DEFAULT 0,
    next_at   INTEGER NOT NULL,                 -- when to try
    PRIMARY KEY (alert_id, recipient, channel, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_deliveries_pending ON alert_deliveries (next_at) WHERE status = 'PENDING';
CREATE INDEX alert_deliveries_by_time ON alert_deliveries (next_at);

-- One row per try, and per alert that was held back.
CREATE TABLE alert_log (
    id         INTEGER NOT NULL,                -- position
    recipient  TEXT NOT NULL,
    at         INTEGER NOT NULL,
    alert_id   INTEGER NOT NULL,
    event_id   INTEGER NOT NULL,
    channel    TEXT CHECK (channel IN ('MQTT', 'NTFY', 'WEBHOOK', 'WEB_PUSH')), -- NULL: by none
    address    INTEGER NOT NULL DEFAULT 0,
    status     TEXT NOT NULL CHECK (status IN ('SENT', 'FAILED', 'SUPPRESSED')),
    attempt    INTEGER NOT NULL,
    latency_ms INTEGER,
    error      TEXT,
    PRIMARY KEY (id, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_log_by_time ON alert_log (at, id);
CREATE INDEX alert_log_by_alert ON alert_log (alert_id);

-- Browsers that want to be told. No projection: the endpoint and its secrets are in no event. Removed
-- when the push service says that the browser is gone.
CREATE TABLE push_subscriptions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is never given twice
    recipient    TEXT NOT NULL,
    endpoint     TEXT NOT NULL UNIQUE,
    p256dh       BLOB NOT NULL,                 -- the browser's public key, 65 bytes
    auth         BLOB NOT NULL,                 -- 16 bytes
    user_agent   TEXT,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX push_subscriptions_by_recipient ON push_subscriptions (recipient);
