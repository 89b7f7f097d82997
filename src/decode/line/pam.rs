//! PAM's own lines, which stand in the log under the name of the program that asked it.
//!
//! sshd, su, sudo and login tell themselves that a login failed; of all others PAM's line is the
//! only one, and counts.

use super::found::Found;
use super::pattern::{Rule, first, rule};
use crate::event::action;
use crate::event::system::Level::{Info, Warning};
use crate::event::system::LogWritten;

/// Programs that write a line of their own about a failed login.
const TELL_THEMSELVES: &[&str] = &["sshd", "su", "su-l", "sudo", "sudo-i", "login"];
/// Sessions that are no login of a person.
const NO_LOGIN: &[&str] = &[
    "cron",
    "crond",
    "atd",
    "su",
    "su-l",
    "sudo",
    "sudo-i",
    "systemd-user",
    "runuser",
    "polkit-1",
];

const SESSIONS: &[Rule] = &[
    rule("session opened for user {user}(uid={uid:number}) by {}").action(action::SESSION_OPENED),
    rule("session opened for user {user} by {}").action(action::SESSION_OPENED),
    rule("session closed for user {user}").action(action::SESSION_CLOSED),
];

const ACCOUNTS: &[Rule] = &[
    rule("password changed for {user}")
        .action(action::ACCOUNT_CHANGED)
        .level(Info),
    rule("check pass; user unknown")
        .action(action::INVALID_USER)
        .level(Warning),
    rule("account {user} has expired ({reason:text})")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("access denied for user `{user}' from `{ip}'")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("user {user} has time limit{}").level(Info),
];

const REPEATED: &[Rule] = &[
    rule("PAM {count} more authentication failure{}; {}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Warning),
    rule("PAM service({}) ignoring max retries; {}").level(Warning),
];

/// Whether a message is PAM's.
pub(super) fn is_own(message: &str) -> bool {
    message.starts_with("pam_") || message.starts_with("PAM ")
}

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    if message.starts_with("PAM ") {
        let known = first(REPEATED, message, found);
        let service = found
            .get(LogWritten::SERVICE)
            .unwrap_or_default()
            .to_owned();
        failure_fields(message, &service, found);
        return known;
    }
    // pam_unix(sshd:auth): …
    let Some((head, text)) = message.split_once("): ") else {
        return false;
    };
    let Some((module, asked)) = head.split_once('(') else {
        return false;
    };
    let (service, kind) = asked.split_once(':').unwrap_or((asked, ""));
    found.text("module", module);
    if found.get(LogWritten::SERVICE).is_none() {
        found.service(service);
    }
    match kind {
        "session" => session(service, text, found),
        "auth" if text.starts_with("authentication failure;") => {
            let tells = TELL_THEMSELVES.contains(&service);
            found.action(if tells {
                action::AUTHENTICATION_FAILURE
            } else {
                action::FAILED_LOGIN
            });
            found.level = Some(Warning);
            failure_fields(text, service, found);
            true
        }
        _ => first(ACCOUNTS, text, found),
    }
}

fn session<'t>(service: &str, text: &'t str, found: &mut Found<'t>) -> bool {
    found.level = Some(Info);
    let known = first(SESSIONS, text, found);
    let closed = found.get(LogWritten::ACTION) == Some(action::SESSION_CLOSED);
    if closed && !NO_LOGIN.contains(&service) {
        found.action(action::LOGOUT);
    }
    known
}

/// `logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root`
struct Failure<'t> {
    asker: &'t str,
    host: &'t str,
    user: &'t str,
}

/// The asker and the user are what the stranger typed, the host between them is not. Of the hosts
/// that can be meant it is the last one, for programs that tell the asker by the stranger's name
/// (vsftpd, proftpd, dovecot), but for one whose user is its asker; the first one for programs that
/// tell no asker, or one who is logged in, and name the user of any module behind the host.
fn failure<'t>(fields: &'t str, service: &str) -> Option<Failure<'t>> {
    let asker = fields.find(RUSER).map(|at| at + RUSER.len());
    let from = asker.unwrap_or_default();
    let mut failures = fields[from..].match_indices(RHOST).filter_map(|(at, _)| {
        let host = &fields[from + at + RHOST.len()..];
        let (host, rest) = host.split_at(host.find(' ').unwrap_or(host.len()));
        let user = rest.trim_start_matches(' ').strip_prefix("user=");
        (user.is_some() || rest.trim_end().is_empty()).then(|| Failure {
            asker: asker.map_or("", |asker| &fields[asker..from + at]),
            host,
            user: user.unwrap_or_default(),
        })
    });
    if TELL_THEMSELVES.contains(&service) || service == "dropbear" {
        return failures.next();
    }
    let mut last = None;
    for failure in failures {
        // The end of the line was trimmed.
        let asker = failure.asker.trim_end();
        if !asker.is_empty() && failure.user.trim_end() == asker {
            return Some(failure);
        }
        last = Some(failure);
    }
    last
}

const RUSER: &str = " ruser=";
const RHOST: &str = " rhost=";

fn failure_fields<'t>(text: &'t str, service: &str, found: &mut Found<'t>) {
    let Some(failure) = text
        .split_once("; ")
        .and_then(|(_, fields)| failure(fields, service))
    else {
        return;
    };
    if super::address::is_host(failure.host) {
        found.address(failure.host);
    }
    found.text("ruser", failure.asker);
    let user = if failure.user.is_empty() {
        failure.asker
    } else {
        failure.user
    };
    found.text(LogWritten::USER, user);
}
