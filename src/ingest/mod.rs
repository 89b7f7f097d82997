//! Ingest: how things get in. Each source turns what it sees into submissions to the writer.

mod clock_guard;
pub mod control;
pub mod mqtt;
pub mod recordings;
pub mod replay;
pub mod tables;
