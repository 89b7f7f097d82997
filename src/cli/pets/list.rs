//! `pets list` and `pets show`.

use serde_json::json;

use super::super::exit::{CliError, Exit};
use super::super::grid::Grid;
use super::super::paging;
use super::super::table::{FormatArgs, human_value, json_value};
use super::super::term::{Ink, visible};
use super::super::when::local;
use super::super::{Context, folder};
use super::find;
use crate::base::clock::{SECOND_NS, rfc3339};
use crate::reactor::pet_rules::condition::words;
use crate::reactor::pet_rules::of_pet;
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, StorageError, all, first};
use crate::values;

const COLUMNS: [(&str, Shape); 10] = [
    ("id", Shape::Text),
    ("name", Shape::Text),
    ("species", Shape::Text),
    ("breed", Shape::Text),
    ("registered", Shape::Flag),
    ("last_seen_at", Shape::Time),
    ("last_camera", Shape::Text),
    ("last_location", Shape::Text),
    ("rules", Shape::Number),
    ("trained_with", Shape::Number),
];

/// How near in time somebody else counts as company.
const COMPANY_NS: i64 = 30 * SECOND_NS;

/// Arguments of `pets list`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Also pets that were removed
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT id, name, species, breed, registered_at IS NOT NULL, last_seen_at, last_camera, \
         last_location, (SELECT count(*) FROM pet_rules r WHERE r.pet_id = p.id), training_count \
         FROM pets p WHERE ?1 OR removed_at IS NULL AND \
         (registered_at IS NOT NULL OR last_seen_at IS NOT NULL) \
         ORDER BY registered_at IS NULL, name_key, id",
        values![args.all],
        |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
    )?;
    paging::write(&COLUMNS, rows, args.format, false, context)
}

/// Arguments of `pets show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Id or name
    pet: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

const FIELDS: [(&str, Shape); 12] = [
    ("id", Shape::Text),
    ("name", Shape::Text),
    ("species", Shape::Text),
    ("breed", Shape::Text),
    ("description", Shape::Text),
    ("photo_path", Shape::Text),
    ("registered_at", Shape::Time),
    ("removed_at", Shape::Time),
    ("last_seen_at", Shape::Time),
    ("last_camera", Shape::Text),
    ("last_location", Shape::Text),
    ("training_count", Shape::Number),
];

pub(super) fn show(args: &Show, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let pet = find(&mut session, &args.pet)?;
    let row: Option<Vec<Owned>> = first(
        &mut session,
        "SELECT id, name, species, breed, description, photo_path, registered_at, removed_at, \
         last_seen_at, last_camera, last_location, training_count FROM pets WHERE id = ?1",
        values![&pet.id],
        |row| (0..FIELDS.len()).map(|column| row.owned(column)).collect(),
    )?;
    let row = row.ok_or_else(|| CliError::new(Exit::NoInput, "it vanished this moment"))?;
    let company = match (&row[8], &row[9]) {
        (Owned::Integer(at), Owned::Text(camera)) => company(&mut session, &pet.id, camera, *at)?,
        _ => Vec::new(),
    };
    let rules = of_pet(&mut session, &pet.id)?;
    let sightings = sightings(&mut session, &pet.id)?;
    if args.json {
        let fields = FIELDS.iter().zip(&row);
        let mut object: serde_json::Map<_, _> = fields
            .map(|((name, shape), value)| ((*name).to_owned(), json_value(value, Some(*shape))))
            .collect();
        object.insert("last_seen_with".into(), json!(company));
        let rules = rules.iter().map(|rule| {
            json!({
                "id": rule.id, "name": rule.name, "conditions": rule.conditions,
                "action": rule.action, "enabled": rule.enabled,
                "last_fired_at": rule.last_fired_at.map(rfc3339),
            })
        });
        object.insert("rules".into(), rules.collect());
        let text = serde_json::to_string_pretty(&object)
            .map_err(|error| CliError::new(Exit::Bug, error.to_string()))?;
        return Ok(writeln!(context.out, "{text}")?);
    }
    let mut grid = Grid::new(context.screen);
    for ((name, shape), value) in FIELDS.iter().zip(&row) {
        if *value != Owned::Null {
            let text = human_value(value, Some(*shape), &context.zone);
            grid.row(vec![name.trim_end_matches("_at").replace('_', " "), text]);
        }
    }
    if !company.is_empty() {
        let company: Vec<_> = company.iter().map(|who| visible(who)).collect();
        grid.row(vec!["last seen with".into(), company.join(", ")]);
    }
    for rule in &rules {
        let off = if rule.enabled { "" } else { " (switched off)" };
        let text = format!("{}: {}{off}", rule.name, words(&rule.conditions));
        grid.row(vec!["rule".into(), visible(&text).into_owned()]);
    }
    grid.write(context.out)?;
    if !sightings.is_empty() {
        writeln!(context.out)?;
    }
    for (id, at, camera) in sightings {
        let at = local(at, &context.zone);
        let at = context.screen.paint(Ink::Faint, &at).into_owned();
        writeln!(context.out, "{at}  {}  {id}", visible(&camera))?;
    }
    Ok(())
}

/// Who else was at the camera when the pet was seen last: other pets, and what the events tell of
/// people.
fn company(
    session: &mut dyn Session,
    pet: &str,
    camera: &str,
    at: i64,
) -> Result<Vec<String>, StorageError> {
    let (from, to) = (at.saturating_sub(COMPANY_NS), at.saturating_add(COMPANY_NS));
    let mut company = all(
        session,
        "SELECT DISTINCT coalesce(p.name, 'a strange ' || s.species) FROM pet_sightings s \
         LEFT JOIN pets p ON p.id = s.pet_id WHERE s.at >= ?1 AND s.at <= ?2 \
         AND s.camera_id = ?3 AND s.pet_id IS NOT ?4 ORDER BY 1",
        values![from, to, camera, pet],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    company.extend(all(
        session,
        "SELECT DISTINCT message FROM events WHERE timestamp_ns >= ?1 AND timestamp_ns <= ?2 \
         AND source_type = 'camera' AND source_id = ?3 \
         AND type IN ('PERSON_DETECTED', 'FACE_KNOWN', 'FACE_UNKNOWN') ORDER BY 1",
        values![from, to, camera],
        |row| Ok(row.text(0)?.to_owned()),
    )?);
    Ok(company)
}

/// The last sightings: id, time, camera.
fn sightings(
    session: &mut dyn Session,
    pet: &str,
) -> Result<Vec<(i64, i64, String)>, StorageError> {
    all(
        session,
        "SELECT id, at, camera_id FROM pet_sightings WHERE animal = '=' || ?1 \
         ORDER BY at DESC, id DESC LIMIT 5",
        values![pet],
        |row| Ok((row.int(0)?, row.int(1)?, row.text(2)?.to_owned())),
    )
}
