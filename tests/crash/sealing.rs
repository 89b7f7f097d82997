//! A kill at the system calls of a sealing: the recording is always there, and in the end once, with
//! its sidecar, verified, and nothing beside it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::rig::{House, Process, until};
use crate::trace::{Threads, Trace, thread_of};

/// The recording.
const CLIP: &str = "fixtures/clips/hallway-20261120-061530.mp4";
/// How the names of temp files of a sealing begin.
const TEMP: &str = ".nightjar-seal-";
/// What changes the disk, of names and of bytes, wherever it is.
const CALLS: [&str; 5] = ["renameat2", "unlinkat", "fdatasync", "fsync", "pwrite64"];
/// What is done with the files of the recording alone: made, written and read back. Elsewhere the
/// daemon does it all the time.
const OWN_CALLS: [&str; 3] = ["openat", "write", "pread64"];
/// Houses at a time: a point is mostly waiting until the recording has settled.
pub(crate) const LANES: usize = 6;

/// Whose calls count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of any thread, each by itself.
    Anybodys,
    /// Those of the recordings thread.
    Watchers,
    /// Those of the recordings thread on the recordings folder and the files of the recording.
    Recordings,
}

impl Whose {
    const fn threads(self) -> Threads {
        match self {
            Self::Anybodys => Threads::All,
            Self::Watchers | Self::Recordings => Threads::Recordings,
        }
    }

    /// The paths of which is asked.
    fn paths(self, clip: &Path) -> Vec<PathBuf> {
        match self {
            Self::Anybodys | Self::Watchers => Vec::new(),
            Self::Recordings => files_of(clip),
        }
    }
}

/// The `nth` call of this name.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) whose: Whose,
    pub(crate) call: &'static str,
    pub(crate) nth: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.whose {
            Whose::Anybodys => "",
            Whose::Watchers => " of the recordings thread",
            Whose::Recordings => " on the recording",
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
    for call in [
        "renameat2",
        "unlinkat",
        "fsync",
        "pwrite64",
        "openat",
        "write",
        "pread64",
    ] {
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
/// those of the recordings thread once more, which another thread's would hide, and those on the
/// recording's own files.
fn points() -> Vec<Point> {
    let house = House::new();
    let daemon = house.start_daemon();
    // The first recording of a folder makes calls of its own.
    until_sealed(&house, &drop_clip(&house, 0));
    let own = Threads::Recordings.id(daemon.pid().as_raw_nonzero().get());
    let clip = clip_path(&house, 1);
    let trace = attach(&house, &daemon, Whose::Anybodys, &clip, &CALLS, None);
    drop_clip(&house, 1);
    until_sealed(&house, &clip);
    let text = trace.text();
    drop(trace);
    let mut points = Vec::new();
    for call in CALLS {
        let counts = counts(&text, call);
        let own = counts
            .get(own.to_string().as_str())
            .copied()
            .unwrap_or_default();
        let most = counts.into_values().max().unwrap_or_default();
        for (whose, count) in [(Whose::Anybodys, most), (Whose::Watchers, own)] {
            points.extend((1..=count).map(|nth| Point { whose, call, nth }));
        }
    }
    points.extend(own_points(&house, &daemon, 2, &OWN_CALLS));
    points
}

/// How many calls of this name each thread made.
pub(crate) fn counts<'a>(trace: &'a str, call: &str) -> BTreeMap<&'a str, u32> {
    let start = format!(" {call}(");
    let mut counts = BTreeMap::new();
    for line in trace.lines().filter(|line| line.contains(&start)) {
        *counts.entry(thread_of(line)).or_default() += 1;
    }
    counts
}

/// The calls of these kinds that the recordings thread makes on the files of one recording.
pub(crate) fn own_points(
    house: &House,
    daemon: &Process,
    round: u32,
    calls: &[&'static str],
) -> Vec<Point> {
    let (whose, clip) = (Whose::Recordings, clip_path(house, round));
    let trace = attach(house, daemon, whose, &clip, calls, None);
    drop_clip(house, round);
    until_sealed(house, &clip);
    let text = trace.text();
    let points = |call: &&'static str| {
        let count = counts(&text, call).into_values().sum::<u32>();
        let call = *call;
        (1..=count).map(move |nth| Point { whose, call, nth })
    };
    calls.iter().flat_map(points).collect()
}

/// Kills at the point, lets the next daemon finish, and looks. Whether there was such a call.
fn seal_and_kill(house: &House, round: u32, point: Point) -> bool {
    let mut daemon = house.start_daemon();
    let inject = format!("{}:signal=KILL:when={}", point.call, point.nth);
    let clip = clip_path(house, round);
    let mut calls = CALLS.to_vec();
    if !calls.contains(&point.call) {
        calls.push(point.call);
    }
    let trace = attach(house, &daemon, point.whose, &clip, &calls, Some(&inject));
    drop_clip(house, round);
    let killed = until("the daemon is dead or has done all", || {
        match daemon.ended() {
            Some(_) => Some(true),
            None => (is_finished(&trace) && is_sealed(house, &clip)).then_some(false),
        }
    });
    assert!(has_copy(&clip), "{point}: the recording is gone");
    drop(trace);
    daemon.kill();
    let mut next = house.start_daemon();
    until_sealed(house, &clip);
    next.kill();
    judge(house, &clip, &point.to_string());
    killed
}

