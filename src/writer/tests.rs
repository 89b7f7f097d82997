//! The writer's promises, each alone: what was answered is stored once, positions have no gaps,
//! the log cannot be changed, nobody waits for ever.
#![allow(clippy::unwrap_used, reason = "tests")]

mod change;

use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::thread::JoinHandle;

use super::*;
use crate::base::ids::message_hash;
use crate::event::message::Unmapped;
use crate::event::{Envelope, Kind};
use crate::event_log::dedupe::DELIVERY_WINDOW;
use crate::event_log::read::{Bounds, EventReader};
use crate::read_model;
use crate::storage::{Session, all};

const NOW: i64 = 1_795_132_800_000_000_000;
const FAMILY: &str = "camera";
const FIRST: Uuid = Uuid::from_u128(1);
const SECOND: Uuid = Uuid::from_u128(2);

struct Bench {
    folder: tempfile::TempDir,
    projections: &'static [Projection],
    reactions: Reactions,
    telemetry: Arc<Telemetry>,
    handle: Option<Handle>,
    thread: Option<JoinHandle<Result<(), WriterError>>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(read_model::ALL)
    }

    fn with(projections: &'static [Projection]) -> Self {
        Self::of(projections, Reactions::none())
    }

    fn with_reactors(reactors: &'static [crate::reactor::Reactor]) -> Self {
        let settings = Arc::default();
        Self::of(read_model::ALL, Reactions { reactors, settings })
    }

    fn of(projections: &'static [Projection], reactions: Reactions) -> Self {
        let mut bench = Self {
            folder: tempfile::tempdir().unwrap(),
            projections,
            reactions,
            telemetry: Arc::default(),
            handle: None,
            thread: None,
        };
        bench.start();
        bench
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("nightjar.db")
    }

    fn prepare(&self) -> Started {
        let options = Options {
            path: self.path(),
            durability: Durability::Scratch,
            cache_kib: 8_192,
            clock: Clock::fixed(NOW),
            projections: self.projections,
            reactions: self.reactions.clone(),
            tick_every: None,
            sabotage: sabotage::Sabotage::NONE,
        };
        let telemetry = Arc::clone(&self.telemetry);
        start(options, telemetry, Shutdown::new(), &mut |_, _, _| {}).unwrap()
    }

    fn start(&mut self) {
        let Started { handle, writer, .. } = self.prepare();
        self.handle = Some(handle);
        let thread = std::thread::Builder::new().name("writer".into());
        self.thread = Some(thread.spawn(move || writer.run()).unwrap());
    }

    fn stop(&mut self) -> Result<(), WriterError> {
        self.handle = None;
        self.thread.take().unwrap().join().unwrap()
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    fn ask(&self, mut submission: Submission) -> Receipt {
        let (reply, answer) = bounded(1);
        submission.reply = Reply::Once(reply);
        self.handle().submit(submission).unwrap();
        answer.recv().unwrap()
    }

    fn ints(&self, sql: &'static str) -> Vec<i64> {
        let mut reader = Database::open_reader(&self.path()).unwrap();
        all(&mut reader.snapshot().unwrap(), sql, &[], |row| row.int(0)).unwrap()
    }

    fn kinds(&self) -> Vec<String> {
        let mut reader = Database::open_reader(&self.path()).unwrap();
        let sql = "SELECT n.name FROM event_log e JOIN names n ON n.id = e.kind ORDER BY position";
        let mut session = reader.snapshot().unwrap();
        all(&mut session, sql, &[], |row| Ok(row.text(0)?.to_owned())).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.handle = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn event(content: &str) -> NewEvent {
    let payload = content.as_bytes().to_vec();
    let mut event = NewEvent::own(NOW, "topic/t", Unmapped { payload });
    event.topic = Some("t".into());
    event
}

fn delivery(session: Uuid, packet_id: u16, content: &str, dup: bool) -> Submission {
    Submission {
        events: vec![event(content)],
        delivery: Some(Delivery {
            family: FAMILY,
            session,
            packet_id,
            dup,
            hash: message_hash("t", content.as_bytes()),
        }),
        ..Submission::default()
    }
}

fn opening(uuid: Uuid) -> Submission {
    Submission {
        opening: Some(SessionOpening {
            family: FAMILY,
            uuid,
            filters: "t/#".into(),
            replaces_lost: true,
        }),
        ..Submission::default()
    }
}

fn stored(position: i64) -> Receipt {
    Receipt::Stored(vec![position])
}

#[test]
fn a_redelivery_is_known_by_packet_id_content_and_session_together() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask(delivery(FIRST, 5, "a", false)), stored(1));
    assert_eq!(
        bench.ask(delivery(FIRST, 5, "a", true)),
        Receipt::Duplicate(1)
    );
    // Each part alone is no proof.
    assert_eq!(
        bench.ask(delivery(FIRST, 6, "a", true)),
        stored(2),
        "another packet id"
    );
    assert_eq!(
        bench.ask(delivery(FIRST, 5, "b", true)),
        stored(3),
        "other content"
    );
    assert_eq!(
        bench.ask(delivery(FIRST, 5, "b", false)),
        stored(4),
        "not said to be a redelivery"
    );
    bench.stop().unwrap();
    bench.start();
    assert_eq!(
        bench.ask(delivery(FIRST, 5, "b", true)),
        Receipt::Duplicate(4),
        "after a restart"
    );
    assert_eq!(bench.telemetry.duplicates_redelivered.get(), 2);
    assert_eq!(bench.telemetry.events_appended.get(), 4);
}

