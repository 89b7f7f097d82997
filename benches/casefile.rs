//! Case files beside what SQLite and a machine do without them, in the same run: `cargo bench --bench
//! casefile -- VERB`.
//!
//! - `store` stores derived pictures of 1 MP with their thumbs, by one worker and by two: each in a
//!   transaction of its own that waits for the disk, and all of an original in one.
//! - `slim` makes a slim copy of a case of as many nodes, beside `VACUUM INTO` of the same file.
//! - `open` opens a case whose file is not in the page cache, a tenth as large and whole.
//! - `verify` verifies a case, beside `sha256sum` of the same file.
//! - `workers` lets four workers store small pictures, each waiting for the disk, and tells the longest
//!   wait of any.
//!
//! `NIGHTJAR_BENCH_NODES` sets the pictures (default 1,000), `NIGHTJAR_BENCH_ROUNDS` the rounds of
//! what is compared (default 3). Rounds take turns; a ratio is that of the medians. The last line is
//! JSON.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench is its own program: it opens the file as others do"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nightjar::casefile::encode::derived;
use nightjar::casefile::nodes::Step;
use nightjar::casefile::persister::{Options, Output, Parent, Persister};
use nightjar::casefile::pipeline::{Channels, Image};
use nightjar::casefile::pipelines::{self, NewPipeline};
use nightjar::casefile::project::{self, NewProject};
use nightjar::casefile::scans::{self, NewOriginal, Source};
use nightjar::casefile::{By, CaseFile, NodeId, PipelineId, slim, verify};
use nightjar::storage::sqlite::Durability;
use rustix::fs::Advice;

const BENCH: By<'_> = By {
    actor: "bench",
    at_ms: 1_763_600_000_000,
};
/// 1 MP, as a quarter of a 4 MP camera.
const SIZE: (u32, u32) = (1_280, 800);
/// Pictures of one original: the original and eight steps, the number of the seed's pages, and one more.
const CHAIN: usize = 10;

fn main() {
    let verb = std::env::args().nth(1).unwrap_or_default();
    let nodes = number("NIGHTJAR_BENCH_NODES", 1_000);
    let rounds = number("NIGHTJAR_BENCH_ROUNDS", 3);
    match verb.as_str() {
        "store" => store(nodes),
        "slim" => slimming(nodes, rounds),
        "open" => opening(nodes, rounds),
        "verify" => verifying(nodes, rounds),
        "workers" => workers(nodes),
        // `cargo bench` without a verb, or `cargo test --benches`: nothing to measure.
        _ => {}
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What a camera sees: a slow change of light, with the noise of its sensor.
struct Scene {
    noise: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let mut state = 1_u64;
        let noise = (0..SIZE.0 * SIZE.1 * 3 + 65_536).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Four levels: what is left of the noise in a frame that was a JPEG.
            (state >> 62) as u8
        });
        Self {
            noise: noise.collect(),
        }
    }

    /// The picture of this number; no two are the same.
    fn picture(&self, number: usize, (width, height): (u32, u32)) -> Image {
        let shift = number * 61 % 65_536;
        let mut samples = Vec::with_capacity((width * height * 3) as usize);
        for y in 0..height {
            let from = shift + (y * width * 3) as usize;
            let light = (y / 8 + number as u32 % 100) as u8;
            let row = &self.noise[from..from + width as usize * 3];
            samples.extend(row.iter().map(|noise| light.wrapping_add(*noise)));
        }
        Image::new(width, height, Channels::Rgb, samples)
            .unwrap()
            .unwrap()
    }
}

fn create(path: &Path) -> PipelineId {
    let project = NewProject {
        name: "Bench",
        slug: "bench",
        box_id: "bench",
        box_pubkey: &[0; 32],
        case_ref: None,
        incident_ms: None,
        by: BENCH,
    };
    let pipeline = NewPipeline {
        name: None,
        yaml_text: "steps: []",
        step_count: 0,
        tools_json: "{}",
    };
    CaseFile::create(path, &project, Durability::Full)
        .unwrap()
        .write(|session| pipelines::freeze(session, &pipeline, BENCH))
        .unwrap()
}

