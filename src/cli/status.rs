//! `status`: whether all is well, on one screen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::exit::CliError;
use super::grid::Grid;
use super::term::{Ink, grouped, human_bytes, human_span, visible};
use super::when::local;
use super::{Context, folder};
use crate::base::clock::{DAY_NS, HOUR_NS, MINUTE_NS, UnixNanos, rfc3339};
use crate::base::lock;
use crate::base::status_file::StatusFile;
use crate::base::telemetry::Snapshot;
use crate::event_log::append::head;
use crate::event_log::read::{EventReader, first_received_since};
use crate::read_model;
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError, all, first};

/// The daemon's own account is old after this; it writes one every few seconds.
const STALE_NS: i64 = MINUTE_NS;
/// Free space below which the box soon stops storing.
const FREE_RED_BYTES: u64 = 256 * 1_024 * 1_024;
/// Free space below which somebody should make room.
const FREE_WARN_BYTES: u64 = 2 * 1_024 * 1_024 * 1_024;
/// A WAL that grew past this is not being moved into the database (a reader holds it back).
const WAL_WARN_BYTES: u64 = 512 * 1_024 * 1_024;

const EXAMPLES: &str = "\
Examples:
  nightjar status
  nightjar status --json | jq -r .health.state      ok, warn or red";

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// How the box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// All is well.
    Ok,
    /// Somebody should look.
    Warn,
    /// Events or recordings are being lost, or soon will be.
    Red,
}

#[derive(Debug, Serialize)]
struct Status {
    health: Verdict,
    version: &'static str,
    folder: String,
    daemon: Daemon,
    database: Files,
    events: Events,
    projections: Vec<Projection>,
    recordings: BTreeMap<String, i64>,
    dead_letters: i64,
    connected: BTreeMap<String, bool>,
    /// How far the models are, in a line for people.
    models: Option<String>,
    counters: Option<Snapshot>,
    counters_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Verdict {
    state: Health,
    reasons: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Daemon {
    running: bool,
    pid: Option<u32>,
}

#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the unit belongs to the name in the JSON"
)]
struct Files {
    size_bytes: u64,
    wal_bytes: u64,
    free_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Events {
    head: i64,
    last_hour: i64,
    last_24_hours: i64,
    last: Option<Last>,
}

#[derive(Debug, Serialize)]
struct Last {
    position: i64,
    kind: &'static str,
    occurred_at: String,
    received_at: String,
    sentence: String,
    #[serde(skip)]
    at: UnixNanos,
}

#[derive(Debug, Serialize)]
struct Projection {
    name: &'static str,
    /// As folded; none when it never was.
    version: Option<i64>,
    program_version: i64,
    checkpoint: i64,
    lag_events: i64,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let now = context.clock.now();
    let mut database = folder::open_reader(&context.folder)?;
    let (status, told) = gather(&context.folder, &mut database, now)?;
    if args.json {
        let text = serde_json::to_string_pretty(&status)
            .map_err(|error| CliError::new(super::exit::Exit::Bug, error.to_string()))?;
        return Ok(writeln!(context.out, "{text}")?);
    }
    Ok(show(&status, told.as_ref(), now, context)?)
}

fn gather(
    folder: &Path,
    database: &mut Database,
    now: UnixNanos,
) -> Result<(Status, Option<StatusFile>), CliError> {
    let mut trouble = Trouble::default();
    let told = StatusFile::read(folder).unwrap_or_else(|error| {
        trouble.warn(format!("status.json cannot be read: {error}"));
        None
    });
    let pid = lock::holder(folder);
    let database_path = folder.join(folder::DATABASE_FILE);
    let mut session = database.snapshot()?;
    let events = events(&mut session, now, &mut trouble)?;
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        folder: folder.display().to_string(),
        daemon: Daemon {
            running: pid.is_some(),
            pid: pid.filter(|pid| *pid != 0),
        },
        database: Files {
            size_bytes: size(&database_path),
            wal_bytes: size(&folder.join(format!("{}-wal", folder::DATABASE_FILE))),
            free_bytes: free_bytes(folder),
        },
        projections: projections(&mut session, events.head)?,
        recordings: all(
            &mut session,
            "SELECT state, count(*) FROM recordings GROUP BY state",
            &[],
            |row| Ok((row.text(0)?.to_owned(), row.int(1)?)),
        )?
        .into_iter()
        .collect(),
        dead_letters: first(
            &mut session,
            "SELECT count(*) FROM dead_letters WHERE state = 'parked'",
            &[],
            |row| row.int(0),
        )?
        .unwrap_or(0),
        connected: told
            .as_ref()
            .map(|told| told.connected.clone())
            .unwrap_or_default(),
        models: told.as_ref().and_then(|told| told.models.clone()),
        counters: told.as_ref().map(|told| told.counters.clone()),
        counters_at: told.as_ref().and_then(|told| told.updated_at).map(rfc3339),
        events,
        health: Verdict {
            state: Health::Ok,
            reasons: Vec::new(),
        },
    };
    judge(&status, told.as_ref(), now, &mut trouble);
    let health = trouble.verdict();
    Ok((Status { health, ..status }, told))
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn events(
    session: &mut dyn Session,
    now: UnixNanos,
    trouble: &mut Trouble,
) -> Result<Events, StorageError> {
    let head = head(session)?;
    let last = match EventReader::new().at(session, head) {
        Ok(event) => event,
        Err(StorageError::Unreadable(reason)) => {
            trouble.warn(format!("the last event cannot be read: {reason}"));
            None
        }
        Err(error) => return Err(error),
    };
    let mut since = |span| -> Result<i64, StorageError> {
        Ok(head + 1 - first_received_since(session, now - span)?)
    };
    Ok(Events {
        head,
        last_hour: since(HOUR_NS)?,
        last_24_hours: since(DAY_NS)?,
        last: last.map(|event| Last {
            position: event.position,
            kind: event.kind().name(),
            occurred_at: rfc3339(event.occurred_at),
            received_at: rfc3339(event.received_at),
            sentence: crate::event::sentence::sentence(&event),
            at: event.received_at,
        }),
    })
}

fn projections(session: &mut dyn Session, head: i64) -> Result<Vec<Projection>, StorageError> {
    let known = all(
        session,
        "SELECT name, version, checkpoint FROM projections",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.int(2)?)),
    )?;
    let row = |projection: &read_model::Projection| {
        let found = known.iter().find(|(name, ..)| name == projection.name);
        let checkpoint = found.map_or(0, |(.., checkpoint)| *checkpoint);
        Projection {
            name: projection.name,
            version: found.map(|(_, version, _)| *version),
            program_version: projection.version,
            checkpoint,
            lag_events: head - checkpoint,
        }
    };
    Ok(read_model::ALL.iter().map(row).collect())
}

