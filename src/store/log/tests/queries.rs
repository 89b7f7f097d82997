//! Pages by conditions, beside the same rows filtered and sorted by hand.

use std::str::FromStr as _;

use proptest::prelude::*;

use super::*;

fn made() -> impl Strategy<Value = Made> {
    let texts = [
        "Failed password for root",
        "Door open",
        "disk full on heron",
    ];
    (
        0_i64..6, // few times, so that many rows share one
        0_i64..5,
        any::<bool>(),
        0_usize..2,
        proptest::option::of(1_i64..3),
        proptest::option::of(1_i64..3),
        prop::sample::select(texts.to_vec()),
    )
        .prop_map(|(at, level, line, source, template, entity, text)| {
            let sources = if line {
                ["log/heron/sshd", "log/heron/nginx"]
            } else {
                ["camera/yard", "sensor/yard"]
            };
            Made {
                at,
                level,
                source: sources[source].into(),
                line,
                template: template.filter(|_| line),
                entity,
                text: text.into(),
            }
        })
}

fn query() -> impl Strategy<Value = EventQuery> {
    let one_of = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        proptest::option::of(prop::sample::select(texts))
    };
    (
        (0_i64..4, 0_i64..4),
        one_of(&["log", "camera", "house"]),
        one_of(&["heron/sshd", "yard", "nobody"]),
        0_u8..=6,
        proptest::option::weighted(0.3, 1_i64..4),
        proptest::option::weighted(0.3, 1_i64..5),
        one_of(&["failed passwords", "open", "DISK FULL"]),
        1_u32..5,
    )
        .prop_map(
            |((since, span), source_type, source_id, min_severity, template, who, text, limit)| {
                EventQuery {
                    since,
                    until: since + span,
                    source_type,
                    source_id,
                    min_severity,
                    template,
                    entity: who.map(entity),
                    text,
                    cursor: None,
                    limit,
                }
            },
        )
}

/// Whether the row is asked for.
fn fits(made: &Made, row: &StoredEvent, query: &EventQuery) -> bool {
    let holds = |words: &str| match words {
        "failed passwords" => row.message.starts_with("Failed"),
        "open" => row.message.ends_with("open"),
        _ => row.message.starts_with("disk"),
    };
    (query.since..=query.until).contains(&row.at)
        && query
            .source_type
            .as_ref()
            .is_none_or(|kind| *kind == row.source_type)
        && query
            .source_id
            .as_ref()
            .is_none_or(|id| *id == row.source_id)
        && row.severity >= query.min_severity
        && query
            .template
            .is_none_or(|template| row.template == Some(template))
        && query
            .entity
            .is_none_or(|who| made.entity.map(entity) == Some(who))
        && query.text.as_deref().is_none_or(holds)
}