#[test]
fn a_new_session_knows_no_packet_ids_of_the_old_one() {
    let bench = Bench::new();
    bench.ask(opening(FIRST));
    bench.ask(delivery(FIRST, 5, "a", false));
    bench.ask(opening(FIRST));
    assert_eq!(
        bench.ask(delivery(FIRST, 5, "a", true)),
        Receipt::Duplicate(2),
        "the session went on"
    );
    bench.ask(opening(SECOND));
    assert_eq!(bench.ask(delivery(SECOND, 5, "a", true)), stored(4));
    assert_eq!(
        bench.kinds(),
        [
            "broker.session_started",
            "message.unmapped",
            "broker.session_lost",
            "message.unmapped"
        ]
    );
    assert_eq!(bench.ints("SELECT deliveries FROM mqtt_sessions"), [1]);
}

#[test]
fn the_window_of_redeliveries_ends_exactly_where_it_says() {
    let bench = Bench::new();
    assert_eq!(bench.ask(delivery(FIRST, 1, "a", false)), stored(1));
    for packet_id in 2..=DELIVERY_WINDOW as u16 {
        bench
            .handle()
            .submit(delivery(FIRST, packet_id, "x", false))
            .unwrap();
    }
    bench.handle().barrier().unwrap();
    assert_eq!(bench.handle().head(), DELIVERY_WINDOW);
    assert_eq!(
        bench.ask(delivery(FIRST, 1, "a", true)),
        Receipt::Duplicate(1),
        "the oldest in it"
    );
    bench.ask(delivery(FIRST, 60_000, "y", false));
    assert_eq!(
        bench.ask(delivery(FIRST, 1, "a", true)),
        stored(DELIVERY_WINDOW + 2),
        "one too old"
    );
    // It counts as a delivery of its own from here on.
    assert_eq!(
        bench.ask(delivery(FIRST, 1, "a", true)),
        Receipt::Duplicate(DELIVERY_WINDOW + 2)
    );
}

#[test]
fn a_repeat_known_by_its_id_is_a_delivery_too() {
    let bench = Bench::new();
    let with_id = |packet_id, dup| Submission {
        publisher_id: Some(PublisherId {
            id: "7".into(),
            hash: message_hash("t", b"a"),
        }),
        ..delivery(FIRST, packet_id, "a", dup)
    };
    assert_eq!(bench.ask(with_id(1, false)), stored(1));
    assert_eq!(bench.ask(with_id(2, false)), Receipt::Duplicate(1));
    assert_eq!(bench.ask(with_id(2, true)), Receipt::Duplicate(1));
    assert_eq!(bench.ints("SELECT count(*) FROM event_log"), [1]);
    assert_eq!(bench.telemetry.duplicates_by_id.get(), 1);
    assert_eq!(bench.telemetry.duplicates_redelivered.get(), 1);
}

