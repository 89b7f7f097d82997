#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::base::clock::SECOND_NS;
use crate::event::entity::EntityType;
use crate::event::people::{FaceMatched, NOBODY, PersonForgotten, ProfilesMerged, redacted};
use crate::event::retention::Applied;
use crate::event::system::{Level, LogWritten};
use crate::event::trace::{PatternDetected, PatternType};
use crate::event::{Flags, NewEvent};
use crate::event_log::Ledger;
use crate::read_model::aging;
use crate::read_model::digest::table_digest;
use crate::storage::sqlite::{Database, Durability, Options};
use crate::storage::{Owned, all, migrate};

/// 2026-11-20 00:00 UTC.
const MIDNIGHT: i64 = 1_795_132_800 * SECOND_NS;

/// The tables of entities, and a log that feeds them.
struct Bench {
    database: Database,
    ledger: Ledger,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            durability: Durability::Scratch,
            ..Options::default()
        };
        let mut database = Database::open_writer(&folder.path().join("t.db"), options).unwrap();
        migrate::migrate(&mut database, migrate::SQLITE, 0).unwrap();
        let ledger = Ledger::load(&mut database.snapshot().unwrap()).unwrap();
        Self {
            database,
            ledger,
            _folder: folder,
        }
    }

    fn append(&mut self, events: &[NewEvent]) -> Vec<Envelope> {
        let mut session = self.database.begin().unwrap();
        let appended = events
            .iter()
            .map(|event| self.ledger.append(&mut session, event).unwrap())
            .collect();
        session.commit().unwrap();
        appended
    }

    /// Folds, as the writer does it.
    fn fold(&mut self, batch: &[Envelope]) {
        let mut session = self.database.begin().unwrap();
        aging::fold(&mut session, &PROJECTION, batch).unwrap();
        session.commit().unwrap();
    }

    fn fold_within(&mut self, batch: &[Envelope], bounds: Bounds) {
        let mut session = self.database.begin().unwrap();
        fold_within(&mut session, batch, bounds).unwrap();
        session.commit().unwrap();
    }

    fn tell(&mut self, events: &[NewEvent]) -> Vec<i64> {
        let batch = self.append(events);
        self.fold(&batch);
        batch.iter().map(|event| event.position).collect()
    }

    fn empty(&mut self) {
        let mut session = self.database.begin().unwrap();
        PROJECTION.clear(&mut session).unwrap();
        session.commit().unwrap();
    }

    fn digests(&mut self) -> Vec<String> {
        let mut session = self.database.snapshot().unwrap();
        let tables = PROJECTION.tables.iter();
        tables
            .map(|table| {
                table_digest(&mut session, table.name, table.dump)
                    .unwrap()
                    .sha256
            })
            .collect()
    }

    /// Rows, their cells joined by blanks.
    fn rows(&mut self, sql: &'static str) -> Vec<String> {
        let mut session = self.database.snapshot().unwrap();
        all(&mut session, sql, &[], |row| {
            let mut cells = Vec::new();
            while let Ok(value) = row.owned(cells.len()) {
                cells.push(match value {
                    Owned::Text(text) => text,
                    Owned::Integer(number) => number.to_string(),
                    other => panic!("{other:?}"),
                });
            }
            Ok(cells.join(" "))
        })
        .unwrap()
    }

    /// Type, value, seconds of the first and last time, count.
    fn entities(&mut self) -> Vec<String> {
        self.rows(
            "SELECT type, value, (first_seen - 1795132800000000000) / 1000000000, \
             (last_seen - 1795132800000000000) / 1000000000, event_count \
             FROM entity_names ORDER BY id",
        )
    }

    /// Seconds and positions of the events that name a user, asked for in steps.
    fn links(
        &mut self,
        user: &str,
        (since, until): (i64, i64),
        steps: &[usize],
    ) -> Vec<(i64, i64)> {
        let mut session = self.database.snapshot().unwrap();
        let until = links::Link {
            at: MIDNIGHT + until * SECOND_NS,
            position: i64::MAX,
        };
        let since = MIDNIGHT + since * SECOND_NS;
        let links = links::Links::of_named(&mut session, EntityType::User, user, since, until);
        let Some(mut links) = links.unwrap() else {
            return Vec::new();
        };
        let mut told = Vec::new();
        for &step in steps.iter().cycle() {
            let some = links.next(&mut session, step).unwrap();
            told.extend(
                some.iter()
                    .map(|link| ((link.at - MIDNIGHT) / SECOND_NS, link.position)),
            );
            if some.len() < step {
                break;
            }
        }
        told
    }

    fn edges(&mut self) -> Vec<String> {
        self.rows(
            "SELECT s.value, g.rel_type, t.value, g.event_count FROM graph_edges g \
             JOIN entities s ON s.id = g.source JOIN entities t ON t.id = g.target \
             ORDER BY s.value, g.rel_type, t.value",
        )
    }
}

