//! One batch: gather, append, fold, commit, answer.

use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};

use super::reaction::Round;
use super::{Command, Receipt, Reply, SourcePlace, Submission, Writer, WriterError, open, rebuild};
use crate::base::reserve;
use crate::event::message::{IdConflicted, Parked};
use crate::event::system::{SessionLost, SessionStarted};
use crate::event::{Envelope, Flags, NewEvent};
use crate::event_log::Ledger;
use crate::event_log::dedupe::{DELIVERY_WINDOW, IdVerdict};
use crate::reactor::Memo;
use crate::read_model::{Projection, aging};
use crate::storage::sqlite::{Database, SqliteSession};
use crate::storage::{Disposition, Session, StorageError};
use crate::values;

/// Events per transaction: the broker's window. 4,096 was tried: a backlog drained up to a third
/// faster, but a batch then holds that many acks back.
const BATCH_EVENTS: usize = 1_000;
/// A batch is closed this long after its first message, should the channel never run dry.
const BATCH_TIME: Duration = Duration::from_millis(100);
/// Bytes per transaction, so that large payloads cannot fill the memory.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Pause before a transaction is tried again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// How often an idle writer looks around.
const IDLE_TICK: Duration = Duration::from_secs(5);

/// How a transaction treats an event that a fold refuses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// All events fold together; one refusal undoes the batch.
    Together,
    /// Each event folds in a savepoint of its own; the culprit is parked.
    OneByOne,
}

impl Writer {
    /// Runs until the last handle is dropped, or until going on could lose data.
    pub fn run(mut self) -> Result<(), WriterError> {
        loop {
            let pause = self.until_tick();
            if pause.is_zero() {
                self.tick()?;
                continue;
            }
            let command = match self.next.take() {
                Some(command) => command,
                None => match self.commands.recv_timeout(pause) {
                    Ok(command) => command,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                },
            };
            match command {
                Command::Submit(first) => {
                    let batch = self.gather(*first);
                    self.settle(batch)?;
                }
                Command::Rebuild(reply) => {
                    // On an error the reply is dropped with the writer: half-folded tables must
                    // not take new events, and the next start resumes where this one stopped.
                    let folded = self.rebuild()?;
                    let _ = reply.send(folded);
                }
                Command::Tick(reply) => {
                    self.tick()?;
                    let _ = reply.send(());
                }
                Command::Forget(profile, reply) => {
                    let outcome = self.forget(profile)?;
                    let _ = reply.send(outcome);
                }
                Command::Barrier(reply) => {
                    let _ = reply.send(());
                }
                Command::Change(change, reply) => {
                    // Nothing of the log hangs on it: who asked is told, and may ask again.
                    let now = self.options.clock.now();
                    let _ = reply.send(change.store(&mut self.database, now));
                }
            }
        }
        // Best effort: the WAL is as durable as the database.
        let _ = self.database.checkpoint_whole();
        Ok(())
    }

    /// How long until the reactors are to be asked what is due.
    fn until_tick(&self) -> Duration {
        self.options.tick_every.map_or(IDLE_TICK, |every| {
            every.saturating_sub(self.ticked.elapsed())
        })
    }

    /// Stores what the reactors say is due. Nobody else writes between the look and the storing.
    fn tick(&mut self) -> Result<(), WriterError> {
        let outcome = self.store_due();
        // At its end: a slow look must not be followed by the next one at once.
        self.ticked = Instant::now();
        outcome
    }

    fn store_due(&mut self) -> Result<(), WriterError> {
        let now = self.options.clock.now();
        let due = match self.database.snapshot() {
            Ok(mut session) => self.options.reactions.due(&mut session, now),
            Err(error) => {
                tracing::warn!(%error, "cannot look at what is due");
                return Ok(());
            }
        };
        if due.is_empty() {
            return Ok(());
        }
        self.settle(vec![Submission {
            events: due,
            ..Submission::default()
        }])
    }

    /// Folds the whole log again.
    fn rebuild(&mut self) -> Result<u64, WriterError> {
        let projections = self.options.projections;
        self.patiently(|database| rebuild::reset_all(database, projections))?;
        // What is left out now was left out, and noted, when it came or when the fold was new.
        let quiet = &mut |_: &str, _, _| {};
        self.patiently(|database| rebuild::catch_up(database, projections, quiet).map(drop))?;
        Ok(self.ledger.head() as u64)
    }

