//! What is wrong with a case file, from the file alone: no box, no key, no configuration.
//!
//! Bytes are compared with their hashes, rows with the rules of the tree, the custody log with itself
//! and with the originals, and a sealed case with its seal. What was true but is not proved by the
//! file (that nobody wrote all of it anew) is the custody log's to say.

use sha2::{Digest as _, Sha256};

use super::sniff::{self, Header};
use super::{CaseError, Sha256Hash, custody, images, project, seal, timeline};
use crate::base::ids::hex;
use crate::storage::{Session, all};

/// What was looked at, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Pictures whose bytes were hashed.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong, for a person; nothing when all is well.
    pub problems: Vec<String>,
}

/// Rules that rows must keep, and what a row that breaks one is called. Each statement names the rows
/// that break it.
const RULES: &[(&str, &str)] = &[
    (
        "says wrongly whether it is a leaf or a branch point: node",
        "SELECT CAST(n.id AS TEXT) FROM nodes n
          WHERE n.is_leaf <> (NOT EXISTS (SELECT 1 FROM nodes c WHERE c.parent_id = n.id))
             OR n.is_branch_point <> ((SELECT COUNT(*) FROM nodes c WHERE c.parent_id = n.id) > 1)",
    ),
    (
        "does not follow its parent: node",
        "SELECT CAST(n.id AS TEXT) FROM nodes n JOIN nodes p ON p.id = n.parent_id
          WHERE n.scan_id <> p.scan_id OR n.depth <> p.depth + 1 OR n.step_idx <= p.step_idx
             OR n.branch_path <> CASE WHEN n.branch_label IS NULL THEN p.branch_path
                                      WHEN p.branch_path = '' THEN n.branch_label
                                      ELSE p.branch_path || '.' || n.branch_label END",
    ),
    (
        "has another picture than its hashes say: node",
        "SELECT CAST(n.id AS TEXT) FROM nodes n JOIN images i ON i.id = n.image_id
          WHERE i.sha256 <> n.image_sha256 OR i.pixel_sha256 <> n.pixel_sha256",
    ),
    (
        "has lost its original: scan",
        "SELECT CAST(s.idx AS TEXT) FROM scans s LEFT JOIN nodes n ON n.id = s.root_node_id
           LEFT JOIN images i ON i.id = n.image_id
          WHERE i.id IS NULL OR n.scan_id <> s.id OR n.parent_id IS NOT NULL",
    ),
    (
        "has an original that the custody log does not know: scan",
        "SELECT CAST(s.idx AS TEXT) FROM scans s JOIN nodes n ON n.id = s.root_node_id
          WHERE NOT EXISTS (
              SELECT 1 FROM custody_log c
               WHERE c.action = 'original_added' AND c.object = 'scan ' || s.idx
                 AND c.object_sha256 = n.image_sha256)",
    ),
    (
        "says wrongly whether it is stale: run of text recognition",
        "SELECT CAST(r.id AS TEXT) FROM ocr_runs r
          WHERE r.is_stale <> (r.image_sha256 IS NOT (
              SELECT n.image_sha256 FROM branches b JOIN nodes n ON n.id = b.chosen_node_id
               WHERE b.scan_id = r.scan_id AND b.branch_path = r.branch_path))",
    ),
    (
        "refers to a row that is not there: table",
        "SELECT \"table\" || ' row ' || COALESCE(rowid, '?') FROM pragma_foreign_key_check",
    ),
];

/// Looks at all of it.
pub fn check(session: &mut dyn Session) -> Result<Findings, CaseError> {
    let mut findings = Findings {
        problems: custody::problems(session)?,
        ..Findings::default()
    };
    pictures(session, &mut findings)?;
    frozen_texts(session, &mut findings.problems)?;
    for (what, sql) in RULES {
        let broken = all(session, sql, &[], |row| row.text(0).map(ToOwned::to_owned))?;
        let told = broken.into_iter().map(|row| format!("{what} {row}"));
        findings.problems.extend(told);
    }
    let status = project::get(session)?.status;
    match (seal::sealed_digest(session)?, status) {
        (None, project::Status::Open) => {}
        (Some(sealed), project::Status::Sealed) => {
            let found = seal::digest(session)?;
            if found != sealed {
                findings.problems.push(format!(
                    "the case was changed after it was sealed: its digest is {}, not {}",
                    hex(&found),
                    hex(&sealed)
                ));
            }
        }
        (Some(_), project::Status::Open) => findings
            .problems
            .push("the custody log says that the case is sealed, the project does not".into()),
        (None, project::Status::Sealed) => findings
            .problems
            .push("the project says that the case is sealed, the custody log does not".into()),
    }
    Ok(findings)
}

/// Every picture's bytes against its hash, and its facts against its header.
fn pictures(session: &mut dyn Session, findings: &mut Findings) -> Result<(), CaseError> {
    images::each(session, |image, bytes| {
        findings.images += 1;
        findings.bytes += bytes.len() as u64;
        let found: Sha256Hash = Sha256::digest(bytes).into();
        let id = image.id;
        let stated = Header {
            format: image.format,
            width: image.width,
            height: image.height,
            dpi: image.dpi,
        };
        if found != image.sha256 {
            findings.problems.push(format!(
                "the bytes of image {id} were changed: their SHA-256 is {}, not {}",
                hex(&found),
                hex(&image.sha256)
            ));
        } else if sniff::header(bytes) != Some(stated) {
            findings.problems.push(format!(
                "format, size or resolution of image {id} are told wrongly"
            ));
        }
    })
}

fn frozen_texts(session: &mut dyn Session, problems: &mut Vec<String>) -> Result<(), CaseError> {
    for item in timeline::list(session)? {
        let found: Sha256Hash = Sha256::digest(&item.event_cbor).into();
        if found != item.event_sha256 {
            problems.push(format!(
                "event {} of the timeline was changed",
                item.event_seq
            ));
        }
    }
    session.read(
        "SELECT id, yaml_text, yaml_sha256 FROM pipeline_versions ORDER BY id",
        &[],
        &mut |row| {
            if Sha256::digest(row.text(1)?).as_slice() != row.blob(2)? {
                problems.push(format!("the text of pipeline {} was changed", row.int(0)?));
            }
            Ok(())
        },
    )?;
    Ok(())
}
