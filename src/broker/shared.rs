//! The exchange as connections and tests share it: one lock, and a way to wait for a change.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Options;
use super::exchange::Exchange;

/// A handle; clones reach the same exchange.
#[derive(Clone)]
pub(super) struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Mutex<Exchange>,
    changed: Notify,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        let inner = Inner {
            exchange: Mutex::new(Exchange::new(options)),
            changed: Notify::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Changes something, then wakes those who wait for a change.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Exchange) -> R) -> R {
        let result = act(&mut self.lock());
        self.inner.changed.notify_waiters();
        result
    }

    /// Changes nothing, wakes nobody.
    pub(super) fn look<R>(&self, read: impl FnOnce(&Exchange) -> R) -> R {
        read(&self.lock())
    }

    /// Completes at the first [`Shared::with`] after this call, polled or not.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.inner.changed.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.inner
            .exchange
            .lock()
            .expect("nothing panics while it holds the exchange")
    }
}
