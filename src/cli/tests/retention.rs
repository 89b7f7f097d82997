//! `retention`, as people run it.

use std::sync::Arc;

use super::*;
use crate::base::clock::DAY_NS;

/// Forty log lines, of which thirty are older than the thirty days that they are kept.
fn house() -> House {
    let house = House::empty();
    let lines = (0..40).map(|index| {
        let line = LogWritten {
            host: "box".into(),
            source: "sshd".into(),
            level: Level::Info,
            fields: Arc::default(),
        };
        let mut event = NewEvent::own(NOW, "log/box/sshd", line).with_text("a line");
        event.occurred_at = NOW - if index < 30 { 40 * DAY_NS } else { DAY_NS } + index;
        event
    });
    house.store(lines.collect());
    house
}

fn json(ran: &Ran) -> Vec<serde_json::Value> {
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    value["rows"].as_array().unwrap().clone()
}

#[test]
fn show_tells_the_policy_of_each_table_and_what_would_go() {
    let house = house();
    let rows = json(&house.run(&["retention", "show", "--json"]));
    let table = |name: &str| rows.iter().find(|row| row["table"] == name).unwrap();
    let lines = table("log_lines");
    assert_eq!(lines["max_age"], "30 days");
    assert_eq!((&lines["rows"], &lines["due"]), (&40.into(), &30.into()));
    assert_eq!(lines["due_now"], 4, "a tenth of the table");
    assert_eq!(table("event_counts_daily")["max_age"], "for ever");
    let shown = house.run(&["retention", "show"]);
    assert!(shown.out.contains("log_lines"), "{}", shown.out);
}

#[test]
fn run_deletes_a_tenth_and_says_what_is_left() {
    let mut house = house();
    let counted = ["sql", "SELECT count(*) AS n FROM log_lines", "--json"];
    let dry = house.run(&["retention", "run", "--dry-run"]);
    assert!(dry.messages.contains("rows would go"), "{}", dry.messages);
    assert_eq!(json(&house.run(&counted))[0]["n"], 40);
    house.stop();
    let ran = house.run(&["retention", "run", "--json"]);
    let gone = json(&ran);
    let lines = gone.iter().find(|row| row["table"] == "log_lines").unwrap();
    assert_eq!((&lines["rows"], &lines["left"]), (&4.into(), &26.into()));
    assert_eq!(lines["reason"], "older than 30 days");
    assert!(
        ran.messages.contains("more in later runs"),
        "{}",
        ran.messages
    );
    assert_eq!(json(&house.run(&counted))[0]["n"], 36);
    let told = json(&house.run(&["query", "retention_cuts", "--json"]));
    let told = told.iter().find(|row| row["table_name"] == "log_lines");
    assert_eq!(told.unwrap()["rows_deleted"], 4);
    let checked = house.run(&["rebuild", "--check"]);
    assert_eq!(checked.code, Exit::Ok, "{}{}", checked.out, checked.error);
}

#[test]
fn limits_come_from_the_configuration_and_slips_are_told() {
    let house = house();
    let config = house.path().join("nightjar.toml");
    let write = |text: &str| {
        let mut file = std::fs::File::create(&config).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    write("[tables.log_lines]\nmax_age = \"forever\"\nmax_rows = 1000\n");
    let rows = json(&house.run(&["retention", "show", "--json"]));
    let lines = rows.iter().find(|row| row["table"] == "log_lines").unwrap();
    assert_eq!(lines["max_age"], "for ever");
    assert_eq!(
        (&lines["max_rows"], &lines["due"]),
        (&1000.into(), &0.into())
    );
    for (text, told) in [
        ("[tables.log_line]\nmax_age = \"1d\"", "tables.log_line"),
        ("[tables.pets]\nmax_age = \"1d\"", "tables.pets"),
        ("[tables.event_log]\nmax_age = \"9d\"", "tables.event_log"),
        ("[tables.events]\nmax_age = \"1h\"", "must be from 1d to"),
        ("[tables.events]\nmax_age = \"never\"", "forever"),
        ("[tables.traces]\nmax_age = \"-5d\"", "tables.traces"),
        ("[tables.log_lines]\nmax_rows = -1", "tables.log_lines"),
        ("[tables.events]\nmax_rows = 3", "from 1000 to"),
        ("[tables.events]\nmax_ages = \"3d\"", "max_age`"),
    ] {
        write(text);
        let ran = house.run(&["retention", "show"]);
        assert_eq!(ran.code, Exit::Config, "{text}");
        assert!(ran.error.contains(told), "{text}: {}", ran.error);
    }
}
