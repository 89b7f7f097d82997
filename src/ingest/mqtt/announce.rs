//! What we say about an event: pure functions from what is stored to a topic and a payload.
//!
//! Native topics stand under `nightjar/<site>/`; with `compat` the house also hears vigilar's own
//! two. Anybody who may subscribe reads this, so it tells less than the log: pictures and messages
//! that nobody could read stay here, and so does what would recognise a person's face.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::clock::{MILLISECOND_NS, UnixNanos, rfc3339};
use crate::event::alarm::RecordingRequested;
use crate::event::house::ArmMode;
use crate::event::house::ArmRequested;
use crate::event::timelapse::TimelapseRequested;
use crate::event::{Envelope, Event};
use crate::read_model::alarm::Step;

/// Largest `data` and longest `text` of one announcement, bytes: more is for those who ask the
/// log. Some clients on small boards read no more than this.
pub const DATA_BYTES: usize = 8 * 1024;

/// What is published in vigilar's own words, and so must never be read back.
pub const COMPAT_TOPICS: [&str; 2] = [COMPAT_EVENTS, COMPAT_ARM_STATE];

/// Where vigilar's programs look for events.
const COMPAT_EVENTS: &str = "vigilar/events/published";
/// Where vigilar's programs look for the arm state.
const COMPAT_ARM_STATE: &str = "vigilar/system/arm_state";
/// Part of every key under which the numbers of a face are kept.
const EMBEDDING: &str = "embedding";

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Topic.
    pub topic: String,
    /// JSON.
    pub payload: Vec<u8>,
    /// It tells a state, which the broker keeps for later subscribers.
    pub retain: bool,
}

/// A row of the table `events`, as far as vigilar's programs are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRow<'a> {
    /// Place in the event log; their `id`.
    pub position: i64,
    /// When it happened.
    pub timestamp_ns: UnixNanos,
    /// vigilar's event type, such as `PERSON_DETECTED`.
    pub event_type: &'a str,
    /// 0 to 6.
    pub severity_id: i64,
    /// What reported it, such as `camera`.
    pub source_type: &'a str,
    /// Which of them.
    pub source_id: &'a str,
    /// In words.
    pub message: &'a str,
}

#[derive(Serialize)]
struct Native<'a> {
    position: i64,
    kind: &'static str,
    occurred_at: String,
    received_at: String,
    stream: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize)]
struct CompatEvent<'a> {
    id: i64,
    ts: i64,
    #[serde(rename = "type")]
    event_type: &'a str,
    severity: &'static str,
    source_id: &'a str,
    payload: Value,
}

#[derive(Serialize)]
struct CompatArmState<'a> {
    state: &'a str,
    ts: i64,
    triggered_by: &'a str,
}

#[derive(Serialize)]
struct Alarm<'a> {
    state: &'static str,
    target: Option<&'static str>,
    deadline: Option<String>,
    since: Option<String>,
    triggered_by: Option<&'a str>,
}

#[derive(Serialize)]
struct RecordingWish<'a> {
    cameras: &'a [String],
    requested_by: &'a str,
    reason: &'a str,
    at: String,
    position: i64,
}

#[derive(Serialize)]
struct FilmWish<'a> {
    schedule: &'a str,
    camera: &'a str,
    start_hour: i64,
    end_hour: i64,
    due_at: String,
    position: i64,
}

/// What the alarm does on `nightjar/<site>/alarm`; retained, since it is true until it changes.
pub fn alarm(base: &str, step: Option<&Step>) -> Announcement {
    let standing = step.map(|step| step.standing).unwrap_or_default();
    let alarm = Alarm {
        state: standing.state.name(),
        target: standing.target.map(ArmMode::name),
        deadline: standing.deadline.map(rfc3339),
        since: step.map(|step| rfc3339(step.standing.since)),
        triggered_by: step.map(|step| beginning(&step.triggered_by)),
    };
    Announcement {
        topic: format!("{base}/alarm"),
        payload: to_bytes(&alarm),
        retain: true,
    }
}

/// A wish to record on `nightjar/<site>/record`, for whoever runs the cameras.
pub fn recording_wish(base: &str, envelope: &Envelope, wish: &RecordingRequested) -> Announcement {
    let wish = RecordingWish {
        cameras: &wish.cameras,
        requested_by: &wish.requested_by,
        reason: beginning(envelope.text()),
        at: rfc3339(envelope.occurred_at),
        position: envelope.position,
    };
    Announcement {
        topic: format!("{base}/record"),
        payload: to_bytes(&wish),
        retain: false,
    }
}

