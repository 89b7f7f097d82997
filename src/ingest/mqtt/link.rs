//! The seam to the MQTT client: poll, acknowledge, subscribe, reset. Tests feed canned packets
//! through it, and another client can replace rumqttc behind it.

use std::future::Future;

use thiserror::Error;

/// A message as the client hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Packet id at QoS 1; none at QoS 0.
    pub packet_id: Option<u16>,
    /// Perhaps sent before.
    pub dup: bool,
    /// A snapshot that the broker kept.
    pub retain: bool,
}

/// What a poll brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A connection stands.
    Connected {
        /// The broker still has our session.
        session_present: bool,
    },
    /// A message.
    Arrived(Arrived),
    /// The ack that the doorbell rang for is written: time to write those that follow it.
    AckSent,
    /// The broker answered a subscription.
    Subscribed {
        /// Filters that it refused.
        refused: Vec<String>,
    },
    /// Nothing that concerns us.
    Other,
}

/// Why a connection ended.
#[derive(Debug, Error)]
pub enum LinkError {
    /// A packet larger than the limit.
    #[error("a packet of {bytes} bytes is larger than the limit")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The broker does not let us in.
    #[error("the broker refused the connection: {0}; check username and password")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Lost(String),
}

/// Called from the writer's thread to acknowledge one packet id and so wake the polling task;
/// false when it could not be queued.
pub type Doorbell = Box<dyn Fn(u16) -> bool + Send + Sync>;

/// One connection that comes back.
pub trait Link: Send {
    /// The next thing that happens; connects when there is no connection. Not cancel-safe: when
    /// dropped, the link must not be polled again.
    fn poll(&mut self) -> impl Future<Output = Result<Incoming, LinkError>> + Send;

    /// Writes acks in this order, in one flush.
    fn ack(&mut self, packet_ids: &[u16]) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Subscribes to `filters` at QoS 1 and drops `stale` ones.
    fn subscribe(
        &mut self,
        filters: &[String],
        stale: &[String],
    ) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Forgets the connection: queued acks are dropped, and messages of the old connection that
    /// were already read are handed over if they came at QoS 0 (others will be sent again).
    fn reset(&mut self) -> Vec<Arrived>;

    /// Lets the next connection read packets up to the hard cap.
    fn raise_limit(&mut self);

    /// How the writer's thread wakes the polling task.
    fn doorbell(&mut self) -> Doorbell;
}
