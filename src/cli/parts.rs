//! Answers of several parts: what `security`, `performance`, `errors` and `report` have in common.
//!
//! People read all parts below each other. A program takes all of them as one JSON object, or one of
//! them by its name in any format; the header of CSV is the keys of the JSON objects.

use serde_json::Value;

use super::Context;
use super::exit::{CliError, Exit};
use super::table::{Format, FormatArgs, Heading, RowWriter};
use super::term::Ink;
use super::when::local;
use crate::base::clock::{DAY_NS, rfc3339};
use crate::health::Scope;
use crate::read_model::view::Shape;
use crate::storage::Owned;

/// What a question is about, and how its answer is written.
#[derive(Debug, clap::Args)]
pub(super) struct ScopeArgs {
    /// At or after this: RFC 3339, "2026-11-19 22:00", today, -2h, 7d [default: 24 hours before the end]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Before this [default: now]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only of this machine
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Only lines of this source or program, such as auth or sshd
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// At most so many rows of each part
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

impl ScopeArgs {
    /// The range of time and the rest of it.
    pub(super) fn scope(&self, context: &Context<'_>) -> Result<Scope, CliError> {
        let (since, until) = range(
            self.since.as_deref(),
            self.until.as_deref(),
            DAY_NS,
            context,
        )?;
        Ok(Scope {
            since,
            until,
            host: self.host.clone(),
            source: self.source.clone(),
        })
    }

    /// Rows of each part.
    pub(super) const fn limit(&self) -> usize {
        self.limit as usize
    }

    /// As asked for.
    pub(super) const fn format(&self) -> Format {
        self.format.format()
    }
}

/// From when to when; `usual_ns` long when nobody says it.
pub(super) fn range(
    since: Option<&str>,
    until: Option<&str>,
    usual_ns: i64,
    context: &Context<'_>,
) -> Result<(i64, i64), CliError> {
    let until = match until {
        Some(text) => context.moment("--until", text)?,
        // The event of this very moment belongs to it.
        None => context.clock.now().saturating_add(1),
    };
    let since = match since {
        Some(text) => context.moment("--since", text)?,
        None => until.saturating_sub(usual_ns),
    };
    if since >= until {
        let text = "--until is not after --since: nothing can lie between them";
        return Err(CliError::new(Exit::Usage, text));
    }
    Ok((since, until))
}

/// One part of an answer.
pub(super) struct Part {
    /// Its name for programs, and on the command line.
    pub(super) name: &'static str,
    title: &'static str,
    columns: &'static [(&'static str, Shape)],
    rows: Vec<Vec<Owned>>,
    /// Whether there are more rows than were asked for.
    more: bool,
    /// What people read where there are none.
    nothing: &'static str,
    /// What else is to be known of the rows, such as what they leave out.
    note: Option<String>,
    /// Places of the columns that people see, so that they fit on a screen; empty: all.
    shown: &'static [usize],
}

impl Part {
    /// A part with at most `limit` of the rows.
    pub(super) fn new(
        (name, title): (&'static str, &'static str),
        columns: &'static [(&'static str, Shape)],
        mut rows: Vec<Vec<Owned>>,
        limit: usize,
        nothing: &'static str,
    ) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        Self {
            name,
            title,
            columns,
            rows,
            more,
            nothing,
            note: None,
            shown: &[],
        }
    }

    /// The same, of which people see only the columns at these places.
    pub(super) const fn showing(mut self, shown: &'static [usize]) -> Self {
        self.shown = shown;
        self
    }

    /// The same with something to be known of its rows.
    pub(super) fn noting(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    /// That it is cut, and its note.
    fn asides(&self) -> impl Iterator<Item = String> {
        let shown = self.rows.len();
        let cut = || format!("the first {shown} of more; --limit shows them");
        self.more.then(cut).into_iter().chain(self.note.clone())
    }

    /// Tells on stderr what rows alone cannot say themselves; `whose` stands before it.
    pub(super) fn tell_asides(
        &self,
        whose: &str,
        context: &mut Context<'_>,
    ) -> Result<(), CliError> {
        context.out.flush()?;
        for aside in self.asides() {
            context.note(&format!("{whose}{aside}"));
        }
        Ok(())
    }

    /// All values in turn: number of the row, name of the column, value.
    pub(super) fn cells(
        &self,
    ) -> impl Iterator<Item = (usize, &'static str, Option<Shape>, &Owned)> {
        self.rows.iter().enumerate().flat_map(|(index, row)| {
            row.iter()
                .zip(self.columns)
                .map(move |(value, (name, shape))| (index, *name, Some(*shape), value))
        })
    }

    /// For people.
    pub(super) fn write_text(&self, context: &mut Context<'_>) -> Result<(), CliError> {
        let title = context.screen.paint(Ink::Heading, self.title).into_owned();
        writeln!(context.out, "{title}")?;
        if self.rows.is_empty() {
            writeln!(context.out, "{}", self.nothing)?;
        } else {
            self.write_rows(Format::Table, context)?;
        }
        for aside in self.asides() {
            writeln!(context.out, "({aside})")?;
        }
        Ok(())
    }

    /// For programs, and on stderr that it is cut: CSV and JSON lines cannot say it themselves.
    pub(super) fn write_alone(
        &self,
        format: Format,
        context: &mut Context<'_>,
    ) -> Result<(), CliError> {
        self.write_rows(format, context)?;
        self.tell_asides("", context)
    }

    /// Its rows.
    pub(super) fn write_rows(
        &self,
        format: Format,
        context: &mut Context<'_>,
    ) -> Result<(), CliError> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let places = match (format, self.shown) {
            (Format::Table, [_, ..]) => self.shown,
            _ => &all,
        };
        let heading = |place: &usize| Heading {
            name: self.columns[*place].0.to_owned(),
            shape: Some(self.columns[*place].1),
        };
        let headings = places.iter().map(heading).collect();
        let mut writer = RowWriter::begin(context.out, format, headings)?;
        for row in &self.rows {
            let row = places.iter().map(|place| row[*place].clone()).collect();
            writer.row(context.out, row)?;
        }
        if let Some(note) = &self.note {
            writer.note(note);
        }
        Ok(writer.end(context.out, context.screen, &context.zone, self.more)?)
    }
}

