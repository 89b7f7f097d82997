//! A pipeline at work on one picture: a tree of outputs, one after the other.
//!
//! The order is fixed: depth first, branches by label. Nothing is kept but what is still to be
//! worked on, and nothing depends on when or where an output is taken, so pictures may be worked on
//! in any order and on any thread.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::frozen::Pipeline;
use super::image::Image;
use super::step::{Area, Finding, Kind, Regions, Step, StepError};

/// Most regions of one picture.
pub const REGIONS_MAX: usize = 64;

/// The place of a branch: one or two letters, and numbers for branches of branches: `A`, `A.1`.
/// Ordered as people count: `A.2` before `A.10`, `Z` before `AA`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    letters: (usize, String),
    numbers: Vec<u16>,
}

/// Deepest nesting: a plate on a van in a picture of a street is two.
const LABEL_NUMBERS_MAX: usize = 3;

/// A text that is no label.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no label of a region; labels are A to ZZ, and A.1 for a region within A")]
pub struct LabelError(String);

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let refused = || LabelError(text.to_owned());
        let mut parts = text.split('.');
        let letters = parts.next().unwrap_or_default();
        let is_word =
            matches!(letters.len(), 1 | 2) && letters.bytes().all(|byte| byte.is_ascii_uppercase());
        let number = |part: &str| {
            let is_number = (1..=3).contains(&part.len())
                && !part.starts_with('0')
                && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse().ok()).flatten()
        };
        let numbers: Option<Vec<u16>> = parts.map(number).collect();
        let numbers = numbers.ok_or_else(refused)?;
        if !is_word || numbers.len() > LABEL_NUMBERS_MAX {
            return Err(refused());
        }
        Ok(Self {
            letters: (letters.len(), letters.to_owned()),
            numbers,
        })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.letters.1)?;
        self.numbers
            .iter()
            .try_for_each(|number| write!(f, ".{number}"))
    }
}

impl Label {
    /// The branch that this one is a branch of; none for `A`.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.numbers.split_last()?;
        Some(Self {
            letters: self.letters.clone(),
            numbers: above.to_vec(),
        })
    }
}

/// A region of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name; `A.1` lies in the branch of `A`.
    pub label: Label,
    /// What it shows.
    pub kind: Kind,
    /// Where, in pixels of the picture that comes to the branch point of its branch.
    pub area: Area,
}

/// One node of the tree.
#[derive(Clone, Debug)]
pub struct Output {
    /// Counts the outputs of a run, from 0.
    pub ordinal: usize,
    /// The output that it was made of; none when it was made of the picture that came in.
    pub parent: Option<usize>,
    /// The place of the step in the pipeline, from 1: 0 is the original.
    pub step_idx: usize,
    /// The step as it was applied: a branch point carries what was cut out.
    pub step: Step,
    /// Set on the direct output of a branch point.
    pub branch_label: Option<Label>,
    /// The branch that it lies in; none before any branch point.
    pub branch_path: Option<Label>,
    /// Whether its branch ends here.
    pub is_last: bool,
    /// What the step found.
    pub findings: Vec<Finding>,
    /// The picture.
    pub image: Arc<Image>,
}

/// A step that could not be applied.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("step {step_idx} ({step}){}: {error}", .branch_path.as_ref().map_or_else(String::new, |path| format!(" of branch {path}")))]
pub struct RunError {
    /// The place of the step in the pipeline, from 1.
    pub step_idx: usize,
    /// Its name.
    pub step: &'static str,
    /// The branch, if any.
    pub branch_path: Option<Label>,
    /// Why.
    pub error: StepError,
}

/// Regions that a run cannot start with.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RegionsError {
    /// Over [`REGIONS_MAX`].
    #[error("{0} regions are more than {REGIONS_MAX}; take some out")]
    TooMany(usize),
    /// Two of the same label.
    #[error("two regions are called {0}; labels are given once")]
    Twice(Label),
}

