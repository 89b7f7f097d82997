//! `events`, `cameras`, `sensors`, `ups` and `timelapse`, as people run them.

use super::keys::{house, put};
use super::*;
use crate::app;
use crate::event::house::UpsPowerLost;

#[test]
fn moments_are_listed_page_by_page_and_filtered() {
    let house = House::new();
    let all = house.run(&["events", "list", "--json"]);
    assert_eq!(all.code, Exit::Ok, "{}", all.error);
    let all: serde_json::Value = serde_json::from_str(&all.out).unwrap();
    let all: Vec<i64> = all["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["position"].as_i64().unwrap())
        .collect();
    assert!(all.len() > 2);
    let mut paged = Vec::new();
    loop {
        let before = paged.last().map(ToString::to_string);
        let mut args = vec!["events", "list", "--jsonl", "--limit", "1"];
        if let Some(before) = &before {
            args.extend(["--before", before]);
        }
        let page = house.run(&args);
        let Some(line) = page.out.lines().next() else {
            break;
        };
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        paged.push(row["position"].as_i64().unwrap());
    }
    assert_eq!(paged, all);
    let grave = house.run(&["events", "list", "--severity", "alert", "--csv"]);
    assert!(!grave.out.contains(",INFO,"), "{}", grave.out);
    let typo = house.run(&["events", "list", "--type", "CONTACT_OPN"]);
    assert_eq!(typo.code, Exit::Usage);
    assert!(
        typo.error.contains("did you mean `CONTACT_OPEN`"),
        "{}",
        typo.error
    );
    let rules = house.run(&["events", "rules"]);
    assert!(rules.out.contains("PET_ESCAPE"), "{}", rules.out);
}

#[test]
fn moments_are_acknowledged_one_by_one_and_all_at_once() {
    let mut house = House::new();
    house.stop();
    let wrong = house.run(&["events", "ack", "999"]);
    assert_eq!(wrong.code, Exit::NoInput);
    assert!(
        wrong.error.contains("no moment at position 999"),
        "{}",
        wrong.error
    );
    let some = house.run(&["events", "list", "--jsonl", "--limit", "1"]);
    let row: serde_json::Value = serde_json::from_str(&some.out).unwrap();
    let position = row["position"].to_string();
    let acked = house.run(&["events", "ack", &position, "--by", "ada"]);
    assert_eq!(acked.out, "1 event acknowledged\n", "{}", acked.error);
    let again = house.run(&["events", "ack", &position]);
    assert_eq!(again.out, "nothing to do: acknowledged already\n");
    let shown = house.run(&["events", "show", &position]);
    assert!(shown.out.contains("ada"), "{}", shown.out);
    let rest = house.run(&["events", "ack", "--all", "--until", "now"]);
    assert!(
        rest.out.ends_with("events acknowledged\n"),
        "{}{}",
        rest.out,
        rest.error
    );
    let left = house.run(&["events", "list", "--unacknowledged"]);
    assert_eq!(left.out, "no rows\n");
    let back = house.run(&["events", "unack", &position]);
    assert_eq!(back.out, "1 event not acknowledged any more\n");
}

#[test]
fn devices_are_listed_and_shown_and_unknown_ones_suggested() {
    let house = House::new();
    house.store(vec![event(
        60,
        "ups/rack",
        "vigilar/ups/power_loss",
        UpsPowerLost::default(),
    )]);
    for verb in ["cameras", "sensors"] {
        let list = house.run(&[verb, "--json"]);
        let list: serde_json::Value = serde_json::from_str(&list.out).unwrap();
        let id = list["rows"][0]["id"].as_str().unwrap().to_owned();
        let shown = house.run(&[verb, "show", &id]);
        assert_eq!(shown.code, Exit::Ok, "{}", shown.error);
        assert!(shown.out.contains("last moments"), "{}", shown.out);
        let typo = house.run(&[verb, "show", &format!("{id}x")]);
        assert_eq!(typo.code, Exit::NoInput);
        assert!(
            typo.error.contains(&format!("did you mean `{id}`")),
            "{}",
            typo.error
        );
    }
    let ups = house.run(&["ups"]);
    assert!(
        ups.out.contains("battery") && ups.out.contains("LOST"),
        "{}",
        ups.out
    );
}

#[test]
fn a_time_lapse_is_added_switched_and_removed() {
    let mut house = house();
    house.stop();
    let wrong = house.run(&[
        "timelapse",
        "add",
        "garden",
        "--camera",
        "yard",
        "--at",
        "25:00",
    ]);
    assert_eq!(wrong.code, Exit::Usage);
    let added = house.run(&[
        "timelapse",
        "add",
        "garden",
        "--camera",
        "yard",
        "--from",
        "6",
        "--to",
        "20",
        "--at",
        "23:30",
    ]);
    assert_eq!(
        added.out, "time-lapse garden is made every day at 23:30\n",
        "{}",
        added.error
    );
    let due = house.run(&["timelapse", "due", "--csv"]);
    assert_eq!(
        due.out.lines().nth(1),
        Some("garden,yard,2026-11-20T23:30:00.000Z")
    );
    let off = house.run(&["timelapse", "disable", "garden"]);
    assert_eq!(off.out, "time-lapse garden is not in force now\n");
    let list = house.run(&["timelapse", "list", "--csv"]);
    assert_eq!(
        list.out.lines().nth(1),
        Some("garden,yard,6,20,23:30,false,")
    );
    let typo = house.run(&["timelapse", "remove", "gardn"]);
    assert!(
        typo.error.contains("did you mean `garden`"),
        "{}",
        typo.error
    );
    let gone = house.run(&["timelapse", "remove", "garden"]);
    assert_eq!(gone.out, "time-lapse garden is made no more\n");
}

#[test]
fn what_is_configured_is_told_once_and_what_vanishes_too() {
    let mut house = house();
    house.stop();
    let path = house.path().join("nightjar.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    let configured = "\
[[camera]]
id = \"yard\"
name = \"Back yard\"
location = \"EXTERIOR\"
source_url = \"rtsp://joe:secret@192.0.2.9/s\"

[[sensor]]
id = \"front_door\"
silent_after = \"never\"

[[classification.rule]]
id = \"freezer\"
stream = \"sensor/freezer*\"
key = \"temperature\"
above = -12
type = \"FREEZER_WARM\"
severity = \"ALERT\"
";
    let news = |text: &str| {
        put(&path, text.as_bytes());
        let sources = crate::config::Sources {
            explicit: Some(path.clone()),
            ..Default::default()
        };
        let registry = crate::config::load(&sources).unwrap().config.registry();
        let mut database = Database::open_reader(&house.path().join(app::DATABASE)).unwrap();
        registry
            .news(&mut database.snapshot().unwrap(), NOW)
            .unwrap()
    };
    let with = format!("{before}\n{configured}");
    let first = news(&with);
    assert_eq!(first.len(), 3);
    assert!(!format!("{first:?}").contains("secret"));
    let store = |events: Vec<NewEvent>| {
        let options = writer::Options {
            path: house.path().join(app::DATABASE),
            durability: Durability::Scratch,
            cache_kib: 1_024,
            clock: Clock::fixed(NOW),
            projections: crate::read_model::ALL,
            reactions: writer::Reactions::none(),
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let started =
            writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
        let (handle, core) = (started.handle, started.writer);
        let thread = std::thread::Builder::new()
            .spawn(move || core.run())
            .unwrap();
        handle.store(events).unwrap();
        drop(handle);
        thread.join().unwrap().unwrap();
    };
    store(first);
    assert!(news(&with).is_empty(), "nothing differs any more");
    let shown = house.run(&["cameras", "show", "yard"]);
    assert!(
        shown.out.contains("rtsp://[redacted]@192.0.2.9/s"),
        "{}",
        shown.out
    );
    let rules = house.run(&["events", "rules", "--csv"]);
    assert!(
        rules.out.contains("configured,freezer,sensor.reported,sensor/freezer*: temperature above -12,FREEZER_WARM,ALERT,ALERT"),
        "{}",
        rules.out
    );
    let gone = news(&before);
    assert_eq!(gone.len(), 3);
    store(gone);
    assert!(news(&before).is_empty());
    assert_eq!(house.run(&["cameras"]).out, "no rows\n");
}
