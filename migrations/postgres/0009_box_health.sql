-- The box's own health: metrics, parsed log lines, traces, addresses, patterns, and their sums.
-- The tables hold nanoseconds; the views carry the names and the seconds that Logly's readers expect.

-- Log lines anew, with what the parsers found in them. The line itself stands in the event log only.
DROP VIEW log_events;
DROP TABLE log_lines;
CREATE TABLE log_lines (
    position BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    level    BIGINT NOT NULL CHECK (level BETWEEN 0 AND 4),   -- DEBUG INFO WARNING ERROR CRITICAL
    source   BIGINT NOT NULL,                   -- names.id of log/<host>/<source>
    ip       TEXT COLLATE "C",                  -- as RFC 5952 writes it
    "user"     TEXT COLLATE "C",
    service  TEXT COLLATE "C",                  -- the program, where the source is a file of several
    action   TEXT COLLATE "C",                  -- failed_login, login, ban, unban, unauthorized, …
    metadata TEXT COLLATE "C"                   -- JSON of all other fields
);
CREATE INDEX log_lines_by_time ON log_lines (at);
CREATE INDEX log_lines_by_source ON log_lines (source, at);
-- Most lines name no address, do nothing notable and are no error: these indexes stay small.
CREATE INDEX log_lines_by_ip ON log_lines (ip, at) WHERE ip IS NOT NULL;
CREATE INDEX log_lines_by_action ON log_lines (action, at) WHERE action IS NOT NULL;
CREATE INDEX log_lines_bad ON log_lines (at) WHERE level >= 2;
-- For patterns: how many errors of a source, and from where a name is tried.
CREATE INDEX log_lines_errors ON log_lines (source, at) WHERE level >= 3;
CREATE INDEX log_lines_failed_users ON log_lines ("user", at, ip) WHERE action = 'failed_login';

CREATE VIEW log_events AS
SELECT l.position AS id,
       l.position,
       l.at,
       l.at / 1000000000.0::DOUBLE PRECISION AS timestamp, -- seconds
       substr(n.name, 5, instr(substr(n.name, 5), '/') - 1) AS host,
       substr(n.name, 5 + instr(substr(n.name, 5), '/')) AS source,
       CASE l.level WHEN 0 THEN 'DEBUG' WHEN 1 THEN 'INFO' WHEN 2 THEN 'WARNING'
                    WHEN 3 THEN 'ERROR' ELSE 'CRITICAL' END COLLATE "C" AS level,
       e.text AS message,
       l.ip AS ip_address, l."user", l.service, l.action, l.metadata
FROM log_lines l
JOIN event_log e ON e.position = l.position
JOIN names n ON n.id = l.source;

-- What a host used at one moment. What it did not tell is NULL.
CREATE TABLE system_samples (
    id               BIGINT PRIMARY KEY,        -- position
    at               BIGINT NOT NULL,
    host             TEXT COLLATE "C" NOT NULL,
    cpu_percent      DOUBLE PRECISION,          -- of all cores together, 0 to 100; NULL in the first sample
    cpu_count        BIGINT,
    memory_total     BIGINT,                    -- bytes, as all sizes here
    memory_available BIGINT,
    memory_percent   DOUBLE PRECISION,
    disk_total       BIGINT,
    disk_used        BIGINT,
    disk_percent     DOUBLE PRECISION,
    disk_read_bytes  BIGINT,                    -- since the host started
    disk_write_bytes BIGINT,
    load_1min        DOUBLE PRECISION,
    load_5min        DOUBLE PRECISION,
    load_15min       DOUBLE PRECISION
);
CREATE INDEX system_samples_by_time ON system_samples (at);
CREATE INDEX system_samples_by_host ON system_samples (host, at);

CREATE VIEW system_metrics AS
SELECT id, at, at / 1000000000.0::DOUBLE PRECISION AS timestamp, host, cpu_percent, cpu_count, memory_total,
       memory_available, memory_percent, disk_total, disk_used, disk_percent, disk_read_bytes,
       disk_write_bytes, load_1min, load_5min, load_15min
FROM system_samples;

