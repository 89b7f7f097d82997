-- What goes on: the network's sums after retention, and a pattern that grows.

-- Where the counters of a host stood in the samples that retention let go: the sums hold all up to
-- there, and go on from there.
CREATE TABLE network_bases (
    host         TEXT COLLATE "C" PRIMARY KEY,
    before       BIGINT NOT NULL,               -- a sample from before this comes too late
    bytes_sent   BIGINT,
    bytes_recv   BIGINT,
    packets_sent BIGINT,
    packets_recv BIGINT
);

-- A brute force grows: its row tells how large it is by now.
ALTER TABLE patterns ADD COLUMN grown BIGINT;   -- position of the last growth; NULL before the first

DROP VIEW trace_patterns;
CREATE VIEW trace_patterns AS
SELECT p.id, p.pattern_type, p.name AS pattern_name, e.text AS description,
       p.services AS affected_services, p.ips AS affected_ips, p.event_count, p.severity,
       p.started_at / 1000000000.0::DOUBLE PRECISION AS start_time, p.ended_at / 1000000000.0::DOUBLE PRECISION AS end_time,
       (p.ended_at - p.started_at) / 1000000000.0::DOUBLE PRECISION AS duration, p.root_cause, p.recommendations,
       p.detected_at / 1000000000.0::DOUBLE PRECISION AS detected_at
FROM patterns p
JOIN event_log e ON e.position = coalesce(p.grown, p.id);

-- Whether a local database of places was asked for an address; public ones are asked for once.
ALTER TABLE ip_reputations ADD COLUMN located_at BIGINT;
CREATE INDEX ip_reputations_unplaced ON ip_reputations (ip)
    WHERE located_at IS NULL AND type = 'public';
