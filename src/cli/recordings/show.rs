//! `recordings show`.

use serde_json::json;

use super::super::exit::{CliError, Exit};
use super::super::grid::Grid;
use super::super::table::{human_value, json_value};
use super::super::term::{Ink, visible};
use super::super::when::local;
use super::super::{Context, folder};
use super::list::length;
use super::{find, recordings_folder};
use crate::base::clock::rfc3339;
use crate::event::Envelope;
use crate::event::sentence::sentence;
use crate::event_log::read::EventReader;
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, StorageError, all, first};
use crate::values;

/// Most events that are shown; a recording has about five.
const EVENTS_MAX: i64 = 1_000;

/// What is shown, in this order, as the statement below gives it.
const FIELDS: [(&str, Shape); 33] = [
    ("id", Shape::Number),
    ("original_name", Shape::Text),
    ("file_path", Shape::Text),
    ("state", Shape::Text),
    ("failure", Shape::Text),
    ("integrity", Shape::Text),
    ("checked_at", Shape::Time),
    ("camera_id", Shape::Text),
    ("started_at", Shape::Time),
    ("ended_at", Shape::Time),
    ("duration_s", Shape::Number),
    ("recorded_at", Shape::Time),
    ("file_size", Shape::Bytes),
    ("trigger", Shape::Text),
    ("detection_type", Shape::Text),
    ("event_id", Shape::Number),
    ("starred", Shape::Flag),
    ("held", Shape::Flag),
    ("hold_reason", Shape::Text),
    ("codec", Shape::Text),
    ("width", Shape::Number),
    ("height", Shape::Number),
    ("fps", Shape::Number),
    ("frame_count", Shape::Number),
    ("key_id", Shape::Text),
    ("iv", Shape::Text),
    ("plain_sha256", Shape::Text),
    ("header_tag", Shape::Text),
    ("thumbnail_path", Shape::Text),
    ("thumbnail_size", Shape::Bytes),
    ("deleted_at", Shape::Time),
    ("deleted_by", Shape::Text),
    ("position", Shape::Number),
];

/// Arguments of `recordings show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id or path
    #[arg(value_name = "ID|PATH")]
    recording: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let house = recordings_folder(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let recording = find(&mut session, &args.recording, &house)?;
    let row = first(
        &mut session,
        "SELECT id, original_name, file_path, state, failure, integrity, checked_at, camera_id, \
         started_at, ended_at, duration_s, recorded_at, file_size, trigger, detection_type, \
         event_id, starred, held, hold_reason, codec, width, height, fps, frame_count, key_id, iv, \
         plain_sha256, header_tag, thumbnail_path, thumbnail_size, deleted_at, deleted_by, position \
         FROM recordings WHERE id = ?1",
        values![recording.id],
        |row| (0..FIELDS.len()).map(|column| row.owned(column)).collect(),
    )?;
    let row: Vec<Owned> =
        row.ok_or_else(|| CliError::new(Exit::NoInput, "it vanished this moment"))?;
    let events = events_of(&mut session, recording.id, &recording.stream())?;
    if args.json {
        return write_json(&row, &events, context);
    }
    let mut grid = Grid::new(context.screen);
    for ((name, shape), value) in FIELDS.iter().zip(&row) {
        let text = match (value, *name) {
            (Owned::Null, _) | (Owned::Integer(0), "starred" | "held") => continue,
            (Owned::Real(seconds), "duration_s") => length(*seconds),
            _ => human_value(value, Some(*shape), &context.zone),
        };
        let name = name.trim_end_matches("_id").trim_end_matches("_s");
        grid.row(vec![name.replace('_', " "), text]);
    }
    grid.write(context.out)?;
    writeln!(context.out)?;
    for event in &events {
        let at = local(event.occurred_at, &context.zone);
        let at = context.screen.paint(Ink::Faint, &at).into_owned();
        let said = sentence(event);
        writeln!(context.out, "{at}  {}", visible(&said))?;
    }
    Ok(())
}

/// The events of one recording's row. None of them lies before the one that its row began with.
pub(super) fn events_of(
    session: &mut dyn Session,
    id: i64,
    stream: &str,
) -> Result<Vec<Envelope>, StorageError> {
    let next = first(
        session,
        "SELECT min(id) FROM recordings WHERE id > ?1 AND original_name = \
         (SELECT original_name FROM recordings WHERE id = ?1)",
        values![id],
        |row| row.opt_int(0),
    )?;
    let until = next.flatten().unwrap_or(i64::MAX);
    let positions = all(
        session,
        "SELECT e.position FROM event_log e JOIN names n ON n.id = e.stream \
         WHERE e.position >= ?1 AND e.position < ?2 AND n.name = ?3 ORDER BY e.position LIMIT ?4",
        values![id, until, stream, EVENTS_MAX],
        |row| row.int(0),
    )?;
    let mut reader = EventReader::new();
    let mut events = Vec::with_capacity(positions.len());
    for position in positions {
        events.extend(reader.at(session, position)?);
    }
    Ok(events)
}

fn write_json(
    row: &[Owned],
    events: &[Envelope],
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let fields = FIELDS.iter().zip(row);
    let recording: serde_json::Map<_, _> = fields
        .map(|((name, shape), value)| ((*name).to_owned(), json_value(value, Some(*shape))))
        .collect();
    let events: Vec<_> = events
        .iter()
        .map(|event| {
            json!({
                "position": event.position,
                "kind": event.kind().name(),
                "occurred_at": rfc3339(event.occurred_at),
                "sentence": sentence(event),
            })
        })
        .collect();
    let value = json!({ "recording": recording, "events": events });
    let text = serde_json::to_string_pretty(&value)
        .map_err(|error| CliError::new(Exit::Bug, error.to_string()))?;
    Ok(writeln!(context.out, "{text}")?)
}
