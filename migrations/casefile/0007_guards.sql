-- What the file refuses, whoever writes to it. A constraint cannot say most of this, and a rule that
-- only the program keeps is no rule for a file that others open with other programs.

-- ── The tree ──────────────────────────────────────────────────────────────────────────────────────

CREATE TRIGGER nodes_set_parent_not_leaf AFTER INSERT ON nodes WHEN NEW.parent_id IS NOT NULL
BEGIN UPDATE nodes SET is_leaf = 0 WHERE id = NEW.parent_id; END;

CREATE TRIGGER nodes_set_branch_point AFTER INSERT ON nodes
WHEN (SELECT COUNT(*) FROM nodes WHERE parent_id = NEW.parent_id) > 1
BEGIN UPDATE nodes SET is_branch_point = 1 WHERE id = NEW.parent_id AND is_branch_point = 0; END;

CREATE TRIGGER nodes_set_parent_leaf AFTER DELETE ON nodes
WHEN OLD.parent_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM nodes WHERE parent_id = OLD.parent_id)
BEGIN UPDATE nodes SET is_leaf = 1, is_branch_point = 0 WHERE id = OLD.parent_id; END;

CREATE TRIGGER nodes_unset_branch_point AFTER DELETE ON nodes
WHEN (SELECT COUNT(*) FROM nodes WHERE parent_id = OLD.parent_id) = 1
BEGIN UPDATE nodes SET is_branch_point = 0 WHERE id = OLD.parent_id AND is_branch_point = 1; END;

CREATE TRIGGER nodes_shape_kept BEFORE UPDATE OF is_leaf, is_branch_point ON nodes
WHEN NEW.is_leaf IS NOT (NOT EXISTS (SELECT 1 FROM nodes WHERE parent_id = NEW.id))
  OR NEW.is_branch_point IS NOT ((SELECT COUNT(*) FROM nodes WHERE parent_id = NEW.id) > 1)
BEGIN SELECT RAISE (ABORT, 'is_leaf and is_branch_point follow from the tree'); END;

CREATE TRIGGER nodes_begin_as_leaf BEFORE INSERT ON nodes WHEN NEW.is_leaf <> 1 OR NEW.is_branch_point <> 0
BEGIN SELECT RAISE (ABORT, 'a new node is a leaf'); END;

CREATE TRIGGER nodes_root_place BEFORE INSERT ON nodes
WHEN NEW.parent_id IS NULL AND (NEW.depth <> 0 OR NEW.branch_label IS NOT NULL OR NEW.branch_path <> '')
BEGIN SELECT RAISE (ABORT, 'an original stands at depth 0, in no branch'); END;

CREATE TRIGGER nodes_place BEFORE INSERT ON nodes
WHEN NEW.parent_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM nodes p
     WHERE p.id = NEW.parent_id AND p.scan_id = NEW.scan_id
       AND NEW.depth = p.depth + 1 AND NEW.step_idx > p.step_idx AND NEW.step_idx <= 99
       AND NEW.branch_path = CASE WHEN NEW.branch_label IS NULL THEN p.branch_path
                                  WHEN p.branch_path = '' THEN NEW.branch_label
                                  ELSE p.branch_path || '.' || NEW.branch_label END)
BEGIN SELECT RAISE (ABORT, 'a node follows its parent in scan, depth, step and branch'); END;

-- An unlabelled child is an only child. So each branch path of a scan is one chain, and a node whose
-- path begins another's and that is no deeper is its ancestor; `branches_place` builds on that.
CREATE TRIGGER nodes_siblings BEFORE INSERT ON nodes
WHEN EXISTS (SELECT 1 FROM nodes s
              WHERE s.parent_id = NEW.parent_id
                AND (s.branch_label IS NULL OR NEW.branch_label IS NULL OR s.branch_label = NEW.branch_label))
BEGIN SELECT RAISE (ABORT, 'siblings need a label each'); END;

CREATE TRIGGER nodes_label BEFORE INSERT ON nodes
WHEN NEW.branch_label = '' OR NEW.branch_label GLOB '*[^A-Z0-9]*'
BEGIN SELECT RAISE (ABORT, 'a branch label is made of A to Z and 0 to 9'); END;