/// Where a run starts: at the original, or behind a node, to work on from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The node's `step_idx`: the first so many steps are not applied.
    pub step_idx: usize,
    /// The branch that the node lies in.
    pub branch_path: Option<Label>,
}

/// What is to be worked on.
#[derive(Debug)]
struct Pending {
    parent: Option<usize>,
    image: Arc<Image>,
    /// Index of the step to apply.
    step: usize,
    branch_path: Option<Label>,
    /// Set when the step is a branch point and this is one of its branches.
    region: Option<Region>,
}

/// The outputs, one after the other. A step that fails ends its branch alone.
#[derive(Debug)]
pub struct Run<'p> {
    pipeline: &'p Pipeline,
    regions: Vec<Region>,
    pending: Vec<Pending>,
    ordinal: usize,
}

impl<'p> Run<'p> {
    /// Of `pipeline` on `image` with its regions, from `start`.
    pub fn new(
        pipeline: &'p Pipeline,
        image: Arc<Image>,
        regions: &[Region],
        start: Start,
    ) -> Result<Self, RegionsError> {
        if regions.len() > REGIONS_MAX {
            return Err(RegionsError::TooMany(regions.len()));
        }
        let mut regions = regions.to_vec();
        regions.sort_by(|one, other| one.label.cmp(&other.label));
        let twice = regions
            .windows(2)
            .find(|pair| pair[0].label == pair[1].label);
        if let Some([region, _]) = twice {
            return Err(RegionsError::Twice(region.label.clone()));
        }
        let mut run = Self {
            pipeline,
            regions,
            pending: Vec::new(),
            ordinal: 0,
        };
        run.expect(None, &image, start.step_idx, start.branch_path.as_ref());
        Ok(run)
    }

    /// Puts down what the step with this index has to do on the picture: once, or once per region.
    fn expect(
        &mut self,
        parent: Option<usize>,
        image: &Arc<Image>,
        step: usize,
        branch_path: Option<&Label>,
    ) {
        let branches = match self.pipeline.steps.get(step) {
            None => return,
            Some(Step::Regions(regions)) => self.branches(regions, branch_path),
            Some(_) => Vec::new(),
        };
        let pending = |region: Option<Region>| Pending {
            parent,
            image: Arc::clone(image),
            step,
            branch_path: region
                .as_ref()
                .map(|region| region.label.clone())
                .or_else(|| branch_path.cloned()),
            region,
        };
        if branches.is_empty() {
            self.pending.push(pending(None));
        }
        // The last is taken first.
        self.pending.extend(
            branches
                .into_iter()
                .rev()
                .map(|region| pending(Some(region))),
        );
    }

    fn branches(&self, step: &Regions, branch_path: Option<&Label>) -> Vec<Region> {
        let here = |region: &&Region| {
            region.label.parent().as_ref() == branch_path && step.kinds.contains(&region.kind)
        };
        self.regions.iter().filter(here).cloned().collect()
    }
}

impl Iterator for Run<'_> {
    type Item = Result<Output, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pending = self.pending.pop()?;
        let mut step = self.pipeline.steps[pending.step].clone();
        if let (Step::Regions(regions), Some(region)) = (&mut step, &pending.region) {
            regions.cut = Some(regions.with_margin(region.area, &pending.image));
        }
        let step_idx = pending.step + 1;
        let applied = match step.apply(&pending.image) {
            Ok(applied) => applied,
            Err(error) => {
                return Some(Err(RunError {
                    step_idx,
                    step: step.name(),
                    branch_path: pending.branch_path,
                    error,
                }));
            }
        };
        let ordinal = self.ordinal;
        self.ordinal += 1;
        let image = Arc::new(applied.image);
        self.expect(
            Some(ordinal),
            &image,
            step_idx,
            pending.branch_path.as_ref(),
        );
        Some(Ok(Output {
            ordinal,
            parent: pending.parent,
            step_idx,
            step,
            branch_label: pending.region.map(|region| region.label),
            branch_path: pending.branch_path,
            is_last: step_idx == self.pipeline.steps.len(),
            findings: applied.findings,
            image,
        }))
    }
}
