//! `pets add`, `edit` and `remove`.

use super::super::exit::{CliError, Exit};
use super::super::term::visible;
use super::super::{Context, decide, folder};
use super::{Pet, find, find_registered};
use crate::event::NewEvent;
use crate::event::pet::{PETS_MAX, Registered, Removed};
use crate::storage::{Session, first};
use crate::values;

/// Longest name, as for every name in messages, characters.
const NAME_CHARS_MAX: usize = 128;

/// Arguments of `pets add`.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// What it is called
    name: String,
    /// The id by which cameras tell it [default: the name in lower case]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    traits: Traits,
}

/// What is known of a pet.
#[derive(Debug, clap::Args)]
struct Traits {
    /// Species, such as dog
    #[arg(long)]
    species: Option<String>,
    /// Breed
    #[arg(long)]
    breed: Option<String>,
    /// How to tell it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Path of a picture of it
    #[arg(long, value_name = "FILE")]
    photo: Option<String>,
}

/// Arguments of `pets edit`.
#[derive(Debug, clap::Args)]
pub(super) struct Edit {
    /// Id or name
    pet: String,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    traits: Traits,
}

/// Arguments of `pets remove`.
#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// Id or name
    pet: String,
    /// Do it
    #[arg(long)]
    yes: bool,
}

pub(super) fn add(args: &Add, context: &mut Context<'_>) -> Result<(), CliError> {
    let name = named(&args.name)?;
    let id = args.id.clone().unwrap_or_else(|| id_of(&name));
    if id.is_empty() || id.chars().count() > NAME_CHARS_MAX || id.contains(['/', '+', '#']) {
        let text = format!("{id:?} is no id: 1 to {NAME_CHARS_MAX} characters without /, + and #");
        return Err(CliError::new(Exit::Usage, text));
    }
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let taken = first(
        &mut session,
        "SELECT name FROM pets WHERE id = ?1 AND registered_at IS NOT NULL",
        values![&id],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    if let Some(taken) = taken {
        let text = format!("{taken} is registered as {id} already; choose another with --id");
        return Err(CliError::new(Exit::Usage, text));
    }
    name_is_free(&mut session, &name, &id)?;
    let pets = first(
        &mut session,
        "SELECT count(*) FROM pets WHERE registered_at IS NOT NULL",
        &[],
        |row| row.int(0),
    )?;
    if pets.unwrap_or_default() >= PETS_MAX as i64 {
        let text = format!("there are {PETS_MAX} pets already, and no more can be registered");
        return Err(CliError::new(Exit::Usage, text));
    }
    drop(session);
    drop(database);
    let registered = Registered {
        name,
        species: kept(args.traits.species.as_deref(), None).map(|species| species.to_lowercase()),
        breed: kept(args.traits.breed.as_deref(), None),
        description: kept(args.traits.description.as_deref(), None),
        photo_path: kept(args.traits.photo.as_deref(), None),
    };
    let line = format!(
        "{} is a pet of the house now, with the id {id}",
        registered.name
    );
    let event = NewEvent::own(context.clock.now(), format!("pet/{id}"), registered);
    decide::decide(context, vec![event])?;
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

pub(super) fn edit(args: &Edit, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let pet = find_registered(&mut session, &args.pet)?;
    let name = match &args.name {
        Some(name) => named(name)?,
        None => pet.name.clone(),
    };
    name_is_free(&mut session, &name, &pet.id)?;
    drop(session);
    drop(database);
    let (stream, traits) = (pet.stream(), &args.traits);
    let Pet {
        species,
        breed,
        description,
        photo_path,
        ..
    } = pet;
    let registered = Registered {
        name,
        species: kept(traits.species.as_deref(), species).map(|species| species.to_lowercase()),
        breed: kept(traits.breed.as_deref(), breed),
        description: kept(traits.description.as_deref(), description),
        photo_path: kept(traits.photo.as_deref(), photo_path),
    };
    let line = format!("{} is changed", registered.name);
    let event = NewEvent::own(context.clock.now(), stream, registered);
    decide::decide(context, vec![event])?;
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

pub(super) fn remove(args: &Remove, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let pet = find(&mut session, &args.pet)?;
    if !pet.is_registered {
        let text = format!("{} is not registered", pet.name);
        return Err(CliError::new(Exit::NoInput, text));
    }
    let rules = first(
        &mut session,
        "SELECT count(*) FROM pet_rules WHERE pet_id = ?1",
        values![&pet.id],
        |row| row.int(0),
    )?;
    if !args.yes {
        let text = format!(
            "removing {} takes its {} rules away; what was seen stays. Say --yes to do it.",
            pet.name,
            rules.unwrap_or_default()
        );
        return Err(CliError::new(Exit::Usage, text));
    }
    drop(session);
    drop(database);
    let event = NewEvent::own(context.clock.now(), pet.stream(), Removed {});
    decide::decide(context, vec![event])?;
    let line = format!("{} is no pet of the house any more", pet.name);
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

/// What was typed; the empty text takes away, and nothing typed leaves what was there.
fn kept(typed: Option<&str>, before: Option<String>) -> Option<String> {
    match typed.map(str::trim) {
        Some("") => None,
        Some(typed) => Some(typed.to_owned()),
        None => before,
    }
}

fn named(name: &str) -> Result<String, CliError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        let text = format!("a name has 1 to {NAME_CHARS_MAX} characters");
        return Err(CliError::new(Exit::Usage, text));
    }
    Ok(name.to_owned())
}

fn name_is_free(session: &mut dyn Session, name: &str, id: &str) -> Result<(), CliError> {
    let taken = first(
        session,
        "SELECT id FROM pets WHERE name_key = ?1 AND id <> ?2 AND registered_at IS NOT NULL",
        values![&name.to_lowercase(), id],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    match taken {
        None => Ok(()),
        Some(taken) => {
            let text = format!("the pet {taken} is called {name} already; names are unique");
            Err(CliError::new(Exit::Usage, text))
        }
    }
}

/// `Old Tom` → `old_tom`.
fn id_of(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() || letter == '-' {
                letter
            } else {
                '_'
            }
        })
        .collect()
}
