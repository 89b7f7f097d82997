//! Events: everything that happens on the box, as typed values. No I/O here.
//!
//! [`catalog`] is the table of kinds; the payload structs stand in one file per subject;
//! [`envelope`] is what the event log adds around a payload; [`sentence`] says an event in words,
//! [`entity`] who and what it is about.

pub mod action;
pub mod alarm;
pub mod animal;
pub mod anomaly;
pub mod camera;
pub mod catalog;
pub mod entity;
pub mod envelope;
pub mod house;
pub mod liveness;
pub mod message;
pub mod people;
pub mod pet;
pub mod reading;
pub mod recording;
pub mod registry;
pub mod retention;
pub mod sensor;
pub mod sentence;
pub mod system;
pub mod timelapse;
pub mod trace;
pub mod upcast;
pub mod vault;

pub use catalog::{Event, Kind};
pub use envelope::{Envelope, Flags, NewEvent, PublisherId};

/// Keys of a payload that no field takes, kept as they came.
pub type Extra = std::collections::BTreeMap<String, serde_json::Value>;
