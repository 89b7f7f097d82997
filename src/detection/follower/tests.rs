//! The follower on a real database behind the real writer.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::health::LAG_EVENTS;
use super::save::STATES_AT_ONCE;
use super::*;
use crate::base::clock::MINUTE_NS;
use crate::detection::describe;
use crate::detection::rows::{Row, What};
use crate::detection::tests::{Log, line, usual_hours};
use crate::event::Event;
use crate::event::system::{Level, LogWritten, Started};
use crate::event::trace::IpLocated;
use crate::event_log::read::EventReader;
use crate::read_model;
use crate::storage::sqlite::Durability;
use crate::store::model::{ModelStore as _, Models};
use crate::writer::{self, ModelState, Reactions, StateChange, sabotage::Sabotage};

impl Follower {
    /// Reads so many pieces, and saves if it came to the end; whether it did.
    fn catch_up(&self, pieces: usize) -> bool {
        let mut work = self.load().unwrap();
        let ended = (0..pieces).any(|_| !self.step(&mut work).unwrap());
        if ended {
            self.save(&mut work).unwrap();
        }
        ended
    }
}

/// A writer on a database of its own.
struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
    handle: Option<Handle>,
    thread: Option<std::thread::JoinHandle<Result<(), writer::WriterError>>>,
}

