//! What several passes over one picture agree on, character by character, and what a person confirmed.
//!
//! A reading is never a fact: it says how much of the weight stands behind each character, and only a
//! confirmation carries a name. The search key folds letters and digits that cameras cannot tell
//! apart, so that a plate is found however it was read. How passes are voted on is [`consensus`]'s.

use serde::Deserialize;

use super::consensus::{self, Consensus, LETTERS_MAX, folded};
use super::custody::{self, Action, NewEntry};
use super::nodes::{self, branch_path};
use super::ocr_runs::{self, Engine, RunStatus};
use super::path::BranchPath;
use super::{
    By, CaseError, ReadingId, RunId, ScanId, Sha256Hash, UnixMillis, branches, hash, inserted, text,
};
use crate::storage::{Row, Session, StorageError, all};
use crate::values;

/// Engine of a confirmation.
pub const PERSON: &str = "person";
/// Most readings of one search.
const MAX_FOUND: i64 = 1_000;

/// A reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its row.
    pub id: ReadingId,
    /// The scan.
    pub scan_id: ScanId,
    /// The branch.
    pub path: BranchPath,
    /// The picture that was read.
    pub image_sha256: Sha256Hash,
    /// The text.
    pub text: String,
    /// The text with look-alikes as one.
    pub search_key: String,
    /// Per character the share of the weight that agrees, JSON array.
    pub support_json: String,
    /// Passes that were counted.
    pub run_count: i64,
    /// The run that confirms it; none of a consensus.
    pub confirmed_by_run: Option<RunId>,
    /// When it was made.
    pub created_at_ms: UnixMillis,
    /// Whether the branch shows another picture now.
    pub is_stale: bool,
}

macro_rules! readings {
    ($tail:literal) => {
        concat!(
            "SELECT r.id, r.scan_id, r.branch_path, r.image_sha256, r.text, r.search_key,
                    r.support_json, r.run_count, r.ocr_run_id, r.created_at_ms,
                    r.image_sha256 IS NOT (
                        SELECT n.image_sha256 FROM branches b JOIN nodes n ON n.id = b.chosen_node_id
                         WHERE b.scan_id = r.scan_id AND b.branch_path = r.branch_path)
               FROM readings r ",
            $tail
        )
    };
}

/// What an engine stores in `result_json`, as far as it is looked at here.
#[derive(Deserialize)]
struct RunResult {
    text: String,
    confidence: Option<f64>,
}

/// Makes a reading of what engines read of the picture that the branch shows now; none when no pass
/// over it read anything.
pub fn make(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
    by: By<'_>,
) -> Result<Option<(ReadingId, Consensus)>, CaseError> {
    let branch = branches::get(session, scan, path)?;
    let image_sha256 = nodes::get(session, branch.chosen_node_id)?.image_sha256;
    let mut passes = Vec::new();
    for run in ocr_runs::of_branch(session, scan, path)? {
        let counts = run.status == RunStatus::Done && !run.is_stale && run.engine != PERSON;
        if let (true, Some(json)) = (counts, &run.result_json) {
            let result: RunResult = serde_json::from_str(json).map_err(|error| {
                StorageError::Unreadable(format!("the result of run {}: {error}", run.id))
            })?;
            passes.push(consensus::Reading {
                text: result.text,
                confidence: result.confidence.unwrap_or(1.0),
            });
        }
    }
    let agreed = consensus::consensus(&passes);
    if agreed.letters.is_empty() {
        return Ok(None);
    }
    let text = agreed.text();
    let support: Vec<f64> = agreed.letters.iter().map(|letter| letter.share).collect();
    let row = NewReading {
        scan,
        path,
        image_sha256,
        text: &text,
        support: &support,
        run_count: agreed.compared as i64,
        run: None,
    };
    let id = insert(session, &row, by.at_ms)?;
    let read = NewEntry {
        action: Action::Read,
        object: Some(&branches::object(session, &branch)?),
        object_sha256: Some(image_sha256),
        detail: custody::detail([
            ("text", text.as_str().into()),
            ("runs", row.run_count.into()),
        ]),
    };
    custody::append(session, by, &read)?;
    Ok(Some((id, agreed)))
}

