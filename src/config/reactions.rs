//! From the configuration to what the reactors are told.

use super::Config;
use crate::reactor::Settings;

impl Config {
    /// What the house does by itself after this configuration.
    pub fn reactions(&self) -> Settings {
        Settings {
            faces: self.face_reactions(),
            packages: self.package_reactions(),
            presence: self.presence_reactions(),
        }
    }
}
