//! Searches by words and by text.

use super::*;

const TEXTS: [&str; 6] = [
    "Failed password for root from 203.0.113.9",
    "Accepted password for mara",
    "GET /wp-login.php 404",
    "password failed", // the words the other way round
    "Failed passwords: 3",
    "connection reset by peer",
];

/// The texts as lines, every third as a moment, at 10, 20, 30, …
fn filled() -> Shelf {
    let rows: Vec<_> = (1..)
        .zip(TEXTS)
        .map(|(number, text)| Made {
            at: number * 10,
            line: number % 3 != 0,
            source: if number % 3 == 0 {
                "camera/yard"
            } else {
                "log/heron/sshd"
            }
            .into(),
            text: text.into(),
            ..Made::default()
        })
        .collect();
    Shelf::with(&rows)
}

fn of(text: &str, mode: Mode) -> Search {
    Search {
        text: text.into(),
        mode,
        ..Search::default()
    }
}

fn positions(found: &Found) -> Vec<i64> {
    found.events.iter().map(|event| event.position).collect()
}

#[test]
fn words_are_found_by_their_stems_and_texts_by_their_characters() {
    let mut shelf = filled();
    for (text, words, exact) in [
        ("failed password", &[5, 1][..], &[][..]),
        ("Failed password", &[5, 1], &[5, 1]),
        ("fail", &[5, 4, 1], &[4]),
        ("ailed", &[], &[5, 4, 1]),
        ("onnect", &[], &[6]),
        ("connect", &[6], &[6]),
        ("PASSWORD", &[5, 4, 2, 1], &[]),
        ("203.0.113.9", &[1], &[1]),
        ("wp-login", &[3], &[3]),
        ("failed OR accepted", &[], &[]),
        ("pass*", &[], &[]),
        ("%", &[], &[]),
        ("p_ssword", &[], &[]),
        ("\"password\"", &[5, 4, 2, 1], &[]),
        ("", &[], &[]),
        (" ", &[], &[6, 5, 4, 3, 2, 1]),
    ] {
        assert_eq!(
            positions(&shelf.search(&of(text, Mode::Words))),
            words,
            "{text:?}"
        );
        assert_eq!(
            positions(&shelf.search(&of(text, Mode::Exact))),
            exact,
            "{text:?}"
        );
    }
}

#[test]
fn a_search_goes_on_before_the_last_that_it_told() {
    let mut shelf = filled();
    for mode in [Mode::Words, Mode::Exact] {
        let mut search = of("password", mode);
        search.limit = 1;
        let mut told = Vec::new();
        loop {
            let found = shelf.search(&search);
            told.extend(positions(&found));
            assert!(!found.stopped);
            search.before = found.next;
            if search.before.is_none() {
                break;
            }
        }
        let all = [5, 4, 2, 1];
        assert_eq!(told, all, "{mode:?}");
    }
}

#[test]
fn a_search_keeps_to_its_range_of_time_with_both_ends() {
    let mut shelf = filled();
    for mode in [Mode::Words, Mode::Exact] {
        for (since, until, expected) in [
            (20, 40, &[4, 2][..]),
            (21, 39, &[]),
            (10, 10, &[1]),
            (i64::MIN, 20, &[2, 1]),
            (50, i64::MAX, &[5]),
            (70, 80, &[]),
        ] {
            let search = Search {
                since,
                until,
                ..of("password", mode)
            };
            assert_eq!(
                positions(&shelf.search(&search)),
                expected,
                "{since} {until}"
            );
        }
    }
}

#[test]
fn what_cannot_be_searched_for_is_told_and_a_high_limit_is_cut() {
    let mut shelf = filled();
    let mut refused = |search: &Search| {
        let mut session = shelf.database.snapshot().unwrap();
        search::read(&mut session, search).unwrap_err().to_string()
    };
    let none = Search {
        limit: 0,
        ..of("x", Mode::Words)
    };
    assert_eq!(refused(&none), "a search has at least 1 result");
    let backwards = Search {
        since: 2,
        until: 1,
        ..of("x", Mode::Exact)
    };
    assert!(refused(&backwards).starts_with("the range ends before it begins"));
    let all = Search {
        limit: u32::MAX,
        ..of("password", Mode::Words)
    };
    assert_eq!(shelf.search(&all).events.len(), 4);
}

#[test]
fn a_search_that_looked_at_enough_rows_says_so_and_goes_on() {
    let mut shelf = Shelf::new();
    let mut session = shelf.database.begin().unwrap();
    session
        .write(
            "INSERT INTO names (id, name) VALUES (1, 'log/heron/sshd')",
            &[],
        )
        .unwrap();
    for sql in [
        "WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 23000) \
         INSERT INTO event_log (position, kind, version, occurred_at, received_at, stream, source, \
         flags, text, body) SELECT value, 1, 1, value, value, 1, 1, 0, \
         CASE value WHEN 1 THEN 'needle' ELSE 'hay' END, x'' FROM n",
        "INSERT INTO log_lines (position, at, level, source) \
         SELECT position, occurred_at, 1, 1 FROM event_log",
    ] {
        session.write(sql, &[]).unwrap();
    }
    session.commit().unwrap();
    let mut search = of("needle", Mode::Exact);
    let mut steps = 0;
    let found = loop {
        let found = shelf.search(&search);
        steps += 1;
        if !found.stopped {
            break found;
        }
        assert_eq!(found.events, []);
        search.before = found.next;
    };
    assert_eq!((positions(&found), steps <= 2), (vec![1], true));
}

#[test]
fn what_was_found_is_set_off_also_where_only_the_stem_is_the_same() {
    let mut shelf = filled();
    let found = shelf.search(&of("fail password", Mode::Words));
    let mut session = shelf.database.snapshot().unwrap();
    let mut marked = |text: &str, event| search::marked(&mut session, text, event).unwrap();
    assert_eq!(
        marked("fail password", &found.events[0]),
        ["", "Failed passwords", ": 3"]
    );
    assert_eq!(marked("", &found.events[0]), ["Failed passwords: 3"]);
    assert_eq!(marked("nothing", &found.events[0]), ["Failed passwords: 3"]);
}
