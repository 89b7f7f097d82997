//! `[[rule]]`: what the house does when several things hold.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::sections::Mqtt;
use super::validate::Complaint;
use crate::base::clock::SECOND_NS;
use crate::decode::topic::{Topic, TopicFilter};
use crate::event::alarm::Action;
use crate::reactor::rules::{self, Condition, Logic};

/// A rule: when its conditions hold, its actions are done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Rule {
    /// Its id, unique.
    pub id: String,
    /// When it fires: `{type = "arm_state", state = "ARMED_AWAY"}`, `{type = "sensor_event", sensor,
    /// event}`, `{type = "camera_motion", camera}`, `{type = "time_window", window = "23:00-06:00"}`.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub conditions: Vec<Condition>,
    /// "AND": all of them, "OR": one.
    pub logic: Logic,
    /// What it does: `"alert_all"`, `"push_and_record"`, `"record_all_cameras"`, or `{type = "publish",
    /// topic, payload}`.
    #[serde(deserialize_with = "actions")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub actions: Vec<Action>,
    /// How long it rests after it fired, seconds.
    pub cooldown_s: u32,
    /// How far apart the events of an AND may be, seconds; 30 when it is 0.
    pub within_s: u32,
}

fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Action>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Name(String),
        Whole(Action),
    }
    Vec::<Written>::deserialize(deserializer)?
        .into_iter()
        .map(|written| match written {
            Written::Whole(action) => Ok(action),
            Written::Name(name) => match name.as_str() {
                "alert_all" => Ok(Action::AlertAll),
                "push_and_record" => Ok(Action::PushAndRecord),
                "record_all_cameras" => Ok(Action::RecordAllCameras),
                _ => Err(serde::de::Error::custom(format!(
                    "\"{name}\" is no action; there are \"alert_all\", \"push_and_record\", \
                     \"record_all_cameras\" and {{ type = \"publish\", topic = \"…\", payload = \"…\" }}"
                ))),
            },
        })
        .collect()
}

/// How far apart the events of an AND may be, unless the rule says.
const WITHIN_S: u32 = 30;
/// Most rules; every moment is held against one after the other.
const RULES_MAX: usize = 256;
/// Most conditions of a rule.
const CONDITIONS_MAX: usize = 32;

/// For the reactor.
pub(super) fn settings(rules: &[Rule]) -> Vec<rules::Rule> {
    let rule = |rule: &Rule| rules::Rule {
        id: rule.id.clone(),
        conditions: rule.conditions.clone(),
        logic: rule.logic,
        actions: rule.actions.clone(),
        cooldown_ns: i64::from(rule.cooldown_s) * SECOND_NS,
        within_ns: i64::from(match rule.within_s {
            0 => WITHIN_S,
            given => given,
        }) * SECOND_NS,
    };
    rules.iter().map(rule).collect()
}

/// Whether a message on the topic would come back as input.
fn is_heard(topic: &str, mqtt: &Mqtt) -> bool {
    let filters = &mqtt.filters;
    let mut extra = [
        &filters.sensor,
        &filters.camera,
        &filters.pet,
        &filters.wildlife,
        &filters.log,
        &filters.house,
    ]
    .into_iter()
    .flatten();
    topic.starts_with(&format!("{}/", mqtt.prefix))
        || extra.any(|filter| {
            let filter = filter.parse::<TopicFilter>();
            filter.is_ok_and(|filter| filter.matches(topic))
        })
}

/// What is wrong with single values.
pub(super) fn values(rules: &[Rule], complaints: &mut Vec<Complaint>) {
    let key = "rule";
    let mut complain = |message: String| complaints.push((key, message));
    if rules.len() > RULES_MAX {
        complain(format!("has more than {RULES_MAX} rules"));
    }
    let mut ids = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let number = index + 1;
        let id = &rule.id;
        if id.is_empty() || id.len() > 64 || !ids.insert(id) {
            complain(format!(
                "number {number}: `id` must be unique and have 1 to 64 bytes"
            ));
        }
        if rule.conditions.is_empty() || rule.conditions.len() > CONDITIONS_MAX {
            complain(format!(
                "number {number} must have 1 to {CONDITIONS_MAX} conditions"
            ));
        }
        if rule.actions.is_empty() {
            complain(format!(
                "number {number} has no actions, so that it would do nothing"
            ));
        }
        for action in &rule.actions {
            let Action::Publish { topic, .. } = action else {
                continue;
            };
            if let Err(error) = topic.parse::<Topic>() {
                complain(format!("number {number}: topic {topic:?}: {error}"));
            }
        }
    }
}

/// What the rules say that the broker's section does not allow.
pub(super) fn conflicts(rules: &[Rule], mqtt: &Mqtt) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        for action in &rule.actions {
            let Action::Publish { topic, .. } = action else {
                continue;
            };
            let wrong = if topic.starts_with(&format!("{}/", mqtt.publish_prefix)) {
                "lies below `mqtt.publish_prefix`, where Nightjar's own messages are"
            } else if is_heard(topic, mqtt) {
                "lies below `mqtt.prefix` or fits `mqtt.filters`, where Nightjar listens: it would \
                 hear itself"
            } else {
                continue;
            };
            let number = index + 1;
            complaints.push((
                "rule",
                format!("`rule` number {number}: topic {topic:?} {wrong}"),
            ));
        }
    }
    complaints
}
