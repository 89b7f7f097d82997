//! A lost database, and what is found again without it.

use super::media::with_index_at_the_end;
use super::recovery::put_foreign;
use super::*;
use crate::storage::Owned;

const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a picture";

/// Camera and second out of `camera/second.mp4`.
fn place() -> Place {
    Place(Box::new(|path| {
        let (camera, name) = path.split_once('/')?;
        let second: i64 = name.split('.').next()?.parse().ok()?;
        Some((camera.to_owned(), second * 1_000_000_000))
    }))
}

fn pass(house: &House) -> Health {
    let options = Options {
        place: place(),
        ..house.options()
    };
    let mut watcher = house.watcher_with(options);
    let mut now = Instant::now();
    watcher.drain_from(&mut now);
    watcher.scan_again(&mut now);
    watcher.show_trouble();
    let health = watcher.health();
    health.lock().unwrap().clone()
}

/// What a person sees of each recording, by name.
fn seen(house: &House) -> Vec<String> {
    all(
        &mut house.database().snapshot().unwrap(),
        "SELECT original_name, camera_id, started_at / 1000000000, state, integrity, codec, \
         width, duration_s, thumbnail_path, key_id <> '' FROM recordings ORDER BY original_name",
        &[],
        |row| {
            let mut shown = Vec::new();
            for column in 0..10 {
                shown.push(match row.owned(column)? {
                    Owned::Text(text) => text,
                    Owned::Integer(number) => number.to_string(),
                    Owned::Real(number) => number.to_string(),
                    _ => "-".to_owned(),
                });
            }
            Ok(shown.join(" "))
        },
    )
    .unwrap()
}

#[test]
fn without_its_database_every_recording_is_listed_again() {
    let mut house = House::new();
    for folder in ["front", "yard", "gate"] {
        std::fs::create_dir(house.rec(folder)).unwrap();
    }
    house.put("front/1795000000.mp4", &driveway());
    house.put("front/1795000000.jpg", JPEG);
    house.put("yard/1795000100.mkv", &clip("hallway-20261120-061530.mkv"));
    let late_index = with_index_at_the_end(&driveway());
    house.put("gate/1795000200.mp4", &late_index);
    house.put("gate/1795000300.mp4", &driveway());
    house.put("front/1795000500.mp4", &driveway());
    pass(&house);
    let before = seen(&house);
    assert_eq!(before.len(), 5);
    assert_eq!(
        before[0],
        "front/1795000000.mp4 front 1795000000 sealed verified h264 640 6 \
         front/1795000000.jpg.vge 1"
    );

    // One that another program made, one under a key that is not here, one that was changed.
    std::fs::remove_file(house.rec("gate/1795000300.vge.auth")).unwrap();
    put_foreign(&house, "yard/1795000400.vge", &driveway(), OTHER_KEY);
    let mut bytes = house.get("front/1795000500.vge");
    bytes[9_000] ^= 1;
    house.put("front/1795000500.vge", &bytes);
    house.lose_database();
    let health = pass(&house);
    assert_eq!(health.adopted, 6);
    assert_eq!(health.trouble, None);
    assert_eq!(
        seen(&house),
        [
            "front/1795000000.mp4 front 1795000000 sealed verified h264 640 6 \
             front/1795000000.jpg.vge 1",
            "front/1795000500.mp4 front 1795000500 sealed tampered - - - - 1",
            "gate/1795000200.mp4 gate 1795000200 sealed verified h264 640 6 - 1",
            "gate/1795000300.mp4 gate 1795000300 sealed unverified h264 640 6 - 1",
            "yard/1795000100.mkv yard 1795000100 sealed verified h264 640 4 - 1",
            "yard/1795000400.mp4 yard 1795000400 sealed unverified - - - - 0",
        ]
    );
    let damage = house.text(
        "SELECT failure FROM recordings WHERE original_name = ?1",
        "front/1795000500.mp4",
    );
    assert_eq!(damage.as_deref(), Some("chunk 0 was changed"));
    let stored = house.kinds().len();
    pass(&house);
    assert_eq!(house.kinds().len(), stored, "the next start adopts nothing");

    // Life goes on: the files of before do not stand in the way of the key, nor of new ones.
    house.put("gate/1795000600.mp4", &driveway());
    assert_eq!(pass(&house).trouble, None);
    assert_eq!(seen(&house).len(), 7);
}

#[test]
fn a_second_sealed_copy_of_one_recording_is_not_adopted() {
    let house = House::new();
    house.put("a.mp4", &driveway());
    house.pass();
    std::fs::copy(house.rec("a.vge"), house.rec("a.mp4.vge")).unwrap();
    house.pass();
    assert_eq!(house.rows().len(), 1);
    // A copy elsewhere is a recording of its own.
    std::fs::copy(house.rec("a.vge"), house.rec("b.vge")).unwrap();
    house.pass();
    assert_eq!(house.rows().len(), 2);
}

#[test]
fn a_clip_whose_name_ends_like_a_picture_is_adopted_as_a_clip() {
    let house = House::new();
    put_foreign(&house, "front.png.vge", &driveway(), KEY);
    put_foreign(&house, "lonely.jpg.vge", JPEG, KEY);
    house.pass();
    assert_eq!(
        house.rows(),
        [(
            "front.png.mp4".into(),
            "sealed".into(),
            "front.png.vge".into()
        )]
    );
}
