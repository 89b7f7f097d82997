//! The publisher against the small broker doing harm, and against mosquitto.
#![allow(clippy::unwrap_used)]

mod harm;
mod mosquitto;
mod queue;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::*;
use crate::broker::{self, Faults, Observer, Trace};

/// Nothing here takes a second; a loaded machine gets many.
const PATIENCE: Duration = Duration::from_secs(30);

const CLIENT: &str = "nightjar-home-publisher";
const AVAILABILITY: &str = "nightjar/home/availability";

/// Comes back at once, so that tests need not wait.
const BRISK: Pace = Pace {
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(5),
    answer_limit: PATIENCE,
    farewell_limit: PATIENCE,
};

fn at(address: SocketAddr) -> Broker {
    Broker {
        host: address.ip().to_string(),
        port: address.port(),
        credentials: None,
        keep_alive: Duration::from_secs(30),
        max_packet_bytes: 1024 * 1024,
        hard_cap_bytes: 1024 * 1024,
    }
}

/// A publisher at this address, not running yet.
fn publisher(address: SocketAddr, pace: Pace) -> (Publisher, Arc<Telemetry>) {
    let telemetry = Arc::new(Telemetry::default());
    let base = "nightjar/home";
    let mut publisher = Publisher::new(at(address), "home", base, Arc::clone(&telemetry));
    publisher.pace = pace;
    (publisher, telemetry)
}

/// A running publisher.
struct Running {
    outlet: Outlet,
    outbox: Arc<Outbox>,
    health: Arc<Mutex<Health>>,
    telemetry: Arc<Telemetry>,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

fn run(address: SocketAddr, pace: Pace) -> Running {
    let (publisher, telemetry) = publisher(address, pace);
    let cancel = CancellationToken::new();
    let mut running = Running {
        outlet: publisher.outlet(),
        outbox: Arc::clone(&publisher.outbox),
        health: publisher.health(),
        telemetry,
        cancel: cancel.clone(),
        tasks: JoinSet::new(),
    };
    running.tasks.spawn(publisher.run(cancel));
    running
}

impl Running {
    fn health(&self) -> Health {
        self.health.lock().unwrap().clone()
    }

    fn trouble(&self) -> String {
        self.health().trouble.unwrap_or_default()
    }

    /// Connected, and the broker has everything.
    async fn settled(&self) {
        until("the publisher is settled", || {
            self.outbox.is_connected() && self.outbox.is_settled()
        })
        .await;
    }

    /// `publish_and_wait` on a thread of its own.
    fn send(&self, payload: &str, timeout: Duration) -> Sending {
        let (outlet, payload) = (self.outlet.clone(), payload.to_owned());
        let mut thread = JoinSet::new();
        thread.spawn_blocking(move || {
            outlet.publish_and_wait("nightjar/home/alert", payload, false, timeout)
        });
        Sending { thread }
    }
}

/// A caller that waits for the broker's answer.
struct Sending {
    thread: JoinSet<Result<Duration, DeliveryError>>,
}

impl Sending {
    /// The answer, if it is there.
    fn try_answer(&mut self) -> Option<Result<Duration, DeliveryError>> {
        self.thread.try_join_next().map(Result::unwrap)
    }

    async fn answer(mut self) -> Result<Duration, DeliveryError> {
        tokio::time::timeout(PATIENCE, self.thread.join_next())
            .await
            .expect("the caller gets an answer")
            .unwrap()
            .unwrap()
    }
}

/// What a subscriber to everything has heard.
#[derive(Clone, Default)]
struct Heard {
    messages: Arc<Mutex<Vec<(String, String, bool)>>>,
    subscribed: Arc<AtomicBool>,
}

impl Heard {
    /// Payloads on a topic, in order.
    fn on(&self, topic: &str) -> Vec<String> {
        let messages = self.messages.lock().unwrap();
        let payloads = messages.iter().filter(|(heard, ..)| heard == topic);
        payloads.map(|(_, payload, _)| payload.clone()).collect()
    }

    fn alerts(&self) -> Vec<String> {
        self.on("nightjar/home/alert")
    }

    /// What the broker had retained on a topic when we subscribed.
    fn retained(&self, topic: &str) -> Option<String> {
        let messages = self.messages.lock().unwrap();
        let found = messages
            .iter()
            .find(|(heard, _, retain)| heard == topic && *retain);
        found.map(|(_, payload, _)| payload.clone())
    }
}

/// Subscribes to everything, for as long as the set lives.
async fn listen(address: SocketAddr, id: &str, tasks: &mut JoinSet<()>) -> Heard {
    let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
    options.set_max_packet_size(64 * 1024 * 1024, 1024);
    let (client, mut events) = AsyncClient::new(options, 10);
    client
        .try_subscribe("nightjar/#", QoS::AtLeastOnce)
        .unwrap();
    let heard = Heard::default();
    let told = heard.clone();
    tasks.spawn(async move {
        let _client = client;
        while let Ok(event) = events.poll().await {
            match event {
                Event::Incoming(Packet::SubAck(_)) => told.subscribed.store(true, Ordering::SeqCst),
                Event::Incoming(Packet::Publish(publish)) => {
                    let payload = String::from_utf8_lossy(&publish.payload).into_owned();
                    let mut messages = told.messages.lock().unwrap();
                    messages.push((publish.topic, payload, publish.retain));
                }
                _ => {}
            }
        }
    });
    until("the listener has subscribed", || {
        heard.subscribed.load(Ordering::SeqCst)
    })
    .await;
    heard
}

/// A small broker; dropping it ends it.
struct Small {
    address: SocketAddr,
    faults: Faults,
    observer: Observer,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn small() -> Small {
    small_at("127.0.0.1:0".parse().unwrap()).await
}

async fn small_at(address: SocketAddr) -> Small {
    let options = broker::Options {
        trace_entries: 10_000,
        ..broker::Options::default()
    };
    let listener = broker::bind(address, &options).await.unwrap();
    let (address, faults, observer) = (listener.address(), listener.faults(), listener.observer());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(broker::serve(listener, stop.clone()));
    Small {
        address,
        faults,
        observer,
        stop,
        tasks,
    }
}

impl Small {
    async fn listen(&mut self) -> Heard {
        listen(self.address, "listener", &mut self.tasks).await
    }

    /// Cuts the publisher's connection, as a failing network would.
    fn cut(&self) {
        self.faults
            .change(CLIENT, |faults| faults.cut_after_bytes = Some(0));
    }

    fn swallow_pubacks(&self, swallow: bool) {
        self.faults
            .change(CLIENT, |faults| faults.swallow_pubacks = swallow);
    }

    /// Sends the PUBACK for this packet id.
    fn ack(&self, packet_id: u16) {
        let [high, low] = packet_id.to_be_bytes();
        assert!(self.faults.send_raw(CLIENT, &[0x40, 2, high, low]));
    }

    /// Connections of the publisher so far.
    fn connections(&self) -> usize {
        let trace = self.observer.trace(CLIENT);
        let connected = trace
            .iter()
            .filter(|entry| matches!(entry, Trace::Connected { .. }));
        connected.count()
    }
}

/// Waits for a condition, and says which one was not met.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
