//! How far sources of lines were read, and what a person should know of them.

use serde::de::DeserializeOwned;

use crate::base::clock::UnixNanos;
use crate::event::NewEvent;
use crate::event::system::{Noted, Weight};
use crate::storage::{Session, StorageError, first};
use crate::values;

/// The place of `source`; none if it was never read. A place that cannot be understood is an error:
/// to begin anew would store every line twice.
pub(super) fn read<P: DeserializeOwned>(
    session: &mut dyn Session,
    source: &str,
) -> Result<Option<P>, StorageError> {
    let stored = first(
        session,
        "SELECT place FROM source_places WHERE source = ?1",
        values![source],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    stored
        .map(|place| {
            serde_json::from_str(&place).map_err(|error| {
                StorageError::Unreadable(format!("source_places, {source}: {error}"))
            })
        })
        .transpose()
}

/// A note on a source of lines.
pub(super) fn note(at: UnixNanos, text: &str) -> NewEvent {
    tracing::warn!("{text}");
    let noted = Noted {
        component: "logs".into(),
        level: Weight::Info,
    };
    NewEvent::own(at, "system/logs", noted).with_text(text)
}
