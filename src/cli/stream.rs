//! Lines and moments as rows, and the conditions by which `query events` picks them.

use std::str::FromStr;

use uuid::Uuid;

use super::exit::{CliError, Exit};
use super::paging::cell;
use super::table::{FormatArgs, Heading, RowWriter};
use super::{Context, folder};
use crate::base::clock::UnixNanos;
use crate::event::entity::{Entity, EntityType};
use crate::read_model::view::Shape;
use crate::storage::Owned;
use crate::store::log::{
    Cursor, EventQuery, LogStore as _, LogStoreError, Logs, PAGE_MAX, SEVERITY_MAX, StoredEvent,
};

/// Columns of lines and moments; of a line `type` is empty.
pub(super) const COLUMNS: [(&str, Shape); 9] = [
    ("timestamp", Shape::Time),
    ("type", Shape::Text),
    ("severity", Shape::Text),
    ("source_type", Shape::Text),
    ("source_id", Shape::Text),
    ("message", Shape::Text),
    ("position", Shape::Number),
    ("severity_id", Shape::Number),
    ("template_id", Shape::Number),
];

/// A line or moment in these columns.
pub(super) fn row(event: &StoredEvent) -> Vec<Owned> {
    let text = |text: &str| Owned::Text(text.to_owned());
    vec![
        Owned::Integer(event.at),
        cell(event.event_type.as_deref()),
        Owned::Text(severity_word(event)),
        text(&event.source_type),
        text(&event.source_id),
        text(&event.message),
        Owned::Integer(event.position),
        Owned::Integer(event.severity.into()),
        event.template.map_or(Owned::Null, Owned::Integer),
    ]
}

/// The severity in the words of lines and of moments, or its number where they have none.
pub(super) fn severity_word(event: &StoredEvent) -> String {
    match (event.severity, &event.event_type) {
        (0, None) => "DEBUG".to_owned(),
        (1, _) => "INFO".to_owned(),
        (3, _) => "WARNING".to_owned(),
        (4, None) => "ERROR".to_owned(),
        (4, Some(_)) => "ALERT".to_owned(),
        (5, _) => "CRITICAL".to_owned(),
        (other, _) => other.to_string(),
    }
}

/// Why a list may end before it is full.
const STOPPED: &str = "not everything was looked at";

const FILTERS: &str =
    "Of `query events`: with any of these, log lines are asked for beside moments";

/// Conditions, all of which hold.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = FILTERS)]
pub(super) struct Filters {
    /// Only from sources of this type: log, camera, sensor, pet, house …
    #[arg(long, value_name = "TYPE")]
    source_type: Option<String>,
    /// Only from this source: driveway, or heron/sshd for lines of sshd on heron
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// At least so grave: debug, info, warning, alert (or error), critical, or 0 to 6
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    severity: Option<u8>,
    /// Only lines of this template, as `nightjar patterns` numbers them
    #[arg(long, value_name = "ID")]
    template: Option<i64>,
    /// Only what names this user, address, host …: user/alice, ip/203.0.113.9, or a UUID
    #[arg(long, value_name = "TYPE/VALUE", value_parser = entity)]
    entity: Option<Uuid>,
    /// Only what holds these words beside each other, by their stems
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// The next page: the cursor that the page before told
    #[arg(long, value_name = "CURSOR", value_parser = Cursor::from_str)]
    cursor: Option<Cursor>,
}

fn severity(text: &str) -> Result<u8, String> {
    const WORDS: [(&str, u8); 6] = [
        ("debug", 0),
        ("info", 1),
        ("warning", 3),
        ("alert", 4),
        ("error", 4),
        ("critical", 5),
    ];
    let word = WORDS
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    let number = || text.parse().ok().filter(|number| *number <= SEVERITY_MAX);
    word.map(|(_, number)| *number)
        .or_else(number)
        .ok_or_else(|| {
            format!("use debug, info, warning, alert, error, critical, or 0 to {SEVERITY_MAX}")
        })
}