-- A host's network at one moment: counters since it started, and connections by state.
CREATE TABLE network_samples (
    id                      BIGINT PRIMARY KEY,    -- position
    at                      BIGINT NOT NULL,
    host                    TEXT COLLATE "C" NOT NULL,
    bytes_sent              BIGINT,
    bytes_recv              BIGINT,
    packets_sent            BIGINT,
    packets_recv            BIGINT,
    errors_in               BIGINT,
    errors_out              BIGINT,
    drops_in                BIGINT,
    drops_out               BIGINT,
    connections_established BIGINT,
    connections_listen      BIGINT,
    connections_time_wait   BIGINT
);
CREATE INDEX network_samples_by_time ON network_samples (at);
CREATE INDEX network_samples_by_host ON network_samples (host, at, id);

CREATE VIEW network_metrics AS
SELECT id, at, at / 1000000000.0::DOUBLE PRECISION AS timestamp, host, bytes_sent, bytes_recv, packets_sent,
       packets_recv, errors_in, errors_out, drops_in, drops_out, connections_established,
       connections_listen, connections_time_wait
FROM network_samples;

-- Sums per host and quarter of an hour: hours, days of UTC and days of every time zone are made of
-- quarters. What moved over the network belongs to the quarter of the later of two samples.
CREATE TABLE host_rollups (
    quarter_at     BIGINT NOT NULL,
    host           TEXT COLLATE "C" NOT NULL,
    cpu_samples    BIGINT NOT NULL DEFAULT 0,
    cpu_sum        DOUBLE PRECISION NOT NULL DEFAULT 0,
    cpu_max        DOUBLE PRECISION,
    memory_samples BIGINT NOT NULL DEFAULT 0,
    memory_sum     DOUBLE PRECISION NOT NULL DEFAULT 0,
    memory_max     DOUBLE PRECISION,
    disk_samples   BIGINT NOT NULL DEFAULT 0,
    disk_sum       DOUBLE PRECISION NOT NULL DEFAULT 0,
    bytes_sent     BIGINT NOT NULL DEFAULT 0,
    bytes_recv     BIGINT NOT NULL DEFAULT 0,
    packets_sent   BIGINT NOT NULL DEFAULT 0,
    packets_recv   BIGINT NOT NULL DEFAULT 0,
    log_events     BIGINT NOT NULL DEFAULT 0,
    failed_logins  BIGINT NOT NULL DEFAULT 0,
    bans           BIGINT NOT NULL DEFAULT 0,
    errors         BIGINT NOT NULL DEFAULT 0,   -- ERROR and CRITICAL
    warnings       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (quarter_at, host)
);

-- Who was banned and who failed to log in, once per quarter of an hour: a sum of unique counts is
-- no unique count.
CREATE TABLE host_uniques (
    quarter_at BIGINT NOT NULL,
    what       TEXT COLLATE "C" NOT NULL CHECK (what IN ('banned_ip', 'failed_user')),
    value      TEXT COLLATE "C" NOT NULL,
    host       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (quarter_at, what, value, host)
);

-- All hosts together, hours and days of UTC. Averages are weighted by samples.
CREATE VIEW hourly_aggregates AS
SELECT quarter_at / 3600000000000 * 3600 AS hour_timestamp,      -- seconds
       sum(cpu_sum) / nullif(sum(cpu_samples), 0) AS avg_cpu_percent, max(cpu_max) AS max_cpu_percent,
       sum(memory_sum) / nullif(sum(memory_samples), 0) AS avg_memory_percent,
       max(memory_max) AS max_memory_percent,
       sum(disk_sum) / nullif(sum(disk_samples), 0) AS avg_disk_percent,
       sum(bytes_sent) AS total_bytes_sent, sum(bytes_recv) AS total_bytes_recv,
       sum(packets_sent) AS total_packets_sent, sum(packets_recv) AS total_packets_recv,
       sum(log_events) AS log_events_count, sum(failed_logins) AS failed_login_count,
       sum(bans) AS banned_ip_count, sum(errors) AS error_count, sum(warnings) AS warning_count
FROM host_rollups
GROUP BY quarter_at / 3600000000000;

