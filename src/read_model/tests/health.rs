//! Samples, sums, addresses, traces and patterns.

use serde_json::{Value, json};

use super::*;
use crate::event::system::MetricsSampled;
use crate::event::trace::{
    ConnectionSeen, ErrorFound, IpList, IpListed, IpLocated, PatternDetected, PatternType,
    ProcessSeen, TraceRecorded, TraceSnapshotTaken, Trigger,
};

fn values(values: Value) -> Extra {
    serde_json::from_value(values).unwrap()
}

fn sampled(group: &str, when: i64, told: Value) -> NewEvent {
    let sample = MetricsSampled {
        host: "jupiter".into(),
        group: group.into(),
        values: values(told),
    };
    at(when, "metrics/jupiter", sample)
}

fn line(when: i64, level: Level, fields: Value) -> NewEvent {
    let line = LogWritten {
        host: "jupiter".into(),
        source: "auth".into(),
        level,
        fields: values(fields).into(),
    };
    at(when, "log/jupiter/auth", line).with_text("a line")
}

/// The named columns of every row, numbers as they are.
fn rows(bench: &mut Bench, sql: &'static str, width: usize) -> Vec<Vec<Owned>> {
    let mut session = bench.database.snapshot().unwrap();
    all(&mut session, sql, &[], |row| {
        (0..width).map(|column| row.owned(column)).collect()
    })
    .unwrap()
}

fn int(number: i64) -> Owned {
    Owned::Integer(number)
}

#[test]
fn a_samples_values_are_checked_one_by_one() {
    let mut bench = Bench::new();
    let good = json!({
        "cpu_percent": 12.5, "cpu_count": 4, "memory_total": 8_000_000_000_i64,
        "memory_available": 2e9, "memory_percent": 75, "disk_percent": 100,
        "load_1min": 0.25, "unknown": "kept in the log",
    });
    bench.tell(&sampled("system", MIDNIGHT, good));
    let bad = json!({
        "cpu_percent": 100.5, "cpu_count": -1, "memory_total": u64::MAX, "memory_available": 1.5,
        "memory_percent": "75", "disk_percent": null, "load_1min": -0.5,
    });
    bench.tell(&sampled("system", MIDNIGHT + 1, bad));
    let told = bench.view(
        "system_metrics",
        &[
            "cpu_percent",
            "cpu_count",
            "memory_total",
            "memory_available",
            "memory_percent",
            "disk_percent",
            "load_1min",
            "load_5min",
        ],
    );
    let good = vec![
        Owned::Real(12.5),
        int(4),
        int(8_000_000_000),
        int(2_000_000_000),
        Owned::Real(75.0),
        Owned::Real(100.0),
        Owned::Real(0.25),
        Owned::Null,
    ];
    assert_eq!(told, [vec![Owned::Null; 8], good]);
}

#[test]
fn the_first_sample_without_a_processor_spoils_no_average() {
    let mut bench = Bench::new();
    bench.tell(&sampled("system", MIDNIGHT, json!({"memory_percent": 40})));
    let second = json!({"cpu_percent": 30, "memory_percent": 60});
    bench.tell(&sampled("system", MIDNIGHT + 10 * SECOND_NS, second));
    let columns = [
        "avg_cpu_percent",
        "max_cpu_percent",
        "avg_memory_percent",
        "avg_disk_percent",
    ];
    let expected = [[
        Owned::Real(30.0),
        Owned::Real(30.0),
        Owned::Real(50.0),
        Owned::Null,
    ]];
    assert_eq!(bench.view("hourly_aggregates", &columns), expected);
    assert_eq!(bench.view("daily_aggregates", &columns), expected);
}

#[test]
fn network_totals_are_positive_differences_and_not_sums_of_counters() {
    let mut bench = Bench::new();
    for (minute, sent) in [(0, 1_000), (1, 1_100), (2, 1_200)] {
        let told = json!({"bytes_sent": sent});
        bench.tell(&sampled("network", MIDNIGHT + minute * MINUTE_NS, told));
    }
    let total = "SELECT total_bytes_sent FROM hourly_aggregates";
    assert_eq!(bench.ints(total), [200], "and not 3,300");
    // The counter is reset: what it had counted before is no traffic, and no loss either.
    for (minute, sent) in [(3, 40), (4, 90)] {
        let told = json!({"bytes_sent": sent});
        bench.tell(&sampled("network", MIDNIGHT + minute * MINUTE_NS, told));
    }
    assert_eq!(bench.ints(total), [250]);
}

