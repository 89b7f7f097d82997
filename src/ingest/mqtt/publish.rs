//! Publishing: the second connection, which never carries input. Fixture streams and the verb
//! `publish` go out by it.

use std::cell::Cell;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, Outgoing, Packet, QoS};
use thiserror::Error;
use tokio::sync::Notify;

use super::Broker;
use crate::base::ids;

/// Messages that may be unanswered at a time.
const INFLIGHT: u16 = 500;

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Pause before it.
    pub after: Duration,
    /// Topic.
    pub topic: String,
    /// 0 or 1.
    pub qos: u8,
    /// The broker keeps it for later subscribers.
    pub retain: bool,
    /// Payload.
    pub payload: Vec<u8>,
}

/// Publishing failed.
#[derive(Debug, Error)]
pub enum PublishError {
    /// No broker, or it does not let us in.
    #[error(
        "cannot publish to the broker at {broker}: {reason}; is it running, and are name and password right?"
    )]
    Broker {
        /// Host and port.
        broker: String,
        /// What the client said.
        reason: String,
    },
}

/// Publishes all messages on one connection and returns when the broker has answered for each;
/// `published` is called after each message is handed over.
pub async fn publish(
    broker: &Broker,
    messages: impl IntoIterator<Item = Message>,
    mut published: impl FnMut(&Message),
) -> Result<u64, PublishError> {
    let client_id = format!("nightjar-publish-{}", ids::hex(&ids::random::<4>()));
    let mut options = broker.options(&client_id, true);
    options.set_inflight(INFLIGHT);
    let (client, mut events) = AsyncClient::new(options, usize::from(INFLIGHT));
    let (answered, wanted) = (Cell::new(0_u64), Cell::new(None::<u64>));
    let done = Notify::new();

    let poll = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => {
                    answered.set(answered.get() + 1);
                    done.notify_one();
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return Ok(()),
                Ok(_) => {}
                // The broker may close first when it sees DISCONNECT.
                Err(_) if wanted.get() == Some(answered.get()) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    let send = async {
        let mut count = 0_u64;
        let mut to_answer = 0_u64;
        for message in messages {
            if !message.after.is_zero() {
                tokio::time::sleep(message.after).await;
            }
            let qos = if message.qos == 0 {
                QoS::AtMostOnce
            } else {
                QoS::AtLeastOnce
            };
            to_answer += u64::from(message.qos != 0);
            let sent = client
                .publish(&message.topic, qos, message.retain, message.payload.clone())
                .await;
            sent.map_err(|error| error.to_string())?;
            published(&message);
            count += 1;
        }
        while answered.get() < to_answer {
            done.notified().await;
        }
        wanted.set(Some(to_answer));
        client
            .disconnect()
            .await
            .map_err(|error| error.to_string())?;
        Ok::<u64, String>(count)
    };
    let unreachable = |reason| PublishError::Broker {
        broker: format!("{}:{}", broker.host, broker.port),
        reason,
    };
    let ((), count) = tokio::try_join!(poll, send).map_err(unreachable)?;
    Ok(count)
}