#[test]
fn an_id_is_good_within_its_topic() {
    let bench = Bench::new();
    let on = |topic: &str| {
        let mut event = event("a");
        event.topic = Some(topic.into());
        Submission {
            events: vec![event],
            publisher_id: Some(PublisherId {
                id: "7".into(),
                hash: message_hash(topic, b"a"),
            }),
            ..Submission::default()
        }
    };
    assert_eq!(bench.ask(on("one")), stored(1));
    assert_eq!(bench.ask(on("two")), stored(2));
    assert_eq!(bench.ask(on("one")), Receipt::Duplicate(1));
}

#[test]
fn the_log_takes_no_update_no_delete_no_overwrite_and_no_gap() {
    let mut bench = Bench::new();
    bench.handle().store(vec![event("a"), event("b")]).unwrap();
    bench.stop().unwrap();
    let mut database = Database::open_writer(&bench.path(), sqlite::Options::default()).unwrap();
    for (sql, reason) in [
        (
            "UPDATE event_log SET text = 'x' WHERE position = 1",
            "append-only",
        ),
        ("DELETE FROM event_log WHERE position = 2", "append-only"),
        ("DELETE FROM event_log", "append-only"),
        (
            "INSERT OR REPLACE INTO event_log SELECT position, kind, version, 0, 0, stream, source, \
             topic, flags, cause, text, body FROM event_log WHERE position = 1",
            "append-only",
        ),
        (
            "INSERT INTO event_log SELECT position, kind, version, 0, 0, stream, source, topic, \
             flags, cause, text, body FROM event_log WHERE position = 1",
            "UNIQUE",
        ),
    ] {
        let mut session = database.begin().unwrap();
        let error = session.write(sql, &[]).unwrap_err();
        assert!(matches!(error, StorageError::Refused(_)), "{sql}: {error}");
        assert!(error.to_string().contains(reason), "{sql}: {error}");
    }
    // A batch is closed only over positions without a gap, up to the head.
    for (beyond, is_taken) in [(2, false), (-3, false), (1, true)] {
        let mut session = database.begin().unwrap();
        session
            .write(
                "INSERT INTO event_log SELECT position + ?1, kind, version, 0, 0, stream, source, \
                 topic, flags, cause, text, body FROM event_log WHERE position = 2",
                crate::values![beyond],
            )
            .unwrap();
        let closed = session.write("INSERT INTO batches VALUES (3, 3, 0)", &[]);
        assert_eq!(closed.is_ok(), is_taken, "{beyond}: {closed:?}");
        if let Err(error) = closed {
            assert!(
                error.to_string().contains("no gaps and no overwrites"),
                "{error}"
            );
        }
    }
}

static FAILURES_LEFT: AtomicU32 = AtomicU32::new(0);

/// Fails as a full disk does, as often as it is told to.
fn flaky(_: &mut dyn Session, _: &[Envelope]) -> Result<(), StorageError> {
    let left = FAILURES_LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    });
    match left {
        Ok(_) => Err(StorageError::Full("told to".into())),
        Err(_) => Ok(()),
    }
}

#[test]
fn positions_have_no_gaps_after_failures() {
    const WITH_FLAKY: &[Projection] = &[Projection {
        name: "flaky",
        version: 1,
        tables: &[],
        kinds: Some(&[Kind::MessageUnmapped]),
        fold: flaky,
    }];
    let bench = Bench::with(WITH_FLAKY);
    for round in 0..3 {
        FAILURES_LEFT.store(round, Ordering::SeqCst);
        let receipt = bench
            .handle()
            .store(vec![event("a"), event("new name")])
            .unwrap();
        let first = i64::from(round) * 2 + 1;
        assert_eq!(receipt, Receipt::Stored(vec![first, first + 1]));
    }
    assert_eq!(bench.telemetry.batches_retried.get(), 3);
    assert_eq!(bench.telemetry.batches_committed.get(), 3);
    assert_eq!(bench.telemetry.events_appended.get(), 6);
    assert_eq!(
        bench.ints("SELECT position FROM event_log ORDER BY 1"),
        [1, 2, 3, 4, 5, 6]
    );
    assert_eq!(
        bench.ints("SELECT first_position FROM batches ORDER BY 1"),
        [1, 3, 5]
    );
    assert_eq!(
        bench.ints("SELECT last_position FROM batches ORDER BY 1"),
        [2, 4, 6]
    );
    assert_eq!(bench.ints("SELECT checkpoint FROM projections"), [6]);
}

