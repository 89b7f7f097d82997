//! Services that start again and again.

use super::{Notable, detected, is_detected, owned, span};
use crate::base::clock::{SECOND_NS, UnixNanos};
use crate::event::trace::{PatternDetected, PatternType};
use crate::event::{NewEvent, action};
use crate::reactor::{Scene, severity};
use crate::storage::{Session, StorageError, all};
use crate::values;

/// So many starts are a loop …
const STARTS: usize = 4;
/// … within so long.
const LOOP_NS: i64 = 600 * SECOND_NS;
/// Most starts of all services that are looked at.
const LOOKED_AT: i64 = 1_000;
/// Whose lines are about other services; one that still says so is about nobody knows which.
const MANAGER: &str = "systemd";

/// What follows from the start of a service.
pub(super) fn started(
    scene: &mut Scene<'_>,
    notable: &Notable<'_>,
) -> Result<Option<NewEvent>, StorageError> {
    let line = notable.line;
    let service = line.program();
    if service == MANAGER {
        return Ok(None);
    }
    let subject = format!("{}/{service}", line.host);
    let starts = times_of(scene.session, notable, service, line.action())?;
    if starts.len() < STARTS
        || is_detected(
            scene.session,
            PatternType::RestartLoop,
            &subject,
            notable.at,
        )?
    {
        return Ok(None);
    }
    // A timer starts its service every minute too.
    let fails = line.action() == Some(action::SERVICE_RESTARTING)
        || !times_of(
            scene.session,
            notable,
            service,
            Some(action::SERVICE_FAILED),
        )?
        .is_empty();
    let started_at = starts.last().copied().unwrap_or(notable.at);
    let text = format!(
        "{service} on {} was started {} times within {}",
        line.host,
        starts.len(),
        span(notable.at.saturating_sub(started_at))
    );
    let found = PatternDetected {
        pattern: PatternType::RestartLoop,
        name: format!("Restart loop of {service}"),
        services: vec![service.to_owned()],
        ips: Vec::new(),
        event_count: starts.len() as i64,
        severity: severity::of_restart_loop(starts.len() as i64, fails),
        started_at,
        ended_at: notable.at,
        root_cause: Some(format!("{service} ends soon after it was started")),
        grown_from: None,
        recommendations: owned(&[
            "Read its last lines before each end (`journalctl -u`)",
            "Stop it until the cause is found",
        ]),
        subject: subject.clone(),
    };
    let source = format!("service/{subject}");
    Ok(Some(detected(scene, notable, source, found, text)))
}

/// When an action of the service was told, the newest first. A restart is told by lines of two
/// actions, of which one kind is counted.
fn times_of(
    session: &mut dyn Session,
    notable: &Notable<'_>,
    service: &str,
    action: Option<&str>,
) -> Result<Vec<UnixNanos>, StorageError> {
    let host = format!("log/{}/", notable.line.host);
    let starts = all(
        session,
        "SELECT l.at, n.name, l.service FROM log_lines l INDEXED BY log_lines_by_action \
         CROSS JOIN names n ON n.id = l.source \
         WHERE l.action = ?1 AND l.at > ?2 AND l.at <= ?3 AND l.position <= ?4 \
         ORDER BY l.at DESC LIMIT ?5",
        values![
            action,
            notable.at.saturating_sub(LOOP_NS),
            notable.at,
            notable.event.position,
            LOOKED_AT
        ],
        |row| {
            let source = row.text(1)?.strip_prefix(&host);
            let named = row.opt_text(2)?;
            let is_it = source.is_some_and(|source| named.unwrap_or(source) == service);
            Ok(is_it.then_some(row.int(0)?))
        },
    )?;
    Ok(starts.into_iter().flatten().collect())
}