fn at(seconds: i64, stream: &str, event: impl Into<Event>) -> NewEvent {
    NewEvent::own(MIDNIGHT + seconds * SECOND_NS, stream, event)
}

fn line(seconds: i64, text: &str, fields: &[(&str, &str)]) -> NewEvent {
    let fields = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()));
    let written = LogWritten {
        host: "heron".into(),
        source: "sshd".into(),
        level: Level::Info,
        fields: fields.collect::<crate::event::Extra>().into(),
    };
    at(seconds, "log/heron/auth", written).with_text(text)
}

fn login(seconds: i64, action: &str, user: &str, ip: &str) -> NewEvent {
    let fields = [("action", action), ("user", user), ("ip_address", ip)];
    line(seconds, "", &fields)
}

fn face(seconds: i64, profile: i64) -> NewEvent {
    let matched = FaceMatched {
        face: 1,
        profile,
        camera: "porch".into(),
        distance: None,
        is_new: false,
        known: false,
        ignored: false,
        dropped: Vec::new(),
    };
    at(seconds, "camera/porch", matched)
}

fn merged(seconds: i64, from: i64, into: i64) -> NewEvent {
    at(seconds, "house/faces", ProfilesMerged { from, into })
}

fn forgotten(seconds: i64, profile: i64) -> NewEvent {
    let gone = PersonForgotten {
        profile,
        events: 1,
        crops: 0,
    };
    at(seconds, &format!("person/{profile}"), gone)
}

#[test]
fn a_line_names_its_entities_once_and_connects_them() {
    let mut bench = Bench::new();
    let text = "Accepted password for Mara from 192.0.2.7 port 22 (mara, 192.0.2.7)";
    let fields = [
        ("action", "login"),
        ("user", "Mara"),
        ("ip_address", "192.0.2.7"),
    ];
    bench.tell(&[
        line(5, text, &fields),
        login(9, "failed_login", "MARA", "::ffff:192.0.2.7"),
    ]);
    assert_eq!(
        bench.entities(),
        [
            "host heron 5 9 2",
            "process sshd 5 9 2",
            "user mara 5 9 2",
            "ip 192.0.2.7 5 9 2",
        ]
    );
    assert_eq!(
        bench.edges(),
        [
            "192.0.2.7 reached heron 2",
            "mara authenticated_from 192.0.2.7 1",
            "mara failed_from 192.0.2.7 1",
            "mara logged_into heron 1",
            "sshd ran_on heron 2",
        ]
    );
    let links = bench.rows("SELECT entity, position FROM entity_links ORDER BY position, entity");
    let expected = [
        "128 1", "129 1", "130 1", "131 1", "128 2", "129 2", "130 2", "131 2",
    ];
    assert_eq!(links, expected);
}

#[test]
fn ids_are_those_of_every_other_box() {
    let mut bench = Bench::new();
    bench.tell(&[line(
        0,
        "",
        &[("user", r"CORP\Alice"), ("ip_address", "10.0.0.1")],
    )]);
    assert_eq!(
        bench.rows("SELECT uuid, value FROM entity_names WHERE type IN ('user', 'ip') ORDER BY id"),
        [
            "ed35bbb7-013d-5850-8875-130f03660b49 corp:alice",
            "6df9e3ad-af86-5520-8743-84dc81c690c2 10.0.0.1",
        ]
    );
}

#[test]
fn what_names_nobody_leaves_no_row() {
    let mut bench = Bench::new();
    let mut snapshot = login(0, "login", "mara", "192.0.2.7");
    snapshot.flags = Flags::RETAINED;
    bench.tell(&[snapshot]);
    assert_eq!(bench.entities(), [""; 0]);
    // An address that is none, a name that is empty: the rest of the line counts.
    bench.tell(&[login(1, "failed_login", " ", "010.000.000.001")]);
    assert_eq!(bench.entities(), ["host heron 1 1 1", "process sshd 1 1 1"]);
    assert_eq!(bench.edges(), ["sshd ran_on heron 1"]);
}

#[test]
fn a_late_event_takes_its_place_in_time() {
    let mut bench = Bench::new();
    for seconds in [100, 300, 200, 50] {
        bench.tell(&[login(seconds, "login", "mara", "192.0.2.7")]);
    }
    assert_eq!(bench.entities()[2], "user mara 50 300 4");
    let times = bench.rows(
        "SELECT (e.occurred_at - 1795132800000000000) / 1000000000, e.position \
         FROM entity_links v JOIN event_log e ON e.position = v.position \
         WHERE v.entity = 130 ORDER BY e.occurred_at",
    );
    assert_eq!(times, ["50 4", "100 1", "200 3", "300 2"]);
    let seen = "SELECT (first_seen - 1795132800000000000) / 1000000000, \
                (last_seen - 1795132800000000000) / 1000000000 FROM graph_edges LIMIT 1";
    assert_eq!(bench.rows(seen), ["50 300"]);
}

