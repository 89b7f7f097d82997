//! One client's session: its subscriptions, the messages that wait, and the window of those that
//! were sent and not acknowledged.
//!
//! The window is kept in the order of the first sending. Its front part, `sent`, went out on the
//! present connection; a new connection sets `sent` to 0, so what is left is sent again in the
//! original order, with the same packet ids and DUP=1, before anything new.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{LastWill, Packet, Publish};
use tokio::sync::Notify;
use tokio_util::bytes::{Bytes, BytesMut};

use super::faults::{AckOutcome, ClientFaults};
use super::topic::Filter;

/// What a queued message costs besides topic and payload: the entry, the message's own header and
/// two allocations, rounded up. Without it, empty messages would be free.
const MESSAGE_OVERHEAD_BYTES: usize = 128;

/// An application message, shared by all the sessions that wait for it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
}

impl Message {
    /// Copies the payload: a slice of the read buffer would keep all of that buffer alive.
    pub(super) fn new(topic: String, payload: &[u8]) -> Arc<Self> {
        Arc::new(Self {
            topic,
            payload: Bytes::copy_from_slice(payload),
        })
    }

    pub(super) fn cost_bytes(&self) -> usize {
        self.topic.len() + self.payload.len() + MESSAGE_OVERHEAD_BYTES
    }
}

/// A message on its way to one client.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    /// True only for a retained message that answers a subscription.
    pub(super) retain: bool,
}

#[derive(Debug, Clone)]
struct InFlight {
    packet_id: u16,
    delivery: Delivery,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) text: String,
    pub(super) filter: Filter,
    pub(super) qos: QoS,
}

/// The connection that serves a session at present.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: u64,
    pub(super) will: Option<LastWill>,
    pub(super) wake: Arc<Notify>,
}

/// Limits of one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_inflight: usize,
    pub(super) max_queued_bytes: usize,
    /// Acknowledged messages that are kept for `redeliver_acknowledged`.
    pub(super) keep_acknowledged: usize,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) persistent: bool,
    pub(super) link: Option<Link>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) dropped: u64,
    limits: Limits,
    window: VecDeque<InFlight>,
    ids_in_use: HashSet<u16>,
    last_id: u16,
    /// How many of `window`, from the front, went out on the present connection.
    sent: usize,
    queue: VecDeque<Delivery>,
    /// `QoS` 0: beside the queue, because it does not wait for the window, nor for a reconnect.
    passing: VecDeque<Delivery>,
    queued_bytes: usize,
    acknowledged: VecDeque<InFlight>,
    raw: BytesMut,
}

/// What [`Session::fill`] reports of each `QoS` 1 message.
pub(super) struct Sent<'a> {
    pub(super) packet_id: u16,
    pub(super) dup: bool,
    pub(super) message: &'a Message,
}

impl Session {
    pub(super) fn new(persistent: bool, limits: Limits) -> Self {
        Self {
            persistent,
            link: None,
            subscriptions: Vec::new(),
            dropped: 0,
            limits,
            window: VecDeque::new(),
            ids_in_use: HashSet::new(),
            last_id: 0,
            sent: 0,
            queue: VecDeque::new(),
            passing: VecDeque::new(),
            queued_bytes: 0,
            acknowledged: VecDeque::new(),
            raw: BytesMut::new(),
        }
    }

    pub(super) fn attach(&mut self, link: Link) {
        self.link = Some(link);
        self.sent = 0;
    }

    /// Ends the present connection: what was meant for it alone is gone.
    pub(super) fn detach(&mut self) -> Option<Link> {
        for delivery in self.passing.drain(..) {
            self.queued_bytes -= delivery.message.cost_bytes();
        }
        self.raw.clear();
        self.sent = 0;
        self.link.take()
    }

    pub(super) fn wake(&self) {
        if let Some(link) = &self.link {
            link.wake.notify_one();
        }
    }

    pub(super) fn unacknowledged(&self) -> usize {
        self.window.len()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len() + self.passing.len()
    }

    /// The best `QoS` among the subscriptions that match; overlapping filters yield one delivery.
    pub(super) fn granted(&self, topic: &str) -> Option<QoS> {
        let mut best = None;
        for subscription in &self.subscriptions {
            if best != Some(QoS::AtLeastOnce) && subscription.filter.matches(topic) {
                best = Some(subscription.qos);
            }
        }
        best
    }