/// What is wrong, and how bad it is.
#[derive(Debug, Default)]
struct Trouble(Vec<(Health, String)>);

impl Trouble {
    fn warn(&mut self, reason: impl Into<String>) {
        self.0.push((Health::Warn, reason.into()));
    }

    fn red(&mut self, reason: impl Into<String>) {
        self.0.push((Health::Red, reason.into()));
    }

    fn verdict(mut self) -> Verdict {
        self.0.sort_by_key(|(health, _)| std::cmp::Reverse(*health));
        Verdict {
            state: self.0.first().map_or(Health::Ok, |(health, _)| *health),
            reasons: self.0.into_iter().map(|(_, reason)| reason).collect(),
        }
    }
}

fn judge(status: &Status, told: Option<&StatusFile>, now: UnixNanos, trouble: &mut Trouble) {
    if status.daemon.running {
        judge_daemon(told, now, trouble);
    } else {
        trouble.red("the daemon is not running: nothing is being stored; start it");
    }
    match status.database.free_bytes {
        Some(free) if free < FREE_RED_BYTES => {
            trouble.red(format!(
                "only {} of disk are left",
                human_bytes(free as i64)
            ));
        }
        Some(free) if free < FREE_WARN_BYTES => {
            trouble.warn(format!(
                "only {} of disk are left",
                human_bytes(free as i64)
            ));
        }
        Some(_) => {}
        None => trouble.warn("the free disk space cannot be told"),
    }
    if status.database.wal_bytes > WAL_WARN_BYTES {
        trouble.warn("the WAL is large: a reader that never ends holds it back");
    }
    let behind: Vec<_> = status
        .projections
        .iter()
        .filter(|projection| projection.lag_events != 0)
        .map(|projection| projection.name)
        .collect();
    if !behind.is_empty() {
        let names = behind.join(", ");
        trouble.warn(format!(
            "behind the event log: {names}; starting the daemon catches up"
        ));
    }
    let other: Vec<_> = status
        .projections
        .iter()
        .filter(|projection| projection.version != Some(projection.program_version))
        .map(|projection| projection.name)
        .collect();
    if !other.is_empty() {
        let names = other.join(", ");
        trouble.warn(format!(
            "of another version: {names}; the next start rebuilds them"
        ));
    }
    if let Some(failed) = status.recordings.get("failed").filter(|count| **count > 0) {
        trouble.warn(format!(
            "{failed} recordings could not be sealed and lie open; see `nightjar query recordings`"
        ));
    }
    if status.dead_letters > 0 {
        let count = grouped(status.dead_letters);
        trouble.warn(format!(
            "{count} dead letters; see `nightjar dead-letters list`"
        ));
    }
}

