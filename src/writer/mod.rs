//! The writer: the one thread that changes the main database.
//!
//! It gathers what is in its bounded channel, appends and folds it in one transaction, commits with
//! `synchronous=FULL`, and only then answers. It commits at once when the channel is empty: waiting
//! 0.2–1 ms for more was tried and cost a fifth of the rate (55 instead of 69 k msg/s end to end).
//!
//! Invariants: an answer means durable; what was answered once is never appended again; an event
//! that no projection can take is parked and its neighbours live; on a full disk the writer waits
//! and loses nothing; on an I/O error it reopens the database once, then gives up loudly.

pub mod as_of;
mod batch;
pub mod change;
pub mod check;
pub mod forget;
pub mod reaction;
pub mod rebuild;
pub mod sabotage;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use thiserror::Error;
use uuid::Uuid;

use crate::base::clock::Clock;
use crate::base::ids;
use crate::base::shutdown::Shutdown;
use crate::base::telemetry::{Gauge, Telemetry};
use crate::event::message::Parked;
use crate::event::{NewEvent, PublisherId};
use crate::event_log::Ledger;
use crate::event_log::dedupe::Delivery;
use crate::reactor::Memo;
use crate::read_model::Projection;
use crate::storage::sqlite::{Database, Durability};
use crate::storage::{Disposition, StorageError, first, migrate, sqlite};
use crate::values;

pub use change::{ModelState, StateChange};
pub use reaction::Reactions;

/// Submissions that may wait for the writer: four batches, so that it never waits for the decoder,
/// and some eight MiB of memory. mosquitto overshoots its in-flight window of 1,000 to thousands;
/// what does not fit waits in its socket.
const CHANNEL_SUBMISSIONS: usize = 8_192;

/// How the writer works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The main database.
    pub path: PathBuf,
    /// How hard a commit is.
    pub durability: Durability,
    /// Page cache, KiB.
    pub cache_kib: i64,
    /// The time.
    pub clock: Clock,
    /// What is folded.
    pub projections: &'static [Projection],
    /// What the house does by itself.
    pub reactions: Reactions,
    /// How often the reactors are asked what is due; never when none.
    pub tick_every: Option<Duration>,
    /// Promises broken on purpose, for tests of the tests.
    pub sabotage: sabotage::Sabotage,
}

/// What was asked for when it comes to a session with the broker.
#[derive(Clone, Debug)]
pub struct SessionOpening {
    /// Topic family.
    pub family: &'static str,
    /// The session's identity.
    pub uuid: Uuid,
    /// Its filters, one per line.
    pub filters: String,
    /// Another session of this family that is known means that the broker has lost that one.
    pub replaces_lost: bool,
}

/// How far a source of lines was read. It becomes durable with the lines of its submission, in the
/// same transaction: after a kill the source is read on from exactly there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlace {
    /// Which source: `file:/var/log/auth.log`, `journal`.
    pub source: String,
    /// JSON that only the source itself reads.
    pub place: String,
}

/// One message on its way to the disk.
#[derive(Debug, Default)]
pub struct Submission {
    /// The events that it became.
    pub events: Vec<NewEvent>,
    /// How MQTT delivered it, at QoS 1.
    pub delivery: Option<Delivery>,
    /// Its publisher's id, good within the topic of its first event.
    pub publisher_id: Option<PublisherId>,
    /// A session with the broker that begins or goes on here.
    pub opening: Option<SessionOpening>,
    /// How far its source was read when it was made.
    pub place: Option<SourcePlace>,
    /// Who wants to know when it is durable.
    pub reply: Reply,
    /// Bytes that it holds, for the bound on a batch.
    pub size_bytes: usize,
}

impl Submission {
    /// Encodes its events where there are more threads than the one that writes.
    fn encode(&mut self) {
        for event in &mut self.events {
            if event.body.is_none() {
                event.encode();
            }
        }
    }
}

/// What became of a submission, once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Appended; the positions of its own events.
    Stored(Vec<i64>),
    /// Recognised as stored before, at this position.
    Duplicate(i64),
}

/// How the writer answers.
#[derive(Debug, Default)]
pub enum Reply {
    /// Nobody asks.
    #[default]
    None,
    /// A counter per submitter, in the order of submission.
    Settle(Arc<Settled>),
    /// One answer to one question.
    Once(Sender<Receipt>),
}

/// How many of one submitter's submissions are durable, and a call that tells so.
pub struct Settled {
    count: AtomicU64,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Settled {
    /// A counter at 0; `wake` is called after each commit that moved it.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            count: AtomicU64::new(0),
            wake: Box::new(wake),
        }
    }

    /// Submissions settled so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Settled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Settled").field(&self.count()).finish()
    }
}

/// Why the writer cannot start or go on.
#[derive(Debug, Error)]
pub enum WriterError {
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The writer has ended.
    #[error("the writer has stopped; nothing more can be stored")]
    Stopped,
}

