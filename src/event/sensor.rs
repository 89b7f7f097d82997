//! Sensors: contacts, motion, leaks, temperatures.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::reading::Reading;

/// One state or measurement. The sensor's id is the event's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorReported {
    /// What was measured: `contact`, `motion`, `temperature` …
    pub key: String,
    /// Its value; `open`/`closed` for contacts.
    pub value: Reading,
    /// Unit of a number, such as `°C`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Battery charge, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<f64>,
    /// Radio link quality, as the bridge counts it (0–255 for Zigbee).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linkquality: Option<f64>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
