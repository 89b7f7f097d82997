//! The parts of `scripts/bench` that speak MQTT: `cargo bench --bench whole -- VERB …`.
//!
//! - `publish PORT COUNT` publishes sensor readings at QoS 1 as fast as the broker answers and
//!   prints when it began, Unix nanoseconds.
//! - `bare PORT COUNT` is the subscriber to compare with: a persistent session, manual acks sent
//!   by `try_ack` in the polling loop, nothing stored. Prints `ready`, then when the last ack went.
//! - `latency PORT COUNT RATE FOLDER` runs the real subscriber and the real writer in this process,
//!   publishes at a steady rate from another thread, and prints the time from handing a message to
//!   the publishing client until the commit that holds it has returned.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench is its own program: it paces and times"
)]

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nightjar::base::clock::Clock;
use nightjar::base::shutdown::Shutdown;
use nightjar::base::telemetry::Telemetry;
use nightjar::decode::topic::Family;
use nightjar::decode::{Inbound, Rules, decode};
use nightjar::ingest::mqtt::{Broker, RumqttLink, Shared, Subscriber, Subscription};
use nightjar::read_model;
use nightjar::storage::sqlite::{Durability, Options as SqliteOptions};
use nightjar::writer::{self, Handle, sabotage::Sabotage};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};

/// Unanswered messages of the publisher.
const INFLIGHT: u16 = 1_000;
/// How often the watcher of `latency` looks whether the head has moved: its error.
const WATCH_PAUSE: Duration = Duration::from_micros(50);
/// Messages of `latency` before those that count: connections, caches and files are warm then.
const WARM_UP: usize = 500;
const PATIENCE: Duration = Duration::from_secs(120);

const ROOMS: [&str; 10] = [
    "hall",
    "kitchen",
    "living_room",
    "bedroom",
    "nursery",
    "attic",
    "cellar",
    "garage",
    "workshop",
    "greenhouse",
];
const METERS: [(&str, &str, f64); 5] = [
    ("temperature", "°C", 20.0),
    ("humidity", "%", 48.0),
    ("power", "W", 120.0),
    ("illuminance", "lx", 210.0),
    ("co2", "ppm", 640.0),
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let number = |index: usize| arguments[index].parse::<usize>().unwrap();
    match arguments.first().map(String::as_str) {
        Some("publish") => block_on(publish(number(1), number(2))),
        Some("bare") => block_on(bare(number(1), number(2))),
        Some("singly") => singly(&arguments[1], number(2), Path::new(&arguments[3])),
        Some("latency") => latency(number(1), number(2), number(3), Path::new(&arguments[4])),
        // A plain `cargo bench` runs every benchmark; these need a broker and are run by the script.
        _ => println!("run by scripts/bench"),
    }
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work);
}

fn unix_ns() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos()
}

/// The reading number `index`: 80 to 120 bytes, of one of 50 meters.
fn reading(index: usize) -> (String, String) {
    // Scatters the meters and their values; any odd multiplier does.
    let chance = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let (key, unit, middle) = METERS[chance % METERS.len()];
    let room = ROOMS[chance / 8 % ROOMS.len()];
    let value = middle * (0.9 + (chance / 128 % 200) as f64 / 1_000.0);
    let ts = 1_763_600_000_000_usize + index * 200;
    let payload = format!(
        "{{\"ts\":{ts},\"value\":{value:.1},\"unit\":\"{unit}\",\"battery\":{},\"linkquality\":{},\"seq\":{index}}}",
        60 + chance % 40,
        40 + chance % 200,
    );
    (format!("vigilar/sensor/{room}/{key}"), payload)
}

fn client(port: usize, id: &str, clean: bool) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, "127.0.0.1", u16::try_from(port).unwrap());
    options
        .set_clean_session(clean)
        .set_inflight(INFLIGHT)
        .set_manual_acks(true)
        .set_keep_alive(Duration::from_secs(30))
        .set_max_packet_size(16 << 20, 16 << 20);
    let (client, mut events) = AsyncClient::new(options, 70_000);
    events.network_options.set_tcp_nodelay(true);
    (client, events)
}

