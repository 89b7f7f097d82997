//! The box's own health, as people ask for it, on tables that the folds filled from events.

mod bounds;
mod counting;

use serde_json::{Value, json};

use super::*;
use crate::base::clock::{DAY_NS, MINUTE_NS};
use crate::event::system::MetricsSampled;
use crate::event::trace::{
    ConnectionSeen, ErrorFound, IpList, IpListed, PatternDetected, PatternType, ProcessSeen,
    TraceRecorded, TraceSnapshotTaken, Trigger,
};

const V6: &str = "2001:db8:85a3:1111:2222:8a2e:370:7334";

fn line(ago_s: i64, source: &str, level: Level, text: &str, fields: &[(&str, &str)]) -> NewEvent {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)));
    let line = LogWritten {
        host: "heron".into(),
        source: source.into(),
        level,
        fields: fields.collect::<Extra>().into(),
    };
    let stream = format!("log/heron/{source}");
    NewEvent::own(NOW - ago_s * SECOND_NS, stream, line).with_text(text)
}

fn failed(ago_s: i64, ip: &str, user: &str) -> NewEvent {
    let text = format!("Failed password for {user} from {ip} port 40022 ssh2");
    let fields = [
        ("action", "failed_login"),
        ("ip_address", ip),
        ("user", user),
        ("service", "sshd"),
    ];
    line(ago_s, "auth", Level::Info, &text, &fields)
}

fn ban(ago_s: i64, ip: &str) -> NewEvent {
    let fields = [("action", "ban"), ("ip_address", ip), ("service", "sshd")];
    line(
        ago_s,
        "fail2ban",
        Level::Warning,
        &format!("NOTICE [sshd] Ban {ip}"),
        &fields,
    )
}

fn error(ago_s: i64, text: &str) -> NewEvent {
    line(ago_s, "nginx", Level::Error, text, &[("service", "nginx")])
}

fn sample(ago_s: i64, host: &str, group: &str, values: &Value) -> NewEvent {
    let values = values.as_object().unwrap().clone().into_iter().collect();
    let sample = MetricsSampled {
        host: host.into(),
        group: group.into(),
        values,
    };
    NewEvent::own(NOW - ago_s * SECOND_NS, format!("metrics/{host}"), sample)
}

fn system(ago_s: i64, cpu: Option<f64>) -> NewEvent {
    let mut values = json!({
        "memory_percent": 41.5, "disk_percent": 61.0, "disk_used": 30_000_000_000_i64,
        "disk_total": 100_000_000_000_i64, "load_1min": 0.5
    });
    if let Some(cpu) = cpu {
        values["cpu_percent"] = json!(cpu);
    }
    sample(ago_s, "heron", "system", &values)
}

fn network(ago_s: i64, bytes: i64) -> NewEvent {
    let values = json!({
        "bytes_sent": bytes, "bytes_recv": 2 * bytes, "packets_sent": bytes / 10,
        "packets_recv": bytes / 10, "errors_in": 0, "drops_in": 0, "connections_established": 3
    });
    sample(ago_s, "heron", "network", &values)
}

/// A bad night: brute force from one address, a slow one from another, a trusted backup that fails.
fn bad_night() -> House {
    let house = House::empty();
    let mut events: Vec<_> = (0..8)
        .map(|n| failed(3_000 - n * 20, "203.0.113.9", "root"))
        .collect();
    events.extend((0..6).map(|n| failed(30_000 - n * 3_600, V6, "x-y.z")));
    events.extend((0..7).map(|n| failed(2_000 - n, "192.0.2.10", "backup")));
    events.extend([ban(2_800, "203.0.113.9"), ban(2_700, "203.0.113.9")]);
    let listed = IpListed {
        ip: "192.0.2.10".parse().unwrap(),
        list: IpList::Whitelist,
    };
    events.push(NewEvent::own(NOW, "ip/192.0.2.10", listed));
    let fields = [
        ("action", "unauthorized"),
        ("user", "mara"),
        ("service", "sudo"),
    ];
    events.push(line(
        500,
        "auth",
        Level::Warning,
        "mara : user NOT in sudoers",
        &fields,
    ));
    house.store(events);
    house
}

