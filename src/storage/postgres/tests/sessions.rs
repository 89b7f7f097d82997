//! Transactions: what is queued, when errors come, who may write.

use super::super::{Database, Site};
use super::cluster::cluster;
use crate::storage::{Disposition, Owned, Session, StorageError, all, first};
use crate::values;

fn table(name: &str) -> Database {
    let mut database = Database::open_writer(&cluster().site(name)).unwrap();
    let mut session = database.begin().unwrap();
    session
        .write(
            "CREATE TABLE t (a BIGINT PRIMARY KEY, b DOUBLE PRECISION, c TEXT COLLATE \"C\", d BYTEA)",
            &[],
        )
        .unwrap();
    session.commit().unwrap();
    database
}

fn keys(session: &mut dyn Session) -> Vec<i64> {
    all(session, "SELECT a FROM t ORDER BY a", &[], |row| row.int(0)).unwrap()
}

const INSERT: &str = "INSERT INTO t (a, b) VALUES (?1, ?2)";

#[test]
fn a_session_dropped_without_commit_leaves_no_trace() {
    let mut database = table("dropped");
    let mut session = database.begin().unwrap();
    session.write(INSERT, values![1, 1.5]).unwrap();
    drop(session);
    let mut session = database.begin().unwrap();
    session.write(INSERT, values![2, 2.5]).unwrap();
    session.savepoint().unwrap();
    session.write(INSERT, values![3, 2.5]).unwrap();
    session.roll_back().unwrap();
    session.savepoint().unwrap();
    session.write(INSERT, values![4, 2.5]).unwrap();
    session.release().unwrap();
    session.commit().unwrap();
    assert_eq!(keys(&mut database.snapshot().unwrap()), [2, 4]);
}

#[test]
fn a_read_sees_the_writes_before_it_and_a_snapshot_none_after_it() {
    let mut database = table("order");
    let mut reader = Database::open_reader(database.site()).unwrap();
    let mut snapshot = reader.snapshot().unwrap();
    assert!(keys(&mut snapshot).is_empty());
    let mut session = database.begin().unwrap();
    for a in 0..1_000 {
        session.write(INSERT, values![a, 0.5]).unwrap();
    }
    assert_eq!(keys(&mut session).len(), 1_000);
    session.commit().unwrap();
    assert!(
        keys(&mut snapshot).is_empty(),
        "it reads one unchanging state"
    );
    drop(snapshot);
    assert_eq!(keys(&mut reader.snapshot().unwrap()).len(), 1_000);
}

#[test]
fn a_refused_write_is_told_by_the_next_read_the_release_or_the_commit() {
    let mut database = table("refused");
    let twice = |session: &mut dyn Session| {
        session.write(INSERT, values![1, 0.5]).unwrap();
        session.write(INSERT, values![1, 0.5]).unwrap();
        session.write(INSERT, values![2, 0.5]).unwrap();
    };
    let is_refused = |error: StorageError| {
        assert_eq!(error.disposition(), Disposition::Park);
        assert!(error.to_string().contains("t_pkey"), "{error}");
    };
    let mut session = database.begin().unwrap();
    twice(&mut session);
    is_refused(first(&mut session, "SELECT 1", &[], |row| row.int(0)).unwrap_err());
    drop(session);
    let mut session = database.begin().unwrap();
    twice(&mut session);
    is_refused(session.commit().unwrap_err());
    // One that is prepared only after the refusal tells of the refusal too.
    let mut session = database.begin().unwrap();
    twice(&mut session);
    is_refused(
        session
            .write("DELETE FROM t WHERE a = ?1", values![7])
            .unwrap_err(),
    );
    drop(session);
    let mut session = database.begin().unwrap();
    session.write(INSERT, values![9, 0.5]).unwrap();
    session.savepoint().unwrap();
    twice(&mut session);
    is_refused(session.release().unwrap_err());
    session.roll_back().unwrap();
    session.commit().unwrap();
    assert_eq!(keys(&mut database.snapshot().unwrap()), [9]);
}

