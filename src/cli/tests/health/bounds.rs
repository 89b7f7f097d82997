//! What answers leave out, and that they say so: of one machine or source, of more lines than are
//! looked at, of times that are too short or gone.

use std::sync::Arc;

use super::*;

/// A line as [`line`] makes it, of another machine.
fn of_host(host: &str, event: NewEvent) -> NewEvent {
    let Event::LogWritten(line) = event.event else {
        panic!("no line")
    };
    let stream = format!("log/{host}/{}", line.source);
    let line = LogWritten {
        host: host.into(),
        ..line
    };
    NewEvent::own(event.occurred_at, stream, line).with_text("a line of another machine")
}

fn head(house: &House) -> i64 {
    let told = object(house, &["sql", "SELECT max(position) AS n FROM event_log"]);
    told["rows"][0]["n"].as_i64().unwrap()
}

#[test]
fn failed_logins_of_many_addresses_are_told_apart() {
    let house = House::empty();
    let mut events = Vec::new();
    for n in 0..40 {
        // Each address once in each round; every fourth is quick, every fifth gives up early.
        for address in (0..20).filter(|address| n < 4 || address % 5 > 0) {
            let ago = if address % 4 == 0 { n } else { n * 100 };
            let ip = format!("203.0.113.{address}");
            events.push(failed(10 + ago, &ip, &format!("user{}", n % (address + 1))));
        }
    }
    let mut other = failed(7, "203.0.113.19", "user0");
    if let Event::LogWritten(line) = &mut other.event {
        Arc::make_mut(&mut line.fields).insert("service".into(), json!("vsftpd"));
    }
    events.push(other);
    house.store(events);
    let told = object(&house, &["security", "brute_force", "--limit", "100"]);
    let rows = told["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 16, "four gave up after the fourth");
    let of = |address: i64| {
        let ip = format!("203.0.113.{address}");
        rows.iter().find(|row| row["ip"] == *ip).unwrap()
    };
    assert_eq!(
        (&of(4)["burst"], &of(3)["burst"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&of(4)["attempts"], &of(4)["users"]),
        (&json!(40), &json!(5))
    );
    let last = of(19);
    assert_eq!(
        (&last["attempts"], &last["services"]),
        (&json!(41), &json!("sshd vsftpd"))
    );
    assert_eq!(last["last_at"], "2026-11-20T03:12:00.000Z");
    assert_eq!(rows[0]["ip"], "203.0.113.19", "the most of equal severity");
    let few = object(&house, &["security", "--limit", "2"]);
    assert_eq!(
        (rows_of(&few, "brute_force"), &few["brute_force"]["more"]),
        (&rows[..2].to_vec(), &json!(true))
    );
    assert_eq!(
        (rows_of(&few, "users").len(), &few["users"]["more"]),
        (2, &json!(true))
    );
    let user = &rows_of(&few, "users")[0];
    assert_eq!((&user["user"], &user["ips"]), (&json!("user0"), &json!(20)));
    let health = run(&house, &["health"]).out;
    assert!(
        health.contains("16 addresses with brute force a day"),
        "{health}"
    );
}

#[test]
fn more_errors_than_are_looked_at_are_said_to_be_and_all_are_counted() {
    let mut house = House::empty();
    house.store(vec![error(1, "the newest")]);
    house.change(&["INSERT INTO log_lines (position, at, level, source) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) \
         SELECT l.position + i, l.at - i * 1000000, l.level, l.source FROM n, log_lines l"]);
    let said = "only the newest 200,000 lines were looked at";
    let shown = run(&house, &["errors"]).out;
    assert!(shown.contains(said), "{shown}");
    let told = object(&house, &["errors"]);
    let note = told["recurring"]["note"].as_str().unwrap();
    assert!(note.starts_with(said), "{note}");
    assert_eq!(rows_of(&told, "sources")[0]["lines"], 200_001);
    let spikes = rows_of(&told, "spikes");
    let spiked = spikes.iter().map(|row| row["errors"].as_i64().unwrap());
    assert_eq!(spiked.sum::<i64>(), 200_001);
    let csv = run(&house, &["errors", "recurring", "--csv"]);
    assert!(csv.messages.contains(said), "{}", csv.messages);
    let report = run(&house, &["report"]).out;
    assert!(report.contains(said), "{report}");
    let report = object(&house, &["report"]);
    assert!(
        report["errors"]["recurring"]["note"]
            .as_str()
            .unwrap()
            .starts_with(said)
    );
    let csv = run(&house, &["report", "--csv"]);
    let note = format!("errors.recurring: {said}");
    assert!(csv.messages.contains(&note), "{}", csv.messages);
    let few = object(&house, &["errors", "--since", "-10s"]);
    assert_eq!(few["recurring"]["note"], Value::Null);
}

/// Everything bad on heron, and one ban and one error on wren.
fn two_machines() -> House {
    let house = bad_night();
    house.store(everything());
    traced(&house, 600);
    let wren = [
        ban(400, "198.51.100.7"),
        ban(390, "198.51.100.7"),
        ban(380, "198.51.100.7"),
    ];
    house.store(wren.map(|event| of_host("wren", event)).into());
    let listed = IpListed {
        ip: "198.51.100.7".parse().unwrap(),
        list: IpList::Blacklist,
    };
    house.store(vec![
        NewEvent::own(NOW, "ip/198.51.100.7", listed),
        of_host("wren", error(300, "no space")),
    ]);
    let line = head(&house);
    let trace = TraceRecorded {
        trigger: Trigger::Error,
        subject: "wren/nginx/no_space".into(),
        host: "wren".into(),
        severity_score: 60,
        action: None,
        service: Some("nginx".into()),
        user: None,
        ip: None,
        root_cause: None,
        chain: Vec::new(),
        related_services: Vec::new(),
        error: Some(Box::new(ErrorFound {
            error_type: "no_space".into(),
            category: "disk".into(),
            ..ErrorFound::default()
        })),
    };
    let pattern = PatternDetected {
        pattern: PatternType::ErrorBurst,
        subject: "wren/nginx".into(),
        name: "Burst of errors".into(),
        services: vec!["nginx".into()],
        ips: Vec::new(),
        event_count: 10,
        severity: 60,
        started_at: NOW,
        ended_at: NOW,
        root_cause: None,
        grown_from: None,
        recommendations: Vec::new(),
    };
    house.store(vec![
        NewEvent::own(NOW, "trace/error", trace).caused_by(line),
        NewEvent::own(NOW, "pattern/error_burst", pattern).caused_by(line),
        sample(100, "wren", "system", &json!({ "cpu_percent": 5.0 })),
    ]);
    house
}

#[test]
fn no_part_of_a_report_of_one_machine_tells_of_another() {
    let house = two_machines();
    let all = run(&house, &["report", "--json"]).out;
    for told in [
        "203.0.113.9",
        "192.0.2.10",
        "heron",
        "wren",
        "connection_refused",
        "no_space",
    ] {
        assert!(all.contains(told), "{told}: {all}");
    }
    let wren = run(&house, &["report", "--json", "--host", "wren"]).out;
    for told in [
        "203.0.113.9",
        "192.0.2.10",
        V6,
        "heron",
        "connection_refused",
        "mara",
    ] {
        assert!(!wren.contains(told), "{told}: {wren}");
    }
    for told in ["198.51.100.7", "no_space", "Burst of errors"] {
        assert!(wren.contains(told), "{told}: {wren}");
    }
    let heron = run(&house, &["report", "--json", "--host", "heron"]).out;
    for told in ["198.51.100.7", "wren", "no_space"] {
        assert!(!heron.contains(told), "{told}: {heron}");
    }
    let of = |host: &str| run(&house, &["health", "--host", host]).out;
    assert!(of("wren").contains("1 address is a high threat"));
    assert_eq!(of("heron").matches("is a high threat").count(), 1);
}

#[test]
fn a_report_of_one_source_leaves_out_what_has_none_and_says_so() {
    let house = two_machines();
    let told = object(&house, &["report", "--source", "nginx"]);
    assert!(rows_of(&told["security"], "threats").is_empty());
    let types = rows_of(&told["errors"], "types");
    assert_eq!((types.len(), &types[0]["type"]), (1, &json!("no_space")));
    assert_eq!(rows_of(&told["traces"], "traces").len(), 1);
    assert_eq!(
        rows_of(&told["traces"], "patterns")[0]["type"],
        "error_burst"
    );
    assert!(rows_of(&told["performance"], "averages").is_empty());
    let said = "samples are of a machine, not of a source: --source leaves them out";
    assert_eq!(told["performance"]["averages"]["note"], said);
    assert_eq!(told["health"]["note"], said);
    // The line of the trace is of the file fail2ban, its program is sshd.
    for source in ["sshd", "fail2ban"] {
        let told = object(&house, &["report", "--source", source]);
        let types = rows_of(&told["errors"], "types");
        assert_eq!(types[0]["type"], "connection_refused", "{source}");
        assert_eq!(rows_of(&told["traces"], "traces").len(), 1, "{source}");
        assert_eq!(rows_of(&told["traces"], "patterns").len(), 1, "{source}");
    }
    let shown = run(&house, &["health", "--source", "sshd"]).out;
    assert!(shown.contains(said), "{shown}");
    let ran = house.run(&["performance", "--source", "sshd"]);
    assert_eq!(
        (ran.code, ran.error.contains(said)),
        (Exit::Usage, true),
        "{}",
        ran.error
    );
}

#[test]
fn growth_is_told_by_when_events_were_stored_and_not_before_six_hours() {
    let mut house = bad_night();
    // Old lines are read in today.
    house.store(
        (0..50)
            .map(|n| error(40 * 86_400 + n, "long ago"))
            .collect(),
    );
    let told = object(&house, &["stats"]);
    assert_eq!(
        (&told["events_per_day"], &told["days_left"]),
        (&json!(null), &json!(null))
    );
    let shown = run(&house, &["stats"]).out;
    assert!(shown.contains("not yet known"), "{shown}");
    let events = head(&house);
    house.change(&["UPDATE batches SET committed_at = committed_at - 43200000000000"]);
    let told = object(&house, &["stats"]);
    assert_eq!(
        (&told["events_per_day"], &told["growth_days"]),
        (&json!(2 * events), &json!(0.5))
    );
    assert!(told["days_left"].as_i64().unwrap() > 0);
    let shown = run(&house, &["stats"]).out;
    let said = format!(
        "Over the last 12 hours it grew by {} events a day",
        2 * events
    );
    assert!(
        shown.contains(&said) && shown.contains(" left.\n"),
        "{shown}"
    );
    // The first batch goes back beyond the fourteen days.
    house.change(&[
        "UPDATE batches SET committed_at = committed_at - 2592000000000000 \
         WHERE first_position = 1",
    ]);
    let shown = run(&house, &["stats"]).out;
    assert!(shown.contains("Over the last 14 days"), "{shown}");
}

#[test]
fn a_disk_is_not_said_to_be_full_tonight_after_one_copied_file() {
    let used = |ago_s, used: i64| {
        let values = json!({ "disk_used": used, "disk_total": 1_000_000, "disk_percent": 1.0 });
        sample(ago_s, "heron", "system", &values)
    };
    let house = House::empty();
    house.store(vec![used(21_599, 1_000), used(0, 500_000)]);
    let told = object(&house, &["performance"]);
    let disk = &rows_of(&told, "disk")[0];
    assert_eq!(
        (&disk["growth_bytes_per_day"], &disk["days_left"]),
        (&Value::Null, &Value::Null)
    );
    let shown = run(&house, &["performance", "disk"]).out;
    assert!(shown.contains("not yet known"), "{shown}");
    house.store(vec![used(21_600, 0)]);
    let told = object(&house, &["performance"]);
    let disk = &rows_of(&told, "disk")[0];
    assert_eq!(
        (&disk["growth_bytes_per_day"], &disk["days_left"]),
        (&json!(2_000_000), &json!(0.25))
    );
    assert_eq!(told["disk"]["note"], Value::Null);
}

#[test]
fn the_next_page_of_traces_comes_though_the_last_one_was_let_go() {
    let mut house = House::empty();
    let ids = [
        traced(&house, 900),
        traced(&house, 600),
        traced(&house, 300),
    ];
    house.change(&[
        "DELETE FROM traces WHERE at = (SELECT at FROM traces ORDER BY at LIMIT 1 OFFSET 1)",
    ]);
    let next = object(&house, &["traces", "list", "--before", &ids[1].to_string()]);
    let rows = next["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["id"]), (1, &json!(ids[0])));
}
