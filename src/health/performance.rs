//! What is used up: processor, memory, disk, network and connections, by machine.

use super::formula::{Anomaly, Period, anomalies, days_left, gained, per_day, periods};
use super::{Scope, hosts, sql};
use crate::base::clock::UnixNanos;
use crate::storage::{Row, Session, StorageError, all};
use crate::values;

/// What one machine used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// The machine.
    pub host: String,
    /// Samples.
    pub samples: i64,
    /// Mean share of all cores, percent; none when no sample tells.
    pub cpu_avg: Option<f64>,
    /// The highest.
    pub cpu_max: Option<f64>,
    /// Mean share of the memory, percent.
    pub memory_avg: Option<f64>,
    /// The highest.
    pub memory_max: Option<f64>,
    /// The highest load of one minute.
    pub load_max: Option<f64>,
    /// Times of high processor use.
    pub cpu_periods: Vec<Period>,
    /// Times of high memory use.
    pub memory_periods: Vec<Period>,
    /// The disk at the end of the range.
    pub disk: Option<Disk>,
}

/// A machine's disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// Size, bytes.
    pub total: Option<i64>,
    /// Used, bytes.
    pub used: Option<i64>,
    /// Used, percent.
    pub percent: Option<f64>,
    /// How much more is used each day, bytes, between the first and the last sample; none within
    /// six hours.
    pub growth_per_day: Option<f64>,
    /// Days until it is full, at that growth.
    pub days_left: Option<f64>,
}

/// What a machine's network did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// The machine.
    pub host: String,
    /// Samples.
    pub samples: i64,
    /// What the counters gained: bytes and packets sent and received, errors in and out, drops in
    /// and out.
    pub totals: [i64; COUNTERS],
    /// Mean of established connections.
    pub connections_avg: Option<f64>,
    /// The most.
    pub connections_max: Option<i64>,
    /// When they were far from usual, with the name of the state.
    pub anomalies: Vec<(&'static str, Anomaly)>,
}

/// Counters of a network sample.
pub const COUNTERS: usize = 8;
/// States of connections in a network sample.
const STATES: [&str; 3] = ["established", "listen", "time_wait"];

/// One network sample.
pub(super) struct NetworkSample {
    pub(super) at: UnixNanos,
    pub(super) counters: [Option<i64>; COUNTERS],
    connections: [Option<i64>; STATES.len()],
}

struct SystemSample {
    at: UnixNanos,
    cpu: Option<f64>,
    memory: Option<f64>,
    disk_percent: Option<f64>,
    disk_used: Option<i64>,
    disk_total: Option<i64>,
    load: Option<f64>,
}

impl NetworkSample {
    pub(super) fn read(row: &dyn Row) -> Result<Self, StorageError> {
        let mut sample = Self {
            at: row.int(0)?,
            counters: [None; COUNTERS],
            connections: [None; STATES.len()],
        };
        for (index, counter) in sample.counters.iter_mut().enumerate() {
            *counter = row.opt_int(1 + index)?;
        }
        for (index, connections) in sample.connections.iter_mut().enumerate() {
            *connections = row.opt_int(1 + COUNTERS + index)?;
        }
        Ok(sample)
    }
}

/// What each machine used; periods are times at or above `threshold` percent. Nothing is known of a
/// source alone, here and in [`traffic`].
pub fn usage(
    session: &mut dyn Session,
    scope: &Scope,
    threshold: f64,
) -> Result<Vec<Usage>, StorageError> {
    let mut found = Vec::new();
    for host in hosts(session, sql::SYSTEM_HOSTS, scope)? {
        let samples = all(
            session,
            sql::SYSTEM_SAMPLES,
            values![scope.since, scope.until, &host],
            |row| {
                Ok(SystemSample {
                    at: row.int(0)?,
                    cpu: row.opt_real(1)?,
                    memory: row.opt_real(2)?,
                    disk_percent: row.opt_real(3)?,
                    disk_used: row.opt_int(4)?,
                    disk_total: row.opt_int(5)?,
                    load: row.opt_real(6)?,
                })
            },
        )?;
        if !samples.is_empty() {
            found.push(usage_of(host, &samples, threshold));
        }
    }
    Ok(found)
}

