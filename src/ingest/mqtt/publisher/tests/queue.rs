//! What is refused, what is bounded, and what is taken back: without any broker.

use super::*;

/// Nobody listens there; the publisher is not run in these tests.
fn nowhere() -> (Publisher, Arc<Telemetry>) {
    publisher("127.0.0.1:1".parse().unwrap(), BRISK)
}

#[test]
fn a_full_queue_refuses_and_grows_no_more() {
    let (publisher, telemetry) = nowhere();
    let outlet = publisher.outlet();
    for number in 0..QUEUE_MESSAGES {
        outlet.publish("t", format!("{number}"), false).unwrap();
    }
    for _ in 0..10_000 {
        assert_eq!(outlet.publish("t", "x", false), Err(Refusal::QueueFull));
    }
    assert_eq!(
        outlet.publish_and_wait("t", "x", false, PATIENCE),
        Err(DeliveryError::Refused(Refusal::QueueFull))
    );
    assert_eq!(publisher.outbox.counts(), (QUEUE_MESSAGES, 0, 0));
    assert_eq!(telemetry.publish_dropped.get(), 10_001);
    drop(publisher);
    assert_eq!(outlet.publish("t", "x", false), Err(Refusal::Stopped));
    assert_eq!(outlet.set_state("t", "x"), Err(Refusal::Stopped));
    assert_eq!(
        telemetry.publish_dropped.get(),
        10_002 + QUEUE_MESSAGES as u64,
        "what nobody publishes any more is counted"
    );
}

#[test]
fn the_queue_is_bounded_in_bytes_as_well() {
    let (publisher, _) = nowhere();
    let outlet = publisher.outlet();
    let large = vec![b'x'; 1024 * 1024 - 100];
    let taken = (0..100)
        .take_while(|_| outlet.publish("t", large.clone(), false).is_ok())
        .count();
    assert_eq!(taken, HELD_BYTES / (large.len() + 1));
    assert!(publisher.outbox.bytes().0 <= HELD_BYTES);
}

#[test]
fn what_the_broker_would_not_take_is_refused_before_it_is_queued() {
    let (publisher, _) = nowhere();
    let outlet = publisher.outlet();
    // One byte less fits: 9 bytes belong to the packet, one to the topic.
    let limit = 1024 * 1024;
    let fits = outlet.publish("t", vec![b'x'; limit - 10], false);
    assert_eq!(fits, Ok(()));
    let too_large = Refusal::TooLarge {
        topic: "t".into(),
        bytes: limit + 1,
        limit,
    };
    let payload = vec![b'x'; limit - 9];
    assert_eq!(
        outlet.publish("t", payload.clone(), false),
        Err(too_large.clone())
    );
    assert_eq!(
        outlet.set_state("t", payload.clone()),
        Err(too_large.clone())
    );
    assert_eq!(
        outlet.publish_and_wait("t", payload, false, PATIENCE),
        Err(DeliveryError::Refused(too_large))
    );
    for topic in ["", "a/#", "a/+/b", "a\0"] {
        let refused = outlet.publish(topic, "x", false);
        assert!(matches!(refused, Err(Refusal::Topic(_))), "{refused:?}");
    }
    assert_eq!(publisher.outbox.counts(), (1, 0, 0));
}

#[test]
fn states_are_bounded_and_one_topic_keeps_the_latest_only() {
    let (publisher, _) = nowhere();
    let outlet = publisher.outlet();
    for round in 0..3 {
        for topic in 0..STATES {
            let payload = format!("{round}");
            outlet.set_state(&format!("s/{topic:03}"), payload).unwrap();
        }
    }
    let refused = outlet.set_state("s/more", "x");
    assert!(matches!(refused, Err(Refusal::TooManyStates { .. })));
    assert_eq!(publisher.outbox.counts(), (0, 0, STATES));
    assert_eq!(publisher.outbox.bytes(), (0, STATES * 6));
    let half = vec![b'x'; STATE_BYTES * 3 / 5];
    outlet.set_state("s/000", half.clone()).unwrap();
    let refused = outlet.set_state("s/001", half.clone());
    assert!(matches!(refused, Err(Refusal::TooManyStates { .. })));
    outlet.set_state("s/000", half).unwrap();
}

#[test]
fn who_waits_without_a_connection_is_told_so_and_the_message_is_taken_back() {
    let (publisher, telemetry) = nowhere();
    let outlet = publisher.outlet();
    let answer = outlet.publish_and_wait("t", "x", false, Duration::from_millis(20));
    assert_eq!(
        answer,
        Err(DeliveryError::NotConnected {
            reason: "not connected yet".into()
        })
    );
    assert_eq!(publisher.outbox.counts(), (0, 0, 0));
    assert_eq!(publisher.outbox.bytes(), (0, 0));
    assert_eq!(telemetry.publish_dropped.get(), 1);
}