    /// Queues a message. `QoS` 0 is not kept for a client that is away. When the queue is full, the
    /// new message is dropped and counted, as mosquitto does.
    pub(super) fn enqueue(&mut self, delivery: Delivery, qos: QoS) {
        let keeps = match qos {
            QoS::AtMostOnce => self.link.is_some(),
            QoS::AtLeastOnce | QoS::ExactlyOnce => true,
        };
        if !keeps {
            return;
        }
        let cost_bytes = delivery.message.cost_bytes();
        if self.queued_bytes + cost_bytes > self.limits.max_queued_bytes {
            self.dropped += 1;
            return;
        }
        self.queued_bytes += cost_bytes;
        match qos {
            QoS::AtMostOnce => self.passing.push_back(delivery),
            QoS::AtLeastOnce | QoS::ExactlyOnce => self.queue.push_back(delivery),
        }
        self.wake();
    }

    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.wake();
    }

    pub(super) fn acknowledge(&mut self, packet_id: u16) -> AckOutcome {
        // Clients acknowledge in order as a rule: the first look finds it.
        let Some(at) = self
            .window
            .iter()
            .position(|held| held.packet_id == packet_id)
        else {
            return AckOutcome::Unknown;
        };
        let held = self.window.remove(at).expect("position() found it");
        self.ids_in_use.remove(&packet_id);
        if self.limits.keep_acknowledged > 0 {
            if self.acknowledged.len() == self.limits.keep_acknowledged {
                self.acknowledged.pop_front();
            }
            self.acknowledged.push_back(held);
        }
        if at < self.sent {
            self.sent -= 1;
            AckOutcome::Settled
        } else {
            AckOutcome::Stale
        }
    }

    /// Takes the newest `count` acknowledged messages back into the window, to be sent with DUP=1.
    pub(super) fn redeliver_acknowledged(&mut self, count: usize) -> Vec<u16> {
        let from = self.acknowledged.len().saturating_sub(count);
        let mut ids = Vec::new();
        for held in self.acknowledged.split_off(from) {
            if self.ids_in_use.insert(held.packet_id) {
                ids.push(held.packet_id);
                self.window.push_back(held);
            }
        }
        self.wake();
        ids
    }

    /// Writes packets to `outbox` until it holds `until_bytes`, the window is full or nothing is
    /// left. The last packet may exceed `until_bytes`.
    pub(super) fn fill(
        &mut self,
        outbox: &mut BytesMut,
        until_bytes: usize,
        faults: &ClientFaults,
        mut report: impl FnMut(Sent<'_>),
    ) {
        outbox.extend_from_slice(&self.raw);
        self.raw.clear();
        if faults.hold_deliveries {
            return;
        }
        while outbox.len() < until_bytes
            && let Some(delivery) = self.passing.pop_front()
        {
            self.queued_bytes -= delivery.message.cost_bytes();
            write_publish(outbox, &delivery, QoS::AtMostOnce, 0, false);
        }
        while outbox.len() < until_bytes
            && let Some(InFlight {
                packet_id,
                delivery,
            }) = self.window.get(self.sent)
        {
            write_publish(outbox, delivery, QoS::AtLeastOnce, *packet_id, true);
            report(Sent {
                packet_id: *packet_id,
                dup: true,
                message: &delivery.message,
            });
            self.sent += 1;
        }
        let group = faults.reverse_groups_of.clamp(1, self.limits.max_inflight);
        while self.sent == self.window.len()
            && outbox.len() < until_bytes
            && self.queue.len() >= group
            && self.window.len() + group <= self.limits.max_inflight
        {
            self.admit(group);
            for InFlight {
                packet_id,
                delivery,
            } in self.window.range(self.sent..).rev()
            {
                write_publish(outbox, delivery, QoS::AtLeastOnce, *packet_id, false);
                report(Sent {
                    packet_id: *packet_id,
                    dup: false,
                    message: &delivery.message,
                });
            }
            self.sent = self.window.len();
        }
    }

    /// Moves `count` messages from the queue to the window.
    fn admit(&mut self, count: usize) {
        for delivery in self.queue.drain(..count) {
            self.queued_bytes -= delivery.message.cost_bytes();
            // The window is smaller than the 65,535 ids, so one is free.
            loop {
                self.last_id = self.last_id.checked_add(1).unwrap_or(1);
                if self.ids_in_use.insert(self.last_id) {
                    break;
                }
            }
            self.window.push_back(InFlight {
                packet_id: self.last_id,
                delivery,
            });
        }
    }
}

