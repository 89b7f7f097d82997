//! Every fault strikes as it says, and the trace tells what happened.

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Publish, SubscribeReasonCode};
use rumqttc::{ConnectionError, Event, StateError};

use super::{Client, rig, seen};
use crate::broker::{Ack, AckOutcome, Options, Trace};

#[tokio::test]
async fn a_cut_after_any_byte_loses_nothing() {
    // CONNACK has 4 bytes, the message 2 + 2 + 1 + 2 + 7 = 14.
    for cut_after_bytes in 0..=18 {
        let rig = rig(Options::default()).await;
        let mut door = rig.client("door").await;
        drop(rig.subscriber("ingest", "t").await);
        door.publish("t", "message").await;
        rig.faults.change("ingest", |faults| {
            faults.cut_after_bytes = Some(cut_after_bytes);
        });

        let (requests, events) = rumqttc::AsyncClient::new(rig.mqtt_options("ingest"), 8);
        let mut ingest = Client {
            requests,
            events,
            arrived: std::collections::VecDeque::new(),
        };
        let mut whole = Vec::new();
        let mut connacks = 0;
        loop {
            match ingest.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => connacks += 1,
                Ok(Event::Incoming(Packet::Publish(publish))) => whole.push(publish),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        // rumqttc read it together with the end of the connection, and reports the end first.
        for event in ingest.events.state.events.drain(..) {
            if let Event::Incoming(Packet::Publish(publish)) = event {
                whole.push(publish);
            }
        }
        assert_eq!(
            connacks,
            usize::from(cut_after_bytes >= 4),
            "cut after {cut_after_bytes}"
        );
        assert_eq!(
            whole.len(),
            usize::from(cut_after_bytes == 18),
            "cut after {cut_after_bytes}"
        );
        assert!(ingest.connack().await);
        assert_eq!(ingest.messages(1).await, [seen("message", 1, true)]);
    }
}

#[tokio::test]
async fn dropping_all_connections_keeps_the_sessions() {
    let rig = rig(Options::default()).await;
    let mut one = rig.subscriber("one", "t").await;
    let mut two = rig.subscriber("two", "t").await;
    rig.faults.drop_connections();
    assert!(one.reconnect().await);
    assert!(two.reconnect().await);
    one.publish("t", "a").await;
    assert_eq!(two.messages(1).await, [seen("a", 1, false)]);
}

#[tokio::test]
async fn a_forgotten_session_is_gone_once() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    ingest.publish("t", "lost with the session").await;
    ingest.messages(1).await;
    rig.faults
        .change("ingest", |faults| faults.forget_session_once = true);
    rig.faults.drop_connections();
    assert!(!ingest.reconnect().await);
    let view = rig.observer.client("ingest").unwrap();
    assert_eq!((view.unacknowledged, view.subscriptions.len()), (0, 0));
    rig.faults.drop_connections();
    assert!(ingest.reconnect().await);
}

#[tokio::test]
async fn a_refused_subscription_is_answered_with_failure() {
    let rig = rig(Options::default()).await;
    rig.faults.change("ingest", |faults| {
        faults.refused_filters = vec!["secret/#".to_owned()];
    });
    let mut ingest = rig.client("ingest").await;
    let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
    assert_eq!(
        ingest.subscribe("secret/#", QoS::AtLeastOnce).await,
        SubscribeReasonCode::Failure
    );
    assert_eq!(ingest.subscribe("open/#", QoS::AtLeastOnce).await, granted);
    assert_eq!(
        rig.observer.client("ingest").unwrap().subscriptions,
        ["open/#"]
    );
    rig.faults
        .change("ingest", |faults| faults.refused_filters.clear());
    assert_eq!(
        ingest.subscribe("secret/#", QoS::AtLeastOnce).await,
        granted
    );
}

#[tokio::test]
async fn an_acknowledged_message_comes_again_with_dup_and_its_old_packet_id() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    for payload in ["a", "b", "c"] {
        ingest.publish("t", payload).await;
    }
    ingest.messages(3).await;
    for packet_id in 1..=3 {
        ingest.ack(packet_id).await;
    }
    rig.until("all acknowledged", |seen| {
        seen.unacknowledged("ingest") == 0
    })
    .await;
    assert_eq!(rig.faults.redeliver_acknowledged("ingest", 2), [2, 3]);
    assert_eq!(
        ingest.messages(2).await,
        [seen("b", 2, true), seen("c", 3, true)]
    );
    assert_eq!(rig.observer.unacknowledged("ingest"), 2);
    assert!(rig.faults.redeliver_acknowledged("nobody", 2).is_empty());
}

#[tokio::test]
async fn an_oversized_packet_comes_again_at_every_connection() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.client("ingest").await;
    // rumqttc takes 10 KiB by default.
    assert!(rig.faults.deliver("ingest", "t/large", vec![b'x'; 20_000]));
    for _ in 0..3 {
        let error = ingest.error().await;
        assert!(
            matches!(
                error,
                ConnectionError::MqttState(StateError::Deserialization(
                    rumqttc::Error::PayloadSizeLimitExceeded(20_011)
                ))
            ),
            "{error:?}"
        );
        assert!(ingest.connack().await);
    }
    let deliveries = rig
        .observer
        .trace("ingest")
        .into_iter()
        .filter_map(|entry| match entry {
            Trace::Delivered { dup, packet_id, .. } => Some((packet_id, dup)),
            _ => None,
        });
    assert_eq!(
        deliveries.take(3).collect::<Vec<_>>(),
        [(1, false), (1, true), (1, true)]
    );
    assert!(!rig.faults.deliver("nobody", "t", ""));
}

