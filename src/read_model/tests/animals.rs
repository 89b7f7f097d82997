//! Pets by id and by name, escapes, and the first of a species.

use super::*;
use crate::event::animal::Location;
use crate::event::pet::{Registered, Removed};

fn cat(told: &str, location: Option<Location>, when: i64) -> NewEvent {
    let cat = PetSighted {
        camera: "yard".into(),
        pet_id: Some(told.into()),
        species: "cat".into(),
        confidence: 0.9,
        bbox: None,
        crop_path: None,
        location,
        extra: Extra::new(),
    };
    at(MIDNIGHT + when, &format!("pet/{told}"), cat)
}

fn registered(id: &str, name: &str) -> NewEvent {
    let pet = Registered {
        name: name.into(),
        ..Registered::default()
    };
    at(MIDNIGHT, &format!("pet/{id}"), pet)
}

fn pets_of_sightings(bench: &mut Bench) -> Vec<String> {
    let mut session = bench.database.snapshot().unwrap();
    let sql = "SELECT pet_id FROM pet_sightings ORDER BY id";
    all(&mut session, sql, &[], |row| Ok(row.text(0)?.to_owned())).unwrap()
}

#[test]
fn a_camera_may_tell_a_pet_by_id_or_by_name_in_whatever_case() {
    let mut bench = Bench::new();
    bench.tell(&cat("MÖRK", None, 1));
    bench.tell(&cat("p1", None, 2));
    bench.tell(&registered("p1", "Mörk"));
    bench.tell(&cat("mörk", None, 3));
    assert_eq!(pets_of_sightings(&mut bench), ["p1", "p1", "p1"]);
    let columns = ["id", "name", "last_seen_at"];
    let seen = Owned::Integer(MIDNIGHT + 3);
    assert_eq!(
        bench.view("pets", &columns),
        [[text("p1"), text("Mörk"), seen]]
    );
    // Another name takes nothing back, and leaves the old one free.
    bench.tell(&registered("p1", "Rex"));
    bench.tell(&cat("Mörk", None, 4));
    assert_eq!(pets_of_sightings(&mut bench)[2..], ["p1", "Mörk"]);
}

#[test]
fn names_are_unique_among_those_that_live_and_eight_are_enough() {
    let mut bench = Bench::new();
    bench.tell(&registered("a", "Minka"));
    bench.tell(&registered("b", "MINKA"));
    assert_eq!(bench.ints("SELECT count(*) FROM pets"), [1]);
    bench.tell(&at(MIDNIGHT, "pet/a", Removed {}));
    bench.tell(&registered("b", "MINKA"));
    bench.tell(&registered("a", "Minka"));
    let living = "SELECT count(*) FROM pets WHERE registered_at IS NOT NULL";
    assert_eq!(bench.ints(living), [1]);
    for number in 0..20 {
        bench.tell(&registered(&format!("p{number}"), &format!("Pet {number}")));
    }
    assert_eq!(bench.ints(living), [8]);
    // One of the eight may still change.
    bench.tell(&registered("b", "Tilly"));
    assert_eq!(
        bench.ints("SELECT count(*) FROM pets WHERE name = 'Tilly'"),
        [1]
    );
}

#[test]
fn an_escape_is_told_by_the_message_or_by_what_is_known_of_the_camera() {
    let mut bench = Bench::new();
    bench.tell(&cat("minka", None, 1));
    bench.tell(&cat("minka", Some(Location::Transition), 2));
    let mut session = bench.database.begin().unwrap();
    let known = "INSERT INTO event_edges (stream, state_key, value, at) VALUES ('camera/yard', 'location', 'EXTERIOR', 0)";
    session.write(known, &[]).unwrap();
    session.commit().unwrap();
    bench.tell(&cat("minka", None, 3));
    bench.tell(&cat("minka", Some(Location::Interior), 4));
    assert_eq!(
        bench.event_types(),
        ["PET_DETECTED", "PET_ESCAPE", "PET_ESCAPE", "PET_DETECTED"]
    );
}

#[test]
fn a_late_sighting_is_the_first_of_its_species() {
    let mut bench = Bench::new();
    let mut fox = |when: i64| {
        let fox = WildlifeSighted {
            camera: "yard".into(),
            species: "fox".into(),
            confidence: 0.9,
            threat: Threat::Nuisance,
            bbox: None,
            crop_path: None,
            temperature_c: None,
            conditions: None,
            extra: Extra::new(),
        };
        bench.tell(&at(MIDNIGHT + when, "camera/yard", fox))
    };
    fox(10);
    fox(20);
    let first = fox(5);
    fox(5);
    let columns = ["first_at", "first_position", "last_at", "count"];
    let integers = [MIDNIGHT + 5, first, MIDNIGHT + 20, 4].map(Owned::Integer);
    assert_eq!(bench.view("wildlife_species", &columns), [integers]);
}
