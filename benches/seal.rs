//! Sealing beside `cp` and `sync` of the same file, in the same run.
//!
//! `NIGHTJAR_BENCH_BYTES` sets the size (default 1 GiB, of which the temp folder takes three) and
//! `NIGHTJAR_BENCH_ROUNDS` the rounds. The rounds take turns, so that both see the same machine;
//! the ratio is that of the medians.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nightjar::vault::admission::{Admission, AdmissionOptions, admit, open_source};
use nightjar::vault::folder::Folder;
use nightjar::vault::key::Key;
use nightjar::vault::seal::{SealOptions, seal};

fn main() {
    let number = |name, default| {
        std::env::var(name)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    let size_bytes: u64 = number("NIGHTJAR_BENCH_BYTES", 1 << 30);
    let rounds = number("NIGHTJAR_BENCH_ROUNDS", 5);
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.mp4");
    write_clip(&clip, size_bytes);
    let (mut copies, mut seals) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let copied = copy(&clip, &dir.path().join("copy.bin"));
        let sealed = seal_once(dir.path());
        println!(
            "cp+fsync {}   seal {}",
            rate(size_bytes, copied),
            rate(size_bytes, sealed)
        );
        copies.push(copied);
        seals.push(sealed);
    }
    let (copied, sealed) = (median(copies), median(seals));
    println!(
        "median: cp+fsync {}, seal {}, ratio {:.2}",
        rate(size_bytes, copied),
        rate(size_bytes, sealed),
        copied.as_secs_f64() / sealed.as_secs_f64()
    );
}

/// Bytes that no file system can shrink: a multiplicative generator, not for secrets.
fn write_clip(path: &Path, size_bytes: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut file = File::create(path).unwrap();
    let mut left = size_bytes;
    let mut block = vec![0; 1 << 20];
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

fn seal_once(dir: &Path) -> Duration {
    let folder = Folder::open(dir).unwrap();
    let key = Key::from_bytes(std::array::from_fn(|i| i as u8));
    let clip = Path::new("clip.mp4");
    let seen = open_source(&folder, clip).unwrap().unwrap().fingerprint();
    let start = Instant::now();
    let options = AdmissionOptions {
        reserve_bytes: 0,
        ..AdmissionOptions::default()
    };
    let Admission::Ready(source) = admit(&folder, clip, Some(&seen), &options).unwrap() else {
        panic!("the clip is not admitted");
    };
    let sealed = seal(&source, &key, [7; 16], SealOptions::default()).unwrap();
    let took = start.elapsed();
    remove(&dir.join(&sealed.path));
    remove(&dir.join(nightjar::vault::names::auth_name(sealed.path.as_os_str())));
    took
}

/// Also waits until the disk has let go of the file, so that the next round starts clean.
fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
    File::open(path.parent().unwrap())
        .unwrap()
        .sync_all()
        .unwrap();
}

fn rate(size_bytes: u64, took: Duration) -> String {
    format!("{:7.1} MB/s", size_bytes as f64 / took.as_secs_f64() / 1e6)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
