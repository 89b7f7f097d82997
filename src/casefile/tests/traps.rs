//! What went wrong where this store comes from, one test each.

use rusqlite::Connection;

use super::super::encode::original;
use super::super::ocr_runs::{self, Engine};
use super::super::{rerun, verify};
use super::*;

const ENGINE: Engine<'_> = Engine {
    name: "tesseract",
    version: Some("5.3.0"),
    languages_json: "[]",
    params_json: "{}",
};

/// Root – gray – A and B behind a branch point; two steps in A, one in B.
struct Tree {
    rig: Rig,
    scan: ScanId,
    gray: NodeId,
    a: [NodeId; 2],
    b: NodeId,
}

fn tree() -> Tree {
    let mut rig = Rig::new();
    let (scan, root) = rig.original(1);
    let gray = rig.grow(root, None, 2).unwrap();
    let a1 = rig.grow(gray, Some("A"), 3).unwrap();
    let a2 = rig.grow(a1, None, 4).unwrap();
    let b = rig.grow(gray, Some("B"), 5).unwrap();
    rig.end(a2);
    rig.end(b);
    Tree {
        rig,
        scan,
        gray,
        a: [a1, a2],
        b,
    }
}

fn problems(rig: &mut Rig) -> Vec<String> {
    rig.read(verify::check).problems
}

#[test]
fn a_rerun_sets_branches_back_before_it_deletes_what_they_point_at() {
    let Tree {
        mut rig,
        scan,
        gray,
        ..
    } = tree();
    // The order of the cookbook: delete first. The file refuses it, so nothing can be lost by it.
    let naive = rig.stranger(true).execute(
        "WITH RECURSIVE sub(id) AS (SELECT id FROM nodes WHERE id = ?1
             UNION ALL SELECT n.id FROM nodes n JOIN sub ON n.parent_id = sub.id)
         DELETE FROM nodes WHERE id IN (SELECT id FROM sub) AND id <> ?1",
        [gray.0],
    );
    assert!(naive.unwrap_err().to_string().contains("FOREIGN KEY"));

    let thrown = rig.write(|session| rerun::from_node(session, gray, MARA));
    assert_eq!((thrown.nodes, thrown.images.len()), (3, 3));
    for branch in rig.read(|session| branches::of_scan(session, scan)) {
        assert_eq!(
            (branch.terminal_node_id, branch.chosen_node_id),
            (gray, gray)
        );
    }
    assert!(
        rig.read(branches::export_set).is_empty(),
        "waiting branches are in no export"
    );
    assert_eq!(problems(&mut rig), [""; 0]);
}

#[test]
fn a_rerun_that_does_not_end_leaves_everything_as_it_was() {
    let Tree {
        mut rig,
        scan,
        gray,
        a,
        b,
    } = tree();
    let before = rig.read(|session| branches::of_scan(session, scan));
    let failed: Result<(), CaseError> = rig.case.write(|session| {
        rerun::from_node(session, gray, MARA)?;
        Err(CaseError::Refused("the first step failed".into()))
    });
    assert!(failed.is_err());
    assert_eq!(rig.read(|session| branches::of_scan(session, scan)), before);
    for node in [a[0], a[1], b] {
        rig.node(node);
    }
}

#[test]
fn a_node_becomes_a_leaf_again_when_its_children_go() {
    let Tree {
        mut rig,
        gray,
        a,
        b,
        ..
    } = tree();
    let shape = |rig: &mut Rig, id| {
        let node = rig.node(id);
        (node.is_leaf, node.is_branch_point)
    };
    assert_eq!(shape(&mut rig, gray), (false, true));
    let stranger = rig.stranger(false);
    stranger.execute("DELETE FROM branches", []).unwrap();
    stranger
        .execute("DELETE FROM nodes WHERE id = ?1", [b.0])
        .unwrap();
    assert_eq!(
        shape(&mut rig, gray),
        (false, false),
        "one child is no branch point"
    );
    stranger
        .execute("DELETE FROM nodes WHERE id = ?1", [a[0].0])
        .unwrap();
    assert_eq!(shape(&mut rig, gray), (true, false));
    assert_eq!(problems(&mut rig).len(), 0);
}

