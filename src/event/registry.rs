//! What the configuration says of devices, and how moments are called. Stored when it differs from
//! what was stored before, since a fold knows no configuration.

use serde::{Deserialize, Serialize};

use super::Kind;
use super::animal::Location;
use super::reading::Reading;
use super::sensor::SensorReported;

/// What the configuration says of a camera, which is the event's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraRegistered {
    /// False when it stands in the configuration no more; the rest then says nothing.
    pub registered: bool,
    /// What people call it.
    pub name: String,
    /// Where it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Where its stream can be had, credentials redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// Whether it is in use.
    pub enabled: bool,
}

/// What the configuration says of a sensor, which is the event's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorRegistered {
    /// False when it stands in the configuration no more; the rest then says nothing.
    pub registered: bool,
    /// What people call it.
    pub name: String,
    /// What it mainly measures: contact, motion …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// How it is attached: `zigbee`, `wifi` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Its address there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_address: Option<String>,
    /// Where it is, in the household's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Whether it is in use.
    pub enabled: bool,
    /// After so long a silence it counts as silent, milliseconds; 0: never. None: its rhythm tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after_ms: Option<i64>,
}

/// The rules of classification that the configuration adds, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassificationConfigured {
    /// All of them: those of earlier events are no more.
    pub rules: Vec<ConfiguredRule>,
}

/// One rule of the household's own. It goes before those that are built in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfiguredRule {
    /// Its name.
    pub id: String,
    /// Wire name of the kind of event.
    pub kind: String,
    /// Which streams, `*` for any part: `sensor/freezer*`.
    pub stream: String,
    /// The key of a sensor's reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The value that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The number must be greater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The number must be less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// What the moment is called; none: nobody is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// How grave it is, 0–6.
    pub severity: i64,
    /// What to say, with `{subject}`, `{value}` and `{unit}`; none: the usual sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ConfiguredRule {
    /// Whether it speaks of events of this kind on this stream.
    pub fn speaks_of(&self, kind: Kind, stream: &str) -> bool {
        self.kind == kind.name() && glob(&self.stream, stream)
    }

    /// Whether it speaks of this reading; then whether what it asks for holds.
    pub fn holds_for(&self, reading: &SensorReported) -> Option<bool> {
        if self.key.as_ref().is_some_and(|key| *key != reading.key) {
            return None;
        }
        let number = reading.value.number();
        if (self.above.is_some() || self.below.is_some()) && number.is_none() {
            return None;
        }
        let value = self.value.as_deref();
        Some(
            value.is_none_or(|value| says(&reading.value, value))
                && self.above.is_none_or(|least| number > Some(least))
                && self
                    .below
                    .is_none_or(|most| number.is_some_and(|number| number < most)),
        )
    }

    /// Whether it looks at anything in a reading, so that there is an edge to speak of.
    pub const fn has_condition(&self) -> bool {
        self.value.is_some() || self.above.is_some() || self.below.is_some()
    }
}

fn says(reading: &Reading, value: &str) -> bool {
    match reading {
        Reading::Flag(true) => matches!(value, "on" | "true"),
        Reading::Flag(false) => matches!(value, "off" | "false"),
        Reading::Word(word) => word == value,
        Reading::Number(number) => value.parse() == Ok(*number),
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything, nothing too.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    // The leftmost place for each part leaves the most for the next.
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("sensor/freezer*", "sensor/freezer_2", true),
            ("sensor/freezer*", "sensor/freezer", true),
            ("sensor/freezer", "sensor/freezer_2", false),
            ("*", "", true),
            ("*door*", "sensor/front_door/x", true),
            ("a*a", "a", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ü*ß", "über Fuß", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
