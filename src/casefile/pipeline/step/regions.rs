//! The branch point: one branch per region of the picture, cut out with a margin.
//!
//! Which regions there are is told to the run, not to the pipeline, so that one pipeline serves all
//! pictures; what was cut out is recorded with each branch as `cut`. Where no region is drawn, the
//! whole picture is worked on.

use serde::{Deserialize, Serialize};

use super::{Applied, Area, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;

/// What a region shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A number plate.
    Plate,
    /// A face.
    Face,
    /// A parcel.
    Parcel,
    /// Writing: a label, a sign.
    Text,
    /// A person.
    Person,
    /// A vehicle.
    Vehicle,
    /// An animal.
    Animal,
    /// Anything else.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Plate,
        Self::Face,
        Self::Parcel,
        Self::Text,
        Self::Person,
        Self::Vehicle,
        Self::Animal,
        Self::Other,
    ];
}

/// Which regions become branches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regions {
    /// Of these kinds; of all by default.
    #[serde(default = "all_kinds")]
    pub kinds: Vec<Kind>,
    /// So many pixels around each region are cut out with it, as far as the picture reaches; 0 to 200.
    #[serde(default)]
    pub margin: u32,
    /// What a run cut out for one branch; never part of a pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Area>,
}

impl Regions {
    /// The region and its margin, as far as the picture reaches.
    pub fn with_margin(&self, area: Area, image: &Image) -> Area {
        let grown = |from: u32, length: u32, side: u32| {
            let begin = from.saturating_sub(self.margin);
            let end = from.saturating_add(length);
            // A region that reaches outside stays so, and is refused when it is cut out.
            let end = end.saturating_add(self.margin).min(side).max(end);
            (begin, end - begin)
        };
        let (x, width) = grown(area.x, area.width, image.width());
        let (y, height) = grown(area.y, area.height, image.height());
        Area {
            x,
            y,
            width,
            height,
        }
    }
}

fn all_kinds() -> Vec<Kind> {
    Kind::ALL.to_vec()
}

impl Operation for Regions {
    fn settle(&mut self) -> Result<(), ParameterError> {
        if self.kinds.is_empty() {
            return Err(ParameterError::Conflict(
                "`kinds` names no kind; leave it out for all",
            ));
        }
        if self.cut.is_some() {
            return Err(ParameterError::Conflict(
                "`cut` is written by a run; regions are drawn with `case region`",
            ));
        }
        // The same set in another order is the same pipeline.
        self.kinds.sort_by_key(|kind| *kind as u8);
        self.kinds.dedup();
        within("margin", self.margin, 0..=200)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        Ok(match self.cut {
            Some(area) => area.cut(image)?.into(),
            None => image.clone().into(),
        })
    }
}
