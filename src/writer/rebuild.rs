//! Rebuilding: projections folded again from the log, after a version was raised or on demand,
//! and the proof that a rebuild gives the same tables.

use super::batch::fold;
use crate::event::{Envelope, Event};
use crate::event_log::append::head;
use crate::event_log::read::{Bounds, EventReader};
use crate::read_model::Projection;
use crate::read_model::digest::{TableDigest, table_digest};
use crate::storage::sqlite::Database;
use crate::storage::{Disposition, Session, StorageError, all, migrate};
use crate::values;

/// One transaction of a rebuild: large enough that rollups are written rarely; the bytes keep the
/// memory flat however large the snapshots of cameras are. One event more is read than folded.
const CHUNK: Bounds = Bounds {
    events: 8_192 + 1,
    bytes: 16 * 1024 * 1024,
};

/// Told: projection, events folded, events in all.
pub type Progress<'p> = &'p mut dyn FnMut(&str, i64, i64);

/// An event that a fold refused while its projection was brought up to date. The projection goes on
/// without it; a fold has no clock, so that it refuses the same events at every rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The event.
    pub position: i64,
    /// The projection.
    pub projection: &'static str,
    /// What the database said.
    pub reason: String,
}

/// Brings every projection to the head: new ones and those whose version was raised from the
/// start, others from their checkpoint. Resumes where a killed run stopped.
pub fn catch_up(
    database: &mut Database,
    projections: &[Projection],
    progress: Progress<'_>,
) -> Result<Vec<Refusal>, StorageError> {
    let mut session = database.begin()?;
    let known = all(
        &mut session,
        "SELECT name, version, checkpoint FROM projections",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.int(2)?)),
    )?;
    // A projection that this program does not fold falls behind from here on. Without its row it is
    // folded anew, should a later program have it again.
    for (name, ..) in &known {
        if !projections.iter().any(|projection| projection.name == name) {
            session.write("DELETE FROM projections WHERE name = ?1", values![name])?;
        }
    }
    let mut lagging: Vec<(Projection, i64)> = Vec::new();
    for projection in projections {
        let checkpoint = known
            .iter()
            .find(|(name, version, _)| name == projection.name && *version == projection.version)
            .map(|(.., checkpoint)| *checkpoint);
        if checkpoint.is_none() {
            reset(&mut session, projection)?;
        }
        lagging.push((*projection, checkpoint.unwrap_or(0)));
    }
    let head = head(&mut session)?;
    session.commit()?;
    lagging.retain(|(_, checkpoint)| *checkpoint < head);
    fold_lagging(database, &mut lagging, head, progress)
}

/// Empties every projection; [`catch_up`] then folds the whole log.
pub fn reset_all(database: &mut Database, projections: &[Projection]) -> Result<(), StorageError> {
    let mut session = database.begin()?;
    for projection in projections {
        reset(&mut session, projection)?;
    }
    session.commit()
}

/// The same for a database that no writer has open; the caller holds the folder's lock.
pub fn rebuild_at_rest(
    options: &super::Options,
    progress: Progress<'_>,
) -> Result<u64, super::WriterError> {
    let mut database = super::open(options)?;
    migrate::migrate(&mut database, migrate::SQLITE, options.clock.now())?;
    reset_all(&mut database, options.projections)?;
    catch_up(&mut database, options.projections, progress)?;
    let events = head(&mut database.snapshot()?)? as u64;
    // Best effort: the WAL is as durable as the database.
    let _ = database.checkpoint_whole();
    Ok(events)
}

fn reset(session: &mut dyn Session, projection: &Projection) -> Result<(), StorageError> {
    projection.clear(session)?;
    session.write(
        "INSERT INTO projections (name, version, checkpoint) VALUES (?1, ?2, 0) \
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, checkpoint = 0",
        values![projection.name, projection.version],
    )
}

fn fold_lagging(
    database: &mut Database,
    lagging: &mut [(Projection, i64)],
    head: i64,
    progress: Progress<'_>,
) -> Result<Vec<Refusal>, StorageError> {
    let mut reader = EventReader::new();
    let mut refused = Vec::new();
    let Some(mut position) = lagging.iter().map(|(_, checkpoint)| *checkpoint).min() else {
        return Ok(refused);
    };
    while position < head {
        let mut session = database.begin()?;
        let (batch, last) = chunk(&mut reader, &mut session, position, CHUNK)?;
        for (projection, checkpoint) in lagging.iter_mut().filter(|(_, done)| *done < last) {
            let from = batch.partition_point(|event| event.position <= *checkpoint);
            refused.extend(fold_gently(&mut session, projection, &batch[from..])?);
            *checkpoint = last;
            session.write(
                "UPDATE projections SET checkpoint = ?2 WHERE name = ?1",
                values![projection.name, last],
            )?;
            progress(projection.name, last, head);
        }
        session.commit()?;
        position = last;
    }
    Ok(refused)
}

