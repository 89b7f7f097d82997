//! Detection: what is usual in this house is learned from the event log, and what is not is told.
//!
//! | model | key | of | one for each |
//! |---|---|---|---|
//! | [`volume`] | `hw:source:<source>` | lines a minute | source of lines |
//! | [`pace`] | `cusum:global` | events a minute, less what is usual at this time of day | site |
//! | [`order`] | `markov:host:<host>` | the order of the templates of lines | host |
//! | [`mix`] | `hst:host:<host>` | a few figures of a minute at once | host |
//!
//! A [`follower`] reads the event log behind the writer, hands each row to the [`watch`], stores what
//! that finds as `anomaly.detected`, and saves the models with the position that they have read up to.
//!
//! - The models depend on the rows and their order alone: no clock, no chance. Stopped or killed
//!   anywhere, they go on from what was saved and find the same again.
//! - What was told is not told again: the table of anomalies says what was.
//! - What this program concludes itself is not watched.
//! - Memory is bounded whatever comes: so many sources, hosts, minutes and names in each.

mod episode;
pub mod follower;
mod keys;
mod minute;
pub mod mix;
pub mod order;
pub mod pace;
mod rows;
mod shelf;
mod state;
pub mod volume;
pub mod watch;

#[cfg(test)]
mod tests;

use std::fmt;

pub use follower::{Follower, Health, Options};
pub use shelf::describe;

use crate::base::clock::{MINUTE_NS, UnixNanos};
use crate::learn::ModelError;

/// Sources whose volume is watched; the one unheard of for longest goes for a new one. 14 MB.
pub const SOURCES_MAX: usize = 1_000;
/// Hosts that are watched, likewise: a chain and a forest take up to 200 kB a host.
pub const HOSTS_MAX: usize = 250;

/// How easily something is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sensitivity {
    /// Only what is far off: thresholds one and a half times the normal ones.
    Low,
    /// As the models are made.
    #[default]
    Normal,
    /// Three quarters of the normal thresholds.
    High,
}

impl Sensitivity {
    /// What thresholds are multiplied by.
    const fn factor(self) -> f64 {
        match self {
            Self::Low => 1.5,
            Self::Normal => 1.0,
            Self::High => 0.75,
        }
    }
}

/// Something odd.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Key of the model.
    pub model: String,
    /// What it is about, such as `source/nginx`.
    pub subject: String,
    /// When: the minute's start, or the line's own time.
    pub at: UnixNanos,
    /// Position of the last event that went into it.
    pub event: i64,
    /// What the model says.
    pub verdict: Verdict,
}

/// What a model says of something odd; figures in the model's own unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// How odd.
    pub score: f64,
    /// What is odd from.
    pub threshold: f64,
    /// What was seen.
    pub observed: f64,
    /// What is usual.
    pub expected: f64,
    /// Whether it is more than usual.
    pub above: bool,
    /// One plain sentence.
    pub text: String,
}

/// How far a model has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It tells nothing yet.
    WarmingUp,
    /// It knows no season yet and tells floods alone.
    FloodsOnly,
    /// It tells all that it can.
    Ready,
}

impl Stage {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WarmingUp => "warming up",
            Self::FloodsOnly => "floods only",
            Self::Ready => "ready",
        }
    }
}

/// Why a stored state is not gone on with; a fresh model takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The model's own bytes.
    Model(ModelError),
    /// What stands around them.
    Frame(&'static str),
    /// It was made with other settings.
    Settings,
}

impl From<ModelError> for StateError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(error) => error.fmt(out),
            Self::Frame(what) => write!(out, "this is no stored model: {what}"),
            Self::Settings => write!(out, "it was made with other settings"),
        }
    }
}

/// The minute since the epoch that a moment lies in.
const fn minute_of(at: UnixNanos) -> i64 {
    at.div_euclid(MINUTE_NS)
}

/// `1 line`, `912 lines`.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}
