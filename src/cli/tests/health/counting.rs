//! What is counted once, as often as it happened, or not at all.

use std::sync::Arc;

use super::*;
use crate::event::retention::Applied;

#[test]
fn a_comparison_goes_on_from_what_retention_left() {
    let house = House::empty();
    let before = NOW - 5_000 * SECOND_NS;
    let cut = Applied {
        table: "network_samples".into(),
        before,
        rows: 2,
    };
    house.store(vec![
        network(9_000, 1_000),
        network(6_000, 1_400),
        network(2_000, 1_900),
        NewEvent::own(NOW, "table/network_samples", cut),
        network(5_500, 1_420),
        network(4_500, 1_500),
    ]);
    let ran = run(&house, &["aggregates", "compare", "--since", "-7d"]);
    assert!(ran.out.contains("no difference"), "{}", ran.out);
    assert!(ran.messages.contains("have gone"), "{}", ran.messages);
    let moved = "SELECT sum(bytes_sent) AS n FROM host_rollups";
    assert_eq!(object(&house, &["sql", moved])["rows"][0]["n"], 900);
}

#[test]
fn a_login_that_failed_again_and_again_counts_as_often_as_its_line_says() {
    let house = House::empty();
    let times = |ago_s, ip: &str, count: Value| {
        let mut new = failed(ago_s, ip, "root");
        let Event::LogWritten(line) = &mut new.event else {
            panic!("{new:?}");
        };
        Arc::make_mut(&mut line.fields).insert(LogWritten::COUNT.to_owned(), count);
        new
    };
    let banned = [
        ("action", "ban"),
        ("ip_address", "203.0.113.9"),
        ("count", "5"),
    ];
    house.store(vec![
        failed(900, "203.0.113.9", "root"),
        times(890, "203.0.113.9", json!(5)),
        line(880, "fail2ban", Level::Warning, "Ban", &banned),
        // What no line can stand for.
        times(800, "203.0.113.10", json!(0)),
        times(800, "203.0.113.10", json!("7")),
        times(800, "203.0.113.10", json!(2.5)),
        times(700, "203.0.113.11", json!(1_000_000)),
        times(700, "203.0.113.12", json!(u64::MAX)),
    ]);
    let told = object(&house, &["security"]);
    assert_eq!(rows_of(&told, "counts")[0]["count"], 2_009);
    let attempts: Vec<_> = rows_of(&told, "brute_force")
        .iter()
        .map(|row| {
            (
                row["ip"].as_str().unwrap(),
                row["attempts"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        attempts,
        [
            ("203.0.113.11", 1_000),
            ("203.0.113.12", 1_000),
            ("203.0.113.9", 6)
        ]
    );
    let known = object(&house, &["ips", "show", "203.0.113.9"]);
    assert_eq!(
        (&known["failed_logins"], &known["bans"]),
        (&json!(6), &json!(1))
    );
    let summed = "SELECT sum(failed_logins) AS n, sum(log_events) AS lines FROM host_rollups";
    let summed = &object(&house, &["sql", summed])["rows"][0];
    assert_eq!((&summed["n"], &summed["lines"]), (&json!(2_009), &json!(8)));
    let ran = run(&house, &["aggregates", "compare"]);
    assert!(ran.out.contains("no difference"), "{}", ran.out);
}
