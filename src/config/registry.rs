//! `[[camera]]`, `[[sensor]]`, `[classification]` and `[liveness]`: what the house has, and what its
//! moments are called.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Config;
use super::units::Duration;
use super::validate::{Complaint, range};
use crate::decode;
use crate::event::Kind;
use crate::event::animal::Location;
use crate::event::registry::{CameraRegistered, ConfiguredRule, SensorRegistered};
use crate::event::sentence::label;
use crate::ingest::registry::Registry;
use crate::reactor::liveness;
use crate::read_model::events::KINDS;

/// A camera of the house.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Camera {
    /// Its id, as in its topics; unique.
    pub id: String,
    /// What people call it; the id in words when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it looks: EXTERIOR, INTERIOR or TRANSITION (a door or gate).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub location: Option<Location>,
    /// Where its stream can be had; name and password in it are not kept.
    #[serde(
        deserialize_with = "without_secrets",
        skip_serializing_if = "Option::is_none"
    )]
    pub source_url: Option<String>,
    /// Whether it is in use; one that is not is never silent.
    pub enabled: bool,
}

impl Default for Camera {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: None,
            location: None,
            source_url: None,
            enabled: true,
        }
    }
}

/// At the door of the configuration, so that no copy of it ever holds them.
fn without_secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| decode::redacted(&text)))
}

/// A sensor of the house.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Sensor {
    /// Its id, as in its topics; unique.
    pub id: String,
    /// What people call it; the id in words when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it mainly measures: contact, motion, temperature …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// How it is attached: zigbee, wifi …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Its address there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_address: Option<String>,
    /// Where it is, in your own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Whether it is in use; one that is not is never silent.
    pub enabled: bool,
    /// It counts as silent after so long: a duration, or "never". Without it its rhythm tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub silent_after: Option<SilentAfter>,
}

impl Default for Sensor {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: None,
            r#type: None,
            protocol: None,
            device_address: None,
            location: None,
            enabled: true,
            silent_after: None,
        }
    }
}

/// `"never"`, or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilentAfter {
    /// It may be silent for ever.
    Never,
    /// It counts as silent after so long.
    After(Duration),
}

impl fmt::Display for SilentAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::After(span) => span.fmt(f),
        }
    }
}

impl Serialize for SilentAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SilentAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Self::Never);
        }
        Duration::from_str(&text).map(Self::After).map_err(|error| {
            de::Error::custom(format_args!("`silent_after`: {error}; or write \"never\""))
        })
    }
}

/// What moments are called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Classification {
    /// Rules of your own; they go before those that are built in, and the first that holds counts.
    pub rule: Vec<Rule>,
}

/// One rule of classification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Rule {
    /// Its id, unique.
    pub id: String,
    /// The kind of event; sensor.reported when left out.
    pub kind: String,
    /// Which streams, `*` for any part: sensor/freezer*. All when left out.
    pub stream: String,
    /// The key of a sensor's reading: temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The value that the reading must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The number must be greater.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The number must be less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// What the moment is called, in capitals: `FREEZER_WARM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// INFO, WARNING, ALERT or CRITICAL.
    pub severity: Severity,
    /// What to say; {subject}, {value} and {unit} are filled in. The usual sentence when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether nobody is told.
    pub quiet: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            id: String::new(),
            kind: Kind::SensorReported.name().into(),
            stream: "*".into(),
            key: None,
            value: None,
            above: None,
            below: None,
            r#type: None,
            severity: Severity::Info,
            message: None,
            quiet: false,
        }
    }
}

/// How grave a moment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(inline)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Odd.
    Warning,
    /// Somebody should look.
    Alert,
    /// Somebody must act.
    Critical,
}

impl Severity {
    const fn id(self) -> i64 {
        match self {
            Self::Info => 1,
            Self::Warning => 3,
            Self::Alert => 4,
            Self::Critical => 5,
        }
    }
}

/// When a device counts as silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Liveness {
    /// After so many of its usual intervals.
    #[schemars(range(min = 2, max = 100))]
    pub factor: u8,
    /// But never sooner than this, 1m to 1d.
    pub least: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            factor: 3,
            least: Duration::from_secs(300),
        }
    }
}

/// Shorter is the jitter of a radio, longer is no watching.
const LEAST: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(86_400);
/// Each is a row, and looked at every few seconds.
const DEVICES_MAX: usize = 10_000;
/// Every event of their kind is held against one after the other.
const RULES_MAX: usize = 256;
const ID_MAX_BYTES: usize = 64;
const TEXT_MAX_BYTES: usize = 512;

