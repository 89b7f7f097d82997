//! What one message costs in `decode`, nanoseconds: `cargo bench --bench decode`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use nightjar::decode::{Inbound, Rules, decode};

const ROUNDS: u32 = 7;
const MESSAGES: u32 = 100_000;

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
        let best = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..MESSAGES {
                    black_box(decode(black_box(&message), black_box(&rules)));
                }
                start.elapsed() / MESSAGES
            })
            .min()
            .unwrap();
        println!("{name:<32} {:>6} ns", best.as_nanos());
    }
}
