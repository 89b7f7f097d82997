//! Counters of everything that happens to a message, so that nothing is dropped unseen.
//!
//! One struct for the process, shared by `Arc`; a snapshot is plain data for `status` and `stats`.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Live counters; all start at 0 with the process.
        #[derive(Debug, Default)]
        pub struct Telemetry { $($(#[$doc])* pub $name: Counter,)* }
        /// The counters at one moment.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Snapshot { $($(#[$doc])* pub $name: u64,)* }
        impl Telemetry {
            /// The counters now.
            pub fn snapshot(&self) -> Snapshot { Snapshot { $($name: self.$name.get(),)* } }
        }
        impl Snapshot {
            /// Name and value of each counter, in the order of declaration.
            pub fn rows(&self) -> Vec<(&'static str, u64)> { vec![$((stringify!($name), self.$name),)*] }
        }
    };
}

counters! {
    /// MQTT publishes that arrived, redeliveries included.
    messages_received,
    /// Publishes with DUP=1.
    messages_redelivered,
    /// QoS 0 publishes dropped because the writer was behind.
    messages_shed,
    /// Messages that could not be decoded and were stored raw.
    messages_undecodable,
    /// Messages without a rule for their topic, stored raw.
    messages_unmapped,
    /// PUBACKs handed to the client library.
    messages_acked,
    /// Acks not sent because their connection was gone.
    acks_stale,
    /// Events appended to the event log.
    events_appended,
    /// Redeliveries recognised by packet id and content.
    duplicates_redelivered,
    /// Messages recognised by their publisher's id.
    duplicates_by_id,
    /// Events that no projection could take, parked.
    events_parked,
    /// Transactions committed.
    batches_committed,
    /// Transactions that failed and were tried again.
    batches_retried,
    /// Connections made to the broker.
    broker_connections,
    /// Connections to the broker that broke.
    broker_disconnections,
    /// Sessions that the broker had forgotten.
    broker_sessions_lost,
    /// Subscriptions that the broker refused.
    subscriptions_refused,
    /// Publishes of ours that the broker has acknowledged.
    published,
    /// Publishes of ours that left without an answer: the broker may have them or not.
    publish_failed,
    /// Publishes of ours that never left: the queue was full, the connection down, or the message
    /// too large.
    publish_dropped,
    /// Events that were not announced, because they came faster than the broker could be told.
    announcements_skipped,
    /// Alerts handed over, each recipient and channel by itself.
    alerts_sent,
    /// Tries to hand over an alert that failed.
    alerts_failed,
    /// Alerts that were given up for one recipient and channel.
    alerts_given_up,
    /// Recordings sealed.
    recordings_sealed,
    /// Files in the recordings folder that were passed over.
    recordings_ignored,
    /// Recordings that could not be sealed.
    recordings_failed,
    /// Recordings deleted, by a rule or by a person.
    recordings_deleted,
}

/// One counter, only ever growing.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A flag that is shown, such as "connected".
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    /// Sets the flag.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    /// The flag now.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down, such as the head position.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the number.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Release);
    }

    /// The number now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }
}
