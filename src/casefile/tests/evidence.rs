//! What makes it evidence: sources, clocks, regions, timeline, readings, custody, exports, the seal.

use proptest::prelude::*;

use super::super::custody::{self, Action, NewEntry};
use super::super::exports::{self, Export, ExportKind};
use super::super::ocr_runs::{self, Engine};
use super::super::project::{self, Status};
use super::super::readings;
use super::super::regions::{self, Origin, Rect, Region, RegionKind};
use super::super::sources::{self, ClockCheck, SourceKind, SourceMedia};
use super::super::timeline::{self, NewItem};
use super::super::{calibrations, seal, verify};
use super::*;

const TESSERACT: Engine<'_> = Engine {
    name: "tesseract",
    version: Some("5.3.0"),
    languages_json: r#"["eng"]"#,
    params_json: "{}",
};

fn recording() -> SourceMedia {
    SourceMedia {
        kind: SourceKind::Vge,
        camera_id: Some("drive".into()),
        recording_id: Some(12),
        event_seq: None,
        cipher_sha256: Some([1; 32]),
        plain_sha256: Some([2; 32]),
        container: Some("mp4".into()),
        start_ms: Some(10),
        end_ms: Some(20),
        clock_check_id: None,
        embedded: false,
    }
}

fn region(label: &str, x: u32, y: u32, w: u32, h: u32) -> Region {
    Region {
        path: path(label),
        kind: RegionKind::Plate,
        rect: Rect { x, y, w, h },
        origin: Origin::Owner,
        confidence: None,
    }
}

fn item(event_seq: i64, at_ms: i64, body: u8) -> NewItem {
    NewItem {
        event_seq,
        at_ms,
        kind: "sensor.reported".into(),
        source: "front_door".into(),
        summary: "The front door opened".into(),
        event_cbor: vec![body; 20],
    }
}

/// A case with something in every table.
fn full_case() -> (Rig, ScanId) {
    let mut rig = Rig::new();
    let source = rig.write(|session| sources::add(session, &recording(), MARA));
    let calibration = rig.write(|s| calibrations::freeze(s, "drive", "{}", Some(40.0), MARA));
    let new = NewOriginal {
        source: Source::Recording,
        source_media_id: Some(source),
        frame_pts_us: Some(12_500_000),
        extractor: Some("ffmpeg 5.1"),
        calibration_id: Some(calibration),
        ..import(rig.pipeline)
    };
    let (scan, root) = rig.write(|s| scans::add(s, &new, &picture(1), NO_BOUND, MARA));
    rig.write(|session| regions::draw(session, scan, &region("A", 1, 1, 5, 4), MARA));
    let a = rig.grow(root, Some("A"), 2).unwrap();
    rig.end(a);
    for (text, confidence) in [("NJ48K", 0.9), ("NJ4BK", 0.4)] {
        rig.write(|session| {
            let run = ocr_runs::request(session, scan, &path("A"), &TESSERACT, 1)?;
            let result = serde_json::json!({ "text": text, "confidence": confidence });
            ocr_runs::finish(session, run, &result.to_string(), 2)
        });
    }
    rig.write(|session| readings::make(session, scan, &path("A"), MARA));
    rig.write(|session| readings::confirm(session, scan, &path("A"), "NJ 48 K", MARA));
    let check = ClockCheck {
        at_ms: 5,
        clock: "drive".into(),
        reference: "pool.ntp.org".into(),
        offset_ms: -1_200,
        error_ms: Some(40),
        method: "a clock held before the camera".into(),
    };
    rig.write(|session| sources::check_clock(session, &check, &[source], MARA));
    rig.write(|session| timeline::freeze(session, &[item(7, 3, 1), item(8, 2, 2)], MARA));
    rig.write(|session| custody::note(session, MARA, "The neighbour saw it too."));
    (rig, scan)
}

