//! The link over rumqttc 0.25, with a guard for each of its hazards.
//!
//! - Only this type polls; acks come through `try_ack` (one) or are written here (the rest), never
//!   through an awaiting client call, which would block for ever in the polling task.
//! - After an error the events that rumqttc still holds are of the old connection: QoS 0 ones are
//!   kept, QoS 1 ones dropped, since the broker sends them again. `clean()` empties the queue of
//!   acks; it runs once more under the ack book's lock, because one may slip in before.
//! - Nothing is published here, so `state.collision` cannot block; it is cleared all the same.

use std::time::Duration;

use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::mqttbytes::v4::{Packet, PubAck, Publish, SubscribeReasonCode};
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, EventLoop, MqttOptions, Outgoing, QoS,
    StateError, SubscribeFilter, Transport,
};

use super::link::{Arrived, Doorbell, Incoming, Link, LinkError};

/// Requests that may wait in the client: one ack for the doorbell, a subscription, a withdrawal.
const REQUEST_QUEUE: usize = 64;

/// Where the broker is and how it lets us in.
#[derive(Clone)]
pub struct Broker {
    /// Host name, or the path of a unix socket.
    pub host: String,
    /// TCP port; 0 for a unix socket.
    pub port: u16,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// Keep-alive; at least one second.
    pub keep_alive: Duration,
    /// Packets up to this size are read at first, bytes.
    pub max_packet_bytes: usize,
    /// Packets up to this size are read after one was larger than that, bytes.
    pub hard_cap_bytes: usize,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// Options for a client of this broker.
    ///
    /// # Panics
    /// Never for an id that is not empty: rumqttc refuses a persistent session without one.
    pub fn options(&self, client_id: &str, clean_session: bool) -> MqttOptions {
        let mut options = MqttOptions::new(client_id, &self.host, self.port);
        if self.port == 0 {
            options.set_transport(Transport::unix());
        }
        if let Some((user, password)) = &self.credentials {
            options.set_credentials(user, password);
        }
        options
            .set_keep_alive(self.keep_alive.max(Duration::from_secs(1)))
            .set_clean_session(clean_session)
            .set_max_packet_size(self.max_packet_bytes, self.max_packet_bytes);
        options
    }
}

/// A persistent session over rumqttc.
pub struct RumqttLink {
    client: AsyncClient,
    events: EventLoop,
    asked: Vec<String>,
    hard_cap_bytes: usize,
}

impl std::fmt::Debug for RumqttLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RumqttLink").finish_non_exhaustive()
    }
}

impl RumqttLink {
    /// A link under this client id; connects at the first poll.
    pub fn new(broker: &Broker, client_id: &str) -> Self {
        let mut options = broker.options(client_id, false);
        options.set_manual_acks(true);
        let (client, mut events) = AsyncClient::new(options, REQUEST_QUEUE);
        events.network_options.set_tcp_nodelay(true);
        Self {
            client,
            events,
            asked: Vec::new(),
            hard_cap_bytes: broker.hard_cap_bytes,
        }
    }
}

#[cfg(test)]
impl RumqttLink {
    pub(super) fn options(&self) -> &MqttOptions {
        &self.events.mqtt_options
    }

    pub(super) fn events_mut(&mut self) -> &mut EventLoop {
        &mut self.events
    }
}

impl Link for RumqttLink {
    async fn poll(&mut self) -> Result<Incoming, LinkError> {
        Ok(match self.events.poll().await.map_err(link_error)? {
            rumqttc::Event::Incoming(Packet::ConnAck(connack)) => Incoming::Connected {
                session_present: connack.session_present,
            },
            rumqttc::Event::Incoming(Packet::Publish(publish)) => {
                Incoming::Arrived(arrived(publish))
            }
            rumqttc::Event::Incoming(Packet::SubAck(answer)) => {
                let refused = self
                    .asked
                    .iter()
                    .zip(&answer.return_codes)
                    .filter(|(_, code)| **code == SubscribeReasonCode::Failure)
                    .map(|(filter, _)| filter.clone())
                    .collect();
                Incoming::Subscribed { refused }
            }
            rumqttc::Event::Outgoing(Outgoing::PubAck(_)) => Incoming::AckSent,
            _ => Incoming::Other,
        })
    }

    async fn ack(&mut self, packet_ids: &[u16]) -> Result<(), LinkError> {
        let Some(network) = &mut self.events.network else {
            return Err(LinkError::Lost("the connection is gone".into()));
        };
        let lost = |error: StateError| LinkError::Lost(error.to_string());
        for &packet_id in packet_ids {
            network
                .write(Packet::PubAck(PubAck::new(packet_id)))
                .await
                .map_err(lost)?;
        }
        network.flush().await.map_err(lost)
    }

    async fn subscribe(&mut self, filters: &[String], stale: &[String]) -> Result<(), LinkError> {
        let full = |error: rumqttc::ClientError| LinkError::Lost(error.to_string());
        self.asked = filters.to_vec();
        let wanted = filters
            .iter()
            .map(|filter| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(wanted).map_err(full)?;
        stale
            .iter()
            .try_for_each(|filter| self.client.try_unsubscribe(filter))
            .map_err(full)
    }

    fn reset(&mut self) -> Vec<Arrived> {
        let left = self
            .events
            .state
            .events
            .drain(..)
            .filter_map(|event| match event {
                rumqttc::Event::Incoming(Packet::Publish(publish)) => Some(arrived(publish)),
                _ => None,
            })
            .filter(|message| message.packet_id.is_none())
            .collect();
        self.events.clean();
        self.events.state.collision = None;
        // A subscription that waited is asked for again after CONNACK if it is still wanted.
        self.events.pending.clear();
        left
    }

    fn raise_limit(&mut self) {
        let outgoing = self.events.mqtt_options.max_packet_size();
        self.events
            .mqtt_options
            .set_max_packet_size(self.hard_cap_bytes, outgoing);
    }

    fn doorbell(&mut self) -> Doorbell {
        let client = self.client.clone();
        Box::new(move |packet_id| {
            let mut publish = Publish::new("", QoS::AtLeastOnce, Vec::new());
            publish.pkid = packet_id;
            client.try_ack(&publish).is_ok()
        })
    }
}

fn arrived(publish: Publish) -> Arrived {
    Arrived {
        packet_id: (publish.qos != QoS::AtMostOnce).then_some(publish.pkid),
        dup: publish.dup,
        retain: publish.retain,
        topic: publish.topic,
        // A copy lets the read buffer go, which many small messages share.
        payload: publish.payload.to_vec(),
    }
}

pub(super) fn link_error(error: ConnectionError) -> LinkError {
    match error {
        ConnectionError::MqttState(StateError::Deserialization(
            PacketError::PayloadSizeLimitExceeded(bytes),
        )) => LinkError::TooLarge { bytes },
        ConnectionError::ConnectionRefused(
            code @ (ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized),
        ) => LinkError::Refused(format!("{code:?}")),
        other => LinkError::Lost(other.to_string()),
    }
}
