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
        failure_fields(message, found);
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
            failure_fields(text, found);
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

/// `logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root`: the user stands last, so that
/// whatever the name is, it is read to the end.
fn failure_fields<'t>(text: &'t str, found: &mut Found<'t>) {
    let Some((_, fields)) = text.split_once("; ") else {
        return;
    };
    let (pairs, user) = match fields.split_once(" user=") {
        Some((pairs, user)) => (pairs, user),
        None => (fields, ""),
    };
    let value = |wanted: &str| {
        let mut pairs = pairs.split(' ').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    };
    let (host, asker) = (value("rhost"), value("ruser"));
    if let Some(host) = host.filter(|host| super::address::is_host(host)) {
        found.address(host);
    }
    found.text("ruser", asker.unwrap_or_default());
    found.text(
        LogWritten::USER,
        if user.is_empty() {
            asker.unwrap_or_default()
        } else {
            user
        },
    );
}
