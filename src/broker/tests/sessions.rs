//! Delivery, retained messages, sessions, windows, wills.

use std::time::Instant;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{LastWill, Packet, SubscribeReasonCode};
use rumqttc::{AsyncClient, Event, Outgoing};

use super::{Client, PATIENCE, Retain, rig, seen, text};
use crate::broker::{Ack, AckOutcome, Options};

#[tokio::test]
async fn qos_1_is_delivered_in_order_and_held_until_acknowledged() {
    let rig = rig(Options::default()).await;
    let mut door = rig.client("door").await;
    let mut ingest = rig.subscriber("ingest", "vigilar/sensor/#").await;
    for payload in ["a", "b", "c"] {
        door.publish("vigilar/sensor/door/contact_open", payload)
            .await;
    }
    let expected = [
        seen("a", 1, false),
        seen("b", 2, false),
        seen("c", 3, false),
    ];
    assert_eq!(ingest.messages(3).await, expected);
    assert_eq!(rig.observer.unacknowledged("ingest"), 3);

    for packet_id in [2, 1, 3] {
        ingest.ack(packet_id).await;
    }
    rig.until("all acknowledged", |seen| {
        seen.unacknowledged("ingest") == 0
    })
    .await;
    let connection = rig.observer.client("ingest").unwrap().connection.unwrap();
    let settled = |packet_id| Ack {
        connection,
        packet_id,
        outcome: AckOutcome::Settled,
    };
    assert_eq!(
        rig.observer.acks("ingest"),
        [settled(2), settled(1), settled(3)]
    );
}

#[tokio::test]
async fn the_lower_qos_of_publish_and_subscription_counts_and_overlaps_deliver_once() {
    let rig = rig(Options::default()).await;
    let mut door = rig.client("door").await;
    let mut ingest = rig.client("ingest").await;
    assert_eq!(
        ingest.subscribe("low/#", QoS::AtMostOnce).await,
        SubscribeReasonCode::Success(QoS::AtMostOnce)
    );
    for filter in ["high/+", "high/#"] {
        let granted = ingest.subscribe(filter, QoS::ExactlyOnce).await;
        assert_eq!(granted, SubscribeReasonCode::Success(QoS::AtLeastOnce));
    }
    door.publish("low/x", "1").await;
    door.send("high/x", QoS::AtMostOnce, "2", Retain::No).await;
    door.publish("high/x", "3").await;
    let expected = [
        seen("1", 0, false),
        seen("2", 0, false),
        seen("3", 1, false),
    ];
    assert_eq!(ingest.messages(3).await, expected);
}

#[tokio::test]
async fn retained_messages_answer_a_subscription_until_they_are_cleared() {
    let rig = rig(Options::default()).await;
    let mut hub = rig.client("hub").await;
    hub.send("state/door", QoS::AtLeastOnce, "old", Retain::Yes)
        .await;
    hub.send("state/door", QoS::AtLeastOnce, "open", Retain::Yes)
        .await;
    hub.send("state/window", QoS::AtMostOnce, "shut", Retain::Yes)
        .await;

    let mut first = rig.subscriber("first", "state/#").await;
    // QoS 0 does not wait behind QoS 1.
    let (window, door) = (first.message().await, first.message().await);
    assert_eq!(
        (text(&door).as_str(), door.retain, door.qos),
        ("open", true, QoS::AtLeastOnce)
    );
    assert_eq!(
        (text(&window).as_str(), window.retain, window.qos),
        ("shut", true, QoS::AtMostOnce)
    );
    // To those who are subscribed already, the same publish is an ordinary message.
    hub.send("state/door", QoS::AtLeastOnce, "", Retain::Yes)
        .await;
    let cleared = first.message().await;
    assert_eq!((text(&cleared).as_str(), cleared.retain), ("", false));

    let mut second = rig.subscriber("second", "state/door").await;
    hub.publish("state/door", "live").await;
    let live = second.message().await;
    assert_eq!((text(&live).as_str(), live.retain), ("live", false));
}

