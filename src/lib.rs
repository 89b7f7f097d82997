//! Nightjar.
pub mod broker;