#[test]
fn long_answers_to_writes_never_stand_in_the_way_of_a_read() {
    // The client takes an answer in parts, and none of a later one before the earlier was taken.
    let mut database = table("long");
    let long = "SELECT repeat('x', 1000) FROM generate_series(1, 5000)";
    let mut session = database.begin().unwrap();
    // Whatever is prepared for the first time waits for all answers anyway.
    session.write(long, &[]).unwrap();
    assert!(keys(&mut session).is_empty());
    for a in 0..3 {
        session.write(long, &[]).unwrap();
        session.write(INSERT, values![a, 0.5]).unwrap();
    }
    assert_eq!(keys(&mut session), [0, 1, 2]);
    session.write(long, &[]).unwrap();
    // Prepared for the first time here.
    session
        .write("DELETE FROM t WHERE a = ?1", values![2])
        .unwrap();
    session.write(long, &[]).unwrap();
    session.commit().unwrap();
    assert_eq!(keys(&mut database.snapshot().unwrap()), [0, 1]);
}

#[test]
fn values_come_back_as_they_went() {
    let mut database = table("values");
    let mut session = database.begin().unwrap();
    let text = "nul \0, escape \u{10}0, ä🦊";
    let sql = "INSERT INTO t (a, b, c, d) VALUES (?1, ?2, ?3, ?4)";
    // NULL first: the server finds out the types, and later values still fit.
    session
        .write(sql, values![1, None::<f64>, None::<&str>, None::<&[u8]>])
        .unwrap();
    session
        .write(
            sql,
            values![i64::MAX, f64::MIN_POSITIVE, text, &[0_u8, 255][..]],
        )
        .unwrap();
    session
        .write(sql, values![i64::MIN, 3, "", &[][..] as &[u8]])
        .unwrap();
    session.commit().unwrap();
    let mut session = database.snapshot().unwrap();
    let rows = all(
        &mut session,
        "SELECT a, b, c, d FROM t ORDER BY a",
        &[],
        |row| {
            (0..4)
                .map(|column| row.owned(column))
                .collect::<Result<Vec<_>, _>>()
        },
    );
    let whole = |a, b, c: &str, d: &[u8]| {
        vec![
            Owned::Integer(a),
            Owned::Real(b),
            Owned::Text(c.into()),
            Owned::Blob(d.into()),
        ]
    };
    assert_eq!(
        rows.unwrap(),
        [
            whole(i64::MIN, 3.0, "", &[]),
            vec![Owned::Integer(1), Owned::Null, Owned::Null, Owned::Null],
            whole(i64::MAX, f64::MIN_POSITIVE, text, &[0, 255]),
        ]
    );
    let found = first(
        &mut session,
        "SELECT a FROM t WHERE c = ?1",
        values![text],
        |row| row.int(0),
    );
    assert_eq!(found.unwrap(), Some(i64::MAX));
}

#[test]
fn what_a_query_computes_is_read_as_sqlite_would_tell_it() {
    let mut database = Database::open_writer(&cluster().site("computed")).unwrap();
    let mut session = database.begin().unwrap();
    let row = first(
        &mut session,
        "SELECT 2 > 1, 7, 3000000000 * 4, 0.5, 10.0 / 4, avg(x), sum(x), '12.340'::numeric, \
         '-10005'::numeric, '0.00001234'::numeric, x'00ff' FROM (SELECT 5::bigint AS x) q",
        &[],
        |row| {
            (0..11)
                .map(|column| row.owned(column))
                .collect::<Result<Vec<_>, _>>()
        },
    );
    assert_eq!(
        row.unwrap().unwrap(),
        [
            Owned::Integer(1),
            Owned::Integer(7),
            Owned::Integer(12_000_000_000),
            Owned::Real(0.5),
            Owned::Real(2.5),
            Owned::Real(5.0),
            Owned::Integer(5),
            Owned::Real(12.34),
            Owned::Integer(-10_005),
            Owned::Real(0.000_012_34),
            Owned::Blob(vec![0, 255]),
        ]
    );
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let mut database = table("finite");
    let mut session = database.begin().unwrap();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = session.write(INSERT, values![1, number]).unwrap_err();
        assert_eq!(error.disposition(), Disposition::Park);
    }
}

