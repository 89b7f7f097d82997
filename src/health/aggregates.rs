//! Hours and days, made of the quarters of an hour that the rollups hold: of UTC or of a time zone,
//! with the empty ones among them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::sql;
use crate::base::clock::{MINUTE_NS, UnixNanos};
use crate::storage::{Row, Session, StorageError, all};
use crate::values;

/// Zones differ from UTC by multiples of a quarter of an hour, so that every hour and every day of
/// every zone is made of whole ones.
pub const QUARTER_NS: i64 = 15 * MINUTE_NS;

/// Whole numbers of [`Sums`], in the order of the table.
pub const COUNTS: [&str; 9] = [
    "total_bytes_sent",
    "total_bytes_recv",
    "total_packets_sent",
    "total_packets_recv",
    "log_events_count",
    "failed_login_count",
    "banned_ip_count",
    "error_count",
    "warning_count",
];

/// What one machine, or all of them, used and did in some quarters of an hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// Samples of the processor, their sum in percent, the highest.
    pub cpu: Mean,
    /// Samples of the memory.
    pub memory: Mean,
    /// Samples of the disk; its highest is not kept.
    pub disk: Mean,
    /// See [`COUNTS`].
    pub counts: [i64; COUNTS.len()],
}

/// A mean that can be added to another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// Samples.
    pub samples: i64,
    /// Their sum.
    pub sum: f64,
    /// The highest.
    pub max: Option<f64>,
}

impl Mean {
    /// One more sample.
    pub fn push(&mut self, value: f64) {
        self.add(&Self {
            samples: 1,
            sum: value,
            max: Some(value),
        });
    }

    fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.sum += other.sum;
        self.max = self.max.into_iter().chain(other.max).reduce(f64::max);
    }

    /// The mean, weighted by samples.
    pub fn mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / self.samples as f64)
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.cpu.add(&other.cpu);
        self.memory.add(&other.memory);
        self.disk.add(&other.disk);
        for (sum, more) in self.counts.iter_mut().zip(&other.counts) {
            *sum = sum.saturating_add(*more);
        }
    }
}

/// A quarter of an hour of one machine.
pub type Key = (UnixNanos, String);

/// Who: `banned_ip` or `failed_user`, the address or name, the machine.
pub type Unique = (String, String, String);

/// An hour or a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Its beginning.
    pub from: UnixNanos,
    /// Its end.
    pub to: UnixNanos,
    /// What was summed up; none when no machine told anything.
    pub sums: Option<Sums>,
    /// Addresses that were banned, each once.
    pub ips_banned: i64,
    /// Names with which logins failed, each once.
    pub users_failed: i64,
}

/// How wide the buckets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Hours.
    Hour,
    /// Days, as the calendar has them: of 23, 24 or 25 hours.
    Day,
}

/// Reads the sums of the quarters.
pub fn quarters(
    session: &mut dyn Session,
    since: UnixNanos,
    until: UnixNanos,
    host: Option<&str>,
) -> Result<BTreeMap<Key, Sums>, StorageError> {
    let rows = all(session, sql::QUARTERS, values![since, until, host], |row| {
        let mut sums = Sums {
            cpu: mean(row, 2, Some(4))?,
            memory: mean(row, 5, Some(7))?,
            disk: mean(row, 8, None)?,
            counts: [0; COUNTS.len()],
        };
        for (index, count) in sums.counts.iter_mut().enumerate() {
            *count = row.int(10 + index)?;
        }
        Ok(((row.int(0)?, row.text(1)?.to_owned()), sums))
    })?;
    Ok(rows.into_iter().collect())
}

fn mean(row: &dyn Row, column: usize, max: Option<usize>) -> Result<Mean, StorageError> {
    Ok(Mean {
        samples: row.int(column)?,
        sum: row.real(column + 1)?,
        max: match max {
            Some(column) => row.opt_real(column)?,
            None => None,
        },
    })
}

/// Reads who was banned and who failed to log in, by quarter.
pub fn uniques(
    session: &mut dyn Session,
    since: UnixNanos,
    until: UnixNanos,
    host: Option<&str>,
) -> Result<BTreeSet<(UnixNanos, Unique)>, StorageError> {
    let rows = all(session, sql::UNIQUES, values![since, until, host], |row| {
        let text = |column| row.text(column).map(ToOwned::to_owned);
        Ok((row.int(0)?, (text(1)?, text(2)?, text(3)?)))
    })?;
    Ok(rows.into_iter().collect())
}

/// The hours or days that `[since, until)` touches, oldest first, the empty ones too.
pub fn buckets(
    session: &mut dyn Session,
    width: Width,
    zone: &TimeZone,
    (since, until): (UnixNanos, UnixNanos),
    host: Option<&str>,
) -> Result<Vec<Bucket>, StorageError> {
    let edges = edges(width, zone, since, until);
    let (Some(&first), Some(&last)) = (edges.first(), edges.last()) else {
        return Ok(Vec::new());
    };
    let quarters = quarters(session, first, last, host)?;
    let uniques = uniques(session, first, last, host)?;
    Ok(edges
        .windows(2)
        .map(|edge| bucket(edge[0], edge[1], &quarters, &uniques))
        .collect())
}

fn bucket(
    from: UnixNanos,
    to: UnixNanos,
    quarters: &BTreeMap<Key, Sums>,
    uniques: &BTreeSet<(UnixNanos, Unique)>,
) -> Bucket {
    let mut sums: Option<Sums> = None;
    for (_, more) in quarters.range((from, String::new())..(to, String::new())) {
        sums.get_or_insert_default().add(more);
    }
    let (mut ips, mut users) = (BTreeSet::new(), BTreeSet::new());
    let begin = |at| (at, Unique::default());
    for (_, (what, value, _)) in uniques.range(begin(from)..begin(to)) {
        if what == "banned_ip" {
            ips.insert(value);
        } else {
            users.insert(value);
        }
    }
    Bucket {
        from,
        to,
        sums,
        ips_banned: ips.len() as i64,
        users_failed: users.len() as i64,
    }
}

