//! The alarm: what arming, disarming, a door and the passing of time make of its state.
//!
//! ```text
//! DISARMED ── request ──► EXIT_DELAY ── deadline ──► ARMED_HOME, _AWAY, _NIGHT
//! ARMED_* ── delayed zone ──► ENTRY_DELAY ── deadline ──► TRIGGERED ── deadline ──► ARMED_*
//! ARMED_*, ENTRY_DELAY ── instant zone ──► TRIGGERED
//! any ── request with the PIN ──► DISARMED
//! ```
//! An `always` zone (smoke, leaks, tampering) triggers from every state, and TRIGGERED returns to the
//! mode that it came from. [`Alarm::step`] is the whole machine: a function of the state, the
//! settings, the time and one input. It is stored nowhere but in its transitions: the last of them
//! tells the state ([`Alarm::after`]).
//!
//! Invariants:
//! - DISARMED is reached by a request with authority, or from a TRIGGERED that came from DISARMED;
//!   by nothing else. Where a stored state makes no sense, the strictest reading holds.
//! - TRIGGERED is reached by a stimulus, or at the end of `ENTRY_DELAY`.
//! - A deadline is carried out at its own time, however late it is noticed; so it does not matter
//!   how often the machine is ticked.
//! - No clock that is set back makes a delay longer than it was, or the alarm deaf.

mod zone;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::zone::{Behaviour, Delays, Settings, SettingsError, Signal, SourcePattern, Zone};
use crate::base::clock::{HOUR_NS, SECOND_NS, UnixNanos};
pub use crate::event::alarm::ArmState;
use crate::event::house::{ArmMode, PinVerdict};

/// A deadline noticed so much later was missed: the program ticks every second.
const LATE_NS: i64 = 5 * SECOND_NS;

/// So far may the clock of a detector lag that tells of a danger: an old danger is none.
const HAZARD_LAG_NS: i64 = HOUR_NS;

/// Who carries out deadlines, where a transition names who brought it about.
const BY_CLOCK: &str = "clock";

/// The alarm's state, with all that its future depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What it does.
    pub state: ArmState,
    /// What `EXIT_DELAY` leads to; what `ENTRY_DELAY` and TRIGGERED came from. Else `None`.
    pub target: Option<ArmMode>,
    /// Since when.
    pub since: UnixNanos,
    /// When `EXIT_DELAY`, `ENTRY_DELAY` or TRIGGERED ends by itself. `None` for TRIGGERED: never.
    pub deadline: Option<UnixNanos>,
}

/// Something that may change the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody asks for a mode.
    Request {
        /// The mode.
        mode: ArmMode,
        /// What came of their PIN. That one is configured or not is told by this alone.
        pin: PinVerdict,
        /// Who they say that they are.
        by: String,
    },
    /// A sensor or camera reports something.
    Stimulus(Stimulus),
    /// Time passes.
    Tick,
}

/// Something that an alarm may be raised for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stimulus {
    /// The stream of its event, such as `sensor/front_door`.
    pub source: String,
    /// What happened.
    pub what: Signal,
    /// When. A time later than now counts as now.
    pub occurred_at: UnixNanos,
}

/// One change of state, complete enough to restore it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The state before. `EXIT_DELAY` may follow `EXIT_DELAY`, for another mode.
    pub from: ArmState,
    /// The state after.
    pub to: ArmState,
    /// As [`Alarm::target`].
    pub target: Option<ArmMode>,
    /// When: at the deadline's own time for one that passed.
    pub at: UnixNanos,
    /// As [`Alarm::deadline`].
    pub deadline: Option<UnixNanos>,
    /// Who asked, which source triggered, or `clock`.
    pub by: String,
    /// Why, for people.
    pub reason: String,
}

/// Why a request was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No PIN came with it.
    #[error("{} needs the PIN, and none was given; send it with the request", .0.name())]
    PinMissing(ArmMode),
    /// It is wrong.
    #[error("the PIN is wrong, so {} is refused; wait a moment and try again", .0.name())]
    PinWrong(ArmMode),
    /// Too many wrong ones came before.
    #[error(
        "{} is refused without a look at the PIN, for a try came too soon after another; wait and \
         try again", .0.name()
    )]
    PinLocked(ArmMode),
    /// There is none to compare it with.
    #[error(
        "{} needs a PIN, and none is configured; set one, or do it on the box itself", .0.name()
    )]
    NoPinConfigured(ArmMode),
}

/// What came of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The alarm from now on.
    pub alarm: Alarm,
    /// What happened, in order: deadlines that had passed, then what the input did. Each `from` is
    /// the `to` before it.
    pub transitions: Vec<Transition>,
    /// Why the request was not granted; deadlines are carried out nevertheless.
    pub refusal: Option<Refusal>,
}