#[test]
fn an_event_names_so_many_and_no_more() {
    let mut bench = Bench::new();
    let pattern = PatternDetected {
        pattern: PatternType::IpSweep,
        subject: "root".into(),
        name: "sweep".into(),
        services: (0..100).map(|number| format!("service{number}")).collect(),
        ips: (0..100)
            .map(|number| [203, 0, 113, number].into())
            .collect(),
        event_count: 100,
        severity: 50,
        started_at: 0,
        ended_at: 0,
        root_cause: None,
        recommendations: Vec::new(),
        grown_from: None,
    };
    bench.tell(&[
        at(0, "pattern/ip_sweep", pattern),
        login(1, "login", "mara", "203.0.113.99"),
    ]);
    let per_event =
        "SELECT position, count(*), max(entity) / 128 FROM entity_links GROUP BY position";
    assert_eq!(bench.rows(per_event), ["1 127 1", "2 4 2"]);
}

#[test]
fn the_longest_unseen_strangers_go_with_all_that_hangs_on_them() {
    let bounds = Bounds {
        entities: 6,
        entities_every: 8,
        edges: 1_000,
        edges_every: 8,
    };
    let mut bench = Bench::new();
    let mut events = vec![face(0, 3)];
    events.extend((1..7).map(|seconds| {
        login(
            seconds,
            "login",
            &format!("user{seconds}"),
            &format!("192.0.2.{seconds}"),
        )
    }));
    let batch = bench.append(&events);
    bench.fold_within(&batch, bounds);
    // Fourteen that a line can name: nobody has looked yet.
    assert_eq!(
        bench.rows("SELECT count(*) FROM entities WHERE type <= 6"),
        ["14"]
    );
    let eighth = bench.append(&[login(1, "login", "late", "192.0.2.6")]);
    bench.fold_within(&eighth, bounds);
    // Camera and person are the house's; of those that are equally old users come before addresses.
    assert_eq!(
        bench.entities(),
        [
            "camera porch 0 0 1",
            "person 3 0 0 1",
            "host heron 1 6 7",
            "process sshd 1 6 7",
            "user user5 5 5 1",
            "ip 192.0.2.5 5 5 1",
            "user user6 6 6 1",
            "ip 192.0.2.6 1 6 2",
        ]
    );
    let orphans = "SELECT count(*) FROM graph_edges WHERE source NOT IN (SELECT id FROM entities) \
                   OR target NOT IN (SELECT id FROM entities)";
    assert_eq!(bench.rows(orphans), ["0"]);
}

#[test]
fn the_oldest_edges_go_but_for_what_cameras_saw() {
    let bounds = Bounds {
        entities: 1_000,
        entities_every: 4,
        edges: 3,
        edges_every: 4,
    };
    let mut bench = Bench::new();
    let batch = bench.append(&[
        face(0, 3),
        login(1, "failed_login", "root", "192.0.2.1"),
        login(2, "failed_login", "root", "192.0.2.2"),
        login(3, "failed_login", "root", "192.0.2.3"),
    ]);
    bench.fold_within(&batch, bounds);
    assert_eq!(
        bench.edges(),
        [
            "192.0.2.3 reached heron 1",
            "porch saw 3 1",
            "root failed_from 192.0.2.3 1",
            "sshd ran_on heron 3",
        ]
    );
    assert_eq!(bench.rows("SELECT count(*) FROM entities"), ["8"]);
}

#[test]
fn retention_lets_an_entity_go_when_nothing_hangs_on_it_any_more() {
    let mut bench = Bench::new();
    bench.tell(&[
        login(0, "login", "mara", "192.0.2.7"),
        line(100, "", &[("user", "ilse")]),
    ]);
    let cut = |table: &str, seconds: i64| {
        let applied = Applied {
            table: table.into(),
            before: MIDNIGHT + seconds * SECOND_NS,
            rows: 1,
        };
        at(200, "system/retention", applied)
    };
    bench.tell(&[cut("entities", 90)]);
    assert_eq!(bench.entities().len(), 5, "edges name the old ones");
    bench.tell(&[cut("entity_blocks", 1_000), cut("graph_edges", 50)]);
    assert_eq!(bench.rows("SELECT count(*) FROM entity_links"), ["0"]);
    bench.tell(&[cut("entities", 90)]);
    let left = [
        "host heron 0 100 2",
        "process sshd 0 100 2",
        "user ilse 100 100 1",
    ];
    assert_eq!(bench.entities(), left);
    // Who comes again is somebody new.
    bench.tell(&[login(300, "login", "mara", "192.0.2.7")]);
    assert_eq!(bench.entities()[3], "user mara 300 300 1");
}

