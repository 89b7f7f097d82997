//! The second connection, which only publishes: events, alerts, states, and whether we live.
//!
//! [`Publisher::run`] is its task, [`Outlet`] the handle for everybody else. Nothing that goes
//! wrong here touches the ingest, and nothing waits here without a bound.
//!
//! - Each connection has a client of its own, made from scratch: rumqttc carries packets, acks and
//!   collisions from one connection to the next, and never gets out of some of them.
//! - One future polls and never waits for anything else; another beside it hands over. `poll` is
//!   not cancel-safe, so it is dropped only together with its client.
//! - The window is kept here, so that the client's request channel always has room and nobody ever
//!   waits for it.
//! - Whoever goes without a word is declared offline by the broker: the will. Whoever stops in
//!   order says so, and if the broker does not confirm that in time the connection is dropped
//!   without DISCONNECT, and the will says it after all.

mod outbox;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::v4::{LastWill, Packet};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, QoS};
use tokio_util::sync::CancellationToken;

pub use outbox::{DeliveryError, HELD_BYTES, Outlet, QUEUE_MESSAGES, Refusal, STATE_BYTES, STATES};

use super::rumqtt::link_error;
use super::{BACKOFF_MAX, BACKOFF_MIN, Broker, GOOD_CONNECTION, Health, TAKEOVER_CLOSES, jitter};
use crate::base::telemetry::Telemetry;
use outbox::{Outbox, WINDOW};

/// Packet ids in use, 1 to this. Far more than the window, so that an id comes again only when its
/// earlier answer is overdue.
const PACKET_IDS: u16 = 1_000;
/// Requests that the client holds: the window, and DISCONNECT.
const REQUEST_QUEUE: usize = WINDOW + 1;
/// A broker that lets an answer wait this long will not give it any more.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// An orderly stop takes this long at most.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);

/// What `availability` says while we live.
pub const ONLINE: &str = "online";
/// What `availability` says when we do not.
pub const OFFLINE: &str = "offline";

/// How long the task waits for what.
#[derive(Clone, Copy, Debug)]
struct Pace {
    first_pause: Duration,
    longest_pause: Duration,
    answer_limit: Duration,
    farewell_limit: Duration,
}

/// How a connection ended.
enum Ended {
    /// In order.
    Stopped,
    /// Not so; what the client said.
    Lost(String),
}

/// The task that publishes.
#[derive(Debug)]
pub struct Publisher {
    broker: Broker,
    client_id: String,
    availability: String,
    outbox: Arc<Outbox>,
    health: Arc<Mutex<Health>>,
    pace: Pace,
}

impl Publisher {
    /// Makes the task for this site, whose own topics lie below `base`, such as `nightjar/home`;
    /// [`run`](Self::run) is to be spawned.
    pub fn new(broker: Broker, site: &str, base: &str, telemetry: Arc<Telemetry>) -> Self {
        let outbox = Outbox::new(telemetry, broker.max_packet_bytes);
        Self {
            client_id: format!("nightjar-{site}-publisher"),
            availability: format!("{base}/availability"),
            outbox: Arc::new(outbox),
            health: Arc::default(),
            pace: Pace {
                first_pause: BACKOFF_MIN,
                longest_pause: BACKOFF_MAX,
                answer_limit: ANSWER_LIMIT,
                farewell_limit: FAREWELL_LIMIT,
            },
            broker,
        }
    }

    /// The handle by which others publish.
    pub fn outlet(&self) -> Outlet {
        Outlet::new(Arc::clone(&self.outbox))
    }

    /// What the task shows of itself.
    pub fn health(&self) -> Arc<Mutex<Health>> {
        Arc::clone(&self.health)
    }

    /// Runs until cancelled. Connects, and connects again.
    pub async fn run(self, cancel: CancellationToken) {
        if let Err(refusal) = self.outbox.set_state(&self.availability, ONLINE.into()) {
            tracing::error!(%refusal, "the publisher cannot say that it lives");
        }
        let mut pause = self.pace.first_pause;
        let mut quick_closes = 0;
        while !cancel.is_cancelled() {
            let began = Instant::now();
            let ended = self.connection(&cancel).await;
            let (Ended::Lost(mut reason), false) = (ended, cancel.is_cancelled()) else {
                break;
            };
            if began.elapsed() >= GOOD_CONNECTION {
                pause = self.pace.first_pause;
                quick_closes = 0;
            } else if self.outbox.is_connected() {
                quick_closes += 1;
            }
            if quick_closes >= TAKEOVER_CLOSES {
                reason = format!(
                    "client id {} in use? The broker closes every connection at once ({reason})",
                    self.client_id
                );
            }
            tracing::warn!(%reason, "the publisher's connection to the broker is lost");
            self.outbox.lost(&reason);
            self.set_health(false, Some(reason));
            tokio::select! {
                () = cancel.cancelled() => break,
                () = tokio::time::sleep(pause + jitter(pause)) => {}
            }
            pause = (pause * 2).min(self.pace.longest_pause);
        }
        self.set_health(false, None);
    }

