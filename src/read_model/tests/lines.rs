//! Templates of lines, and the words of lines and moments.

use std::sync::Arc;

use super::super::aging;
use super::*;
use crate::event::retention::Applied;
use crate::values;

fn line(when: i64, words: &str) -> NewEvent {
    let line = LogWritten {
        host: "jupiter".into(),
        source: "syslog".into(),
        level: Level::Info,
        fields: Arc::default(),
    };
    at(when, "log/jupiter/syslog", line).with_text(words)
}

impl Bench {
    /// Appends, and folds in batches of so many.
    fn tell_all(&mut self, events: &[NewEvent], batch: usize) {
        for part in events.chunks(batch) {
            let mut session = self.database.begin().unwrap();
            let part: Vec<_> = part
                .iter()
                .map(|event| self.ledger.append(&mut session, event).unwrap())
                .collect();
            for projection in ALL {
                aging::fold(&mut session, projection, &part).unwrap();
            }
            session.commit().unwrap();
        }
    }

    /// Positions of what contains a word, in an index.
    fn found(&mut self, index: &'static str, word: &str) -> Vec<i64> {
        let mut session = self.database.snapshot().unwrap();
        all(&mut session, index, values![word], |row| row.int(0)).unwrap()
    }

    /// Each search index fits its texts.
    fn check_indexes(&mut self) {
        let mut session = self.database.begin().unwrap();
        for (table, index) in search_index::all() {
            let checked = session.write(index.check, &[]);
            assert!(checked.is_ok(), "{table}: {checked:?}");
        }
    }
}

const LINES: &str = "SELECT rowid FROM log_lines_fts WHERE log_lines_fts MATCH ?1";
const MOMENTS: &str = "SELECT rowid FROM events_fts WHERE events_fts MATCH ?1";

fn templates(bench: &mut Bench) -> Vec<(i64, String, i64, i64, i64)> {
    let mut session = bench.database.snapshot().unwrap();
    all(
        &mut session,
        "SELECT template_id, template_str, event_count, first_seen_ns, last_seen_ns \
         FROM templates ORDER BY template_id",
        &[],
        |row| {
            let text = row.text(1)?.to_owned();
            Ok((row.int(0)?, text, row.int(2)?, row.int(3)?, row.int(4)?))
        },
    )
    .unwrap()
}

fn some_lines(count: i64) -> Vec<NewEvent> {
    (0..count)
        .map(|n| {
            // Out of order now and then.
            let when = MIDNIGHT + (n ^ 3) * SECOND_NS;
            let words = match n % 4 {
                0 => format!(
                    "sshd[{n}]: Failed password for mara from 192.0.2.{} port 50022 ssh2",
                    n % 200
                ),
                1 => format!("kernel: usb 1-{n}: new high-speed USB device number {n}"),
                2 => format!(
                    "sshd[{n}]: Accepted publickey for ivo from 2001:db8::{n:x} port 22 ssh2"
                ),
                _ => format!("backup: copied {n} files in {n}.5s to /srv/backup/day{n}"),
            };
            line(when, &words)
        })
        .collect()
}

