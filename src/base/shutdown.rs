//! A stop signal for the threads of the synchronous core, and the only place that sleeps.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

/// Cloneable; once stopped it stays stopped.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Taken away by the signal.
    open: Arc<Mutex<Option<Sender<Infallible>>>>,
    /// Carries nothing; disconnects with the signal.
    signal: Receiver<Infallible>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A signal that has not been given.
    pub fn new() -> Self {
        let (open, signal) = bounded(0);
        Self {
            open: Arc::new(Mutex::new(Some(open))),
            signal,
        }
    }

    /// Gives the signal and wakes all who wait.
    pub fn stop(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the signal was given.
    pub fn is_stopped(&self) -> bool {
        self.signal.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Waits up to `pause`; true when the signal was given.
    pub fn wait(&self, pause: Duration) -> bool {
        self.signal.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected)
    }

    /// For who waits for other things beside it: a channel that is empty until the signal is given,
    /// and disconnected from then on.
    pub const fn signal(&self) -> &Receiver<Infallible> {
        &self.signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_thread_is_woken_by_the_signal() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        let waiting = std::thread::Builder::new()
            .spawn(move || other.wait(Duration::from_secs(600)))
            .expect("a thread starts");
        shutdown.stop();
        assert!(waiting.join().expect("the thread ends"));
        assert!(shutdown.wait(Duration::ZERO) && shutdown.is_stopped());
        let never = Shutdown::new();
        assert!(!never.wait(Duration::ZERO) && !never.is_stopped());
    }
}
