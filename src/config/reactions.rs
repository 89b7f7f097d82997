//! From the configuration to what the reactors are told.

use jiff::tz::TimeZone;

use super::{Config, rules};
use crate::reactor::Settings;

impl Config {
    /// What the house does by itself after this configuration.
    pub fn reactions(&self) -> Settings {
        Settings {
            zone: TimeZone::system(),
            alarm: self.alarm.settings(),
            rules: rules::settings(&self.rule),
            alerts: self.alerts.settings(),
            liveness: self.liveness.settings(),
        }
    }
}
