//! Lists that are read page by page, the newest first: their options, and how they end.

use super::Context;
use super::exit::{CliError, Exit};
use super::table::{Format, FormatArgs, Heading, RowWriter};
use crate::base::clock::UnixNanos;
use crate::read_model::view::Shape;
use crate::storage::Owned;

/// Which part of a list, and how it is written.
#[derive(Debug, clap::Args)]
pub(super) struct PageArgs {
    /// At or after this: RFC 3339, "2026-11-19 22:00", today, -2h, 3d
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Before this
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only what stands behind this id in the list: the next page
    #[arg(long, value_name = "ID")]
    pub(super) before: Option<i64>,
    /// At most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

impl PageArgs {
    /// From when, inclusive, to when, exclusive.
    pub(super) fn range(&self, context: &Context<'_>) -> Result<(UnixNanos, UnixNanos), CliError> {
        let moment = |option, text: &Option<String>, otherwise| match text {
            Some(text) => context.moment(option, text),
            None => Ok(otherwise),
        };
        let since = moment("--since", &self.since, i64::MIN)?;
        let until = moment("--until", &self.until, i64::MAX)?;
        if since >= until {
            let text = "--until is not after --since: nothing can lie between them";
            return Err(CliError::new(Exit::Usage, text));
        }
        Ok((since, until))
    }

    /// Whether people read it.
    pub(super) fn is_table(&self) -> bool {
        self.format.format() == Format::Table
    }

    /// How it is written.
    pub(super) const fn format(&self) -> FormatArgs {
        self.format
    }

    /// Rows to show.
    pub(super) const fn limit(&self) -> u32 {
        self.limit
    }

    /// Rows to ask for: one more than are shown, to know whether there are more.
    pub(super) fn rows_wanted(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Writes the rows; `id` is the column that `--before` takes.
    pub(super) fn write(
        &self,
        columns: &[(&str, Shape)],
        mut rows: Vec<Vec<Owned>>,
        id: usize,
        context: &mut Context<'_>,
    ) -> Result<(), CliError> {
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let next = match rows.last().map(|row| &row[id]) {
            Some(Owned::Integer(id)) if more => Some(*id),
            _ => None,
        };
        self.write_page(columns, rows, next, context)
    }

    /// Writes a page that is no longer than asked for; `next` is what `--before` takes to go on.
    pub(super) fn write_page(
        &self,
        columns: &[(&str, Shape)],
        rows: Vec<Vec<Owned>>,
        next: Option<i64>,
        context: &mut Context<'_>,
    ) -> Result<(), CliError> {
        write(columns, rows, self.format, next.is_some(), context)?;
        if let Some(id) = next {
            context.out.flush()?;
            context.note(&format!("there are more; --before {id} shows the next"));
        }
        Ok(())
    }
}

/// Writes all rows of a list.
pub(super) fn write(
    columns: &[(&str, Shape)],
    rows: Vec<Vec<Owned>>,
    format: FormatArgs,
    more: bool,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let heading = |(name, shape): &(&str, Shape)| Heading {
        name: (*name).to_owned(),
        shape: Some(*shape),
    };
    let headings = columns.iter().map(heading).collect();
    let mut writer = RowWriter::begin(context.out, format.format(), headings)?;
    for row in rows {
        writer.row(context.out, row)?;
    }
    Ok(writer.end(context.out, context.screen, &context.zone, more)?)
}

/// A text or NULL, as a cell.
pub(super) fn cell(text: Option<&str>) -> Owned {
    text.map_or(Owned::Null, |text| Owned::Text(text.to_owned()))
}