#[test]
fn ten_thousand_compact_json_lines_of_one_kind_are_one_template() {
    let mut bench = Bench::new();
    let lines: Vec<_> = (0..10_000)
        .map(|n| {
            let payload = format!(
                r#"{{"ts":{n},"level":"info","msg":"request served","path":"/p/{n}","ms":{}.25,"ok":{}}}"#,
                n % 90,
                n % 2 == 0
            );
            line(MIDNIGHT + n, &payload)
        })
        .collect();
    bench.tell_all(&lines, 1_000);
    let found = templates(&mut bench);
    let [(1, text, 10_000, first, last)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(text.contains("msg=") && !text.contains("9999"), "{text}");
    assert_eq!((*first, *last), (MIDNIGHT, MIDNIGHT + 9_999));
    assert_eq!(
        bench.ints("SELECT count(*) FROM log_lines WHERE template_id = 1"),
        [10_000]
    );
}

#[test]
fn templates_do_not_hang_on_how_the_log_was_cut() {
    let lines = some_lines(400);
    let told = |batch| {
        let mut bench = Bench::new();
        bench.tell_all(&lines, batch);
        let ids = bench.ints("SELECT coalesce(template_id, 0) FROM log_lines ORDER BY position");
        (templates(&mut bench), ids)
    };
    let whole = told(400);
    assert!((3..=8).contains(&whole.0.len()), "{:?}", whole.0);
    assert_eq!(whole.0.iter().map(|one| one.2).sum::<i64>(), 400);
    for batch in [1, 7, 64] {
        assert_eq!(told(batch), whole, "in batches of {batch}");
    }
}

#[test]
fn when_there_are_too_many_templates_those_that_matter_least_go() {
    let told = |batch| {
        let mut bench = Bench::new();
        let mut session = bench.database.begin().unwrap();
        // The even ones were seen twice.
        session
            .write(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
                 INSERT INTO templates SELECT i, 0, 'nothing like it', i, i, 2 - i % 2, 0 FROM n",
                &[],
            )
            .unwrap();
        session.commit().unwrap();
        let words = [
            "the last kind of line",
            "one kind too many, of another length",
        ];
        let lines = [words[0], words[1], words[0], "", words[1]].map(|words| line(MIDNIGHT, words));
        bench.tell_all(&lines, batch);
        let ids = bench.ints("SELECT coalesce(template_id, 0) FROM log_lines ORDER BY position");
        let left = bench.ints("SELECT template_id FROM templates ORDER BY template_id");
        (ids, left)
    };
    let (ids, left) = told(5);
    assert_eq!(ids, [10_000, 10_001, 10_000, 0, 10_001]);
    assert_eq!(left.len(), 10_001 - 1_000);
    assert!(
        left.starts_with(&[2, 4, 6]) && left.contains(&2_001),
        "{:?}",
        &left[..9]
    );
    for batch in [1, 2, 3] {
        assert_eq!(
            told(batch),
            (ids.clone(), left.clone()),
            "in batches of {batch}"
        );
    }
}

#[test]
fn words_are_found_and_go_with_their_rows() {
    for batch in [1, 1_000] {
        let mut bench = Bench::new();
        let mut events = some_lines(40);
        events.push(door("open", MIDNIGHT + HOUR_NS));
        events.push(door("closed", MIDNIGHT + 2 * HOUR_NS));
        bench.tell_all(&events, batch);
        bench.check_indexes();
        assert_eq!(bench.found(LINES, "\"accept\"").len(), 10, "stems");
        assert_eq!(bench.found(LINES, "\"copied 3 files\""), [4]);
        assert_eq!(bench.found(MOMENTS, "\"opened\""), [41]);

        let cut = |table: &str, before| {
            let applied = Applied {
                table: table.into(),
                before,
                rows: 1,
            };
            at(MIDNIGHT + DAY_NS, "retention/tables", applied)
        };
        bench.tell_all(
            &[
                cut("log_lines", MIDNIGHT + 20 * SECOND_NS),
                line(MIDNIGHT + DAY_NS, "what comes behind the cut"),
                cut("events", MIDNIGHT + 90 * MINUTE_NS),
            ],
            batch,
        );
        bench.check_indexes();
        assert_eq!(bench.found(LINES, "\"accept\"").len(), 5);
        assert_eq!(bench.found(LINES, "\"copied 3 files\""), [0_i64; 0]);
        assert_eq!(bench.found(LINES, "\"behind the cut\"").len(), 1);
        assert_eq!(bench.found(MOMENTS, "\"opened\""), [0_i64; 0]);
        assert_eq!(bench.found(MOMENTS, "\"closed\""), [42]);
    }
}

#[test]
fn an_index_that_does_not_fit_is_told() {
    let mut bench = Bench::new();
    bench.tell_all(&some_lines(3), 1);
    let mut session = bench.database.begin().unwrap();
    session
        .write(
            "INSERT INTO log_lines_fts (rowid, message) VALUES (2, 'never said')",
            &[],
        )
        .unwrap();
    let told = session.write(super::super::logs::WORDS.check, &[]);
    assert!(matches!(told, Err(StorageError::Corrupt(_))), "{told:?}");
}
