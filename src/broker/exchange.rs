//! All sessions and retained messages, behind one lock.
//!
//! Nothing in here does I/O or knows the time: a connection hands in decoded packets and takes out
//! bytes. One lock is enough for a bus of one box, because a connection takes it once per read, not
//! once per packet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Packet, PubAck, Publish, SubAck, Subscribe,
    SubscribeReasonCode, UnsubAck,
};
use tokio::sync::Notify;
use tokio_util::bytes::{Bytes, BytesMut};

use super::Options;
use super::connection::Closed;
use super::faults::{AckOutcome, ClientFaults, ClientView, Trace};
use super::retained::Retained;
use super::session::{Delivery, Limits, Link, Message, Sent, Session, Subscription, write_packet};
use super::topic::{Filter, is_topic_name};

/// Persistent sessions never expire here, so their number is bounded: far more than one box has
/// devices, few enough that routing may look at each.
const MAX_SESSIONS: usize = 1_000;

/// Per session, for the same reason.
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// Bytes that may wait for one socket before the session keeps the rest: a few hundred messages
/// per write, little enough that an ack is not stuck behind much.
pub(super) const OUTBOX_BYTES: usize = 64 << 10;

/// What is known of a client id; the faults and the trace outlive its sessions.
#[derive(Debug, Default)]
struct Client {
    session: Option<Session>,
    faults: ClientFaults,
    trace: VecDeque<Trace>,
}

pub(super) struct Exchange {
    limits: Limits,
    trace_entries: usize,
    clients: HashMap<String, Client>,
    retained: Retained,
}

/// A connection that was accepted.
pub(super) struct Opened {
    pub(super) client: String,
    pub(super) closing: bool,
}

impl Exchange {
    pub(super) fn new(options: &Options) -> Self {
        let limits = Limits {
            max_inflight: usize::from(options.max_inflight.max(1)),
            max_queued_bytes: options.max_queued_bytes,
            keep_acknowledged: options.trace_entries,
        };
        Self {
            limits,
            trace_entries: options.trace_entries,
            clients: HashMap::new(),
            retained: Retained::default(),
        }
    }

    /// Accepts or refuses a CONNECT. CONNACK and what the session has to say go to `outbox`, in
    /// both cases.
    pub(super) fn open(
        &mut self,
        connection: u64,
        connect: Connect,
        wake: Arc<Notify>,
        outbox: &mut BytesMut,
    ) -> Result<Opened, Closed> {
        if connect.client_id.is_empty() && !connect.clean_session {
            return Err(refuse(outbox, ConnectReturnCode::BadClientId));
        }
        if connect
            .last_will
            .as_ref()
            .is_some_and(|will| !is_topic_name(&will.topic))
        {
            return Err(Closed::BadTopic);
        }
        if connect
            .last_will
            .as_ref()
            .is_some_and(|will| will.qos == QoS::ExactlyOnce)
        {
            return Err(Closed::QualityTwo);
        }
        let id = match connect.client_id {
            id if id.is_empty() => format!("anonymous-{connection}"),
            id => id,
        };
        let sessions = self
            .clients
            .values()
            .filter(|client| client.session.is_some())
            .count();
        let known = self
            .clients
            .get(&id)
            .is_some_and(|client| client.session.is_some());
        if !known && sessions >= MAX_SESSIONS {
            return Err(refuse(outbox, ConnectReturnCode::ServiceUnavailable));
        }
        self.end_link(&id, WillFate::Published);

        let persistent = !connect.clean_session;
        let client = self.clients.entry(id.clone()).or_default();
        let forget = std::mem::take(&mut client.faults.forget_session_once);
        let kept = client
            .session
            .take()
            .filter(|old| persistent && old.persistent && !forget);
        let session_present = kept.is_some();
        let session = client
            .session
            .insert(kept.unwrap_or_else(|| Session::new(persistent, self.limits)));
        session.attach(Link {
            connection,
            will: connect.last_will,
            wake,
        });
        note(&mut client.trace, self.trace_entries, || Trace::Connected {
            connection,
            session_present,
        });
        let before_bytes = outbox.len();
        let accepted = ConnAck::new(ConnectReturnCode::Success, session_present);
        write_packet(outbox, &Packet::ConnAck(accepted));
        let closing = self.top_up(&id, outbox, before_bytes);
        Ok(Opened {
            client: id,
            closing,
        })
    }