/// Folds a batch into one projection; if it refuses, event by event, leaving out the culprits: an
/// event of years ago must not keep the daemon from starting.
pub(super) fn fold_gently(
    session: &mut dyn Session,
    projection: &Projection,
    batch: &[Envelope],
) -> Result<Vec<Refusal>, StorageError> {
    let mut refused = Vec::new();
    let whole = try_fold(session, projection, batch)?;
    if whole.is_none() {
        return Ok(refused);
    }
    for event in batch.chunks(1) {
        if let Some(reason) = try_fold(session, projection, event)? {
            let position = event[0].position;
            tracing::error!(
                position,
                projection = projection.name,
                reason,
                "left out of a table"
            );
            refused.push(Refusal {
                position,
                projection: projection.name,
                reason,
            });
        }
    }
    Ok(refused)
}

/// Folds in a savepoint; the reason when the data was refused.
fn try_fold(
    session: &mut dyn Session,
    projection: &Projection,
    batch: &[Envelope],
) -> Result<Option<String>, StorageError> {
    session.savepoint()?;
    match fold(session, std::slice::from_ref(projection), batch) {
        Ok(()) => session.release().map(|()| None),
        Err(error) if error.disposition() == Disposition::Park => {
            session.roll_back().map(|()| Some(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// The events after `position` that projections take, and the position that the chunk ends at.
/// An event that was parked (the next one says so) is left out.
pub(super) fn chunk(
    reader: &mut EventReader,
    session: &mut dyn Session,
    position: i64,
    bounds: Bounds,
) -> Result<(Vec<Envelope>, i64), StorageError> {
    let (mut batch, ended) = reader.chunk(session, position, bounds)?;
    let parked: Vec<i64> = batch
        .iter()
        .filter(|event| matches!(event.event, Event::EventParked(_)))
        // One that stands elsewhere was written after a catch-up, for its projection alone.
        .filter_map(|event| event.cause.filter(|cause| cause + 1 == event.position))
        .collect();
    if !ended && batch.len() > 1 {
        // Only read to see whether it parks its predecessor; it belongs to the next chunk.
        batch.pop();
    }
    let last = batch.last().map_or(position, |event| event.position);
    batch.retain(|event| !parked.contains(&event.position));
    Ok((batch, last))
}

/// A table as it is and as a rebuild makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The projection that owns it.
    pub projection: &'static str,
    /// In the live database.
    pub live: TableDigest,
    /// Folded anew.
    pub rebuilt: TableDigest,
}

impl Comparison {
    /// Whether both are the same.
    pub fn is_equal(&self) -> bool {
        self.live == self.rebuilt
    }
}

/// Folds the log of `live` into the empty database `scratch`, and compares table by table. Reads
/// one unchanging state of `live`, which may go on being written.
pub fn compare(
    live: &mut Database,
    scratch: &mut Database,
    projections: &[Projection],
    progress: Progress<'_>,
) -> Result<Vec<Comparison>, StorageError> {
    migrate::migrate(scratch, migrate::SQLITE, 0)?;
    let mut live = live.snapshot()?;
    let head = head(&mut live)?;
    let mut reader = EventReader::new();
    let mut position = 0;
    while position < head {
        let (batch, last) = chunk(&mut reader, &mut live, position, CHUNK)?;
        let mut session = scratch.begin()?;
        copy_texts(&mut session, &batch)?;
        for projection in projections {
            fold_gently(&mut session, projection, &batch)?;
        }
        session.commit()?;
        position = last;
        progress("all", position, head);
    }
    let mut rebuilt = scratch.snapshot()?;
    let mut comparisons = Vec::new();
    for projection in projections {
        let tables = projection.tables.iter();
        let dumps = tables.flat_map(|table| {
            let index = table.index.map(|index| (index.name, index.dump));
            [Some((table.name, table.dump)), index]
        });
        for (name, dump) in dumps.flatten() {
            comparisons.push(Comparison {
                projection: projection.name,
                live: table_digest(&mut live, name, dump)?,
                rebuilt: table_digest(&mut rebuilt, name, dump)?,
            });
        }
    }
    Ok(comparisons)
}

/// The texts of the log, which a search index needs to let a row go.
fn copy_texts(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        if let Some(text) = &event.text {
            session.write(
                "INSERT INTO event_log (position, kind, version, occurred_at, received_at, stream, \
                 source, flags, text, body) VALUES (?1, 0, 0, 0, 0, 0, 0, 0, ?2, x'')",
                values![event.position, text],
            )?;
        }
    }
    Ok(())
}
