//! What one message costs in `decode`, nanoseconds, and how many log lines a second one core reads:
//! `cargo bench --bench decode`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use nightjar::decode::line::{Context, parse};
use nightjar::decode::{Inbound, Rules, decode};

const ROUNDS: u32 = 7;
const MESSAGES: u32 = 100_000;
const LINES: usize = 100_000;

const CASES: &[(&str, &str, &str)] = &[
    (
        "sensor reading, 84 B",
        "vigilar/sensor/living_room/temperature",
        r#"{"ts":1795107669123,"value":21.4,"unit":"°C","battery":91,"linkquality":138}"#,
    ),
    (
        "sensor reading with id, 102 B",
        "vigilar/sensor/back_door/contact_closed",
        r#"{"ts":1795123261912,"value":false,"linkquality":117,"id":"back_door-418"}"#,
    ),
    (
        "sensor reading, RFC 3339",
        "vigilar/sensor/kitchen/temperature",
        r#"{"ts":"2026-11-19T18:04:40.968+01:00","value":20.8,"unit":"°C"}"#,
    ),
    (
        "bare sensor number",
        "vigilar/sensor/cellar/temperature",
        "11.6",
    ),
    (
        "log line, 95 B",
        "vigilar/log/heron/sshd",
        "Nov 19 18:07:11 heron sshd[1811]: Accepted publickey for mara from 192.0.2.14 port 50122 ssh2",
    ),
    (
        "log JSON",
        "vigilar/log/heron/kernel",
        r#"{"ts":1795108804845,"level":"INFO","message":"EXT4-fs (nvme0n1p2): mounted filesystem"}"#,
    ),
    (
        "camera motion",
        "vigilar/camera/driveway/motion/start",
        r#"{"ts":1795107901997,"id":"driveway-088401","detection":"vehicle","confidence":0.94,"bbox":[0.08,0.41,0.52,0.33]}"#,
    ),
    (
        "arm request",
        "vigilar/system/arm_request",
        r#"{"ts":1795123779832,"id":"arm-61","mode":"ARMED_NIGHT","pin":"4710","triggered_by":"keypad_hall"}"#,
    ),
    (
        "undecodable, 90 B",
        "vigilar/camera/driveway/motion/start",
        r#"{"ts":1795107901997,"id":"driveway-088401","detection":"submarine","confidence":0.94}"#,
    ),
    (
        "no rule",
        "vigilar/garden/gnome/status",
        r#"{"mood":"grumpy","hat":"red"}"#,
    ),
];

/// Lines of sshd with names and addresses that differ, as an attack writes them.
fn sshd_lines() -> Vec<Inbound> {
    let names = [
        "root",
        "admin",
        "test-user",
        "backup.svc",
        "pi",
        "oracle",
        "john smith",
        "mara",
    ];
    (0..LINES)
        .map(|at| {
            let name = names[at % names.len()];
            let unknown = if at % 3 == 0 { "invalid user " } else { "" };
            let (minute, second, port) = (at / 60 % 60, at % 60, 40_000 + at % 20_000);
            let ip = if at % 5 == 0 {
                format!("2001:db8:0:7::{:x}", at % 4_096)
            } else {
                format!("203.0.113.{}", at % 256)
            };
            let line = format!(
                "Nov 20 02:{minute:02}:{second:02} heron sshd[{}]: Failed password for \
                 {unknown}{name} from {ip} port {port} ssh2",
                2_000 + at % 7_000
            );
            Inbound {
                topic: "vigilar/log/heron/auth".into(),
                payload: line.into_bytes(),
                qos: 1,
                retain: false,
                received_at: 1_795_143_600_000_000_000,
            }
        })
        .collect()
}

/// Lines of sshd per second on one core: reading alone, and with all that `decode` does.
fn lines_per_second(rules: &Rules) {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let messages = sshd_lines();
    let texts: Vec<&str> = messages
        .iter()
        .map(|message| std::str::from_utf8(&message.payload).unwrap())
        .collect();
    let context = Context {
        host: "heron",
        source: "auth",
        received_at: messages[0].received_at,
        zone: &zone,
    };
    let rules = rules.clone().with_time_zone(zone.clone());
    let parsed = best(|| {
        for text in &texts {
            black_box(parse(black_box(text), black_box(&context)));
        }
    });
    let decoded = best(|| {
        for message in &messages {
            black_box(decode(black_box(message), black_box(&rules)));
        }
    });
    let rate = |elapsed: Duration| LINES as f64 / elapsed.as_secs_f64();
    println!("{:<32} {:>9.0} lines/s", "sshd lines, parse", rate(parsed));
    println!(
        "{:<32} {:>9.0} lines/s",
        "sshd lines, decode",
        rate(decoded)
    );
}

fn best(work: impl Fn()) -> Duration {
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap()
}

fn main() {
    let rules = Rules::new(
        "vigilar".parse().unwrap(),
        vec!["nightjar/heron/#".parse().unwrap()],
    );
    for (name, topic, payload) in CASES {
        let message = Inbound {
            topic: (*topic).into(),
            payload: payload.as_bytes().to_vec(),
            qos: 1,
            retain: false,
            received_at: 1_795_143_600_000_000_000,
        };
        let elapsed = best(|| {
            for _ in 0..MESSAGES {
                black_box(decode(black_box(&message), black_box(&rules)));
            }
        });
        println!("{name:<32} {:>6} ns", (elapsed / MESSAGES).as_nanos());
    }
    lines_per_second(&rules);
}
