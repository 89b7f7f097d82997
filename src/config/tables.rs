//! `[tables]`: how long each table keeps its rows. Which tables there are is told by the read model,
//! so that a new one is known here without a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::schema;
use super::units::Duration;
use super::validate::Complaint;
use crate::read_model::aging;

/// Means no limit.
const FOREVER: &str = "forever";
/// Less than a day is a slip of the pen that costs rows.
const AGE: RangeInclusive<Duration> =
    Duration::from_secs(86_400)..=Duration::from_secs(36_500 * 86_400);
/// Fewer than a page of a query shows would be of no use.
const ROWS_LEAST: u64 = 1_000;
/// More than a disk holds.
const ROWS_MOST: u64 = 1_000_000_000_000;

/// How long the tables keep their rows. The event log itself is kept whole: what a table forgets is
/// still in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Tables(BTreeMap<String, TableLimits>);

/// What one table may hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableLimits {
    /// Rows older than this go; 1d to 36500d, or "forever".
    pub max_age: Age,
    /// The oldest rows beyond so many go. Without it their number does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
}

/// A duration, or "forever".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age(pub Option<Duration>);

impl Tables {
    /// The tables and what each may hold, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TableLimits)> {
        self.0.iter().map(|(name, limits)| (name.as_str(), limits))
    }
}

impl Default for Tables {
    fn default() -> Self {
        let limits = aging::tables().map(|(name, aging)| {
            let max_age = Age(aging.keep_days.map(days));
            let limits = TableLimits {
                max_age,
                max_rows: None,
            };
            (name.to_owned(), limits)
        });
        Self(limits.collect())
    }
}

fn days(days: u16) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

impl<'de> Deserialize<'de> for Tables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What is written of a table; the rest keeps its default.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            max_age: Option<Age>,
            max_rows: Option<u64>,
        }
        let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
        let mut tables = Self::default();
        for (name, written) in written {
            let Some(limits) = tables.0.get_mut(&name) else {
                let known: Vec<_> = aging::tables().map(|(name, _)| name).collect();
                let hint = super::suggestion::did_you_mean(&name, known);
                let message = format!("no table that ages is called {name:?}{hint}");
                return Err(D::Error::custom(message));
            };
            limits.max_age = written.max_age.unwrap_or(limits.max_age);
            limits.max_rows = written.max_rows;
        }
        Ok(tables)
    }
}

impl JsonSchema for Tables {
    fn schema_name() -> Cow<'static, str> {
        "Tables".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let properties: serde_json::Map<_, _> = aging::tables()
            .map(|(name, aging)| {
                let age = Age(aging.keep_days.map(days)).to_string();
                let limits = serde_json::json!({
                    "type": "object",
                    "description": format!("How long {name} keeps its rows."),
                    "additionalProperties": false,
                    "properties": {
                        "max_age": {
                            "type": "string",
                            "format": "duration-short",
                            "default": age,
                            "description": "Rows older than this go; 1d to 36500d, or \"forever\".",
                        },
                        "max_rows": {
                            "type": "integer",
                            "minimum": ROWS_LEAST,
                            "maximum": ROWS_MOST,
                            "description": "The oldest rows beyond so many go. Without it their number does not matter.",
                        },
                    },
                });
                (name.to_owned(), limits)
            })
            .collect();
        json_schema!({
            "type": "object",
            "description": "How long the tables keep their rows. The event log itself is kept whole.",
            "additionalProperties": false,
            "properties": properties,
        })
    }
}

impl std::fmt::Display for Age {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(age) => age.fmt(f),
            None => f.write_str(FOREVER),
        }
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == FOREVER {
            return Ok(Self(None));
        }
        text.parse()
            .map(|age| Self(Some(age)))
            .map_err(|error| D::Error::custom(format!("{error}, or \"{FOREVER}\"")))
    }
}

/// What is wrong with single values.
pub(super) fn values(tables: &Tables, complaints: &mut Vec<Complaint>) {
    for (name, limits) in tables.iter() {
        if let Some(age) = limits.max_age.0.filter(|age| !AGE.contains(age))
            && let Some(key) = schema::key(&format!("tables.{name}.max_age"))
        {
            let (least, most) = (AGE.start(), AGE.end());
            let message = format!("is {age}, but must be from {least} to {most}, or \"{FOREVER}\"");
            complaints.push((key.path.as_str(), message));
        }
    }
}
