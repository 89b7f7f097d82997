//! The other side's troubles: a broker that is killed, a broker as a distribution ships it.

use std::path::Path;

use crate::ledger::{Load, Publisher, SENSOR, Stored, message};
use crate::rig::{Conf, House, NIGHTJAR, until};

/// Messages before the broker is killed.
const BEFORE: u64 = 2_000;
/// Messages per second under load.
const RATE: u32 = 1_000;
/// Messages for the broker with stock settings: more than its default queue of 1,000 holds.
const STOCK: u64 = 3_000;
/// Messages handed over at once: under the queue that mosquitto keeps by default.
const STOCK_BURST: u64 = 500;

#[test]
fn broker_killed_under_load() {
    let mut house = House::new();
    let daemon = house.start_daemon();
    let pid = daemon.pid().as_raw_nonzero().get();
    let load = Load::start(house.port, RATE);
    let mut before = Stored::default();
    until("a load is stored", || {
        before.look(&house.data());
        (before.messages >= BEFORE).then_some(())
    });
    house.kill_broker();
    until("the daemon has noticed", || {
        (!house.is_ready(pid)).then_some(())
    });
    before.look(&house.data());
    house.start_broker();
    until("the daemon is back by itself", || {
        house.is_ready(pid).then_some(())
    });
    drop(load.stop());
    // What is published now, to a broker and a daemon that are both well, is stored once each.
    let mut publisher = Publisher::new(house.port);
    for number in 0..1_000 {
        publisher.publish(SENSOR, &format!("{}", 5_000_000 + number));
        publisher.publish(SENSOR, "22.5");
    }
    let mut after = Stored::default();
    after.settle(&mut publisher, &house.data());
    for (message, accepted) in publisher.ledger() {
        assert_eq!(after.counts.get(&message), Some(&accepted), "{message:?}");
    }
    for (message, count) in &before.counts {
        let now = after.counts.get(message).copied().unwrap_or_default();
        assert!(
            now >= *count,
            "{message:?} was stored {count} times, now {now}"
        );
    }
    assert!(
        after.sessions_lost > 0,
        "a broker that forgot everything lost the sessions"
    );
    house.is_whole();
    println!(
        "broker killed under load: {} stored before, {} after, {} sessions found lost",
        before.messages, after.messages, after.sessions_lost
    );
}

#[test]
fn stock_mosquitto_settings() {
    let house = House::with(&Conf::Stock, Path::new(NIGHTJAR));
    let _daemon = house.start_daemon();
    let mut publisher = Publisher::new(house.port);
    let mut stored = Stored::default();
    for number in 100..100 + STOCK {
        let (topic, payload) = message(number);
        publisher.publish(topic, &payload);
        if number % STOCK_BURST == 0 {
            stored.settle(&mut publisher, &house.data());
        }
    }
    stored.settle(&mut publisher, &house.data());
    assert_eq!(
        stored.differences(&publisher.ledger()),
        [],
        "message, accepted, stored"
    );
    house.is_whole();
    println!(
        "stock mosquitto: {} messages, each stored once",
        stored.messages
    );
}
