//! The seal: after it nothing of the case can change, and its digest says what it was.
//!
//! The digest is SHA-256 over `nightjar case 1\n` and the tables below in their order: the table's
//! name as a text, then row by row its values, each row behind a byte 5. A value is one byte for its
//! kind and its bytes: 0 NULL; 1 integer and 2 real, 8 bytes big-endian; 3 text and 4 blob, the length
//! as u64 big-endian and the bytes. Pictures come in by the hashes in `nodes`, so that a slim copy
//! has the same digest as the whole.

use sha2::{Digest as _, Sha256};

use super::custody::{self, Action, Head, NewEntry};
use super::project::{self, Status};
use super::{By, CaseError, Sha256Hash, first_int, hash};
use crate::storage::{Owned, Row, Session, StorageError, first};

const DOMAIN: &[u8] = b"nightjar case 1\n";

/// A table of the digest: its name, how many columns are covered, and how they are read.
struct Covered {
    table: &'static str,
    columns: usize,
    sql: &'static str,
}

/// What is left out: the state that the seal itself changes, pictures (their hashes stand in nodes),
/// which row has a picture's bytes, thumbs, debug pictures, and what goes on after the seal.
const COVERED: &[Covered] = &[
    Covered {
        table: "project",
        columns: 11,
        sql:
            "SELECT name, slug, schema_version, notes, box_id, box_pubkey, created_at_ms, case_ref,
                     incident_from_ms, incident_to_ms, opened_by FROM project",
    },
    Covered {
        table: "pipeline_versions",
        columns: 8,
        sql: "SELECT id, name, yaml_text, yaml_sha256, step_count, tools_json, created_at_ms,
                     is_active FROM pipeline_versions ORDER BY id",
    },
    Covered {
        table: "calibrations",
        columns: 7,
        sql: "SELECT id, camera_id, params_json, params_sha256, px_per_m, created_at_ms, is_active
                FROM calibrations ORDER BY id",
    },
    Covered {
        table: "clock_checks",
        columns: 7,
        sql: "SELECT id, at_ms, clock, reference, offset_ms, error_ms, method FROM clock_checks
               ORDER BY id",
    },
    Covered {
        table: "source_media",
        columns: 13,
        sql: "SELECT id, kind, camera_id, recording_id, event_seq, cipher_sha256, plain_sha256,
                     container, start_ms, end_ms, clock_check_id, embedded, added_at_ms
                FROM source_media ORDER BY id",
    },
    Covered {
        table: "scans",
        columns: 14,
        sql: "SELECT id, idx, source, source_ref, source_media_id, frame_pts_us, captured_at_ms,
                     extractor, calibration_id, pipeline_version_id, root_node_id, page_order,
                     created_at_ms, deleted_at_ms FROM scans ORDER BY id",
    },
    Covered {
        table: "nodes",
        columns: 20,
        sql: "SELECT id, scan_id, parent_id, pipeline_version_id, step_idx, step_name, processor,
                     params_json, branch_label, branch_path, depth, filestem, is_leaf,
                     is_branch_point, image_sha256, pixel_sha256, status, elapsed_ms, meta_json,
                     created_at_ms FROM nodes ORDER BY id",
    },
    Covered {
        table: "branches",
        columns: 9,
        sql: "SELECT id, scan_id, branch_path, label_kind, terminal_node_id, chosen_node_id,
                     created_at_ms, updated_at_ms, trashed_at_ms FROM branches ORDER BY id",
    },
    Covered {
        table: "ocr_runs",
        columns: 20,
        sql: "SELECT id, scan_id, branch_path, node_id, image_sha256, engine, engine_version,
                     languages_json, params_json, version, status, result_json, error_text,
                     started_at_ms, finished_at_ms, created_at_ms, is_stale, confirmed_text,
                     confirmed_by, confirmed_at_ms FROM ocr_runs ORDER BY id",
    },
    Covered {
        table: "regions",
        columns: 10,
        sql: "SELECT id, scan_id, label, kind, x, y, w, h, origin, confidence FROM regions
               ORDER BY id",
    },
    Covered {
        table: "timeline_items",
        columns: 8,
        sql: "SELECT id, event_seq, at_ms, kind, source, summary, event_cbor, event_sha256
                FROM timeline_items ORDER BY id",
    },
    Covered {
        table: "readings",
        columns: 10,
        sql: "SELECT id, scan_id, branch_path, image_sha256, text, search_key, support_json,
                     run_count, ocr_run_id, created_at_ms FROM readings ORDER BY id",
    },
];

/// The digest of the case as it is now.
pub fn digest(session: &mut dyn Session) -> Result<Sha256Hash, CaseError> {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    for covered in COVERED {
        value(&mut hash, &Owned::Text(covered.table.to_owned()));
        session.read(covered.sql, &[], &mut |row| {
            hash.update([5]);
            (0..covered.columns).try_for_each(|column| {
                value(&mut hash, &row.owned(column)?);
                Ok::<_, StorageError>(())
            })
        })?;
    }
    Ok(hash.finalize().into())
}

/// Closes the case for good; the entry that says so is the head to give to a third party.
pub fn seal(session: &mut dyn Session, by: By<'_>) -> Result<Head, CaseError> {
    if project::get(session)?.status == Status::Sealed {
        return Err(CaseError::Refused("the case is sealed already".into()));
    }
    let open = first_int(
        session,
        "SELECT COUNT(*) FROM ocr_runs WHERE status IN ('pending', 'running')",
    )?;
    if open > 0 {
        return Err(CaseError::Refused(format!(
            "{open} runs of text recognition are not finished; let them end, then seal"
        )));
    }
    let digest = digest(session)?;
    session.write("UPDATE project SET status = 'sealed'", &[])?;
    let sealed = NewEntry {
        action: Action::Sealed,
        object: Some("case"),
        object_sha256: Some(digest),
        detail: custody::detail([]),
    };
    custody::append(session, by, &sealed)
}

/// The digest that the case was sealed with, if it was.
pub fn sealed_digest(session: &mut dyn Session) -> Result<Option<Sha256Hash>, CaseError> {
    Ok(first(
        session,
        "SELECT object_sha256 FROM custody_log WHERE action = 'sealed' ORDER BY seq LIMIT 1",
        &[],
        |row: &dyn Row| hash(row, 0),
    )?)
}

fn value(digest: &mut Sha256, value: &Owned) {
    let mut long = |kind: u8, bytes: &[u8]| {
        digest.update([kind]);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    match value {
        Owned::Text(text) => long(3, text.as_bytes()),
        Owned::Blob(bytes) => long(4, bytes),
        Owned::Null => digest.update([0]),
        Owned::Integer(number) => {
            digest.update([1]);
            digest.update(number.to_be_bytes());
        }
        Owned::Real(number) => {
            digest.update([2]);
            digest.update(number.to_be_bytes());
        }
    }
}

#[cfg(test)]
pub(super) fn covered_tables() -> Vec<(&'static str, usize)> {
    COVERED
        .iter()
        .map(|covered| (covered.table, covered.columns))
        .collect()
}