    /// Handles what a connection has read, then adds to `outbox` what the session has to say.
    /// `Ok(true)` = write `outbox` out, then close: a fault has cut it.
    pub(super) fn receive(
        &mut self,
        id: &str,
        connection: u64,
        packets: Vec<Packet>,
        outbox: &mut BytesMut,
    ) -> Result<bool, Closed> {
        if !self.serves(id, connection) {
            return Err(Closed::Detached);
        }
        let before_bytes = outbox.len();
        for packet in packets {
            self.receive_one(id, connection, packet, outbox)?;
        }
        Ok(self.top_up(id, outbox, before_bytes))
    }

    fn receive_one(
        &mut self,
        id: &str,
        connection: u64,
        packet: Packet,
        outbox: &mut BytesMut,
    ) -> Result<(), Closed> {
        match packet {
            Packet::Publish(publish) => self.publish(id, publish, outbox),
            Packet::PubAck(ack) => {
                self.acknowledge(id, connection, ack.pkid);
                Ok(())
            }
            Packet::Subscribe(subscribe) => self.subscribe(id, subscribe, outbox),
            Packet::Unsubscribe(unsubscribe) => {
                if unsubscribe.pkid == 0 || unsubscribe.topics.is_empty() {
                    return Err(Closed::Malformed);
                }
                let session = self.session(id);
                session
                    .subscriptions
                    .retain(|held| !unsubscribe.topics.contains(&held.text));
                write_packet(outbox, &Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
                Ok(())
            }
            Packet::PingReq => {
                write_packet(outbox, &Packet::PingResp);
                Ok(())
            }
            Packet::Disconnect => Err(Closed::Disconnect),
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => Err(Closed::QualityTwo),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => Err(Closed::Unexpected),
        }
    }

    /// Ends a connection. Without DISCONNECT its will is published.
    pub(super) fn close(&mut self, id: &str, connection: u64, reason: &Closed) {
        if self.serves(id, connection) {
            let fate = match reason {
                Closed::Disconnect => WillFate::Discarded,
                _ => WillFate::Published,
            };
            self.end_link(id, fate);
        }
    }

    fn publish(&mut self, id: &str, publish: Publish, outbox: &mut BytesMut) -> Result<(), Closed> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(Closed::QualityTwo);
        }
        if !is_topic_name(&publish.topic) {
            return Err(Closed::BadTopic);
        }
        let message = Message::new(publish.topic, &publish.payload);
        self.route(&message, publish.qos, publish.retain);
        let swallow = self
            .clients
            .get(id)
            .is_some_and(|client| client.faults.swallow_pubacks);
        if publish.qos == QoS::AtLeastOnce && !swallow {
            write_packet(outbox, &Packet::PubAck(PubAck::new(publish.pkid)));
        }
        Ok(())
    }

    /// To all who subscribed, the publisher included: MQTT 3.1.1 has no "no local".
    fn route(&mut self, message: &Arc<Message>, qos: QoS, retain: bool) {
        if retain {
            self.retained.set(message, qos);
        }
        for session in self
            .clients
            .values_mut()
            .filter_map(|client| client.session.as_mut())
        {
            if let Some(granted) = session.granted(&message.topic) {
                let delivery = Delivery {
                    message: Arc::clone(message),
                    retain: false,
                };
                session.enqueue(delivery, lower(qos, granted));
            }
        }
    }

    fn acknowledge(&mut self, id: &str, connection: u64, packet_id: u16) {
        let trace_entries = self.trace_entries;
        let client = self.clients.get_mut(id).expect("a connection has a client");
        let session = client.session.as_mut().expect("a connection has a session");
        let outcome = if client.faults.ignore_acks {
            AckOutcome::Ignored
        } else {
            session.acknowledge(packet_id)
        };
        note(&mut client.trace, trace_entries, || Trace::Acknowledged {
            connection,
            packet_id,
            outcome,
        });
    }

    fn subscribe(
        &mut self,
        id: &str,
        subscribe: Subscribe,
        outbox: &mut BytesMut,
    ) -> Result<(), Closed> {
        if subscribe.pkid == 0 {
            return Err(Closed::Malformed);
        }
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        for wanted in subscribe.filters {
            // QoS 2 is granted as 1, which the standard allows.
            let qos = lower(wanted.qos, QoS::AtLeastOnce);
            if let Some(filter) = self.admit_filter(id, &wanted.path) {
                self.add_subscription(
                    id,
                    Subscription {
                        text: wanted.path,
                        filter,
                        qos,
                    },
                );
                codes.push(SubscribeReasonCode::Success(qos));
            } else {
                tracing::warn!(client = id, filter = wanted.path, "subscription refused");
                codes.push(SubscribeReasonCode::Failure);
            }
        }
        write_packet(outbox, &Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
        Ok(())
    }

    fn admit_filter(&self, id: &str, text: &str) -> Option<Filter> {
        let client = self.clients.get(id)?;
        let session = client.session.as_ref()?;
        let full = session.subscriptions.len() >= MAX_SUBSCRIPTIONS
            && session.subscriptions.iter().all(|held| held.text != text);
        let refused = client
            .faults
            .refused_filters
            .iter()
            .any(|refused| refused == text);
        if full || refused {
            None
        } else {
            Filter::parse(text)
        }
    }

    /// A subscription replaces the one with the same text; either way the retained messages are
    /// sent (again).
    fn add_subscription(&mut self, id: &str, subscription: Subscription) {
        let client = self.clients.get_mut(id).expect("a connection has a client");
        let session = client.session.as_mut().expect("a connection has a session");
        for (message, qos) in self.retained.matching(&subscription.filter) {
            let message = Arc::clone(message);
            let delivery = Delivery {
                message,
                retain: true,
            };
            session.enqueue(delivery, lower(qos, subscription.qos));
        }
        match session
            .subscriptions
            .iter_mut()
            .find(|held| held.text == subscription.text)
        {
            Some(held) => *held = subscription,
            None => session.subscriptions.push(subscription),
        }
    }

    /// Adds what the session has to say, then lets [`ClientFaults::cut_after_bytes`] strike at what
    /// was added since `before_bytes`. Returns whether it did.
    fn top_up(&mut self, id: &str, outbox: &mut BytesMut, before_bytes: usize) -> bool {
        let trace_entries = self.trace_entries;
        let client = self.clients.get_mut(id).expect("a connection has a client");
        let Client {
            session,
            faults,
            trace,
        } = client;
        let session = session.as_mut().expect("a connection has a session");
        let connection = session.link.as_ref().map_or(0, |link| link.connection);
        session.fill(outbox, OUTBOX_BYTES, faults, |sent: Sent<'_>| {
            note(trace, trace_entries, || Trace::Delivered {
                connection,
                packet_id: sent.packet_id,
                dup: sent.dup,
                topic: sent.message.topic.clone(),
                payload: sent.message.payload.clone(),
            });
        });
        let Some(left_bytes) = faults.cut_after_bytes else {
            return false;
        };
        let added_bytes = (outbox.len() - before_bytes) as u64;
        if added_bytes < left_bytes {
            faults.cut_after_bytes = Some(left_bytes - added_bytes);
            return false;
        }
        outbox.truncate(before_bytes + left_bytes as usize);
        faults.cut_after_bytes = None;
        true
    }

    fn serves(&self, id: &str, connection: u64) -> bool {
        let session = self
            .clients
            .get(id)
            .and_then(|client| client.session.as_ref());
        session
            .and_then(|held| held.link.as_ref())
            .is_some_and(|l| l.connection == connection)
    }

    fn session(&mut self, id: &str) -> &mut Session {
        let client = self.clients.get_mut(id).expect("a connection has a client");
        client.session.as_mut().expect("a connection has a session")
    }

    /// Parts a session from its connection, which notices when it is woken.
    fn end_link(&mut self, id: &str, fate: WillFate) {
        let Some(client) = self.clients.get_mut(id) else {
            return;
        };
        let Some(session) = client.session.as_mut() else {
            return;
        };
        let Some(Link {
            connection,
            will,
            wake,
        }) = session.detach()
        else {
            return;
        };
        if !session.persistent {
            client.session = None;
        }
        note(&mut client.trace, self.trace_entries, || Trace::Closed {
            connection,
        });
        let idle = client.session.is_none() && client.trace.is_empty();
        if idle && client.faults == ClientFaults::default() {
            self.clients.remove(id);
        }
        wake.notify_one();
        match (fate, will) {
            (
                WillFate::Published,
                Some(LastWill {
                    topic,
                    message,
                    qos,
                    retain,
                }),
            ) => {
                self.route(&Message::new(topic, &message), qos, retain);
            }
            (WillFate::Published, None) | (WillFate::Discarded, _) => {}
        }
    }
}

