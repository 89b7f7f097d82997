//! The event log: appending with gapless positions, recognising repeats, reading back.
//!
//! [`Ledger`] is the writer's memory of the log: its head, the interned names, the MQTT sessions.
//! All of it can be read from the database again, and is, whenever a transaction fails.

pub mod append;
pub mod dedupe;
pub mod names;
pub mod read;

pub use append::Ledger;
