//! `search`, `patterns` and the conditions of `query events`, on what the real writer stored.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::event::message::Unmapped;

use super::*;

fn line(ago_s: i64, source: &str, level: Level, text: &str) -> NewEvent {
    let line = LogWritten {
        host: "heron".into(),
        source: source.into(),
        level,
        fields: Arc::default(),
    };
    let stream = format!("log/heron/{source}");
    NewEvent::own(NOW - ago_s * SECOND_NS, stream, line).with_text(text)
}

fn failed(ago_s: i64, port: u32) -> NewEvent {
    let text = format!("Failed password for mara from 203.0.113.9 port {port} ssh2");
    line(ago_s, "sshd", Level::Warning, &text)
}

/// The quiet night, and lines after it.
fn house() -> House {
    let house = House::new();
    house.store(vec![
        failed(50, 40_022),
        failed(40, 40_023),
        line(
            30,
            "nginx",
            Level::Error,
            "upstream timed out (110: Connection timed out)",
        ),
        line(
            20,
            "nginx",
            Level::Info,
            "configuration \u{1b}[31mreloaded\u{1b}[0m by mara",
        ),
    ]);
    house
}

fn rows(text: &str) -> Vec<Value> {
    let object: Value = serde_json::from_str(text).unwrap();
    object["rows"].as_array().unwrap().clone()
}

fn positions(house: &House, args: &[&str]) -> Vec<i64> {
    let ran = house.run(&[args, &["--json"]].concat());
    assert_eq!(ran.code, Exit::Ok, "{args:?}: {}", ran.error);
    let rows = rows(&ran.out);
    rows.iter()
        .map(|row| row["position"].as_i64().unwrap())
        .collect()
}

#[test]
fn search_shows_lines_and_moments_and_nothing_steers_the_terminal() {
    let house = house();
    let ran = house.run(&["search", "mara"]);
    let expected = "\
2026-11-20 03:11:47  INFO      log/heron/nginx       configuration ␛[31mreloaded␛[0m by mara
2026-11-20 03:11:27  WARNING   log/heron/sshd        Failed password for mara from 203.0.113.9 port 40023 ssh2
2026-11-20 03:11:17  WARNING   log/heron/sshd        Failed password for mara from 203.0.113.9 port 40022 ssh2
";
    assert_eq!(
        (ran.out.as_str(), ran.code),
        (expected, Exit::Ok),
        "{}",
        ran.error
    );
    assert_eq!(ran.messages, "");
    let moments = house.run(&["search", "front", "doors"]);
    assert_eq!(moments.out.lines().count(), 2, "{}", moments.out);
    assert!(moments.out.contains("sensor/front_door"), "{}", moments.out);
    let none = house.run(&["search", "zeppelin"]);
    assert_eq!(
        (none.out.as_str(), none.code),
        ("nothing was found\n", Exit::Ok)
    );
    assert_eq!(house.run(&["search", "\"\""]).out, "nothing was found\n");
}

#[test]
fn what_was_searched_for_is_set_off_where_there_are_colours() {
    let house = house();
    for (args, expected) in [
        (
            &["fail", "passwords"][..],
            "\u{1b}[31mFailed password\u{1b}[0m for mara",
        ),
        (
            &["--exact", "ssword"],
            "Failed pa\u{1b}[31mssword\u{1b}[0m for mara",
        ),
    ] {
        let ran = house.run(&[&["search", "--color", "always"], args].concat());
        assert!(ran.out.contains(expected), "{}", ran.out);
        let plain = house.run(&[&["search"], args].concat());
        assert!(!plain.out.contains('\u{1b}'), "{}", plain.out);
    }
    let hostile = house.run(&["search", "--color", "always", "--exact", "reloaded"]);
    let expected = "configuration ␛[31m\u{1b}[31mreloaded\u{1b}[0m␛[0m by mara";
    assert!(hostile.out.contains(expected), "{}", hostile.out);
}

#[test]
fn search_takes_words_or_characters_a_range_and_pages() {
    let house = house();
    for (args, expected) in [
        (&["failed", "password"][..], &[14, 13, 8][..]),
        (&["failed password for mara"], &[14, 13]),
        (&["ssword"], &[]),
        (&["--exact", "ssword"], &[14, 13, 8]),
        (&["--exact", "failed"], &[]),
        (&["failed", "--since", "-1min"], &[14, 13]),
        (&["failed", "--until", "-1min"], &[8]),
        (&["failed", "--before", "14"], &[13, 8]),
        (&["failed", "--limit", "1"], &[14]),
        (&["failed OR timed"], &[]),
        (&["timed*"], &[15]),
    ] {
        assert_eq!(
            positions(&house, &[&["search"], args].concat()),
            expected,
            "{args:?}"
        );
    }
    let first = house.run(&["search", "failed", "--limit", "2"]);
    assert_eq!(
        first.messages,
        "nightjar: there are more; the same with --before 13 goes on\n"
    );
    let first = house.run(&["search", "failed", "--limit", "2", "--json"]);
    let object: Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!(
        (&object["more"], &object["cursor"]),
        (&json!(true), &json!("13"))
    );
    for args in [
        &[][..],
        &["x", "--limit", "0"],
        &["x", "--limit", "10001"],
        &["x", "--since", "1h", "--until", "2h"],
    ] {
        let ran = house.run(&[&["search"], args].concat());
        assert_eq!(ran.code, Exit::Usage, "{args:?}");
    }
}

