//! One look at the host: the two groups of metrics, with the names of the views `system_metrics` and
//! `network_metrics`.
//!
//! What the kernel does not tell is left out: a container has no diskstats, a kernel may be built
//! without IPv6.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::network::{self, Connections};
use super::system::{self, CpuTimes, percent};
use crate::base::clock::UnixNanos;
use crate::event::system::MetricsSampled;
use crate::event::{Extra, NewEvent};

/// Largest file of proc that is read whole: a table of some 400,000 connections.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads files below a root such as `/proc`.
#[derive(Debug)]
pub struct Proc {
    root: PathBuf,
    text: String,
}

impl Proc {
    /// Reads below `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            text: String::new(),
        }
    }

    /// The file as text, good until the next call. Bytes that are no UTF-8 end it.
    pub(super) fn text(&mut self, name: &str) -> io::Result<&str> {
        self.text.clear();
        let file = File::open(self.root.join(name))?;
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        if let Err(error) = std::str::from_utf8(&bytes) {
            bytes.truncate(error.valid_up_to());
        }
        self.text = String::from_utf8(bytes).unwrap_or_default();
        Ok(&self.text)
    }

    /// Where it reads.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

/// Looks at the host and remembers what it needs for the next look.
#[derive(Debug)]
pub struct Sampler {
    proc: Proc,
    host: String,
    disk: PathBuf,
    cpu_before: Option<CpuTimes>,
}

impl Sampler {
    /// Reads proc below `root`; `disk` is any path on the disk whose use is told.
    pub fn new(root: &Path, host: &str, disk: &Path) -> Self {
        Self {
            proc: Proc::new(root),
            host: host.to_owned(),
            disk: disk.to_owned(),
            cpu_before: None,
        }
    }

    /// The events of one sample; none of a group of which nothing can be read.
    pub fn sample(&mut self, at: UnixNanos) -> Vec<NewEvent> {
        let groups = [("system", self.system()), ("network", self.network())];
        let told = groups.into_iter().filter(|(_, values)| !values.is_empty());
        told.map(|(group, values)| {
            let sampled = MetricsSampled {
                host: self.host.clone(),
                group: group.to_owned(),
                values,
            };
            NewEvent::own(at, format!("metrics/{}", self.host), sampled)
        })
        .collect()
    }

    fn system(&mut self) -> Extra {
        let mut values = Extra::new();
        if let Some((now, cores)) = self.proc.text("stat").ok().and_then(system::cpu) {
            let before = self.cpu_before.replace(now);
            let used = before.and_then(|before| system::cpu_percent(before, now));
            put(&mut values, "cpu_percent", used);
            put(
                &mut values,
                "cpu_count",
                Some(cores).filter(|&cores| cores > 0),
            );
        }
        if let Some(memory) = self.proc.text("meminfo").ok().and_then(system::memory) {
            put(&mut values, "memory_total", Some(count(memory.total)));
            put(
                &mut values,
                "memory_available",
                Some(count(memory.available)),
            );
            put(&mut values, "memory_percent", Some(memory.percent()));
        }
        if let Some(load) = self.proc.text("loadavg").ok().and_then(system::load) {
            for (name, load) in ["load_1min", "load_5min", "load_15min"].iter().zip(load) {
                put(&mut values, name, Some(load));
            }
        }
        if let Some((read, written)) = self
            .proc
            .text("diskstats")
            .ok()
            .and_then(system::disk_bytes)
        {
            put(&mut values, "disk_read_bytes", Some(count(read)));
            put(&mut values, "disk_write_bytes", Some(count(written)));
        }
        if !values.is_empty() {
            self.disk(&mut values);
        }
        values
    }

    /// As df(1) counts: what only root may still use is neither used nor available.
    fn disk(&self, values: &mut Extra) {
        let Ok(stat) = rustix::fs::statvfs(&self.disk) else {
            return;
        };
        let used = stat.f_blocks.saturating_sub(stat.f_bfree);
        let bytes = |blocks: u64| Some(count(blocks.saturating_mul(stat.f_frsize)));
        put(values, "disk_total", bytes(stat.f_blocks));
        put(values, "disk_used", bytes(used));
        put(
            values,
            "disk_percent",
            Some(percent(used, used.saturating_add(stat.f_bavail))),
        );
    }

    fn network(&mut self) -> Extra {
        let mut values = Extra::new();
        if let Some(traffic) = self.proc.text("net/dev").ok().and_then(network::traffic) {
            for (name, total) in [
                ("bytes_sent", traffic.bytes_sent),
                ("bytes_recv", traffic.bytes_recv),
                ("packets_sent", traffic.packets_sent),
                ("packets_recv", traffic.packets_recv),
                ("errors_in", traffic.errors_in),
                ("errors_out", traffic.errors_out),
                ("drops_in", traffic.drops_in),
                ("drops_out", traffic.drops_out),
            ] {
                put(&mut values, name, Some(count(total)));
            }
        }
        let mut connections: Option<Connections> = None;
        for table in ["net/tcp", "net/tcp6"] {
            if let Ok(text) = self.proc.text(table) {
                connections.get_or_insert_default().count(text);
            }
        }
        if let Some(connections) = connections {
            for (name, number) in [
                ("connections_established", connections.established),
                ("connections_listen", connections.listen),
                ("connections_time_wait", connections.time_wait),
            ] {
                put(&mut values, name, Some(number));
            }
        }
        values
    }
}

fn put(values: &mut Extra, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        values.insert(name.to_owned(), value.into());
    }
}

/// SQLite counts to 2^63 - 1.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
