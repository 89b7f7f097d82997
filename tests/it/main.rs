//! The integration tests: one binary, a module per promise.
#![allow(clippy::unwrap_used, reason = "tests")]

mod animals;
mod architecture;
mod bench_box;
mod outbound;
mod parking;
mod projections;
mod properties;
mod random_events;
mod random_pets;
mod recordings;
mod recovery;
mod source;
mod verbs;
