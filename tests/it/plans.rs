//! No query over a table that grows reads it whole or sorts it: the plans, as the engine tells them.

use nightjar::health::sql;
use nightjar::read_model::aging;
use nightjar::read_model::views;
use nightjar::storage::Owned;

use crate::bench_box::BenchBox;
use crate::source::Source;

/// Tables that stay small, so that reading them whole costs nothing.
const SMALL: &[&str] = &[
    "classification_rules",
    "face_aliases",
    "forgetting_crops",
    "liveness_start",
    "mqtt_sessions",
    "projections",
    "schema_migrations",
    "sqlite_schema",
    "vault_keys",
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
    "model_state", // one row per model, at most some hundreds of hosts and a thousand sources
    "templates",   // at most 10,000
    "seen",        // templates of one source's newest lines
    "names",       // every subject, topic and source once
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
    ("templates", "at most 10,000"),
    // Found one by one, the latest first, as many as a page has.
    ("pet_encounters", "the encounters of one page"),
    ("wildlife_encounters", "the encounters of one page"),
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
    let sql = (1..=20).rev().fold(sql.to_owned(), |sql, number| {
        let value = match number {
            1 => "1795132800000000000",
            2 => "1795142800000000000",
            _ => "100",
        };
        sql.replace(&format!("?{number}"), value)
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
    let made_here = |name: &str| {
        let made = |step: &String| {
            let of = step.strip_prefix("CO-ROUTINE ");
            of.or_else(|| step.strip_prefix("MATERIALIZE ")) == Some(name)
        };
        name.starts_with('(') || name == "CONSTANT" || steps.iter().any(made)
    };
    let whole = |step: &&String| {
        let Some(of) = step.strip_prefix("SCAN ") else {
            return false;
        };
        let table = of.split(' ').next().unwrap_or_default();
        // What a pragma tells is no table.
        !made_here(table) && !SMALL.contains(&table) && !of.contains(" VIRTUAL TABLE ")
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
fn every_question_about_the_boxs_health_finds_its_rows_by_an_index() {
    // The engine's own tables about the schema and the pages, and the batches beside them.
    const OF_THE_FILE: &[&str] = &["SIZES", "FILE", "STORED"];
    let bench = BenchBox::new();
    let mut wrong = Vec::new();
    for (name, sql) in sql::ALL
        .iter()
        .filter(|(name, _)| !OF_THE_FILE.contains(name))
    {
        let sql = ["?4", "?5", "?6", "?7", "?8"]
            .iter()
            .fold((*sql).to_owned(), |sql, place| sql.replace(place, "3"));
        let steps = plan(&bench, &sql);
        // Reading a part of an index from its beginning is a scan only by name.
        let made_here = |step: &&&String| !step.contains("SCAN known");
        if scans(&steps).iter().filter(made_here).count() > 0 {
            wrong.push(format!("{name}: {steps:#?}"));
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

/// Queries that read a table whole, and may: the file, a part of the query, and why.
const WHOLE: &[(&str, &str, &str)] = &[
    ("src/health/sql.rs", "dbstat", "the size of every table"),
    (
        "src/health/sql.rs",
        "FROM batches",
        "once, beside the size of every table",
    ),
    (
        "src/cli/presence.rs",
        "FROM household_log",
        "the plan is that of one member, which reads nothing of it",
    ),
    (
        "src/read_model/reputation.rs",
        "ip_reputations_unplaced",
        "only addresses that nobody has placed yet",
    ),
    (
        "src/reactor/packages.rs",
        "package_events_open",
        "only parcels that lie there",
    ),
    (
        "src/read_model/recordings.rs",
        "FROM recordings ",
        "the head of queries that find theirs by time",
    ),
    (
        "src/cli/cameras.rs",
        "FROM cameras c",
        "the cameras of one house",
    ),
    (
        "src/cli/packages.rs",
        "FROM package_events",
        "by time until the page is full",
    ),
    (
        "src/cli/pets/list.rs",
        "FROM pets p",
        "the pets of one house",
    ),
    (
        "src/cli/sensors.rs",
        "FROM sensors s",
        "the sensors of one house",
    ),
    (
        "src/cli/status.rs",
        "GROUP BY state",
        "counts by state, from the index alone",
    ),
    (
        "src/cli/up/night.rs",
        "'replay/night'",
        "once at a start of `up`",
    ),
    (
        "src/cli/up/summary.rs",
        "",
        "the summary of everything, once at the end of `up`",
    ),
    (
        "src/reactor/faces.rs",
        "FROM face_embeddings",
        "embeddings are bounded in number",
    ),
    (
        "src/reactor/pet_rules.rs",
        "FROM pet_rules r",
        "at most 256 rules",
    ),
    (
        "src/read_model/entities.rs",
        "FROM entities WHERE type <= 6",
        "now and then: counted from an index alone, or the first of it",
    ),
    (
        "src/read_model/entities.rs",
        "FROM graph_edges WHERE rel_type",
        "now and then: counted from an index alone, or the first of it",
    ),
    (
        "src/read_model/entities/links.rs",
        "FROM entity_blocks b CROSS JOIN entity_events f",
        "two profiles turn out to be one person: a row for each thousand events",
    ),
    (
        "src/read_model/alarm.rs",
        "e.cause = ?1",
        "from the newest back to the one asked for",
    ),
    (
        "src/read_model/alerts/deliveries.rs",
        "row_number()",
        "only what still waits, from its own index",
    ),
    ("src/writer/check.rs", "", "a check of the whole database"),
    (
        "src/writer/forget.rs",
        "FROM event_log WHERE stream",
        "forgetting looks through the whole log",
    ),
];

/// Whether it reads rows in the order of an index, or of their ids, until there are enough.
fn is_a_page(query: &str, steps: &[String]) -> bool {
    let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
    query.contains(" LIMIT ") && !query.contains(" WHERE ") && !sorts
}

#[test]
fn every_query_of_the_program_finds_its_rows_by_an_index() {
    let bench = BenchBox::new();
    let mut looked_at = 0;
    let mut wrong = Vec::new();
    // Case files and the other engine have a schema, and tests of their own.
    let elsewhere = ["src/casefile/", "src/storage/postgres/"];
    let of_main = |source: &Source| !elsewhere.iter().any(|there| source.path.starts_with(there));
    for source in Source::all_below("src").into_iter().filter(of_main) {
        for (at, query) in source.queries() {
            looked_at += 1;
            let steps = plan(&bench, &query);
            let excused = WHOLE
                .iter()
                .any(|(file, part, _)| source.path == *file && query.contains(part));
            if !scans(&steps).is_empty() && !excused && !is_a_page(&query, &steps) {
                wrong.push(format!("{}: {query}\n  {steps:?}", source.place(at)));
            }
        }
    }
    assert!(looked_at > 200, "{looked_at} queries were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
