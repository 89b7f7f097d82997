//! The state as of any instant is what the live tables said then.

use nightjar::event::Extra;
use nightjar::event::NewEvent;
use nightjar::event::reading::Reading;
use nightjar::event::sensor::SensorReported;
use nightjar::read_model::view::Window;
use nightjar::read_model::{self, Projection, STATE_SECTIONS, state_sections};
use nightjar::storage::sqlite::{Database, Durability, Options};
use nightjar::storage::{Owned, Session};
use nightjar::writer::as_of::{fold_until, position_at};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bench_box::{BenchBox, NOW};
use crate::random_events::events;

type State = Vec<(&'static str, Vec<Vec<Owned>>)>;

fn state(session: &mut dyn Session) -> State {
    let window = Window {
        since: i64::MIN,
        until: i64::MAX,
        limit: i64::MAX,
    };
    state_sections()
        .map(|(_, view)| (view.name, view.rows(session, window).unwrap()))
        .collect()
}

fn state_after(bench: &BenchBox, position: i64) -> State {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        durability: Durability::Scratch,
        ..Options::default()
    };
    let mut scratch = Database::open_writer(&folder.path().join("s.db"), options).unwrap();
    let projections: Vec<Projection> = read_model::ALL
        .iter()
        .filter(|projection| {
            STATE_SECTIONS
                .iter()
                .any(|(name, _)| *name == projection.name)
        })
        .copied()
        .collect();
    let mut live = bench.reader();
    let mut live = live.snapshot().unwrap();
    let quiet = &mut |_: &str, _, _| {};
    fold_until(&mut live, &mut scratch, &projections, position, quiet).unwrap();
    state(&mut scratch.snapshot().unwrap())
}

#[test]
fn every_section_is_a_view_of_a_projection() {
    assert_eq!(state_sections().count(), STATE_SECTIONS.len());
}

#[test]
fn an_event_counts_from_the_instant_at_which_it_was_received() {
    let bench = BenchBox::new();
    let report = |minute: i64, number: f64| {
        let report = SensorReported {
            key: "temperature".into(),
            value: Reading::Number(number),
            unit: None,
            battery: None,
            linkquality: None,
            extra: Extra::new(),
        };
        NewEvent::own(NOW + minute * 60_000_000_000, "sensor/attic", report)
    };
    bench.store(vec![
        report(0, 20.0),
        report(1, 21.0),
        report(1, 22.0),
        report(2, 23.0),
    ]);
    let mut reader = bench.reader();
    let mut session = reader.snapshot().unwrap();
    let minute = NOW + 60_000_000_000;
    let mut at = |at| position_at(&mut session, at).unwrap();
    assert_eq!(at(NOW - 1), 0);
    assert_eq!(at(NOW), 1);
    assert_eq!(at(minute - 1), 1);
    assert_eq!(at(minute), 3);
    assert_eq!(at(i64::MAX), 4);
    let value = |position| {
        let sections = state_after(&bench, position);
        let states = sections.iter().find(|(name, _)| *name == "sensor_states");
        states.unwrap().1.first().map(|row| row[2].clone())
    };
    assert_eq!(value(0), None);
    assert_eq!(value(3), Some(Owned::Text("22".into())));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_state_after_any_position_is_what_the_tables_said_then(
        events in events(60),
        cuts in vec(1_usize..20, 1..8),
    ) {
        let bench = BenchBox::new();
        let mut seen = Vec::new();
        let mut rest = events.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            bench.store(piece.to_vec());
            let mut reader = bench.reader();
            seen.push((bench.handle().head(), state(&mut reader.snapshot().unwrap())));
            rest = later;
        }
        for (position, then) in seen {
            prop_assert_eq!(state_after(&bench, position), then, "position {}", position);
        }
    }
}
