//! Pets and wild animals: labels given and taken back, and encounters, on random streams.

use std::collections::BTreeMap;

use nightjar::base::clock::{MINUTE_NS, SECOND_NS};
use nightjar::event::animal::{PetLocated, PetSighted, Threats, WildlifeSighted};
use nightjar::event::pet::{Registered, SightingLabelled, SightingUnlabelled};
use nightjar::event::{Event, Extra, NewEvent};
use nightjar::read_model::encounters::{self, Encounter, INTERVALS_MIN, Wanted};
use nightjar::storage::all;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::bench_box::{BenchBox, NOW};
use crate::random_pets;

fn sighted(camera: &str, pet: Option<&str>, species: &str) -> Event {
    let sighted = PetSighted {
        camera: camera.into(),
        pet_id: pet.map(Into::into),
        species: species.into(),
        confidence: 0.5,
        bbox: None,
        crop_path: None,
        location: None,
        extra: Extra::new(),
    };
    sighted.into()
}

/// Sightings at times that are often equal, and often just an interval apart.
fn animal() -> impl Strategy<Value = NewEvent> {
    let camera = || select(vec!["porch", "yard"]);
    let pet = option::of(select(vec!["minka", "Minka", "REX"]));
    let species = || select(vec!["cat", "dog", "fox"]);
    let seen = (camera(), pet, species()).prop_map(|(camera, pet, species)| {
        (format!("camera/{camera}"), sighted(camera, pet, species))
    });
    let wild = (camera(), species()).prop_map(|(camera, species)| {
        let sighting = WildlifeSighted {
            camera: camera.into(),
            species: species.into(),
            confidence: 0.5,
            threat: Threats::default().of(species),
            bbox: None,
            crop_path: None,
            temperature_c: None,
            conditions: None,
            extra: Extra::new(),
        };
        (format!("camera/{camera}"), Event::from(sighting))
    });
    let located = (camera(), select(vec!["kitchen", "garden"])).prop_map(|(camera, place)| {
        let located = PetLocated {
            camera: camera.into(),
            location: place.into(),
            extra: Extra::new(),
        };
        ("pet/minka".to_owned(), Event::from(located))
    });
    let minute = select(vec![0, 1, 2, 3, 30, 31, 60, 61, 90, 120, 121]);
    let at = prop_oneof![
        20 => (minute, -1_i64..2).prop_map(|(minutes, more)| NOW + minutes * MINUTE_NS + more),
        1 => select(vec![i64::MIN, i64::MAX, 0]),
    ];
    let what = prop_oneof![
        5 => seen.boxed(),
        3 => wild.boxed(),
        1 => located.boxed(),
        4 => random_pets::label(),
        1 => random_pets::decision(),
    ];
    (what, at).prop_map(|((stream, event), at)| NewEvent::own(at, stream, event))
}

/// Animal, camera, time and id of every sighting.
fn sightings(bench: &BenchBox, sql: &'static str) -> Vec<(String, String, i64, i64)> {
    let mut reader = bench.reader();
    all(&mut reader.snapshot().unwrap(), sql, &[], |row| {
        let animal = row.text(0)?.to_owned();
        Ok((animal, row.text(1)?.to_owned(), row.int(2)?, row.int(3)?))
    })
    .unwrap()
}

fn animal_of(encounter: &Encounter, wild: bool) -> String {
    match &encounter.pet {
        Some(pet) => format!("={pet}"),
        None if wild => encounter.species.clone(),
        None => format!("?{}", encounter.species),
    }
}

/// The encounters of sightings, found the plain way: begin, end and size by animal and camera.
fn model(
    sightings: &[(String, String, i64, i64)],
    interval_min: i64,
) -> Vec<(String, String, i64, i64, i64, i64)> {
    let mut by_place: BTreeMap<(&str, &str), Vec<(i64, i64)>> = BTreeMap::new();
    for (animal, camera, at, id) in sightings {
        by_place
            .entry((animal, camera))
            .or_default()
            .push((*at, *id));
    }
    let mut found = Vec::new();
    for ((animal, camera), mut seen) in by_place {
        seen.sort_unstable();
        let apart = |one: &(i64, i64), other: &(i64, i64)| {
            i128::from(other.0) - i128::from(one.0) <= i128::from(interval_min * MINUTE_NS)
        };
        for visit in seen.chunk_by(apart) {
            let (first, last) = (visit[0], visit[visit.len() - 1]);
            let size = visit.len() as i64;
            found.push((
                animal.to_owned(),
                camera.to_owned(),
                first.0,
                first.1,
                last.0,
                size,
            ));
        }
    }
    found.sort_unstable_by_key(|visit| std::cmp::Reverse((visit.2, visit.3)));
    found
}

