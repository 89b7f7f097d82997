//! A disk that refuses, at each system call of a sealing: the recording is always there, the daemon
//! says what is wrong, and the next try brings it to its end.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::rig::{House, until, until_within};
use crate::sealing::{
    LANES, Point, Whose, attach, beside, clip_path, drop_clip, is_sealed, judge, own_points,
    plaintext, until_sealed,
};

/// The calls on the recording's files that can be refused, and by what.
const REFUSALS: [(&str, &[&str]); 7] = [
    ("openat", &["EIO", "ENOSPC"]),
    ("write", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("pread64", &["EIO"]),
    ("renameat2", &["EIO", "ENOSPC"]),
    ("statx", &["EIO"]),
    ("unlinkat", &["EIO"]),
];

/// Longer than a recording that could not be sealed is left alone.
const RETRIED_WITHIN: Duration = Duration::from_mins(3);

#[test]
fn an_error_at_every_syscall_of_a_sealing_costs_nothing() {
    let began = Instant::now();
    let points = {
        let house = House::new();
        let daemon = house.start_daemon();
        // The first recording of a folder makes calls of its own.
        until_sealed(&house, &drop_clip(&house, 0));
        let calls = REFUSALS.map(|(call, _)| call);
        own_points(&house, &daemon, 1, &calls)
    };
    for (call, _) in REFUSALS {
        assert!(points.iter().any(|point| point.call == call), "no {call}");
    }
    let refusals = points.into_iter().flat_map(|point| {
        let (_, errors) = REFUSALS
            .into_iter()
            .find(|(call, _)| *call == point.call)
            .unwrap();
        errors.iter().map(move |error| (point, *error))
    });
    let waiting = Mutex::new(refusals.collect::<VecDeque<_>>());
    let all = waiting.lock().unwrap().len();
    let told = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let house = House::new();
                for round in 0.. {
                    let Some((point, error)) = waiting.lock().unwrap().pop_front() else {
                        break;
                    };
                    if refuse(&house, round, point, error) {
                        *told.lock().unwrap() += 1;
                    }
                }
                house.is_whole();
            });
        }
    });
    let told = told.into_inner().unwrap();
    println!(
        "an error at the calls of a sealing: {all} points in {:.1} s, {told} told as trouble, each \
         recording sealed once",
        began.elapsed().as_secs_f64()
    );
    // Reading what a container tells of itself, and looking whether a name is free, may fail unseen.
    assert!(told * 2 > all, "{told} of {all}");
}

/// Refuses the call, lets the next daemon finish, and looks. Whether there was trouble.
fn refuse(house: &House, round: u32, point: Point, error: &str) -> bool {
    let at = format!("{point} {error}");
    let mut daemon = house.start_daemon();
    let inject = format!("{}:error={error}:when={}", point.call, point.nth);
    let clip = clip_path(house, round);
    let calls = [point.call];
    let trace = attach(
        house,
        &daemon,
        Whose::Recordings,
        &clip,
        &calls,
        Some(&inject),
    );
    drop_clip(house, round);
    let trouble = until("the daemon is in trouble or through", || {
        let trouble = trouble(house);
        (trouble.is_some() || is_sealed(house, &clip)).then_some(trouble)
    });
    if trouble.is_some() {
        if clip.exists() {
            assert!(std::fs::read(&clip).unwrap() == plaintext(), "{at}");
        } else {
            // The last sync alone was refused.
            assert!(beside(&clip).contains(&clip.with_extension("vge")), "{at}");
        }
    }
    drop(trace);
    daemon.kill();
    let mut next = house.start_daemon();
    until_sealed(house, &clip);
    assert_eq!(trouble_of_nothing(house), None, "{at}");
    next.kill();
    judge(house, &clip, &at);
    trouble.is_some()
}

fn trouble(house: &House) -> Option<String> {
    Some(house.status()?["recordings_trouble"].as_str()?.to_owned())
}

/// The trouble once the watcher has nothing more to do.
fn trouble_of_nothing(house: &House) -> Option<String> {
    until("the daemon answers", || house.status());
    trouble(house)
}

#[test]
fn a_full_disk_in_the_middle_is_told_and_sealing_goes_on_by_itself() {
    let mut house = House::new();
    house.set("NIGHTJAR__RECORDINGS__SCAN_EVERY", "1s");
    let mut daemon = house.start_daemon();
    let clip = clip_path(&house, 0);
    // The sealed file is written, its sidecar is not.
    let inject = "write:error=ENOSPC:when=2";
    let whose = Whose::Recordings;
    let trace = attach(&house, &daemon, whose, &clip, &["write"], Some(inject));
    drop_clip(&house, 0);
    let told = until("the daemon is in trouble", || trouble(&house));
    assert!(told.contains("no space to seal"), "{told}");
    assert_eq!(beside(&clip), std::slice::from_ref(&clip));
    assert!(std::fs::read(&clip).unwrap() == plaintext());
    drop(trace);
    until_within(RETRIED_WITHIN, "it is tried again", || {
        is_sealed(&house, &clip).then_some(())
    });
    until("the trouble is over", || {
        trouble(&house).is_none().then_some(())
    });
    daemon.kill();
    judge(&house, &clip, inject);
    house.is_whole();
}