CREATE TRIGGER nodes_picture BEFORE INSERT ON nodes
WHEN NOT EXISTS (SELECT 1 FROM images i
                  WHERE i.id = NEW.image_id AND i.sha256 = NEW.image_sha256 AND i.pixel_sha256 = NEW.pixel_sha256)
BEGIN SELECT RAISE (ABORT, 'a new node has a picture, with its hashes'); END;

CREATE TRIGGER nodes_fixed BEFORE UPDATE OF id, scan_id, parent_id, pipeline_version_id, step_idx, step_name,
    processor, params_json, branch_label, branch_path, depth, filestem, image_id, image_sha256, pixel_sha256,
    status, elapsed_ms, meta_json, created_at_ms ON nodes
BEGIN SELECT RAISE (ABORT, 'a node is not changed; run its step again'); END;

CREATE TRIGGER nodes_root_guard BEFORE DELETE ON nodes WHEN OLD.parent_id IS NULL
BEGIN SELECT RAISE (ABORT, 'an original cannot be deleted'); END;

-- INSERT OR REPLACE deletes without delete triggers, unless recursive_triggers is on: each table whose
-- rows stay looks for the row that would go.
CREATE TRIGGER nodes_root_no_replace BEFORE INSERT ON nodes
WHEN EXISTS (SELECT 1 FROM nodes WHERE id = NEW.id AND parent_id IS NULL)
BEGIN SELECT RAISE (ABORT, 'an original cannot be replaced'); END;

CREATE TRIGGER nodes_no_replace BEFORE INSERT ON nodes
WHEN EXISTS (SELECT 1 FROM nodes WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM nodes WHERE scan_id = NEW.scan_id AND filestem = NEW.filestem AND step_idx = NEW.step_idx)
  OR (NEW.parent_id IS NULL AND EXISTS (SELECT 1 FROM nodes WHERE scan_id = NEW.scan_id AND parent_id IS NULL))
BEGIN SELECT RAISE (ABORT, 'a node cannot be replaced'); END;

CREATE TRIGGER nodes_root_of_scan AFTER INSERT ON nodes WHEN NEW.parent_id IS NULL
BEGIN UPDATE scans SET root_node_id = NEW.id WHERE id = NEW.scan_id; END;

CREATE TRIGGER scans_fixed BEFORE UPDATE OF id, idx, source, source_ref, captured_at_ms, pipeline_version_id,
    created_at_ms, calibration_id, source_media_id, frame_pts_us, extractor ON scans
BEGIN SELECT RAISE (ABORT, 'where an original came from is not changed'); END;

CREATE TRIGGER scans_root_fixed BEFORE UPDATE OF root_node_id ON scans
WHEN NOT EXISTS (SELECT 1 FROM nodes WHERE id = NEW.root_node_id AND scan_id = NEW.id AND parent_id IS NULL)
BEGIN SELECT RAISE (ABORT, 'the root of a scan is its original'); END;

CREATE TRIGGER scans_begin_without_root BEFORE INSERT ON scans WHEN NEW.root_node_id IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'a scan is made before its original'); END;

-- ── Branches and what was read in them ────────────────────────────────────────────────────────────

CREATE TRIGGER branches_chosen_ocr AFTER UPDATE OF chosen_node_id ON branches
BEGIN UPDATE ocr_runs
         SET is_stale = (image_sha256 IS NOT (SELECT image_sha256 FROM nodes WHERE id = NEW.chosen_node_id))
       WHERE scan_id = NEW.scan_id AND branch_path = NEW.branch_path; END;

CREATE TRIGGER branches_made_ocr AFTER INSERT ON branches
BEGIN UPDATE ocr_runs
         SET is_stale = (image_sha256 IS NOT (SELECT image_sha256 FROM nodes WHERE id = NEW.chosen_node_id))
       WHERE scan_id = NEW.scan_id AND branch_path = NEW.branch_path; END;

CREATE TRIGGER branches_gone_ocr AFTER DELETE ON branches
BEGIN UPDATE ocr_runs SET is_stale = 1 WHERE scan_id = OLD.scan_id AND branch_path = OLD.branch_path; END;

-- Staleness is computed, never told: whoever finishes a run cannot clear it.
CREATE TRIGGER ocr_stale_at_insert AFTER INSERT ON ocr_runs WHEN NEW.is_stale IS NOT (NEW.image_sha256 IS NOT (
    SELECT n.image_sha256 FROM branches b JOIN nodes n ON n.id = b.chosen_node_id
     WHERE b.scan_id = NEW.scan_id AND b.branch_path = NEW.branch_path))