CREATE VIEW daily_aggregates AS
SELECT to_char(to_timestamp(r.day * 86400) AT TIME ZONE 'UTC', 'YYYY-MM-DD') COLLATE "C" AS date, r.avg_cpu_percent, r.max_cpu_percent,
       r.avg_memory_percent, r.max_memory_percent, r.avg_disk_percent,
       r.total_bytes_sent, r.total_bytes_recv, r.total_packets_sent, r.total_packets_recv,
       r.log_events_count, r.failed_login_count, r.banned_ip_count,
       (SELECT count(DISTINCT u.value) FROM host_uniques u
        WHERE u.quarter_at >= r.day * 86400000000000
          AND u.quarter_at < (r.day + 1) * 86400000000000
          AND u.what = 'banned_ip') AS unique_ips_banned,
       (SELECT count(DISTINCT u.value) FROM host_uniques u
        WHERE u.quarter_at >= r.day * 86400000000000
          AND u.quarter_at < (r.day + 1) * 86400000000000
          AND u.what = 'failed_user') AS unique_users_failed,
       r.error_count, r.warning_count
FROM (SELECT quarter_at / 86400000000000 AS day,
             sum(cpu_sum) / nullif(sum(cpu_samples), 0) AS avg_cpu_percent, max(cpu_max) AS max_cpu_percent,
             sum(memory_sum) / nullif(sum(memory_samples), 0) AS avg_memory_percent,
             max(memory_max) AS max_memory_percent,
             sum(disk_sum) / nullif(sum(disk_samples), 0) AS avg_disk_percent,
             sum(bytes_sent) AS total_bytes_sent, sum(bytes_recv) AS total_bytes_recv,
             sum(packets_sent) AS total_packets_sent, sum(packets_recv) AS total_packets_recv,
             sum(log_events) AS log_events_count, sum(failed_logins) AS failed_login_count,
             sum(bans) AS banned_ip_count, sum(errors) AS error_count,
             sum(warnings) AS warning_count
      FROM host_rollups GROUP BY quarter_at / 86400000000000) r;

-- What was found out about a notable line or sample. It goes with its line: nothing here ever names
-- a line that is gone. That of a sample has no line.
CREATE TABLE traces (
    id               BIGINT PRIMARY KEY,        -- position
    at               BIGINT NOT NULL,           -- when the line was written or the sample taken
    traced_at        BIGINT NOT NULL,
    line             BIGINT REFERENCES log_lines (position) ON DELETE CASCADE,
    cause            BIGINT NOT NULL,           -- position of the line or the sample
    trigger          TEXT COLLATE "C" NOT NULL CHECK (trigger IN
                     ('ban', 'failed_login_burst', 'error', 'unauthorized', 'high_usage')),
    subject          TEXT COLLATE "C" NOT NULL, -- one trace per trigger and subject in a while
    host             TEXT COLLATE "C" NOT NULL,
    severity_score   BIGINT NOT NULL CHECK (severity_score BETWEEN 0 AND 100),
    action           TEXT COLLATE "C",
    service          TEXT COLLATE "C",
    "user"             TEXT COLLATE "C",
    ip               TEXT COLLATE "C",
    root_cause       TEXT COLLATE "C",
    causality_chain  TEXT COLLATE "C" NOT NULL, -- JSON, positions, oldest first
    related_services TEXT COLLATE "C" NOT NULL  -- JSON
);
CREATE INDEX traces_by_time ON traces (at);
CREATE INDEX traces_by_line ON traces (line) WHERE line IS NOT NULL;
CREATE INDEX traces_by_subject ON traces (trigger, subject, at);
CREATE INDEX traces_by_severity ON traces (severity_score, at);

