//! Reactions: what the reactors make of a batch, and of time that passes.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::{Care, fold_with};
use crate::base::clock::UnixNanos;
use crate::event::system::{Noted, Weight};
use crate::event::{Envelope, Flags, NewEvent};
use crate::event_log::Ledger;
use crate::reactor::{Memo, Reactor, Scene, Settings};
use crate::read_model::Projection;
use crate::storage::sqlite::SqliteSession;
use crate::storage::{Disposition, StorageError};

/// Most steps from an event to the last of its consequences: a request, a state, a rule, an alert
/// and room for as many more. Reactors that answer each other for ever end here.
const DEPTH_MAX: u32 = 8;
/// Most events that one event can bring about: every rule there can be, with its alert and its wish.
const REACTIONS_MAX: usize = 1_000;

/// Who reacts, and to what settings.
#[derive(Clone, Debug)]
pub struct Reactions {
    /// The reactors.
    pub reactors: &'static [Reactor],
    /// What the configuration tells them.
    pub settings: Arc<Settings>,
}

/// What the reactions to one batch share.
pub(super) struct Round<'m> {
    pub(super) now: UnixNanos,
    pub(super) care: Care,
    pub(super) memo: &'m mut Memo,
}

impl Reactions {
    /// Nobody reacts.
    pub fn none() -> Self {
        Self {
            reactors: &[],
            settings: Arc::default(),
        }
    }

    /// Every reactor, with these settings.
    pub fn all(settings: Settings) -> Self {
        Self {
            reactors: crate::reactor::ALL,
            settings: Arc::new(settings),
        }
    }

    fn wanted(&self, event: &Envelope) -> bool {
        self.reactors
            .iter()
            .any(|reactor| reactor.kinds.contains(&event.kind()))
    }

    /// What each reactor says is due by now. What fails is told and left for the next tick.
    pub(super) fn due(&self, session: &mut SqliteSession<'_>, now: UnixNanos) -> Vec<NewEvent> {
        let mut due = Vec::new();
        let mut memo = Memo::default();
        for reactor in self.reactors {
            let mut scene = Scene {
                session,
                settings: &self.settings,
                now,
                memo: &mut memo,
            };
            match (reactor.tick)(&mut scene) {
                Ok(events) => due.extend(events),
                Err(error) => {
                    tracing::warn!(reactor = reactor.name, %error, "cannot tell what is due");
                }
            }
        }
        due
    }

    /// Lets the reactors look at the events of a batch, and at what follows from those.
    pub(super) fn follow(
        &self,
        session: &mut SqliteSession<'_>,
        ledger: &mut Ledger,
        projections: &[Projection],
        batch: &[Envelope],
        mut round: Round<'_>,
    ) -> Result<(), StorageError> {
        round.memo.begin_batch();
        for event in batch {
            // Perhaps stored twice: what followed from the first must not follow again.
            if self.wanted(event) && !event.flags.has(Flags::SUSPECT_DUP) {
                self.follow_one(session, ledger, projections, event, &mut round)?;
            }
        }
        Ok(())
    }

    /// Lets the reactors look at an event. What follows from it comes right after it, before the next
    /// one is looked at.
    fn follow_one(
        &self,
        session: &mut SqliteSession<'_>,
        ledger: &mut Ledger,
        projections: &[Projection],
        event: &Envelope,
        round: &mut Round<'_>,
    ) -> Result<(), StorageError> {
        let (now, care) = (round.now, round.care);
        let mut made = 0;
        let mut queue: VecDeque<(Cow<'_, Envelope>, u32)> = VecDeque::new();
        queue.push_back((Cow::Borrowed(event), 0));
        while let Some((event, depth)) = queue.pop_front() {
            let mut consequences = Vec::new();
            for reactor in self.reactors {
                if !reactor.kinds.contains(&event.kind()) {
                    continue;
                }
                for new in self.ask(reactor, session, &event, round)? {
                    made += 1;
                    if depth >= DEPTH_MAX || made > REACTIONS_MAX {
                        let reason = "reactors answer each other without end; stopped here";
                        tracing::error!(reactor = reactor.name, position = event.position, reason);
                        let note = note(reactor, &event, reason, now);
                        let envelope = ledger.append(session, &note)?;
                        // Nobody looks at it: it must not begin anew.
                        fold_with(care, session, ledger, projections, envelope, now)?;
                        break;
                    }
                    let envelope = ledger.append(session, &new)?;
                    let folded = fold_with(care, session, ledger, projections, envelope, now)?;
                    consequences.extend(folded.map(|event| (event, depth + 1)));
                }
            }
            for consequence in consequences.into_iter().rev() {
                if self.wanted(&consequence.0) {
                    let (event, depth) = consequence;
                    queue.push_front((Cow::Owned(event), depth));
                }
            }
        }
        Ok(())
    }

    /// One reactor's answer; one that cannot read what it needs says so in an event, for the event
    /// that it looked at must be stored all the same.
    fn ask(
        &self,
        reactor: &Reactor,
        session: &mut SqliteSession<'_>,
        event: &Envelope,
        round: &mut Round<'_>,
    ) -> Result<Vec<NewEvent>, StorageError> {
        let now = round.now;
        let mut scene = Scene {
            session,
            settings: &self.settings,
            now,
            memo: &mut *round.memo,
        };
        match (reactor.react)(&mut scene, event) {
            Err(error) if error.disposition() == Disposition::Park => {
                tracing::error!(reactor = reactor.name, position = event.position, %error, "no reaction");
                let reason = format!("no reaction to event {}: {error}", event.position);
                Ok(vec![note(reactor, event, &reason, now)])
            }
            outcome => outcome,
        }
    }
}

/// What the operator should know of a reactor.
fn note(reactor: &Reactor, event: &Envelope, reason: &str, now: UnixNanos) -> NewEvent {
    let noted = Noted {
        component: reactor.name.into(),
        level: Weight::Alert,
    };
    NewEvent::own(now, "system/reactor", noted)
        .with_text(reason)
        .caused_by(event.position)
}
