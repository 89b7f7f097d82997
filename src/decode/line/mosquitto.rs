//! mosquitto: who connects to the broker, who is refused, what is denied.

use super::found::Found;
use super::pattern::{Rule, first, rule};
use crate::event::action;
use crate::event::system::Level::{Info, Warning};

const RULES: &[Rule] = &[
    rule("New connection from {ip}:{port} on port {local_port:number}.")
        .action(action::CONNECTED)
        .level(Info),
    rule("New client connected from {ip}:{port} as {client:text} (p{protocol:number}, c{}, k{keepalive_s:number}, u'{user}').")
        .action(action::LOGIN)
        .level(Info),
    rule("New client connected from {ip}:{port} as {client:text} (p{protocol:number}, c{}, k{keepalive_s:number}).")
        .action(action::CONNECTED)
        .level(Info),
    rule("New bridge connected from {ip}:{port} as {client:text} (p{}")
        .action(action::LOGIN)
        .level(Info),
    rule("Client {client:text} [{ip}:{port}] disconnected: not authorised.")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("Client {client:text} disconnected, not authorised.")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("Client {client:text} disconnected: not authorised.")
        .action(action::FAILED_LOGIN)
        .level(Warning),
    rule("Denied PUBLISH from {client:text} (d{:number}, q{:number}, r{:number}, m{:number}, '{topic:first}',{}")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("Denied {} from {client:text} ({}").action(action::UNAUTHORIZED).level(Warning),
    rule("Client connection from {ip} failed: {reason:text}.")
        .action(action::DISCONNECTED)
        .level(Warning),
    rule("Client connection from {ip} denied access by {reason:text}.")
        .action(action::UNAUTHORIZED)
        .level(Warning),
    rule("Client {client:text} closed its connection.").action(action::DISCONNECTED).level(Info),
    rule("Client {client:text} [{ip}:{port}] disconnected.")
        .action(action::DISCONNECTED)
        .level(Info),
    rule("Client {client:text} disconnected.").action(action::DISCONNECTED).level(Info),
    rule("Client {client:text} has exceeded timeout, disconnecting.")
        .action(action::DISCONNECTED)
        .level(Warning),
    rule("Client {client:text} already connected, closing old connection.").level(Warning),
    rule("Client {client:text} disconnected due to {reason:text}.")
        .action(action::DISCONNECTED)
        .level(Warning),
    rule("Socket error on client {client:text}, disconnecting.")
        .action(action::DISCONNECTED)
        .level(Warning),
    rule("Bad socket read/write on client {client:text}: {reason:text}")
        .action(action::DISCONNECTED)
        .level(Warning),
    rule("Outgoing messages are being dropped for client {client:text}.").level(Warning),
    rule("mosquitto version {version} starting").action(action::SERVICE_STARTED).level(Info),
    rule("mosquitto version {version} running").level(Info),
    rule("mosquitto version {version} terminating").action(action::SERVICE_STOPPED).level(Info),
];

/// Whether a message that names no program is one that only mosquitto writes.
pub(super) fn is_own(message: &str) -> bool {
    message.starts_with("mosquitto version ") || message.starts_with("New client connected from ")
}

pub(super) fn read<'t>(message: &'t str, found: &mut Found<'t>) -> bool {
    first(RULES, message, found)
}
