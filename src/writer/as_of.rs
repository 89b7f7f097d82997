//! The tables as they were after a position: the log folded that far, by the same projections, into
//! an empty database.
//!
//! Only what the asked-for projections take is decoded; events of other kinds are stepped over. The
//! same rules hold as in a rebuild, so that the answer is what the live tables said then.

use std::collections::HashSet;

use super::rebuild::{Progress, fold_gently};
use crate::event::{Event, Kind};
use crate::event_log::read::{EventReader, first_received_since, kind_ids};
use crate::read_model::Projection;
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError, migrate};

/// Events of one transaction; those that are stepped over do not count.
const CHUNK_EVENTS: usize = 8_192;

/// The last position that had arrived at the instant `at`: its event was received at or before it.
/// Arrival follows position; where the clock was set back, a position near it is found.
pub fn position_at(session: &mut dyn Session, at: i64) -> Result<i64, StorageError> {
    Ok(first_received_since(session, at.saturating_add(1))? - 1)
}

/// Folds the log of `live` up to and with position `until` into the empty database `scratch`.
pub fn fold_until(
    live: &mut dyn Session,
    scratch: &mut Database,
    projections: &[Projection],
    until: i64,
    progress: Progress<'_>,
) -> Result<(), StorageError> {
    migrate::migrate(scratch, migrate::SQLITE, 0)?;
    let kinds = wanted(live, projections)?;
    let mut reader = EventReader::new();
    let mut position = 0;
    while position < until {
        // One more than is folded: it may say that its predecessor was parked.
        let (mut batch, scanned) =
            reader.chunk_of(live, position, until + 1, &kinds, CHUNK_EVENTS)?;
        let parked: Vec<i64> = batch
            .iter()
            .filter(|event| matches!(event.event, Event::EventParked(_)))
            .filter_map(|event| event.cause.filter(|cause| cause + 1 == event.position))
            .collect();
        let tells_later = batch.last().is_some_and(|last| last.position == scanned);
        position = scanned;
        if scanned <= until && batch.len() > 1 && tells_later {
            // Only its successor tells whether it counts; both belong to the next chunk.
            batch.pop();
            position -= 1;
        }
        batch.retain(|event| event.position <= until && !parked.contains(&event.position));
        let mut session = scratch.begin()?;
        for projection in projections {
            fold_gently(&mut session, projection, &batch)?;
        }
        session.commit()?;
        progress("folding", position.min(until), until);
    }
    Ok(())
}

/// The kinds, as the log names them, without which the projections would come out otherwise.
fn wanted(
    session: &mut dyn Session,
    projections: &[Projection],
) -> Result<HashSet<i64>, StorageError> {
    let needed = |kind: &Kind| {
        let told = matches!(kind, Kind::EventParked | Kind::RetentionApplied);
        told || projections.iter().any(|projection| projection.takes(*kind))
    };
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(needed).collect();
    kind_ids(session, &kinds)
}
