//! `faces name`, `edit`, `merge`: what a person says of a face.

use super::super::exit::{CliError, Exit};
use super::super::term::visible;
use super::super::{Context, decide, folder};
use super::find;
use crate::event::NewEvent;
use crate::event::people::{ProfileEdited, ProfilesMerged};
use crate::storage::first;
use crate::values;

/// Longest name, characters: it stands in tables.
const NAME_MAX_CHARS: usize = 128;

/// Arguments of `faces name`.
#[derive(Debug, clap::Args)]
pub(super) struct Name {
    /// A number, or a name
    #[arg(value_name = "ID|NAME")]
    person: String,
    /// The name
    #[arg(value_name = "NEW NAME")]
    name: String,
}

/// Arguments of `faces edit`.
#[derive(Debug, clap::Args)]
pub(super) struct Edit {
    /// A number, or a name
    #[arg(value_name = "ID|NAME")]
    person: String,
    /// Whether the person lives here
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    household: Option<bool>,
    /// The member whose presence this face tells, if it lives here; "" for none
    #[arg(long, value_name = "MEMBER")]
    presence_member: Option<String>,
    /// Whether the face is of no interest, so that it makes no moment
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    ignored: Option<bool>,
}

/// Arguments of `faces merge`.
#[derive(Debug, clap::Args)]
pub(super) struct Merge {
    /// The one that goes: a number, or a name
    #[arg(value_name = "FROM")]
    from: String,
    /// The one that stays
    #[arg(value_name = "INTO")]
    into: String,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("say yes or no".into()),
    }
}

pub(super) fn name(args: &Name, context: &mut Context<'_>) -> Result<(), CliError> {
    let name = args.name.trim();
    if name.chars().nth(NAME_MAX_CHARS).is_some() || name.chars().any(char::is_control) {
        let text = format!("a name has at most {NAME_MAX_CHARS} characters, all of them visible");
        return Err(CliError::new(Exit::Usage, text));
    }
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let person = find(&mut session, &args.person)?;
    let other = first(
        &mut session,
        "SELECT id FROM face_profiles WHERE name = ?1 AND id <> ?2",
        values![name, person.id],
        |row| row.int(0),
    )?;
    drop(session);
    drop(database);
    if let Some(other) = other {
        let text = format!(
            "person {other} is {name} already; if both are one, `nightjar faces merge {} {other}`",
            person.id
        );
        return Err(CliError::new(Exit::Usage, text));
    }
    let edit = ProfileEdited {
        profile: person.id,
        name: Some(name.to_owned()),
        ..ProfileEdited::default()
    };
    store(edit, context)?;
    let line = match name {
        "" => format!("person {} has no name any more", person.id),
        name => format!("person {} is {name} now", person.id),
    };
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

pub(super) fn edit(args: &Edit, context: &mut Context<'_>) -> Result<(), CliError> {
    if args.household.is_none() && args.presence_member.is_none() && args.ignored.is_none() {
        let text = "nothing to change; give --household, --presence-member or --ignored";
        return Err(CliError::new(Exit::Usage, text));
    }
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let person = find(&mut session, &args.person)?;
    let lives_here = first(
        &mut session,
        "SELECT household FROM face_profiles WHERE id = ?1",
        values![person.id],
        |row| row.int(0),
    )?;
    drop(session);
    drop(database);
    let member = args.presence_member.as_deref().map(str::trim);
    let edit = ProfileEdited {
        profile: person.id,
        name: None,
        household: args.household,
        presence_member: member.map(ToOwned::to_owned),
        ignored: args.ignored,
    };
    let tells_presence = member.is_some_and(|member| !member.is_empty());
    if tells_presence && !args.household.unwrap_or(lives_here == Some(1)) {
        context.note(&format!(
            "{person} does not live here, so that the face tells nobody's presence; add \
             --household yes"
        ));
    }
    store(edit, context)?;
    let line = format!("{person} is changed");
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

pub(super) fn merge(args: &Merge, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let from = find(&mut session, &args.from)?;
    let into = find(&mut session, &args.into)?;
    drop(session);
    drop(database);
    if from.id == into.id {
        let text = format!("{from} is one already");
        return Err(CliError::new(Exit::Usage, text));
    }
    let merge = ProfilesMerged {
        from: from.id,
        into: into.id,
    };
    let stream = format!("person/{}", into.id);
    let event = NewEvent::own(context.clock.now(), stream, merge);
    decide::decide(context, vec![event])?;
    let line = format!("{from} is {into} now");
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

fn store(edit: ProfileEdited, context: &Context<'_>) -> Result<(), CliError> {
    let stream = format!("person/{}", edit.profile);
    let event = NewEvent::own(context.clock.now(), stream, edit);
    decide::decide(context, vec![event])
}
