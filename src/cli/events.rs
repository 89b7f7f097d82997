//! `events`: the moments at the house, who has seen them, and the rules that make them.

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::table::{FormatArgs, Heading, RowWriter};
use super::{Context, decide, folder, suggestion};
use crate::base::clock::UnixNanos;
use crate::event::NewEvent;
use crate::event::liveness::EventAcknowledged;
use crate::event::registry::ConfiguredRule;
use crate::read_model::events::{classification, configured};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar events list --since today --severity WARNING
  nightjar events list --source camera/yard --type PERSON_DETECTED
  nightjar events list --unacknowledged --before 1234     the page after that
  nightjar events show 1234
  nightjar events ack 1234 1240
  nightjar events ack --all --until 06:00 --by ada
  nightjar events rules                                   what makes a moment";

/// Most moments that are acknowledged in one go; the rest by the next.
const ACK_MAX: i64 = 10_000;

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The moments, the newest first
    List(List),
    /// Everything that is known of some
    Show(Show),
    /// Somebody has seen them
    Ack(Ack),
    /// Take that back
    Unack(Ack),
    /// By which rules events become moments
    Rules(Rules),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Of this type, such as `CONTACT_OPEN`
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// So grave or graver
    #[arg(long, value_name = "LEAST", value_parser = ["INFO", "WARNING", "ALERT", "CRITICAL"], ignore_case = true)]
    severity: Option<String>,
    /// Of this source: yard, or camera/yard
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// That nobody has acknowledged
    #[arg(long)]
    unacknowledged: bool,
    /// At or after this: RFC 3339, "2026-11-19 22:00", today, -2h, 3d
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Before this
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// Those that come after this one in the list: the next page
    #[arg(long, value_name = "POSITION")]
    before: Option<i64>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Positions, as `events list` shows them
    #[arg(required = true, value_name = "POSITION")]
    positions: Vec<i64>,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Ack {
    /// Positions, as `events list` shows them
    #[arg(
        value_name = "POSITION",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    positions: Vec<i64>,
    /// All of them, the oldest 10,000 at most
    #[arg(long, requires = "until")]
    all: bool,
    /// With --all: those before this
    #[arg(
        long,
        value_name = "WHEN",
        requires = "all",
        allow_hyphen_values = true
    )]
    until: Option<String>,
    /// Who has seen them [default: the user of this session]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Rules {
    #[command(flatten)]
    format: FormatArgs,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, context),
        Verb::Show(args) => show(args, context),
        Verb::Ack(args) => acknowledge(args, true, context),
        Verb::Unack(args) => acknowledge(args, false, context),
        Verb::Rules(args) => rules(args.format, context),
    }
}

const COLUMNS: [(&str, Shape); 8] = [
    ("position", Shape::Number),
    ("at", Shape::Time),
    ("severity", Shape::Text),
    ("type", Shape::Text),
    ("source", Shape::Text),
    ("message", Shape::Text),
    ("acknowledged_at", Shape::Time),
    ("acknowledged_by", Shape::Text),
];

/// Rows in the format that was asked for.
pub(super) fn write(
    columns: &[(&str, Shape)],
    rows: Vec<Vec<Owned>>,
    more: bool,
    format: FormatArgs,
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
    writer.end(context.out, context.screen, &context.zone, more)?;
    Ok(())
}

/// A page of moments, found by an index that suits the question.
macro_rules! page {
    ($index:literal, $also:literal) => {
        concat!(
            "SELECT position, timestamp_ns, CASE severity_id WHEN 1 THEN 'INFO' WHEN 3 THEN 'WARNING' \
             WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' ELSE CAST(severity_id AS TEXT) END, type, \
             source_type || '/' || source_id, message, acknowledged_at, acknowledged_by \
             FROM events INDEXED BY ",
            $index,
            " WHERE timestamp_ns >= ?1 AND timestamp_ns < ?2 AND timestamp_ns <= ?3 \
             AND (timestamp_ns < ?3 OR position < ?4) AND severity_id >= ?5 \
             AND (?6 IS NULL OR type = ?6) AND (?7 IS NULL OR source_type = ?7) \
             AND (?8 IS NULL OR source_id = ?8) AND (?9 = 0 OR acknowledged_at IS NULL) ",
            $also,
            " ORDER BY timestamp_ns DESC, position DESC LIMIT ?10"
        )
    };
}

const PAGE_BY_TIME: &str = page!("events_by_time", "");
const PAGE_BY_TYPE: &str = page!("events_by_type", "AND type = ?6");
const PAGE_BY_SOURCE: &str = page!("events_by_source", "AND source_id = ?8");
const PAGE_OF_GRAVE: &str = page!("events_grave", "AND severity_id >= 3");
const PAGE_OF_OPEN: &str = page!("events_open", "AND acknowledged_at IS NULL");

