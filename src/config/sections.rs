//! The sections of the configuration and every key in them, at its default.
//!
//! The comments on the keys are what `nightjar config schema` prints. A key exists only if
//! something uses it.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use super::alerts::Alerts;
use super::clip_names::PathPattern;
use super::detection::Detection;
use super::health::Health;
use super::host::{Host, LogFile, Logs};
use super::people::{Faces, Packages, Presence};
use super::registry::{Camera, Classification, Liveness, Sensor};
use super::retention::Retention;
use super::rules::Rule;
use super::tables::Tables;
use super::time_zone::Zone;
use super::units::{Duration, Size};
use super::wildlife::Wildlife;
use crate::base::clock::UnixNanos;
use crate::base::secret::Secret;
use crate::storage::sqlite;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Nightjar configuration", inline)]
pub struct Config {
    /// The house.
    pub site: Site,
    /// Where and how events are kept.
    pub storage: Storage,
    /// The broker.
    pub mqtt: Mqtt,
    /// The folder that cameras or a recorder write to.
    pub recordings: Recordings,
    /// Which recordings are deleted by themselves.
    pub retention: Retention,
    /// How long the tables keep their rows.
    pub tables: Tables,
    /// Encryption of recordings.
    pub vault: Vault,
    /// The alarm.
    pub alarm: Alarm,
    /// What the house does when several things hold.
    pub rule: Vec<Rule>,
    /// Who is told of what.
    pub alerts: Alerts,
    /// The cameras of the house; what their messages say never overwrites what stands here.
    pub camera: Vec<Camera>,
    /// The sensors of the house; what their messages say never overwrites what stands here.
    pub sensor: Vec<Sensor>,
    /// What moments are called.
    pub classification: Classification,
    /// When a device counts as silent.
    pub liveness: Liveness,
    /// Which wild animals matter.
    pub wildlife: Wildlife,
    /// What the program tells about itself.
    pub log: Log,
    /// Recognising faces.
    pub faces: Faces,
    /// Parcels before the door.
    pub packages: Packages,
    /// Who lives here.
    pub presence: Presence,
    /// The box's own health.
    pub health: Health,
    /// What is usual is learned, and what is not is told.
    pub detection: Detection,
    /// The machine that Nightjar runs on.
    pub host: Host,
    /// The logs of the machine.
    pub logs: Logs,
    /// The log files that are read.
    pub log_file: Vec<LogFile>,
}

impl Config {
    /// The recordings folder: as configured, else `recordings` in the data folder.
    pub fn recordings_folder(&self) -> PathBuf {
        let folder = self.recordings.folder.clone();
        folder.unwrap_or_else(|| self.storage.data_dir.join("recordings"))
    }
}

/// The house.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Site {
    /// Name of the house in client ids and topics: 1 to 32 of a-z, 0-9 and `-`. Two boxes on one
    /// broker need different names.
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,32}$"))]
    pub name: String,
    /// Degrees north of the equator, -90 to 90, for the times of the sun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -90.0, max = 90.0))]
    pub latitude: Option<f64>,
    /// Degrees east of Greenwich, -180 to 180.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -180.0, max = 180.0))]
    pub longitude: Option<f64>,
    /// Time zone of the house: "system", or a name such as "Europe/Berlin".
    pub time_zone: Zone,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            name: "home".into(),
            latitude: None,
            longitude: None,
            time_zone: Zone::system(),
        }
    }
}

/// Where and how events are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Storage {
    /// Folder of the database; `/var/lib/nightjar` for root and the system's service, else
    /// `~/.local/share/nightjar`.
    #[schemars(extend("format" = "path"))]
    pub data_dir: PathBuf,
    /// How hard a commit is.
    pub durability: Durability,
    /// Memory for database pages, 1 MiB to 16 GiB.
    pub cache: Size,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            data_dir: "/var/lib/nightjar".into(),
            durability: Durability::Full,
            cache: Size::mib(24),
        }
    }
}

/// How hard a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Durability {
    /// Every commit reaches the disk: what was acknowledged survives a power cut.
    Full,
    /// Faster on slow disks: survives a crash of the program, may lose the last commits on a power
    /// cut although they were acknowledged.
    Normal,
}

impl From<Durability> for sqlite::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Full => Self::Full,
            Durability::Normal => Self::Normal,
        }
    }
}

/// The broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Mqtt {
    /// Host name or address of the broker.
    pub host: String,
    /// Port of the broker.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: u16,
    /// Unix socket of the broker; takes the place of host and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub socket: Option<PathBuf>,
    /// User name at the broker; without one Nightjar connects anonymously.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password at the broker; better kept in a file of its own, see `password_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// File that holds the password and nothing else, readable for the service's user alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub password_file: Option<PathBuf>,
    /// First part of the topics that are listened to.
    pub prefix: String,
    /// First part of the topics that Nightjar itself publishes; neither below `prefix` nor above.
    pub publish_prefix: String,
    /// Longest silence before both sides make sure that the other is there; 5s to 18h, whole
    /// seconds.
    pub keep_alive: Duration,
    /// Largest packet that is taken, 16 KiB to 256 MiB; at least what the broker lets through.
    pub max_packet: Size,
    /// A packet larger than `max_packet` is taken once, up to this size, and stored raw, so that it
    /// does not come again for ever. At least `max_packet`, at most 256 MiB.
    pub receive_hard_cap: Size,
    /// Whether every event is published after its commit, below `nightjar/<site>/event/`. The
    /// alarm's state, alerts and what rules publish are told in any case.
    pub publish_events: bool,
    /// Whether vigilar's own topics are served too: `vigilar/system/arm_state` and
    /// `vigilar/events/published`.
    pub compat: bool,
    /// More topics for a family, beside those below `prefix`. No two families' filters may overlap.
    pub filters: Filters,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 1883,
            socket: None,
            username: None,
            password: None,
            password_file: None,
            prefix: "vigilar".into(),
            publish_prefix: "nightjar".into(),
            keep_alive: Duration::from_secs(30),
            max_packet: Size::mib(16),
            receive_hard_cap: Size::mib(64),
            publish_events: true,
            compat: false,
            filters: Filters::default(),
        }
    }
}