CREATE TABLE trace_processes (
    trace_id       BIGINT NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    number         BIGINT NOT NULL,             -- 0, 1, 2 … as they were seen
    at             BIGINT NOT NULL,
    pid            BIGINT NOT NULL,
    name           TEXT COLLATE "C" NOT NULL,
    cmdline        TEXT COLLATE "C" NOT NULL,
    state          TEXT COLLATE "C" NOT NULL,
    parent_pid     BIGINT NOT NULL,
    memory_rss     BIGINT NOT NULL,             -- bytes
    memory_vm      BIGINT NOT NULL,
    cpu_utime      BIGINT NOT NULL,             -- clock ticks
    cpu_stime      BIGINT NOT NULL,
    threads        BIGINT NOT NULL,
    read_bytes     BIGINT,
    write_bytes    BIGINT,
    read_syscalls  BIGINT,
    write_syscalls BIGINT,
    PRIMARY KEY (trace_id, number)
);

CREATE TABLE trace_connections (
    trace_id    BIGINT NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    protocol    TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,
    local_ip    TEXT COLLATE "C" NOT NULL,
    local_port  BIGINT NOT NULL,
    remote_ip   TEXT COLLATE "C" NOT NULL,
    remote_port BIGINT NOT NULL,
    PRIMARY KEY (trace_id, number)
);

CREATE TABLE trace_errors (
    trace_id             BIGINT PRIMARY KEY REFERENCES traces (id) ON DELETE CASCADE,
    at                   BIGINT NOT NULL,
    error_type           TEXT COLLATE "C" NOT NULL,
    error_category       TEXT COLLATE "C" NOT NULL,
    exception_type       TEXT COLLATE "C",
    severity             BIGINT NOT NULL,
    file_path            TEXT COLLATE "C",
    line_number          BIGINT,
    error_code           TEXT COLLATE "C",
    has_stacktrace       BIGINT NOT NULL CHECK (has_stacktrace IN (0, 1)),
    root_cause_hints     TEXT COLLATE "C" NOT NULL, -- JSON
    recovery_suggestions TEXT COLLATE "C" NOT NULL -- JSON
);
CREATE INDEX trace_errors_by_time ON trace_errors (at);
CREATE INDEX trace_errors_by_type ON trace_errors (error_type, at);

CREATE VIEW event_traces AS
SELECT t.id, t.cause AS event_id, t.at / 1000000000.0::DOUBLE PRECISION AS timestamp,
       coalesce((SELECT l.source FROM log_events l WHERE l.position = t.line), t.host) AS source,
       (SELECT l.level FROM log_events l WHERE l.position = t.line) AS level,
       t.severity_score,
       coalesce((SELECT e.text FROM event_log e WHERE e.position = t.line),
                (SELECT e.text FROM event_log e WHERE e.position = t.id)) AS message,
       t.action, t.service, t."user", t.ip AS ip_address, t.root_cause, t.trigger AS trigger_event,
       t.causality_chain, t.related_services, '1' COLLATE "C" AS tracer_version,
       ('["causality"'
           || iif(EXISTS (SELECT 1 FROM trace_processes p WHERE p.trace_id = t.id),
                  ',"processes"', '')
           || iif(EXISTS (SELECT 1 FROM trace_connections c WHERE c.trace_id = t.id),
                  ',"connections"', '')
           || iif(EXISTS (SELECT 1 FROM trace_errors r WHERE r.trace_id = t.id), ',"error"', '')
           || ']') COLLATE "C" AS tracers_used,
       t.traced_at / 1000000000.0::DOUBLE PRECISION AS traced_at
FROM traces t;

CREATE VIEW process_traces AS
SELECT trace_id, pid, name, cmdline, state, parent_pid, memory_rss, memory_vm, cpu_utime, cpu_stime,
       threads, read_bytes, write_bytes, read_syscalls, write_syscalls,
       at / 1000000000.0::DOUBLE PRECISION AS timestamp
FROM trace_processes;

CREATE VIEW network_traces AS
SELECT trace_id, local_ip, local_port, remote_ip, remote_port, state, protocol,
       at / 1000000000.0::DOUBLE PRECISION AS timestamp
FROM trace_connections;

CREATE VIEW error_traces AS
SELECT trace_id, error_type, error_category, exception_type, severity, file_path, line_number,
       error_code, has_stacktrace, root_cause_hints, recovery_suggestions,
       at / 1000000000.0::DOUBLE PRECISION AS timestamp
FROM trace_errors;

