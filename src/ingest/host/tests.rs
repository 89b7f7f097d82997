#![allow(clippy::unwrap_used, reason = "tests")]
//! The sampler on trees of files and on the machine that the tests run on.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::event::{Event, Extra, NewEvent};

fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/proc")
        .join(name)
}

fn group(events: &[NewEvent], name: &str) -> Extra {
    let values = events.iter().find_map(|event| match &event.event {
        Event::MetricsSampled(sampled) if sampled.group == name => Some(sampled.values.clone()),
        _ => None,
    });
    values.unwrap_or_default()
}

fn sample(name: &str) -> Vec<NewEvent> {
    Sampler::new(&tree(name), "heron", Path::new("/")).sample(7)
}

/// The disk is that of the machine.
fn without_disk(mut values: Extra) -> serde_json::Value {
    for name in ["disk_total", "disk_used", "disk_percent"] {
        assert!(values.remove(name).is_some(), "{name}");
    }
    serde_json::to_value(values).unwrap()
}

#[test]
fn a_kernel_4_19_with_a_disk_of_many_names() {
    let events = sample("linux-4.19");
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.stream == "metrics/heron"));
    assert_eq!(
        without_disk(group(&events, "system")),
        json!({
            "cpu_count": 4,
            "memory_total": 8_035_224_i64 * 1024,
            "memory_available": 6_924_160_i64 * 1024,
            "memory_percent": 13.83,
            "load_1min": 0.42,
            "load_5min": 0.31,
            "load_15min": 0.18,
            "disk_read_bytes": (2_400_120 + 40_200) * 512,
            "disk_write_bytes": 3_200_440 * 512,
        })
    );
    assert_eq!(
        serde_json::to_value(group(&events, "network")).unwrap(),
        json!({
            "bytes_recv": 4_294_967_295_i64 + 1_200,
            "packets_recv": 3_141_604,
            "errors_in": 2,
            "drops_in": 7,
            "bytes_sent": 512_000_900,
            "packets_sent": 1_200_354,
            "errors_out": 1,
            "drops_out": 3,
            "connections_established": 2,
            "connections_listen": 3,
            "connections_time_wait": 1,
        })
    );
}

#[test]
fn a_kernel_6_1_without_ipv6() {
    let events = sample("linux-6.1");
    let system = group(&events, "system");
    assert_eq!(
        system["disk_read_bytes"],
        json!((800_000 + 1_200_000) * 512)
    );
    assert_eq!(system["disk_write_bytes"], json!(2_800_000_i64 * 512));
    let network = group(&events, "network");
    assert_eq!(network["bytes_recv"], json!(9_000_001_000_i64));
    assert_eq!(network["connections_established"], json!(1));
}

#[test]
fn what_a_container_does_not_tell_is_left_out() {
    let events = sample("container");
    let system = group(&events, "system");
    assert!(!system.contains_key("disk_read_bytes"));
    assert_eq!(system["memory_percent"], json!(25.0));
    let network = group(&events, "network");
    assert_eq!(network["bytes_sent"], json!(700));
    assert_eq!(network["connections_listen"], json!(0));
}

#[test]
fn nothing_is_sampled_where_nothing_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        Sampler::new(folder.path(), "heron", Path::new("/")).sample(7),
        []
    );
}

#[test]
fn the_processor_is_told_from_the_second_sample_on_and_not_across_a_wrap() {
    let folder = tempfile::tempdir().unwrap();
    let stat = folder.path().join("stat");
    let mut sampler = Sampler::new(folder.path(), "heron", Path::new("/"));
    let mut percent_after = |line: &str| {
        crate::base::fsutil::write_atomic(&stat, line.as_bytes(), 0o600).unwrap();
        group(&sampler.sample(7), "system")
            .get("cpu_percent")
            .cloned()
    };
    assert_eq!(percent_after("cpu  100 0 50 850 0 0 0 0 0 0\n"), None);
    assert_eq!(
        percent_after("cpu  150 0 75 925 0 0 0 0 0 0\n"),
        Some(json!(50.0))
    );
    assert_eq!(percent_after("cpu  1 0 1 8 0 0 0 0 0 0\n"), None);
    assert_eq!(
        percent_after("cpu  2 0 1 17 0 0 0 0 0 0\n"),
        Some(json!(10.0))
    );
}

#[test]
fn the_machine_itself_can_be_sampled() {
    let mut sampler = Sampler::new(Path::new(PROC), &own_name(), Path::new("/"));
    sampler.sample(1);
    let system = group(&sampler.sample(2), "system");
    for name in [
        "cpu_count",
        "memory_total",
        "memory_percent",
        "load_1min",
        "disk_percent",
    ] {
        assert!(system.contains_key(name), "{name}: {system:?}");
    }
    let percent = system["memory_percent"].as_f64().unwrap();
    assert!((0.0..=100.0).contains(&percent), "{percent}");
}

#[test]
fn every_value_has_a_column_of_the_views() {
    let schema = include_str!("../../../migrations/sqlite/0009_box_health.sql");
    let view = |name: &str| {
        let (_, rest) = schema
            .split_once(&format!("CREATE VIEW {name} AS"))
            .unwrap();
        rest.split_once("FROM").unwrap().0.to_owned()
    };
    let events = sample("linux-4.19");
    for (name, kind) in [("system_metrics", "system"), ("network_metrics", "network")] {
        let columns = view(name);
        for value in group(&events, kind).keys() {
            assert!(columns.contains(value.as_str()), "{value} in {name}");
        }
    }
}

#[test]
fn the_processes_of_a_tree() {
    let mut proc = Proc::new(&tree("linux-6.1"));
    let seen = processes::processes(&mut proc, &["sshd".into()], 5);
    let names: Vec<_> = seen
        .iter()
        .map(|process| (process.pid, process.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            (640, "sshd"),
            (20_411, "sshd"),
            (20_433, "my (odd) app"),
            (512, "mosquitto"),
            (1, "systemd"),
        ]
    );
    let app = &seen[2];
    assert_eq!(
        app.cmdline,
        "/opt/app/run --port 8080 --password [redacted]"
    );
    assert_eq!((app.threads, app.state.as_str()), (12, "R"));
    assert_eq!(app.read_bytes, Some(20_433 * 4_096));
    assert_eq!(app.read_syscalls, Some(20_433 * 3));
    assert_eq!(seen[0].read_bytes, None);
}
