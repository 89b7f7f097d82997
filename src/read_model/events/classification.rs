//! THE table of rules by which an event becomes a moment that people read.
//!
//! To make a moment of something, add a row to [`RULES`] (and its kind to the projection's). For one
//! event the rows are tried from top to bottom, and of those about the same edge the first that fits
//! counts; so the special ones stand before the general ones. An event may be the edge of several
//! states at once (`OB LB` of a UPS); the gravest of what is news is its row.
//!
//! A rule sees the event and [`Circumstances`], which the fold remembers from earlier events: it
//! knows no clock, no configuration and no table.

use crate::base::clock::HOUR_NS;
use crate::event::alarm::ArmState;
use crate::event::animal::{Location, Threat};
use crate::event::camera::Detection;
use crate::event::house::FacePrivacy;
use crate::event::people::{NOBODY, PresenceCause};
use crate::event::pet::Action;
use crate::event::reading::Reading;
use crate::event::trace::PatternType;
use crate::event::{Envelope, Event, Kind};

use Severity::{Alert, Critical, Info, Warning};

/// Severity on the scale 0–6, with vigilar's four words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Severity {
    Info = 1,
    Warning = 3,
    Alert = 4,
    Critical = 5,
}

/// What else counts when an event is classified.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Circumstances {
    /// Whether the house is armed, whatever the mode.
    pub(in super::super) armed: bool,
    /// Where the camera looks, as registered.
    pub(in super::super) camera_location: Option<Location>,
}

/// Whether a state of the alarm makes detections graver. During the exit delay the household itself
/// walks past the cameras.
pub(in super::super) const fn is_armed(state: ArmState) -> bool {
    !matches!(state, ArmState::Disarmed | ArmState::ExitDelay)
}

/// Priority from which on a rule of a pet is a grave one, of 0–9.
const GRAVE_PRIORITY: u8 = 7;

/// Severity from which on a pattern of log lines is a grave one, of 0–100.
const GRAVE_PATTERN: i64 = 70;
/// A pattern that was over so long before it arrived is history: old logs were read.
const HISTORY_NS: i64 = HOUR_NS;

/// One rule: data, not an object.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Rule {
    /// The kind of event that it is about.
    pub(in super::super) kind: Kind,
    /// What the fields must say.
    pub(in super::super) when: When,
    /// The state whose change it is.
    pub(in super::super) edge: Edge,
    /// What the moment is called; None: the state is kept, and nobody is told.
    pub(in super::super) name: Option<&'static str>,
    /// How grave it is.
    pub(in super::super) severity: Severity,
    /// How grave it is while the house is armed.
    pub(in super::super) armed: Severity,
}

/// What an event's fields must say for a rule to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum When {
    /// Anything.
    Always,
    /// This key of a sensor has this value; flags are `on` and `off`.
    Reads(&'static str, &'static str),
    /// The camera recognised this in its motion.
    Detects(Detection),
    /// The animal is a pet of the house.
    Pet,
    /// The animal is a pet of the house, and the camera looks there.
    PetIn(&'static [Location]),
    /// A pet's rule does this, and has at least this priority, 0–9.
    PetRule(Action, u8),
    /// The wild animal is of this sort.
    Threatens(Threat),
    /// The face is such a one.
    Face(FaceOf),
    /// It follows from nobody telling anything.
    BySilence,
    /// One of the words of the UPS' status, such as `OB` in `OB LB`.
    UpsSays(&'static str),
    /// The alarm comes to this state.
    Arms(ArmState),
    /// So many wrong PINs in a row, or more.
    WrongPins(i64),
    /// Such a pattern of log lines, at least so severe, that is not history.
    Pattern(PatternType, i64),
    /// Such a pattern, of whenever.
    OldPattern(PatternType),
}

/// Whose face it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum FaceOf {
    /// Nobody may know: its camera is not opted in, or the person was forgotten.
    Anybody,
    /// Somebody known.
    Known,
    /// A stranger.
    Unknown,
}

