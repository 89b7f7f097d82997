//! What waits to be published, what is on its way, and the states that outlive a connection.
//!
//! One lock, and nothing behind it waits: callers on any thread put in, the publisher's task takes
//! out. Everything is bounded by count and by bytes. A message belongs to one connection: when that
//! fails, those who wait are told and the others are counted. A state belongs to its topic: only
//! the latest is kept, and it goes out again on every new connection.
//!
//! rumqttc tells a packet id only when a publish leaves. Its request channel keeps the order, and a
//! client serves one connection only, so the id belongs to the message that was handed over first
//! and has none yet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use thiserror::Error;
use tokio::sync::Notify;

use crate::base::telemetry::Telemetry;
use crate::decode::topic::{Topic, TopicError};

/// Messages that may wait for the connection: a second of a busy house.
pub const QUEUE_MESSAGES: usize = 1_024;
/// Topic and payload bytes of messages that wait or are on their way.
pub const HELD_BYTES: usize = 32 * 1024 * 1024;
/// Topics whose state is kept.
pub const STATES: usize = 128;
/// Topic and payload bytes of all states.
pub const STATE_BYTES: usize = 1024 * 1024;
/// Publishes that may be unanswered at a time.
pub(super) const WINDOW: usize = 100;

/// Most that MQTT adds to topic and payload at QoS 1: first byte, length, topic length, packet id.
const PACKET_OVERHEAD_BYTES: usize = 1 + 4 + 2 + 2;

/// Why nothing was queued.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Too much waits already.
    #[error(
        "the queue to the broker is full ({QUEUE_MESSAGES} messages, or {HELD_BYTES} bytes); \
         try again when the broker has caught up"
    )]
    QueueFull,
    /// The broker would not take it.
    #[error(
        "a message of {bytes} bytes on {topic} is larger than the {limit} bytes that may be \
         published; send less, or raise mqtt.max_packet"
    )]
    TooLarge {
        /// Where it was to go.
        topic: String,
        /// Its packet's size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Too many states, or too large ones.
    #[error(
        "the state of {topic} does not fit beside those of other topics ({STATES} topics, \
         {STATE_BYTES} bytes in all); publish it as a message"
    )]
    TooManyStates {
        /// Where it was to go.
        topic: String,
    },
    /// Nothing can be published there.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The publisher has ended.
    #[error("nothing is published any more: nightjar is stopping")]
    Stopped,
}

/// Why a message is not known to be with the broker.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// It was not even queued.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It never left: there is no connection.
    #[error("not published: no connection to the broker ({reason}); try again later")]
    NotConnected {
        /// What the last attempt ended with.
        reason: String,
    },
    /// It never left: the broker did not answer earlier ones in time.
    #[error("not published: still queued after {waited:?}; the broker is slow, try again later")]
    Queued {
        /// How long it waited.
        waited: Duration,
    },
    /// It left, and the broker has not answered in time; it may have it.
    #[error("the broker has not acknowledged within {waited:?}; it may have the message or not")]
    Unanswered {
        /// How long it waited.
        waited: Duration,
    },
    /// It left, and the connection failed before the answer; the broker may have it.
    #[error("the connection failed before the broker's answer ({reason}); it may have the message")]
    Lost {
        /// What the connection ended with.
        reason: String,
    },
}

type Answer = Result<Instant, DeliveryError>;

/// A handle for callers on any thread; clones reach the same publisher.
///
/// Nothing here is async, and only [`publish_and_wait`](Self::publish_and_wait) waits: never call
/// that one from an async task.
#[derive(Clone, Debug)]
pub struct Outlet {
    outbox: Arc<Outbox>,
}

