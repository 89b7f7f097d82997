//! Sums per host and quarter of an hour, which hours and days of every time zone are made of.
//!
//! Floating-point addition is not associative: a quarter is read first, and samples are added one by
//! one in the order of positions, so that the sum does not depend on how the log was cut.
//! [`super::metrics`] owns the tables.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::View;
use super::view::columns;
use crate::base::clock::{MINUTE_NS, UnixNanos, bucket_start};
use crate::event::action;
use crate::event::system::{Level, LogWritten};
use crate::storage::{Session, StorageError, first};
use crate::values;

/// Width of a row, nanoseconds: every time zone's offset is a multiple of it.
const QUARTER_NS: i64 = 15 * MINUTE_NS;

/// Most that is believed to have moved over a host's network in a quarter of an hour: 10 Tbit/s.
/// The sums of a day of dozens of such hosts still fit into an integer.
pub(super) const MOVED_MAX: i64 = 1 << 50;

/// Bytes sent and received, packets sent and received.
type Moved = [i64; 4];

/// The rows that a batch touches.
#[derive(Default)]
pub(super) struct Rollups<'b> {
    rows: BTreeMap<(UnixNanos, &'b str), Rollup>,
    uniques: BTreeSet<(UnixNanos, &'static str, String, &'b str)>,
}

#[derive(Default)]
struct Rollup {
    cpu: Usage,
    memory: Usage,
    disk: Usage,
    moved: Moved,
    lines: i64,
    failed_logins: i64,
    bans: i64,
    errors: i64,
    warnings: i64,
}

/// Samples of a percentage.
#[derive(Default)]
struct Usage {
    samples: i64,
    sum: f64,
    max: Option<f64>,
}

impl Usage {
    fn add(&mut self, percent: Option<f64>) {
        let Some(percent) = percent else { return };
        self.samples += 1;
        self.sum += percent;
        self.max = Some(self.max.map_or(percent, |max| max.max(percent)));
    }
}

impl<'b> Rollups<'b> {
    /// Counts a log line.
    pub(super) fn line(
        &mut self,
        session: &mut dyn Session,
        at: UnixNanos,
        line: &'b LogWritten,
    ) -> Result<(), StorageError> {
        let action = line.action();
        let is_failed_login = action == Some(action::FAILED_LOGIN);
        let is_ban = action == Some(action::BAN);
        let row = self.row(session, at, &line.host)?;
        row.lines += 1;
        if is_failed_login {
            row.failed_logins += line.times();
        }
        row.bans += i64::from(is_ban);
        row.errors += i64::from(line.level >= Level::Error);
        row.warnings += i64::from(line.level == Level::Warning);
        let quarter_at = bucket_start(at, QUARTER_NS);
        if is_ban && let Some(ip) = line.ip() {
            let unique = (quarter_at, "banned_ip", ip.to_string(), &*line.host);
            self.uniques.insert(unique);
        }
        if is_failed_login && let Some(user) = line.field(LogWritten::USER) {
            let unique = (quarter_at, "failed_user", user.to_owned(), &*line.host);
            self.uniques.insert(unique);
        }
        Ok(())
    }

    /// Adds what a host used: percent of processor, memory and disk.
    pub(super) fn usage(
        &mut self,
        session: &mut dyn Session,
        at: UnixNanos,
        host: &'b str,
        [cpu, memory, disk]: [Option<f64>; 3],
    ) -> Result<(), StorageError> {
        let row = self.row(session, at, host)?;
        row.cpu.add(cpu);
        row.memory.add(memory);
        row.disk.add(disk);
        Ok(())
    }

    /// Adds what a counter counted, or takes away what it turned out not to have counted then.
    pub(super) fn moved(
        &mut self,
        session: &mut dyn Session,
        at: UnixNanos,
        host: &'b str,
        counter: usize,
        change: i64,
    ) -> Result<(), StorageError> {
        if change != 0 {
            let moved = &mut self.row(session, at, host)?.moved[counter];
            *moved = (*moved + change).clamp(0, MOVED_MAX);
        }
        Ok(())
    }