/// A person says what the picture that the branch shows now reads; their name stands beside it. It is
/// a version of its own: what engines read stays as it is.
pub fn confirm(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
    confirmed: &str,
    by: By<'_>,
) -> Result<(RunId, ReadingId), CaseError> {
    let letters = confirmed.chars().count();
    if by.actor.trim().is_empty() || confirmed.trim().is_empty() || letters > LETTERS_MAX {
        return Err(CaseError::Refused(format!(
            "a confirmation needs a person's name and a text of 1 to {LETTERS_MAX} characters"
        )));
    }
    let engine = Engine {
        name: PERSON,
        version: None,
        languages_json: "[]",
        params_json: "{}",
    };
    let run = ocr_runs::request(session, scan, path, &engine, by.at_ms)?;
    let result = serde_json::json!({ "text": confirmed }).to_string();
    ocr_runs::finish(session, run, &result, by.at_ms)?;
    session.write(
        "UPDATE ocr_runs SET confirmed_text = ?2, confirmed_by = ?3, confirmed_at_ms = ?4
          WHERE id = ?1",
        values![run, confirmed, by.actor, by.at_ms],
    )?;
    let image_sha256 = ocr_runs::get(session, run)?.image_sha256;
    let row = NewReading {
        scan,
        path,
        image_sha256,
        text: confirmed,
        support: &vec![1.0; letters],
        run_count: 1,
        run: Some(run),
    };
    let reading = insert(session, &row, by.at_ms)?;
    let branch = branches::get(session, scan, path)?;
    let told = NewEntry {
        action: Action::Confirmed,
        object: Some(&branches::object(session, &branch)?),
        object_sha256: Some(image_sha256),
        detail: custody::detail([("text", confirmed.into())]),
    };
    custody::append(session, by, &told)?;
    Ok((run, reading))
}

struct NewReading<'a> {
    scan: ScanId,
    path: &'a BranchPath,
    image_sha256: Sha256Hash,
    text: &'a str,
    support: &'a [f64],
    run_count: i64,
    run: Option<RunId>,
}

fn insert(
    session: &mut dyn Session,
    new: &NewReading<'_>,
    at_ms: UnixMillis,
) -> Result<ReadingId, CaseError> {
    let support = serde_json::Value::from(new.support).to_string();
    session.write(
        "INSERT INTO readings (scan_id, branch_path, image_sha256, text, search_key, support_json,
             run_count, ocr_run_id, created_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        values![
            new.scan,
            new.path.as_str(),
            new.image_sha256.as_slice(),
            new.text,
            &folded(new.text),
            &support,
            new.run_count,
            new.run,
            at_ms,
        ],
    )?;
    Ok(ReadingId(inserted(session)?))
}

/// The readings of a branch, the newest first.
pub fn of_branch(
    session: &mut dyn Session,
    scan: ScanId,
    path: &BranchPath,
) -> Result<Vec<Reading>, CaseError> {
    Ok(all(
        session,
        readings!("WHERE r.scan_id = ?1 AND r.branch_path = ?2 ORDER BY r.id DESC"),
        values![scan, path.as_str()],
        reading,
    )?)
}

/// The readings that hold this text, look-alikes as one; the newest first. Nothing for a text without
/// letters and digits.
pub fn find(session: &mut dyn Session, wanted: &str) -> Result<Vec<Reading>, CaseError> {
    let key = folded(wanted);
    if key.is_empty() {
        return Ok(Vec::new());
    }
    Ok(all(
        session,
        readings!("WHERE instr(r.search_key, ?1) > 0 ORDER BY r.id DESC LIMIT ?2"),
        values![&key, MAX_FOUND],
        reading,
    )?)
}

fn reading(row: &dyn Row) -> Result<Reading, StorageError> {
    Ok(Reading {
        id: ReadingId(row.int(0)?),
        scan_id: ScanId(row.int(1)?),
        path: branch_path(row, 2)?,
        image_sha256: hash(row, 3)?,
        text: text(row, 4)?,
        search_key: text(row, 5)?,
        support_json: text(row, 6)?,
        run_count: row.int(7)?,
        confirmed_by_run: row.opt_int(8)?.map(RunId),
        created_at_ms: row.int(9)?,
        is_stale: row.int(10)? == 1,
    })
}