fn run(house: &House, args: &[&str]) -> Ran {
    let ran = house.run(args);
    assert_eq!(ran.code, Exit::Ok, "{args:?}: {}{}", ran.error, ran.out);
    ran
}

fn object(house: &House, args: &[&str]) -> Value {
    let args: Vec<_> = args.iter().copied().chain(["--json"]).collect();
    let ran = run(house, &args);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

fn rows_of<'v>(value: &'v Value, part: &str) -> &'v Vec<Value> {
    value[part]["rows"].as_array().unwrap()
}

/// Every question, by its arguments; those that answer with one kind of row.
const QUESTIONS: &[&[&str]] = &[
    &["security", "counts"],
    &["security", "brute_force"],
    &["security", "bans"],
    &["security", "unauthorized"],
    &["security", "threats"],
    &["security", "users"],
    &["performance", "averages"],
    &["performance", "high_cpu"],
    &["performance", "high_memory"],
    &["performance", "disk"],
    &["performance", "network"],
    &["performance", "connections"],
    &["errors", "counts"],
    &["errors", "types"],
    &["errors", "spikes"],
    &["errors", "recurring"],
    &["errors", "sources"],
    &["health"],
    &["ips"],
    &["ips", "list", "--min-score", "5"],
    &["traces"],
    &["traces", "patterns"],
    &["aggregates", "hourly"],
    &["aggregates", "daily", "--local"],
    &["aggregates", "compare"],
    &["stats"],
    &["cleanup", "--dry-run"],
];

#[test]
fn empty_tables_are_no_error() {
    let house = House::empty();
    for question in QUESTIONS {
        run(&house, question);
    }
    for question in [["security"], ["performance"], ["errors"], ["report"]] {
        run(&house, &question);
        object(&house, &question);
    }
    assert!(run(&house, &["security"]).out.contains("nobody was banned"));
    assert!(run(&house, &["health"]).out.contains("nothing is known"));
    assert_eq!(object(&house, &["health"])["rows"][0]["score"], Value::Null);
}

#[test]
fn the_header_of_csv_is_the_keys_of_json_and_each_row_has_as_many_fields() {
    let house = bad_night();
    house.store(everything());
    for question in QUESTIONS {
        let csv: Vec<_> = question.iter().copied().chain(["--csv"]).collect();
        let csv = run(&house, &csv).out;
        let mut lines = csv.lines();
        let header: Vec<_> = lines.next().unwrap().split(',').collect();
        let value = object(&house, question);
        let rows = value.get("rows").or_else(|| value["tables"].get("rows"));
        let rows = rows.and_then(Value::as_array).unwrap();
        assert_eq!(lines.clone().count(), rows.len(), "{question:?}\n{csv}");
        for row in rows {
            let mut keys: Vec<_> = row
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let mut names = header.clone();
            keys.sort_unstable();
            names.sort_unstable();
            assert_eq!(keys, names, "{question:?}");
        }
        for row in lines {
            assert_eq!(fields(row), header.len(), "{question:?}: {row}");
        }
    }
}

/// Fields of a line of CSV without line breaks.
fn fields(line: &str) -> usize {
    let mut quoted = false;
    let is_comma = |letter: char| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    };
    line.matches(is_comma).count() + 1
}

/// One of everything that the other tests do not have.
fn everything() -> Vec<NewEvent> {
    let mut events: Vec<_> = (0..12)
        .map(|n| error(1_000 - n, &format!("upstream {n} refused")))
        .collect();
    for n in 0..40 {
        let (ago, odd) = (20_000 - n * 300, if n == 30 { 90.0 } else { 3.0 });
        events.push(system(
            ago,
            (n > 0).then_some(if n > 20 { 96.0 } else { 12.0 }),
        ));
        let mut values = json!({ "bytes_sent": n * 1_000, "packets_sent": n * 10 });
        values["connections_established"] = json!(odd as i64);
        events.push(sample(ago, "heron", "network", &values));
    }
    events
}

