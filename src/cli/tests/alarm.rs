//! `arm`, `disarm` and `alarm`, as people run them, with nobody else on the data folder.

use super::*;

/// What is typed.
const PIN: &str = "4711\n";

/// A data folder whose configuration has a PIN.
fn house() -> House {
    let mut house = House::empty();
    house.stop();
    let made = run_in(house.path(), PIN, &["alarm", "hash-pin"]);
    assert_eq!(made.code, Exit::Ok, "{}", made.error);
    let hash = made.out.trim().to_owned();
    assert!(hash.starts_with("pbkdf2_sha256$"), "{hash}");
    let text = format!("[alarm]\npin_hash = \"{hash}\"\n[alarm.exit_delay]\naway = \"90s\"\n");
    crate::base::fsutil::write_atomic(&house.path().join("nightjar.toml"), text.as_bytes(), 0o600)
        .unwrap();
    house
}

#[test]
fn arming_and_disarming_say_what_the_alarm_does_now() {
    let house = house();
    let ran = house.run(&["alarm"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Exit::Ok, "state  disarmed\n")
    );
    let ran = house.run(&["arm", "home", "--by", "mara"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Exit::Ok, "armed home\n"),
        "{}",
        ran.error
    );
    let ran = house.run(&["arm", "away", "--by", "mara"]);
    assert_eq!(
        ran.code,
        Exit::Forbidden,
        "who is armed already says so with the PIN"
    );
    let ran = run_in(house.path(), PIN, &["disarm", "--by", "mara"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    let ran = house.run(&["arm", "away", "--by", "mara"]);
    assert_eq!(ran.out, "exit delay: armed away in 90 s\n");
    let ran = house.run(&["alarm", "--json"]);
    let now: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(now["state"], "EXIT_DELAY");
    assert_eq!(now["target"], "ARMED_AWAY");
    assert_eq!(now["triggered_by"], "mara");
    let ran = run_in(house.path(), PIN, &["disarm", "--by", "joris", "--json"]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    let now: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(now["state"], "DISARMED");
    let ran = house.run(&["alarm", "history", "--csv"]);
    let said: Vec<Vec<&str>> = ran
        .out
        .lines()
        .skip(1)
        .map(|line| line.split(',').skip(1).take(4).collect())
        .collect();
    assert_eq!(
        said,
        [
            ["DISARMED", "EXIT_DELAY", "joris", "requested with the PIN"],
            [
                "EXIT_DELAY",
                "DISARMED",
                "mara",
                "requested; arming needs no PIN"
            ],
            ["DISARMED", "ARMED_HOME", "mara", "requested with the PIN"],
            [
                "ARMED_HOME",
                "DISARMED",
                "mara",
                "requested; arming needs no PIN"
            ],
        ]
    );
}

#[test]
fn a_wrong_pin_is_refused_and_stands_nowhere() {
    let house = house();
    house.run(&["arm", "night"]);
    let ran = run_in(house.path(), "27182818\n", &["disarm"]);
    assert_eq!(ran.code, Exit::Forbidden);
    assert_eq!(
        ran.error,
        "the PIN is wrong, so DISARMED is refused; wait a moment and try again"
    );
    let ran = run_in(house.path(), PIN, &["disarm"]);
    assert_eq!(ran.code, Exit::Forbidden, "too soon");
    let ran = house.run(&["alarm", "requests", "--csv"]);
    assert!(
        ran.out.contains("WRONG") && ran.out.contains("LOCKED"),
        "{}",
        ran.out
    );
    for entry in std::fs::read_dir(house.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"27182818"));
    }
}

#[test]
fn without_a_configured_pin_the_box_itself_may_disarm() {
    let mut house = House::empty();
    house.stop();
    house.run(&["arm", "home"]);
    let ran = house.run(&["disarm"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Exit::Ok, "disarmed\n"),
        "{}",
        ran.error
    );
    let ran = house.run(&["alarm", "requests", "--csv"]);
    assert!(ran.out.contains("TRUSTED"), "{}", ran.out);
}

#[test]
fn a_pin_can_come_from_a_file_and_must_be_one() {
    let house = house();
    house.run(&["arm", "home"]);
    let file = house.path().join("pin");
    crate::base::fsutil::write_atomic(&file, b"4711\nnot this\n", 0o600).unwrap();
    let ran = house.run(&["disarm", "--pin-file", file.to_str().unwrap()]);
    assert_eq!(ran.out, "disarmed\n", "{}", ran.error);
    let ran = house.run(&["disarm", "--pin-file", "/nowhere/pin"]);
    assert_eq!(ran.code, Exit::NoInput);
    let ran = run_in(house.path(), "12\n", &["alarm", "hash-pin"]);
    assert_eq!(ran.code, Exit::BadData);
    assert_eq!(ran.error, "a PIN has 4 to 32 characters; choose another");
    let ran = house.run(&["arm", "holiday"]);
    assert_eq!(ran.code, Exit::Usage);
    assert!(ran.error.contains("home, away, night"), "{}", ran.error);
}
