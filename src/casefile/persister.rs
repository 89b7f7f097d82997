//! The connection of one worker: opened at its first message, and what it stores in one transaction
//! each.
//!
//! Workers hand over pictures that are encoded already ([`super::encode`]); inside of a transaction
//! only bytes are copied, so that other workers wait for little.

use std::path::PathBuf;

use super::encode::{self, Prepared, Thumb};
use super::nodes::{self, Step};
use super::scans::{self, NewOriginal};
use super::{
    By, CaseError, CaseFile, ImageId, NodeId, ScanId, UnixMillis, branches, debug, images,
    pipeline, thumbs,
};
use crate::storage::Session;
use crate::storage::sqlite::Durability;

/// Most outputs in one transaction: more hold up the other workers for longer than they gain.
pub const MAX_OUTPUTS: usize = 256;

/// Where and how a worker stores.
#[derive(Clone, Debug)]
pub struct Options {
    /// The case file.
    pub path: PathBuf,
    /// How hard a commit is.
    pub durability: Durability,
    /// Bytes that the file may hold.
    pub max_bytes: u64,
}

/// What an output was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// A node that is in the file.
    Node(NodeId),
    /// An output before it in the same list.
    Output(usize),
}

/// What a step made.
#[derive(Clone, Debug)]
pub struct Output {
    /// What it was made from.
    pub parent: Parent,
    /// How.
    pub step: Step,
    /// The picture.
    pub picture: Prepared,
    /// Pictures that explain it, each with what it shows.
    pub debug: Vec<(String, Prepared)>,
    /// The end of its branch: `Some` with the kind of the branch's region, if it has one.
    pub ends_branch: Option<Option<String>>,
}

/// One worker's way into a case file.
#[derive(Debug)]
pub struct Persister {
    options: Options,
    case: Option<CaseFile>,
}

impl Persister {
    /// A persister without a connection yet.
    pub const fn new(options: Options) -> Self {
        Self {
            options,
            case: None,
        }
    }

    /// The connection, opened if it was not.
    pub fn case(&mut self, now_ms: UnixMillis) -> Result<&mut CaseFile, CaseError> {
        let opened = match self.case.take() {
            Some(case) => case,
            None => CaseFile::open(&self.options.path, self.options.durability, now_ms)?,
        };
        Ok(self.case.insert(opened))
    }

    /// Whether there is a connection.
    pub const fn is_open(&self) -> bool {
        self.case.is_some()
    }

    /// Takes an original in.
    pub fn add_original(
        &mut self,
        new: &NewOriginal<'_>,
        picture: &Prepared,
        by: By<'_>,
    ) -> Result<(ScanId, NodeId), CaseError> {
        let max_bytes = self.options.max_bytes;
        self.case(by.at_ms)?
            .write(|session| scans::add(session, new, picture, max_bytes, by))
    }

    /// The thumb of a picture in this size, made and kept if it was missing.
    pub fn thumb(
        &mut self,
        image: ImageId,
        max_dim: u32,
        now_ms: UnixMillis,
    ) -> Result<Thumb, CaseError> {
        let case = self.case(now_ms)?;
        if let Some(thumb) = case.read(|session| thumbs::get(session, image, max_dim))? {
            return Ok(thumb);
        }
        let blob = case.read(|session| images::blob(session, image))?;
        let thumb = encode::make_thumb(&pipeline::decode(&blob)?, max_dim)?;
        case.write(|session| thumbs::insert(session, image, &thumb))?;
        Ok(thumb)
    }

    /// Stores outputs, all or none; their nodes in the same order.
    pub fn store(
        &mut self,
        outputs: &[Output],
        at_ms: UnixMillis,
    ) -> Result<Vec<NodeId>, CaseError> {
        if outputs.len() > MAX_OUTPUTS {
            let count = outputs.len();
            return Err(CaseError::Refused(format!(
                "{count} outputs are more than one transaction takes ({MAX_OUTPUTS}); store them \
                 in parts"
            )));
        }
        let max_bytes = self.options.max_bytes;
        self.case(at_ms)?.write(|session| {
            let mut stored = Vec::with_capacity(outputs.len());
            for output in outputs {
                let node = store_one(session, output, &stored, max_bytes, at_ms)?;
                stored.push(node);
            }
            Ok(stored)
        })
    }
}

fn store_one(
    session: &mut dyn Session,
    output: &Output,
    stored: &[NodeId],
    max_bytes: u64,
    at_ms: UnixMillis,
) -> Result<NodeId, CaseError> {
    let parent = match output.parent {
        Parent::Node(node) => node,
        Parent::Output(at) => *stored.get(at).ok_or_else(|| {
            CaseError::Refused(format!("output {at} is stored after what was made from it"))
        })?,
    };
    let image = put(session, &output.picture, max_bytes, at_ms)?;
    let picture = (image, &output.picture.image);
    let node = nodes::insert(session, parent, &output.step, picture, at_ms)?;
    for (label, explaining) in &output.debug {
        let image = put(session, explaining, max_bytes, at_ms)?;
        debug::insert(session, node, label, image, at_ms)?;
    }
    if let Some(kind) = &output.ends_branch {
        branches::upsert(session, node, kind.as_deref(), at_ms)?;
    }
    Ok(node)
}

fn put(
    session: &mut dyn Session,
    picture: &Prepared,
    max_bytes: u64,
    at_ms: UnixMillis,
) -> Result<ImageId, CaseError> {
    let image = images::insert(session, &picture.image, max_bytes, at_ms)?;
    thumbs::insert(session, image, &picture.thumb)?;
    Ok(image)
}
