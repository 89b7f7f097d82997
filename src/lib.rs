//! Nightjar: a home-security event log beside an MQTT broker.

pub mod base;
pub mod event;
pub mod storage;

pub mod decode;
pub mod event_log;
pub mod read_model;

pub mod writer;
