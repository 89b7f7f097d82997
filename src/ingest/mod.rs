//! Ingest: how things get in. Each source turns what it sees into submissions to the writer.

pub mod control;
pub mod mqtt;
pub mod pin_desk;
pub mod recordings;
pub mod registry;
pub mod replay;
