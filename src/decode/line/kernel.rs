//! The kernel: memory, crashes, disks, file systems, links, the firewall.

use super::address;
use super::found::Found;
use super::pattern::{Rule, first, rule};
use crate::event::action;
use crate::event::system::Level::{Critical, Error, Info, Warning};

const RULES: &[Rule] = &[
    rule("Out of memory: Kill{} process {pid} ({process:text}) total-vm:{}")
        .action(action::OUT_OF_MEMORY)
        .level(Critical),
    rule("Out of memory: Kill{} process {pid} ({process:first}){}")
        .action(action::OUT_OF_MEMORY)
        .level(Critical),
    rule("Memory cgroup out of memory: Kill{} process {pid} ({process:text}) total-vm:{}")
        .action(action::OUT_OF_MEMORY)
        .level(Critical),
    rule("Memory cgroup out of memory: Kill{} process {pid} ({process:first}){}")
        .action(action::OUT_OF_MEMORY)
        .level(Critical),
    // The line that says who was killed follows.
    rule("{process:first} invoked oom-killer: {}").level(Warning),
    rule("oom-kill:{}").level(Warning),
    rule("oom_reaper: reaped process {pid} ({process:first}){}").level(Warning),
    rule("{process:first}[{pid}]: segfault at {} in {module}[{}")
        .action(action::CRASHED)
        .level(Error),
    rule("{process:first}[{pid}]: segfault at {}")
        .action(action::CRASHED)
        .level(Error),
    rule("traps: {process:first}[{pid}] {reason:first} ip:{}")
        .action(action::CRASHED)
        .level(Error),
    rule("Kernel panic - not syncing: {reason:text}")
        .action(action::CRASHED)
        .level(Critical),
    rule("BUG: {reason:text}")
        .action(action::CRASHED)
        .level(Critical),
    rule("watchdog: BUG: {reason:text}")
        .action(action::CRASHED)
        .level(Critical),
    rule("INFO: task {process:first} blocked for more than {seconds:number} seconds.").level(Error),
    rule("{driver}: I/O error, dev {device}, sector {sector:number}{}")
        .action(action::IO_ERROR)
        .level(Error),
    rule("I/O error, dev {device}, sector {sector:number}{}")
        .action(action::IO_ERROR)
        .level(Error),
    rule("Buffer I/O error on dev {device}, logical block {}")
        .action(action::IO_ERROR)
        .level(Error),
    rule("critical medium error, dev {device}, sector {sector:number}{}")
        .action(action::IO_ERROR)
        .level(Error),
    rule("EXT4-fs error (device {device}): {reason:text}")
        .action(action::FILESYSTEM_ERROR)
        .level(Error),
    rule("EXT4-fs warning (device {device}): {}").level(Warning),
    rule("EXT4-fs ({device}): Remounting filesystem read-only")
        .action(action::FILESYSTEM_ERROR)
        .level(Critical),
    rule("EXT4-fs ({device}): {}").level(Info),
    rule("BTRFS error (device {device}): {reason:text}")
        .action(action::FILESYSTEM_ERROR)
        .level(Error),
    rule("BTRFS critical (device {device}): {reason:text}")
        .action(action::FILESYSTEM_ERROR)
        .level(Critical),
    rule("XFS ({device}): Corruption {reason:text}")
        .action(action::FILESYSTEM_ERROR)
        .level(Critical),
    rule("FAT-fs ({device}): error, {reason:text}")
        .action(action::FILESYSTEM_ERROR)
        .level(Error),
    rule("{driver} {bus} {interface}: Link is Down")
        .action(action::LINK_DOWN)
        .level(Warning),
    rule("{driver} {bus} {interface}: Link is Up{}")
        .action(action::LINK_UP)
        .level(Info),
    rule("{driver} {bus} {interface}: NIC Link is Down")
        .action(action::LINK_DOWN)
        .level(Warning),
    rule("{driver} {bus} {interface}: NIC Link is Up{}")
        .action(action::LINK_UP)
        .level(Info),
    rule("{driver} {interface}: NIC Link is Down")
        .action(action::LINK_DOWN)
        .level(Warning),
    rule("{driver} {interface}: NIC Link is Up{}")
        .action(action::LINK_UP)
        .level(Info),
    rule("{driver}: {interface} NIC Link is Down")
        .action(action::LINK_DOWN)
        .level(Warning),
    rule("{driver}: {interface} NIC Link is Up{}")
        .action(action::LINK_UP)
        .level(Info),
    rule("{interface}: Link is Down")
        .action(action::LINK_DOWN)
        .level(Warning),
    rule("{interface}: Link is Up{}")
        .action(action::LINK_UP)
        .level(Info),
    rule("{driver} {bus} {interface}: link down")
        .action(action::LINK_DOWN)
        .level(Warning),
    rule("{driver} {bus} {interface}: link up{}")
        .action(action::LINK_UP)
        .level(Info),
    rule("{interface}: link down")
        .action(action::LINK_DOWN)
        .level(Warning),
    rule("{interface}: link up{}")
        .action(action::LINK_UP)
        .level(Info),
    rule("IPv6: ADDRCONF(NETDEV_CHANGE): {interface}: link becomes ready")
        .action(action::LINK_UP)
        .level(Info),
    rule("{cpu}: Core temperature above threshold, {}").level(Warning),
    rule("{cpu}: Package temperature above threshold, {}").level(Warning),
    rule("{driver} {device}: Under-voltage detected! {}").level(Warning),
    rule("Under-voltage detected! {}").level(Warning),
];

/// What firewalls write before a packet, and whether it was let through.
const FIREWALL: &[(&str, bool)] = &[
    ("[UFW BLOCK] ", true),
    ("[UFW AUDIT] ", false),
    ("[UFW ALLOW] ", false),
    ("[UFW LIMIT BLOCK] ", true),
];
const PACKET: &[(&str, &str)] = &[("IN", "interface"), ("PROTO", "protocol")];

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    let text = without_uptime(message, found);
    match FIREWALL
        .iter()
        .find_map(|(head, no)| Some((text.strip_prefix(head)?, *no)))
    {
        Some((packet, blocked)) => {
            if blocked {
                found.action(action::BLOCKED);
            }
            found.level = Some(Info);
            fields_of(packet, found);
            true
        }
        None => first(RULES, text, found),
    }
}

/// `[12345.678901] ` stands before a message in kern.log too.
fn without_uptime<'t>(message: &'t str, found: &mut Found<'t>) -> &'t str {
    let Some((inner, rest)) = message
        .strip_prefix('[')
        .and_then(|text| text.split_once("] "))
    else {
        return message;
    };
    let uptime = inner.trim_start();
    let number = uptime.contains('.')
        && uptime
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !number {
        return message;
    }
    found.text("uptime_s", uptime);
    rest
}

/// `IN=eth0 OUT= SRC=192.0.2.1 DST=… PROTO=TCP SPT=… DPT=22 …`
fn fields_of<'t>(packet: &'t str, found: &mut Found<'t>) {
    for (key, value) in packet.split(' ').filter_map(|pair| pair.split_once('=')) {
        match key {
            "SRC" if address::read(value).is_some() => found.address(value),
            "DST" => found.text("destination", value),
            "SPT" => found.number("port", value),
            "DPT" => found.number("destination_port", value),
            _ => {
                if let Some((_, name)) = PACKET.iter().find(|(known, _)| *known == key) {
                    found.text(name, value);
                }
            }
        }
    }
}
