//! The daemon: builds every part, starts them in order, stops them in reverse. The only place that
//! spawns threads and tasks.
//!
//! Order of start: lock on the data folder, database (migrations, projections brought up to date),
//! writer thread, recordings watcher, what leaves the box, one task per topic family, control socket.

pub mod machine;
pub mod outbound;
mod status;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::base::clock::{Clock, UnixNanos};
use crate::base::lock::{FolderLock, LockError};
use crate::base::reserve;
use crate::base::shutdown::Shutdown;
use crate::base::telemetry::Telemetry;
use crate::broker;
use crate::decode::Rules;
use crate::decode::topic::Family;
use crate::detection::{self, Follower, Sensitivity, follower};
use crate::event::NewEvent;
use crate::event::system::{Started as SystemStarted, Stopped};
use crate::ingest::control::{self, ControlError};
use crate::ingest::mqtt::{self, Broker, RumqttLink, Subscriber, Subscription};
use crate::ingest::pin_desk::PinDesk;
use crate::ingest::recordings;
use crate::ingest::registry;
use crate::ingest::replay::Direct;
use crate::ingest::tables;
use crate::reactor::pin::PinHash;
use crate::read_model;
use crate::storage::sqlite::{Database, Durability};
use crate::writer::sabotage::Sabotage;
use crate::writer::{self, Handle, Reactions, Writer, WriterError, rebuild};
use outbound::Outbound;
use status::State;
pub use status::Status;

/// Name of the main database in the data folder.
pub const DATABASE: &str = "nightjar.db";
/// Threads of the async edge: one polls while another decodes; the writer has its own.
const EDGE_THREADS: usize = 2;
/// How often the reactors are asked what is due: delays of the alarm are told in seconds.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// How often the status file is written.
const STATUS_PAUSE: Duration = Duration::from_secs(2);

/// Everything that the daemon is told before it starts.
#[derive(Debug)]
pub struct Plan {
    /// The data folder; exists.
    pub folder: PathBuf,
    /// The site's name, part of every client id.
    pub site: String,
    /// The broker; its address is not used when the small one is started.
    pub broker: Broker,
    /// Starts the small loopback broker on this port, or on a free one.
    pub own_broker: Option<u16>,
    /// Topic filters of each family.
    pub filters: Vec<(Family, Vec<String>)>,
    /// How topics and payloads are read.
    pub rules: Rules,
    /// How hard a commit is.
    pub durability: Durability,
    /// Page cache of the writer, KiB.
    pub cache_kib: i64,
    /// The hash of the alarm's PIN, if there is one.
    pub pin: Option<PinHash>,
    /// What the house does by itself.
    pub reactions: crate::reactor::Settings,
    /// What the configuration says of devices and moments.
    pub registry: registry::Registry,
    /// The recordings watcher, unless it is switched off.
    pub recordings: Option<recordings::Options>,
    /// How long the tables keep their rows.
    pub tables: tables::Policies,
    /// What is seen on this machine itself.
    pub machine: machine::Settings,
    /// How what is odd is found, unless it is switched off.
    pub detection: Option<DetectionSettings>,
    /// What leaves the box.
    pub outbound: outbound::Settings,
    /// Promises broken on purpose, for tests of the tests.
    pub sabotage: Sabotage,
}

/// How what is odd is found.
#[derive(Clone, Copy, Debug)]
pub struct DetectionSettings {
    /// How easily something is told.
    pub sensitivity: Sensitivity,
    /// Time between two times of saving what was learned.
    pub save_every: Duration,
    /// How long the tables keep lines; none for ever.
    pub lines_kept: Option<Duration>,
}

