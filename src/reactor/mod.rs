//! Reactors: what the house does by itself when something happened or time has passed.
//!
//! The writer calls them inside its transaction, after a batch was folded: a reactor looks at one
//! event and at the tables, and answers with further events, which are appended and folded in the
//! same transaction and offered to the reactors in turn. Once a second it is asked what is due.
//!
//! Invariants: a reactor keeps nothing itself that a decision hangs on, what it must remember is a
//! table folded from its own events; it never runs in a rebuild, so that what it once decided stays decided; it does no I/O
//! but through the session. It sees the tables as of the end of the batch that its event came in
//! (at most 1,000 events or 100 ms on).
//!
//! What is to be concluded stands apart from the tables, as functions of all that the answer depends
//! on: [`alarm`], [`error_analysis`], [`household`], [`pin`], [`risk`], [`severity`], [`sun`], [`time_window`].

pub mod alarm;
pub mod alerts;
mod arming;
pub mod error_analysis;
pub mod faces;
pub mod household;
pub mod liveness;
pub mod packages;
pub mod pet_rules;
pub mod pin;
pub mod presence;
pub mod risk;
pub mod rules;
pub mod severity;
pub mod sun;
pub mod time_window;
pub mod timelapse;
mod tracer;

use jiff::tz::TimeZone;

use crate::base::clock::UnixNanos;
use crate::event::{Envelope, Kind, NewEvent};
use crate::storage::{Session, StorageError};

/// What a reactor sees.
pub struct Scene<'s> {
    /// The tables.
    pub session: &'s mut dyn Session,
    /// What the configuration says.
    pub settings: &'s Settings,
    /// The time.
    pub now: UnixNanos,
    /// What was read for an earlier event and still holds.
    pub memo: &'s mut Memo,
}

/// What reactors have read from the tables and need not read again. Nothing hangs on it: not on how
/// the log was cut, nor on when the program began.
#[derive(Debug, Default)]
pub struct Memo {
    /// Of one batch.
    logins: tracer::LoginMemo,
    /// Holds for good, as long as no batch is undone.
    growth: tracer::Growth,
}

impl Memo {
    /// Forgets what held for one batch.
    pub fn begin_batch(&mut self) {
        self.logins = tracer::LoginMemo::default();
    }
}

impl std::fmt::Debug for Scene<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What a reactor answers: events of its own.
pub type Reaction = Result<Vec<NewEvent>, StorageError>;

/// One reactor: data, not an object.
#[derive(Clone, Copy, Debug)]
pub struct Reactor {
    /// Its name in messages.
    pub name: &'static str,
    /// The kinds that it looks at.
    pub kinds: &'static [Kind],
    /// What follows from an event.
    pub react: fn(&mut Scene<'_>, &Envelope) -> Reaction,
    /// What is due by now; called about once a second, so that it has to be cheap.
    pub tick: fn(&mut Scene<'_>) -> Reaction,
}

/// For a reactor that time means nothing to.
pub fn never(_: &mut Scene<'_>) -> Reaction {
    Ok(Vec::new())
}

/// For a reactor that looks at no event.
pub fn nothing(_: &mut Scene<'_>, _: &Envelope) -> Reaction {
    Ok(Vec::new())
}

/// Every reactor there is, in the order in which they are asked.
pub const ALL: &[Reactor] = &[
    arming::REACTOR,
    faces::REACTOR,
    presence::REACTOR,
    packages::REACTOR,
    liveness::REACTOR,
    pet_rules::REACTOR,
    timelapse::REACTOR,
    tracer::REACTOR,
    rules::REACTOR,
    alerts::REACTOR,
];

/// What the configuration tells the reactors.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The house's time zone.
    pub zone: TimeZone,
    /// The alarm.
    pub alarm: alarm::Settings,
    /// The rules, in the order of the configuration.
    pub rules: Vec<rules::Rule>,
    /// Who is told of what.
    pub alerts: alerts::Settings,
    /// When a device counts as silent.
    pub liveness: liveness::Settings,
    /// Faces: where the cut-out pictures lie, and how near a face has to be.
    pub faces: faces::Settings,
    /// Parcels: when one lies too long.
    pub packages: packages::Settings,
    /// Who is at home: the members, and how long silence may last.
    pub presence: presence::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            alarm: alarm::Settings::default(),
            rules: Vec::new(),
            alerts: alerts::Settings::default(),
            liveness: liveness::Settings::default(),
            faces: faces::Settings::default(),
            packages: packages::Settings::default(),
            presence: presence::Settings::default(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
