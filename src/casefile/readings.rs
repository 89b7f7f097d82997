//! What several passes over one picture agree on, character by character, and what a person confirmed.
//!
//! A reading is never a fact: it says how much of the weight stands behind each character, and only a
//! confirmation carries a name. The search key folds letters and digits that cameras cannot tell
//! apart, so that a plate is found however it was read.
//!
//! Consensus after J. G. Fiscus, ROVER (1997): the texts are aligned with the one that is nearest to
//! all, and each of its places is voted on. What others read between two of its places is left out.

use serde::Deserialize;

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
/// Most passes that are counted, the newest: variants of one picture are a handful.
const MAX_PASSES: usize = 32;
/// Longest text of a pass, characters: a plate, a label, a sign.
const MAX_CHARS: usize = 256;
/// Most readings of one search.
const MAX_FOUND: i64 = 1_000;

/// What one pass read.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// The text.
    pub text: String,
    /// How sure the engine is, 0 … 1.
    pub weight: f64,
}

/// What passes agree on.
#[derive(Clone, Debug, PartialEq)]
pub struct Consensus {
    /// The text.
    pub text: String,
    /// Per character the share of the weight that agrees, 0 … 1.
    pub support: Vec<f64>,
}

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

/// The text with look-alikes as one, in upper case, without what is neither letter nor digit:
/// O, D, Q as 0; I, L as 1; S as 5; B as 8; Z as 2; G as 6.
pub fn fold(text: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .map(|letter| match letter {
            'O' | 'D' | 'Q' => '0',
            'I' | 'L' => '1',
            'S' => '5',
            'B' => '8',
            'Z' => '2',
            'G' => '6',
            other => other,
        })
        .collect()
}

/// What passes agree on; none without a pass that read anything.
pub fn consensus(passes: &[Pass]) -> Option<Consensus> {
    let passes: Vec<(Vec<char>, f64)> = passes
        .iter()
        .map(|pass| {
            (
                pass.text.trim().chars().take(MAX_CHARS).collect(),
                pass.weight.clamp(0.0, 1.0),
            )
        })
        .filter(|(letters, weight): &(Vec<char>, f64)| !letters.is_empty() && *weight > 0.0)
        .take(MAX_PASSES)
        .collect();
    let total: f64 = passes.iter().map(|(_, weight)| weight).sum();
    let far = |pivot: &[char]| -> f64 {
        let of = |(letters, weight): &(Vec<char>, f64)| weight * distances(pivot, letters).whole();
        passes.iter().map(of).sum()
    };
    let (pivot, _) = passes
        .iter()
        .min_by(|(a, _), (b, _)| far(a).total_cmp(&far(b)))?;
    let mut votes: Vec<Vec<(Option<char>, f64)>> = vec![Vec::new(); pivot.len()];
    for (letters, weight) in &passes {
        for (place, letter) in aligned(pivot, letters).into_iter().enumerate() {
            match votes[place].iter_mut().find(|(voted, _)| *voted == letter) {
                Some((_, sum)) => *sum += weight,
                None => votes[place].push((letter, *weight)),
            }
        }
    }
    let won = votes.iter().zip(pivot).filter_map(|(votes, own)| {
        // Of equals the pivot's own letter.
        let (letter, sum) = votes.iter().max_by(|(a, x), (b, y)| {
            x.total_cmp(y)
                .then((*a == Some(*own)).cmp(&(*b == Some(*own))))
        })?;
        letter.map(|letter| (letter, sum / total))
    });
    let (text, support): (String, Vec<f64>) = won.unzip();
    (!text.is_empty()).then_some(Consensus { text, support })
}

/// The table of edit distances between the beginnings of two texts.
struct Distances {
    rows: Vec<Vec<usize>>,
}

impl Distances {
    fn whole(&self) -> f64 {
        let last = self.rows.last().and_then(|row| row.last());
        last.copied().unwrap_or(0) as f64
    }
}

