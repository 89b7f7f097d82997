//! Where PINs are looked at and end: what `decode` took out of a request is held against the hash of
//! the configuration, and the request's event learns only the verdict.
//!
//! The text is wiped from memory right after; wrong ones are counted, and each makes the next wait
//! longer. The count begins where the event log left it, so that a restart opens no gate.

use std::sync::{Mutex, PoisonError};

use crate::base::clock::UnixNanos;
use crate::decode::Decoded;
use crate::event::Event;
use crate::event::house::PinVerdict;
use crate::reactor::pin::{PinGate, PinHash, try_pin};
use crate::read_model::alarm::wrong_pins;
use crate::storage::{Session, StorageError};

/// Looks at PINs, one at a time.
#[derive(Debug, Default)]
pub struct PinDesk {
    hash: Option<PinHash>,
    gate: Mutex<PinGate>,
    /// For those on the box itself: nobody on the bus can close it.
    gate_at_box: Mutex<PinGate>,
}

impl PinDesk {
    /// A desk that knows the right PIN's hash, if there is one, and how many wrong ones came before.
    pub fn new(hash: Option<PinHash>, session: &mut dyn Session) -> Result<Self, StorageError> {
        let (failures, last_at) = wrong_pins(session, i64::MAX)?;
        let failures = u32::try_from(failures).unwrap_or(u32::MAX);
        Ok(Self {
            hash,
            gate: Mutex::new(PinGate::restored(failures, last_at)),
            gate_at_box: Mutex::new(PinGate::restored(failures, last_at)),
        })
    }

    /// Whether there is a PIN at all.
    pub const fn has_pin(&self) -> bool {
        self.hash.is_some()
    }

    /// What a PIN is worth that was typed at the box itself. Takes a good part of a second where one
    /// is given and a hash is there.
    pub fn verdict_at_box(&self, given: Option<&str>, now: UnixNanos) -> PinVerdict {
        self.verdict(&self.gate_at_box, given, now)
    }

    fn verdict(&self, gate: &Mutex<PinGate>, given: Option<&str>, now: UnixNanos) -> PinVerdict {
        let mut gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
        try_pin(self.hash.as_ref(), &mut gate, given, now).verdict
    }

    /// Looks at the PIN that came with a message, if it is a request, and wipes it. `queued`: the
    /// broker may have held the message for long.
    pub fn judge(&self, decoded: &mut Decoded, queued: bool, now: UnixNanos) {
        let pin = decoded.pin.take();
        for event in &mut decoded.events {
            if let Event::ArmRequested(request) = &mut event.event {
                let given = pin.as_deref().map(String::as_str);
                request.pin = Some(self.verdict(&self.gate, given, now));
                // A time of its own tells better how old it is.
                request.queued = queued && event.occurred_at == event.received_at;
            }
        }
    }
}

#[cfg(test)]
mod tests;