#[test]
fn everything_comes_back_and_stands_in_the_custody_log() {
    let (mut rig, scan) = full_case();
    let (_, source) = rig.read(|s| sources::of_recording(s, 12)).unwrap();
    let checks = rig.read(sources::clock_checks);
    assert_eq!(source.clock_check_id, Some(checks[0].0));
    assert_eq!(checks[0].1.offset_ms, -1_200);
    assert_eq!(rig.read(sources::list).len(), 1);
    assert_eq!(
        rig.read(|s| regions::of_scan(s, scan)),
        [region("A", 1, 1, 5, 4)]
    );
    let calibration = rig.read(|s| calibrations::active(s, "drive")).unwrap();
    assert_eq!(
        rig.read(|s| scans::get(s, scan)).calibration_id,
        Some(calibration.id)
    );
    assert_eq!(
        rig.read(|s| scans::by_idx(s, 1)).frame_pts_us,
        Some(12_500_000)
    );
    let times: Vec<_> = rig
        .read(timeline::list)
        .into_iter()
        .map(|item| item.event_seq)
        .collect();
    assert_eq!(times, [8, 7], "by time");

    let log = rig.read(|session| custody::entries(session, 1));
    let actions: Vec<_> = log
        .iter()
        .map(|entry| Action::parse(&entry.action).unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            Action::Opened,
            Action::PipelineFrozen,
            Action::SourceAdded,
            Action::CalibrationFrozen,
            Action::OriginalAdded,
            Action::RegionDrawn,
            Action::Read,
            Action::Confirmed,
            Action::ClockChecked,
            Action::TimelineFrozen,
            Action::Noted
        ]
    );
    assert_eq!(log[4].object_sha256, Some(picture(1).image.sha256));
    assert_eq!(rig.read(custody::head).hash, log[10].entry_hash);
    assert_eq!(rig.read(verify::check).problems, [""; 0]);
}

#[test]
fn a_reading_is_found_however_it_was_read_and_a_confirmation_has_a_name() {
    let (mut rig, scan) = full_case();
    let found = rig.read(|session| readings::find(session, "nj4bk"));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].text, "NJ 48 K");
    let run = rig.read(|session| ocr_runs::get(session, found[0].confirmed_by_run.unwrap()));
    assert_eq!(
        (run.confirmed_by.as_deref(), run.version),
        (Some("mara"), 3)
    );
    let consensus = &found[1];
    assert_eq!((consensus.text.as_str(), consensus.run_count), ("NJ48K", 2));
    let support: Vec<f64> = serde_json::from_str(&consensus.support_json).unwrap();
    assert!((support[3] - 0.95 / 1.65).abs() < 1e-9, "{support:?}");
    assert!(rig.read(|s| readings::find(s, "XY")).is_empty());
    assert!(rig.read(|s| readings::find(s, " - ")).is_empty());

    rig.write(|session| branches::step_back(session, scan, &path("A"), MARA));
    let stale = rig.read(|session| readings::of_branch(session, scan, &path("A")));
    assert!(
        stale.iter().all(|reading| reading.is_stale),
        "they read another picture"
    );
    let none = rig.write(|session| readings::make(session, scan, &path("A"), MARA));
    assert_eq!(none, None, "stale runs are not counted");
    let nobody = By { actor: " ", ..MARA };
    let unnamed = rig
        .case
        .write(|s| readings::confirm(s, scan, &path("A"), "NJ48K", nobody));
    assert!(unnamed.unwrap_err().to_string().contains("name"));
}

#[test]
fn a_pass_without_confidence_counts_and_one_without_text_does_not() {
    let mut rig = Rig::new();
    let (scan, root) = rig.original(1);
    let a = rig.grow(root, Some("A"), 2).unwrap();
    rig.end(a);
    for text in ["", "NJ48K"] {
        rig.write(|session| {
            let run = ocr_runs::request(session, scan, &path("A"), &TESSERACT, 1)?;
            let result = serde_json::json!({ "text": text, "confidence": 0.0 });
            ocr_runs::finish(session, run, &result.to_string(), 2)?;
            Ok(())
        });
        let made = rig.write(|session| readings::make(session, scan, &path("A"), MARA));
        assert_eq!(made.is_some(), !text.is_empty(), "{text:?}");
    }
    let made = rig.read(|session| readings::of_branch(session, scan, &path("A")));
    let told: Vec<_> = made
        .iter()
        .map(|reading| (reading.text.as_str(), reading.run_count))
        .collect();
    assert_eq!(told, [("NJ48K", 1)]);
}

