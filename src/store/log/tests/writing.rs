//! Writing through the real writer.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::*;
use crate::base::clock::{Clock, SECOND_NS};
use crate::base::shutdown::Shutdown;
use crate::event::system::LogWritten;
use crate::writer::{self, Reactions, sabotage::Sabotage};

struct Running {
    logs: Option<Logs>,
    thread: Option<JoinHandle<Result<(), WriterError>>>,
    _folder: tempfile::TempDir,
}

/// A store, and its writer before it runs.
fn started() -> (Logs, writer::Writer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nightjar.db");
    let options = writer::Options {
        path: path.clone(),
        durability: Durability::Scratch,
        cache_kib: 1_024,
        clock: Clock::fixed(100 * SECOND_NS),
        projections: crate::read_model::ALL,
        reactions: Reactions::none(),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let telemetry = Arc::default();
    let started = writer::start(options, telemetry, Shutdown::new(), &mut |_, _, _| {}).unwrap();
    let reader = Database::open_reader(&path).unwrap();
    (Logs::new(reader, started.handle), started.writer, folder)
}

impl Running {
    fn new() -> Self {
        let (logs, writer, folder) = started();
        let thread = std::thread::Builder::new().spawn(move || writer.run());
        Self {
            logs: Some(logs),
            thread: Some(thread.unwrap()),
            _folder: folder,
        }
    }

    fn logs(&mut self) -> &mut Logs {
        self.logs.as_mut().unwrap()
    }

    fn messages(&mut self) -> Vec<String> {
        let page = self.logs().query_events(&EventQuery::default()).unwrap();
        page.events.into_iter().map(|event| event.message).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.logs = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

fn line(second: i64, text: &str, event_id: Option<&str>) -> Incoming {
    let written = LogWritten {
        host: "heron".into(),
        source: "sshd".into(),
        level: Level::Info,
        fields: Arc::default(),
    };
    let mut event = NewEvent::own(second * SECOND_NS, "log/heron/sshd", written).with_text(text);
    event.topic = Some("vigilar/log/heron/sshd".into());
    Incoming {
        event,
        event_id: event_id.map(ToOwned::to_owned),
    }
}

#[test]
fn everything_handed_over_before_a_flush_is_seen_after_it() {
    let mut running = Running::new();
    for batch in 0..20 {
        let lines = (0..50).map(|number| line(batch, &format!("line {number}"), None));
        running.logs().write_events(lines.collect()).unwrap();
        running.logs().flush().unwrap();
        let search = Search {
            text: "line".into(),
            limit: RESULTS_MAX,
            ..Search::default()
        };
        let found = running.logs().search_text(&search).unwrap();
        assert_eq!(found.events.len() as i64, (batch + 1) * 50);
    }
}

#[test]
fn of_events_with_one_id_the_first_is_kept_whatever_the_others_say() {
    let mut running = Running::new();
    let logs = running.logs();
    logs.write_events(vec![
        line(1, "first", Some("a")),
        line(1, "first", Some("a")),
        line(2, "first, told again later", Some("a")),
        line(3, "second", Some("b")),
    ])
    .unwrap();
    logs.write_events(vec![
        line(4, "once more", Some("a")),
        line(5, "no id", None),
    ])
    .unwrap();
    logs.flush().unwrap();
    assert_eq!(running.messages(), ["no id", "second", "first"]);
}

#[test]
fn an_id_needs_its_topic_and_nothing_of_such_a_call_is_stored() {
    let mut running = Running::new();
    let mut lost = line(2, "lost", Some("a"));
    lost.event.topic = None;
    let refused = running
        .logs()
        .write_events(vec![line(1, "good", None), lost]);
    assert!(matches!(refused, Err(LogStoreError::NoTopic)));
    running.logs().flush().unwrap();
    assert_eq!(running.messages(), [""; 0]);
}

#[test]
fn writing_after_the_end_is_an_error_and_so_is_writing_without_a_writer() {
    let (logs, writer, _folder) = started();
    drop(writer);
    let is_stopped = |outcome| matches!(outcome, Err(LogStoreError::Writer(WriterError::Stopped)));
    assert!(is_stopped(logs.write_events(vec![line(1, "late", None)])));
    assert!(is_stopped(logs.flush()));
    let reading = Logs::reading(logs.database);
    assert!(matches!(
        reading.write_events(vec![line(2, "no", None)]),
        Err(LogStoreError::ReadOnly)
    ));
    assert!(matches!(reading.flush(), Err(LogStoreError::ReadOnly)));
}
