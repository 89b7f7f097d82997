//! Rules of pets, judged by the real writer on a clock that is moved by hand.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::thread::JoinHandle;

use super::condition::{ConditionError, check_rule, parse, parse_json};
use super::judge::{fires, judge};
use super::*;
use crate::base::clock::{Clock, HOUR_NS, SECOND_NS};
use crate::base::shutdown::Shutdown;
use crate::event::animal::{PetLocated, PetSighted};
use crate::event::camera::{Detection, MotionStarted};
use crate::event::pet::{Registered, Removed, RuleSet};
use crate::event::{Extra, Flags};
use crate::read_model;
use crate::storage::sqlite::{Database, Durability};
use crate::writer::{self, Handle, Reactions, sabotage::Sabotage};

/// 2026-11-20 21:00 UTC.
const EVENING: i64 = 1_795_208_400 * SECOND_NS;

/// A house with Rex in it.
struct House {
    clock: Clock,
    folder: tempfile::TempDir,
    handle: Option<Handle>,
    thread: Option<JoinHandle<Result<(), writer::WriterError>>>,
}

impl House {
    fn new() -> Self {
        let mut house = Self {
            clock: Clock::fixed(EVENING),
            folder: tempfile::tempdir().unwrap(),
            handle: None,
            thread: None,
        };
        house.start();
        let rex = Registered {
            name: "Rex".into(),
            ..Registered::default()
        };
        house.tell("pet/rex", rex);
        house
    }