#[test]
fn brute_force_bans_threats_and_names_are_told() {
    let house = bad_night();
    let told = object(&house, &["security"]);
    let attempts = rows_of(&told, "brute_force");
    assert_eq!(attempts.len(), 3);
    let of = |ip: &str| attempts.iter().find(|row| row["ip"] == ip).unwrap();
    assert_eq!(of("203.0.113.9")["severity"], 85, "50 + 5 × 3 + 20");
    assert_eq!(
        (&of("203.0.113.9")["burst"], &of("203.0.113.9")["attempts"]),
        (&json!(true), &json!(8))
    );
    assert_eq!(
        (&of(V6)["severity"], &of(V6)["burst"]),
        (&json!(55), &json!(false))
    );
    assert_eq!(of("192.0.2.10")["list"], "whitelist");
    assert_eq!(rows_of(&told, "bans").len(), 2);
    assert_eq!(
        rows_of(&told, "unauthorized")[0]["message"],
        "mara : user NOT in sudoers"
    );
    // 10 + min(5 × 8, 30) + min(20 × 2, 40)
    let threats = rows_of(&told, "threats");
    assert_eq!(
        threats.len(),
        1,
        "a trusted address is no threat: {threats:?}"
    );
    assert_eq!(
        (&threats[0]["ip"], &threats[0]["stored_score"]),
        (&json!("203.0.113.9"), &json!(80))
    );
    assert!(threats[0]["score"].as_f64().unwrap() < 80.0);
    let users = rows_of(&told, "users");
    let names: Vec<_> = users
        .iter()
        .map(|row| row["user"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["root", "backup", "x-y.z"]);
    let shown = run(&house, &["security"]).out;
    assert!(shown.contains(V6), "whole: {shown}");
    assert!(run(&house, &["report"]).out.contains("203.0.113.9"));
}

#[test]
fn counts_stand_beside_those_of_the_period_before_and_trends_are_the_right_way_round() {
    let house = House::empty();
    house.store((0..30).map(|n| error(100 + n, "now")).collect());
    house.store((0..4).map(|n| error(25 * 3_600 + n, "then")).collect());
    house.store(
        (0..9)
            .map(|n| failed(26 * 3_600 + n, "203.0.113.9", "root"))
            .collect(),
    );
    let told = object(&house, &["errors"]);
    let row = &rows_of(&told, "counts")[1];
    assert_eq!(
        (&row["count"], &row["before"], &row["trend"]),
        (&json!(30), &json!(4), &json!("worse"))
    );
    let told = object(&house, &["security"]);
    let row = &rows_of(&told, "counts")[0];
    assert_eq!(
        (&row["count"], &row["before"], &row["trend"]),
        (&json!(0), &json!(9), &json!("better"))
    );
    let health = object(&house, &["health"]);
    let trend = |part: &str| {
        let rows = health["rows"].as_array().unwrap();
        rows.iter().find(|row| row["part"] == part).unwrap()["trend"].clone()
    };
    assert_eq!(
        (trend("errors"), trend("security")),
        (json!("worse"), json!("better"))
    );
    assert_eq!(trend("network"), "unknown");
}

#[test]
fn errors_are_told_by_source_by_likeness_and_by_spikes() {
    let house = House::empty();
    house.store(
        (0..12)
            .map(|n| error(5_000 + n, &format!("upstream 192.0.2.{n} refused")))
            .collect(),
    );
    house.store(vec![
        error(9_000, "something else"),
        line(8_000, "auth", Level::Warning, "odd", &[]),
    ]);
    let told = object(&house, &["errors"]);
    let recurring = rows_of(&told, "recurring");
    assert_eq!(
        (
            recurring.len(),
            &recurring[0]["count"],
            &recurring[0]["every_s"]
        ),
        (1, &json!(12), &json!(1.0))
    );
    assert_eq!(rows_of(&told, "spikes")[0]["errors"], 12);
    assert_eq!(rows_of(&told, "sources")[0]["lines"], 13);
    let told = object(
        &house,
        &["errors", "--level", "warning", "--source", "auth"],
    );
    assert_eq!(rows_of(&told, "sources").len(), 1);
    assert_eq!(rows_of(&told, "sources")[0]["source"], "auth");
    let told = object(&house, &["errors", "--level", "critical"]);
    assert!(rows_of(&told, "sources").is_empty());
    let told = object(&house, &["errors", "--until", "-2h", "--since", "-3h"]);
    assert_eq!(rows_of(&told, "sources")[0]["lines"], 1);
    let ran = house.run(&["errors", "--bucket", "5"]);
    assert_eq!(ran.code, Exit::Usage, "{}", ran.error);
}

#[test]
fn the_first_sample_without_processor_time_is_no_zero_and_no_error() {
    let house = House::empty();
    house.store(vec![
        system(900, None),
        system(600, Some(50.0)),
        system(300, Some(70.0)),
    ]);
    let told = object(&house, &["performance"]);
    let row = &rows_of(&told, "averages")[0];
    assert_eq!(
        (&row["samples"], &row["cpu_avg_pct"]),
        (&json!(3), &json!(60.0))
    );
    run(&house, &["report"]);
    let house = House::empty();
    house.store(vec![system(900, None)]);
    assert_eq!(
        rows_of(&object(&house, &["performance"]), "averages")[0]["cpu_avg_pct"],
        Value::Null
    );
    run(&house, &["report"]);
    run(&house, &["health"]);
}

#[test]
fn periods_of_high_use_and_odd_connections_are_found() {
    let house = House::empty();
    house.store(everything());
    let told = object(&house, &["performance"]);
    let periods = rows_of(&told, "high_cpu");
    assert_eq!((periods.len(), &periods[0]["samples"]), (1, &json!(19)));
    assert_eq!(periods[0]["duration_s"], json!(5_400.0));
    let told = object(&house, &["performance", "--threshold", "97"]);
    assert!(rows_of(&told, "high_cpu").is_empty());
    assert_eq!(rows_of(&told, "connections")[0]["connections"], json!(90.0));
    assert_eq!(
        house.run(&["performance", "--threshold", "101"]).code,
        Exit::Usage
    );
}

#[test]
fn totals_are_what_the_counters_gained() {
    let house = House::empty();
    // 1,000 + 1,100 + 1,200 would be 3,300.
    house.store(vec![
        network(3_000, 1_000),
        network(2_000, 1_100),
        network(1_000, 1_200),
    ]);
    let told = object(&house, &["performance"]);
    let row = &rows_of(&told, "network")[0];
    assert_eq!(
        (&row["bytes_sent"], &row["bytes_recv"]),
        (&json!(200), &json!(400))
    );
    let hours = object(&house, &["aggregates", "hourly"]);
    let sent = |row: &Value| row["total_bytes_sent"].as_i64().unwrap();
    assert_eq!(
        hours["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(sent)
            .sum::<i64>(),
        200
    );
    // The sample before the range is where counting begins.
    let told = object(&house, &["performance", "--since", "-1500s"]);
    assert_eq!(rows_of(&told, "network")[0]["bytes_sent"], 100);
}

#[test]
fn days_count_bans_and_each_address_and_name_once_and_empty_ones_are_shown_as_such() {
    let house = House::empty();
    let mut events: Vec<_> = (0..3).map(|n| ban(1_000 + n, "203.0.113.9")).collect();
    events.push(ban(990, V6));
    events.extend((0..5).map(|n| failed(1_000 + n * 1_000, "198.51.100.7", "root")));
    let fields = [
        ("action", "login"),
        ("ip_address", "192.0.2.4"),
        ("user", "ilse"),
    ];
    events.push(line(
        100,
        "auth",
        Level::Info,
        "Accepted password for ilse",
        &fields,
    ));
    house.store(events);
    let days = object(
        &house,
        &[
            "aggregates",
            "daily",
            "--since",
            "2026-11-18",
            "--until",
            "2026-11-21",
        ],
    );
    let days = days["rows"].as_array().unwrap();
    assert_eq!(days.len(), 3);
    let today = &days[0];
    assert_eq!(
        (&today["banned_ip_count"], &today["unique_ips_banned"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(
        (&today["failed_login_count"], &today["unique_users_failed"]),
        (&json!(5), &json!(1))
    );
    assert_eq!(
        (&days[1]["empty"], &days[1]["log_events_count"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(days[1]["avg_cpu_percent"], Value::Null);
    let two = house.run(&["aggregates", "hourly", "--limit", "2"]);
    assert!(two.out.contains("the first 2 of more"), "{}", two.out);
    let none = object(&house, &["aggregates", "daily", "--host", "wren"]);
    assert!(
        none["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["empty"] == true)
    );
}

#[test]
fn a_comparison_finds_a_wrong_sum_and_nothing_else() {
    let mut house = bad_night();
    house.store(everything());
    // A late one among them, and a counter that began anew.
    house.store(vec![
        network(2_900, 1_050),
        network(2_500, 10),
        network(2_700, 1_075),
    ]);
    let week = ["aggregates", "compare", "--since", "-7d"];
    let whole = run(&house, &week);
    assert!(whole.out.contains("no difference"), "{}", whole.out);
    house.change(&[
        "UPDATE host_rollups SET bans = bans + 1 WHERE bans > 0",
        "DELETE FROM host_uniques WHERE what = 'failed_user' AND value = 'x-y.z'",
    ]);
    let ran = house.run(&["aggregates", "compare", "--since", "-7d", "--json"]);
    assert_eq!(ran.code, Exit::ProblemsFound);
    assert!(ran.error.contains("rebuild"), "{}", ran.error);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let what: std::collections::BTreeSet<_> = told["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        what.into_iter().collect::<Vec<_>>(),
        ["banned_ip_count", "failed_user x-y.z"]
    );
}

#[test]
fn an_address_is_trusted_blocked_and_forgotten() {
    let mut house = bad_night();
    house.stop();
    let score = |house: &House, ip: &str| {
        object(house, &["ips", "show", ip])["score"]
            .as_f64()
            .unwrap()
    };
    assert!(score(&house, "203.0.113.9") > 70.0);
    let ran = run(
        &house,
        &[
            "ips",
            "trust",
            "::ffff:203.0.113.9",
            "--because",
            "our own test",
        ],
    );
    assert!(ran.out.starts_with("203.0.113.9 is trusted"), "{}", ran.out);
    let told = object(&house, &["security"]);
    assert!(rows_of(&told, "threats").is_empty());
    run(&house, &["ips", "block", V6]);
    assert!(score(&house, V6) >= 90.0);
    run(&house, &["ips", "forget-list", V6]);
    assert!(score(&house, V6) < 70.0);
    let shown = run(&house, &["ips", "show", V6]).out;
    assert!(shown.contains("Failed password for x-y.z"), "{shown}");
    assert!(run(&house, &["ips"]).out.contains("whitelist"));
    assert_eq!(
        house.run(&["ips", "show", "192.0.2.200"]).code,
        Exit::NoInput
    );
    assert_eq!(house.run(&["ips", "trust", "heron"]).code, Exit::Usage);
    let told = run(
        &house,
        &[
            "sql",
            "SELECT text FROM event_log ORDER BY position DESC LIMIT 3",
        ],
    );
    assert!(told.out.contains("our own test"), "{}", told.out);
}

#[test]
fn a_score_is_shown_as_it_is_by_now_beside_the_stored_one() {
    let house = House::empty();
    let week = 7 * DAY_NS / SECOND_NS;
    let mut events: Vec<_> = (0..6)
        .map(|n| failed(week + n, "203.0.113.9", "root"))
        .collect();
    events.extend([ban(week + 1, "203.0.113.9"), ban(week, "203.0.113.9")]);
    house.store(events);
    let one = object(&house, &["ips", "show", "203.0.113.9"]);
    assert_eq!(
        (&one["stored_score"], &one["score"]),
        (&json!(80), &json!(45.0))
    );
    assert_eq!(one["high_threat"], false);
    assert!(rows_of(&object(&house, &["security"]), "threats").is_empty());
}

/// A line, its trace with all that belongs to it, and a pattern.
fn traced(house: &House, ago_s: i64) -> i64 {
    let head = |house: &House| -> i64 {
        let told = object(house, &["sql", "SELECT max(position) AS n FROM event_log"]);
        told["rows"][0]["n"].as_i64().unwrap()
    };
    house.store(vec![
        failed(ago_s + 5, "203.0.113.9", "root"),
        ban(ago_s, "203.0.113.9"),
    ]);
    let line = head(house);
    let trace = TraceRecorded {
        trigger: Trigger::Ban,
        subject: "203.0.113.9".into(),
        host: "heron".into(),
        severity_score: 50,
        action: Some("ban".into()),
        service: Some("sshd".into()),
        user: None,
        ip: "203.0.113.9".parse().ok(),
        root_cause: Some("1 failed login before it".into()),
        chain: vec![line - 1],
        related_services: vec!["sshd".into()],
        error: Some(Box::new(ErrorFound {
            error_type: "connection_refused".into(),
            category: "network".into(),
            hints: vec!["nothing listens there".into()],
            ..ErrorFound::default()
        })),
    };
    let at = NOW - ago_s * SECOND_NS;
    let trace = NewEvent::own(at, "trace/ban", trace).caused_by(line);
    house.store(vec![trace.with_text("203.0.113.9 was banned on heron")]);
    let trace = head(house);
    let snapshot = TraceSnapshotTaken {
        trace,
        processes: vec![ProcessSeen {
            pid: 812,
            name: "sshd".into(),
            cmdline: "sshd: root [priv]".into(),
            state: "S".into(),
            ..ProcessSeen::default()
        }],
        connections: vec![ConnectionSeen {
            protocol: "tcp".into(),
            state: "ESTABLISHED".into(),
            local_ip: "192.0.2.1".parse().unwrap(),
            local_port: 22,
            remote_ip: "203.0.113.9".parse().unwrap(),
            remote_port: 40_022,
        }],
    };
    let pattern = PatternDetected {
        pattern: PatternType::BruteForce,
        subject: "203.0.113.9".into(),
        name: "Brute force".into(),
        services: vec!["sshd".into()],
        ips: vec!["203.0.113.9".parse().unwrap()],
        event_count: 8,
        severity: 85,
        started_at: at - MINUTE_NS,
        ended_at: at,
        root_cause: None,
        grown_from: None,
        recommendations: vec!["ban it".into()],
    };
    let snapshot = NewEvent::own(at, "trace/ban", snapshot).caused_by(trace);
    let pattern = NewEvent::own(at, "pattern/brute_force", pattern).caused_by(line);
    house.store(vec![
        snapshot,
        pattern.with_text("8 failed logins of 203.0.113.9"),
    ]);
    trace
}

#[test]
fn a_trace_is_shown_with_its_real_causes_processes_and_connections() {
    let house = House::empty();
    let id = traced(&house, 600).to_string();
    let shown = run(&house, &["traces", "show", &id]).out;
    for told in [
        "Failed password for root from 203.0.113.9",
        "NOTICE [sshd] Ban 203.0.113.9",
        "sshd: root [priv]",
        "40022",
        "connection_refused",
        "1 failed login before it",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let told = object(&house, &["traces", "show", &id]);
    assert_eq!(rows_of(&told, "chain").len(), 2);
    assert_eq!(told["error"]["error_type"], "connection_refused");
    assert_eq!(rows_of(&told, "processes")[0]["pid"], 812);
    let list = object(
        &house,
        &["traces", "list", "--trigger", "ban", "--ip", "203.0.113.9"],
    );
    assert_eq!(list["rows"][0]["id"].to_string(), id);
    let none = object(&house, &["traces", "list", "--min-severity", "51"]);
    assert!(none["rows"].as_array().unwrap().is_empty());
    let patterns = object(&house, &["traces", "patterns", "--type", "brute_force"]);
    assert_eq!(
        patterns["rows"][0]["description"],
        "8 failed logins of 203.0.113.9"
    );
    assert_eq!(
        rows_of(&object(&house, &["errors"]), "types")[0]["type"],
        "connection_refused"
    );
    assert_eq!(house.run(&["traces", "show", "999999"]).code, Exit::NoInput);
}

#[test]
fn pages_of_traces_follow_each_other() {
    let house = House::empty();
    let ids = [
        traced(&house, 900),
        traced(&house, 600),
        traced(&house, 300),
    ];
    let page = house.run(&["traces", "list", "--limit", "2", "--json"]);
    let told: Value = serde_json::from_str(&page.out).unwrap();
    assert_eq!(
        (told["rows"].as_array().unwrap().len(), &told["more"]),
        (2, &json!(true))
    );
    assert!(
        page.messages.contains(&format!("--before {}", ids[1])),
        "{}",
        page.messages
    );
    let next = object(&house, &["traces", "list", "--before", &ids[1].to_string()]);
    assert_eq!(next["rows"].as_array().unwrap().len(), 1);
    assert_eq!(next["rows"][0]["id"], ids[0]);
}

#[test]
fn cleanup_takes_traces_with_their_children_and_leaves_no_orphan() {
    let mut house = House::empty();
    for n in 0..4 {
        traced(&house, 40 * 86_400 + n);
    }
    traced(&house, 60);
    let dry = run(&house, &["cleanup", "--dry-run"]);
    assert!(
        dry.out.contains("log_lines") && dry.messages.contains("would go"),
        "{}",
        dry.out
    );
    house.stop();
    // A run takes a tenth of each table at most.
    for _ in 0..40 {
        run(&house, &["cleanup"]);
    }
    let told = run(&house, &["cleanup", "--dry-run"]);
    assert!(
        told.messages.contains("0 rows would go"),
        "{}",
        told.messages
    );
    let count = |sql: &str| {
        object(&house, &["sql", sql])["rows"][0]["n"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(count("SELECT count(*) AS n FROM traces"), 1);
    assert_eq!(count("SELECT count(*) AS n FROM log_lines"), 2);
    for (sql, table) in [
        (
            "SELECT count(*) AS n FROM trace_processes WHERE trace_id NOT IN (SELECT id FROM traces)",
            "trace_processes",
        ),
        (
            "SELECT count(*) AS n FROM trace_connections WHERE trace_id NOT IN (SELECT id FROM traces)",
            "trace_connections",
        ),
        (
            "SELECT count(*) AS n FROM trace_errors WHERE trace_id NOT IN (SELECT id FROM traces)",
            "trace_errors",
        ),
        (
            "SELECT count(*) AS n FROM traces WHERE line NOT IN (SELECT position FROM log_lines)",
            "traces",
        ),
        ("SELECT count(*) AS n FROM pragma_foreign_key_check", "all"),
    ] {
        assert_eq!(count(sql), 0, "{table}");
    }
    // What the event log still knows is told with an old trace's number as well.
    run(&house, &["aggregates", "compare", "--since", "-60d"]);
}

#[test]
fn days_below_zero_are_refused() {
    let house = House::empty();
    let config = house.path().join("nightjar.toml");
    for age in ["-5d", "0d", "-1h"] {
        let text = format!("[tables.log_lines]\nmax_age = \"{age}\"\n");
        std::fs::File::create(&config)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let ran = house.run(&["cleanup", "--dry-run"]);
        assert_eq!(ran.code, Exit::Config, "{age}: {}", ran.error);
    }
}

#[test]
fn what_is_cut_says_so() {
    let house = House::empty();
    house.store(
        (0..30)
            .map(|n| ban(100 + n, &format!("203.0.113.{n}")))
            .collect(),
    );
    let told = object(&house, &["security"]);
    assert_eq!(
        (rows_of(&told, "bans").len(), &told["bans"]["more"]),
        (20, &json!(true))
    );
    let shown = run(&house, &["security", "--limit", "7"]).out;
    assert!(
        shown.contains("(the first 7 of more; --limit shows them)"),
        "{shown}"
    );
    let csv = run(&house, &["security", "bans", "--csv", "--limit", "30"]);
    assert_eq!((csv.out.lines().count(), csv.messages.as_str()), (31, ""));
    let csv = run(&house, &["security", "bans", "--csv"]);
    assert!(
        csv.messages.contains("the first 20 of more"),
        "{}",
        csv.messages
    );
    let ran = house.run(&["security", "--csv"]);
    assert!(
        ran.code == Exit::Usage && ran.error.contains("name one part"),
        "{}",
        ran.error
    );
    let ran = house.run(&["security", "--since", "now", "--until", "-1h"]);
    assert_eq!(ran.code, Exit::Usage);
}

#[test]
fn machines_and_sources_are_told_apart() {
    let house = bad_night();
    let other = sample(100, "wren", "system", &json!({ "cpu_percent": 5.0 }));
    house.store(vec![other, system(100, Some(50.0))]);
    let told = object(&house, &["performance", "--host", "wren"]);
    let hosts: Vec<_> = rows_of(&told, "averages")
        .iter()
        .map(|row| row["host"].clone())
        .collect();
    assert_eq!(hosts, ["wren"]);
    let told = object(&house, &["security", "--host", "wren"]);
    assert!(rows_of(&told, "brute_force").is_empty());
    for source in ["sshd", "fail2ban"] {
        let told = object(&house, &["security", "--source", source]);
        assert_eq!(rows_of(&told, "bans").len(), 2, "{source}");
    }
    assert!(rows_of(&object(&house, &["security", "--source", "nginx"]), "bans").is_empty());
}

#[test]
fn stats_count_as_many_rows_as_there_are() {
    let house = bad_night();
    house.store(everything());
    traced(&house, 60);
    house.store(vec![error(2 * 86_400, "an old one")]);
    let told = object(&house, &["stats"]);
    let tables = rows_of(&told, "tables");
    assert!(tables.len() > 40);
    for table in tables {
        let name = table["name"].as_str().unwrap();
        let counted = object(
            &house,
            &["sql", &["SELECT count(*) AS n FROM ", name].concat()],
        );
        assert_eq!(table["rows"], counted["rows"][0]["n"], "{name}");
    }
    let lines = tables
        .iter()
        .find(|table| table["name"] == "log_lines")
        .unwrap();
    assert_eq!(lines["oldest_at"], "2026-11-18T03:12:07.000Z");
    assert!(lines["index_bytes"].as_i64().unwrap() > 0);
    assert!(told["file_bytes"].as_i64().unwrap() > 0);
    let shown = run(&house, &["stats", "--indexes"]).out;
    assert!(shown.contains("log_lines_by_time"), "{shown}");
}

#[test]
fn the_report_has_every_chapter_in_every_format() {
    let house = bad_night();
    house.store(everything());
    traced(&house, 60);
    let text = run(&house, &["report", "--text"]).out;
    for heading in [
        "Health:",
        "── Security",
        "── Performance",
        "── Errors",
        "── Traces",
        "Brute force",
    ] {
        assert!(text.contains(heading), "{heading}: {text}");
    }
    let told = object(&house, &["report"]);
    assert_eq!(rows_of(&told["security"], "bans").len(), 3);
    assert!(!rows_of(&told["traces"], "patterns").is_empty());
    let csv = run(&house, &["report", "--csv"]).out;
    assert!(csv.starts_with("part,row,column,value\n"), "{csv}");
    assert!(csv.contains("\nsecurity.brute_force,0,ip,"), "{csv}");
    for line in csv.lines() {
        assert_eq!(fields(line), 4, "{line}");
    }
}
