//! The rules of the read model, against the schema of a migrated database.

use std::collections::BTreeSet;

use nightjar::event::Kind;
use nightjar::read_model::view::Window;
use nightjar::read_model::{ALL, LOG_ONLY, STATE_TABLES, search_index, views};
use nightjar::storage::Owned;

use crate::bench_box::BenchBox;

fn names_of(bench: &BenchBox, sql: &str) -> Vec<String> {
    bench
        .rows(sql)
        .into_iter()
        .map(|row| match &row[0] {
            Owned::Text(name) => name.clone(),
            other => panic!("{other:?} is not a name"),
        })
        .collect()
}

#[test]
fn every_table_has_exactly_one_owner() {
    let bench = BenchBox::new();
    let tables = names_of(
        &bench,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
    );
    let mut owned: Vec<_> = ALL
        .iter()
        .flat_map(|projection| projection.tables)
        .map(|table| table.name)
        .chain(STATE_TABLES.iter().copied())
        .map(str::to_owned)
        .collect();
    for (_, index) in search_index::all() {
        // What the engine keeps an index in, and the view of its words.
        let parts = ["", "_config", "_data", "_idx"];
        owned.extend(parts.map(|part| format!("{}{part}", index.name)));
        owned.push(index.name.replace("_fts", "_words"));
    }
    owned.sort_unstable();
    assert_eq!(owned, tables, "owners on the left, tables on the right");
}

#[test]
fn a_tables_statements_speak_of_that_table() {
    let bench = BenchBox::new();
    for table in ALL.iter().flat_map(|projection| projection.tables) {
        assert_eq!(table.clear, format!("DELETE FROM {}", table.name));
        let prefix = format!("SELECT * FROM {} ORDER BY ", table.name);
        let order = table.dump.strip_prefix(&prefix).unwrap();
        let key = names_of(
            &bench,
            &format!(
                "SELECT name FROM pragma_table_info('{}') WHERE pk > 0 ORDER BY pk",
                table.name
            ),
        );
        assert_eq!(
            order,
            key.join(", "),
            "{} is not read by its key",
            table.name
        );
    }
}

#[test]
fn every_kind_is_folded_or_listed_and_not_both() {
    for kind in Kind::ALL {
        let folded = ALL
            .iter()
            .any(|projection| projection.kinds.is_some_and(|kinds| kinds.contains(kind)));
        let listed = LOG_ONLY.contains(kind);
        assert_ne!(
            folded,
            listed,
            "{}: folded {folded}, log only {listed}",
            kind.name()
        );
    }
}

#[test]
fn projections_have_names_of_their_own_and_kinds_once() {
    let names: BTreeSet<_> = ALL.iter().map(|projection| projection.name).collect();
    assert_eq!(names.len(), ALL.len());
    for projection in ALL {
        assert!(projection.version >= 1);
        let kinds = projection.kinds.unwrap_or_default();
        assert_eq!(
            kinds.iter().collect::<BTreeSet<_>>().len(),
            kinds.len(),
            "{}",
            projection.name
        );
    }
}

#[test]
fn every_view_runs_and_has_the_columns_that_it_declares() {
    let bench = BenchBox::new();
    let mut names = BTreeSet::new();
    for view in views() {
        assert!(names.insert(view.name), "{} twice", view.name);
        assert!(!view.about.is_empty());
        let mut reader = bench.reader();
        let window = Window {
            since: 0,
            until: i64::MAX,
            limit: 5,
        };
        view.rows(&mut reader.snapshot().unwrap(), window).unwrap();
        let sql = ["?1", "?2", "?3"]
            .iter()
            .fold(view.sql.to_owned(), |sql, place| sql.replace(place, "0"));
        let mut width = 0;
        reader
            .query_text(
                &sql,
                &mut |columns| {
                    width = columns.len();
                    Ok(())
                },
                &mut |_| Ok(()),
            )
            .unwrap();
        assert_eq!(width, view.columns.len(), "{}", view.name);
    }
    let known = names_of(
        &bench,
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')",
    );
    // What holds now, of tables that tell how it came about.
    let now = ["alarm", "household"];
    for name in names.iter().filter(|name| !now.contains(&&***name)) {
        assert!(
            known.iter().any(|known| known == name),
            "{name} is named after no table"
        );
    }
}

#[test]
fn every_view_of_the_schema_can_be_read() {
    let bench = BenchBox::new();
    let names = names_of(&bench, "SELECT name FROM sqlite_schema WHERE type = 'view'");
    assert!(names.len() >= 5);
    for name in names {
        assert!(bench.rows(&format!("SELECT * FROM {name}")).is_empty());
    }
}
