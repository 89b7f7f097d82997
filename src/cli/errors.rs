//! `errors`: what fails, how often, and what it turned out to be.

use clap::ValueEnum;

use super::exit::{CliError, Exit};
use super::parts::{self, COMPARED, Part, ScopeArgs, number, text};
use super::term::grouped;
use super::{Context, folder};
use crate::base::clock::MINUTE_NS;
use crate::health::{Scope, errors};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session};

const EXAMPLES: &str = "\
Examples:
  nightjar errors                            the last 24 hours
  nightjar errors --level warning --source nginx
  nightjar errors spikes --since 7d --bucket 1h
  nightjar errors recurring --csv            one part, for a program
  nightjar traces list --trigger error       what was found out about them";

/// A bucket of spikes, unless told otherwise.
pub(super) const BUCKET_NS: i64 = 15 * MINUTE_NS;
/// ERROR and above.
pub(super) const LEVEL: i64 = 3;

/// Arguments of `errors`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only this part
    #[arg(value_name = "PART", value_parser = ["counts", "types", "spikes", "recurring",
          "sources"])]
    part: Option<String>,
    /// Lines of this level and above
    #[arg(long, value_enum, default_value = "error")]
    level: Level,
    /// In which steps spikes are looked for: 5m, 15m, 1h
    #[arg(long, value_name = "SPAN", default_value = "15m")]
    bucket: String,
    #[command(flatten)]
    scope: ScopeArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// WARNING, ERROR and CRITICAL
    Warning,
    /// ERROR and CRITICAL
    Error,
    /// CRITICAL alone
    Critical,
}

const TYPES: [(&str, Shape); 8] = [
    ("type", Shape::Text),
    ("category", Shape::Text),
    ("traces", Shape::Number),
    ("hosts", Shape::Number),
    ("severity", Shape::Number),
    ("first_at", Shape::Time),
    ("last_at", Shape::Time),
    ("trace", Shape::Number),
];
const SPIKES: [(&str, Shape); 4] = [
    ("at", Shape::Time),
    ("errors", Shape::Number),
    ("mean", Shape::Number),
    ("times_mean", Shape::Number),
];
const RECURRING: [(&str, Shape); 6] = [
    ("source", Shape::Text),
    ("count", Shape::Number),
    ("every_s", Shape::Number),
    ("first_at", Shape::Time),
    ("last_at", Shape::Time),
    ("message", Shape::Text),
];
const SOURCES: [(&str, Shape); 5] = [
    ("host", Shape::Text),
    ("source", Shape::Text),
    ("lines", Shape::Number),
    ("errors", Shape::Number),
    ("last_at", Shape::Time),
];

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let scope = args.scope.scope(context)?;
    let level = match args.level {
        Level::Warning => 2,
        Level::Error => LEVEL,
        Level::Critical => 4,
    };
    let bucket_ns = super::when::length(&args.bucket)
        .filter(|bucket| *bucket >= MINUTE_NS)
        .ok_or_else(|| {
            let text = format!(
                "--bucket: {:?} is no span of a minute or more: 5m, 1h",
                args.bucket
            );
            CliError::new(Exit::Usage, text)
        })?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let parts = parts_of(&mut session, &scope, (level, bucket_ns), args.scope.limit())?;
    drop(session);
    let only = args.part.as_deref();
    parts::write("Errors", &parts, only, &args.scope, &scope, context)
}

/// All parts.
pub(super) fn parts_of(
    session: &mut dyn Session,
    scope: &Scope,
    (level, bucket_ns): (i64, i64),
    limit: usize,
) -> Result<Vec<Part>, CliError> {
    let one_more = limit as i64 + 1;
    let types = errors::types(session, scope, one_more)?;
    let spikes = errors::spikes(session, scope, level, bucket_ns)?;
    let spikes = spikes.iter().map(|one| {
        vec![
            Owned::Integer(one.at),
            Owned::Integer(one.errors),
            number(Some(one.mean)),
            number(Some(one.errors as f64 / one.mean)),
        ]
    });
    let again = errors::recurring(session, scope, level)?;
    let recurring = again.recurring.iter().map(|one| {
        vec![
            text(&one.source),
            Owned::Integer(one.count),
            number(Some(one.every_s)),
            Owned::Integer(one.first_at),
            Owned::Integer(one.last_at),
            text(&one.message),
        ]
    });
    let sources = errors::by_source(session, scope, level, one_more)?;
    let sources = sources.iter().map(|one| {
        vec![
            text(&one.host),
            text(&one.source),
            Owned::Integer(one.lines),
            Owned::Integer(one.errors),
            Owned::Integer(one.last_at),
        ]
    });
    let part = |name, columns, rows, nothing| Part::new(name, columns, rows, limit, nothing);
    let mut recurring = part(
        (
            "recurring",
            "The same three times and more, numbers and names aside",
        ),
        &RECURRING,
        recurring.collect(),
        "none came again and again",
    );
    if again.cut {
        let most = grouped(errors::LINES_MAX);
        recurring = recurring.noting(&format!(
            "only the newest {most} lines were looked at; a shorter range tells all"
        ));
    }
    Ok(vec![
        counts(session, scope)?,
        part(
            (
                "types",
                "What they turned out to be, in traces: one a minute of each kind and source",
            ),
            &TYPES,
            types,
            "no error was looked into",
        ),
        part(
            ("spikes", "Spikes: ten and more, and three times the mean"),
            &SPIKES,
            spikes.collect(),
            "there were none",
        ),
        recurring,
        part(
            ("sources", "By source"),
            &SOURCES,
            sources.collect(),
            "nothing failed",
        ),
    ])
}

fn counts(session: &mut dyn Session, scope: &Scope) -> Result<Part, CliError> {
    let now = errors::levels(session, scope)?;
    let before = errors::levels(session, &scope.before())?;
    let rows = vec![
        parts::compared("CRITICAL", before.critical, now.critical),
        parts::compared("ERROR", before.errors, now.errors),
        parts::compared("WARNING", before.warnings, now.warnings),
    ];
    let name = ("counts", "Counts, beside those of the period before");
    Ok(Part::new(name, &COMPARED, rows, usize::MAX, ""))
}