/// The daemon cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Another one holds the folder, or the lock cannot be made.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The small broker.
    #[error(transparent)]
    Broker(#[from] broker::BindError),
    /// No threads to be had.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The daemon, running.
#[derive(Debug)]
pub struct Running {
    runtime: Runtime,
    cancel: CancellationToken,
    /// Ends the small broker, after all that are connected to it.
    broker_cancel: CancellationToken,
    small_broker: Option<tokio::task::JoinHandle<()>>,
    shutdown: Shutdown,
    writer: Handle,
    writer_failure: Arc<Mutex<Option<WriterError>>>,
    writer_thread: JoinHandle<()>,
    threads: Vec<JoinHandle<()>>,
    outbound: Outbound,
    state: Arc<State>,
    clock: Clock,
    folder: PathBuf,
    signals: Signals,
    _lock: FolderLock,
}

#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn of(runtime: &Runtime) -> std::io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }
}

/// Starts the daemon. `progress` is told of projections that are brought up to date.
#[expect(
    clippy::too_many_lines,
    reason = "the order of start, told once from top to bottom"
)]
pub fn start(
    plan: Plan,
    clock: Clock,
    progress: rebuild::Progress<'_>,
) -> Result<Running, StartError> {
    let lock = FolderLock::acquire(&plan.folder)?;
    if let Err(error) = reserve::keep(&plan.folder) {
        tracing::warn!(%error, "no reserve for a full disk");
    }
    let telemetry = Arc::new(Telemetry::default());
    let shutdown = Shutdown::new();
    let cancel = CancellationToken::new();
    let options = writer::Options {
        path: plan.folder.join(DATABASE),
        durability: plan.durability,
        cache_kib: plan.cache_kib,
        clock: clock.clone(),
        projections: read_model::ALL,
        reactions: Reactions::all(plan.reactions),
        tick_every: Some(TICK_EVERY),
        sabotage: plan.sabotage,
    };
    let started = writer::start(options, Arc::clone(&telemetry), shutdown.clone(), progress)?;
    let writer = started.handle;
    let before = writer.head();
    let writer_failure = Arc::default();
    let writer_thread = run_writer(started.writer, &writer_failure, &cancel)?;
    let rules = Arc::new(plan.rules);
    let pins = pin_desk(&plan.folder, plan.pin)?;
    let started_at = clock.now();
    let mut first = vec![NewEvent::own(
        started_at,
        "system/nightjar",
        SystemStarted::of_this_process(),
    )];
    first.extend(writer::left_out(started.refused, started_at));
    first.extend(registered(&plan.folder, &plan.registry, started_at)?);
    writer.store(first)?;

    let mut threads = Vec::new();
    let mut recordings_health = None;
    let mut desk = None;
    if let Some(options) = plan.recordings {
        let (writer, telemetry) = (writer.clone(), Arc::clone(&telemetry));
        let watcher =
            recordings::Watcher::new(options, writer, telemetry, clock.clone(), shutdown.clone());
        recordings_health = Some(watcher.health());
        desk = Some(watcher.desk());
        threads.push(thread("nightjar-recordings", move || watcher.run())?);
    }
    let keeper = tables::Keeper::new(
        plan.folder.join(DATABASE),
        plan.tables,
        writer.clone(),
        clock.clone(),
        shutdown.clone(),
    );
    threads.push(thread("nightjar-tables", move || keeper.run())?);
    threads.extend(machine::start(
        plan.machine,
        &machine::Shared {
            folder: &plan.folder,
            writer: &writer,
            clock: &clock,
            shutdown: &shutdown,
            after: before,
        },
    )?);
    let mut detection_health = None;
    if let Some(settings) = plan.detection {
        let options = detection::Options {
            database: plan.folder.join(DATABASE),
            clock: clock.clone(),
            sensitivity: settings.sensitivity,
            save_every: settings.save_every,
            rows: follower::ROWS,
            lines_kept: settings.lines_kept,
        };
        let follower = Follower::new(options, writer.clone(), shutdown.clone());
        detection_health = Some(follower.health());
        threads.push(thread("nightjar-detection", move || follower.run())?);
    }
    let runtime = edge()?;
    let signals = Signals::of(&runtime)?;
    let mut address = plan.broker;
    let broker_cancel = CancellationToken::new();
    let mut small_broker = None;
    if let Some(port) = plan.own_broker {
        let small = runtime.block_on(broker::bind_near(port, &broker::Options::default()))?;
        address.host = small.address().ip().to_string();
        address.port = small.address().port();
        small_broker = Some(runtime.spawn(broker::serve(small, broker_cancel.clone())));
    }
    let outbound = Outbound::start(
        plan.outbound,
        &outbound::Shared {
            folder: &plan.folder,
            site: &plan.site,
            broker: address.clone(),
            writer: &writer,
            telemetry: &telemetry,
            clock: &clock,
            shutdown: &shutdown,
            after: before,
        },
        &runtime,
    )?;
    let shared = mqtt::Shared {
        writer: writer.clone(),
        rules: Arc::clone(&rules),
        pins: Arc::clone(&pins),
        telemetry: Arc::clone(&telemetry),
        clock: clock.clone(),
        inflight: Arc::default(),
        sabotage: plan.sabotage,
    };
    let filters = plan
        .filters
        .iter()
        .flat_map(|(_, filters)| filters)
        .filter_map(|filter| filter.parse().ok())
        .collect();
    // The small broker keeps no session between two runs, and nothing is lost by that.
    let known = if plan.own_broker.is_some() {
        &[][..]
    } else {
        &started.sessions
    };
    let mut families = Vec::new();
    for (family, filters) in plan.filters {
        let subscription = Subscription {
            known_session: known_session(known, family),
            broker_forgets: plan.own_broker.is_some(),
            family,
            filters,
        };
        let link = RumqttLink::new(&address, &client_id(&plan.site, family));
        let subscriber = Subscriber::new(shared.clone(), subscription, link);
        families.push((family, subscriber.health()));
        runtime.spawn(subscriber.run(cancel.clone()));
    }
    let state = Arc::new(State {
        started_at,
        telemetry,
        writer: writer.clone(),
        families,
        publisher: Arc::clone(&outbound.health),
        alerts_warning: outbound.warning.clone(),
        recordings: recordings_health,
        detection: detection_health,
        broker: address,
        rules: Arc::clone(&rules),
        filters,
    });
    let direct = Direct {
        writer: writer.clone(),
        rules,
        pins,
        clock: clock.clone(),
    };
    threads.push(serve_control(
        &plan.folder,
        direct,
        desk,
        &state,
        &shutdown,
    )?);
    threads.push(tell_status(&plan.folder, &state, &clock, &shutdown)?);
    Ok(Running {
        runtime,
        cancel,
        broker_cancel,
        small_broker,
        shutdown,
        writer,
        writer_failure,
        writer_thread,
        threads,
        outbound,
        state,
        clock,
        folder: plan.folder,
        signals,
        _lock: lock,
    })
}

