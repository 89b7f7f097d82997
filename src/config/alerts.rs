//! `[alerts]`: who is told of what, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Duration;
use super::validate::{Complaint, range};
use crate::event::alarm::{ArmState, Channel};
use crate::reactor::alerts::{self, Audience, Response, Settings};
use crate::reactor::household::HouseholdState;
use crate::reactor::time_window::TimeWindow;

/// Who is told of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Alerts {
    /// At most one alert of a kind per recipient within so long, 0s to 1d.
    pub window: Duration,
    /// The same for what is found in lines and numbers, patterns and anomalies, 0s to 1d.
    pub detection_window: Duration,
    /// File with the private key for web push (`nightjar alerts vapid-key` makes it).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub vapid_key_file: Option<PathBuf>,
    /// Whom a push service can write to about these pushes: mailto:… or https://…
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Who can be told.
    pub recipient: Vec<Recipient>,
    /// What they are told of; the first profile that matches counts. What none names, or without
    /// any: what is an ALERT or CRITICAL.
    pub profile: Vec<Profile>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(300),
            detection_window: Duration::from_secs(900),
            vapid_key_file: None,
            contact: None,
            recipient: Vec::new(),
            profile: Vec::new(),
        }
    }
}

/// Whether somebody is told what is for adults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AgeGroup {
    /// Is.
    #[default]
    Adult,
    /// Is not.
    Child,
}

/// Somebody who can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Recipient {
    /// Their name, unique.
    pub name: String,
    /// "adult" or "child".
    pub role: AgeGroup,
    /// Whether alerts for them are published on the bus, below `nightjar/<site>/alert/`.
    pub mqtt: bool,
    /// Whether the browsers that they subscribed are told.
    pub web_push: bool,
    /// Server of their ntfy topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ntfy_url: Option<String>,
    /// Their ntfy topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ntfy_topic: Option<String>,
    /// File with the access token for it; a whole path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ntfy_token_file: Option<PathBuf>,
    /// URL that alerts are posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// File with the secret that signs them; a whole path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret_file: Option<PathBuf>,
}

impl Recipient {
    fn channels(&self) -> Vec<Channel> {
        [
            (self.mqtt, Channel::Mqtt),
            (self.ntfy_topic.is_some(), Channel::Ntfy),
            (self.webhook_url.is_some(), Channel::Webhook),
            (self.web_push, Channel::WebPush),
        ]
        .into_iter()
        .filter_map(|(on, channel)| on.then_some(channel))
        .collect()
    }
}

/// What is told when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Profile {
    /// Its name, unique.
    pub name: String,
    /// States of the alarm in which it holds, such as "`ARMED_AWAY`"; all without any.
    #[schemars(with = "Vec<String>")]
    pub arm_states: Vec<ArmState>,
    /// States of the household in which it holds, such as "`EMPTY`" or "`KIDS_HOME`"; all without any.
    #[schemars(with = "Vec<String>")]
    pub households: Vec<HouseholdState>,
    /// When it holds, such as "23:00-06:00"; always when empty.
    pub window: TimeWindow,
    /// What to do by type: `PERSON_DETECTED` = "push", "record" or "quiet".
    #[schemars(with = "serde_json::Value")]
    pub detections: BTreeMap<String, Response>,
    /// Who is told: "all" or "adults".
    pub recipients: Audience,
}

impl Alerts {
    /// For the reactor.
    pub(super) fn settings(&self) -> Settings {
        let recipient = |one: &Recipient| alerts::Recipient {
            name: one.name.clone(),
            is_adult: one.role == AgeGroup::Adult,
            channels: one.channels(),
        };
        let profile = |one: &Profile| alerts::Profile {
            name: one.name.clone(),
            arm_states: one.arm_states.clone(),
            households: one.households.clone(),
            window: one.window.clone(),
            detections: one.detections.clone(),
            audience: one.recipients,
        };
        let nanos =
            |window: Duration| i64::try_from(window.to_std().as_nanos()).unwrap_or(i64::MAX);
        Settings {
            window_ns: nanos(self.window),
            detection_window_ns: nanos(self.detection_window),
            recipients: self.recipient.iter().map(recipient).collect(),
            profiles: self.profile.iter().map(profile).collect(),
        }
    }
}

