-- Frozen camera calibrations, so that a measurement can be made again with what was known then.
CREATE TABLE calibrations (
    id            INTEGER PRIMARY KEY,
    camera_id     TEXT NOT NULL,
    params_json   TEXT NOT NULL,
    params_sha256 BLOB NOT NULL UNIQUE,     -- of camera and parameters
    px_per_m      REAL,                     -- pixels per metre in the plane that was calibrated; NULL: none was
    created_at_ms INTEGER NOT NULL,
    is_active     INTEGER NOT NULL DEFAULT 0 CHECK (is_active IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX calibrations_one_active ON calibrations (camera_id) WHERE is_active = 1;

ALTER TABLE scans ADD COLUMN calibration_id INTEGER REFERENCES calibrations (id);
