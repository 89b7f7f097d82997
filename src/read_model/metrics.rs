//! What hosts sampled, and the sums per host and quarter of an hour of samples and log lines.
//!
//! A value that is no number, or none that the column can mean, is left NULL: the rest of the sample
//! is still good. What moved over the network is the positive difference of a counter between two
//! samples that are neighbours in time, so that a sample that comes late first takes its successor's
//! difference apart; a counter that fell was reset, and starts anew. Retained snapshots repeat an
//! earlier sample and are not counted.
//!
//! Samples and sums are one projection, since the sums ask for the neighbours. Where the counters
//! of a host stood in the samples that retention lets go is kept, so that the sums go on from there;
//! a sample of the network from before that is summed up already, and is not stored.

use std::collections::BTreeMap;

use super::host_rollups::{self, Rollups};
use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::UnixNanos;
use crate::event::system::MetricsSampled;
use crate::event::{Envelope, Event, Extra, Kind};
use crate::storage::{Row, Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "metrics",
    version: 2,
    tables: &[
        table!("system_samples" by "id", aging by "at" for 30),
        table!("network_samples" by "id", aging by "at" for 30),
        table!("network_bases" by "host"),
        table!("host_rollups" by "quarter_at, host", aging by "quarter_at" for 1825),
        table!("host_uniques" by "quarter_at, what, value, host", aging by "quarter_at" for 1825),
    ],
    kinds: Some(&[
        Kind::MetricsSampled,
        Kind::LogWritten,
        Kind::RetentionApplied,
    ]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut rollups = Rollups::default();
    for event in batch.iter().filter(|event| !event.is_snapshot()) {
        match &event.event {
            Event::LogWritten(line) => rollups.line(session, event.occurred_at, line)?,
            Event::MetricsSampled(sample) => match sample.group.as_str() {
                "system" => system(session, &mut rollups, event, sample)?,
                "network" => network(session, &mut rollups, event, sample)?,
                _ => {}
            },
            Event::RetentionApplied(applied) if applied.table == "network_samples" => {
                keep_last(session, applied.before)?;
            }
            _ => {}
        }
    }
    rollups.store(session)
}

/// What a host used. Percentages are of all cores, all memory, the whole disk.
fn system<'b>(
    session: &mut dyn Session,
    rollups: &mut Rollups<'b>,
    event: &Envelope,
    sample: &'b MetricsSampled,
) -> Result<(), StorageError> {
    let values = &sample.values;
    let [cpu, memory, disk] =
        ["cpu_percent", "memory_percent", "disk_percent"].map(|name| percent(values, name));
    session.write(
        "INSERT INTO system_samples (id, at, host, cpu_percent, cpu_count, memory_total, \
         memory_available, memory_percent, disk_total, disk_used, disk_percent, disk_read_bytes, \
         disk_write_bytes, load_1min, load_5min, load_15min) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        values![
            event.position,
            event.occurred_at,
            &sample.host,
            cpu,
            count(values, "cpu_count"),
            count(values, "memory_total"),
            count(values, "memory_available"),
            memory,
            count(values, "disk_total"),
            count(values, "disk_used"),
            disk,
            count(values, "disk_read_bytes"),
            count(values, "disk_write_bytes"),
            amount(values, "load_1min"),
            amount(values, "load_5min"),
            amount(values, "load_15min")
        ],
    )?;
    rollups.usage(
        session,
        event.occurred_at,
        &sample.host,
        [cpu, memory, disk],
    )
}

/// A counter that is summed up: how its neighbours in time are found.
struct Counter {
    name: &'static str,
    before: &'static str,
    after: &'static str,
}

macro_rules! counter {
    ($name:literal) => {
        Counter {
            name: $name,
            before: concat!(
                "SELECT ",
                $name,
                " FROM network_samples WHERE host = ?1 AND (at, id) < (?2, ?3) AND ",
                $name,
                " IS NOT NULL ORDER BY at DESC, id DESC LIMIT 1"
            ),
            after: concat!(
                "SELECT ",
                $name,
                ", at FROM network_samples WHERE host = ?1 AND (at, id) > (?2, ?3) AND ",
                $name,
                " IS NOT NULL ORDER BY at, id LIMIT 1"
            ),
        }
    };
}

/// In the order of what moved in [`host_rollups`].
const COUNTERS: [Counter; 4] = [
    counter!("bytes_sent"),
    counter!("bytes_recv"),
    counter!("packets_sent"),
    counter!("packets_recv"),
];

fn network<'b>(
    session: &mut dyn Session,
    rollups: &mut Rollups<'b>,
    event: &Envelope,
    sample: &'b MetricsSampled,
) -> Result<(), StorageError> {
    let (at, host) = (event.occurred_at, sample.host.as_str());
    let told = |name| count(&sample.values, name);
    let base = base(session, host)?;
    if base.as_ref().is_some_and(|base| at < base.before) {
        return Ok(());
    }
    session.write(
        "INSERT INTO network_samples (id, at, host, bytes_sent, bytes_recv, packets_sent, \
         packets_recv, errors_in, errors_out, drops_in, drops_out, connections_established, \
         connections_listen, connections_time_wait) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        values![
            event.position,
            at,
            host,
            told("bytes_sent"),
            told("bytes_recv"),
            told("packets_sent"),
            told("packets_recv"),
            told("errors_in"),
            told("errors_out"),
            told("drops_in"),
            told("drops_out"),
            told("connections_established"),
            told("connections_listen"),
            told("connections_time_wait")
        ],
    )?;
    for (index, counter) in COUNTERS.iter().enumerate() {
        let Some(value) = told(counter.name) else {
            continue;
        };
        let place = values![host, at, event.position];
        let before = first(session, counter.before, place, |row| row.int(0))?
            .or_else(|| base.as_ref()?.counters[index]);
        let after = first(session, counter.after, place, |row| {
            Ok((row.int(0)?, row.int(1)?))
        })?;
        if let Some(before) = before {
            rollups.moved(session, at, host, index, moved(before, value))?;
        }
        if let Some((after, after_at)) = after {
            let known = before.map_or(0, |before| moved(before, after));
            let change = moved(value, after) - known;
            rollups.moved(session, after_at, host, index, change)?;
        }
    }
    Ok(())
}