fn as_model(encounters: &[Encounter], wild: bool) -> Vec<(String, String, i64, i64, i64, i64)> {
    encounters
        .iter()
        .map(|visit| {
            (
                animal_of(visit, wild),
                visit.camera.clone(),
                visit.started_at,
                visit.id,
                visit.ended_at,
                visit.sightings,
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn labels_and_encounters_come_out_the_same_however_they_came(
        events in vec(animal(), 1..60),
        cuts in vec(1_usize..9, 1..12),
    ) {
        let whole = BenchBox::new();
        whole.store(events.clone());
        let pieces = BenchBox::new();
        let mut rest = events.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pieces.store(piece.to_vec());
            rest = later;
        }
        prop_assert_eq!(pieces.tables(), whole.tables());
        prop_assert_eq!(whole.unequal_after_rebuild(), Vec::<&str>::new());
        prop_assert_eq!(whole.number("SELECT count(*) FROM dead_letters"), 0, "nothing is parked");
        prop_assert!(whole.number("SELECT count(*) FROM pets WHERE registered_at IS NOT NULL") <= 8);

        // Last seen follows from what is there, whatever was labelled away.
        let wrong = whole.number(
            "SELECT count(*) FROM pets p WHERE p.last_seen_at IS DISTINCT FROM (SELECT max(at) FROM \
             (SELECT at FROM pet_sightings s WHERE s.pet_id = p.id UNION ALL SELECT p.placed_at))",
        );
        prop_assert_eq!(wrong, 0);
        let wrong = whole.number(
            "SELECT count(*) FROM pets p WHERE p.training_count <> (SELECT count(*) FROM \
             pet_training_images i WHERE i.pet_id = p.id AND i.used_in_training_at IS NOT NULL)",
        );
        prop_assert_eq!(wrong, 0);
        prop_assert_eq!(
            whole.number(
                "SELECT count(*) FROM wildlife_species w WHERE (w.first_at, w.count) <> \
                 (SELECT min(at), count(*) FROM wildlife_sightings s WHERE s.species = w.species)",
            ),
            0
        );

        // Every sighting lies in exactly one encounter, and none overlap: as the plain model has it.
        let pets = sightings(&whole, "SELECT animal, camera_id, at, id FROM pet_sightings");
        let wild = sightings(&whole, "SELECT species, camera_id, at, id FROM wildlife_sightings");
        let mut reader = whole.reader();
        let mut session = reader.snapshot().unwrap();
        for interval_min in INTERVALS_MIN {
            let wanted = Wanted { interval_min, ..Wanted::default() };
            // Half-open ranges end before the last moment that there is.
            let in_range = |seen: &Vec<(String, String, i64, i64)>| {
                let mut found = model(seen, interval_min);
                found.retain(|visit| visit.2 < i64::MAX);
                found
            };
            let found = encounters::of_pets(&mut session, &wanted).unwrap();
            prop_assert_eq!(as_model(&found, false), in_range(&pets));
            let found = encounters::of_wildlife(&mut session, &wanted).unwrap();
            prop_assert_eq!(as_model(&found, true), in_range(&wild));

            // Page by page it is the same list.
            let mut paged = Vec::new();
            let mut behind = None;
            loop {
                let page = Wanted { limit: 2, behind, ..wanted };
                let page = encounters::of_pets(&mut session, &page).unwrap();
                let Some(last) = page.last() else { break };
                behind = Some((last.started_at, last.id));
                paged.extend(page);
            }
            prop_assert_eq!(paged, encounters::of_pets(&mut session, &wanted).unwrap());
        }
        let view = whole.number("SELECT coalesce(sum(sightings), 0) FROM pet_encounters");
        prop_assert_eq!(view, pets.len() as i64);
        let view = whole.number("SELECT coalesce(sum(sightings), 0) FROM wildlife_encounters");
        prop_assert_eq!(view, wild.len() as i64);
    }
}

/// What a camera told, where a sighting is, whom it shows.
fn seen(bench: &BenchBox) -> Vec<(Option<String>, String, i64)> {
    let mut reader = bench.reader();
    let sql = "SELECT pet_id, species, labelled FROM pet_sightings ORDER BY id";
    all(&mut reader.snapshot().unwrap(), sql, &[], |row| {
        let pet = row.opt_text(0)?.map(ToOwned::to_owned);
        Ok((pet, row.text(1)?.to_owned(), row.int(2)?))
    })
    .unwrap()
}

#[test]
fn encounters_are_read_by_index_however_many_there_are() {
    let bench = BenchBox::new();
    let visits = 2_000;
    let events = (0..visits).flat_map(|visit| {
        (0..3).map(move |frame| {
            let at = NOW + visit * 40 * MINUTE_NS + frame * SECOND_NS;
            NewEvent::own(at, "camera/yard", sighted("yard", None, "cat"))
        })
    });
    bench.store(events.collect());
    let mut reader = bench.reader();
    let mut session = reader.snapshot().unwrap();
    let newest = Wanted {
        limit: 2,
        ..Wanted::default()
    };
    let found = encounters::of_pets(&mut session, &newest).unwrap();
    assert_eq!(
        found
            .iter()
            .map(|visit| visit.sightings)
            .collect::<Vec<_>>(),
        [3, 3]
    );
    drop(session);
    for sql in [
        "EXPLAIN QUERY PLAN SELECT * FROM pet_encounters ORDER BY started_at DESC, id DESC LIMIT 2",
        "EXPLAIN QUERY PLAN SELECT * FROM wildlife_encounters ORDER BY started_at DESC, id DESC LIMIT 2",
    ] {
        let plan = format!("{:?}", bench.rows(sql));
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        // The newest sightings are walked by their index, everything else is looked up in one.
        assert_eq!(plan.matches("SCAN ").count(), 1, "{plan}");
    }
}

#[test]
fn a_label_given_and_taken_back_leaves_no_trace_but_in_the_log() {
    let bench = BenchBox::new();
    let on = |at: i64, stream: &str, event: Event| NewEvent::own(NOW + at, stream, event);
    let positions = bench.store(vec![
        on(1, "camera/yard", sighted("yard", Some("rex"), "dog")),
        on(2, "camera/yard", sighted("yard", None, "cat")),
        on(
            3,
            "pet/minka",
            Registered {
                name: "Minka".into(),
                ..Registered::default()
            }
            .into(),
        ),
    ]);
    let label = |pet: Option<&str>, position: i64| {
        let label = SightingLabelled {
            position,
            pet_id: pet.map(Into::into),
            species: None,
        };
        on(9, &format!("sighting/{position}"), label.into())
    };
    let before = seen(&bench);
    bench.store(vec![
        label(Some("MINKA"), positions[1]),
        label(None, positions[0]),
    ]);
    assert_eq!(
        seen(&bench),
        [
            (None, "dog".into(), 1),
            (Some("minka".into()), "cat".into(), 1)
        ]
    );
    assert_eq!(
        bench.number("SELECT last_seen_at FROM pets WHERE id = 'minka'"),
        NOW + 2
    );
    assert_eq!(
        bench.number("SELECT count(*) FROM pets WHERE last_seen_at IS NULL"),
        1
    );
    let taken_back = positions[..2].iter().map(|&position| {
        let stream = format!("sighting/{position}");
        on(10, &stream, SightingUnlabelled { position }.into())
    });
    bench.store(taken_back.collect());
    assert_eq!(seen(&bench), before);
    assert_eq!(
        bench.number("SELECT last_seen_at FROM pets WHERE id = 'rex'"),
        NOW + 1
    );
    assert_eq!(
        bench.number("SELECT count(*) FROM pets WHERE id = 'minka' AND last_seen_at IS NULL"),
        1
    );
}
