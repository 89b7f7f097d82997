//! Stores: what other parts and other programs ask of the database, each a trait with one
//! implementation over a reading connection and the writer's handle.
//!
//! Whatever is written goes through the writer; whatever is read is committed.

pub mod alert;
pub mod entity;
pub mod graph;
pub mod graph_store;
pub mod log;
pub mod model;
