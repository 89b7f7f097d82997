//! What came in one minute, as far as the models want to know it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rows::{Line, Sample};
use super::{HOSTS_MAX, SOURCES_MAX};

/// Different sources and templates of a host that are told apart in a minute.
const NAMES_MAX: usize = 256;

/// How much, and the position of the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) count: u64,
    pub(super) last: i64,
}

impl Count {
    fn add(&mut self, position: i64) {
        self.count = self.count.saturating_add(1);
        self.last = position;
    }
}

/// A mean of percentages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, percent: f64) {
        self.sum += percent.clamp(0.0, 100.0);
        self.count = self.count.saturating_add(1);
    }

    pub(super) const fn is_known(&self) -> bool {
        self.count > 0
    }

    /// 0 when nothing is known.
    pub(super) fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// What a host did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct HostMinute {
    lines: u64,
    errors: u64,
    warnings: u64,
    failed_logins: u64,
    sources: BTreeSet<i64>,
    templates: BTreeSet<i64>,
    pub(super) cpu: Mean,
    pub(super) memory: Mean,
    /// Position of the last event.
    pub(super) last: i64,
}

impl HostMinute {
    /// Lines, errors, warnings, failed logins, sources, templates.
    pub(super) fn counts(&self) -> [u64; 6] {
        [
            self.lines,
            self.errors,
            self.warnings,
            self.failed_logins,
            self.sources.len() as u64,
            self.templates.len() as u64,
        ]
    }
}

/// A minute. A host or source beyond as many as are watched is left out of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Minute {
    pub(super) events: Count,
    pub(super) sources: BTreeMap<String, Count>,
    pub(super) hosts: BTreeMap<String, HostMinute>,
}

impl Minute {
    pub(super) fn event(&mut self, position: i64) {
        self.events.add(position);
    }

    pub(super) fn line(&mut self, line: &Line, position: i64) {
        if let Some(count) = entry(&mut self.sources, &line.source, SOURCES_MAX) {
            count.add(position);
        }
        let Some(host) = entry(&mut self.hosts, &line.host, HOSTS_MAX) else {
            return;
        };
        host.last = position;
        host.lines = host.lines.saturating_add(1);
        match line.level {
            3.. => host.errors = host.errors.saturating_add(1),
            2 => host.warnings = host.warnings.saturating_add(1),
            _ => {}
        }
        if line.is_failed_login {
            host.failed_logins = host.failed_logins.saturating_add(1);
        }
        insert(&mut host.sources, line.stream);
        insert(&mut host.templates, line.template);
    }

    pub(super) fn sample(&mut self, sample: &Sample, position: i64) {
        let Some(host) = entry(&mut self.hosts, &sample.host, HOSTS_MAX) else {
            return;
        };
        host.last = position;
        if let Some(percent) = sample.cpu_percent {
            host.cpu.add(percent);
        }
        if let Some(percent) = sample.memory_percent {
            host.memory.add(percent);
        }
    }
}

fn entry<'a, T: Default>(
    table: &'a mut BTreeMap<String, T>,
    name: &str,
    most: usize,
) -> Option<&'a mut T> {
    // Looked up first: the name is rarely new, and making a text of it costs more than a look.
    if !table.contains_key(name) {
        if table.len() >= most {
            return None;
        }
        table.insert(name.to_owned(), T::default());
    }
    table.get_mut(name)
}

fn insert(names: &mut BTreeSet<i64>, name: i64) {
    if names.len() < NAMES_MAX {
        names.insert(name);
    }
}
