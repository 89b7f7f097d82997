//! What is concluded from logs and metrics: traces of notable lines, patterns over many of them, and
//! what is known of addresses.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A notable line or sample was looked into; the text says what it was in one sentence. The stream
/// is `trace/<trigger>`, the cause is the event that it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceRecorded {
    /// What made it notable.
    pub trigger: Trigger,
    /// What it is about, for one trace per subject in a while: an address, a service, a host.
    pub subject: String,
    /// The machine.
    pub host: String,
    /// How much it matters, 0 to 100.
    pub severity_score: i64,
    /// What happened: `ban`, `failed_login`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whose name was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Why it came about, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<String>,
    /// Positions of the events that led to it, oldest first, at most 100; its own is not among them.
    pub chain: Vec<i64>,
    /// Programs that wrote the events of the chain.
    pub related_services: Vec<String>,
    /// What an error turned out to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ErrorFound>>,
}

/// What makes a line or a sample notable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An address was banned.
    Ban,
    /// Many logins failed from one address.
    FailedLoginBurst,
    /// An error was logged.
    Error,
    /// Somebody did what they may not.
    Unauthorized,
    /// The processor, the memory or a disk is used up.
    HighUsage,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ban,
        Self::FailedLoginBurst,
        Self::Error,
        Self::Unauthorized,
        Self::HighUsage,
    ];

    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::FailedLoginBurst => "failed_login_burst",
            Self::Error => "error",
            Self::Unauthorized => "unauthorized",
            Self::HighUsage => "high_usage",
        }
    }
}

/// What an error's line says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorFound {
    /// `disk_full`, `connection_refused`, …
    pub error_type: String,
    /// `database`, `network`, …
    pub category: String,
    /// Name of the exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// The source file that the line names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    /// `ECONNREFUSED`, `28`, `SQLSTATE 40P01`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether a stack trace follows.
    pub has_stacktrace: bool,
    /// What may be behind it.
    pub hints: Vec<String>,
    /// What may help.
    pub suggestions: Vec<String>,
}

/// What ran and who was connected on the host when a trace was made. The cause is the trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceSnapshotTaken {
    /// Position of the trace.
    pub trace: i64,
    /// The processes that have to do with it, or use most.
    pub processes: Vec<ProcessSeen>,
    /// The connections that have to do with it, or the first ones.
    pub connections: Vec<ConnectionSeen>,
}

/// A process (proc(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSeen {
    /// Its number.
    pub pid: i64,
    /// Its name.
    pub name: String,
    /// Its arguments; what looks like a secret is masked.
    pub cmdline: String,
    /// One letter: `R`, `S`, `D`, `Z`, `T`, …
    pub state: String,
    /// Its parent's number.
    pub parent_pid: i64,
    /// Resident memory, bytes.
    pub memory_rss: i64,
    /// Virtual memory, bytes.
    pub memory_vm: i64,
    /// Time in user code, clock ticks.
    pub cpu_utime: i64,
    /// Time in the kernel, clock ticks.
    pub cpu_stime: i64,
    /// Threads.
    pub threads: i64,
    /// Bytes read from disks; none where the kernel does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<i64>,
    /// Bytes written to disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_bytes: Option<i64>,
    /// Calls that read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_syscalls: Option<i64>,
    /// Calls that wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_syscalls: Option<i64>,
}

/// A connection (`proc_net(5)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionSeen {
    /// `tcp`, `tcp6`, `udp`, `udp6`
    pub protocol: String,
    /// `ESTABLISHED`, `LISTEN`, `TIME_WAIT`, …
    pub state: String,
    /// This end.
    pub local_ip: IpAddr,
    /// Its port.
    pub local_port: u16,
    /// The other end.
    pub remote_ip: IpAddr,
    /// Its port.
    pub remote_port: u16,
}

/// Many events make a pattern; the text is its description. The stream is `pattern/<type>`, the
/// cause is the event that completed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternDetected {
    /// Which.
    pub pattern: PatternType,
    /// What it is about: an address, a service, a host.
    pub subject: String,
    /// A short name for people.
    pub name: String,
    /// Programs that are part of it.
    pub services: Vec<String>,
    /// Addresses that are part of it, at most 100.
    pub ips: Vec<IpAddr>,
    /// Events that make it.
    pub event_count: i64,
    /// How much it matters, 0 to 100.
    pub severity: i64,
    /// Its first event, Unix nanoseconds.
    pub started_at: i64,
    /// Its last event until now, Unix nanoseconds.
    pub ended_at: i64,
    /// Why it came about, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<String>,
    /// What may help.
    pub recommendations: Vec<String>,
    /// Position of the pattern that this is, grown meanwhile; none when it is a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grown_from: Option<i64>,
}

/// The patterns that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternType {
    /// One address fails to log in again and again.
    BruteForce,
    /// One address tries many names, or many addresses try one.
    IpSweep,
    /// A source logs errors far more often than usual.
    ErrorBurst,
    /// A service starts again and again.
    RestartLoop,
}

impl PatternType {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::BruteForce,
        Self::IpSweep,
        Self::ErrorBurst,
        Self::RestartLoop,
    ];

    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BruteForce => "brute_force",
            Self::IpSweep => "ip_sweep",
            Self::ErrorBurst => "error_burst",
            Self::RestartLoop => "restart_loop",
        }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::BruteForce => "a brute force",
            Self::IpSweep => "a sweep over names or addresses",
            Self::ErrorBurst => "a burst of errors",
            Self::RestartLoop => "a restart loop",
        }
    }
}

/// A person, or a list, says what an address is; the text says why. The stream is `ip/<address>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpListed {
    /// The address.
    pub ip: IpAddr,
    /// On which list it stands from now on.
    pub list: IpList,
}

/// A list of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpList {
    /// Known to be good.
    Whitelist,
    /// Known to be malicious.
    Blacklist,
    /// On neither.
    None,
}

/// Where an address belongs, as a local database of places says. The stream is `ip/<address>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpLocated {
    /// The address.
    pub ip: IpAddr,
    /// ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// The city's English name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The network's number and name: `AS64500 Example Net`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<String>,
}
