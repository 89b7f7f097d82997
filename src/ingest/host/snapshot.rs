//! What ran and who was connected when a trace was made: a follower of the log that answers each
//! new `trace.recorded` of this host with a `trace.snapshot_taken`.
//!
//! It begins with the traces after its start and takes no snapshot of a trace that is older than a
//! minute: what runs now would say nothing about then. Nor does it take one soon after another.

use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::select;

use super::network;
use super::processes::processes;
use super::sample::Proc;
use crate::base::clock::{Clock, MINUTE_NS, SECOND_NS, UnixNanos};
use crate::base::shutdown::Shutdown;
use crate::event::trace::{ConnectionSeen, ProcessSeen, TraceRecorded, TraceSnapshotTaken};
use crate::event::{Envelope, Event, Kind, NewEvent};
use crate::event_log::read::{EventReader, kind_ids};
use crate::storage::StorageError;
use crate::storage::sqlite::Database;
use crate::writer::{Handle, Submission, WriterError};

/// Older traces get no snapshot.
const RECENT_NS: i64 = MINUTE_NS;
/// Processes in one snapshot.
const PROCESSES_MAX: usize = 20;
/// Connections in one snapshot.
const CONNECTIONS_MAX: usize = 50;
/// Strangers bring about traces by the thousand, and a snapshot is kept for ever: what comes so soon
/// after the last one gets none.
const SNAPSHOTS_APART_NS: i64 = 10 * SECOND_NS;
/// Traces per look.
const TRACES_PER_LOOK: usize = 64;
/// Between two looks, so that a burst is answered together.
const LOOK_APART: Duration = Duration::from_millis(100);
/// Before the next try when the database could not be read.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// Longest time between two looks; news wake it before.
const IDLE_PAUSE: Duration = Duration::from_secs(60);
/// The tables of connections, and the name of each one's protocol.
const TABLES: [(&str, &str); 4] = [
    ("net/tcp", "tcp"),
    ("net/tcp6", "tcp6"),
    ("net/udp", "udp"),
    ("net/udp6", "udp6"),
];

/// The follower, to be run on a thread of its own.
#[derive(Debug)]
pub struct Photographer {
    database: PathBuf,
    host: String,
    proc: Proc,
    after: i64,
    taken_at: Option<UnixNanos>,
    writer: Handle,
    clock: Clock,
    shutdown: Shutdown,
}

impl Photographer {
    /// Looks at traces after position `after` only.
    pub fn new(
        database: PathBuf,
        options: &super::Options,
        after: i64,
        writer: Handle,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            database,
            host: options.name.clone(),
            proc: Proc::new(&options.proc),
            after,
            taken_at: None,
            writer,
            clock,
            shutdown,
        }
    }

    /// Runs until the shutdown is signalled or the writer has ended.
    pub fn run(mut self) {
        let news = self.writer.follow();
        let mut reader = None;
        let mut log = EventReader::new();
        loop {
            let pause = match self.look(&mut reader, &mut log) {
                Ok(Ok(())) => LOOK_APART,
                Ok(Err(_)) => return,
                Err(error) => {
                    tracing::warn!(%error, "traces cannot be read; they get no snapshots");
                    if let StorageError::Unreadable(_) = error {
                        self.after = self.writer.head();
                    }
                    reader = None;
                    TROUBLE_PAUSE
                }
            };
            if self.shutdown.wait(pause) {
                return;
            }
            if self.after < self.writer.head() {
                continue;
            }
            select! {
                recv(self.shutdown.signal()) -> _ => return,
                recv(news) -> _ => {}
                default(IDLE_PAUSE) => {}
            }
        }
    }

    /// Answers the traces up to the present end of the log.
    fn look(
        &mut self,
        reader: &mut Option<Database>,
        log: &mut EventReader,
    ) -> Result<Result<(), WriterError>, StorageError> {
        let reader = match reader {
            Some(reader) => reader,
            None => reader.insert(Database::open_reader(&self.database)?),
        };
        let head = self.writer.head();
        let traces = {
            let mut session = reader.snapshot()?;
            let kinds = kind_ids(&mut session, &[Kind::TraceRecorded])?;
            let (after, most) = (self.after, TRACES_PER_LOOK);
            if kinds.is_empty() {
                self.after = head;
                return Ok(Ok(()));
            }
            let (traces, scanned) = log.chunk_of(&mut session, after, head, &kinds, most)?;
            self.after = scanned;
            traces
        };
        let snapshots = self.snapshots(&traces, self.clock.now());
        if snapshots.is_empty() {
            return Ok(Ok(()));
        }
        Ok(self.writer.submit(Submission {
            events: snapshots,
            ..Submission::default()
        }))
    }

    /// The answers to those of this host that are recent.
    fn snapshots(&mut self, traces: &[Envelope], now: UnixNanos) -> Vec<NewEvent> {
        let mut snapshots = Vec::new();
        for envelope in traces {
            let Event::TraceRecorded(trace) = &envelope.event else {
                continue;
            };
            // What an old line tells is over by now.
            let told_at = envelope.occurred_at.min(envelope.received_at);
            let is_recent = now.abs_diff(told_at) <= RECENT_NS as u64;
            if trace.host != self.host || !is_recent || self.took_one(now) {
                continue;
            }
            self.taken_at = Some(now);
            let connections = all_connections(&mut self.proc);
            let taken = TraceSnapshotTaken {
                trace: envelope.position,
                processes: self.processes_of(trace),
                connections: connections_of(&connections, trace),
            };
            let stream = envelope.stream.text.to_string();
            snapshots.push(NewEvent::own(now, stream, taken).caused_by(envelope.position));
        }
        snapshots
    }

    fn took_one(&self, now: UnixNanos) -> bool {
        self.taken_at
            .is_some_and(|taken_at| now.abs_diff(taken_at) < SNAPSHOTS_APART_NS as u64)
    }

    fn processes_of(&mut self, trace: &TraceRecorded) -> Vec<ProcessSeen> {
        let services = trace.service.iter().chain(&trace.related_services);
        let wanted: Vec<String> = services.cloned().collect();
        processes(&mut self.proc, &wanted, PROCESSES_MAX)
    }
}

