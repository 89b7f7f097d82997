//! Ingest: how things get in. Each source turns what it sees into submissions to the writer.

mod clock_guard;
pub mod control;
pub mod host;
pub mod journald;
pub mod locator;
pub mod logfile;
pub mod mqtt;
mod pace;
pub mod pin_desk;
mod places;
pub mod recordings;
pub mod registry;
pub mod replay;
pub mod tables;

#[cfg(test)]
mod tests;