#[test]
fn a_second_writer_is_refused_with_who_holds_the_site() {
    let site = cluster().site("held");
    let first = Database::open_writer(&site).unwrap();
    let error = Database::open_writer(&site).unwrap_err().to_string();
    assert!(
        error.contains(site.schema()) && error.contains("of the tests"),
        "{error}"
    );
    // Another site is free, and so are readers.
    Database::open_writer(&cluster().site("held")).unwrap();
    Database::open_reader(&site).unwrap();
    drop(first);
    // The server notices a moment later that the first has gone.
    let again = (0..1_000).find_map(|_| Database::open_writer(&site).ok());
    assert!(again.is_some());
}

#[test]
fn a_connection_that_was_cut_is_opened_again_with_its_lock() {
    let mut database = table("cut");
    let mut other = Database::open_reader(database.site()).unwrap();
    let mut session = database.begin().unwrap();
    session.write(INSERT, values![1, 0.5]).unwrap();
    let own = first(&mut session, "SELECT pg_backend_pid()", &[], |row| {
        row.int(0)
    });
    let cut = "SELECT pg_terminate_backend(CAST(?1 AS int), 5000)";
    let ended = first(
        &mut other.snapshot().unwrap(),
        cut,
        values![own.unwrap().unwrap()],
        |row| row.int(0),
    );
    assert_eq!(ended.unwrap(), Some(1));
    session.write(INSERT, values![2, 0.5]).unwrap();
    let error = session.commit().unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    assert!(keys(&mut database.begin().unwrap()).is_empty());
    assert!(matches!(
        Database::open_writer(&database.site().clone()),
        Err(StorageError::Busy(_))
    ));
}

#[test]
fn a_server_that_is_not_there_is_tried_again_and_its_password_never_told() {
    let url = "postgresql://me:hush-hush@%2Fnowhere/db";
    let site = Site::new(url, "garden", "here").unwrap();
    let error = Database::open_writer(&site).unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    for told in [error.to_string(), format!("{site:?}"), format!("{error:?}")] {
        assert!(!told.contains("hush"), "{told}");
    }
    for (url, schema) in [
        (url, "Garden"),
        (url, "1garden"),
        (url, "pg_garden"),
        (url, ""),
        (url, "a; DROP TABLE t"),
        ("mysql://me:hush-hush@x", "garden"),
        ("postgresql://me@x:hush-hush/db", "garden"),
    ] {
        let error = Site::new(url, schema, "here").unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn a_person_can_read_and_nothing_else() {
    let mut database = table("person");
    let mut session = database.begin().unwrap();
    session.write(INSERT, values![7, 0.5]).unwrap();
    session.commit().unwrap();
    let mut reader = Database::open_reader(database.site()).unwrap();
    let mut seen = Vec::new();
    let mut names = Vec::new();
    reader
        .query_text(
            "SELECT a, b AS half FROM t",
            &mut |columns| {
                names = columns.to_vec();
                Ok(())
            },
            &mut |row| {
                seen.push((row.int(0)?, row.real(1)?));
                Ok(())
            },
        )
        .unwrap();
    assert_eq!(
        (names, seen),
        (vec!["a".to_owned(), "half".to_owned()], vec![(7, 0.5)])
    );
    for sql in [
        "DELETE FROM t",
        "SELECT 1; DELETE FROM t",
        "DROP TABLE t",
        "CREATE TABLE u (x INT)",
        "SELEC 1",
    ] {
        let outcome = reader.query_text(sql, &mut |_| Ok(()), &mut |_| Ok(()));
        assert!(outcome.is_err(), "{sql} was let through");
    }
    assert_eq!(keys(&mut reader.snapshot().unwrap()), [7]);
}

#[test]
fn the_connection_is_set_up_as_durability_needs() {
    let mut database = Database::open_writer(&cluster().site("settings")).unwrap();
    let schema = database.site().schema().to_owned();
    let mut session = database.begin().unwrap();
    let sql = "SELECT current_setting('synchronous_commit'), current_schema()";
    let set = first(&mut session, sql, &[], |row| {
        Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
    });
    assert_eq!(set.unwrap(), Some(("on".to_owned(), schema)));
}