#[tokio::test]
async fn malformed_bytes_break_the_connection_and_not_the_session() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    // Packet type 15 does not exist in 3.1.1; a remaining length has at most four bytes.
    for garbage in [&b"\xf0\x00"[..], b"\x30\xff\xff\xff\xff\x01"] {
        assert!(rig.faults.send_raw("ingest", garbage));
        let error = ingest.error().await;
        assert!(
            matches!(
                error,
                ConnectionError::MqttState(StateError::Deserialization(_))
            ),
            "{error:?}"
        );
        assert!(ingest.connack().await);
    }
    ingest.publish("t", "still here").await;
    assert_eq!(ingest.messages(1).await, [seen("still here", 1, false)]);
    assert!(!rig.faults.send_raw("nobody", b"\xf0\x00"));
}

#[tokio::test]
async fn swallowed_pubacks_never_reach_the_publisher() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    let mut door = rig.client("door").await;
    rig.faults
        .change("door", |faults| faults.swallow_pubacks = true);
    door.requests
        .try_publish("t", QoS::AtLeastOnce, false, "first")
        .unwrap();
    door.until(|event| matches!(event, Event::Outgoing(_)).then_some(()))
        .await;
    // The message itself was taken.
    assert_eq!(ingest.messages(1).await, [seen("first", 1, false)]);
    rig.faults
        .change("door", |faults| faults.swallow_pubacks = false);
    door.requests
        .try_publish("t", QoS::AtLeastOnce, false, "second")
        .unwrap();
    let acknowledged = door
        .until(|event| match event {
            Event::Incoming(Packet::PubAck(ack)) => Some(ack.pkid),
            _ => None,
        })
        .await;
    assert_eq!(acknowledged, 2);
}

#[tokio::test]
async fn ignored_acks_lead_to_redelivery() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    rig.faults
        .change("ingest", |faults| faults.ignore_acks = true);
    ingest.publish("t", "a").await;
    ingest.messages(1).await;
    ingest.ack(1).await;
    rig.until("the ack arrived", |seen| seen.acks("ingest").len() == 1)
        .await;
    assert_eq!(rig.observer.acks("ingest")[0].outcome, AckOutcome::Ignored);
    assert_eq!(rig.observer.unacknowledged("ingest"), 1);
    rig.faults.drop_connections();
    assert!(ingest.reconnect().await);
    assert_eq!(ingest.messages(1).await, [seen("a", 1, true)]);
}

#[tokio::test]
async fn messages_go_out_in_reverse_groups() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    rig.faults
        .change("ingest", |faults| faults.reverse_groups_of = 3);
    for payload in ["a", "b", "c", "d"] {
        ingest.publish("t", payload).await;
    }
    let expected = [
        seen("c", 3, false),
        seen("b", 2, false),
        seen("a", 1, false),
    ];
    assert_eq!(ingest.messages(3).await, expected);
    assert_eq!(rig.observer.client("ingest").unwrap().queued, 1);
    rig.faults
        .change("ingest", |faults| faults.reverse_groups_of = 0);
    assert_eq!(ingest.messages(1).await, [seen("d", 4, false)]);
}

/// rumqttc's own behaviour without a guard: an ack that is written between two connections goes to
/// the second.
#[tokio::test]
async fn an_ack_for_an_earlier_connection_is_seen_as_stale() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    ingest.publish("t", "a").await;
    ingest.messages(1).await;
    let first = rig.observer.client("ingest").unwrap().connection.unwrap();
    rig.faults
        .change("ingest", |faults| faults.hold_deliveries = true);
    rig.faults.drop_connections();
    ingest.error().await;
    let mut late = Publish::new("t", QoS::AtLeastOnce, "a");
    late.pkid = 1;
    ingest.requests.try_ack(&late).unwrap();
    ingest.requests.try_ack(&late).unwrap();
    assert!(ingest.connack().await);
    for _ in 0..2 {
        ingest
            .until(|event| matches!(event, Event::Outgoing(_)).then_some(()))
            .await;
    }
    rig.until("both acks arrived", |seen| seen.acks("ingest").len() == 2)
        .await;
    let second = rig.observer.client("ingest").unwrap().connection.unwrap();
    assert!(second > first);
    let ack = |outcome| Ack {
        connection: second,
        packet_id: 1,
        outcome,
    };
    assert_eq!(
        rig.observer.acks("ingest"),
        [ack(AckOutcome::Stale), ack(AckOutcome::Unknown)]
    );
}

#[tokio::test]
async fn the_trace_tells_the_life_of_a_session() {
    let rig = rig(Options::default()).await;
    let mut ingest = rig.subscriber("ingest", "t").await;
    ingest.publish("t", "a").await;
    ingest.messages(1).await;
    rig.faults.drop_connections();
    ingest.reconnect().await;
    ingest.messages(1).await;
    ingest.ack(1).await;
    rig.until("acknowledged", |seen| seen.unacknowledged("ingest") == 0)
        .await;
    let delivered = |connection, dup| Trace::Delivered {
        connection,
        packet_id: 1,
        dup,
        topic: "t".to_owned(),
        payload: "a".into(),
    };
    assert_eq!(
        rig.observer.trace("ingest"),
        [
            Trace::Connected {
                connection: 1,
                session_present: false
            },
            delivered(1, false),
            Trace::Closed { connection: 1 },
            Trace::Connected {
                connection: 2,
                session_present: true
            },
            delivered(2, true),
            Trace::Acknowledged {
                connection: 2,
                packet_id: 1,
                outcome: AckOutcome::Settled
            },
        ]
    );
}
