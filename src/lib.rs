//! Nightjar.

pub mod base;
pub mod vault;
