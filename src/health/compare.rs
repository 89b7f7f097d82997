//! The sums of the quarters of an hour, made anew from the lines and samples themselves and held
//! against those that the rollups keep.

use std::collections::{BTreeMap, BTreeSet};

use super::aggregates::{COUNTS, Key, Mean, QUARTER_NS, Sums, Unique, quarters, uniques};
use super::formula::{GAIN_MAX, gained};
use super::performance::{NetworkSample, counters_before};
use super::{Scope, hosts, sql};
use crate::base::clock::{UnixNanos, bucket_start};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

/// Sums of the same numbers in another order differ by less than this part of them.
const ROUNDING: f64 = 1e-9;

/// A sum that is not what the lines and samples say.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The quarter of an hour.
    pub quarter_at: UnixNanos,
    /// The machine.
    pub host: String,
    /// The column, or who.
    pub what: String,
    /// As kept.
    pub kept: f64,
    /// As made anew.
    pub anew: f64,
}

/// What a comparison found.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// From which quarter on: rows from before may have gone.
    pub since: UnixNanos,
    /// To before which quarter.
    pub until: UnixNanos,
    /// Quarters of machines that were compared.
    pub quarters: usize,
    /// What differs, in order of time.
    pub differences: Vec<Difference>,
}

#[derive(Default)]
struct Anew {
    sums: BTreeMap<Key, Sums>,
    uniques: BTreeSet<(UnixNanos, Unique)>,
}

/// Compares all quarters within the range, widened to whole ones, as far as no base row has gone.
pub fn compare(
    session: &mut dyn Session,
    since: UnixNanos,
    until: UnixNanos,
) -> Result<Comparison, StorageError> {
    let cuts = all(session, sql::CUTS, &[], |row| row.int(0))?;
    let cut = cuts.into_iter().max();
    let since = bucket_start(since, QUARTER_NS);
    let since = cut.map_or(since, |cut| since.max(next_quarter(cut)));
    let until = next_quarter(until).max(since);
    let kept = quarters(session, since, until, None)?;
    let kept_uniques = uniques(session, since, until, None)?;
    let mut anew = Anew::default();
    read_lines(session, since, until, &mut anew)?;
    read_system(session, since, until, &mut anew)?;
    read_network(session, since, until, &mut anew)?;
    let keys: BTreeSet<_> = kept.keys().chain(anew.sums.keys()).collect();
    let mut differences = Vec::new();
    let nothing = Sums::default();
    for key in &keys {
        let (kept, sums) = (kept.get(*key), anew.sums.get(*key));
        let (kept, sums) = (kept.unwrap_or(&nothing), sums.unwrap_or(&nothing));
        differences.extend(differing(kept, sums).map(|(what, kept, anew)| Difference {
            quarter_at: key.0,
            host: key.1.clone(),
            what: what.to_owned(),
            kept,
            anew,
        }));
    }
    for who in kept_uniques.symmetric_difference(&anew.uniques) {
        let (quarter_at, (what, value, host)) = who;
        let kept = kept_uniques.contains(who);
        differences.push(Difference {
            quarter_at: *quarter_at,
            host: host.clone(),
            what: format!("{what} {value}"),
            kept: f64::from(u8::from(kept)),
            anew: f64::from(u8::from(!kept)),
        });
    }
    differences.sort_by_key(|one| one.quarter_at);
    Ok(Comparison {
        since,
        until,
        quarters: keys.len(),
        differences,
    })
}

fn next_quarter(at: UnixNanos) -> UnixNanos {
    let start = bucket_start(at, QUARTER_NS);
    if start == at {
        at
    } else {
        start.saturating_add(QUARTER_NS)
    }
}

/// The first so many counts are those of the network.
const NETWORK: usize = 4;

