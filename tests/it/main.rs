//! The integration tests: one binary, a module per promise.
#![allow(clippy::unwrap_used, reason = "tests")]

mod animals;
mod architecture;
mod bench_box;
mod forgetting;
mod outbound;
mod parking;
mod people;
mod plans;
mod projections;
mod properties;
mod random_events;
mod random_pets;
mod recordings;
mod recovery;
mod retention;
mod rollups;
mod search;
mod source;
mod state;
mod stories;
mod verbs;
