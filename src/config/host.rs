//! `[host]`, `[logs]` and `[[log_file]]`: the machine itself, and the logs that are read on it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::time_zone::Zone;
use super::units::Duration;
use super::validate::{Complaint, range};
use crate::ingest::{host, journald, logfile};

/// Below a second the sampling itself would be most of what is seen; beyond an hour no burst is.
const INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
/// Longest name of a host or a log: it is part of a stream.
const NAME_MAX_BYTES: usize = 128;
/// Most entries; a pattern is one.
const FILES_MAX: usize = 256;

/// The machine that Nightjar runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Host {
    /// Whether processor, memory, disk and network are sampled.
    pub enabled: bool,
    /// Time between two samples, 1s to 1h.
    pub interval: Duration,
    /// What the machine is called in streams; its own name when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(10),
            name: None,
        }
    }
}

impl Host {
    /// What the machine is called.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(host::own_name)
    }
}

/// The logs of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Logs {
    /// Whether systemd's journal is read, through journalctl.
    pub journald: bool,
    /// Where a log begins that was never read: "all" with its oldest line, "end" with its next one.
    pub first_read: FirstRead,
}

/// Where a log begins that was never read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum FirstRead {
    /// With its oldest line, in the oldest rotated file.
    #[default]
    All,
    /// With the next line that is written.
    End,
}

impl From<FirstRead> for logfile::FirstRead {
    fn from(first_read: FirstRead) -> Self {
        match first_read {
            FirstRead::All => Self::All,
            FirstRead::End => Self::End,
        }
    }
}

/// A log file that is read, or a pattern of such.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct LogFile {
    /// Its whole path; `*` and `?` stand for parts of names.
    #[schemars(with = "String")]
    pub path: PathBuf,
    /// What it is called in queries: auth, kern, nginx/access.
    pub source: String,
    /// Zone of times without an offset; that of the site when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub time_zone: Option<Zone>,
    /// As in `[logs]`, for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub first_read: Option<FirstRead>,
}

impl Config {
    /// The log files that are read.
    pub fn log_files(&self) -> Vec<logfile::LogFile> {
        let file = |file: &LogFile| logfile::LogFile {
            path: file.path.clone(),
            source: file.source.clone(),
            zone: file
                .time_zone
                .as_ref()
                .unwrap_or(&self.site.time_zone)
                .rules()
                .clone(),
            first_read: file.first_read.unwrap_or(self.logs.first_read).into(),
        };
        self.log_file.iter().map(file).collect()
    }

    /// How the journal is read; none if it is not.
    pub fn journal(&self, database: PathBuf) -> Option<journald::Options> {
        let first_read = self.logs.first_read.into();
        self.logs
            .journald
            .then(|| journald::Options::new(database, self.host.name(), first_read))
    }
}

/// What is wrong with single values.
pub(super) fn values(config: &Config, complaints: &mut Vec<Complaint>) {
    range("host.interval", config.host.interval, &INTERVAL, complaints);
    if let Some(name) = &config.host.name
        && (!is_name(name) || name.contains('/'))
    {
        let message = format!("must have 1 to {NAME_MAX_BYTES} bytes without `/`, `+` and `#`");
        complaints.push(("host.name", message));
    }
    let mut complain = |message: String| complaints.push(("log_file", message));
    if config.log_file.len() > FILES_MAX {
        complain(format!("has more than {FILES_MAX} entries"));
    }
    let mut known = BTreeSet::new();
    for (index, file) in config.log_file.iter().enumerate() {
        let (number, path) = (index + 1, file.path.display());
        if !file.path.is_absolute() {
            complain(format!(
                "number {number}: `path` {path:?} must begin with `/`"
            ));
        } else if !known.insert(&file.path) {
            complain(format!(
                "number {number}: the path {path:?} is read already"
            ));
        }
        if !is_name(&file.source) {
            complain(format!(
                "number {number}: `source` must say what the log is called, such as \"auth\": 1 to \
                 {NAME_MAX_BYTES} bytes without `+` and `#`"
            ));
        }
    }
}

fn is_name(name: &str) -> bool {
    let odd = |letter: char| letter.is_control() || matches!(letter, '+' | '#');
    (1..=NAME_MAX_BYTES).contains(&name.len()) && !name.contains(odd)
}
