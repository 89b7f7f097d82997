//! `models`, as people run it.

use super::*;
use crate::detection::{Follower, Options, Sensitivity, follower};
use crate::writer::{ModelState, StateChange};

/// A quiet night that the models have read.
fn learned() -> House {
    let house = House::new();
    let options = Options {
        database: house.path().join(folder::DATABASE_FILE),
        clock: Clock::fixed(NOW),
        sensitivity: Sensitivity::Normal,
        save_every: Duration::from_secs(300),
        rows: follower::ROWS,
        lines_kept: None,
    };
    let shutdown = Shutdown::new();
    shutdown.stop();
    Follower::new(options, house.handle.clone().unwrap(), shutdown).run();
    house
}

fn keys(house: &House) -> Vec<String> {
    let ran = house.run(&["models", "list", "--jsonl"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    let key = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["key"].as_str().unwrap().to_owned()
    };
    ran.out.lines().map(key).collect()
}

#[test]
fn models_are_listed_with_how_far_they_have_come() {
    let house = learned();
    let all = keys(&house);
    assert!(
        all.iter().any(|key| key.starts_with("markov:host:")),
        "{all:?}"
    );
    assert!(
        !all.iter().any(|key| key == "clock:global"),
        "it is no model"
    );
    let ran = house.run(&["models", "list"]);
    assert!(ran.out.contains("warming up"), "{}", ran.out);
    assert!(ran.out.contains("host/"), "{}", ran.out);
    let csv = house.run(&["models", "list", "--csv"]).out;
    assert!(
        csv.starts_with("key,subject,stage,learned,position,updated_at,size"),
        "{csv}"
    );
}

#[test]
fn before_the_first_saving_there_is_none_and_that_is_said() {
    let house = House::new();
    let ran = house.run(&["models", "list"]);
    assert_eq!(ran.code, Exit::Ok);
    assert!(
        ran.messages.contains("no model was saved yet"),
        "{}",
        ran.messages
    );
    let ran = house.run(&["models", "reset", "--all", "--yes"]);
    assert_eq!(ran.code, Exit::NoInput);
    assert_eq!(ran.error, "there is no model; nothing was learned yet");
}

#[test]
fn a_damaged_model_and_one_of_somebody_else_are_no_obstacle() {
    let house = learned();
    let states = vec![
        ModelState {
            key: "hw:source:nginx".into(),
            data: vec![1, 2, 3],
            is_known: false,
        },
        ModelState {
            key: "other:thing".into(),
            data: Vec::new(),
            is_known: false,
        },
    ];
    let change = StateChange::ModelsSaved {
        states,
        gone: Vec::new(),
        position: 1,
    };
    house.handle.as_ref().unwrap().change(change).unwrap();
    let ran = house.run(&["models", "list"]);
    assert!(
        ran.out
            .contains("begins anew: this is no stored model: damaged"),
        "{}",
        ran.out
    );
    assert!(!keys(&house).contains(&"other:thing".to_owned()));
}

#[test]
fn models_are_reset_one_by_one_and_all_at_once() {
    let mut house = learned();
    house.stop();
    let all = keys(&house);
    let one = all[0].clone();
    let typo = house.run(&["models", "reset", "hw:source:ngnix", "--yes"]);
    assert_eq!(typo.code, Exit::NoInput);
    assert_eq!(
        typo.error,
        "there is no model hw:source:ngnix; `nightjar models list` shows them"
    );
    let clock = house.run(&["models", "reset", "clock:global", "--yes"]);
    assert_eq!(clock.code, Exit::NoInput);
    let asked = house.run(&["models", "reset", &one]);
    assert_eq!(asked.code, Exit::Usage);
    assert!(
        asked.error.ends_with("to do that, add --yes"),
        "{}",
        asked.error
    );
    assert_eq!(keys(&house), all, "nothing went yet");
    let ran = house.run(&["models", "reset", &one, "--yes"]);
    assert_eq!((ran.code, ran.out), (Exit::Ok, format!("reset {one}\n")));
    assert_eq!(keys(&house), all[1..]);
    let ran = house.run(&["models", "reset", "--all", "--yes"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    assert_eq!(keys(&house), Vec::<String>::new());
    assert_eq!(house.run(&["models", "reset", "--yes"]).code, Exit::Usage);
}

#[test]
fn the_status_tells_how_far_the_models_are() {
    let house = House::new();
    let told = crate::base::status_file::StatusFile {
        models: Some("4 models, 12 events behind".into()),
        ..Default::default()
    };
    told.write(house.path()).unwrap();
    let ran = house.run(&["status"]);
    assert!(
        ran.out.contains("4 models, 12 events behind"),
        "{}",
        ran.out
    );
    let json: serde_json::Value =
        serde_json::from_str(&house.run(&["status", "--json"]).out).unwrap();
    assert_eq!(json["models"], "4 models, 12 events behind");
}
