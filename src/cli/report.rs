//! `report`: everything that is known of a range of time, in one text.

use super::exit::CliError;
use super::parts::{self, Part, ScopeArgs};
use super::table::{Format, csv_field, json_value};
use super::{Context, errors, folder, health, performance, security, traces};
use crate::health::Scope;
use crate::storage::{Owned, Session};

const EXAMPLES: &str = "\
Examples:
  nightjar report                            the last 24 hours
  nightjar report --since 7d > week.txt
  nightjar report --json                     all of it for a program
  nightjar report --csv                      one value a line: part, row, column, value";

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// A text for people; so it is without any option
    #[arg(long, group = "format")]
    text: bool,
    #[command(flatten)]
    scope: ScopeArgs,
}

/// A heading, and what stands under it.
type Chapter = (&'static str, &'static str, Vec<Part>);

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let scope = args.scope.scope(context)?;
    let limit = args.scope.limit();
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let (now, before) = health::both(&mut session, &scope, context)?;
    let chapters = chapters(&mut session, &scope, limit, context)?;
    drop(session);
    let whole = health::part_of(&now, &before, &scope);
    match args.scope.format() {
        Format::Table => {
            parts::write_heading("Report", &scope, context)?;
            writeln!(context.out, "Health: {}", health::sentence(&now, &before))?;
            writeln!(context.out)?;
            whole.write_text(context)?;
            for (_, heading, parts) in &chapters {
                writeln!(
                    context.out,
                    "\n── {heading} {}",
                    "─".repeat(60 - heading.len())
                )?;
                for part in parts {
                    writeln!(context.out)?;
                    part.write_text(context)?;
                }
            }
            Ok(())
        }
        Format::Json => {
            writeln!(context.out, "{{{},", parts::times(&scope))?;
            parts::write_json(&[whole], context)?;
            for (name, _, parts) in &chapters {
                writeln!(context.out, ",\"{name}\":{{")?;
                parts::write_json(parts, context)?;
                writeln!(context.out, "}}")?;
            }
            Ok(writeln!(context.out, "}}")?)
        }
        format => values(format, &whole, &chapters, context),
    }
}

fn chapters(
    session: &mut dyn Session,
    scope: &Scope,
    limit: usize,
    context: &Context<'_>,
) -> Result<Vec<Chapter>, CliError> {
    let errors = errors::parts_of(session, scope, (errors::LEVEL, errors::BUCKET_NS), limit)?;
    let threshold = performance::THRESHOLD;
    Ok(vec![
        (
            "security",
            "Security",
            security::parts_of(session, scope, limit, context)?,
        ),
        (
            "performance",
            "Performance",
            performance::parts_of(session, scope, threshold, limit)?,
        ),
        ("errors", "Errors", errors),
        (
            "traces",
            "Traces",
            vec![
                traces::part_of(session, scope, limit)?,
                traces::patterns_of(session, scope, None, limit)?,
            ],
        ),
    ])
}

/// Rows of many kinds as one kind: where a value stands, and the value.
fn values(
    format: Format,
    whole: &Part,
    chapters: &[Chapter],
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    if format == Format::Csv {
        writeln!(context.out, "part,row,column,value")?;
    }
    write_values(format, "", whole, context)?;
    for (chapter, _, parts) in chapters {
        for part in parts {
            write_values(format, chapter, part, context)?;
        }
    }
    Ok(())
}

fn write_values(
    format: Format,
    chapter: &str,
    part: &Part,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let name = match chapter {
        "" => part.name.to_owned(),
        chapter => format!("{chapter}.{}", part.name),
    };
    for (row, column, shape, value) in part.cells() {
        let json = json_value(value, shape);
        if format == Format::JsonLines {
            let object = serde_json::json!({
                "part": name, "row": row, "column": column, "value": json
            });
            writeln!(context.out, "{object}")?;
            continue;
        }
        let field = match (value, json) {
            (Owned::Null, _) => String::new(),
            (_, serde_json::Value::String(text)) => csv_field(&text),
            (_, other) => other.to_string(),
        };
        writeln!(context.out, "{name},{row},{column},{field}")?;
    }
    part.tell_asides(&format!("{name}: "), context)
}