/// Whose face an event tells of; none when another event says so, or when nobody is to know.
fn face_of(event: &Event) -> Option<FaceOf> {
    match event {
        Event::FaceSeen(seen) => match seen.privacy {
            Some(FacePrivacy::Withheld) => Some(FaceOf::Anybody),
            Some(FacePrivacy::Forgotten) => None,
            // The match that follows says whose it is.
            Some(FacePrivacy::OptedIn) if seen.is_identifiable() => None,
            _ if seen.profile_id.is_some() => Some(FaceOf::Known),
            _ => Some(FaceOf::Unknown),
        },
        Event::FaceMatched(matched) if !matched.ignored => Some(match matched.profile {
            NOBODY => FaceOf::Anybody,
            _ if matched.known => FaceOf::Known,
            _ => FaceOf::Unknown,
        }),
        _ => None,
    }
}

/// A state and the value that it takes. A repeat of the value is no news.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Edge {
    /// None: every event is a moment.
    Each,
    /// The state `key` becomes `value`.
    To {
        /// The state, within the event's stream.
        key: &'static str,
        /// Its new value.
        value: &'static str,
        /// Whether it is news as the first that is heard of the state.
        first: bool,
        /// Whether two topics tell the same: then a late message that tells the known value is the
        /// slower of the two and no news.
        twice: bool,
    },
    /// The state `key` becomes what the event says.
    Told(&'static str),
}

const PARCEL_THERE: Edge = Edge::To {
    key: "package",
    value: "there",
    first: true,
    twice: false,
};
const PARCEL_GONE: Edge = Edge::To {
    key: "package",
    value: "collected",
    first: true,
    twice: false,
};

const fn rule(kind: Kind, when: When, edge: Edge, name: &'static str, severity: Severity) -> Rule {
    Rule {
        kind,
        when,
        edge,
        name: Some(name),
        severity,
        armed: severity,
    }
}

/// Of every event of a kind.
const fn each(kind: Kind, name: &'static str, severity: Severity) -> Rule {
    rule(kind, When::Always, Edge::Each, name, severity)
}

/// Of a pattern of log lines: grave, not grave, long over.
const fn grave_pattern(pattern: PatternType, name: &'static str) -> Rule {
    let when = When::Pattern(pattern, GRAVE_PATTERN);
    rule(Kind::PatternDetected, when, Edge::Each, name, Alert)
}
const fn slight_pattern(pattern: PatternType, name: &'static str) -> Rule {
    let when = When::Pattern(pattern, 0);
    rule(Kind::PatternDetected, when, Edge::Each, name, Warning)
}
const fn old_pattern(pattern: PatternType, name: &'static str) -> Rule {
    let when = When::OldPattern(pattern);
    rule(Kind::PatternDetected, when, Edge::Each, name, Info)
}

/// Of a sensor's state: on and off, open and closed.
const fn state(
    key: &'static str,
    value: &'static str,
    name: &'static str,
    severity: Severity,
) -> Rule {
    let edge = Edge::To {
        key,
        value,
        first: true,
        twice: false,
    };
    rule(
        Kind::SensorReported,
        When::Reads(key, value),
        edge,
        name,
        severity,
    )
}

/// Of a sensor's `detected`, a pulse without an end: each one counts.
const fn pulse(key: &'static str, name: &'static str, severity: Severity) -> Rule {
    rule(
        Kind::SensorReported,
        When::Reads(key, "detected"),
        Edge::Each,
        name,
        severity,
    )
}

/// Of the UPS, which tells by a topic of its own and by the words of its status.
const fn ups(
    kind: Kind,
    when: When,
    to: (&'static str, &'static str),
    name: &'static str,
    severity: Severity,
) -> Rule {
    let edge = Edge::To {
        key: to.0,
        value: to.1,
        first: true,
        twice: true,
    };
    rule(kind, when, edge, name, severity)
}

impl Rule {
    /// While the house is armed it is graver.
    const fn when_armed(self, armed: Severity) -> Self {
        Self { armed, ..self }
    }

    /// The state is kept, and nobody is told.
    const fn quiet(self) -> Self {
        Self { name: None, ..self }
    }

    /// No news as the first that is heard of the state.
    const fn unless_first(self) -> Self {
        let edge = match self.edge {
            Edge::To {
                key, value, twice, ..
            } => Edge::To {
                key,
                value,
                first: false,
                twice,
            },
            edge => edge,
        };
        Self { edge, ..self }
    }

