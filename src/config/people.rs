//! `[faces]`, `[packages]` and `[presence]`: who may be recognised, when a parcel lies too long, who
//! lives here.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Config;
use super::units::Duration;
use super::validate::{Complaint, range};
use crate::reactor::household::Role;
use crate::reactor::{faces, packages, presence, sun};

/// Recognising faces. Off unless it is switched on, and then only for the cameras that are named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Faces {
    /// Whether faces are recognised at all.
    pub enabled: bool,
    /// The cameras whose faces are kept and compared. Of a face of any other camera nothing is
    /// stored but that there was one.
    pub cameras: Vec<String>,
    /// How near a face must be to be the same, 0.01 to 2 (1 minus the cosine of the angle).
    #[schemars(range(min = 0.01, max = 2.0))]
    pub match_distance: f64,
    /// Folder of the pictures that the recogniser cuts out; when a person is forgotten, theirs are
    /// deleted in there and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub crops_dir: Option<PathBuf>,
}

impl Default for Faces {
    fn default() -> Self {
        Self {
            enabled: false,
            cameras: Vec::new(),
            match_distance: faces::Settings::default().match_distance,
            crops_dir: None,
        }
    }
}

impl Faces {
    /// The cameras that are opted in.
    pub fn opted_in(&self) -> impl Iterator<Item = &String> {
        self.cameras.iter().filter(|_| self.enabled)
    }
}

/// Parcels before the door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Packages {
    /// How long a parcel may lie before somebody is reminded, 1m to 30d; with `site.latitude` and
    /// `site.longitude` at sunset, if that comes first.
    pub remind_after: Duration,
}

impl Default for Packages {
    fn default() -> Self {
        Self {
            remind_after: Duration::from_secs(2 * 3_600),
        }
    }
}

/// Who lives here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Presence {
    /// Silence after which a member is away, 1m to 30d; "never" if what reports presence says both
    /// when somebody comes and when somebody leaves.
    pub away_after: AwayAfter,
    /// The members of the household. Others join when they are reported.
    pub member: Vec<PresenceMember>,
}

/// One member of the household.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct PresenceMember {
    /// What the member is called in topics: the last part of `presence/mara`.
    pub id: String,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// "adult" or "child".
    #[serde(default)]
    #[schemars(with = "String")]
    pub role: Role,
    /// The same as `presence.away_after`, for this member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_after: Option<AwayAfter>,
}

/// A duration, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwayAfter {
    /// After so long.
    After(Duration),
    /// Silence says nothing.
    Never,
}

impl AwayAfter {
    fn nanoseconds(self) -> Option<i64> {
        match self {
            Self::After(duration) => Some(nanoseconds(duration)),
            Self::Never => None,
        }
    }
}

impl Default for AwayAfter {
    fn default() -> Self {
        Self::After(Duration::from_secs(600))
    }
}

impl fmt::Display for AwayAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(duration) => duration.fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}

impl FromStr for AwayAfter {
    type Err = super::units::UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Never);
        }
        text.parse().map(Self::After)
    }
}

impl Serialize for AwayAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AwayAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for AwayAfter {
    fn schema_name() -> Cow<'static, str> {
        "AwayAfter".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Less is a slip of the pen; more than a month reminds nobody.
const WAIT: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(30 * 86_400);
/// Most members; each look at the clock goes through them.
const MEMBERS_MAX: usize = 64;
/// Longest id of a member, bytes.
const ID_MAX_BYTES: usize = 128;

/// What is wrong with single values.
pub(super) fn values(config: &Config, complaints: &mut Vec<Complaint>) {
    let waits = config.packages.remind_after;
    range("packages.remind_after", waits, &WAIT, complaints);
    let presence = &config.presence;
    if let AwayAfter::After(silence) = presence.away_after {
        range("presence.away_after", silence, &WAIT, complaints);
    }
    let key = "presence.member";
    if presence.member.len() > MEMBERS_MAX {
        complaints.push((key, format!("has more than {MEMBERS_MAX} members")));
    }
    for (index, member) in presence.member.iter().enumerate() {
        let number = index + 1;
        let id = &member.id;
        if id.is_empty() || id.len() > ID_MAX_BYTES || id.contains(['/', '+', '#', '\0']) {
            let message = "must have an `id` that can be one level of a topic";
            complaints.push((key, format!("number {number} {message}")));
        }
        if presence.member[..index].iter().any(|other| other.id == *id) {
            complaints.push((
                key,
                format!("number {number} has the `id` {id:?} once more"),
            ));
        }
        if let Some(AwayAfter::After(silence)) = member.away_after {
            let mut inner = Vec::new();
            range("away_after", silence, &WAIT, &mut inner);
            for (name, message) in inner {
                complaints.push((key, format!("number {number}: `{name}` {message}")));
            }
        }
    }
}

/// What is wrong with keys together.
pub(super) fn conflicts(config: &Config) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if config.faces.enabled && config.faces.cameras.is_empty() {
        let message = "`faces.enabled` is true, but `faces.cameras` names none; name each camera \
                       whose faces may be recognised";
        complaints.push(("faces.enabled", message.into()));
    }
    if config.site.latitude.is_some() != config.site.longitude.is_some() {
        let message = "`site.latitude` and `site.longitude` go together; set both or none";
        complaints.push(("site.latitude", message.into()));
    }
    complaints
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis())
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000)
}

impl Config {
    /// The house's place, if it is configured.
    pub fn place(&self) -> Option<sun::Place> {
        let site = &self.site;
        // The ranges were checked.
        sun::Place::new(site.latitude?, site.longitude?).ok()
    }

    pub(super) fn face_reactions(&self) -> faces::Settings {
        faces::Settings {
            match_distance: self.faces.match_distance,
            crops_dir: self.faces.crops_dir.clone(),
        }
    }

    pub(super) fn package_reactions(&self) -> packages::Settings {
        packages::Settings {
            place: self.place(),
            zone: self.site.time_zone.rules().clone(),
            remind_after_ns: nanoseconds(self.packages.remind_after),
        }
    }

    pub(super) fn presence_reactions(&self) -> presence::Settings {
        let section = &self.presence;
        let member = |member: &PresenceMember| {
            let patience = member.away_after.unwrap_or(section.away_after);
            let settings = presence::MemberSettings {
                role: member.role,
                away_after_ns: patience.nanoseconds(),
            };
            (member.id.clone(), settings)
        };
        presence::Settings {
            away_after_ns: section.away_after.nanoseconds(),
            members: section.member.iter().map(member).collect(),
        }
    }
}
