//! Errors: what each turned out to be, and when a source logs far more of them than usual.

use super::lines::{self, Earlier};
use super::{Notable, TRACE_COOLDOWN_NS, detected, is_detected, is_traced, owned, span, traced};
use crate::base::clock::{DAY_NS, MINUTE_NS, SECOND_NS, UnixNanos};
use crate::event::NewEvent;
use crate::event::trace::{PatternDetected, PatternType, TraceRecorded, Trigger};
use crate::reactor::error_analysis;
use crate::reactor::{Reaction, Scene, severity};
use crate::storage::{Session, StorageError, first};
use crate::values;

/// What was wrong on the host so shortly before an error may have led to it.
const LEAD_NS: i64 = MINUTE_NS;
/// Most lines of all hosts that are looked at for it.
const LOOKED_AT: i64 = 50;
/// Most of them in a chain: what is farther away explains less.
const LED_MAX: usize = 20;

/// So many errors are a burst …
const BURST: i64 = 10;
/// … within so long …
const BURST_NS: i64 = 300 * SECOND_NS;
/// … if they are so many times the mean of the last day.
const TIMES_MEAN: i64 = 3;
/// Counted for every error; where more come, only with its next trace, for it costs more.
const COUNTED: i64 = 100;
/// Most that are counted.
const COUNTED_MAX: i64 = 1_000;
/// At these counts, and with each trace, the day before is asked: a source that always logs errors
/// would ask it with every one.
const HELD_AGAINST_DAY: [i64; 4] = [10, 20, 40, 80];

/// What follows from an error.
pub(super) fn logged(scene: &mut Scene<'_>, notable: &Notable<'_>) -> Reaction {
    let mut made = Vec::new();
    made.extend(error(scene, notable)?);
    made.extend(burst(scene, notable, !made.is_empty())?);
    Ok(made)
}

fn error(scene: &mut Scene<'_>, notable: &Notable<'_>) -> Result<Option<NewEvent>, StorageError> {
    let line = notable.line;
    let text = notable.event.text();
    let kind = error_analysis::error_type(text);
    let subject = format!("{}/{}/{kind}", line.host, line.source);
    let at = notable.at;
    if is_traced(
        scene.session,
        Trigger::Error,
        &subject,
        at,
        TRACE_COOLDOWN_NS,
    )? {
        return Ok(None);
    }
    let since = at.saturating_sub(LEAD_NS);
    let until = (at, notable.event.position);
    let mut before = lines::troubles(scene.session, since, until, LOOKED_AT)?;
    before.retain(|earlier: &Earlier| earlier.host() == line.host);
    before.truncate(LED_MAX);
    let error = error_analysis::analyse(text);
    let trace = TraceRecorded {
        root_cause: error.hints.first().cloned(),
        chain: lines::chain(&before),
        related_services: lines::programs(&before),
        error: Some(Box::new(error)),
        ..notable.trace(Trigger::Error, subject)
    };
    let said = match kind {
        "unknown" => format!("{} of {} logged an error", line.program(), line.host),
        kind => {
            let kind = kind.replace('_', " ");
            format!(
                "{} of {} logged an error: {kind}",
                line.program(),
                line.host
            )
        }
    };
    Ok(Some(traced(scene, notable.event, trace, said)))
}

/// When one error in a burst was, counted back from the newest; none when there are fewer.
fn nth_newest(
    session: &mut dyn Session,
    source: i64,
    since: UnixNanos,
    until: (UnixNanos, i64),
    nth: i64,
) -> Result<Option<UnixNanos>, StorageError> {
    first(
        session,
        "SELECT at FROM log_lines INDEXED BY log_lines_errors \
         WHERE source = ?1 AND level >= 3 AND at > ?2 AND at <= ?3 AND position <= ?4 \
         ORDER BY at DESC LIMIT 1 OFFSET ?5",
        values![source, since, until.0, until.1, nth - 1],
        |row| row.int(0),
    )
}

/// How many errors there were, and when the first was.
fn count(
    session: &mut dyn Session,
    source: i64,
    since: UnixNanos,
    until: (UnixNanos, i64),
    most: i64,
) -> Result<(i64, Option<UnixNanos>), StorageError> {
    let counted = first(
        session,
        "SELECT count(*), min(at) FROM (SELECT at FROM log_lines INDEXED BY log_lines_errors \
         WHERE source = ?1 AND level >= 3 AND at > ?2 AND at <= ?3 AND position <= ?4 \
         ORDER BY at DESC LIMIT ?5)",
        values![source, since, until.0, until.1, most],
        |row| Ok((row.int(0)?, row.opt_int(1)?)),
    )?;
    Ok(counted.unwrap_or_default())
}

fn burst(
    scene: &mut Scene<'_>,
    notable: &Notable<'_>,
    is_traced_now: bool,
) -> Result<Option<NewEvent>, StorageError> {
    let line = notable.line;
    let (source, at) = (notable.event.stream.id, notable.at);
    let until = (at, notable.event.position);
    let since = at.saturating_sub(BURST_NS);
    let session = &mut *scene.session;
    if nth_newest(session, source, since, until, BURST)?.is_none() {
        return Ok(None);
    }
    let subject = format!("{}/{}", line.host, line.source);
    if is_detected(session, PatternType::ErrorBurst, &subject, at)? {
        return Ok(None);
    }
    let (mut errors, mut started_at) = count(session, source, since, until, COUNTED)?;
    if !is_traced_now && !HELD_AGAINST_DAY.contains(&errors) {
        return Ok(None);
    }
    if errors == COUNTED {
        (errors, started_at) = count(session, source, since, until, COUNTED_MAX)?;
    }
    // `errors >= mean * 3`, where the mean of five minutes is the day's sum by how many there are.
    let most_of_day = errors.saturating_mul(DAY_NS / BURST_NS) / TIMES_MEAN;
    let day = at.saturating_sub(DAY_NS);
    let too_many = most_of_day.saturating_add(1);
    if nth_newest(session, source, day, until, too_many)?.is_some() {
        return Ok(None);
    }
    let started_at = started_at.unwrap_or(at);
    let took = span(at.saturating_sub(started_at));
    let text = format!(
        "{errors} errors of {} on {} within {took}",
        line.source, line.host
    );
    let found = PatternDetected {
        pattern: PatternType::ErrorBurst,
        name: format!("Burst of errors of {subject}"),
        subject,
        services: vec![line.program().to_owned()],
        ips: Vec::new(),
        event_count: errors,
        severity: severity::of_error_burst(errors),
        started_at,
        ended_at: at,
        root_cause: error_analysis::analyse(notable.event.text())
            .hints
            .into_iter()
            .next(),
        grown_from: None,
        recommendations: owned(&[
            "Read the first error of the burst: the others often follow from it",
            "Look at what changed shortly before",
        ]),
    };
    let source = notable.event.stream.text.to_string();
    Ok(Some(detected(scene, notable, source, found, text)))
}
