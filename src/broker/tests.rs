//! The broker as its clients see it: rumqttc, mosquitto's own tools, and bare sockets.
#![allow(clippy::unwrap_used)]

mod faults;
mod mosquitto;
mod protocol;
mod sessions;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Publish, SubscribeReasonCode};
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Outgoing};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Faults, Observer, Options, bind, serve};

/// Nothing here takes a second; a loaded machine gets many.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that may wait in rumqttc: more than any window here.
const CHANNEL: usize = 2_048;

/// A running broker; dropping it ends the broker.
struct Rig {
    address: SocketAddr,
    faults: Faults,
    observer: Observer,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn rig(options: Options) -> Rig {
    let options = Options {
        trace_entries: 10_000,
        ..options
    };
    let listener = bind("127.0.0.1:0".parse().unwrap(), &options)
        .await
        .unwrap();
    let (address, faults, observer) = (listener.address(), listener.faults(), listener.observer());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, stop.clone()));
    Rig {
        address,
        faults,
        observer,
        stop,
        tasks,
    }
}

impl Rig {
    async fn until(&self, what: &str, condition: impl FnMut(&Observer) -> bool) {
        let held = timeout(PATIENCE, self.observer.until(condition)).await;
        assert!(held.is_ok(), "never came true: {what}");
    }

    /// rumqttc as the ingest uses it: a persistent session, acks by hand.
    fn mqtt_options(&self, id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(id, "127.0.0.1", self.address.port());
        options.set_clean_session(false).set_manual_acks(true);
        options
    }

    async fn client(&self, id: &str) -> Client {
        Client::open(self.mqtt_options(id)).await.0
    }

    /// A persistent client that is subscribed at `QoS` 1.
    async fn subscriber(&self, id: &str, filter: &str) -> Client {
        let mut client = self.client(id).await;
        assert_eq!(
            client.subscribe(filter, QoS::AtLeastOnce).await,
            SubscribeReasonCode::Success(QoS::AtLeastOnce)
        );
        client
    }
}

/// A rumqttc client that is polled in line by the test.
struct Client {
    requests: AsyncClient,
    events: EventLoop,
    /// Publishes that came while something else was waited for.
    arrived: VecDeque<Publish>,
}

impl Client {
    /// Returns the client and whether there was a session.
    async fn open(options: MqttOptions) -> (Self, bool) {
        let (requests, events) = AsyncClient::new(options, CHANNEL);
        let mut client = Self {
            requests,
            events,
            arrived: VecDeque::new(),
        };
        let session_present = client.connack().await;
        (client, session_present)
    }

    async fn poll(&mut self) -> Result<Event, ConnectionError> {
        timeout(PATIENCE, self.events.poll())
            .await
            .expect("rumqttc has an event")
    }

    /// Polls until `pick` takes an event; publishes that it does not take are kept.
    async fn until<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.poll().await.expect("the connection holds");
            if let Some(picked) = pick(&event) {
                return picked;
            }
            if let Event::Incoming(Packet::Publish(publish)) = event {
                self.arrived.push_back(publish);
            }
        }
    }

    async fn connack(&mut self) -> bool {
        self.until(|event| match event {
            Event::Incoming(Packet::ConnAck(connack)) => Some(connack.session_present),
            _ => None,
        })
        .await
    }

    /// Polls until the connection breaks.
    async fn error(&mut self) -> ConnectionError {
        loop {
            if let Err(error) = self.poll().await {
                self.events.state.events.clear();
                return error;
            }
        }
    }

    /// Notices the loss of the connection and opens the next one.
    async fn reconnect(&mut self) -> bool {
        self.error().await;
        self.connack().await
    }

    async fn subscribe(&mut self, filter: &str, qos: QoS) -> SubscribeReasonCode {
        // Not `subscribe()`: it would refuse invalid filters itself.
        self.requests.try_subscribe(filter, qos).unwrap();
        self.until(|event| match event {
            Event::Incoming(Packet::SubAck(suback)) => Some(suback.return_codes[0]),
            _ => None,
        })
        .await
    }

    async fn publish(&mut self, topic: &str, payload: &str) {
        self.send(topic, QoS::AtLeastOnce, payload, Retain::No)
            .await;
    }

    async fn send(&mut self, topic: &str, qos: QoS, payload: &str, retain: Retain) {
        self.requests
            .try_publish(topic, qos, retain == Retain::Yes, payload)
            .unwrap();
        self.until(|event| match event {
            Event::Incoming(Packet::PubAck(_)) if qos == QoS::AtLeastOnce => Some(()),
            Event::Outgoing(Outgoing::Publish(_)) if qos == QoS::AtMostOnce => Some(()),
            _ => None,
        })
        .await;
    }

    async fn message(&mut self) -> Publish {
        if let Some(publish) = self.arrived.pop_front() {
            return publish;
        }
        self.until(|event| match event {
            Event::Incoming(Packet::Publish(publish)) => Some(publish.clone()),
            _ => None,
        })
        .await
    }

    /// The next `count` messages as (payload, packet id, DUP).
    async fn messages(&mut self, count: usize) -> Vec<(String, u16, bool)> {
        let mut seen = Vec::new();
        for _ in 0..count {
            let message = self.message().await;
            seen.push((text(&message), message.pkid, message.dup));
        }
        seen
    }

    async fn ack(&mut self, packet_id: u16) {
        let mut publish = Publish::new("any", QoS::AtLeastOnce, "");
        publish.pkid = packet_id;
        self.requests.try_ack(&publish).unwrap();
        self.until(|event| (*event == Event::Outgoing(Outgoing::PubAck(packet_id))).then_some(()))
            .await;
    }

    async fn disconnect(mut self) {
        self.requests.try_disconnect().unwrap();
        self.until(|event| (*event == Event::Outgoing(Outgoing::Disconnect)).then_some(()))
            .await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retain {
    Yes,
    No,
}

fn text(publish: &Publish) -> String {
    String::from_utf8(publish.payload.to_vec()).unwrap()
}

fn seen(payload: &str, packet_id: u16, dup: bool) -> (String, u16, bool) {
    (payload.to_owned(), packet_id, dup)
}
