//! What leaves the box, with the real daemon and a real mosquitto: alerts through kills, and what
//! is told on the bus.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use rustix::process::Signal;
use serde_json::Value;

use crate::kills::Dice;
use crate::ledger::Publisher;
use crate::rig::{House, Process, pause, until};

/// Kills while alerts are delivered.
const KILLS: u32 = 12;
/// Cameras that a bear comes by between two kills.
const CAMERAS: usize = 6;

/// Path and body of a request.
type Came = (String, Value);

/// A receiver of webhooks and ntfy that takes its time, and keeps the body of what came.
struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::<Mutex<Vec<_>>>::default();
        let book = came.clone();
        let accept = move || {
            for (number, client) in listener.incoming().enumerate() {
                let book = book.clone();
                let delay = Duration::from_millis(number as u64 % 7 * 5);
                let serve = move || receive(client.unwrap(), delay, &book);
                std::thread::Builder::new().spawn(serve).unwrap();
            }
        };
        std::thread::Builder::new().spawn(accept).unwrap();
        Self { address, came }
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}

fn receive(mut client: TcpStream, delay: Duration, book: &Mutex<Vec<Came>>) {
    let mut reader = BufReader::new(&client);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_lowercase();
        if let Some(rest) = line.strip_prefix("post ") {
            rest.split(' ').next().unwrap().clone_into(&mut path);
        } else if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    pause(delay);
    // What is in the book has arrived, whether the daemon lives to hear of it or not.
    book.lock()
        .unwrap()
        .push((path, serde_json::from_slice(&body).unwrap()));
    let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/// Topic, payload, and whether the broker had kept it.
type Heard = (String, Vec<u8>, bool);

/// A subscriber to everything, on a connection of its own.
struct Listener {
    heard: Arc<Mutex<Vec<Heard>>>,
    client: Client,
}

impl Listener {
    fn start(port: u16, name: &str) -> Self {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_max_packet_size(16 << 20, 16 << 20);
        let (client, mut connection) = Client::new(options, 100);
        client.subscribe("#", QoS::AtLeastOnce).unwrap();
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let subscribed = Arc::<AtomicBool>::default();
        let (book, ready) = (heard.clone(), subscribed.clone());
        let listen = move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::SubAck(_))) => ready.store(true, Ordering::SeqCst),
                    Ok(Event::Incoming(Packet::Publish(one))) => {
                        let heard = (one.topic, one.payload.to_vec(), one.retain);
                        book.lock().unwrap().push(heard);
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        };
        std::thread::Builder::new().spawn(listen).unwrap();
        until("the listener has subscribed", || {
            subscribed.load(Ordering::SeqCst).then_some(())
        });
        Self { heard, client }
    }

    /// The payloads on a topic so far, and whether each was retained.
    fn on(&self, topic: &str) -> Vec<(Vec<u8>, bool)> {
        let heard = self.heard.lock().unwrap();
        let on = heard.iter().filter(|(heard, ..)| heard == topic);
        on.map(|(_, payload, retain)| (payload.clone(), *retain))
            .collect()
    }

    /// The last object on a topic that has this value in this field.
    #[track_caller]
    fn object(&self, topic: &str, key: &str, value: &str) -> Value {
        until(&format!("{key} is {value} on {topic}"), || {
            let on = self.on(topic);
            let mut objects = on.iter().filter_map(|(payload, _)| {
                let object: Value = serde_json::from_slice(payload).ok()?;
                (object[key] == value).then_some(object)
            });
            objects.next_back()
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}

/// Adds to the configuration of a house.
fn configure(house: &House, more: &str) {
    let path = house.data().join("nightjar.toml");
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(more.as_bytes()).unwrap();
}

fn rows(house: &House, sql: &str) -> Vec<String> {
    let output = house.nightjar(&["sql", "--csv", sql]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip(1).map(ToOwned::to_owned).collect()
}

#[test]
fn alerts_are_delivered_through_kills_once_or_more_and_never_two_of_a_kind() {
    let house = House::new();
    let receiver = Receiver::start();
    let secret = house.scratch("hook-secret");
    File::create(&secret).unwrap().write_all(b"whsec").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (at, secret) = (receiver.address, secret.display());
    configure(
        &house,
        &format!(
            "\n[alerts]\nwindow = '1h'\n\
             [[alerts.recipient]]\nname = 'ada'\nmqtt = true\nwebhook_url = 'http://{at}/ada'\n\
             webhook_secret_file = '{secret}'\n\
             [[alerts.recipient]]\nname = 'tom'\nwebhook_url = 'http://{at}/tom'\n\
             webhook_secret_file = '{secret}'\n"
        ),
    );
    let listener = Listener::start(house.port, "neighbour");
    let seed = u64::from_le_bytes(nightjar::base::ids::random()).max(1);
    println!("kills while alerts are delivered: seed {seed}");
    let mut dice = Dice(seed);
    let mut publisher = Publisher::new(house.port);
    let mut daemon = house.start_daemon();
    for round in 0..KILLS {
        for camera in 0..CAMERAS {
            // Each bear comes by again in the next round, within the window.
            for round in [round, round.saturating_sub(1)] {
                let topic = format!("vigilar/camera/yard-{round}-{camera}/wildlife/detected");
                let bear = r#"{"species":"bear","threat":"PREDATOR","confidence":0.9}"#;
                publisher.publish(&topic, bear);
            }
        }
        pause(Duration::from_millis(20 + dice.below(300)));
        daemon.kill();
        daemon = house.start_daemon();
    }
    publisher.all_confirmed();
    let kinds = usize::try_from(KILLS).unwrap() * CAMERAS;
    until("all is raised and delivered", || {
        let sql = "SELECT (SELECT count(*) FROM alerts), \
                   (SELECT count(*) FROM alert_deliveries WHERE status <> 'SENT')";
        (rows(&house, sql) == [format!("{kinds},0")]).then_some(())
    });

    let keys = "SELECT dedup_key, count(DISTINCT alert_id) FROM alerts GROUP BY 1";
    for row in rows(&house, keys) {
        assert!(
            row.ends_with(",1"),
            "two alerts of a kind within the window: {row}"
        );
    }
    let alerts: BTreeSet<i64> = rows(&house, "SELECT alert_id FROM alerts")
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    let mut arrived: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (path, body) in receiver.came() {
        arrived.entry(path).or_default().push(body);
    }
    let bus = listener.on("nightjar/home/alert/ada").into_iter();
    let bus = bus.map(|(payload, _)| serde_json::from_slice(&payload).unwrap());
    arrived.insert("bus".into(), bus.collect());
    for (way, who) in [
        ("/ada", "ada-WEBHOOK"),
        ("/tom", "tom-WEBHOOK"),
        ("bus", "ada-MQTT"),
    ] {
        let mut told: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for body in &arrived[way] {
            let id = body["delivery_id"].as_str().unwrap().to_owned();
            told.entry(body["alert_id"].as_i64().unwrap())
                .or_default()
                .insert(id);
        }
        assert_eq!(
            told.keys().copied().collect::<BTreeSet<_>>(),
            alerts,
            "{way}"
        );
        for (alert, ids) in told {
            assert_eq!(ids, [format!("home-{alert}-{who}-0")].into(), "{way}");
        }
        println!(
            "{way}: {} alerts, {} messages",
            alerts.len(),
            arrived[way].len()
        );
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.end("SIGTERM stops it").success());
    house.is_whole();
}

/// Killed, the broker says so; back again, the state comes from the table.
fn killed_and_back(house: &House, mut daemon: Process, late: &Listener) -> Process {
    let before = late.on("nightjar/home/alarm").len();
    daemon.kill();
    until("offline", || {
        let told = late.on("nightjar/home/availability");
        (told.last()?.0 == b"offline").then_some(())
    });
    let daemon = house.start_daemon();
    until("online again", || {
        let told = late.on("nightjar/home/availability");
        (told.last()?.0 == b"online").then_some(())
    });
    until("the state is told again", || {
        let alarms = late.on("nightjar/home/alarm");
        let told: Value = serde_json::from_slice(&alarms.get(before)?.0).unwrap();
        (told["state"] == "TRIGGERED").then_some(())
    });
    daemon
}

#[test]
fn the_bus_hears_what_was_committed_and_nothing_comes_back() {
    let house = House::new();
    configure(
        &house,
        "\n[[rule]]\nid = 'porch-light'\nactions = ['record_all_cameras', \
         { type = 'publish', topic = 'house/porch/light', payload = 'ON', retain = true }]\n\
         conditions = [{ type = 'sensor_event', sensor = 'porch', event = 'contact_open' }]\n",
    );
    let path = house.data().join("nightjar.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[mqtt]\n", "[mqtt]\ncompat = true\n");
    File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let listener = Listener::start(house.port, "first");
    let mut daemon = house.start_daemon();
    listener.object("nightjar/home/alarm", "state", "DISARMED");
    let mut publisher = Publisher::new(house.port);
    publisher.publish("vigilar/sensor/porch/contact_open", "{\"battery\":88}");
    let door = listener.object(
        "nightjar/home/event/sensor.reported",
        "stream",
        "sensor/porch",
    );
    assert_eq!(door["data"]["battery"], 88.0);
    let published = listener.object("vigilar/events/published", "type", "CONTACT_OPEN");
    assert_eq!(
        (&published["id"], &published["severity"]),
        (&door["position"], &"INFO".into())
    );
    assert_eq!(published["source_id"], "porch");
    let wish = listener.object("nightjar/home/record", "requested_by", "rule/porch-light");
    assert_eq!(wish["cameras"], serde_json::json!([]));
    listener.object(
        "nightjar/home/event/rule.fired",
        "stream",
        "rule/porch-light",
    );
    until("the light is switched on", || {
        (listener.on("house/porch/light") == [(b"ON".to_vec(), false)]).then_some(())
    });

    // Smoke sets the alarm off, whether it is armed or not.
    publisher.publish("vigilar/sensor/landing/smoke", "{\"value\":true}");
    let alarm = listener.object("nightjar/home/alarm", "state", "TRIGGERED");
    assert_eq!(alarm["target"], "DISARMED");
    let vigilar = listener.object("vigilar/system/arm_state", "state", "TRIGGERED");
    assert_eq!(vigilar["triggered_by"], alarm["triggered_by"]);

    // Who comes later finds the states, and nothing else but what was to be kept.
    let late = Listener::start(house.port, "late");
    late.object("nightjar/home/alarm", "state", "TRIGGERED");
    late.object("vigilar/system/arm_state", "state", "TRIGGERED");
    until("online", || {
        (late.on("nightjar/home/availability") == [(b"online".to_vec(), true)]).then_some(())
    });
    let expected = [
        "house/porch/light",
        "nightjar/home/alarm",
        "nightjar/home/availability",
        "vigilar/system/arm_state",
    ];
    until("all that is kept was heard", || {
        let heard = late.heard.lock().unwrap();
        let kept = heard.iter().filter(|(.., retain)| *retain);
        let kept: BTreeSet<_> = kept.map(|(topic, ..)| topic.as_str()).collect();
        (kept == expected.into()).then_some(())
    });

    daemon = killed_and_back(&house, daemon, &late);

    // One more message behind all that we said: what came back would stand before it.
    publisher.publish("vigilar/sensor/end/temperature", "21.5");
    listener.object(
        "nightjar/home/event/sensor.reported",
        "stream",
        "sensor/end",
    );
    let foreign = "SELECT t.name FROM event_log e JOIN names t ON t.id = e.topic \
                   WHERE t.name NOT LIKE 'vigilar/sensor/%'";
    assert_eq!(rows(&house, foreign), [""; 0]);
    let status = house.status().unwrap();
    assert_eq!(status["publisher"]["connected"], true);
    daemon.signal(Signal::TERM);
    assert!(daemon.end("SIGTERM stops it").success());
    until("a goodbye", || {
        let told = late.on("nightjar/home/availability");
        (told.last()?.0 == b"offline").then_some(())
    });
    house.is_whole();
}

#[test]
fn a_stop_waits_for_nobody_who_hangs() {
    let house = House::new();
    // Takes connections and never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    configure(
        &house,
        &format!(
            "\n[[alerts.recipient]]\nname = 'ada'\nntfy_url = 'http://{}'\nntfy_topic = 'house'\n",
            deaf.local_addr().unwrap()
        ),
    );
    let mut daemon = house.start_daemon();
    let mut publisher = Publisher::new(house.port);
    publisher.publish(
        "vigilar/camera/yard/wildlife/detected",
        r#"{"species":"bear","threat":"PREDATOR","confidence":0.9}"#,
    );
    let (_hanging, _) = deaf.accept().unwrap();
    let began = std::time::Instant::now();
    daemon.signal(Signal::TERM);
    assert!(daemon.end("SIGTERM stops it").success());
    // Less than a send may take.
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    let open = rows(&house, "SELECT status, attempts FROM alert_deliveries");
    assert_eq!(open, ["PENDING,0"]);
    house.is_whole();
}
