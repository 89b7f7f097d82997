//! Rows that are sent together: the same tables as on SQLite, whatever the order of writes.

use std::cell::RefCell;

use proptest::prelude::*;

use super::super::Database;
use super::cluster::cluster;
use crate::storage::sqlite::{self, Options};
use crate::storage::{Owned, Session, StorageError, all};
use crate::values;

/// One write of a random sequence.
#[derive(Clone, Copy, Debug)]
enum Write {
    Count(i64, i64),
    Keep(i64),
    First(i64, i64),
    Double(i64),
    Remove(i64),
    Read,
    Savepoint(i64),
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let key = 0..6_i64;
    let write = prop_oneof![
        8 => (key.clone(), 1..9_i64).prop_map(|(key, by)| Write::Count(key, by)),
        6 => key.clone().prop_map(Write::Keep),
        4 => (key.clone(), 1..9_i64).prop_map(|(key, by)| Write::First(key, by)),
        1 => key.clone().prop_map(Write::Double),
        1 => key.clone().prop_map(Write::Remove),
        1 => Just(Write::Read),
        1 => key.prop_map(Write::Savepoint),
    ];
    prop::collection::vec(write, 0..60)
}

fn apply(session: &mut dyn Session, writes: &[Write]) -> Result<Vec<Vec<Owned>>, StorageError> {
    let count = "INSERT INTO counts (key, count, last) VALUES (?1, ?2, ?2) ON CONFLICT (key) DO UPDATE \
         SET count = counts.count + excluded.count, last = excluded.last";
    for (number, write) in (0_i64..).zip(writes) {
        match *write {
            Write::Count(key, by) => session.write(count, values![key, by])?,
            Write::Keep(key) => {
                let text = (key != 3).then(|| format!("row {key}\0"));
                let sql = "INSERT INTO kept (number, key, text) VALUES (?1, ?2, ?3)";
                session.write(sql, values![number, key, text.as_deref()])?;
            }
            Write::First(key, by) => session.write(
                "INSERT INTO counts (key, count, last) VALUES (?1, ?2, 0) ON CONFLICT DO NOTHING",
                values![key, by],
            )?,
            Write::Double(key) => {
                session.write(
                    "UPDATE counts SET count = count * 2 WHERE key = ?1",
                    values![key],
                )?;
            }
            Write::Remove(key) => {
                session.write("DELETE FROM counts WHERE key = ?1", values![key])?;
            }
            Write::Read => drop(dump(session)?),
            Write::Savepoint(key) => {
                session.savepoint()?;
                session.write(count, values![key, 1])?;
                if key % 2 == 0 {
                    session.release()?;
                } else {
                    session.roll_back()?;
                }
            }
        }
    }
    dump(session)
}

fn dump(session: &mut dyn Session) -> Result<Vec<Vec<Owned>>, StorageError> {
    let mut rows = Vec::new();
    for sql in [
        "SELECT key, count, last, 0 FROM counts ORDER BY key",
        "SELECT number, key, text, 1 FROM kept ORDER BY number",
    ] {
        rows.extend(all(session, sql, &[], |row| {
            (0..4).map(|at| row.owned(at)).collect()
        })?);
    }
    Ok(rows)
}

#[test]
fn the_order_of_writes_cannot_be_seen() {
    let mut lite = sqlite::Database::open_writer(":memory:".as_ref(), Options::default()).unwrap();
    let mut postgres = Database::open_writer(&cluster().site("grouped")).unwrap();
    let make = |session: &mut dyn Session| {
        for sql in [
            "CREATE TABLE counts (key BIGINT PRIMARY KEY, count BIGINT NOT NULL, last BIGINT)",
            "CREATE TABLE kept (number BIGINT PRIMARY KEY, key BIGINT, text TEXT)",
        ] {
            session.write(sql, &[]).unwrap();
        }
    };
    let mut session = lite.begin().unwrap();
    make(&mut session);
    session.commit().unwrap();
    let mut session = postgres.begin().unwrap();
    make(&mut session);
    session.commit().unwrap();
    let (lite, postgres) = (RefCell::new(lite), RefCell::new(postgres));
    proptest!(|(writes in writes())| {
        // Neither is committed: the next case finds both empty.
        let expected = apply(&mut lite.borrow_mut().begin().unwrap(), &writes).unwrap();
        let found = apply(&mut postgres.borrow_mut().begin().unwrap(), &writes).unwrap();
        prop_assert_eq!(expected, found);
    });
}

#[test]
fn a_thousand_rows_are_few_statements_and_one_refusal_refuses_all() {
    let mut database = Database::open_writer(&cluster().site("thousand")).unwrap();
    let mut session = database.begin().unwrap();
    session
        .write(
            "CREATE TABLE t (a BIGINT PRIMARY KEY, b TEXT CHECK (b <> 'no'))",
            &[],
        )
        .unwrap();
    session.commit().unwrap();
    let insert = "INSERT INTO t (a, b) VALUES (?1, ?2)";
    // The server counts the statements of a transaction in the command ids of its rows.
    let mut session = database.begin().unwrap();
    for a in 0..2_500_i64 {
        session.write(insert, values![a, "yes"]).unwrap();
    }
    let statements = all(
        &mut session,
        "SELECT count(DISTINCT cmin::text), count(*) FROM t",
        &[],
        |row| Ok((row.int(0)?, row.int(1)?)),
    );
    assert_eq!(statements.unwrap(), [(3, 2_500)]);
    session.commit().unwrap();
    let mut session = database.begin().unwrap();
    for (a, b) in [
        (5_000, "yes"),
        (5_001, "no"),
        (5_002, "yes"),
        (5_003, "yes"),
    ] {
        session.write(insert, values![a, b]).unwrap();
    }
    let error = session.commit().unwrap_err();
    assert!(matches!(error, StorageError::Refused(_)), "{error}");
    let left = all(
        &mut database.snapshot().unwrap(),
        "SELECT max(a) FROM t",
        &[],
        |row| row.int(0),
    );
    assert_eq!(left.unwrap(), [2_499]);
}
