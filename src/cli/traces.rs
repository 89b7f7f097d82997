//! `traces`: what was found out about notable lines and samples, and the patterns over many.

use serde_json::{Value, json};

use super::exit::{CliError, Exit};
use super::grid::Grid;
use super::paging::PageArgs;
use super::parts::{self, Part};
use super::table::{Format, FormatArgs};
use super::term::visible;
use super::when::local;
use super::{Context, folder};
use crate::base::clock::{DAY_NS, rfc3339};
use crate::event::trace::{PatternType, Trigger};
use crate::health::{Scope, sql};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Row, Session, StorageError, all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar traces                            the newest
  nightjar traces list --trigger ban --since 7d
  nightjar traces show 4711                  what led to it, what ran, who was connected
  nightjar traces patterns                   brute force, sweeps, bursts, restart loops";

/// Arguments of `traces`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Traces, the newest first
    List(List),
    /// One trace with its causes, processes and connections
    Show(Show),
    /// Patterns over many lines, the newest first
    Patterns(Patterns),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those of this kind
    #[arg(long, value_parser = Trigger::ALL.map(Trigger::name))]
    trigger: Option<String>,
    /// Only of this severity and more
    #[arg(long, value_name = "SEVERITY", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    min_severity: u8,
    /// Only of this address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<std::net::IpAddr>,
    /// Only of this machine
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The trace's id, as the list shows it
    id: i64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Patterns {
    /// Only those of this kind
    #[arg(long = "type", value_name = "TYPE", value_parser = PatternType::ALL.map(PatternType::name))]
    kind: Option<String>,
    /// At or after this: RFC 3339, today, -2h, 7d [default: 30 days before the end]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Before this [default: now]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

const LIST: [(&str, Shape); 10] = [
    ("id", Shape::Number),
    ("at", Shape::Time),
    ("trigger", Shape::Text),
    ("severity", Shape::Number),
    ("subject", Shape::Text),
    ("host", Shape::Text),
    ("service", Shape::Text),
    ("user", Shape::Text),
    ("ip", Shape::Text),
    ("root_cause", Shape::Text),
];
/// What people see of [`LIST`], so that it fits on a screen.
const LIST_SHOWN: [usize; 7] = [0, 1, 2, 3, 4, 6, 9];
const PATTERNS: [(&str, Shape); 14] = [
    ("id", Shape::Number),
    ("detected_at", Shape::Time),
    ("type", Shape::Text),
    ("severity", Shape::Number),
    ("events", Shape::Number),
    ("started_at", Shape::Time),
    ("ended_at", Shape::Time),
    ("name", Shape::Text),
    ("subject", Shape::Text),
    ("services", Shape::Text),
    ("ips", Shape::Text),
    ("root_cause", Shape::Text),
    ("recommendations", Shape::Text),
    ("description", Shape::Text),
];
/// What people see of [`PATTERNS`].
const PATTERNS_SHOWN: &[usize] = &[0, 1, 2, 3, 4, 13];
const CHAIN: [(&str, Shape); 4] = [
    ("position", Shape::Number),
    ("at", Shape::Time),
    ("stream", Shape::Text),
    ("text", Shape::Text),
];
const PROCESSES: [(&str, Shape); 8] = [
    ("pid", Shape::Number),
    ("name", Shape::Text),
    ("state", Shape::Text),
    ("parent_pid", Shape::Number),
    ("memory_rss", Shape::Bytes),
    ("threads", Shape::Number),
    ("cpu_ticks", Shape::Number),
    ("cmdline", Shape::Text),
];
const CONNECTIONS: [(&str, Shape); 6] = [
    ("protocol", Shape::Text),
    ("state", Shape::Text),
    ("local_ip", Shape::Text),
    ("local_port", Shape::Number),
    ("remote_ip", Shape::Text),
    ("remote_port", Shape::Number),
];

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        None => list(&args.list, context),
        Some(Verb::List(args)) => list(args, context),
        Some(Verb::Show(args)) => show(args, context),
        Some(Verb::Patterns(args)) => patterns(args, context),
    }
}

