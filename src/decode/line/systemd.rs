//! systemd: units that start, stop and fail.
//!
//! The service of such a line is the unit that it is about, without `.service`. Before version 249
//! systemd named units by their description alone, which is the service then.

use super::found::Found;
use super::pattern::{Rule, first, rule};
use crate::event::action;
use crate::event::system::Level::{self, Critical, Error, Info, Warning};
use crate::event::system::LogWritten;

/// About one unit, whose name stands before the colon.
const OF_UNIT: &[Rule] = &[
    rule("Failed with result '{result}'.")
        .action(action::SERVICE_FAILED)
        .level(Error),
    rule("Scheduled restart job, restart counter is at {restarts:number}.")
        .action(action::SERVICE_RESTARTING)
        .level(Warning),
    rule("Service {}, scheduling restart.")
        .action(action::SERVICE_RESTARTING)
        .level(Warning),
    rule("Start request repeated too quickly.")
        .action(action::SERVICE_START_FAILED)
        .level(Error),
    rule("Main process exited, code={code}, status={exit_status}").level(Warning),
    rule("Control process exited, code={code}, status={exit_status}").level(Warning),
    rule("Unit entered failed state.")
        .action(action::SERVICE_FAILED)
        .level(Error),
    rule("A process of this unit has been killed by the OOM killer.")
        .action(action::OUT_OF_MEMORY)
        .level(Critical),
    rule("Failed to {reason:text}").level(Error),
    rule("Watchdog timeout ({}").level(Error),
    rule("State '{state}' timed out. {}").level(Warning),
    rule("Deactivated successfully.").level(Info),
    rule("Succeeded.").level(Info),
    rule("Consumed {cpu_time:text} CPU time{}").level(Info),
];

/// About a job, whose unit stands behind the verb.
const JOBS: &[(&str, &str, Option<&str>, Level)] = &[
    ("Started ", "", Some(action::SERVICE_STARTED), Info),
    ("Reloaded ", "", None, Info),
    ("Starting ", "...", None, Info),
    ("Stopping ", "...", None, Info),
    ("Reloading ", "...", None, Info),
    ("Finished ", "", Some(action::SERVICE_FINISHED), Info),
    ("Stopped ", "", Some(action::SERVICE_STOPPED), Info),
    (
        "Failed to start ",
        "",
        Some(action::SERVICE_START_FAILED),
        Error,
    ),
    (
        "Dependency failed for ",
        "",
        Some(action::SERVICE_START_FAILED),
        Error,
    ),
];

/// What is started and stopped and is no service.
const OTHER_UNITS: &[&str] = &[
    ".timer",
    ".socket",
    ".target",
    ".mount",
    ".automount",
    ".path",
    ".slice",
    ".device",
    ".swap",
    ".scope",
];

const SESSIONS: &[Rule] = &[
    rule("Started session-{session}.scope - Session {} of User {user}.")
        .action(action::SESSION_OPENED)
        .level(Info),
    rule("Started Session {session} of user {user}.")
        .action(action::SESSION_OPENED)
        .level(Info),
    rule("Started Session {session} of User {user}.")
        .action(action::SESSION_OPENED)
        .level(Info),
];

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(SESSIONS, message, found) || job(message, found) || of_unit(message, found)
}

fn job<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    for (verb, end, action, level) in JOBS {
        let Some(rest) = message.strip_prefix(verb) else {
            continue;
        };
        let rest = rest.strip_suffix('.').unwrap_or(rest);
        let rest = if end.is_empty() {
            rest
        } else {
            rest.trim_end_matches('.')
        };
        found.level = Some(*level);
        let (unit, description) = unit_and_rest(rest);
        found.text("description", description);
        if let Some(unit) = unit {
            found.text("unit", unit);
        }
        let service = match unit {
            Some(unit) => service_of(unit),
            None => Some(description).filter(|text| !text.starts_with("target ")),
        };
        if let Some(service) = service {
            found.service(service);
            if let Some(action) = action {
                found.action(action);
            }
        }
        return true;
    }
    false
}

/// `ssh.service - OpenBSD Secure Shell server`, `backup.service, took 12 s`, `OpenBSD Secure Shell
/// server`.
fn unit_and_rest(text: &str) -> (Option<&str>, &str) {
    let parts = text.split_once(" - ").or_else(|| text.split_once(", "));
    match parts {
        Some((unit, rest)) if is_unit(unit) => (Some(unit), rest),
        _ if is_unit(text) => (Some(text), ""),
        _ => (None, text),
    }
}

/// `ssh.service`, `user@1000.service`: a word with a dot.
fn is_unit(text: &str) -> bool {
    let in_name = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@' | b'\\' | b':')
    };
    text.contains('.') && !text.ends_with('.') && text.bytes().all(in_name)
}

/// The service that a unit is; none for timers, mounts and the like.
pub(super) fn service_of(unit: &str) -> Option<&str> {
    if OTHER_UNITS.iter().any(|ending| unit.ends_with(ending)) {
        return None;
    }
    Some(unit.strip_suffix(".service").unwrap_or(unit))
}

fn of_unit<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    let Some((unit, text)) = message.split_once(": ") else {
        return false;
    };
    if !is_unit(unit) || !first(OF_UNIT, text, found) {
        return false;
    }
    found.text("unit", unit);
    match service_of(unit) {
        Some(service) => found.service(service),
        // What is no service does not start, fail or restart as one.
        None if found.get(LogWritten::ACTION) != Some(action::OUT_OF_MEMORY) => {
            found.fields.remove(LogWritten::ACTION);
        }
        None => {}
    }
    true
}
