//! What sampling the machine costs, as a share of one core at the usual pace:
//! `cargo bench --bench host -- FOLDER SAMPLES`. Prints one JSON object.
//!
//! Counted is the processor time of the whole process, once for the looks at proc alone and once
//! with everything behind them: both events of each sample folded and committed durably one by one.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a bench has no house to keep")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nightjar::base::clock::Clock;
use nightjar::base::shutdown::Shutdown;
use nightjar::ingest::host::{PROC, Sampler, own_name};
use nightjar::read_model;
use nightjar::storage::sqlite::Durability;
use nightjar::writer::sabotage::Sabotage;
use nightjar::writer::{self, Handle};
use rustix::time::{ClockId, clock_gettime};

/// Seconds between two samples, as configured when nothing is.
const INTERVAL_S: f64 = 10.0;
/// Looks when their number is not given.
const SAMPLES: usize = 2_000;

fn main() {
    let arguments: Vec<_> = std::env::args().filter(|one| one != "--bench").collect();
    let folder = arguments
        .get(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let samples = arguments
        .get(2)
        .map_or(SAMPLES, |count| count.parse().unwrap());
    let looks = seconds_each(samples, &folder, |sampler| {
        assert!(!sampler.sample(Clock::System.now()).is_empty());
    });
    let data = folder.join("host-bench");
    std::fs::create_dir_all(&data).unwrap();
    let (handle, thread) = start(&data);
    let whole = seconds_each(samples, &folder, |sampler| {
        handle.store(sampler.sample(Clock::System.now())).unwrap();
    });
    drop(handle);
    thread.join().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    let told = serde_json::json!({
        "samples": samples,
        "look_us": looks * 1e6,
        "look_percent": looks / INTERVAL_S * 100.0,
        "stored_us": whole * 1e6,
        "stored_percent": whole / INTERVAL_S * 100.0,
    });
    println!("{told}");
}

fn start(data: &Path) -> (Handle, std::thread::JoinHandle<()>) {
    let options = writer::Options {
        path: data.join("nightjar.db"),
        durability: Durability::Full,
        cache_kib: 24 * 1024,
        clock: Clock::System,
        projections: read_model::ALL,
        reactions: writer::Reactions::none(),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let started =
        writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
    let core = started.writer;
    let thread = std::thread::spawn(move || core.run().unwrap());
    (started.handle, thread)
}

/// Processor time of one round.
fn seconds_each(rounds: usize, folder: &Path, mut round: impl FnMut(&mut Sampler)) -> f64 {
    let mut sampler = Sampler::new(Path::new(PROC), &own_name(), folder);
    round(&mut sampler);
    let before = cpu_seconds();
    for _ in 0..rounds {
        round(&mut sampler);
    }
    (cpu_seconds() - before) / rounds as f64
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
