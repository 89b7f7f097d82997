//! `up` with its small broker: what it commits is heard on the bus.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Nothing here takes ten seconds; a loaded machine gets many.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn up_tells_the_bus_what_it_stored_and_how_the_alarm_stands() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Command::new(env!("CARGO_BIN_EXE_nightjar"))
        .args(["up", "--no-night", "--dir"])
        .arg(folder.path().join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut messages = BufReader::new(up.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let port = messages.find_map(|line| line.rsplit_once("broker at 127.0.0.1:")?.1.parse().ok());
    let mut options = MqttOptions::new("listener", "127.0.0.1", port.unwrap());
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut connection) = Client::new(options, 10);
    client.subscribe("nightjar/#", QoS::AtLeastOnce).unwrap();
    client
        .publish(
            "vigilar/sensor/porch/contact_open",
            QoS::AtLeastOnce,
            false,
            "{}",
        )
        .unwrap();
    let (mut alarm, mut door, mut online) = (None, None, false);
    let began = Instant::now();
    while alarm.is_none() || door.is_none() || !online {
        assert!(began.elapsed() < PATIENCE, "{alarm:?} {door:?} {online}");
        let Ok(Ok(event)) = connection.recv_timeout(PATIENCE) else {
            panic!("the small broker is gone")
        };
        let Event::Incoming(Packet::Publish(heard)) = event else {
            continue;
        };
        let object = || serde_json::from_slice::<Value>(&heard.payload).unwrap();
        match heard.topic.as_str() {
            "nightjar/home/alarm" => alarm = Some(object()),
            "nightjar/home/event/sensor.reported" => door = Some(object()),
            "nightjar/home/availability" => online = heard.payload == "online",
            _ => {}
        }
    }
    assert_eq!(alarm.unwrap()["state"], "DISARMED");
    assert_eq!(door.unwrap()["stream"], "sensor/porch");
    kill_process(Pid::from_child(&up), Signal::INT).unwrap();
    let mut goodbye = None;
    while let Ok(Ok(event)) = connection.recv_timeout(PATIENCE) {
        if let Event::Incoming(Packet::Publish(heard)) = event
            && heard.topic == "nightjar/home/availability"
        {
            goodbye = Some(heard.payload);
        }
    }
    assert_eq!(goodbye.as_deref(), Some(&b"offline"[..]));
    assert_eq!(up.wait().unwrap().code(), Some(0));
    let trouble: Vec<_> = messages.filter(|line| line.contains("WARN")).collect();
    assert!(trouble.is_empty(), "{trouble:?}");
}
