//! Runs of text recognition: each pass over a branch is a version of its own and stays.
//!
//! A run is stale when the picture that it read is another than the one that its branch shows now, by
//! content. The file computes that; finishing a run late does not make it fresh.

use super::nodes::branch_path;
use super::path::BranchPath;
use super::{
    CaseError, NodeId, RunId, ScanId, Sha256Hash, UnixMillis, branches, hash, inserted, nodes,
    opt_text, text, words,
};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

/// Largest result of a run, bytes.
const MAX_RESULT_BYTES: usize = 1024 * 1024;

words! {
    /// How far a run is.
    RunStatus {
        /// Nobody works on it yet.
        Pending = "pending",
        /// Somebody does.
        Running = "running",
        /// It has a result.
        Done = "done",
        /// It failed.
        Error = "error",
    }
}

/// What reads, and how.
#[derive(Clone, Copy, Debug)]
pub struct Engine<'a> {
    /// `tesseract`, or `person`.
    pub name: &'a str,
    /// Its version.
    pub version: Option<&'a str>,
    /// Languages, JSON array.
    pub languages_json: &'a str,
    /// Parameters, JSON object.
    pub params_json: &'a str,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcrRun {
    /// Its row.
    pub id: RunId,
    /// The scan.
    pub scan_id: ScanId,
    /// The branch.
    pub path: BranchPath,
    /// What was read; none when the node is gone.
    pub node_id: Option<NodeId>,
    /// The picture that was read.
    pub image_sha256: Sha256Hash,
    /// What read it.
    pub engine: String,
    /// Its version.
    pub engine_version: Option<String>,
    /// Languages, JSON array.
    pub languages_json: String,
    /// Parameters, JSON object.
    pub params_json: String,
    /// From 1 in each branch.
    pub version: i64,
    /// How far it is.
    pub status: RunStatus,
    /// What it read, JSON.
    pub result_json: Option<String>,
    /// Why it failed.
    pub error_text: Option<String>,
    /// When it began.
    pub started_at_ms: Option<UnixMillis>,
    /// When it ended.
    pub finished_at_ms: Option<UnixMillis>,
    /// When it was asked for.
    pub created_at_ms: UnixMillis,
    /// Whether its branch shows another picture now.
    pub is_stale: bool,
    /// The text that a person confirmed.
    pub confirmed_text: Option<String>,
    /// Who.
    pub confirmed_by: Option<String>,
    /// When.
    pub confirmed_at_ms: Option<UnixMillis>,
}

macro_rules! runs {
    ($tail:literal) => {
        concat!(
            "SELECT id, scan_id, branch_path, node_id, image_sha256, engine, engine_version,
                    languages_json, params_json, version, status, result_json, error_text,
                    started_at_ms, finished_at_ms, created_at_ms, is_stale, confirmed_text,
                    confirmed_by, confirmed_at_ms FROM ocr_runs ",
            $tail
        )
    };
}

/// Asks for a pass over the picture that the branch shows now.
pub fn request(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
    engine: &Engine<'_>,
    at_ms: UnixMillis,
) -> Result<RunId, CaseError> {
    let chosen = branches::get(session, scan, path)?.chosen_node_id;
    let picture = nodes::get(session, chosen)?.image_sha256;
    session.write(
        "INSERT INTO ocr_runs (scan_id, branch_path, node_id, image_sha256, engine, engine_version,
             languages_json, params_json, version, status, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
             (SELECT COALESCE(MAX(version), 0) + 1 FROM ocr_runs
               WHERE scan_id = ?1 AND branch_path = ?2), 'pending', ?9)",
        values![
            scan,
            path.as_str(),
            chosen,
            picture.as_slice(),
            engine.name,
            engine.version,
            engine.languages_json,
            engine.params_json,
            at_ms,
        ],
    )?;
    Ok(RunId(inserted(session)?))
}

