//! `[detection]`: what is usual is learned, and what is not is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::detection;

/// Models of what is usual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Detection {
    /// Whether models learn and tell anomalies.
    pub enabled: bool,
    /// Seconds between two times of saving what the models have learned, 1 to 86,400. After a crash
    /// what came since is read again.
    #[schemars(range(min = 1, max = 86_400))]
    pub model_save_interval_seconds: u64,
    /// How easily something is told. Another choice makes most models begin anew.
    pub sensitivity: Sensitivity,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            enabled: true,
            model_save_interval_seconds: 300,
            sensitivity: Sensitivity::Normal,
        }
    }
}

/// How easily something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Sensitivity {
    /// Only what is far off.
    Low,
    /// What chance does not bring in months.
    Normal,
    /// More, and false alarms with it.
    High,
}

impl From<Sensitivity> for detection::Sensitivity {
    fn from(sensitivity: Sensitivity) -> Self {
        match sensitivity {
            Sensitivity::Low => Self::Low,
            Sensitivity::Normal => Self::Normal,
            Sensitivity::High => Self::High,
        }
    }
}