/// Longer would hide another day's alarm.
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_secs(86_400);
/// Most recipients: a family, its neighbours, a guard.
const RECIPIENTS_MAX: usize = 64;
/// Most profiles; each moment is held against one after the other.
const PROFILES_MAX: usize = 64;

/// What is wrong with single values.
pub(super) fn values(alerts: &Alerts, complaints: &mut Vec<Complaint>) {
    range("alerts.window", alerts.window, &WINDOW, complaints);
    range(
        "alerts.detection_window",
        alerts.detection_window,
        &WINDOW,
        complaints,
    );
    let contact = alerts.contact.as_deref().unwrap_or("mailto:");
    if !contact.starts_with("mailto:") && !contact.starts_with("https://") {
        let message = "must begin with mailto: or https://, as push services demand";
        complaints.push(("alerts.contact", message.into()));
    }
    if alerts.recipient.len() > RECIPIENTS_MAX || alerts.profile.len() > PROFILES_MAX {
        let message =
            format!("has more than {RECIPIENTS_MAX} recipients or {PROFILES_MAX} profiles");
        complaints.push(("alerts.recipient", message));
    }
    let mut names = BTreeSet::new();
    for (index, recipient) in alerts.recipient.iter().enumerate() {
        let mut complain = |message: &str| {
            complaints.push((
                "alerts.recipient",
                format!("number {}: {message}", index + 1),
            ));
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = recipient.name.as_str();
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) || !names.insert(name) {
            complain("`name` must be unique and 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`");
        }
        if recipient.ntfy_url.is_some() != recipient.ntfy_topic.is_some() {
            complain("`ntfy_url` and `ntfy_topic` go together");
        }
        for url in [&recipient.ntfy_url, &recipient.webhook_url]
            .into_iter()
            .flatten()
        {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                complain("a URL must begin with https:// or http://");
            }
        }
        if recipient.webhook_url.is_some() != recipient.webhook_secret_file.is_some() {
            complain(
                "`webhook_url` needs `webhook_secret_file`, which signs what is sent, and the other way round",
            );
        }
        let files = [&recipient.ntfy_token_file, &recipient.webhook_secret_file];
        if files
            .into_iter()
            .flatten()
            .any(|file| !Path::is_absolute(file))
        {
            complain("files must be given with their whole path");
        }
        if recipient.channels().is_empty() {
            complain("has no channel: set `mqtt`, `web_push`, `ntfy_topic` or `webhook_url`");
        }
    }
    let mut names = BTreeSet::new();
    for (index, profile) in alerts.profile.iter().enumerate() {
        if profile.name.is_empty() || !names.insert(&profile.name) {
            let message = format!("number {}: `name` must be unique and not empty", index + 1);
            complaints.push(("alerts.profile", message));
        }
    }
}

/// What recipients need of the other keys.
pub(super) fn conflicts(alerts: &Alerts) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if !alerts.recipient.iter().any(|one| one.web_push) {
        return complaints;
    }
    if alerts.contact.is_none() {
        let message = "`alerts.contact` is missing, but a recipient has `web_push`: push services \
                       want to know whom to write to, such as \"mailto:me@example.org\"";
        complaints.push(("alerts.contact", message.into()));
    }
    if alerts.vapid_key_file.is_none() {
        let message = "`alerts.vapid_key_file` is missing, but a recipient has `web_push`; \
                       `nightjar alerts vapid-key` makes one";
        complaints.push(("alerts.vapid_key_file", message.into()));
    }
    complaints
}