/// Where the buckets that `[since, until)` touches begin, and where the last one ends.
pub fn edges(width: Width, zone: &TimeZone, since: UnixNanos, until: UnixNanos) -> Vec<UnixNanos> {
    let mut found = Vec::new();
    let Some(mut edge) = beginning(width, zone, since) else {
        return found;
    };
    while let Some(at) = nanos(&edge) {
        found.push(at);
        if at >= until {
            return found;
        }
        let Some(next) = following(width, &edge) else {
            break;
        };
        edge = next;
    }
    found
}

fn beginning(width: Width, zone: &TimeZone, at: UnixNanos) -> Option<Zoned> {
    let stamp = Timestamp::from_nanosecond(i128::from(at)).ok()?;
    let here = stamp.to_zoned(zone.clone());
    match width {
        Width::Day => here.start_of_day().ok(),
        // By subtraction, since the hour that the clock shows twice would begin twice.
        Width::Hour => {
            let into = Span::new()
                .minutes(here.minute())
                .seconds(here.second())
                .nanoseconds(here.subsec_nanosecond());
            here.checked_sub(into).ok()
        }
    }
}

fn following(width: Width, edge: &Zoned) -> Option<Zoned> {
    match width {
        Width::Day => edge.tomorrow().ok()?.start_of_day().ok(),
        Width::Hour => edge.checked_add(Span::new().hours(1)).ok(),
    }
}

fn nanos(edge: &Zoned) -> Option<UnixNanos> {
    i64::try_from(edge.timestamp().as_nanosecond()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::base::clock::HOUR_NS;

    fn at(text: &str) -> UnixNanos {
        let stamp: Timestamp = text.parse().unwrap();
        i64::try_from(stamp.as_nanosecond()).unwrap()
    }

    fn hours(zone: &str, width: Width, since: &str, until: &str) -> Vec<i64> {
        let zone = TimeZone::get(zone).unwrap();
        let edges = edges(width, &zone, at(since), at(until));
        edges
            .windows(2)
            .map(|edge| (edge[1] - edge[0]) / HOUR_NS)
            .collect()
    }

    #[test]
    fn days_of_a_zone_have_23_24_or_25_hours() {
        let of = |zone, since, until| hours(zone, Width::Day, since, until);
        let berlin = "Europe/Berlin";
        assert_eq!(
            of(berlin, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
            [24, 23, 24]
        );
        assert_eq!(
            of(berlin, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
            [24, 25, 24]
        );
        assert_eq!(
            of("UTC", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
            [24, 24, 24]
        );
        // Midnight itself is skipped in Beirut.
        assert_eq!(
            of(
                "Asia/Beirut",
                "2026-03-28T12:00:00Z",
                "2026-03-29T12:00:00Z"
            ),
            [24, 23]
        );
    }

    #[test]
    fn hours_go_on_through_the_hour_that_comes_twice() {
        let of = |zone, since, until| hours(zone, Width::Hour, since, until).len();
        assert_eq!(
            of(
                "Europe/Berlin",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z"
            ),
            25
        );
        assert_eq!(
            of(
                "Europe/Berlin",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z"
            ),
            23
        );
        let kathmandu = TimeZone::get("Asia/Kathmandu").unwrap();
        let edges = edges(
            Width::Hour,
            &kathmandu,
            at("2026-11-20T00:20:00Z"),
            at("2026-11-20T01:20:00Z"),
        );
        assert_eq!(
            edges[0],
            at("2026-11-20T00:15:00Z"),
            "at a full hour of the zone"
        );
        assert_eq!(edges.len(), 3);
    }

    #[test]
    fn means_are_weighted_by_samples_and_empty_buckets_have_none() {
        let zone = TimeZone::UTC;
        let begin = at("2026-11-20T00:00:00Z");
        let quarter = |samples, sum, max| Sums {
            cpu: Mean {
                samples,
                sum,
                max: Some(max),
            },
            counts: [1; COUNTS.len()],
            ..Sums::default()
        };
        let quarters = BTreeMap::from([
            ((begin, "heron".to_owned()), quarter(1, 90.0, 90.0)),
            ((begin, "wren".to_owned()), quarter(3, 30.0, 12.0)),
            (
                (begin + QUARTER_NS, "heron".to_owned()),
                quarter(6, 60.0, 20.0),
            ),
        ]);
        let who = |at, what: &str, value: &str, host: &str| {
            (at, (what.to_owned(), value.to_owned(), host.to_owned()))
        };
        let uniques = BTreeSet::from([
            who(begin, "banned_ip", "192.0.2.7", "heron"),
            who(begin, "banned_ip", "192.0.2.7", "wren"),
            who(begin + QUARTER_NS, "banned_ip", "192.0.2.7", "heron"),
            who(begin + QUARTER_NS, "failed_user", "ilse", "heron"),
        ]);
        let edges = edges(Width::Hour, &zone, begin, begin + 2 * HOUR_NS);
        let first = bucket(edges[0], edges[1], &quarters, &uniques);
        let sums = first.sums.unwrap();
        assert_eq!((sums.cpu.mean(), sums.cpu.max), (Some(18.0), Some(90.0)));
        assert_eq!(sums.counts, [3; COUNTS.len()]);
        assert_eq!((first.ips_banned, first.users_failed), (1, 1));
        assert_eq!(bucket(edges[1], edges[2], &quarters, &uniques).sums, None);
    }
}
