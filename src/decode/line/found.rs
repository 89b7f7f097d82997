//! What is found in a line, bit by bit.

use serde_json::Value;

use super::address;
use super::stamp::Stamp;
use crate::event::Extra;
use crate::event::system::{Level, LogWritten};

/// The interface of a link-local address.
const IP_ZONE: &str = "ip_zone";
/// The name of a host where an address is usual.
const REMOTE_HOST: &str = "remote_host";
/// The remote port.
const PORT: &str = "port";

/// Collected by the rules.
#[derive(Debug, Default)]
pub(super) struct Found<'t> {
    /// The line's own time.
    pub(super) stamp: Option<Stamp>,
    /// The level that a rule gives, which counts before all others.
    pub(super) level: Option<Level>,
    /// The level that the line tells of itself.
    pub(super) told: Option<Level>,
    /// What is left when the envelope is off.
    pub(super) message: &'t str,
    /// Fields by name.
    pub(super) fields: Extra,
}

impl<'t> Found<'t> {
    /// A field; an empty one is none.
    pub(super) fn text(&mut self, name: &str, text: &'t str) {
        if !text.is_empty() {
            self.put(name, Value::String(text.to_owned()));
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, name: &str, digits: &str) {
        if let Ok(number) = digits.parse::<i64>() {
            self.put(name, Value::from(number));
        }
    }

    /// What happened.
    pub(super) fn action(&mut self, action: &str) {
        self.put(LogWritten::ACTION, Value::String(action.to_owned()));
    }

    /// Something that is so.
    pub(super) fn flag(&mut self, name: &str) {
        self.put(name, Value::Bool(true));
    }

    /// The program, or what else runs as a service.
    pub(super) fn service(&mut self, name: &'t str) {
        self.text(LogWritten::SERVICE, name);
    }

    /// An address with what was written with it, or the name of a host. sshd writes `UNKNOWN` when
    /// the connection is gone.
    pub(super) fn address(&mut self, text: &'t str) {
        if let Some(address) = address::read(text) {
            self.put(LogWritten::IP, Value::String(address.ip.to_string()));
            if let Some(zone) = address.zone {
                self.text(IP_ZONE, zone);
            }
            if let Some(port) = address.port {
                self.put(PORT, Value::from(port));
            }
        } else if text != "UNKNOWN" {
            self.text(REMOTE_HOST, text);
        }
    }

    /// What was found before under this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    fn put(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }
}
