//! `[alarm]`: the PIN, delays, and what is watched.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Duration;
use super::validate::{Complaint, range};
use crate::base::secret::Secret;
use crate::reactor::alarm::{Delays, Settings, Zone};
use crate::reactor::pin::PinHash;

/// The alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Alarm {
    /// What `nightjar alarm hash-pin` made of the PIN. Without one nobody can disarm by a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_hash: Option<Secret>,
    /// File that holds it and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub pin_hash_file: Option<PathBuf>,
    /// Whether arming needs the PIN too.
    pub pin_to_arm: bool,
    /// Whether a message may disarm as long as no PIN is set.
    pub disarm_without_pin: bool,
    /// How long an alarm lasts before what was armed is armed again, up to 1d; 0s: until disarmed.
    pub trigger_for: Duration,
    /// Time to leave, up to 10m.
    pub exit_delay: ExitDelay,
    /// Time to disarm, up to 10m.
    pub entry_delay: EntryDelay,
    /// What is watched, and how; the first zone that a signal fits counts. Without any: open doors
    /// with a delay, and smoke, leaks, gas and tampering always.
    pub zone: Vec<Zone>,
}

/// Time to leave before what is armed is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct ExitDelay {
    /// When arming for staying at home.
    pub home: Duration,
    /// When arming for leaving.
    pub away: Duration,
    /// When arming for the night.
    pub night: Duration,
}

/// Time to disarm before the alarm goes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct EntryDelay {
    /// While armed at home.
    pub home: Duration,
    /// While armed away.
    pub away: Duration,
    /// While armed for the night.
    pub night: Duration,
}

impl Default for ExitDelay {
    fn default() -> Self {
        Self {
            home: Duration::from_secs(0),
            away: Duration::from_secs(60),
            night: Duration::from_secs(0),
        }
    }
}

impl Default for EntryDelay {
    fn default() -> Self {
        Self {
            home: Duration::from_secs(30),
            away: Duration::from_secs(30),
            night: Duration::from_secs(30),
        }
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            pin_hash: None,
            pin_hash_file: None,
            pin_to_arm: false,
            disarm_without_pin: false,
            // The longest that many places let a siren sound outdoors.
            trigger_for: Duration::from_secs(180),
            exit_delay: ExitDelay::default(),
            entry_delay: EntryDelay::default(),
            zone: Vec::new(),
        }
    }
}

impl Alarm {
    /// For the reactor.
    pub(super) fn settings(&self) -> Settings {
        let seconds = |one: Duration| u32::try_from(one.as_millis() / 1_000).unwrap_or(u32::MAX);
        let (exit, entry) = (&self.exit_delay, &self.entry_delay);
        let mut settings = Settings {
            exit_delay_s: Delays {
                home: seconds(exit.home),
                away: seconds(exit.away),
                night: seconds(exit.night),
            },
            entry_delay_s: Delays {
                home: seconds(entry.home),
                away: seconds(entry.away),
                night: seconds(entry.night),
            },
            trigger_for_s: seconds(self.trigger_for),
            pin_to_arm: self.pin_to_arm,
            disarm_without_pin: self.disarm_without_pin,
            ..Settings::default()
        };
        if !self.zone.is_empty() {
            settings.zones.clone_from(&self.zone);
        }
        settings
    }

    /// The PIN's hash, if there is one.
    pub fn pin(&self) -> Option<PinHash> {
        self.pin_hash.as_ref()?.expose().parse().ok()
    }
}

/// Longer than anybody needs to reach a keypad.
const DELAY: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_secs(600);
/// A siren that sounds for days is off already.
const TRIGGER: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_secs(86_400);
/// Most zones; every signal is held against one after the other.
const ZONES_MAX: usize = 256;

/// What is wrong with single values.
pub(super) fn values(alarm: &Alarm, complaints: &mut Vec<Complaint>) {
    for (key, delay) in [
        ("alarm.exit_delay.home", alarm.exit_delay.home),
        ("alarm.exit_delay.away", alarm.exit_delay.away),
        ("alarm.exit_delay.night", alarm.exit_delay.night),
        ("alarm.entry_delay.home", alarm.entry_delay.home),
        ("alarm.entry_delay.away", alarm.entry_delay.away),
        ("alarm.entry_delay.night", alarm.entry_delay.night),
    ] {
        range(key, delay, &DELAY, complaints);
    }
    range("alarm.trigger_for", alarm.trigger_for, &TRIGGER, complaints);
    if let Some(hash) = &alarm.pin_hash
        && let Err(error) = hash.expose().parse::<PinHash>()
    {
        complaints.push(("alarm.pin_hash", format!("is no PIN's hash: {error}")));
    }
    if alarm.zone.len() > ZONES_MAX {
        complaints.push(("alarm.zone", format!("has more than {ZONES_MAX} zones")));
    }
    if let Err(error) = alarm.settings().check() {
        complaints.push(("alarm.zone", format!("cannot stand: {error}")));
    }
}
