//! What the image pipeline of case files costs: `cargo bench --bench pixels -- VERB`.
//!
//! - `steps` applies every step to a picture of one megapixel, beside copying its pixels.
//! - `codec` decodes and encodes it, and hashes its pixels.
//! - `frames` cuts MJPEG, beside copying it.
//! - `plates` reads the synthetic plates of `fixtures/casefile/plates` by consensus. They are drawn,
//!   20 pixels high; nothing is said about real ones.
//!
//! Medians of five rounds. The last line is JSON.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench is its own program: it times"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nightjar::casefile::consensus::{Reading, plain};
use nightjar::casefile::frames::Cutter;
use nightjar::casefile::ocr::{Options, Tesseract};
use nightjar::casefile::pipeline::{
    Channels, Image, Preset, Purpose, Run, Start, decode, encode_png, parse,
};

const ROUNDS: usize = 5;
const SIDE: u32 = 1_000;
const STEPS: &[&str] = &[
    "crop: {x: 10, y: 10, width: 980, height: 980}",
    "rotate: {degrees: 90}",
    "rotate: {degrees: 3}",
    "deskew",
    "perspective: {points: [[10, 5], [990, 0], [1000, 1000], [0, 990]]}",
    "resize: {factor: 2, filter: nearest}",
    "resize: {factor: 2, filter: bilinear}",
    "resize: {factor: 2, filter: bicubic}",
    "resize: {factor: 0.5, filter: bicubic}",
    "gray",
    "levels: {black: 10}",
    "gamma: {gamma: 2.2}",
    "stretch",
    "equalize",
    "denoise: {method: median, radius: 1}",
    "denoise: {method: median, radius: 5}",
    "denoise: {method: bilateral, radius: 2}",
    "sharpen: {sigma: 2}",
    "binarize: {method: otsu}",
    "binarize: {method: adaptive}",
    "redact: {areas: [{x: 1, y: 1, width: 500, height: 500}]}",
];

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("codec") => codec(),
        Some("frames") => frames(),
        Some("plates") => plates(),
        _ => steps(),
    }
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

/// Slopes, rings and noise in colours.
fn megapixel() -> Image {
    let mut state = 1_u32;
    let mut pixels = Vec::new();
    for y in 0..SIDE {
        for x in 0..SIDE {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = state >> 28;
            let ring = ((x * x + y * y) >> 11) % 64;
            pixels.extend([x / 5 + noise, y / 5 + noise, ring * 3 + noise].map(|v| v as u8));
        }
    }
    Image::new(SIDE, SIDE, Channels::Rgb, pixels)
        .unwrap()
        .unwrap()
}

fn told(name: &str, time: Duration, megapixels: f64) {
    let rate = megapixels / time.as_secs_f64();
    println!(
        "{name:<70} {:>8.1} ms {rate:>8.1} MP/s",
        time.as_secs_f64() * 1e3
    );
}

fn steps() {
    let image = Arc::new(megapixel());
    let copied = median(|| drop(black_box(image.pixels().to_vec())));
    told("copying the pixels", copied, 1.0);
    let mut slowest = Duration::ZERO;
    for step in STEPS {
        let text = format!("name: bench\nsteps:\n  - {step}\n");
        let pipeline = parse(&text, Purpose::Export).unwrap();
        let time = median(|| {
            let run = Run::new(&pipeline, Arc::clone(&image), &[], Start::default()).unwrap();
            run.for_each(|output| drop(black_box(output.unwrap())));
        });
        told(step, time, 1.0);
        slowest = slowest.max(time);
    }
    println!("{{\"slowest_ms\":{}}}", slowest.as_millis());
}

fn codec() {
    let image = megapixel();
    let png = encode_png(&image);
    let hashed = median(|| {
        black_box(image.pixel_sha256());
    });
    let encoded = median(|| drop(black_box(encode_png(&image))));
    let decoded = median(|| drop(black_box(decode(&png).unwrap())));
    told("pixel hash", hashed, 1.0);
    told(&format!("encode PNG ({} bytes)", png.len()), encoded, 1.0);
    told("decode PNG", decoded, 1.0);
    println!("{{\"encode_ms\":{}}}", encoded.as_millis());
}

fn frames() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/casefile/jpeg/baseline.jpg");
    let frame = std::fs::read(file).unwrap();
    let count = 50_000_000 / frame.len();
    let stream = frame.repeat(count);
    let copied = median(|| drop(black_box(stream.clone())));
    let cut = median(|| {
        let mut cutter = Cutter::bare();
        let frames: usize = stream
            .chunks(64 * 1024)
            .map(|piece| cutter.push(piece).len())
            .sum();
        assert_eq!(frames, count);
    });
    let rate = |time: Duration| stream.len() as f64 / 1e6 / time.as_secs_f64();
    println!(
        "copying {:.0} MB/s, cutting {:.0} MB/s",
        rate(copied),
        rate(cut)
    );
    println!("{{\"cut_mb_per_s\":{:.0}}}", rate(cut));
}

fn plates() {
    let tesseract = match Tesseract::find(None) {
        Ok(found) => found,
        Err(error) => {
            println!("{error}");
            return;
        }
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/casefile/plates");
    let texts = Preset::Plate.variants().iter();
    let variants: Vec<_> = texts
        .map(|text| parse(text, Purpose::Case).unwrap())
        .collect();
    let expected = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let (mut right, mut all) = (0, 0);
    let began = Instant::now();
    for line in expected.lines() {
        let (file, plate) = line.split_once('\t').unwrap();
        let image = Arc::new(decode(&std::fs::read(folder.join(file)).unwrap()).unwrap());
        let read = tesseract
            .read(&image, &variants, &Options::plate())
            .unwrap();
        let text = read.consensus.text();
        let is_right = text == plain(plate);
        (right, all) = (right + u32::from(is_right), all + 1);
        println!(
            "{plate}: {text} ({:.2}) {is_right}",
            read.consensus.confidence()
        );
        for variant in &read.variants {
            let Reading { text, confidence } = &variant.reading;
            println!("    {:<16} {text:<10} {confidence:.2}", variant.variant);
        }
    }
    let each = began.elapsed() / all;
    println!(
        "{}: {right} of {all} synthetic plates, {each:?} each",
        tesseract.version()
    );
    println!("{{\"right\":{right},\"all\":{all}}}");
}
