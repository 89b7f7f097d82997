//! The vault beside what a machine does without it, in the same run: `cargo bench --bench seal --
//! VERB`, run by `scripts/bench`.
//!
//! - `seal` seals a file with and without reading it back, beside `cp` and `sync` of the same file.
//! - `verify` verifies a sealed file beside `sha256sum` of it.
//! - `range` reads 1 MiB from random places of a sealed file that is in the page cache.
//! - `clips` lets the watcher seal many small clips, from the first look to the last event.
//!
//! `NIGHTJAR_BENCH_BYTES` sets the size (default 1 GiB, of which the temp folder takes three; for
//! `clips` that of one clip), `NIGHTJAR_BENCH_ROUNDS` the rounds (ranges, clips). Rounds take turns,
//! so that all see the same machine; a ratio is that of the medians. The last line is JSON.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench is its own program: it paces and times"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nightjar::base::clock::Clock;
use nightjar::base::shutdown::Shutdown;
use nightjar::ingest::recordings;
use nightjar::read_model;
use nightjar::storage::sqlite::Durability;
use nightjar::vault::admission::{Admission, AdmissionOptions, admit, open_source};
use nightjar::vault::folder::Folder;
use nightjar::vault::key::Key;
use nightjar::vault::names;
use nightjar::vault::reader::{Expected, Reader};
use nightjar::vault::seal::{SealOptions, seal};
use nightjar::vault::unseal::open_sealed;
use nightjar::vault::verify::{Verdict, verify};
use nightjar::writer::{self, sabotage::Sabotage};

const CLIP: &str = "clip.mp4";
const SEALED: &str = "clip.vge";

fn main() {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.and_then(|v| v.parse().ok()).unwrap_or(default)
    };
    let size_bytes = number("NIGHTJAR_BENCH_BYTES", 1 << 30);
    let rounds = number("NIGHTJAR_BENCH_ROUNDS", 5);
    let dir = tempfile::tempdir().unwrap();
    match std::env::args().nth(1).as_deref() {
        Some("verify") => compare_verify(dir.path(), size_bytes, rounds),
        Some("range") => ranges(dir.path(), size_bytes, rounds),
        Some("clips") => clips(dir.path(), size_bytes, rounds),
        _ => compare_seal(dir.path(), size_bytes, rounds),
    }
}

fn compare_seal(dir: &Path, size_bytes: u64, rounds: u64) {
    let clip = dir.join(CLIP);
    write_clip(&clip, size_bytes, 0);
    let (mut copies, mut proven, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        copies.push(copy(&clip, &dir.join("copy.bin")));
        proven.push(seal_once(dir, true));
        remove_sealed(dir);
        plain.push(seal_once(dir, false));
        remove_sealed(dir);
        let last = |times: &[Duration]| rate(size_bytes, *times.last().unwrap());
        println!(
            "cp+fsync {:7.1} MB/s   seal {:7.1}   without reading back {:7.1}",
            last(&copies),
            last(&proven),
            last(&plain)
        );
    }
    let [copied, proven, plain] = [copies, proven, plain].map(median);
    let told = serde_json::json!({
        "mb_per_s": rate(size_bytes, proven), "ratio": ratio(copied, proven),
        "plain_mb_per_s": rate(size_bytes, plain), "plain_ratio": ratio(copied, plain),
    });
    println!("{told}");
}

fn compare_verify(dir: &Path, size_bytes: u64, rounds: u64) {
    write_clip(&dir.join(CLIP), size_bytes, 0);
    seal_once(dir, true);
    let (mut sums, mut verified) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        let mut command = Command::new("sha256sum");
        let command = command.arg(dir.join(SEALED)).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
        sums.push(start.elapsed());
        let start = Instant::now();
        let folder = Folder::open(dir).unwrap();
        let sealed = open_sealed(&folder, Path::new(SEALED)).unwrap().unwrap();
        let verdict = verify(&sealed, &key(), Expected::default(), &|_| {}).unwrap();
        assert!(matches!(verdict, Verdict::Verified { .. }));
        verified.push(start.elapsed());
        println!(
            "sha256sum {:7.1} MB/s   verify {:7.1}",
            rate(size_bytes, *sums.last().unwrap()),
            rate(size_bytes, *verified.last().unwrap())
        );
    }
    let [sum, verified] = [sums, verified].map(median);
    let told = serde_json::json!({
        "mb_per_s": rate(size_bytes, verified), "ratio": ratio(sum, verified),
    });
    println!("{told}");
}

fn ranges(dir: &Path, size_bytes: u64, rounds: u64) {
    write_clip(&dir.join(CLIP), size_bytes, 0);
    seal_once(dir, false);
    remove(&dir.join(CLIP));
    let cold_read_bytes = read_cold(dir, size_bytes / 2 + 12_345);
    // Warm: all of it has been read once.
    std::io::copy(
        &mut File::open(dir.join(SEALED)).unwrap(),
        &mut std::io::sink(),
    )
    .unwrap();
    let folder = Folder::open(dir).unwrap();
    let mut state = 88_172_645_463_325_252_u64;
    let mut times = Vec::new();
    let mut out = Vec::with_capacity(1 << 20);
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let offset = state % (size_bytes - (1 << 20));
        out.clear();
        let start = Instant::now();
        let path = Path::new(SEALED);
        let mut reader = Reader::open(&folder, path, &key(), Expected::default()).unwrap();
        reader.range(offset, 1 << 20, &mut out).unwrap();
        times.push(start.elapsed());
        assert_eq!(out.len(), 1 << 20);
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let told = serde_json::json!({
        "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0),
        "cold_read_bytes": cold_read_bytes,
    });
    println!("{told}");
}

