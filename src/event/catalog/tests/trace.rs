//! Samples of what is concluded from logs and metrics.

use super::*;
use crate::event::trace::{
    ConnectionSeen, ErrorFound, IpList, IpListed, IpLocated, PatternDetected, PatternType,
    ProcessSeen, TraceRecorded, TraceSnapshotTaken, Trigger,
};

pub(super) fn sample(kind: Kind) -> Event {
    match kind {
        Kind::TraceRecorded => TraceRecorded {
            trigger: Trigger::Error,
            subject: "jupiter/postgres/db_deadlock".into(),
            host: "jupiter".into(),
            severity_score: 60,
            action: Some("error".into()),
            service: Some("postgres".into()),
            user: Some("ada".into()),
            ip: "2001:db8::9".parse().ok(),
            root_cause: Some("Two transactions wait for each other".into()),
            chain: vec![7, 9, 11],
            related_services: vec!["postgres".into(), "shop".into()],
            error: Some(Box::new(error())),
        }
        .into(),
        Kind::TraceSnapshotTaken => TraceSnapshotTaken {
            trace: 41,
            processes: vec![process()],
            connections: vec![ConnectionSeen {
                protocol: "tcp6".into(),
                state: "ESTABLISHED".into(),
                local_ip: "2001:db8::1".parse().unwrap(),
                local_port: 22,
                remote_ip: "2001:db8::9".parse().unwrap(),
                remote_port: 50_022,
            }],
        }
        .into(),
        Kind::PatternDetected => PatternDetected {
            pattern: PatternType::BruteForce,
            subject: "203.0.113.9".into(),
            name: "Brute force from 203.0.113.9".into(),
            services: vec!["sshd".into()],
            ips: vec!["203.0.113.9".parse().unwrap()],
            event_count: 7,
            severity: 80,
            started_at: 1_730_000_000_000_000_000,
            ended_at: 1_730_000_100_000_000_000,
            root_cause: Some("Passwords are being guessed".into()),
            grown_from: None,
            recommendations: vec!["Allow keys only".into()],
        }
        .into(),
        Kind::IpListed => IpListed {
            ip: "203.0.113.9".parse().unwrap(),
            list: IpList::Blacklist,
        }
        .into(),
        Kind::IpLocated => IpLocated {
            ip: "198.51.100.4".parse().unwrap(),
            country_code: Some("DE".into()),
            city: Some("Freiburg".into()),
            asn: Some("AS64500 Example Net".into()),
        }
        .into(),
        _ => panic!("{} is no kind of trace", kind.name()),
    }
}

fn error() -> ErrorFound {
    ErrorFound {
        error_type: "db_deadlock".into(),
        category: "database".into(),
        exception: Some("DeadlockDetected".into()),
        file: Some("shop/orders.py".into()),
        line: Some(88),
        code: Some("40P01".into()),
        has_stacktrace: true,
        hints: vec!["Two transactions lock the same rows in another order".into()],
        suggestions: vec!["Lock rows in one order".into()],
    }
}

fn process() -> ProcessSeen {
    ProcessSeen {
        pid: 812,
        name: "sshd".into(),
        cmdline: "sshd: /usr/sbin/sshd -D".into(),
        state: "S".into(),
        parent_pid: 1,
        memory_rss: 9_437_184,
        memory_vm: 15_728_640,
        cpu_utime: 12,
        cpu_stime: 7,
        threads: 1,
        read_bytes: Some(4_096),
        write_bytes: Some(0),
        read_syscalls: Some(88),
        write_syscalls: Some(3),
    }
}