fn rows(
    session: &mut dyn Session,
    sql: &'static str,
    values: &[crate::storage::Value<'_>],
    columns: usize,
) -> Result<Vec<Vec<Owned>>, StorageError> {
    all(session, sql, values, |row| {
        (0..columns).map(|column| row.owned(column)).collect()
    })
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let (since, until) = args.page.range(context)?;
    let ip = args.ip.map(|ip| ip.to_canonical().to_string());
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let found = rows(
        &mut session,
        sql::TRACES,
        values![
            since,
            until,
            args.trigger.as_deref(),
            i64::from(args.min_severity),
            ip.as_deref(),
            args.host.as_deref(),
            args.page.before,
            args.page.rows_wanted(),
            None::<&str>
        ],
        LIST.len(),
    )?;
    drop(session);
    if !args.page.is_table() {
        return args.page.write(&LIST, found, 0, context);
    }
    let columns = LIST_SHOWN.map(|place| LIST[place]);
    let shown = |row: Vec<Owned>| LIST_SHOWN.iter().map(|place| row[*place].clone()).collect();
    let found = found.into_iter().map(shown).collect();
    args.page.write(&columns, found, 0, context)
}

/// Traces of a range for the report.
pub(super) fn part_of(
    session: &mut dyn Session,
    scope: &Scope,
    limit: usize,
) -> Result<Part, CliError> {
    let found = rows(
        session,
        sql::TRACES,
        values![
            scope.since,
            scope.until,
            None::<&str>,
            0,
            None::<&str>,
            scope.host.as_deref(),
            None::<i64>,
            limit as i64 + 1,
            scope.source.as_deref()
        ],
        LIST.len(),
    )?;
    let name = ("traces", "Traces, the newest first");
    let part = Part::new(name, &LIST, found, limit, "nothing was notable");
    Ok(part.showing(&LIST_SHOWN))
}

/// Patterns of a range, of one machine or source those that a line of it made complete.
pub(super) fn patterns_of(
    session: &mut dyn Session,
    scope: &Scope,
    kind: Option<&str>,
    limit: usize,
) -> Result<Part, CliError> {
    let found = rows(
        session,
        sql::PATTERNS,
        values![
            scope.since,
            scope.until,
            kind,
            limit as i64 + 1,
            scope.host.as_deref(),
            scope.source.as_deref()
        ],
        PATTERNS.len(),
    )?;
    let name = ("patterns", "Patterns, the newest first");
    let part = Part::new(name, &PATTERNS, found, limit, "no pattern was found");
    Ok(part.showing(PATTERNS_SHOWN))
}

fn patterns(args: &Patterns, context: &mut Context<'_>) -> Result<(), CliError> {
    let usual = 30 * DAY_NS;
    let (since, until) =
        parts::range(args.since.as_deref(), args.until.as_deref(), usual, context)?;
    let scope = Scope {
        since,
        until,
        ..Scope::default()
    };
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let limit = args.limit as usize;
    let part = patterns_of(&mut session, &scope, args.kind.as_deref(), limit)?;
    drop(session);
    match args.format.format() {
        Format::Table => part.write_text(context),
        format => part.write_alone(format, context),
    }
}

/// A trace as it is stored; the lists are JSON.
struct Trace {
    id: i64,
    at: i64,
    traced_at: i64,
    cause: i64,
    severity: i64,
    texts: [Option<String>; 7],
    root_cause: Option<String>,
    chain: Vec<i64>,
    related: Vec<String>,
    line: Option<String>,
    summary: Option<String>,
}

/// Names of [`Trace::texts`].
const TEXTS: [&str; 7] = [
    "trigger", "subject", "host", "action", "service", "user", "ip",
];

impl Trace {
    fn read(row: &dyn Row) -> Result<Self, StorageError> {
        let text = |column| row.opt_text(column).map(|text| text.map(ToOwned::to_owned));
        let unreadable = |error: serde_json::Error| StorageError::Unreadable(error.to_string());
        Ok(Self {
            id: row.int(0)?,
            at: row.int(1)?,
            traced_at: row.int(2)?,
            cause: row.int(3)?,
            severity: row.int(7)?,
            texts: [
                text(4)?,
                text(5)?,
                text(6)?,
                text(8)?,
                text(9)?,
                text(10)?,
                text(11)?,
            ],
            root_cause: text(12)?,
            chain: serde_json::from_str(row.text(13)?).map_err(unreadable)?,
            related: serde_json::from_str(row.text(14)?).map_err(unreadable)?,
            line: text(15)?,
            summary: text(16)?,
        })
    }

    fn object(&self) -> serde_json::Map<String, Value> {
        let mut object = serde_json::Map::new();
        for (name, text) in TEXTS.iter().zip(&self.texts) {
            object.insert((*name).into(), json!(text));
        }
        for (name, value) in [
            ("id", json!(self.id)),
            ("at", json!(rfc3339(self.at))),
            ("traced_at", json!(rfc3339(self.traced_at))),
            ("cause", json!(self.cause)),
            ("severity", json!(self.severity)),
            ("root_cause", json!(self.root_cause)),
            ("related_services", json!(self.related)),
            ("message", json!(self.line)),
            ("summary", json!(self.summary)),
        ] {
            object.insert(name.into(), value);
        }
        object
    }
}

/// What an error turned out to be, by name.
fn error_of(session: &mut dyn Session, id: i64) -> Result<Option<Value>, StorageError> {
    first(session, sql::TRACE_ERROR, values![id], |row| {
        let text = |column| row.opt_text(column).map(|text| text.map(ToOwned::to_owned));
        let list = |column| -> Result<Value, StorageError> {
            Ok(serde_json::from_str(row.text(column)?).unwrap_or(Value::Null))
        };
        Ok(json!({
            "error_type": text(0)?,
            "error_category": text(1)?,
            "exception_type": text(2)?,
            "severity": row.int(3)?,
            "file_path": text(4)?,
            "line_number": row.opt_int(5)?,
            "error_code": text(6)?,
            "has_stacktrace": row.int(7)? != 0,
            "root_cause_hints": list(8)?,
            "recovery_suggestions": list(9)?,
        }))
    })
}

fn show(args: &Show, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let Some(trace) = first(&mut session, sql::TRACE, values![args.id], Trace::read)? else {
        let text = format!(
            "there is no trace {}; `nightjar traces` lists them",
            args.id
        );
        return Err(CliError::new(Exit::NoInput, text));
    };
    let mut chain = Vec::new();
    for position in trace.chain.iter().chain([&trace.cause]) {
        chain.extend(rows(
            &mut session,
            sql::CAUSE,
            values![*position],
            CHAIN.len(),
        )?);
    }
    let id = values![trace.id];
    let processes = rows(&mut session, sql::TRACE_PROCESSES, id, PROCESSES.len())?;
    let connections = rows(&mut session, sql::TRACE_CONNECTIONS, id, CONNECTIONS.len())?;
    let error = error_of(&mut session, trace.id)?;
    drop(session);
    let part = |name, columns, rows, nothing| Part::new(name, columns, rows, usize::MAX, nothing);
    let parts = [
        part(
            (
                "chain",
                "What led to it, oldest first; the last is what it is about",
            ),
            &CHAIN,
            chain,
            "nothing",
        ),
        part(
            ("processes", "What ran then"),
            &PROCESSES,
            processes,
            "nobody looked: it was another machine's, or long ago",
        ),
        part(
            ("connections", "Who was connected then"),
            &CONNECTIONS,
            connections,
            "nobody, or nobody looked",
        ),
    ];
    if args.json {
        let mut object = trace.object();
        object.insert("error".into(), error.unwrap_or(Value::Null));
        let object = Value::Object(object).to_string();
        writeln!(
            context.out,
            "{},",
            object.strip_suffix('}').unwrap_or(&object)
        )?;
        parts::write_json(&parts, context)?;
        return Ok(writeln!(context.out, "}}")?);
    }
    sheet(&trace, error.as_ref(), context).write(context.out)?;
    for part in &parts {
        writeln!(context.out)?;
        part.write_text(context)?;
    }
    Ok(())
}

fn sheet(trace: &Trace, error: Option<&Value>, context: &Context<'_>) -> Grid {
    let mut grid = Grid::new(context.screen);
    let mut row = |name: &str, value: &str| {
        grid.row(vec![name.into(), visible(value).into_owned()]);
    };
    row("trace", &trace.id.to_string());
    row("at", &local(trace.at, &context.zone));
    for (name, text) in TEXTS.iter().zip(&trace.texts) {
        if let Some(text) = text {
            row(name, text);
        }
    }
    row("severity", &format!("{} of 100", trace.severity));
    if let Some(summary) = &trace.summary {
        row("summary", summary);
    }
    if let Some(cause) = &trace.root_cause {
        row("because", cause);
    }
    if !trace.related.is_empty() {
        row("services", &trace.related.join(", "));
    }
    let Some(Value::Object(error)) = error else {
        return grid;
    };
    for (name, value) in error {
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::String(text) => row(name, text),
            Value::Array(list) => {
                let list: Vec<_> = list.iter().filter_map(Value::as_str).collect();
                if !list.is_empty() {
                    row(name, &list.join("; "));
                }
            }
            other => row(name, &other.to_string()),
        }
    }
    grid
}