#[test]
fn confirmations_and_readings_cannot_be_changed() {
    let (rig, _) = full_case();
    for (sql, why) in [
        (
            "UPDATE ocr_runs SET confirmed_by = 'x' WHERE confirmed_by = 'mara'",
            "confirm anew",
        ),
        (
            "UPDATE ocr_runs SET result_json = '{}'",
            "finished run is not changed",
        ),
        ("UPDATE readings SET text = 'x'", "read anew"),
        ("DELETE FROM readings", "read anew"),
        (
            "INSERT OR REPLACE INTO readings SELECT * FROM readings",
            "read anew",
        ),
        ("UPDATE timeline_items SET summary = ''", "frozen"),
        ("DELETE FROM timeline_items", "frozen"),
        (
            "INSERT OR REPLACE INTO timeline_items SELECT id + 9, event_seq, 0, '', '', '', x'', x'' FROM timeline_items",
            "frozen",
        ),
        ("UPDATE clock_checks SET offset_ms = 0", "not changed"),
        ("UPDATE source_media SET plain_sha256 = NULL", "not changed"),
        (
            "UPDATE source_media SET clock_check_id = NULL",
            "not changed",
        ),
        ("DELETE FROM source_media", "not changed"),
        ("UPDATE regions SET x = 0", "draw another"),
        ("DELETE FROM regions", "pictures were made of"),
        ("UPDATE calibrations SET px_per_m = 1", "frozen calibration"),
    ] {
        for recursive in [true, false] {
            let error = rig
                .stranger(recursive)
                .execute_batch(sql)
                .expect_err(sql)
                .to_string();
            assert!(error.contains(why), "{sql}: {error}");
        }
    }
}

#[test]
fn regions_lie_inside_of_what_they_are_cut_from() {
    let mut rig = Rig::new();
    let (scan, _) = rig.original(1);
    let mut draw = |region: &Region| rig.case.write(|s| regions::draw(s, scan, region, MARA));
    draw(&region("A", 2, 2, 6, 5)).unwrap();
    draw(&region("A.1", 3, 3, 2, 2)).unwrap();
    for (outside, why) in [
        (region("B", 4, 0, 6, 1), "the original"),
        (region("B", u32::MAX, 0, 2, 1), "the original"),
        (region("B", 0, 0, 0, 1), "the original"),
        (region("A.2", 0, 0, 1, 1), "the region around it"),
        (region("C.1", 0, 0, 1, 1), "no region C"),
        (region("A", 0, 0, 1, 1), "draw another"),
        (region("", 0, 0, 1, 1), "no branch path"),
    ] {
        let error = draw(&outside).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    rig.write(|session| regions::remove(session, scan, &path("A.1"), MARA));
    assert_eq!(rig.read(|session| regions::of_scan(session, scan)).len(), 1);
}

#[test]
fn a_timeline_is_frozen_once_and_an_event_that_changed_is_refused() {
    let mut rig = Rig::new();
    let mut freeze = |items: &[NewItem]| rig.case.write(|s| timeline::freeze(s, items, MARA));
    assert_eq!(freeze(&[item(1, 1, 1), item(2, 2, 2)]).unwrap(), 2);
    assert_eq!(freeze(&[item(2, 2, 2), item(3, 3, 3)]).unwrap(), 1);
    let error = freeze(&[item(4, 4, 4), item(1, 1, 9)])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("event 1 is frozen already and was another"),
        "{error}"
    );
    assert_eq!(rig.read(timeline::list).len(), 3, "all or none");
}

