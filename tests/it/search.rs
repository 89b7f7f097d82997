//! The indexes of words stay what the texts are, whatever becomes of the rows.

use std::sync::Arc;

use nightjar::base::clock::SECOND_NS;
use nightjar::event::NewEvent;
use nightjar::event::camera::MotionStarted;
use nightjar::event::retention::Applied;
use nightjar::event::system::{Level, LogWritten};
use nightjar::read_model;
use nightjar::storage::sqlite::{Database, Options};
use nightjar::store::log::{LogStore as _, Logs, Mode, Search};
use nightjar::writer::rebuild;
use proptest::prelude::*;

use crate::bench_box::{BenchBox, NOW};
use crate::random_events::events;

fn line(number: i64) -> NewEvent {
    let written = LogWritten {
        host: "heron".into(),
        source: "sshd".into(),
        level: Level::Info,
        fields: Arc::default(),
    };
    let port = 40_000 + number;
    NewEvent::own(NOW + number * SECOND_NS, "log/heron/sshd", written)
        .with_text(format!("Failed password for mara port {port} ssh2"))
}

fn motion(number: i64) -> NewEvent {
    let at = NOW + number * SECOND_NS;
    NewEvent::own(at, "camera/porch", MotionStarted::default())
}

fn cut(table: &str, before: i64) -> NewEvent {
    let applied = Applied {
        table: table.into(),
        before: NOW + before * SECOND_NS,
        rows: 1,
    };
    NewEvent::own(NOW, format!("table/{table}"), applied)
}

fn found(bench: &BenchBox, text: &str) -> usize {
    let search = Search {
        text: text.into(),
        mode: Mode::Words,
        ..Search::default()
    };
    let mut logs = Logs::reading(bench.reader());
    logs.search_text(&search).unwrap().events.len()
}

#[test]
fn words_come_and_go_with_their_rows() {
    let bench = BenchBox::new();
    bench.store((0..20).map(line).chain((0..5).map(motion)).collect());
    bench.assert_searchable();
    assert_eq!(
        (found(&bench, "failed passwords"), found(&bench, "porch")),
        (20, 5)
    );
    bench.store(vec![cut("log_lines", 15), line(99), cut("events", 3)]);
    bench.assert_searchable();
    assert_eq!(
        (found(&bench, "failed passwords"), found(&bench, "porch")),
        (6, 2)
    );
    assert_eq!((found(&bench, "40003"), found(&bench, "40019")), (0, 1));
    bench.handle().rebuild().unwrap();
    bench.assert_searchable();
    assert_eq!(
        (found(&bench, "failed passwords"), found(&bench, "porch")),
        (6, 2)
    );
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn words_survive_a_rebuild_that_was_killed() {
    let mut bench = BenchBox::new();
    bench.store((0..9_000).map(line).collect());
    bench.stop().unwrap();
    let mut database = Database::open_writer(bench.path(), Options::default()).unwrap();
    rebuild::reset_all(&mut database, read_model::ALL).unwrap();
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        rebuild::catch_up(&mut database, read_model::ALL, &mut |_, done, _| {
            assert!(done <= 8_192, "killed in the second chunk");
        })
    }));
    assert!(killed.is_err());
    drop(database);
    bench.assert_searchable();
    bench.start().unwrap();
    bench.assert_searchable();
    assert_eq!(found(&bench, "48999"), 1);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn words_fit_their_texts_after_any_story(story in events(60), before in -1_000_i64..1_000) {
        let bench = BenchBox::new();
        bench.store(story);
        bench.assert_searchable();
        bench.store(vec![cut("log_lines", before), cut("events", before)]);
        bench.assert_searchable();
        bench.handle().rebuild().unwrap();
        bench.assert_searchable();
    }
}
