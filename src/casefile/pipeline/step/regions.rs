//! The branch point: one branch per region of the picture, cut out with a margin.
//!
//! Which regions there are is told to the run, not to the pipeline, so that one pipeline serves all
//! pictures; what was cut is recorded with each branch (`Branch`). Alone, as here, the step gives its
//! picture on: where no region is drawn, the whole picture is worked on.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError, within};
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
}

fn all_kinds() -> Vec<Kind> {
    Kind::ALL.to_vec()
}

impl Operation for Regions {
    fn settle(&mut self) -> Result<(), ParameterError> {
        if self.kinds.is_empty() {
            return Err(ParameterError::Conflict("`kinds` names no kind; leave it out for all"));
        }
        // The same set in another order is the same pipeline.
        self.kinds.sort_by_key(|kind| *kind as u8);
        self.kinds.dedup();
        within("margin", self.margin, 0..=200)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        Ok(image.clone().into())
    }
}
