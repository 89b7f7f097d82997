//! What retention makes of the tables: exactly the rows that an event names go, in its place in the
//! order of the log, and nothing that is starred, held, open or of the present.

use std::sync::Arc;

use nightjar::base::clock::{Clock, DAY_NS};
use nightjar::event::animal::PetSighted;
use nightjar::event::recording::{Deleted, Held, Sealed, Starred};
use nightjar::event::retention::Applied;
use nightjar::event::system::{Level, LogWritten};
use nightjar::event::{Event, Extra, NewEvent};
use nightjar::ingest::tables::{Keeper, Limits};
use nightjar::read_model::aging;
use nightjar::storage::Owned;
use proptest::prelude::*;

use crate::bench_box::{BenchBox, NOW};
use crate::random_events::events;

const MINUTE: i64 = 60_000_000_000;

fn at(minutes: i64, stream: &str, event: impl Into<Event>) -> NewEvent {
    let mut new = NewEvent::own(NOW, stream, event);
    new.occurred_at = NOW + minutes * MINUTE;
    new
}

fn sighting(minutes: i64) -> NewEvent {
    let seen = PetSighted {
        camera: "porch".into(),
        pet_id: Some("minka".into()),
        species: "cat".into(),
        confidence: 0.9,
        bbox: None,
        crop_path: None,
        location: None,
        extra: Extra::new(),
    };
    at(minutes, "camera/porch", seen)
}

fn cut(table: &str, minutes: i64) -> NewEvent {
    let applied = Applied {
        table: table.into(),
        before: NOW + minutes * MINUTE,
        rows: 1,
    };
    at(0, &format!("table/{table}"), applied)
}

fn sighted_minutes(bench: &BenchBox) -> Vec<i64> {
    let times = bench.rows("SELECT at FROM pet_sightings ORDER BY id");
    let minutes = |row: &Vec<Owned>| match row[0] {
        Owned::Integer(at) => (at - NOW) / MINUTE,
        _ => panic!("no time"),
    };
    times.iter().map(minutes).collect()
}

#[test]
fn rows_go_at_their_event_and_late_ones_stay_until_the_next() {
    let stream = || {
        vec![
            sighting(1),
            sighting(5),
            cut("pet_sightings", 5),
            sighting(2),
            sighting(9),
            cut("wildlife_sightings", 99),
            cut("pets", 99),
            cut("no_such_table", 99),
        ]
    };
    let together = BenchBox::new();
    together.store(stream());
    let singly = BenchBox::new();
    for event in stream() {
        singly.store(vec![event]);
    }
    for bench in [&together, &singly] {
        assert_eq!(sighted_minutes(bench), [5, 2, 9]);
        assert_eq!(bench.number("SELECT count(*) FROM pets"), 1);
        assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
        // What the table forgot, the event log still knows.
        let known = "SELECT count(*) FROM event_log WHERE position = 1";
        assert_eq!(bench.number(known), 1);
    }
    assert_eq!(together.tables(), singly.tables());
    together.store(vec![cut("pet_sightings", 9)]);
    assert_eq!(sighted_minutes(&together), [9]);
    let told = together.rows(
        "SELECT before, rows_deleted, steps FROM retention_cuts WHERE table_name = 'pet_sightings'",
    );
    let before = Owned::Integer(NOW + 9 * MINUTE);
    assert_eq!(told, [[before, Owned::Integer(2), Owned::Integer(2)]]);
}

#[test]
fn of_recordings_only_deleted_ones_go_and_none_with_a_star_or_a_hold() {
    let bench = BenchBox::new();
    let sealed = |name: &str| {
        let sealed = Sealed {
            path: name.into(),
            sealed_path: format!("{name}.vge").into(),
            size_bytes: 2,
            plain_sha256: vec![7; 32],
            key_id: vec![8; 8],
            iv: vec![9; 16],
            header_tag: None,
            adopted: false,
        };
        at(-99, &format!("recording/{name}"), sealed)
    };
    let ids = bench.store(["kept", "gone", "star", "hold"].map(sealed).into());
    let deleted = |index: usize| Deleted {
        recording: ids[index],
        sealed_path: b"clip.vge".to_vec(),
        inode: 7,
        changed_at: 0,
        freed_bytes: 2,
        rule: "person".into(),
    };
    let held = Held {
        recording: ids[3],
        held: true,
    };
    let starred = Starred {
        recording: ids[2],
        starred: true,
    };
    bench.store(vec![
        at(-50, "recording/hold", held),
        at(-50, "recording/gone", deleted(1)),
        at(-50, "recording/star", deleted(2)),
        at(-50, "recording/hold", deleted(3)),
        at(-50, "recording/star", starred),
        cut("recordings", 0),
    ]);
    let left = bench.rows("SELECT original_name, state FROM recordings ORDER BY id");
    let row = |name: &str, state: &str| vec![Owned::Text(name.into()), Owned::Text(state.into())];
    let expected = [
        row("kept", "sealed"),
        row("star", "deleted"),
        row("hold", "sealed"),
    ];
    assert_eq!(left, expected);
}

