//! The picture without its colours: luma after ITU-R BT.601 in whole numbers.

use serde::{Deserialize, Serialize};

use super::{Applied, Operation, ParameterError, StepError};
use crate::casefile::pipeline::image::Image;

/// Has no parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gray {}

impl Operation for Gray {
    fn settle(&mut self) -> Result<(), ParameterError> {
        Ok(())
    }

    fn apply(&self, image: &Image) -> Result<Applied, StepError> {
        Ok(image.to_gray().into())
    }
}