/// Bytes that come from the disk for 1 MiB of a file that is not in the page cache.
fn read_cold(dir: &Path, offset: u64) -> u64 {
    let auth = names::auth_name(SEALED.as_ref());
    for name in [SEALED.as_ref(), auth.as_os_str()] {
        let file = File::open(dir.join(name)).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
    let from_disk = || -> u64 {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let line = io
            .lines()
            .find_map(|line| line.strip_prefix("read_bytes: "));
        line.unwrap().parse().unwrap()
    };
    let before = from_disk();
    let folder = Folder::open(dir).unwrap();
    let path = Path::new(SEALED);
    let mut reader = Reader::open(&folder, path, &key(), Expected::default()).unwrap();
    reader.range(offset, 1 << 20, &mut std::io::sink()).unwrap();
    from_disk() - before
}

fn clips(dir: &Path, size_bytes: u64, count: u64) {
    let folder = dir.join("recordings");
    for n in 0..count {
        let day = folder.join(format!("cam_{}", n % 4));
        std::fs::create_dir_all(&day).unwrap();
        write_clip(&day.join(format!("{n}.mp4")), size_bytes, n);
    }
    let key_file = dir.join("storage.key");
    File::create(&key_file)
        .unwrap()
        .write_all(&std::array::from_fn::<u8, 32, _>(|i| i as u8))
        .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key_file, mode).unwrap();
    let database = dir.join("nightjar.db");
    let clock = Clock::System;
    let started = writer::start(
        writer::Options {
            path: database.clone(),
            durability: Durability::Full,
            cache_kib: 24 << 10,
            clock: clock.clone(),
            projections: read_model::ALL,
            reactions: writer::Reactions::none(),
            tick_every: None,
            sabotage: Sabotage::NONE,
        },
        Arc::default(),
        Shutdown::new(),
        &mut |_, _, _| {},
    )
    .unwrap();
    let core = started.writer;
    let writing = std::thread::Builder::new()
        .spawn(move || core.run())
        .unwrap();
    let mut options = recordings::Options::new(&folder, &database);
    options.key.key_file = key_file;
    options.admission.reserve_bytes = 0;
    // The clips are whole; waiting for them to settle is not what is measured.
    options.settle = Duration::from_millis(1);
    let shutdown = Shutdown::new();
    let watcher = recordings::Watcher::new(
        options,
        started.handle,
        Arc::default(),
        clock,
        shutdown.clone(),
    );
    let health = watcher.health();
    let start = Instant::now();
    let watching = std::thread::Builder::new()
        .spawn(move || watcher.run())
        .unwrap();
    while health.lock().unwrap().sealed < count {
        assert!(start.elapsed() < Duration::from_secs(600), "{health:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = start.elapsed();
    shutdown.stop();
    watching.join().unwrap();
    writing.join().unwrap().unwrap();
    let told = serde_json::json!({
        "clips_per_s": count as f64 / took.as_secs_f64(), "seconds": took.as_secs_f64(),
    });
    println!("{told}");
}

fn key() -> Key {
    Key::from_bytes(std::array::from_fn(|i| i as u8))
}

/// Bytes that no file system can shrink: a multiplicative generator, not for secrets.
fn write_clip(path: &Path, size_bytes: u64, seed: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    let mut file = File::create(path).unwrap();
    let mut left = size_bytes;
    let mut block = vec![0; size_bytes.min(1 << 20).next_multiple_of(8) as usize];
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            word.copy_from_slice(&(state ^ (state >> 29)).to_le_bytes());
        }
        let len = left.min(block.len() as u64);
        file.write_all(&block[..len as usize]).unwrap();
        left -= len;
    }
    file.sync_all().unwrap();
}

fn copy(from: &Path, to: &Path) -> Duration {
    let start = Instant::now();
    assert!(
        Command::new("cp")
            .arg("--reflink=never")
            .args([from, to])
            .status()
            .unwrap()
            .success()
    );
    File::open(to).unwrap().sync_all().unwrap();
    let took = start.elapsed();
    remove(to);
    took
}

fn seal_once(dir: &Path, verify_after_write: bool) -> Duration {
    let folder = Folder::open(dir).unwrap();
    let clip = Path::new(CLIP);
    let seen = open_source(&folder, clip).unwrap().unwrap().fingerprint();
    let start = Instant::now();
    let options = AdmissionOptions {
        reserve_bytes: 0,
        ..AdmissionOptions::default()
    };
    let Admission::Ready(source) = admit(&folder, clip, Some(&seen), &options).unwrap() else {
        panic!("the clip is not admitted");
    };
    let options = SealOptions { verify_after_write };
    seal(&source, &key(), [7; 16], options).unwrap();
    start.elapsed()
}

fn remove_sealed(dir: &Path) {
    std::fs::remove_file(dir.join(names::auth_name(SEALED.as_ref()))).unwrap();
    remove(&dir.join(SEALED));
}

/// Also waits until the disk has let go of the file, so that the next round starts clean.
fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
    File::open(path.parent().unwrap())
        .unwrap()
        .sync_all()
        .unwrap();
}

/// MB/s.
fn rate(size_bytes: u64, took: Duration) -> f64 {
    size_bytes as f64 / took.as_secs_f64() / 1e6
}

fn ratio(theirs: Duration, ours: Duration) -> f64 {
    theirs.as_secs_f64() / ours.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
