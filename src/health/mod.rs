//! The box's own health as people ask for it: who attacks, what is used up, what fails, and one
//! figure for all of it.
//!
//! Statements stand in [`sql`], each on an index; everything that is more than a sum is a pure
//! function over what they return ([`formula`], [`score`], [`likeness`]). Lines come by the
//! million, so that none of it holds them: they stream by, or the engine counts them. There is no
//! clock here: the time comes in, and an address' score decays by the clock of who asks.
//! docs/health.md gives every formula with its units.

pub mod addresses;
pub mod aggregates;
pub mod compare;
pub mod errors;
pub mod formula;
pub mod leading;
pub mod likeness;
pub mod performance;
pub mod score;
pub mod security;
pub mod sql;
pub mod store;

use crate::base::clock::UnixNanos;
use crate::storage::{Session, StorageError, all};

/// What a question is about: a range of time, and perhaps one machine or one program.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// From this moment on.
    pub since: UnixNanos,
    /// To before this one.
    pub until: UnixNanos,
    /// Only of this machine.
    pub host: Option<String>,
    /// Only lines of this source (a file or a topic) or of this program.
    pub source: Option<String>,
}

impl Scope {
    /// The range of the same length that ends where this one begins.
    #[must_use]
    pub fn before(&self) -> Self {
        let length = self.until.saturating_sub(self.since);
        Self {
            since: self.since.saturating_sub(length),
            until: self.since,
            ..self.clone()
        }
    }

    /// Its length in days.
    pub fn days(&self) -> f64 {
        self.length_ns() as f64 / crate::base::clock::DAY_NS as f64
    }

    /// Its length.
    pub const fn length_ns(&self) -> i64 {
        self.until.saturating_sub(self.since)
    }

    /// Whether samples of the machine are part of it: they are of no source.
    fn takes_samples_of(&self, host: &str) -> bool {
        self.source.is_none() && self.host.as_deref().is_none_or(|only| only == host)
    }
}

/// The machines whose samples the statement knows, of those that the scope is about.
fn hosts(
    session: &mut dyn Session,
    sql: &'static str,
    scope: &Scope,
) -> Result<Vec<String>, StorageError> {
    let known = all(session, sql, &[], |row| Ok(row.text(0)?.to_owned()))?;
    Ok(known
        .into_iter()
        .filter(|host| scope.takes_samples_of(host))
        .collect())
}