    fn row(
        &mut self,
        session: &mut dyn Session,
        at: UnixNanos,
        host: &'b str,
    ) -> Result<&mut Rollup, StorageError> {
        let quarter_at = bucket_start(at, QUARTER_NS);
        match self.rows.entry((quarter_at, host)) {
            Entry::Occupied(row) => Ok(row.into_mut()),
            Entry::Vacant(empty) => {
                let row = stored(session, quarter_at, host)?;
                Ok(empty.insert(row.unwrap_or_default()))
            }
        }
    }

    /// Writes the rows back.
    pub(super) fn store(&self, session: &mut dyn Session) -> Result<(), StorageError> {
        for ((quarter_at, host), row) in &self.rows {
            store(session, *quarter_at, host, row)?;
        }
        for (quarter_at, what, value, host) in &self.uniques {
            session.write(
                "INSERT INTO host_uniques (quarter_at, what, value, host) \
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                values![*quarter_at, *what, value, *host],
            )?;
        }
        Ok(())
    }
}

fn stored(
    session: &mut dyn Session,
    quarter_at: UnixNanos,
    host: &str,
) -> Result<Option<Rollup>, StorageError> {
    first(
        session,
        "SELECT cpu_samples, cpu_sum, cpu_max, memory_samples, memory_sum, memory_max, \
         disk_samples, disk_sum, bytes_sent, bytes_recv, packets_sent, packets_recv, log_events, \
         failed_logins, bans, errors, warnings FROM host_rollups \
         WHERE quarter_at = ?1 AND host = ?2",
        values![quarter_at, host],
        |row| {
            Ok(Rollup {
                cpu: Usage {
                    samples: row.int(0)?,
                    sum: row.real(1)?,
                    max: row.opt_real(2)?,
                },
                memory: Usage {
                    samples: row.int(3)?,
                    sum: row.real(4)?,
                    max: row.opt_real(5)?,
                },
                disk: Usage {
                    samples: row.int(6)?,
                    sum: row.real(7)?,
                    max: None,
                },
                moved: [row.int(8)?, row.int(9)?, row.int(10)?, row.int(11)?],
                lines: row.int(12)?,
                failed_logins: row.int(13)?,
                bans: row.int(14)?,
                errors: row.int(15)?,
                warnings: row.int(16)?,
            })
        },
    )
}

fn store(
    session: &mut dyn Session,
    quarter_at: UnixNanos,
    host: &str,
    row: &Rollup,
) -> Result<(), StorageError> {
    let [bytes_sent, bytes_recv, packets_sent, packets_recv] = row.moved;
    session.write(
        "INSERT INTO host_rollups (quarter_at, host, cpu_samples, cpu_sum, cpu_max, \
         memory_samples, memory_sum, memory_max, disk_samples, disk_sum, bytes_sent, bytes_recv, \
         packets_sent, packets_recv, log_events, failed_logins, bans, errors, warnings) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
         ?19) ON CONFLICT (quarter_at, host) DO UPDATE SET cpu_samples = excluded.cpu_samples, \
         cpu_sum = excluded.cpu_sum, cpu_max = excluded.cpu_max, \
         memory_samples = excluded.memory_samples, memory_sum = excluded.memory_sum, \
         memory_max = excluded.memory_max, disk_samples = excluded.disk_samples, \
         disk_sum = excluded.disk_sum, bytes_sent = excluded.bytes_sent, \
         bytes_recv = excluded.bytes_recv, packets_sent = excluded.packets_sent, \
         packets_recv = excluded.packets_recv, log_events = excluded.log_events, \
         failed_logins = excluded.failed_logins, bans = excluded.bans, errors = excluded.errors, \
         warnings = excluded.warnings",
        values![
            quarter_at,
            host,
            row.cpu.samples,
            row.cpu.sum,
            row.cpu.max,
            row.memory.samples,
            row.memory.sum,
            row.memory.max,
            row.disk.samples,
            row.disk.sum,
            bytes_sent,
            bytes_recv,
            packets_sent,
            packets_recv,
            row.lines,
            row.failed_logins,
            row.bans,
            row.errors,
            row.warnings
        ],
    )
}