fn usage_of(host: String, samples: &[SystemSample], threshold: f64) -> Usage {
    let cpu: Vec<_> = samples.iter().map(|one| (one.at, one.cpu)).collect();
    let memory: Vec<_> = samples.iter().map(|one| (one.at, one.memory)).collect();
    Usage {
        host,
        samples: samples.len() as i64,
        cpu_avg: mean(cpu.iter().filter_map(|(_, value)| *value)),
        cpu_max: highest(cpu.iter().filter_map(|(_, value)| *value)),
        memory_avg: mean(memory.iter().filter_map(|(_, value)| *value)),
        memory_max: highest(memory.iter().filter_map(|(_, value)| *value)),
        load_max: highest(samples.iter().filter_map(|one| one.load)),
        cpu_periods: periods(&cpu, threshold),
        memory_periods: periods(&memory, threshold),
        disk: disk(samples),
    }
}

fn disk(samples: &[SystemSample]) -> Option<Disk> {
    let used = || {
        samples
            .iter()
            .filter_map(|one| Some((one.at, one.disk_used?)))
    };
    let growth_per_day =
        used()
            .next()
            .zip(used().next_back())
            .and_then(|((first_at, first), (last_at, last))| {
                per_day(last.saturating_sub(first), last_at.saturating_sub(first_at))
            });
    let last = samples
        .iter()
        .rfind(|one| one.disk_percent.is_some() || one.disk_used.is_some())?;
    let free = last.disk_total.zip(last.disk_used);
    let free = free.map(|(total, used)| total.saturating_sub(used));
    Some(Disk {
        total: last.disk_total,
        used: last.disk_used,
        percent: last.disk_percent,
        growth_per_day,
        days_left: free
            .zip(growth_per_day)
            .and_then(|(free, growth)| days_left(free, growth)),
    })
}

/// What each machine's network did.
pub fn traffic(session: &mut dyn Session, scope: &Scope) -> Result<Vec<Traffic>, StorageError> {
    let mut found = Vec::new();
    for host in hosts(session, sql::NETWORK_HOSTS, scope)? {
        let samples = all(
            session,
            sql::NETWORK_SAMPLES,
            values![scope.since, scope.until, &host],
            NetworkSample::read,
        )?;
        if samples.is_empty() {
            continue;
        }
        let before = counters_before(session, &host, scope.since)?;
        found.push(traffic_of(host, before, &samples));
    }
    Ok(found)
}

/// So many samples are looked through for a counter's last value: some of them may not tell it.
const LOOK_BACK: i64 = 64;

/// What the counters stood at before `at`.
pub(super) fn counters_before(
    session: &mut dyn Session,
    host: &str,
    at: UnixNanos,
) -> Result<[Option<i64>; COUNTERS], StorageError> {
    let samples = all(
        session,
        sql::NETWORK_BEFORE,
        values![at, host, LOOK_BACK],
        NetworkSample::read,
    )?;
    let newest = |index: usize| samples.iter().find_map(|sample| sample.counters[index]);
    Ok(std::array::from_fn(newest))
}

fn traffic_of(
    host: String,
    mut known: [Option<i64>; COUNTERS],
    samples: &[NetworkSample],
) -> Traffic {
    let mut totals = [0_i64; COUNTERS];
    for sample in samples {
        for (index, total) in totals.iter_mut().enumerate() {
            let counter = sample.counters[index];
            *total = total.saturating_add(gained(known[index], counter));
            known[index] = counter.or(known[index]);
        }
    }
    let of_state = |state: usize| -> Vec<(UnixNanos, f64)> {
        samples
            .iter()
            .filter_map(|one| Some((one.at, one.connections[state]? as f64)))
            .collect()
    };
    let mut odd = Vec::new();
    for (state, name) in STATES.iter().enumerate() {
        odd.extend(
            anomalies(&of_state(state))
                .into_iter()
                .map(|one| (*name, one)),
        );
    }
    odd.sort_by_key(|(_, one)| one.at);
    Traffic {
        host,
        samples: samples.len() as i64,
        totals,
        connections_avg: mean(of_state(0).into_iter().map(|(_, value)| value)),
        connections_max: samples.iter().filter_map(|one| one.connections[0]).max(),
        anomalies: odd,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn highest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max)
}