    /// Does what can be taken up again where it failed, for as long as waiting helps.
    fn patiently(
        &mut self,
        mut work: impl FnMut(&mut Database) -> Result<(), StorageError>,
    ) -> Result<(), WriterError> {
        while let Err(error) = work(&mut self.database) {
            tracing::warn!(%error, "cannot rebuild");
            if error.disposition() != Disposition::Retry || self.shutdown.wait(RETRY_PAUSE) {
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn gather(&mut self, first: Submission) -> Vec<Submission> {
        let began = Instant::now();
        let mut events = first.events.len();
        let mut bytes = first.size_bytes;
        let mut batch = Vec::with_capacity(64);
        batch.push(first);
        while events < BATCH_EVENTS && bytes < BATCH_BYTES && began.elapsed() < BATCH_TIME {
            match self.commands.try_recv() {
                Ok(Command::Submit(submission)) => {
                    events += submission.events.len();
                    bytes += submission.size_bytes;
                    batch.push(*submission);
                }
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        batch
    }

    /// Makes a batch durable, whatever it takes, and answers.
    fn settle(&mut self, batch: Vec<Submission>) -> Result<(), WriterError> {
        if self.options.sabotage.answers_early() {
            wake(&batch);
        }
        let mut care = Care::Together;
        let mut reopened = false;
        let mut stale = false;
        let receipts = loop {
            // Reading the ledger again can fail as any statement can, and deserves the same patience.
            let ready = if stale { self.reload() } else { Ok(()) };
            let error = match ready.and_then(|()| self.transact(&batch, care)) {
                Ok(receipts) => break receipts,
                Err(error) => error,
            };
            stale = true;
            self.memo = Memo::default();
            self.telemetry.batches_retried.add_one();
            match error.disposition() {
                Disposition::Park if care == Care::Together => care = Care::OneByOne,
                Disposition::Retry => {
                    if matches!(error, StorageError::Full(_)) && self.release_reserve() {
                        continue;
                    }
                    tracing::warn!(%error, waiting = self.commands.len(), "cannot commit, trying again");
                    if self.shutdown.wait(RETRY_PAUSE) {
                        return Err(error.into());
                    }
                }
                Disposition::Halt if !reopened => {
                    tracing::error!(%error, "cannot commit, opening the database again");
                    reopened = true;
                    match self.reopen() {
                        Ok(()) => {}
                        // That it cannot be opened follows from what went wrong before.
                        Err(StorageError::Open(..)) => return Err(error.into()),
                        Err(found) => return Err(found.into()),
                    }
                }
                Disposition::Park | Disposition::Halt => return Err(error.into()),
            }
        };
        self.head.set(self.ledger.head());
        self.followers.ring();
        self.telemetry.batches_committed.add_one();
        self.answer(batch, receipts);
        Ok(())
    }

    /// Makes room for the events that say what goes to make more; whether there was a reserve.
    fn release_reserve(&self) -> bool {
        let folder = self.options.path.parent();
        let released = folder.map_or(Ok(false), reserve::release);
        match released {
            Ok(true) => {
                tracing::warn!("the disk is full; the reserve is released");
                true
            }
            Ok(false) => false,
            Err(error) => {
                tracing::warn!(%error, "the reserve cannot be released");
                false
            }
        }
    }

    pub(super) fn reload(&mut self) -> Result<(), StorageError> {
        self.ledger = Ledger::load(&mut self.database.snapshot()?)?;
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StorageError> {
        self.database = open(&self.options)?;
        match self.database.integrity_problems()?.first() {
            None => Ok(()),
            Some(problem) => Err(StorageError::Corrupt(problem.clone())),
        }
    }

    fn transact(&mut self, batch: &[Submission], care: Care) -> Result<Vec<Receipt>, StorageError> {
        let now = self.options.clock.now();
        let window = self.options.sabotage.delivery_window(DELIVERY_WINDOW);
        let projections = self.options.projections;
        let first_position = self.ledger.head() + 1;
        let mut session = self.database.begin()?;
        let mut envelopes: Vec<Envelope> = Vec::with_capacity(batch.len());
        let mut folded: Vec<Envelope> = Vec::new();
        let mut receipts = Vec::with_capacity(batch.len());
        for submission in batch {
            let mut keep = |session: &mut SqliteSession<'_>, ledger: &mut Ledger, envelope| {
                match care {
                    Care::Together => envelopes.push(envelope),
                    Care::OneByOne => {
                        folded.extend(fold_or_park(session, ledger, projections, envelope, now)?);
                    }
                }
                Ok(())
            };
            receipts.push(take(
                &mut session,
                &mut self.ledger,
                submission,
                window,
                now,
                &mut keep,
            )?);
            if let Some(place) = &submission.place {
                store_place(&mut session, place, now)?;
            }
        }
        if !envelopes.is_empty() {
            fold(&mut session, projections, &envelopes)?;
            folded = envelopes;
        }
        let round = Round {
            now,
            care,
            memo: &mut self.memo,
        };
        let reactions = &self.options.reactions;
        reactions.follow(&mut session, &mut self.ledger, projections, &folded, round)?;
        if self.ledger.head() >= first_position {
            self.ledger.close_batch(&mut session, first_position, now)?;
            session.write(
                "UPDATE projections SET checkpoint = ?1",
                values![self.ledger.head()],
            )?;
        }
        self.ledger.store_mqtt_sessions(&mut session)?;
        session.commit()?;
        let appended = self.ledger.head() + 1 - first_position;
        self.telemetry.events_appended.add(appended as u64);
        Ok(receipts)
    }

    fn answer(&self, batch: Vec<Submission>, receipts: Vec<Receipt>) {
        if !self.options.sabotage.answers_early() {
            wake(&batch);
        }
        for (submission, receipt) in batch.into_iter().zip(receipts) {
            if matches!(receipt, Receipt::Duplicate(_)) {
                if submission.delivery.is_some_and(|delivery| delivery.dup) {
                    self.telemetry.duplicates_redelivered.add_one();
                } else {
                    self.telemetry.duplicates_by_id.add_one();
                }
            }
            if let Reply::Once(sender) = submission.reply {
                // Who no longer listens no longer wants to know.
                let _ = sender.send(receipt);
            }
        }
    }
}

fn wake(batch: &[Submission]) {
    for submission in batch {
        if let Reply::Settle(settled) = &submission.reply {
            settled
                .count
                .fetch_add(1, std::sync::atomic::Ordering::Release);
        }
    }
    let mut woken: Vec<*const super::Settled> = Vec::new();
    for submission in batch {
        if let Reply::Settle(settled) = &submission.reply {
            let address = std::sync::Arc::as_ptr(settled);
            if !woken.contains(&address) {
                woken.push(address);
                (settled.wake)();
            }
        }
    }
}

type Keep<'k> =
    &'k mut dyn FnMut(&mut SqliteSession<'_>, &mut Ledger, Envelope) -> Result<(), StorageError>;

/// Appends one submission's events unless they are stored already; `keep` gets each envelope
/// right after its append.
fn take(
    session: &mut SqliteSession<'_>,
    ledger: &mut Ledger,
    submission: &Submission,
    window: i64,
    now: i64,
    keep: Keep<'_>,
) -> Result<Receipt, StorageError> {
    let opened = submission
        .opening
        .as_ref()
        .and_then(|opening| open_session(ledger, opening, now));
    if let Some(event) = opened {
        let envelope = ledger.append(session, &event)?;
        keep(session, ledger, envelope)?;
    }
    if let Some(delivery) = &submission.delivery
        && let Some(position) = ledger.redelivered(session, delivery, window)?
    {
        return Ok(Receipt::Duplicate(position));
    }
    let topic = submission
        .events
        .first()
        .and_then(|event| event.topic.as_deref());
    let verdict = match (&submission.publisher_id, topic) {
        (Some(id), Some(topic)) => ledger.judge_id(session, topic, id)?,
        _ => IdVerdict::New,
    };
    let mut positions = Vec::with_capacity(submission.events.len());
    if let IdVerdict::Same(position) = verdict {
        if let Some(delivery) = &submission.delivery {
            ledger.record_delivery(session, delivery, position, now)?;
        }
        return Ok(Receipt::Duplicate(position));
    }
    for event in &submission.events {
        let envelope = if let IdVerdict::Clash(_) = verdict {
            let mut event = event.clone();
            event.flags = event.flags.with(Flags::ID_CONFLICT);
            ledger.append(session, &event)?
        } else {
            ledger.append(session, event)?
        };
        positions.push(envelope.position);
        keep(session, ledger, envelope)?;
    }
    let Some(&position) = positions.first() else {
        return Ok(Receipt::Stored(positions));
    };
    match (&submission.publisher_id, topic, verdict) {
        (Some(id), Some(topic), IdVerdict::New) => {
            ledger.record_id(session, topic, id, position)?;
        }
        (Some(id), Some(topic), IdVerdict::Clash(first_position)) => {
            let conflict = IdConflicted {
                id: id.id.clone(),
                first_position,
            };
            let mut event = NewEvent::own(now, "ingest", conflict).caused_by(position);
            event.topic = Some(topic.into());
            let envelope = ledger.append(session, &event)?;
            keep(session, ledger, envelope)?;
        }
        _ => {}
    }
    if let Some(delivery) = &submission.delivery {
        ledger.record_delivery(session, delivery, position, now)?;
    }
    Ok(Receipt::Stored(positions))
}

fn store_place(
    session: &mut dyn Session,
    place: &SourcePlace,
    now: i64,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO source_places (source, place, updated_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (source) DO UPDATE SET place = excluded.place, \
         updated_at = excluded.updated_at",
        values![&place.source, &place.place, now],
    )
}

fn open_session(
    ledger: &mut Ledger,
    opening: &super::SessionOpening,
    now: i64,
) -> Option<NewEvent> {
    let before = ledger.mqtt_session(opening.family).cloned();
    ledger.open_mqtt_session(opening.family, opening.uuid, &opening.filters, now);
    let family = opening.family.to_owned();
    let stream = format!("broker/{family}");
    match before {
        Some(before) if before.uuid == opening.uuid => None,
        Some(before) if opening.replaces_lost => Some(NewEvent::own(
            now,
            stream,
            SessionLost {
                family,
                last_stored_at: before.last_at,
            },
        )),
        _ => Some(NewEvent::own(now, stream, SessionStarted { family })),
    }
}

pub(super) fn fold(
    session: &mut dyn Session,
    projections: &[Projection],
    batch: &[Envelope],
) -> Result<(), StorageError> {
    projections
        .iter()
        .try_for_each(|projection| aging::fold(session, projection, batch))
}

/// Folds one event; it is given back if no projection refused it. Without a savepoint of its own a
/// refusal undoes the batch: savepoints make search indexes write out what they hold.
pub(super) fn fold_with(
    care: Care,
    session: &mut SqliteSession<'_>,
    ledger: &mut Ledger,
    projections: &[Projection],
    envelope: Envelope,
    now: i64,
) -> Result<Option<Envelope>, StorageError> {
    match care {
        Care::Together => {
            fold(session, projections, std::slice::from_ref(&envelope)).map(|()| Some(envelope))
        }
        Care::OneByOne => fold_or_park(session, ledger, projections, envelope, now),
    }
}

/// Folds one event in a savepoint.
fn fold_or_park(
    session: &mut SqliteSession<'_>,
    ledger: &mut Ledger,
    projections: &[Projection],
    envelope: Envelope,
    now: i64,
) -> Result<Option<Envelope>, StorageError> {
    session.savepoint()?;
    let batch = [envelope];
    let mut refused = None;
    for projection in projections {
        if let Err(error) = aging::fold(session, projection, &batch) {
            if error.disposition() != Disposition::Park {
                return Err(error);
            }
            refused = Some((projection.name, error));
            break;
        }
    }
    let Some((projection, error)) = refused else {
        session.release()?;
        let [envelope] = batch;
        return Ok(Some(envelope));
    };
    session.roll_back()?;
    tracing::error!(position = batch[0].position, projection, %error, "event parked");
    let [culprit] = batch;
    let parked = Parked {
        projection: projection.to_owned(),
    };
    let mut event = NewEvent::own(now, "writer", parked)
        .with_text(error.to_string())
        .caused_by(culprit.position);
    event.topic = culprit.topic.map(|topic| topic.text);
    // Right behind its culprit, so that a rebuild that looks one event ahead knows what to skip.
    let note = ledger.append(session, &event)?;
    fold(session, projections, &[note]).map(|()| None)
}
