//! How a verb stores something: through the daemon that holds the data folder, else by a writer of
//! its own for as long as it takes.

use std::sync::Arc;

use super::exit::{CliError, Exit};
use super::{Context, setup};
use crate::app::DATABASE;
use crate::base::lock::FolderLock;
use crate::base::shutdown::Shutdown;
use crate::event::NewEvent;
use crate::ingest::control::{self, Ask, ControlError, Decision};
use crate::read_model;
use crate::writer::{self, Handle, StateChange, sabotage::Sabotage};

/// Stores what a person decided; returns once it is durable.
pub(super) fn decide(context: &Context<'_>, events: Vec<NewEvent>) -> Result<(), CliError> {
    let lines: Vec<Decision> = events.iter().map(Decision::of).collect();
    let mut more = |out: &mut dyn std::io::Write| {
        for line in &lines {
            serde_json::to_writer(&mut *out, line)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    };
    match control::ask(&context.folder, Ask::Decide, &mut more) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => with_writer(context, |writer| Ok(writer.store(events).map(|_| ())?)),
        Err(ControlError::Refused(reason)) => Err(CliError::new(Exit::BadData, reason)),
        Err(error @ ControlError::Socket { .. }) => {
            Err(CliError::new(Exit::Unavailable, error.to_string()))
        }
    }
}

/// Changes a table that is no projection; the number of the row that it was about, if there is one.
pub(super) fn change(context: &Context<'_>, change: StateChange) -> Result<Option<i64>, CliError> {
    let mut more = |out: &mut dyn std::io::Write| {
        serde_json::to_writer(&mut *out, &change)?;
        out.write_all(b"\n")
    };
    match control::ask(&context.folder, Ask::Change, &mut more) {
        Ok(Some(answer)) => Ok(answer["row"].as_i64()),
        Ok(None) => with_writer(context, |writer| Ok(writer.change(change.clone())?)),
        Err(ControlError::Refused(reason)) => Err(CliError::new(Exit::BadData, reason)),
        Err(error @ ControlError::Socket { .. }) => {
            Err(CliError::new(Exit::Unavailable, error.to_string()))
        }
    }
}

/// Runs a writer on the data folder, which no daemon may hold, as long as `work` takes.
pub(super) fn with_writer<T: Send>(
    context: &Context<'_>,
    work: impl FnOnce(&Handle) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let config = setup::load(context)?.config;
    let folder = &context.folder;
    setup::make_data_folder(folder)?;
    let _lock = FolderLock::acquire(folder)?;
    let (durability, cache_kib) = setup::storage(&config);
    let options = writer::Options {
        path: folder.join(DATABASE),
        durability,
        cache_kib,
        clock: context.clock.clone(),
        projections: read_model::ALL,
        reactions: writer::Reactions::all(config.reactions()),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let started = writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {})?;
    let (handle, core) = (started.handle, started.writer);
    std::thread::scope(|scope| {
        let running = std::thread::Builder::new()
            .name("nightjar-writer".into())
            .spawn_scoped(scope, move || core.run())?;
        let outcome = work(&handle);
        // The writer ends with its last handle.
        drop(handle);
        let ended = running
            .join()
            .map_err(|_| CliError::new(Exit::Bug, "the writer panicked"))?;
        ended?;
        outcome
    })
}
