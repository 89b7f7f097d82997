//! The real client against the small broker, which does harm.

use std::net::SocketAddr;

use rumqttc::mqttbytes::QoS;
use rumqttc::{AsyncClient, MqttOptions};
use tokio::task::JoinSet;

use super::*;
use crate::broker::{self, Ack, AckOutcome, Faults, Observer};

const CLIENT: &str = "nightjar-home-sensor";

/// A broker, a subscriber on it, and a publisher.
struct Rig {
    log: Log,
    address: SocketAddr,
    faults: Faults,
    observer: Observer,
    publisher: AsyncClient,
    tasks: JoinSet<()>,
}

async fn rig(max_packet_bytes: usize) -> Rig {
    let options = broker::Options {
        trace_entries: 100_000,
        ..broker::Options::default()
    };
    let listener = broker::bind("127.0.0.1:0".parse().unwrap(), &options)
        .await
        .unwrap();
    let (address, faults, observer) = (listener.address(), listener.faults(), listener.observer());
    let mut log = Log::new();
    log.start_writer();
    let link = RumqttLink::new(&at(address, max_packet_bytes), CLIENT);
    let subscriber = Subscriber::new(log.shared(), log.subscription(), link);
    let mut tasks = JoinSet::new();
    tasks.spawn(broker::serve(listener, CancellationToken::new()));
    tasks.spawn(subscriber.run(CancellationToken::new()));
    let mut options = MqttOptions::new("publisher", address.ip().to_string(), address.port());
    options
        .set_max_packet_size(64 * 1024 * 1024, 64 * 1024 * 1024)
        .set_inflight(1_000);
    let (publisher, mut events) = AsyncClient::new(options, 1_000);
    tasks.spawn(async move {
        // The broker may drop it as well; it comes back.
        loop {
            if events.poll().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    let subscribed = |observer: &Observer| {
        observer
            .client(CLIENT)
            .is_some_and(|client| !client.subscriptions.is_empty())
    };
    let waiting = observer.until(subscribed);
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    Rig {
        log,
        address,
        faults,
        observer,
        publisher,
        tasks,
    }
}

fn at(address: SocketAddr, max_packet_bytes: usize) -> Broker {
    Broker {
        host: address.ip().to_string(),
        port: address.port(),
        credentials: None,
        keep_alive: Duration::from_secs(30),
        max_packet_bytes,
        hard_cap_bytes: 64 * 1024 * 1024,
    }
}

impl Rig {
    async fn publish(&self, value: impl Into<Vec<u8>>) {
        let topic = "vigilar/sensor/porch/temperature";
        self.publisher
            .publish(topic, QoS::AtLeastOnce, false, value)
            .await
            .unwrap();
    }

    async fn settled(&self) {
        let nothing_left = |observer: &Observer| {
            observer.client(CLIENT).is_some_and(|client| {
                client.connection.is_some() && client.unacknowledged == 0 && client.queued == 0
            })
        };
        tokio::time::timeout(PATIENCE, self.observer.until(nothing_left))
            .await
            .unwrap();
    }

    fn bad_acks(&self) -> Vec<Ack> {
        let mut acks = self.observer.acks(CLIENT);
        acks.retain(|ack| ack.outcome != AckOutcome::Settled);
        acks
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_again_and_again_loses_nothing_and_doubles_nothing() {
    let rig = rig(1024 * 1024).await;
    for round in 0..12_u64 {
        rig.faults.change(CLIENT, |faults| {
            faults.cut_after_bytes = Some(200 + 57 * round);
        });
        for number in 0..50 {
            rig.publish(format!("{}", round * 50 + number)).await;
        }
        let stored = 50 * (round as usize + 1);
        until("the round is stored", || rig.log.readings().len() == stored).await;
    }
    rig.settled().await;
    let twice: Vec<_> = rig
        .log
        .readings()
        .into_iter()
        .filter(|(_, count)| *count != 1)
        .collect();
    assert_eq!(twice, [], "stored more than once");
    assert_eq!(
        rig.bad_acks(),
        [],
        "acks that settle nothing of their connection"
    );
    assert!(rig.log.telemetry.broker_disconnections.get() >= 8);
    assert!(!rig.tasks.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acks_that_are_lost_on_the_way_lead_to_redeliveries_that_are_recognised() {
    let rig = rig(1024 * 1024).await;
    rig.faults
        .change(CLIENT, |faults| faults.ignore_acks = true);
    for _ in 0..40 {
        rig.publish("21.5").await;
    }
    until("all are stored", || {
        rig.log.readings().get("21.5") == Some(&40)
    })
    .await;
    let ignored = |observer: &Observer| {
        let mut acks = observer.acks(CLIENT);
        acks.retain(|ack| ack.outcome == AckOutcome::Ignored);
        acks.len() == 40
    };
    tokio::time::timeout(PATIENCE, rig.observer.until(ignored))
        .await
        .unwrap();
    rig.faults
        .change(CLIENT, |faults| faults.ignore_acks = false);
    rig.faults.drop_connections();
    rig.settled().await;
    assert_eq!(
        rig.log.readings().get("21.5"),
        Some(&40),
        "identical messages, each once"
    );
    until("all are recognised", || {
        rig.log.telemetry.duplicates_redelivered.get() == 40
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packet_over_the_limit_is_stored_raw_and_does_not_come_for_ever() {
    let rig = rig(64 * 1024).await;
    rig.publish(vec![b'x'; 10 * 1024 * 1024]).await;
    rig.publish("4").await;
    until("the next message is served", || {
        rig.log.readings().contains_key("4")
    })
    .await;
    rig.settled().await;
    let raw = rig
        .log
        .events()
        .into_iter()
        .find_map(|event| match event.event {
            Event::MessageUndecodable(message) => Some(message.payload.len()),
            _ => None,
        });
    assert_eq!(raw, Some(10 * 1024 * 1024));
    assert_eq!(
        rig.log.telemetry.broker_disconnections.get(),
        1,
        "one error, then it is read"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_packets_and_a_forgotten_session_are_survived() {
    let rig = rig(1024 * 1024).await;
    rig.publish("1").await;
    rig.settled().await;
    rig.faults.send_raw(CLIENT, &[0xff, 0xff, 0xff, 0xff, 0xff]);
    rig.publish("2").await;
    until("the second is stored", || {
        rig.log.readings().contains_key("2")
    })
    .await;
    rig.faults
        .change(CLIENT, |faults| faults.forget_session_once = true);
    rig.faults.drop_connections();
    until("the loss is recorded", || {
        rig.log.kinds().contains(&"broker.session_lost")
    })
    .await;
    let subscribed = |observer: &Observer| {
        observer
            .client(CLIENT)
            .is_some_and(|client| !client.subscriptions.is_empty())
    };
    tokio::time::timeout(PATIENCE, rig.observer.until(subscribed))
        .await
        .unwrap();
    rig.publish("3").await;
    until("the third is stored", || {
        rig.log.readings().contains_key("3")
    })
    .await;
    assert_eq!(rig.bad_acks(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_refused_by_the_broker_is_seen() {
    let rig = rig(1024 * 1024).await;
    let mut log = Log::new();
    log.start_writer();
    let refuse = |faults: &mut broker::ClientFaults| {
        faults.refused_filters = vec!["vigilar/sensor/#".into()];
    };
    rig.faults.change("nightjar-other", refuse);
    let link = RumqttLink::new(&at(rig.address, 1024 * 1024), "nightjar-other");
    let subscriber = Subscriber::new(log.shared(), log.subscription(), link);
    let health = subscriber.health();
    let mut tasks = JoinSet::new();
    tasks.spawn(subscriber.run(CancellationToken::new()));
    until("it is recorded", || {
        log.kinds().contains(&"broker.subscription_refused")
    })
    .await;
    assert!(health.lock().unwrap().trouble.is_some());
}

#[test]
fn the_session_is_persistent_acks_are_manual_and_the_id_is_fixed() {
    let broker = at("127.0.0.1:1883".parse().unwrap(), 16 * 1024 * 1024);
    let link = RumqttLink::new(&broker, CLIENT);
    let options = link.options();
    assert!(options.manual_acks());
    assert!(!options.clean_session());
    assert_eq!(options.client_id(), CLIENT);
    assert_eq!(options.max_packet_size(), 16 * 1024 * 1024);
}

#[test]
fn a_reset_keeps_qos_0_only_and_forgets_collision_acks_and_requests() {
    use rumqttc::mqttbytes::v4::{Packet, Publish};
    let broker = at("127.0.0.1:1883".parse().unwrap(), 1024);
    let mut link = RumqttLink::new(&broker, CLIENT);
    let ring = link.doorbell();
    assert!(ring(7));
    for (qos, packet_id) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 4)] {
        let mut publish = Publish::new("vigilar/sensor/x/temperature", qos, "1");
        publish.pkid = packet_id;
        link.events_mut()
            .state
            .events
            .push_back(rumqttc::Event::Incoming(Packet::Publish(publish)));
    }
    link.events_mut().state.collision = Some(Publish::new("t", QoS::AtLeastOnce, ""));
    let left = link.reset();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].packet_id, None);
    let events = link.events_mut();
    assert!(events.state.events.is_empty());
    assert!(events.state.collision.is_none());
    assert!(
        events.pending.is_empty(),
        "an ack of the old connection is gone"
    );
}
