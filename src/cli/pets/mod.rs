//! `pets`: who belongs to the house, where each was seen, and what should be told about them.

mod list;
mod registry;
mod rules;
mod sightings;
mod train;

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::{Context, suggestion};
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar pets list                                  who was seen where, and when
  nightjar pets add Rex --species dog                 a pet of the house
  nightjar pets show rex
  nightjar pets sightings --pet rex --since today
  nightjar pets encounters --interval 30              visits in place of single frames
  nightjar pets label 1234 --pet rex                  that was Rex
  nightjar pets unlabel 1234                          take that back
  nightjar pets rules add rex --name \"out at night\" \\
      --when detected_without_person=yard --when time_of_day=22:00-06:00
  nightjar pets rules test rex                        what holds now, and why
  nightjar pets train stage --sighting 1234           teach the recogniser";

/// Arguments of `pets`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The pets, and where each was last seen
    List(list::List),
    /// Everything that is known of one pet
    Show(list::Show),
    /// Register a pet; what cameras told under its name is its own from then on
    Add(registry::Add),
    /// Change what is known of a pet
    Edit(registry::Edit),
    /// End a registration; what was seen stays, its rules go
    Remove(registry::Remove),
    /// Each time a pet or a strange animal was seen
    Sightings(sightings::Sightings),
    /// Sightings joined to visits
    Encounters(sightings::Encounters),
    /// Say which pet sightings show
    Label(sightings::Label),
    /// Take labels back
    Unlabel(sightings::Unlabel),
    /// Rules: what should be told about a pet
    Rules(rules::Args),
    /// Pictures to train the recognition with
    Train(train::Args),
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list::list(args, context),
        Verb::Show(args) => list::show(args, context),
        Verb::Add(args) => registry::add(args, context),
        Verb::Edit(args) => registry::edit(args, context),
        Verb::Remove(args) => registry::remove(args, context),
        Verb::Sightings(args) => sightings::sightings(args, context),
        Verb::Encounters(args) => sightings::encounters(args, context),
        Verb::Label(args) => sightings::label(args, context),
        Verb::Unlabel(args) => sightings::unlabel(args, context),
        Verb::Rules(args) => rules::run(args, context),
        Verb::Train(args) => train::run(args, context),
    }
}

/// A pet as its row tells it.
#[derive(Clone, Debug)]
struct Pet {
    id: String,
    name: String,
    species: Option<String>,
    breed: Option<String>,
    description: Option<String>,
    photo_path: Option<String>,
    is_registered: bool,
}

impl Pet {
    fn stream(&self) -> String {
        format!("pet/{}", self.id)
    }
}

fn pet_of(row: &dyn Row) -> Result<Pet, StorageError> {
    let text = |column| Ok::<_, StorageError>(row.opt_text(column)?.map(ToOwned::to_owned));
    Ok(Pet {
        id: row.text(0)?.to_owned(),
        name: row.text(1)?.to_owned(),
        species: text(2)?,
        breed: text(3)?,
        description: text(4)?,
        photo_path: text(5)?,
        is_registered: row.opt_int(6)?.is_some(),
    })
}

/// The pet that a person names, by id or by name in whatever case; a registered one goes first.
fn find(session: &mut dyn Session, named: &str) -> Result<Pet, CliError> {
    let found = first(
        session,
        "SELECT id, name, species, breed, description, photo_path, registered_at FROM pets \
         WHERE id = ?1 OR name_key = ?2 \
         ORDER BY registered_at IS NULL, id <> ?1, removed_at IS NOT NULL, id LIMIT 1",
        values![named, &named.to_lowercase()],
        pet_of,
    )?;
    if let Some(pet) = found {
        return Ok(pet);
    }
    let known = all(
        session,
        "SELECT id, name_key FROM pets ORDER BY id",
        &[],
        |row| Ok([row.text(0)?.to_owned(), row.text(1)?.to_owned()]),
    )?;
    let hint = suggestion::hint(
        &named.to_lowercase(),
        known.iter().flatten().map(String::as_str),
    );
    let text = format!("there is no pet {named:?}{hint}\n`nightjar pets list` shows all.");
    Err(CliError::new(Exit::NoInput, text))
}

/// The same, for what only a registered pet has.
fn find_registered(session: &mut dyn Session, named: &str) -> Result<Pet, CliError> {
    let pet = find(session, named)?;
    if pet.is_registered {
        return Ok(pet);
    }
    let text = format!(
        "{} is known from cameras alone; `nightjar pets add {}` registers it",
        pet.name, pet.name
    );
    Err(CliError::new(Exit::NoInput, text))
}
