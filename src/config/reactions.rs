//! From the configuration to what the reactors are told.

use super::{Config, rules};
use crate::reactor::Settings;

impl Config {
    /// What the house does by itself after this configuration.
    pub fn reactions(&self) -> Settings {
        Settings {
            zone: self.site.time_zone.rules().clone(),
            alarm: self.alarm.settings(),
            rules: rules::settings(&self.rule),
            alerts: self.alerts.settings(),
            liveness: self.liveness.settings(),
            faces: self.face_reactions(),
            packages: self.package_reactions(),
            presence: self.presence_reactions(),
        }
    }
}
