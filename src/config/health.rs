//! `[health]`: how questions about the box's own health are answered.

use std::ops::RangeInclusive;
use std::path::PathBuf;

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
    /// Files in the format of `MaxMind` (.mmdb) that say where addresses belong: country, city, network.
    /// Absolute paths; nothing is asked over a network.
    pub place_databases: Vec<PathBuf>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            score_half_life: Duration::from_secs(7 * 86_400),
            place_databases: Vec::new(),
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
    for path in &config.health.place_databases {
        if !path.is_absolute() {
            complaints.push((
                "health.place_databases",
                format!("`{}` is not an absolute path", path.display()),
            ));
        }
    }
}
