//! A kill at the system calls of a sealing: the recording is always there, and in the end once.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use crate::rig::{House, Process, until};
use crate::trace::{Threads, Trace, thread_of};

/// The recording.
const CLIP: &str = "fixtures/clips/hallway-20261120-061530.mp4";
/// What changes the disk, of names and of bytes.
const CALLS: [&str; 5] = ["renameat2", "unlinkat", "fdatasync", "fsync", "pwrite64"];
/// Houses at a time: a point is mostly waiting until the recording has settled.
const LANES: usize = 6;

/// The `nth` call of this name that one of the threads makes.
#[derive(Clone, Copy)]
struct Point {
    threads: Threads,
    call: &'static str,
    nth: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.threads {
            Threads::All => "",
            Threads::Recordings => " of the recordings thread",
        };
        write!(f, "{} {}{whose}", self.call, self.nth)
    }
}

#[test]
fn kill_at_every_syscall_of_a_sealing() {
    let began = Instant::now();
    let points = points();
    let all = points.len();
    let waiting = Mutex::new(VecDeque::from(points));
    let (reached, missed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let house = House::new();
                for round in 0.. {
                    let Some(point) = waiting.lock().unwrap().pop_front() else {
                        break;
                    };
                    let killed = seal_and_kill(&house, round, point);
                    let list = if killed { &reached } else { &missed };
                    list.lock().unwrap().push(point);
                }
                house.is_whole();
            });
        }
    });
    let reached = reached.into_inner().unwrap();
    for call in ["renameat2", "unlinkat", "fsync", "pwrite64"] {
        assert!(
            reached.iter().any(|point| point.call == call),
            "no kill at {call}"
        );
    }
    let missed = missed.into_inner().unwrap();
    for point in &missed {
        println!("kill at the calls of a sealing: no call {point} this time");
    }
    // SQLite writes a page more or less from one run to the next; a sealing makes no other call
    // more or less.
    assert!(
        missed.iter().all(|point| point.call == "pwrite64"),
        "a step was missed"
    );
    assert!(missed.len() < all / 4, "{} of {all} missed", missed.len());
    println!(
        "kill at the calls of a sealing: {} of {all} points reached in {:.1} s, each recording \
         sealed once",
        reached.len(),
        began.elapsed().as_secs_f64()
    );
}

/// The calls of one undisturbed sealing: of each kind as many as the thread makes that makes most,
/// and those of the recordings thread once more, which another thread's would hide.
fn points() -> Vec<Point> {
    let house = House::new();
    let daemon = house.start_daemon();
    // The first recording of a folder makes calls of its own.
    until_sealed(&house, &drop_clip(&house, 0));
    let own = Threads::Recordings.id(daemon.pid().as_raw_nonzero().get());
    let trace = attach(&house, &daemon, Threads::All, None);
    let clip = drop_clip(&house, 1);
    until_sealed(&house, &clip);
    let text = trace.text();
    let mut points = Vec::new();
    for call in CALLS {
        let start = format!(" {call}(");
        let mut counts = BTreeMap::<_, u32>::new();
        for line in text.lines().filter(|line| line.contains(&start)) {
            *counts.entry(thread_of(line)).or_default() += 1;
        }
        let own = counts
            .get(own.to_string().as_str())
            .copied()
            .unwrap_or_default();
        let most = counts.into_values().max().unwrap_or_default();
        for (threads, count) in [(Threads::All, most), (Threads::Recordings, own)] {
            points.extend((1..=count).map(|nth| Point { threads, call, nth }));
        }
    }
    points
}

/// Kills at the point, lets the next daemon finish, and looks. Whether there was such a call.
fn seal_and_kill(house: &House, round: u32, point: Point) -> bool {
    let mut daemon = house.start_daemon();
    let inject = format!("{}:signal=KILL:when={}", point.call, point.nth);
    let trace = attach(house, &daemon, point.threads, Some(&inject));
    let clip = drop_clip(house, round);
    let killed = until("the daemon is dead or has done all", || {
        match daemon.ended() {
            Some(_) => Some(true),
            None => (is_finished(&trace) && is_sealed(house, &clip)).then_some(false),
        }
    });
    let pieces = beside(&clip);
    assert!(!pieces.is_empty(), "{point}: the recording is gone");
    drop(trace);
    daemon.kill();
    let mut next = house.start_daemon();
    until_sealed(house, &clip);
    next.kill();
    judge(house, &clip, point);
    killed
}

/// Whether the last call of a sealing has returned: the fsync of the folder after the plaintext's
/// name is gone.
fn is_finished(trace: &Trace) -> bool {
    let text = trace.text();
    let after = text.rsplit_once(" unlinkat(").map(|(_, after)| after);
    after.is_some_and(|lines| {
        lines
            .lines()
            .any(|line| line.contains("fsync") && line.ends_with(" = 0"))
    })
}

fn attach(house: &House, daemon: &Process, threads: Threads, inject: Option<&str>) -> Trace {
    let pid = daemon.pid().as_raw_nonzero().get();
    Trace::attach_to(
        threads,
        &house.scratch("strace"),
        pid,
        &CALLS.join(","),
        inject,
    )
}

fn drop_clip(house: &House, round: u32) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(CLIP);
    let name = format!("hallway-20261120-06{:02}{:02}.mp4", round / 60, round % 60);
    let clip = house.data().join("recordings").join(name);
    std::fs::copy(source, &clip).unwrap();
    clip
}

/// The files of a recording, in whatever state.
fn beside(clip: &Path) -> Vec<PathBuf> {
    let stem = clip.file_stem().unwrap().to_str().unwrap();
    let mut found: Vec<_> = std::fs::read_dir(clip.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().contains(stem))
        .collect();
    found.sort();
    found
}

fn rows(house: &House, clip: &Path) -> Vec<String> {
    let name = clip.file_name().unwrap().to_str().unwrap();
    let sql = format!("SELECT state FROM recordings WHERE original_name = '{name}'");
    let output = house.nightjar(&["sql", "--csv", &sql]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip(1).map(ToOwned::to_owned).collect()
}

fn is_sealed(house: &House, clip: &Path) -> bool {
    !clip.exists() && rows(house, clip).iter().any(|state| state == "sealed")
}

#[track_caller]
fn until_sealed(house: &House, clip: &Path) {
    until("the recording is sealed", || {
        is_sealed(house, clip).then_some(())
    });
}

#[track_caller]
fn judge(house: &House, clip: &Path, point: Point) {
    let sealed = match beside(clip).as_slice() {
        [one] if one.extension().is_some_and(|extension| extension == "vge") => one.clone(),
        other => panic!("{point}: {other:?}"),
    };
    assert_eq!(rows(house, clip), ["sealed"], "{point}");
    let key = house.data().join("storage.key");
    let (key, sealed) = (key.to_str().unwrap(), sealed.to_str().unwrap());
    let plain = house.nightjar(&["vault", "unseal", "--key-file", key, sealed]);
    assert!(plain.status.success(), "{point}: {plain:?}");
    let source = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(CLIP)).unwrap();
    assert!(
        plain.stdout == source,
        "{point}: other bytes than the recording's"
    );
}