/// The oldest run that nobody works on, which is the caller's from now on.
pub fn take_next(
    session: &mut dyn Session,
    at_ms: UnixMillis,
) -> Result<Option<OcrRun>, CaseError> {
    // The open ones are indexed, and the index is found by its own words.
    let next = first(
        session,
        runs!("WHERE status IN ('pending', 'running') AND status = 'pending' ORDER BY id LIMIT 1"),
        &[],
        run,
    )?;
    let Some(next) = next else {
        return Ok(None);
    };
    session.write(
        "UPDATE ocr_runs SET status = 'running', started_at_ms = ?2 WHERE id = ?1",
        values![next.id, at_ms],
    )?;
    get(session, next.id).map(Some)
}

/// A run has its result: JSON with `text`, and what else the engine tells.
pub fn finish(
    session: &mut dyn Session,
    id: RunId,
    result_json: &str,
    at_ms: UnixMillis,
) -> Result<(), CaseError> {
    if result_json.len() > MAX_RESULT_BYTES {
        return Err(CaseError::Refused(format!(
            "the result of run {id} is longer than {MAX_RESULT_BYTES} bytes; read a smaller part \
             of the picture"
        )));
    }
    end(session, id, RunStatus::Done, Some(result_json), None, at_ms)
}

/// A run failed.
pub fn fail(
    session: &mut dyn Session,
    id: RunId,
    error_text: &str,
    at_ms: UnixMillis,
) -> Result<(), CaseError> {
    end(session, id, RunStatus::Error, None, Some(error_text), at_ms)
}

fn end(
    session: &mut dyn Session,
    id: RunId,
    status: RunStatus,
    result_json: Option<&str>,
    error_text: Option<&str>,
    at_ms: UnixMillis,
) -> Result<(), CaseError> {
    get(session, id)?;
    Ok(session.write(
        "UPDATE ocr_runs SET status = ?2, result_json = ?3, error_text = ?4, finished_at_ms = ?5,
             started_at_ms = COALESCE(started_at_ms, ?5) WHERE id = ?1",
        values![id, status.word(), result_json, error_text, at_ms],
    )?)
}

/// Fails the runs that a program that is gone worked on; for the start of the only one that reads.
pub fn abandon_running(session: &mut dyn Session, at_ms: UnixMillis) -> Result<(), CaseError> {
    Ok(session.write(
        "UPDATE ocr_runs SET status = 'error', finished_at_ms = ?1,
             error_text = 'the program ended before the run did; read again'
          WHERE status IN ('pending', 'running') AND status = 'running'",
        values![at_ms],
    )?)
}

/// The run of this row.
pub fn get(session: &mut dyn Session, id: RunId) -> Result<OcrRun, CaseError> {
    first(session, runs!("WHERE id = ?1"), values![id], run)?
        .ok_or_else(|| CaseError::unknown("OCR run", id))
}

/// All runs over a branch, the newest first.
pub fn of_branch(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
) -> Result<Vec<OcrRun>, CaseError> {
    Ok(all(
        session,
        runs!("WHERE scan_id = ?1 AND branch_path = ?2 ORDER BY version DESC"),
        values![scan, path.as_str()],
        run,
    )?)
}

fn run(row: &dyn Row) -> Result<OcrRun, StorageError> {
    Ok(OcrRun {
        id: RunId(row.int(0)?),
        scan_id: ScanId(row.int(1)?),
        path: branch_path(row, 2)?,
        node_id: row.opt_int(3)?.map(NodeId),
        image_sha256: hash(row, 4)?,
        engine: text(row, 5)?,
        engine_version: opt_text(row, 6)?,
        languages_json: text(row, 7)?,
        params_json: text(row, 8)?,
        version: row.int(9)?,
        status: RunStatus::of(row, 10)?,
        result_json: opt_text(row, 11)?,
        error_text: opt_text(row, 12)?,
        started_at_ms: row.opt_int(13)?,
        finished_at_ms: row.opt_int(14)?,
        created_at_ms: row.int(15)?,
        is_stale: row.int(16)? == 1,
        confirmed_text: opt_text(row, 17)?,
        confirmed_by: opt_text(row, 18)?,
        confirmed_at_ms: row.opt_int(19)?,
    })
}
