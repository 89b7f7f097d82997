//! Sealing that is killed or refused at each of its system calls in turn.
//!
//! `strace` injects the fault into a process of its own, which is this test binary again, told by
//! an environment variable to seal one clip and to unlink its plaintext.

use std::path::Path;
use std::process::Command;

use super::*;

const YARD: &str = "NIGHTJAR_TEST_YARD";
const CHILD: &str = "vault::tests::interruptions::child_that_seals_a_clip";

/// How long a child may take: a second on a quiet machine.
const CHILD_SECONDS: &str = "60";
/// What `timeout` exits with when time was up.
const TIMED_OUT: i32 = 124;

/// The calls that change something, and those by which the result is read back. `write` is the
/// sidecar's alone, and the second `openat` for writing makes it.
const CALLS: [&str; 10] = [
    "openat",
    "fallocate",
    "write",
    "pwrite64",
    "pread64",
    "fdatasync",
    "fsync",
    "renameat2",
    "statx",
    "unlinkat",
];

/// Those of a clip that goes the way of small ones, with the same for its sidecar.
const SMALL_CALLS: [&str; 7] = [
    "openat",
    "write",
    "pread64",
    "fsync",
    "renameat2",
    "statx",
    "unlinkat",
];

/// More than any of the calls happens in one sealing of the clips below.
const CALLS_MAX: u32 = 60;

/// A sync on the way, one at the end, and a last chunk that is short and not aligned.
const CLIP_BYTES: usize = (17 << 20) + 1001;

/// One chunk, one buffer, no threads.
const SMALL_CLIP_BYTES: usize = 5_000;

/// Not a test of its own: the process that the tests below run under `strace`.
#[test]
fn child_that_seals_a_clip() {
    let Some(dir) = std::env::var_os(YARD) else {
        return;
    };
    let folder = Folder::open(Path::new(&dir)).unwrap();
    let source = open_source(&folder, Path::new("clip.mp4"))
        .unwrap()
        .unwrap();
    let sealed = seal(&source, &key(), IV, SealOptions::default()).unwrap();
    unlink_plaintext(&source, &sealed).unwrap();
}

/// What became of the child, and the calls that strace saw.
struct Outcome {
    is_through: bool,
    printed: String,
    calls: String,
}

/// Runs the child under strace with these expressions, e.g. injections.
///
/// Only calls on the files of the yard count, not those of the loader or the test harness.
fn seal_under(yard: &Yard, expressions: &[&str]) -> Outcome {
    let dir = yard.dir.path().canonicalize().unwrap();
    let clip = OsStr::new("clip.mp4");
    let (temp, temp_auth) = (names::temp_name(clip), names::temp_auth_name(clip));
    let (sealed, auth) = (OsStr::new("clip.vge"), OsStr::new("clip.vge.auth"));
    let files = [clip, &temp, &temp_auth, sealed, auth].map(|name| dir.join(name));
    let log = tempfile::NamedTempFile::new().unwrap();
    // A child that hangs must fail the test and not keep it for ever.
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", CHILD_SECONDS, "strace"])
        .args(["-f", "-qq", "-s", "0", "-y", "-o"])
        .arg(log.path());
    for expression in expressions {
        command.args(["-e", expression]);
    }
    for path in files.iter().chain([&dir]) {
        command.arg("-P").arg(path);
    }
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(YARD, &dir)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let calls = std::fs::read_to_string(log.path()).unwrap();
    assert_ne!(
        output.status.code(),
        Some(TIMED_OUT),
        "the child hangs under {expressions:?}: {printed}\n{calls}"
    );
    Outcome {
        is_through: output.status.success() && printed.contains("1 passed"),
        printed,
        calls,
    }
}

