//! `models`: what the models of usual behaviour have learned, and beginning one anew.

use super::exit::{CliError, Exit};
use super::table::FormatArgs;
use super::{Context, decide, events, folder, setup};
use crate::detection::{Sensitivity, describe};
use crate::read_model::view::Shape;
use crate::storage::Owned;
use crate::store::model;
use crate::writer::StateChange;

const EXAMPLES: &str = "\
Examples:
  nightjar models list                            what is watched, and how far each model has come
  nightjar models list --json | jq -r .[].key     the keys alone
  nightjar models reset hw:source:nginx --yes     nginx has changed for good: learn it anew
  nightjar models reset --all --yes               learn everything anew
  nightjar status                                 whether the models keep up";

/// Arguments of `models`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Every model as it was saved last: what it is about, how far it has come, its size
    List(List),
    /// Forget what a model has learned; it warms up again
    Reset(Reset),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Reset {
    /// The model's key, as `models list` shows it
    #[arg(
        value_name = "KEY",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    key: Option<String>,
    /// All models
    #[arg(long)]
    all: bool,
    /// Do it; without this it is only told what would be forgotten
    #[arg(long)]
    yes: bool,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, context),
        Verb::Reset(args) => reset(args, context),
    }
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    const COLUMNS: [(&str, Shape); 7] = [
        ("key", Shape::Text),
        ("subject", Shape::Text),
        ("stage", Shape::Text),
        ("learned", Shape::Number),
        ("position", Shape::Number),
        ("updated_at", Shape::Time),
        ("size", Shape::Bytes),
    ];
    let sensitivity = setup::load(context)?.config.detection.sensitivity.into();
    let mut database = folder::open_reader(&context.folder)?;
    let mut rows = Vec::new();
    model::for_each(&mut database.snapshot()?, |stored| {
        let (subject, stage, learned) = match describe(&stored.key, &stored.data, sensitivity) {
            Some(Ok((subject, learned, stage))) => (
                Owned::Text(subject),
                stage.name().to_owned(),
                Owned::Integer(i64::try_from(learned).unwrap_or(i64::MAX)),
            ),
            Some(Err(why)) => (Owned::Null, format!("begins anew: {why}"), Owned::Null),
            // The clock of all models is none itself.
            None => return,
        };
        rows.push(vec![
            Owned::Text(stored.key),
            subject,
            Owned::Text(stage),
            learned,
            Owned::Integer(stored.position),
            Owned::Integer(stored.updated_at),
            Owned::Integer(stored.data.len() as i64),
        ]);
    })?;
    if rows.is_empty() {
        context.note(
            "no model was saved yet; the daemon saves them every few minutes and when it stops",
        );
    }
    events::write(&COLUMNS, rows, false, args.format, context)
}

fn reset(args: &Reset, context: &mut Context<'_>) -> Result<(), CliError> {
    let known = {
        let mut database = folder::open_reader(&context.folder)?;
        model::keys(&mut database.snapshot()?)?
    };
    let is_model = |key: &String| describe(key, &[], Sensitivity::Normal).is_some();
    let gone: Vec<_> = known
        .into_iter()
        .filter(is_model)
        .filter(|key| args.key.as_ref().is_none_or(|wanted| wanted == key))
        .collect();
    if gone.is_empty() {
        let text = match &args.key {
            Some(key) => format!("there is no model {key}; `nightjar models list` shows them"),
            None => "there is no model; nothing was learned yet".to_owned(),
        };
        return Err(CliError::new(Exit::NoInput, text));
    }
    let what = match gone.as_slice() {
        [key] => key.clone(),
        keys => format!("all {} models", keys.len()),
    };
    if !args.yes {
        let text = format!("{what} would forget what was learned; to do that, add --yes");
        return Err(CliError::new(Exit::Usage, text));
    }
    let change = StateChange::ModelsSaved {
        states: Vec::new(),
        gone,
        position: 0,
    };
    decide::change(context, change)?;
    writeln!(context.out, "reset {what}")?;
    context.note("a running daemon begins anew when it saves its models next");
    Ok(())
}
