//! Saving the models: those that changed, in pieces, so that the writer does other things in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::{Follower, Halt, Work};
use crate::detection::watch::CLOCK;
use crate::detection::{Sensitivity, describe};
use crate::store::model::{self, Models};
use crate::writer::ModelState;

/// States in one transaction.
pub(super) const STATES_AT_ONCE: usize = 64;
/// Bytes in one transaction, unless one state alone has more.
const BYTES_AT_ONCE: usize = 1_048_576;

/// What stands in the table, as far as this thread knows: a hash of its bytes, by key.
pub(super) type Saved = BTreeMap<String, [u8; 32]>;

pub(super) fn hash(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

impl Follower {
    /// Saves what has changed since the last time. The clock comes last: after a kill before that,
    /// rows are read again from its old position, and models that were saved leave out their part.
    pub(super) fn save(&self, work: &mut Work) -> Result<(), Halt> {
        work.last_save = Instant::now();
        if work.saved_at == Some(work.position) {
            return Ok(());
        }
        let present: BTreeSet<_> = {
            let mut session = work.reader.snapshot()?;
            model::keys(&mut session)?.into_iter().collect()
        };
        let watch = &mut work.watch;
        work.saved.retain(|key, _| {
            let is_there = present.contains(key);
            if !is_there {
                tracing::info!(key, "a model was removed and begins anew");
                watch.forget(key);
            }
            is_there
        });
        let mut models = Models {
            reader: &mut work.reader,
            writer: &self.writer,
        };
        let mut piece = Vec::new();
        let mut bytes = 0;
        let mut keys = BTreeSet::new();
        for (key, data) in work.watch.states() {
            let now = hash(&data);
            let before = work.saved.insert(key.clone(), now);
            keys.insert(key.clone());
            if before == Some(now) && key != CLOCK {
                continue;
            }
            let is_full = piece.len() == STATES_AT_ONCE || bytes + data.len() > BYTES_AT_ONCE;
            if is_full && !piece.is_empty() {
                models.save_all(std::mem::take(&mut piece), Vec::new(), work.position)?;
                bytes = 0;
            }
            bytes += data.len();
            piece.push(ModelState {
                key,
                data,
                is_known: before.is_some(),
            });
        }
        // Only what was ours: others may keep models of their own in the table.
        let is_ours = |key: &&String| describe(key, &[], Sensitivity::Normal).is_some();
        let gone = present.difference(&keys).filter(is_ours).cloned().collect();
        models.save_all(piece, gone, work.position)?;
        work.saved.retain(|key, _| keys.contains(key));
        work.saved_at = Some(work.position);
        Ok(())
    }
}