#[test]
fn an_import_keeps_the_bytes_that_came() {
    let mut rig = Rig::new();
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 55)
        .encode(pixels(3).pixels(), 9, 7, image::ExtendedColorType::L8)
        .unwrap();
    jpeg.extend(b"maker's notes behind the end");
    let (new, prepared) = (import(rig.pipeline), original(jpeg.clone()).unwrap());
    let (_, root) = rig.write(|session| scans::add(session, &new, &prepared, NO_BOUND, MARA));
    let node = rig.node(root);
    let stored = rig.read(|session| images::blob(session, node.image_id.unwrap()));
    assert_eq!(stored, jpeg);
    assert_eq!(problems(&mut rig), [""; 0]);
}

#[test]
fn the_same_pixels_in_two_resolutions_keep_both() {
    let mut rig = Rig::new();
    let [low, high] = [72.0, 300.0].map(|dpi| encode::derived(&pixels(1), Some(dpi)).unwrap());
    let ids = rig.write(|session| {
        [&low, &high, &low]
            .map(|picture| images::insert(session, &picture.image, NO_BOUND, 0))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(ids[0], ids[2], "the same bytes are stored once");
    let dpi =
        [ids[0], ids[1]].map(|id| rig.read(|session| images::facts(session, id)).dpi.unwrap());
    assert!(
        (dpi[0] - 72.0).abs() < 0.1 && (dpi[1] - 300.0).abs() < 0.1,
        "{dpi:?}"
    );
}

#[test]
fn a_run_that_ends_after_the_picture_changed_is_stale() {
    let Tree { mut rig, scan, .. } = tree();
    let run = rig.write(|session| ocr_runs::request(session, scan, &path("A"), &ENGINE, 1));
    rig.write(|session| branches::step_back(session, scan, &path("A"), MARA));
    rig.write(|session| ocr_runs::finish(session, run, r#"{"text":"AB"}"#, 2));
    assert!(rig.read(|session| ocr_runs::get(session, run)).is_stale);
    rig.write(|session| branches::step_forward(session, scan, &path("A"), MARA));
    assert!(
        !rig.read(|session| ocr_runs::get(session, run)).is_stale,
        "the picture is back"
    );
    let told = rig
        .stranger(true)
        .execute("UPDATE ocr_runs SET is_stale = 1", []);
    assert!(
        told.unwrap_err()
            .to_string()
            .contains("follows from the chosen picture")
    );
}

#[test]
fn a_step_that_changes_nothing_makes_no_reading_stale() {
    let Tree {
        mut rig, scan, a, ..
    } = tree();
    let run = rig.write(|session| ocr_runs::request(session, scan, &path("A"), &ENGINE, 1));
    let same = rig.grow(a[1], None, 4).unwrap();
    rig.end(same);
    assert!(!rig.read(|session| ocr_runs::get(session, run)).is_stale);
    assert_eq!(
        rig.node(same).image_id,
        rig.node(a[1]).image_id,
        "one picture, two nodes"
    );
}

#[test]
fn a_step_back_ends_at_a_branch_point_with_siblings_and_at_the_original() {
    let Tree {
        mut rig, scan, a, ..
    } = tree();
    let mut back = |name: &str| {
        let moved = rig
            .case
            .write(|s| branches::step_back(s, scan, &path(name), MARA));
        moved.map_err(|error| error.to_string())
    };
    assert_eq!(back("A").unwrap(), a[0]);
    assert!(
        back("A")
            .unwrap_err()
            .contains("branch point with siblings")
    );
    assert!(
        back("B")
            .unwrap_err()
            .contains("branch point with siblings")
    );
    assert!(back("C").unwrap_err().contains("no branch C of scan"));

    let (alone, root) = rig.original(7);
    let only = rig.grow(root, Some("A"), 8).unwrap();
    rig.end(only);
    let mut walk = |step: fn(&mut dyn Session, ScanId, &BranchPath, By<'_>) -> _| {
        let moved: Result<NodeId, CaseError> = rig.case.write(|s| step(s, alone, &path("A"), MARA));
        moved.map_err(|error| error.to_string())
    };
    assert_eq!(
        walk(branches::step_back).unwrap(),
        root,
        "no siblings are lost from sight"
    );
    assert!(
        walk(branches::step_back)
            .unwrap_err()
            .contains("shows the original already")
    );
    assert_eq!(walk(branches::step_forward).unwrap(), only);
    assert!(
        walk(branches::step_forward)
            .unwrap_err()
            .contains("last step already")
    );
}

#[test]
fn a_rerun_remembers_what_was_in_the_trash() {
    let Tree {
        mut rig,
        scan,
        gray,
        ..
    } = tree();
    rig.write(|session| branches::set_trashed(session, scan, &path("B"), true, MARA));
    rig.write(|session| rerun::from_node(session, gray, MARA));
    let a = rig.grow(gray, Some("A"), 6).unwrap();
    rig.end(a);
    rig.write(|session| branches::settle(session, scan));
    // B comes again in a later run: after the end of one that did not find it.
    let b = rig.grow(gray, Some("B"), 7).unwrap();
    rig.end(b);
    let trashed = |rig: &mut Rig, name| {
        rig.read(|session| branches::get(session, scan, &path(name)))
            .trashed_at_ms
            .is_some()
    };
    assert!(trashed(&mut rig, "B") && !trashed(&mut rig, "A"));
    let shown = rig.read(branches::export_set);
    assert_eq!(
        shown
            .iter()
            .map(|item| item.path.as_str())
            .collect::<Vec<_>>(),
        ["A"]
    );
    rig.write(|session| branches::set_trashed(session, scan, &path("B"), false, MARA));
    assert_eq!(rig.read(branches::export_set).len(), 2);
}

#[test]
fn a_run_that_no_longer_finds_a_branch_takes_it_away() {
    let Tree {
        mut rig,
        scan,
        gray,
        ..
    } = tree();
    let run = rig.write(|session| ocr_runs::request(session, scan, &path("B"), &ENGINE, 1));
    rig.write(|session| rerun::from_node(session, gray, MARA));
    let a = rig.grow(gray, Some("A"), 3).unwrap();
    rig.end(a);
    rig.write(|session| branches::settle(session, scan));
    let left = rig.read(|session| branches::of_scan(session, scan));
    assert_eq!(
        left.iter()
            .map(|branch| branch.path.as_str())
            .collect::<Vec<_>>(),
        ["A"]
    );
    let run = rig.read(|session| ocr_runs::get(session, run));
    assert!(
        run.is_stale && run.node_id.is_none(),
        "what was read of it stays, and is stale"
    );
}

/// A statement that another program might run, on a tree with a run, a timeline, a custody log.
fn refused(sql: &str, why: &str) {
    // REPLACE runs delete triggers only with recursive triggers on: neither may let it through.
    for recursive in [true, false] {
        let Tree { mut rig, scan, .. } = tree();
        rig.write(|session| ocr_runs::request(session, scan, &path("A"), &ENGINE, 1));
        let error = rig
            .stranger(recursive)
            .execute_batch(sql)
            .expect_err(sql)
            .to_string();
        assert!(error.contains(why), "{sql}: {error}");
        assert_eq!(problems(&mut rig).len(), 0, "{sql}");
    }
}

#[test]
fn replacing_does_not_walk_around_the_guards() {
    for (table, why) in [
        ("images", "images are immutable"),
        ("nodes", "replaced"),
        ("scans", "cannot be replaced"),
        ("branches", "not replaced"),
        ("ocr_runs", "a run stays"),
        ("pipeline_versions", "frozen pipeline"),
        ("project", "one project"),
        ("custody_log", "custody"),
    ] {
        refused(
            &format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"),
            why,
        );
    }
    // The same content under another id, another picture under the same content.
    refused(
        "INSERT OR REPLACE INTO images SELECT 900, sha256, pixel_sha256, format, type, 1, 1, dpi, bytes,
             created_at_ms, blob FROM images LIMIT 1",
        "images are immutable",
    );
    // Another root for the scan, under a new id.
    refused(
        "INSERT OR REPLACE INTO nodes (id, scan_id, pipeline_version_id, step_idx, depth, filestem,
             image_id, image_sha256, pixel_sha256, created_at_ms)
         SELECT 900, 1, 1, 0, 0, 'x', id, sha256, pixel_sha256, 0 FROM images WHERE id = 2",
        "replaced",
    );
    // A second entry with the hash of the first.
    refused(
        "INSERT OR REPLACE INTO custody_log SELECT MAX(seq) + 1, 0, '', '', NULL, NULL, x'', entry_hash,
             (SELECT entry_hash FROM custody_log WHERE seq = 1) FROM custody_log",
        "append-only",
    );
    refused("UPDATE OR REPLACE scans SET id = 2", "not changed");
}

#[test]
fn originals_and_what_was_done_cannot_be_written_over() {
    for (sql, why) in [
        ("DELETE FROM scans", "original cannot be deleted"),
        (
            "DELETE FROM nodes WHERE parent_id IS NULL",
            "original cannot be deleted",
        ),
        ("UPDATE nodes SET image_id = 2", "not changed"),
        ("UPDATE nodes SET is_leaf = 1", "follow from the tree"),
        (
            "UPDATE nodes SET is_branch_point = 1 WHERE is_leaf",
            "follow from the tree",
        ),
        ("UPDATE images SET blob = x''", "immutable"),
        ("UPDATE scans SET root_node_id = NULL", "root of a scan"),
        ("UPDATE scans SET source = 'mqtt'", "not changed"),
        ("DELETE FROM custody_log", "append-only"),
        ("UPDATE custody_log SET actor = 'x'", "append-only"),
        ("DELETE FROM pipeline_versions", "frozen"),
        ("UPDATE pipeline_versions SET yaml_text = ''", "frozen"),
        ("DELETE FROM ocr_runs", "a run stays"),
        ("UPDATE ocr_runs SET image_sha256 = x''", "start another"),
        ("UPDATE project SET box_id = ''", "not changed"),
        ("DELETE FROM project", "keeps its project"),
        ("DELETE FROM images WHERE id = 1", "FOREIGN KEY"),
        (
            "UPDATE branches SET chosen_node_id = terminal_node_id - 2 WHERE branch_path = 'B'",
            "lies between",
        ),
        ("UPDATE branches SET branch_path = 'C'", "keeps its scan"),
    ] {
        refused(sql, why);
    }
}

#[test]
fn a_tree_of_another_shape_is_refused() {
    let node = |values: &str| {
        format!(
            "INSERT INTO nodes (scan_id, parent_id, pipeline_version_id, step_idx, branch_label,
                 branch_path, depth, filestem, image_id, image_sha256, pixel_sha256, created_at_ms)
             SELECT {values}, id, sha256, pixel_sha256, 0 FROM images WHERE id = 1"
        )
    };
    for (values, why) in [
        ("2, 4, 1, 9, NULL, 'A', 3, 'x'", "follows its parent"),
        ("1, 4, 1, 100, NULL, 'A', 4, 'x'", "follows its parent"),
        ("1, 4, 1, 9, NULL, 'B', 3, 'x'", "follows its parent"),
        ("1, 4, 1, 2, NULL, 'A', 4, 'x'", "follows its parent"),
        ("1, 4, 1, 9, 'C', 'A', 4, 'x'", "follows its parent"),
        ("1, 2, 1, 9, NULL, '', 2, 'x'", "a label each"),
        ("1, 2, 1, 9, 'A', 'A', 2, 'x'", "a label each"),
        ("1, 4, 1, 9, 'a', 'A.a', 4, 'x'", "made of A to Z"),
        ("1, NULL, 1, 0, NULL, '', 0, 'x'", "cannot be replaced"),
    ] {
        refused(&node(values), why);
    }
    let second = "BEGIN; INSERT INTO scans (id, idx, source, pipeline_version_id, created_at_ms)
                      VALUES (2, 2, 'import', 1, 0); ";
    refused(
        &format!("{second}{}", node("2, NULL, 1, 0, 'A', 'A', 0, 'x'")),
        "in no branch",
    );
    refused(
        &node("1, 4, 1, 9, NULL, 'A', 3, 'x'")
            .replace("id, sha256, pixel", "id, pixel_sha256, pixel"),
        "with its hashes",
    );
}

#[test]
fn branches_sort_as_a_person_counts() {
    let mut rig = Rig::new();
    let (scan, root) = rig.original(1);
    let a = rig.grow(root, Some("A"), 2).unwrap();
    for label in ["10", "2", "1"] {
        let end = rig.grow(a, Some(label), 3).unwrap();
        rig.end(end);
    }
    let sorted = ["A.1", "A.2", "A.10"];
    let listed = rig.read(|session| branches::of_scan(session, scan));
    assert_eq!(
        listed
            .iter()
            .map(|branch| branch.path.as_str())
            .collect::<Vec<_>>(),
        sorted
    );
    let exported = rig.read(branches::export_set);
    assert_eq!(
        exported
            .iter()
            .map(|item| item.path.as_str())
            .collect::<Vec<_>>(),
        sorted
    );
    assert_eq!(exported[2].filestem, "0001_A.10");
    let children = rig.read(|session| nodes::children(session, a));
    assert_eq!(
        children
            .iter()
            .map(|node| node.branch_path.as_str())
            .collect::<Vec<_>>(),
        sorted
    );
}

#[test]
fn the_four_questions_of_the_cookbook() {
    let Tree {
        mut rig,
        scan,
        gray,
        a,
        b,
    } = tree();
    let (other, _) = rig.original(1);
    let ids = |nodes: Vec<Node>| nodes.into_iter().map(|node| node.id).collect::<Vec<_>>();
    let root = rig.read(|session| scans::get(session, scan)).root_node_id;
    let subtree = rig.read(|session| nodes::subtree(session, scan));
    assert_eq!(ids(subtree), [root, gray, a[0], b, a[1]]);
    let step = rig.read(|session| nodes::of_step(session, "02_gray"));
    assert_eq!(ids(step), [a[0], b]);
    let exported = rig.read(branches::export_set);
    assert_eq!(exported.len(), 2);
    assert_eq!((exported[0].width, exported[0].height), (9, 7));
    rig.write(|session| scans::set_deleted(session, scan, true, MARA));
    assert!(rig.read(branches::export_set).is_empty());
    assert_eq!(
        rig.read(scans::list)
            .iter()
            .map(|scan| scan.id)
            .collect::<Vec<_>>(),
        [other]
    );
    rig.write(|session| scans::set_deleted(session, scan, false, MARA));
    let thrown = rig.write(|session| rerun::from_node(session, a[0], MARA));
    assert_eq!(thrown.nodes, 1);
    assert_eq!(
        rig.read(branches::export_set).len(),
        2,
        "A ends at its first step now"
    );
}

#[test]
fn no_question_scans_a_table_of_pictures() {
    let Tree { rig, .. } = tree();
    let connection: Connection = rig.stranger(true);
    for sql in [
        "SELECT 1 FROM nodes WHERE image_id = 1",
        "SELECT 1 FROM debug_artifacts WHERE image_id = 1",
        "SELECT 1 FROM debug_artifacts WHERE node_id = 1",
        "SELECT 1 FROM scans WHERE root_node_id = 1",
        "SELECT 1 FROM branches WHERE terminal_node_id = 1",
        "SELECT 1 FROM branches WHERE chosen_node_id = 1",
        "SELECT 1 FROM ocr_runs WHERE node_id = 1",
        "SELECT 1 FROM nodes WHERE step_name = 'x'",
        "SELECT id FROM images WHERE sha256 = x'00'",
        "SELECT id FROM ocr_runs WHERE status IN ('pending', 'running') AND status = 'pending' ORDER BY id",
    ] {
        let plan: String = connection
            .query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3))
            .unwrap();
        assert!(plan.starts_with("SEARCH"), "{sql}: {plan}");
    }
}