/// The page's query, by what leaves the fewest moments.
fn page_for(args: &List) -> &'static str {
    let grave = args.severity.as_deref().map_or(0, severity_id) >= 3;
    match (&args.source, &args.r#type, grave, args.unacknowledged) {
        (Some(_), ..) => PAGE_BY_SOURCE,
        (None, Some(_), ..) => PAGE_BY_TYPE,
        (None, None, true, _) => PAGE_OF_GRAVE,
        (None, None, false, true) => PAGE_OF_OPEN,
        (None, None, false, false) => PAGE_BY_TIME,
    }
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let since = window(context, "--since", args.since.as_deref(), i64::MIN)?;
    let until = window(context, "--until", args.until.as_deref(), i64::MAX)?;
    let least = args.severity.as_deref().map_or(0, severity_id);
    let (kind, id) = match args.source.as_deref().map(|text| text.split_once('/')) {
        None => (None, None),
        Some(Some((kind, id))) => (Some(kind), Some(id)),
        Some(None) => (None, args.source.as_deref()),
    };
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    if let Some(name) = &args.r#type {
        known_type(&mut session, name)?;
    }
    // The page goes on after the moment that it names, in the order of the list.
    let (at, position) = match args.before {
        None => (i64::MAX, i64::MAX),
        Some(position) => (time_of(&mut session, position)?, position),
    };
    let mut rows: Vec<Vec<Owned>> = all(
        &mut session,
        page_for(args),
        values![
            since,
            until,
            at,
            position,
            least,
            args.r#type.as_deref(),
            kind,
            id,
            args.unacknowledged,
            i64::from(args.limit) + 1
        ],
        |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
    )?;
    let more = rows.len() > args.limit as usize;
    rows.truncate(args.limit as usize);
    let last = rows.last().map(|row| row[0].clone());
    write(&COLUMNS, rows, more, args.format, context)?;
    if let (true, Some(Owned::Integer(last))) = (more, last) {
        context.out.flush()?;
        context.note(&format!("there are more: --before {last} shows the next"));
    }
    Ok(())
}

fn show(args: &Show, context: &mut Context<'_>) -> Result<(), CliError> {
    const SHOWN: [(&str, Shape); 12] = [
        ("position", Shape::Number),
        ("at", Shape::Time),
        ("observed_at", Shape::Time),
        ("severity", Shape::Text),
        ("type", Shape::Text),
        ("source", Shape::Text),
        ("message", Shape::Text),
        ("acknowledged_at", Shape::Time),
        ("acknowledged_by", Shape::Text),
        ("kind", Shape::Text),
        ("stream", Shape::Text),
        ("cause", Shape::Number),
    ];
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let mut rows = Vec::new();
    for &position in &args.positions {
        time_of(&mut session, position)?;
        rows.extend(all(
            &mut session,
            "SELECT e.position, e.timestamp_ns, e.observed_ns, CASE e.severity_id WHEN 1 THEN 'INFO' \
             WHEN 3 THEN 'WARNING' WHEN 4 THEN 'ALERT' WHEN 5 THEN 'CRITICAL' ELSE CAST(e.severity_id AS TEXT) END, \
             e.type, e.source_type || '/' || e.source_id, e.message, e.acknowledged_at, \
             e.acknowledged_by, k.name, s.name, l.cause FROM events e \
             JOIN event_log l ON l.position = e.position JOIN names k ON k.id = l.kind \
             JOIN names s ON s.id = l.stream WHERE e.position = ?1",
            values![position],
            |row| (0..SHOWN.len()).map(|column| row.owned(column)).collect::<Result<Vec<_>, _>>(),
        )?);
    }
    if args.format.format() != super::table::Format::Table {
        return write(&SHOWN, rows, false, args.format, context);
    }
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            writeln!(context.out)?;
        }
        for ((name, shape), value) in SHOWN.iter().zip(row) {
            let value = super::table::human_value(value, Some(*shape), &context.zone);
            writeln!(context.out, "{name:<16} {value}")?;
        }
    }
    Ok(())
}

fn acknowledge(args: &Ack, seen: bool, context: &mut Context<'_>) -> Result<(), CliError> {
    let now = context.clock.now();
    let by = args.by.clone().unwrap_or_else(user);
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let positions = if args.all {
        let until = window(context, "--until", args.until.as_deref(), now)?;
        all(
            &mut session,
            "SELECT position FROM events WHERE timestamp_ns < ?1 \
             AND (acknowledged_at IS NULL) = ?2 ORDER BY timestamp_ns, position LIMIT ?3",
            values![until, seen, ACK_MAX],
            |row| row.int(0),
        )?
    } else {
        args.positions.clone()
    };
    let mut events = Vec::new();
    for position in positions {
        time_of(&mut session, position)?;
        let known = first(
            &mut session,
            "SELECT acknowledged_at IS NOT NULL FROM events WHERE position = ?1",
            values![position],
            |row| row.int(0),
        )?;
        if known != Some(i64::from(seen)) {
            let told = EventAcknowledged {
                position,
                acknowledged: seen,
                by: by.clone(),
            };
            events.push(NewEvent::own(now, "house/events", told));
        }
    }
    drop(session);
    drop(database);
    let count = events.len();
    if count > 0 {
        decide::decide(context, events)?;
    }
    let what = if seen {
        "acknowledged"
    } else {
        "not acknowledged any more"
    };
    match count {
        0 => writeln!(context.out, "nothing to do: {what} already")?,
        1 => writeln!(context.out, "1 event {what}")?,
        _ => writeln!(context.out, "{count} events {what}")?,
    }
    Ok(())
}