    fn fits(&self, event: &Envelope, circumstances: Circumstances) -> bool {
        self.kind == event.kind() && self.when.holds(event, circumstances)
    }

    /// How grave it is under these circumstances.
    pub(in super::super) const fn severity(&self, circumstances: Circumstances) -> Severity {
        if circumstances.armed {
            self.armed
        } else {
            self.severity
        }
    }
}

/// So many wrong PINs in a row are no slip of the finger.
const WRONG_PINS_ALERT: i64 = 5;
const OUTSIDE: &[Location] = &[Location::Exterior, Location::Transition];

/// Every rule there is, the special ones before the general ones.
#[rustfmt::skip]
pub(in super::super) const RULES: &[Rule] = &[
    // Sensors.
    state("contact", "open", "CONTACT_OPEN", Info),
    state("contact", "closed", "CONTACT_CLOSED", Info),
    state("motion", "on", "MOTION_START", Info),
    state("motion", "off", "MOTION_END", Info),
    pulse("motion", "MOTION_START", Info),
    state("leak", "on", "LEAK_DETECTED", Critical),
    state("leak", "off", "LEAK_CLEARED", Info),
    state("smoke", "on", "SMOKE_DETECTED", Critical),
    state("smoke", "off", "SMOKE_CLEARED", Info),
    state("water_leak", "on", "LEAK_DETECTED", Critical),
    state("water_leak", "off", "LEAK_CLEARED", Info),
    pulse("water_leak", "LEAK_DETECTED", Critical),
    state("flood", "on", "LEAK_DETECTED", Critical),
    state("flood", "off", "LEAK_CLEARED", Info),
    pulse("flood", "LEAK_DETECTED", Critical),
    pulse("leak", "LEAK_DETECTED", Critical),
    pulse("smoke", "SMOKE_DETECTED", Critical),
    state("gas", "on", "GAS_DETECTED", Critical),
    state("gas", "off", "GAS_CLEARED", Info),
    pulse("gas", "GAS_DETECTED", Critical),
    state("carbon_monoxide", "on", "GAS_DETECTED", Critical),
    state("carbon_monoxide", "off", "GAS_CLEARED", Info),
    pulse("carbon_monoxide", "GAS_DETECTED", Critical),
    state("glass_break", "on", "GLASS_BREAK", Alert),
    state("glass_break", "off", "GLASS_BREAK_END", Info),
    pulse("glass_break", "GLASS_BREAK", Alert),
    state("occupancy", "on", "MOTION_START", Info),
    state("occupancy", "off", "MOTION_END", Info),
    pulse("occupancy", "MOTION_START", Info),
    state("tamper", "on", "TAMPER", Alert),
    state("tamper", "off", "TAMPER_CLEARED", Info),
    pulse("tamper", "TAMPER", Alert),
    state("vibration", "on", "VIBRATION", Warning),
    state("vibration", "off", "VIBRATION_END", Info),
    pulse("vibration", "VIBRATION", Warning),
    // Cameras. A heartbeat is no moment.
    rule(Kind::CameraMotionStarted, When::Detects(Detection::Person), Edge::Each, "PERSON_DETECTED", Info).when_armed(Warning),
    rule(Kind::CameraMotionStarted, When::Detects(Detection::Vehicle), Edge::Each, "VEHICLE_DETECTED", Info).when_armed(Warning),
    each(Kind::CameraMotionStarted, "MOTION_START", Info),
    each(Kind::CameraMotionEnded, "MOTION_END", Info),
    each(Kind::CameraFailed, "CAMERA_ERROR", Warning),
    // Animals.
    rule(Kind::PetSighted, When::PetIn(OUTSIDE), Edge::Each, "PET_ESCAPE", Alert),
    rule(Kind::PetSighted, When::Pet, Edge::Each, "PET_DETECTED", Info),
    each(Kind::PetSighted, "UNKNOWN_ANIMAL", Warning),
    rule(Kind::PetRuleFired, When::PetRule(Action::Push, GRAVE_PRIORITY), Edge::Each, "PET_RULE", Alert),
    rule(Kind::PetRuleFired, When::PetRule(Action::Push, 0), Edge::Each, "PET_RULE", Warning),
    rule(Kind::PetRuleFired, When::PetRule(Action::Record, GRAVE_PRIORITY), Edge::Each, "PET_RULE", Warning),
    each(Kind::PetRuleFired, "PET_RULE", Info),
    rule(Kind::WildlifeSighted, When::Threatens(Threat::Predator), Edge::Each, "WILDLIFE_PREDATOR", Alert),
    rule(Kind::WildlifeSighted, When::Threatens(Threat::Nuisance), Edge::Each, "WILDLIFE_NUISANCE", Warning),
    rule(Kind::WildlifeSighted, When::Threatens(Threat::Passive), Edge::Each, "WILDLIFE_PASSIVE", Info),
    // The household.
    // A parcel is told again for as long as it lies there.
    rule(Kind::PackageDetected, When::Always, PARCEL_THERE, "PACKAGE_DETECTED", Info),
    rule(Kind::PackageCollected, When::Always, PARCEL_GONE, "PACKAGE_COLLECTED", Info),
    each(Kind::PackageReminded, "PACKAGE_REMINDED", Warning),
    rule(Kind::FaceSeen, When::Face(FaceOf::Anybody), Edge::Each, "FACE_SEEN", Info),
    rule(Kind::FaceSeen, When::Face(FaceOf::Known), Edge::Each, "FACE_KNOWN", Info),
    rule(Kind::FaceSeen, When::Face(FaceOf::Unknown), Edge::Each, "FACE_UNKNOWN", Warning),
    rule(Kind::FaceMatched, When::Face(FaceOf::Anybody), Edge::Each, "FACE_SEEN", Info),
    rule(Kind::FaceMatched, When::Face(FaceOf::Known), Edge::Each, "FACE_KNOWN", Info),
    rule(Kind::FaceMatched, When::Face(FaceOf::Unknown), Edge::Each, "FACE_UNKNOWN", Warning),
    rule(Kind::PresenceReported, When::Always, Edge::Told("presence"), "PRESENCE_CHANGED", Info),
    // What was told made its row already.
    rule(Kind::PresenceChanged, When::BySilence, Edge::Told("presence"), "PRESENCE_CHANGED", Info),
    // A publisher may tell the same on the same stream.
    rule(Kind::HouseholdChanged, When::Always, Edge::Told("presence"), "HOUSEHOLD_CHANGED", Info),
    // The alarm.
    each(Kind::ArmRequested, "ARM_REQUESTED", Info),
    rule(Kind::ArmStateChanged, When::Arms(ArmState::Triggered), Edge::Each, "ALARM_TRIGGERED", Critical),
    each(Kind::ArmStateChanged, "ARM_STATE_CHANGED", Info),
    rule(Kind::ArmRefused, When::WrongPins(WRONG_PINS_ALERT), Edge::Each, "WRONG_PIN", Alert),
    each(Kind::ArmRefused, "ARM_REFUSED", Warning),
    each(Kind::RuleFired, "RULE_FIRED", Info),
    // Devices that fall silent.
    each(Kind::SensorWentSilent, "SENSOR_SILENT", Warning),
    each(Kind::SensorReturned, "SENSOR_RETURNED", Info),
    each(Kind::CameraWentSilent, "CAMERA_SILENT", Alert),
    each(Kind::CameraReturned, "CAMERA_RETURNED", Info),
    // The box: patterns of log lines.
    grave_pattern(PatternType::BruteForce, "BRUTE_FORCE"),
    slight_pattern(PatternType::BruteForce, "BRUTE_FORCE"),
    old_pattern(PatternType::BruteForce, "BRUTE_FORCE"),
    grave_pattern(PatternType::IpSweep, "IP_SWEEP"),
    slight_pattern(PatternType::IpSweep, "IP_SWEEP"),
    old_pattern(PatternType::IpSweep, "IP_SWEEP"),
    grave_pattern(PatternType::ErrorBurst, "ERROR_BURST"),
    slight_pattern(PatternType::ErrorBurst, "ERROR_BURST"),
    old_pattern(PatternType::ErrorBurst, "ERROR_BURST"),
    grave_pattern(PatternType::RestartLoop, "RESTART_LOOP"),
    slight_pattern(PatternType::RestartLoop, "RESTART_LOOP"),
    old_pattern(PatternType::RestartLoop, "RESTART_LOOP"),
    // What models of normal behaviour find odd; how odd, the alert's risk says.
    each(Kind::AnomalyDetected, "ANOMALY", Warning),
    // Power. What comes first of a topic and a status word is the moment; the other repeats it.
    ups(Kind::UpsPowerLost, When::Always, ("power", "lost"), "UPS_POWER_LOST", Alert),
    ups(Kind::UpsPowerRestored, When::Always, ("power", "mains"), "UPS_POWER_RESTORED", Info),
    ups(Kind::UpsPowerRestored, When::Always, ("battery_low", "off"), "", Info).quiet(),
    ups(Kind::UpsPowerRestored, When::Always, ("battery_critical", "off"), "", Info).quiet(),
    ups(Kind::UpsBatteryLow, When::Always, ("battery_low", "on"), "UPS_BATTERY_LOW", Alert),
    ups(Kind::UpsBatteryCritical, When::Always, ("battery_critical", "on"), "UPS_BATTERY_CRITICAL", Critical),
    ups(Kind::UpsStatusReported, When::UpsSays("OB"), ("power", "lost"), "UPS_POWER_LOST", Alert),
    ups(Kind::UpsStatusReported, When::UpsSays("OL"), ("power", "mains"), "UPS_POWER_RESTORED", Info).unless_first(),
    ups(Kind::UpsStatusReported, When::UpsSays("LB"), ("battery_low", "on"), "UPS_BATTERY_LOW", Alert),
    ups(Kind::UpsStatusReported, When::UpsSays("OL"), ("battery_low", "off"), "", Info).quiet(),
    ups(Kind::UpsStatusReported, When::UpsSays("FSD"), ("battery_critical", "on"), "UPS_BATTERY_CRITICAL", Critical),
    ups(Kind::UpsStatusReported, When::UpsSays("OL"), ("battery_critical", "off"), "", Info).quiet(),
];

