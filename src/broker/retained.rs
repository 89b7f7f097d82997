//! Retained messages: the last one of each topic, for those who subscribe later.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumqttc::mqttbytes::QoS;

use super::session::Message;
use super::topic::Filter;

/// All topics together: as much as one session may queue. Beyond, a new message is delivered but
/// not retained.
const MAX_RETAINED_BYTES: usize = 256 << 20;

#[derive(Debug, Default)]
pub(super) struct Retained {
    /// Sorted, so that a subscriber gets them in a fixed order.
    by_topic: BTreeMap<String, (Arc<Message>, QoS)>,
    cost_bytes: usize,
}

impl Retained {
    /// Replaces the topic's message; an empty payload clears it.
    pub(super) fn set(&mut self, message: &Arc<Message>, qos: QoS) {
        if let Some((old, _)) = self.by_topic.remove(&message.topic) {
            self.cost_bytes -= old.cost_bytes();
        }
        if message.payload.is_empty() {
            return;
        }
        if self.cost_bytes + message.cost_bytes() > MAX_RETAINED_BYTES {
            tracing::warn!(
                topic = message.topic,
                "not retained: {MAX_RETAINED_BYTES} bytes are"
            );
            return;
        }
        self.cost_bytes += message.cost_bytes();
        self.by_topic
            .insert(message.topic.clone(), (Arc::clone(message), qos));
    }

    pub(super) fn matching(&self, filter: &Filter) -> impl Iterator<Item = (&Arc<Message>, QoS)> {
        let all = self.by_topic.values();
        all.filter(|(message, _)| filter.matches(&message.topic))
            .map(|(held, qos)| (held, *qos))
    }
}
