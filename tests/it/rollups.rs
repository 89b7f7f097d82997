//! The sums of samples and lines against a reckoning over all of them, and what retention leaves of
//! lines and traces.

use nightjar::event::retention::Applied;
use nightjar::event::system::{Level, LogWritten, MetricsSampled};
use nightjar::event::trace::{
    IpList, IpListed, ProcessSeen, TraceRecorded, TraceSnapshotTaken, Trigger,
};
use nightjar::event::{Event, Extra, NewEvent};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::bench_box::{BenchBox, NOW};
use crate::random_events::events;

const MINUTE: i64 = 60_000_000_000;

fn at(minutes: i64, stream: &str, event: impl Into<Event>) -> NewEvent {
    let mut new = NewEvent::own(NOW, stream, event);
    new.occurred_at = NOW + minutes * MINUTE;
    new
}

fn sample(host: &str, minutes: i64, sent: Option<i64>) -> NewEvent {
    let values = sent.map(|sent| ("bytes_sent".to_owned(), json!(sent)));
    let sample = MetricsSampled {
        host: host.into(),
        group: "network".into(),
        values: values.into_iter().collect(),
    };
    at(minutes, &format!("metrics/{host}"), sample)
}

/// What moved, from all samples in the order of their times.
const MOVED: &str = "SELECT at / 900000000000 * 900000000000 AS quarter_at, host, \
    sum(max(sent - before, 0)) AS moved FROM (SELECT at, host, bytes_sent AS sent, \
    lag(bytes_sent, 1, bytes_sent) OVER (PARTITION BY host ORDER BY at, id) AS before \
    FROM network_samples WHERE bytes_sent IS NOT NULL) GROUP BY 1, 2 HAVING moved > 0 ORDER BY 1, 2";

/// What was used, as far as whole numbers tell, and what was logged.
const COUNTED: &str = "SELECT at / 900000000000 * 900000000000 AS quarter_at, host, sum(cpu), \
    max(cpu_max), sum(memory), sum(disk), sum(line), sum(failed), sum(ban), sum(error), \
    sum(warning) FROM ( \
    SELECT at, host, cpu_percent IS NOT NULL AS cpu, cpu_percent AS cpu_max, \
    memory_percent IS NOT NULL AS memory, disk_percent IS NOT NULL AS disk, 0 AS line, 0 AS failed, \
    0 AS ban, 0 AS error, 0 AS warning FROM system_samples \
    UNION ALL SELECT l.at, substr(n.name, 5, 3), 0, NULL, 0, 0, 1, CASE WHEN l.action IS 'failed_login' THEN \
    CASE WHEN json_type(l.metadata, '$.count') IS 'integer' \
    THEN max(1, min(1000, l.metadata ->> 'count')) ELSE 1 END ELSE 0 END, \
    l.action IS 'ban', l.level >= 3, l.level = 2 FROM log_lines l JOIN names n ON n.id = l.source) \
    WHERE at >= 0 AND at < 9000000000000000000 GROUP BY 1, 2 ORDER BY 1, 2";

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_moved_is_what_a_reckoning_over_all_samples_gives(
        samples in vec((select(vec!["box", "nas"]), 0_i64..90, option::weighted(0.9, 0_i64..500)), 1..50),
        cut in 1_usize..9,
    ) {
        let bench = BenchBox::new();
        let samples: Vec<_> = samples.into_iter().map(|(host, at, sent)| sample(host, at, sent)).collect();
        for piece in samples.chunks(cut) {
            bench.store(piece.to_vec());
        }
        let told = "SELECT quarter_at, host, bytes_sent FROM host_rollups WHERE bytes_sent > 0 \
                    ORDER BY 1, 2";
        prop_assert_eq!(bench.rows(told), bench.rows(MOVED));
    }

    #[test]
    fn what_retention_took_away_moved_no_less(
        samples in vec((select(vec!["box", "nas"]), 0_i64..90, option::weighted(0.9, 0_i64..500)), 1..30),
        late in vec((select(vec!["box", "nas"]), 0_i64..90, option::weighted(0.9, 0_i64..500)), 1..30),
        before in 0_i64..90,
        pieces in 1_usize..9,
    ) {
        let of = |(host, at, sent): (&str, i64, Option<i64>)| sample(host, at, sent);
        let late = late.into_iter().filter(|(_, at, _)| *at >= before);
        let (samples, late): (Vec<_>, Vec<_>) = (samples.into_iter().map(of).collect(), late.map(of).collect());
        let (whole, aged) = (BenchBox::new(), BenchBox::new());
        whole.store(samples.iter().chain(&late).cloned().collect());
        let cut = [cut("network_samples", before / 2), cut("network_samples", before)];
        let events: Vec<_> = samples.into_iter().chain(cut).chain(late).collect();
        for piece in events.chunks(pieces) {
            aged.store(piece.to_vec());
        }
        let told = "SELECT quarter_at, host, bytes_sent FROM host_rollups WHERE bytes_sent > 0 \
                    ORDER BY 1, 2";
        prop_assert_eq!(aged.rows(told), whole.rows(told));
        prop_assert_eq!(aged.unequal_after_rebuild(), Vec::<&str>::new());
    }

    #[test]
    fn what_was_used_and_logged_is_what_a_reckoning_gives(events in events(80)) {
        let bench = BenchBox::new();
        let kept = events.into_iter().filter(|event| !matches!(event.event, Event::RetentionApplied(_)));
        bench.store(kept.collect());
        let told = "SELECT quarter_at, host, cpu_samples, cpu_max, memory_samples, disk_samples, \
                    log_events, failed_logins, bans, errors, warnings FROM host_rollups \
                    WHERE quarter_at >= 0 AND quarter_at < 9000000000000000000 - 900000000000 \
                    AND cpu_samples + memory_samples + disk_samples + log_events > 0 ORDER BY 1, 2";
        let counted = format!(
            "SELECT * FROM ({COUNTED}) WHERE quarter_at < 9000000000000000000 - 900000000000"
        );
        let reckoned: Vec<_> = bench
            .rows(&counted)
            .into_iter()
            .filter(|row| row[2..].iter().enumerate().any(|(index, value)| {
                index != 1 && *value != nightjar::storage::Owned::Integer(0)
            }))
            .collect();
        prop_assert_eq!(bench.rows(told), reckoned);
    }
}