fn write_publish(outbox: &mut BytesMut, delivery: &Delivery, qos: QoS, packet_id: u16, dup: bool) {
    let message = &delivery.message;
    let mut publish = Publish::from_bytes(message.topic.clone(), qos, message.payload.clone());
    publish.pkid = packet_id;
    publish.dup = dup;
    publish.retain = delivery.retain;
    write_packet(outbox, &Packet::Publish(publish));
}

/// The limit on size is for what clients send; what is stored has passed it.
pub(super) fn write_packet(outbox: &mut BytesMut, packet: &Packet) {
    packet
        .write(outbox, usize::MAX)
        .expect("packet ids are not 0 and packets stay below 256 MB");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn session(max_inflight: usize) -> Session {
        let limits = Limits {
            max_inflight,
            max_queued_bytes: 1 << 30,
            keep_acknowledged: 8,
        };
        Session::new(true, limits)
    }

    fn queue(session: &mut Session, count: usize) {
        for _ in 0..count {
            let message = Message::new("t".into(), b"");
            session.enqueue(
                Delivery {
                    message,
                    retain: false,
                },
                QoS::AtLeastOnce,
            );
        }
    }

    fn fill(session: &mut Session, faults: &ClientFaults) -> Vec<(u16, bool)> {
        let mut sent = Vec::new();
        let note = |one: Sent<'_>| sent.push((one.packet_id, one.dup));
        session.fill(&mut BytesMut::new(), usize::MAX, faults, note);
        sent
    }

    #[test]
    fn a_new_packet_id_skips_those_in_flight_when_the_counter_wraps() {
        let mut session = session(3);
        queue(&mut session, 2);
        assert_eq!(
            fill(&mut session, &ClientFaults::default()),
            [(1, false), (2, false)]
        );
        assert_eq!(session.acknowledge(1), AckOutcome::Settled);
        // Everything up to the end of the id space comes and goes; 2 stays in flight.
        for id in 3..=u16::MAX {
            queue(&mut session, 1);
            assert_eq!(fill(&mut session, &ClientFaults::default()), [(id, false)]);
            assert_eq!(session.acknowledge(id), AckOutcome::Settled);
        }
        queue(&mut session, 2);
        assert_eq!(
            fill(&mut session, &ClientFaults::default()),
            [(1, false), (3, false)]
        );
    }

    #[test]
    fn an_ack_that_precedes_its_redelivery_is_stale_and_the_rest_is_still_sent_once() {
        let mut session = session(10);
        queue(&mut session, 3);
        let none = ClientFaults::default();
        assert_eq!(fill(&mut session, &none).len(), 3);
        session.detach();
        session.sent = 0;
        assert_eq!(session.acknowledge(2), AckOutcome::Stale);
        assert_eq!(session.acknowledge(2), AckOutcome::Unknown);
        assert_eq!(fill(&mut session, &none), [(1, true), (3, true)]);
        assert_eq!(session.acknowledge(1), AckOutcome::Settled);
        assert_eq!(fill(&mut session, &none), []);
    }

    #[test]
    fn a_group_larger_than_the_window_is_cut_to_the_window() {
        let mut session = session(2);
        queue(&mut session, 4);
        let faults = ClientFaults {
            reverse_groups_of: 9,
            ..ClientFaults::default()
        };
        assert_eq!(fill(&mut session, &faults), [(2, false), (1, false)]);
        session.acknowledge(2);
        assert_eq!(fill(&mut session, &faults), []);
        session.acknowledge(1);
        assert_eq!(fill(&mut session, &faults), [(4, false), (3, false)]);
    }

    #[test]
    fn the_queue_is_bounded_in_bytes_and_counts_what_it_drops() {
        let limits = Limits {
            max_inflight: 1,
            max_queued_bytes: 300,
            keep_acknowledged: 0,
        };
        let mut session = Session::new(true, limits);
        queue(&mut session, 5);
        assert_eq!((session.queued(), session.dropped), (2, 3));
        fill(&mut session, &ClientFaults::default());
        queue(&mut session, 1);
        assert_eq!((session.queued(), session.dropped), (2, 3));
    }
}