BEGIN UPDATE ocr_runs SET is_stale = 1 - NEW.is_stale WHERE id = NEW.id; END;

CREATE TRIGGER ocr_stale_at_update AFTER UPDATE OF is_stale ON ocr_runs WHEN NEW.is_stale IS NOT (NEW.image_sha256 IS NOT (
    SELECT n.image_sha256 FROM branches b JOIN nodes n ON n.id = b.chosen_node_id
     WHERE b.scan_id = NEW.scan_id AND b.branch_path = NEW.branch_path))
BEGIN SELECT RAISE (ABORT, 'is_stale follows from the chosen picture'); END;

-- The terminal may stand above its branch for a while: when its nodes are made anew.
CREATE TRIGGER branches_place_at_insert BEFORE INSERT ON branches WHEN NOT EXISTS (
    SELECT 1 FROM nodes t JOIN nodes c ON c.id = NEW.chosen_node_id
     WHERE t.id = NEW.terminal_node_id AND t.scan_id = NEW.scan_id AND c.scan_id = NEW.scan_id
       AND c.depth <= t.depth
       AND (c.branch_path IN ('', t.branch_path)
            OR substr(t.branch_path, 1, length(c.branch_path) + 1) = c.branch_path || '.')
       AND (t.branch_path IN ('', NEW.branch_path)
            OR substr(NEW.branch_path, 1, length(t.branch_path) + 1) = t.branch_path || '.'))
BEGIN SELECT RAISE (ABORT, 'the chosen node lies between the original and the end of its branch'); END;

CREATE TRIGGER branches_place_at_update BEFORE UPDATE OF terminal_node_id, chosen_node_id ON branches WHEN NOT EXISTS (
    SELECT 1 FROM nodes t JOIN nodes c ON c.id = NEW.chosen_node_id
     WHERE t.id = NEW.terminal_node_id AND t.scan_id = NEW.scan_id AND c.scan_id = NEW.scan_id
       AND c.depth <= t.depth
       AND (c.branch_path IN ('', t.branch_path)
            OR substr(t.branch_path, 1, length(c.branch_path) + 1) = c.branch_path || '.')
       AND (t.branch_path IN ('', NEW.branch_path)
            OR substr(NEW.branch_path, 1, length(t.branch_path) + 1) = t.branch_path || '.'))
BEGIN SELECT RAISE (ABORT, 'the chosen node lies between the original and the end of its branch'); END;

CREATE TRIGGER branches_fixed BEFORE UPDATE OF id, scan_id, branch_path, created_at_ms ON branches
BEGIN SELECT RAISE (ABORT, 'a branch keeps its scan and path'); END;

CREATE TRIGGER branches_no_replace BEFORE INSERT ON branches
WHEN EXISTS (SELECT 1 FROM branches WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM branches WHERE scan_id = NEW.scan_id AND branch_path = NEW.branch_path)
BEGIN SELECT RAISE (ABORT, 'a branch is updated, not replaced'); END;

CREATE TRIGGER ocr_fixed BEFORE UPDATE OF id, scan_id, branch_path, image_sha256, engine, version, created_at_ms ON ocr_runs
BEGIN SELECT RAISE (ABORT, 'what a run reads is not changed; start another'); END;

CREATE TRIGGER ocr_done_fixed BEFORE UPDATE OF engine_version, languages_json, params_json, status, result_json,
    error_text, started_at_ms, finished_at_ms ON ocr_runs WHEN OLD.status IN ('done', 'error')
BEGIN SELECT RAISE (ABORT, 'a finished run is not changed; start another'); END;

CREATE TRIGGER ocr_confirmed_fixed BEFORE UPDATE OF confirmed_text, confirmed_by, confirmed_at_ms ON ocr_runs
WHEN OLD.confirmed_at_ms IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'a confirmation is not changed; confirm anew'); END;

CREATE TRIGGER ocr_node_gone BEFORE UPDATE OF node_id ON ocr_runs
WHEN NEW.node_id IS NOT NULL AND NEW.node_id IS NOT OLD.node_id
BEGIN SELECT RAISE (ABORT, 'what a run reads is not changed; start another'); END;

-- ── Rows that stay as they are ────────────────────────────────────────────────────────────────────

