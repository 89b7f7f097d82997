//! Faults on request, and a view of what the broker saw: for tests.
//!
//! A fault is plain data per client id ([`ClientFaults`]) that a test changes while the broker
//! runs, or a single act (drop, redeliver, send garbage). It may be set before the client connects.
//! Everything here takes effect under the broker's one lock, so that a test which has set a fault
//! knows that no later packet escapes it.

use tokio_util::bytes::Bytes;

use super::exchange::Exchange;
use super::shared::Shared;

/// What goes wrong for one client id. The default is that nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFaults {
    /// Let this many more bytes go to the client, CONNACK included, then drop the connection
    /// (`Some(0)`: now). Counts over reconnects until it has struck, then it is `None` again.
    pub cut_after_bytes: Option<u64>,
    /// Answer the next CONNECT with "no session" and forget queue, window and subscriptions.
    pub forget_session_once: bool,
    /// Filters, as the client writes them, that are answered with SUBACK 0x80.
    pub refused_filters: Vec<String>,
    /// Accept the client's `QoS` 1 publishes, but do not answer with PUBACK.
    pub swallow_pubacks: bool,
    /// Treat the client's PUBACKs as lost on the way.
    pub ignore_acks: bool,
    /// Deliver nothing. An ack that arrives on a new connection while this is set cannot belong to
    /// that connection, and shows as [`AckOutcome::Stale`] or [`AckOutcome::Unknown`].
    pub hold_deliveries: bool,
    /// Collect this many `QoS` 1 messages and send them last one first (0 and 1: in order). A group
    /// larger than the window is cut to the window. Redeliveries keep their order.
    pub reverse_groups_of: usize,
}

/// A handle that injects faults; clones act on the same broker.
#[derive(Debug, Clone)]
pub struct Faults {
    shared: Shared,
}

impl Faults {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    /// Changes the standing faults of `client`, connected or not.
    pub fn change(&self, client: &str, change: impl FnOnce(&mut ClientFaults)) {
        self.shared
            .with(|exchange| exchange.change_faults(client, change));
    }

    /// Drops the connection of every client, as a network failure would: wills are published,
    /// persistent sessions stay.
    pub fn drop_connections(&self) {
        self.shared.with(Exchange::drop_connections);
    }

    /// Sends up to `count` of the messages that `client` acknowledged last once more, with DUP=1
    /// and their old packet ids, oldest first: what a broker does that lost the acks. Returns the
    /// ids; those that are in flight again are left out. Needs [`super::Options::trace_entries`].
    pub fn redeliver_acknowledged(&self, client: &str, count: usize) -> Vec<u16> {
        self.shared
            .with(|exchange| exchange.redeliver_acknowledged(client, count))
    }

    /// Queues a `QoS` 1 message for `client`, subscribed or not, without the check of its size.
    /// Returns whether there is such a session. The topic must fit 65,535 bytes, the packet 256 MB.
    pub fn deliver(&self, client: &str, topic: &str, payload: impl Into<Vec<u8>>) -> bool {
        let payload = Bytes::from(payload.into());
        self.shared
            .with(|exchange| exchange.deliver(client, topic, payload))
    }

    /// Sends bytes as they are, between two packets. Returns whether the client is connected.
    pub fn send_raw(&self, client: &str, bytes: &[u8]) -> bool {
        self.shared
            .with(|exchange| exchange.send_raw(client, bytes))
    }
}

/// One thing that happened between the broker and a client, in the order of the broker's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// CONNECT was accepted.
    Connected {
        /// Counts the connections of the whole broker from 1.
        connection: u64,
        /// What CONNACK said.
        session_present: bool,
    },
    /// A `QoS` 1 message was handed to the connection (its bytes may still be cut off).
    Delivered {
        /// The connection that it left on.
        connection: u64,
        /// Never 0.
        packet_id: u16,
        /// Whether it was sent before.
        dup: bool,
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Bytes,
    },
    /// A PUBACK arrived.
    Acknowledged {
        /// The connection that it arrived on.
        connection: u64,
        /// As the client wrote it.
        packet_id: u16,
        /// What it did.
        outcome: AckOutcome,
    },
    /// The connection ended, for whatever reason.
    Closed {
        /// The connection that ended.
        connection: u64,
    },
}

/// What a PUBACK did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckOutcome {
    /// It settled a message that was delivered on the same connection.
    Settled,
    /// It settled a message that was not delivered on this connection yet: it was written for an
    /// earlier one. Mosquitto accepts it in the same way, and so a message can be lost.
    Stale,
    /// No message with this packet id was in flight.
    Unknown,
    /// [`ClientFaults::ignore_acks`] was set.
    Ignored,
}

/// An acknowledgement, from [`Observer::acks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The connection that it arrived on.
    pub connection: u64,
    /// As the client wrote it.
    pub packet_id: u16,
    /// What it did.
    pub outcome: AckOutcome,
}

/// A client as the broker sees it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientView {
    /// The number of its connection, if it has one.
    pub connection: Option<u64>,
    /// `QoS` 1 messages that were sent and not acknowledged.
    pub unacknowledged: usize,
    /// Messages that wait to be sent.
    pub queued: usize,
    /// Messages that the full queue lost since the session began.
    pub dropped: u64,
    /// Its filters, in the order of subscription.
    pub subscriptions: Vec<String>,
}

/// A handle that looks; clones look at the same broker.
#[derive(Debug, Clone)]
pub struct Observer {
    shared: Shared,
}

impl Observer {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    /// `None` when there is no session of this id.
    pub fn client(&self, client: &str) -> Option<ClientView> {
        self.shared.look(|exchange| exchange.view(client))
    }

    /// `QoS` 1 messages that were sent to `client` and not acknowledged; 0 without a session.
    pub fn unacknowledged(&self, client: &str) -> usize {
        self.client(client).map_or(0, |view| view.unacknowledged)
    }

    /// The newest [`super::Options::trace_entries`] entries, oldest first. Outlives the session.
    pub fn trace(&self, client: &str) -> Vec<Trace> {
        self.shared.look(|exchange| exchange.trace(client))
    }

    /// The PUBACKs of [`Observer::trace`].
    pub fn acks(&self, client: &str) -> Vec<Ack> {
        let acks = self
            .trace(client)
            .into_iter()
            .filter_map(|entry| match entry {
                Trace::Acknowledged {
                    connection,
                    packet_id,
                    outcome,
                } => Some(Ack {
                    connection,
                    packet_id,
                    outcome,
                }),
                Trace::Connected { .. } | Trace::Delivered { .. } | Trace::Closed { .. } => None,
            });
        acks.collect()
    }

    /// Waits until `condition` holds; it is asked again after everything that the broker does.
    pub async fn until(&self, mut condition: impl FnMut(&Self) -> bool) {
        loop {
            let changed = self.shared.changed();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }
}