#[test]
fn a_forgotten_person_is_missed_by_nobodys_id() {
    let mut bench = Bench::new();
    let mut log = bench.append(&[
        face(0, 3),
        face(1, 4),
        merged(2, 3, 4),
        login(3, "login", "mara", "192.0.2.7"),
        forgotten(4, 4),
        face(5, 5),
    ]);
    bench.fold(&log);
    let kept = bench.rows("SELECT value FROM entities ORDER BY id");
    assert_eq!(kept, ["porch", "heron", "sshd", "mara", "192.0.2.7", "5"]);
    let live = bench.digests();
    for event in &mut log[..2] {
        event.event = redacted(&event.event).unwrap();
    }
    bench.empty();
    bench.fold(&log);
    assert_eq!(bench.digests(), live);
}

#[test]
fn merged_persons_are_one() {
    let mut bench = Bench::new();
    bench.tell(&[face(0, 3), face(9, 4), face(5, 4), merged(10, 4, 3)]);
    assert_eq!(bench.entities(), ["camera porch 0 9 3", "person 3 0 9 3"]);
    assert_eq!(bench.edges(), ["porch saw 3 3"]);
    let links = "SELECT position FROM entity_links WHERE entity = 129";
    assert_eq!(bench.rows(links), ["1", "2", "3"]);
    // Into one of whom nothing is left, and of one whom nothing names.
    bench.tell(&[merged(11, 3, 8), merged(12, 77, 8), merged(13, 8, 8)]);
    assert_eq!(bench.entities(), ["camera porch 0 9 3", "person 8 0 9 3"]);
    assert_eq!(bench.edges(), ["porch saw 8 3"]);
    bench.tell(&[face(20, NOBODY)]);
    assert_eq!(bench.entities()[1], "person 8 0 9 3");
}

fn any_event() -> impl Strategy<Value = NewEvent> {
    let actions = prop::sample::select(vec!["login", "failed_login", "ban", "connected"]);
    let users = prop::sample::select(vec!["mara", "MARA", r"corp\mara", "root", "", "a@b@c"]);
    let logins = (0..50_i64, actions, users, 0..6_u8)
        .prop_map(|(at, action, user, ip)| login(at, action, user, &format!("192.0.2.{ip}")));
    let texts = (
        0..50_i64,
        "(from 192.0.2.[0-9] |for user [a-d] |/etc/[a-c] |[a-c].example.com ){0,3}",
    )
        .prop_map(|(at, text)| line(at, &text, &[]));
    prop_oneof![
        6 => logins,
        4 => texts,
        3 => (0..50_i64, 0..4_i64).prop_map(|(at, profile)| face(at, profile)),
        1 => (0..50_i64, 1..4_i64, 1..4_i64).prop_map(|(at, from, into)| merged(at, from, into)),
        1 => (0..50_i64, 1..4_i64).prop_map(|(at, profile)| forgotten(at, profile)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn links_come_newest_first_however_late_events_are(
        // Most lines name somebody else, so that the links are spread over blocks.
        moments in prop::collection::vec((0..6_i64, 0..30_i64, any::<bool>()), 1..40),
        range in (0..40_i64, 0..40_i64),
        steps in prop::collection::vec(1..9_usize, 1..6),
    ) {
        let mut bench = Bench::new();
        let mut expected = Vec::new();
        for (others, seconds, is_mara) in moments {
            let mut batch: Vec<_> =
                (0..others * 180).map(|_| line(seconds, "", &[("user", "root")])).collect();
            batch.push(line(seconds, "", &[("user", if is_mara { "mara" } else { "ilse" })]));
            let log = bench.append(&batch);
            bench.fold(&log);
            if is_mara && seconds >= range.0 && seconds <= range.1 {
                expected.push((seconds, log.last().unwrap().position));
            }
        }
        expected.sort_unstable_by_key(|&link| std::cmp::Reverse(link));
        let told = bench.links("mara", range, &steps);
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn how_the_log_is_cut_changes_nothing(
        events in prop::collection::vec(any_event(), 1..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        entities in 1..12_i64,
        edges in 1..12_i64,
    ) {
        let bounds = Bounds { entities, entities_every: 4, edges, edges_every: 6 };
        let mut bench = Bench::new();
        let log = bench.append(&events);
        bench.fold_within(&log, bounds);
        let whole = bench.digests();
        bench.empty();
        for event in log.chunks(1) {
            bench.fold_within(event, bounds);
        }
        prop_assert_eq!(&bench.digests(), &whole);
        bench.empty();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(log.len())).collect();
        cuts.extend([0, log.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            bench.fold_within(&log[pair[0]..pair[1]], bounds);
        }
        prop_assert_eq!(&bench.digests(), &whole);
    }
}