fn pin_desk(folder: &Path, pin: Option<PinHash>) -> Result<Arc<PinDesk>, WriterError> {
    let mut database = Database::open_reader(&folder.join(DATABASE))?;
    Ok(Arc::new(PinDesk::new(pin, &mut database.snapshot()?)?))
}

/// What of the configuration is news to the tables.
fn registered(
    folder: &Path,
    registry: &registry::Registry,
    now: UnixNanos,
) -> Result<Vec<NewEvent>, WriterError> {
    let mut database = Database::open_reader(&folder.join(DATABASE))?;
    Ok(registry.news(&mut database.snapshot()?, now)?)
}

fn known_session(known: &[(String, Uuid, String)], family: Family) -> Option<(Uuid, String)> {
    let session = known.iter().find(|(name, ..)| name == family.name())?;
    Some((session.1, session.2.clone()))
}

fn run_writer(
    core: Writer,
    failure: &Arc<Mutex<Option<WriterError>>>,
    cancel: &CancellationToken,
) -> std::io::Result<JoinHandle<()>> {
    let (failure, cancel) = (Arc::clone(failure), cancel.clone());
    thread("nightjar-writer", move || {
        if let Err(error) = core.run() {
            tracing::error!(%error, "the writer gave up");
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            cancel.cancel();
        }
    })
}