impl Alarm {
    /// A new alarm.
    pub const fn disarmed(at: UnixNanos) -> Self {
        Self {
            state: ArmState::Disarmed,
            target: None,
            since: at,
            deadline: None,
        }
    }

    /// The alarm after `transition`, such as the last one in the event log.
    pub const fn after(transition: &Transition) -> Self {
        Self {
            state: transition.to,
            target: transition.target,
            since: transition.at,
            deadline: transition.deadline,
        }
    }

    /// When the state ends by itself: when to tick next.
    pub fn due_at(self) -> Option<UnixNanos> {
        match self.state {
            // A delay that does not say when it ends has ended.
            ArmState::ExitDelay | ArmState::EntryDelay => Some(self.deadline.unwrap_or(self.since)),
            ArmState::Triggered => self.deadline,
            _ => None,
        }
    }

    /// Whether a request for `mode` at `now` is decided by its PIN. If not, none need be hashed.
    pub fn needs_pin(self, mode: ArmMode, settings: &Settings, now: UnixNanos) -> bool {
        let alarm = self.step(&Input::Tick, settings, now).alarm;
        !alarm.is_in(mode) && (alarm.lets_go(mode) || settings.pin_to_arm)
    }

    /// What `input` makes of the alarm at `now`. Deadlines that have passed come first.
    ///
    /// A stimulus from before the present state is late news of an earlier one, and does nothing,
    /// unless it endangers people and is no older than an hour: its sensor's clock may lag.
    pub fn step(self, input: &Input, settings: &Settings, now: UnixNanos) -> Outcome {
        let mut run = Run {
            alarm: self.at_latest_since(now),
            settings,
            now,
            transitions: Vec::new(),
        };
        run.expire();
        let refusal = match input {
            Input::Request { mode, pin, by } => run.request(*mode, *pin, by).err(),
            Input::Stimulus(stimulus) => {
                run.stimulus(stimulus);
                None
            }
            Input::Tick => None,
        };
        // A stimulus that was long under way may have brought a deadline that has passed.
        run.expire();
        Outcome {
            alarm: run.alarm,
            transitions: run.transitions,
            refusal,
        }
    }

    /// The same alarm on a clock that was set back to before it came to its state: what is left of
    /// its delay is at most the whole of it, and what happens from now on is not taken for late.
    fn at_latest_since(self, now: UnixNanos) -> Self {
        let ahead = self.since.saturating_sub(now).max(0);
        Self {
            since: self.since.min(now),
            deadline: self.deadline.map(|at| at.saturating_sub(ahead)),
            ..self
        }
    }

    /// Whether a request for `mode` asks for what is, or is about to be.
    fn is_in(self, mode: ArmMode) -> bool {
        match self.state {
            ArmState::ExitDelay => self.armed_target() == mode,
            state => state == mode.into(),
        }
    }

    /// Whether `mode` would end a watch or an alarm, for ever or for a while: arming anew has an exit
    /// delay, in which nobody watches, and whoever asks for another mode again and again would keep
    /// the house deaf. Only a disarmed house is armed without authority.
    fn lets_go(self, mode: ArmMode) -> bool {
        mode == ArmMode::Disarmed || self.state != ArmState::Disarmed
    }

    /// The armed mode that a delay leads to or came from; one that is not told is the strictest.
    fn armed_target(self) -> ArmMode {
        match self.target {
            None | Some(ArmMode::Disarmed) => ArmMode::ArmedAway,
            Some(mode) => mode,
        }
    }

    /// The mode in which zones are watched, and to which TRIGGERED returns.
    fn mode(self) -> ArmMode {
        match self.state {
            ArmState::Disarmed => ArmMode::Disarmed,
            ArmState::ArmedHome => ArmMode::ArmedHome,
            ArmState::ArmedAway => ArmMode::ArmedAway,
            ArmState::ArmedNight => ArmMode::ArmedNight,
            ArmState::ExitDelay | ArmState::EntryDelay => self.armed_target(),
            ArmState::Triggered => self.target.unwrap_or(ArmMode::ArmedAway),
        }
    }
}

/// One step under way.
struct Run<'a> {
    alarm: Alarm,
    settings: &'a Settings,
    now: UnixNanos,
    transitions: Vec<Transition>,
}