impl Bench {
    fn new(now: UnixNanos) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(now);
        let options = writer::Options {
            path: folder.path().join("nightjar.db"),
            durability: Durability::Scratch,
            cache_kib: 4_096,
            clock: clock.clone(),
            projections: read_model::ALL,
            reactions: Reactions::none(),
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let started =
            writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
        let core = started.writer;
        let thread = std::thread::Builder::new().spawn(move || core.run());
        Self {
            folder,
            clock,
            handle: Some(started.handle),
            thread: Some(thread.unwrap()),
        }
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    fn store(&self, rows: &[Row]) {
        for rows in rows.chunks(1_000) {
            self.handle()
                .store(rows.iter().map(event).collect())
                .unwrap();
        }
    }

    fn reader(&self) -> Database {
        Database::open_reader(&self.folder.path().join("nightjar.db")).unwrap()
    }

    fn follower(&self) -> Follower {
        let options = Options {
            database: self.folder.path().join("nightjar.db"),
            clock: self.clock.clone(),
            sensitivity: Sensitivity::Normal,
            save_every: Duration::from_secs(300),
            rows: 700,
            lines_kept: None,
        };
        Follower::new(options, self.handle().clone(), Shutdown::new())
    }

    /// Text and event of each anomaly in the log.
    fn anomalies(&self) -> Vec<(String, i64)> {
        let mut reader = self.reader();
        let mut session = reader.snapshot().unwrap();
        let events = EventReader::new()
            .after(&mut session, 0, 1_000_000)
            .unwrap();
        let anomalies = events.into_iter().filter_map(|event| match event.event {
            Event::AnomalyDetected(one) => {
                assert_eq!(event.cause, Some(one.event));
                assert_eq!(*event.source.text, *one.subject);
                Some((event.text.unwrap(), one.event))
            }
            _ => None,
        });
        anomalies.collect()
    }

    fn states(&self) -> Vec<(String, Vec<u8>)> {
        let mut states = Vec::new();
        let mut reader = self.reader();
        let mut session = reader.snapshot().unwrap();
        model::for_each(&mut session, |one| states.push((one.key, one.data))).unwrap();
        states
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.handle = None;
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

fn event(row: &Row) -> NewEvent {
    let mut event = match &row.what {
        What::Line(line) => NewEvent::own(
            row.occurred_at,
            format!("log/{}/{}", line.host, line.source),
            LogWritten {
                host: line.host.to_string(),
                source: line.source.to_string(),
                level: Level::Info,
                fields: Arc::default(),
            },
        )
        .with_text("a line"),
        _ => NewEvent::own(
            row.occurred_at,
            "system/nightjar",
            Started::of_this_process(),
        ),
    };
    event.received_at = row.received_at;
    event
}

/// Floods of three sources, hours apart, one with a doubling, a start in between, and the time of the
/// last row.
fn floods() -> (Vec<Row>, UnixNanos) {
    let (mut log, start) = usual_hours();
    for minute in start..start + 600 {
        let since = minute - start;
        if since == 300 {
            log.push(minute, What::Start);
        }
        for (number, source) in ["nginx", "sshd", "cron"].into_iter().enumerate() {
            let lines = match since - 100 * (number as i64 + 1) {
                0..4 => 150,
                4 => 700,
                _ => 4,
            };
            log.lines(minute, source, lines);
        }
    }
    let end = log.0.last().unwrap().received_at;
    (log.0, end)
}

#[test]
fn kills_anywhere_tell_the_same_once() {
    let (rows, end) = floods();
    let whole = Bench::new(end);
    assert!(whole.follower().catch_up(1), "an empty log");
    whole.store(&rows);
    assert!(whole.follower().catch_up(usize::MAX));
    let told = whole.anomalies();
    let of = |source: &str| {
        told.iter()
            .filter(|(text, _)| text.starts_with(source))
            .count()
    };
    assert_eq!(
        (of("nginx "), of("sshd "), of("cron ")),
        (2, 2, 2),
        "{told:?}"
    );

    let killed = Bench::new(end);
    assert!(killed.follower().catch_up(1));
    killed.store(&rows);
    // Each ends without saving, but for some that save halfway.
    for pieces in 1..16 {
        let follower = killed.follower();
        let mut work = follower.load().unwrap();
        for piece in 0..pieces {
            follower.step(&mut work).unwrap();
            if pieces % 5 == 0 && piece == pieces / 2 {
                follower.save(&mut work).unwrap();
            }
        }
    }
    assert!(killed.follower().catch_up(usize::MAX));
    assert!(killed.follower().catch_up(usize::MAX), "and nothing again");
    assert_eq!(killed.anomalies(), told);
    assert_eq!(killed.states(), whole.states());
}

#[test]
fn of_an_old_log_the_last_days_are_learned_and_nothing_is_told() {
    let (rows, end) = floods();
    let bench = Bench::new(end + (LEARN_DAYS + 1) * DAY_NS);
    bench.store(&rows);
    assert!(bench.follower().catch_up(usize::MAX));
    let keys: Vec<_> = bench.states().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["clock:global"], "all of it is too old");

    let bench = Bench::new(end + DAY_NS);
    bench.store(&rows);
    assert!(bench.follower().catch_up(usize::MAX));
    assert_eq!(bench.anomalies(), []);
    assert_eq!(bench.states().len(), 1 + 3 + 1 + 1 + 1);
}

#[test]
fn what_came_after_the_first_start_is_told_even_if_that_was_killed_at_once() {
    let (rows, end) = floods();
    let bench = Bench::new(end);
    let half = rows.len() / 2;
    bench.store(&rows[..half]);
    bench.follower().load().unwrap();
    bench.store(&rows[half..]);
    assert!(bench.follower().catch_up(usize::MAX));
    let told = bench.anomalies();
    assert!(!told.is_empty());
    assert!(
        told.iter().all(|(_, event)| *event > half as i64),
        "{told:?}"
    );
}

#[test]
fn how_it_goes_is_told_and_a_lag_is_a_warning() {
    assert_eq!(Health::default().as_of(9).line(), "not begun yet");
    let health = |behind| {
        let begun = Health {
            models: 4,
            position: Some(7),
            ..Health::default()
        };
        begun.as_of(7 + behind)
    };
    assert_eq!(health(0).line(), "4 models, at the head");
    assert_eq!(health(1).line(), "4 models, 1 event behind");
    assert_eq!(health(LAG_EVENTS).warning(), None);
    let warning = health(LAG_EVENTS + 1).warning().unwrap();
    assert!(
        warning.starts_with("the models are 100001 events behind"),
        "{warning}"
    );
    let (rows, end) = floods();
    let bench = Bench::new(end);
    bench.store(&rows);
    let follower = bench.follower();
    let mut work = follower.load().unwrap();
    follower.step(&mut work).unwrap();
    let health = || {
        let health = follower.health().lock().unwrap().clone();
        health.as_of(bench.handle().head())
    };
    assert_eq!(health().position, Some(700));
    assert_eq!(health().behind, rows.len() as i64 - 700);
    while follower.step(&mut work).unwrap() {}
    let health = health();
    assert_eq!((health.behind, health.models, health.told), (0, 6, 0));
}

#[test]
fn a_model_that_was_removed_begins_anew_and_others_keep_theirs() {
    let (rows, end) = floods();
    let bench = Bench::new(end);
    let foreign = b"of somebody else".as_slice();
    let mut reader = bench.reader();
    let mut store = Models {
        reader: &mut reader,
        writer: bench.handle(),
    };
    store.save_state("markov:user:ada", foreign, 7).unwrap();
    bench.store(&rows);
    let follower = bench.follower();
    let mut work = follower.load().unwrap();
    while follower.step(&mut work).unwrap() {}
    follower.save(&mut work).unwrap();
    let gone = StateChange::ModelsSaved {
        states: Vec::new(),
        gone: vec!["hw:source:sshd".into()],
        position: 0,
    };
    bench.handle().change(gone).unwrap();
    let mut log = Log::default();
    let later = end / MINUTE_NS + 5;
    log.push(later, line("heron", "nginx", 0));
    bench.store(&log.0);
    follower.step(&mut work).unwrap();
    follower.save(&mut work).unwrap();
    let keys: Vec<_> = bench.states().into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "clock:global",
            "cusum:global",
            "hst:host:heron",
            "hw:source:cron",
            "hw:source:nginx",
            "markov:host:heron",
            "markov:user:ada",
        ]
    );
    log.0.clear();
    log.push(later + 1, line("heron", "sshd", 0));
    log.push(later + 5, line("heron", "sshd", 0));
    bench.store(&log.0);
    follower.step(&mut work).unwrap();
    follower.save(&mut work).unwrap();
    let (data, _) = store.load_state("hw:source:sshd").unwrap().unwrap();
    let told = describe("hw:source:sshd", &data, Sensitivity::Normal);
    assert_eq!(told.unwrap().unwrap().1, 2, "minutes since it was heard of");
    let kept = store.load_state("markov:user:ada").unwrap();
    assert_eq!(kept, Some((foreign.to_vec(), 7)));
}