/// A film of a day that is due, on `nightjar/<site>/timelapse`, for whoever makes films.
pub fn film_wish(base: &str, envelope: &Envelope, film: &TimelapseRequested) -> Announcement {
    let wish = FilmWish {
        schedule: envelope.subject(),
        camera: &film.camera,
        start_hour: film.start_hour,
        end_hour: film.end_hour,
        due_at: rfc3339(film.due_at),
        position: envelope.position,
    };
    Announcement {
        topic: format!("{base}/timelapse"),
        payload: to_bytes(&wish),
        retain: false,
    }
}

/// The event on `nightjar/<site>/event/<kind>`; `base` is `nightjar/<site>`. `truncated` says that `data` is left out, or `text`
/// cut, because they are too large or nobody's business.
pub fn event(base: &str, envelope: &Envelope) -> Announcement {
    let kind = envelope.kind().name();
    let data = data(&envelope.event);
    let text = envelope.text.as_deref().map(beginning);
    let native = Native {
        position: envelope.position,
        kind,
        occurred_at: rfc3339(envelope.occurred_at),
        received_at: rfc3339(envelope.received_at),
        stream: &envelope.stream.text,
        source: &envelope.source.text,
        text,
        truncated: data.is_none() || text.map(str::len) != envelope.text.as_ref().map(String::len),
        data,
    };
    Announcement {
        topic: format!("{base}/event/{kind}"),
        payload: to_bytes(&native),
        retain: false,
    }
}

/// The event on `vigilar/events/published`, in vigilar's shape.
pub fn compat_event(row: &EventRow<'_>) -> Announcement {
    let event = CompatEvent {
        id: row.position,
        ts: milliseconds(row.timestamp_ns),
        event_type: row.event_type,
        severity: severity(row.severity_id),
        source_id: row.source_id,
        payload: json!({ "source_type": row.source_type, "message": beginning(row.message) }),
    };
    Announcement {
        topic: COMPAT_EVENTS.to_owned(),
        payload: to_bytes(&event),
        retain: false,
    }
}

/// The arm state on `vigilar/system/arm_state`; retained, since it is true until it changes.
pub fn compat_arm_state(state: &str, at: UnixNanos, triggered_by: &str) -> Announcement {
    let state = CompatArmState {
        state,
        ts: milliseconds(at),
        triggered_by: beginning(triggered_by),
    };
    Announcement {
        topic: COMPAT_ARM_STATE.to_owned(),
        payload: to_bytes(&state),
        retain: true,
    }
}

/// The payload of the event, if it may leave.
fn data(event: &Event) -> Option<Value> {
    match event {
        // Bytes from outside: pictures, and messages of which nobody knows what they hold.
        Event::CameraSnapshotTaken(_)
        | Event::MessageUndecodable(_)
        | Event::MessageUnmapped(_) => None,
        Event::FaceSeen(face) => {
            // Without its numbers before they become JSON.
            let mut face = face.clone();
            face.embedding = None;
            presentable(&Event::FaceSeen(face))
        }
        Event::ArmRequested(request) => {
            // Who listens on the bus must not learn whether a PIN was right.
            let request = ArmRequested {
                pin: None,
                ..request.clone()
            };
            presentable(&Event::ArmRequested(request))
        }
        other => presentable(other),
    }
}

fn presentable(event: &Event) -> Option<Value> {
    let mut data = event.to_json();
    strip_embeddings(&mut data);
    (to_bytes(&data).len() <= DATA_BYTES).then_some(data)
}

/// Takes a face's numbers out, wherever a publisher has put them.
fn strip_embeddings(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let names_face = |key: &str| key.to_ascii_lowercase().contains(EMBEDDING);
            let kept: Map<String, Value> = std::mem::take(map)
                .into_iter()
                .filter(|(key, _)| !names_face(key))
                .collect();
            *map = kept;
            map.values_mut().for_each(strip_embeddings);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_embeddings),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// As much of the text as an announcement holds.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(DATA_BYTES)]
}

/// vigilar's word for a severity of 0 to 6.
const fn severity(severity_id: i64) -> &'static str {
    match severity_id {
        ..=2 => "INFO",
        3 => "WARNING",
        4 => "ALERT",
        _ => "CRITICAL",
    }
}

const fn milliseconds(at: UnixNanos) -> i64 {
    at.div_euclid(MILLISECOND_NS)
}

fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, numbers and maps with text keys become JSON")
}

#[cfg(test)]
mod tests;