enum Command {
    Submit(Box<Submission>),
    Rebuild(Sender<u64>),
    Tick(Sender<()>),
    Forget(i64, Sender<Result<forget::Forgotten, String>>),
    Barrier(Sender<()>),
    Change(Box<StateChange>, Sender<Result<Option<i64>, StorageError>>),
}

/// What others hold of the writer. The writer drains and ends when the last one is dropped.
#[derive(Clone)]
pub struct Handle {
    commands: Sender<Command>,
    head: Arc<Gauge>,
    followers: Arc<Followers>,
    /// Nothing is ever sent; it disconnects when the writer is gone.
    alive: Receiver<()>,
}

/// Who wants to know that something became durable: the other ends of [`Handle::follow`].
#[derive(Debug, Default)]
struct Followers(Mutex<Vec<Sender<()>>>);

impl Followers {
    fn add(&self) -> Receiver<()> {
        // One is enough: it says that there is news, not how much.
        let (bell, news) = bounded(1);
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bells.push(bell);
        news
    }

    fn ring(&self) {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|bell| !matches!(bell.try_send(()), Err(TrySendError::Disconnected(()))));
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// Submits, waiting while the channel is full.
    pub fn submit(&self, mut submission: Submission) -> Result<(), WriterError> {
        submission.encode();
        self.commands
            .send(Command::Submit(Box::new(submission)))
            .map_err(|_| WriterError::Stopped)
    }

    /// Submits if there is room; else hands the submission back.
    pub fn try_submit(&self, mut submission: Box<Submission>) -> Result<(), Box<Submission>> {
        submission.encode();
        match self.commands.try_send(Command::Submit(submission)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(command) | TrySendError::Disconnected(command)) => match command
            {
                Command::Submit(submission) => Err(submission),
                Command::Rebuild(_)
                | Command::Tick(_)
                | Command::Forget(..)
                | Command::Barrier(_)
                | Command::Change(..) => unreachable!("only submissions are tried"),
            },
        }
    }

    /// Submits events of the program's own and waits until they are durable.
    pub fn store(&self, events: Vec<NewEvent>) -> Result<Receipt, WriterError> {
        let (reply, answer) = bounded(1);
        self.submit(Submission {
            events,
            reply: Reply::Once(reply),
            ..Submission::default()
        })?;
        self.await_answer(&answer)
    }

    /// Waits until everything submitted before is durable.
    pub fn barrier(&self) -> Result<(), WriterError> {
        let (reply, answer) = bounded(1);
        self.commands
            .send(Command::Barrier(reply))
            .map_err(|_| WriterError::Stopped)?;
        self.await_answer(&answer)
    }

    /// Empties every projection and folds the whole log again; the number of events folded.
    /// Ingest waits meanwhile: what arrives is not acknowledged until it is done.
    pub fn rebuild(&self) -> Result<u64, WriterError> {
        let (reply, answer) = bounded(1);
        self.commands
            .send(Command::Rebuild(reply))
            .map_err(|_| WriterError::Stopped)?;
        self.await_answer(&answer)
    }

    /// Asks the reactors what is due, now; returns when it is done. For a clock that is moved by
    /// hand.
    pub fn tick(&self) -> Result<(), WriterError> {
        let (reply, answer) = bounded(1);
        self.commands
            .send(Command::Tick(reply))
            .map_err(|_| WriterError::Stopped)?;
        self.await_answer(&answer)
    }

    /// Forgets the person with this profile for good; see [`forget`]. The inner error says why nothing
    /// was forgotten.
    pub fn forget(&self, profile: i64) -> Result<Result<forget::Forgotten, String>, WriterError> {
        let (reply, answer) = bounded(1);
        self.commands
            .send(Command::Forget(profile, reply))
            .map_err(|_| WriterError::Stopped)?;
        self.await_answer(&answer)
    }

    /// Changes a table that is no projection, in a transaction of its own; the number of the row
    /// that was written or removed, none when there was none. Durable when it returns.
    pub fn change(&self, change: StateChange) -> Result<Option<i64>, WriterError> {
        let (reply, answer) = bounded(1);
        self.commands
            .send(Command::Change(Box::new(change), reply))
            .map_err(|_| WriterError::Stopped)?;
        Ok(self.await_answer(&answer)??)
    }

    /// A channel that holds something whenever events became durable since it was emptied last.
    pub fn follow(&self) -> Receiver<()> {
        self.followers.add()
    }

    /// Waits for an answer or for the end of the writer. A question that lies in the channel when
    /// the writer ends stays there as long as a handle lives, and so does its way to answer: who
    /// waited for that alone would wait for ever.
    pub fn await_answer<T>(&self, answer: &Receiver<T>) -> Result<T, WriterError> {
        crossbeam_channel::select! {
            recv(answer) -> answered => answered.map_err(|_| WriterError::Stopped),
            // Both may be ready: what was answered before the end is true.
            recv(self.alive) -> _ => answer.try_recv().map_err(|_| WriterError::Stopped),
        }
    }

    /// Position of the last durable event.
    pub fn head(&self) -> i64 {
        self.head.get()
    }

    /// Submissions that wait for the writer.
    pub fn waiting(&self) -> usize {
        self.commands.len()
    }
}