#[test]
fn samples_that_come_late_change_what_they_belong_to_and_in_any_order() {
    let samples = [
        (0, 100),
        (14, 150),
        (16, 400),
        (29, 30),
        (31, 90),
        (31, 95),
        (46, 10),
    ];
    let told = |order: &[usize]| {
        let mut bench = Bench::new();
        for index in order {
            let (minute, count) = samples[*index];
            let values = json!({"bytes_sent": count, "packets_recv": count / 2});
            bench.tell(&sampled("network", MIDNIGHT + minute * MINUTE_NS, values));
        }
        rows(
            &mut bench,
            "SELECT quarter_at, bytes_sent, packets_recv FROM host_rollups \
             WHERE bytes_sent > 0 ORDER BY quarter_at",
            3,
        )
    };
    let in_order = told(&[0, 1, 2, 3, 4, 5, 6]);
    let quarter = |number: i64, bytes, packets| {
        vec![
            int(MIDNIGHT + number * 15 * MINUTE_NS),
            int(bytes),
            int(packets),
        ]
    };
    let expected = [quarter(0, 50, 25), quarter(1, 250, 125), quarter(2, 65, 32)];
    assert_eq!(in_order, expected);
    // Of one moment the one that came first is the earlier one.
    for order in [
        [6, 4, 5, 3, 2, 1, 0],
        [4, 0, 6, 5, 2, 1, 3],
        [2, 6, 0, 4, 1, 5, 3],
        [4, 5, 1, 3, 0, 2, 6],
    ] {
        assert_eq!(told(&order), expected, "{order:?}");
    }
}

#[test]
fn lines_are_counted_in_the_quarter_in_which_they_were_written() {
    let mut bench = Bench::new();
    let failed =
        |user: &str| json!({"action": "failed_login", "user": user, "ip_address": "203.0.113.9"});
    let ban = |ip: &str| json!({"action": "ban", "ip_address": ip});
    for (when, level, fields) in [
        (1, Level::Info, failed("root")),
        (2, Level::Info, failed("root")),
        (3, Level::Warning, failed("ada")),
        (3, Level::Warning, ban("203.0.113.9")),
        (80, Level::Warning, ban("203.0.113.9")),
        (80, Level::Warning, ban("2001:db8:0::9")),
        (81, Level::Error, json!({})),
        (
            82,
            Level::Critical,
            json!({"action": "restore_ban", "ip_address": "198.51.100.4"}),
        ),
        (
            -10,
            Level::Info,
            json!({"action": "login", "user": "bo", "ip_address": "192.0.2.7"}),
        ),
    ] {
        bench.tell(&line(MIDNIGHT + when * MINUTE_NS, level, fields));
    }
    let columns = [
        "log_events_count",
        "failed_login_count",
        "banned_ip_count",
        "error_count",
        "warning_count",
    ];
    let hour = |counts: [i64; 5]| counts.map(int).to_vec();
    assert_eq!(
        bench.view("hourly_aggregates", &columns),
        [
            hour([4, 0, 2, 2, 2]),
            hour([4, 3, 1, 0, 2]),
            hour([1, 0, 0, 0, 0])
        ]
    );
    let columns = [
        "day",
        "banned_ip_count",
        "unique_ips_banned",
        "unique_users_failed",
    ];
    assert_eq!(
        bench.view("daily_aggregates", &columns),
        [
            [int(MIDNIGHT), int(3), int(2), int(2)],
            [int(MIDNIGHT - DAY_NS), int(0), int(0), int(0)]
        ]
    );
    let days = rows(
        &mut bench,
        "SELECT date, banned_ip_count, unique_ips_banned, unique_users_failed, log_events_count \
         FROM daily_aggregates ORDER BY date DESC",
        5,
    );
    let day = |date: &str, counts: [i64; 4]| {
        let mut row = vec![text(date)];
        row.extend(counts.map(int));
        row
    };
    assert_eq!(
        days,
        [
            day("2026-11-20", [3, 2, 2, 8]),
            day("2026-11-19", [0, 0, 0, 1])
        ]
    );
}

#[test]
fn a_retained_line_or_sample_is_counted_nowhere() {
    let mut bench = Bench::new();
    let fields = json!({"ip_address": "203.0.113.9"});
    bench.tell(&retained(line(MIDNIGHT, Level::Error, fields)));
    bench.tell(&retained(sampled(
        "system",
        MIDNIGHT,
        json!({"cpu_percent": 9}),
    )));
    for table in [
        "SELECT count(*) FROM log_lines",
        "SELECT count(*) FROM system_samples",
        "SELECT count(*) FROM host_rollups",
        "SELECT count(*) FROM ip_reputations",
    ] {
        assert_eq!(bench.ints(table), [0], "{table}");
    }
}