#[tokio::test]
async fn a_persistent_session_redelivers_the_window_with_dup_then_the_queue() {
    let rig = rig(Options::default()).await;
    let mut door = rig.client("door").await;
    let mut ingest = rig.subscriber("ingest", "t/#").await;
    for payload in ["a", "b", "c"] {
        door.publish("t/x", payload).await;
    }
    ingest.messages(3).await;
    ingest.ack(2).await;
    rig.until("one ack", |seen| seen.unacknowledged("ingest") == 2)
        .await;
    drop(ingest);
    rig.until("ingest is away", |seen| {
        seen.client("ingest").unwrap().connection.is_none()
    })
    .await;
    door.publish("t/x", "d").await;
    door.send("t/x", QoS::AtMostOnce, "not kept", Retain::No)
        .await;
    door.publish("t/x", "e").await;
    assert_eq!(rig.observer.client("ingest").unwrap().queued, 2);

    let (mut ingest, session_present) = Client::open(rig.mqtt_options("ingest")).await;
    assert!(session_present);
    let expected = [
        seen("a", 1, true),
        seen("c", 3, true),
        seen("d", 4, false),
        seen("e", 5, false),
    ];
    assert_eq!(ingest.messages(4).await, expected);
}

#[tokio::test]
async fn a_clean_session_ends_with_its_connection_and_replaces_a_kept_one() {
    let rig = rig(Options::default()).await;
    rig.subscriber("ingest", "t/#").await.disconnect().await;
    rig.until("ingest is away", |seen| {
        seen.client("ingest").unwrap().connection.is_none()
    })
    .await;
    assert_eq!(
        rig.observer.client("ingest").unwrap().subscriptions,
        ["t/#"]
    );

    let mut options = rig.mqtt_options("ingest");
    options.set_clean_session(true);
    let (clean, session_present) = Client::open(options).await;
    assert!(!session_present);
    assert!(
        rig.observer
            .client("ingest")
            .unwrap()
            .subscriptions
            .is_empty()
    );
    drop(clean);
    rig.until("the session is gone", |seen| {
        seen.client("ingest").is_none()
    })
    .await;
    assert!(!Client::open(rig.mqtt_options("ingest")).await.1);
}

#[tokio::test]
async fn no_more_than_the_window_is_in_flight() {
    let rig = rig(Options {
        max_inflight: 2,
        ..Options::default()
    })
    .await;
    let mut door = rig.client("door").await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    for number in 1..=5 {
        door.publish("t", &number.to_string()).await;
    }
    let view = |observer: &crate::broker::Observer| {
        let view = observer.client("ingest").unwrap();
        (view.unacknowledged, view.queued)
    };
    rig.until("a full window", |seen| view(seen) == (2, 3))
        .await;
    assert_eq!(
        ingest.messages(2).await,
        [seen("1", 1, false), seen("2", 2, false)]
    );
    // QoS 0 does not wait for the window.
    door.send("t", QoS::AtMostOnce, "passing", Retain::No).await;
    assert_eq!(ingest.messages(1).await, [seen("passing", 0, false)]);
    assert_eq!(view(&rig.observer), (2, 3));
    ingest.ack(1).await;
    assert_eq!(ingest.messages(1).await, [seen("3", 3, false)]);
    assert_eq!(view(&rig.observer), (2, 2));
}

#[tokio::test]
async fn a_full_queue_drops_the_newest_and_counts_them() {
    let rig = rig(Options {
        max_queued_bytes: 1_000,
        ..Options::default()
    })
    .await;
    let mut door = rig.client("door").await;
    drop(rig.subscriber("ingest", "t").await);
    rig.until("ingest is away", |seen| {
        seen.client("ingest").unwrap().connection.is_none()
    })
    .await;
    for number in 0..10 {
        door.publish("t", &number.to_string()).await;
    }
    // 130 bytes each.
    let view = rig.observer.client("ingest").unwrap();
    assert_eq!((view.queued, view.dropped), (7, 3));
    let mut ingest = rig.client("ingest").await;
    assert_eq!(ingest.messages(7).await.last().unwrap().0, "6");
}

