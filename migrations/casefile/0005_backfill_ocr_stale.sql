-- Whether a run read another picture than the one that its branch shows now. By content, not by
-- node: a step that changes nothing makes no reading stale.
ALTER TABLE ocr_runs ADD COLUMN is_stale INTEGER NOT NULL DEFAULT 0;

UPDATE ocr_runs SET is_stale = (image_sha256 IS NOT (
    SELECT n.image_sha256 FROM branches b JOIN nodes n ON n.id = b.chosen_node_id
     WHERE b.scan_id = ocr_runs.scan_id AND b.branch_path = ocr_runs.branch_path));
