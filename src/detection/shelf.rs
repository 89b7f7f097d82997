//! A shelf: the models of one sort, one for each subject, bounded, and how they are stored.

use std::collections::BTreeMap;

use ciborium::Value;
use serde::{Deserialize, Serialize};

use super::episode::Episode;
use super::keys::{NAME_MAX_BYTES, key};
use super::mix::Mix;
use super::order::Order;
use super::pace::Pace;
use super::volume::Volume;
use super::{Finding, Sensitivity, Stage, StateError, Verdict, state};
use crate::base::clock::UnixNanos;
use crate::store::model::StoredModel;

/// Minutes of a day, which is the season of the models that have one.
const DAY_MINUTES: i64 = 24 * 60;

/// What models of one sort have in common.
pub(super) trait Model: Sized {
    /// What their keys begin with.
    const PREFIX: &'static str;

    /// One that knows nothing yet.
    fn fresh(sensitivity: Sensitivity) -> Self;
    /// What it is made of, as bytes.
    fn parts(&self) -> Vec<Vec<u8>>;
    /// From what [`Model::parts`] gave, unless it was made with other settings.
    fn from_parts(parts: &[Vec<u8>], sensitivity: Sensitivity) -> Result<Self, StateError>;
    /// How far it has come after `learned` lines or minutes.
    fn stage(&self, learned: u64) -> Stage;
    /// The subject of its anomalies, of the name on the shelf.
    fn subject(name: &str) -> String;
}

/// A model with what is kept beside it.
#[derive(Debug)]
pub(super) struct Kept<M> {
    pub(super) model: M,
    /// The last minute that it was fed: after a pause the models pass the minutes in between.
    pub(super) fed: Option<i64>,
    /// Lines or minutes that it has learned from.
    pub(super) learned: u64,
    /// The last minute in which its subject was heard of.
    used: i64,
    episode: Episode,
    /// Rows up to this position are in it. A kill while saving leaves some further than the clock.
    read_to: i64,
}

impl<M: Model> Kept<M> {
    fn fresh(sensitivity: Sensitivity) -> Self {
        Self {
            model: M::fresh(sensitivity),
            fed: None,
            learned: 0,
            used: i64::MIN,
            episode: Episode::default(),
            read_to: i64::MIN,
        }
    }

    /// Lets nothing lie after the minute `now`: the clock went back. By whole days, so that the time
    /// of day goes on.
    fn rewind(&mut self, now: i64) {
        let back = |fed: i64| now - (now - fed).rem_euclid(DAY_MINUTES);
        self.fed = self.fed.map(|fed| if fed > now { back(fed) } else { fed });
        self.used = self.used.min(now);
        self.episode.rewind(now);
    }

    /// Notes that it is fed with `minute`; how many before that nobody watched.
    pub(super) fn feed(&mut self, minute: i64) -> u64 {
        let before = self.fed.replace(minute).unwrap_or(minute);
        self.learned = self.learned.saturating_add(1);
        minute.abs_diff(before).saturating_sub(1)
    }

    /// What is to be told of a verdict about `minute`.
    pub(super) fn tell(
        &mut self,
        name: &str,
        minute: i64,
        (at, event): (UnixNanos, i64),
        verdict: Verdict,
    ) -> Option<Finding> {
        let tells = self.episode.tells(minute, verdict.score, verdict.above);
        tells.then(|| Finding {
            model: key(M::PREFIX, name),
            subject: M::subject(name),
            at,
            event,
            verdict,
        })
    }
}

/// A model as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    fed: Option<i64>,
    learned: u64,
    used: i64,
    episode: Episode,
    parts: Vec<Value>,
}

/// The models of one sort by name.
#[derive(Debug)]
pub(super) struct Shelf<M> {
    sensitivity: Sensitivity,
    most: usize,
    kept: BTreeMap<String, Kept<M>>,
    /// Models that went for others.
    pub(super) evicted: u64,
}

