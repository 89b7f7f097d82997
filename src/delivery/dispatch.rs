//! The dispatcher: delivers what the table `alert_deliveries` says is due, and stores what came of
//! each try as `alert.attempted`.
//!
//! One thread looks and stores, a few [`Worker`]s send. Numbered as in the walk of a message:
//! 1. The writer commits an alert and rings; the dispatcher reads what is due, by a connection of
//!    its own.
//! 2. Of each target (recipient, channel, address) one delivery at a time goes to a worker, so that
//!    a target that hangs keeps one worker busy and no more. Targets that failed last share half of
//!    the workers: when the line is down, those that can be reached still are.
//! 3. A worker sends, within the timeout of its channel, and hands back the outcome.
//! 4. The dispatcher stores the try. Killed before that, the delivery is still due and is sent
//!    again, with the same id.
//!
//! Invariants: the writer never waits for a delivery; workers hold nothing that keeps the writer
//! from ending, so that nobody waits for one that hangs; a stored reason holds no secret.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use zeroize::Zeroizing;

use super::courier::Courier;
use super::{Message, Outcome, Severity, backoff};
use crate::base::clock::{self, Clock};
use crate::base::ids;
use crate::base::shutdown::Shutdown;
use crate::base::telemetry::Telemetry;
use crate::event::NewEvent;
use crate::event::alarm::{AlertAttempted, AttemptStatus, Channel, Target};
use crate::read_model::alerts::{self, Pending, PushSubscription};
use crate::storage::StorageError;
use crate::storage::sqlite::Database;
use crate::writer::{Handle, StateChange, WriterError};

/// Sends at a time.
pub const WORKERS: usize = 4;
/// Of these, the most for targets that failed last.
const FOR_SUSPECTS: usize = WORKERS / 2;
/// Most targets that are looked at: every recipient with every channel and some browsers.
const TARGETS_MAX: i64 = 1_024;
/// Farther off than any pause between two tries, the longest that a server may ask for included.
const FARTHEST_NS: i64 = 25 * clock::HOUR_NS;
/// Least time between two looks at the table.
const LOOK_APART: Duration = Duration::from_millis(20);
/// Longest time between two looks while something waits for its time: clocks are set.
const WAIT_PAUSE: Duration = Duration::from_secs(1);
/// The same while nothing does; news wake it before.
const IDLE_PAUSE: Duration = Duration::from_secs(60);
/// When stopping, sends that are under way may take this long to end and be stored.
pub const GRACE: Duration = Duration::from_secs(2);

/// Where and when.
#[derive(Clone, Debug)]
pub struct Options {
    /// The main database.
    pub database: PathBuf,
    /// The site's name, part of every delivery's id.
    pub site: String,
    /// The time.
    pub clock: Clock,
    /// How long a stop waits for sends under way, normally [`GRACE`].
    pub grace: Duration,
}

/// The thread that dispatches.
#[derive(Debug)]
pub struct Dispatcher {
    options: Options,
    writer: Handle,
    telemetry: Arc<Telemetry>,
    shutdown: Shutdown,
    jobs: Sender<Job>,
    done: Receiver<Done>,
    /// Targets that a worker sends to.
    busy: BTreeSet<Target>,
    /// Targets whose last try failed.
    suspects: BTreeSet<Target>,
}

/// A thread that sends.
#[derive(Debug)]
pub struct Worker {
    courier: Arc<Courier>,
    clock: Clock,
    jobs: Receiver<Job>,
    done: Sender<Done>,
}

#[derive(Debug)]
struct Job {
    delivery: Pending,
    message: Message,
    browser: Option<PushSubscription>,
}

#[derive(Debug)]
struct Done {
    delivery: Pending,
    outcome: Outcome,
    latency: Duration,
}

impl Worker {
    /// Sends until the dispatcher is gone.
    pub fn run(self) {
        for job in self.jobs {
            let began = Instant::now();
            let (target, browser) = (&job.delivery.target, job.browser.as_ref());
            let random = Zeroizing::new(ids::random());
            let now = self.clock.now();
            let outcome = self
                .courier
                .send(target, browser, &job.message, now, &random);
            let done = Done {
                delivery: job.delivery,
                outcome,
                latency: began.elapsed(),
            };
            if self.done.send(done).is_err() {
                return;
            }
        }
    }
}

