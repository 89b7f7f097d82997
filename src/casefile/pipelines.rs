//! Frozen pipelines: the text that made a picture, kept with it.

use sha2::{Digest as _, Sha256};

use super::custody::{self, Action, NewEntry};
use super::{By, CaseError, PipelineId, Sha256Hash, UnixMillis, hash, inserted, opt_text, text};
use crate::storage::{Row, Session, StorageError, first};
use crate::values;

/// A pipeline to be frozen.
#[derive(Clone, Copy, Debug)]
pub struct NewPipeline<'a> {
    /// For people.
    pub name: Option<&'a str>,
    /// The pipeline with every default resolved. It names the tools too: the same text means the
    /// same outcome.
    pub yaml_text: &'a str,
    /// Steps, at most 99.
    pub step_count: i64,
    /// Versions of programs and libraries, JSON.
    pub tools_json: &'a str,
}

/// A frozen pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Its row.
    pub id: PipelineId,
    /// For people.
    pub name: Option<String>,
    /// The text.
    pub yaml_text: String,
    /// Of the text.
    pub yaml_sha256: Sha256Hash,
    /// Steps.
    pub step_count: i64,
    /// Versions of programs and libraries, JSON.
    pub tools_json: String,
    /// When it was frozen.
    pub created_at_ms: UnixMillis,
    /// Whether new originals are worked on by it.
    pub is_active: bool,
}

macro_rules! pipelines {
    ($tail:literal) => {
        concat!(
            "SELECT id, name, yaml_text, yaml_sha256, step_count, tools_json, created_at_ms,
                    is_active FROM pipeline_versions ",
            $tail
        )
    };
}

/// Freezes a pipeline and makes it the active one; a text that is frozen already keeps its row.
pub fn freeze(
    session: &mut dyn Session,
    new: &NewPipeline<'_>,
    by: By<'_>,
) -> Result<PipelineId, CaseError> {
    let sha256: Sha256Hash = Sha256::digest(new.yaml_text).into();
    let same = first(
        session,
        pipelines!("WHERE yaml_sha256 = ?1"),
        values![sha256.as_slice()],
        pipeline,
    )?;
    let id = match same {
        Some(same) if same.tools_json != new.tools_json => {
            return Err(CaseError::Refused(
                "the same pipeline is frozen with other tools; its text has to name its tools"
                    .into(),
            ));
        }
        Some(same) if same.is_active => return Ok(same.id),
        Some(same) => same.id,
        None => insert(session, new, sha256, by.at_ms)?,
    };
    activate(session, id)?;
    let frozen = NewEntry {
        action: Action::PipelineFrozen,
        object: new.name,
        object_sha256: Some(sha256),
        detail: custody::detail([("tools", new.tools_json.into())]),
    };
    custody::append(session, by, &frozen)?;
    Ok(id)
}

fn insert(
    session: &mut dyn Session,
    new: &NewPipeline<'_>,
    sha256: Sha256Hash,
    at_ms: UnixMillis,
) -> Result<PipelineId, StorageError> {
    session.write(
        "INSERT INTO pipeline_versions (name, yaml_text, yaml_sha256, step_count, tools_json,
             created_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            new.name,
            new.yaml_text,
            sha256.as_slice(),
            new.step_count,
            new.tools_json,
            at_ms
        ],
    )?;
    inserted(session).map(PipelineId)
}

fn activate(session: &mut dyn Session, id: PipelineId) -> Result<(), StorageError> {
    session.write(
        "UPDATE pipeline_versions SET is_active = 0 WHERE is_active = 1",
        &[],
    )?;
    session.write(
        "UPDATE pipeline_versions SET is_active = 1 WHERE id = ?1",
        values![id],
    )
}

/// The pipeline that new originals are worked on by.
pub fn active(session: &mut dyn Session) -> Result<Option<Pipeline>, CaseError> {
    Ok(first(
        session,
        pipelines!("WHERE is_active = 1"),
        &[],
        pipeline,
    )?)
}

/// The pipeline of this row.
pub fn get(session: &mut dyn Session, id: PipelineId) -> Result<Pipeline, CaseError> {
    first(session, pipelines!("WHERE id = ?1"), values![id], pipeline)?
        .ok_or_else(|| CaseError::unknown("pipeline", id))
}

fn pipeline(row: &dyn Row) -> Result<Pipeline, StorageError> {
    Ok(Pipeline {
        id: PipelineId(row.int(0)?),
        name: opt_text(row, 1)?,
        yaml_text: text(row, 2)?,
        yaml_sha256: hash(row, 3)?,
        step_count: row.int(4)?,
        tools_json: text(row, 5)?,
        created_at_ms: row.int(6)?,
        is_active: row.int(7)? == 1,
    })
}
