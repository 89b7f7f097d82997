-- A case file: one SQLite file that holds pictures, what was done to them step by step, and which
-- outcome a person chose. Times are milliseconds since 1970 (UTC), named `…_ms`; hashes are SHA-256.

-- What the file is about; always exactly one row.
CREATE TABLE project (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    name           TEXT NOT NULL,
    slug           TEXT NOT NULL,               -- name of the file without its ending
    schema_version INTEGER NOT NULL,            -- last migration; for readers that look at this table alone
    notes          TEXT,
    box_id         TEXT NOT NULL,               -- site that made the file
    box_pubkey     BLOB NOT NULL,               -- Ed25519 key that its exports are checked with
    created_at_ms  INTEGER NOT NULL,
    updated_at_ms  INTEGER NOT NULL
) STRICT;

-- Frozen pipelines: the YAML with every default written out. A picture names the one that made it,
-- so that it can be made again.
CREATE TABLE pipeline_versions (
    id            INTEGER PRIMARY KEY,
    name          TEXT,
    yaml_text     TEXT NOT NULL,
    yaml_sha256   BLOB NOT NULL UNIQUE CHECK (length(yaml_sha256) = 32),
    step_count    INTEGER NOT NULL CHECK (step_count BETWEEN 0 AND 99),
    tools_json    TEXT NOT NULL,                -- program and library versions
    created_at_ms INTEGER NOT NULL,
    is_active     INTEGER NOT NULL DEFAULT 0 CHECK (is_active IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX pipeline_one_active ON pipeline_versions (is_active) WHERE is_active = 1;

-- Encoded pictures, once per content. The blob is the last column: what stands behind a long blob in
-- a row is read through the whole blob.
CREATE TABLE images (
    id            INTEGER PRIMARY KEY,
    sha256        BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),  -- of the blob
    pixel_sha256  BLOB NOT NULL CHECK (length(pixel_sha256) = 32),   -- of the pixels, whatever the encoder
    format        TEXT NOT NULL CHECK (format IN ('JPG', 'PNG')),
    type          TEXT NOT NULL CHECK (type IN ('BW', 'GRAY', 'COLOR')),
    width         INTEGER NOT NULL,
    height        INTEGER NOT NULL,
    dpi           REAL,                         -- as the bytes themselves say: the same for each use of the same bytes
    bytes         INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    blob          BLOB NOT NULL,
    CHECK (bytes = length(blob))
) STRICT;

-- Small JPEGs for lists; can be made again at any time.
CREATE TABLE thumbs (
    id       INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    max_dim  INTEGER NOT NULL DEFAULT 256,      -- longer side at most, pixels
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL,
    blob     BLOB NOT NULL,
    UNIQUE (image_id, max_dim)
) STRICT;

-- One row per original: a snapshot, a frame of a recording, an imported file.
CREATE TABLE scans (
    id                  INTEGER PRIMARY KEY,
    idx                 INTEGER NOT NULL UNIQUE,    -- number in the case, from 1
    source              TEXT NOT NULL CHECK (source IN ('mqtt', 'recording', 'import')),
    source_ref          TEXT,                       -- topic, recording@time or file name
    captured_at_ms      INTEGER,                    -- NULL: nobody knows
    pipeline_version_id INTEGER NOT NULL REFERENCES pipeline_versions (id),
    -- Deferred: scan and root point at each other.
    root_node_id        INTEGER REFERENCES nodes (id) DEFERRABLE INITIALLY DEFERRED,
    page_order          REAL,                       -- place in lists if a person moved it; between two rows is room
    created_at_ms       INTEGER NOT NULL,
    deleted_at_ms       INTEGER                     -- out of sight, still in the file
) STRICT;

-- Deleting a node asks whether it is somebody's root.
CREATE INDEX scans_root ON scans (root_node_id);

-- The tree of pictures: the root is the original, each other node the output of one step.
CREATE TABLE nodes (
    id                  INTEGER PRIMARY KEY,
    scan_id             INTEGER NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    parent_id           INTEGER REFERENCES nodes (id) ON DELETE CASCADE,
    pipeline_version_id INTEGER NOT NULL REFERENCES pipeline_versions (id),
    step_idx            INTEGER NOT NULL,           -- 0: the original
    step_name           TEXT,
    processor           TEXT,
    params_json         TEXT,                       -- resolved; with the parent's picture all that is needed to make it again
    branch_label        TEXT,                       -- only on the direct output of a step that branches: A, B, 1
    branch_path         TEXT NOT NULL DEFAULT '',   -- labels from the root on: '', A, A.1
    depth               INTEGER NOT NULL,
    filestem            TEXT NOT NULL,              -- name in exports, without ending
    is_leaf             INTEGER NOT NULL DEFAULT 1,
    is_branch_point     INTEGER NOT NULL DEFAULT 0, -- more than one child
    image_id            INTEGER REFERENCES images (id), -- NULL: dropped when the file was slimmed
    image_sha256        BLOB NOT NULL,              -- stays when the image goes
    pixel_sha256        BLOB NOT NULL,
    status              TEXT NOT NULL DEFAULT 'ok',
    elapsed_ms          REAL,
    meta_json           TEXT,
    created_at_ms       INTEGER NOT NULL,
    UNIQUE (scan_id, filestem, step_idx),
    CHECK ((parent_id IS NULL) = (step_idx = 0))
) STRICT;
CREATE INDEX nodes_parent ON nodes (parent_id);
CREATE INDEX nodes_image ON nodes (image_id);
CREATE INDEX nodes_step ON nodes (step_name);
CREATE UNIQUE INDEX nodes_one_root ON nodes (scan_id) WHERE parent_id IS NULL;

-- What each branch came to, and which of its nodes a person took instead.
CREATE TABLE branches (
    id               INTEGER PRIMARY KEY,
    scan_id          INTEGER NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    branch_path      TEXT NOT NULL,
    label_kind       TEXT,                          -- plate, face …, as its region says
    terminal_node_id INTEGER NOT NULL REFERENCES nodes (id),  -- deepest of the run
    chosen_node_id   INTEGER NOT NULL REFERENCES nodes (id),  -- the terminal, or above it
    created_at_ms    INTEGER NOT NULL,
    updated_at_ms    INTEGER NOT NULL,
    UNIQUE (scan_id, branch_path)
) STRICT;
CREATE INDEX branches_chosen ON branches (chosen_node_id);
CREATE INDEX branches_terminal ON branches (terminal_node_id);

-- Pictures that explain a step (found lines, masks); never evidence.
CREATE TABLE debug_artifacts (
    id            INTEGER PRIMARY KEY,
    node_id       INTEGER NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    label         TEXT NOT NULL,
    image_id      INTEGER NOT NULL REFERENCES images (id),
    created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX debug_image ON debug_artifacts (image_id);
-- Deleting a node takes these with it.
CREATE INDEX debug_node ON debug_artifacts (node_id);
