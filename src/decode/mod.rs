//! From the bytes of a message to typed events. Pure: no I/O, no clock, no state.
//!
//! [`decode`] cannot fail. What it cannot read becomes a `message.undecodable` event with the bytes
//! and the reason, a topic without a rule a `message.unmapped` event with the bytes, so that every
//! message is stored and acknowledged, and none is in the way of the next.
//!
//! A topic picks the rule ([`native`]), the rule takes the fields that it knows ([`fields`]) out of
//! a strictly read JSON object ([`json`]), and the rest is kept as `extra`. Secrets are taken out on
//! the way ([`redact`]): no event, no reason and no digest that leaves here holds or betrays one.
//!
//! An empty payload is undecodable everywhere but in a log: a broker clears the retain flag on the
//! way to a subscriber that is there, so that "the retained state was cleared" and "the publisher
//! is broken" look the same.

mod fields;
mod json;
pub mod line;
mod native;
mod redact;
mod time;
pub mod topic;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use zeroize::Zeroizing;

pub use json::MAX_PARSED_BYTES;
pub use redact::MASK;

/// A text that was written beside the bus, such as an address, without name, password and token.
pub fn redacted(text: &str) -> String {
    redact::text(text).0.into_owned()
}

/// Whether what stands under this name is secret, such as `api-key`.
pub fn is_secret_name(name: &str) -> bool {
    redact::is_secret_key(name)
}

use crate::base::clock::UnixNanos;
use crate::base::ids::message_hash;
use crate::event::animal::Threats;
use crate::event::message::{Undecodable, Unmapped};
use crate::event::{Event, Flags, NewEvent, PublisherId};
use fields::Moment;
use topic::{Topic, TopicFilter};

/// Longest excerpt of foreign text in a reason, characters.
const EXCERPT_CHARS: usize = 40;

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Where it was published.
    pub topic: Arc<str>,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// As delivered: 0 or 1.
    pub qos: u8,
    /// A retained message: a snapshot of a state.
    pub retain: bool,
    /// When it reached us.
    pub received_at: UnixNanos,
}

/// Which topics mean what.
#[derive(Clone, Debug)]
pub struct Rules {
    prefix: Topic,
    own: Vec<TopicFilter>,
    threats: Threats,
    face_cameras: BTreeSet<String>,
    zone: TimeZone,
}

impl Rules {
    /// The native topics below `prefix`; what matches `own` is ours and never read back: the topics
    /// that this box publishes, such as `nightjar/<site>/#`.
    pub fn new(prefix: Topic, own: Vec<TopicFilter>) -> Self {
        Self {
            prefix,
            own,
            threats: Threats::default(),
            face_cameras: BTreeSet::new(),
            zone: TimeZone::UTC,
        }
    }

    /// The same with another threat per species, for messages about wild animals that tell none.
    #[must_use]
    pub fn with_threats(mut self, threats: Threats) -> Self {
        self.threats = threats;
        self
    }

    /// The same with cameras whose faces may be recognised. Of a face of any other camera nothing is
    /// kept but that there was one.
    #[must_use]
    pub fn with_face_cameras(mut self, cameras: impl IntoIterator<Item = String>) -> Self {
        self.face_cameras = cameras.into_iter().collect();
        self
    }

    /// The same with the zone of log lines that tell no offset from UTC: that of the box.
    #[must_use]
    pub fn with_time_zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }

    fn recognises_faces_of(&self, camera: &str) -> bool {
        self.face_cameras.contains(camera)
    }

    fn is_own(&self, topic: &str) -> bool {
        self.own.iter().any(|filter| filter.matches(topic))
    }

    fn below_prefix<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(self.prefix.as_str())?.strip_prefix('/')
    }
}

/// What a message became.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Its events: one; none when the message is our own.
    pub events: Vec<NewEvent>,
    /// The publisher's id, from `id` in a JSON object.
    pub publisher_id: Option<PublisherId>,
    /// Digest of topic and payload, for telling repeats. Where the payload held a secret the digest
    /// is over the payload without it: a stored digest of `{"pin":"4711"}` would betray the PIN to
    /// whoever tries 10,000 of them.
    pub hash: [u8; 16],
    /// The PIN that came with a request to arm or disarm, for the one who verifies it; wiped when
    /// dropped. No event holds it.
    pub pin: Option<Zeroizing<String>>,
}