#[test]
fn pipelines_and_calibrations_are_frozen_once_and_one_is_active() {
    let mut rig = Rig::new();
    let first = rig.pipeline;
    let second = rig.write(|session| freeze(session, "steps: [gray]"));
    assert_ne!(first, second);
    assert_eq!(rig.read(pipelines::active).unwrap().id, second);
    assert_eq!(
        rig.write(|session| freeze(session, "steps: []")),
        first,
        "the same text, the same row"
    );
    assert_eq!(rig.read(pipelines::active).unwrap().id, first);
    let other_tools = NewPipeline {
        name: None,
        yaml_text: "steps: []",
        step_count: 0,
        tools_json: r#"{"nightjar":"9"}"#,
    };
    let refused = rig
        .case
        .write(|session| pipelines::freeze(session, &other_tools, MARA));
    assert!(refused.unwrap_err().to_string().contains("name its tools"));

    let mut calibrate = |camera: &str, scale| {
        rig.case
            .write(|s| calibrations::freeze(s, camera, "{}", scale, MARA))
            .unwrap()
    };
    let drive = calibrate("drive", Some(40.0));
    let yard = calibrate("yard", Some(40.0));
    let anew = calibrate("drive", Some(41.0));
    assert_eq!(calibrate("yard", Some(40.0)), yard);
    assert_ne!(drive, anew);
    let active =
        |rig: &mut Rig, camera: &str| rig.read(|s| calibrations::active(s, camera)).unwrap().id;
    assert_eq!(
        (active(&mut rig, "drive"), active(&mut rig, "yard")),
        (anew, yard)
    );
    assert!(
        !rig.read(|session| calibrations::get(session, drive))
            .is_active
    );
}

#[test]
fn runs_are_taken_in_turn_and_end_once() {
    let mut rig = Rig::new();
    let (scan, root) = rig.original(1);
    rig.end(root);
    let ask = |s: &mut dyn Session| ocr_runs::request(s, scan, &BranchPath::root(), &TESSERACT, 1);
    let [first, second] = [rig.write(ask), rig.write(ask)];
    let taken = rig
        .write(|session| ocr_runs::take_next(session, 2))
        .unwrap();
    assert_eq!(taken.id, first);
    rig.write(|session| ocr_runs::abandon_running(session, 3));
    let abandoned = rig.read(|session| ocr_runs::get(session, first));
    assert!(abandoned.error_text.unwrap().contains("read again"));
    let again = rig
        .case
        .write(|session| ocr_runs::finish(session, first, "{}", 4));
    assert!(again.unwrap_err().to_string().contains("finished run"));
    assert_eq!(rig.write(|s| ocr_runs::take_next(s, 5)).unwrap().id, second);
    assert!(rig.write(|s| ocr_runs::take_next(s, 6)).is_none());
    let sealed = rig.case.write(|session| seal::seal(session, MARA));
    assert!(sealed.unwrap_err().to_string().contains("not finished"));
}

