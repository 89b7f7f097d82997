//! `status`, `check`, `rebuild`: whether trouble is seen, and health is not called trouble.

use super::*;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

/// A house in which `check` finds nothing.
fn whole() -> House {
    let house = House::new();
    house.store(vec![sealed()]);
    put(house.path(), "recordings/driveway/50%.vge", &[0; 21]);
    house
}

#[test]
fn check_finds_nothing_in_a_whole_house() {
    let house = whole();
    let ran = house.run(&["check"]);
    assert_eq!(
        (ran.code, ran.error.as_str()),
        (Exit::Ok, ""),
        "{}",
        ran.out
    );
    assert_eq!(ran.out.lines().count(), 9);
    assert!(
        ran.out.lines().all(|line| line.starts_with("ok    ")),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("13 events, 1 to 13 without a gap"),
        "{}",
        ran.out
    );
    let object = json(&house.run(&["check", "--json"]).out);
    assert_eq!(object["ok"], true);
    let empty = House::empty();
    assert_eq!(empty.run(&["check"]).code, Exit::Ok);
}

#[test]
fn check_finds_each_kind_of_damage_and_says_what_to_do() {
    for (damage, check, says) in [
        (
            &[
                "DROP TRIGGER event_log_no_delete",
                "DELETE FROM event_log WHERE position = 4",
            ][..],
            "positions",
            "events 4 to 4 are missing",
        ),
        (
            &[
                "DROP TRIGGER event_log_no_delete",
                "DELETE FROM event_log WHERE position = 1",
            ],
            "positions",
            "begins at 2",
        ),
        (
            &["DELETE FROM batches WHERE first_position = 1"],
            "batches",
            "position 0 begins at 13",
        ),
        (
            &["DELETE FROM batches WHERE first_position = 13"],
            "batches",
            "end at 12",
        ),
        (
            &["DELETE FROM names WHERE name = 'pet.sighted'"],
            "names",
            "event 7",
        ),
        (
            &["UPDATE projections SET checkpoint = 5 WHERE name = 'pets'"],
            "projections",
            "pets stands at 5",
        ),
        (
            &["UPDATE projections SET version = 0 WHERE name = 'pets'"],
            "projections",
            "version 0",
        ),
        (
            &["DELETE FROM projections WHERE name = 'pets'"],
            "projections",
            "never folded",
        ),
        (
            &["CREATE TABLE diary (x)"],
            "tables",
            "nobody owns the table diary",
        ),
        (
            &["DROP TABLE wildlife_sightings"],
            "tables",
            "wildlife_sightings is missing",
        ),
        (
            &[
                "PRAGMA defer_foreign_keys = ON",
                "DELETE FROM sensor_states",
                "UPDATE recordings SET file_size = 6",
            ],
            "recordings",
            "21 bytes and should have 22",
        ),
        (
            &["UPDATE recordings SET state = 'failed', file_path = 'a.mp4'"],
            "recordings",
            "a.mp4: No such file",
        ),
        (
            &["INSERT INTO log_lines_fts (log_lines_fts) VALUES ('delete-all')"],
            "search",
            "event 8 is not found by its words",
        ),
        (
            &["UPDATE events SET message = 'Otter at the pond' WHERE position = 7"],
            "search",
            "event 7 is not found by its words",
        ),
    ] {
        let mut house = whole();
        house.change(damage);
        let ran = house.run(&["check", "--json"]);
        assert_eq!(ran.code, Exit::ProblemsFound, "{damage:?}");
        let object = json(&ran.out);
        assert_eq!(object["ok"], false);
        let checks = object["checks"].as_array().unwrap();
        let failed: Vec<_> = checks.iter().filter(|check| check["ok"] == false).collect();
        assert_eq!(failed.len(), 1, "{damage:?} {failed:?}");
        assert_eq!(failed[0]["name"], check);
        let problem = failed[0]["problems"][0].as_str().unwrap();
        assert!(problem.contains(says), "{problem}");
        let ran = house.run(&["check"]);
        assert!(
            ran.out.contains(&format!("FAIL  {check:<13} ")),
            "{}",
            ran.out
        );
        assert!(ran.out.contains("→ "), "{}", ran.out);
        assert_eq!(ran.error, "1 of 9 checks found problems");
    }
}

#[test]
fn check_looks_for_recordings_where_it_is_told() {
    let house = whole();
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().to_str().unwrap();
    let ran = house.run(&["check", "--recordings", folder]);
    assert_eq!(ran.code, Exit::ProblemsFound);
    put(elsewhere.path(), "driveway/50%.vge", &[0; 21]);
    assert_eq!(house.run(&["check", "--recordings", folder]).code, Exit::Ok);
}

#[test]
fn a_damaged_file_is_found() {
    let mut house = whole();
    house.stop();
    let path = house.path().join(folder::DATABASE_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 16_384].fill(0x5a);
    std::fs::File::create(&path)
        .unwrap()
        .write_all(&bytes)
        .unwrap();
    let ran = house.run(&["check"]);
    assert_eq!(ran.code, Exit::ProblemsFound, "{} {}", ran.out, ran.error);
    assert!(ran.out.contains("FAIL  integrity"), "{}", ran.out);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("rebuild")).collect()
}

