//! Random lines, samples and conclusions about the box's health: few hosts, addresses and quarters,
//! so that they meet; counters that fall, samples that come late, values that mean nothing.

use std::net::IpAddr;

use nightjar::event::system::{Level, LogWritten, MetricsSampled};
use nightjar::event::trace::{
    ConnectionSeen, ErrorFound, IpList, IpListed, IpLocated, PatternDetected, PatternType,
    ProcessSeen, TraceRecorded, TraceSnapshotTaken, Trigger,
};
use nightjar::event::{Event, Extra};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{OnStream, odd_text};
use crate::bench_box::NOW;

pub(super) fn health() -> BoxedStrategy<OnStream> {
    prop_oneof![4 => line(), 4 => sample(), 3 => trace(), 1 => pattern(), 2 => address()].boxed()
}

fn host() -> BoxedStrategy<&'static str> {
    select(vec!["box", "nas"]).boxed()
}

fn ip() -> BoxedStrategy<IpAddr> {
    select(vec!["203.0.113.9", "2001:db8::9", "192.168.0.7"])
        .prop_map(|ip| ip.parse().unwrap())
        .boxed()
}

fn line() -> BoxedStrategy<OnStream> {
    let level = select(vec![
        Level::Debug,
        Level::Info,
        Level::Warning,
        Level::Error,
        Level::Critical,
    ]);
    // As parsers write an address, as sockets for both families do, and what is none.
    let ip = prop_oneof![
        6 => select(vec!["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::9", "2001:DB8:0::9",
            "192.168.0.7", "fe80::1", "localhost"]).prop_map(Value::from),
        1 => odd_value(),
    ];
    let action = prop_oneof![
        6 => select(vec!["failed_login", "ban", "login", "found", "unban", "service_started"])
            .prop_map(Value::from),
        1 => odd_value(),
    ];
    let user =
        prop_oneof![3 => select(vec!["root", "ada"]).prop_map(str::to_owned), 1 => odd_text()];
    (
        level,
        host(),
        option::of(ip),
        option::of(action),
        option::of(user),
        option::of(odd_text()),
        option::of(odd_value()),
    )
        .prop_map(|(level, host, ip, action, user, service, rest)| {
            let fields = [
                ("ip_address", ip),
                ("action", action),
                ("user", user.map(Value::from)),
                ("service", service.map(Value::from)),
                ("count", rest),
            ];
            let line = LogWritten {
                host: host.into(),
                source: "sshd".into(),
                level,
                fields: told(fields).into(),
            };
            (format!("log/{host}/sshd"), Event::from(line))
        })
        .boxed()
}

/// What no field of that name should hold.
fn odd_value() -> BoxedStrategy<Value> {
    prop_oneof![
        odd_text().prop_map(Value::from),
        select(vec![
            json!(null),
            json!(true),
            json!(7),
            json!(-7),
            json!(5_000),
            json!(u64::MAX),
            json!(-1.5),
            json!([1]),
            json!({"a": {}})
        ]),
    ]
    .boxed()
}