impl Outlet {
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox }
    }

    /// Queues a message, QoS 1, and does not wait. It is dropped, and counted, if the connection
    /// fails before it leaves.
    pub fn publish(
        &self,
        topic: &str,
        payload: impl Into<Vec<u8>>,
        retain: bool,
    ) -> Result<(), Refusal> {
        self.outbox
            .queue(topic, payload.into(), retain, None)
            .map(|_| ())
    }

    /// Publishes a message, QoS 1, and waits for the broker's PUBACK; how long that took. After an
    /// error the message is not sent later on, unless the error says that it may have left.
    pub fn publish_and_wait(
        &self,
        topic: &str,
        payload: impl Into<Vec<u8>>,
        retain: bool,
        timeout: Duration,
    ) -> Result<Duration, DeliveryError> {
        let began = Instant::now();
        let (sender, receiver) = bounded(1);
        let ticket = self
            .outbox
            .queue(topic, payload.into(), retain, Some(sender))?;
        let answer = match receiver.recv_timeout(timeout) {
            Ok(answer) => answer,
            Err(_) => self.outbox.withdraw(ticket, &receiver, timeout),
        };
        answer.map(|at| at.saturating_duration_since(began))
    }

    /// Sets what the topic says from now on: published retained now, or as soon as there is a
    /// connection, and again after every reconnect, until it is set again. Of several that wait
    /// only the latest goes out. An empty payload clears the topic.
    pub fn set_state(&self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<(), Refusal> {
        self.outbox.set_state(topic, payload.into())
    }
}

/// A publish to be handed to the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
}

pub(super) struct Outbox {
    pages: Mutex<Pages>,
    wake: Notify,
    telemetry: Arc<Telemetry>,
    max_packet_bytes: usize,
}

struct Pages {
    connected: bool,
    /// What the last connection ended with.
    trouble: String,
    stopping: bool,
    queue: VecDeque<Message>,
    /// Bytes of `queue`, `handed` and `unanswered`; states have their own bound.
    held_bytes: usize,
    states: BTreeMap<String, State>,
    state_bytes: usize,
    /// Given to the client, not written yet.
    handed: VecDeque<Sent>,
    /// Written, by packet id.
    unanswered: BTreeMap<u16, Sent>,
    /// Numbers messages and versions of states.
    last_ticket: u64,
}

struct Message {
    ticket: u64,
    topic: String,
    payload: Vec<u8>,
    retain: bool,
    waiter: Option<Sender<Answer>>,
}

