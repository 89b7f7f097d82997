//! Which key may be used, and what is said when there is none.
//!
//! The key is looked for anew before every file, so a key that vanishes, turns readable for others
//! or is exchanged while the daemon runs is noticed before anything is sealed under it. A key other
//! than the one that sealed the newest recording is refused: a swapped file is likelier a mistake
//! than a wish, recordings under two keys are twice as easily lost, and a restart with the first key
//! could open only half of them. A rotation is a wish: it puts both keys into the keyring, so that
//! everything stays open, and the new one was never retired. Who changes keys in another way says so
//! by `Options::accepted_key`.

use std::time::Instant;

use super::records::Rotated;
use super::{Stop, TROUBLE_EVERY, Watcher, media};
use crate::event::system::Weight;
use crate::vault::key::{self, Key, KeyId};
use crate::vault::keyring::{Keyring, KeyringError};

/// Whether these first bytes of a plaintext are those of a video or a picture, which is how a key is
/// known to open a file that has no sidecar.
pub fn is_known_content(head: &[u8]) -> bool {
    const PICTURES: [&[u8]; 3] = [b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF"];
    media::container(head).is_some() || PICTURES.iter().any(|magic| head.starts_with(magic))
}

impl Watcher {
    /// The key, unless there is trouble with it; a new trouble, or its end, is noted once.
    pub(super) fn usable_key(&mut self) -> Result<Option<Key>, Stop> {
        let (key, trouble) = match key::find(&self.options.key, &self.options.key_environment) {
            Err(error) => (None, Some(error.to_string())),
            Ok((key, _)) => match self.refuse(key.id())? {
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

    /// Why the key may not seal, if it may not. That another one may is noted once.
    fn refuse(&mut self, id: KeyId) -> Result<Option<String>, Stop> {
        let shown = id.to_string();
        let is_accepted = self.options.accepted_key.as_deref() == Some(&shown);
        let is_retired = self.records.rotated(&shown)? == Some(Rotated::Retired);
        let Some(last) = self.records.last_key()?.filter(|last| *last != shown) else {
            // Nothing else was sealed since the rotation, but its key may go any time.
            return Ok((is_retired && !is_accepted).then(|| {
                format!(
                    "the storage key {shown} was retired by a rotation; put the new one into its \
                     place, and restart the service if it gets its key when it starts"
                )
            }));
        };
        let kept = if is_accepted {
            "as vault.accepted_key says"
        } else {
            if let Err(why) = self.is_rotated(id, &last)? {
                return Ok(Some(format!(
                    "the storage key is {shown}, but the recordings so far were sealed under \
                     {last}{why}; put that one back, or set vault.accepted_key = \"{shown}\" if \
                     the change is meant (`nightjar vault rotate` makes such a change safely)"
                )));
            }
            "after a rotation; the earlier key is in the keyring"
        };
        // The event of a rotation says so itself; this is for other ways, and until it is stored.
        let is_told = self.records.rotated(&shown)? == Some(Rotated::Current);
        if self.key_accepted.replace(id) != Some(id) && !is_told {
            let text = format!("recordings are sealed under the key {shown} from now on, {kept}");
            if !self.records.was_noted("vault", &text)? {
                self.note("vault", Weight::Info, &text)?;
            }
        }
        Ok(None)
    }

    /// Whether the key `id` came after `last` by a rotation; else what there is to say about it.
    fn is_rotated(&mut self, id: KeyId, last: &str) -> Result<Result<(), String>, Stop> {
        if self.records.rotated(&id.to_string())? == Some(Rotated::Retired) {
            return Ok(Err(", and this key was retired by a rotation".into()));
        }
        let ring = self.keyring();
        let both = || -> Result<bool, KeyringError> {
            let Ok(last) = last.parse() else {
                return Ok(false);
            };
            Ok(ring.load(&id)?.is_some() && ring.load(&last)?.is_some())
        };
        Ok(match both() {
            Ok(true) => Ok(()),
            Ok(false) => Err(String::new()),
            Err(error) => Err(format!(" ({error})")),
        })
    }

    /// The folder with the keys of earlier recordings.
    pub(super) fn keyring(&self) -> Keyring {
        Keyring::of(&self.options.key)
    }

    /// The key with this id (hex): the current one, or one of the keyring.
    pub(super) fn key_named(&self, id: &str, current: &Key) -> Option<Key> {
        let id: KeyId = id.parse().ok()?;
        if current.id() == id {
            return Some(current.duplicate());
        }
        self.keyring().load(&id).unwrap_or_else(|error| {
            tracing::warn!(%error, "a key of the keyring cannot be used");
            None
        })
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