#[test]
fn programs_get_every_column_of_what_was_found() {
    let house = house();
    let ran = house.run(&["search", "upstream", "--json"]);
    let expected = json!({
        "timestamp": "2026-11-20T03:11:37.000Z", "type": null, "severity": "ERROR",
        "source_type": "log", "source_id": "heron/nginx",
        "message": "upstream timed out (110: Connection timed out)", "position": 15,
        "severity_id": 4,
    });
    let mut row = rows(&ran.out)[0].clone();
    let template = row.as_object_mut().unwrap().remove("template_id").unwrap();
    assert!(template.as_i64().is_some_and(|id| id > 0), "{template}");
    assert_eq!(row, expected);
    let csv = house.run(&["search", "upstream", "--csv"]).out;
    assert!(
        csv.starts_with("timestamp,type,severity,source_type,source_id,message,"),
        "{csv}"
    );
}

#[test]
fn query_events_takes_conditions_and_then_lines_come_too() {
    let house = house();
    for (args, expected) in [
        (&["--source-type", "log"][..], &[16, 15, 14, 13, 8][..]),
        (&["--source", "heron/nginx"], &[16, 15]),
        (&["--source", "heron/nginx", "--severity", "error"], &[15]),
        (&["--severity", "4", "--since", "-1min"], &[15]),
        (
            &["--text", "failed password", "--source", "heron/sshd"],
            &[14, 13, 8],
        ),
        (&["--source-type", "sensor"], &[5, 3]),
        (&["--source-type", "pet"], &[]),
    ] {
        let found = positions(&house, &[&["query", "events"], args].concat());
        assert_eq!(found, expected, "{args:?}");
    }
    // Without conditions the view is as it always was: moments alone.
    let moments = positions(&house, &["query", "events"]);
    assert!(
        !moments.contains(&14) && moments.contains(&3),
        "{moments:?}"
    );
}

#[test]
fn query_events_goes_on_by_its_cursor_while_lines_arrive() {
    let house = house();
    let usual = [
        "query",
        "events",
        "--source-type",
        "log",
        "--limit",
        "2",
        "--json",
    ];
    let mut told = Vec::new();
    let mut cursor = String::new();
    for _ in 0..9 {
        let mut args = usual.to_vec();
        if !cursor.is_empty() {
            args.extend(["--cursor", cursor.as_str()]);
        }
        let ran = house.run(&args);
        let page: Value = serde_json::from_str(&ran.out).unwrap();
        told.extend(
            rows(&ran.out)
                .iter()
                .map(|row| row["position"].as_i64().unwrap()),
        );
        let Some(next) = page["cursor"].as_str() else {
            break;
        };
        assert!(
            ran.messages.contains(&format!("--cursor {next} goes on")),
            "{}",
            ran.messages
        );
        cursor = next.to_owned();
        house.store(vec![failed(0, 1)]);
    }
    assert_eq!(told, [16, 15, 14, 13, 8]);
}

#[test]
fn conditions_that_cannot_be_are_told_with_what_to_do() {
    let house = house();
    for (args, expected) in [
        (
            &["sensors", "--severity", "3"][..],
            "those of `nightjar query events`",
        ),
        (&["--text", "x"], "those of `nightjar query events`"),
        (&["events", "--severity", "7"], "0 to 6"),
        (&["events", "--severity", "loud"], "debug, info, warning"),
        (&["events", "--entity", "mara"], "TYPE/VALUE"),
        (
            &["events", "--entity", "planet:mars"],
            "expected user, ip, host",
        ),
        (&["events", "--entity", "ip:010.0.0.1"], "no IP address"),
        (&["events", "--cursor", "12"], "this is no cursor"),
        (
            &[
                "events",
                "--cursor",
                "010000000000000001000000000000000100000000",
            ],
            "another question",
        ),
    ] {
        let ran = house.run(&[&["query"], args].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Exit::Usage, ""), "{args:?}");
        assert!(ran.error.contains(expected), "{args:?}: {}", ran.error);
    }
}

