//! The tracer: what notable lines and samples mean, with the events that led to them.
//!
//! A notable line (a ban, failed logins in a row, an error, something unauthorized) and a host that
//! is used up become a trace; many events of a kind become a pattern, which people are told of. What
//! was traced is not traced again for a while: the tables remember, so that a restart forgets
//! nothing. All times are those of the events, so that an import of old logs is judged as it would
//! have been then.
//!
//! Nearly every line is nothing, and returns at once. What a failed login costs is bounded as well,
//! for those come by the million: one statement asks for all that is still fresh, and nothing here
//! reads more than a bounded number of rows. An address on the whitelist makes no traces.

pub(super) use growth::Growth;
pub(super) use logins::Memo as LoginMemo;

mod errors;
mod growth;
mod lines;
mod logins;
mod refusals;
mod restarts;
mod usage;

use core::net::IpAddr;

use super::alerts::following;
use super::{Reaction, Reactor, Scene, never, severity};
use crate::base::clock::{HOUR_NS, MINUTE_NS, UnixNanos};
use crate::event::system::{Level, LogWritten};
use crate::event::trace::{IpList, PatternDetected, TraceRecorded, Trigger};
use crate::event::{Envelope, Event, Kind, NewEvent, action};
use crate::read_model::reputation;
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const REACTOR: Reactor = Reactor {
    name: "tracer",
    kinds: &[Kind::LogWritten, Kind::MetricsSampled],
    react,
    tick: never,
};

/// One trace of a subject within so long.
const TRACE_COOLDOWN_NS: i64 = MINUTE_NS;
/// One pattern of a subject within so long.
const PATTERN_COOLDOWN_NS: i64 = HOUR_NS;
/// Most events in a chain.
const CHAIN_MAX: i64 = 100;
/// Most addresses in a pattern.
const IPS_MAX: usize = 100;

fn react(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    if event.is_snapshot() {
        return Ok(Vec::new());
    }
    match &event.event {
        Event::LogWritten(line) if is_notable(line) => Notable::new(event, line).react(scene),
        Event::MetricsSampled(sample) if sample.group == "system" => {
            usage::react(scene, event, sample)
        }
        _ => Ok(Vec::new()),
    }
}

fn is_notable(line: &LogWritten) -> bool {
    line.level >= Level::Error
        || matches!(
            line.action(),
            Some(
                action::FAILED_LOGIN
                    | action::BAN
                    | action::UNAUTHORIZED
                    | action::SERVICE_STARTED
                    | action::SERVICE_RESTARTING
            )
        )
}

/// A notable line.
struct Notable<'e> {
    event: &'e Envelope,
    line: &'e LogWritten,
    at: UnixNanos,
    ip: Option<IpAddr>,
}

impl<'e> Notable<'e> {
    fn new(event: &'e Envelope, line: &'e LogWritten) -> Self {
        Self {
            event,
            line,
            at: event.occurred_at,
            ip: line.ip(),
        }
    }

    fn react(&self, scene: &mut Scene<'_>) -> Reaction {
        let action = self.line.action();
        let is_error = self.line.level >= Level::Error;
        let mut made = Vec::new();
        // Asks for the list itself, together with all else.
        if action == Some(action::FAILED_LOGIN) {
            made = logins::failed(scene, self)?;
            if !is_error {
                return Ok(made);
            }
        }
        if let Some(ip) = self.ip
            && reputation::list_of(scene.session, ip)? == IpList::Whitelist
        {
            return Ok(made);
        }
        match action {
            Some(action::BAN) => made.extend(logins::banned(scene, self)?),
            Some(action::UNAUTHORIZED) => made.extend(refusals::unauthorized(scene, self)?),
            Some(action::SERVICE_STARTED | action::SERVICE_RESTARTING) => {
                made.extend(restarts::started(scene, self)?);
            }
            _ => {}
        }
        if is_error {
            made.extend(errors::logged(scene, self)?);
        }
        Ok(made)
    }

    /// A trace of the line, with nothing found out about it yet.
    fn trace(&self, trigger: Trigger, subject: String) -> TraceRecorded {
        let line = self.line;
        let own = |text: &str| text.to_owned();
        let count = line
            .fields
            .get(LogWritten::COUNT)
            .and_then(serde_json::Value::as_i64);
        TraceRecorded {
            trigger,
            subject,
            host: line.host.clone(),
            severity_score: severity::of_line(line.level, line.action(), count),
            action: line.action().map(own),
            service: Some(own(line.program())),
            user: line.field(LogWritten::USER).map(own),
            ip: self.ip,
            root_cause: None,
            chain: Vec::new(),
            related_services: Vec::new(),
            error: None,
        }
    }
}

/// A trace as an event.
fn traced(scene: &Scene<'_>, cause: &Envelope, trace: TraceRecorded, text: String) -> NewEvent {
    let stream = format!("trace/{}", trace.trigger.name());
    let new = NewEvent::own(scene.now, stream, trace)
        .with_text(text)
        .from_source(&*cause.stream.text);
    following(new, cause)
}

/// A pattern as an event. People are told once in a while of each source.
fn detected(
    scene: &Scene<'_>,
    notable: &Notable<'_>,
    source: String,
    found: PatternDetected,
    text: String,
) -> NewEvent {
    let stream = format!("pattern/{}", found.pattern.name());
    let new = NewEvent::own(scene.now, stream, found)
        .with_text(text)
        .from_source(source);
    following(new, notable.event)
}

/// Whether a subject was traced shortly before or after.
fn is_traced(
    session: &mut dyn Session,
    trigger: Trigger,
    subject: &str,
    at: UnixNanos,
    cooldown_ns: i64,
) -> Result<bool, StorageError> {
    let found = first(
        session,
        "SELECT 1 FROM traces WHERE trigger = ?1 AND subject = ?2 AND at > ?3 AND at < ?4 LIMIT 1",
        values![
            trigger.name(),
            subject,
            at.saturating_sub(cooldown_ns),
            at.saturating_add(cooldown_ns)
        ],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Whether a pattern of the subject was detected within the last hour, or the next.
fn is_detected(
    session: &mut dyn Session,
    pattern: crate::event::trace::PatternType,
    subject: &str,
    at: UnixNanos,
) -> Result<bool, StorageError> {
    let found = first(
        session,
        "SELECT 1 FROM patterns WHERE pattern_type = ?1 AND subject = ?2 \
         AND ended_at > ?3 AND ended_at < ?4 LIMIT 1",
        values![
            pattern.name(),
            subject,
            at.saturating_sub(PATTERN_COOLDOWN_NS),
            at.saturating_add(PATTERN_COOLDOWN_NS)
        ],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// How long it took from the first of the lines to the notable one.
fn took(notable: &Notable<'_>, lines: &[lines::Earlier]) -> i64 {
    let first = lines.last().map_or(notable.at, |line| line.at);
    notable.at.saturating_sub(first)
}

/// A span of time in words: `40 s`, `7 min`, `3 h`.
fn span(ns: i64) -> String {
    const SECOND_NS: i64 = crate::base::clock::SECOND_NS;
    match ns {
        HOUR_NS.. => format!("{} h", ns / HOUR_NS),
        MINUTE_NS.. => format!("{} min", ns / MINUTE_NS),
        _ => format!("{} s", ns / SECOND_NS),
    }
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|&one| one.to_owned()).collect()
}

#[cfg(test)]
mod tests;
