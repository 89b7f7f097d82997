//! Values on their way into PostgreSQL and out of it.
//!
//! Integers are BIGINT, numbers DOUBLE PRECISION, texts TEXT, bytes BYTEA; a value is sent as the type
//! that the server expects at its place. What else a query may yield is read as what it is to SQLite:
//! conditions are 0 and 1, shorter integers and sums are integers.
//!
//! PostgreSQL's texts cannot hold U+0000, which messages may. It travels as U+0010 (data link escape)
//! and `0`, and U+0010 itself as U+0010 and `1`: no two texts become one, and a text without either is
//! stored as it is.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::storage::{Owned, Row, StorageError, Value};

/// What a text's U+0000 and U+0010 are written with.
const ESCAPE: char = '\u{10}';

/// A value that waits to be sent.
#[derive(Debug)]
pub(super) struct Parameter(Owned);

impl Parameter {
    /// A copy; a double that is not finite is refused, as by every engine.
    pub(super) fn new(value: &Value<'_>) -> Result<Self, StorageError> {
        Ok(Self(match *value {
            Value::Null => Owned::Null,
            Value::Integer(value) => Owned::Integer(value),
            Value::Real(value) if value.is_finite() => Owned::Real(value),
            Value::Real(value) => {
                return Err(StorageError::Refused(format!(
                    "the number {value} is not finite"
                )));
            }
            Value::Text(value) => Owned::Text(escaped(value)),
            Value::Blob(value) => Owned::Blob(value.to_vec()),
        }))
    }
}

/// The type that a value has by itself; none for NULL, which is of any.
pub(super) fn own_type(value: &Value<'_>) -> Option<Type> {
    match value {
        Value::Null => None,
        Value::Integer(_) => Some(Type::INT8),
        Value::Real(_) => Some(Type::FLOAT8),
        Value::Text(_) => Some(Type::TEXT),
        Value::Blob(_) => Some(Type::BYTEA),
    }
}

/// Whether a value can be sent where the server expects this type.
pub(super) fn fits(value: &Value<'_>, expected: &Type) -> bool {
    match value {
        Value::Null => true,
        Value::Integer(_) => *expected == Type::INT8 || *expected == Type::FLOAT8,
        Value::Real(_) => *expected == Type::FLOAT8,
        Value::Text(_) => is_text(expected),
        Value::Blob(_) => *expected == Type::BYTEA,
    }
}

fn is_text(of: &Type) -> bool {
    matches!(
        *of,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN
    )
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        expected: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            Owned::Null => return Ok(IsNull::Yes),
            Owned::Integer(value) if *expected == Type::FLOAT8 => out.put_f64(*value as f64),
            Owned::Integer(value) if *expected == Type::INT8 => out.put_i64(*value),
            Owned::Real(value) if *expected == Type::FLOAT8 => out.put_f64(*value),
            Owned::Text(value) if is_text(expected) => out.put_slice(value.as_bytes()),
            Owned::Blob(value) if *expected == Type::BYTEA => out.put_slice(value),
            other => return Err(format!("{other:?} cannot be sent as {expected}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A text as PostgreSQL can hold it.
fn escaped(text: &str) -> String {
    if !text.contains(['\0', ESCAPE]) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\0' => out.extend([ESCAPE, '0']),
            ESCAPE => out.extend([ESCAPE, '1']),
            other => out.push(other),
        }
    }
    out
}

/// The text that [`escaped`] made this of; none when it made nothing of it.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE => match letters.next()? {
                '0' => out.push('\0'),
                '1' => out.push(ESCAPE),
                _ => return None,
            },
            other => out.push(other),
        }
    }
    Some(out)
}

/// A column's bytes as the server sent them.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A row of a result.
pub(super) struct PostgresRow {
    row: tokio_postgres::Row,
    /// The texts with an escape in them, by column.
    unescaped: Vec<(usize, String)>,
}

/// A value of a row, borrowed.
#[derive(Debug)]
enum Found<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl PostgresRow {
    pub(super) fn new(row: tokio_postgres::Row) -> Result<Self, StorageError> {
        let mut made = Self {
            row,
            unescaped: Vec::new(),
        };
        for column in 0..made.row.len() {
            let Found::Text(text) = made.found(column)? else {
                continue;
            };
            if text.contains(ESCAPE) {
                let whole = unescaped(text).ok_or_else(|| {
                    unreadable(column, "holds an escape that this program does not write")
                })?;
                made.unescaped.push((column, whole));
            }
        }
        Ok(made)
    }

