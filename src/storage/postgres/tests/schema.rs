//! The schema: the same tables, columns, keys and indexes as on SQLite.

use std::collections::{BTreeMap, BTreeSet};

use super::migrated;
use crate::storage::migrate::{POSTGRES, SQLITE, migrate};
use crate::storage::sqlite::{self, Options};
use crate::storage::{Session, all};

/// What stands for tables of words on each engine, and differs.
const OF_THE_ENGINE: &[&str] = &[
    "log_lines_fts",
    "events_fts",
    "log_lines_words",
    "events_words",
];

/// A table as both engines can tell of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    /// Name, type, whether it may be NULL, whether it is computed; in their order.
    columns: Vec<(String, String, bool, bool)>,
    /// In the order of the key.
    key: Vec<String>,
    /// Columns, descending ones marked, unique ones, and whether a condition.
    indexes: BTreeMap<String, (Vec<String>, bool, bool)>,
    /// Column, table, its column, what happens when the row goes.
    references: BTreeSet<(String, String, String, bool)>,
}

type Schema = BTreeMap<String, Table>;

fn of_sqlite() -> (Schema, BTreeMap<String, Vec<String>>) {
    let mut database =
        sqlite::Database::open_writer(":memory:".as_ref(), Options::default()).unwrap();
    migrate(&mut database, SQLITE, 5).unwrap();
    let mut session = database.snapshot().unwrap();
    let session = &mut session as &mut dyn Session;
    let mut schema = Schema::new();
    columns_of_sqlite(session, &mut schema);
    indexes_of_sqlite(session, &mut schema);
    let references = all(
        session,
        "SELECT m.name, f.\"from\", f.\"table\", f.\"to\", f.on_delete = 'CASCADE' \
         FROM sqlite_schema m CROSS JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
        &[],
        |row| {
            let text = |column| row.text(column).map(str::to_owned);
            Ok((text(0)?, (text(1)?, text(2)?, text(3)?, row.int(4)? == 1)))
        },
    );
    for (table, reference) in references.unwrap() {
        schema.get_mut(&table).unwrap().references.insert(reference);
    }
    let views = view_columns(
        session,
        "SELECT m.name, c.name FROM sqlite_schema m CROSS JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'view' ORDER BY m.name, c.cid",
    );
    (schema, views)
}

fn columns_of_sqlite(session: &mut dyn Session, schema: &mut Schema) {
    let columns = all(
        session,
        "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk, c.hidden FROM sqlite_schema m \
         CROSS JOIN pragma_table_xinfo(m.name) c \
         WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' \
         AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.name NOT LIKE '%\\_fts\\_%' ESCAPE '\\' \
         ORDER BY m.name, c.cid",
        &[],
        |row| {
            let texts = (
                row.text(0)?.to_owned(),
                row.text(1)?.to_owned(),
                row.text(2)?.to_owned(),
            );
            Ok((texts, row.int(3)? == 1, row.int(4)?, row.int(5)? != 0))
        },
    );
    let mut keys: BTreeMap<(String, i64), String> = BTreeMap::new();
    for ((table, column, of), not_null, key, computed) in columns.unwrap() {
        let of = match of.trim_end_matches(" GENERATED ALWAYS") {
            "INTEGER" => "bigint",
            "REAL" => "double precision",
            "TEXT" => "text",
            "BLOB" => "bytea",
            other => panic!("{table}.{column} is {other}"),
        };
        if key > 0 {
            keys.insert((table.clone(), key), column.clone());
        }
        let optional = !not_null && key == 0;
        let columns = &mut schema.entry(table).or_default().columns;
        columns.push((column, of.to_owned(), optional, computed));
    }
    for ((table, _), column) in keys {
        schema.get_mut(&table).unwrap().key.push(column);
    }
}

fn indexes_of_sqlite(session: &mut dyn Session, schema: &mut Schema) {
    let indexes = all(
        session,
        "SELECT m.name, l.name, l.\"unique\", l.partial, l.origin, coalesce(x.name, '(…)'), x.\"desc\" \
         FROM sqlite_schema m CROSS JOIN pragma_index_list(m.name) l \
         CROSS JOIN pragma_index_xinfo(l.name) x \
         WHERE m.type = 'table' AND x.key = 1 AND l.origin <> 'pk' ORDER BY m.name, l.name, x.seqno",
        &[],
        |row| {
            let texts = (
                row.text(0)?.to_owned(),
                row.text(1)?.to_owned(),
                row.text(5)?.to_owned(),
            );
            let flags = (row.int(2)? == 1, row.int(3)? == 1, row.int(6)? == 1);
            Ok((texts, flags, row.text(4)? == "u"))
        },
    );
    for ((table, index, column), (unique, partial, descending), of_constraint) in indexes.unwrap() {
        // Constraints have names of the engine's own.
        let index = if of_constraint {
            format!("{table} unique")
        } else {
            index
        };
        let Some(table) = schema.get_mut(&table) else {
            continue; // a part of a table of words
        };
        let entry = table
            .indexes
            .entry(index)
            .or_insert((Vec::new(), unique, partial));
        entry.0.push(if descending {
            format!("{column} DESC")
        } else {
            column
        });
    }
}

