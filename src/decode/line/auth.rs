//! The other programs of auth.log: sudo, su, login, the seats, the accounts.

use super::found::Found;
use super::pattern::{Rule, first, rule};
use crate::event::action;
use crate::event::system::Level::{Info, Warning};

/// sudo writes the invoking user first. Local names hold no blanks: what a command holds cannot be
/// taken for a refusal.
const SUDO: &[Rule] = &[
    rule("{user:word} : user NOT in sudoers ; TTY={tty} ; PWD={pwd:first} ; USER={target_user} ; COMMAND={command:text}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("{user:word} : user NOT in sudoers ; {}").action(action::UNAUTHORIZED).level(Warning),
    rule("{user:word} : user NOT authorized on host ; {}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("{user:word} : command not allowed ; TTY={tty} ; PWD={pwd:first} ; USER={target_user} ; COMMAND={command:text}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("{user:word} : command not allowed ; {}").action(action::UNAUTHORIZED).level(Warning),
    rule("{user:word} : {count} incorrect password attempt{} ; TTY={tty} ; PWD={pwd:first} ; USER={target_user} ; COMMAND={command:text}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("{user:word} : a password is required ; {}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Info),
    rule("{user:word} : TTY={tty} ; PWD={pwd:first} ; USER={target_user} ; COMMAND={command:text}")
        .action(action::COMMAND)
        .level(Info),
    rule("{user:word} : PWD={pwd:first} ; USER={target_user} ; COMMAND={command:text}")
        .action(action::COMMAND)
        .level(Info),
];

const SU: &[Rule] = &[
    rule("FAILED SU (to {target_user}) {user} on {tty}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("FAILED su for {target_user} by {user}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("(to {target_user}) {user} on {tty}")
        .action(action::COMMAND)
        .level(Info),
    rule("Successful su for {target_user} by {user}")
        .action(action::COMMAND)
        .level(Info),
];

const LOGIN: &[Rule] = &[
    rule("FAILED LOGIN ({attempt:number}) on '{tty}' from '{ip}' FOR '{user}', {reason:text}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("FAILED LOGIN ({attempt:number}) on '{tty}' FOR '{user}', {reason:text}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("FAILED LOGIN {attempt:number} FROM {ip} FOR {user}, {reason}")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("FAILED LOGIN SESSION FROM {ip} FOR {user}, {reason:text}")
        .action(action::AUTHENTICATION_FAILURE)
        .level(Warning),
    rule("ROOT LOGIN ON {tty} FROM {ip}")
        .action(action::LOGIN)
        .level(Info),
    rule("ROOT LOGIN{}ON '{tty}'")
        .action(action::LOGIN)
        .level(Info),
    rule("ROOT LOGIN{}on '{tty}'")
        .action(action::LOGIN)
        .level(Info),
    rule("LOGIN ON {tty} BY {user} FROM {ip}")
        .action(action::LOGIN)
        .level(Info),
    rule("LOGIN ON {tty} BY {user}")
        .action(action::LOGIN)
        .level(Info),
];

const LOGIND: &[Rule] = &[
    rule("New session {session} of user {user}.")
        .action(action::SESSION_OPENED)
        .level(Info),
    rule("New session '{session}' of user '{user}' with class '{}")
        .action(action::SESSION_OPENED)
        .level(Info),
    rule("Removed session {session}.")
        .action(action::SESSION_CLOSED)
        .level(Info),
    rule("Session {session} logged out. {}").level(Info),
    rule("Power key pressed{}").level(Warning),
];

const ACCOUNTS: &[Rule] = &[
    rule("new user: name={user:word}, UID={uid:number}, {}")
        .action(action::ACCOUNT_CHANGED)
        .level(Warning),
    rule("new group: name={group}, GID={gid:number}")
        .action(action::ACCOUNT_CHANGED)
        .level(Info),
    rule("delete user '{user}'")
        .action(action::ACCOUNT_CHANGED)
        .level(Warning),
    rule("add '{user}' to group '{group}'")
        .action(action::ACCOUNT_CHANGED)
        .level(Info),
    rule("change user '{user}' {}")
        .action(action::ACCOUNT_CHANGED)
        .level(Info),
];

const CRON: &[Rule] = &[rule("({user:word}) CMD ({command:text})")
    .action(action::COMMAND)
    .level(Info)];

pub(super) fn sudo<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(SUDO, message.trim_start(), found)
}

pub(super) fn su<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(SU, message, found)
}

pub(super) fn login<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(LOGIN, message, found)
}

pub(super) fn logind<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(LOGIND, message, found)
}

pub(super) fn accounts<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(ACCOUNTS, message, found)
}

pub(super) fn cron<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(CRON, message, found)
}