impl Dispatcher {
    /// Makes the dispatcher and its workers; each is to be run on a thread of its own. Nobody needs
    /// to wait for the workers.
    pub fn new(
        options: Options,
        courier: Courier,
        writer: Handle,
        telemetry: Arc<Telemetry>,
        shutdown: Shutdown,
    ) -> (Self, Vec<Worker>) {
        let (jobs, taken) = bounded(WORKERS);
        let (done, results) = bounded(WORKERS);
        let courier = Arc::new(courier);
        let worker = || Worker {
            courier: Arc::clone(&courier),
            clock: options.clock.clone(),
            jobs: taken.clone(),
            done: done.clone(),
        };
        let workers = std::iter::repeat_with(worker).take(WORKERS).collect();
        let dispatcher = Self {
            options,
            writer,
            telemetry,
            shutdown,
            jobs,
            done: results,
            busy: BTreeSet::new(),
            suspects: BTreeSet::new(),
        };
        (dispatcher, workers)
    }

    /// Runs until the shutdown is signalled or the writer is gone.
    pub fn run(mut self) {
        let news = self.writer.follow();
        let mut reader = None;
        let mut looked = Instant::now();
        let mut pause = Duration::ZERO;
        loop {
            if looked.elapsed() >= pause {
                looked = Instant::now();
                pause = self.look(&mut reader).unwrap_or_else(|error| {
                    tracing::warn!(%error, "cannot read which alerts are due");
                    reader = None;
                    WAIT_PAUSE
                });
            }
            select! {
                recv(self.shutdown.signal()) -> _ => break,
                recv(news) -> _ => pause = pause.min(LOOK_APART),
                recv(self.done) -> done => {
                    let Ok(done) = done else {
                        tracing::error!("nobody delivers alerts any more; restart the daemon");
                        return;
                    };
                    if self.settle(done).is_err() {
                        return;
                    }
                    pause = Duration::ZERO;
                }
                default(pause.saturating_sub(looked.elapsed())) => {}
            }
        }
        let until = Instant::now() + self.options.grace;
        while !self.busy.is_empty() {
            let Ok(done) = self.done.recv_deadline(until) else {
                return;
            };
            if self.settle(done).is_err() {
                return;
            }
        }
    }

    /// Hands out what is due; how long until something else is.
    fn look(&mut self, reader: &mut Option<Database>) -> Result<Duration, StorageError> {
        let reader = match reader {
            Some(reader) => reader,
            None => reader.insert(Database::open_reader(&self.options.database)?),
        };
        let mut session = reader.snapshot()?;
        let now = self.options.clock.now();
        let mut pause = IDLE_PAUSE;
        for delivery in alerts::pending(&mut session, TARGETS_MAX)? {
            // What lies further off was planned by a clock that has been set back since.
            if delivery.next_at > now && delivery.next_at - now <= FARTHEST_NS {
                let wait = Duration::from_nanos((delivery.next_at - now) as u64);
                pause = pause.min(wait).min(WAIT_PAUSE);
                continue;
            }
            if self.busy.len() >= WORKERS {
                break;
            }
            let suspects = self.busy.intersection(&self.suspects).count();
            let target = &delivery.target;
            if self.busy.contains(target)
                || (self.suspects.contains(target) && suspects >= FOR_SUSPECTS)
            {
                continue;
            }
            let browser = match target.channel {
                Channel::WebPush => alerts::push_subscription(&mut session, target.address)?,
                Channel::Mqtt | Channel::Ntfy | Channel::Webhook => None,
            };
            self.busy.insert(target.clone());
            let job = Job {
                message: message(&self.options.site, &delivery),
                delivery,
                browser,
            };
            // There is room: no more are busy than there are workers.
            if self.jobs.send(job).is_err() {
                break;
            }
        }
        Ok(pause)
    }