#[test]
fn a_sealed_case_takes_nothing_but_what_is_told_about_it() {
    let (mut rig, scan) = full_case();
    let head = rig.write(|session| seal::seal(session, MARA));
    assert_eq!(rig.read(project::get).status, Status::Sealed);
    assert_eq!(rig.read(custody::head), head);
    let stranger = rig.stranger(false);
    let tables = [
        "pipeline_versions",
        "calibrations",
        "images",
        "scans",
        "nodes",
        "branches",
        "ocr_runs",
        "clock_checks",
        "source_media",
        "regions",
        "timeline_items",
        "readings",
    ];
    for table in tables {
        let id: i64 = stranger
            .query_row(&format!("SELECT MAX(id) FROM {table}"), [], |r| r.get(0))
            .unwrap();
        for sql in [
            format!("INSERT INTO {table} SELECT * FROM {table} WHERE id = {id}"),
            format!("UPDATE {table} SET id = id + 1 WHERE id = {id}"),
            format!("DELETE FROM {table} WHERE id = {id}"),
        ] {
            assert!(stranger.execute_batch(&sql).is_err(), "{sql}");
        }
    }
    for sql in [
        "UPDATE project SET status = 'open'",
        "UPDATE branches SET trashed_at_ms = 1",
        "UPDATE scans SET deleted_at_ms = 1",
        "INSERT INTO regions (scan_id, label, kind, x, y, w, h, origin) VALUES (1, 'Z', 'face', 0, 0, 1, 1, 'owner')",
        "INSERT INTO debug_artifacts (node_id, label, image_id, created_at_ms) VALUES (1, '', 1, 0)",
    ] {
        let error = stranger.execute_batch(sql).expect_err(sql).to_string();
        assert!(error.contains("the case is sealed"), "{sql}: {error}");
    }
    let again = rig.case.write(|session| seal::seal(session, MARA));
    assert!(again.unwrap_err().to_string().contains("sealed already"));
    let back = rig
        .case
        .write(|session| branches::step_back(session, scan, &path("A"), MARA));
    assert!(back.is_err());

    let export = Export {
        kind: ExportKind::Bag,
        recipient: Some("Police, Hannover".into()),
        purpose: Some("report".into()),
        redacted: false,
        manifest_sha256: [3; 32],
        signature: Some(vec![4; 64]),
        tsr: None,
        bytes: 1_000,
    };
    let (id, head) = rig.write(|session| exports::record(session, &export, MARA));
    rig.write(|session| exports::set_time_stamp(session, id, b"stamp"));
    let stamped = rig
        .case
        .write(|session| exports::set_time_stamp(session, id, b"another"));
    assert!(stamped.unwrap_err().to_string().contains("not changed"));
    let listed = rig.read(exports::list);
    assert_eq!(
        (listed[0].custody_seq, listed[0].export.tsr.as_deref()),
        (head.seq, Some(&b"stamp"[..]))
    );
    assert_eq!(rig.read(verify::check).problems, [""; 0]);
}

#[test]
fn what_is_written_about_the_case_is_told() {
    let mut rig = Rig::new();
    rig.write(|s| project::describe(s, "The van", Some("white"), Some("2026/117"), MARA));
    let project = rig.read(project::get);
    assert_eq!(
        (
            project.name.as_str(),
            project.notes.as_deref(),
            project.case_ref.as_deref()
        ),
        ("The van", Some("white"), Some("2026/117"))
    );
    let told = rig
        .read(|session| custody::entries(session, 1))
        .pop()
        .unwrap();
    assert_eq!(Action::parse(&told.action), Some(Action::Described));
}

#[test]
fn a_custody_entry_is_no_place_for_a_file() {
    let mut rig = Rig::new();
    let long = "x".repeat(custody::MAX_DETAIL_BYTES + 1);
    let refused = rig
        .case
        .write(|session| custody::note(session, MARA, &long));
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("add it as a file")
    );
}

/// Changes one value with all guards off, as one who edits the file would.
fn tamper(rig: &Rig, sql: &str) {
    let stranger = rusqlite::Connection::open(rig.path()).unwrap();
    stranger
        .set_db_config(
            rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
            false,
        )
        .unwrap();
    stranger.pragma_update(None, "foreign_keys", false).unwrap();
    stranger
        .pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    let changed = stranger.execute(sql, []).unwrap();
    assert!(changed > 0, "{sql} changed nothing");
}

