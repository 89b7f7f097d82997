-- Each time that somebody or something read the text of a branch. A new pass is a new version; what
-- an older one said stays.
CREATE TABLE ocr_runs (
    id             INTEGER PRIMARY KEY,
    scan_id        INTEGER NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    branch_path    TEXT NOT NULL DEFAULT '',
    node_id        INTEGER REFERENCES nodes (id) ON DELETE SET NULL,  -- NULL: the node is gone
    image_sha256   BLOB NOT NULL,                                     -- what was read; stays
    engine         TEXT NOT NULL,                                     -- tesseract, or a person
    engine_version TEXT,
    languages_json TEXT NOT NULL DEFAULT '[]',
    params_json    TEXT NOT NULL DEFAULT '{}',
    version        INTEGER NOT NULL,                                  -- from 1 in each branch
    status         TEXT NOT NULL CHECK (status IN ('pending', 'running', 'done', 'error')),
    result_json    TEXT,
    error_text     TEXT,
    started_at_ms  INTEGER,
    finished_at_ms INTEGER,
    created_at_ms  INTEGER NOT NULL,
    UNIQUE (scan_id, branch_path, version)
) STRICT;
CREATE INDEX ocr_node ON ocr_runs (node_id);
CREATE INDEX ocr_open ON ocr_runs (status) WHERE status IN ('pending', 'running');