#[test]
fn a_rebuild_gives_the_same_tables_and_a_changed_one_is_named() {
    let mut house = whole();
    let ran = house.run(&["rebuild", "--check"]);
    assert_eq!(
        (ran.code, ran.error.as_str()),
        (Exit::Ok, ""),
        "{}",
        ran.out
    );
    let owned = crate::read_model::ALL
        .iter()
        .flat_map(|projection| projection.tables);
    let owned = owned.count() + crate::read_model::search_index::all().count();
    assert_eq!(ran.out.lines().count(), 1 + owned);
    assert!(
        ran.out
            .lines()
            .skip(1)
            .all(|line| line.ends_with("  equal")),
        "{}",
        ran.out
    );
    house.change(&[
        "UPDATE events SET message = 'nothing' WHERE position = 6",
        "DELETE FROM log_lines",
    ]);
    let ran = house.run(&["rebuild", "--check"]);
    assert_eq!(ran.code, Exit::ProblemsFound);
    assert!(
        ran.error.contains(&format!("2 of {owned} tables")),
        "{}",
        ran.error
    );
    let different: Vec<_> = ran
        .out
        .lines()
        .filter(|line| line.ends_with("DIFFERENT"))
        .collect();
    assert_eq!(different.len(), 2, "{}", ran.out);
    assert!(different[0].starts_with("events "), "{}", ran.out);
    assert_eq!(
        json(&house.run(&["rebuild", "--check", "--json"]).out)["equal"],
        false
    );
    assert_eq!(names(house.path()), [""; 0]);

    let ran = house.run(&["rebuild"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Exit::Ok, "every table is rebuilt from 13 events\n")
    );
    assert_eq!(house.run(&["rebuild", "--check"]).code, Exit::Ok);
    assert_eq!(house.run(&["check"]).code, Exit::Ok);
    assert_eq!(json(&house.run(&["rebuild", "--json"]).out)["events"], 13);
}

#[test]
fn a_folder_that_is_held_is_not_rebuilt_behind_the_daemons_back() {
    let mut house = whole();
    house.change(&["DELETE FROM log_lines"]);
    let lock = FolderLock::acquire(house.path()).unwrap();
    let ran = house.run(&["rebuild"]);
    assert_eq!(ran.code, Exit::Locked);
    assert!(
        ran.error.contains(&std::process::id().to_string()),
        "{}",
        ran.error
    );
    assert_eq!(house.run(&["rebuild", "--check"]).code, Exit::ProblemsFound);
    drop(lock);
    assert_eq!(house.run(&["rebuild"]).code, Exit::Ok);
    assert_eq!(house.run(&["rebuild", "--check"]).code, Exit::Ok);
}

fn status(house: &House) -> serde_json::Value {
    json(&house.run(&["status", "--json"]).out)
}

#[test]
fn status_counts_what_there_is() {
    let house = whole();
    let status = status(&house);
    assert_eq!(status["events"]["head"], 13);
    assert_eq!(status["events"]["last_hour"], 11);
    assert_eq!(status["events"]["last_24_hours"], 12);
    assert_eq!(
        status["events"]["last"]["sentence"],
        "Recording driveway/clip-1.mp4 sealed"
    );
    assert_eq!(status["recordings"], json(r#"{"sealed":1}"#));
    assert_eq!(status["dead_letters"], 2);
    assert!(status["database"]["size_bytes"].as_u64().unwrap() > 0);
    assert_eq!(
        status["projections"].as_array().unwrap().len(),
        crate::read_model::ALL.len()
    );
    let text = house.run(&["status"]).out;
    assert!(
        text.contains("\nevents        13, of the last 24 hours 12, of the last hour 11\n"),
        "{text}"
    );
    assert!(text.contains("\nrecordings    1 sealed\n"), "{text}");
}

#[test]
fn status_is_green_only_when_the_daemon_runs_and_nothing_is_wrong() {
    let mut house = House::empty();
    house.store(vec![contact(5, "front_door", "open")]);
    let stopped = status(&house);
    assert_eq!(stopped["health"]["state"], "red");
    assert_eq!(stopped["daemon"], json(r#"{"running":false,"pid":null}"#));

    let _lock = FolderLock::acquire(house.path()).unwrap();
    let running = status(&house);
    assert_eq!(running["health"], json(r#"{"state":"ok","reasons":[]}"#));
    assert_eq!(running["daemon"]["pid"], std::process::id());
    let text = house.run(&["status"]).out;
    assert!(
        text.starts_with(concat!(
            "nightjar ",
            env!("CARGO_PKG_VERSION"),
            ": all is well\n"
        )),
        "{text}"
    );

    let told = format!(
        r#"{{"updated_at":{NOW},"connected":{{"sensor":true,"pet":false}},"messages_acked":1234}}"#
    );
    put(house.path(), "status.json", told.as_bytes());
    let cut = status(&house);
    assert_eq!(
        cut["health"]["reasons"][0],
        "not connected to the broker: pet"
    );
    assert_eq!(cut["counters"]["messages_acked"], 1234);
    let text = house.run(&["status"]).out;
    assert!(text.contains("\nmessages acked   1,234\n"), "{text}");
    assert!(text.contains("1 of 2 topic families connected"), "{text}");

    let old = format!(r#"{{"updated_at":{}}}"#, NOW - HOUR_NS);
    put(house.path(), "status.json", old.as_bytes());
    let reason = status(&house)["health"]["reasons"][0].to_string();
    assert!(
        reason.contains("told nothing of itself for 60 min"),
        "{reason}"
    );
    put(house.path(), "status.json", b"{");
    assert_eq!(status(&house)["health"]["state"], "warn");

    put(house.path(), "status.json", b"{}");
    house.change(&[
        "UPDATE projections SET checkpoint = 0 WHERE name = 'pets'",
        "UPDATE projections SET version = 9 WHERE name = 'logs'",
    ]);
    let behind = status(&house);
    assert_eq!(behind["health"]["state"], "warn");
    let reasons = behind["health"]["reasons"].to_string();
    assert!(reasons.contains("behind the event log: pets"), "{reasons}");
    assert!(reasons.contains("of another version: logs"), "{reasons}");
}
