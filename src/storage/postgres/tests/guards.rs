//! What the schema itself guards and does: the log is append-only, words are found.

use super::migrated;
use crate::storage::postgres::{Database, PostgresSession};
use crate::storage::{Disposition, Session, StorageError, all, first};
use crate::values;

const APPEND: &str = "INSERT INTO event_log (position, kind, version, occurred_at, received_at, \
     stream, source, flags, text, body) VALUES (?1, 1, 1, 5, 5, 1, 1, 0, ?2, ?3)";
const CLOSE: &str =
    "INSERT INTO batches (first_position, last_position, committed_at) VALUES (?1, ?2, 5)";

fn transact(
    database: &mut Database,
    work: impl FnOnce(&mut PostgresSession<'_>) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let mut session = database.begin()?;
    work(&mut session)?;
    session.commit()
}

fn append(database: &mut Database, first: i64, texts: &[&str]) -> Result<(), StorageError> {
    transact(database, |session| {
        for (position, text) in (first..).zip(texts) {
            session.write(APPEND, values![position, *text, &[1_u8][..]])?;
        }
        session.write(CLOSE, values![first, first + texts.len() as i64 - 1])
    })
}

#[test]
fn the_log_takes_no_gap_no_change_and_no_deletion() {
    let mut database = migrated("guards");
    append(&mut database, 1, &["a", "b"]).unwrap();
    let refused = |outcome: Result<(), StorageError>| {
        let error = outcome.unwrap_err();
        assert_eq!(error.disposition(), Disposition::Park, "{error}");
        assert!(error.to_string().contains("event log"), "{error}");
    };
    refused(append(&mut database, 4, &["gap"]));
    refused(transact(&mut database, |session| {
        session.write("UPDATE event_log SET text = 'x' WHERE position = 1", &[])
    }));
    refused(transact(&mut database, |session| {
        session.write("DELETE FROM event_log WHERE position = 2", &[])
    }));
    refused(transact(&mut database, |session| {
        session.write("TRUNCATE event_log", &[])
    }));
    // Words that the guard names may change, and nothing else of the event.
    let redact = |column: &'static str| {
        move |session: &mut PostgresSession<'_>| {
            session.write("INSERT INTO redactions (position) VALUES (1)", &[])?;
            session.write(column, &[])?;
            session.write("DELETE FROM redactions", &[])
        }
    };
    refused(transact(
        &mut database,
        redact("UPDATE event_log SET occurred_at = 6 WHERE position = 1"),
    ));
    transact(
        &mut database,
        redact("UPDATE event_log SET text = NULL WHERE position = 1"),
    )
    .unwrap();
    append(&mut database, 3, &["c"]).unwrap();
    let mut session = database.snapshot().unwrap();
    let texts = all(
        &mut session,
        "SELECT text FROM event_log ORDER BY position",
        &[],
        |row| Ok(row.opt_text(0)?.map(str::to_owned)),
    );
    assert_eq!(texts.unwrap(), [None, Some("b".into()), Some("c".into())]);
}

const INDEX: &str = "INSERT INTO events_fts (rowid, message) VALUES (?1, ?2)";

fn moments(database: &mut Database, texts: &[&str]) {
    let outcome = transact(database, |session| {
        for (position, text) in (1_i64..).zip(texts) {
            session.write(
                "INSERT INTO events (position, timestamp_ns, observed_ns, type, severity_id, \
                 source_type, source_id, message) VALUES (?1, ?1, 1, 't', 1, 's', 'i', ?2)",
                values![position, *text],
            )?;
            session.write(INDEX, values![position, *text])?;
        }
        Ok(())
    });
    outcome.unwrap();
}

fn found(database: &mut Database, typed: &str) -> i64 {
    let phrase = crate::storage::search::phrase(typed).unwrap();
    let count = first(
        &mut database.snapshot().unwrap(),
        "SELECT count(*) FROM (SELECT rowid FROM events_fts WHERE events_fts MATCH ?1 LIMIT ?2)",
        values![&phrase, 100],
        |row| row.int(0),
    );
    count.unwrap().unwrap()
}

#[test]
fn phrases_are_found_as_sqlite_finds_them() {
    let mut database = migrated("phrases");
    moments(
        &mut database,
        &[
            "Failed password for root",
            "password accepted, none failed",
            "NOT a NEAR miss",
            "AND OR",
            "Füchsin from 10.0.0.1 in /var/log/auth.log",
            "猫 at the e-mail a@b.example",
        ],
    );
    for (typed, expected) in [
        // The same cases as storage::search asks of SQLite …
        ("failed password", 1),
        ("FAIL passwords", 1),
        ("onnect", 0),
        ("failed OR accepted", 0),
        ("failed AND password", 0),
        ("failed NOT root", 0),
        ("NOT a NEAR", 1),
        ("AND OR", 1),
        ("pass*", 0),
        ("^password", 2),
        ("message:password", 0),
        ("-password", 2),
        ("(root)", 1),
        ("***", 0),
        // … and where the server's own parser would cut other words.
        ("fuchsin", 1),
        ("10.0.0.1", 1),
        ("0.0.1 in", 1),
        ("log auth", 1),
        ("the e mail", 1),
        ("b.example", 1),
        ("猫", 1),
    ] {
        assert_eq!(found(&mut database, typed), expected, "{typed:?}");
    }
}

#[test]
fn a_table_of_words_obeys_the_commands_of_fts5() {
    let mut database = migrated("commands");
    moments(&mut database, &["one cat", "two cats"]);
    let check = "INSERT INTO events_fts (events_fts, rank) VALUES ('integrity-check', 1)";
    let run = |database: &mut Database, sql: &'static str| {
        transact(database, |session| session.write(sql, &[]))
    };
    run(&mut database, check).unwrap();
    run(
        &mut database,
        "INSERT INTO events_fts (events_fts) VALUES ('optimize')",
    )
    .unwrap();
    assert_eq!(found(&mut database, "cat"), 2);
    let mut session = database.snapshot().unwrap();
    let words = all(
        &mut session,
        "SELECT term, doc, cnt FROM events_words",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.int(2)?)),
    );
    drop(session);
    let word = |term: &str, count| (term.to_owned(), count, count);
    assert_eq!(
        words.unwrap(),
        [word("cat", 2), word("one", 1), word("two", 1)]
    );
    let delete = "INSERT INTO events_fts (events_fts, rowid, message) \
         SELECT 'delete', position, message FROM events WHERE position = 1";
    run(&mut database, delete).unwrap();
    assert_eq!(found(&mut database, "cat"), 1);
    assert!(matches!(
        run(&mut database, check),
        Err(StorageError::Corrupt(_))
    ));
    run(
        &mut database,
        "INSERT INTO events_fts (events_fts) VALUES ('delete-all')",
    )
    .unwrap();
    assert_eq!(found(&mut database, "cat"), 0);
    let texts = first(
        &mut database.snapshot().unwrap(),
        "SELECT count(*) FROM events_fts WHERE message IS NOT NULL",
        &[],
        |row| row.int(0),
    );
    assert_eq!(texts.unwrap(), Some(0));
}
