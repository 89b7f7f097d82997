//! Rows on their way out: a table for people, JSON, JSON lines or CSV for programs.
//!
//! Programs get every value as it is; people get local times, sizes with units, and foreign text
//! made harmless. All but the table is written row by row, so that a result of any size passes.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::grid::Grid;
use super::term::{Screen, human_bytes, visible};
use super::when::local;
use crate::base::clock::rfc3339;
use crate::base::ids::hex;
use crate::read_model::view::{Column, Shape};
use crate::storage::Owned;

/// Longest text in a cell, characters; the rest is for `--json` and `--csv`.
const CELL_CHARS: usize = 240;
/// Longest blob in a cell, bytes.
const CELL_BLOB_BYTES: usize = 16;
/// How NULL looks to people.
const NOTHING: &str = "–";

/// `--json`, `--jsonl`, `--csv`.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct FormatArgs {
    /// One JSON object: {"rows":[…],"more":false}
    #[arg(long, group = "format")]
    pub json: bool,
    /// One JSON object per line
    #[arg(long, group = "format")]
    pub jsonl: bool,
    /// Comma-separated values with a header (RFC 4180 quoting)
    #[arg(long, group = "format")]
    pub csv: bool,
}

impl FormatArgs {
    /// The one format that was asked for.
    pub const fn format(self) -> Format {
        match self {
            Self { json: true, .. } => Format::Json,
            Self { jsonl: true, .. } => Format::JsonLines,
            Self { csv: true, .. } => Format::Csv,
            _ => Format::Table,
        }
    }
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table for people.
    Table,
    /// One object with all rows.
    Json,
    /// One object per row.
    JsonLines,
    /// Comma-separated.
    Csv,
}

/// A column's heading.
#[derive(Clone, Debug)]
pub struct Heading {
    /// Its name; unique among its neighbours.
    pub name: String,
    /// How its values are shown; none: as they are.
    pub shape: Option<Shape>,
}

impl From<&Column> for Heading {
    fn from(column: &Column) -> Self {
        Self {
            name: column.name.to_owned(),
            shape: Some(column.shape),
        }
    }
}

/// Headings for the columns of somebody's own statement. Names that repeat get a number, since an
/// object has each key once.
pub fn headings(names: &[String]) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::with_capacity(names.len());
    for name in names {
        let mut unique = name.clone();
        let mut number = 1;
        while headings.iter().any(|heading| heading.name == unique) {
            number += 1;
            unique = format!("{name}_{number}");
        }
        headings.push(Heading {
            name: unique,
            shape: None,
        });
    }
    headings
}

/// Writes all rows at once, or as a table the words `nothing` when there are none.
pub(super) fn write_all(
    context: &mut super::Context<'_>,
    format: Format,
    columns: &[(&str, Shape)],
    rows: Vec<Vec<Owned>>,
    nothing: &str,
) -> io::Result<()> {
    if rows.is_empty() && format == Format::Table {
        return writeln!(context.out, "{nothing}");
    }
    let heading = |(name, shape): &(&str, Shape)| Heading {
        name: (*name).to_owned(),
        shape: Some(*shape),
    };
    let headings = columns.iter().map(heading).collect();
    let mut writer = RowWriter::begin(context.out, format, headings)?;
    for row in rows {
        writer.row(context.out, row)?;
    }
    writer.end(context.out, context.screen, &context.zone, false)
}

/// Writes rows in one format.
#[derive(Debug)]
pub struct RowWriter {
    format: Format,
    headings: Vec<Heading>,
    held: Vec<Vec<Owned>>,
    rows: usize,
    note: Option<String>,
    cursor: Option<String>,
}

impl RowWriter {
    /// Begins, and writes what stands before the rows.
    pub fn begin(out: &mut dyn Write, format: Format, headings: Vec<Heading>) -> io::Result<Self> {
        match format {
            Format::Table | Format::JsonLines => {}
            Format::Json => write!(out, "{{\"rows\":[")?,
            Format::Csv => {
                let names: Vec<_> = headings.iter().map(|h| csv_field(&h.name)).collect();
                writeln!(out, "{}", names.join(","))?;
            }
        }
        Ok(Self {
            format,
            headings,
            held: Vec::new(),
            rows: 0,
            note: None,
            cursor: None,
        })
    }

    /// Rows so far.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Writes one row, or holds it until the widths of the table are known.
    pub fn row(&mut self, out: &mut dyn Write, row: Vec<Owned>) -> io::Result<()> {
        self.rows += 1;
        match self.format {
            Format::Table => {
                self.held.push(row);
                Ok(())
            }
            Format::Json => {
                let comma = if self.rows > 1 { "," } else { "" };
                write!(out, "{comma}\n{}", self.object(&row))
            }
            Format::JsonLines => writeln!(out, "{}", self.object(&row)),
            Format::Csv => {
                let fields: Vec<_> = row
                    .iter()
                    .zip(&self.headings)
                    .map(|(value, heading)| csv_value(value, heading.shape))
                    .collect();
                writeln!(out, "{}", fields.join(","))
            }
        }
    }

