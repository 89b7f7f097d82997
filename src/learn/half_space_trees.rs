//! Half-space trees: how unusual a combination of a few figures is. Tan, Ting, Liu: Fast Anomaly
//! Detection for Streaming Data, IJCAI 2011.
//!
//! Trees split the unit cube at random, before anything is known. Each counts how many points of a
//! window of time fall into each of its nodes (the mass). A point is unusual when the nodes that it
//! falls into held little mass in the window before. The sum over the trees of mass · 2^depth along
//! the point's way, down to a node with less than a tenth of the window, is divided by the most that
//! there can be and taken from 1: 0 is the usual, 1 the unheard of. That is the score of river's
//! `anomaly.HalfSpaceTrees`; the paper counts the last node of the way alone.
//!
//! Splits are river's as well: a feature by chance, in proportion to how wide the node is in it, and
//! a place within the middle 70 % of that. They depend on the seed alone, and are not stored.
//!
//! How high the usual scores are depends on the figures; a [`super::baseline::Baseline`] of them tells
//! what is odd. What floods a whole window is the norm in the next one: for changes that stay there is
//! [`super::cusum`]. Figures without a known range are scaled by [`super::running_max`].

use serde::{Deserialize, Serialize};

use super::split_mix::SplitMix64;
use super::{ModelError, require, state};

/// Also raised when the same seed grows other trees.
const VERSION: u8 = 1;

/// Most trees.
pub const TREES_MAX: u16 = 100;
/// The deepest trees, 2,047 nodes each.
pub const DEPTH_MAX: u8 = 10;

/// No split lies nearer to a node's border, as a part of its width.
const PADDING: f64 = 0.15;
/// A node with less mass than this part of the window is not looked below: too few to tell more.
const SIZE_LIMIT: f64 = 0.1;

/// The forest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// 1 to [`TREES_MAX`].
    pub trees: u16,
    /// Splits on a point's way; 1 to [`DEPTH_MAX`].
    pub depth: u8,
    /// Points whose masses are compared with.
    pub window: u16,
    /// Sets the splits.
    pub seed: u64,
}

impl Default for Settings {
    /// Those of the paper.
    fn default() -> Self {
        Self {
            trees: 25,
            depth: 8,
            window: 250,
            seed: 1,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), ModelError> {
        require((1..=TREES_MAX).contains(&self.trees), "trees")?;
        require((1..=DEPTH_MAX).contains(&self.depth), "depth")?;
        require(self.window >= 2, "window")
    }

    /// Inner nodes of a tree.
    const fn splits(&self) -> usize {
        (1 << self.depth) - 1
    }

    /// Nodes of a tree.
    const fn nodes(&self) -> usize {
        (2 << self.depth) - 1
    }
}

/// Where a node is cut in two.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Split {
    feature: u32,
    /// Below it is left. Of half the size, so that all trees stay near the processor.
    threshold: f32,
}

/// A forest over points of so many features in [0, 1]. Trees are arrays: the children of node n are
/// 2n + 1 and 2n + 2.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfSpaceTrees<const FEATURES: usize> {
    settings: Settings,
    /// Of all trees, one behind the other.
    splits: Vec<Split>,
    /// Masses of the last whole window, of all trees.
    reference: Vec<u16>,
    /// Masses of this window so far.
    latest: Vec<u16>,
    /// Points in this window.
    points: u16,
    /// A whole window was seen.
    is_warm: bool,
}

impl<const FEATURES: usize> Default for HalfSpaceTrees<FEATURES> {
    fn default() -> Self {
        Self::grown(Settings::default())
    }
}

impl<const FEATURES: usize> HalfSpaceTrees<FEATURES> {
    const HAS_FEATURES: () = assert!(FEATURES > 0, "a point without features has no place");

    /// A forest that knows nothing yet.
    pub fn new(settings: Settings) -> Result<Self, ModelError> {
        settings.check()?;
        Ok(Self::grown(settings))
    }

    fn grown(settings: Settings) -> Self {
        let () = Self::HAS_FEATURES;
        let mut chance = SplitMix64::new(settings.seed);
        let trees = (0..settings.trees).flat_map(|_| grow::<FEATURES>(&settings, &mut chance));
        Self {
            splits: trees.collect(),
            reference: vec![0; settings.nodes() * usize::from(settings.trees)],
            latest: vec![0; settings.nodes() * usize::from(settings.trees)],
            points: 0,
            is_warm: false,
            settings,
        }
    }

