-- A slim copy: all rows of `whole`, the pictures of originals and of chosen nodes alone.
-- Without guards: what they protect lies in `whole`. Lineage stays: nodes keep hashes and parameters.
BEGIN IMMEDIATE;
DELETE FROM main.schema_migrations;
INSERT INTO main.schema_migrations SELECT * FROM whole.schema_migrations;
INSERT INTO main.project SELECT * FROM whole.project;
INSERT INTO main.pipeline_versions SELECT * FROM whole.pipeline_versions;
INSERT INTO main.calibrations SELECT * FROM whole.calibrations;
INSERT INTO main.clock_checks SELECT * FROM whole.clock_checks;
INSERT INTO main.source_media SELECT * FROM whole.source_media;
INSERT INTO main.scans SELECT * FROM whole.scans;
INSERT INTO main.nodes SELECT * FROM whole.nodes;
INSERT INTO main.branches SELECT * FROM whole.branches;
INSERT INTO main.ocr_runs SELECT * FROM whole.ocr_runs;
INSERT INTO main.regions SELECT * FROM whole.regions;
INSERT INTO main.timeline_items SELECT * FROM whole.timeline_items;
INSERT INTO main.readings SELECT * FROM whole.readings;
INSERT INTO main.custody_log SELECT * FROM whole.custody_log;
INSERT INTO main.exports SELECT * FROM whole.exports;

INSERT INTO main.images
SELECT * FROM whole.images
 WHERE id IN (SELECT image_id FROM main.nodes WHERE parent_id IS NULL
              UNION
              SELECT n.image_id FROM main.branches b
                JOIN main.nodes n ON n.id = b.chosen_node_id
                JOIN main.scans s ON s.id = b.scan_id
               WHERE b.trashed_at_ms IS NULL AND s.deleted_at_ms IS NULL)
 ORDER BY id;
UPDATE main.nodes SET image_id = NULL WHERE image_id NOT IN (SELECT id FROM main.images);
COMMIT;