-- What is known of an address. The score is that of its last event; it decays from there on, which
-- is for the reader to do, who knows what time it is.
CREATE TABLE ip_reputations (
    ip                TEXT COLLATE "C" PRIMARY KEY,
    type              TEXT COLLATE "C" NOT NULL CHECK (type IN ('localhost', 'private', 'public')),
    is_whitelisted    BIGINT NOT NULL DEFAULT 0 CHECK (is_whitelisted IN (0, 1)),
    is_blacklisted    BIGINT NOT NULL DEFAULT 0 CHECK (is_blacklisted IN (0, 1)),
    threat_score      BIGINT NOT NULL CHECK (threat_score BETWEEN 0 AND 100),
    first_seen_at     BIGINT,                   -- NULL while no line has named it
    last_seen_at      BIGINT,
    total_events      BIGINT NOT NULL DEFAULT 0,
    failed_logins     BIGINT NOT NULL DEFAULT 0,
    bans              BIGINT NOT NULL DEFAULT 0,
    successful_logins BIGINT NOT NULL DEFAULT 0,
    country_code      TEXT COLLATE "C",
    city              TEXT COLLATE "C",
    asn               TEXT COLLATE "C",
    updated_at        BIGINT NOT NULL,
    CHECK (is_whitelisted = 0 OR is_blacklisted = 0)
);
CREATE INDEX ip_reputations_by_score ON ip_reputations (threat_score, last_seen_at);
CREATE INDEX ip_reputations_by_time ON ip_reputations (last_seen_at);

CREATE VIEW ip_reputation AS
SELECT ip, type, is_whitelisted, is_blacklisted, threat_score,
       first_seen_at / 1000000000.0::DOUBLE PRECISION AS first_seen, last_seen_at / 1000000000.0::DOUBLE PRECISION AS last_seen,
       total_events, failed_logins AS failed_login_count, bans AS banned_count,
       successful_logins AS successful_login_count, country_code, city, asn,
       updated_at / 1000000000.0::DOUBLE PRECISION AS updated_at
FROM ip_reputations;

-- Patterns over many events.
CREATE TABLE patterns (
    id              BIGINT PRIMARY KEY,         -- position
    pattern_type    TEXT COLLATE "C" NOT NULL CHECK (pattern_type IN
                    ('brute_force', 'ip_sweep', 'error_burst', 'restart_loop')),
    subject         TEXT COLLATE "C" NOT NULL,
    name            TEXT COLLATE "C" NOT NULL,
    services        TEXT COLLATE "C" NOT NULL,  -- JSON
    ips             TEXT COLLATE "C" NOT NULL,  -- JSON
    event_count     BIGINT NOT NULL,
    severity        BIGINT NOT NULL CHECK (severity BETWEEN 0 AND 100),
    started_at      BIGINT NOT NULL,
    ended_at        BIGINT NOT NULL,
    root_cause      TEXT COLLATE "C",
    recommendations TEXT COLLATE "C" NOT NULL,  -- JSON
    detected_at     BIGINT NOT NULL
);
CREATE INDEX patterns_by_time ON patterns (detected_at);
CREATE INDEX patterns_by_subject ON patterns (pattern_type, subject, ended_at);

CREATE VIEW trace_patterns AS
SELECT p.id, p.pattern_type, p.name AS pattern_name, e.text AS description,
       p.services AS affected_services, p.ips AS affected_ips, p.event_count, p.severity,
       p.started_at / 1000000000.0::DOUBLE PRECISION AS start_time, p.ended_at / 1000000000.0::DOUBLE PRECISION AS end_time,
       (p.ended_at - p.started_at) / 1000000000.0::DOUBLE PRECISION AS duration, p.root_cause, p.recommendations,
       p.detected_at / 1000000000.0::DOUBLE PRECISION AS detected_at
FROM patterns p
JOIN event_log e ON e.position = p.id;

-- How far each source of lines was read, written in the transaction of the lines themselves, so
-- that each line is stored once. `place` is JSON: inode and offset of a file, cursor of the journal.
CREATE TABLE source_places (
    source     TEXT COLLATE "C" PRIMARY KEY,
    place      TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL
);
