//! Rectangles painted over with one value, in copies that are given away.
//!
//! The only safe way to make something unreadable: blur and mosaic can be undone for text and
//! faces. A case's own pipeline must not hold it (`Purpose`), for evidence is never painted over.

use serde::{Deserialize, Serialize};

use super::{Applied, Area, Operation, ParameterError, StepError, within};
use crate::casefile::pipeline::image::Image;

/// What is painted over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redact {
    /// The rectangles, in pixels of the picture that comes in; 1 to 256.
    pub areas: Vec<Area>,
    /// The value that all channels get.
    #[serde(default)]
    pub fill: u8,
}

/// More regions than anybody draws in one picture.
const AREAS_MAX: usize = 256;

impl Operation for Redact {
    fn settle(&mut self) -> Result<(), ParameterError> {
        within("areas", self.areas.len(), 1..=AREAS_MAX)?;
        self.areas.iter().try_for_each(Area::check)
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        for area in &self.areas {
            area.require_inside(image)?;
        }
        let channels = image.channels().count();
        let redacted = image.like(|y, row| {
            row.copy_from_slice(image.row(y));
            for area in &self.areas {
                if (area.y..area.y + area.height).contains(&y) {
                    let left = area.x as usize * channels;
                    row[left..][..area.width as usize * channels].fill(self.fill);
                }
            }
        });
        Ok(redacted.into())
    }
}