CREATE TRIGGER images_immutable BEFORE UPDATE ON images
BEGIN SELECT RAISE (ABORT, 'images are immutable'); END;
CREATE TRIGGER images_no_replace BEFORE INSERT ON images WHEN EXISTS (SELECT 1 FROM images WHERE id = NEW.id)
BEGIN SELECT RAISE (ABORT, 'images are immutable'); END;
CREATE TRIGGER images_no_replace_content BEFORE INSERT ON images
WHEN EXISTS (SELECT 1 FROM images WHERE sha256 = NEW.sha256)
BEGIN SELECT RAISE (ABORT, 'images are immutable'); END;

CREATE TRIGGER custody_no_update BEFORE UPDATE ON custody_log
BEGIN SELECT RAISE (ABORT, 'custody_log is append-only'); END;
CREATE TRIGGER custody_no_delete BEFORE DELETE ON custody_log
BEGIN SELECT RAISE (ABORT, 'custody_log is append-only'); END;
CREATE TRIGGER custody_chain BEFORE INSERT ON custody_log
WHEN NEW.seq IS NOT (SELECT COALESCE (MAX (seq), 0) + 1 FROM custody_log)
  OR NEW.prev_hash IS NOT COALESCE ((SELECT entry_hash FROM custody_log WHERE seq = NEW.seq - 1), zeroblob (32))
BEGIN SELECT RAISE (ABORT, 'custody chain broken'); END;
CREATE TRIGGER custody_no_replace BEFORE INSERT ON custody_log
WHEN EXISTS (SELECT 1 FROM custody_log WHERE entry_hash = NEW.entry_hash)
BEGIN SELECT RAISE (ABORT, 'custody_log is append-only'); END;

CREATE TRIGGER project_stays BEFORE DELETE ON project
BEGIN SELECT RAISE (ABORT, 'a case file keeps its project'); END;
CREATE TRIGGER project_no_replace BEFORE INSERT ON project WHEN EXISTS (SELECT 1 FROM project)
BEGIN SELECT RAISE (ABORT, 'a case file has one project'); END;
CREATE TRIGGER project_fixed BEFORE UPDATE OF id, slug, box_id, box_pubkey, created_at_ms, opened_by ON project
BEGIN SELECT RAISE (ABORT, 'who opened a case, and on which box, is not changed'); END;

CREATE TRIGGER pipeline_versions_fixed BEFORE UPDATE OF id, name, yaml_text, yaml_sha256, step_count, tools_json, created_at_ms ON pipeline_versions
BEGIN SELECT RAISE (ABORT, 'a frozen pipeline is not changed'); END;
CREATE TRIGGER pipeline_versions_stay BEFORE DELETE ON pipeline_versions
BEGIN SELECT RAISE (ABORT, 'a frozen pipeline is not changed'); END;
CREATE TRIGGER pipeline_versions_no_replace BEFORE INSERT ON pipeline_versions
WHEN EXISTS (SELECT 1 FROM pipeline_versions WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM pipeline_versions WHERE yaml_sha256 = NEW.yaml_sha256)
  OR EXISTS (SELECT 1 FROM pipeline_versions WHERE NEW.is_active = 1 AND is_active = 1)
BEGIN SELECT RAISE (ABORT, 'a frozen pipeline is not changed'); END;

CREATE TRIGGER calibrations_fixed BEFORE UPDATE OF id, camera_id, params_json, params_sha256, px_per_m, created_at_ms ON calibrations
BEGIN SELECT RAISE (ABORT, 'a frozen calibration is not changed'); END;
CREATE TRIGGER calibrations_stay BEFORE DELETE ON calibrations
BEGIN SELECT RAISE (ABORT, 'a frozen calibration is not changed'); END;
CREATE TRIGGER calibrations_no_replace BEFORE INSERT ON calibrations
WHEN EXISTS (SELECT 1 FROM calibrations WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM calibrations WHERE params_sha256 = NEW.params_sha256)
  OR EXISTS (SELECT 1 FROM calibrations WHERE NEW.is_active = 1 AND is_active = 1 AND camera_id = NEW.camera_id)
BEGIN SELECT RAISE (ABORT, 'a frozen calibration is not changed'); END;

