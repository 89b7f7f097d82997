//! The machine room: logs, metrics, health, the broker, the daemon itself.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Extra;

/// How bad a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// For developers.
    Debug,
    /// Ordinary.
    Info,
    /// Odd, but working.
    Warning,
    /// Something failed.
    Error,
    /// Something important failed.
    Critical,
}

impl Level {
    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

fn has_none(fields: &Extra) -> bool {
    fields.is_empty()
}

/// A log line; the line is the event's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogWritten {
    /// The machine that wrote it.
    pub host: String,
    /// The program that wrote it.
    pub source: String,
    /// How bad it is.
    pub level: Level,
    /// Fields beside the line; shared, as every line is held twice until it is stored.
    #[serde(default, skip_serializing_if = "has_none")]
    pub fields: Arc<Extra>,
}

/// What parsers find in a line stands among its fields under these names, which a publisher may use
/// as well (Logly's).
impl LogWritten {
    /// The field for what happened: `failed_login`, `ban`, …
    pub const ACTION: &str = "action";
    /// The field for the address that the line is about.
    pub const IP: &str = "ip_address";
    /// The field for the user that the line is about.
    pub const USER: &str = "user";
    /// The field for the program, where the source is a file of several.
    pub const SERVICE: &str = "service";
    /// The field for of how many such lines this one tells (`message repeated 5 times`).
    pub const COUNT: &str = "count";

    /// Most that one line is believed to stand for.
    pub const TIMES_MAX: i64 = 1_000;

    /// A field that is a text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    /// The address that the line is about. An IPv4 address in the clothes of IPv6 (`::ffff:…`, as a
    /// socket for both writes it) is the IPv4 address, for that is what gets banned.
    pub fn ip(&self) -> Option<core::net::IpAddr> {
        let ip: core::net::IpAddr = self.field(Self::IP)?.parse().ok()?;
        Some(ip.to_canonical())
    }

    /// What happened: one of [`super::action`], or a publisher's own word.
    pub fn action(&self) -> Option<&str> {
        self.field(Self::ACTION)
    }

    /// How often it tells that it happened: 1 to [`Self::TIMES_MAX`].
    pub fn times(&self) -> i64 {
        let count = self.fields.get(Self::COUNT);
        let count = count.filter(|count| count.is_i64() || count.is_u64());
        count.map_or(1, |count| {
            let times = count.as_i64().unwrap_or(Self::TIMES_MAX);
            times.clamp(1, Self::TIMES_MAX)
        })
    }

    /// The program that wrote it.
    pub fn program(&self) -> &str {
        self.field(Self::SERVICE).unwrap_or(&self.source)
    }
}

/// A host's metrics of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsSampled {
    /// The machine.
    pub host: String,
    /// `system` or `network`.
    pub group: String,
    /// The values by name.
    pub values: Extra,
}

/// A subsystem's own account of its health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthReported {
    /// What it said.
    pub values: Extra,
}

/// The first session of a topic family with the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// The topic family.
    pub family: String,
}

/// A session that we had and the broker no longer has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionLost {
    /// The topic family.
    pub family: String,
    /// When the family's last message before the loss was stored, Unix nanoseconds: what came
    /// between then and this event may be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_stored_at: Option<i64>,
}

/// A subscription that the broker refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionRefused {
    /// The topic family.
    pub family: String,
    /// The topic filter.
    pub filter: String,
}

/// The daemon started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Program version.
    pub version: String,
    /// Process id.
    pub pid: i64,
}

impl Started {
    /// This program in this process.
    pub fn of_this_process() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: i64::from(std::process::id()),
        }
    }
}

/// The daemon stopped in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stopped {}

/// How much an operator should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Good to know.
    Info,
    /// Somebody should look.
    Alert,
    /// Somebody must act.
    Critical,
}

impl Weight {
    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Alert => "alert",
            Self::Critical => "critical",
        }
    }
}

/// A note to the operator; the event's text says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// The part of the program.
    pub component: String,
    /// How much it matters.
    pub level: Weight,
}

/// A fixture stream went in whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayFinished {
    /// SHA-256 of the stream's file, lower-case hex.
    pub sha256: String,
    /// Messages in it.
    pub messages: i64,
}
