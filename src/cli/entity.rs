//! `entity`: one user, address, host, …: what happened to it, and what it is related to.

use serde_json::json;
use uuid::Uuid;

use super::exit::{CliError, Exit};
use super::grid::Grid;
use super::paging;
use super::parts::text;
use super::table::{Format, FormatArgs};
use super::term::{Ink, visible};
use super::when::local;
use super::{Context, folder};
use crate::base::clock::rfc3339;
use crate::event::Kind;
use crate::event::entity::{Entity, EntityType};
use crate::read_model::view::Shape;
use crate::storage::Owned;
use crate::store::entity::{
    EntityStore, EntityStoreError, KnownEntity, RelatedEntity, SqlEntityStore, TIMELINE_MAX,
    TimelineEvent, TimelineQuery,
};
use crate::store::graph::Direction;

const EXAMPLES: &str = "\
Examples:
  nightjar entity 203.0.113.9                       who that is, in short
  nightjar entity mara --type user --timeline --since 7d
  nightjar entity host/heron --timeline --severity ERROR --csv > heron.csv
  nightjar entity 203.0.113.9 --related
  nightjar query entities                           everybody who is known";

/// Rows of each part of the overview, and of one part by itself, if nobody says it.
const OVERVIEW_ROWS: u32 = 10;
const PART_ROWS: u32 = 100;

/// Arguments of `entity`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Its name in any spelling, TYPE/NAME, or its uuid
    value: String,
    /// What it is: user, ip, host, process, file, domain, camera, sensor, pet or person
    #[arg(long, value_name = "TYPE")]
    r#type: Option<EntityType>,
    /// Only what happened to it, the oldest first
    #[arg(long, conflicts_with = "related")]
    timeline: bool,
    /// Only what it is related to, the newest first
    #[arg(long)]
    related: bool,
    /// What happened at or after this: RFC 3339, "2026-11-19 22:00", today, -2h, 3d
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// What happened before this
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// What a source of this type told: log, camera, sensor, …
    #[arg(long, value_name = "TYPE")]
    source_type: Option<String>,
    /// What is so severe or more: DEBUG, INFO, WARNING, ERROR, CRITICAL, or 0 to 6
    #[arg(long, value_name = "LEAST", value_parser = severity)]
    severity: Option<i64>,
    /// At most so many, the newest [default: 100, and 10 of each in the overview]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Names of severities; what is an error to a program is an alert to a house.
const SEVERITIES: [(&str, i64); 6] = [
    ("DEBUG", 0),
    ("INFO", 1),
    ("WARNING", 3),
    ("ERROR", 4),
    ("ALERT", 4),
    ("CRITICAL", 5),
];

fn severity(word: &str) -> Result<i64, String> {
    let named = SEVERITIES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    let number = || word.parse().ok().filter(|id| (0..=6).contains(id));
    named
        .map(|(_, id)| *id)
        .or_else(number)
        .ok_or_else(|| "DEBUG, INFO, WARNING, ERROR, ALERT, CRITICAL, or 0 to 6".into())
}

fn severity_word(event: &TimelineEvent) -> Owned {
    let of_line = event.kind == Kind::LogWritten.name();
    match event.severity {
        0 => text("DEBUG"),
        1 => text("INFO"),
        3 => text("WARNING"),
        4 if of_line => text("ERROR"),
        4 => text("ALERT"),
        5 => text("CRITICAL"),
        other => Owned::Integer(other),
    }
}

const TIMELINE: [(&str, Shape); 8] = [
    ("at", Shape::Time),
    ("severity", Shape::Text),
    ("source_type", Shape::Text),
    ("source_id", Shape::Text),
    ("message", Shape::Text),
    ("kind", Shape::Text),
    ("severity_id", Shape::Number),
    ("position", Shape::Number),
];
const RELATED: [(&str, Shape); 8] = [
    ("last_seen", Shape::Time),
    ("direction", Shape::Text),
    ("rel_type", Shape::Text),
    ("type", Shape::Text),
    ("value", Shape::Text),
    ("event_count", Shape::Number),
    ("first_seen", Shape::Time),
    ("uuid", Shape::Text),
];
/// Columns of a part that people see in the overview.
const OVERVIEW_COLUMNS: usize = 6;