fn all_connections(proc: &mut Proc) -> Vec<ConnectionSeen> {
    let mut all = Vec::new();
    for (table, protocol) in TABLES {
        if let Ok(text) = proc.text(table) {
            all.extend(network::connections(text, protocol));
        }
    }
    all
}

/// Those with the trace's address first, then those that are open, then the others.
fn connections_of(all: &[ConnectionSeen], trace: &TraceRecorded) -> Vec<ConnectionSeen> {
    let rank = |seen: &&ConnectionSeen| match trace.ip {
        Some(ip) if seen.remote_ip == ip || seen.local_ip == ip => 0,
        _ if seen.state == "ESTABLISHED" => 1,
        _ => 2,
    };
    let mut chosen: Vec<&ConnectionSeen> = all.iter().collect();
    chosen.sort_by_key(rank);
    chosen.into_iter().take(CONNECTIONS_MAX).cloned().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::Path;

    use super::super::super::tests::Bench;
    use super::*;
    use crate::event::trace::Trigger;

    fn trace(bench: &Bench, host: &str) -> NewEvent {
        let trace = TraceRecorded {
            trigger: Trigger::Ban,
            subject: "203.0.113.77".into(),
            host: host.into(),
            severity_score: 50,
            action: None,
            service: Some("sshd".into()),
            user: None,
            ip: Some("203.0.113.77".parse().unwrap()),
            root_cause: None,
            chain: Vec::new(),
            related_services: Vec::new(),
            error: None,
        };
        NewEvent::own(bench.clock.now(), "trace/ban", trace)
    }

    fn photographer(bench: &Bench) -> Photographer {
        let proc = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/proc/linux-6.1");
        let options = super::super::Options {
            proc,
            name: "heron".into(),
            disk: "/".into(),
        };
        let (writer, clock) = (bench.handle(), bench.clock.clone());
        let after = writer.head();
        Photographer::new(
            bench.database(),
            &options,
            after,
            writer,
            clock,
            bench.shutdown.clone(),
        )
    }

    fn snapshots(bench: &Bench) -> Vec<(Option<i64>, TraceSnapshotTaken)> {
        let events = bench.events().into_iter();
        let taken = events.filter_map(|envelope| match envelope.event {
            Event::TraceSnapshotTaken(taken) => Some((envelope.cause, taken)),
            _ => None,
        });
        taken.collect()
    }

    #[test]
    fn a_new_trace_of_this_host_gets_one_snapshot() {
        let mut bench = Bench::new();
        bench.handle().store(vec![trace(&bench, "heron")]).unwrap();
        let photographer = photographer(&bench);
        let thread = std::thread::Builder::new().name("snapshots".into());
        let thread = thread.spawn(move || photographer.run()).unwrap();
        let mut late = trace(&bench, "heron");
        late.received_at -= 2 * RECENT_NS;
        let mut old = trace(&bench, "heron");
        old.occurred_at -= 2 * RECENT_NS;
        let new = vec![
            trace(&bench, "other"),
            late,
            old,
            trace(&bench, "heron"),
            trace(&bench, "heron"),
        ];
        bench.handle().store(new).unwrap();
        bench.until("the snapshot", |bench| {
            (!snapshots(bench).is_empty()).then_some(())
        });
        bench.shutdown.stop();
        thread.join().unwrap();
        bench.stop();
        let taken = snapshots(&bench);
        assert_eq!(taken.len(), 1);
        let (cause, taken) = &taken[0];
        assert_eq!((*cause, taken.trace), (Some(5), 5));
        let names: Vec<_> = taken
            .processes
            .iter()
            .map(|process| process.name.as_str())
            .collect();
        assert_eq!(names[..2], ["sshd", "sshd"]);
        assert!(
            taken
                .processes
                .iter()
                .all(|process| !process.cmdline.contains("hunter2"))
        );
        assert_eq!(taken.connections.len(), 2);
    }

    #[test]
    fn connections_with_the_address_go_first() {
        let bench = Bench::new();
        let proc = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/proc/linux-4.19");
        let all = all_connections(&mut Proc::new(&proc));
        let Event::TraceRecorded(trace) = trace(&bench, "heron").event else {
            unreachable!("it is one");
        };
        let chosen = connections_of(&all, &trace);
        let first: Vec<_> = chosen
            .iter()
            .take(3)
            .map(|seen| seen.state.as_str())
            .collect();
        assert_eq!(first, ["ESTABLISHED", "TIME_WAIT", "ESTABLISHED"]);
        assert_eq!(chosen.len(), all.len());
        assert!(!chosen[2].remote_ip.is_ipv4());
    }
}