    fn found(&self, column: usize) -> Result<Found<'_>, StorageError> {
        let raw: Option<Raw<'_>> = self
            .row
            .try_get(column)
            .map_err(|error| StorageError::Sql(error.to_string()))?;
        let Some(Raw(bytes)) = raw else {
            return Ok(Found::Null);
        };
        let of = self.row.columns()[column].type_();
        let wrong = || unreadable(column, &format!("holds a {of} of {} bytes", bytes.len()));
        Ok(match *of {
            Type::INT8 => Found::Integer(i64::from_be_bytes(whole(bytes).ok_or_else(wrong)?)),
            Type::INT4 => {
                Found::Integer(i32::from_be_bytes(whole(bytes).ok_or_else(wrong)?).into())
            }
            Type::INT2 => {
                Found::Integer(i16::from_be_bytes(whole(bytes).ok_or_else(wrong)?).into())
            }
            Type::OID => Found::Integer(u32::from_be_bytes(whole(bytes).ok_or_else(wrong)?).into()),
            Type::BOOL => Found::Integer((bytes == [1]).into()),
            Type::FLOAT8 => Found::Real(f64::from_be_bytes(whole(bytes).ok_or_else(wrong)?)),
            Type::FLOAT4 => Found::Real(f32::from_be_bytes(whole(bytes).ok_or_else(wrong)?).into()),
            Type::NUMERIC => numeric(bytes).ok_or_else(wrong)?,
            Type::BYTEA => Found::Blob(bytes),
            _ if is_text(of) => {
                let text = std::str::from_utf8(bytes)
                    .map_err(|error| unreadable(column, &error.to_string()))?;
                Found::Text(
                    self.unescaped
                        .iter()
                        .find_map(|(of, whole)| (*of == column).then_some(whole.as_str()))
                        .unwrap_or(text),
                )
            }
            _ => return Err(wrong()),
        })
    }
}

fn whole<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn unreadable(column: usize, what: &str) -> StorageError {
    StorageError::Unreadable(format!("column {column} {what}"))
}

/// NUMERIC (`numeric_send` in the server's sources): number of groups, weight of the first, sign
/// and digits behind the point as 16-bit numbers, then groups of four decimal digits. Without a
/// point it is an integer, else the double next to it.
fn numeric(bytes: &[u8]) -> Option<Found<'static>> {
    const NEGATIVE: u16 = 0x4000;
    const POSITIVE: u16 = 0;
    let short = |at: usize| Some(u16::from_be_bytes(whole(bytes.get(2 * at..2 * at + 2)?)?));
    let (groups, weight, sign, scale) = (short(0)?, short(1)? as i16, short(2)?, short(3)?);
    if sign != POSITIVE && sign != NEGATIVE {
        return None;
    }
    let group = |at: i16| match u16::try_from(at) {
        Ok(at) if at < groups => short(4 + usize::from(at)),
        _ => Some(0),
    };
    let mut digits = String::new();
    for at in 0..=weight.max(0) {
        let whole = if weight < 0 { 0 } else { group(at)? };
        write!(digits, "{whole:04}").ok()?;
    }
    if scale > 0 {
        digits.push('.');
        for place in 1..=scale.div_ceil(4) as i16 {
            write!(digits, "{:04}", group(weight + place)?).ok()?;
        }
    }
    if sign == NEGATIVE {
        digits.insert(0, '-');
    }
    if scale == 0 {
        digits.parse().ok().map(Found::Integer)
    } else {
        digits.parse().ok().map(Found::Real)
    }
}

fn wrong_type(column: usize, found: &Found<'_>) -> StorageError {
    let what = match found {
        Found::Null => "NULL",
        Found::Integer(_) => "an integer",
        Found::Real(_) => "a number",
        Found::Text(_) => "a text",
        Found::Blob(_) => "bytes",
    };
    unreadable(column, &format!("holds {what}"))
}

impl Row for PostgresRow {
    fn owned(&self, column: usize) -> Result<Owned, StorageError> {
        Ok(match self.found(column)? {
            Found::Null => Owned::Null,
            Found::Integer(value) => Owned::Integer(value),
            Found::Real(value) => Owned::Real(value),
            Found::Text(value) => Owned::Text(value.to_owned()),
            Found::Blob(value) => Owned::Blob(value.to_vec()),
        })
    }

    fn opt_int(&self, column: usize) -> Result<Option<i64>, StorageError> {
        match self.found(column)? {
            Found::Null => Ok(None),
            Found::Integer(value) => Ok(Some(value)),
            other => Err(wrong_type(column, &other)),
        }
    }

    fn opt_real(&self, column: usize) -> Result<Option<f64>, StorageError> {
        match self.found(column)? {
            Found::Null => Ok(None),
            Found::Integer(value) => Ok(Some(value as f64)),
            Found::Real(value) => Ok(Some(value)),
            other => Err(wrong_type(column, &other)),
        }
    }

    fn opt_text(&self, column: usize) -> Result<Option<&str>, StorageError> {
        match self.found(column)? {
            Found::Null => Ok(None),
            Found::Text(value) => Ok(Some(value)),
            other => Err(wrong_type(column, &other)),
        }
    }

    fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, StorageError> {
        match self.found(column)? {
            Found::Null => Ok(None),
            Found::Blob(value) => Ok(Some(value)),
            other => Err(wrong_type(column, &other)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_zero_character_travels_as_an_escape_and_nothing_else_changes() {
        for (text, stored) in [
            ("plain", "plain"),
            ("a\0b", "a\u{10}0b"),
            ("a\u{10}b", "a\u{10}1b"),
            ("\u{10}0", "\u{10}10"),
            ("", ""),
        ] {
            assert_eq!(escaped(text), stored);
            assert_eq!(unescaped(stored).as_deref(), Some(text));
        }
        for broken in ["\u{10}", "\u{10}2"] {
            assert_eq!(unescaped(broken), None);
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "[\\x00\\x10\\x11a01ä]{0,12}") {
            let stored = escaped(&text);
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(unescaped(&stored), Some(text));
        }
    }
}
