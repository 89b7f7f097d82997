//! The schema: the one that was agreed on, the same through every step, and what old rows become.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::super::{schema, seal};
use super::*;
use crate::storage::migrate::migrate;
use crate::storage::sqlite::Database;
use crate::storage::sqlite::single_file::SingleFile;

const AGREED: &str = include_str!("../../../fixtures/casefile/schema.sql");
/// Tables and indexes beyond the agreed schema.
const BEYOND: &[&str] = &[
    "debug_node",
    "readings",
    "readings_branch",
    "readings_key",
    "scans_root",
    "schema_migrations",
];

/// Every object by name: its definition without comments and blanks, parts of a table in order.
fn objects(connection: &Connection) -> BTreeMap<String, Vec<String>> {
    connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        .unwrap()
        .query_map([], |row| {
            Ok((row.get(0)?, parts(&row.get::<_, String>(1)?)))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn parts(sql: &str) -> Vec<String> {
    let mut bare = String::new();
    for line in sql.lines() {
        let code = line.split("--").next().unwrap();
        bare.extend(code.chars().filter(|letter| !letter.is_whitespace()));
    }
    let bare = bare.to_lowercase();
    if !bare.starts_with("createtable") {
        return vec![bare];
    }
    let (mut depth, mut found) = (0, vec![String::new()]);
    for letter in bare.chars() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        if matches!((letter, depth), (',' | '(', 1) | (')', 0)) {
            found.push(String::new());
        } else {
            found.last_mut().unwrap().push(letter);
        }
    }
    found[1..].sort();
    found
}

#[test]
fn the_migrations_make_the_agreed_schema() {
    let rig = Rig::new();
    let made = objects(&rig.stranger(true));
    let agreed = Connection::open_in_memory().unwrap();
    agreed.execute_batch(AGREED).unwrap();
    let agreed = objects(&agreed);
    assert!(agreed.len() >= 38, "the agreed schema was not read");
    for (name, definition) in &agreed {
        assert_eq!(made.get(name), Some(definition), "{name}");
    }
    let beyond: Vec<_> = made
        .iter()
        .filter(|(name, definition)| {
            !agreed.contains_key(*name) && !definition[0].starts_with("createtrigger")
        })
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(beyond, BEYOND);
}

#[test]
fn readings_of_an_older_file_learn_whether_they_are_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.agl");
    let kind = SingleFile {
        application_id: schema::APPLICATION_ID,
        called: "a case file of Nightjar",
        durability: Durability::Scratch,
    };
    let mut old = Database::create_single_file(&path, kind).unwrap();
    migrate(&mut old, &schema::MIGRATIONS[..4], 0).unwrap();
    drop(old);
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "INSERT INTO project (id, name, slug, schema_version, box_id, box_pubkey, created_at_ms,
                 updated_at_ms) VALUES (1, 'old', 'old', 4, 'b', x'00', 0, 0);
             INSERT INTO pipeline_versions VALUES (1, NULL, '', zeroblob(32), 0, '{}', 0, 1);
             INSERT INTO images VALUES (1, zeroblob(32), zeroblob(32), 'PNG', 'BW', 1, 1, NULL, 0, 0, x'');
             INSERT INTO scans (id, idx, source, pipeline_version_id, created_at_ms)
                 VALUES (1, 1, 'import', 1, 0);
             INSERT INTO nodes (id, scan_id, pipeline_version_id, step_idx, depth, filestem, image_id,
                 image_sha256, pixel_sha256, created_at_ms)
                 VALUES (1, 1, 1, 0, 0, '0001', 1, zeroblob(32), zeroblob(32), 0);
             INSERT INTO branches (scan_id, branch_path, terminal_node_id, chosen_node_id,
                 created_at_ms, updated_at_ms) VALUES (1, '', 1, 1, 0, 0);
             INSERT INTO ocr_runs (scan_id, branch_path, node_id, image_sha256, engine, version, status,
                 created_at_ms)
                 VALUES (1, '', 1, zeroblob(32), 'a', 1, 'done', 0), (1, '', 1, x'01', 'a', 2, 'done', 0),
                        (1, 'B', 1, zeroblob(32), 'a', 1, 'done', 0);",
        )
        .unwrap();
    drop(CaseFile::open(&path, Durability::Scratch, 9).unwrap());
    let connection = Connection::open(&path).unwrap();
    let version: i64 = connection
        .query_row("SELECT schema_version FROM project", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, schema::newest_version());
    let stale: Vec<bool> = connection
        .prepare("SELECT is_stale FROM ocr_runs ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(stale, [false, true, true]);
}