    /// Stores a try, and what follows from it.
    fn settle(&mut self, done: Done) -> Result<(), WriterError> {
        let Done {
            delivery,
            outcome,
            latency,
        } = done;
        let target = delivery.target.clone();
        let now = self.options.clock.now();
        let attempt = delivery.attempts.saturating_add(1);
        let (retry_at, reason) = match &outcome {
            Outcome::Sent => (None, None),
            Outcome::Retry { reason, after } => {
                let failures = u32::try_from(attempt).unwrap_or(u32::MAX);
                let jitter = u16::from_ne_bytes(ids::random());
                let since = delivery.stored_at;
                let again = backoff::next_attempt(since, now, failures, *after, jitter);
                (again, Some(reason.as_str()))
            }
            Outcome::Refused { reason } => (None, Some(reason.as_str())),
            Outcome::Gone => (
                None,
                Some(
                    "the push service says that this browser is gone; its subscription is removed",
                ),
            ),
        };
        let status = match outcome {
            Outcome::Sent => AttemptStatus::Sent,
            _ => AttemptStatus::Failed,
        };
        self.count(status, retry_at.is_some());
        if let Some(reason) = reason {
            let (recipient, channel) = (&target.recipient, target.channel.name());
            tracing::warn!(alert = delivery.alert, recipient, channel, attempt, %reason, "alert not delivered");
        }
        let tried = AlertAttempted {
            alert: delivery.alert,
            target: target.clone(),
            attempt,
            status,
            latency_ms: i64::try_from(latency.as_millis()).unwrap_or(i64::MAX),
            retry_at,
            answer: std::collections::BTreeMap::new(),
        };
        let stream = format!("alert/{}", target.recipient);
        let event = NewEvent::own(now, stream, tried).caused_by(delivery.alert);
        let event = match reason {
            Some(reason) => event.with_text(reason),
            None => event,
        };
        self.writer.store(vec![event])?;
        self.busy.remove(&target);
        match status {
            AttemptStatus::Sent => self.suspects.remove(&target),
            AttemptStatus::Failed => self.suspects.insert(target.clone()),
        };
        let id = target.address;
        let change = match (target.channel, outcome) {
            (Channel::WebPush, Outcome::Sent) => StateChange::PushUsed { id, at: now },
            (Channel::WebPush, Outcome::Gone) => StateChange::PushUnsubscribed { id },
            _ => return Ok(()),
        };
        match self.writer.change(change) {
            // Told again by the next push; the try itself is stored.
            Err(WriterError::Storage(error)) => {
                tracing::warn!(%error, subscription = id, "cannot note what became of a push");
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    fn count(&self, status: AttemptStatus, again: bool) {
        match status {
            AttemptStatus::Sent => self.telemetry.alerts_sent.add_one(),
            AttemptStatus::Failed => {
                self.telemetry.alerts_failed.add_one();
                if !again {
                    self.telemetry.alerts_given_up.add_one();
                }
            }
        }
    }
}

/// What is said, the same at every try. The id names site, alert and target, and nothing else does.
fn message(site: &str, delivery: &Pending) -> Message {
    let target = &delivery.target;
    let about = match delivery.rule_name.strip_prefix("rule/") {
        Some(rule) => format!("Rule {rule}"),
        None => words(&delivery.alert_type),
    };
    let at = clock::local(delivery.raised_at);
    Message {
        delivery_id: format!(
            "{site}-{}-{}-{}-{}",
            delivery.alert,
            target.recipient,
            target.channel.name(),
            target.address
        ),
        alert_id: delivery.alert,
        at: delivery.raised_at,
        severity: severity(delivery.severity_id),
        kind: delivery.alert_type.clone(),
        title: match delivery.description.as_str() {
            "" => about.clone(),
            said => said.to_owned(),
        },
        body: format!("{about} at {site}, {at}"),
        url: None,
        dedupe_key: Some(delivery.dedup_key.clone()),
    }
}

/// `PERSON_DETECTED` in words.
fn words(alert_type: &str) -> String {
    let lower = alert_type.to_lowercase().replace('_', " ");
    let mut letters = lower.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// On the scale 0–6.
const fn severity(severity_id: i64) -> Severity {
    match severity_id {
        ..=2 => Severity::Info,
        3 => Severity::Warning,
        4 => Severity::Alert,
        _ => Severity::Critical,
    }
}