/// Names of all files, sidecars and temp files among them.
fn all_names(yard: &Yard) -> Vec<OsString> {
    let entries = std::fs::read_dir(yard.dir.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// One complete copy is there, and what is left over can be cleared away and finished: one sealed
/// file, one sidecar that verifies it, and nothing else.
fn recover(yard: &Yard, plain: &[u8], at: &str) {
    let (has_plain, has_sealed) = (
        yard.path("clip.mp4").exists(),
        yard.path("clip.vge").exists(),
    );
    assert!(has_plain || has_sealed, "{at}: no copy is left");
    if has_plain {
        assert!(
            yard.get("clip.mp4") == plain,
            "{at}: the plaintext was touched"
        );
    }
    let (entries, _) = yard.scan();
    for entry in entries {
        if let Entry::Leftover { path } = entry {
            assert!(has_plain, "{at}: a temp file without its plaintext");
            assert!(remove_leftover(&yard.folder, &path).unwrap(), "{at}");
        }
    }
    if has_plain {
        let source = yard.source("clip.mp4");
        let sealed = if has_sealed {
            match compare(&source, &yard.sealed("clip.vge"), &key()).unwrap() {
                Pairing::Same(sealed) => sealed,
                Pairing::Different { agree_bytes } => panic!("{at}: {agree_bytes} bytes agree"),
            }
        } else {
            seal(&source, &key(), IV, SealOptions::default()).unwrap()
        };
        assert_eq!(
            unlink_plaintext(&source, &sealed).unwrap(),
            Unlinked::Done,
            "{at}"
        );
    }
    let verdict = verify(
        &yard.sealed("clip.vge"),
        &key(),
        Expected::default(),
        &|_| {},
    )
    .unwrap();
    assert!(
        matches!(verdict, verify::Verdict::Verified { .. }),
        "{at}: {verdict:?}"
    );
    let mut back = Vec::new();
    unseal(&yard.sealed("clip.vge"), &key(), &mut back).unwrap();
    assert!(back == plain, "{at}: the sealed file holds something else");
    assert_eq!(all_names(yard), ["clip.vge", "clip.vge.auth"], "{at}");
}

/// Kills at each call in turn; returns the number of points.
fn kill_everywhere(calls: &[&str], plain: &[u8]) -> u32 {
    let mut points = 0;
    for call in calls {
        let mut kills = 0;
        for when in 1..=CALLS_MAX {
            let yard = Yard::with("clip.mp4", plain);
            let injection = format!("inject={call}:signal=SIGKILL:when={when}");
            let outcome = seal_under(&yard, &[&injection]);
            recover(&yard, plain, &format!("{call} {when}"));
            if outcome.is_through {
                break;
            }
            assert!(
                outcome.calls.contains("killed by SIGKILL"),
                "{}",
                outcome.printed
            );
            kills += 1;
        }
        assert!(kills > 0, "{call} never happens");
        assert!(kills < CALLS_MAX, "{call} happens without end");
        points += kills;
    }
    points
}

#[test]
fn killed_at_every_call_it_leaves_one_complete_copy() {
    let points = kill_everywhere(&CALLS, &noise(CLIP_BYTES));
    println!("kill at the calls of sealing {CLIP_BYTES} bytes: {points} points");
}

#[test]
fn killed_at_every_call_of_a_small_clip_it_leaves_one_complete_copy() {
    let points = kill_everywhere(&SMALL_CALLS, &noise(SMALL_CLIP_BYTES));
    println!("kill at the calls of sealing {SMALL_CLIP_BYTES} bytes: {points} points");
}

/// Whatever is refused, the plaintext stays until its copy is complete, the temp files go, and the
/// next try comes to the end.
#[test]
fn refused_at_every_call_of_a_small_clip_it_leaves_one_complete_copy() {
    let plain = noise(SMALL_CLIP_BYTES);
    let mut points = 0;
    for call in SMALL_CALLS {
        for error in ["EIO", "ENOSPC"] {
            for when in 1.. {
                let yard = Yard::with("clip.mp4", &plain);
                let at = format!("{call} {when} {error}");
                let injection = format!("inject={call}:error={error}:when={when}");
                let outcome = seal_under(&yard, &[&injection]);
                if !outcome.calls.contains("INJECTED") {
                    assert!(when > 1, "{call} never happens");
                    assert!(outcome.is_through, "{at}: {}", outcome.printed);
                    break;
                }
                assert!(when < CALLS_MAX, "{call} happens without end");
                points += 1;
                let said = &outcome.printed;
                let told = match error {
                    "EIO" => said.contains("code: 5") || said.contains("SealedGone"),
                    _ => said.contains("NoSpace") || said.contains("code: 28"),
                };
                // Looking whether a name is free may fail: the rename finds out.
                assert!(
                    outcome.is_through || told || call == "statx",
                    "{at}: {said}"
                );
                let is_temp = |name: &OsString| names::is_temp(name);
                assert!(!all_names(&yard).iter().any(is_temp), "{at}");
                recover(&yard, &plain, &at);
            }
        }
    }
    println!("an error at the calls of sealing {SMALL_CLIP_BYTES} bytes: {points} points");
}

#[test]
fn refused_at_every_call_it_leaves_the_plaintext_and_no_temp_file() {
    let plain = noise(CLIP_BYTES);
    for (call, error, when) in [
        ("fallocate", "ENOSPC", 1),
        ("pwrite64", "ENOSPC", 1),
        ("pwrite64", "ENOSPC", 9),
        ("pwrite64", "EIO", 1),
        ("pwrite64", "EIO", 17),
        ("pread64", "EIO", 1),
        ("fdatasync", "EIO", 1),
        ("fsync", "EIO", 1),
        // The sidecar's.
        ("write", "ENOSPC", 1),
        ("write", "EIO", 1),
        ("renameat2", "EIO", 1),
    ] {
        let yard = Yard::with("clip.mp4", &plain);
        let at = format!("{call} {error} {when}");
        let injection = format!("inject={call}:error={error}:when={when}");
        // Without the space set aside before, a disk can be full in the middle.
        let late = "inject=fallocate:error=EOPNOTSUPP";
        let outcome = if call == "fallocate" {
            seal_under(&yard, &[&injection])
        } else {
            seal_under(&yard, &[late, &injection])
        };
        let want = if error == "ENOSPC" {
            "NoSpace"
        } else {
            "code: 5"
        };
        assert!(
            !outcome.is_through && outcome.printed.contains(want),
            "{at}: {}",
            outcome.printed
        );
        assert_eq!(yard.names(), ["clip.mp4"], "{at}");
        recover(&yard, &plain, &at);
    }
}

#[test]
fn what_a_file_system_or_kernel_does_not_have_is_done_without() {
    let plain = noise(CLIP_BYTES);
    for injection in [
        "openat2:error=ENOSYS",
        "fallocate:error=EOPNOTSUPP",
        "renameat2:error=EINVAL",
        "fadvise64:error=EINVAL",
        // O_DIRECT refused when it is switched on, and when it is first used.
        "fcntl:error=EINVAL",
        "pwrite64:error=EINVAL:when=1",
        "pread64:error=EINTR:when=1",
    ] {
        let yard = Yard::with("clip.mp4", &plain);
        let outcome = seal_under(&yard, &[&format!("inject={injection}")]);
        assert!(outcome.is_through, "{injection}: {}", outcome.printed);
        assert!(
            outcome.calls.contains("INJECTED"),
            "{injection}: {}",
            outcome.calls
        );
        assert_eq!(yard.names(), ["clip.vge"], "{injection}");
        recover(&yard, &plain, injection);
    }
}

#[test]
fn the_steps_come_in_the_order_that_keeps_one_complete_copy() {
    let yard = Yard::with("clip.mp4", &noise(CLIP_BYTES));
    let outcome = seal_under(
        &yard,
        &["trace=write,pwrite64,pread64,fsync,renameat2,unlinkat"],
    );
    assert!(outcome.is_through, "{}", outcome.printed);
    let steps: Vec<&str> = outcome
        .calls
        .lines()
        .filter_map(|line| {
            let call = line.split_once(' ')?.1.trim_start();
            let name = call.split_once('(')?.0;
            let of_clip = call.contains("/clip.mp4>");
            let of_temp = call.contains("/.nightjar-seal-");
            let of_sidecar = call.contains(".auth.tmp>");
            match name {
                "write" if of_sidecar => Some("write sidecar"),
                "fsync" if of_sidecar => Some("sync sidecar"),
                "pread64" if of_sidecar => Some("read sidecar back"),
                "pread64" if of_clip => Some("read plaintext"),
                "pwrite64" if of_temp => Some("write temp"),
                "fsync" if of_temp => Some("sync temp"),
                "pread64" if of_temp => Some("read back"),
                "renameat2" => Some("rename"),
                "fsync" => Some("sync folder"),
                "unlinkat" => Some("unlink"),
                _ => None,
            }
        })
        .collect();
    let last = |step| steps.iter().rposition(|s| *s == step).expect(step);
    // The very last read only asks whether the plaintext has grown, beside the last writes.
    let first = |step| steps.iter().position(|s| *s == step).expect(step);
    assert!(first("read plaintext") < first("write temp"), "{steps:?}");
    let in_order = [
        "write temp",
        "sync temp",
        "read back",
        "write sidecar",
        "sync sidecar",
        "read sidecar back",
        "rename",
    ];
    assert!(
        in_order.windows(2).all(|w| last(w[0]) < last(w[1])),
        "{steps:?}"
    );
    assert_eq!(
        steps[last("read sidecar back") + 1..],
        ["rename", "rename", "sync folder", "unlink", "sync folder"]
    );
}
