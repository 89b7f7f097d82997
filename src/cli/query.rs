//! `query`: the named questions of the read model.

use super::exit::{CliError, Exit};
use super::grid::Grid;
use super::stream::Filters;
use super::table::{FormatArgs, Heading, RowWriter};
use super::{Context, folder, suggestion};
use crate::read_model::view::Window;
use crate::read_model::{View, views};

const EXAMPLES: &str = "\
Examples:
  nightjar query                                     every name that can be asked for
  nightjar query events --since today
  nightjar query events --source heron/sshd --severity warning --text \"failed password\"
  nightjar query events --entity ip:203.0.113.9 --json
  nightjar query sensor_rollups_hourly --since 3d --csv > temperatures.csv
  nightjar query recordings --since \"2026-11-19 22:00\" --until 06:00 --json";

/// Arguments of `query`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// What to ask for; without it, every name is listed
    name: Option<String>,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    filters: Filters,
}

/// Which rows of a view.
#[derive(Clone, Debug, clap::Args)]
pub struct Page {
    /// From this time on: -2h, today, 2026-11-20, "2026-11-20 03:12", RFC 3339, @epoch
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// To before this time
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// At most this many rows, the newest first
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    if args.filters.any() {
        if args.name.as_deref() != Some("events") {
            let text = "these conditions are those of `nightjar query events`; for anything else \
                        ask `nightjar sql`";
            return Err(CliError::new(Exit::Usage, text));
        }
        let window = window(&args.page, context)?;
        let range = (window.since, window.until);
        return args
            .filters
            .show(range, args.page.limit, args.format, context);
    }
    let Some(name) = &args.name else {
        return list(args, context);
    };
    let view = views().find(|view| view.name == name).ok_or_else(|| {
        let hint = suggestion::hint(name, views().map(|view| view.name));
        let text = format!("there is nothing called {name:?}{hint}\n`nightjar query` lists all.");
        CliError::new(Exit::Usage, text)
    })?;
    write(view, &args.page, args.format, context)
}

/// Shows a page of the view with this name, for a verb of its own.
pub(super) fn show(
    name: &str,
    page: &Page,
    format: FormatArgs,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let view = views()
        .find(|view| view.name == name)
        .ok_or_else(|| CliError::new(Exit::Bug, format!("there is no view {name}")))?;
    write(view, page, format, context)
}

fn write(
    view: &View,
    page: &Page,
    format: FormatArgs,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let window = window(page, context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut rows = view.rows(&mut database.snapshot()?, window)?;
    // One row more was asked for, to know whether there are more.
    let more = rows.len() > page.limit as usize;
    rows.truncate(page.limit as usize);
    let headings = view.columns.iter().map(Heading::from).collect();
    let mut writer = RowWriter::begin(context.out, format.format(), headings)?;
    for row in rows {
        writer.row(context.out, row)?;
    }
    writer.end(context.out, context.screen, &context.zone, more)?;
    if more {
        context.out.flush()?;
        context.note(&format!(
            "these are the newest {} rows; --limit shows more",
            page.limit
        ));
    }
    Ok(())
}

fn window(page: &Page, context: &Context<'_>) -> Result<Window, CliError> {
    let moment = |option, text: &Option<String>, otherwise| match text {
        Some(text) => context.moment(option, text),
        None => Ok(otherwise),
    };
    let since = moment("--since", &page.since, i64::MIN)?;
    let until = moment("--until", &page.until, i64::MAX)?;
    if since >= until {
        let text = "--until is not after --since: no row can lie between them";
        return Err(CliError::new(Exit::Usage, text));
    }
    Ok(Window {
        since,
        until,
        limit: i64::from(page.limit) + 1,
    })
}

fn list(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let text = |text: &str| crate::storage::Owned::Text(text.to_owned());
    let headings = super::table::headings(&["name".into(), "about".into()]);
    if args.format.format() == super::table::Format::Table {
        let mut grid = Grid::new(context.screen);
        views().for_each(|view: &View| grid.row(vec![view.name.into(), view.about.into()]));
        return Ok(grid.write(context.out)?);
    }
    let mut writer = RowWriter::begin(context.out, args.format.format(), headings)?;
    for view in views() {
        writer.row(context.out, vec![text(view.name), text(view.about)])?;
    }
    Ok(writer.end(context.out, context.screen, &context.zone, false)?)
}
