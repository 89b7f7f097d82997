//! `alarm history` and `alarm requests`.

use super::super::Context;
use super::super::exit::CliError;
use super::super::query;
use super::super::table::FormatArgs;

/// Arguments of both.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    page: query::Page,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows a view of the alarm's.
pub(super) fn run(args: &Args, view: &str, context: &mut Context<'_>) -> Result<(), CliError> {
    query::show(view, &args.page, args.format, context)
}