impl<M: Model> Shelf<M> {
    pub(super) fn new(sensitivity: Sensitivity, most: usize) -> Self {
        Self {
            sensitivity,
            most,
            kept: BTreeMap::new(),
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The model of `name`, which was heard of in `minute` by the row at `position`; made if it is new.
    /// The one unheard of for longest goes when the shelf is full; of equal ones the first by name.
    /// None when that row is in it already.
    pub(super) fn of(&mut self, name: &str, minute: i64, position: i64) -> Option<&mut Kept<M>> {
        if !self.kept.contains_key(name) {
            if self.kept.len() >= self.most {
                let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
                if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                    self.kept.remove(&name);
                    self.evicted += 1;
                }
            }
            let fresh = Kept::fresh(self.sensitivity);
            self.kept.insert(name.to_owned(), fresh);
        }
        let kept = self.kept.get_mut(name).expect("it was just put there");
        if position <= kept.read_to {
            return None;
        }
        kept.used = kept.used.max(minute);
        Some(kept)
    }

    /// All by name that the row at `position` is not in yet.
    pub(super) fn iter_mut(
        &mut self,
        position: i64,
    ) -> impl Iterator<Item = (&String, &mut Kept<M>)> {
        let all = self.kept.iter_mut();
        all.filter(move |(_, kept)| position > kept.read_to)
    }

    /// Lets nothing lie after the minute `now`.
    pub(super) fn rewind(&mut self, now: i64, position: i64) {
        self.iter_mut(position)
            .for_each(|(_, kept)| kept.rewind(now));
    }

    /// Every state, by key.
    pub(super) fn states(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        self.kept.iter().map(|(name, kept)| {
            let parts = kept.model.parts().into_iter().map(Value::Bytes);
            let stored = Stored {
                name: name.clone(),
                fed: kept.fed,
                learned: kept.learned,
                used: kept.used,
                episode: kept.episode,
                parts: parts.collect(),
            };
            (key(M::PREFIX, name), state::encode(&stored))
        })
    }

    /// Puts a stored model back; false when its key is not of this sort. `until` is the last minute
    /// that can have been fed.
    pub(super) fn restore(&mut self, stored: &StoredModel, until: i64) -> Result<bool, StateError> {
        if !stored.key.starts_with(M::PREFIX) {
            return Ok(false);
        }
        let (name, mut kept) = opened::<M>(&stored.key, &stored.data, self.sensitivity)?;
        if kept.fed.is_some_and(|fed| fed > until) {
            return Err(StateError::Frame("it is of the future"));
        }
        if self.kept.len() >= self.most {
            return Err(StateError::Frame("one too many"));
        }
        kept.read_to = stored.position;
        self.kept.insert(name, kept);
        Ok(true)
    }

    /// Takes down the model of this key.
    pub(super) fn forget(&mut self, gone: &str) {
        self.kept.retain(|name, _| key(M::PREFIX, name) != gone);
    }
}

fn opened<M: Model>(
    stored_key: &str,
    data: &[u8],
    sensitivity: Sensitivity,
) -> Result<(String, Kept<M>), StateError> {
    let stored: Stored = state::decode(data)?;
    if stored.name.len() > NAME_MAX_BYTES || key(M::PREFIX, &stored.name) != stored_key {
        return Err(StateError::Frame("it is of another key"));
    }
    let parts = stored.parts.into_iter().map(Value::into_bytes);
    let parts: Vec<_> = parts
        .collect::<Result<_, _>>()
        .map_err(|_| StateError::Frame("damaged"))?;
    let kept = Kept {
        model: M::from_parts(&parts, sensitivity)?,
        fed: stored.fed,
        learned: stored.learned,
        used: stored.used,
        episode: stored.episode,
        read_to: i64::MIN,
    };
    Ok((stored.name, kept))
}

/// What can be told of a stored state: its subject, how many lines or minutes it has learned from, and
/// how far it has come. None for a key that is of no model here.
pub fn describe(
    key: &str,
    data: &[u8],
    sensitivity: Sensitivity,
) -> Option<Result<(String, u64, Stage), StateError>> {
    fn of<M: Model>(
        key: &str,
        data: &[u8],
        sensitivity: Sensitivity,
    ) -> Option<Result<(String, u64, Stage), StateError>> {
        key.starts_with(M::PREFIX).then(|| {
            let (name, kept) = opened::<M>(key, data, sensitivity)?;
            let stage = kept.model.stage(kept.learned);
            Ok((M::subject(&name), kept.learned, stage))
        })
    }
    of::<Volume>(key, data, sensitivity)
        .or_else(|| of::<Pace>(key, data, sensitivity))
        .or_else(|| of::<Order>(key, data, sensitivity))
        .or_else(|| of::<Mix>(key, data, sensitivity))
}