CREATE TRIGGER clock_checks_fixed BEFORE UPDATE ON clock_checks
BEGIN SELECT RAISE (ABORT, 'a clock check is not changed'); END;
CREATE TRIGGER clock_checks_stay BEFORE DELETE ON clock_checks
BEGIN SELECT RAISE (ABORT, 'a clock check is not changed'); END;
CREATE TRIGGER clock_checks_no_replace BEFORE INSERT ON clock_checks
WHEN EXISTS (SELECT 1 FROM clock_checks WHERE id = NEW.id)
BEGIN SELECT RAISE (ABORT, 'a clock check is not changed'); END;

CREATE TRIGGER timeline_items_fixed BEFORE UPDATE ON timeline_items
BEGIN SELECT RAISE (ABORT, 'the timeline is frozen'); END;
CREATE TRIGGER timeline_items_stay BEFORE DELETE ON timeline_items
BEGIN SELECT RAISE (ABORT, 'the timeline is frozen'); END;
CREATE TRIGGER timeline_items_no_replace BEFORE INSERT ON timeline_items
WHEN EXISTS (SELECT 1 FROM timeline_items WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM timeline_items WHERE event_seq = NEW.event_seq)
BEGIN SELECT RAISE (ABORT, 'the timeline is frozen'); END;

CREATE TRIGGER readings_fixed BEFORE UPDATE ON readings
BEGIN SELECT RAISE (ABORT, 'a reading is not changed; read anew'); END;
CREATE TRIGGER readings_stay BEFORE DELETE ON readings
BEGIN SELECT RAISE (ABORT, 'a reading is not changed; read anew'); END;
CREATE TRIGGER readings_no_replace BEFORE INSERT ON readings
WHEN EXISTS (SELECT 1 FROM readings WHERE id = NEW.id)
BEGIN SELECT RAISE (ABORT, 'a reading is not changed; read anew'); END;

CREATE TRIGGER source_media_fixed BEFORE UPDATE OF id, kind, camera_id, recording_id, event_seq, cipher_sha256, plain_sha256, container, start_ms, end_ms,
    embedded, added_at_ms ON source_media
BEGIN SELECT RAISE (ABORT, 'where an original came from is not changed'); END;
CREATE TRIGGER source_media_stay BEFORE DELETE ON source_media
BEGIN SELECT RAISE (ABORT, 'where an original came from is not changed'); END;
CREATE TRIGGER source_media_no_replace BEFORE INSERT ON source_media
WHEN EXISTS (SELECT 1 FROM source_media WHERE id = NEW.id)
BEGIN SELECT RAISE (ABORT, 'where an original came from is not changed'); END;
CREATE TRIGGER source_media_clock_fixed BEFORE UPDATE OF clock_check_id ON source_media WHEN OLD.clock_check_id IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'where an original came from is not changed'); END;

CREATE TRIGGER exports_fixed BEFORE UPDATE OF id, at_ms, kind, recipient, purpose, redacted, manifest_sha256, custody_seq, signature, bytes ON exports
BEGIN SELECT RAISE (ABORT, 'what left the case is not changed'); END;
CREATE TRIGGER exports_stay BEFORE DELETE ON exports
BEGIN SELECT RAISE (ABORT, 'what left the case is not changed'); END;
CREATE TRIGGER exports_no_replace BEFORE INSERT ON exports
WHEN EXISTS (SELECT 1 FROM exports WHERE id = NEW.id)
BEGIN SELECT RAISE (ABORT, 'what left the case is not changed'); END;
CREATE TRIGGER exports_stamp_fixed BEFORE UPDATE OF tsr ON exports WHEN OLD.tsr IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'what left the case is not changed'); END;

CREATE TRIGGER ocr_stay BEFORE DELETE ON ocr_runs
BEGIN SELECT RAISE (ABORT, 'a run stays; start another'); END;
CREATE TRIGGER ocr_no_replace BEFORE INSERT ON ocr_runs
WHEN EXISTS (SELECT 1 FROM ocr_runs WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM ocr_runs WHERE scan_id = NEW.scan_id AND branch_path = NEW.branch_path AND version = NEW.version)
BEGIN SELECT RAISE (ABORT, 'a run stays; start another'); END;

CREATE TRIGGER scans_stay BEFORE DELETE ON scans
BEGIN SELECT RAISE (ABORT, 'an original cannot be deleted'); END;
CREATE TRIGGER scans_no_replace BEFORE INSERT ON scans
WHEN EXISTS (SELECT 1 FROM scans WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM scans WHERE idx = NEW.idx)
BEGIN SELECT RAISE (ABORT, 'an original cannot be replaced'); END;

