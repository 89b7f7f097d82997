//! What the alarm watches, and how: zones, signals and delays. Data only.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::decode::topic::{TopicError, TopicFilter};
use crate::event::Event;
use crate::event::camera::Detection;
use crate::event::house::ArmMode;
use crate::event::reading::Reading;

/// Something that an alarm may be raised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// A door or window was opened.
    ContactOpen,
    /// Something moves, nobody knows what.
    Motion,
    /// A camera sees a human.
    Person,
    /// A camera sees a car, van, bicycle.
    Vehicle,
    /// A pane breaks.
    GlassBreak,
    /// Somebody opens or moves a device.
    Tamper,
    /// Smoke.
    Smoke,
    /// Water where none should be.
    Leak,
    /// Gas or carbon monoxide.
    Gas,
}

impl Signal {
    /// As configured and told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContactOpen => "contact_open",
            Self::Motion => "motion",
            Self::Person => "person",
            Self::Vehicle => "vehicle",
            Self::GlassBreak => "glass_break",
            Self::Tamper => "tamper",
            Self::Smoke => "smoke",
            Self::Leak => "leak",
            Self::Gas => "gas",
        }
    }

    /// Whether it endangers people by itself, whoever brought it about.
    pub const fn is_hazard(self) -> bool {
        matches!(self, Self::Smoke | Self::Leak | Self::Gas | Self::Tamper)
    }

    /// What `event` signals, if anything: a contact that opens, a flag that goes on, motion that
    /// begins. That something ended is no signal.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::SensorReported(report) => {
                let on = match &report.value {
                    Reading::Flag(on) => *on,
                    // What a key without a value says.
                    Reading::Word(word) => word == "detected",
                    Reading::Number(_) => false,
                };
                match &*report.key {
                    "contact" => {
                        (report.value == Reading::Word("open".into())).then_some(Self::ContactOpen)
                    }
                    "motion" | "occupancy" => on.then_some(Self::Motion),
                    "glass_break" => on.then_some(Self::GlassBreak),
                    "tamper" => on.then_some(Self::Tamper),
                    "smoke" => on.then_some(Self::Smoke),
                    "leak" | "water_leak" | "flood" => on.then_some(Self::Leak),
                    "gas" | "carbon_monoxide" => on.then_some(Self::Gas),
                    _ => None,
                }
            }
            Event::CameraMotionStarted(motion) => Some(match motion.detection {
                Some(Detection::Person) => Self::Person,
                Some(Detection::Vehicle) => Self::Vehicle,
                None => Self::Motion,
            }),
            _ => None,
        }
    }
}

/// What a zone does when one of its sources gives a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Begins the entry delay: the way in, with the keypad at its end. Ignored during the exit delay.
    Delayed,
    /// Raises the alarm at once, also during the entry delay. Ignored during the exit delay.
    #[serde(rename = "instant")]
    Immediate,
    /// Raises the alarm at once in every state, disarmed too.
    Always,
    /// Nothing: an exception from the zones that follow.
    Ignored,
}

/// Which streams a zone watches, in the spelling of MQTT filters: `sensor/front_door`, `camera/+`,
/// `#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePattern(TopicFilter);

impl SourcePattern {
    /// Whether `source`, a stream such as `sensor/front_door`, is one of them.
    pub fn matches(&self, source: &str) -> bool {
        self.0.matches(source)
    }
}

impl FromStr for SourcePattern {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        text.parse().map(Self)
    }
}

impl Serialize for SourcePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for SourcePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for SourcePattern {
    fn schema_name() -> Cow<'static, str> {
        "SourcePattern".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// Sources that are treated alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// What people call it.
    pub name: String,
    /// Which streams.
    pub sources: Vec<SourcePattern>,
    /// Which of their signals.
    pub signals: Vec<Signal>,
    /// What they do.
    pub behaviour: Behaviour,
    /// In which armed modes; empty is in all. An `always` zone has none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub modes: Vec<ArmMode>,
}