/// Where counters stood, in the order of [`COUNTERS`].
type Counters = [Option<i64>; COUNTERS.len()];

/// Where the counters of a host stood in its samples that are gone.
struct Base {
    /// All samples from before this time are gone.
    before: UnixNanos,
    counters: Counters,
}

fn base(session: &mut dyn Session, host: &str) -> Result<Option<Base>, StorageError> {
    first(
        session,
        "SELECT bytes_sent, bytes_recv, packets_sent, packets_recv, before FROM network_bases \
         WHERE host = ?1",
        values![host],
        |row| {
            Ok(Base {
                before: row.int(4)?,
                counters: counters(row)?,
            })
        },
    )
}

/// The first columns of a row.
fn counters(row: &dyn Row) -> Result<Counters, StorageError> {
    let mut counters = Counters::default();
    for (column, counter) in counters.iter_mut().enumerate() {
        *counter = row.opt_int(column)?;
    }
    Ok(counters)
}

/// Keeps where the counters stand in the samples from before a time, which are about to go.
fn keep_last(session: &mut dyn Session, before: UnixNanos) -> Result<(), StorageError> {
    let mut hosts = BTreeMap::<String, Counters>::new();
    session.read(
        "SELECT bytes_sent, bytes_recv, packets_sent, packets_recv, host FROM network_samples \
         WHERE at < ?1 ORDER BY at, id",
        values![before],
        &mut |row| {
            let last = hosts.entry(row.text(4)?.to_owned()).or_default();
            for (last, told) in last.iter_mut().zip(counters(row)?) {
                *last = told.or(*last);
            }
            Ok(())
        },
    )?;
    for (host, [bytes_sent, bytes_recv, packets_sent, packets_recv]) in &hosts {
        session.write(
            "INSERT INTO network_bases (host, before, bytes_sent, bytes_recv, packets_sent, \
             packets_recv) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (host) DO UPDATE SET \
             before = excluded.before, \
             bytes_sent = coalesce(excluded.bytes_sent, network_bases.bytes_sent), \
             bytes_recv = coalesce(excluded.bytes_recv, network_bases.bytes_recv), \
             packets_sent = coalesce(excluded.packets_sent, network_bases.packets_sent), \
             packets_recv = coalesce(excluded.packets_recv, network_bases.packets_recv)",
            values![
                host,
                before,
                *bytes_sent,
                *bytes_recv,
                *packets_sent,
                *packets_recv
            ],
        )?;
    }
    Ok(())
}

/// What a counter counted between two samples; nothing when it was reset in between.
fn moved(before: i64, after: i64) -> i64 {
    (after - before).clamp(0, host_rollups::MOVED_MAX)
}

/// A number of things, 0 or more, as an integer tells it.
fn count(values: &Extra, name: &str) -> Option<i64> {
    /// The least double that no `i64` holds.
    const TOO_MANY: f64 = 9_223_372_036_854_775_808.0;
    let value = values.get(name)?;
    if let Some(count) = value.as_i64() {
        return (count >= 0).then_some(count);
    }
    let number = value.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and within the bounds of an i64"
    )]
    (number.fract() == 0.0 && (0.0..TOO_MANY).contains(&number)).then_some(number as i64)
}

/// A number, 0 or more.
fn amount(values: &Extra, name: &str) -> Option<f64> {
    let number = values.get(name)?.as_f64()?;
    // Minus zero is stored as zero; so it is added as zero.
    (number.is_finite() && number >= 0.0).then_some(number + 0.0)
}

/// 0 to 100.
fn percent(values: &Extra, name: &str) -> Option<f64> {
    amount(values, name).filter(|percent| *percent <= 100.0)
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "system_metrics",
        about: "what hosts used: processor, memory, disk, load",
        columns: columns![
            "at" Time, "host" Text, "cpu_percent" Number, "cpu_count" Number,
            "memory_total" Bytes, "memory_available" Bytes, "memory_percent" Number,
            "disk_total" Bytes, "disk_used" Bytes, "disk_percent" Number,
            "disk_read_bytes" Bytes, "disk_write_bytes" Bytes, "load_1min" Number,
            "load_5min" Number, "load_15min" Number, "id" Number
        ],
        sql: "SELECT at, host, cpu_percent, cpu_count, memory_total, memory_available, \
              memory_percent, disk_total, disk_used, disk_percent, disk_read_bytes, \
              disk_write_bytes, load_1min, load_5min, load_15min, id FROM system_metrics \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "network_metrics",
        about: "the network of hosts: counters since they started, and connections by state",
        columns: columns![
            "at" Time, "host" Text, "bytes_sent" Bytes, "bytes_recv" Bytes,
            "packets_sent" Number, "packets_recv" Number, "errors_in" Number,
            "errors_out" Number, "drops_in" Number, "drops_out" Number,
            "connections_established" Number, "connections_listen" Number,
            "connections_time_wait" Number, "id" Number
        ],
        sql: "SELECT at, host, bytes_sent, bytes_recv, packets_sent, packets_recv, errors_in, \
              errors_out, drops_in, drops_out, connections_established, connections_listen, \
              connections_time_wait, id FROM network_metrics \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
];