/// Whether the last call of a sealing has returned: the fsync of the folder after the plaintext's
/// name is gone.
pub(crate) fn is_finished(trace: &Trace) -> bool {
    let text = trace.text();
    let after = text.rsplit_once(" unlinkat(").map(|(_, after)| after);
    after.is_some_and(|lines| {
        lines
            .lines()
            .any(|line| line.contains("fsync") && line.ends_with(" = 0"))
    })
}

pub(crate) fn attach(
    house: &House,
    daemon: &Process,
    whose: Whose,
    clip: &Path,
    calls: &[&str],
    inject: Option<&str>,
) -> Trace {
    let pid = daemon.pid().as_raw_nonzero().get();
    Trace::attach_to(
        whose.threads(),
        &whose.paths(clip),
        &house.scratch("strace"),
        pid,
        &calls.join(","),
        inject,
    )
}

/// The folder, the clip, and what becomes of it: the names of the temp files hold the first 16 bytes
/// of the digest of the clip's name.
fn files_of(clip: &Path) -> Vec<PathBuf> {
    let name = clip.file_name().unwrap().to_str().unwrap();
    let digest = Sha256::digest(name.as_bytes());
    let digits = nightjar::base::ids::hex(&digest[..16]);
    let folder = clip.parent().unwrap();
    let sealed = clip.with_extension("vge");
    vec![
        folder.to_owned(),
        clip.to_owned(),
        folder.join(format!("{TEMP}{digits}.tmp")),
        folder.join(format!("{TEMP}{digits}.auth.tmp")),
        sealed.with_extension("vge.auth"),
        sealed,
    ]
}

/// Where the recording of this round lies.
pub(crate) fn clip_path(house: &House, round: u32) -> PathBuf {
    let name = format!("hallway-20261120-06{:02}{:02}.mp4", round / 60, round % 60);
    house.data().join("recordings").join(name)
}

pub(crate) fn drop_clip(house: &House, round: u32) -> PathBuf {
    let clip = clip_path(house, round);
    let mut file = File::create_new(&clip).unwrap();
    file.write_all(&plaintext()).unwrap();
    clip
}

/// What is in it.
pub(crate) fn plaintext() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(CLIP)).unwrap()
}

/// The files of a recording, in whatever state, temp files included.
pub(crate) fn beside(clip: &Path) -> Vec<PathBuf> {
    let stem = clip.file_stem().unwrap().to_str().unwrap();
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.contains(stem) || name.starts_with(TEMP)
    };
    let entries = std::fs::read_dir(clip.parent().unwrap()).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(is_ours)
        .collect();
    found.sort();
    found
}

/// Whether the plaintext is there, or the sealed file under its final name.
pub(crate) fn has_copy(clip: &Path) -> bool {
    clip.exists() || clip.with_extension("vge").exists()
}

/// State and integrity of the recording's rows.
fn rows(house: &House, clip: &Path) -> Vec<String> {
    let name = clip.file_name().unwrap().to_str().unwrap();
    let sql = format!("SELECT state, integrity FROM recordings WHERE original_name = '{name}'");
    let output = house.nightjar(&["sql", "--csv", &sql]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip(1).map(ToOwned::to_owned).collect()
}

pub(crate) fn is_sealed(house: &House, clip: &Path) -> bool {
    !clip.exists()
        && rows(house, clip)
            .iter()
            .any(|row| row.starts_with("sealed"))
}

#[track_caller]
pub(crate) fn until_sealed(house: &House, clip: &Path) {
    until("the recording is sealed", || {
        is_sealed(house, clip).then_some(())
    });
}

/// One sealed file with its sidecar, one row that says so, everything verified and the same bytes.
#[track_caller]
pub(crate) fn judge(house: &House, clip: &Path, at: &str) {
    let sealed = clip.with_extension("vge");
    let auth = clip.with_extension("vge.auth");
    assert_eq!(beside(clip), [sealed.clone(), auth], "{at}");
    assert_eq!(rows(house, clip), ["sealed,verified"], "{at}");
    for verb in [&["vault", "verify", "--all"][..], &["check"]] {
        let output = house.nightjar(verb);
        assert!(output.status.success(), "{at}: {verb:?}: {output:?}");
    }
    let key = house.data().join("storage.key");
    let (key, sealed) = (key.to_str().unwrap(), sealed.to_str().unwrap());
    let plain = house.nightjar(&["vault", "unseal", "--key-file", key, sealed]);
    assert!(plain.status.success(), "{at}: {plain:?}");
    assert!(
        plain.stdout == plaintext(),
        "{at}: other bytes than the recording's"
    );
}
