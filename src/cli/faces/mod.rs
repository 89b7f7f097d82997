//! `faces`: the people that cameras recognise, and what a person says of them.

mod edit;
mod forget;
mod list;

use clap::Subcommand;

use super::Context;
use super::exit::{CliError, Exit};
use super::suggestion::hint;
use crate::storage::{Row, Session, StorageError, all, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar faces list                       who was seen
  nightjar faces unknown                    faces that nobody has named
  nightjar faces show 1234                  visits and pictures of one of them
  nightjar faces name 1234 \"Tove\"           who it is
  nightjar faces edit Tove --household yes --presence-member tove
  nightjar faces merge 1288 Tove            two that are one
  nightjar faces visits Tove --since -7d    when she came
  nightjar faces forget Tove --yes          as if she had never been seen";

/// Arguments of `faces`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Everybody, who was seen last first
    List(list::List),
    /// Faces that nobody has named, the most frequent first
    Unknown(list::List),
    /// What is known of one person
    Show(list::Show),
    /// Say who it is; an empty name takes it away
    Name(edit::Name),
    /// Say more of a person
    Edit(edit::Edit),
    /// Say that two are one: the first becomes a part of the second
    Merge(edit::Merge),
    /// Who came to which camera, and for how long
    Visits(list::Visits),
    /// Forget a person for good: faces, name, pictures, visits, also in the event log
    Forget(forget::Forget),
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list::list(args, context),
        Verb::Unknown(args) => list::unknown(args, context),
        Verb::Show(args) => list::show(args, context),
        Verb::Name(args) => edit::name(args, context),
        Verb::Edit(args) => edit::edit(args, context),
        Verb::Merge(args) => edit::merge(args, context),
        Verb::Visits(args) => list::visits(args, context),
        Verb::Forget(args) => forget::run(args, context),
    }
}

/// A person as a verb speaks of them.
#[derive(Clone, Debug)]
struct Profile {
    id: i64,
    name: Option<String>,
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "person {} ({name})", self.id),
            None => write!(f, "person {}", self.id),
        }
    }
}

fn profile_of(row: &dyn Row) -> Result<Profile, StorageError> {
    Ok(Profile {
        id: row.int(0)?,
        name: row.opt_text(1)?.map(ToOwned::to_owned),
    })
}

/// The person that is meant by a number or a name.
fn find(session: &mut dyn Session, named: &str) -> Result<Profile, CliError> {
    if let Ok(id) = named.parse::<i64>() {
        let found = first(
            session,
            "SELECT id, name FROM face_profiles WHERE id = ?1",
            values![id],
            profile_of,
        )?;
        if let Some(profile) = found {
            return Ok(profile);
        }
    }
    let everybody = all(
        session,
        "SELECT id, name FROM face_profiles WHERE name IS NOT NULL ORDER BY id",
        &[],
        profile_of,
    )?;
    let is_meant = |profile: &&Profile| {
        let name = profile.name.as_deref().unwrap_or_default();
        name.to_lowercase() == named.to_lowercase()
    };
    let meant: Vec<&Profile> = everybody.iter().filter(is_meant).collect();
    match meant[..] {
        [one] => Ok(one.clone()),
        [] => {
            let names = everybody.iter().filter_map(|one| one.name.as_deref());
            let text = format!(
                "there is no person {named}{}; `nightjar faces list` shows all",
                hint(named, names)
            );
            Err(CliError::new(Exit::NoInput, text))
        }
        _ => {
            let ids: Vec<String> = meant.iter().map(|one| one.id.to_string()).collect();
            let text = format!(
                "{named} may be any of {}; say which by the number",
                ids.join(", ")
            );
            Err(CliError::new(Exit::Usage, text))
        }
    }
}