#[test]
fn a_submitter_is_told_how_many_are_settled_and_woken_after_the_commit() {
    let bench = Bench::new();
    let (woken, wakes) = crossbeam_channel::unbounded();
    let path = bench.path();
    let settled = Arc::new(Settled::new(move || {
        let mut reader = Database::open_reader(&path).unwrap();
        let head = crate::event_log::append::head(&mut reader.snapshot().unwrap()).unwrap();
        woken.send(head).unwrap();
    }));
    for content in ["a", "b", "c"] {
        let submission = Submission {
            reply: Reply::Settle(Arc::clone(&settled)),
            ..delivery(FIRST, 1, content, false)
        };
        bench.handle().submit(submission).unwrap();
    }
    // A duplicate is settled as well.
    let again = Submission {
        reply: Reply::Settle(Arc::clone(&settled)),
        ..delivery(FIRST, 1, "c", true)
    };
    bench.handle().submit(again).unwrap();
    bench.handle().barrier().unwrap();
    assert_eq!(settled.count(), 4);
    let heads: Vec<i64> = wakes.try_iter().collect();
    assert!(!heads.is_empty() && heads.len() <= 4, "{heads:?}");
    assert_eq!(heads.last(), Some(&3));
    assert_eq!(bench.handle().head(), 3);
}

#[test]
fn a_batch_takes_what_waits_and_no_more_than_its_bound() {
    let bench = Bench::new();
    bench.handle().barrier().unwrap();
    let submitted = 10_000;
    for _ in 0..submitted {
        let submission = Submission {
            events: vec![event("a")],
            ..Submission::default()
        };
        bench.handle().submit(submission).unwrap();
    }
    bench.handle().barrier().unwrap();
    let sizes = bench.ints("SELECT last_position - first_position + 1 FROM batches");
    assert_eq!(sizes.iter().sum::<i64>(), submitted);
    assert!(sizes.iter().all(|size| *size <= 1_000), "{sizes:?}");
}

fn place(offset: u32) -> Submission {
    Submission {
        events: vec![event(&format!("line {offset}"))],
        place: Some(SourcePlace {
            source: "file:/var/log/auth.log".into(),
            place: offset.to_string(),
        }),
        ..Submission::default()
    }
}

#[test]
fn a_place_is_as_far_as_its_lines() {
    let mut bench = Bench::new();
    for offset in 0..2_500 {
        bench.handle().submit(place(offset)).unwrap();
    }
    // Without lines it is stored too.
    let bare = Submission {
        events: Vec::new(),
        ..place(2_500)
    };
    assert_eq!(bench.ask(bare), Receipt::Stored(Vec::new()));
    let sql = "SELECT CAST(place AS INTEGER) FROM source_places";
    assert_eq!(bench.ints(sql), [2_500]);
    assert_eq!(bench.ints("SELECT count(*) FROM event_log"), [2_500]);
    bench.stop().unwrap();
    bench.start();
    assert_eq!(bench.ints(sql), [2_500]);
}

#[test]
fn a_place_is_stored_beside_a_line_that_is_parked() {
    fn refuses(_: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
        let is_bad = |event: &Envelope| matches!(&event.event, crate::event::Event::MessageUnmapped(raw) if raw.payload == b"line 1");
        if batch.iter().any(is_bad) {
            return Err(StorageError::Refused("no line 1, please".into()));
        }
        Ok(())
    }
    static PICKY: &[Projection] = &[Projection {
        name: "picky",
        version: 1,
        tables: &[],
        kinds: None,
        fold: refuses,
    }];
    let bench = Bench::with(PICKY);
    for offset in 0..3 {
        bench.handle().submit(place(offset)).unwrap();
    }
    bench.handle().barrier().unwrap();
    let kinds = bench.kinds();
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "event.parked").count(),
        1
    );
    assert_eq!(kinds.len(), 4);
    assert_eq!(
        bench.ints("SELECT CAST(place AS INTEGER) FROM source_places"),
        [2]
    );
}

