//! The case file as a whole, over real files.
#![allow(
    clippy::disallowed_methods,
    reason = "other programs open case files too"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod evidence;
mod kills;
mod migrations;
mod slimming;
mod traps;
mod tree;
mod workers;

use std::path::{Path, PathBuf};

use super::encode::{self, Prepared};
use super::nodes::{self, Node, Step};
use super::path::BranchPath;
use super::pipeline::{Channels, Image};
use super::pipelines::{self, NewPipeline};
use super::project::NewProject;
use super::scans::{self, NewOriginal, Source};
use super::{By, CaseError, CaseFile, NodeId, PipelineId, ScanId, branches, images, thumbs};
use crate::storage::Session;
use crate::storage::sqlite::Durability;

const MARA: By<'_> = By {
    actor: "mara",
    at_ms: 1_763_600_000_000,
};
const NO_BOUND: u64 = u64::MAX;

/// A case file in a folder of its own.
struct Rig {
    case: CaseFile,
    pipeline: PipelineId,
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self::with(Durability::Scratch)
    }

    fn with(durability: Durability) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut case = create(&folder.path().join("van.agl"), durability);
        let pipeline = case.write(|session| freeze(session, "steps: []")).unwrap();
        Self {
            case,
            pipeline,
            folder,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("van.agl")
    }

    fn write<T>(&mut self, work: impl FnMut(&mut dyn Session) -> Result<T, CaseError>) -> T {
        self.case.write(work).unwrap()
    }

    fn read<T>(&mut self, work: impl FnOnce(&mut dyn Session) -> Result<T, CaseError>) -> T {
        self.case.read(work).unwrap()
    }

    /// An original with these pixels.
    fn original(&mut self, shade: u8) -> (ScanId, NodeId) {
        let new = import(self.pipeline);
        self.write(|session| scans::add(session, &new, &picture(shade), NO_BOUND, MARA))
    }

    /// The output of one step.
    fn grow(
        &mut self,
        parent: NodeId,
        label: Option<&str>,
        shade: u8,
    ) -> Result<NodeId, CaseError> {
        let pipeline = self.pipeline;
        self.case
            .write(|session| grow(session, pipeline, parent, label, shade))
    }

    /// A branch that ends here.
    fn end(&mut self, terminal: NodeId) {
        self.write(|session| branches::upsert(session, terminal, None, MARA.at_ms));
    }

    fn node(&mut self, id: NodeId) -> Node {
        self.read(|session| nodes::get(session, id))
    }

    /// Another program's connection, with its own opinion on recursive triggers.
    fn stranger(&self, recursive_triggers: bool) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection
            .pragma_update(None, "recursive_triggers", recursive_triggers)
            .unwrap();
        connection
            .pragma_update(None, "foreign_keys", true)
            .unwrap();
        connection
    }
}

fn create(path: &Path, durability: Durability) -> CaseFile {
    let project = NewProject {
        name: "Van on the drive",
        slug: "van",
        box_id: "11111111-2222-4333-8444-555555555555",
        box_pubkey: &[9; 32],
        case_ref: None,
        incident_ms: Some((1, 2)),
        by: MARA,
    };
    CaseFile::create(path, &project, durability).unwrap()
}

fn freeze(session: &mut dyn Session, yaml_text: &str) -> Result<PipelineId, CaseError> {
    let new = NewPipeline {
        name: Some("plate"),
        yaml_text,
        step_count: 0,
        tools_json: "{}",
    };
    pipelines::freeze(session, &new, MARA)
}

fn import(pipeline_id: PipelineId) -> NewOriginal<'static> {
    NewOriginal {
        source: Source::Import,
        source_ref: Some("van.png"),
        source_media_id: None,
        frame_pts_us: None,
        captured_at_ms: None,
        extractor: None,
        calibration_id: None,
        pipeline_id,
    }
}

fn step(pipeline_id: PipelineId, step_idx: i64, label: Option<&str>) -> Step {
    Step {
        pipeline_id,
        step_idx,
        step_name: format!("{step_idx:02}_gray"),
        processor: "gray".into(),
        params_json: "{}".into(),
        branch_label: label.map(ToOwned::to_owned),
        elapsed_ms: Some(1.5),
        meta_json: None,
    }
}

fn grow(
    session: &mut dyn Session,
    pipeline: PipelineId,
    parent: NodeId,
    label: Option<&str>,
    shade: u8,
) -> Result<NodeId, CaseError> {
    let prepared = picture(shade);
    let image = images::insert(session, &prepared.image, NO_BOUND, MARA.at_ms)?;
    thumbs::insert(session, image, &prepared.thumb)?;
    let next = nodes::get(session, parent)?.step_idx + 1;
    let step = step(pipeline, next, label);
    nodes::insert(session, parent, &step, (image, &prepared.image), MARA.at_ms)
}

/// A gray picture, each pixel by its place.
pub(super) fn gray(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Image {
    let value = &value;
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| value(x, y)));
    Image::new(width, height, Channels::Gray, pixels.collect())
        .unwrap()
        .unwrap()
}

fn pixels(shade: u8) -> Image {
    gray(9, 7, |x, y| {
        shade.wrapping_mul(37).wrapping_add((x * y) as u8)
    })
}

fn picture(shade: u8) -> Prepared {
    encode::derived(&pixels(shade), None).unwrap()
}

fn path(text: &str) -> BranchPath {
    BranchPath::parse(text).unwrap()
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