/// The writer, ready to run on a thread of its own.
pub struct Writer {
    options: Options,
    database: Database,
    ledger: Ledger,
    telemetry: Arc<Telemetry>,
    head: Arc<Gauge>,
    followers: Arc<Followers>,
    shutdown: Shutdown,
    commands: Receiver<Command>,
    /// Dropped with the writer, which tells those who wait for an answer.
    _alive: Sender<()>,
    /// What the reactors need not read again; forgotten with every batch that is undone.
    memo: Memo,
    /// A command that ended a batch and waits for its turn.
    next: Option<Command>,
    /// When the reactors were asked last what is due.
    ticked: Instant,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("path", &self.options.path)
            .finish_non_exhaustive()
    }
}

/// What starting the writer gives.
#[derive(Debug)]
pub struct Started {
    /// For those who submit.
    pub handle: Handle,
    /// To be run on its thread.
    pub writer: Writer,
    /// The site's id.
    pub site: Uuid,
    /// The MQTT sessions that are known: family, identity, filters.
    pub sessions: Vec<(String, Uuid, String)>,
    /// Events that were left out when projections were brought up to date; see [`left_out`].
    pub refused: Vec<rebuild::Refusal>,
}

/// The dead letters of a catch-up, to be stored when the writer runs.
pub fn left_out(refused: Vec<rebuild::Refusal>, now: i64) -> Vec<NewEvent> {
    let parked = |refusal: rebuild::Refusal| {
        NewEvent::own(
            now,
            "writer",
            Parked {
                projection: refusal.projection.to_owned(),
            },
        )
        .with_text(refusal.reason)
        .caused_by(refusal.position)
    };
    refused.into_iter().map(parked).collect()
}

/// Opens the database, migrates it, brings every projection up to date, and makes the writer.
/// `progress` is told projection, events folded, events in all.
pub fn start(
    options: Options,
    telemetry: Arc<Telemetry>,
    shutdown: Shutdown,
    progress: rebuild::Progress<'_>,
) -> Result<Started, WriterError> {
    let mut database = open(&options)?;
    migrate::migrate(&mut database, migrate::SQLITE, options.clock.now())?;
    let site = site_id(&mut database, options.clock.now())?;
    let refused = rebuild::catch_up(&mut database, options.projections, progress)?;
    let crops_dir = options.reactions.settings.faces.crops_dir.as_deref();
    let unfinished = match forget::finish(&mut database, crops_dir) {
        Ok(forgotten) => forgotten.unfinished,
        Err(error) if error.disposition() == Disposition::Halt => return Err(error.into()),
        // Nobody must be kept from starting by a full disk.
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = unfinished {
        tracing::warn!(reason, "a person is not yet forgotten in every file");
    }
    let ledger = Ledger::load(&mut database.snapshot()?)?;
    let sessions = ledger
        .mqtt_sessions()
        .map(|(family, session)| (family.clone(), session.uuid, session.filters.clone()))
        .collect();
    let head = Arc::new(Gauge::default());
    head.set(ledger.head());
    let (sender, commands) = bounded(CHANNEL_SUBMISSIONS);
    let (alive, dropped_with_writer) = bounded(0);
    let followers = Arc::<Followers>::default();
    let handle = Handle {
        commands: sender,
        head: Arc::clone(&head),
        followers: Arc::clone(&followers),
        alive: dropped_with_writer,
    };
    let writer = Writer {
        options,
        database,
        ledger,
        telemetry,
        head,
        followers,
        shutdown,
        commands,
        _alive: alive,
        next: None,
        memo: Memo::default(),
        ticked: Instant::now(),
    };
    Ok(Started {
        handle,
        writer,
        site,
        sessions,
        refused,
    })
}

fn open(options: &Options) -> Result<Database, StorageError> {
    let durability = options.sabotage.durability(options.durability);
    let sqlite_options = sqlite::Options {
        durability,
        cache_kib: options.cache_kib,
        ..sqlite::Options::default()
    };
    Database::open_writer(&options.path, sqlite_options)
}

fn site_id(database: &mut Database, now: i64) -> Result<Uuid, StorageError> {
    let mut session = database.begin()?;
    let known = first(
        &mut session,
        "SELECT value FROM metadata WHERE key = 'site_id'",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    if let Some(text) = known {
        return Uuid::try_parse(&text)
            .map_err(|error| StorageError::Unreadable(format!("metadata site_id: {error}")));
    }
    let site = ids::random_uuid();
    let hostname = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let created = now.to_string();
    for (key, value) in [
        ("site_id", site.to_string()),
        ("created_at", created),
        ("hostname", hostname),
    ] {
        use crate::storage::Session as _;
        session.write(
            "INSERT INTO metadata (key, value, updated_at) VALUES (?1, ?2, ?3)",
            values![key, &value, now],
        )?;
    }
    session.commit()?;
    Ok(site)
}

#[cfg(test)]
mod tests;