#[tokio::test]
async fn unsubscribing_stops_the_delivery() {
    let rig = rig(Options::default()).await;
    let mut door = rig.client("door").await;
    let mut ingest = rig.subscriber("ingest", "a").await;
    ingest.subscribe("b", QoS::AtLeastOnce).await;
    ingest.requests.try_unsubscribe("a").unwrap();
    ingest
        .until(|event| matches!(event, Event::Incoming(Packet::UnsubAck(_))).then_some(()))
        .await;
    door.publish("a", "unheard").await;
    door.publish("b", "heard").await;
    assert_eq!(ingest.messages(1).await, [seen("heard", 1, false)]);
}

#[tokio::test]
async fn a_will_is_published_when_the_client_is_lost_and_not_when_it_says_goodbye() {
    let rig = rig(Options::default()).await;
    let mut watcher = rig.subscriber("watcher", "availability/#").await;
    let with_will = |id: &str| {
        let mut options = rig.mqtt_options(id);
        let topic = format!("availability/{id}");
        options.set_last_will(LastWill::new(topic, "offline", QoS::AtLeastOnce, true));
        options
    };
    let (polite, _) = Client::open(with_will("polite")).await;
    let (lost, _) = Client::open(with_will("lost")).await;
    polite.disconnect().await;
    rig.until("polite left", |seen| {
        seen.client("polite").unwrap().connection.is_none()
    })
    .await;
    drop(lost);
    let will = watcher.message().await;
    assert_eq!(
        (will.topic.as_str(), text(&will).as_str()),
        ("availability/lost", "offline")
    );
    // A client that is thrown out by its own id is lost as well.
    let (_old, _) = Client::open(with_will("twice")).await;
    let (_new, _) = Client::open(with_will("twice")).await;
    assert_eq!(watcher.message().await.topic, "availability/twice");
    // It was retained.
    let mut late = rig.subscriber("late", "availability/#").await;
    assert!(late.message().await.retain);
}

#[tokio::test]
async fn a_second_connection_takes_over_the_session_and_the_first_is_closed() {
    let rig = rig(Options::default()).await;
    let mut door = rig.client("door").await;
    let mut first = rig.subscriber("ingest", "t").await;
    door.publish("t", "a").await;
    assert_eq!(first.messages(1).await, [seen("a", 1, false)]);
    let (mut second, session_present) = Client::open(rig.mqtt_options("ingest")).await;
    assert!(session_present);
    first.error().await;
    assert_eq!(second.messages(1).await, [seen("a", 1, true)]);
    door.publish("t", "b").await;
    assert_eq!(second.messages(1).await, [seen("b", 2, false)]);
}

#[tokio::test]
async fn a_flood_arrives_whole_and_in_order() {
    const MESSAGES: usize = 20_000;
    let rig = rig(Options {
        trace_entries: 0,
        ..Options::default()
    })
    .await;
    let mut ingest = rig.subscriber("ingest", "flood/#").await;
    let mut options = rig.mqtt_options("flood");
    options.set_inflight(1_000);
    let (mut flood, _) = Client::open(options).await;
    let begin = Instant::now();
    let publish = async {
        let (mut asked, mut acknowledged) = (0, 0);
        while acknowledged < MESSAGES {
            while asked < MESSAGES && try_publish(&flood.requests, asked) {
                asked += 1;
            }
            if let Event::Incoming(Packet::PubAck(_)) = flood.events.poll().await.unwrap() {
                acknowledged += 1;
            }
        }
    };
    let receive = async {
        let mut received = 0;
        let mut acks = 0;
        while acks < MESSAGES {
            match ingest.events.poll().await.unwrap() {
                Event::Incoming(Packet::Publish(publish)) => {
                    assert_eq!(text(&publish), received.to_string());
                    received += 1;
                    ingest.requests.try_ack(&publish).unwrap();
                }
                Event::Outgoing(Outgoing::PubAck(_)) => acks += 1,
                _ => {}
            }
        }
    };
    let both = async { tokio::join!(publish, receive) };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("the flood ends");
    rig.until("all acknowledged", |seen| {
        seen.unacknowledged("ingest") == 0
    })
    .await;
    println!(
        "{:.0} messages per second",
        MESSAGES as f64 / begin.elapsed().as_secs_f64()
    );
}

fn try_publish(requests: &AsyncClient, number: usize) -> bool {
    requests
        .try_publish("flood/x", QoS::AtLeastOnce, false, number.to_string())
        .is_ok()
}