#[test]
fn readers_refuse_a_file_that_is_older_or_newer_than_they_are() {
    let rig = Rig::new();
    let path = rig.path();
    drop(CaseFile::open_reader(&path).unwrap());
    let stranger = rig.stranger(true);
    stranger
        .execute(
            "INSERT INTO schema_migrations VALUES (8, 'later', '', 0, '')",
            [],
        )
        .unwrap();
    let newer = CaseFile::open_reader(&path).unwrap_err().to_string();
    assert!(newer.contains("use the program that wrote it"), "{newer}");
    stranger
        .execute("DELETE FROM schema_migrations WHERE version > 6", [])
        .unwrap();
    let older = CaseFile::open_reader(&path).unwrap_err().to_string();
    assert!(older.contains("open it once for writing"), "{older}");
}

#[test]
fn the_file_says_what_it_is_and_what_is_no_case_file_is_refused() {
    let rig = Rig::new();
    let id: i32 = rig
        .stranger(true)
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .unwrap();
    assert_eq!(id.to_be_bytes(), *b"NJCF");
    let other = rig.folder.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    let error = CaseFile::open(&other, Durability::Full, 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is not a case file of Nightjar"), "{error}");
    assert_eq!(names(rig.folder.path()), ["other.db", "van.agl"]);
}

fn project(slug: &str) -> NewProject<'_> {
    NewProject {
        name: "x",
        slug,
        box_id: "b",
        box_pubkey: &[],
        case_ref: None,
        incident_ms: None,
        by: MARA,
    }
}

#[test]
fn a_case_that_cannot_be_opened_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.agl");
    for slug in ["", "../x", "Van", "-x", &"x".repeat(101)] {
        let error = CaseFile::create(&path, &project(slug), Durability::Full).unwrap_err();
        assert!(error.to_string().contains("cannot name a case"), "{error}");
        assert!(names(folder.path()).is_empty());
    }
    drop(CaseFile::create(&path, &project("x"), Durability::Full).unwrap());
    let again = CaseFile::create(&path, &project("x"), Durability::Full);
    assert!(again.is_err());
    assert_eq!(names(folder.path()), ["x.agl"], "the first case file stays");
    assert!(CaseFile::open_reader(&path).is_ok());
}

/// A column that is added has to be covered by the seal, or left out on purpose.
#[test]
fn the_seal_covers_every_column_but_those_that_are_left_out() {
    let rig = Rig::new();
    let stranger = rig.stranger(true);
    let left_out = |table: &str| match table {
        // id, status, updated_at_ms
        "project" => 3,
        // image_id
        "nodes" => 1,
        _ => 0,
    };
    let covered = seal::covered_tables();
    for (table, columns) in &covered {
        let all: usize = stranger
            .query_row(
                "SELECT COUNT(*) FROM pragma_table_info(?1)",
                [table],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(*columns, all - left_out(table), "{table}");
    }
    let tables = objects(&stranger)
        .into_iter()
        .filter(|(_, definition)| definition[0].starts_with("createtable"))
        .map(|(name, _)| name)
        .filter(|name| !covered.iter().any(|(table, _)| table == name));
    assert_eq!(
        tables.collect::<Vec<_>>(),
        [
            "custody_log",
            "debug_artifacts",
            "exports",
            "images",
            "schema_migrations",
            "thumbs"
        ]
    );
}