/// Rows of a part, and whether there are more.
struct Part {
    columns: &'static [(&'static str, Shape)],
    rows: Vec<Vec<Owned>>,
    more: bool,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut store = SqlEntityStore::new(folder::open_reader(&context.folder)?);
    let known = find(&mut store, &args.value, args.r#type)?;
    if args.timeline {
        let part = timeline(&mut store, &known, args, PART_ROWS, context)?;
        return write(part, args.format, context);
    }
    if args.related {
        let part = related(&mut store, &known, args, PART_ROWS)?;
        return write(part, args.format, context);
    }
    let parts = [
        ("related", related(&mut store, &known, args, OVERVIEW_ROWS)?),
        (
            "timeline",
            timeline(&mut store, &known, args, OVERVIEW_ROWS, context)?,
        ),
    ];
    match args.format.format() {
        Format::Table => overview(&known, parts, context),
        Format::Json => object(&known, parts, args.format, context),
        Format::JsonLines | Format::Csv => {
            let text = "what happened and what is related have no header in common; say --timeline \
                        or --related";
            Err(CliError::new(Exit::Usage, text))
        }
    }
}

/// The one entity that is meant.
pub(super) fn find(
    store: &mut dyn EntityStore,
    value: &str,
    kind: Option<EntityType>,
) -> Result<KnownEntity, CliError> {
    if let (None, Ok(uuid)) = (kind, Uuid::try_parse(value)) {
        let unknown = || error(EntityStoreError::Unknown(uuid));
        return store.get(uuid).map_err(error)?.ok_or_else(unknown);
    }
    let (kind, value) = match value.split_once('/') {
        Some((word, rest)) if kind.is_none() && word.parse::<EntityType>().is_ok() => {
            (word.parse().ok(), rest)
        }
        _ => (kind, value),
    };
    if let Some(kind) = kind
        && let Err(error) = Entity::new(kind, value)
    {
        let text = format!("{value:?} is no {kind}: {error}");
        return Err(CliError::new(Exit::Usage, text));
    }
    let mut found = store.named(value, kind).map_err(error)?;
    let listed = |found: &[KnownEntity]| {
        let each = found.iter().map(|one| {
            let (kind, value) = (one.node.kind, &one.node.value);
            format!("  {kind}/{value}  ({} events)", one.event_count)
        });
        each.collect::<Vec<_>>().join("\n")
    };
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(one), false) => {
            found.push(one);
            let text = format!("{value:?} names several; say which:\n{}", listed(&found));
            Err(CliError::new(Exit::Usage, text))
        }
        (None, _) => {
            let of = kind.map_or_else(String::new, |kind| format!(" {kind}"));
            let text = format!(
                "no event names{of} {value:?}, or it was too long ago; `nightjar query entities` \
                 lists all that are known"
            );
            Err(CliError::new(Exit::NoInput, text))
        }
    }
}

/// An error of the store with its exit code.
pub(super) fn error(error: EntityStoreError) -> CliError {
    let code = match &error {
        EntityStoreError::Unknown(_) => Exit::NoInput,
        EntityStoreError::EmptyRange | EntityStoreError::Severity(_) => Exit::Usage,
        EntityStoreError::Graph(_) => Exit::BadData,
        EntityStoreError::Storage(_) => {
            return match error {
                EntityStoreError::Storage(error) => error.into(),
                other => CliError::new(Exit::Bug, other.to_string()),
            };
        }
    };
    CliError::new(code, error.to_string())
}

fn timeline(
    store: &mut dyn EntityStore,
    known: &KnownEntity,
    args: &Args,
    usual: u32,
    context: &Context<'_>,
) -> Result<Part, CliError> {
    let moment = |option, text: &Option<String>, otherwise| match text {
        Some(text) => context.moment(option, text),
        None => Ok(otherwise),
    };
    let query = TimelineQuery {
        since: moment("--since", &args.since, i64::MIN)?,
        // Its very moment is left out.
        until: moment("--until", &args.until, i64::MAX)?.saturating_sub(1),
        source_type: args.source_type.as_deref(),
        severity_min: args.severity,
        limit: args.limit.unwrap_or(usual) as usize,
    };
    if query.since > query.until {
        let text = "--until is not after --since: nothing can lie between them";
        return Err(CliError::new(Exit::Usage, text));
    }
    let found = store.get_timeline(known.node.uuid, &query).map_err(error)?;
    let row = |event: &TimelineEvent| {
        vec![
            Owned::Integer(event.at),
            severity_word(event),
            text(&event.source_type),
            text(&event.source_id),
            text(&event.message),
            text(&event.kind),
            Owned::Integer(event.severity),
            Owned::Integer(event.position),
        ]
    };
    Ok(Part {
        columns: &TIMELINE,
        rows: found.events.iter().map(row).collect(),
        more: found.cut,
    })
}

