//! More recordings at once than the kernel's queue of hints holds.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::rig::{House, pause, until, until_within};

/// One more than `fs.inotify.max_queued_events` is by default; each brings several hints.
const CLIPS: usize = 16_385;
/// Longest time that this may take, on a slow machine with other tests beside it.
const TIME_MAX: Duration = Duration::from_mins(8);
/// Most memory that the daemon may have had.
const RESIDENT_MAX_KIB: u64 = 150 * 1024;
/// Between two looks at a folder of so many files.
const LOOK: Duration = Duration::from_millis(200);

#[test]
fn more_recordings_at_once_than_hints_are_kept_are_sealed_once_each() {
    let house = House::new();
    let mut daemon = house.start_daemon();
    let folder = house.data().join("recordings");
    // One before, so that the folder is watched for sure.
    put(&folder.join("first.mp4"), b"first");
    until("the first is sealed", || {
        (!folder.join("first.mp4").exists()).then_some(())
    });
    // It sleeps while they come, so that the kernel has to drop hints.
    daemon.signal(Signal::STOP);
    for n in 0..CLIPS {
        let clip = folder.join(format!("{n}.mp4"));
        put(&clip, format!("clip {n}").as_bytes());
    }
    daemon.signal(Signal::CONT);
    let began = Instant::now();
    until_within(TIME_MAX, "all are sealed", || {
        pause(LOOK);
        let entries = std::fs::read_dir(&folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        (!names
            .into_iter()
            .any(|name| name.as_encoded_bytes().ends_with(b".mp4")))
        .then_some(())
    });
    let took = began.elapsed();
    let resident_kib = resident_max_kib(daemon.pid().as_raw_nonzero().get());
    daemon.signal(Signal::TERM);
    assert!(daemon.end("SIGTERM stops it").success());

    let names: BTreeSet<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let stems = (0..CLIPS).map(|n| n.to_string()).chain(["first".into()]);
    let wanted: BTreeSet<_> = stems
        .flat_map(|stem| [format!("{stem}.vge"), format!("{stem}.vge.auth")])
        .collect();
    let wrong: Vec<_> = names.symmetric_difference(&wanted).take(8).collect();
    assert_eq!(wrong, [""; 0], "too many or too few");
    let sql = "SELECT count(*), count(DISTINCT original_name), \
               sum(state = 'sealed' AND integrity = 'verified') FROM recordings";
    let output = house.nightjar(&["sql", "--csv", sql]);
    let text = String::from_utf8(output.stdout).unwrap();
    let all = CLIPS + 1;
    assert_eq!(
        text.lines().nth(1),
        Some(format!("{all},{all},{all}").as_str())
    );
    let verified = house.nightjar(&["vault", "verify", "--all"]);
    assert!(verified.status.success(), "{verified:?}");
    house.is_whole();
    println!(
        "{CLIPS} recordings at once: sealed in {:.1} s ({:.0} /s), at most {} MiB resident",
        took.as_secs_f64(),
        CLIPS as f64 / took.as_secs_f64(),
        resident_kib / 1024
    );
    assert!(
        resident_kib < RESIDENT_MAX_KIB,
        "{resident_kib} KiB resident"
    );
}

fn put(path: &Path, bytes: &[u8]) {
    File::create_new(path).unwrap().write_all(bytes).unwrap();
}

/// The most memory that the process ever had resident.
fn resident_max_kib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
