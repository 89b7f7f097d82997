//! Brute force that goes on.

use core::net::IpAddr;

use super::lines::{self, Earlier};
use super::logins::{COUNTED_MAX, Known, MANY, attacked, attempted, attempts};
use super::{Notable, detected};
use crate::event::NewEvent;
use crate::event::trace::PatternDetected;
use crate::reactor::{Scene, severity};
use crate::storage::StorageError;

/// A brute force that goes on is told again, as the same, whenever it has doubled: 10, 20, 40 …
/// failed logins.
pub(super) fn grown(
    scene: &mut Scene<'_>,
    notable: &Notable<'_>,
    ip: IpAddr,
    known: &Known,
) -> Result<Option<NewEvent>, StorageError> {
    let Some(begun) = known.brute_force else {
        return Ok(None);
    };
    let position = notable.event.position;
    let doubled = begun.event_count.saturating_mul(2);
    // No address has failed more often by this line than by the end of the batch, and each position
    // is one failed login at most: nearly all need not ask.
    let grows_from = scene.memo.logins.grows_from.get(&ip).copied();
    if !known.brute_force_detected(notable.at)
        || doubled > COUNTED_MAX
        || known.failed_logins < doubled
        || grows_from.is_some_and(|from| position < from)
    {
        return Ok(None);
    }
    let since = begun.started_at.saturating_sub(1);
    let until = (notable.at, position);
    let lines = lines::failed_logins(scene.session, ip, since, until, doubled)?;
    let missing = doubled - lines.len() as i64;
    if missing > 0 {
        let memo = &mut scene.memo.logins.grows_from;
        memo.insert(ip, position.saturating_add(missing));
        return Ok(None);
    }
    Ok(Some(told_again(scene, notable, ip, &lines, begun.id)))
}

/// The same brute force with what it is by now.
fn told_again(
    scene: &Scene<'_>,
    notable: &Notable<'_>,
    ip: IpAddr,
    lines: &[Earlier],
    begun: i64,
) -> NewEvent {
    let many = MANY as usize;
    let quickest = lines
        .windows(many)
        .map(|some| some[0].at.saturating_sub(some[many - 1].at));
    let quickest = quickest.min().unwrap_or(i64::MAX);
    let found = PatternDetected {
        severity: severity::of_brute_force(lines.len() as i64, quickest),
        grown_from: Some(begun),
        ..attempts(notable, ip, lines)
    };
    let text = attempted(notable, ip, lines);
    detected(scene, notable, attacked(notable), found, text)
}
