//! `[health]`: how questions about the box's own health are answered.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::units::Duration;
use super::validate::{Complaint, range};

/// The box's own health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Health {
    /// After so long without a line that names it, the threat score of an address lies halfway to
    /// what it would be without any event; 1h to 365d.
    pub score_half_life: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            score_half_life: Duration::from_secs(7 * 86_400),
        }
    }
}

/// Less forgets an attack while it lasts; more never forgets.
const HALF_LIFE: RangeInclusive<Duration> =
    Duration::from_secs(3_600)..=Duration::from_secs(365 * 86_400);

/// What is wrong with single values.
pub(super) fn values(config: &Config, complaints: &mut Vec<Complaint>) {
    let half_life = config.health.score_half_life;
    range("health.score_half_life", half_life, &HALF_LIFE, complaints);
}
