//! Rows of one statement, sent together.
//!
//! Most of what a batch writes are single rows of a few statements, `INSERT INTO t (…) VALUES (…)`. The
//! server takes a thousand of them as arrays in a quarter of the time of a thousand statements. So such
//! a row waits in the group of its statement, and groups of different tables wait side by side. That
//! changes the order of writes to different tables only, which nothing can see: whatever else is asked
//! or written, and another statement on the same table, has all groups sent first, in the order in which
//! they began. With DO UPDATE a group holds each key once, as PostgreSQL wants it.
//!
//! A row that is refused takes its batch with it; inside of a savepoint, where one wants to know which
//! it was, nothing is grouped.

use std::collections::HashSet;

use tokio_postgres::types::Type;

use super::dialect::{translate, translate_rows};
use super::value::Parameter;
use crate::storage::Value;

/// Rows of a group at most.
pub(super) const GROUP_ROWS: usize = 1_000;
/// Fewer rows are sent one by one: arrays cost more to begin with.
pub(super) const GROUP_ROWS_MIN: usize = 4;

/// A statement whose rows can be sent together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Insert {
    /// The table.
    pub(super) table: &'static str,
    /// Up to the values, the values, and what follows them.
    parts: [&'static str; 3],
    /// Which values make the key that may stand in a group once; none when any row may.
    key: Option<Vec<usize>>,
}

impl Insert {
    /// The statement, if it is one.
    pub(super) fn of(sql: &'static str) -> Option<Self> {
        let rest = sql.strip_prefix("INSERT INTO ")?;
        let (table, rest) = rest.split_once(" (")?;
        let (columns, rest) = rest.split_once(") VALUES (")?;
        let end = closing(rest)?;
        let (row, tail) = (&rest[..end], &rest[end + 1..]);
        let head = &sql[..sql.len() - rest.len() - "VALUES (".len()];
        let is_plain = row.contains('?') && !row.contains("SELECT");
        if !is_plain || tail.contains('?') || tail.contains("RETURNING") || columns.contains('(') {
            return None;
        }
        let key = if tail.contains(" DO UPDATE ") {
            Some(key_of(columns, row, tail)?)
        } else {
            None
        };
        Some(Self {
            table,
            parts: [head, row, tail],
            key,
        })
    }

    /// The statement for arrays of values of these types; none when one of them has no arrays here.
    pub(super) fn text(&self, types: &[Type]) -> Option<String> {
        let [head, row, tail] = self.parts;
        let mut arrays = Vec::with_capacity(types.len());
        let mut names = Vec::with_capacity(types.len());
        for (number, of) in (1..).zip(types) {
            let of = match *of {
                Type::INT8 => "bigint",
                Type::FLOAT8 => "double precision",
                Type::TEXT => "text",
                Type::BYTEA => "bytea",
                _ => return None,
            };
            arrays.push(format!("${number}::{of}[]"));
            names.push(format!("p{number}"));
        }
        let head = translate(head).text;
        let row = translate_rows(row);
        let tail = translate(tail).text;
        let (arrays, names) = (arrays.join(", "), names.join(", "));
        Some(format!(
            "{head}SELECT {row} FROM unnest({arrays}) AS r ({names}){tail}"
        ))
    }

    fn key(&self, values: &[Value<'_>]) -> Option<Vec<u8>> {
        let places = self.key.as_ref()?;
        let parts = places
            .iter()
            .map(|place| format!("{:?}\n", values.get(*place)));
        Some(parts.collect::<String>().into_bytes())
    }
}

/// Where the parenthesis closes that was opened before the text; none when quotes might hide it.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    let mut in_quotes = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Which values make the key of the conflict; none unless all of them are placeholders.
fn key_of(columns: &str, row: &str, tail: &str) -> Option<Vec<usize>> {
    let key = tail.trim_start().strip_prefix("ON CONFLICT (")?;
    let (key, rest) = key.split_once(')')?;
    if !rest.trim_start().starts_with("DO UPDATE ") || row.contains(['(', '\'']) {
        return None;
    }
    let columns: Vec<&str> = columns.split(',').map(str::trim).collect();
    let row: Vec<&str> = row.split(',').map(str::trim).collect();
    let place = |column: &str| {
        let at = columns.iter().position(|of| *of == column.trim())?;
        let number: usize = row.get(at)?.strip_prefix('?')?.parse().ok()?;
        number.checked_sub(1)
    };
    key.split(',').map(place).collect()
}

/// Rows that wait to be sent together.
#[derive(Debug)]
pub(super) struct Group {
    /// Their statement.
    pub(super) sql: &'static str,
    /// Its table.
    pub(super) table: &'static str,
    /// The rows.
    pub(super) rows: Vec<Vec<Parameter>>,
    keys: HashSet<Vec<u8>>,
}

impl Group {
    /// An empty one.
    pub(super) fn new(sql: &'static str, table: &'static str) -> Self {
        Self {
            sql,
            table,
            rows: Vec::new(),
            keys: HashSet::new(),
        }
    }

