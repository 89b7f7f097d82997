//! A stop signal for the threads of the synchronous core, and the only place that sleeps.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Cloneable; once stopped it stays stopped.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    /// A signal that has not been given.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal and wakes all who wait.
    pub fn stop(&self) {
        let (stopped, wake) = &*self.inner;
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
    }

    /// Whether the signal was given.
    pub fn is_stopped(&self) -> bool {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits up to `pause`; true when the signal was given.
    pub fn wait(&self, pause: Duration) -> bool {
        let (stopped, wake) = &*self.inner;
        let guard = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = wake
            .wait_timeout_while(guard, pause, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *guard
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
        assert!(!Shutdown::new().wait(Duration::ZERO));
    }
}
