//! From the configuration to what the reactors are told.

use super::{Config, Zone};
use crate::reactor::{Settings, pet_rules};

impl Config {
    /// What the house does by itself after this configuration.
    pub fn reactions(&self) -> Settings {
        Settings {
            pet_rules: pet_rules::Settings {
                time_zone: Zone::system().rules().clone(),
            },
        }
    }
}
