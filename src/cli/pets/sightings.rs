//! `pets sightings`, `encounters`, `label` and `unlabel`.

use super::super::exit::{CliError, Exit};
use super::super::paging::{PageArgs, cell};
use super::super::term::visible;
use super::super::{Context, decide, folder};
use super::find;
use crate::event::pet::{SightingLabelled, SightingUnlabelled};
use crate::event::{Event, NewEvent};
use crate::read_model::encounters::{self, INTERVAL_MIN, Wanted};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, all, first};
use crate::values;

const COLUMNS: [(&str, Shape); 9] = [
    ("id", Shape::Number),
    ("at", Shape::Time),
    ("pet_id", Shape::Text),
    ("species", Shape::Text),
    ("confidence", Shape::Number),
    ("camera_id", Shape::Text),
    ("location", Shape::Text),
    ("labelled", Shape::Flag),
    ("crop_path", Shape::Text),
];

/// Arguments of `pets sightings`.
#[derive(Debug, clap::Args)]
pub(super) struct Sightings {
    /// Of this pet, by id or name
    #[arg(long, conflicts_with = "unknown")]
    pet: Option<String>,
    /// Of strange animals alone
    #[arg(long)]
    unknown: bool,
    /// At this camera
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) fn sightings(args: &Sightings, context: &mut Context<'_>) -> Result<(), CliError> {
    let (since, until) = args.page.range(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let (at, id) = behind(&mut session, args.page.before)?;
    let (camera, limit) = (args.camera.as_deref(), args.page.rows_wanted());
    let pet = match &args.pet {
        Some(named) => Some(find(&mut session, named)?.id),
        None => None,
    };
    let rows = match &pet {
        Some(pet) => all(
            &mut session,
            "SELECT id, at, pet_id, species, confidence, camera_id, location, labelled, crop_path \
             FROM pet_sightings WHERE animal = '=' || ?7 AND at >= ?1 AND at < ?2 AND at <= ?3 \
             AND (at < ?3 OR id < ?4) AND (?5 IS NULL OR camera_id = ?5) \
             ORDER BY at DESC, id DESC LIMIT ?6",
            values![since, until, at, id, camera, limit, pet],
            |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
        )?,
        None => all(
            &mut session,
            "SELECT id, at, pet_id, species, confidence, camera_id, location, labelled, crop_path \
             FROM pet_sightings WHERE at >= ?1 AND at < ?2 AND at <= ?3 \
             AND (at < ?3 OR id < ?4) AND (?5 IS NULL OR camera_id = ?5) \
             AND (?7 = 0 OR pet_id IS NULL) ORDER BY at DESC, id DESC LIMIT ?6",
            values![since, until, at, id, camera, limit, args.unknown],
            |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
        )?,
    };
    args.page.write(&COLUMNS, rows, 0, context)
}

/// Where a page begins: behind the sighting with this id.
fn behind(session: &mut dyn Session, before: Option<i64>) -> Result<(i64, i64), CliError> {
    let Some(id) = before else {
        return Ok((i64::MAX, i64::MAX));
    };
    let at = first(
        session,
        "SELECT at FROM pet_sightings WHERE id = ?1",
        values![id],
        |row| row.int(0),
    )?;
    at.map(|at| (at, id)).ok_or_else(|| no_sighting(id))
}

fn no_sighting(id: i64) -> CliError {
    let text = format!("there is no sighting {id}; `nightjar pets sightings` shows ids");
    CliError::new(Exit::NoInput, text)
}

/// Arguments of `pets encounters`.
#[derive(Debug, clap::Args)]
pub(super) struct Encounters {
    /// Of this pet, by id or name
    #[arg(long)]
    pet: Option<String>,
    /// At this camera
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// Sightings at most this far apart are one encounter, minutes: 1, 2, 30 or 60
    #[arg(long, value_name = "MIN", default_value_t = INTERVAL_MIN,
          value_parser = super::super::wildlife::interval)]
    interval: i64,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) fn encounters(args: &Encounters, context: &mut Context<'_>) -> Result<(), CliError> {
    const COLUMNS: [(&str, Shape); 8] = [
        ("id", Shape::Number),
        ("started_at", Shape::Time),
        ("ended_at", Shape::Time),
        ("pet_id", Shape::Text),
        ("species", Shape::Text),
        ("camera_id", Shape::Text),
        ("sightings", Shape::Number),
        ("confidence", Shape::Number),
    ];
    let (since, until) = args.page.range(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let pet = match &args.pet {
        Some(named) => Some(find(&mut session, named)?.id),
        None => None,
    };
    let behind = match args.page.before {
        Some(_) => Some(behind(&mut session, args.page.before)?),
        None => None,
    };
    let wanted = Wanted {
        interval_min: args.interval,
        since,
        until,
        behind,
        animal: pet.as_deref(),
        camera: args.camera.as_deref(),
        limit: args.page.rows_wanted(),
    };
    let found = encounters::of_pets(&mut session, &wanted)?;
    let row = |visit: &encounters::Encounter| {
        vec![
            Owned::Integer(visit.id),
            Owned::Integer(visit.started_at),
            Owned::Integer(visit.ended_at),
            cell(visit.pet.as_deref()),
            cell(Some(&visit.species)),
            cell(Some(&visit.camera)),
            Owned::Integer(visit.sightings),
            Owned::Real(visit.confidence),
        ]
    };
    let rows = found.iter().map(row).collect();
    args.page.write(&COLUMNS, rows, 0, context)
}

/// Arguments of `pets label`.
#[derive(Debug, clap::Args)]
pub(super) struct Label {
    /// Ids of sightings, as `pets sightings` shows them
    #[arg(required = true, value_name = "SIGHTING")]
    sightings: Vec<i64>,
    /// The pet that they show, by id or name
    #[arg(long, required_unless_present = "unknown", conflicts_with = "unknown")]
    pet: Option<String>,
    /// They show no pet of the house
    #[arg(long)]
    unknown: bool,
    /// The species that they show [default: the pet's, else what the camera said]
    #[arg(long)]
    species: Option<String>,
}

pub(super) fn label(args: &Label, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let pet = match &args.pet {
        Some(named) => Some(find(&mut session, named)?),
        None => None,
    };
    drop(session);
    drop(database);
    let species = args
        .species
        .as_deref()
        .map(|species| species.trim().to_lowercase());
    if species.as_deref() == Some("") {
        return Err(CliError::new(
            Exit::Usage,
            "--species is empty; leave it out",
        ));
    }
    let own = pet.as_ref().and_then(|pet| pet.species.clone());
    let species = species.or(own);
    let who = match (&pet, &species) {
        (Some(pet), _) => pet.name.clone(),
        (None, Some(species)) => format!("a strange {species}"),
        (None, None) => "a strange animal".into(),
    };
    change(
        &args.sightings,
        &format!("shows {who} now"),
        context,
        &|position| {
            let label = SightingLabelled {
                position,
                pet_id: pet.as_ref().map(|pet| pet.id.clone()),
                species: species.clone(),
            };
            label.into()
        },
    )
}

/// Arguments of `pets unlabel`.
#[derive(Debug, clap::Args)]
pub(super) struct Unlabel {
    /// Ids of sightings
    #[arg(required = true, value_name = "SIGHTING")]
    sightings: Vec<i64>,
}

pub(super) fn unlabel(args: &Unlabel, context: &mut Context<'_>) -> Result<(), CliError> {
    change(
        &args.sightings,
        "shows what the camera said",
        context,
        &|position| SightingUnlabelled { position }.into(),
    )
}

/// Stores one decision per sighting; none if one is unknown.
fn change(
    positions: &[i64],
    word: &str,
    context: &mut Context<'_>,
    decision: &dyn Fn(i64) -> Event,
) -> Result<(), CliError> {
    let now = context.clock.now();
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let mut events = Vec::new();
    for &position in positions {
        behind(&mut session, Some(position))?;
        let stream = format!("sighting/{position}");
        events.push(NewEvent::own(now, stream, decision(position)));
    }
    drop(session);
    drop(database);
    decide::decide(context, events)?;
    for position in positions {
        writeln!(
            context.out,
            "{}",
            visible(&format!("sighting {position} {word}"))
        )?;
    }
    Ok(())
}