impl Edge {
    /// The state that it is about, and what makes two rules speak of the same.
    pub(in super::super) const fn key(&self) -> Option<&'static str> {
        match self {
            Self::Each => None,
            Self::To { key, .. } | Self::Told(key) => Some(key),
        }
    }

    /// Whether it is news as the first that is heard of the state.
    pub(in super::super) const fn is_news_at_first(&self) -> bool {
        !matches!(self, Self::To { first: false, .. })
    }

    /// Whether two topics tell the same.
    pub(in super::super) const fn is_told_twice(&self) -> bool {
        matches!(self, Self::To { twice: true, .. })
    }

    /// The value that the state takes.
    pub(in super::super) fn value<'e>(&'e self, event: &'e Envelope) -> &'e str {
        match (self, &event.event) {
            (Self::To { value, .. }, _) => value,
            (_, Event::PresenceReported(presence)) => &presence.state,
            (_, Event::PresenceChanged(change)) => &change.to,
            (_, Event::HouseholdChanged(change)) => &change.to,
            _ => "",
        }
    }
}

impl When {
    fn words(&self) -> String {
        match self {
            Self::Always => "always".into(),
            Self::Reads(key, value) => format!("{key} is {value}"),
            Self::Detects(Detection::Person) => "a person is recognised".into(),
            Self::Detects(Detection::Vehicle) => "a vehicle is recognised".into(),
            Self::Pet => "a known pet".into(),
            Self::PetIn(_) => "a known pet outside or at a door".into(),
            Self::PetRule(action, 0) => format!("its action is {}", action.name()),
            Self::PetRule(action, least) => {
                format!(
                    "its action is {}, its priority {least} or more",
                    action.name()
                )
            }
            Self::Threatens(threat) => threat.name().to_lowercase(),
            Self::Face(FaceOf::Anybody) => "a face, nobody is to know whose".into(),
            Self::Face(FaceOf::Known) => "a known face".into(),
            Self::Face(FaceOf::Unknown) => "a strange face".into(),
            Self::BySilence => "nobody told anything for long".into(),
            Self::UpsSays(word) => format!("its status says {word}"),
            Self::Arms(state) => format!("to {}", state.words()),
            Self::WrongPins(least) => format!("{least} wrong PINs in a row or more"),
            Self::Pattern(pattern, 0) => format!("{} of log lines", pattern.words()),
            Self::Pattern(pattern, least) => {
                format!(
                    "{} of log lines, its severity {least} or more",
                    pattern.words()
                )
            }
            Self::OldPattern(pattern) => {
                format!("{} in log lines of more than an hour ago", pattern.words())
            }
        }
    }

