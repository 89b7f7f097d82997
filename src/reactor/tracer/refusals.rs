//! What somebody may not.

use core::net::{IpAddr, Ipv6Addr};

use super::lines;
use super::logins::subject_of_user;
use super::{Notable, TRACE_COOLDOWN_NS, is_traced, span, took, traced};
use crate::base::clock::{HOUR_NS, SECOND_NS, UnixNanos};
use crate::event::NewEvent;
use crate::event::system::LogWritten;
use crate::event::trace::{TraceRecorded, Trigger};
use crate::reactor::Scene;
use crate::storage::{Session, StorageError, first};
use crate::values;

/// Refusals within so long belong together.
const LEAD_NS: i64 = 300 * SECOND_NS;
/// So many traces of a host within an hour: strangers bring them about by the thousand.
const HOURLY_MAX: i64 = 500;
/// Most traces of all hosts that are looked at for it.
const LOOKED_AT: i64 = 5_000;

/// What follows from a refusal.
pub(super) fn unauthorized(
    scene: &mut Scene<'_>,
    notable: &Notable<'_>,
) -> Result<Option<NewEvent>, StorageError> {
    let (line, at) = (notable.line, notable.at);
    let session = &mut *scene.session;
    let is_fresh = |session: &mut dyn Session, subject: &str, for_ns: i64| {
        is_traced(session, Trigger::Unauthorized, subject, at, for_ns)
    };
    let who = subject(notable);
    let host = format!("host/{}", line.host);
    if is_fresh(session, &who, TRACE_COOLDOWN_NS)? || is_fresh(session, &host, HOUR_NS)? {
        return Ok(None);
    }
    if are_many(session, &line.host, at)? {
        return Ok(Some(last_of_hour(scene, notable, host)));
    }
    let before = match notable.ip {
        Some(ip) => {
            let since = at.saturating_sub(LEAD_NS);
            lines::refusals(session, ip, since, (at, notable.event.position))?
        }
        None => Vec::new(),
    };
    let text = format!(
        "{} of {} refused {}",
        line.program(),
        line.host,
        notable.ip.map_or_else(
            || line
                .field(LogWritten::USER)
                .unwrap_or("somebody")
                .to_owned(),
            |ip| ip.to_string()
        )
    );
    let trace = TraceRecorded {
        root_cause: (!before.is_empty()).then(|| {
            format!(
                "{} refusals before it within {}",
                before.len(),
                span(took(notable, &before))
            )
        }),
        chain: lines::chain(&before),
        related_services: lines::programs(&before),
        ..notable.trace(Trigger::Unauthorized, who)
    };
    Ok(Some(traced(scene, notable.event, trace, text)))
}

/// Who was refused. Whoever has one address of a /64 has them all (RFC 6177).
fn subject(notable: &Notable<'_>) -> String {
    let line = notable.line;
    match (notable.ip, line.field(LogWritten::USER)) {
        (Some(IpAddr::V6(ip)), _) => format!("{}/64", network_of(ip)),
        (Some(ip), _) => ip.to_string(),
        (None, Some(user)) => subject_of_user(user),
        (None, None) => format!("{}/{}", line.host, line.source),
    }
}

/// The first address of its /64.
const fn network_of(ip: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))
}

/// Whether as many were traced of the host within the last hour as may be.
fn are_many(session: &mut dyn Session, host: &str, at: UnixNanos) -> Result<bool, StorageError> {
    let last = first(
        session,
        "SELECT 1 FROM (SELECT trigger, host FROM traces WHERE at > ?1 AND at <= ?2 \
         ORDER BY at DESC LIMIT ?3) WHERE trigger = 'unauthorized' AND host = ?4 \
         LIMIT 1 OFFSET ?5",
        values![
            at.saturating_sub(HOUR_NS),
            at,
            LOOKED_AT,
            host,
            HOURLY_MAX - 1
        ],
        |_| Ok(()),
    )?;
    Ok(last.is_some())
}

/// The trace that says that there are no more for an hour.
fn last_of_hour(scene: &Scene<'_>, notable: &Notable<'_>, subject: String) -> NewEvent {
    let text = format!(
        "{} refuses so many that no more are traced for an hour",
        notable.line.host
    );
    let trace = TraceRecorded {
        root_cause: Some(format!(
            "{HOURLY_MAX} refusals were traced within an hour; all stand among the log lines"
        )),
        ..notable.trace(Trigger::Unauthorized, subject)
    };
    traced(scene, notable.event, trace, text)
}
