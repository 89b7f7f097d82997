-- Retention of the tables. That rows go is an event, retention.applied, which the folds obey; the
-- event log keeps all that the tables forget.

-- How far each table was cut, and how much went.
CREATE TABLE retention_cuts (
    table_name   TEXT COLLATE "C" PRIMARY KEY,
    before       BIGINT NOT NULL,               -- rows from before this time went
    rows_deleted BIGINT NOT NULL,               -- as counted when it was decided, all steps together
    steps        BIGINT NOT NULL,               -- small ones, so that no message waits for long
    applied_at   BIGINT NOT NULL,               -- of the last step
    reason       TEXT COLLATE "C",              -- of the last step
    position     BIGINT NOT NULL
);

-- Rows of deleted recordings age by the time of their deletion; those of recordings that exist have
-- none and are not in this index.
CREATE INDEX recordings_deleted ON recordings (deleted_at)
    WHERE state = 'deleted' AND starred = 0 AND held = 0;

-- Motions age too; the index that links them with recordings begins with the camera.
CREATE INDEX recording_motions_by_time ON recording_motions (started_at);

-- Pages of rollups, newest first and by name within a bucket, in the order of one index. The key
-- columns stand in every index of these tables anyway, so that it costs no byte more.
DROP INDEX sensor_rollups_5min_by_time;
CREATE INDEX sensor_rollups_5min_by_time
    ON sensor_rollups_5min (bucket_at DESC, sensor_id, state_key);
DROP INDEX sensor_rollups_hourly_by_time;
CREATE INDEX sensor_rollups_hourly_by_time
    ON sensor_rollups_hourly (bucket_at DESC, sensor_id, state_key);
