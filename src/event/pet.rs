//! The household's pets as people keep them: registry, labels, training pictures, rules.
//!
//! Everything here was decided by a person, but [`RuleFired`], which a reactor says. The pet is the
//! event's stream, `pet/<id>`, unless a payload names it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most pets that may be registered at a time.
pub const PETS_MAX: usize = 8;
/// Most rules of one pet.
pub const RULES_MAX: usize = 32;
/// Gravest priority of a rule; 0 is the least.
pub const PRIORITY_MAX: u8 = 9;

/// A pet belongs to the household from now on, or what is known of it changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// What people call it; no two registered pets share a name, whatever its case.
    pub name: String,
    /// Species, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub species: Option<String>,
    /// Breed, in people's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breed: Option<String>,
    /// How to tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Path of a picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo_path: Option<String>,
}

/// A pet is registered no more. What was seen of it stays; its rules go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Removed {}

/// A person says which animal a sighting shows. The stream is `sighting/<position>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SightingLabelled {
    /// Position of the sighting.
    pub position: i64,
    /// The pet; none: no pet of the house.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pet_id: Option<String>,
    /// Its species, lower case, where the camera was wrong about that too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub species: Option<String>,
}

/// A person takes a label back: what the camera said holds again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SightingUnlabelled {
    /// Position of the sighting.
    pub position: i64,
}

/// Where a training picture comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageSource {
    /// Cut out of a camera's picture.
    Crop,
    /// A file that a person gave.
    Upload,
}

impl ImageSource {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crop => "crop",
            Self::Upload => "upload",
        }
    }
}

/// A picture is to teach the recogniser what a pet looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageStaged {
    /// The pet that it shows.
    pub pet_id: String,
    /// Path of the picture.
    pub image_path: String,
    /// Where it comes from.
    pub source: ImageSource,
    /// Position of the sighting that it was cut out of; the picture follows that one's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sighting: Option<i64>,
}

/// The recogniser was trained with these pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImagesUsed {
    /// Positions of their `pet.image_staged`.
    pub ids: Vec<i64>,
}

/// What a rule asks. A zone is the id of a camera, or a place as `pet.located` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// It is seen there at this moment.
    DetectedInZone {
        /// The zone.
        zone: String,
    },
    /// It was not seen there for so long.
    NotSeenInZone {
        /// The zone.
        zone: String,
        /// How long.
        minutes: u32,
    },
    /// It was not seen at all for so long.
    NotSeenAnywhere {
        /// How long.
        minutes: u32,
    },
    /// It is seen at this moment, and no person is with it.
    DetectedWithoutPerson {
        /// Only there; none: anywhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
    /// It has been there, and nowhere else, for longer than this.
    InZoneLongerThan {
        /// The zone.
        zone: String,
        /// How long.
        minutes: u32,
    },
    /// It is that time of day, such as `22:00-06:00`.
    TimeOfDay {
        /// The hours, in the house's time zone.
        window: String,
    },
}

impl Condition {
    /// Whether it holds only in the moment in which the pet is seen.
    pub const fn is_detection(&self) -> bool {
        matches!(
            self,
            Self::DetectedInZone { .. } | Self::DetectedWithoutPerson { .. }
        )
    }
}

impl fmt::Display for Condition {
    /// In words: `not seen in kitchen for 60 min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DetectedInZone { zone } => write!(f, "seen in {zone}"),
            Self::NotSeenInZone { zone, minutes } => {
                write!(f, "not seen in {zone} for {minutes} min")
            }
            Self::NotSeenAnywhere { minutes } => write!(f, "not seen anywhere for {minutes} min"),
            Self::DetectedWithoutPerson { zone: Some(zone) } => {
                write!(f, "seen in {zone} without a person")
            }
            Self::DetectedWithoutPerson { zone: None } => f.write_str("seen without a person"),
            Self::InZoneLongerThan { zone, minutes } => {
                write!(f, "in {zone} for more than {minutes} min")
            }
            Self::TimeOfDay { window } => write!(f, "at {window}"),
        }
    }
}

/// What happens when a rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// People are told.
    Push,
    /// It stands in the log.
    Log,
    /// The camera records.
    Record,
}

impl Action {
    /// As stored and typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Log => "log",
            Self::Record => "record",
        }
    }
}

/// A rule of a pet is made, or replaced as a whole: names are unique per pet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleSet {
    /// Its name.
    pub name: String,
    /// What has to hold, all of it.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub action: Action,
    /// What people are told; none: the conditions in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Shortest time between two firings, seconds.
    pub cooldown_s: u32,
    /// 0..=9; the gravest is looked at first.
    pub priority: u8,
    /// Whether it is looked at.
    pub enabled: bool,
}

/// A rule of a pet is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleRemoved {
    /// Its name.
    pub name: String,
}

/// A rule of a pet fired; the event's text says what people are told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleFired {
    /// Id of the rule.
    pub rule: i64,
    /// Its name, as it was then.
    pub name: String,
    /// The pet.
    pub pet: String,
    /// What happens.
    pub action: Action,
    /// 0..=9.
    pub priority: u8,
    /// The camera that saw the pet, if seeing it fired the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
}
