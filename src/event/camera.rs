//! Cameras: motion, detections, liveness, pictures. The camera's id is the event's stream.

use serde::{Deserialize, Serialize};

use super::Extra;

/// A box in the picture: x, y, width, height as fractions 0..=1 of the frame.
pub type BoundingBox = [f64; 4];

/// What a camera recognised in its motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detection {
    /// A human.
    Person,
    /// A car, van, bicycle.
    Vehicle,
}

/// Motion began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MotionStarted {
    /// What moves, if the camera knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// Certainty of the detection, 0..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Where in the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<BoundingBox>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// Motion ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MotionEnded {
    /// What moved, if the camera knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// Certainty of the detection, 0..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Where in the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<BoundingBox>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// A sign of life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatReceived {
    /// Frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// The camera reported an error; the event's text says which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// A still picture, verbatim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotTaken {
    /// Media type told by the picture's own magic bytes.
    pub media_type: String,
    /// SHA-256 of the picture, lower-case hex.
    pub sha256: String,
    /// The picture.
    #[serde(with = "super::message::bytes")]
    pub picture: Vec<u8>,
}