    /// How the forest was grown.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How unusual a point is, 0 to 1; none before a whole window was seen. What lies outside [0, 1]
    /// counts as at the border.
    pub fn score(&self, point: &[f64; FEATURES]) -> Option<f64> {
        if !self.is_warm {
            return None;
        }
        let window = f64::from(self.settings.window);
        let limit = SIZE_LIMIT * window;
        let trees = self.splits.chunks_exact(self.settings.splits());
        let masses = self.reference.chunks_exact(self.settings.nodes());
        // At most 100 · 65,535 · 2,047, which is exact.
        let mut usual = 0_u64;
        for (splits, masses) in trees.zip(masses) {
            let mut node = 0;
            for depth in 0..=self.settings.depth {
                usual += u64::from(masses[node]) << depth;
                if f64::from(masses[node]) < limit || depth == self.settings.depth {
                    break;
                }
                node = below(node, splits[node], point);
            }
        }
        let most = f64::from(self.settings.trees) * window * self.settings.nodes() as f64;
        Some(1.0 - usual as f64 / most)
    }

    /// Learns from a point. To score it by what came before, do that first.
    pub fn update(&mut self, point: &[f64; FEATURES]) {
        let trees = self.splits.chunks_exact(self.settings.splits());
        let masses = self.latest.chunks_exact_mut(self.settings.nodes());
        for (splits, masses) in trees.zip(masses) {
            let mut node = 0;
            for _ in 0..self.settings.depth {
                masses[node] += 1;
                node = below(node, splits[node], point);
            }
            masses[node] += 1;
        }
        self.points += 1;
        if self.points == self.settings.window {
            std::mem::swap(&mut self.reference, &mut self.latest);
            self.latest.fill(0);
            self.points = 0;
            self.is_warm = true;
        }
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            features: FEATURES as u64,
            settings: self.settings,
            is_warm: self.is_warm,
            points: self.points,
            reference: self.reference.clone(),
            latest: self.latest.clone(),
        };
        state::encode(VERSION, &stored)
    }

    /// From the bytes of [`HalfSpaceTrees::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let stored: Stored = state::decode(VERSION, bytes)?;
        require(stored.features == FEATURES as u64, "features")?;
        let settings = stored.settings;
        settings.check()?;
        require(stored.points < settings.window, "points")?;
        let whole = if stored.is_warm { settings.window } else { 0 };
        require(
            add_up(&settings, &stored.reference, whole),
            "masses of a window",
        )?;
        require(
            add_up(&settings, &stored.latest, stored.points),
            "latest masses",
        )?;
        Ok(Self {
            reference: stored.reference,
            latest: stored.latest,
            points: stored.points,
            is_warm: stored.is_warm,
            ..Self::grown(settings)
        })
    }
}

/// A forest as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    features: u64,
    settings: Settings,
    is_warm: bool,
    points: u16,
    reference: Vec<u16>,
    latest: Vec<u16>,
}

/// Whether these are the masses of `points` points: all at each root, and each node's those of its
/// children.
fn add_up(settings: &Settings, masses: &[u16], points: u16) -> bool {
    let is_sum = |tree: &[u16], node: usize| {
        let children = u32::from(tree[2 * node + 1]) + u32::from(tree[2 * node + 2]);
        u32::from(tree[node]) == children
    };
    masses.len() == settings.nodes() * usize::from(settings.trees)
        && masses
            .chunks_exact(settings.nodes())
            .all(|tree| tree[0] == points && (0..settings.splits()).all(|node| is_sum(tree, node)))
}

fn below<const FEATURES: usize>(node: usize, split: Split, point: &[f64; FEATURES]) -> usize {
    let is_left = point[split.feature as usize] < f64::from(split.threshold);
    2 * node + if is_left { 1 } else { 2 }
}

/// The splits of one tree.
fn grow<const FEATURES: usize>(settings: &Settings, chance: &mut SplitMix64) -> Vec<Split> {
    let mut rooms = vec![[(0.0, 1.0); FEATURES]];
    let mut splits = Vec::with_capacity(settings.splits());
    for node in 0..settings.splits() {
        let room = rooms[node];
        let split = cut(&room, chance);
        let (feature, threshold) = (split.feature as usize, f64::from(split.threshold));
        let (mut left, mut right) = (room, room);
        left[feature].1 = threshold;
        right[feature].0 = threshold;
        rooms.extend([left, right]);
        splits.push(split);
    }
    splits
}

/// A split of a room, which is (from, to) in each feature.
fn cut<const FEATURES: usize>(room: &[(f64, f64); FEATURES], chance: &mut SplitMix64) -> Split {
    let around: f64 = room.iter().map(|(from, to)| to - from).sum();
    let mut place = chance.next_unit() * around;
    // The last one, should rounding lead past it.
    let feature = room
        .iter()
        .position(|(from, to)| {
            place -= to - from;
            place < 0.0
        })
        .unwrap_or(FEATURES - 1);
    let (from, to) = room[feature];
    let part = PADDING + (1.0 - 2.0 * PADDING) * chance.next_unit();
    Split {
        feature: feature as u32,
        threshold: (from + part * (to - from)) as f32,
    }
}

#[cfg(test)]
mod tests;