fn related(
    store: &mut dyn EntityStore,
    known: &KnownEntity,
    args: &Args,
    usual: u32,
) -> Result<Part, CliError> {
    let (found, cut) = store.get_related(known.node.uuid).map_err(error)?;
    let limit = args.limit.unwrap_or(usual) as usize;
    let row = |one: &RelatedEntity| {
        let direction = match one.direction {
            Direction::Outgoing => "outgoing",
            Direction::Incoming => "incoming",
        };
        vec![
            Owned::Integer(one.last_seen),
            text(direction),
            text(&one.rel_type),
            text(one.node.kind.name()),
            text(&one.node.value),
            Owned::Integer(i64::try_from(one.count).unwrap_or(i64::MAX)),
            Owned::Integer(one.first_seen),
            text(&one.node.uuid.to_string()),
        ]
    };
    Ok(Part {
        columns: &RELATED,
        more: cut || found.len() > limit,
        rows: found.iter().take(limit).map(row).collect(),
    })
}

fn write(part: Part, format: FormatArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    let (shown, more) = (part.rows.len(), part.more);
    paging::write(part.columns, part.rows, format, more, context)?;
    if more {
        context.out.flush()?;
        context.note(&newest(shown));
    }
    Ok(())
}

fn newest(shown: usize) -> String {
    if shown < TIMELINE_MAX {
        format!("the newest {shown} of more; --limit shows them")
    } else {
        format!("the newest {shown} of more; --until shows older ones")
    }
}

fn overview(
    known: &KnownEntity,
    parts: [(&str, Part); 2],
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let mut sheet = Grid::new(context.screen);
    let mut row = |name: &str, value: String| sheet.row(vec![name.into(), value]);
    row(
        known.node.kind.name(),
        visible(&known.node.value).into_owned(),
    );
    row("uuid", known.node.uuid.to_string());
    row("first seen", local(known.first_seen, &context.zone));
    row("last seen", local(known.last_seen, &context.zone));
    row("events", known.event_count.to_string());
    sheet.write(context.out)?;
    for ((_, mut part), (title, nothing)) in parts.into_iter().zip([
        ("Related to", "nothing that is known"),
        ("What happened", "nothing that is still known"),
    ]) {
        let title = context.screen.paint(Ink::Heading, title).into_owned();
        writeln!(context.out, "\n{title}")?;
        if part.rows.is_empty() {
            writeln!(context.out, "{nothing}")?;
            continue;
        }
        for row in &mut part.rows {
            row.truncate(OVERVIEW_COLUMNS);
        }
        let columns = &part.columns[..OVERVIEW_COLUMNS];
        let (shown, more) = (part.rows.len(), part.more);
        paging::write(columns, part.rows, FormatArgs::default(), more, context)?;
        if more {
            writeln!(context.out, "({})", newest(shown))?;
        }
    }
    Ok(())
}

fn object(
    known: &KnownEntity,
    parts: [(&str, Part); 2],
    format: FormatArgs,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let object = json!({
        "uuid": known.node.uuid.to_string(),
        "type": known.node.kind.name(),
        "value": known.node.value,
        "first_seen": rfc3339(known.first_seen),
        "last_seen": rfc3339(known.last_seen),
        "event_count": known.event_count,
    })
    .to_string();
    write!(context.out, "{}", object.trim_end_matches('}'))?;
    for (name, part) in parts {
        write!(context.out, ",\"{name}\":")?;
        paging::write(part.columns, part.rows, format, part.more, context)?;
    }
    Ok(writeln!(context.out, "}}")?)
}
