//! A kill at the system calls of many small sealings side by side: two commits and two syncs of the
//! folder stand for all of them, and still each recording is always there, and in the end once.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use crate::rig::{House, until};
use crate::sealing::{
    LANES, Point, Whose, attach, clip_path, counts, drop_clip, has_copy, is_finished, is_sealed,
    judge, until_sealed,
};
use crate::trace::Threads;

/// Recordings that come at once: more than there are threads that seal.
const CLIPS: u32 = 6;
/// What changes names or makes durable.
const CALLS: [&str; 4] = ["renameat2", "unlinkat", "fsync", "fdatasync"];

#[test]
fn kill_at_every_syscall_of_many_sealings_at_once() {
    let began = Instant::now();
    let points = points();
    let all = points.len();
    let waiting = Mutex::new(VecDeque::from(points));
    let reached = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let house = House::new();
                for round in 0.. {
                    let Some(point) = waiting.lock().unwrap().pop_front() else {
                        break;
                    };
                    if seal_and_kill(&house, round, point) {
                        *reached.lock().unwrap() += 1;
                    }
                }
                house.is_whole();
            });
        }
    });
    let reached = reached.into_inner().unwrap();
    println!(
        "kill at the calls of {CLIPS} sealings at once: {reached} of {all} points reached in {:.1} \
         s, each recording sealed once",
        began.elapsed().as_secs_f64()
    );
    // Which thread seals how many, and how many come in one batch, differs from run to run.
    assert!(reached * 2 > all, "{reached} of {all} reached");
}

fn drop_clips(house: &House, round: u32) -> Vec<PathBuf> {
    (0..CLIPS)
        .map(|n| drop_clip(house, round * CLIPS + n))
        .collect()
}

/// The calls of one undisturbed round, by the thread that makes most, and by the recordings thread.
fn points() -> Vec<Point> {
    let house = House::new();
    let daemon = house.start_daemon();
    for clip in drop_clips(&house, 0) {
        until_sealed(&house, &clip);
    }
    let own = Threads::Recordings.id(daemon.pid().as_raw_nonzero().get());
    let any = clip_path(&house, CLIPS);
    let trace = attach(&house, &daemon, Whose::Anybodys, &any, &CALLS, None);
    for clip in drop_clips(&house, 1) {
        until_sealed(&house, &clip);
    }
    let text = trace.text();
    let mut points = Vec::new();
    for call in CALLS {
        let counts = counts(&text, call);
        let own = counts.get(own.to_string().as_str()).copied();
        let most = counts.into_values().max();
        for (whose, count) in [(Whose::Anybodys, most), (Whose::Watchers, own)] {
            let count = count.unwrap_or_default();
            points.extend((1..=count).map(|nth| Point { whose, call, nth }));
        }
    }
    points
}

/// Kills at the point, lets the next daemon finish, and looks. Whether there was such a call.
fn seal_and_kill(house: &House, round: u32, point: Point) -> bool {
    let mut daemon = house.start_daemon();
    let inject = format!("{}:signal=KILL:when={}", point.call, point.nth);
    let any = clip_path(house, round * CLIPS);
    let trace = attach(house, &daemon, point.whose, &any, &CALLS, Some(&inject));
    let clips = drop_clips(house, round);
    let killed = until("the daemon is dead or has done all", || {
        let is_done = || is_finished(&trace) && clips.iter().all(|clip| is_sealed(house, clip));
        match daemon.ended() {
            Some(_) => Some(true),
            None => is_done().then_some(false),
        }
    });
    for clip in &clips {
        assert!(has_copy(clip), "{point}: a recording is gone");
    }
    drop(trace);
    daemon.kill();
    let mut next = house.start_daemon();
    for clip in &clips {
        until_sealed(house, clip);
    }
    next.kill();
    for clip in &clips {
        judge(house, clip, &point.to_string());
    }
    killed
}
