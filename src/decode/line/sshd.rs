//! OpenSSH: `sshd`, and `sshd-session` from 9.8 on.
//!
//! An attempt counts once: the line `Failed …` is the failed login. `Invalid user …`, PAM's lines
//! and the end of the connection stand around it.

use super::found::Found;
use super::pattern::{Rule, first, rule};
use crate::event::action;
use crate::event::system::Level::{Info, Warning};

const RULES: &[Rule] = &[
    rule("Failed {method} for invalid user {user} from {ip} port {port}{}")
        .action(action::FAILED_LOGIN)
        .level(Warning)
        .flag(INVALID_USER),
    rule("Failed {method} for invalid user {user} from {ip}")
        .action(action::FAILED_LOGIN)
        .level(Warning)
        .flag(INVALID_USER),
    rule("Failed {method} for {user} from {ip} port {port}{}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("Failed {method} for {user} from {ip}").action(action::FAILED_LOGIN).level(Warning),
    rule("Accepted {method} for {user} from {ip} port {port} ssh2: {key:text}")
        .action(action::LOGIN)
        .level(Info),
    rule("Accepted {method} for {user} from {ip} port {port}{}").action(action::LOGIN).level(Info),
    rule("Accepted {method} for {user} from {ip}").action(action::LOGIN).level(Info),
    rule("Invalid user {user} from {ip} port {port}{}")
        .action(action::INVALID_USER)
        .level(Warning),
    rule("Invalid user {user} from {ip}").action(action::INVALID_USER).level(Warning),
    rule("Connection {} by invalid user {user} {ip} port {port}{}")
        .action(action::DISCONNECTED)
        .level(Info)
        .flag(INVALID_USER),
    rule("Connection {} by authenticating user {user} {ip} port {port}{}")
        .action(action::DISCONNECTED)
        .level(Info),
    rule("Connection {} by {ip} port {port}{}").action(action::DISCONNECTED).level(Info),
    rule("Disconnected from invalid user {user} {ip} port {port}{}")
        .action(action::DISCONNECTED)
        .level(Info)
        .flag(INVALID_USER),
    rule("Disconnected from authenticating user {user} {ip} port {port}{}")
        .action(action::DISCONNECTED)
        .level(Info),
    rule("Disconnected from user {user} {ip} port {port}{}")
        .action(action::DISCONNECTED)
        .level(Info),
    rule("Disconnected from {ip} port {port}{}").action(action::DISCONNECTED).level(Info),
    rule("Received disconnect from {ip} port {port}:{code:number}: {reason:text}").level(Info),
    rule("Disconnecting invalid user {user} {ip} port {port}: {reason:text}")
        .action(action::DISCONNECTED)
        .level(Warning)
        .flag(INVALID_USER),
    rule("Disconnecting authenticating user {user} {ip} port {port}: {reason:text}")
        .action(action::DISCONNECTED)
        .level(Warning),
    rule("Connection from {ip} port {port} on {}").action(action::CONNECTED).level(Info),
    rule("Starting session: {} for {user} from {ip} port {port} id {}")
        .action(action::SESSION_OPENED)
        .level(Info),
    rule("User {user} from {ip} not allowed because {reason:text}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("ROOT LOGIN REFUSED FROM {ip} port {port}{}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("ROOT LOGIN REFUSED FROM {ip}").action(action::UNAUTHORIZED).level(Warning),
    rule("error: maximum authentication attempts exceeded for invalid user {user} from {ip} port {port}{}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Warning)
        .flag(INVALID_USER),
    rule("error: maximum authentication attempts exceeded for {user} from {ip} port {port}{}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Warning),
    rule("error: PAM: {reason:first} for illegal user {user} from {ip}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Warning)
        .flag(INVALID_USER),
    rule("error: PAM: {reason:first} for {user} from {ip}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Warning),
    rule("fatal: Timeout before authentication for {ip} port {port}")
        .action(action::DISCONNECTED)
        .level(Warning),
    rule("Timeout before authentication for connection from {ip} to {}")
        .action(action::DISCONNECTED)
        .level(Warning),
    rule("Unable to negotiate with {ip} port {port}: {reason:text}").level(Warning),
    rule("fatal: Unable to negotiate with {ip} port {port}: {reason:text}").level(Warning),
    rule("Did not receive identification string from {ip} port {port}{}").level(Info),
    rule("Did not receive identification string from {ip}").level(Info),
    rule("Bad protocol version identification '{}' from {ip} port {port}").level(Warning),
    rule("banner exchange: Connection from {ip} port {port}: {reason:text}").level(Warning),
    rule("error: banner exchange: Connection from {ip} port {port}: {reason:text}").level(Warning),
    rule("ssh_dispatch_run_fatal: Connection from {ip} port {port}: {reason:text}").level(Warning),
    // What scanners send instead of a greeting.
    rule("error: kex_exchange_identification: {reason:text}").level(Warning),
    rule("error: kex_protocol_error: {reason:text}").level(Warning),
    rule("drop connection #{} from [{ip}]:{port} on {}")
        .action(action::RATE_LIMITED)
        .level(Warning),
    rule("Authentication refused: {reason:text}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Warning),
    rule("reverse mapping checking getaddrinfo for {remote_host} [{ip}] failed{}").level(Warning),
    rule("Address {ip} maps to {remote_host}, but this does not map back to the address.{}")
        .level(Warning),
];

/// What stands before [`USER_CHANGED`].
const CHANGES: &[Rule] = &[
    rule("Disconnecting invalid user {user} {ip} port {port}")
        .action(action::DISCONNECTED)
        .level(Warning)
        .flag(INVALID_USER),
    rule("Disconnecting authenticating user {user} {ip} port {port}")
        .action(action::DISCONNECTED)
        .level(Warning),
];
/// The same where a name spells it too: whose the address before it is cannot be told.
const UNTOLD_CHANGES: &[Rule] = &[
    rule("Disconnecting invalid user {}")
        .action(action::DISCONNECTED)
        .level(Warning)
        .flag(INVALID_USER),
    rule("Disconnecting authenticating user {}")
        .action(action::DISCONNECTED)
        .level(Warning),
];
/// The only reason with names in it: `(mara,ssh-connection) -> (joris,ssh-connection)`.
const USER_CHANGED: &str = ": Change of username or service not allowed: ";

const INVALID_USER: &str = "invalid_user";
/// How sshd ends what it writes before somebody is logged in.
const BEFORE_LOGIN: &str = " [preauth]";

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    let bare = message.strip_suffix(BEFORE_LOGIN);
    if bare.is_some() {
        found.flag("preauth");
    }
    let message = bare.unwrap_or(message);
    if message.starts_with("Disconnecting ")
        && let Some(at) = message.find(USER_CHANGED)
    {
        return change(message, at, found);
    }
    first(RULES, message, found)
}

fn change<'t>(message: &'t str, at: usize, found: &mut Found<'t>) -> bool {
    let (head, reason) = message.split_at(at);
    if message.rfind(USER_CHANGED) != Some(at) {
        return first(UNTOLD_CHANGES, head, found);
    }
    found.text("reason", &reason[": ".len()..]);
    first(CHANGES, head, found)
}