impl Message {
    fn size_bytes(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

struct State {
    payload: Vec<u8>,
    version: u64,
    /// The version that was handed over on this connection.
    sent: Option<u64>,
}

struct Sent {
    since: Instant,
    what: What,
}

enum What {
    Message {
        size_bytes: usize,
        waiter: Option<Sender<Answer>>,
    },
    State {
        topic: String,
        version: u64,
    },
}

/// Tells who waits. A full or abandoned channel means that nobody does any more.
fn tell(waiter: Option<Sender<Answer>>, answer: impl FnOnce() -> Answer) {
    if let Some(waiter) = waiter {
        drop(waiter.try_send(answer()));
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pages = self.pages();
        f.debug_struct("Outbox")
            .field("queued", &pages.queue.len())
            .field("unanswered", &pages.in_flight())
            .field("states", &pages.states.len())
            .finish_non_exhaustive()
    }
}

impl Outbox {
    pub(super) fn new(telemetry: Arc<Telemetry>, max_packet_bytes: usize) -> Self {
        let pages = Pages {
            connected: false,
            trouble: "not connected yet".to_owned(),
            stopping: false,
            queue: VecDeque::new(),
            held_bytes: 0,
            states: BTreeMap::new(),
            state_bytes: 0,
            handed: VecDeque::new(),
            unanswered: BTreeMap::new(),
            last_ticket: 0,
        };
        Self {
            pages: Mutex::new(pages),
            wake: Notify::new(),
            telemetry,
            max_packet_bytes: max_packet_bytes.min(HELD_BYTES),
        }
    }

    fn queue(
        &self,
        topic: &str,
        payload: Vec<u8>,
        retain: bool,
        waiter: Option<Sender<Answer>>,
    ) -> Result<u64, Refusal> {
        let queued = self.admit(topic, payload, retain, waiter);
        match &queued {
            Ok(_) => self.wake.notify_one(),
            Err(_) => self.telemetry.publish_dropped.add_one(),
        }
        queued
    }

    fn admit(
        &self,
        topic: &str,
        payload: Vec<u8>,
        retain: bool,
        waiter: Option<Sender<Answer>>,
    ) -> Result<u64, Refusal> {
        self.check(topic, &payload)?;
        let mut pages = self.pages();
        if pages.stopping {
            return Err(Refusal::Stopped);
        }
        let ticket = pages.next_ticket();
        let message = Message {
            ticket,
            topic: topic.to_owned(),
            payload,
            retain,
            waiter,
        };
        let held_bytes = pages.held_bytes + message.size_bytes();
        if pages.queue.len() >= QUEUE_MESSAGES || held_bytes > HELD_BYTES {
            return Err(Refusal::QueueFull);
        }
        pages.held_bytes = held_bytes;
        pages.queue.push_back(message);
        Ok(ticket)
    }

    /// What the client would refuse would break the connection, and all behind it.
    fn check(&self, topic: &str, payload: &[u8]) -> Result<(), Refusal> {
        topic.parse::<Topic>()?;
        let bytes = topic.len() + payload.len() + PACKET_OVERHEAD_BYTES;
        if bytes > self.max_packet_bytes {
            return Err(Refusal::TooLarge {
                topic: topic.to_owned(),
                bytes,
                limit: self.max_packet_bytes,
            });
        }
        Ok(())
    }

    /// Takes a message back whose caller waits no longer.
    fn withdraw(&self, ticket: u64, answer: &Receiver<Answer>, waited: Duration) -> Answer {
        let mut pages = self.pages();
        // Answers are given under this lock: one may have come just now.
        if let Ok(answer) = answer.try_recv() {
            return answer;
        }
        let Some(place) = pages.queue.iter().position(|one| one.ticket == ticket) else {
            return Err(DeliveryError::Unanswered { waited });
        };
        if let Some(message) = pages.queue.remove(place) {
            pages.held_bytes -= message.size_bytes();
        }
        self.telemetry.publish_dropped.add_one();
        if pages.connected {
            return Err(DeliveryError::Queued { waited });
        }
        Err(DeliveryError::NotConnected {
            reason: pages.trouble.clone(),
        })
    }

    pub(super) fn set_state(&self, topic: &str, payload: Vec<u8>) -> Result<(), Refusal> {
        self.check(topic, &payload)?;
        let mut pages = self.pages();
        if pages.stopping {
            return Err(Refusal::Stopped);
        }
        pages.set_state(topic, payload)?;
        drop(pages);
        self.wake.notify_one();
        Ok(())
    }

    /// A connection stands.
    pub(super) fn connected(&self) {
        self.pages().connected = true;
        self.wake.notify_one();
    }

    pub(super) fn is_connected(&self) -> bool {
        self.pages().connected
    }

    /// Completes when there may be something to do. For one waiter.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The next publish for the client, if the window has room. States go first, since they are
    /// what is true now; when stopping they go last, since the last word is that we are gone.
    pub(super) fn next(&self, now: Instant) -> Option<Leaving> {
        let mut pages = self.pages();
        if !pages.connected || pages.in_flight() >= WINDOW {
            return None;
        }
        let (what, leaving) = if pages.stopping {
            pages.next_message().or_else(|| pages.next_state())
        } else {
            pages.next_state().or_else(|| pages.next_message())
        }?;
        pages.handed.push_back(Sent { since: now, what });
        Some(leaving)
    }

    /// The publish that was handed over first has left under this id.
    pub(super) fn left(&self, packet_id: u16) {
        let mut pages = self.pages();
        if let Some(sent) = pages.handed.pop_front() {
            pages.unanswered.insert(packet_id, sent);
        }
    }

    /// The broker has acknowledged this id.
    pub(super) fn answered(&self, packet_id: u16, now: Instant) {
        let mut pages = self.pages();
        let Some(sent) = pages.unanswered.remove(&packet_id) else {
            return;
        };
        self.telemetry.published.add_one();
        match sent.what {
            What::Message { size_bytes, waiter } => {
                pages.held_bytes -= size_bytes;
                tell(waiter, || Ok(now));
            }
            What::State { topic, version } => pages.forget_cleared(&topic, version),
        }
        drop(pages);
        self.wake.notify_one();
    }

    /// When the publish that has waited longest for its answer was handed over.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let pages = self.pages();
        let handed = pages.handed.front().map(|sent| sent.since);
        let unanswered = pages.unanswered.values().map(|sent| sent.since);
        unanswered.chain(handed).min()
    }

    /// Whether everything is with the broker.
    pub(super) fn is_settled(&self) -> bool {
        let pages = self.pages();
        pages.queue.is_empty()
            && pages.in_flight() == 0
            && pages
                .states
                .values()
                .all(|state| state.sent == Some(state.version))
    }

    /// Takes nothing more; `farewell` is the last state.
    pub(super) fn close(&self, topic: &str, farewell: &str) {
        let mut pages = self.pages();
        pages.stopping = true;
        // The topic has its state since the start, so that this one fits.
        drop(pages.set_state(topic, farewell.into()));
        drop(pages);
        self.wake.notify_one();
    }

    /// The connection has failed, or an attempt to make one: nothing of it is left but the states.
    pub(super) fn lost(&self, reason: &str) {
        let mut pages = self.pages();
        pages.connected = false;
        reason.clone_into(&mut pages.trouble);
        let unanswered = std::mem::take(&mut pages.unanswered).into_values();
        for sent in unanswered.chain(std::mem::take(&mut pages.handed)) {
            let What::Message { waiter, .. } = sent.what else {
                continue;
            };
            self.telemetry.publish_failed.add_one();
            tell(waiter, || {
                Err(DeliveryError::Lost {
                    reason: reason.to_owned(),
                })
            });
        }
        for message in std::mem::take(&mut pages.queue) {
            self.telemetry.publish_dropped.add_one();
            tell(message.waiter, || {
                Err(DeliveryError::NotConnected {
                    reason: reason.to_owned(),
                })
            });
        }
        pages.held_bytes = 0;
        for state in pages.states.values_mut() {
            state.sent = None;
        }
    }

    /// Nobody publishes any more.
    pub(super) fn end(&self) {
        self.pages().stopping = true;
        self.lost("nightjar is stopping");
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn in_flight(&self) -> usize {
        self.handed.len() + self.unanswered.len()
    }

    fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    fn set_state(&mut self, topic: &str, payload: Vec<u8>) -> Result<(), Refusal> {
        let known_bytes = self
            .states
            .get(topic)
            .map(|known| topic.len() + known.payload.len());
        let state_bytes = self.state_bytes - known_bytes.unwrap_or(0) + topic.len() + payload.len();
        let one_more = usize::from(known_bytes.is_none());
        if self.states.len() + one_more > STATES || state_bytes > STATE_BYTES {
            return Err(Refusal::TooManyStates {
                topic: topic.to_owned(),
            });
        }
        self.state_bytes = state_bytes;
        let version = self.next_ticket();
        let state = State {
            payload,
            version,
            sent: None,
        };
        self.states.insert(topic.to_owned(), state);
        Ok(())
    }

    fn next_state(&mut self) -> Option<(What, Leaving)> {
        let (topic, state) = self
            .states
            .iter_mut()
            .find(|(_, state)| state.sent != Some(state.version))?;
        state.sent = Some(state.version);
        let what = What::State {
            topic: topic.clone(),
            version: state.version,
        };
        let leaving = Leaving {
            topic: topic.clone(),
            payload: state.payload.clone(),
            retain: true,
        };
        Some((what, leaving))
    }

    fn next_message(&mut self) -> Option<(What, Leaving)> {
        let message = self.queue.pop_front()?;
        let what = What::Message {
            size_bytes: message.size_bytes(),
            waiter: message.waiter,
        };
        let leaving = Leaving {
            topic: message.topic,
            payload: message.payload,
            retain: message.retain,
        };
        Some((what, leaving))
    }

    /// A topic that the broker has cleared needs no place any more.
    fn forget_cleared(&mut self, topic: &str, version: u64) {
        let cleared = self
            .states
            .get(topic)
            .is_some_and(|state| state.version == version && state.payload.is_empty());
        if cleared {
            self.states.remove(topic);
            self.state_bytes -= topic.len();
        }
    }
}

#[cfg(test)]
impl Outbox {
    /// Messages that wait, publishes on their way, states.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let pages = self.pages();
        (pages.queue.len(), pages.in_flight(), pages.states.len())
    }

    /// Bytes of messages and of states.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let pages = self.pages();
        (pages.held_bytes, pages.state_bytes)
    }
}