#[test]
fn steps_are_as_large_as_asked_unless_rows_are_of_one_time() {
    let bench = BenchBox::new();
    let minutes = [0, 1, 2, 2, 2, 3, 4, 5];
    bench.store(minutes.map(sighting).into());
    let aging = aging::tables().find(|(name, _)| *name == "pet_sightings");
    let aging = aging.unwrap().1;
    let mut reader = bench.reader();
    let mut session = reader.snapshot().unwrap();
    let mut step = |before: i64, rows| {
        let step = aging.step(&mut session, NOW + before * MINUTE, rows);
        let step = step.unwrap();
        step.map(|step| ((step.before - NOW) as f64 / MINUTE as f64, step.rows))
    };
    assert_eq!(step(5, 2), Some((2.0, 2)));
    assert_eq!(step(5, 3), Some((2.0, 2)), "three are of one time");
    assert_eq!(step(5, 100), Some((5.0, 7)));
    assert_eq!(step(0, 100), None);
    drop(session);
    bench.store(vec![cut("pet_sightings", 2)]);
    let mut session = reader.snapshot().unwrap();
    let step = aging.step(&mut session, NOW + 5 * MINUTE, 2).unwrap();
    let step = step.unwrap();
    assert_eq!((step.before, step.rows), (NOW + 2 * MINUTE + 1, 3));
    assert_eq!(
        aging.cut_by_rows(&mut session, 2).unwrap(),
        Some(NOW + 4 * MINUTE)
    );
    assert_eq!(aging.cut_by_rows(&mut session, 100).unwrap(), None);
    let size = aging.size(&mut session).unwrap();
    assert_eq!(size, (6, Some(NOW + 2 * MINUTE)));
}

fn log_lines(bench: &BenchBox, days: i64, count: i64) {
    let line = |index| {
        let line = LogWritten {
            host: "box".into(),
            source: "sshd".into(),
            level: Level::Info,
            fields: Arc::default(),
        };
        let mut event = NewEvent::own(NOW, "log/box/sshd", line);
        event.occurred_at = NOW - days * DAY_NS + index;
        event
    };
    bench.store((0..count).map(line).collect());
}

fn keeper(bench: &BenchBox, clock: &Clock, limits: Limits) -> Keeper {
    let policies = [("log_lines".to_owned(), limits)].into();
    let (path, writer) = (bench.path().to_owned(), bench.handle().clone());
    Keeper::new(
        path,
        policies,
        writer,
        clock.clone(),
        bench.shutdown.clone(),
    )
}

#[test]
fn a_run_takes_a_tenth_and_never_while_the_clock_cannot_be_trusted() {
    let (bench, clock) = (BenchBox::new(), Clock::fixed(NOW));
    log_lines(&bench, 40, 100);
    log_lines(&bench, 1, 100);
    let month = Limits {
        max_age_ns: Some(30 * DAY_NS),
        max_rows: None,
    };
    let left = || bench.number("SELECT count(*) FROM log_lines");
    let mut keeper = keeper(&bench, &clock, month);
    keeper.look(false).unwrap();
    assert_eq!(left(), 200);
    keeper.look(true).unwrap();
    assert_eq!(left(), 180);
    keeper.look(true).unwrap();
    assert_eq!(left(), 162);
    clock.set(NOW + 3_650 * DAY_NS);
    keeper.look(true).unwrap();
    assert_eq!(left(), 162, "the clock has jumped");
    let noted = "SELECT count(*) FROM system_events WHERE component = 'retention' \
                 AND level = 'alert' AND message LIKE 'no row of a table goes for its age%'";
    assert_eq!(bench.number(noted), 1);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn the_oldest_rows_beyond_the_number_go_whatever_the_clock_says() {
    let (bench, clock) = (BenchBox::new(), Clock::fixed(NOW - 3_650 * DAY_NS));
    log_lines(&bench, 40, 100);
    let few = Limits {
        max_age_ns: Some(DAY_NS),
        max_rows: Some(95),
    };
    let mut keeper = keeper(&bench, &clock, few);
    keeper.look(true).unwrap();
    assert_eq!(bench.number("SELECT count(*) FROM log_lines"), 95);
    let oldest = bench.number("SELECT min(at) FROM log_lines");
    assert_eq!(oldest, NOW - 40 * DAY_NS + 5);
    keeper.look(true).unwrap();
    assert_eq!(bench.number("SELECT count(*) FROM log_lines"), 95);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_row_loses_its_parent_and_no_present_state_goes(events in events(60)) {
        let bench = BenchBox::new();
        // Once with retention and once without: a cut before all time takes nothing, and keeps the
        // positions that labels name.
        let mut without = events.clone();
        for event in &mut without {
            if let Event::RetentionApplied(applied) = &mut event.event {
                applied.before = i64::MIN;
            }
        }
        let everything = BenchBox::new();
        everything.store(without);
        bench.store(events);
        prop_assert!(bench.rows("PRAGMA foreign_key_check").is_empty());
        for present in [
            "SELECT * FROM sensors ORDER BY id",
            "SELECT sensor_id, state_key, value, changed_at FROM sensor_states ORDER BY 1, 2",
            // Where one was last seen is told anew, by the sightings that are left, when a label moves
            // one of them.
            "SELECT id, name, registered_at, removed_at FROM pets ORDER BY id",
            "SELECT * FROM cameras ORDER BY id",
            "SELECT original_name, state, starred, held FROM recordings WHERE state <> 'deleted' \
             ORDER BY id",
            "SELECT ip, is_whitelisted FROM ip_reputations WHERE is_whitelisted + is_blacklisted \
             ORDER BY ip",
        ] {
            prop_assert_eq!(bench.rows(present), everything.rows(present), "{}", present);
        }
    }
}
