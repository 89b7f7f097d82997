-- The vault in full: what protects a recording, what is known of its integrity, why it went.

ALTER TABLE recordings ADD COLUMN iv TEXT COLLATE "C";      -- hex
ALTER TABLE recordings ADD COLUMN thumbnail_key_id TEXT COLLATE "C"; -- hex
ALTER TABLE recordings ADD COLUMN thumbnail_tag TEXT COLLATE "C"; -- hex, header_tag of its sidecar
ALTER TABLE recordings ADD COLUMN thumbnail_size BIGINT;    -- bytes of the plaintext
ALTER TABLE recordings ADD COLUMN hold_reason TEXT COLLATE "C";
ALTER TABLE recordings ADD COLUMN recorded_at BIGINT;       -- received_at of the row's first event
ALTER TABLE recordings ADD COLUMN checked_at BIGINT;        -- last verification
ALTER TABLE recordings ADD COLUMN deleted_at BIGINT;
ALTER TABLE recordings ADD COLUMN deleted_by TEXT COLLATE "C"; -- the rule that asked for it
ALTER TABLE recordings ADD COLUMN file_name TEXT COLLATE "C"; -- last part of original_name: what "finished" messages are joined by
ALTER TABLE recordings ADD COLUMN start_estimated BIGINT NOT NULL DEFAULT 0 CHECK (start_estimated IN (0, 1));  -- told by the file's own time alone
ALTER TABLE recordings ADD COLUMN adopted BIGINT NOT NULL DEFAULT 0 CHECK (adopted IN (0, 1));  -- its .vge was there before its row
ALTER TABLE recordings ADD COLUMN deleted_inode BIGINT;     -- of the .vge that is to go, to tell it from a later one
ALTER TABLE recordings ADD COLUMN deleted_changed_at BIGINT;  -- its ctime

CREATE INDEX recordings_by_state ON recordings (state, started_at);
CREATE INDEX recordings_by_thumbnail ON recordings (thumbnail_path) WHERE thumbnail_path IS NOT NULL;
CREATE INDEX recordings_by_key ON recordings (key_id) WHERE state = 'sealed';
CREATE INDEX recordings_unjoined ON recordings (file_name) WHERE trigger IS NULL;

-- Hints go with the sealing of their recording, or with time.
ALTER TABLE recording_hints ADD COLUMN received_at BIGINT NOT NULL DEFAULT 0;  -- of the message
CREATE INDEX recording_hints_by_time ON recording_hints (received_at);
CREATE INDEX recording_hints_by_position ON recording_hints (position);

-- Keys that sealed or are meant to seal, as rotations told.
CREATE TABLE vault_keys (
    key_id     TEXT COLLATE "C" PRIMARY KEY,                -- hex
    since      BIGINT NOT NULL,                             -- when it became the current one
    retired_at BIGINT,                                      -- when another one followed
    reencrypt  BIGINT NOT NULL DEFAULT 0 CHECK (reencrypt IN (0, 1)),  -- its recordings are to move to the current one
    position   BIGINT NOT NULL
);