    /// Something to be known of the rows; a JSON object says it at its end.
    pub fn note(&mut self, note: &str) {
        self.note = Some(note.to_owned());
    }

    /// Where the rows go on; a JSON object says it at its end.
    pub fn cursor(&mut self, cursor: &str) {
        self.cursor = Some(cursor.to_owned());
    }

    /// Ends. `more` says that there are rows that were not asked for.
    pub fn end(
        self,
        out: &mut dyn Write,
        screen: Screen,
        zone: &TimeZone,
        more: bool,
    ) -> io::Result<()> {
        match self.format {
            Format::JsonLines | Format::Csv => Ok(()),
            Format::Json => {
                let line = if self.rows > 0 { "\n" } else { "" };
                write!(out, "{line}],\"more\":{more}")?;
                if let Some(note) = self.note {
                    write!(out, ",\"note\":{}", serde_json::Value::from(note))?;
                }
                if let Some(cursor) = self.cursor {
                    write!(out, ",\"cursor\":{}", serde_json::Value::from(cursor))?;
                }
                writeln!(out, "}}")
            }
            Format::Table if self.rows == 0 => writeln!(out, "no rows"),
            Format::Table => write_table(out, &self.headings, &self.held, screen, zone),
        }
    }

    // By hand, since a JSON map would sort the columns.
    fn object(&self, row: &[Owned]) -> String {
        let fields: Vec<_> = row
            .iter()
            .zip(&self.headings)
            .map(|(value, heading)| {
                let name = serde_json::Value::from(heading.name.as_str());
                format!("{name}:{}", json_value(value, heading.shape))
            })
            .collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// A value for programs. Blobs are lower-case hex.
pub fn json_value(value: &Owned, shape: Option<Shape>) -> serde_json::Value {
    match (value, shape) {
        (Owned::Null, _) => serde_json::Value::Null,
        (Owned::Integer(at), Some(Shape::Time)) => rfc3339(*at).into(),
        (Owned::Integer(flag), Some(Shape::Flag)) => (*flag != 0).into(),
        (Owned::Integer(number), _) => (*number).into(),
        // JSON has no infinity; null would be taken for "unknown".
        (Owned::Real(number), _) if !number.is_finite() => number.to_string().into(),
        (Owned::Real(number), _) => (*number).into(),
        (Owned::Text(text), _) => text.as_str().into(),
        (Owned::Blob(bytes), _) => hex(bytes).into(),
    }
}

// NULL is an empty field, the empty text a quoted one.
fn csv_value(value: &Owned, shape: Option<Shape>) -> String {
    match (value, json_value(value, shape)) {
        (Owned::Null, _) => String::new(),
        (_, serde_json::Value::String(text)) => csv_field(&text),
        (_, other) => other.to_string(),
    }
}

/// A field as RFC 4180 §2 quotes it.
pub fn csv_field(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A value for people.
pub fn human_value(value: &Owned, shape: Option<Shape>, zone: &TimeZone) -> String {
    match (value, shape) {
        (Owned::Null, _) => NOTHING.to_owned(),
        (Owned::Integer(at), Some(Shape::Time)) => local(*at, zone),
        (Owned::Integer(size), Some(Shape::Bytes)) => human_bytes(*size),
        (Owned::Integer(0), Some(Shape::Flag)) => "no".to_owned(),
        (Owned::Integer(_), Some(Shape::Flag)) => "yes".to_owned(),
        (Owned::Integer(number), _) => number.to_string(),
        (Owned::Real(number), _) => human_number(*number),
        (Owned::Text(text), _) => shortened(&visible(text)),
        (Owned::Blob(bytes), _) => human_blob(bytes),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

// Three decimals are enough for a mean temperature; very small and very large ones stay whole.
fn human_number(number: f64) -> String {
    if number == 0.0 || (0.001..1e15).contains(&number.abs()) {
        let fixed = format!("{number:.3}");
        fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number.to_string()
    }
}

fn human_blob(bytes: &[u8]) -> String {
    if bytes.len() <= CELL_BLOB_BYTES {
        format!("x'{}'", hex(bytes))
    } else {
        let head = hex(&bytes[..CELL_BLOB_BYTES]);
        format!("x'{head}…' ({})", human_bytes(bytes.len() as i64))
    }
}

fn is_number(value: &Owned, shape: Option<Shape>) -> bool {
    matches!(value, Owned::Integer(_) | Owned::Real(_))
        && !matches!(shape, Some(Shape::Time | Shape::Flag | Shape::Text))
}

fn write_table(
    out: &mut dyn Write,
    headings: &[Heading],
    rows: &[Vec<Owned>],
    screen: Screen,
    zone: &TimeZone,
) -> io::Result<()> {
    let mut grid = Grid::new(screen);
    let numeric = |column: usize| {
        let shape = headings[column].shape;
        rows.iter()
            .any(|row| row.get(column).is_some_and(|value| is_number(value, shape)))
    };
    let names = headings
        .iter()
        .map(|heading| visible(&heading.name).into_owned());
    grid.head(names.collect());
    for column in (0..headings.len()).filter(|column| numeric(*column)) {
        grid.align_right(column);
    }
    for row in rows {
        let cells = row
            .iter()
            .zip(headings)
            .map(|(value, heading)| human_value(value, heading.shape, zone));
        grid.row(cells.collect());
    }
    grid.write(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn written(format: Format, rows: &[Vec<Owned>]) -> String {
        let headings = vec![
            Heading {
                name: "at".into(),
                shape: Some(Shape::Time),
            },
            Heading {
                name: "size, all".into(),
                shape: Some(Shape::Bytes),
            },
            Heading {
                name: "text".into(),
                shape: Some(Shape::Text),
            },
        ];
        let mut out = Vec::new();
        let mut writer = RowWriter::begin(&mut out, format, headings).unwrap();
        for row in rows {
            writer.row(&mut out, row.clone()).unwrap();
        }
        writer
            .end(&mut out, Screen::default(), &TimeZone::UTC, false)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn rows() -> Vec<Vec<Owned>> {
        let text = |text: &str| Owned::Text(text.into());
        vec![
            vec![Owned::Integer(0), Owned::Integer(2_048), text("a \"b\", c")],
            vec![Owned::Null, Owned::Integer(7), text("\u{1b}[2J\nx")],
            vec![Owned::Integer(1_500_000_000), Owned::Null, text("")],
        ]
    }

    #[test]
    fn people_get_local_times_sizes_and_harmless_text() {
        let expected = "\
at                   size, all  text
1970-01-01 00:00:00    2.0 KiB  a \"b\", c
–                          7 B  ␛[2J␊x
1970-01-01 00:00:01          –
";
        assert_eq!(written(Format::Table, &rows()), expected);
        assert_eq!(written(Format::Table, &[]), "no rows\n");
    }

    #[test]
    fn programs_get_every_value_as_it_is() {
        let json: serde_json::Value =
            serde_json::from_str(&written(Format::Json, &rows())).unwrap();
        assert_eq!(json["rows"][0]["at"], "1970-01-01T00:00:00.000Z");
        assert_eq!(json["rows"][1]["at"], serde_json::Value::Null);
        assert_eq!(json["rows"][1]["size, all"], 7);
        assert_eq!(json["rows"][1]["text"], "\u{1b}[2J\nx");
        assert_eq!(json["more"], false);
        assert_eq!(written(Format::Json, &[]), "{\"rows\":[],\"more\":false}\n");
        let lines = written(Format::JsonLines, &rows());
        assert_eq!(lines.lines().count(), 3);
        assert!(lines.starts_with("{\"at\":\"1970"), "{lines}");
    }

    #[test]
    fn csv_is_quoted_after_rfc_4180() {
        let expected = "\
at,\"size, all\",text
1970-01-01T00:00:00.000Z,2048,\"a \"\"b\"\", c\"
,7,\"\u{1b}[2J\nx\"
1970-01-01T00:00:01.500Z,,\"\"
";
        assert_eq!(written(Format::Csv, &rows()), expected);
    }

    #[test]
    fn values_without_a_shape_are_shown_by_their_type() {
        let zone = TimeZone::UTC;
        let show = |value| human_value(&value, None, &zone);
        assert_eq!(show(Owned::Real(21.366_666_6)), "21.367");
        assert_eq!(show(Owned::Real(100.0)), "100");
        assert_eq!(show(Owned::Real(1e-9)), "0.000000001");
        assert_eq!(show(Owned::Blob(vec![0, 255])), "x'00ff'");
        let long = show(Owned::Blob(vec![1; 2_048]));
        assert_eq!(long, format!("x'{}…' (2.0 KiB)", "01".repeat(16)));
        assert_eq!(json_value(&Owned::Real(f64::INFINITY), None), "inf");
        let names = ["a", "a", "a_2", "a"].map(String::from);
        let unique: Vec<_> = headings(&names).into_iter().map(|h| h.name).collect();
        assert_eq!(unique, ["a", "a_2", "a_2_2", "a_3"]);
    }
}