impl Zone {
    fn watches(&self, source: &str, what: Signal, mode: ArmMode) -> bool {
        let in_mode = match self.behaviour {
            Behaviour::Always => true,
            Behaviour::Ignored => self.modes.is_empty() || self.modes.contains(&mode),
            Behaviour::Delayed | Behaviour::Immediate => {
                mode != ArmMode::Disarmed && (self.modes.is_empty() || self.modes.contains(&mode))
            }
        };
        in_mode
            && self.signals.contains(&what)
            && self.sources.iter().any(|pattern| pattern.matches(source))
    }
}

/// A delay for each armed mode, seconds; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delays {
    /// For `ARMED_HOME`.
    pub home: u32,
    /// For `ARMED_AWAY`.
    pub away: u32,
    /// For `ARMED_NIGHT`.
    pub night: u32,
}

impl Delays {
    /// The delay of `mode`; disarming has none.
    pub const fn of(self, mode: ArmMode) -> u32 {
        match mode {
            ArmMode::Disarmed => 0,
            ArmMode::ArmedHome => self.home,
            ArmMode::ArmedAway => self.away,
            ArmMode::ArmedNight => self.night,
        }
    }
}

/// How the alarm is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Time to leave before each mode is on.
    pub exit_delay_s: Delays,
    /// Time to disarm after a delayed zone was entered.
    pub entry_delay_s: Delays,
    /// How long TRIGGERED lasts before the mode before it returns; 0 is until somebody disarms.
    pub trigger_for_s: u32,
    /// Whether arming needs the PIN as well.
    pub pin_to_arm: bool,
    /// Whether anybody may disarm as long as no PIN is configured.
    pub disarm_without_pin: bool,
    /// What is watched. The first zone that watches a source's signal in the present mode decides.
    pub zones: Vec<Zone>,
}

/// Why settings cannot stand.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// A zone without sources or signals.
    #[error("zone \"{0}\" watches nothing; name at least one source and one signal, or remove it")]
    WatchesNothing(String),
    /// A mode in which zones are not watched.
    #[error(
        "zone \"{0}\" names DISARMED, in which only zones with behaviour \"always\" are watched; \
         remove the mode or change the behaviour"
    )]
    Disarmed(String),
    /// An `always` zone with modes.
    #[error("zone \"{0}\" is watched always; remove its modes")]
    AlwaysInModes(String),
}

impl Settings {
    /// Refuses zones that would not do what they seem to say.
    pub fn check(&self) -> Result<(), SettingsError> {
        for zone in &self.zones {
            let name = || zone.name.clone();
            if zone.sources.is_empty() || zone.signals.is_empty() {
                return Err(SettingsError::WatchesNothing(name()));
            }
            match zone.behaviour {
                Behaviour::Always if !zone.modes.is_empty() => {
                    return Err(SettingsError::AlwaysInModes(name()));
                }
                Behaviour::Delayed | Behaviour::Immediate
                    if zone.modes.contains(&ArmMode::Disarmed) =>
                {
                    return Err(SettingsError::Disarmed(name()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The zone that decides what the signal does in `mode`.
    pub fn zone(&self, source: &str, what: Signal, mode: ArmMode) -> Option<&Zone> {
        self.zones
            .iter()
            .find(|zone| zone.watches(source, what, mode))
    }
}

impl Default for Settings {
    /// A house with contacts on its doors, and smoke detectors. What cameras see raises no alarm unless
    /// a zone says so: most of them look at the street too.
    fn default() -> Self {
        let zone = |name: &str, source: &str, signals: &[Signal], behaviour| Zone {
            name: name.to_owned(),
            sources: vec![source.parse().expect("a filter of ours")],
            signals: signals.to_vec(),
            behaviour,
            modes: Vec::new(),
        };
        let hazards = [Signal::Smoke, Signal::Leak, Signal::Gas, Signal::Tamper];
        Self {
            exit_delay_s: Delays {
                home: 0,
                away: 60,
                night: 0,
            },
            entry_delay_s: Delays {
                home: 30,
                away: 30,
                night: 30,
            },
            // Three minutes: the longest that many places let a siren sound outdoors.
            trigger_for_s: 180,
            pin_to_arm: false,
            disarm_without_pin: false,
            zones: vec![
                zone("hazards", "sensor/#", &hazards, Behaviour::Always),
                zone(
                    "doors",
                    "sensor/#",
                    &[Signal::ContactOpen],
                    Behaviour::Delayed,
                ),
            ],
        }
    }
}
