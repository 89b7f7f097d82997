//! `pets` and `wildlife`, from the first sighting to a rule that is judged.

use super::*;
use crate::event::animal::Location;

/// The quiet night with no daemon on it, so that verbs write themselves.
fn house() -> House {
    let mut house = House::new();
    house.stop();
    house
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn rows(house: &House, args: &[&str]) -> Vec<serde_json::Value> {
    let ran = house.run(&[args, &["--jsonl"]].concat());
    assert_eq!(ran.code, Exit::Ok, "{args:?}: {}", ran.error);
    ran.out.lines().map(json).collect()
}

#[track_caller]
fn done(house: &House, args: &[&str], line: &str) {
    let ran = house.run(args);
    assert_eq!(
        (ran.out.trim_end(), ran.code),
        (line, Exit::Ok),
        "{}",
        ran.error
    );
}

#[track_caller]
fn refused(house: &House, args: &[&str], code: Exit, part: &str) {
    let ran = house.run(args);
    assert_eq!(
        (ran.out.as_str(), ran.code),
        ("", code),
        "{args:?}: {}",
        ran.error
    );
    assert!(ran.error.contains(part), "{args:?}: {}", ran.error);
}

fn frame(ago_s: i64, camera: &str, pet: Option<&str>, crop: Option<&str>) -> NewEvent {
    let sighted = PetSighted {
        camera: camera.into(),
        pet_id: pet.map(Into::into),
        species: "cat".into(),
        confidence: 0.75,
        bbox: None,
        crop_path: crop.map(Into::into),
        location: Some(Location::Interior),
        extra: Extra::default(),
    };
    event(
        ago_s,
        "pet/x",
        "vigilar/camera/hallway/pet/detected",
        sighted,
    )
    .from_source(format!("camera/{camera}"))
}

fn fox(ago_s: i64, camera: &str, conditions: Option<&str>) -> NewEvent {
    let sighted = WildlifeSighted {
        camera: camera.into(),
        species: "fox".into(),
        confidence: 0.5,
        threat: Threat::Nuisance,
        bbox: None,
        crop_path: None,
        temperature_c: conditions.map(|_| -2.0),
        conditions: conditions.map(Into::into),
        extra: Extra::default(),
    };
    event(
        ago_s,
        "wildlife/fox",
        "vigilar/camera/yard/wildlife/detected",
        sighted,
    )
    .from_source(format!("camera/{camera}"))
}

#[test]
fn a_pet_is_registered_joined_with_its_traffic_changed_and_removed() {
    let house = house();
    let list = rows(&house, &["pets", "list"]);
    assert_eq!(list.len(), 1);
    assert_eq!(
        (&list[0]["id"], &list[0]["registered"]),
        (&"Biscuit".into(), &false.into())
    );
    done(
        &house,
        &[
            "pets",
            "add",
            "biscuit",
            "--id",
            "b1",
            "--species",
            "Cat",
            "--breed",
            "Siamese",
        ],
        "biscuit is a pet of the house now, with the id b1",
    );
    let list = rows(&house, &["pets", "list"]);
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(
        (&list[0]["id"], &list[0]["last_camera"]),
        (&"b1".into(), &"hallway".into())
    );
    let sightings = rows(&house, &["pets", "sightings", "--pet", "BISCUIT"]);
    assert_eq!(sightings.len(), 1);
    assert_eq!(sightings[0]["pet_id"], "b1");

    done(
        &house,
        &["pets", "edit", "b1", "--name", "Bix", "--breed", ""],
        "Bix is changed",
    );
    let shown = json(&house.run(&["pets", "show", "bix", "--json"]).out);
    assert_eq!(
        (&shown["species"], &shown["breed"]),
        (&"cat".into(), &serde_json::Value::Null)
    );
    assert_eq!(shown["last_seen_with"], serde_json::json!([]));

    refused(
        &house,
        &["pets", "add", "BIX"],
        Exit::Usage,
        "is called BIX already",
    );
    refused(
        &house,
        &["pets", "add", "x", "--id", "b1"],
        Exit::Usage,
        "Bix is registered as b1",
    );
    refused(
        &house,
        &["pets", "add", " "],
        Exit::Usage,
        "a name has 1 to 128",
    );
    refused(
        &house,
        &["pets", "add", "x", "--id", "a/b"],
        Exit::Usage,
        "is no id",
    );
    refused(
        &house,
        &["pets", "show", "bixx"],
        Exit::NoInput,
        "did you mean `bix`?",
    );
    refused(
        &house,
        &["pets", "remove", "bix"],
        Exit::Usage,
        "takes its 0 rules away",
    );
    done(
        &house,
        &["pets", "remove", "bix", "--yes"],
        "Bix is no pet of the house any more",
    );
    refused(
        &house,
        &["pets", "edit", "bix"],
        Exit::NoInput,
        "nightjar pets add Bix",
    );
    assert!(rows(&house, &["pets", "list"]).is_empty());
    assert_eq!(rows(&house, &["pets", "list", "--all"]).len(), 1);
}

#[test]
fn eight_pets_are_enough() {
    let house = house();
    for name in ["Ada", "Bo", "Cleo", "Dax", "Eve", "Finn", "Gus", "Old Hob"] {
        assert_eq!(house.run(&["pets", "add", name]).code, Exit::Ok);
    }
    refused(
        &house,
        &["pets", "add", "Ivo"],
        Exit::Usage,
        "there are 8 pets already",
    );
    let hob = house.run(&["pets", "show", "old_hob"]).out;
    assert!(hob.contains("Old Hob"), "{hob}");
}

#[test]
fn a_label_moves_a_sighting_its_encounter_and_its_picture() {
    let mut house = House::new();
    house.store(vec![
        frame(400, "hallway", None, Some("crops/9.jpg")),
        frame(390, "hallway", None, None),
        frame(200, "hallway", Some("rex"), None),
    ]);
    house.stop();
    assert_eq!(house.run(&["pets", "add", "Minka"]).code, Exit::Ok);
    let ids: Vec<i64> = rows(&house, &["pets", "sightings", "--unknown"])
        .iter()
        .map(|row| row["id"].as_i64().unwrap())
        .collect();
    let (plain, cropped) = (ids[0].to_string(), ids[1].to_string());
    refused(
        &house,
        &["pets", "train", "stage", "--sighting", &cropped],
        Exit::NoInput,
        "--pet",
    );
    let line = format!("sighting {cropped} shows Minka now");
    done(
        &house,
        &["pets", "label", &cropped, "--pet", "minka"],
        &line,
    );
    done(
        &house,
        &["pets", "train", "stage", "--sighting", &cropped],
        "crops/9.jpg is put aside to train Minka",
    );
    refused(
        &house,
        &["pets", "train", "stage", "--sighting", &plain],
        Exit::NoInput,
        "without a picture",
    );
    let picture = rows(&house, &["pets", "train", "list", "--unused"]);
    let id = picture[0]["id"].to_string();
    done(
        &house,
        &["pets", "train", "used", &id],
        "1 pictures are used",
    );
    refused(
        &house,
        &["pets", "train", "used", "1"],
        Exit::NoInput,
        "no picture 1",
    );
    assert!(rows(&house, &["pets", "train", "list", "--unused"]).is_empty());
    let trained = |house: &House| rows(house, &["pets", "list"])[0]["trained_with"].clone();
    assert_eq!(trained(&house), 1);

    let visits = rows(&house, &["pets", "encounters", "--pet", "minka"]);
    assert_eq!((visits.len(), &visits[0]["sightings"]), (1, &1.into()));
    done(
        &house,
        &[
            "pets",
            "label",
            &cropped,
            &plain,
            "--unknown",
            "--species",
            "Marten",
        ],
        &format!(
            "sighting {cropped} shows a strange marten now\nsighting {plain} shows a strange marten now"
        ),
    );
    assert!(rows(&house, &["pets", "encounters", "--pet", "minka"]).is_empty());
    assert_eq!(trained(&house), 0);
    let line = format!("sighting {plain} shows what the camera said");
    done(&house, &["pets", "unlabel", &plain], &line);
    let visits = rows(
        &house,
        &[
            "pets",
            "encounters",
            "--camera",
            "hallway",
            "--interval",
            "1",
        ],
    );
    let species: Vec<_> = visits
        .iter()
        .map(|visit| visit["species"].as_str().unwrap())
        .collect();
    assert_eq!(species, ["cat", "cat", "marten", "cat"]);

    refused(
        &house,
        &["pets", "label", "1", "--pet", "minka"],
        Exit::NoInput,
        "no sighting 1",
    );
    refused(&house, &["pets", "label", &plain], Exit::Usage, "--pet");
    refused(
        &house,
        &["pets", "encounters", "--interval", "5"],
        Exit::Usage,
        "1, 2, 30 and 60",
    );
}

#[test]
fn pages_follow_each_other_without_a_gap() {
    let house = House::new();
    house.store(
        (0..7)
            .map(|n| frame(100 - n / 2, "hallway", None, None))
            .collect(),
    );
    let all = rows(&house, &["pets", "sightings"]);
    let mut paged = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let mut args = vec!["pets", "sightings", "--limit", "3"];
        if let Some(before) = &before {
            args.extend(["--before", before]);
        }
        let page = rows(&house, &args);
        let Some(last) = page.last() else { break };
        before = Some(last["id"].to_string());
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let note = house.run(&["pets", "sightings", "--limit", "3"]).messages;
    assert!(note.contains("--before"), "{note}");
    refused(
        &house,
        &["pets", "sightings", "--before", "1"],
        Exit::NoInput,
        "no sighting 1",
    );
}

#[test]
fn rules_are_made_judged_switched_and_taken_away() {
    let mut house = House::new();
    house.store(vec![frame(20, "hallway", Some("biscuit"), None)]);
    house.stop();
    refused(
        &house,
        &[
            "pets",
            "rules",
            "add",
            "biscuit",
            "--name",
            "a",
            "--when",
            "not_seen_anywhere=5",
        ],
        Exit::NoInput,
        "known from cameras alone",
    );
    assert_eq!(house.run(&["pets", "add", "Biscuit"]).code, Exit::Ok);
    let add = |name: &'static str, when: &'static str, more: &[&'static str]| {
        let base = [
            "pets", "rules", "add", "biscuit", "--name", name, "--when", when,
        ];
        [&base, more].concat()
    };
    done(
        &house,
        &add(
            "night walk",
            "detected_in_zone=hallway",
            &["--when", "time_of_day=22:00-06:00"],
        ),
        "Biscuit has the rule \"night walk\": seen in hallway and at 22:00-06:00",
    );
    let out = house.run(&["pets", "rules", "test", "biscuit"]);
    let expected = "\
Biscuit: night walk holds
  yes  seen in hallway: it is seen in hallway
  yes  at 22:00-06:00: it is 22:00-06:00 now
";
    assert_eq!(out.out, expected, "{}", out.error);
    done(
        &house,
        &add(
            "missing",
            "not_seen_in_zone=garden,60",
            &["--priority", "8", "--cooldown", "1h"],
        ),
        "Biscuit has the rule \"missing\": not seen in garden for 60 min",
    );
    let tested = house.run(&["pets", "rules", "test", "biscuit", "missing", "--json"]);
    let tested = json(&tested.out);
    assert_eq!(
        (&tested["holds"], &tested["enabled"]),
        (&false.into(), &true.into())
    );
    assert_eq!(
        tested["conditions"][0]["why"],
        "never seen, and the rule is 0 min old"
    );

    refused(
        &house,
        &add("missing", "not_seen_anywhere=5", &[]),
        Exit::Usage,
        "--replace",
    );
    assert_eq!(
        house
            .run(&add("missing", "not_seen_anywhere=5", &["--replace"]))
            .code,
        Exit::Ok
    );
    for (when, part) in [
        ("not_seen=5", "there is no condition \"not_seen\""),
        ("time_of_day=22:00-06:00", "asks something of the pet"),
        ("not_seen_anywhere=soon", "is no number of minutes"),
    ] {
        refused(&house, &add("x", when, &[]), Exit::Usage, part);
    }
    refused(
        &house,
        &add("x", "not_seen_anywhere=5", &["--cooldown", "1s"]),
        Exit::Usage,
        "from 10s to 7d",
    );
    done(
        &house,
        &["pets", "rules", "disable", "biscuit", "missing"],
        "rule \"missing\" of Biscuit is switched off now",
    );
    done(
        &house,
        &["pets", "rules", "disable", "biscuit", "missing"],
        "rule \"missing\" of Biscuit is switched off already",
    );
    let list = rows(&house, &["pets", "rules", "list"]);
    assert_eq!(list.len(), 2);
    assert_eq!(
        (&list[0]["name"], &list[0]["enabled"]),
        (&"night walk".into(), &true.into())
    );
    assert_eq!(
        (&list[1]["when"], &list[1]["enabled"]),
        (&"not seen anywhere for 5 min".into(), &false.into())
    );
    refused(
        &house,
        &["pets", "rules", "enable", "biscuit", "mising"],
        Exit::NoInput,
        "did you mean `missing`?",
    );
    done(
        &house,
        &["pets", "rules", "remove", "biscuit", "missing"],
        "rule \"missing\" of Biscuit is gone now",
    );
    assert_eq!(rows(&house, &["query", "pet_rules"]).len(), 1);
}

#[test]
fn who_was_with_a_pet_is_shown() {
    let mut house = House::new();
    let person = MotionStarted {
        detection: Some(Detection::Person),
        ..MotionStarted::default()
    };
    house.store(vec![
        frame(20, "porch", Some("rex"), None),
        frame(15, "porch", Some("minka"), None),
        event(
            10,
            "camera/porch",
            "vigilar/camera/porch/motion/start",
            person,
        ),
    ]);
    house.stop();
    let shown = house.run(&["pets", "show", "rex"]).out;
    assert!(
        shown.contains("last seen with  Minka, Person at Porch"),
        "{shown}"
    );
}

#[test]
fn wild_animals_are_listed_counted_and_told_when_they_are_new() {
    let mut house = House::new();
    let mut deer = fox(50, "yard", None);
    let Event::WildlifeSighted(seen) = &mut deer.event else {
        panic!("another kind");
    };
    seen.species = "deer".into();
    seen.threat = Threat::Passive;
    // Four days ago, in the same week; two visits at one camera, and one at another.
    house.store(vec![
        fox(4 * 86_400, "driveway", Some("Rain")),
        fox(4 * 86_400 - 60, "driveway", Some("rain")),
        fox(4 * 86_400 - 7_200, "driveway", Some("fog")),
        fox(4 * 86_400 - 7_200, "yard", None),
        deer,
    ]);
    house.stop();
    let list = rows(
        &house,
        &[
            "wildlife",
            "list",
            "--species",
            "Fox",
            "--camera",
            "driveway",
        ],
    );
    assert_eq!(list.len(), 4);
    assert_eq!(
        (&list[0]["first_ever"], &list[3]["first_ever"]),
        (&false.into(), &true.into())
    );
    assert_eq!(
        rows(&house, &["wildlife", "list", "--threat", "passive"]).len(),
        1
    );
    assert_eq!(
        rows(&house, &["wildlife", "list", "--since", "-1d"]).len(),
        2
    );
    let visits = rows(&house, &["wildlife", "encounters", "--species", "fox"]);
    let sizes: Vec<_> = visits
        .iter()
        .map(|visit| visit["sightings"].as_i64().unwrap())
        .collect();
    assert_eq!(sizes, [1, 1, 1, 2]);
    let species = rows(&house, &["wildlife", "species"]);
    let news = |row: &serde_json::Value| {
        (
            row["species"].clone(),
            row["count"].clone(),
            row["news"].clone(),
        )
    };
    assert_eq!(
        news(&species[0]),
        ("deer".into(), 1.into(), "first ever".into())
    );
    assert_eq!(
        news(&species[1]),
        ("fox".into(), 5.into(), "here today".into())
    );
    let weather = rows(
        &house,
        &["wildlife", "stats", "--by", "weather", "--species", "fox"],
    );
    let rain = weather.iter().find(|row| row["weather"] == "rain").unwrap();
    assert_eq!(
        (&rain["encounters"], &rain["sightings"]),
        (&1.into(), &2.into())
    );
    assert_eq!(rain["mean_temperature_c"], -2.0);
    let hours = rows(&house, &["wildlife", "stats"]);
    let hours: Vec<_> = hours
        .iter()
        .map(|row| row["hour"].as_str().unwrap())
        .collect();
    assert_eq!(hours, ["02:00", "03:00", "03:00", "05:00"]);
    refused(
        &house,
        &["wildlife", "list", "--species", "foxx"],
        Exit::NoInput,
        "did you mean `fox`?",
    );
    assert_eq!(rows(&house, &["query", "wildlife_encounters"]).len(), 5);
}