fn rules(format: FormatArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    const SHOWN: [(&str, Shape); 7] = [
        ("origin", Shape::Text),
        ("id", Shape::Text),
        ("kind", Shape::Text),
        ("when", Shape::Text),
        ("type", Shape::Text),
        ("severity", Shape::Text),
        ("armed", Shape::Text),
    ];
    let text = |text: &str| Owned::Text(text.to_owned());
    let mut database = folder::open_reader(&context.folder)?;
    let own = configured(&mut database.snapshot()?)?;
    let mut rows = Vec::new();
    for rule in own {
        rows.push(vec![
            text("configured"),
            text(&rule.id),
            text(&rule.kind),
            text(&words(&rule)),
            rule.r#type.as_deref().map_or_else(|| text("(quiet)"), text),
            text(severity_name(rule.severity)),
            text(severity_name(rule.severity)),
        ]);
    }
    for rule in classification::built_in() {
        rows.push(vec![
            text("built-in"),
            Owned::Null,
            text(rule.kind),
            text(&rule.when),
            text(rule.name),
            text(severity_name(rule.severity.0)),
            text(severity_name(rule.severity.1)),
        ]);
    }
    write(&SHOWN, rows, false, format, context)
}

fn words(rule: &ConfiguredRule) -> String {
    let mut words = rule.stream.clone();
    let key = rule.key.as_deref().unwrap_or("any reading");
    let mut say = |what: String| {
        words.push_str(": ");
        words.push_str(&what);
    };
    match (&rule.value, rule.above, rule.below) {
        (None, None, None) if rule.key.is_some() => say(key.to_owned()),
        (None, None, None) => {}
        (value, above, below) => {
            let parts = [
                value.as_ref().map(|value| format!("is {value}")),
                above.map(|least| format!("above {least}")),
                below.map(|most| format!("below {most}")),
            ];
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            say(format!("{key} {}", parts.join(" and ")));
        }
    }
    words
}

const SEVERITIES: [(&str, i64); 4] = [("INFO", 1), ("WARNING", 3), ("ALERT", 4), ("CRITICAL", 5)];

pub(super) fn severity_id(name: &str) -> i64 {
    let found = SEVERITIES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or(0, |(_, id)| *id)
}

pub(super) fn severity_name(id: i64) -> &'static str {
    let found = SEVERITIES.iter().find(|(_, known)| *known == id);
    found.map_or("?", |(name, _)| name)
}

fn window(
    context: &Context<'_>,
    option: &str,
    text: Option<&str>,
    otherwise: UnixNanos,
) -> Result<UnixNanos, CliError> {
    text.map_or(Ok(otherwise), |text| context.moment(option, text))
}

fn time_of(session: &mut dyn Session, position: i64) -> Result<UnixNanos, CliError> {
    let found = first(
        session,
        "SELECT timestamp_ns FROM events WHERE position = ?1",
        values![position],
        |row| row.int(0),
    )?;
    found.ok_or_else(|| {
        let text = format!(
            "there is no moment at position {position}; `nightjar events list` shows positions \
             (`nightjar tail` those of all events, of which not each is a moment)"
        );
        CliError::new(Exit::NoInput, text)
    })
}

/// Refuses a type that neither a rule nor a moment has.
fn known_type(session: &mut dyn Session, name: &str) -> Result<(), CliError> {
    let seen = first(
        session,
        "SELECT 1 FROM events WHERE type = ?1 LIMIT 1",
        values![name],
        |row| row.int(0),
    )?;
    let mut names: Vec<String> = classification::built_in()
        .map(|rule| rule.name.to_owned())
        .collect();
    names.extend(
        configured(session)?
            .into_iter()
            .filter_map(|rule| rule.r#type),
    );
    if seen.is_some() || names.iter().any(|known| known == name) {
        return Ok(());
    }
    let hint = suggestion::hint(name, names.iter().map(String::as_str));
    let text = format!("no rule makes {name}{hint} (`nightjar events rules` shows all)");
    Err(CliError::new(Exit::Usage, text))
}

/// Who sits before the terminal.
pub(super) fn user() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".into())
}
