//! The book of acks: what was submitted, on which connection it came, what is durable by now.
//!
//! The writer settles a family's submissions in the order of submission, so one counter tells
//! which of them may be acknowledged. An entry of an earlier connection is crossed out, never
//! sent: on the new connection its packet id may belong to somebody else's message.
//!
//! To wake the polling task without disturbing its poll, the writer's thread sends the first due
//! ack through the client's queue; when that one is out, the task writes all that follow at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::link::{Arrived, Doorbell};
use crate::base::telemetry::Telemetry;
use crate::writer::Settled;

/// Payload bytes on their way to the disk, over all families.
#[derive(Debug, Default)]
pub struct Inflight(AtomicUsize);

impl Inflight {
    /// Whether less than `limit_bytes` are on their way.
    pub fn has_room(&self, limit_bytes: usize) -> bool {
        self.0.load(Ordering::Relaxed) < limit_bytes
    }
}

/// One family's book.
pub struct AckBook {
    pages: Mutex<Pages>,
    settled: Arc<Settled>,
    telemetry: Arc<Telemetry>,
    inflight: Arc<Inflight>,
    doorbell: Doorbell,
    ignores_epoch: bool,
}

#[derive(Default)]
struct Pages {
    epoch: u64,
    waiting: VecDeque<Entry>,
    /// Entries taken from the front of `waiting` since the start.
    taken: u64,
    /// The doorbell rang and the task has not come yet.
    rung: bool,
}

struct Entry {
    epoch: u64,
    packet_id: Option<u16>,
    size_bytes: usize,
}

impl std::fmt::Debug for AckBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AckBook")
            .field("waiting", &self.pages().waiting.len())
            .finish_non_exhaustive()
    }
}

impl AckBook {
    /// An empty book.
    pub fn new(
        telemetry: Arc<Telemetry>,
        inflight: Arc<Inflight>,
        doorbell: Doorbell,
        ignores_epoch: bool,
    ) -> Arc<Self> {
        Arc::new_cyclic(|book: &Weak<Self>| {
            let book = Weak::clone(book);
            Self {
                pages: Mutex::default(),
                settled: Arc::new(Settled::new(move || {
                    if let Some(book) = book.upgrade() {
                        book.ring();
                    }
                })),
                telemetry,
                inflight,
                doorbell,
                ignores_epoch,
            }
        })
    }

    /// Enters a submission; what the writer is to count it on.
    pub fn expect(&self, packet_id: Option<u16>, size_bytes: usize) -> Arc<Settled> {
        self.inflight.0.fetch_add(size_bytes, Ordering::Relaxed);
        let mut pages = self.pages();
        let epoch = pages.epoch;
        pages.waiting.push_back(Entry {
            epoch,
            packet_id,
            size_bytes,
        });
        Arc::clone(&self.settled)
    }

    /// Submissions entered and not yet durable or not yet acknowledged.
    pub fn waiting(&self) -> usize {
        self.pages().waiting.len()
    }

    /// The packet ids that are due, in the order of arrival, after the one that the doorbell sent.
    pub fn take_due(&self) -> Vec<u16> {
        let mut pages = self.pages();
        pages.rung = false;
        let mut due = Vec::new();
        while let Some(packet_id) = self.next_due(&mut pages) {
            due.push(packet_id);
        }
        self.telemetry.messages_acked.add(due.len() as u64);
        due
    }

    /// The connection is gone: crosses out what came by it. `reset` runs while no ack can be
    /// queued, so that none survives it.
    pub fn new_epoch(&self, reset: impl FnOnce() -> Vec<Arrived>) -> Vec<Arrived> {
        let mut pages = self.pages();
        pages.epoch += 1;
        pages.rung = false;
        reset()
    }

    fn ring(&self) {
        let mut pages = self.pages();
        if pages.rung {
            return;
        }
        if let Some(packet_id) = self.next_due(&mut pages) {
            if (self.doorbell)(packet_id) {
                pages.rung = true;
                self.telemetry.messages_acked.add_one();
            } else {
                // The connection is ending: the broker will send it again.
                self.telemetry.acks_stale.add_one();
            }
        }
    }

    fn next_due(&self, pages: &mut Pages) -> Option<u16> {
        while pages.taken < self.settled.count() {
            let entry = pages.waiting.pop_front()?;
            pages.taken += 1;
            self.inflight
                .0
                .fetch_sub(entry.size_bytes, Ordering::Relaxed);
            let Some(packet_id) = entry.packet_id else {
                continue;
            };
            if entry.epoch == pages.epoch || self.ignores_epoch {
                return Some(packet_id);
            }
            self.telemetry.acks_stale.add_one();
        }
        None
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
