//! fail2ban: its own log file, and what it sends to syslog.

use super::envelope;
use super::found::Found;
use super::pattern::{Rule, first, rule};
use crate::event::action;
use crate::event::system::Level::{Info, Warning};

const RULES: &[Rule] = &[
    rule("[{jail}] Ban {ip}").action(action::BAN).level(Warning),
    rule("[{jail}] Unban {ip}")
        .action(action::UNBAN)
        .level(Info),
    rule("[{jail}] Found {ip} - {}")
        .action(action::FOUND)
        .level(Info),
    rule("[{jail}] Found {ip}")
        .action(action::FOUND)
        .level(Info),
    rule("[{jail}] Restore Ban {ip}")
        .action(action::RESTORE_BAN)
        .level(Info),
    // Follows the ban that it lengthens.
    rule("[{jail}] Increase Ban {ip} ({bans:number} # {duration} -> {}").level(Info),
    rule("[{jail}] {ip} already banned").level(Info),
    rule("[{jail}] Ignore {ip} by {reason:text}").level(Info),
    rule("Jail '{jail}' started").level(Info),
    rule("Jail '{jail}' stopped").level(Info),
];

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    let text = without_component(message);
    let text = envelope::level_word(text, found).unwrap_or(text);
    let text = text.trim_end();
    first(RULES, text, found)
}

/// Whether a line that names no program is one of fail2ban's.
pub(super) fn is_own(message: &str) -> bool {
    message.starts_with("fail2ban.")
}

/// What stands behind `fail2ban.actions        [812]: `.
fn without_component(message: &str) -> &str {
    let Some(rest) = message.strip_prefix("fail2ban.") else {
        return message;
    };
    let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric());
    match rest
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"))
    {
        Some((_, behind)) => behind.trim_start(),
        None => rest.trim_start_matches([' ', ':']),
    }
}