/// The positions of each chunk, read from the start.
fn chunks(bench: &Bench, bounds: Bounds) -> Vec<Vec<i64>> {
    let mut database = Database::open_reader(&bench.path()).unwrap();
    let mut session = database.snapshot().unwrap();
    let (mut reader, mut position) = (EventReader::new(), 0);
    let mut chunks = Vec::new();
    while position < bench.handle().head() {
        let (batch, last) = rebuild::chunk(&mut reader, &mut session, position, bounds).unwrap();
        assert!(last > position, "no progress behind {position}");
        chunks.push(batch.iter().map(|event| event.position).collect());
        position = last;
    }
    chunks
}

#[test]
fn a_rebuild_reads_no_more_than_its_bounds_and_leaves_nothing_out() {
    let bench = Bench::new();
    let large = event(&"x".repeat(1_000));
    let small = event("x");
    let events = vec![
        small.clone(),
        small.clone(),
        large.clone(),
        large,
        small.clone(),
        small.clone(),
        small,
    ];
    bench.handle().store(events).unwrap();
    let cut = |events, bytes| chunks(&bench, Bounds { events, bytes });
    assert_eq!(cut(8, usize::MAX), [[1, 2, 3, 4, 5, 6, 7]]);
    // The last event of a chunk is only looked at, and comes again.
    assert_eq!(cut(4, usize::MAX), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    let heavy = [vec![1, 2], vec![3], vec![4], vec![5, 6, 7]];
    assert_eq!(cut(8, 1_000), heavy);
    for bytes in [0, 1, 50, 999, 2_000] {
        for events in 2..9 {
            assert_eq!(cut(events, bytes).concat(), [1, 2, 3, 4, 5, 6, 7]);
        }
    }
}

#[test]
fn nobody_waits_for_a_writer_that_is_gone() {
    let mut bench = Bench::new();
    bench.stop().unwrap();
    // This one never runs, and ends with questions in its channel.
    let Started { handle, writer, .. } = bench.prepare();
    let asked = Arc::new(AtomicUsize::new(0));
    let waiting: Vec<_> = (0..3)
        .map(|question| {
            let (handle, asked) = (handle.clone(), Arc::clone(&asked));
            let thread = std::thread::Builder::new();
            thread
                .spawn(move || {
                    asked.fetch_add(1, Ordering::SeqCst);
                    match question {
                        0 => handle.store(vec![event("a")]).map(|_| ()),
                        1 => handle.barrier(),
                        _ => handle.rebuild().map(|_| ()),
                    }
                })
                .unwrap()
        })
        .collect();
    while handle.waiting() < 3 {
        std::thread::yield_now();
    }
    drop(writer);
    for thread in waiting {
        assert!(matches!(thread.join().unwrap(), Err(WriterError::Stopped)));
    }
    assert!(matches!(
        handle.store(vec![event("a")]),
        Err(WriterError::Stopped)
    ));
    assert!(handle.try_submit(Box::default()).is_err());
}

#[test]
fn what_was_submitted_before_the_last_handle_went_is_stored() {
    let mut bench = Bench::new();
    for _ in 0..500 {
        let submission = Submission {
            events: vec![event("a")],
            ..Submission::default()
        };
        bench.handle().submit(submission).unwrap();
    }
    bench.stop().unwrap();
    assert_eq!(bench.ints("SELECT count(*) FROM event_log"), [500]);
}

#[test]
fn a_site_keeps_its_id() {
    let mut bench = Bench::new();
    bench.stop().unwrap();
    let first = bench.prepare().site;
    assert_eq!(bench.prepare().site, first);
    assert_ne!(Bench::new().prepare().site, first);
}

mod reactions {
    use super::*;
    use crate::event::system::{Noted, Weight};
    use crate::reactor::{self, Reaction, Reactor, Scene};

    fn note(now: i64, text: String) -> NewEvent {
        let noted = Noted {
            component: "test".into(),
            level: Weight::Info,
        };
        NewEvent::own(now, "system/test", noted).with_text(text)
    }

    /// Sees its own batch folded, and answers with what it read.
    fn counts_topics(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
        let seen = first(
            scene.session,
            "SELECT sum(count) FROM event_counts_hourly",
            &[],
            |row| row.opt_int(0),
        )?;
        let text = format!("{} of {}", event.position, seen.flatten().unwrap_or(0));
        Ok(vec![note(scene.now, text).caused_by(event.position)])
    }

    /// Answers its own answers, for ever.
    #[expect(clippy::unnecessary_wraps, reason = "the signature of reactors")]
    fn echoes(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
        Ok(vec![
            note(scene.now, format!("after {}", event.position)).caused_by(event.position),
        ])
    }

    fn cannot_read(_: &mut Scene<'_>, _: &Envelope) -> Reaction {
        Err(StorageError::Unreadable("on purpose".into()))
    }

    fn due_once(scene: &mut Scene<'_>) -> Reaction {
        let known = first(
            scene.session,
            "SELECT 1 FROM system_events WHERE message = 'due'",
            &[],
            |row| row.int(0),
        )?;
        Ok(match known {
            Some(_) => Vec::new(),
            None => vec![note(scene.now, "due".into())],
        })
    }

    const fn reactor(
        kinds: &'static [Kind],
        react: fn(&mut Scene<'_>, &Envelope) -> Reaction,
    ) -> Reactor {
        Reactor {
            name: "test",
            kinds,
            react,
            tick: reactor::never,
        }
    }

    fn bench(reactors: &'static [Reactor]) -> Bench {
        Bench::with_reactors(reactors)
    }

    fn texts(bench: &Bench) -> Vec<String> {
        let mut reader = Database::open_reader(&bench.path()).unwrap();
        let mut session = reader.snapshot().unwrap();
        let sql =
            "SELECT cause || ': ' || text FROM event_log WHERE cause IS NOT NULL ORDER BY position";
        all(&mut session, sql, &[], |row| Ok(row.text(0)?.to_owned())).unwrap()
    }

    #[test]
    fn consequences_follow_their_batch_in_its_transaction() {
        let bench = bench(const { &[reactor(&[Kind::MessageUnmapped], counts_topics)] });
        bench.handle().store(vec![event("a"), event("b")]).unwrap();
        assert_eq!(texts(&bench), ["1: 1 of 2", "2: 2 of 3"]);
        assert_eq!(
            bench.ints("SELECT 10 * first_position + last_position FROM batches"),
            [14]
        );
    }

    #[test]
    fn consequences_of_consequences_end() {
        let bench =
            bench(const { &[reactor(&[Kind::MessageUnmapped, Kind::SystemNoted], echoes)] });
        bench.handle().store(vec![event("a")]).unwrap();
        let depth = bench.ints("SELECT count(*) FROM event_log")[0];
        assert_eq!(depth, 1 + 8 + 1);
        assert_eq!(
            texts(&bench).last().unwrap(),
            "9: reactors answer each other without end; stopped here"
        );
        bench.handle().store(vec![event("b")]).unwrap();
    }

    #[test]
    fn a_redelivered_message_brings_nothing_about_again() {
        let bench = bench(const { &[reactor(&[Kind::MessageUnmapped], counts_topics)] });
        bench.ask(opening(FIRST));
        bench.ask(delivery(FIRST, 7, "a", false));
        bench.ask(delivery(FIRST, 7, "a", true));
        assert_eq!(texts(&bench).len(), 1);
    }

    #[test]
    fn an_event_is_stored_though_no_reactor_can_judge_it() {
        let bench = bench(const { &[reactor(&[Kind::MessageUnmapped], cannot_read)] });
        bench.handle().store(vec![event("a")]).unwrap();
        assert_eq!(
            texts(&bench),
            ["1: no reaction to event 1: stored data cannot be read: on purpose"]
        );
    }

    #[test]
    fn what_is_due_is_stored_once() {
        let bench = bench(
            const {
                &[Reactor {
                    tick: due_once,
                    ..reactor(&[], reactor::nothing)
                }]
            },
        );
        bench.handle().tick().unwrap();
        bench.handle().tick().unwrap();
        assert_eq!(bench.kinds(), ["system.noted"]);
    }
}
