//! `pets train`: pictures for the training of whoever recognises the pets.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::super::exit::{CliError, Exit};
use super::super::paging::PageArgs;
use super::super::term::visible;
use super::super::{Context, decide, folder};
use super::{Pet, find};
use crate::event::NewEvent;
use crate::event::pet::{ImageSource, ImageStaged, ImagesUsed};
use crate::read_model::view::Shape;
use crate::storage::{Session, all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar pets train stage --sighting 1234            the picture that was cut out of it
  nightjar pets train stage --image rex.jpg --pet rex
  nightjar pets train list --unused --json             what to train with
  nightjar pets train used 2001 2002                   that was done";

/// Arguments of `pets train`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put a picture aside for training
    Stage(Stage),
    /// The pictures
    List(List),
    /// Say that pictures were used
    Used(Used),
}

#[derive(Debug, clap::Args)]
struct Stage {
    /// The picture that was cut out of this sighting
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "image",
        conflicts_with = "image"
    )]
    sighting: Option<i64>,
    /// A picture of one's own
    #[arg(long, value_name = "FILE", requires = "pet")]
    image: Option<PathBuf>,
    /// The pet that it shows, by id or name [default: whom the sighting shows]
    #[arg(long)]
    pet: Option<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Of this pet, by id or name
    #[arg(long)]
    pet: Option<String>,
    /// Only those that no training has used
    #[arg(long)]
    unused: bool,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, clap::Args)]
struct Used {
    /// Ids of pictures, as `pets train list` shows them
    #[arg(required = true, value_name = "ID")]
    pictures: Vec<i64>,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Stage(args) => stage(args, context),
        Verb::List(args) => list(args, context),
        Verb::Used(args) => used(args, context),
    }
}

fn stage(args: &Stage, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let named = match &args.pet {
        Some(named) => Some(find(&mut session, named)?),
        None => None,
    };
    let (pet, image_path, source) = match (args.sighting, &args.image, named) {
        (Some(sighting), _, named) => {
            let (pet, path) = cropped(&mut session, sighting, named)?;
            (pet, path, ImageSource::Crop)
        }
        (None, Some(image), Some(pet)) => (pet, file(image)?, ImageSource::Upload),
        _ => {
            return Err(CliError::new(
                Exit::Usage,
                "name --sighting, or --image and --pet",
            ));
        }
    };
    drop(session);
    drop(database);
    let staged = ImageStaged {
        pet_id: pet.id.clone(),
        image_path,
        source,
        sighting: args.sighting,
    };
    let line = format!("{} is put aside to train {}", staged.image_path, pet.name);
    let event = NewEvent::own(context.clock.now(), pet.stream(), staged);
    decide::decide(context, vec![event])?;
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

/// Whom a sighting shows, unless somebody else is named, and the path of its picture.
fn cropped(
    session: &mut dyn Session,
    sighting: i64,
    named: Option<Pet>,
) -> Result<(Pet, String), CliError> {
    let found = first(
        session,
        "SELECT pet_id, crop_path FROM pet_sightings WHERE id = ?1",
        values![sighting],
        |row| {
            let text = |column| Ok(row.opt_text(column)?.map(ToOwned::to_owned));
            Ok((text(0)?, text(1)?))
        },
    )?;
    let refused = |text: String| CliError::new(Exit::NoInput, text);
    let (pet, crop) = found.ok_or_else(|| refused(format!("there is no sighting {sighting}")))?;
    let crop =
        crop.ok_or_else(|| refused(format!("sighting {sighting} came without a picture")))?;
    let pet = match (named, pet) {
        (Some(named), _) => named,
        (None, Some(id)) => find(session, &id)?,
        (None, None) => {
            let text = format!(
                "nobody knows whom sighting {sighting} shows; say it with --pet, or first with \
                 `nightjar pets label`"
            );
            return Err(refused(text));
        }
    };
    Ok((pet, crop))
}

fn file(image: &Path) -> Result<String, CliError> {
    let failed = |reason: &dyn std::fmt::Display| {
        CliError::new(Exit::NoInput, format!("{}: {reason}", image.display()))
    };
    let path = std::fs::canonicalize(image).map_err(|error| failed(&error))?;
    if !path.is_file() {
        return Err(failed(&"no file"));
    }
    let text = path.to_str().map(ToOwned::to_owned);
    text.ok_or_else(|| failed(&"its path is no UTF-8; rename it"))
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    const COLUMNS: [(&str, Shape); 7] = [
        ("id", Shape::Number),
        ("created_at", Shape::Time),
        ("pet_id", Shape::Text),
        ("source", Shape::Text),
        ("image_path", Shape::Text),
        ("sighting_id", Shape::Number),
        ("used_in_training_at", Shape::Time),
    ];
    let (since, until) = args.page.range(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let (before, limit) = (
        args.page.before.unwrap_or(i64::MAX),
        args.page.rows_wanted(),
    );
    let pet = match &args.pet {
        Some(named) => Some(find(&mut session, named)?.id),
        None => None,
    };
    let rows = match &pet {
        Some(pet) => all(
            &mut session,
            "SELECT id, created_at, pet_id, source, image_path, sighting_id, used_in_training_at \
             FROM pet_training_images WHERE pet_id = ?6 AND created_at >= ?1 AND created_at < ?2 \
             AND id < ?3 AND (?4 = 0 OR used_in_training_at IS NULL) ORDER BY id DESC LIMIT ?5",
            values![since, until, before, args.unused, limit, pet],
            |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
        )?,
        None => all(
            &mut session,
            "SELECT id, created_at, pet_id, source, image_path, sighting_id, used_in_training_at \
             FROM pet_training_images WHERE created_at >= ?1 AND created_at < ?2 \
             AND id < ?3 AND (?4 = 0 OR used_in_training_at IS NULL) ORDER BY id DESC LIMIT ?5",
            values![since, until, before, args.unused, limit],
            |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
        )?,
    };
    args.page.write(&COLUMNS, rows, 0, context)
}

fn used(args: &Used, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    for id in &args.pictures {
        let known = first(
            &mut session,
            "SELECT 1 FROM pet_training_images WHERE id = ?1",
            values![*id],
            |row| row.int(0),
        )?;
        if known.is_none() {
            let text = format!("there is no picture {id}; `nightjar pets train list` shows ids");
            return Err(CliError::new(Exit::NoInput, text));
        }
    }
    drop(session);
    drop(database);
    let images = ImagesUsed {
        ids: args.pictures.clone(),
    };
    let event = NewEvent::own(context.clock.now(), "pets", images);
    decide::decide(context, vec![event])?;
    Ok(writeln!(
        context.out,
        "{} pictures are used",
        args.pictures.len()
    )?)
}
