//! Pets and wildlife.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::camera::BoundingBox;

/// A pet, or an animal that nobody knows, before a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PetSighted {
    /// The camera that saw it.
    pub camera: String,
    /// The pet's id; none for an unknown animal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pet_id: Option<String>,
    /// Species, lower case.
    pub species: String,
    /// Certainty, 0..=1.
    pub confidence: f64,
    /// Where in the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<BoundingBox>,
    /// Path of the cut-out picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop_path: Option<String>,
    /// Where the camera looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// Where a camera looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Location {
    /// Outside.
    Exterior,
    /// Inside.
    Interior,
    /// A door or gate between both.
    Transition,
}

impl Location {
    /// The place with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Exterior, Self::Interior, Self::Transition]
            .into_iter()
            .find(|place| place.name() == name)
    }

    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exterior => "EXTERIOR",
            Self::Interior => "INTERIOR",
            Self::Transition => "TRANSITION",
        }
    }
}

/// A pet's place, told by name. The pet is the event's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PetLocated {
    /// The camera that knows it.
    pub camera: String,
    /// The place, in the publisher's words.
    pub location: String,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// How much a wild animal matters to the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Threat {
    /// Dangerous to pets or people.
    Predator,
    /// Raids bins and coops.
    Nuisance,
    /// Only nice to see.
    Passive,
}

impl Threat {
    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Predator => "PREDATOR",
            Self::Nuisance => "NUISANCE",
            Self::Passive => "PASSIVE",
        }
    }
}

/// The threat of each species, for messages that tell none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threats {
    /// Dangerous ones, lower case.
    pub predators: Vec<String>,
    /// Those that raid bins and coops, lower case.
    pub nuisances: Vec<String>,
}

impl Default for Threats {
    fn default() -> Self {
        Self {
            predators: ["bear", "wolf", "cougar", "coyote"].map(Into::into).into(),
            nuisances: ["raccoon", "skunk", "rat", "fox"].map(Into::into).into(),
        }
    }
}

impl Threats {
    /// The threat of a species (lower case); one that stands in neither list is only nice to see.
    pub fn of(&self, species: &str) -> Threat {
        let is_in = |list: &[String]| list.iter().any(|known| known == species);
        if is_in(&self.predators) {
            Threat::Predator
        } else if is_in(&self.nuisances) {
            Threat::Nuisance
        } else {
            Threat::Passive
        }
    }
}

/// A wild animal before a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WildlifeSighted {
    /// The camera that saw it.
    pub camera: String,
    /// Species, lower case.
    pub species: String,
    /// Certainty, 0..=1.
    pub confidence: f64,
    /// Its threat: the message's own word, else by species.
    pub threat: Threat,
    /// Where in the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<BoundingBox>,
    /// Path of the cut-out picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop_path: Option<String>,
    /// Air temperature, °C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Weather in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