/// Writes all parts, or the one that was asked for.
pub(super) fn write(
    heading: &str,
    parts: &[Part],
    only: Option<&str>,
    args: &ScopeArgs,
    scope: &Scope,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    if let Some(part) = only.and_then(|only| parts.iter().find(|part| part.name == only)) {
        if args.format() == Format::Table {
            return part.write_text(context);
        }
        return part.write_alone(args.format(), context);
    }
    match args.format() {
        Format::Table => {
            write_heading(heading, scope, context)?;
            for part in parts {
                writeln!(context.out)?;
                part.write_text(context)?;
            }
            Ok(())
        }
        Format::Json => {
            let facts = times(scope);
            writeln!(context.out, "{{{facts},")?;
            write_json(parts, context)?;
            Ok(writeln!(context.out, "}}")?)
        }
        Format::Csv | Format::JsonLines => {
            let names: Vec<_> = parts.iter().map(|part| part.name).collect();
            let text = format!(
                "rows of several kinds have no header in common; name one part: {}",
                names.join(", ")
            );
            Err(CliError::new(Exit::Usage, text))
        }
    }
}

/// What the answer is about, for people.
pub(super) fn write_heading(
    heading: &str,
    scope: &Scope,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let from = local(scope.since, &context.zone);
    let to = local(scope.until, &context.zone);
    let of = |word: &str, only: &Option<String>| {
        let only = only.as_deref().map(super::term::visible);
        only.map_or_else(String::new, |only| format!(", only {word} {only}"))
    };
    let host = of("of the machine", &scope.host);
    let source = of("of", &scope.source);
    let line = format!("{heading} from {from} to {to}{host}{source}");
    let line = context.screen.paint(Ink::Heading, &line).into_owned();
    Ok(writeln!(context.out, "{line}")?)
}

/// The range as fields of an object.
pub(super) fn times(scope: &Scope) -> String {
    let (since, until) = (rfc3339(scope.since), rfc3339(scope.until));
    format!(
        "\"since\":{},\"until\":{}",
        Value::from(since),
        Value::from(until)
    )
}

/// The parts as fields of an object that is open.
pub(super) fn write_json(parts: &[Part], context: &mut Context<'_>) -> Result<(), CliError> {
    for (index, part) in parts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(context.out, "{comma}\"{}\":", part.name)?;
        part.write_rows(Format::Json, context)?;
    }
    Ok(())
}

/// A count, what it was in the period before, and whether that is for the better.
pub(super) fn compared(name: &str, before: i64, now: i64) -> Vec<Owned> {
    let trend = crate::health::formula::Trend::of_count(before, now);
    vec![
        text(name),
        Owned::Integer(now),
        Owned::Integer(before),
        text(trend.word()),
    ]
}

/// Columns of [`compared`].
pub(super) const COMPARED: [(&str, Shape); 4] = [
    ("what", Shape::Text),
    ("count", Shape::Number),
    ("before", Shape::Number),
    ("trend", Shape::Text),
];

/// A text as a cell.
pub(super) fn text(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}

/// A measured number as a cell, to a hundredth; more is noise.
pub(super) fn number(value: Option<f64>) -> Owned {
    value.map_or(Owned::Null, |value| {
        Owned::Real((value * 100.0).round() / 100.0)
    })
}

/// A whole number as a cell, if it is known.
pub(super) fn whole(value: Option<i64>) -> Owned {
    value.map_or(Owned::Null, Owned::Integer)
}

/// Yes or no as a cell.
pub(super) fn flag(value: bool) -> Owned {
    Owned::Integer(i64::from(value))
}