#[test]
fn patterns_count_kinds_of_lines_and_tell_what_is_new() {
    let house = House::empty();
    house.store(vec![
        line(
            172_800,
            "sshd",
            Level::Info,
            "Server listening on 0.0.0.0 port 22.",
        ),
        failed(90_000, 40_021),
        failed(50, 40_022),
        failed(40, 40_023),
        line(
            30,
            "nginx",
            Level::Error,
            "upstream timed out while connecting",
        ),
    ]);
    let all = rows(&house.run(&["patterns", "--json"]).out);
    let counts: Vec<_> = all
        .iter()
        .map(|row| row["count"].as_i64().unwrap())
        .collect();
    assert_eq!(counts, [3, 1, 1]);
    let failed = &all[0];
    assert_eq!(failed["first_seen"], "2026-11-19T02:12:07.000Z");
    assert_eq!(failed["last_seen"], "2026-11-20T03:11:27.000Z");
    assert_eq!(failed["source"], "heron/sshd");
    let template = failed["template"].as_str().unwrap();
    assert!(template.starts_with("Failed password for"), "{template}");
    assert!(!template.contains("40022"), "{template}");
    assert!(
        failed["example"].as_str().unwrap().contains("port 40021"),
        "{failed}"
    );
    for (args, expected) in [
        (&["--new"][..], &[1][..]),
        (&["--new", "--since", "-2d"], &[1, 3, 1]),
        (&["--since", "-1h"], &[3, 1]),
        (&["--source", "heron/sshd"], &[3, 1]),
        (&["--source", "heron/sshd", "--since", "-1h"], &[2]),
        (&["--source", "heron/sshd", "--new"], &[]),
        (&["--limit", "1"], &[3]),
    ] {
        let ran = house.run(&[&["patterns", "--json"], args].concat());
        let counts: Vec<_> = rows(&ran.out)
            .iter()
            .map(|row| row["count"].as_i64().unwrap())
            .collect();
        assert_eq!(counts, expected, "{args:?}");
    }
    let cut = house.run(&["patterns", "--limit", "1"]);
    assert_eq!(
        cut.messages,
        "nightjar: these are the first 1; --limit shows more\n"
    );
    let id = failed["id"].to_string();
    let lines = positions(&house, &["query", "events", "--template", &id]);
    assert_eq!(lines, [4, 3, 2]);
    let unknown = house.run(&["patterns", "--source", "sshd"]);
    assert_eq!(unknown.code, Exit::Usage);
    assert!(unknown.error.contains("HOST/SOURCE"), "{}", unknown.error);
}

#[test]
fn messages_that_nobody_understands_have_templates_too() {
    let house = house();
    let message = |ago_s: i64, payload: &[u8]| {
        let payload = payload.to_vec();
        let stream = "message/cellar/boiler";
        NewEvent::own(NOW - ago_s * SECOND_NS, stream, Unmapped { payload })
    };
    house.store(vec![
        message(9, br#"{"flow":41.5,"state":"heating"}"#),
        message(8, br#"{"flow":42.0,"state":"heating"}"#),
        message(7, b"\xff\xfe no text at all"),
    ]);
    let told = rows(&house.run(&["patterns", "--json"]).out);
    let of_boiler: Vec<_> = told
        .iter()
        .filter(|row| row["source"] == "message/cellar/boiler")
        .collect();
    assert_eq!(of_boiler.len(), 1, "{told:?}");
    assert_eq!(of_boiler[0]["count"], 2);
    let template = of_boiler[0]["template"].as_str().unwrap();
    assert!(template.contains("flow"), "{template}");
    assert!(!template.contains("41.5"), "{template}");
}

#[test]
fn what_names_an_entity_is_found_page_by_page() {
    let house = house();
    let attack = |from: i64| {
        (0..700)
            .map(|number| {
                let ip = format!("198.51.100.{}", number % 3);
                let text = format!("Failed password for root from {ip} port {number} ssh2");
                line(from - number, "sshd", Level::Warning, &text)
            })
            .collect::<Vec<_>>()
    };
    // Of two blocks of the log, and the later ones are older.
    house.store(attack(9_000));
    house.store(attack(20_000));
    let told = rows(
        &house
            .run(&[
                "sql",
                "--json",
                "SELECT position FROM log_lines l \
        JOIN event_log e USING (position) WHERE e.text LIKE '%198.51.100.1 %' \
        ORDER BY l.at DESC, position DESC",
            ])
            .out,
    );
    let expected: Vec<_> = told
        .iter()
        .map(|row| row["position"].as_i64().unwrap())
        .collect();
    assert_eq!(expected.len(), 466);
    let asked = [
        "query",
        "events",
        "--entity",
        "ip/198.51.100.1",
        "--since",
        "-1d",
        "--limit",
        "100",
        "--json",
    ];
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut args = asked.to_vec();
        if let Some(cursor) = &cursor {
            args.extend(["--cursor", cursor]);
        }
        let page: Value = serde_json::from_str(&house.run(&args).out).unwrap();
        let rows = page["rows"].as_array().unwrap();
        found.extend(rows.iter().map(|row| row["position"].as_i64().unwrap()));
        match page["next"].as_str().or(page["cursor"].as_str()) {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(found, expected);
}
