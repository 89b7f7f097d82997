//! What the alert store promises, over the real writer and reactors.
#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "tests and tables of cases"
)]

use proptest::prelude::*;

use super::*;
use crate::event::entity::EntityType;
use crate::reactor::tests::bench::{House, NOON};
use crate::read_model::alerts::Said;

fn house() -> House {
    House::new(crate::reactor::Settings::default())
}

fn store(house: &House) -> Alerts {
    let path = house.folder.path().join("nightjar.db");
    let database = Database::open_reader(&path).unwrap();
    Alerts::new(database, Some(house.handle().clone()), house.clock.clone())
}

/// An alert of a key, so many nanoseconds after noon.
fn alert(key: &str, after_ns: i64) -> NewAlert {
    NewAlert {
        alert_type: "correlation".into(),
        rule_name: "sigma/ssh".into(),
        severity_id: 3,
        timestamp_ns: NOON + after_ns,
        description: format!("{key} at {after_ns}"),
        dedup_key: key.into(),
        risk_score: Some(40.0),
        entity: None,
        id: None,
    }
}

fn all(store: &mut Alerts) -> Vec<Alert> {
    let page = store.query_alerts(&AlertQuery::default()).unwrap();
    assert_eq!(page.next, None);
    page.alerts
}

#[test]
fn the_window_is_anchored_to_the_first_and_its_edge_is_inside() {
    let house = house();
    let mut store = store(&house);
    let window = DETECTION_WINDOW_NS;
    assert_eq!(window, 900_000_000_000);
    for (after, is_new) in [
        (0, true),
        (window, false),
        // Before the first: the same distance.
        (-window, false),
        (window - 1, false),
        // Counted from the first and not from the last.
        (window + 1, true),
        (2 * window + 1, false),
        (2 * window + 2, true),
    ] {
        let written = store.write_alert(&alert("a", after), window).unwrap();
        assert_eq!(written, is_new, "{after}");
    }
    let told: Vec<_> = all(&mut store)
        .iter()
        .map(|one| {
            let times = (one.timestamp_ns - NOON, one.last_ns - NOON);
            (one.incident, one.dedup_count, times, one.is_open)
        })
        .collect();
    let (w, w2) = (window, 2 * window);
    assert_eq!(
        told,
        [
            (3, 1, (w2 + 2, w2 + 2), true),
            (2, 2, (w + 1, w2 + 1), false),
            (1, 4, (0, w), false),
        ],
        "past incidents stay as they were"
    );
    assert!(store.write_alert(&alert("b", 0), 0).unwrap());
    assert!(!store.write_alert(&alert("b", 0), 0).unwrap());
    assert!(store.write_alert(&alert("b", 1), 0).unwrap());
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_bump_keeps_the_id_and_raises_severity_and_risk_to_the_highest() {
    let house = house();
    let mut store = store(&house);
    let minute = 60_000_000_000;
    store
        .write_alert(&alert("a", 0), DETECTION_WINDOW_NS)
        .unwrap();
    let id = all(&mut store)[0].alert_id;
    store
        .update_feedback(id, Verdict::TruePositive, Some("a stranger"), "ada")
        .unwrap();
    let graver = NewAlert {
        severity_id: 5,
        risk_score: Some(90.0),
        ..alert("a", minute)
    };
    let lighter = NewAlert {
        severity_id: 1,
        risk_score: Some(3.0),
        ..alert("a", 2 * minute)
    };
    assert!(!store.write_alert(&graver, DETECTION_WINDOW_NS).unwrap());
    assert!(!store.write_alert(&lighter, DETECTION_WINDOW_NS).unwrap());
    let found = store.get_alert_by_id(id).unwrap().unwrap();
    assert_eq!((found.severity_id, found.risk_score), (5, 90.0));
    assert_eq!((found.dedup_count, found.timestamp_ns), (3, NOON));
    assert_eq!(found.description, "a at 0");
    assert_eq!(
        (found.feedback, found.feedback_note.as_deref()),
        (Some(Verdict::TruePositive), Some("a stranger")),
        "the verdict is still on it"
    );
    // The next incident begins without one, and with its own severity.
    let later = alert("a", 3 * DETECTION_WINDOW_NS);
    assert!(store.write_alert(&later, DETECTION_WINDOW_NS).unwrap());
    let newest = &all(&mut store)[0];
    assert_eq!((newest.severity_id, newest.feedback), (3, None));
    assert_eq!(store.get_alert_by_id(4_711).unwrap(), None);
}

#[test]
fn the_last_verdict_counts_and_the_trail_keeps_all() {
    let house = house();
    let mut store = store(&house);
    for key in ["a", "b", "c"] {
        store.write_alert(&alert(key, 0), 0).unwrap();
    }
    let ids: Vec<_> = all(&mut store).iter().map(|one| one.alert_id).collect();
    assert_eq!(store.get_feedback_stats().unwrap(), Judgements::default());
    let (right, wrong) = (Verdict::TruePositive, Verdict::FalsePositive);
    for (id, verdict, note, by) in [
        (ids[0], right, None, "ada"),
        (ids[1], right, Some("seen"), "ada"),
        (ids[1], wrong, Some("the cat"), "tom"),
    ] {
        store.update_feedback(id, verdict, note, by).unwrap();
    }
    let stats = store.get_feedback_stats().unwrap();
    assert_eq!((stats.true_positives, stats.false_positives), (1, 1));
    assert_eq!(stats.precision(), Some(0.5));
    assert_eq!(
        house.rows("SELECT feedback, note, by_whom FROM alert_feedback ORDER BY id"),
        ["tp - ada", "tp seen ada", "fp the cat tom"]
    );
    let unjudged = AlertQuery {
        filters: Filters {
            said: Some(Said::Nothing),
            ..Filters::default()
        },
        ..AlertQuery::default()
    };
    assert_eq!(store.query_alerts(&unjudged).unwrap().alerts.len(), 1);
    assert_eq!(
        store
            .update_feedback(9_999, right, None, "ada")
            .unwrap_err()
            .to_string(),
        "there is no alert 9999; `nightjar alerts list` shows them"
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn verdicts_from_many_sides_at_once_are_all_kept() {
    let house = house();
    let mut first = store(&house);
    first.write_alert(&alert("a", 0), 0).unwrap();
    let id = all(&mut first)[0].alert_id;
    std::thread::scope(|scope| {
        for by in ["ada", "tom", "ivo", "mara"] {
            let mut own = store(&house);
            scope.spawn(move || {
                for _ in 0..5 {
                    let verdict = Verdict::FalsePositive;
                    own.update_feedback(id, verdict, None, by).unwrap();
                }
            });
        }
    });
    assert_eq!(house.rows("SELECT count(*) FROM alert_feedback"), ["20"]);
    assert_eq!(
        house.rows(
            "SELECT a.feedback = f.feedback FROM alerts a JOIN alert_feedback f USING (alert_id) \
             ORDER BY f.id DESC LIMIT 1"
        ),
        ["1"]
    );
}

#[test]
fn pages_neither_repeat_nor_leave_out_what_stays_while_more_is_written() {
    let house = house();
    let mut store = store(&house);
    // Three of each time.
    for index in 0..12 {
        let one = alert(&format!("k{index}"), index / 3);
        store.write_alert(&one, 0).unwrap();
    }
    let whole: Vec<_> = all(&mut store).iter().map(|one| one.alert_id).collect();
    let mut paged = Vec::new();
    let mut query = AlertQuery {
        limit: 2,
        ..AlertQuery::default()
    };
    loop {
        let page = store.query_alerts(&query).unwrap();
        paged.extend(page.alerts.iter().map(|one| one.alert_id));
        let newer = alert(&format!("new{}", paged.len()), 1_000);
        store.write_alert(&newer, 0).unwrap();
        match page.next {
            Some(last) => query.before = Some(last),
            None => break,
        }
    }
    assert_eq!(paged, whole);
}

#[test]
fn filters_hold_together() {
    let house = house();
    let mut store = store(&house);
    let entity = Entity::new(EntityType::Ip, "2001:DB8::9").unwrap();
    let grave = NewAlert {
        alert_type: "ml".into(),
        severity_id: 5,
        entity: Some(entity.clone()),
        ..alert("a", 10)
    };
    store.write_alert(&grave, 0).unwrap();
    store.write_alert(&alert("b", 20), 0).unwrap();
    store.write_alert(&alert("b", 30), 0).unwrap();
    let mut count = |filters: Filters| {
        let query = AlertQuery {
            filters,
            ..AlertQuery::default()
        };
        store.query_alerts(&query).unwrap().alerts.len()
    };
    let none = Filters::default;
    let text = |text: &str| Some(text.to_owned());
    for (filters, expected) in [
        (none(), 3),
        (
            Filters {
                alert_type: text("ml"),
                ..none()
            },
            1,
        ),
        (
            Filters {
                severity_min: Some(4),
                ..none()
            },
            1,
        ),
        (
            Filters {
                severity_min: Some(3),
                ..none()
            },
            3,
        ),
        (
            Filters {
                rule_name: text("sigma/ssh"),
                ..none()
            },
            3,
        ),
        (
            Filters {
                rule_name: text("sigma"),
                ..none()
            },
            0,
        ),
        (
            Filters {
                entity_type: text("ip"),
                ..none()
            },
            1,
        ),
        (
            Filters {
                entity_value: text(entity.value()),
                ..none()
            },
            1,
        ),
        (
            Filters {
                dedup_key: text("b"),
                ..none()
            },
            2,
        ),
        (
            Filters {
                dedup_key: text("b"),
                is_open: true,
                ..none()
            },
            1,
        ),
        (
            Filters {
                is_open: true,
                ..none()
            },
            2,
        ),
        (
            Filters {
                unacknowledged: true,
                ..none()
            },
            3,
        ),
        (
            Filters {
                said: Some(Said::This(Verdict::FalsePositive)),
                ..none()
            },
            0,
        ),
        (
            Filters {
                since: Some(NOON + 20),
                ..none()
            },
            2,
        ),
        (
            Filters {
                until: Some(NOON + 20),
                ..none()
            },
            1,
        ),
        (
            Filters {
                recipient: text("ada"),
                ..none()
            },
            0,
        ),
        (
            Filters {
                alert_type: text("ml"),
                dedup_key: text("b"),
                ..none()
            },
            0,
        ),
    ] {
        let shown = format!("{filters:?}");
        assert_eq!(count(filters), expected, "{shown}");
    }
    let stored = house.rows("SELECT entity_type, entity_value, entity_uuid FROM alerts LIMIT 1");
    let expected = format!("ip {} {}", entity.value(), entity.uuid());
    assert_eq!(stored, [expected]);
}

#[test]
fn the_same_writing_twice_counts_once() {
    let house = house();
    let mut store = store(&house);
    let named = |id: &str, after| NewAlert {
        id: Some(id.into()),
        ..alert("a", after)
    };
    let window = DETECTION_WINDOW_NS;
    assert!(store.write_alert(&named("x1", 0), window).unwrap());
    // The answer was lost, and it is asked again: the same answer.
    assert!(store.write_alert(&named("x1", 0), window).unwrap());
    assert!(!store.write_alert(&named("x2", 1), window).unwrap());
    assert!(!store.write_alert(&named("x2", 1), window).unwrap());
    assert_eq!(all(&mut store)[0].dedup_count, 2);
}

#[test]
fn what_makes_no_sense_is_refused_and_says_why() {
    let house = house();
    let mut store = store(&house);
    let long = "x".repeat(NAME_MAX_BYTES + 1);
    for (unfit, said) in [
        (
            NewAlert {
                dedup_key: String::new(),
                ..alert("a", 0)
            },
            "the key of an alert has 1 to 512 bytes, not 0",
        ),
        (
            NewAlert {
                rule_name: long,
                ..alert("a", 0)
            },
            "the rule of an alert has 1 to 512 bytes, not 513",
        ),
        (
            NewAlert {
                severity_id: 7,
                ..alert("a", 0)
            },
            "the severity of an alert is 0 to 6, not 7",
        ),
        (
            NewAlert {
                risk_score: Some(f64::NAN),
                ..alert("a", 0)
            },
            "the risk of an alert is 0 to 100, not NaN",
        ),
    ] {
        let error = store.write_alert(&unfit, 0).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
    assert!(store.write_alert(&alert("a", 0), -1).is_err());
    let query = |limit, since, until| AlertQuery {
        limit,
        filters: Filters {
            since,
            until,
            ..Filters::default()
        },
        before: None,
    };
    let none = store.query_alerts(&query(0, None, None));
    assert!(matches!(none, Err(AlertStoreError::PageSize)));
    let backwards = store.query_alerts(&query(1, Some(2), Some(1)));
    assert!(matches!(backwards, Err(AlertStoreError::Range)));
    let empty = store.query_alerts(&query(1, Some(2), Some(2))).unwrap();
    assert_eq!(empty, AlertPage::default());
    let unknown = AlertQuery {
        before: Some(77),
        ..AlertQuery::default()
    };
    let unknown = store.query_alerts(&unknown);
    assert!(matches!(unknown, Err(AlertStoreError::Unknown(77))));
    let path = house.folder.path().join("nightjar.db");
    let reader = Database::open_reader(&path).unwrap();
    let mut only_reads = Alerts::new(reader, None, house.clock.clone());
    let refused = only_reads.write_alert(&alert("a", 0), 0);
    assert!(matches!(refused, Err(AlertStoreError::ReadOnly)));
    assert_eq!(all(&mut store), []);
}

#[test]
fn a_limit_is_cut_and_the_page_says_that_there_is_more() {
    let house = house();
    let mut store = store(&house);
    for key in ["a", "b"] {
        store.write_alert(&alert(key, 0), 0).unwrap();
    }
    let one = AlertQuery {
        limit: 1,
        ..AlertQuery::default()
    };
    let page = store.query_alerts(&one).unwrap();
    assert_eq!(page.next, Some(page.alerts[0].alert_id));
    let many = AlertQuery {
        limit: u32::MAX,
        ..AlertQuery::default()
    };
    assert_eq!(store.query_alerts(&many).unwrap().alerts.len(), 2);
}

/// The rule, by itself: whether each opens an incident.
fn expected(times: &[i64], window: i64) -> Vec<bool> {
    let mut first: Option<i64> = None;
    times
        .iter()
        .map(|&at| match first {
            Some(anchor) if (at - anchor).abs() <= window => false,
            _ => {
                first = Some(at);
                true
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_times_incidents_follow_the_rule(times in proptest::collection::vec(-9_i64..9, 1..12), window in 0_i64..5) {
        let house = house();
        let mut store = store(&house);
        let told: Vec<bool> = times
            .iter()
            .map(|&at| store.write_alert(&alert("a", at), window).unwrap())
            .collect();
        prop_assert_eq!(&told, &expected(&times, window));
        let alerts = all(&mut store);
        let incidents = told.iter().filter(|is_new| **is_new).count();
        prop_assert_eq!(alerts.len(), incidents);
        prop_assert_eq!(alerts.iter().filter(|one| one.is_open).count(), 1);
        prop_assert_eq!(alerts.iter().map(|one| one.dedup_count).sum::<i64>(), times.len() as i64);
    }
}

#[test]
fn people_are_told_as_of_a_moment_and_never_whom_a_face_belongs_to() {
    let recipient = crate::reactor::alerts::Recipient {
        name: "ada".into(),
        is_adult: true,
        channels: vec![crate::event::alarm::Channel::Ntfy],
    };
    let house = House::new(crate::reactor::Settings {
        alerts: crate::reactor::alerts::Settings {
            recipients: vec![recipient],
            ..crate::reactor::alerts::Settings::default()
        },
        ..crate::reactor::Settings::default()
    });
    let mut store = store(&house);
    let grave = NewAlert {
        severity_id: 4,
        risk_score: None,
        entity: Some(Entity::new(EntityType::Person, "12").unwrap()),
        ..alert("grave", 0)
    };
    store.write_alert(&grave, 0).unwrap();
    store.write_alert(&alert("light", 1), 0).unwrap();
    let told: Vec<_> = all(&mut store)
        .into_iter()
        .map(|one| (one.dedup_key, one.pending, one.risk_score, one.entity_value))
        .collect();
    assert_eq!(
        told,
        [
            ("light".to_owned(), 0, 40.0, None),
            ("grave".to_owned(), 1, 50.0, None)
        ]
    );
}