/// What tests ask for: see [`super::Faults`] and [`super::Observer`].
impl Exchange {
    pub(super) fn change_faults(&mut self, id: &str, change: impl FnOnce(&mut ClientFaults)) {
        let client = self.clients.entry(id.to_owned()).or_default();
        change(&mut client.faults);
        if let Some(session) = &client.session {
            session.wake();
        }
    }

    pub(super) fn drop_connections(&mut self) {
        let ids: Vec<String> = self.clients.keys().cloned().collect();
        for id in ids {
            self.end_link(&id, WillFate::Published);
        }
    }

    pub(super) fn redeliver_acknowledged(&mut self, id: &str, count: usize) -> Vec<u16> {
        let session = self
            .clients
            .get_mut(id)
            .and_then(|client| client.session.as_mut());
        session.map_or_else(Vec::new, |session| session.redeliver_acknowledged(count))
    }

    pub(super) fn deliver(&mut self, id: &str, topic: &str, payload: Bytes) -> bool {
        let session = self
            .clients
            .get_mut(id)
            .and_then(|client| client.session.as_mut());
        let Some(session) = session else { return false };
        let message = Arc::new(Message {
            topic: topic.to_owned(),
            payload,
        });
        session.enqueue(
            Delivery {
                message,
                retain: false,
            },
            QoS::AtLeastOnce,
        );
        true
    }