    fn start(&mut self) {
        let options = writer::Options {
            path: self.folder.path().join("t.db"),
            durability: Durability::Scratch,
            cache_kib: 1_024,
            clock: self.clock.clone(),
            projections: read_model::ALL,
            reactions: Reactions {
                reactors: &[REACTOR],
                settings: Arc::default(),
            },
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let telemetry = Arc::default();
        let started = writer::start(options, telemetry, Shutdown::new(), &mut |_, _, _| {});
        let started = started.unwrap();
        self.handle = Some(started.handle);
        let writer = started.writer;
        let thread = std::thread::Builder::new().spawn(move || writer.run());
        self.thread = Some(thread.unwrap());
    }

    fn stop(&mut self) {
        self.handle = None;
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    /// Something happens now.
    fn tell(&self, stream: &str, event: impl Into<Event>) {
        self.tell_at(self.clock.now(), stream, event);
    }

    fn tell_at(&self, at: i64, stream: &str, event: impl Into<Event>) {
        let new = NewEvent::own(at, stream, event);
        self.handle().store(vec![new]).unwrap();
    }

    fn seen(&self, camera: &str) {
        self.tell(&format!("camera/{camera}"), sighting(camera));
    }

    fn located(&self, camera: &str, place: &str) {
        let located = PetLocated {
            camera: camera.into(),
            location: place.into(),
            extra: Extra::new(),
        };
        self.tell("pet/Rex", located);
    }

    fn person(&self, camera: &str) {
        let person = MotionStarted {
            detection: Some(Detection::Person),
            ..MotionStarted::default()
        };
        self.tell(&format!("camera/{camera}"), person);
    }

    fn rule(&self, name: &str, conditions: &[&str]) {
        self.tell("pet/rex", rule_set(name, conditions));
    }

    /// Minutes pass, second by second as far as the rules are concerned.
    fn wait(&self, minutes: i64) {
        for _ in 0..minutes {
            self.clock.set(self.clock.now() + MINUTE_NS);
            self.handle().tick().unwrap();
        }
    }

    /// What was said so far, each with the minute of the evening.
    fn said(&self) -> Vec<String> {
        let mut reader = Database::open_reader(&self.folder.path().join("t.db")).unwrap();
        let sql = "SELECT message, timestamp_ns, severity_id FROM events WHERE type = 'PET_RULE' \
                   ORDER BY position";
        all(&mut reader.snapshot().unwrap(), sql, &[], |row| {
            let minute = (row.int(1)? - EVENING) / MINUTE_NS;
            Ok(format!("{minute}: {} ({})", row.text(0)?, row.int(2)?))
        })
        .unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.handle = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn sighting(camera: &str) -> PetSighted {
    PetSighted {
        camera: camera.into(),
        pet_id: Some("REX".into()),
        species: "dog".into(),
        confidence: 0.9,
        bbox: None,
        crop_path: None,
        location: None,
        extra: Extra::new(),
    }
}

fn rule_set(name: &str, conditions: &[&str]) -> RuleSet {
    RuleSet {
        name: name.into(),
        conditions: conditions.iter().map(|text| parse(text).unwrap()).collect(),
        action: Action::Push,
        message: Some(name.into()),
        cooldown_s: 300,
        priority: 5,
        enabled: true,
    }
}

#[test]
fn a_detection_fires_at_once_and_again_after_the_cooldown() {
    let house = House::new();
    house.rule("yard", &["detected_in_zone=Yard"]);
    house.seen("kitchen");
    house.seen("yard");
    house.seen("yard");
    house.wait(4);
    house.seen("yard");
    house.wait(1);
    assert_eq!(house.said(), ["0: yard (3)"]);
    house.seen("yard");
    assert_eq!(house.said(), ["0: yard (3)", "5: yard (3)"]);
}

#[test]
fn a_place_that_is_told_is_a_zone() {
    let house = House::new();
    house.rule("sofa", &["detected_in_zone=sofa"]);
    house.located("hall", "Sofa");
    house.located("hall", "basket");
    assert_eq!(house.said(), ["0: sofa (3)"]);
}

#[test]
fn somebody_within_half_a_minute_is_with_the_pet() {
    let house = House::new();
    house.rule("alone", &["detected_without_person=yard"]);
    house.person("yard");
    house.clock.set(EVENING + 30 * SECOND_NS);
    house.seen("yard");
    assert_eq!(house.said(), Vec::<String>::new());
    // A person elsewhere is no company, and neither is one of long ago.
    house.person("kitchen");
    house.clock.set(EVENING + 31 * SECOND_NS);
    house.seen("kitchen");
    assert_eq!(house.said(), Vec::<String>::new());
    house.seen("yard");
    assert_eq!(house.said(), ["0: alone (3)"]);
}

#[test]
fn an_absence_is_told_once_until_the_pet_was_back() {
    let house = House::new();
    house.seen("kitchen");
    house.rule("missing", &["not_seen_anywhere=10"]);
    house.rule("no garden", &["not_seen_in_zone=garden,15"]);
    house.wait(60);
    assert_eq!(house.said(), ["10: missing (3)", "15: no garden (3)"]);
    house.seen("garden");
    house.wait(12);
    assert_eq!(house.said()[2..], ["70: missing (3)"]);
}

#[test]
fn a_stay_is_told_once_and_goes_on_until_the_pet_is_seen_elsewhere() {
    let house = House::new();
    house.rule("long out", &["in_zone_longer_than=garden,20"]);
    house.located("gate", "garden");
    house.wait(15);
    // The camera that told the place is no other zone.
    house.seen("gate");
    house.wait(10);
    assert_eq!(house.said(), ["21: long out (3)"]);
    house.seen("kitchen");
    house.wait(30);
    house.located("gate", "garden");
    house.wait(25);
    assert_eq!(house.said(), ["21: long out (3)", "76: long out (3)"]);
    house.rule("long in the kitchen", &["in_zone_longer_than=kitchen,1"]);
    house.wait(3);
    assert_eq!(house.said().len(), 2, "it is in the garden");
}

#[test]
fn all_conditions_have_to_hold_and_hours_that_begin_anew_tell_anew() {
    let house = House::new();
    house.seen("kitchen");
    let hours = "time_of_day=22:00-23:00";
    house.rule("night", &["not_seen_anywhere=30", hours]);
    house.rule("at night", &["detected_in_zone=yard", hours]);
    house.wait(59);
    assert_eq!(house.said(), Vec::<String>::new());
    house.wait(30);
    assert_eq!(house.said(), ["60: night (3)"]);
    house.wait(24 * 60);
    assert_eq!(house.said(), ["60: night (3)", "1500: night (3)"]);
    house.seen("yard");
    assert_eq!(house.said()[2..], ["1529: at night (3)"]);
}

#[test]
fn what_is_late_retained_switched_off_or_gone_fires_nothing() {
    let house = House::new();
    house.rule("yard", &["detected_in_zone=yard"]);
    house.tell_at(EVENING - 6 * MINUTE_NS, "camera/yard", sighting("yard"));
    let mut retained = NewEvent::own(EVENING, "camera/yard", sighting("yard"));
    retained.flags = Flags::RETAINED;
    house.handle().store(vec![retained]).unwrap();
    let off = RuleSet {
        enabled: false,
        ..rule_set("yard", &["detected_in_zone=yard"])
    };
    house.tell("pet/rex", off);
    house.seen("yard");
    house.rule("missing", &["not_seen_anywhere=10"]);
    house.tell("pet/rex", Removed {});
    house.seen("yard");
    house.wait(20);
    assert_eq!(house.said(), Vec::<String>::new());
}

#[test]
fn what_fired_is_remembered_through_restart_and_rebuild() {
    let mut house = House::new();
    house.seen("kitchen");
    house.rule("missing", &["not_seen_anywhere=10"]);
    house.rule("seen", &["detected_in_zone=kitchen"]);
    house.seen("kitchen");
    house.wait(11);
    let said = house.said();
    assert_eq!(said, ["0: seen (3)", "10: missing (3)"]);
    house.stop();
    house.start();
    house.wait(30);
    house.handle().rebuild().unwrap();
    house.wait(30);
    assert_eq!(house.said(), said);
}

#[test]
fn a_rule_of_a_pet_that_was_never_seen_waits_from_when_it_was_set() {
    let house = House::new();
    house.wait(100);
    house.rule("missing", &["not_seen_anywhere=10"]);
    house.wait(20);
    assert_eq!(house.said(), ["110: missing (3)"]);
}

#[test]
fn the_gravest_rule_speaks_first_and_gravity_is_severity() {
    let house = House::new();
    for (name, action, priority) in [
        ("b", Action::Log, 9),
        ("c", Action::Push, 7),
        ("d", Action::Record, 7),
        ("e", Action::Record, 0),
    ] {
        let rule = RuleSet {
            action,
            priority,
            ..rule_set(name, &["detected_in_zone=yard"])
        };
        house.tell("pet/rex", rule);
    }
    let rule = RuleSet {
        message: None,
        ..rule_set("a", &["detected_in_zone=yard", "detected_without_person"])
    };
    house.tell("pet/rex", rule);
    house.seen("yard");
    assert_eq!(
        house.said(),
        [
            "0: b (1)",
            "0: c (4)",
            "0: d (3)",
            "0: Rex is seen in yard and seen without a person (3)",
            "0: e (1)"
        ]
    );
}

#[test]
fn a_clock_that_was_ahead_does_not_silence_a_rule() {
    let verdict = Verdict {
        holds: true,
        why: String::new(),
        since: Some(EVENING),
    };
    let rule = |cooldown_s, last_fired_at| Rule {
        id: 1,
        pet: "rex".into(),
        pet_name: "Rex".into(),
        name: "missing".into(),
        conditions: vec![parse("not_seen_anywhere=10").unwrap()],
        action: Action::Push,
        message: None,
        cooldown_s,
        priority: 5,
        enabled: true,
        set_at: EVENING,
        last_fired_at,
    };
    let now = EVENING + HOUR_NS;
    for (last_fired_at, expected) in [
        (None, true),
        (Some(EVENING - 1), true),
        (Some(EVENING), false),
        (Some(now - 1), false),
        (Some(now + 1), false),
        (Some(now + 365 * 24 * HOUR_NS), true),
        (Some(i64::MAX), true),
        (Some(i64::MIN), true),
    ] {
        let rule = rule(60, last_fired_at);
        let fires = fires(&rule, std::slice::from_ref(&verdict), now, &TimeZone::UTC);
        assert_eq!(fires, expected, "{last_fired_at:?}");
    }
    assert!(
        !fires(&rule(60, None), &[], now, &TimeZone::UTC),
        "nothing is asked"
    );
    let known = Known::default();
    let said = judge(&rule(60, None), &known, None, now, &TimeZone::UTC);
    assert_eq!(said[0].why, "never seen, and the rule is 60 min old");
}

#[test]
fn conditions_are_read_as_people_write_them() {
    for (text, json) in [
        (
            "detected_in_zone=back yard",
            r#"{"type":"detected_in_zone","zone":"back yard"}"#,
        ),
        (
            "not_seen_in_zone = kitchen, 60",
            r#"{"type":"not_seen_in_zone","zone":"kitchen","minutes":60}"#,
        ),
        (
            "not_seen_anywhere=1",
            r#"{"type":"not_seen_anywhere","minutes":1}"#,
        ),
        (
            "detected_without_person",
            r#"{"type":"detected_without_person"}"#,
        ),
        (
            "detected_without_person=yard",
            r#"{"type":"detected_without_person","zone":"yard"}"#,
        ),
        (
            "in_zone_longer_than=a,b,30",
            r#"{"type":"in_zone_longer_than","zone":"a,b","minutes":30}"#,
        ),
        (
            "time_of_day=fri-sun 22:00-06:00",
            r#"{"type":"time_of_day","window":"fri-sun 22:00-06:00"}"#,
        ),
    ] {
        let condition = parse(text).unwrap();
        assert_eq!(serde_json::to_string(&condition).unwrap(), json);
        assert_eq!(parse_json(&format!("[{json}]")).unwrap(), [condition]);
    }
}

#[test]
fn what_is_no_condition_or_no_rule_says_why() {
    for (text, part) in [
        (
            "seen_in=yard",
            "there is no condition \"seen_in\"; known are detected_in_zone",
        ),
        ("", "there is no condition \"\""),
        ("detected_in_zone", "has another form"),
        ("not_seen_in_zone=60", "has another form"),
        (
            "not_seen_in_zone=kitchen,soon",
            "\"soon\" is no number of minutes from 1 to 10080",
        ),
        ("not_seen_anywhere=0", "\"0\" is no number of minutes"),
        ("not_seen_anywhere=10081", "is no number of minutes"),
        ("detected_in_zone=", "a zone has a name"),
        (
            "time_of_day=25:00-26:00",
            "time_of_day: \"25:00\" is no time of day",
        ),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    for (json, part) in [
        ("{}", "a JSON list"),
        (r#"[{"type":"smelt"}]"#, "unknown variant `smelt`"),
        (
            r#"[{"type":"not_seen_anywhere","minutes":1,"zone":"x"}]"#,
            "unknown field `zone`",
        ),
        (
            r#"[{"type":"not_seen_anywhere","minutes":-1}]"#,
            "invalid value",
        ),
        (
            r#"[{"type":"time_of_day","window":"noon"}]"#,
            "is no time window",
        ),
    ] {
        let error = parse_json(json).unwrap_err().to_string();
        assert!(error.contains(part), "{json}: {error}");
    }
    let rule = |texts: &[&str]| {
        let conditions: Vec<_> = texts.iter().map(|text| parse(text).unwrap()).collect();
        check_rule(&conditions)
    };
    let hours = "time_of_day=22:00-06:00";
    assert_eq!(rule(&[]), Err(ConditionError::NothingOfThePet));
    assert_eq!(rule(&[hours]), Err(ConditionError::NothingOfThePet));
    assert_eq!(
        rule(&["detected_in_zone=yard", "not_seen_anywhere=5"]),
        Err(ConditionError::Never)
    );
    assert_eq!(
        rule(&["not_seen_anywhere=5"; 17]),
        Err(ConditionError::TooMany)
    );
    assert_eq!(rule(&["not_seen_anywhere=5", hours]), Ok(()));
}
