//! `faces forget`: through the daemon that holds the data folder, else by this process.

use super::super::exit::{CliError, Exit};
use super::super::term::{grouped, visible};
use super::super::{Context, decide, folder};
use super::find;
use crate::ingest::control::{self, Ask, ControlError};
use crate::storage::first;
use crate::values;
use crate::writer::forget::Forgotten;

/// Arguments of `faces forget`.
#[derive(Debug, clap::Args)]
pub(super) struct Forget {
    /// A number, or a name
    #[arg(value_name = "ID|NAME")]
    person: String,
    /// Do it; it cannot be undone
    #[arg(long)]
    yes: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Forget, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let person = find(&mut session, &args.person)?;
    let found = first(
        &mut session,
        "SELECT (SELECT count(*) FROM face_traces WHERE profile_id = ?1), \
         (SELECT count(*) FROM visits WHERE profile_id = ?1)",
        values![person.id],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )?;
    let (events, visits) = found.unwrap_or_default();
    // A reader that stays would keep the old bytes in the WAL.
    drop(session);
    drop(database);
    if !args.yes {
        let text = format!(
            "{person} would be forgotten for good, with {} events and {} visits; say so with --yes",
            grouped(events),
            grouped(visits)
        );
        return Err(CliError::new(Exit::Usage, visible(&text).into_owned()));
    }
    let done = ask(person.id, context)?;
    if args.json {
        let text = serde_json::to_string_pretty(&done)
            .map_err(|error| CliError::new(Exit::Bug, error.to_string()))?;
        writeln!(context.out, "{text}")?;
    } else {
        writeln!(
            context.out,
            "person {} is forgotten: {} events redacted, {} visits and {} pictures deleted",
            person.id,
            grouped(done.events),
            grouped(visits),
            grouped(done.crops_deleted)
        )?;
        for (path, reason) in &done.crops_left {
            writeln!(
                context.out,
                "left alone: {}: {}",
                visible(path),
                visible(reason)
            )?;
        }
    }
    match done.unfinished {
        None => Ok(()),
        Some(reason) => Err(CliError::new(
            Exit::ProblemsFound,
            format!("old bytes may still lie in the data folder: {reason}"),
        )),
    }
}

fn ask(profile: i64, context: &Context<'_>) -> Result<Forgotten, CliError> {
    let mut more = |out: &mut dyn std::io::Write| writeln!(out, "{profile}");
    match control::ask(&context.folder, Ask::Forget, &mut more) {
        Ok(Some(done)) => serde_json::from_value(done).map_err(|error| {
            let text = format!("the daemon is of another version and said: {error}");
            CliError::new(Exit::BadData, text)
        }),
        Ok(None) => decide::with_writer(context, |writer| {
            writer
                .forget(profile)?
                .map_err(|refusal| CliError::new(Exit::Unavailable, refusal))
        }),
        Err(ControlError::Refused(reason)) => Err(CliError::new(Exit::Unavailable, reason)),
        Err(error @ ControlError::Socket { .. }) => {
            Err(CliError::new(Exit::Unavailable, error.to_string()))
        }
    }
}
