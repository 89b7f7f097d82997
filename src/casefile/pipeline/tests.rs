#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::vault::hex::encode as hex;

mod codec;
mod golden;
mod parsing;
mod properties;
mod running;

const JPEGS: [&str; 3] = ["baseline", "progressive", "gray"];

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/casefile")
        .join(path)
}

fn picture(path: &str) -> Image {
    let path = fixture(path);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A pipeline of steps in a row, `|` between them.
fn pipeline(steps: &str) -> Pipeline {
    let mut text = "name: test\nsteps:\n".to_owned();
    for step in steps.split(" | ") {
        writeln!(text, "  - {step}").unwrap();
    }
    parse(&text, Purpose::Export).unwrap_or_else(|error| panic!("{steps}: {error}"))
}

/// What comes out at the end.
fn applied(steps: &str, image: &Image) -> Image {
    let pipeline = pipeline(steps);
    let run = Run::new(&pipeline, image.clone().into(), &[], Start::default()).unwrap();
    let last = run.map(|output| output.unwrap_or_else(|error| panic!("{steps}: {error}")));
    last.last()
        .map_or_else(|| image.clone(), |output| (*output.image).clone())
}
