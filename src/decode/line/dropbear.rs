//! dropbear, the SSH server of small boxes.
//!
//! It puts the port behind a colon, also behind an IPv6 address without brackets. Of a name that it does not know it writes one line only, which is the failed login.

use super::found::Found;
use super::pattern::{Rule, first, rule};
use crate::event::action;
use crate::event::system::Level::{Info, Warning};

const RULES: &[Rule] = &[
    rule("Bad password attempt for '{user}' from {ip}:{port}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("Bad PAM password attempt for '{user}' from {ip}:{port}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("Login attempt for nonexistent user '{user}' from {ip}:{port}")
        .action(action::FAILED_LOGIN)
        .level(Warning)
        .flag("invalid_user"),
    rule("Login attempt for nonexistent user from {ip}:{port}")
        .action(action::FAILED_LOGIN)
        .level(Warning)
        .flag("invalid_user"),
    rule("Login attempt with wrong user {user} from {ip}:{port}")
        .action(action::FAILED_LOGIN)
        .level(Warning)
        .flag("invalid_user"),
    rule("{method} auth succeeded for '{user}' with {key_type} key {key} from {ip}:{port}")
        .action(action::LOGIN)
        .level(Info),
    rule("PAM password auth succeeded for '{user}' from {ip}:{port}")
        .action(action::LOGIN)
        .level(Info),
    rule("{method} auth succeeded for '{user}' from {ip}:{port}")
        .action(action::LOGIN)
        .level(Info),
    rule("Child connection from {ip}:{port}")
        .action(action::CONNECTED)
        .level(Info),
    rule("Max auth tries reached - user '{user}' from {ip}:{port}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Warning),
    rule(
        "Exit before auth from <{ip}:{port}>: (user '{user}', {fails:number} fails): {reason:text}",
    )
    .action(action::DISCONNECTED)
    .level(Info)
    .flag("preauth"),
    rule("Exit before auth from <{ip}:{port}>: {reason:text}")
        .action(action::DISCONNECTED)
        .level(Info)
        .flag("preauth"),
    rule("Exit before auth (user '{user}', {fails:number} fails): {reason:text}")
        .action(action::DISCONNECTED)
        .level(Info)
        .flag("preauth"),
    rule("Exit before auth: {reason:text}")
        .action(action::DISCONNECTED)
        .level(Info)
        .flag("preauth"),
    rule("Exit ({user}) from <{ip}:{port}>: {reason:text}")
        .action(action::LOGOUT)
        .level(Info),
    rule("Exit ({user}): {reason:text}")
        .action(action::LOGOUT)
        .level(Info),
];

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(RULES, message, found)
}