#[test]
fn what_was_found_in_a_line_has_columns_and_the_rest_is_metadata() {
    let mut bench = Bench::new();
    let found = json!({
        "ip_address": "::ffff:203.0.113.9", "user": "o'neil-x.y", "service": "sshd",
        "action": "failed_login", "pid": 812, "port": "50022",
    });
    bench.tell(&line(MIDNIGHT, Level::Info, found));
    let odd = json!({"ip_address": "localhost", "user": 7, "action": "ban"});
    bench.tell(&line(MIDNIGHT + 1, Level::Info, odd));
    bench.tell(&line(
        MIDNIGHT + 2,
        Level::Info,
        json!({"ip_address": "2001:DB8:0:0::9"}),
    ));
    let told = rows(
        &mut bench,
        "SELECT ip_address, user, service, action, metadata FROM log_events ORDER BY position",
        5,
    );
    let metadata = r#"{"pid":812,"port":"50022"}"#;
    let first = [
        "203.0.113.9",
        "o'neil-x.y",
        "sshd",
        "failed_login",
        metadata,
    ]
    .map(text);
    let second = [
        Owned::Null,
        Owned::Null,
        Owned::Null,
        text("ban"),
        text(r#"{"ip_address":"localhost","user":7}"#),
    ];
    let third = [
        text("2001:db8::9"),
        Owned::Null,
        Owned::Null,
        Owned::Null,
        Owned::Null,
    ];
    assert_eq!(told, [first, second, third]);
}

fn listed(ip: &str, list: IpList) -> NewEvent {
    let ip = ip.parse().unwrap();
    at(MIDNIGHT + 9, &format!("ip/{ip}"), IpListed { ip, list })
}

#[test]
fn an_address_is_known_by_what_lines_lists_and_places_say() {
    let mut bench = Bench::new();
    for (step, action) in ["failed_login", "failed_login", "ban", "login", "found"]
        .into_iter()
        .enumerate()
    {
        let fields = json!({"ip_address": "203.0.113.9", "action": action});
        bench.tell(&line(MIDNIGHT - step as i64, Level::Info, fields));
    }
    let place = IpLocated {
        ip: "203.0.113.9".parse().unwrap(),
        country_code: Some("DE".into()),
        city: None,
        asn: Some("AS64500".into()),
    };
    bench.tell(&at(MIDNIGHT, "ip/203.0.113.9", place));
    let columns = [
        "type",
        "threat_score",
        "total_events",
        "failed_login_count",
        "banned_count",
        "successful_login_count",
        "first_seen_at",
        "last_seen_at",
        "country_code",
        "city",
    ];
    assert_eq!(
        bench.view("ip_reputation", &columns),
        [[
            text("public"),
            int(10 + 2 * 5 + 20),
            int(5),
            int(2),
            int(1),
            int(1),
            int(MIDNIGHT - 4),
            int(MIDNIGHT),
            text("DE"),
            Owned::Null
        ]]
    );
    let score = "SELECT threat_score FROM ip_reputations ORDER BY ip";
    bench.tell(&listed("203.0.113.9", IpList::Blacklist));
    assert_eq!(bench.ints(score), [100]);
    bench.tell(&listed("203.0.113.9", IpList::Whitelist));
    assert_eq!(bench.ints(score), [30]);
    bench.tell(&listed("203.0.113.9", IpList::None));
    assert_eq!(bench.ints(score), [40]);
    // Blocked before it ever came; what is on no list and never came is not known.
    bench.tell(&listed("::ffff:198.51.100.4", IpList::Blacklist));
    bench.tell(&listed("198.51.100.5", IpList::None));
    let known = rows(
        &mut bench,
        "SELECT ip, threat_score, first_seen FROM ip_reputation ORDER BY ip",
        3,
    );
    assert_eq!(known[0], [text("198.51.100.4"), int(90), Owned::Null]);
    assert_eq!(known.len(), 2);
}

fn trace(trigger: Trigger, cause: i64) -> NewEvent {
    let trace = TraceRecorded {
        trigger,
        subject: "jupiter".into(),
        host: "jupiter".into(),
        severity_score: 800,
        action: None,
        service: Some("sshd".into()),
        user: None,
        ip: None,
        root_cause: None,
        chain: vec![1],
        related_services: vec!["sshd".into()],
        error: (trigger == Trigger::Error).then(|| Box::new(ErrorFound::default())),
    };
    at(MIDNIGHT, "trace/x", trace)
        .with_text("It was notable")
        .caused_by(cause)
}

fn taken(trace: i64, count: usize) -> NewEvent {
    let connection = ConnectionSeen {
        protocol: "tcp".into(),
        state: "LISTEN".into(),
        local_ip: "192.0.2.1".parse().unwrap(),
        local_port: 22,
        remote_ip: "2001:db8::9".parse().unwrap(),
        remote_port: 0,
    };
    let taken = TraceSnapshotTaken {
        trace,
        processes: vec![ProcessSeen::default(); count],
        connections: vec![connection; count],
    };
    at(MIDNIGHT + 1, "trace/x", taken).caused_by(trace)
}

#[test]
fn a_trace_names_its_line_and_what_was_seen() {
    let mut bench = Bench::new();
    let about = bench.tell(&line(MIDNIGHT, Level::Error, json!({})));
    let bare = bench.tell(&trace(Trigger::Unauthorized, about));
    let full = bench.tell(&trace(Trigger::Error, about));
    bench.tell(&taken(full, 3));
    bench.tell(&taken(full, 2));
    let of_sample = bench.tell(&trace(Trigger::HighUsage, about));
    let told = rows(
        &mut bench,
        "SELECT id, event_id, source, level, message, severity_score, tracers_used \
         FROM event_traces ORDER BY id",
        7,
    );
    let row = |id, source: &str, level, message: &str, used: &str| {
        vec![
            int(id),
            int(about),
            text(source),
            level,
            text(message),
            int(100),
            text(used),
        ]
    };
    let level = || text("ERROR");
    let all_used = r#"["causality","processes","connections","error"]"#;
    assert_eq!(
        told,
        [
            row(bare, "auth", level(), "a line", r#"["causality"]"#),
            row(full, "auth", level(), "a line", all_used),
            row(
                of_sample,
                "jupiter",
                Owned::Null,
                "It was notable",
                r#"["causality"]"#
            ),
        ]
    );
    assert_eq!(
        bench.ints("SELECT count(*) FROM process_traces"),
        [2],
        "what was seen last"
    );
    assert_eq!(bench.ints("SELECT count(*) FROM network_traces"), [2]);
    assert_eq!(bench.ints("SELECT count(*) FROM error_traces"), [1]);
}

#[test]
fn what_belongs_to_a_line_that_is_gone_is_never_there() {
    let mut bench = Bench::new();
    let about = bench.tell(&line(MIDNIGHT, Level::Error, json!({})));
    let kept = bench.tell(&trace(Trigger::Error, about));
    bench.tell(&taken(kept, 1));
    bench.tell(&trace(Trigger::Error, 999));
    bench.tell(&taken(about, 1));
    bench.tell(&taken(999, 1));
    let children = "SELECT (SELECT count(*) FROM traces) + (SELECT count(*) FROM trace_processes) \
                    + (SELECT count(*) FROM trace_connections) + (SELECT count(*) FROM trace_errors)";
    assert_eq!(bench.ints(children), [4]);
}

#[test]
fn a_pattern_is_told_as_it_was_detected() {
    let mut bench = Bench::new();
    let found = PatternDetected {
        pattern: PatternType::IpSweep,
        subject: "203.0.113.9".into(),
        name: "Sweep".into(),
        services: vec!["sshd".into()],
        ips: vec!["203.0.113.9".parse().unwrap()],
        event_count: 5,
        severity: 101,
        started_at: MIDNIGHT,
        ended_at: MIDNIGHT + 90 * SECOND_NS,
        root_cause: None,
        grown_from: None,
        recommendations: vec!["Block it".into()],
    };
    bench.tell(&at(MIDNIGHT + HOUR_NS, "pattern/ip_sweep", found).with_text("Many names"));
    let told = rows(
        &mut bench,
        "SELECT pattern_type, description, affected_ips, severity, duration, recommendations \
         FROM trace_patterns",
        6,
    );
    assert_eq!(
        told,
        [[
            text("ip_sweep"),
            text("Many names"),
            text(r#"["203.0.113.9"]"#),
            int(100),
            Owned::Real(90.0),
            text(r#"["Block it"]"#)
        ]]
    );
}