#[test]
fn what_was_changed_behind_the_guards_is_found_even_without_a_seal() {
    for (sql, found) in [
        (
            "UPDATE images SET blob = x'00' WHERE id = 1",
            "bytes of image 1 were changed",
        ),
        ("UPDATE images SET width = 8 WHERE id = 1", "told wrongly"),
        (
            "UPDATE custody_log SET actor = 'x' WHERE seq = 3",
            "entry 3 was changed",
        ),
        (
            "UPDATE custody_log SET prev_hash = zeroblob(32) WHERE seq = 3",
            "does not follow",
        ),
        (
            "DELETE FROM custody_log WHERE seq = 3",
            "entry 3 is missing",
        ),
        ("DELETE FROM images WHERE id = 1", "has lost its original"),
        ("UPDATE nodes SET is_leaf = 1", "leaf or a branch point"),
        (
            "UPDATE nodes SET depth = 7 WHERE depth = 1",
            "does not follow its parent",
        ),
        (
            "UPDATE nodes SET image_id = 2",
            "another picture than its hashes say",
        ),
        (
            "UPDATE nodes SET image_sha256 = x'00' WHERE parent_id IS NULL",
            "custody log does not know",
        ),
        ("UPDATE ocr_runs SET is_stale = 1", "whether it is stale"),
        (
            "UPDATE timeline_items SET event_cbor = x'00'",
            "event 8 of the timeline",
        ),
        (
            "UPDATE pipeline_versions SET yaml_text = 'x'",
            "pipeline 1 was changed",
        ),
        (
            "UPDATE thumbs SET image_id = 99 WHERE id = 1",
            "table thumbs",
        ),
        (
            "UPDATE project SET status = 'sealed'",
            "the custody log does not",
        ),
    ] {
        let (mut rig, _) = full_case();
        tamper(&rig, sql);
        let problems = match rig.case.read(verify::check) {
            Ok(findings) => findings.problems.join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(problems.contains(found), "{sql}: {problems}");
    }
}

/// What a row of a sealed case may be changed to.
fn edit() -> impl Strategy<Value = String> {
    let column = |table: &'static str, columns: &'static [&'static str]| {
        (prop::sample::select(columns), any::<u16>()).prop_map(move |(column, number)| {
            format!("UPDATE {table} SET {column} = COALESCE(CAST(hex({column}) AS TEXT), '') || {number}")
        })
    };
    prop_oneof![
        column("project", &["name", "slug", "box_id", "opened_by"]),
        column("scans", &["source", "source_ref", "extractor"]),
        column(
            "nodes",
            &[
                "step_name",
                "processor",
                "params_json",
                "filestem",
                "status"
            ]
        ),
        column("branches", &["branch_path", "label_kind"]),
        column(
            "ocr_runs",
            &["engine", "result_json", "confirmed_text", "confirmed_by"]
        ),
        column("regions", &["label", "kind", "origin"]),
        column("timeline_items", &["kind", "source", "summary"]),
        column("readings", &["text", "search_key", "support_json"]),
        column("clock_checks", &["clock", "reference", "method"]),
        column("source_media", &["camera_id", "container"]),
        column("calibrations", &["camera_id", "params_json"]),
        column("pipeline_versions", &["name", "tools_json"]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_change_of_a_sealed_row_is_found(sql in edit()) {
        let (mut rig, _) = full_case();
        rig.write(|session| seal::seal(session, MARA));
        tamper(&rig, &sql);
        let intact = match rig.case.read(verify::check) {
            Ok(findings) => findings.problems.is_empty(),
            Err(_) => false,
        };
        prop_assert!(!intact, "{sql} was not found");
    }

    #[test]
    fn any_change_of_the_custody_log_is_found(seq in 1_i64..=11, column in 0_usize..7, byte: u8) {
        let (mut rig, _) = full_case();
        let column = ["at_ms", "actor", "action", "object", "object_sha256", "detail_cbor", "entry_hash"][column];
        let new = match column {
            "at_ms" => format!("at_ms + 1 + {byte}"),
            "actor" | "action" | "object" => format!("COALESCE({column}, '') || {byte}"),
            _ => format!("CAST(CAST(zeroblob(31) AS TEXT) || char({}) AS BLOB)", byte & 127),
        };
        tamper(&rig, &format!("UPDATE custody_log SET {column} = {new} WHERE seq = {seq}"));
        prop_assert!(!rig.read(custody::problems).is_empty());
    }
}

#[test]
fn an_entry_stands_or_falls_with_what_it_tells() {
    let mut rig = Rig::new();
    let before = rig.read(custody::head);
    let undone: Result<(), CaseError> = rig.case.write(|session| {
        let held = NewEntry {
            action: Action::Held,
            object: Some("recording 12"),
            object_sha256: None,
            detail: custody::detail([]),
        };
        custody::append(session, MARA, &held)?;
        Err(CaseError::Refused("not now".into()))
    });
    assert!(undone.is_err());
    assert_eq!(rig.read(custody::head), before);
}