fn told<const N: usize>(fields: [(&str, Option<Value>); N]) -> Extra {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn sample() -> BoxedStrategy<OnStream> {
    prop_oneof![2 => system(), 4 => network(), 1 => other()].boxed()
}

fn system() -> BoxedStrategy<OnStream> {
    let value = prop_oneof![
        8 => (0.0..100.0_f64).prop_map(Value::from),
        4 => (0_i64..100).prop_map(Value::from),
        1 => odd_value(),
        1 => select(vec![json!(100.5), json!(-0.0), json!(u64::MAX), json!(f64::MAX), json!(5e-324)]),
    ];
    let name = select(vec![
        "cpu_percent",
        "memory_percent",
        "disk_percent",
        "cpu_count",
        "memory_total",
        "load_1min",
    ]);
    (host(), btree_map(name, value, 0..6))
        .prop_map(|(host, values)| sampled(host, "system", values))
        .boxed()
}

/// Counters mostly rise a little; they also fall, and sometimes they tell nonsense.
fn network() -> BoxedStrategy<OnStream> {
    let value = prop_oneof![
        8 => (0_i64..50).prop_map(|step| json!(step * 100)),
        1 => select(vec![json!(u64::MAX), json!(i64::MAX), json!(-7), json!(1.5), json!(1e9), json!("7")]),
    ];
    let name = select(vec![
        "bytes_sent",
        "bytes_recv",
        "packets_sent",
        "packets_recv",
        "errors_in",
        "connections_listen",
    ]);
    (host(), btree_map(name, value, 0..6))
        .prop_map(|(host, values)| sampled(host, "network", values))
        .boxed()
}

fn other() -> BoxedStrategy<OnStream> {
    (host(), odd_text())
        .prop_map(|(host, group)| sampled(host, &group, [("bytes_sent", json!(7))].into()))
        .boxed()
}

fn sampled(host: &str, group: &str, values: std::collections::BTreeMap<&str, Value>) -> OnStream {
    let sample = MetricsSampled {
        host: host.into(),
        group: group.into(),
        values: values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    (format!("metrics/{host}"), Event::from(sample))
}

/// Traces of whatever stands at a position, and snapshots of traces that may be there.
fn trace() -> BoxedStrategy<OnStream> {
    let error = (odd_text(), any::<bool>()).prop_map(|(error_type, has_stacktrace)| ErrorFound {
        error_type,
        category: "unknown".into(),
        has_stacktrace,
        ..ErrorFound::default()
    });
    let recorded = (
        select(Trigger::ALL.to_vec()),
        host(),
        -50_i64..150,
        option::of(ip()),
        vec(1_i64..40, 0..3),
        option::of(error),
    )
        .prop_map(|(trigger, host, severity_score, ip, chain, error)| {
            let trace = TraceRecorded {
                trigger,
                subject: host.into(),
                host: host.into(),
                severity_score,
                action: None,
                service: Some("sshd".into()),
                user: None,
                ip,
                root_cause: None,
                chain,
                related_services: vec!["sshd".into()],
                error: error.map(Box::new),
            };
            (format!("trace/{}", trigger.name()), Event::from(trace))
        });
    let taken = (1_i64..40, odd_text(), ip(), 0_usize..3).prop_map(|(trace, name, ip, count)| {
        let process = ProcessSeen {
            pid: 7,
            name,
            ..ProcessSeen::default()
        };
        let connection = ConnectionSeen {
            protocol: "tcp".into(),
            state: "LISTEN".into(),
            local_ip: ip,
            local_port: 22,
            remote_ip: ip,
            remote_port: 0,
        };
        let taken = TraceSnapshotTaken {
            trace,
            processes: vec![process; count],
            connections: vec![connection; count],
        };
        ("trace/snapshot".to_owned(), Event::from(taken))
    });
    prop_oneof![2 => recorded, 1 => taken].boxed()
}

fn pattern() -> BoxedStrategy<OnStream> {
    (
        select(PatternType::ALL.to_vec()),
        vec(ip(), 0..3),
        -50_i64..150,
        odd_text(),
        option::of(1_i64..40),
    )
        .prop_map(|(pattern, ips, severity, name, grown_from)| {
            let found = PatternDetected {
                pattern,
                subject: "203.0.113.9".into(),
                name,
                services: vec!["sshd".into()],
                ips,
                event_count: 7,
                severity,
                started_at: NOW,
                ended_at: NOW,
                root_cause: None,
                grown_from,
                recommendations: Vec::new(),
            };
            (format!("pattern/{}", pattern.name()), Event::from(found))
        })
        .boxed()
}

fn address() -> BoxedStrategy<OnStream> {
    let list = select(vec![IpList::Whitelist, IpList::Blacklist, IpList::None]);
    let listed = (ip(), list)
        .prop_map(|(ip, list)| (format!("ip/{ip}"), Event::from(IpListed { ip, list })));
    let located = (ip(), option::of(odd_text())).prop_map(|(ip, city)| {
        let place = IpLocated {
            ip,
            country_code: None,
            city,
            asn: None,
        };
        (format!("ip/{ip}"), Event::from(place))
    });
    prop_oneof![listed, located].boxed()
}
