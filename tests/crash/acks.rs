//! Acknowledged means durable: the order of system calls, and a kill at each of them.

use std::time::Instant;

use crate::ledger::{Publisher, SENSOR, Stored};
use crate::rig::{House, until};
use crate::trace::{Trace, ack_follows_fsync};

/// What a commit and its ack are made of.
const CALLS: &str = "recvfrom,recvmsg,read,pwrite64,fdatasync,fsync,sendto,sendmsg,write,writev";
/// A batch of one message that makes more calls of one kind than this is no batch of one message.
const POINTS_MAX: u32 = 100;

/// Publishes one message to a fresh house under strace, and judges the order of its calls.
pub(crate) fn judge_one_message(house: &House) -> Result<(), String> {
    let daemon = house.start_daemon();
    let pid = daemon.pid().as_raw_nonzero().get();
    let trace = Trace::attach(&house.scratch("strace"), pid, CALLS, None);
    let mut publisher = Publisher::new(house.port);
    publisher.publish(SENSOR, "41.75");
    until("the daemon has acknowledged", || {
        trace.acked().then_some(())
    });
    ack_follows_fsync(&trace.text(), "41.75")
}

#[test]
fn the_ack_follows_the_fsync() {
    assert_eq!(judge_one_message(&House::new()), Ok(()));
}

#[test]
fn kill_at_every_syscall_of_a_batch() {
    let began = Instant::now();
    let house = House::new();
    let mut publisher = Publisher::new(house.port);
    let mut stored = Stored::default();
    let mut points = Vec::new();
    for call in ["pwrite64", "fdatasync,fsync", "sendto,writev"] {
        let undisturbed = (1..=POINTS_MAX)
            .find(|&nth| !killed_at(&house, &mut publisher, call, nth))
            .expect("a batch of one message ends");
        let kills = undisturbed - 1;
        assert!(kills > 0, "{call} is not part of a batch");
        points.push(format!("{call} {kills}"));
    }
    stored.look(&house.data());
    println!(
        "kill at every call of a batch: {} in {:.1} s, {} messages, each stored once",
        points.join(", "),
        began.elapsed().as_secs_f64(),
        stored.messages
    );
}

/// Kills the daemon on entry into its `nth` call while it takes one message, lets the next daemon
/// finish, and counts. Whether there was such a call.
fn killed_at(house: &House, publisher: &mut Publisher, call: &str, nth: u32) -> bool {
    let mut daemon = house.start_daemon();
    let pid = daemon.pid().as_raw_nonzero().get();
    let inject = format!("{call}:signal=KILL:when={nth}");
    let trace = Trace::attach(
        &house.scratch("strace"),
        pid,
        "pwrite64,fdatasync,fsync,sendto,writev",
        Some(&inject),
    );
    // Always the same bytes: only the packet id tells a redelivery from the next message.
    publisher.publish(SENSOR, "21.5");
    let killed = until("the daemon is dead or has acknowledged", || {
        match daemon.ended() {
            Some(_) => Some(true),
            None => trace.acked().then_some(false),
        }
    });
    drop(trace);
    publisher.all_confirmed();
    daemon.kill();
    let _next = house.start_daemon();
    let mut stored = Stored::default();
    stored.settle(publisher, &house.data());
    let ledger = publisher.ledger();
    assert_eq!(
        stored.differences(&ledger),
        [],
        "{call} {nth}: message, accepted, stored"
    );
    let check = house.nightjar(&["check"]);
    assert!(check.status.success(), "{call} {nth}: {check:#?}");
    killed
}