fn persister(path: &Path, durability: Durability) -> Persister {
    Persister::new(Options {
        path: path.to_owned(),
        durability,
        max_bytes: u64::MAX,
    })
}

fn original(persister: &mut Persister, pipeline_id: PipelineId, picture: &Image) -> NodeId {
    let new = NewOriginal {
        source: Source::Import,
        source_ref: None,
        source_media_id: None,
        frame_pts_us: None,
        captured_at_ms: None,
        extractor: None,
        calibration_id: None,
        pipeline_id,
    };
    let prepared = derived(picture, None).unwrap();
    persister.add_original(&new, &prepared, BENCH).unwrap().1
}

fn output(parent: Parent, pipeline_id: PipelineId, step_idx: usize, picture: &Image) -> Output {
    Output {
        parent,
        step: Step {
            pipeline_id,
            step_idx: step_idx as i64,
            step_name: format!("{step_idx:02}_levels"),
            processor: "levels".into(),
            params_json: r#"{"black":8,"white":240}"#.into(),
            branch_label: None,
            elapsed_ms: Some(20.0),
            meta_json: None,
        },
        picture: derived(picture, None).unwrap(),
        debug: Vec::new(),
        ends_branch: (step_idx + 1 == CHAIN).then_some(None),
    }
}

/// What a worker does.
#[derive(Clone, Copy)]
struct Load {
    durability: Durability,
    size: (u32, u32),
    /// Outputs in one transaction.
    together: usize,
}

/// Stores the pictures numbered `from..to` in chains; the longest transaction.
fn fill(path: &Path, pipeline: PipelineId, load: Load, (from, to): (usize, usize)) -> Duration {
    let scene = Scene::new();
    let mut persister = persister(path, load.durability);
    let mut longest = Duration::ZERO;
    for first in (from..to).step_by(CHAIN) {
        let root = scene.picture(first, load.size);
        let mut above = original(&mut persister, pipeline, &root);
        let steps: Vec<usize> = (1..CHAIN.min(to - first)).collect();
        for part in steps.chunks(load.together) {
            let outputs: Vec<Output> = part
                .iter()
                .enumerate()
                .map(|(at, step)| {
                    let parent = at
                        .checked_sub(1)
                        .map_or(Parent::Node(above), Parent::Output);
                    let picture = scene.picture(first + step, load.size);
                    output(parent, pipeline, *step, &picture)
                })
                .collect();
            let begun = Instant::now();
            let stored = persister.store(&outputs, BENCH.at_ms).unwrap();
            longest = longest.max(begun.elapsed());
            above = stored[stored.len() - 1];
        }
    }
    longest
}

/// `workers` at once, each with its share; seconds for all, and the longest transaction of any.
fn fill_by(path: &Path, workers: usize, nodes: usize, load: Load) -> (f64, Duration) {
    let pipeline = create(path);
    let begun = Instant::now();
    let share = nodes / workers;
    let longest = std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers)
            .map(|worker| {
                let range = (worker * share, (worker + 1) * share);
                let work = move || fill(path, pipeline, load, range);
                std::thread::Builder::new()
                    .spawn_scoped(scope, work)
                    .unwrap()
            })
            .collect();
        let longest = running.into_iter().map(|worker| worker.join().unwrap());
        longest.max().unwrap()
    });
    (begun.elapsed().as_secs_f64(), longest)
}

fn case(nodes: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.agl");
    let pipeline = create(&path);
    let load = Load {
        durability: Durability::Scratch,
        size: SIZE,
        together: CHAIN,
    };
    fill(&path, pipeline, load, (0, nodes));
    File::open(&path).unwrap().sync_all().unwrap();
    (folder, path)
}

