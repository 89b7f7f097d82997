//! The envelope: what the event log knows about every event, whatever its kind.

use std::sync::Arc;

use super::{Event, Kind};
use crate::base::clock::UnixNanos;

/// Marks on an event, stored as the bits of one integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub i64);

impl Flags {
    /// A retained message: a snapshot of a state, never the moment of a change.
    pub const RETAINED: Self = Self(1);
    /// The event's own time was not credible; `occurred_at` is the time of arrival.
    pub const CLOCK_SUSPECT: Self = Self(2);
    /// Perhaps stored twice; kept, since deleting on a guess loses honest repeats.
    pub const SUSPECT_DUP: Self = Self(4);
    /// Its publisher gave it an id that an earlier message with other content has too.
    pub const ID_CONFLICT: Self = Self(8);

    /// Whether all marks of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of marks.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The marks by name, for people and JSON.
    pub fn names(self) -> Vec<&'static str> {
        [
            (Self::RETAINED, "retained"),
            (Self::CLOCK_SUSPECT, "clock_suspect"),
            (Self::SUSPECT_DUP, "suspect_dup"),
            (Self::ID_CONFLICT, "id_conflict"),
        ]
        .into_iter()
        .filter_map(|(flag, name)| self.has(flag).then_some(name))
        .collect()
    }
}

/// An id that a publisher gave its message, good within one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherId {
    /// The id as it came.
    pub id: String,
    /// Digest of topic and payload, to tell a repeat from a clash.
    pub hash: [u8; 16],
}

/// An event on its way into the event log; the writer gives it its position.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// When it happened, by the event's own clock if credible, else its arrival.
    pub occurred_at: UnixNanos,
    /// When it reached us.
    pub received_at: UnixNanos,
    /// Its subject, `type/id`, such as `sensor/front_door`.
    pub stream: String,
    /// Who reported it, `type/id`: for a fox that is the camera.
    pub source: String,
    /// The MQTT topic it came on.
    pub topic: Option<Arc<str>>,
    /// Marks.
    pub flags: Flags,
    /// The event that brought this one about.
    pub cause: Option<i64>,
    /// What a person or a program wrote, verbatim; stored once, here.
    pub text: Option<String>,
    /// The typed payload.
    pub event: Event,
    /// The payload as it is stored, if it is encoded already.
    pub(crate) body: Option<Vec<u8>>,
}

impl NewEvent {
    /// Encodes the payload now, so that the writer need not. It must not change any more.
    pub(crate) fn encode(&mut self) {
        self.body = Some(self.event.encode());
    }

    /// An event of the program's own making, at `at`.
    pub fn own(at: UnixNanos, stream: impl Into<String>, event: impl Into<Event>) -> Self {
        let stream = stream.into();
        Self {
            occurred_at: at,
            received_at: at,
            source: stream.clone(),
            stream,
            topic: None,
            flags: Flags::default(),
            cause: None,
            text: None,
            event: event.into(),
            body: None,
        }
    }

    /// The same with a text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The same with another source than its stream.
    #[must_use]
    pub fn from_source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// The same with a cause.
    #[must_use]
    pub fn caused_by(mut self, position: i64) -> Self {
        self.cause = Some(position);
        self
    }
}

/// A name that the event log has interned: the text and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its number in the table `names`.
    pub id: i64,
    /// The text.
    pub text: Arc<str>,
}

/// An event in the event log.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Its place: 1, 2, 3 … without gaps.
    pub position: i64,
    /// When it happened.
    pub occurred_at: UnixNanos,
    /// When it reached us.
    pub received_at: UnixNanos,
    /// Number of the kind's name in `names`.
    pub kind_id: i64,
    /// Its subject.
    pub stream: Name,
    /// Who reported it.
    pub source: Name,
    /// The MQTT topic it came on.
    pub topic: Option<Name>,
    /// Marks.
    pub flags: Flags,
    /// The event that brought this one about.
    pub cause: Option<i64>,
    /// Verbatim text.
    pub text: Option<String>,
    /// The typed payload.
    pub event: Event,
}

impl Envelope {
    /// The event's kind.
    pub const fn kind(&self) -> Kind {
        self.event.kind()
    }

    /// Whether it is a retained snapshot.
    pub const fn is_snapshot(&self) -> bool {
        self.flags.has(Flags::RETAINED)
    }

    /// The part of the stream after its type: `front_door` of `sensor/front_door`.
    pub fn subject(&self) -> &str {
        self.stream
            .text
            .split_once('/')
            .map_or(&*self.stream.text, |(_, id)| id)
    }

    /// The text, or nothing.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}