fn serve_control(
    folder: &Path,
    direct: Direct,
    desk: Option<recordings::retention::Desk>,
    state: &Arc<State>,
    shutdown: &Shutdown,
) -> Result<JoinHandle<()>, StartError> {
    let listener = control::listen(folder)?;
    let (state, shutdown) = (Arc::clone(state), shutdown.clone());
    Ok(thread("nightjar-control", move || {
        let status = || serde_json::to_value(state.status()).unwrap_or_default();
        control::serve(&listener, &direct, desk.as_ref(), &status, &shutdown);
    })?)
}

fn tell_status(
    folder: &Path,
    state: &Arc<State>,
    clock: &Clock,
    shutdown: &Shutdown,
) -> std::io::Result<JoinHandle<()>> {
    let (folder, clock) = (folder.to_owned(), clock.clone());
    let (state, shutdown) = (Arc::clone(state), shutdown.clone());
    thread("nightjar-status", move || {
        let mut stopping = false;
        while !stopping {
            stopping = shutdown.wait(STATUS_PAUSE);
            if let Err(error) = reserve::keep(&folder) {
                tracing::debug!(%error, "cannot make the reserve");
            }
            if let Err(error) = state.status_file(clock.now()).write(&folder) {
                tracing::debug!(%error, "cannot write the status file");
            }
        }
    })
}

/// The fixed client id of a family's session.
pub fn client_id(site: &str, family: Family) -> String {
    format!("nightjar-{site}-{}", family.name())
}

fn edge() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(EDGE_THREADS)
        .thread_name("nightjar-edge")
        .enable_all()
        .build()
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(body)
}

impl Running {
    /// To the writer.
    pub const fn writer(&self) -> &Handle {
        &self.writer
    }

    /// What the daemon tells of itself.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// Runs a future of the caller's on the daemon's edge.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The broker that the daemon listens to.
    pub fn broker(&self) -> &Broker {
        &self.state.broker
    }

    /// How topics and payloads are read.
    pub fn rules(&self) -> &Rules {
        &self.state.rules
    }

    /// Whether a message on this topic reaches the daemon.
    pub fn subscribes(&self, topic: &str) -> bool {
        self.state
            .filters
            .iter()
            .any(|filter| filter.matches(topic))
    }

    /// Whether every family is connected and subscribed.
    pub fn is_connected(&self) -> bool {
        self.status()
            .families
            .values()
            .all(|health| health.connected)
    }

    /// Waits until somebody asks for the end (SIGINT, SIGTERM) or the writer gives up; none when
    /// `patience` ran out before.
    pub fn ending(&mut self, patience: Option<Duration>) -> Option<Ending> {
        let (signals, cancel) = (&mut self.signals, &self.cancel);
        self.runtime.block_on(async {
            let ending = async {
                tokio::select! {
                    _ = signals.interrupt.recv() => Ending::Interrupted,
                    _ = signals.terminate.recv() => Ending::Terminated,
                    () = cancel.cancelled() => Ending::WriterGaveUp,
                }
            };
            match patience {
                None => Some(ending.await),
                Some(patience) => tokio::time::timeout(patience, ending).await.ok(),
            }
        })
    }

    /// Stops everything in reverse order; what was submitted is durable afterwards.
    pub fn stop(self) -> Result<(), WriterError> {
        self.cancel.cancel();
        self.shutdown.stop();
        control::wake(&self.folder);
        self.outbound.stop(&self.runtime);
        self.broker_cancel.cancel();
        if let Some(small) = self.small_broker {
            // It gives its connections a second to take what is queued for them.
            let _ = self.runtime.block_on(small);
        }
        self.runtime.shutdown_timeout(Duration::from_secs(5));
        for thread in self.threads {
            // A part that panicked has said so on stderr; the others are stopped all the same.
            let _ = thread.join();
        }
        let bye = NewEvent::own(self.clock.now(), "system/nightjar", Stopped {});
        let stored = self.writer.store(vec![bye]);
        drop((self.writer, self.state));
        let _ = self.writer_thread.join();
        let failure = self
            .writer_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match failure {
            Some(failure) => Err(failure),
            None => stored.map(|_| ()),
        }
    }
}

/// Why the daemon ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The writer could not go on.
    WriterGaveUp,
}