impl Run<'_> {
    fn enter(&mut self, state: ArmState, at: UnixNanos, by: &str, reason: String) {
        let mode = self.alarm.mode();
        let (target, length_s) = match state {
            ArmState::EntryDelay => (Some(mode), self.settings.entry_delay_s.of(mode)),
            ArmState::Triggered => (Some(mode), self.settings.trigger_for_s),
            _ => (None, 0),
        };
        self.enter_with(state, target, length_s, at, by, reason);
    }

    /// Enters `state` for `length_s`; 0 is without a deadline.
    fn enter_with(
        &mut self,
        state: ArmState,
        target: Option<ArmMode>,
        length_s: u32,
        at: UnixNanos,
        by: &str,
        reason: String,
    ) {
        let length_ns = i64::from(length_s) * SECOND_NS;
        let transition = Transition {
            from: self.alarm.state,
            to: state,
            target,
            at,
            deadline: (length_s > 0).then(|| at.saturating_add(length_ns)),
            by: by.to_owned(),
            reason,
        };
        self.alarm = Alarm::after(&transition);
        self.transitions.push(transition);
    }

    /// Carries out what is due. Ends, for every chain of deadlines leads to a state without one.
    fn expire(&mut self) {
        while let Some(at) = self.alarm.due_at().filter(|at| *at <= self.now) {
            let (next, mut reason) = match self.alarm.state {
                ArmState::EntryDelay => (
                    ArmState::Triggered,
                    "not disarmed within the entry delay".to_owned(),
                ),
                ArmState::Triggered => (
                    self.alarm.mode().into(),
                    "the alarm has lasted its time".to_owned(),
                ),
                _ => (
                    self.alarm.mode().into(),
                    "the exit delay is over".to_owned(),
                ),
            };
            let late_ns = self.now.saturating_sub(at);
            if late_ns >= LATE_NS {
                let late_s = late_ns / SECOND_NS;
                reason.push_str("; carried out ");
                reason.push_str(&late_s.to_string());
                reason.push_str(" s late, as nobody looked at the clock in between");
            }
            self.enter(next, at, BY_CLOCK, reason);
        }
    }

    fn request(&mut self, mode: ArmMode, pin: PinVerdict, by: &str) -> Result<(), Refusal> {
        // A wrong PIN counts, also where none is needed.
        if pin == PinVerdict::Wrong {
            return Err(Refusal::PinWrong(mode));
        }
        if self.alarm.is_in(mode) {
            return Ok(());
        }
        let reason = self.authority(mode, pin)?;
        let exit_delay_s = self.settings.exit_delay_s.of(mode);
        if exit_delay_s > 0 {
            let state = ArmState::ExitDelay;
            self.enter_with(state, Some(mode), exit_delay_s, self.now, by, reason.into());
        } else {
            self.enter_with(mode.into(), None, 0, self.now, by, reason.into());
        }
        Ok(())
    }

    /// By what right `mode` is granted.
    fn authority(&self, mode: ArmMode, pin: PinVerdict) -> Result<&'static str, Refusal> {
        let lets_go = self.alarm.lets_go(mode);
        match pin {
            PinVerdict::Trusted => Ok("requested on the box itself"),
            PinVerdict::Correct => Ok("requested with the PIN"),
            _ if !lets_go && !self.settings.pin_to_arm => Ok("requested; arming needs no PIN"),
            PinVerdict::Unconfigured if lets_go && self.settings.disarm_without_pin => {
                Ok("requested; the settings allow it without a PIN")
            }
            PinVerdict::Unconfigured => Err(Refusal::NoPinConfigured(mode)),
            PinVerdict::Absent => Err(Refusal::PinMissing(mode)),
            PinVerdict::Wrong => Err(Refusal::PinWrong(mode)),
            PinVerdict::Locked => Err(Refusal::PinLocked(mode)),
        }
    }

    fn stimulus(&mut self, stimulus: &Stimulus) {
        let at = stimulus.occurred_at.min(self.now);
        let credible = stimulus.what.is_hazard() && self.now.saturating_sub(at) <= HAZARD_LAG_NS;
        if at < self.alarm.since && !credible {
            return;
        }
        let mode = self.alarm.mode();
        let Some(zone) = self.settings.zone(&stimulus.source, stimulus.what, mode) else {
            return;
        };
        let delay = self.settings.entry_delay_s.of(mode) > 0;
        let next = match (self.alarm.state, zone.behaviour) {
            (ArmState::Triggered, _) | (_, Behaviour::Ignored) => return,
            (_, Behaviour::Always) => ArmState::Triggered,
            (ArmState::Disarmed | ArmState::ExitDelay, _)
            | (ArmState::EntryDelay, Behaviour::Delayed) => return,
            (_, Behaviour::Delayed) if delay => ArmState::EntryDelay,
            (_, Behaviour::Delayed | Behaviour::Immediate) => ArmState::Triggered,
        };
        let reason = format!("{} in zone {}", stimulus.what.name(), zone.name);
        let at = at.max(self.alarm.since);
        self.enter(next, at, &stimulus.source, reason);
    }
}

#[cfg(test)]
mod tests;
