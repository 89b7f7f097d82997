//! Subscribers: one task per topic family, each with its own persistent session, so that a flood of
//! log lines cannot fill the in-flight window of the door contacts.
//!
//! A message is acknowledged after its commit, in the order of arrival, and only on the connection
//! that it came by. Nothing is withheld for being bad: what cannot be decoded is stored raw and
//! acknowledged, since a withheld ack fills the broker's window and stops everything behind it.
//!
//! The task that polls only polls. [`link`] is the seam to the MQTT client, [`acks`] the book of
//! what is stored and not yet acknowledged.
//!
//! What we say ourselves goes by another connection: the [`announcer`] follows the log and hands
//! what [`announce`] makes of it to the [`publisher`].

pub mod acks;
pub mod announce;
pub mod announcer;
pub mod link;
pub mod publish;
pub mod publisher;
mod rumqtt;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zeroize::Zeroize as _;

use crate::base::clock::Clock;
use crate::base::ids;
use crate::base::telemetry::Telemetry;
use crate::decode::topic::Family;
use crate::decode::{Inbound, Rules, decode};
use crate::event::NewEvent;
use crate::event::system::{Noted, SubscriptionRefused, Weight};
use crate::event_log::dedupe::Delivery;
use crate::writer::{Handle, Reply, SessionOpening, Submission};

use super::pin_desk::PinDesk;
use acks::AckBook;
use link::{Arrived, Incoming, Link, LinkError};
pub use rumqtt::{Broker, RumqttLink};

/// Shortest pause before connecting again.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// Longest pause before connecting again.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A connection that lasted this long was a good one: the back-off starts anew.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);
/// Connections closed right after CONNACK, in a row, that mean another client has our id.
const TAKEOVER_CLOSES: u32 = 3;
/// Payload bytes of all families that may be on their way to the disk.
const INFLIGHT_BYTES: usize = 64 * 1024 * 1024;
/// So long after a session was taken up again, a message may be one that the broker held.
const BACKLOG: Duration = Duration::from_secs(10);
/// How long to wait before looking again whether the writer has room.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

/// What a family's task shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Health {
    /// Connected and subscribed.
    pub connected: bool,
    /// Why not, or what is wrong though it is.
    pub trouble: Option<String>,
}

/// What all families share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// To the writer.
    pub writer: Handle,
    /// How topics and payloads are read.
    pub rules: Arc<Rules>,
    /// Where PINs are looked at.
    pub pins: Arc<PinDesk>,
    /// Counters.
    pub telemetry: Arc<Telemetry>,
    /// The time.
    pub clock: Clock,
    /// Payload bytes on their way to the disk.
    pub inflight: Arc<acks::Inflight>,
    /// Promises broken on purpose, for tests of the tests.
    pub sabotage: crate::writer::sabotage::Sabotage,
}

/// One family's subscription.
#[derive(Debug)]
pub struct Subscription {
    /// The family.
    pub family: Family,
    /// Its topic filters.
    pub filters: Vec<String>,
    /// The session that the database knows, and the filters subscribed in it.
    pub known_session: Option<(Uuid, String)>,
    /// The broker is known to keep no session between two runs, so that none can be lost.
    pub broker_forgets: bool,
}

/// The running task of one family.
#[derive(Debug)]
pub struct Subscriber<L> {
    shared: Shared,
    subscription: Subscription,
    link: L,
    acks: Arc<AckBook>,
    health: Arc<Mutex<Health>>,
    session: Option<Uuid>,
    subscribed: String,
    backoff: Duration,
    quick_closes: u32,
    /// When the broker took the session up again last: what it held comes right after.
    resumed_at: Option<tokio::time::Instant>,
}

impl<L: Link> Subscriber<L> {
    /// Makes the task; [`run`](Self::run) is to be spawned.
    pub fn new(shared: Shared, subscription: Subscription, mut link: L) -> Self {
        let acks = AckBook::new(
            Arc::clone(&shared.telemetry),
            Arc::clone(&shared.inflight),
            link.doorbell(),
            shared.sabotage.ignores_epoch(),
        );
        let (session, subscribed) = match &subscription.known_session {
            Some((uuid, filters)) => (Some(*uuid), filters.clone()),
            None => (None, String::new()),
        };
        Self {
            shared,
            subscription,
            link,
            acks,
            health: Arc::default(),
            session,
            subscribed,
            backoff: BACKOFF_MIN,
            quick_closes: 0,
            resumed_at: None,
        }
    }

    /// What the task shows of itself.
    pub fn health(&self) -> Arc<Mutex<Health>> {
        Arc::clone(&self.health)
    }

