//! The alarm, rules, and who is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::house::ArmMode;

/// What the alarm is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ArmState {
    /// Nothing is watched but what always is.
    #[default]
    Disarmed,
    /// The shell is watched.
    ArmedHome,
    /// All is watched.
    ArmedAway,
    /// As at home, asleep.
    ArmedNight,
    /// Armed soon: time to leave.
    ExitDelay,
    /// Triggered soon: time to disarm.
    EntryDelay,
    /// Something happened that should not.
    Triggered,
}

impl ArmState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Disarmed,
        Self::ArmedHome,
        Self::ArmedAway,
        Self::ArmedNight,
        Self::ExitDelay,
        Self::EntryDelay,
        Self::Triggered,
    ];

    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disarmed => "DISARMED",
            Self::ArmedHome => "ARMED_HOME",
            Self::ArmedAway => "ARMED_AWAY",
            Self::ArmedNight => "ARMED_NIGHT",
            Self::ExitDelay => "EXIT_DELAY",
            Self::EntryDelay => "ENTRY_DELAY",
            Self::Triggered => "TRIGGERED",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// In words: `armed away`.
    pub fn words(self) -> String {
        self.name().to_lowercase().replace('_', " ")
    }
}

impl From<ArmMode> for ArmState {
    fn from(mode: ArmMode) -> Self {
        match mode {
            ArmMode::Disarmed => Self::Disarmed,
            ArmMode::ArmedHome => Self::ArmedHome,
            ArmMode::ArmedAway => Self::ArmedAway,
            ArmMode::ArmedNight => Self::ArmedNight,
        }
    }
}

/// A step of the alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateChanged {
    /// Before.
    pub from: ArmState,
    /// After.
    pub to: ArmState,
    /// What an exit delay leads to; what an entry delay or an alarm came out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ArmMode>,
    /// When it goes on by itself, Unix nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// Who or what brought it about.
    pub triggered_by: String,
}

/// A request that changed nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// What was asked for.
    pub mode: ArmMode,
    /// Who asked.
    pub triggered_by: String,
    /// Wrong PINs in a row so far, this one included.
    #[serde(default)]
    pub wrong_pins: i64,
}

/// What a rule does when it fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Tells everybody.
    AlertAll,
    /// Tells everybody, and asks the camera to record.
    PushAndRecord,
    /// Asks every camera to record.
    RecordAllCameras,
    /// Publishes a message.
    Publish {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: String,
        /// Whether the broker keeps it.
        #[serde(default)]
        retain: bool,
    },
}

/// A rule that fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleFired {
    /// Its id.
    pub rule: String,
    /// What it does.
    pub actions: Vec<Action>,
}

/// A wish to record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingRequested {
    /// The cameras; all of them when empty.
    pub cameras: Vec<String>,
    /// What asked: `rule/…` or `profile/…`.
    pub requested_by: String,
}

/// By which way somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Channel {
    /// A message on the bus.
    Mqtt,
    /// ntfy.
    Ntfy,
    /// A signed HTTP request.
    Webhook,
    /// A browser's push service.
    WebPush,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 4] = [Self::Mqtt, Self::Ntfy, Self::Webhook, Self::WebPush];

    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "MQTT",
            Self::Ntfy => "NTFY",
            Self::Webhook => "WEBHOOK",
            Self::WebPush => "WEB_PUSH",
        }
    }

    /// The channel with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

/// One delivery to be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Who.
    pub recipient: String,
    /// How.
    pub channel: Channel,
    /// Which of several addresses of that channel: the number of a push subscription. Never the
    /// address itself, which may be a secret.
    #[serde(default)]
    pub address: i64,
}

/// An alert for people. Its id is the event's position; the event's text is the message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRaised {
    /// What it is about, a type such as `PERSON_DETECTED`, or `RULE`.
    pub alert_type: String,
    /// The rule or the profile that asked for it.
    pub rule_name: String,
    /// Severity on the scale 0–6.
    pub severity_id: i64,
    /// What counts as the same alert.
    pub dedup_key: String,
    /// The event that people are told about.
    pub event: i64,
    /// Deliveries to be made.
    pub targets: Vec<Target>,
    /// Who is not told, having been told of the same within the window, or as it is snoozed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<String>,
    /// How much harm it may mean, 0 to 100.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub risk_score: f64,
    /// Whom or what it is about: the type and the canonical value of an entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<(String, String)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// Somebody wants an alert to be raised, or counted where it is raised already. It happened when the
/// event says; the event's text is the message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRequested {
    /// What it is about, such as `ml` or `correlation`.
    pub alert_type: String,
    /// What found it.
    pub rule_name: String,
    /// Severity on the scale 0–6.
    pub severity_id: i64,
    /// What counts as the same alert.
    pub dedup_key: String,
    /// How much harm it may mean, 0 to 100, if whoever asks knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_score: Option<f64>,
    /// Whom or what it is about: the type and the canonical value of an entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<(String, String)>,
    /// What comes so soon before or after the first counts as the same, nanoseconds.
    pub window_ns: i64,
}

/// The same again within the window: counted, and told only to those who were not told of it yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertSuppressed {
    /// The alert that people were told of.
    pub alert: i64,
    /// The event that they are not told about.
    pub event: i64,
    /// Its severity on the scale 0–6.
    pub severity_id: i64,
    /// Who would have been told.
    pub recipients: Vec<String>,
    /// Deliveries to be made to those who have not been told of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// How much harm it may mean, 0 to 100.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub risk_score: f64,
}

/// Somebody has seen an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertAcknowledged {
    /// The alert.
    pub alert: i64,
    /// Seen, or not any more.
    pub acknowledged: bool,
    /// Who says so.
    pub by: String,
}

/// Whether an alert was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// True positive: there was something.
    #[serde(rename = "tp")]
    TruePositive,
    /// False positive: there was nothing.
    #[serde(rename = "fp")]
    FalsePositive,
}

impl Verdict {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TruePositive => "tp",
            Self::FalsePositive => "fp",
        }
    }

    /// The verdict with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::TruePositive, Self::FalsePositive]
            .into_iter()
            .find(|verdict| verdict.name() == name)
    }
}

/// Somebody says whether an alert was right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertJudged {
    /// The alert.
    pub alert: i64,
    /// What they say.
    pub verdict: Verdict,
    /// Who says so.
    pub by: String,
}

/// Nobody is to be told of an alert for a while. A time that is past ends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertSnoozed {
    /// What counts as the same alert.
    pub dedup_key: String,
    /// Until when, Unix nanoseconds.
    pub until: i64,
    /// Who wants it so.
    pub by: String,
}

/// How a try to deliver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptStatus {
    /// Handed over.
    Sent,
    /// Not handed over.
    Failed,
}

impl AttemptStatus {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
        }
    }
}

/// One try to deliver one alert to one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertAttempted {
    /// The alert.
    pub alert: i64,
    /// To whom, and how.
    pub target: Target,
    /// Which try, from 1.
    pub attempt: i64,
    /// How it ended.
    pub status: AttemptStatus,
    /// How long it took, milliseconds.
    pub latency_ms: i64,
    /// When it is tried again, Unix nanoseconds; never when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<i64>,
    /// What the other side said beside its answer, such as a message id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answer: BTreeMap<String, String>,
}