    /// One connection from its beginning to its end.
    async fn connection(&self, cancel: &CancellationToken) -> Ended {
        let (client, mut events) = AsyncClient::new(self.options(), REQUEST_QUEUE);
        events.network_options.set_tcp_nodelay(true);
        // Whichever ends first ends the connection, and the client with it.
        tokio::select! {
            ended = self.poll(&mut events) => ended,
            ended = self.hand_over(&client, cancel) => ended,
        }
    }

    fn options(&self) -> MqttOptions {
        let mut options = self.broker.options(&self.client_id, true);
        let will = LastWill::new(&self.availability, OFFLINE, QoS::AtLeastOnce, true);
        options.set_inflight(PACKET_IDS).set_last_will(will);
        options
    }

    async fn poll(&self, events: &mut EventLoop) -> Ended {
        loop {
            match events.poll().await {
                Ok(event) => {
                    if let Some(ended) = self.note(&event) {
                        return ended;
                    }
                }
                Err(error) => {
                    // Answers that came in the same read as the error.
                    for event in events.state.events.drain(..) {
                        self.note(&event);
                    }
                    return Ended::Lost(link_error(error).to_string());
                }
            }
        }
    }

    fn note(&self, event: &Event) -> Option<Ended> {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                self.set_health(true, None);
                self.outbox.connected();
            }
            Event::Outgoing(Outgoing::Publish(packet_id)) => self.outbox.left(*packet_id),
            Event::Incoming(Packet::PubAck(ack)) => self.outbox.answered(ack.pkid, Instant::now()),
            // The id of a publish is still taken: rumqttc keeps the publish back, and may do so
            // for ever.
            Event::Outgoing(Outgoing::AwaitAck(packet_id)) => {
                return Some(Ended::Lost(format!(
                    "the broker acknowledged later publishes, but not the one with packet id \
                     {packet_id}"
                )));
            }
            Event::Outgoing(Outgoing::Disconnect) => return Some(Ended::Stopped),
            _ => {}
        }
        None
    }

    async fn hand_over(&self, client: &AsyncClient, cancel: &CancellationToken) -> Ended {
        let mut stop_by: Option<Instant> = None;
        loop {
            while let Some(leaving) = self.outbox.next(Instant::now()) {
                let (topic, payload) = (leaving.topic, leaving.payload);
                let handed = client.try_publish(topic, QoS::AtLeastOnce, leaving.retain, payload);
                if let Err(error) = handed {
                    return Ended::Lost(format!("rumqttc takes no publish: {error}"));
                }
            }
            if stop_by.is_some() && self.outbox.is_settled() {
                // The other future ends the connection when this is written.
                if client.try_disconnect().is_ok() {
                    until(stop_by).await;
                }
                return Ended::Stopped;
            }
            let overdue = self.outbox.oldest().map(|at| at + self.pace.answer_limit);
            let deadline = stop_by.or(overdue);
            tokio::select! {
                () = cancel.cancelled(), if stop_by.is_none() => {
                    if !self.outbox.is_connected() {
                        return Ended::Stopped;
                    }
                    self.outbox.close(&self.availability, OFFLINE);
                    stop_by = Some(Instant::now() + self.pace.farewell_limit);
                }
                () = self.outbox.woken() => {}
                () = until(deadline) => {
                    return Ended::Lost(format!(
                        "the broker has not acknowledged a publish for {:?}",
                        self.pace.answer_limit
                    ));
                }
            }
        }
    }

    fn set_health(&self, connected: bool, trouble: Option<String>) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Health { connected, trouble };
    }
}

impl Drop for Publisher {
    /// However the task ends: those who wait are told, and nothing is queued for nobody.
    fn drop(&mut self) {
        self.outbox.end();
    }
}

/// Waits for the moment, or for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
