//! What models of normal behaviour find odd.

use serde::{Deserialize, Serialize};

/// A model found something odd; the text says it in one sentence. The stream is
/// `anomaly/<kind of model>`, the source is what it is about, the cause is the last event that went
/// into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnomalyDetected {
    /// The model's key, such as `hw:source:nginx`.
    pub model: String,
    /// What it is about, such as `source/nginx` or `host/web-01`.
    pub subject: String,
    /// How odd, in the model's own unit; above its threshold.
    pub score: f64,
    /// The threshold, in the same unit.
    pub threshold: f64,
    /// What was observed.
    pub observed: f64,
    /// What the model expected.
    pub expected: f64,
    /// Position of the last event that went into it.
    pub event: i64,
}
