//! No query over a table that grows reads it whole or sorts it: the plans, as the engine tells them.

use nightjar::read_model::aging;
use nightjar::read_model::views;
use nightjar::storage::Owned;

use crate::bench_box::BenchBox;

/// Tables that stay small, so that reading them whole costs nothing.
const SMALL: &[&str] = &[
    "face_embeddings",     // at most 10,000
    "pet_training_images", // picked by hand
    "cameras",             // a few
    "sensors",             // one row per device
    "sensor_states",       // one row per device and key
    "pets",                // at most eight
    "dead_letters",        // what went wrong, until a person has looked
    "retention_cuts",      // one row per table
    "pet_rules",           // at most 32 per pet
    "wildlife_species",    // one row per species
    "rule_states",         // one row per rule
    "push_subscriptions",  // a few browsers
    "presence_members",    // the household
    "ups_status",          // one row per UPS
    "liveness",            // one row per device
    "timelapse_schedules", // a few
    "face_profiles",       // one row per person who was seen
    "names",               // every subject, topic and source once
];

/// Views that sort, each with the reason why that is not much.
const SORTED: &[(&str, &str)] = &[
    ("face_embeddings", "at most 10,000"),
    ("pet_training_images", "picked by hand"),
    ("cameras", "small"),
    ("sensors", "small"),
    ("sensor_states", "small"),
    ("pets", "small"),
    ("retention_cuts", "small"),
    ("pet_rules", "small"),
    ("wildlife_species", "small"),
    ("rule_states", "small"),
    ("push_subscriptions", "small"),
    ("presence_members", "small"),
    ("ups_status", "small"),
    ("liveness", "small"),
    ("timelapse_schedules", "small"),
    ("face_profiles", "small"),
    // Sums by kind or source over the buckets of one page; only as many buckets as rows are asked
    // for are read.
    ("events_per_hour_by_kind", "the buckets of one page"),
    ("events_per_hour_by_source", "the buckets of one page"),
    ("events_per_day_by_kind", "the buckets of one page"),
    ("events_per_day_by_source", "the buckets of one page"),
    ("hourly_aggregates", "the quarters of one page"),
    ("daily_aggregates", "the quarters of one page"),
];

fn plan(bench: &BenchBox, sql: &str) -> Vec<String> {
    let sql = ["?1", "?2", "?3"]
        .iter()
        .zip(["1795132800000000000", "1795142800000000000", "100"])
        .fold(sql.to_owned(), |sql, (place, value)| {
            sql.replace(place, value)
        });
    let steps = bench.rows(&format!("EXPLAIN QUERY PLAN {sql}"));
    let detail = |row: Vec<Owned>| match row.into_iter().nth(3) {
        Some(Owned::Text(detail)) => detail,
        other => panic!("{other:?}"),
    };
    steps.into_iter().map(detail).collect()
}

/// The steps that read a large table whole: without an index, or a whole index.
fn scans(steps: &[String]) -> Vec<&String> {
    let whole = |step: &&String| {
        let Some(of) = step.strip_prefix("SCAN ") else {
            return false;
        };
        let table = of.split(' ').next().unwrap_or_default();
        let made_here = table.starts_with('(') || table.starts_with("CONSTANT");
        !made_here && !SMALL.contains(&table)
    };
    steps.iter().filter(whole).collect()
}

#[test]
fn every_view_finds_its_page_by_an_index() {
    let bench = BenchBox::new();
    let mut wrong = Vec::new();
    for view in views() {
        let steps = plan(&bench, view.sql);
        let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
        let may_sort = SORTED.iter().any(|(name, _)| *name == view.name);
        if !scans(&steps).is_empty() || (sorts && !may_sort) {
            wrong.push(format!("{}: {steps:#?}", view.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn retention_finds_and_deletes_old_rows_by_an_index() {
    let bench = BenchBox::new();
    let mut wrong = Vec::new();
    for (table, aging) in aging::tables() {
        for sql in [
            aging.oldest,
            aging.count_before,
            aging.nth_oldest,
            aging.delete,
        ] {
            // What a DELETE looks for, in the form of a question.
            let sql = &sql.replace("DELETE FROM", "SELECT 1 FROM");
            let steps = plan(&bench, sql);
            let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
            // Deleted recordings are found by their state and then sorted: they are few.
            // The least of an index's first column is told as a SEARCH.
            if !scans(&steps).is_empty() || (sorts && table != "recordings") {
                wrong.push(format!("{table}: {sql}: {steps:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
