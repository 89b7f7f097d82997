//! How the daemon ends: refused beside another one, asked to stop, interrupted.

use rustix::process::Signal;

use crate::rig::House;

/// sysexits.h `EX_TEMPFAIL`: somebody else holds the lock.
const LOCKED: i32 = 75;
/// 128 + SIGINT, as a shell says it.
const INTERRUPTED: i32 = 130;

#[test]
fn a_second_daemon_is_refused() {
    let house = House::new();
    let mut first = house.start_daemon();
    let pid = first.pid().as_raw_nonzero().get();
    let mut second = house.spawn_daemon();
    let refused = second.end("the second daemon gives up");
    assert_eq!(refused.code(), Some(LOCKED), "{}", house.daemon_log());
    let log = house.daemon_log();
    assert!(
        log.contains(&pid.to_string()),
        "process {pid} is not named: {log}"
    );
    assert!(house.is_ready(pid), "the first serves on");

    first.signal(Signal::TERM);
    assert_eq!(first.end("SIGTERM stops it").code(), Some(0));
    let mut third = house.start_daemon();
    third.signal(Signal::INT);
    assert_eq!(third.end("SIGINT stops it").code(), Some(INTERRUPTED));
    house.is_whole();
}
