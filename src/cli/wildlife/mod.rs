//! `wildlife`: which wild animals come to the house, how often, and when.

mod species;
mod stats;

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::paging::{PageArgs, cell};
use super::{Context, folder, suggestion};
use crate::read_model::encounters::{self, INTERVAL_MIN, INTERVALS_MIN, Wanted};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar wildlife list --since -2d --threat predator
  nightjar wildlife encounters --species fox       visits in place of single frames
  nightjar wildlife species                        who ever came, and whether anybody is new
  nightjar wildlife stats --by hour --species fox
  nightjar wildlife stats --by weather";

/// Arguments of `wildlife`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Each time a wild animal was seen
    List(List),
    /// Sightings joined to visits
    Encounters(Encounters),
    /// Every species that ever came
    Species(species::Args),
    /// How many came, by hour of the day or by weather
    Stats(stats::Args),
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, context),
        Verb::Encounters(args) => encounters(args, context),
        Verb::Species(args) => species::run(args, context),
        Verb::Stats(args) => stats::run(args, context),
    }
}

/// Reads `--interval`.
pub(super) fn interval(text: &str) -> Result<i64, String> {
    let known = text
        .parse()
        .ok()
        .filter(|minutes| INTERVALS_MIN.contains(minutes));
    known.ok_or_else(|| "intervals are 1, 2, 30 and 60 minutes".into())
}

/// A species as it is stored; one that never came is an error.
fn known_species(session: &mut dyn Session, typed: &str) -> Result<String, CliError> {
    let species = typed.trim().to_lowercase();
    let known = all(
        session,
        "SELECT species FROM wildlife_species ORDER BY species",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    if known.contains(&species) {
        return Ok(species);
    }
    let hint = suggestion::hint(&species, known.iter().map(String::as_str));
    let text = format!("no {species} was ever seen{hint}\n`nightjar wildlife species` shows all.");
    Err(CliError::new(Exit::NoInput, text))
}

/// Where a page begins: behind the sighting with this id.
fn behind(session: &mut dyn Session, before: Option<i64>) -> Result<Option<(i64, i64)>, CliError> {
    let Some(id) = before else {
        return Ok(None);
    };
    let at = first(
        session,
        "SELECT at FROM wildlife_sightings WHERE id = ?1",
        values![id],
        |row| row.int(0),
    )?;
    let text = format!("there is no sighting {id}; `nightjar wildlife list` shows ids");
    at.map(|at| Some((at, id)))
        .ok_or_else(|| CliError::new(Exit::NoInput, text))
}

#[derive(Debug, clap::Args)]
struct List {
    /// Of this species
    #[arg(long)]
    species: Option<String>,
    /// At this camera
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// Of this threat
    #[arg(long, value_parser = ["predator", "nuisance", "passive"], ignore_case = true)]
    threat: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    const COLUMNS: [(&str, Shape); 9] = [
        ("id", Shape::Number),
        ("at", Shape::Time),
        ("species", Shape::Text),
        ("threat", Shape::Text),
        ("confidence", Shape::Number),
        ("camera_id", Shape::Text),
        ("temperature_c", Shape::Number),
        ("conditions", Shape::Text),
        ("first_ever", Shape::Flag),
    ];
    let (since, until) = args.page.range(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let (at, id) = behind(&mut session, args.page.before)?.unwrap_or((i64::MAX, i64::MAX));
    let threat = args.threat.as_ref().map(|threat| threat.to_uppercase());
    let (camera, threat) = (args.camera.as_deref(), threat.as_deref());
    let limit = args.page.rows_wanted();
    let rows = match &args.species {
        Some(typed) => {
            let species = known_species(&mut session, typed)?;
            all(
                &mut session,
                "SELECT s.id, s.at, s.species, s.threat, s.confidence, s.camera_id, \
                 s.temperature_c, s.conditions, w.first_position = s.id \
                 FROM wildlife_sightings s JOIN wildlife_species w ON w.species = s.species \
                 WHERE s.species = ?8 AND s.at >= ?1 AND s.at < ?2 AND s.at <= ?3 \
                 AND (s.at < ?3 OR s.id < ?4) AND (?5 IS NULL OR s.camera_id = ?5) \
                 AND (?6 IS NULL OR s.threat = ?6) ORDER BY s.at DESC, s.id DESC LIMIT ?7",
                values![since, until, at, id, camera, threat, limit, &species],
                |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
            )?
        }
        None => all(
            &mut session,
            "SELECT s.id, s.at, s.species, s.threat, s.confidence, s.camera_id, \
             s.temperature_c, s.conditions, w.first_position = s.id \
             FROM wildlife_sightings s CROSS JOIN wildlife_species w ON w.species = s.species \
             WHERE s.at >= ?1 AND s.at < ?2 AND s.at <= ?3 \
             AND (s.at < ?3 OR s.id < ?4) AND (?5 IS NULL OR s.camera_id = ?5) \
             AND (?6 IS NULL OR s.threat = ?6) ORDER BY s.at DESC, s.id DESC LIMIT ?7",
            values![since, until, at, id, camera, threat, limit],
            |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
        )?,
    };
    args.page.write(&COLUMNS, rows, 0, context)
}

#[derive(Debug, clap::Args)]
struct Encounters {
    /// Of this species
    #[arg(long)]
    species: Option<String>,
    /// At this camera
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// Sightings at most this far apart are one encounter, minutes: 1, 2, 30 or 60
    #[arg(long, value_name = "MIN", default_value_t = INTERVAL_MIN, value_parser = interval)]
    interval: i64,
    #[command(flatten)]
    page: PageArgs,
}

fn encounters(args: &Encounters, context: &mut Context<'_>) -> Result<(), CliError> {
    const COLUMNS: [(&str, Shape); 7] = [
        ("id", Shape::Number),
        ("started_at", Shape::Time),
        ("ended_at", Shape::Time),
        ("species", Shape::Text),
        ("camera_id", Shape::Text),
        ("sightings", Shape::Number),
        ("confidence", Shape::Number),
    ];
    let (since, until) = args.page.range(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let species = match &args.species {
        Some(typed) => Some(known_species(&mut session, typed)?),
        None => None,
    };
    let wanted = Wanted {
        interval_min: args.interval,
        since,
        until,
        behind: behind(&mut session, args.page.before)?,
        animal: species.as_deref(),
        camera: args.camera.as_deref(),
        limit: args.page.rows_wanted(),
    };
    let found = encounters::of_wildlife(&mut session, &wanted)?;
    let row = |visit: &encounters::Encounter| {
        vec![
            Owned::Integer(visit.id),
            Owned::Integer(visit.started_at),
            Owned::Integer(visit.ended_at),
            cell(Some(&visit.species)),
            cell(Some(&visit.camera)),
            Owned::Integer(visit.sightings),
            Owned::Real(visit.confidence),
        ]
    };
    let rows = found.iter().map(row).collect();
    args.page.write(&COLUMNS, rows, 0, context)
}