fn line(minutes: i64, fields: Value) -> NewEvent {
    let line = LogWritten {
        host: "box".into(),
        source: "auth".into(),
        level: Level::Error,
        fields: serde_json::from_value::<Extra>(fields).unwrap().into(),
    };
    at(minutes, "log/box/auth", line)
}

fn trace(minutes: i64, cause: i64) -> NewEvent {
    let trace = TraceRecorded {
        trigger: Trigger::Error,
        subject: "box/auth/unknown".into(),
        host: "box".into(),
        severity_score: 60,
        action: None,
        service: None,
        user: None,
        ip: None,
        root_cause: None,
        chain: Vec::new(),
        related_services: Vec::new(),
        error: Some(Box::default()),
    };
    at(minutes, "trace/error", trace).caused_by(cause)
}

fn snapshot(trace: i64) -> NewEvent {
    let taken = TraceSnapshotTaken {
        trace,
        processes: vec![ProcessSeen::default()],
        connections: Vec::new(),
    };
    at(0, "trace/snapshot", taken)
}

fn cut(table: &str, minutes: i64) -> NewEvent {
    let applied = Applied {
        table: table.into(),
        before: NOW + minutes * MINUTE,
        rows: 1,
    };
    at(0, &format!("table/{table}"), applied)
}

#[test]
fn traces_go_with_their_lines_and_what_belongs_to_them_goes_with_them() {
    let stream = || {
        vec![
            line(-90, json!({})),
            line(-10, json!({})),
            trace(-90, 1),
            trace(-10, 2),
            snapshot(3),
            snapshot(4),
            cut("log_lines", -50),
            // Too late for what is gone.
            snapshot(3),
            trace(-90, 1),
        ]
    };
    let left = |bench: &BenchBox| {
        [
            "SELECT count(*) FROM log_lines",
            "SELECT count(*) FROM traces",
            "SELECT count(*) FROM trace_processes",
            "SELECT count(*) FROM trace_errors",
        ]
        .map(|sql| bench.number(sql))
    };
    let together = BenchBox::new();
    together.store(stream());
    let singly = BenchBox::new();
    for event in stream() {
        singly.store(vec![event]);
    }
    for bench in [&together, &singly] {
        assert_eq!(left(bench), [1, 1, 1, 1]);
        assert_eq!(bench.number("SELECT min(trace_id) FROM trace_processes"), 4);
        assert!(bench.rows("PRAGMA foreign_key_check").is_empty());
        assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
    }
    assert_eq!(together.tables(), singly.tables());
    // A trace may go before its line.
    together.store(vec![cut("traces", 0), snapshot(4)]);
    assert_eq!(left(&together), [1, 0, 0, 0]);
    assert_eq!(together.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_sample_from_before_the_cut_is_summed_up_already() {
    let bench = BenchBox::new();
    bench.store(vec![
        sample("box", 0, Some(100)),
        sample("box", 20, Some(150)),
        sample("box", 40, Some(190)),
        cut("network_samples", 30),
    ]);
    let moved = "SELECT sum(bytes_sent) FROM host_rollups";
    assert_eq!(bench.number(moved), 90);
    bench.store(vec![
        sample("box", 10, Some(120)),
        sample("box", 29, Some(160)),
    ]);
    assert_eq!(bench.number(moved), 90);
    assert_eq!(bench.number("SELECT count(*) FROM network_samples"), 1);
    // One that is heard of for the first time has nothing summed up.
    bench.store(vec![sample("nas", 40, Some(7)), sample("nas", 10, Some(2))]);
    assert_eq!(bench.number(moved), 95);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn addresses_on_a_list_stay() {
    let bench = BenchBox::new();
    let seen = |ip: &str| line(-90, json!({"ip_address": ip}));
    let listed = |ip: &str, list| {
        let ip = ip.parse().unwrap();
        at(-90, &format!("ip/{ip}"), IpListed { ip, list })
    };
    bench.store(vec![
        seen("203.0.113.9"),
        seen("203.0.113.10"),
        seen("203.0.113.11"),
        listed("203.0.113.10", IpList::Whitelist),
        listed("203.0.113.11", IpList::Blacklist),
        listed("203.0.113.12", IpList::Blacklist),
        cut("ip_reputations", 0),
    ]);
    assert_eq!(bench.number("SELECT count(*) FROM ip_reputations"), 3);
    bench.store(vec![
        listed("203.0.113.11", IpList::None),
        cut("ip_reputations", 0),
    ]);
    assert_eq!(bench.number("SELECT count(*) FROM ip_reputations"), 2);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}