#[test]
fn a_position_past_the_head_is_of_another_log() {
    let bench = Bench::new(0);
    let mut reader = bench.reader();
    let mut store = Models {
        reader: &mut reader,
        writer: bench.handle(),
    };
    store.save_state("clock:global", b"", 1_000).unwrap();
    assert!(bench.follower().catch_up(1));
    let (_, position) = store.load_state("clock:global").unwrap().unwrap();
    assert_eq!(position, 0);
}

#[test]
fn after_a_long_time_what_is_old_is_left_out_and_models_keep_what_they_know() {
    let (rows, end) = floods();
    let half = rows.len() / 2;
    let run = |later: i64, lines_kept: Option<Duration>| {
        let bench = Bench::new(end + later * DAY_NS);
        bench.store(&rows[..half]);
        assert!(bench.follower().catch_up(usize::MAX));
        bench.store(&rows[half..]);
        let mut follower = bench.follower();
        follower.options.lines_kept = lines_kept;
        // Where it goes on stands in the table at once.
        let position = follower.load().unwrap().position;
        assert!(bench.follower().catch_up(usize::MAX));
        (position, bench.anomalies().len(), bench.states().len())
    };
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let (position, told, models) = run(LEARN_DAYS - 1, None);
    assert_eq!(position, half as i64);
    assert!(told > 0);
    assert_eq!(models, 1 + 3 + 1 + 1 + 1);
    assert_eq!(run(LEARN_DAYS - 1, days(30)), (position, told, models));
    let end = rows.len() as i64;
    assert_eq!(run(8, days(7)), (end, 0, models), "no lines any more");
    assert_eq!(run(LEARN_DAYS + 1, None), (end, 0, 1));
}

