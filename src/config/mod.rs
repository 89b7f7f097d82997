//! The configuration: TOML files, environment and flags, made into one typed [`Config`].
//!
//! Read from the files in a fixed order and checked as a whole, because a daemon that starts with
//! half of what was meant is worse than one that says what is wrong and where. Every value knows its
//! origin, for `nightjar config show --origin` and for messages.
//!
//! Invariants: the process's environment, user and working directory are not looked at, they come in
//! as [`Sources`]; an unknown key is an error everywhere; what is not set has its default, and
//! `config/nightjar.toml` shows it (a test compares); a secret is never shown, neither in messages
//! nor by `Debug`.

mod alarm;
mod alerts;
mod check;
mod clip_names;
mod detection;
mod files;
mod health;
mod host;
mod load;
mod origin;
mod people;
mod reactions;
mod registry;
mod render;
mod retention;
mod rules;
mod schema;
mod sections;
mod suggestion;
mod tables;
#[cfg(test)]
mod tests;
mod time_zone;
mod tree;
pub mod units;
mod validate;
mod wildlife;

pub use crate::base::secret::{REDACTED, Secret};
pub use alarm::{Alarm, EntryDelay, ExitDelay};
pub use alerts::{AgeGroup, Alerts, Profile, Recipient};
pub use clip_names::{PathPattern, PatternError};
pub use detection::{Detection, Sensitivity};
pub use health::Health;
pub use host::{FirstRead, Host, LogFile, Logs};
pub use load::{Loaded, Override, SYSTEM_DIR, Sources, load};
pub use origin::{ConfigError, Origin, Problem};
pub use people::{AwayAfter, Faces, Packages, Presence, PresenceMember};
pub use registry::{Camera, Classification, Liveness, Sensor, Severity, SilentAfter};
pub use render::{InitOptions, init_toml, render};
pub use retention::{DiskLimits, Policy, Retention};
pub use rules::Rule;
pub use schema::{ENVIRONMENT_PREFIX, REFERENCE, schema};
pub use sections::{
    Config, Durability, Filters, Log, LogFormat, LogLevel, Mqtt, Recordings, Site, Storage, Vault,
};
pub use tables::{Age, TableLimits, Tables};
pub use time_zone::{UnknownZone, Zone};
pub use wildlife::Wildlife;