    pub(super) fn send_raw(&mut self, id: &str, bytes: &[u8]) -> bool {
        let session = self
            .clients
            .get_mut(id)
            .and_then(|client| client.session.as_mut());
        let Some(session) = session.filter(|session| session.link.is_some()) else {
            return false;
        };
        session.push_raw(bytes);
        true
    }

    pub(super) fn view(&self, id: &str) -> Option<ClientView> {
        let session = self.clients.get(id)?.session.as_ref()?;
        Some(ClientView {
            connection: session.link.as_ref().map(|link| link.connection),
            unacknowledged: session.unacknowledged(),
            queued: session.queued(),
            dropped: session.dropped,
            subscriptions: session
                .subscriptions
                .iter()
                .map(|held| held.text.clone())
                .collect(),
        })
    }

    pub(super) fn trace(&self, id: &str) -> Vec<Trace> {
        self.clients
            .get(id)
            .map_or_else(Vec::new, |client| client.trace.iter().cloned().collect())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WillFate {
    Published,
    Discarded,
}

fn refuse(outbox: &mut BytesMut, code: ConnectReturnCode) -> Closed {
    write_packet(outbox, &Packet::ConnAck(ConnAck::new(code, false)));
    Closed::Refused(code)
}

fn lower(one: QoS, other: QoS) -> QoS {
    if (one as u8) < (other as u8) {
        one
    } else {
        other
    }
}

/// Keeps the newest `limit` entries; builds none when nothing is kept.
fn note(trace: &mut VecDeque<Trace>, limit: usize, entry: impl FnOnce() -> Trace) {
    if limit == 0 {
        return;
    }
    if trace.len() == limit {
        trace.pop_front();
    }
    trace.push_back(entry());
}
