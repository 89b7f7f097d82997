//! The image pipeline of case files: from one picture a tree of pictures, each repeatable.
//!
//! Evidence is worth what can be repeated, so every step computes the same pixels on every machine:
//! whole numbers, or `f64` through operations that IEEE 754 rounds exactly, in one order, on one
//! thread. Nothing generates detail. A pipeline is frozen with all its parameters and the versions of
//! what computes; each output is known by the hash of its pixels.
//!
//! Invariants: no database, no clock, no files; a picture out of bounds is refused before it is
//! decoded; what is not known is an error with its line.

pub mod codec;
pub mod frozen;
pub mod image;
mod math;
pub mod parse;

pub mod presets;
pub mod run;
mod sample;
pub mod step;

pub use codec::{CodecError, decode, encode_png};
pub use frozen::{Frozen, Pipeline};
pub use image::{Channels, Image};
pub use parse::{PipelineError, Purpose, parse};
pub use presets::Preset;
pub use run::{Label, Output, Region, Run, RunError, Start};
pub use sample::Filter;
pub use step::{Area, Grade, Kind, Step};

#[cfg(test)]
mod tests;
