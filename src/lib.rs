//! Nightjar: a home-security event log beside an MQTT broker.
//!
//! Everything that happens on the box becomes one [`event`]. One [`writer`] thread appends it to the
//! [`event_log`] and folds it into the tables of the [`read_model`] in the same transaction, commits,
//! and only then is the MQTT message acknowledged. The modules stand in reading order, and each
//! imports only from those above its gap.

pub mod base;

pub mod event;
pub mod learn;
pub mod storage;
pub mod vault;

pub mod casefile;
pub mod decode;
pub mod event_log;
pub mod read_model;

pub mod health;
pub mod reactor;

pub mod writer;

pub mod broker;
pub mod delivery;
pub mod ingest;
pub mod store;

pub mod detection;

pub mod config;

pub mod app;

pub mod cli;
