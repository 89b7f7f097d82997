//! Two books that must agree: what the broker accepted from us, and what stands in the event log.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nightjar::base::ids;
use nightjar::event::{Envelope, Event};
use nightjar::event_log::read::EventReader;
use nightjar::storage::sqlite::Database;
use rumqttc::{Client, Connection, MqttOptions, Outgoing, Packet, QoS};

use crate::rig::{pause, until};

/// A sensor's topic.
pub(crate) const SENSOR: &str = "vigilar/sensor/x/temperature";
/// A log's topic.
pub(crate) const LOG: &str = "vigilar/log/h/s";

/// Numbers from here on mark the end of a load, each one once.
static MARKERS: AtomicU64 = AtomicU64::new(1_000_000_000);

/// How often each message, as topic and payload.
pub(crate) type Counts = BTreeMap<(String, String), u64>;

/// Message number `number` of a load: every third is the same, the others are like no other.
pub(crate) fn message(number: u64) -> (&'static str, String) {
    let topic = if number.is_multiple_of(2) {
        SENSOR
    } else {
        LOG
    };
    let payload = match (number % 3, topic) {
        (0, SENSOR) => "21.5".to_owned(),
        (0, _) => "the same line".to_owned(),
        (_, SENSOR) => number.to_string(),
        _ => format!("line {number}"),
    };
    (topic, payload)
}

/// A publisher at `QoS` 1 that counts what the broker has acknowledged. Its book is right for one
/// connection: after another, the client sends again under other packet ids.
pub(crate) struct Publisher {
    client: Client,
    book: Arc<Mutex<Book>>,
    sent: usize,
    confirmed: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

#[derive(Default)]
struct Book {
    /// Handed over, without a packet id yet.
    waiting: VecDeque<(String, String)>,
    /// On the wire.
    sent: HashMap<u16, (String, String)>,
    confirmed: Counts,
}

impl Publisher {
    pub(crate) fn new(port: u16) -> Self {
        let mut options = MqttOptions::new(
            format!("publisher-{}", ids::random_uuid()),
            "127.0.0.1",
            port,
        );
        options.set_inflight(1_000);
        let (client, connection) = Client::new(options, 10_000);
        let book = Arc::<Mutex<Book>>::default();
        let confirmed = Arc::<AtomicUsize>::default();
        let stop = Arc::<AtomicBool>::default();
        // Not joined: it ends with its connection.
        let spawned = std::thread::Builder::new().name("publisher".into()).spawn({
            let (book, confirmed, stop) = (book.clone(), confirmed.clone(), stop.clone());
            move || keep_book(connection, &book, &confirmed, &stop)
        });
        spawned.unwrap();
        Self {
            client,
            book,
            sent: 0,
            confirmed,
            stop,
        }
    }

    /// Hands a message over; waits only when the client's queue is full.
    pub(crate) fn publish(&mut self, topic: &str, payload: &str) {
        self.sent += 1;
        // Booked first: the client's thread may see it on the wire at once.
        let message = (topic.to_owned(), payload.to_owned());
        self.book.lock().unwrap().waiting.push_back(message);
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .unwrap();
    }

    /// Messages that the broker has acknowledged.
    pub(crate) fn confirmed(&self) -> usize {
        self.confirmed.load(Ordering::Relaxed)
    }

    /// Waits until the broker has acknowledged all.
    #[track_caller]
    pub(crate) fn all_confirmed(&self) {
        until("the broker has acknowledged all", || {
            (self.confirmed() == self.sent).then_some(())
        });
    }