/// Few rows a round, so that walks stop; and no phrase is rare, or every one.
const NARROW: [Bounds; 3] = [
    Bounds {
        rounds: &[1, 3],
        rare: 0,
    },
    Bounds {
        rounds: &[2],
        rare: 20_000,
    },
    page::BOUNDS,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn page_by_page_every_row_comes_once_while_others_are_stored(
        first in prop::collection::vec(made(), 0..40),
        later in prop::collection::vec(made(), 0..20),
        mut query in query(),
        narrow in 0_usize..3,
    ) {
        let mut shelf = Shelf::new();
        let known: Vec<_> = first.iter().map(|made| (made, shelf.add(made))).collect();
        let mut expected: Vec<StoredEvent> = known
            .iter()
            .filter(|(made, row)| fits(made, row, &query))
            .map(|(_, row)| row.clone())
            .collect();
        expected.sort_by_key(|row| std::cmp::Reverse((row.at, row.position)));
        let head = shelf.head;
        let mut later = later.iter();
        let mut told: Vec<StoredEvent> = Vec::new();
        loop {
            let page = shelf.page_within(&query, NARROW[narrow]);
            prop_assert!(page.events.len() <= query.limit as usize);
            prop_assert!(page.events.len() == query.limit as usize || page.stopped || page.next.is_none());
            told.extend(page.events);
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
            later.by_ref().take(2).for_each(|made| drop(shelf.add(made)));
        }
        prop_assert!(told.is_sorted_by_key(|row| std::cmp::Reverse((row.at, row.position))));
        // What was stored meanwhile may have come or not; nothing came twice.
        let mut positions: Vec<_> = told.iter().map(|row| row.position).collect();
        positions.sort_unstable();
        prop_assert!(positions.is_sorted_by(|one, other| one < other));
        told.retain(|row| row.position <= head);
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn no_text_is_a_cursor_by_chance(text in "[0-9a-f]{0,44}|.{0,12}") {
        if let Ok(cursor) = Cursor::from_str(&text) {
            prop_assert_eq!(cursor.to_string(), text);
        }
    }
}

fn at(time: i64) -> Made {
    Made {
        at: time,
        ..Made::default()
    }
}

#[test]
fn a_range_has_both_its_ends_and_an_empty_store_has_no_page() {
    let mut shelf = Shelf::with(&[at(1), at(2), at(3), at(4)]);
    let query = EventQuery {
        since: 2,
        until: 3,
        ..EventQuery::default()
    };
    assert_eq!(shelf.positions(&query), [3, 2]);
    let instant = EventQuery { until: 2, ..query };
    assert_eq!(shelf.positions(&instant), [2]);
    let page = Shelf::new().page(&EventQuery::default());
    assert_eq!(
        (page.events.len(), page.next, page.stopped),
        (0, None, false)
    );
}

#[test]
fn a_full_page_tells_of_more_only_when_there_are() {
    let mut shelf = Shelf::with(&[at(1), at(2), at(3)]);
    for (limit, rows, more) in [
        (1, 1, true),
        (2, 2, true),
        (3, 3, false),
        (PAGE_MAX, 3, false),
    ] {
        let page = shelf.page(&EventQuery {
            limit,
            ..EventQuery::default()
        });
        assert_eq!(
            (page.events.len(), page.next.is_some()),
            (rows, more),
            "{limit}"
        );
    }
}

#[test]
fn levels_of_lines_and_severities_of_moments_are_one_scale() {
    let mut rows: Vec<Made> = (0..5).map(|level| Made { level, ..at(level) }).collect();
    rows.extend((0..=6).map(|level| Made {
        level,
        line: false,
        source: "camera/yard".into(),
        ..at(level)
    }));
    let mut shelf = Shelf::with(&rows);
    for (min_severity, expected) in [(0, 12), (1, 10), (2, 8), (3, 7), (4, 5), (5, 3), (6, 1)] {
        let query = EventQuery {
            min_severity,
            ..EventQuery::default()
        };
        let page = shelf.page(&query);
        assert_eq!(page.events.len(), expected, "{min_severity}");
        assert!(
            page.events
                .iter()
                .all(|event| event.severity >= min_severity)
        );
    }
}

#[test]
fn words_that_are_none_and_entities_that_nobody_knows_find_nothing() {
    let mut shelf = Shelf::with(&[at(1)]);
    for query in [
        EventQuery {
            text: Some(" \"\" ".into()),
            ..EventQuery::default()
        },
        EventQuery {
            entity: Some(entity(99)),
            ..EventQuery::default()
        },
    ] {
        let page = shelf.page(&query);
        assert_eq!((page.events.len(), page.next), (0, None));
    }
}

fn refusal(query: &EventQuery) -> String {
    let mut shelf = Shelf::new();
    let mut session = shelf.database.snapshot().unwrap();
    page::read(&mut session, query, page::BOUNDS)
        .unwrap_err()
        .to_string()
}

#[test]
fn what_cannot_be_asked_for_is_told() {
    let usual = EventQuery::default;
    for (query, expected) in [
        (
            EventQuery {
                limit: 0,
                ..usual()
            },
            "a page has 1 to 1000 rows, not 0",
        ),
        (
            EventQuery {
                limit: 1_001,
                ..usual()
            },
            "a page has 1 to 1000 rows, not 1001",
        ),
        (
            EventQuery {
                since: 2,
                until: 1,
                ..usual()
            },
            "the range ends before it begins: give a later end or an earlier beginning",
        ),
        (
            EventQuery {
                min_severity: 7,
                ..usual()
            },
            "a severity is 0 to 6, not 7",
        ),
    ] {
        assert_eq!(refusal(&query), expected);
    }
}

#[test]
fn a_cursor_is_good_for_its_own_question_whatever_the_page_size() {
    let mut shelf = Shelf::with(&[at(1), at(2), at(3)]);
    let mut query = EventQuery {
        limit: 1,
        ..EventQuery::default()
    };
    let next = shelf.page(&query).next.unwrap();
    assert_eq!(Cursor::from_str(&next.to_string()).unwrap(), next);
    query.cursor = Some(next);
    query.limit = 10;
    assert_eq!(shelf.positions(&query), [2, 1]);
    // The last two hours are others for each page.
    query.since = 2;
    query.until = 100;
    assert_eq!(shelf.positions(&query), [2]);
    query.until = 1;
    query.since = 0;
    assert_eq!(shelf.positions(&query), [1]);
    query.min_severity = 1;
    assert!(refusal(&query).starts_with("this cursor belongs to another question"));
    let good = next.to_string();
    for text in [
        String::new(),
        "12".to_owned(),
        good.to_uppercase().replace('0', "O"),
        format!("02{}", &good[2..]),
        format!("{good}00"),
        good.replace(&good[18..34], "ffffffffffffffff"),
    ] {
        let refused = Cursor::from_str(&text).unwrap_err().to_string();
        assert!(
            refused.starts_with("this is no cursor"),
            "{text}: {refused}"
        );
    }
}