/// One page of sums over so many nanoseconds. Each hour or day with a row has at least one quarter,
/// but at most so many, so that no more quarters are read than a page can need.
macro_rules! page {
    ($width:literal, $quarters:literal, $more:literal) => {
        concat!(
            "SELECT d.bucket * ",
            $width,
            ", d.cpu, d.cpu_max, d.memory, d.memory_max, d.disk, d.sent, d.received, \
             d.packets_sent, d.packets_received, d.lines, d.failed_logins, d.bans, ",
            $more,
            "d.errors, d.warnings FROM (SELECT r.quarter_at / ",
            $width,
            " AS bucket, sum(cpu_sum) / nullif(sum(cpu_samples), 0) AS cpu, max(cpu_max) AS cpu_max, \
             sum(memory_sum) / nullif(sum(memory_samples), 0) AS memory, \
             max(memory_max) AS memory_max, sum(disk_sum) / nullif(sum(disk_samples), 0) AS disk, \
             sum(bytes_sent) AS sent, sum(bytes_recv) AS received, \
             sum(packets_sent) AS packets_sent, sum(packets_recv) AS packets_received, \
             sum(log_events) AS lines, sum(failed_logins) AS failed_logins, sum(bans) AS bans, \
             sum(errors) AS errors, sum(warnings) AS warnings FROM host_rollups r \
             WHERE r.quarter_at < ?2 AND r.quarter_at >= (SELECT min(quarter_at) FROM \
             (SELECT DISTINCT quarter_at FROM host_rollups WHERE quarter_at >= ?1 \
             AND quarter_at < ?2 ORDER BY quarter_at DESC LIMIT ?3 * ",
            $quarters,
            ")) GROUP BY r.quarter_at / ",
            $width,
            " ORDER BY r.quarter_at / ",
            $width,
            " DESC LIMIT ?3) d ORDER BY d.bucket DESC"
        )
    };
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "hourly_aggregates",
        about: "all hosts per UTC hour: use, network, lines, failed logins, bans, errors",
        columns: columns![
            "hour" Time, "avg_cpu_percent" Number, "max_cpu_percent" Number,
            "avg_memory_percent" Number, "max_memory_percent" Number, "avg_disk_percent" Number,
            "total_bytes_sent" Bytes, "total_bytes_recv" Bytes, "total_packets_sent" Number,
            "total_packets_recv" Number, "log_events_count" Number, "failed_login_count" Number,
            "banned_ip_count" Number, "error_count" Number, "warning_count" Number
        ],
        sql: page!("3600000000000", "4", ""),
    },
    View {
        name: "daily_aggregates",
        about: "all hosts per UTC day: the same, and how many were banned or failed",
        columns: columns![
            "day" Time, "avg_cpu_percent" Number, "max_cpu_percent" Number,
            "avg_memory_percent" Number, "max_memory_percent" Number, "avg_disk_percent" Number,
            "total_bytes_sent" Bytes, "total_bytes_recv" Bytes, "total_packets_sent" Number,
            "total_packets_recv" Number, "log_events_count" Number, "failed_login_count" Number,
            "banned_ip_count" Number, "unique_ips_banned" Number, "unique_users_failed" Number,
            "error_count" Number, "warning_count" Number
        ],
        sql: page!(
            "86400000000000",
            "96",
            "(SELECT count(DISTINCT u.value) FROM host_uniques u WHERE u.what = 'banned_ip' \
             AND u.quarter_at >= d.bucket * 86400000000000 \
             AND u.quarter_at < (d.bucket + 1) * 86400000000000), \
             (SELECT count(DISTINCT u.value) FROM host_uniques u WHERE u.what = 'failed_user' \
             AND u.quarter_at >= d.bucket * 86400000000000 \
             AND u.quarter_at < (d.bucket + 1) * 86400000000000), "
        ),
    },
];
