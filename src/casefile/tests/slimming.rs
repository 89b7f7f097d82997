//! Slim copies: what is kept, what is dropped, and that nothing dangles.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::super::{debug, seal, slim, verify};
use super::*;
use crate::storage::all;

fn ints(session: &mut dyn Session, sql: &'static str) -> Result<BTreeSet<i64>, CaseError> {
    Ok(all(session, sql, &[], |row| row.int(0))?
        .into_iter()
        .collect())
}

/// A copy has every row, the pictures of originals and chosen nodes, no others, and its own proof.
pub(super) fn check_copy(rig: &mut Rig, small: &Path) {
    let mut copy = CaseFile::open_reader(small).unwrap();
    let kept = rig.read(|session| {
        ints(
            session,
            "SELECT image_id FROM nodes WHERE parent_id IS NULL
             UNION SELECT n.image_id FROM nodes n JOIN branches b ON b.chosen_node_id = n.id
                     JOIN scans s ON s.id = b.scan_id
                    WHERE b.trashed_at_ms IS NULL AND s.deleted_at_ms IS NULL",
        )
    });
    assert_eq!(
        copy.read(|session| ints(session, "SELECT id FROM images"))
            .unwrap(),
        kept
    );
    assert_eq!(
        copy.read(seal::digest).unwrap(),
        rig.read(seal::digest),
        "no row is another"
    );
    assert_eq!(copy.read(verify::check).unwrap().problems, [""; 0]);
    assert_eq!(
        copy.read(branches::export_set).unwrap(),
        rig.read(branches::export_set)
    );
    drop(copy);
    let stranger = Connection::open(small).unwrap();
    let count = |sql: &str| {
        stranger
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(
        count("SELECT COUNT(*) FROM thumbs") + count("SELECT COUNT(*) FROM debug_artifacts"),
        0
    );
    assert_eq!(count("SELECT COUNT(*) FROM pragma_foreign_key_check"), 0);
    assert_eq!(
        count("SELECT freelist_count FROM pragma_freelist_count"),
        0,
        "the file has no holes"
    );
    let whole: String = stranger
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
    let triggers = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'trigger'";
    let guards: i64 = rig
        .stranger(true)
        .query_row(triggers, [], |row| row.get(0))
        .unwrap();
    assert_eq!(count(triggers), guards, "the copy is guarded as the whole");
}

fn grown() -> (Rig, ScanId, [NodeId; 4]) {
    let mut rig = Rig::new();
    let (scan, root) = rig.original(1);
    let gray = rig.grow(root, None, 2).unwrap();
    let a = rig.grow(gray, Some("A"), 3).unwrap();
    let b = rig.grow(gray, Some("B"), 4).unwrap();
    rig.end(a);
    rig.end(b);
    rig.write(|session| {
        let lines = images::insert(session, &picture(9).image, NO_BOUND, 0)?;
        debug::insert(session, gray, "lines", lines, 0)
    });
    (rig, scan, [root, gray, a, b])
}

#[test]
fn a_slim_copy_keeps_originals_chosen_pictures_and_the_whole_lineage() {
    let (mut rig, ..) = grown();
    let small = rig.folder.path().join("small.agl");
    let slimmed = slim::slim(&rig.path(), &small, 5).unwrap();
    assert_eq!((slimmed.images, slimmed.images_before), (3, 5));
    assert_eq!(slimmed.bytes, std::fs::metadata(&small).unwrap().len());
    check_copy(&mut rig, &small);
    drop(rig.case);
    assert_eq!(names(rig.folder.path()), ["small.agl", "van.agl"]);
}

#[test]
fn a_case_without_a_scan_in_sight_is_slimmed_too_and_nothing_dangles() {
    let (mut rig, scan, [_, gray, ..]) = grown();
    rig.write(|session| scans::set_deleted(session, scan, true, MARA));
    let small = rig.folder.path().join("small.agl");
    let slimmed = slim::slim(&rig.path(), &small, 5).unwrap();
    assert_eq!(slimmed.images, 1, "the original alone");
    check_copy(&mut rig, &small);
    let mut copy = CaseFile::open(&small, Durability::Full, 6).unwrap();
    let node = copy.read(|session| nodes::get(session, gray)).unwrap();
    assert_eq!(node.image_id, None);
    assert_eq!(node.image_sha256, picture(2).image.sha256, "its hash stays");
    let left = copy
        .read(|session| branches::of_scan(session, scan))
        .unwrap();
    assert_eq!(left.len(), 2);
}

#[test]
fn a_sealed_case_is_slimmed_and_its_seal_holds() {
    let (mut rig, ..) = grown();
    rig.write(|session| seal::seal(session, MARA));
    let small = rig.folder.path().join("small.agl");
    slim::slim(&rig.path(), &small, 5).unwrap();
    check_copy(&mut rig, &small);
    let mut copy = CaseFile::open(&small, Durability::Full, 6).unwrap();
    let scan = copy.write(|session| scans::set_deleted(session, ScanId(1), true, MARA));
    assert!(scan.unwrap_err().to_string().contains("sealed"));
}

#[test]
fn a_name_that_is_taken_is_refused_and_a_copy_that_failed_leaves_nothing() {
    let (rig, ..) = grown();
    let taken = rig.folder.path().join("taken.agl");
    std::fs::write(&taken, b"mine").unwrap();
    let error = slim::slim(&rig.path(), &taken, 5).unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
    // A row that breaks a rule of the copy: more bytes told than there are.
    let stranger = rig.stranger(true);
    stranger
        .pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    stranger
        .execute_batch("DROP TRIGGER images_immutable; UPDATE images SET bytes = bytes + 1")
        .unwrap();
    let small = rig.folder.path().join("small.agl");
    assert!(slim::slim(&rig.path(), &small, 5).is_err());
    drop(stranger);
    assert_eq!(names(rig.folder.path()), ["taken.agl", "van.agl"]);
}