-- A region can be taken back until something was made of it.
CREATE TRIGGER regions_fixed BEFORE UPDATE ON regions
BEGIN SELECT RAISE (ABORT, 'a region is not changed; draw another'); END;
CREATE TRIGGER regions_used BEFORE DELETE ON regions
WHEN EXISTS (SELECT 1 FROM nodes WHERE scan_id = OLD.scan_id AND branch_path = OLD.label)
BEGIN SELECT RAISE (ABORT, 'pictures were made of the region'); END;
CREATE TRIGGER regions_no_replace BEFORE INSERT ON regions
WHEN EXISTS (SELECT 1 FROM regions WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM regions WHERE scan_id = NEW.scan_id AND label = NEW.label)
BEGIN SELECT RAISE (ABORT, 'a region is not changed; draw another'); END;

-- ── A sealed case ─────────────────────────────────────────────────────────────────────────────────
-- Closed for all but what is told about it: custody_log and exports go on; thumbs are no evidence.

CREATE TRIGGER project_sealed BEFORE UPDATE ON project WHEN OLD.status = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER pipeline_versions_sealed_insert BEFORE INSERT ON pipeline_versions WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER pipeline_versions_sealed_update BEFORE UPDATE ON pipeline_versions WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER pipeline_versions_sealed_delete BEFORE DELETE ON pipeline_versions WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER calibrations_sealed_insert BEFORE INSERT ON calibrations WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER calibrations_sealed_update BEFORE UPDATE ON calibrations WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER calibrations_sealed_delete BEFORE DELETE ON calibrations WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER images_sealed_insert BEFORE INSERT ON images WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER images_sealed_update BEFORE UPDATE ON images WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER images_sealed_delete BEFORE DELETE ON images WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER scans_sealed_insert BEFORE INSERT ON scans WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER scans_sealed_update BEFORE UPDATE ON scans WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER scans_sealed_delete BEFORE DELETE ON scans WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER nodes_sealed_insert BEFORE INSERT ON nodes WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER nodes_sealed_update BEFORE UPDATE ON nodes WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER nodes_sealed_delete BEFORE DELETE ON nodes WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER branches_sealed_insert BEFORE INSERT ON branches WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER branches_sealed_update BEFORE UPDATE ON branches WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER branches_sealed_delete BEFORE DELETE ON branches WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER ocr_runs_sealed_insert BEFORE INSERT ON ocr_runs WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER ocr_runs_sealed_update BEFORE UPDATE ON ocr_runs WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER ocr_runs_sealed_delete BEFORE DELETE ON ocr_runs WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER debug_artifacts_sealed_insert BEFORE INSERT ON debug_artifacts WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER debug_artifacts_sealed_update BEFORE UPDATE ON debug_artifacts WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER debug_artifacts_sealed_delete BEFORE DELETE ON debug_artifacts WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER clock_checks_sealed_insert BEFORE INSERT ON clock_checks WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER clock_checks_sealed_update BEFORE UPDATE ON clock_checks WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER clock_checks_sealed_delete BEFORE DELETE ON clock_checks WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER source_media_sealed_insert BEFORE INSERT ON source_media WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER source_media_sealed_update BEFORE UPDATE ON source_media WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER source_media_sealed_delete BEFORE DELETE ON source_media WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER regions_sealed_insert BEFORE INSERT ON regions WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER regions_sealed_update BEFORE UPDATE ON regions WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER regions_sealed_delete BEFORE DELETE ON regions WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER timeline_items_sealed_insert BEFORE INSERT ON timeline_items WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER timeline_items_sealed_update BEFORE UPDATE ON timeline_items WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER timeline_items_sealed_delete BEFORE DELETE ON timeline_items WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER readings_sealed_insert BEFORE INSERT ON readings WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER readings_sealed_update BEFORE UPDATE ON readings WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
CREATE TRIGGER readings_sealed_delete BEFORE DELETE ON readings WHEN (SELECT status FROM project) = 'sealed'
BEGIN SELECT RAISE (ABORT, 'the case is sealed'); END;
