-- A branch can be put out of sight without its scan.
ALTER TABLE branches ADD COLUMN trashed_at_ms INTEGER;
