//! Several workers on one file, each with a connection of its own.

use std::sync::Barrier;

use super::super::encode::derived;
use super::super::persister::{MAX_OUTPUTS, Options, Output, Parent, Persister};
use super::super::verify;
use super::*;

const WORKERS: u32 = 4;

fn options(path: PathBuf, durability: Durability) -> Options {
    Options {
        path,
        durability,
        max_bytes: NO_BOUND,
    }
}

fn output(parent: Parent, step: Step, shade: u8, ends: bool) -> Output {
    Output {
        parent,
        step,
        picture: picture(shade),
        debug: Vec::new(),
        ends_branch: ends.then_some(None),
    }
}

/// A picture that no other worker and no other round makes.
fn unlike(worker: u32, round: u32) -> Image {
    let number = worker * 100_000 + round;
    gray(4, 4, |x, y| (number >> (4 * ((x + 4 * y) % 8))) as u8)
}

#[test]
fn four_workers_store_a_thousand_pictures_each_and_none_finds_the_file_locked() {
    four_workers(1_000, Durability::Scratch);
}

/// Fewer, as each waits for the disk; and so they keep the file locked for longer.
#[test]
fn four_workers_that_wait_for_the_disk_do_not_find_the_file_locked() {
    four_workers(100, Durability::Full);
}

fn four_workers(images_each: u32, durability: Durability) {
    let mut rig = Rig::with(durability);
    let roots: Vec<NodeId> = (0..WORKERS)
        .map(|worker| rig.original(worker as u8).1)
        .collect();
    let (path, pipeline) = (rig.path(), rig.pipeline);
    let together = Barrier::new(WORKERS as usize);
    std::thread::scope(|scope| {
        for (worker, root) in (0..).zip(roots) {
            let (path, together) = (path.clone(), &together);
            let work = move || {
                let mut persister = Persister::new(options(path, durability));
                together.wait();
                for round in 0..images_each {
                    let label = (round + 1).to_string();
                    let output = Output {
                        parent: Parent::Node(root),
                        step: step(pipeline, 1, Some(&label)),
                        picture: derived(&unlike(worker, round), None).unwrap(),
                        debug: Vec::new(),
                        ends_branch: Some(None),
                    };
                    persister.store(&[output], MARA.at_ms).unwrap();
                }
            };
            std::thread::Builder::new()
                .spawn_scoped(scope, work)
                .unwrap();
        }
    });
    let findings = rig.read(verify::check);
    assert_eq!(findings.problems, [""; 0]);
    assert_eq!(findings.images, u64::from(WORKERS * images_each + WORKERS));
    let exported = rig.read(branches::export_set);
    assert_eq!(exported.len(), (WORKERS * images_each) as usize);
    drop(rig.case);
    assert_eq!(names(rig.folder.path()), ["van.agl"]);
}

#[test]
fn a_worker_opens_its_connection_at_its_first_message() {
    let mut rig = Rig::new();
    let (_, root) = rig.original(1);
    let mut persister = Persister::new(options(rig.path(), Durability::Full));
    assert!(!persister.is_open());
    let first = output(Parent::Node(root), step(rig.pipeline, 1, None), 2, true);
    persister.store(&[first], 5).unwrap();
    assert!(persister.is_open());
    let mut nowhere = Persister::new(options(
        rig.folder.path().join("none.agl"),
        Durability::Full,
    ));
    assert!(nowhere.store(&[], 5).is_err());
    assert!(!nowhere.is_open());
}

#[test]
fn a_chain_is_stored_whole_or_not_at_all() {
    let mut rig = Rig::new();
    let (scan, root) = rig.original(1);
    let mut persister = Persister::new(options(rig.path(), Durability::Full));
    let pipeline = rig.pipeline;
    let chain = |last: Parent| {
        [
            output(Parent::Node(root), step(pipeline, 1, None), 2, false),
            output(Parent::Output(0), step(pipeline, 2, Some("A")), 3, true),
            output(last, step(pipeline, 2, Some("B")), 4, true),
        ]
    };
    let error = persister
        .store(&chain(Parent::Output(7)), 5)
        .unwrap_err()
        .to_string();
    assert!(error.contains("output 7"), "{error}");
    assert!(rig.node(root).is_leaf, "nothing of it was stored");
    let stored = persister.store(&chain(Parent::Output(0)), 5).unwrap();
    assert!(rig.node(stored[0]).is_branch_point);
    let paths = rig.read(|session| branches::of_scan(session, scan));
    assert_eq!(
        paths.iter().map(|b| b.path.as_str()).collect::<Vec<_>>(),
        ["A", "B"]
    );
    let many = vec![chain(Parent::Output(0))[0].clone(); MAX_OUTPUTS + 1];
    assert!(
        persister
            .store(&many, 5)
            .unwrap_err()
            .to_string()
            .contains("in parts")
    );
}

#[test]
fn a_full_case_refuses_pictures_and_says_what_to_do() {
    let mut rig = Rig::new();
    let held = rig.read(images::held_bytes);
    let new = import(rig.pipeline);
    let prepared = picture(1);
    let bound = held + prepared.image.blob.len() as u64;
    let refused = rig
        .case
        .write(|session| scans::add(session, &new, &prepared, bound - 1, MARA));
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("open another case"), "{error}");
    rig.write(|session| scans::add(session, &new, &prepared, bound, MARA));
    // What is there already takes no room.
    rig.write(|session| scans::add(session, &new, &prepared, bound, MARA));
}

#[test]
fn a_writer_that_is_kept_out_for_longer_than_the_busy_timeout_tries_again() {
    let mut rig = Rig::new();
    let mut tries = 0;
    let outcome = rig.case.write(|_| {
        tries += 1;
        match tries {
            1 | 2 => Err(crate::storage::StorageError::Busy("held".into()).into()),
            _ => Ok(tries),
        }
    });
    assert_eq!(outcome.unwrap(), 3);
    let never: Result<(), CaseError> = rig
        .case
        .write(|_| Err(crate::storage::StorageError::Busy("held".into()).into()));
    assert!(never.is_err(), "the tries are bounded");
}

#[test]
fn a_thumb_that_is_missing_is_made_again() {
    let mut rig = Rig::new();
    let (_, root) = rig.original(1);
    let image = rig.node(root).image_id.unwrap();
    let mut persister = Persister::new(options(rig.path(), Durability::Full));
    let stored = persister.thumb(image, 256, 5).unwrap();
    assert_eq!(stored, picture(1).thumb);
    rig.stranger(true)
        .execute("DELETE FROM thumbs", [])
        .unwrap();
    assert_eq!(persister.thumb(image, 256, 5).unwrap(), stored);
    let small = persister.thumb(image, 4, 5).unwrap();
    assert_eq!((small.width, small.height), (4, 3));
    let kept = rig.read(|session| thumbs::get(session, image, 4));
    assert_eq!(kept, Some(small));
}
