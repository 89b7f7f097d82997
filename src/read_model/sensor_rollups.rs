//! Sensor numbers per 5 minutes and hour: count, min, max, mean, last.
//!
//! Floating-point addition is not associative, so a bucket is read first and the readings of a
//! batch are added one by one in the order of positions: the sum then does not depend on how the
//! log was cut. Retained snapshots repeat an earlier reading and are not counted.

use std::collections::BTreeMap;

use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::{HOUR_NS, MINUTE_NS, bucket_start};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "sensor_rollups",
    version: 1,
    tables: &[
        table!("sensor_rollups_5min" by "sensor_id, state_key, bucket_at", aging by "bucket_at" for 90),
        table!("sensor_rollups_hourly" by "sensor_id, state_key, bucket_at", aging by "bucket_at" for 1825),
    ],
    kinds: Some(&[Kind::SensorReported]),
    fold,
};

struct Width {
    ns: i64,
    read: &'static str,
    store: &'static str,
}

macro_rules! width {
    ($ns:expr, $table:literal) => {
        Width {
            ns: $ns,
            read: concat!(
                "SELECT count, min, max, sum, last, last_at FROM ",
                $table,
                " WHERE sensor_id = ?1 AND state_key = ?2 AND bucket_at = ?3"
            ),
            store: concat!(
                "INSERT INTO ",
                $table,
                " (sensor_id, state_key, bucket_at, count, min, max, sum, last, last_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                 ON CONFLICT (sensor_id, state_key, bucket_at) DO UPDATE SET \
                 count = excluded.count, min = excluded.min, max = excluded.max, \
                 sum = excluded.sum, last = excluded.last, last_at = excluded.last_at"
            ),
        }
    };
}

const WIDTHS: [Width; 2] = [
    width!(5 * MINUTE_NS, "sensor_rollups_5min"),
    width!(HOUR_NS, "sensor_rollups_hourly"),
];

struct Bucket {
    count: i64,
    min: f64,
    max: f64,
    sum: f64,
    last: f64,
    last_at: i64,
}

impl Bucket {
    fn add(&mut self, number: f64, at: i64) {
        self.count += 1;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        // Past the largest double a sum would become infinite, which no engine stores.
        self.sum = (self.sum + number).clamp(f64::MIN, f64::MAX);
        if at >= self.last_at {
            self.last = number;
            self.last_at = at;
        }
    }
}

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for width in &WIDTHS {
        let mut buckets: BTreeMap<(i64, &str, i64), (&str, Bucket)> = BTreeMap::new();
        for event in batch {
            let Event::SensorReported(reading) = &event.event else {
                continue;
            };
            let Some(number) = reading.value.number().filter(|_| !event.is_snapshot()) else {
                continue;
            };
            let at = event.occurred_at;
            let bucket_at = bucket_start(at, width.ns);
            let sensor = event.subject();
            match buckets.entry((event.stream.id, &reading.key, bucket_at)) {
                std::collections::btree_map::Entry::Occupied(mut bucket) => {
                    bucket.get_mut().1.add(number, at);
                }
                std::collections::btree_map::Entry::Vacant(empty) => {
                    let mut bucket = stored(session, width, sensor, &reading.key, bucket_at)?
                        .unwrap_or(Bucket {
                            count: 0,
                            min: number,
                            max: number,
                            sum: 0.0,
                            last: number,
                            last_at: at,
                        });
                    bucket.add(number, at);
                    empty.insert((sensor, bucket));
                }
            }
        }
        for ((_, key, bucket_at), (sensor, bucket)) in &buckets {
            session.write(
                width.store,
                values![
                    *sensor,
                    *key,
                    *bucket_at,
                    bucket.count,
                    bucket.min,
                    bucket.max,
                    bucket.sum,
                    bucket.last,
                    bucket.last_at
                ],
            )?;
        }
    }
    Ok(())
}

fn stored(
    session: &mut dyn Session,
    width: &Width,
    sensor: &str,
    key: &str,
    bucket_at: i64,
) -> Result<Option<Bucket>, StorageError> {
    first(
        session,
        width.read,
        values![sensor, key, bucket_at],
        |row| {
            Ok(Bucket {
                count: row.int(0)?,
                min: row.real(1)?,
                max: row.real(2)?,
                sum: row.real(3)?,
                last: row.real(4)?,
                last_at: row.int(5)?,
            })
        },
    )
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "sensor_rollups_5min",
        about: "sensor numbers per 5 minutes: count, min, max, mean, last",
        columns: columns![
            "bucket_at" Time, "sensor_id" Text, "state_key" Text, "count" Number, "min" Number,
            "max" Number, "mean" Number, "last" Number
        ],
        sql: "SELECT bucket_at, sensor_id, state_key, count, min, max, sum / count, last \
              FROM sensor_rollups_5min WHERE bucket_at >= ?1 AND bucket_at < ?2 \
              ORDER BY bucket_at DESC, sensor_id, state_key LIMIT ?3",
    },
    View {
        name: "sensor_rollups_hourly",
        about: "sensor numbers per hour: count, min, max, mean, last",
        columns: columns![
            "bucket_at" Time, "sensor_id" Text, "state_key" Text, "count" Number, "min" Number,
            "max" Number, "mean" Number, "last" Number
        ],
        sql: "SELECT bucket_at, sensor_id, state_key, count, min, max, sum / count, last \
              FROM sensor_rollups_hourly WHERE bucket_at >= ?1 AND bucket_at < ?2 \
              ORDER BY bucket_at DESC, sensor_id, state_key LIMIT ?3",
    },
];