    fn holds(&self, event: &Envelope, circumstances: Circumstances) -> bool {
        match (self, &event.event) {
            (Self::Always, _) => true,
            (Self::Reads(key, value), Event::SensorReported(reading)) => {
                reading.key == *key
                    && match &reading.value {
                        Reading::Flag(true) => *value == "on",
                        Reading::Flag(false) => *value == "off",
                        Reading::Word(word) => word == value,
                        Reading::Number(_) => false,
                    }
            }
            (Self::Detects(what), Event::CameraMotionStarted(motion)) => {
                motion.detection == Some(*what)
            }
            (Self::Pet, Event::PetSighted(sighting)) => sighting.pet_id.is_some(),
            (Self::PetIn(places), Event::PetSighted(sighting)) => {
                // What the message says counts before what is registered.
                let place = sighting.location.or(circumstances.camera_location);
                sighting.pet_id.is_some() && place.is_some_and(|place| places.contains(&place))
            }
            (Self::PetRule(action, least), Event::PetRuleFired(fired)) => {
                fired.action == *action && fired.priority >= *least
            }
            (Self::Threatens(threat), Event::WildlifeSighted(sighting)) => {
                sighting.threat == *threat
            }
            (Self::Face(whose), event) => face_of(event) == Some(*whose),
            (Self::BySilence, Event::PresenceChanged(change)) => {
                change.because == PresenceCause::Silence
            }
            (Self::Arms(state), Event::ArmStateChanged(changed)) => changed.to == *state,
            (Self::WrongPins(least), Event::ArmRefused(refused)) => refused.wrong_pins >= *least,
            (Self::Pattern(pattern, least), Event::PatternDetected(found)) => {
                let age_ns = event.received_at.saturating_sub(found.ended_at);
                found.pattern == *pattern && found.severity >= *least && age_ns <= HISTORY_NS
            }
            (Self::OldPattern(pattern), Event::PatternDetected(found)) => found.pattern == *pattern,
            (Self::UpsSays(word), Event::UpsStatusReported(ups)) => ups
                .status
                .as_deref()
                .is_some_and(|status| status.split_whitespace().any(|said| said == *word)),
            _ => false,
        }
    }
}