    /// Whether a row can join.
    pub(super) fn has_room(&self, insert: &Insert, values: &[Value<'_>]) -> bool {
        let is_new = insert
            .key(values)
            .is_none_or(|key| !self.keys.contains(&key));
        is_new && self.rows.len() < GROUP_ROWS
    }

    /// Takes a row.
    pub(super) fn push(&mut self, insert: &Insert, values: &[Value<'_>], row: Vec<Parameter>) {
        self.keys.extend(insert.key(values));
        self.rows.push(row);
    }
}

/// Rows as columns: one array for each placeholder.
pub(super) fn columns(rows: Vec<Vec<Parameter>>, width: usize) -> Vec<Vec<Parameter>> {
    let mut columns: Vec<Vec<Parameter>> = Vec::new();
    columns.resize_with(width, || Vec::with_capacity(rows.len()));
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn single_rows_are_found_and_written_as_arrays() {
        for (sql, key, text) in [
            (
                "INSERT INTO t (a, b) VALUES (?1, ?2)",
                None,
                "INSERT INTO t (a, b) SELECT r.p1, r.p2 FROM \
                 unnest($1::bigint[], $2::text[]) AS r (p1, p2)",
            ),
            (
                "INSERT INTO t (a, b, c, d) VALUES (?1, 'x)', nullif(?2, ''), ?1) ON CONFLICT DO NOTHING",
                None,
                "INSERT INTO t (a, b, c, d) SELECT r.p1, 'x)', nullif(r.p2, ''), r.p1 FROM \
                 unnest($1::bigint[], $2::text[]) AS r (p1, p2) ON CONFLICT DO NOTHING",
            ),
            (
                "INSERT INTO t (a, b) VALUES (?2, ?1) ON CONFLICT (a) DO UPDATE SET b = excluded.b",
                Some(vec![1]),
                "INSERT INTO t (a, b) SELECT r.p2, r.p1 FROM \
                 unnest($1::bigint[], $2::text[]) AS r (p1, p2) \
                 ON CONFLICT (a) DO UPDATE SET b = excluded.b",
            ),
        ] {
            let insert = Insert::of(sql).unwrap();
            assert_eq!((insert.table, &insert.key), ("t", &key), "{sql}");
            assert_eq!(
                insert.text(&[Type::INT8, Type::TEXT]).as_deref(),
                Some(text)
            );
            assert_eq!(insert.text(&[Type::INT4, Type::TEXT]), None);
        }
    }

    #[test]
    fn whatever_is_more_than_one_row_of_values_is_left_alone() {
        for sql in [
            "UPDATE t SET a = ?1",
            "INSERT INTO t SELECT * FROM u",
            "INSERT INTO t VALUES (?1)",
            "INSERT INTO t (a) VALUES (1)",
            "INSERT INTO t (a) VALUES ((SELECT max(a) FROM t WHERE b = ?1))",
            "INSERT INTO t (a) VALUES (?1) RETURNING a",
            "INSERT INTO t (a) VALUES (?1) ON CONFLICT (a) DO UPDATE SET b = ?2",
            "INSERT INTO t (a, b) VALUES (?1, 1) ON CONFLICT (b) DO UPDATE SET a = 1",
            "INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT (a) WHERE b = 1 DO UPDATE SET a = 1",
        ] {
            assert_eq!(Insert::of(sql), None, "{sql}");
        }
    }
}