    /// Runs until cancelled. Connects, and connects again.
    pub async fn run(mut self, cancel: CancellationToken) {
        let name = self.subscription.family.name();
        let mut connected_at: Option<tokio::time::Instant> = None;
        let mut published = false;
        loop {
            // Dropping the poll is safe here alone: the link is never polled again.
            let polled = tokio::select! {
                () = cancel.cancelled() => return,
                polled = self.link.poll() => polled,
            };
            let outcome = match polled {
                Ok(Incoming::Connected { session_present }) => {
                    connected_at = Some(tokio::time::Instant::now());
                    published = false;
                    self.connected(session_present).await
                }
                Ok(Incoming::Arrived(message)) => {
                    published = true;
                    self.arrived(message).await;
                    Ok(())
                }
                Ok(Incoming::AckSent) => self.acknowledge().await,
                Ok(Incoming::Subscribed { refused }) => {
                    self.subscribed(&refused).await;
                    Ok(())
                }
                Ok(Incoming::Other) => Ok(()),
                Err(error) => Err(error),
            };
            let Err(error) = outcome else { continue };
            let lasted = connected_at.take().map(|at| at.elapsed());
            if cancel.is_cancelled() {
                return;
            }
            tracing::warn!(family = name, %error, "connection to the broker lost");
            self.disconnected(&error, lasted, published).await;
            let pause = self.backoff + jitter(self.backoff);
            self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn connected(&mut self, session_present: bool) -> Result<(), LinkError> {
        self.shared.telemetry.broker_connections.add_one();
        let wanted = self.subscription.filters.join("\n");
        let resumed = session_present && self.session.is_some();
        self.resumed_at = resumed.then(tokio::time::Instant::now);
        if !resumed {
            self.subscribed.clear();
        }
        let lost = !session_present && self.session.is_some();
        let session = match self.session.filter(|_| resumed) {
            Some(session) => session,
            None => ids::random_uuid(),
        };
        if lost {
            self.shared.telemetry.broker_sessions_lost.add_one();
        }
        self.session = Some(session);
        let stale: Vec<String> = self
            .subscribed
            .lines()
            .filter(|filter| {
                !self
                    .subscription
                    .filters
                    .iter()
                    .any(|wanted| wanted == filter)
            })
            .map(ToOwned::to_owned)
            .collect();
        self.open_session(session).await;
        if self.subscribed == wanted {
            self.set_health(Health {
                connected: true,
                trouble: None,
            });
            return Ok(());
        }
        self.link
            .subscribe(&self.subscription.filters, &stale)
            .await
    }

    /// Tells the writer of the session and of the filters that the broker has confirmed in it. A
    /// filter that is only asked for must not count: after a crash nobody would ask again.
    async fn open_session(&mut self, uuid: Uuid) {
        let family = self.subscription.family.name();
        let opening = SessionOpening {
            family,
            uuid,
            filters: self.subscribed.clone(),
            replaces_lost: !self.subscription.broker_forgets,
        };
        self.submit(
            Submission {
                opening: Some(opening),
                ..Submission::default()
            },
            None,
        )
        .await;
    }

    async fn subscribed(&mut self, refused: &[String]) {
        let family = self.subscription.family.name();
        let granted = self
            .subscription
            .filters
            .iter()
            .filter(|filter| !refused.contains(filter));
        self.subscribed = granted.cloned().collect::<Vec<_>>().join("\n");
        if let Some(session) = self.session {
            self.open_session(session).await;
        }
        let trouble = (!refused.is_empty()).then(|| {
            format!(
                "the broker refused {} (look at its acl_file)",
                refused.join(", ")
            )
        });
        self.set_health(Health {
            connected: true,
            trouble,
        });
        for filter in refused {
            self.shared.telemetry.subscriptions_refused.add_one();
            tracing::error!(family, filter, "the broker refused the subscription");
            let refused = SubscriptionRefused {
                family: family.to_owned(),
                filter: filter.clone(),
            };
            let event = NewEvent::own(self.shared.clock.now(), format!("broker/{family}"), refused);
            self.submit(
                Submission {
                    events: vec![event],
                    ..Submission::default()
                },
                None,
            )
            .await;
        }
    }

    async fn arrived(&mut self, message: Arrived) {
        let telemetry = &self.shared.telemetry;
        telemetry.messages_received.add_one();
        if message.dup {
            telemetry.messages_redelivered.add_one();
        }
        let size_bytes = message.payload.len() + message.topic.len();
        let mut inbound = Inbound {
            topic: Arc::from(message.topic),
            payload: message.payload,
            qos: u8::from(message.packet_id.is_some()),
            retain: message.retain,
            received_at: self.shared.clock.now(),
        };
        let mut decoded = decode(&inbound, &self.shared.rules);
        if decoded.pin.is_some() {
            inbound.payload.zeroize();
        }
        // A hash takes a good part of a second, and the gate lets none through sooner than a second
        // after the last: this family alone waits for it.
        let queued = self
            .resumed_at
            .is_some_and(|resumed| resumed.elapsed() < BACKLOG);
        self.shared
            .pins
            .judge(&mut decoded, queued, inbound.received_at);
        match decoded.events.first().map(|event| &event.event) {
            Some(crate::event::Event::MessageUndecodable(_)) => {
                telemetry.messages_undecodable.add_one();
            }
            Some(crate::event::Event::MessageUnmapped(_)) => telemetry.messages_unmapped.add_one(),
            _ => {}
        }
        let delivery = match (message.packet_id, self.session) {
            (Some(packet_id), Some(session)) => Some(Delivery {
                family: self.subscription.family.name(),
                session,
                packet_id,
                dup: message.dup,
                hash: decoded.hash,
            }),
            _ => None,
        };
        let submission = Submission {
            events: decoded.events,
            delivery,
            publisher_id: decoded.publisher_id,
            size_bytes,
            ..Submission::default()
        };
        match message.packet_id {
            Some(packet_id) => self.submit(submission, Some(packet_id)).await,
            // Nobody sends it again, but nothing may block for it either.
            None => {
                if self.shared.writer.try_submit(Box::new(submission)).is_err() {
                    self.shared.telemetry.messages_shed.add_one();
                }
            }
        }
    }

    /// Hands a submission to the writer, waiting for room: the broker's window bounds how much can
    /// wait, and with an unbounded window the socket does.
    async fn submit(&mut self, mut submission: Submission, packet_id: Option<u16>) {
        while !self.shared.inflight.has_room(INFLIGHT_BYTES) {
            tokio::time::sleep(ROOM_PAUSE).await;
        }
        submission.reply = Reply::Settle(self.acks.expect(packet_id, submission.size_bytes));
        let mut boxed = Box::new(submission);
        while let Err(back) = self.shared.writer.try_submit(boxed) {
            boxed = back;
            tokio::time::sleep(ROOM_PAUSE).await;
        }
    }

    async fn acknowledge(&mut self) -> Result<(), LinkError> {
        let due = self.acks.take_due();
        if due.is_empty() {
            return Ok(());
        }
        self.link.ack(&due).await
    }

    async fn disconnected(&mut self, error: &LinkError, lasted: Option<Duration>, published: bool) {
        let telemetry = Arc::clone(&self.shared.telemetry);
        if lasted.is_some() {
            telemetry.broker_disconnections.add_one();
        }
        let left = self.acks.new_epoch(|| self.link.reset());
        for message in left {
            self.arrived(message).await;
        }
        match lasted {
            Some(lasted) if lasted >= GOOD_CONNECTION || published => {
                self.backoff = BACKOFF_MIN;
                self.quick_closes = 0;
            }
            Some(_) => self.quick_closes += 1,
            None => {}
        }
        let mut trouble = error.to_string();
        if self.quick_closes == TAKEOVER_CLOSES {
            let id = format!("client id of {} in use?", self.subscription.family.name());
            tracing::error!("{id}: the broker closes every connection at once");
            let noted = Noted {
                component: "mqtt".into(),
                level: Weight::Alert,
            };
            let event =
                NewEvent::own(self.shared.clock.now(), "broker/mqtt", noted).with_text(format!(
                    "{id} The broker closes every connection at once; another Nightjar may run"
                ));
            self.submit(
                Submission {
                    events: vec![event],
                    ..Submission::default()
                },
                None,
            )
            .await;
        }
        if self.quick_closes >= TAKEOVER_CLOSES {
            trouble =
                format!("client id in use? The broker closes every connection at once ({trouble})");
        }
        if let LinkError::TooLarge { bytes } = error {
            self.link.raise_limit();
            tracing::warn!(
                bytes,
                "a packet over the limit: reading it once to store it raw"
            );
        }
        self.set_health(Health {
            connected: false,
            trouble: Some(trouble),
        });
    }

    fn set_health(&self, health: Health) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}

/// A random part of the pause, so that the families do not connect in step.
fn jitter(pause: Duration) -> Duration {
    let [byte] = ids::random::<1>();
    pause.mul_f64(f64::from(byte) / 512.0)
}

#[cfg(test)]
mod tests;