fn view_columns(session: &mut dyn Session, sql: &'static str) -> BTreeMap<String, Vec<String>> {
    let columns = all(session, sql, &[], |row| {
        Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
    });
    let mut views: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (view, column) in columns.unwrap() {
        views.entry(view).or_default().push(column);
    }
    views
}

fn of_postgres() -> (Schema, BTreeMap<String, Vec<String>>) {
    let mut database = migrated("schema");
    let mut session = database.snapshot().unwrap();
    let session = &mut session as &mut dyn Session;
    let mut schema = Schema::new();
    let columns = all(
        session,
        "SELECT c.relname, a.attname, format_type(a.atttypid, NULL), NOT a.attnotnull, \
         a.attgenerated <> '' FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' \
         AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
        &[],
        |row| {
            let texts = (
                row.text(0)?.to_owned(),
                row.text(1)?.to_owned(),
                row.text(2)?.to_owned(),
            );
            Ok((texts, row.int(3)? == 1, row.int(4)? == 1))
        },
    );
    for ((table, column, of), optional, computed) in columns.unwrap() {
        schema
            .entry(table)
            .or_default()
            .columns
            .push((column, of, optional, computed));
    }
    indexes_of_postgres(session, &mut schema);
    let references = all(
        session,
        "SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, f.attname, \
         c.confdeltype = 'c' FROM pg_constraint c \
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
         JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1] \
         WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace",
        &[],
        |row| {
            let text = |column| row.text(column).map(str::to_owned);
            Ok((text(0)?, (text(1)?, text(2)?, text(3)?, row.int(4)? == 1)))
        },
    );
    for (table, reference) in references.unwrap() {
        schema.get_mut(&table).unwrap().references.insert(reference);
    }
    let views = view_columns(
        session,
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'v' \
         AND a.attnum > 0 ORDER BY c.relname, a.attnum",
    );
    (schema, views)
}

fn indexes_of_postgres(session: &mut dyn Session, schema: &mut Schema) {
    let indexes = all(
        session,
        "SELECT t.relname, i.relname, x.indisprimary, x.indisunique, x.indpred IS NOT NULL, \
         coalesce(a.attname::text, '(…)'), x.indoption[k.n - 1] & 1, con.oid IS NOT NULL \
         FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
         CROSS JOIN LATERAL unnest(x.indkey::int[]) WITH ORDINALITY k (attnum, n) \
         LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum AND k.attnum <> 0 \
         LEFT JOIN pg_constraint con ON con.conindid = x.indexrelid AND con.contype = 'u' \
         WHERE t.relnamespace = current_schema()::regnamespace ORDER BY t.relname, i.relname, k.n",
        &[],
        |row| {
            let texts = (
                row.text(0)?.to_owned(),
                row.text(1)?.to_owned(),
                row.text(5)?.to_owned(),
            );
            let flags = (row.int(2)? == 1, row.int(3)? == 1, row.int(4)? == 1);
            Ok((texts, flags, row.int(6)? == 1, row.int(7)? == 1))
        },
    );
    for ((table, index, column), (primary, unique, partial), descending, of_constraint) in
        indexes.unwrap()
    {
        let index = if of_constraint {
            format!("{table} unique")
        } else {
            index
        };
        let table = schema.get_mut(&table).unwrap();
        if primary {
            table.key.push(column);
            continue;
        }
        let entry = table
            .indexes
            .entry(index)
            .or_insert((Vec::new(), unique, partial));
        entry.0.push(if descending {
            format!("{column} DESC")
        } else {
            column
        });
    }
}

#[test]
fn both_engines_have_the_same_tables_columns_keys_and_indexes() {
    let (mut sqlite, mut sqlite_views) = of_sqlite();
    let (mut postgres, mut postgres_views) = of_postgres();
    for name in OF_THE_ENGINE {
        sqlite.remove(*name);
        postgres.remove(*name);
        sqlite_views.remove(*name);
        postgres_views.remove(*name);
    }
    assert!(sqlite.len() > 70, "{} tables were found", sqlite.len());
    let names = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&sqlite), names(&postgres));
    for (name, table) in &sqlite {
        assert_eq!(*table, postgres[name], "{name}");
    }
    assert_eq!(sqlite_views, postgres_views);
}

#[test]
fn every_migration_has_the_same_number_and_name_on_both_engines() {
    let names = |migrations: &'static [crate::storage::migrate::Migration]| {
        let named = migrations
            .iter()
            .map(|migration| (migration.version, migration.name));
        named
            .filter(|(version, _)| *version > 0)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(SQLITE), names(POSTGRES));
}

#[test]
fn texts_are_compared_by_their_bytes_in_every_column() {
    let mut database = migrated("collations");
    let others = all(
        &mut database.snapshot().unwrap(),
        "SELECT c.relname || '.' || a.attname FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_collation o ON o.oid = a.attcollation \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v') \
         AND o.collname <> 'C' AND c.relname <> 'schema_migrations'",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    );
    assert_eq!(others.unwrap(), [""; 0]);
}
