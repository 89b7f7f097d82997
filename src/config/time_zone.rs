//! The zone in which file names tell the time.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::suggestion;

/// Means the box's own zone.
const SYSTEM: &str = "system";

/// A zone that this machine does not know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "\"{name}\" is no time zone that this machine knows; write \"system\", \"UTC\", or a name such \
     as \"Europe/Berlin\" (package tzdata){suggestion}"
)]
pub struct UnknownZone {
    name: String,
    suggestion: String,
}

/// `"system"`, a name such as `"Europe/Berlin"`, or a POSIX rule such as
/// `"CET-1CEST,M3.5.0,M10.5.0/3"` for boxes without a time zone database.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The box's own zone, as it is when this is called.
    pub fn system() -> Self {
        Self {
            name: SYSTEM.into(),
            zone: TimeZone::system(),
        }
    }

    /// The rules.
    pub fn rules(&self) -> &TimeZone {
        &self.zone
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        if name == SYSTEM {
            return Ok(Self::system());
        }
        TimeZone::get(name)
            .or_else(|_| TimeZone::posix(name))
            .map(|zone| Self {
                name: name.into(),
                zone,
            })
            .map_err(|_| {
                let known: Vec<_> = jiff::tz::db().available().map(|n| n.to_string()).collect();
                let known = known.iter().map(String::as_str).chain([SYSTEM]);
                UnknownZone {
                    name: name.into(),
                    suggestion: suggestion::did_you_mean(name, known),
                }
            })
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "TimeZone".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_zone_is_the_system_a_name_or_a_rule() {
        for name in ["system", "UTC", "CET-1CEST,M3.5.0,M10.5.0/3"] {
            let zone: Zone = name.parse().unwrap();
            assert_eq!(zone.to_string(), name);
        }
        let error = "Mars".parse::<Zone>().unwrap_err().to_string();
        assert!(
            error.starts_with("\"Mars\" is no time zone that this machine knows;"),
            "{error}"
        );
    }
}