fn distances(from: &[char], to: &[char]) -> Distances {
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for (i, letter) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in to.iter().enumerate() {
            let changed = rows[i][j] + usize::from(letter != other);
            row.push(changed.min(rows[i][j + 1] + 1).min(row[j] + 1));
        }
        rows.push(row);
    }
    Distances { rows }
}

/// For each place of `pivot` the letter that `other` has there, or none.
fn aligned(pivot: &[char], other: &[char]) -> Vec<Option<char>> {
    let Distances { rows } = distances(pivot, other);
    let (mut i, mut j) = (pivot.len(), other.len());
    let mut places = vec![None; pivot.len()];
    while i > 0 {
        if j > 0 && rows[i][j] == rows[i - 1][j - 1] + usize::from(pivot[i - 1] != other[j - 1]) {
            places[i - 1] = Some(other[j - 1]);
            (i, j) = (i - 1, j - 1);
        } else if rows[i][j] == rows[i - 1][j] + 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    places
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
            passes.push(Pass {
                text: result.text,
                weight: result.confidence.unwrap_or(1.0),
            });
        }
    }
    let Some(consensus) = consensus(&passes) else {
        return Ok(None);
    };
    let row = NewReading {
        scan,
        path,
        image_sha256,
        text: &consensus.text,
        support: &consensus.support,
        run_count: passes.len().min(MAX_PASSES) as i64,
        run: None,
    };
    let id = insert(session, &row, by.at_ms)?;
    let read = NewEntry {
        action: Action::Read,
        object: Some(&branches::object(session, &branch)?),
        object_sha256: Some(image_sha256),
        detail: custody::detail([
            ("text", consensus.text.as_str().into()),
            ("runs", row.run_count.into()),
        ]),
    };
    custody::append(session, by, &read)?;
    Ok(Some((id, consensus)))
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
    if by.actor.trim().is_empty() || confirmed.trim().is_empty() || letters > MAX_CHARS {
        return Err(CaseError::Refused(format!(
            "a confirmation needs a person's name and a text of 1 to {MAX_CHARS} characters"
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
            &fold(new.text),
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
    let key = fold(wanted);
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn passes(texts: &[(&str, f64)]) -> Vec<Pass> {
        let pass = |(text, weight): &(&str, f64)| Pass {
            text: (*text).to_owned(),
            weight: *weight,
        };
        texts.iter().map(pass).collect()
    }

    #[test]
    fn each_character_is_voted_on() {
        let agreed = consensus(&passes(&[
            ("NJ-48K", 1.0),
            ("NJ-4BK", 1.0),
            ("HJ-48K", 1.0),
        ]))
        .unwrap();
        assert_eq!(agreed.text, "NJ-48K");
        let thirds: Vec<_> = agreed
            .support
            .iter()
            .map(|share| (share * 3.0).round())
            .collect();
        assert_eq!(thirds, [2.0, 3.0, 3.0, 3.0, 2.0, 3.0]);
    }

    #[test]
    fn lost_and_invented_characters_do_not_shift_the_others() {
        let agreed = consensus(&passes(&[
            ("AB123CD", 1.0),
            ("AB23CD", 1.0),
            ("AB1123CD", 1.0),
        ]));
        assert_eq!(agreed.unwrap().text, "AB123CD");
    }

    #[test]
    fn a_sure_pass_outweighs_unsure_ones() {
        let agreed = consensus(&passes(&[("X1", 0.9), ("K1", 0.3), ("K1", 0.3)])).unwrap();
        assert_eq!(agreed.text, "X1");
        assert!((agreed.support[0] - 0.6).abs() < 1e-9);
    }

    #[test]
    fn nothing_read_is_no_reading() {
        assert_eq!(consensus(&[]), None);
        assert_eq!(consensus(&passes(&[("  ", 1.0), ("AB", 0.0)])), None);
    }

    #[test]
    fn look_alikes_fold_to_one_key() {
        assert_eq!(fold("NJ-O8 lSZ g"), "NJ081526");
        for (one, other) in [
            ("ODQ0", "0000"),
            ("ILil1", "11111"),
            ("s5", "55"),
            ("b8", "88"),
            ("z2g6", "2266"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
    }
}
