//! Sealing that is killed or refused at each of its system calls in turn.
//!
//! `strace` injects the fault into a process of its own, which is this test binary again, told by
//! an environment variable to seal one clip and to unlink its plaintext.

use std::path::Path;
use std::process::Command;

use super::*;

const YARD: &str = "NIGHTJAR_TEST_YARD";
const CHILD: &str = "vault::tests::interruptions::child_that_seals_a_clip";

/// The calls that change something, and those by which the result is read back.
const CALLS: [&str; 9] = [
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

/// More than any of the calls happens in one sealing of the clip below.
const CALLS_MAX: u32 = 60;

/// A sync on the way, one at the end, and a last chunk that is short and not aligned.
const CLIP_BYTES: usize = (17 << 20) + 1001;

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

/// Runs the child under strace with `expression`, e.g. an injection.
///
/// Only calls on the files of the yard count, not those of the loader or the test harness.
fn seal_under(yard: &Yard, expression: &str) -> Outcome {
    let dir = yard.dir.path().canonicalize().unwrap();
    let clip = OsStr::new("clip.mp4");
    let (temp, temp_auth) = (names::temp_name(clip), names::temp_auth_name(clip));
    let (sealed, auth) = (OsStr::new("clip.vge"), OsStr::new("clip.vge.auth"));
    let files = [clip, &temp, &temp_auth, sealed, auth].map(|name| dir.join(name));
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-s", "0", "-y", "-e", expression, "-o"])
        .arg(log.path());
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
    Outcome {
        is_through: output.status.success() && printed.contains("1 passed"),
        printed,
        calls: std::fs::read_to_string(log.path()).unwrap(),
    }
}

/// One complete copy is there, and what is left over can be cleared away and finished.
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
    assert_eq!(yard.names(), ["clip.vge"], "{at}");
}

#[test]
fn killed_at_every_call_it_leaves_one_complete_copy() {
    let plain = noise(CLIP_BYTES);
    for call in CALLS {
        let mut kills = 0;
        for when in 1..=CALLS_MAX {
            let yard = Yard::with("clip.mp4", &plain);
            let injection = format!("inject={call}:signal=SIGKILL:when={when}");
            let outcome = seal_under(&yard, &injection);
            recover(&yard, &plain, &format!("{call} {when}"));
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
    }
}

#[test]
fn refused_at_every_call_it_leaves_the_plaintext_and_no_temp_file() {
    let plain = noise(CLIP_BYTES);
    for (call, error) in [
        ("fallocate", "ENOSPC"),
        ("pwrite64", "ENOSPC"),
        ("pwrite64", "EIO"),
        ("pread64", "EIO"),
        ("fdatasync", "EIO"),
        ("fsync", "EIO"),
        ("renameat2", "EIO"),
    ] {
        let yard = Yard::with("clip.mp4", &plain);
        let at = format!("{call} {error}");
        let outcome = seal_under(&yard, &format!("inject={call}:error={error}:when=1"));
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
        let outcome = seal_under(&yard, &format!("inject={injection}"));
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
    let outcome = seal_under(&yard, "trace=pwrite64,pread64,fsync,renameat2,unlinkat");
    assert!(outcome.is_through, "{}", outcome.printed);
    let steps: Vec<&str> = outcome
        .calls
        .lines()
        .filter_map(|line| {
            let call = line.split_once(' ')?.1.trim_start();
            let name = call.split_once('(')?.0;
            let of_clip = call.contains("/clip.mp4>");
            let of_temp = call.contains("/.nightjar-seal-");
            match name {
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
    let in_order = [
        "read plaintext",
        "write temp",
        "sync temp",
        "read back",
        "rename",
    ];
    assert!(
        in_order.windows(2).all(|w| last(w[0]) < last(w[1])),
        "{steps:?}"
    );
    assert_eq!(
        steps[last("rename")..],
        ["rename", "sync folder", "unlink", "sync folder"]
    );
}
