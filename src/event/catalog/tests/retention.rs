//! Samples of retention.

use super::*;
use crate::event::retention::Applied;

pub(super) fn sample(kind: Kind) -> Event {
    match kind {
        Kind::RetentionApplied => Applied {
            table: "pet_sightings".into(),
            before: 1_730_000_000_000_000_000,
            rows: 1_000,
        }
        .into(),
        _ => panic!("{} is no kind of retention", kind.name()),
    }
}
