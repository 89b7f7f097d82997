//! Which key may be used, and what is said when there is none.
//!
//! The key is looked for anew before every file, so a key that vanishes, turns readable for others
//! or is exchanged while the daemon runs is noticed before anything is sealed under it. A key other
//! than the one that sealed the newest recording is refused: a swapped file is likelier a mistake
//! than a wish, recordings under two keys are twice as easily lost, and a restart with the first key
//! could open only half of them. Who does wish it says so by `Options::accepted_key`.

use std::time::Instant;

use super::{Stop, TROUBLE_EVERY, Watcher};
use crate::event::system::Weight;
use crate::vault::key::{self, Key};

impl Watcher {
    /// The key, unless there is trouble with it; a new trouble, or its end, is noted once.
    pub(super) fn usable_key(&mut self) -> Result<Option<Key>, Stop> {
        let (key, trouble) = match key::find(&self.options.key, &self.options.key_environment) {
            Err(error) => (None, Some(error.to_string())),
            Ok((key, _)) => match self.refuse(&key.id().to_string())? {
                Some(trouble) => (None, Some(trouble)),
                None => (Some(key), None),
            },
        };
        if trouble != self.key_trouble {
            match &trouble {
                Some(text) => self.note("vault", Weight::Critical, text)?,
                None => self.note("vault", Weight::Info, "the storage key is back in use")?,
            }
            self.key_trouble = trouble;
        }
        Ok(key)
    }

    fn refuse(&mut self, id: &str) -> Result<Option<String>, Stop> {
        let accepted = self.options.accepted_key.as_deref() == Some(id);
        let last = self.records.last_key()?;
        Ok(last.filter(|last| last != id && !accepted).map(|last| {
            format!(
                "the storage key is {id}, but the recordings so far were sealed under {last}; put \
                 that one back, or set vault.accepted_key = \"{id}\" if the change is meant"
            )
        }))
    }

    pub(super) fn check_key(&mut self, now: Instant) -> Result<(), Stop> {
        self.key_checked_at = Some(now);
        self.usable_key().map(|_| ())
    }

    /// Whether a key that was missing is there again; looks from time to time.
    pub(super) fn is_key_back(&mut self, now: Instant) -> bool {
        let checked = self
            .key_checked_at
            .is_none_or(|at| now < at + TROUBLE_EVERY);
        if self.key_trouble.is_none() || checked {
            return false;
        }
        // Trouble with the database shows in the next piece of work.
        self.check_key(now).is_ok() && self.key_trouble.is_none()
    }
}