async fn publish(port: usize, count: usize) {
    let (client, mut events) = client(port, "bench-publisher", true);
    while !matches!(
        events.poll().await.unwrap(),
        Event::Incoming(Packet::ConnAck(_))
    ) {}
    println!("{}", unix_ns());
    std::io::stdout().flush().unwrap();
    let send = async {
        for index in 0..count {
            let (topic, payload) = reading(index);
            client
                .publish(topic, QoS::AtLeastOnce, false, payload)
                .await
                .unwrap();
            // The queue is long; the polling side must get its turn.
            if index % 256 == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    let poll = async {
        let mut answered = 0;
        while answered < count {
            if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
                answered += 1;
            }
        }
    };
    tokio::join!(send, poll);
}

async fn bare(port: usize, count: usize) {
    let (client, mut events) = client(port, "bench-bare", false);
    client
        .subscribe("vigilar/sensor/#", QoS::AtLeastOnce)
        .await
        .unwrap();
    let mut acked = 0;
    while acked < count {
        match events.poll().await.unwrap() {
            Event::Incoming(Packet::SubAck(_)) => {
                println!("ready");
                std::io::stdout().flush().unwrap();
            }
            Event::Incoming(Packet::Publish(publish)) => client.try_ack(&publish).unwrap(),
            Event::Outgoing(Outgoing::PubAck(_)) => acked += 1,
            _ => {}
        }
    }
    println!("{}", unix_ns());
}

/// The failed login number `index`, as rsyslog of Debian writes it.
fn failed_login(index: usize) -> (String, String) {
    let second = index / 50;
    let line = format!(
        "2026-11-20T{:02}:{:02}:{:02}.{:06}+01:00 heron sshd[{}]: Failed password for invalid user \
         user{} from 203.0.113.{} port {} ssh2",
        second / 3_600 % 24,
        second / 60 % 60,
        second % 60,
        index % 50 * 20_000,
        800 + index % 30_000,
        index % 40,
        1 + index % 200,
        1_024 + index % 60_000,
    );
    ("vigilar/log/heron/auth".into(), line)
}

/// The sample number `index` of one host, one every ten seconds.
fn sample(index: usize) -> (String, String) {
    let ts = 1_795_100_000_000_usize + index * 10_000;
    let payload = format!(
        "{{\"ts\":{ts},\"cpu_percent\":{}.5,\"cpu_count\":4,\"memory_total\":8589934592,\
         \"memory_available\":4294967296,\"memory_percent\":50.0,\"disk_total\":107374182400,\
         \"disk_used\":{},\"disk_percent\":31.5,\"load_1min\":0.5}}",
        index % 90,
        30_000_000_000_usize + index * 1_000,
    );
    ("vigilar/metrics/heron/system".into(), payload)
}

fn singly(what: &str, count: usize, folder: &Path) {
    let message = match what {
        "lines" => failed_login,
        "metrics" => sample,
        other => panic!("lines or metrics, not {other}"),
    };
    let rules = Rules::new("vigilar".parse().unwrap(), Vec::new());
    let handle = start_writer(folder, &Arc::default());
    let began = Instant::now();
    for index in 0..count {
        let (topic, payload) = message(index);
        let inbound = Inbound {
            topic: Arc::from(topic),
            payload: payload.into_bytes(),
            qos: 1,
            retain: false,
            received_at: Clock::System.now(),
        };
        handle.store(decode(&inbound, &rules).events).unwrap();
    }
    println!("{:.1}", count as f64 / began.elapsed().as_secs_f64());
}

/// The real writer, as durable as the product is, on a thread of its own.
fn start_writer(folder: &Path, telemetry: &Arc<Telemetry>) -> Handle {
    let options = writer::Options {
        path: folder.join("nightjar.db"),
        durability: Durability::Full,
        cache_kib: SqliteOptions::default().cache_kib,
        clock: Clock::System,
        projections: read_model::ALL,
        reactions: writer::Reactions::all(nightjar::reactor::Settings::default()),
        tick_every: Some(Duration::from_secs(1)),
        sabotage: Sabotage::NONE,
    };
    let started = writer::start(
        options,
        Arc::clone(telemetry),
        Shutdown::new(),
        &mut |_, _, _| {},
    )
    .unwrap();
    let core = started.writer;
    std::thread::spawn(move || core.run().unwrap());
    started.handle
}

fn latency(port: usize, count: usize, rate: usize, folder: &Path) {
    let telemetry = Arc::default();
    let handle = start_writer(folder, &telemetry);
    let shared = Shared {
        pins: Arc::default(),
        writer: handle.clone(),
        rules: Arc::new(Rules::new("vigilar".parse().unwrap(), Vec::new())),
        telemetry,
        clock: Clock::System,
        inflight: Arc::default(),
        sabotage: Sabotage::NONE,
    };
    let subscription = Subscription {
        family: Family::Sensor,
        filters: vec!["vigilar/sensor/#".into()],
        known_session: None,
        broker_forgets: false,
    };
    let broker = Broker {
        host: "127.0.0.1".into(),
        port: u16::try_from(port).unwrap(),
        credentials: None,
        keep_alive: Duration::from_secs(30),
        max_packet_bytes: 16 << 20,
        hard_cap_bytes: 64 << 20,
    };
    let subscriber = Subscriber::new(shared, subscription, RumqttLink::new(&broker, "bench"));
    let health = subscriber.health();
    let edge = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    edge.spawn(subscriber.run(tokio_util::sync::CancellationToken::new()));
    let began = Instant::now();
    while !health.lock().unwrap().connected {
        assert!(began.elapsed() < PATIENCE, "no broker");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The event of the session's beginning is stored by now, or it would be counted as a reading.
    handle.barrier().unwrap();

    let total = WARM_UP + count;
    let stop = Arc::new(AtomicBool::new(false));
    let durable_at = watch(handle, total, &stop);
    let sent_at = send_steadily(port, total, rate);
    let durable_at = durable_at.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut times: Vec<Duration> = sent_at
        .iter()
        .zip(&durable_at)
        .skip(WARM_UP)
        .map(|(sent, durable)| durable.saturating_duration_since(*sent))
        .collect();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{{\"p50_ms\":{:.3},\"p90_ms\":{:.3},\"p99_ms\":{:.3},\"p999_ms\":{:.3},\"max_ms\":{:.3}}}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

/// When each of `total` messages was seen to be durable: the head moves after the commit.
fn watch(
    handle: Handle,
    total: usize,
    stop: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<Vec<Instant>> {
    let first = handle.head();
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let began = Instant::now();
        let mut seen = Vec::with_capacity(total);
        while seen.len() < total && !stop.load(Ordering::Relaxed) {
            let durable = ((handle.head() - first) as usize).min(total);
            if durable > seen.len() {
                seen.resize(durable, Instant::now());
            }
            assert!(began.elapsed() < PATIENCE, "{} of {total}", seen.len());
            std::thread::sleep(WATCH_PAUSE);
        }
        seen
    })
}

/// Publishes from a thread of its own, each message at its due time; when each was handed over.
fn send_steadily(port: usize, total: usize, rate: usize) -> Vec<Instant> {
    let sent_at = Arc::new(Mutex::new(Vec::with_capacity(total)));
    let sent = Arc::clone(&sent_at);
    let work = async move {
        let (client, mut events) = client(port, "bench-publisher", true);
        let mut tick = tokio::time::interval(Duration::from_secs(1) / rate as u32);
        let send = async {
            for index in 0..total {
                tick.tick().await;
                let (topic, payload) = reading(index);
                sent.lock().unwrap().push(Instant::now());
                client
                    .publish(topic, QoS::AtLeastOnce, false, payload)
                    .await
                    .unwrap();
            }
        };
        let poll = async {
            let mut answered = 0;
            while answered < total {
                if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
                    answered += 1;
                }
            }
        };
        tokio::join!(send, poll);
    };
    std::thread::spawn(|| block_on(work)).join().unwrap();
    let sent_at = sent_at.lock().unwrap();
    sent_at.clone()
}
