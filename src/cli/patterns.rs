//! `patterns`: what log lines, and messages of unknown topics, have in common, how often it came,
//! and what is new.

use super::exit::{CliError, Exit};
use super::paging;
use super::table::{Format, FormatArgs};
use super::{Context, folder};
use crate::base::clock::DAY_NS;
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, StorageError, all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar patterns                        the most frequent kinds of lines
  nightjar patterns --new                  kinds of lines that first came in the last 24 hours
  nightjar patterns --new --since 7d --json
  nightjar patterns --source heron/sshd    of one source
  nightjar query events --template 17      the lines of one kind";

/// Lines of a source that are counted, the newest.
const SOURCE_LINES: i64 = 200_000;

/// Arguments of `patterns`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only what first came since then, the newest first [default for --since: -24h]
    #[arg(long)]
    new: bool,
    /// Only what came at or after this: RFC 3339, today, -2h, 7d; the counts are of all time
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only lines of this source, as HOST/SOURCE; the counts are of it alone
    #[arg(long, value_name = "HOST/SOURCE")]
    source: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

const COLUMNS: [(&str, Shape); 7] = [
    ("id", Shape::Number),
    ("count", Shape::Number),
    ("first_seen", Shape::Time),
    ("last_seen", Shape::Time),
    ("template", Shape::Text),
    ("source", Shape::Text),
    ("example", Shape::Text),
];
/// What people see of [`COLUMNS`]: the template tells the example.
const SHOWN: usize = 5;

const FREQUENT: &str = "SELECT template_id, event_count, first_seen_ns, last_seen_ns, \
     template_str, (SELECT CASE WHEN n.name LIKE 'log/%' THEN substr(n.name, 5) ELSE n.name END \
     FROM names n WHERE n.id = e.stream), e.text \
     FROM templates LEFT JOIN event_log e ON e.position = example \
     WHERE last_seen_ns >= ?1 ORDER BY event_count DESC, template_id LIMIT ?2";
const NEW: &str = "SELECT t.template_id, t.event_count, t.first_seen_ns, t.last_seen_ns, \
     t.template_str, (SELECT CASE WHEN n.name LIKE 'log/%' THEN substr(n.name, 5) ELSE n.name END \
     FROM names n WHERE n.id = e.stream), e.text \
     FROM templates t LEFT JOIN event_log e ON e.position = t.example \
     WHERE t.first_seen_ns >= ?1 ORDER BY t.first_seen_ns DESC LIMIT ?2";
const OF_SOURCE: &str = "WITH seen (id, lines, first_at, last_at, example) AS \
     (SELECT template_id, count(*), min(at), max(at), max(position) FROM \
      (SELECT template_id, at, position FROM log_lines WHERE source = ?3 AND at >= ?1 \
       ORDER BY at DESC LIMIT ?4) WHERE template_id IS NOT NULL GROUP BY template_id) \
     SELECT t.template_id, seen.lines, seen.first_at, seen.last_at, t.template_str, \
     (SELECT substr(n.name, 5) FROM names n WHERE n.id = ?3), e.text \
     FROM seen CROSS JOIN templates t ON t.template_id = seen.id \
     LEFT JOIN event_log e ON e.position = seen.example \
     WHERE ?5 = 0 OR t.first_seen_ns >= ?1 ORDER BY seen.lines DESC, t.template_id LIMIT ?2";

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let since = match &args.since {
        Some(text) => context.moment("--since", text)?,
        None if args.new => context.clock.now() - DAY_NS,
        None => i64::MIN,
    };
    let wanted = i64::from(args.limit) + 1;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let mut found = match &args.source {
        None if args.new => rows(&mut session, NEW, values![since, wanted])?,
        None => rows(&mut session, FREQUENT, values![since, wanted])?,
        Some(source) => {
            let source = number(&mut session, source)?;
            let values = values![since, wanted, source, SOURCE_LINES, args.new];
            rows(&mut session, OF_SOURCE, values)?
        }
    };
    drop(session);
    let more = found.len() > args.limit as usize;
    found.truncate(args.limit as usize);
    if args.format.format() == Format::Table {
        for row in &mut found {
            row.truncate(SHOWN);
        }
        paging::write(&COLUMNS[..SHOWN], found, args.format, more, context)?;
    } else {
        paging::write(&COLUMNS, found, args.format, more, context)?;
    }
    if more {
        context.out.flush()?;
        context.note(&format!(
            "these are the first {}; --limit shows more",
            args.limit
        ));
    }
    Ok(())
}

fn rows(
    session: &mut dyn Session,
    sql: &'static str,
    values: &[crate::storage::Value<'_>],
) -> Result<Vec<Vec<Owned>>, StorageError> {
    all(session, sql, values, |row| {
        (0..COLUMNS.len()).map(|column| row.owned(column)).collect()
    })
}

/// The number of a source's stream.
fn number(session: &mut dyn Session, source: &str) -> Result<i64, CliError> {
    let stream = format!("log/{source}");
    let known = first(
        session,
        "SELECT id FROM names WHERE name = ?1",
        values![&stream],
        |row| row.int(0),
    )?;
    known.ok_or_else(|| {
        let text = format!(
            "no line came from {source:?}; a source is HOST/SOURCE, as `nightjar errors sources` \
             and `nightjar query log_events` name them"
        );
        CliError::new(Exit::Usage, text)
    })
}
