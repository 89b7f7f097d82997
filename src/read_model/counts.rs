//! How many events, per UTC hour and day, by kind and by source.

use std::collections::HashMap;

use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::{DAY_NS, HOUR_NS, bucket_start};
use crate::event::Envelope;
use crate::storage::{Session, StorageError};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "counts",
    version: 1,
    tables: &[
        table!("event_counts_hourly" by "bucket_at, kind, source", aging by "bucket_at" for 90),
        table!("event_counts_daily" by "bucket_at, kind, source", aging by "bucket_at"),
    ],
    kinds: None,
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut hours: HashMap<(i64, i64, i64), i64> = HashMap::new();
    for event in batch {
        let hour = bucket_start(event.occurred_at, HOUR_NS);
        *hours
            .entry((hour, event.kind_id, event.source.id))
            .or_default() += 1;
    }
    let mut days: HashMap<(i64, i64, i64), i64> = HashMap::new();
    for (&(hour, kind, source), &count) in &hours {
        *days
            .entry((bucket_start(hour, DAY_NS), kind, source))
            .or_default() += count;
    }
    for (&(bucket_at, kind, source), &count) in &hours {
        session.write(
            "INSERT INTO event_counts_hourly (bucket_at, kind, source, count) \
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (bucket_at, kind, source) \
             DO UPDATE SET count = event_counts_hourly.count + excluded.count",
            values![bucket_at, kind, source, count],
        )?;
    }
    for (&(bucket_at, kind, source), &count) in &days {
        session.write(
            "INSERT INTO event_counts_daily (bucket_at, kind, source, count) \
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (bucket_at, kind, source) \
             DO UPDATE SET count = event_counts_daily.count + excluded.count",
            values![bucket_at, kind, source, count],
        )?;
    }
    Ok(())
}

/// One page of the view of that name. As each bucket has a row at least, a page lies within as many
/// buckets as it has rows, and no others are summed up.
macro_rules! page {
    ($table:literal, $by:literal) => {
        concat!(
            "SELECT c.bucket_at, n.name, c.count FROM (SELECT bucket_at, ",
            $by,
            " AS name, sum(count) AS count FROM ",
            $table,
            " WHERE bucket_at < ?2 AND bucket_at >= (SELECT min(bucket_at) FROM \
             (SELECT DISTINCT bucket_at FROM ",
            $table,
            " WHERE bucket_at >= ?1 AND bucket_at < ?2 ORDER BY bucket_at DESC LIMIT ?3)) \
             GROUP BY bucket_at, ",
            $by,
            ") c CROSS JOIN names n ON n.id = c.name \
             ORDER BY c.bucket_at DESC, c.count DESC, n.name LIMIT ?3"
        )
    };
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "events_per_hour_by_kind",
        about: "events per UTC hour by kind",
        columns: columns!["hour" Time, "kind" Text, "count" Number],
        sql: page!("event_counts_hourly", "kind"),
    },
    View {
        name: "events_per_hour_by_source",
        about: "events per UTC hour by source",
        columns: columns!["hour" Time, "source" Text, "count" Number],
        sql: page!("event_counts_hourly", "source"),
    },
    View {
        name: "events_per_day_by_kind",
        about: "events per UTC day by kind",
        columns: columns!["day" Time, "kind" Text, "count" Number],
        sql: page!("event_counts_daily", "kind"),
    },
    View {
        name: "events_per_day_by_source",
        about: "events per UTC day by source",
        columns: columns!["day" Time, "source" Text, "count" Number],
        sql: page!("event_counts_daily", "source"),
    },
];
