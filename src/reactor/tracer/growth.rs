//! Brute force that goes on.

use core::net::IpAddr;
use std::collections::HashMap;

use super::lines::{self, Earlier};
use super::logins::{COUNTED_MAX, Known, MANY, attacked, attempted, attempts};
use super::{Notable, detected};
use crate::base::clock::UnixNanos;
use crate::event::NewEvent;
use crate::event::trace::PatternDetected;
use crate::reactor::{Scene, severity};
use crate::storage::StorageError;

/// Most addresses whose counts are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// What was counted of an address's brute force when it was looked at last.
#[derive(Clone, Copy, Debug)]
pub(in crate::reactor) struct Counted {
    /// The brute force as it was told last.
    id: i64,
    /// Failed logins since it began.
    lines: i64,
    /// The position of the one with which it had doubled, if there were so many.
    doubled_at: Option<i64>,
    /// All failed logins of the address, as its reputation had them then.
    failed_logins: i64,
}

impl Counted {
    /// Whether it can have doubled, to so many, by a line: none fails without its reputation
    /// telling.
    fn may_have_doubled(&self, begun: i64, many: i64, failed_logins: i64, position: i64) -> bool {
        let since = failed_logins - self.failed_logins;
        match self.doubled_at {
            _ if self.id != begun || since < 0 => true,
            Some(at) if self.lines >= many => position >= at,
            _ => self.lines + since >= many,
        }
    }
}

pub(in crate::reactor) type Growth = HashMap<IpAddr, Counted>;

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
    let doubled = begun.event_count.saturating_mul(2);
    let counted = scene.memo.growth.get(&ip);
    if !known.brute_force_detected(notable.at)
        || doubled > COUNTED_MAX
        || known.failed_logins < doubled
        || counted.is_some_and(|before| {
            let position = notable.event.position;
            !before.may_have_doubled(begun.id, doubled, known.failed_logins, position)
        })
    {
        return Ok(None);
    }
    let since = begun.started_at.saturating_sub(1);
    // All that the batch brought: as far has the reputation counted.
    let newest = (UnixNanos::MAX, i64::MAX);
    let mut lines = lines::failed_logins(scene.session, ip, since, newest, COUNTED_MAX)?;
    let mut positions: Vec<i64> = lines.iter().map(|line| line.position).collect();
    positions.sort_unstable();
    let nth = usize::try_from(doubled - 1).ok();
    let counted = Counted {
        id: begun.id,
        lines: lines.len() as i64,
        doubled_at: nth.and_then(|nth| positions.get(nth).copied()),
        failed_logins: known.failed_logins,
    };
    lines.retain(|line| line.position <= notable.event.position);
    if (lines.len() as i64) < doubled {
        let growth = &mut scene.memo.growth;
        if growth.len() >= REMEMBERED_MAX {
            growth.clear();
        }
        growth.insert(ip, counted);
        return Ok(None);
    }
    lines.truncate(usize::try_from(doubled).unwrap_or(usize::MAX));
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