    /// What the broker has acknowledged, message by message.
    pub(crate) fn ledger(&self) -> Counts {
        self.book.lock().unwrap().confirmed.clone()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.client.try_disconnect();
    }
}

fn keep_book(
    mut connection: Connection,
    book: &Mutex<Book>,
    confirmed: &AtomicUsize,
    stop: &AtomicBool,
) {
    for event in connection.iter() {
        let mut book = book.lock().unwrap();
        match event {
            Ok(rumqttc::Event::Outgoing(Outgoing::Publish(id))) => {
                if let Some(message) = book.waiting.pop_front() {
                    book.sent.insert(id, message);
                }
            }
            Ok(rumqttc::Event::Incoming(Packet::PubAck(ack))) => {
                if let Some(message) = book.sent.remove(&ack.pkid) {
                    *book.confirmed.entry(message).or_default() += 1;
                    confirmed.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(_) => {}
            Err(_) if stop.load(Ordering::Relaxed) => return,
            Err(_) => {
                drop(book);
                pause(Duration::from_millis(20));
            }
        }
    }
}

/// A load of about `per_second` messages until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Publisher>,
}

impl Load {
    pub(crate) fn start(port: u16, per_second: u32) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let thread = std::thread::Builder::new().name("load".into()).spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut publisher = Publisher::new(port);
                let began = Instant::now();
                let mut number = 100;
                while !stop.load(Ordering::Relaxed) {
                    let due = began.elapsed().as_secs_f64() * f64::from(per_second);
                    while number < 100 + due as u64 {
                        let (topic, payload) = message(number);
                        publisher.publish(topic, &payload);
                        number += 1;
                    }
                    pause(Duration::from_millis(5));
                }
                publisher
            }
        });
        Self {
            stop,
            thread: thread.unwrap(),
        }
    }

    /// Stops it; the publisher with its book.
    pub(crate) fn stop(self) -> Publisher {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// What stands in the event log, read a bit further at every look.
#[derive(Default)]
pub(crate) struct Stored {
    reader: EventReader,
    position: i64,
    pub(crate) counts: Counts,
    pub(crate) messages: u64,
    /// Sessions that the daemon has found lost.
    pub(crate) sessions_lost: u64,
    /// Everything else, in the order of the log.
    pub(crate) others: Vec<Envelope>,
}

impl Stored {
    /// Reads what has come since.
    pub(crate) fn look(&mut self, data: &Path) {
        let mut database = Database::open_reader(&data.join("nightjar.db")).unwrap();
        let mut session = database.snapshot().unwrap();
        loop {
            let events = self
                .reader
                .after(&mut session, self.position, 10_000)
                .unwrap();
            let Some(last) = events.last() else { return };
            self.position = last.position;
            for event in events {
                self.take(event);
            }
        }
    }

    fn take(&mut self, event: Envelope) {
        let payload = match &event.event {
            Event::SensorReported(report) => report.value.to_string(),
            Event::LogWritten(_) => event.text.clone().unwrap(),
            Event::SessionLost(_) => {
                self.sessions_lost += 1;
                return;
            }
            _ => {
                self.others.push(event);
                return;
            }
        };
        let topic = event.topic.unwrap().text.to_string();
        *self.counts.entry((topic, payload)).or_default() += 1;
        self.messages += 1;
    }

    /// The messages whose count is another than the ledger's: (message, accepted, stored).
    pub(crate) fn differences(&self, ledger: &Counts) -> Vec<((String, String), u64, u64)> {
        let count = |counts: &Counts, key| counts.get(key).copied().unwrap_or_default();
        let mut keys: Vec<_> = ledger.keys().chain(self.counts.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter()
            .map(|key| (key.clone(), count(ledger, key), count(&self.counts, key)))
            .filter(|(_, accepted, stored)| accepted != stored)
            .collect()
    }

    /// Sends a last message to each family and waits until it is stored: the broker delivers in
    /// order, so everything that it had to send again has arrived by then.
    #[track_caller]
    pub(crate) fn settle(&mut self, publisher: &mut Publisher, data: &Path) {
        let number = MARKERS.fetch_add(1, Ordering::Relaxed);
        let markers = [
            (SENSOR, number.to_string()),
            (LOG, format!("line {number}")),
        ];
        for (topic, payload) in &markers {
            publisher.publish(topic, payload);
        }
        publisher.all_confirmed();
        for (topic, payload) in markers {
            let message = (topic.to_owned(), payload);
            until("all that was accepted is stored", || {
                self.look(data);
                self.counts.contains_key(&message).then_some(())
            });
        }
    }
}