impl Liveness {
    pub(super) fn settings(self) -> liveness::Settings {
        liveness::Settings {
            factor: i64::from(self.factor),
            least_ms: millis(self.least),
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Config {
    /// What the configuration says of devices and moments.
    pub fn registry(&self) -> Registry {
        let cameras = self.camera.iter().map(|camera| {
            let told = CameraRegistered {
                registered: true,
                name: camera.name.clone().unwrap_or_else(|| label(&camera.id)),
                location: camera.location,
                source_url: camera.source_url.clone(),
                enabled: camera.enabled,
            };
            (camera.id.clone(), told)
        });
        let sensors = self.sensor.iter().map(|sensor| {
            let told = SensorRegistered {
                registered: true,
                name: sensor.name.clone().unwrap_or_else(|| label(&sensor.id)),
                r#type: sensor.r#type.clone(),
                protocol: sensor.protocol.clone(),
                device_address: sensor.device_address.clone(),
                location: sensor.location.clone(),
                enabled: sensor.enabled,
                silent_after_ms: sensor.silent_after.map(|span| match span {
                    SilentAfter::Never => 0,
                    SilentAfter::After(span) => millis(span),
                }),
            };
            (sensor.id.clone(), told)
        });
        let rules = self.classification.rule.iter().map(|rule| ConfiguredRule {
            id: rule.id.clone(),
            kind: rule.kind.clone(),
            stream: rule.stream.clone(),
            key: rule.key.clone(),
            value: rule.value.clone(),
            above: rule.above,
            below: rule.below,
            r#type: rule.r#type.clone().filter(|_| !rule.quiet),
            severity: rule.severity.id(),
            message: rule.message.clone(),
        });
        Registry {
            cameras: cameras.collect(),
            sensors: sensors.collect(),
            rules: rules.collect(),
        }
    }
}

/// What is wrong with single values.
pub(super) fn values(config: &Config, complaints: &mut Vec<Complaint>) {
    devices(
        "camera",
        config.camera.iter().map(|one| &*one.id),
        complaints,
    );
    devices(
        "sensor",
        config.sensor.iter().map(|one| &*one.id),
        complaints,
    );
    for (index, sensor) in config.sensor.iter().enumerate() {
        if let Some(SilentAfter::After(span)) = sensor.silent_after
            && !LEAST.contains(&span.min(*LEAST.end()))
        {
            complaints.push((
                "sensor",
                format!(
                    "number {}: `silent_after` is {span}, but must be at least {} or \"never\"",
                    index + 1,
                    LEAST.start()
                ),
            ));
        }
    }
    range("liveness.least", config.liveness.least, &LEAST, complaints);
    rules(&config.classification.rule, complaints);
}

fn devices<'c>(
    key: &'static str,
    ids: impl Iterator<Item = &'c str>,
    complaints: &mut Vec<Complaint>,
) {
    let mut known = BTreeSet::new();
    let mut count = 0;
    for (index, id) in ids.enumerate() {
        count = index + 1;
        let odd = |letter: char| letter.is_control() || matches!(letter, '/' | '+' | '#');
        if id.is_empty() || id.len() > ID_MAX_BYTES || id.contains(odd) {
            complaints.push((
                key,
                format!(
                    "number {count}: `id` must be what stands in its topics, 1 to {ID_MAX_BYTES} \
                     bytes without `/`, `+` and `#`"
                ),
            ));
        } else if !known.insert(id) {
            complaints.push((
                key,
                format!("number {count}: the id {id:?} is taken already"),
            ));
        }
    }
    if count > DEVICES_MAX {
        complaints.push((key, format!("has more than {DEVICES_MAX} entries")));
    }
}

fn rules(rules: &[Rule], complaints: &mut Vec<Complaint>) {
    let mut complain = |message: String| complaints.push(("classification.rule", message));
    if rules.len() > RULES_MAX {
        complain(format!("has more than {RULES_MAX} rules"));
    }
    let mut ids = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let number = index + 1;
        if rule.id.is_empty() || rule.id.len() > ID_MAX_BYTES || !ids.insert(&rule.id) {
            complain(format!(
                "number {number}: `id` must be unique and have 1 to {ID_MAX_BYTES} bytes"
            ));
        }
        let kind = Kind::from_name(&rule.kind).filter(|kind| KINDS.contains(kind));
        if kind.is_none() {
            let names: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
            let hint = super::suggestion::did_you_mean(&rule.kind, names.iter().copied());
            complain(format!(
                "number {number}: `kind` {:?} can be no moment{hint}",
                rule.kind
            ));
        }
        let looks = rule.key.is_some()
            || rule.value.is_some()
            || rule.above.is_some()
            || rule.below.is_some();
        if looks && kind != Some(Kind::SensorReported) {
            complain(format!(
                "number {number}: `key`, `value`, `above` and `below` are for sensor.reported only"
            ));
        }
        let shouts = |name: &String| {
            (1..=ID_MAX_BYTES).contains(&name.len())
                && name.starts_with(|letter: char| letter.is_ascii_uppercase())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        };
        match (&rule.r#type, rule.quiet) {
            (Some(_), true) => complain(format!(
                "number {number}: a quiet rule tells nobody, so leave `type` out"
            )),
            (None, false) => complain(format!(
                "number {number} needs a `type` such as \"FREEZER_WARM\", or `quiet = true`"
            )),
            (Some(name), false) if !shouts(name) => complain(format!(
                "number {number}: `type` {name:?} must be capitals, digits and `_`, such as \
                 \"FREEZER_WARM\""
            )),
            _ => {}
        }
        let finite = |number: Option<f64>| number.is_none_or(f64::is_finite);
        if !finite(rule.above) || !finite(rule.below) {
            complain(format!(
                "number {number}: `above` and `below` must be finite"
            ));
        }
        if rule.stream.len() > TEXT_MAX_BYTES
            || rule
                .message
                .as_ref()
                .is_some_and(|text| text.len() > TEXT_MAX_BYTES)
        {
            complain(format!(
                "number {number}: `stream` and `message` have at most {TEXT_MAX_BYTES} bytes"
            ));
        }
    }
}