/// Whether it matters for this kind that the house is armed.
pub(super) fn minds_arming(kind: Kind) -> bool {
    RULES
        .iter()
        .any(|rule| rule.kind == kind && rule.armed as i64 != rule.severity as i64)
}

/// A built-in rule in words, for people who ask.
#[derive(Clone, Debug)]
pub struct Told {
    /// Wire name of the kind.
    pub kind: &'static str,
    /// What its fields must say.
    pub when: String,
    /// What the moment is called.
    pub name: &'static str,
    /// How grave it is, 0–6, as it is and while the house is armed.
    pub severity: (i64, i64),
}

/// The built-in rules that tell somebody something, in their order.
pub fn built_in() -> impl Iterator<Item = Told> {
    RULES.iter().filter_map(|rule| {
        Some(Told {
            kind: rule.kind.name(),
            when: rule.when.words(),
            name: rule.name?,
            severity: (rule.severity as i64, rule.armed as i64),
        })
    })
}

/// The rules that an event fits, one per edge.
pub(in super::super) fn fitting(
    event: &Envelope,
    circumstances: Circumstances,
) -> Vec<&'static Rule> {
    let mut fitting: Vec<&Rule> = Vec::new();
    for rule in RULES {
        if rule.fits(event, circumstances)
            && !fitting
                .iter()
                .any(|other| other.edge.key() == rule.edge.key())
        {
            fitting.push(rule);
        }
    }
    fitting
}