#[test]
fn many_models_are_saved_in_pieces_and_a_kill_between_two_costs_nothing() {
    let (mut log, start) = usual_hours();
    for minute in start..start + 6 {
        for source in 0..2 * STATES_AT_ONCE {
            log.lines(minute, &format!("app-{source}"), 2);
        }
    }
    let end = log.0.last().unwrap().received_at;
    let bench = Bench::new(end);
    assert!(bench.follower().catch_up(1));
    bench.store(&log.0);
    let follower = bench.follower();
    let mut work = follower.load().unwrap();
    assert!(follower.step(&mut work).unwrap());
    follower.save(&mut work).unwrap();
    while follower.step(&mut work).unwrap() {}
    // The first piece of the next saving, and no more.
    let piece = work.watch.states().take(STATES_AT_ONCE);
    let states = piece.map(|(key, data)| ModelState {
        key,
        data,
        is_known: false,
    });
    let mut reader = bench.reader();
    let mut models = Models {
        reader: &mut reader,
        writer: bench.handle(),
    };
    let states = states.collect();
    models.save_all(states, Vec::new(), work.position).unwrap();
    let mut expected: Vec<_> = work.watch.states().collect();
    expected.sort();
    drop(work);
    assert!(bench.follower().catch_up(usize::MAX));
    assert_eq!(bench.states(), expected);
}

#[test]
fn only_what_changed_is_saved_again() {
    let mut log = Log::default();
    let minute = 29_000_000;
    log.push(minute, line("wren", "app", 0));
    let bench = Bench::new(minute * MINUTE_NS);
    bench.store(&log.0);
    let follower = bench.follower();
    let mut work = follower.load().unwrap();
    follower.step(&mut work).unwrap();
    follower.save(&mut work).unwrap();
    log.0.clear();
    log.push(minute, line("heron", "app", 0));
    bench.store(&log.0);
    follower.step(&mut work).unwrap();
    follower.save(&mut work).unwrap();
    let mut positions = Vec::new();
    let mut reader = bench.reader();
    let mut session = reader.snapshot().unwrap();
    model::for_each(&mut session, |one| positions.push((one.key, one.position))).unwrap();
    let at = |key: &str, position: i64| (key.to_owned(), position);
    assert_eq!(
        positions,
        [
            at("clock:global", 2),
            at("markov:host:heron", 2),
            at("markov:host:wren", 1)
        ]
    );
}

#[test]
fn what_the_program_does_of_itself_is_not_counted() {
    let bench = Bench::new(0);
    let located = IpLocated {
        ip: "192.0.2.7".parse().unwrap(),
        country_code: None,
        city: None,
        asn: None,
    };
    let located = NewEvent::own(0, "ip/192.0.2.7", located);
    bench.handle().store(vec![located]).unwrap();
    let mut log = Log::default();
    log.push(0, line("wren", "app", 0));
    log.push(0, What::Start);
    bench.store(&log.0);
    let mut reader = bench.reader();
    let mut session = reader.snapshot().unwrap();
    let rows = RowReader::default().after(&mut session, 0, 9).unwrap();
    assert!(
        matches!(
            rows.iter().map(|row| &row.what).collect::<Vec<_>>()[..],
            [What::Own, What::Line(_), What::Start]
        ),
        "{rows:?}"
    );
}
