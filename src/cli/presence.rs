//! `presence`: who is at home, and who came and went.

use super::exit::{CliError, Exit};
use super::table::{Format, FormatArgs, write_all};
use super::term::visible;
use super::{Context, folder, setup};
use crate::read_model::view::Shape;
use crate::storage::{Owned, all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar presence                         who is at home now
  nightjar presence --history --since -2d   who came and went
  nightjar presence --history --member ivo";

/// Arguments of `presence`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Who came and went, the newest first
    #[arg(long)]
    history: bool,
    /// Only this member
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// With --history: at or after this: RFC 3339, "2026-11-19 22:00", today, -2h, 3d
    #[arg(
        long,
        value_name = "WHEN",
        allow_hyphen_values = true,
        requires = "history"
    )]
    since: Option<String>,
    /// With --history: at most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

const NOW: &[(&str, Shape)] = &[
    ("id", Shape::Text),
    ("name", Shape::Text),
    ("role", Shape::Text),
    ("state", Shape::Text),
    ("since", Shape::Time),
    ("last_report_at", Shape::Time),
];

const HISTORY: &[(&str, Shape)] = &[
    ("at", Shape::Time),
    ("who", Shape::Text),
    ("from", Shape::Text),
    ("to", Shape::Text),
    ("because", Shape::Text),
];

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    if args.history {
        history(args, context)
    } else {
        now(args, context)
    }
}

fn now(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    // Names are for people only; without a configuration there are none.
    let configured = setup::load(context)
        .map(|loaded| loaded.config.presence.member)
        .unwrap_or_default();
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let mut rows: Vec<Vec<Owned>> = all(
        &mut session,
        "SELECT id, NULL, role, coalesce(state, reported), changed_at, last_report_at \
         FROM presence_members WHERE ?1 IS NULL OR id = ?1 ORDER BY id",
        values![args.member.as_deref()],
        |row| (0..NOW.len()).map(|column| row.owned(column)).collect(),
    )?;
    let household = first(
        &mut session,
        "SELECT to_state FROM household_log ORDER BY id DESC LIMIT 1",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    drop(session);
    if let (Some(member), true) = (&args.member, rows.is_empty()) {
        let text = format!("there is no member {member}; `nightjar presence` shows all");
        return Err(CliError::new(Exit::NoInput, text));
    }
    for row in &mut rows {
        let name = configured
            .iter()
            .find(|member| row[0] == Owned::Text(member.id.clone()))
            .and_then(|member| member.name.clone());
        row[1] = name.map_or(Owned::Null, Owned::Text);
    }
    let format = args.format.format();
    write_all(context, format, NOW, rows, "nobody was heard of")?;
    if let (Format::Table, Some(state), None) = (format, household, &args.member) {
        let words = state.to_lowercase().replace('_', " ");
        writeln!(context.out, "\nThe household: {}", visible(&words))?;
    }
    Ok(())
}

fn history(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let since = match &args.since {
        Some(text) => context.moment("--since", text)?,
        None => i64::MIN,
    };
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT at, who, from_state, to_state, because FROM ( \
         SELECT at, id, member AS who, from_state, to_state, because FROM presence_log \
         WHERE at >= ?1 AND (?2 IS NULL OR member = ?2) UNION ALL \
         SELECT at, id, 'the household', from_state, to_state, NULL FROM household_log \
         WHERE at >= ?1 AND ?2 IS NULL) ORDER BY at DESC, id DESC LIMIT ?3",
        values![since, args.member.as_deref(), i64::from(args.limit)],
        |row| (0..HISTORY.len()).map(|column| row.owned(column)).collect(),
    )?;
    let nothing = "nobody came or went";
    Ok(write_all(
        context,
        args.format.format(),
        HISTORY,
        rows,
        nothing,
    )?)
}