/// Why a payload cannot be decoded: what, where, and what was expected. Free of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reason(String);

/// What a rule makes of a payload.
struct Draft {
    stream: String,
    /// None: the stream itself.
    source: Option<String>,
    moment: Moment,
    text: Option<String>,
    event: Event,
}

/// What is learned on the way, whether a rule succeeds or not.
#[derive(Default)]
struct Findings {
    /// The publisher's id.
    id: Option<String>,
    /// A secret was taken out.
    masked: bool,
    /// The PIN of a request.
    pin: Option<Zeroizing<String>>,
}

/// Turns a message into events.
pub fn decode(inbound: &Inbound, rules: &Rules) -> Decoded {
    let topic = &*inbound.topic;
    if rules.is_own(topic) {
        let hash = message_hash(topic, &inbound.payload);
        return Decoded {
            events: Vec::new(),
            publisher_id: None,
            hash,
            pin: None,
        };
    }
    let mut found = Findings::default();
    let outcome = match rules.below_prefix(topic) {
        Some(below) => native::decode(below, inbound, rules, &mut found),
        None => Ok(None),
    };
    let (draft, hash) = match outcome {
        Ok(Some(draft)) if found.masked => (draft, message_hash(topic, &without_secrets(inbound))),
        Ok(Some(draft)) => (draft, message_hash(topic, &inbound.payload)),
        Ok(None) => {
            let payload = without_known_secrets(inbound);
            let hash = message_hash(topic, &payload);
            (unread(inbound, Unmapped { payload }.into(), None), hash)
        }
        Err(Reason(reason)) => {
            let payload = without_known_secrets(inbound);
            let hash = message_hash(topic, &payload);
            (
                unread(inbound, Undecodable { payload }.into(), Some(reason)),
                hash,
            )
        }
    };
    let mut event = event(draft, Some(Arc::clone(&inbound.topic)), inbound.received_at);
    if inbound.retain {
        event.flags = event.flags.with(Flags::RETAINED);
    }
    Decoded {
        events: vec![event],
        publisher_id: found.id.map(|id| PublisherId { id, hash }),
        hash,
        pin: found.pin,
    }
}

fn event(draft: Draft, topic: Option<Arc<str>>, received_at: UnixNanos) -> NewEvent {
    let mut flags = Flags::default();
    if draft.moment.suspect {
        flags = flags.with(Flags::CLOCK_SUSPECT);
    }
    NewEvent {
        occurred_at: draft.moment.at,
        received_at,
        source: draft.source.unwrap_or_else(|| draft.stream.clone()),
        stream: draft.stream,
        topic,
        flags,
        cause: None,
        text: draft.text,
        event: draft.event,
        body: None,
    }
}

fn unread(inbound: &Inbound, event: Event, text: Option<String>) -> Draft {
    Draft {
        stream: format!("message/{}", inbound.topic),
        source: None,
        moment: Moment {
            at: inbound.received_at,
            suspect: false,
        },
        text,
        event,
    }
}

/// The payload to keep of a message that no rule could read. On a topic for commands and codes
/// nobody knows where in a damaged payload the secret stands: only its length is kept. So it is with
/// faces, which must be found again when their person wants to be forgotten.
fn without_known_secrets(inbound: &Inbound) -> Vec<u8> {
    let secretive =
        |level: &str| matches!(level, "arm_request" | "face") || redact::is_secret_key(level);
    if inbound.topic.split('/').any(secretive) {
        redact::whole(&inbound.payload)
    } else {
        redact::raw(&inbound.payload).into_owned()
    }
}

/// The payload of a message in which a secret was found, for its digest only.
fn without_secrets(inbound: &Inbound) -> Vec<u8> {
    match redact::raw(&inbound.payload) {
        std::borrow::Cow::Owned(masked) => masked,
        // The secret stands where only the parser finds it.
        std::borrow::Cow::Borrowed(bytes) => redact::whole(bytes),
    }
}

fn excerpt(text: &str) -> &str {
    text.char_indices()
        .nth(EXCERPT_CHARS)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests;