fn store(nodes: usize) {
    let rate = |workers: usize, together: usize| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.agl");
        let load = Load {
            durability: Durability::Full,
            size: SIZE,
            together,
        };
        let (seconds, _) = fill_by(&path, workers, nodes, load);
        let bytes = std::fs::metadata(&path).unwrap().len() / nodes as u64;
        println!(
            "{workers} worker(s), {together} outputs a transaction: {nodes} in {seconds:.2} s, {bytes} bytes each"
        );
        nodes as f64 / seconds
    };
    let (one, two) = (rate(1, 1), rate(2, 1));
    let (one_chains, two_chains) = (rate(1, CHAIN), rate(2, CHAIN));
    println!(
        r#"{{"one_worker_per_s":{one:.1},"two_workers_per_s":{two:.1},"one_worker_by_chains_per_s":{one_chains:.1},"two_workers_by_chains_per_s":{two_chains:.1}}}"#
    );
}

fn slimming(nodes: usize, rounds: usize) {
    let (folder, path) = case(nodes);
    let (mut slims, mut vacuums, mut synced) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let target = folder.path().join(format!("slim{round}.agl"));
        let begun = Instant::now();
        let slimmed = slim::slim(&path, &target, BENCH.at_ms).unwrap();
        slims.push(begun.elapsed().as_secs_f64());
        println!("slim: {slimmed:?}");
        std::fs::remove_file(&target).unwrap();

        let copy = folder.path().join(format!("copy{round}.agl"));
        let connection = rusqlite::Connection::open(&path).unwrap();
        let begun = Instant::now();
        connection
            .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
            .unwrap();
        vacuums.push(begun.elapsed().as_secs_f64());
        File::open(&copy).unwrap().sync_all().unwrap();
        synced.push(begun.elapsed().as_secs_f64());
        std::fs::remove_file(&copy).unwrap();
    }
    let (slim, vacuum, synced) = (median(slims), median(vacuums), median(synced));
    println!(
        r#"{{"slim_s":{slim:.2},"vacuum_into_s":{vacuum:.2},"vacuum_into_and_sync_s":{synced:.2},"ratio":{:.2}}}"#,
        slim / vacuum
    );
}

/// Seconds until the project and the list of originals are there, with nothing in the page cache.
fn open_cold(path: &Path) -> f64 {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    let begun = Instant::now();
    let mut case = CaseFile::open(path, Durability::Full, BENCH.at_ms).unwrap();
    let listed = case.read(|session| {
        project::get(session)?;
        scans::list(session)
    });
    let seconds = begun.elapsed().as_secs_f64();
    assert!(!listed.unwrap().is_empty());
    seconds
}

fn opening(nodes: usize, rounds: usize) {
    let (_small_folder, small) = case(nodes / 10);
    let (_folder, large) = case(nodes);
    let (mut tenth, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        tenth.push(open_cold(&small));
        whole.push(open_cold(&large));
    }
    let bytes = |path| std::fs::metadata(path).unwrap().len();
    println!(
        r#"{{"tenth_bytes":{},"tenth_s":{:.4},"whole_bytes":{},"whole_s":{:.4}}}"#,
        bytes(&small),
        median(tenth),
        bytes(&large),
        median(whole)
    );
}

fn verifying(nodes: usize, rounds: usize) {
    let (_folder, path) = case(nodes);
    let (mut own, mut sha256sum) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begun = Instant::now();
        let mut case = CaseFile::open_reader(&path).unwrap();
        let findings = case.read(verify::check).unwrap();
        own.push(begun.elapsed().as_secs_f64());
        assert_eq!(findings.problems, [""; 0]);
        let begun = Instant::now();
        assert!(
            Command::new("sha256sum")
                .arg(&path)
                .output()
                .unwrap()
                .status
                .success()
        );
        sha256sum.push(begun.elapsed().as_secs_f64());
    }
    let (own, sha256sum) = (median(own), median(sha256sum));
    let ratio = sha256sum / own;
    println!(r#"{{"verify_s":{own:.2},"sha256sum_s":{sha256sum:.2},"speed_ratio":{ratio:.2}}}"#);
}

fn workers(nodes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let load = Load {
        durability: Durability::Full,
        size: (16, 16),
        together: 1,
    };
    let (seconds, longest) = fill_by(&folder.path().join("bench.agl"), 4, nodes * 4, load);
    println!(
        r#"{{"images":{},"seconds":{seconds:.1},"longest_wait_s":{:.3}}}"#,
        nodes * 4,
        longest.as_secs_f64()
    );
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