/// The columns that differ: name, kept, made anew.
fn differing<'a>(
    kept: &'a Sums,
    anew: &'a Sums,
) -> impl Iterator<Item = (&'static str, f64, f64)> + 'a {
    let means = [
        ("cpu", &kept.cpu, &anew.cpu),
        ("memory", &kept.memory, &anew.memory),
        ("disk", &kept.disk, &anew.disk),
    ];
    let mut pairs: Vec<(&'static str, f64, f64)> = Vec::new();
    for (name, kept, anew) in means {
        let [samples, sum, max] = match name {
            "cpu" => ["cpu_samples", "cpu_sum", "cpu_max"],
            "memory" => ["memory_samples", "memory_sum", "memory_max"],
            _ => ["disk_samples", "disk_sum", "disk_max"],
        };
        pairs.push((samples, kept.samples as f64, anew.samples as f64));
        pairs.push((sum, kept.sum, anew.sum));
        // The rollup keeps no highest of the disk.
        if name != "disk" {
            let value = |mean: &Mean| mean.max.unwrap_or(-1.0);
            pairs.push((max, value(kept), value(anew)));
        }
    }
    for (index, name) in COUNTS.iter().enumerate() {
        pairs.push((name, kept.counts[index] as f64, anew.counts[index] as f64));
    }
    pairs
        .into_iter()
        .filter(|(_, kept, anew)| (kept - anew).abs() > ROUNDING * kept.abs().max(anew.abs()))
}

fn read_lines(
    session: &mut dyn Session,
    since: UnixNanos,
    until: UnixNanos,
    anew: &mut Anew,
) -> Result<(), StorageError> {
    session.read(sql::SUMMED_LINES, values![since, until], &mut |row| {
        let quarter = bucket_start(row.int(0)?, QUARTER_NS);
        let host = row.text(1)?.to_owned();
        let (level, action) = (row.int(2)?, row.opt_text(3)?);
        let failed = action == Some("failed_login");
        let banned = action == Some("ban");
        let mut unique = |what: &str, value: Option<&str>| {
            if let Some(value) = value {
                let who = (what.to_owned(), value.to_owned(), host.clone());
                anew.uniques.insert((quarter, who));
            }
        };
        if failed {
            unique("failed_user", row.opt_text(5)?);
        }
        if banned {
            unique("banned_ip", row.opt_text(4)?);
        }
        let counts = &mut anew.sums.entry((quarter, host)).or_default().counts;
        let failed = if failed { row.int(6)? } else { 0 };
        let [banned, bad, odd] = [banned, level >= 3, level == 2].map(i64::from);
        for (count, more) in counts[NETWORK..]
            .iter_mut()
            .zip([1, failed, banned, bad, odd])
        {
            *count += more;
        }
        Ok(())
    })
}

fn read_system(
    session: &mut dyn Session,
    since: UnixNanos,
    until: UnixNanos,
    anew: &mut Anew,
) -> Result<(), StorageError> {
    for host in hosts(session, sql::SYSTEM_HOSTS, &Scope::default())? {
        session.read(
            sql::SYSTEM_SAMPLES,
            values![since, until, &host],
            &mut |row| {
                let quarter = bucket_start(row.int(0)?, QUARTER_NS);
                let sums = anew.sums.entry((quarter, host.clone())).or_default();
                for (column, mean) in [&mut sums.cpu, &mut sums.memory, &mut sums.disk]
                    .into_iter()
                    .enumerate()
                {
                    if let Some(value) = row.opt_real(1 + column)? {
                        mean.push(value);
                    }
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}

fn read_network(
    session: &mut dyn Session,
    since: UnixNanos,
    until: UnixNanos,
    anew: &mut Anew,
) -> Result<(), StorageError> {
    for host in hosts(session, sql::NETWORK_HOSTS, &Scope::default())? {
        let mut known = counters_before(session, &host, since)?;
        // No comparison begins before what is gone.
        let base = first(session, sql::NETWORK_BASE, values![&host], counters)?;
        for (known, base) in known.iter_mut().zip(base.unwrap_or_default()) {
            *known = known.or(base);
        }
        let samples = all(
            session,
            sql::NETWORK_SAMPLES,
            values![since, until, &host],
            NetworkSample::read,
        )?;
        for sample in samples {
            let quarter = bucket_start(sample.at, QUARTER_NS);
            let counts = &mut anew.sums.entry((quarter, host.clone())).or_default().counts;
            for (index, counter) in sample.counters.iter().enumerate().take(NETWORK) {
                let gained = gained(known[index], *counter);
                counts[index] = (counts[index] + gained).min(GAIN_MAX);
                known[index] = counter.or(known[index]);
            }
        }
    }
    Ok(())
}

fn counters(row: &dyn Row) -> Result<[Option<i64>; NETWORK], StorageError> {
    let mut counters = [None; NETWORK];
    for (column, counter) in counters.iter_mut().enumerate() {
        *counter = row.opt_int(column)?;
    }
    Ok(counters)
}