/// Further topic filters of each family. Each family has a session of its own at the broker, so
/// that a flood in one does not hold up the others; therefore no two families' filters may overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Filters {
    /// Door contacts, motion detectors, smoke and leak detectors, thermometers.
    pub sensor: Vec<String>,
    /// Motion, faces, packages and trouble before a camera.
    pub camera: Vec<String>,
    /// Pets that were recognised, and where they are.
    pub pet: Vec<String>,
    /// Wild animals.
    pub wildlife: Vec<String>,
    /// Lines of logs.
    pub log: Vec<String>,
    /// Everything else of the house: presence, arming, UPS, health, metrics.
    pub house: Vec<String>,
}

/// The folder that cameras or a recorder write to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Recordings {
    /// Whether the folder is watched and its recordings are sealed.
    pub enabled: bool,
    /// The folder; without it `recordings` in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub folder: Option<PathBuf>,
    /// How the end of a path, without the extension, tells camera and start time. Placeholders:
    /// {camera}, {any}, %Y %m %d %H %M %S, or %s for Unix seconds; %z for a distance from UTC.
    pub path_pattern: PathPattern,
    /// Zone of the times in file names: "system", "UTC", or a name such as "Europe/Berlin".
    pub time_zone: Zone,
    /// Extensions of recordings, in lower case; files with others are left alone.
    pub extensions: Vec<String>,
    /// Space that must stay free while a recording is sealed, 16 MiB to 16 TiB.
    pub reserve: Size,
    /// Larger recordings are left alone and reported, 1 MiB to 16 TiB.
    pub max_file: Size,
    /// Time between two looks through the whole folder, 1s to 1d; new files are usually noticed at
    /// once, this finds what the kernel did not tell.
    pub scan_every: Duration,
}

impl Recordings {
    /// Camera and start (Unix nanoseconds) of the recording at `path`, relative to the folder; None
    /// when the path does not fit the pattern.
    pub fn matches(&self, path: &str) -> Option<(String, UnixNanos)> {
        self.path_pattern.matches(path, self.time_zone.rules())
    }

    /// Whether `path` has one of the extensions, in either case.
    pub fn has_extension(&self, path: &Path) -> bool {
        path.extension().is_some_and(|has| {
            self.extensions
                .iter()
                .any(|one| has.eq_ignore_ascii_case(one))
        })
    }
}

impl Default for Recordings {
    fn default() -> Self {
        let pattern = "{camera}-%Y%m%d-%H%M%S";
        Self {
            enabled: true,
            folder: None,
            path_pattern: pattern.parse().expect("the default pattern is a pattern"),
            time_zone: Zone::system(),
            extensions: ["mp4", "mkv", "mov", "avi", "ts", "webm"]
                .map(Into::into)
                .into(),
            reserve: Size::mib(512),
            max_file: Size::gib(16),
            scan_every: Duration::from_secs(60),
        }
    }
}

/// Encryption of recordings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Vault {
    /// File with the key: 32 bytes, or 64 hex digits. A systemd credential `storage.key` goes first.
    #[schemars(extend("format" = "path"))]
    pub key_file: PathBuf,
    /// Folder with the keys of earlier recordings; without one it is `keyring` beside the key file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub keyring: Option<PathBuf>,
    /// Id of a new key, in hex, that may seal although older recordings have another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_key: Option<String>,
    /// Whether a sealed recording is read back from the disk and compared before the original is
    /// deleted. Without it sealing is faster, and a disk that writes wrong goes unnoticed until the
    /// next verification.
    pub verify_after_write: bool,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            key_file: "/etc/nightjar/secrets/storage.key".into(),
            keyring: None,
            accepted_key: None,
            verify_after_write: true,
        }
    }
}

/// What the program tells about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Log {
    /// The least grave messages that are told.
    pub level: LogLevel,
    /// How they look.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Auto,
        }
    }
}

/// The least grave messages that are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogLevel {
    /// Something failed and needs somebody.
    Error,
    /// Something is odd.
    Warn,
    /// What happens now and then.
    Info,
    /// What happens per batch.
    Debug,
    /// What happens per message.
    Trace,
}

/// How messages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogFormat {
    /// `journal` under systemd's journal, else `text`.
    Auto,
    /// Lines with a time stamp.
    Text,
    /// Lines with a priority prefix and without a time stamp.
    Journal,
    /// One JSON object per line.
    Json,
}