fn entity(text: &str) -> Result<Uuid, String> {
    if let Ok(uuid) = Uuid::try_parse(text) {
        return Ok(uuid);
    }
    let (kind, value) = text
        .split_once([':', '/'])
        .ok_or("use TYPE/VALUE, such as user/alice or ip/203.0.113.9, or a UUID")?;
    let kind = kind
        .parse::<EntityType>()
        .map_err(|error| error.to_string())?;
    let entity = Entity::new(kind, value).map_err(|error| error.to_string())?;
    Ok(entity.uuid())
}

impl Filters {
    /// Whether one is set.
    pub(super) const fn any(&self) -> bool {
        self.source_type.is_some()
            || self.source.is_some()
            || self.severity.is_some()
            || self.template.is_some()
            || self.entity.is_some()
            || self.text.is_some()
            || self.cursor.is_some()
    }

    /// Shows what lies between `since` (inclusive) and `until` (exclusive), `limit` rows at most.
    pub(super) fn show(
        &self,
        (since, until): (UnixNanos, UnixNanos),
        limit: u32,
        format: FormatArgs,
        context: &mut Context<'_>,
    ) -> Result<(), CliError> {
        let mut logs = Logs::reading(folder::open_reader(&context.folder)?);
        let mut query = EventQuery {
            since,
            until: inclusive(until),
            source_type: self.source_type.clone(),
            source_id: self.source.clone(),
            min_severity: self.severity.unwrap_or(0),
            template: self.template,
            entity: self.entity,
            text: self.text.clone(),
            cursor: self.cursor,
            limit: limit.min(PAGE_MAX),
        };
        let mut writer = begin(format, context)?;
        let mut left = limit;
        let stopped = loop {
            let page = logs.query_events(&query)?;
            for event in &page.events {
                writer.row(context.out, row(event))?;
            }
            left -= page.events.len() as u32;
            query.cursor = page.next;
            query.limit = left.min(PAGE_MAX);
            // A page that stopped early says so, for the next may be as long on its way.
            if left == 0 || page.stopped || page.next.is_none() {
                break page.stopped;
            }
        };
        let next = query.cursor.map(|cursor| cursor.to_string());
        end(writer, "--cursor", next.as_deref(), stopped, context)
    }
}

/// Begins to write lines and moments.
pub(super) fn begin(format: FormatArgs, context: &mut Context<'_>) -> std::io::Result<RowWriter> {
    let heading = |(name, shape): &(&str, Shape)| Heading {
        name: (*name).to_owned(),
        shape: Some(*shape),
    };
    let headings = COLUMNS.iter().map(heading).collect();
    RowWriter::begin(context.out, format.format(), headings)
}

/// Ends, and tells with which option they go on, if there may be more.
pub(super) fn end(
    mut writer: RowWriter,
    option: &str,
    next: Option<&str>,
    stopped: bool,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    if stopped {
        writer.note(STOPPED);
    }
    if let Some(next) = next {
        writer.cursor(next);
    }
    writer.end(context.out, context.screen, &context.zone, next.is_some())?;
    tell_rest(option, next, stopped, context)
}

/// Tells how a list goes on.
pub(super) fn tell_rest(
    option: &str,
    next: Option<&str>,
    stopped: bool,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    if let Some(next) = next {
        context.out.flush()?;
        let why = if stopped { STOPPED } else { "there are more" };
        context.note(&format!("{why}; the same with {option} {next} goes on"));
    }
    Ok(())
}

/// The last instant before `until`.
pub(super) const fn inclusive(until: UnixNanos) -> UnixNanos {
    if until == i64::MAX { until } else { until - 1 }
}

impl From<LogStoreError> for CliError {
    fn from(error: LogStoreError) -> Self {
        match error {
            LogStoreError::Storage(error) => error.into(),
            LogStoreError::Writer(error) => error.into(),
            LogStoreError::ReadOnly => Self::new(Exit::Bug, error.to_string()),
            _ => Self::new(Exit::Usage, error.to_string()),
        }
    }
}
