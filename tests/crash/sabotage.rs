//! The test of the tests: a daemon that breaks a promise must be found out, by the same judges
//! that find the honest one innocent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nightjar::broker::{self, AckOutcome};
use tokio_util::sync::CancellationToken;

use crate::acks::judge_one_message;
use crate::ledger::{Publisher, SENSOR, Stored};
use crate::rig::{Conf, House, NIGHTJAR, until};
use crate::trace::Trace;

/// Messages published at once, all the same: far more than a window of 64 deliveries, and enough
/// that batches fill while the first commits.
const BURST: usize = 3_000;
/// Kills until a duplicate must have shown.
const ROUNDS: u32 = 30;
/// The client id of the sensors' session.
const CLIENT: &str = "nightjar-home-sensor";
/// How long each fsync takes, so that a connection is lost and made anew within one.
const SLOW: Duration = Duration::from_millis(1_500);

/// The binary that can break promises.
fn saboteur() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sabotage/nightjar");
    assert!(
        path.exists(),
        "{} is missing; `scripts/test` makes it, or: cargo build --features sabotage && \
         mkdir -p target/sabotage && cp target/debug/nightjar target/sabotage/ && cargo build",
        path.display()
    );
    path
}

fn sabotaged(mode: &str) -> House {
    let mut house = House::with(&Conf::Ours, &saboteur());
    house.set("NIGHTJAR_SABOTAGE", mode);
    house
}

#[test]
fn sabotage_is_caught_ack_before_commit() {
    let found = judge_one_message(&sabotaged("ack-before-commit")).unwrap_err();
    println!("sabotage ack-before-commit: {found}");
}

#[test]
fn sabotage_is_caught_no_sync() {
    let found = judge_one_message(&sabotaged("no-sync")).unwrap_err();
    assert!(found.contains("synced"), "{found}");
    println!("sabotage no-sync: {found}");
}

#[test]
fn sabotage_is_caught_window_64() {
    let sabotaged = sabotaged("window-64");
    let (nth, extra) = (1..=ROUNDS)
        .map(|nth| (nth, stored_twice(&sabotaged, nth)))
        .find(|(_, extra)| *extra > 0)
        .expect("a window of 64 deliveries must let duplicates in");
    let honest = House::with(&Conf::Ours, Path::new(NIGHTJAR));
    let innocent: u64 = (1..=nth).map(|nth| stored_twice(&honest, nth)).sum();
    assert_eq!(innocent, 0, "the honest daemon stored messages twice");
    println!(
        "sabotage window-64: {extra} stored twice after kill {nth}, by the honest daemon none"
    );
}

/// Kills the daemon before the `nth` time that it writes acks, while a burst of messages that are
/// all the same arrives: the batch before is durable, and its acks never leave. How many messages
/// are stored too often.
fn stored_twice(house: &House, nth: u32) -> u64 {
    let mut publisher = Publisher::new(house.port);
    let mut before = Stored::default();
    let mut daemon = house.start_daemon();
    before.settle(&mut publisher, &house.data());
    let already = publisher.ledger();
    let pid = daemon.pid().as_raw_nonzero().get();
    let inject = format!("writev:signal=KILL:when={nth}");
    let trace = Trace::attach(&house.scratch("strace"), pid, "writev", Some(&inject));
    for _ in 0..BURST {
        publisher.publish(SENSOR, "21.5");
    }
    publisher.all_confirmed();
    until("the daemon is dead or has stored the burst", || {
        if daemon.ended().is_some() {
            return Some(());
        }
        let stored = house.status()?["counters"]["messages_acked"].as_u64()?;
        (stored >= BURST as u64).then_some(())
    });
    drop(trace);
    daemon.kill();
    let mut next = house.start_daemon();
    let mut after = Stored::default();
    after.settle(&mut publisher, &house.data());
    next.kill();
    let key = (SENSOR.to_owned(), "21.5".to_owned());
    let count = |counts: &crate::ledger::Counts| counts.get(&key).copied().unwrap_or_default();
    let accepted = count(&publisher.ledger()) - count(&already);
    let stored = count(&after.counts) - count(&before.counts);
    assert!(stored >= accepted, "{stored} of {accepted} are stored");
    stored - accepted
}

#[test]
fn sabotage_is_caught_no_epoch() {
    let found = strayed_acks(sabotaged("no-epoch"));
    assert!(
        found > 0,
        "an ack must have left on another connection than its message's"
    );
    assert_eq!(
        strayed_acks(House::new()),
        0,
        "the honest daemon's acks strayed"
    );
    println!("sabotage no-epoch: {found} acks on a connection that delivered nothing");
}

/// Cuts the connection while a message is on its way to the disk. How many acks come on the next
/// connection, which delivers nothing.
fn strayed_acks(mut house: House) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = broker::Options {
        trace_entries: 1_000,
        ..broker::Options::default()
    };
    let address = "127.0.0.1:0".parse().unwrap();
    let small = runtime.block_on(broker::bind(address, &options)).unwrap();
    let (faults, observer) = (small.faults(), small.observer());
    house.port = small.address().port();
    runtime.spawn(broker::serve(small, CancellationToken::new()));

    let daemon = house.start_daemon();
    let pid = daemon.pid().as_raw_nonzero().get();
    let first = observer.client(CLIENT).unwrap().connection.unwrap();
    let inject = format!("fsync,fdatasync:delay_enter={}", SLOW.as_micros());
    let trace = Trace::attach(
        &house.scratch("strace"),
        pid,
        "fsync,fdatasync",
        Some(&inject),
    );
    assert!(faults.deliver(CLIENT, SENSOR, "21.5"));
    // What it writes tells nothing: the daemon has other things to write as well.
    until("the message has come and waits for the disk", || {
        let received = house.status()?["counters"]["messages_received"].as_u64()?;
        (received > 0).then_some(())
    });
    faults.change(CLIENT, |faults| faults.hold_deliveries = true);
    faults.drop_connections();
    until("the daemon has connected again", || {
        let connection = observer.client(CLIENT)?.connection?;
        (connection != first).then_some(())
    });
    until("its ack is written or crossed out", || {
        let counters = &house.status()?["counters"];
        let acks = ["messages_acked", "acks_stale"].map(|name| counters[name].as_u64().unwrap());
        (acks != [0, 0]).then_some(())
    });
    drop(trace);
    // Acks keep their order: when the redelivery is settled, one that strayed has arrived.
    faults.change(CLIENT, |faults| faults.hold_deliveries = false);
    until("nothing is left to acknowledge", || {
        let client = observer.client(CLIENT)?;
        let idle = client.unacknowledged == 0 && client.queued == 0;
        (idle && !observer.acks(CLIENT).is_empty()).then_some(())
    });
    let acks = observer.acks(CLIENT);
    acks.iter()
        .filter(|ack| ack.outcome != AckOutcome::Settled)
        .count()
}