fn judge_daemon(told: Option<&StatusFile>, now: UnixNanos, trouble: &mut Trouble) {
    let Some(told) = told else {
        return;
    };
    if let Some(at) = told.updated_at
        && now.saturating_sub(at) > STALE_NS
    {
        let ago = human_span(now - at);
        return trouble.warn(format!("the daemon has told nothing of itself for {ago}"));
    }
    let cut: Vec<_> = told
        .connected
        .iter()
        .filter(|(_, connected)| !**connected)
        .map(|(family, _)| family.as_str())
        .collect();
    if !cut.is_empty() {
        let names = cut.join(", ");
        trouble.red(format!("not connected to the broker: {names}"));
    }
    // All families of an absent broker say the same; once is enough.
    let reasons: BTreeSet<_> = told.trouble.values().collect();
    for reason in reasons {
        trouble.red(reason);
    }
    for warning in told.warnings.values() {
        trouble.warn(warning);
    }
    if told.counters.subscriptions_refused > 0 {
        trouble.red("the broker refused subscriptions; see `nightjar query system_events`");
    }
}

fn show(
    status: &Status,
    told: Option<&StatusFile>,
    now: UnixNanos,
    context: &mut Context<'_>,
) -> std::io::Result<()> {
    let screen = context.screen;
    let (word, ink) = match status.health.state {
        Health::Ok => ("all is well", Ink::Good),
        Health::Warn => ("somebody should look", Ink::Warning),
        Health::Red => ("trouble", Ink::Worst),
    };
    let out = &mut *context.out;
    writeln!(
        out,
        "nightjar {}: {}",
        status.version,
        screen.paint(ink, word)
    )?;
    for reason in &status.health.reasons {
        writeln!(out, "  - {}", visible(reason))?;
    }
    writeln!(out)?;
    let mut grid = Grid::new(screen);
    for (name, text) in facts(status, told, now, &context.zone) {
        grid.row(vec![name.to_owned(), visible(&text).into_owned()]);
    }
    grid.write(out)?;
    let Some(told) = told else {
        return Ok(());
    };
    let counted = told
        .counters
        .rows()
        .into_iter()
        .filter(|(_, count)| *count > 0);
    let mut grid = Grid::new(screen);
    grid.align_right(1);
    let heading = if status.daemon.running {
        "since its start"
    } else {
        "in its last run"
    };
    grid.head(vec![heading.to_owned(), String::new()]);
    let mut rows = 0;
    for (name, count) in counted {
        rows += 1;
        grid.row(vec![name.replace('_', " "), grouped(count as i64)]);
    }
    if rows > 0 {
        writeln!(out)?;
        grid.write(out)?;
    }
    Ok(())
}

fn facts(
    status: &Status,
    told: Option<&StatusFile>,
    now: UnixNanos,
    zone: &jiff::tz::TimeZone,
) -> Vec<(&'static str, String)> {
    let files = &status.database;
    let events = &status.events;
    let mut facts = vec![
        ("folder", status.folder.clone()),
        (
            "daemon",
            match (status.daemon.running, status.daemon.pid) {
                (true, Some(pid)) => format!("running, process {pid}"),
                (true, None) => "running".to_owned(),
                (false, _) => "not running".to_owned(),
            },
        ),
        (
            "database",
            format!(
                "{}, WAL {}, {} free on the disk",
                human_bytes(files.size_bytes as i64),
                human_bytes(files.wal_bytes as i64),
                files
                    .free_bytes
                    .map_or("?".into(), |free| human_bytes(free as i64)),
            ),
        ),
        (
            "events",
            format!(
                "{}, of the last 24 hours {}, of the last hour {}",
                grouped(events.head),
                grouped(events.last_24_hours),
                grouped(events.last_hour),
            ),
        ),
    ];
    if let Some(last) = &events.last {
        let ago = human_span(now - last.at);
        let at = local(last.at, zone);
        facts.push(("last event", format!("{at} ({ago} ago): {}", last.sentence)));
    }
    let lag = status
        .projections
        .iter()
        .map(|projection| projection.lag_events)
        .max();
    let tables = match lag.unwrap_or(0) {
        0 => format!("{} projections, all at the head", status.projections.len()),
        lag => format!(
            "{} projections, up to {} events behind",
            status.projections.len(),
            grouped(lag)
        ),
    };
    facts.push(("tables", tables));
    let states: Vec<_> = status
        .recordings
        .iter()
        .map(|(state, count)| format!("{} {state}", grouped(*count)))
        .collect();
    let recordings = if states.is_empty() {
        "none".into()
    } else {
        states.join(", ")
    };
    facts.push(("recordings", recordings));
    if let Some(line) = told.and_then(|told| told.recordings_disk.clone()) {
        facts.push(("recordings disk", line));
    }
    if let Some(line) = told.and_then(|told| told.models.clone()) {
        facts.push(("models", line));
    }
    facts.push(("dead letters", grouped(status.dead_letters)));
    if let Some(told) = told.filter(|told| status.daemon.running && !told.connected.is_empty()) {
        let up = told
            .connected
            .values()
            .filter(|connected| **connected)
            .count();
        let all = told.connected.len();
        facts.push(("broker", format!("{up} of {all} topic families connected")));
    }
    facts
}
