//! `[wildlife]`: which wild animals matter to the house, when a message does not say so itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::validate::Complaint;
use crate::event::animal::Threats;

/// Most species of a list; each message is compared with them one by one.
const SPECIES_MAX: usize = 256;
/// Longest name of a species, as in messages, characters.
const SPECIES_CHARS_MAX: usize = 128;

/// The threat of wild animals. A message's own word goes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Wildlife {
    /// Species that are dangerous to pets or people, lower case. Seeing one is an alert.
    pub predators: Vec<String>,
    /// Species that raid bins and coops, lower case. Seeing one is a warning.
    pub nuisances: Vec<String>,
}

impl Default for Wildlife {
    fn default() -> Self {
        let Threats {
            predators,
            nuisances,
        } = Threats::default();
        Self {
            predators,
            nuisances,
        }
    }
}

impl Wildlife {
    /// As messages are read.
    pub fn threats(&self) -> Threats {
        Threats {
            predators: self.predators.clone(),
            nuisances: self.nuisances.clone(),
        }
    }
}

/// What is wrong with single values.
pub(super) fn values(wildlife: &Wildlife, complaints: &mut Vec<Complaint>) {
    for (key, list) in [
        ("wildlife.predators", &wildlife.predators),
        ("wildlife.nuisances", &wildlife.nuisances),
    ] {
        if list.len() > SPECIES_MAX {
            complaints.push((key, format!("has more than {SPECIES_MAX} species")));
        }
        let odd = |species: &&String| {
            species.trim().is_empty()
                || species.chars().count() > SPECIES_CHARS_MAX
                || species.trim().to_lowercase() != **species
        };
        if let Some(species) = list.iter().find(odd) {
            let message = format!(
                "has {species:?}; a species is 1 to {SPECIES_CHARS_MAX} characters in lower case, \
                 without blanks around it"
            );
            complaints.push((key, message));
        }
    }
}

/// What is wrong with keys together.
pub(super) fn conflicts(wildlife: &Wildlife) -> Vec<Complaint> {
    let both = |species: &&String| wildlife.nuisances.contains(species);
    let twice = wildlife.predators.iter().find(both).map(|species| {
        let message = format!(
            "`wildlife.predators` and `wildlife.nuisances` both name {species:?}; it is one or the \
             other"
        );
        ("wildlife.predators", message)
    });
    twice.into_iter().collect()
}
