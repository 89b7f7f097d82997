//! `recordings star`, `unstar`, `hold`, `release`: what must stay.

use super::super::exit::{CliError, Exit};
use super::super::{Context, decide, folder};
use super::{Recording, find, recordings_folder};
use crate::event::recording::{Held, Starred};
use crate::event::{Event, NewEvent};

/// Arguments of `recordings star` and `unstar`.
#[derive(Debug, clap::Args)]
pub(super) struct Star {
    /// Ids or paths
    #[arg(required = true, value_name = "ID|PATH")]
    recordings: Vec<String>,
}

/// Arguments of `recordings hold` and `release`.
#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    /// Ids or paths
    #[arg(required = true, value_name = "ID|PATH")]
    recordings: Vec<String>,
    /// Why; stands in the event log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn star(args: &Star, starred: bool, context: &mut Context<'_>) -> Result<(), CliError> {
    let word = if starred { "starred" } else { "without a star" };
    change(&args.recordings, None, word, context, &|recording| {
        (recording.is_starred != starred).then(|| {
            Starred {
                recording: recording.id,
                starred,
            }
            .into()
        })
    })
}

pub(super) fn hold(args: &Hold, held: bool, context: &mut Context<'_>) -> Result<(), CliError> {
    let word = if held { "held" } else { "not held" };
    let reason = args.reason.as_deref();
    change(&args.recordings, reason, word, context, &|recording| {
        (recording.is_held != held).then(|| {
            Held {
                recording: recording.id,
                held,
            }
            .into()
        })
    })
}

/// Stores what `decision` makes of each recording; none of them if one is unknown.
fn change(
    named: &[String],
    reason: Option<&str>,
    word: &str,
    context: &mut Context<'_>,
    decision: &dyn Fn(&Recording) -> Option<Event>,
) -> Result<(), CliError> {
    let house = recordings_folder(context)?;
    let now = context.clock.now();
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let (mut lines, mut events) = (Vec::new(), Vec::new());
    for one in named {
        let recording = find(&mut session, one, &house)?;
        let named = format!("recording {} ({})", recording.id, recording.original_name);
        if recording.state == "deleted" {
            return Err(CliError::new(Exit::NoInput, format!("{named} is deleted")));
        }
        if let Some(event) = decision(&recording) {
            let event = NewEvent::own(now, recording.stream(), event);
            events.push(match reason {
                Some(reason) => event.with_text(reason),
                None => event,
            });
            lines.push(format!("{named} is {word} now"));
        } else {
            lines.push(format!("{named} is {word} already"));
        }
    }
    drop(session);
    drop(database);
    if !events.is_empty() {
        decide::decide(context, events)?;
    }
    for line in lines {
        writeln!(context.out, "{}", super::super::term::visible(&line))?;
    }
    Ok(())
}
